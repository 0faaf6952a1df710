"""TLS: values by Windows version, equality by meaning, servers that need older protocols, reasons for a restart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from powershell_host import PowerShellError, PowerShellHost

SCHANNEL = r"HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
NET4 = r"HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319"
NET2 = r"HKLM:\SOFTWARE\Microsoft\.NETFramework\v2.0.50727"
WINHTTP = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp"

ON = [
    rf"{SCHANNEL}\TLS 1.2\Client Enabled 64 1",
    rf"{SCHANNEL}\TLS 1.2\Client DisabledByDefault 64 0",
    rf"{SCHANNEL}\TLS 1.2\Server Enabled 64 1",
    rf"{SCHANNEL}\TLS 1.2\Server DisabledByDefault 64 0",
    rf"{NET4} SchUseStrongCrypto 64 1",
    rf"{NET4} SystemDefaultTlsVersions 64 1",
    rf"{NET4} SchUseStrongCrypto 32 1",
    rf"{NET4} SystemDefaultTlsVersions 32 1",
    rf"{NET2} SchUseStrongCrypto 64 1",
    rf"{NET2} SystemDefaultTlsVersions 64 1",
    rf"{NET2} SchUseStrongCrypto 32 1",
    rf"{NET2} SystemDefaultTlsVersions 32 1",
]
ON_WINHTTP = [f"{WINHTTP} DefaultSecureProtocols 64 2048", f"{WINHTTP} DefaultSecureProtocols 32 2048"]
OFF = [
    rf"{SCHANNEL}\SSL 2.0\Client Enabled 64 0",
    rf"{SCHANNEL}\SSL 2.0\Client DisabledByDefault 64 1",
    rf"{SCHANNEL}\SSL 2.0\Server Enabled 64 0",
    rf"{SCHANNEL}\SSL 2.0\Server DisabledByDefault 64 1",
    rf"{SCHANNEL}\SSL 3.0\Client Enabled 64 0",
    rf"{SCHANNEL}\SSL 3.0\Client DisabledByDefault 64 1",
    rf"{SCHANNEL}\SSL 3.0\Server Enabled 64 0",
    rf"{SCHANNEL}\SSL 3.0\Server DisabledByDefault 64 1",
    rf"{SCHANNEL}\TLS 1.0\Client Enabled 64 0",
    rf"{SCHANNEL}\TLS 1.0\Client DisabledByDefault 64 1",
    rf"{SCHANNEL}\TLS 1.0\Server Enabled 64 0",
    rf"{SCHANNEL}\TLS 1.0\Server DisabledByDefault 64 1",
    rf"{SCHANNEL}\TLS 1.1\Client Enabled 64 0",
    rf"{SCHANNEL}\TLS 1.1\Client DisabledByDefault 64 1",
    rf"{SCHANNEL}\TLS 1.1\Server Enabled 64 0",
    rf"{SCHANNEL}\TLS 1.1\Server DisabledByDefault 64 1",
]

WANTED = """
$option = @{ state = 'present'; disable_older = 'auto'; explicit = $false }
foreach ($name in $case.option.Keys) { $option[$name] = $case.option[$name] }
$role = @{}
foreach ($name in $case.roles) { $role[$name] = @{ found = $true } }
foreach ($name in $case.role.Keys) { $role[$name] = $case.role[$name] }
$wanted = Get-TlsDesiredState -Option $option -Build $case.build -Role $role
"""
LIST = (
    WANTED
    + """
@{
    values = @($wanted.Values | ForEach-Object {
        $data = if ($_.Wanted) { ConvertFrom-RegistryData -Value $_.Wanted } else { 'absent' }
        "$($_.Path) $($_.Name) $($_.View) $data"
    })
    parts = @($wanted.Parts)
    notes = @($wanted.Notes)
}"""
)
PLAN = (
    WANTED
    + """
$plan = Get-RegistryPlan -Value $wanted.Values
@($plan.Changes | ForEach-Object {
    $data = if ($_.After) { ConvertFrom-RegistryData -Value $_.After } else { 'absent' }
    "$($_.Path) $($_.Name) $($_.View) $data"
})"""
)


PARTS = ["schannel_client", "schannel_server", "dotnet", "winhttp"]


def wanted(
    powershell: PowerShellHost,
    build: int,
    roles: tuple[str, ...] = (),
    role: dict[str, object] | None = None,
    **option: object,
) -> dict:
    return powershell.run(LIST, {"build": build, "roles": list(roles), "role": role or {}, "option": option})


@pytest.mark.parametrize(
    ("build", "winhttp"), [(9200, True), (9600, False), (14393, False), (17763, False), (20348, False)]
)
def test_each_version_of_windows_gets_what_it_needs(bare: PowerShellHost, build: int, winhttp: bool) -> None:
    found = wanted(bare, build)
    assert found["values"] == ON + (ON_WINHTTP if winhttp else []) + OFF
    assert found["parts"] == PARTS
    assert [note for note in found["notes"] if "KB3140245" in note] == found["notes"]
    assert len(found["notes"]) == winhttp


BROKER = {"found": True, "internal_database": True}
UNKNOWN_SQL = {"found": True, "instances": [{"tls12": True}, {"tls12": None}]}
OLD_SQL = {"found": True, "instances": [{"tls12": True}, {"tls12": False}]}


@pytest.mark.parametrize(
    ("build", "role", "text"),
    [
        (14393, {"exchange": {"found": True}}, "an Exchange server"),
        (14393, {"sharepoint": {"found": True}}, "a SharePoint server"),
        (14393, {"domain_controller": {"found": True}}, "a domain controller"),
        (9600, {"rd_connection_broker": BROKER}, "a Remote Desktop Connection Broker with Windows Internal Database"),
        (14393, {"rd_connection_broker": BROKER}, "KB4036954"),
        (17763, {"sql_server": OLD_SQL}, "a SQL Server that does not support TLS 1.2"),
        (17763, {"sql_server": UNKNOWN_SQL}, "or whose version cannot be read"),
    ],
)
def test_servers_that_depend_on_older_protocols_keep_them(
    bare: PowerShellHost, build: int, role: dict[str, object], text: str
) -> None:
    found = wanted(bare, build, role=role)
    assert found["values"] == ON
    assert len(found["notes"]) == 1 and text in found["notes"][0]
    assert found["notes"][0].startswith("Protocols older than TLS 1.2 are left as they are, since this host is ")
    assert wanted(bare, build, role=role, disable_older="always")["values"] == ON + OFF


@pytest.mark.parametrize(
    ("build", "role"),
    [
        (14393, {"fci": {"found": True}, "ad_rms": {"found": True}}),
        (14393, {"rd_connection_broker": {"found": True, "internal_database": False}}),
        (17763, {"rd_connection_broker": BROKER}),
        (14393, {"sql_server": {"found": True, "instances": [{"tls12": True}]}}),
    ],
)
def test_other_servers_turn_older_protocols_off_when_asked(
    bare: PowerShellHost, build: int, role: dict[str, object]
) -> None:
    assert wanted(bare, build, role=role)["values"] == ON + OFF


@pytest.mark.parametrize("option", [{"disable_older": "never"}, {"disable_older": None}])
def test_older_protocols_stay_unless_the_operator_asks(bare: PowerShellHost, option: dict[str, object]) -> None:
    assert wanted(bare, 14393, **option) == {"values": ON, "parts": PARTS, "notes": []}


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("13.0.1601.5", True),
        ("15.0.2000.5", True),
        ("12.0.2000.8", False),
        ("12.0.2271.0", True),
        ("12.0.2548.0", False),
        ("12.0.2564.0", True),
        ("12.1.4100.1", False),
        ("12.1.4219.0", True),
        ("12.1.4416.0", False),
        ("12.1.4439.1", True),
        ("12.3.6024.0", True),
        ("11.0.2100.60", False),
        ("11.2.5058.0", False),
        ("11.2.5352.0", True),
        ("11.2.5532.0", False),
        ("11.2.5644.2", True),
        ("11.3.6020.0", False),
        ("11.3.6216.27", True),
        ("11.4.7001.0", True),
        ("10.50.1600.1", False),
        ("10.53.6542.0", True),
        ("10.4.6000.29", False),
        ("10.4.6547.0", True),
        ("9.4.5000.0", False),
    ],
)
def test_builds_of_sql_server_that_know_tls12(powershell: PowerShellHost, version: str, supported: bool) -> None:
    """As the registry counts: the minor number is the service pack."""
    assert powershell.run("Test-SqlServerTls -Version $case", version) is supported


def test_explicit_writes_what_absent_values_imply(bare: PowerShellHost) -> None:
    schannel = [line for line in ON if "SCHANNEL" in line]
    assert plan(bare, disable_older="never", parts=["schannel_client", "schannel_server"]) == []
    assert plan(bare, disable_older="never", parts=["schannel_client", "schannel_server"], explicit=True) == schannel
    write(bare, rf"{SCHANNEL}\TLS 1.2\Client", "Enabled", 0xFFFFFFFF)
    write(bare, rf"{SCHANNEL}\TLS 1.2\Client", "DisabledByDefault", 0)
    assert plan(bare, disable_older="never", parts=["schannel_client"], explicit=True) == [], "any number but 0 is on"


def test_parts(bare: PowerShellHost) -> None:
    client = [line for line in ON + OFF if r"\Client " in line]
    assert wanted(bare, 17763, parts=["schannel_client"])["values"] == client
    assert wanted(bare, 17763, parts=["dotnet"])["values"] == [line for line in ON if "NETFramework" in line]
    assert wanted(bare, 17763, parts=["winhttp"]) == {"values": [], "parts": ["winhttp"], "notes": []}
    with pytest.raises(PowerShellError, match="tls: parts is empty: expected at least one of"):
        wanted(bare, 17763, parts=[])


@pytest.mark.parametrize("disable_older", ["never", "auto", "always"])
def test_absent_removes_all_but_what_windows_ships_newest_protocol_last(
    bare: PowerShellHost, disable_older: str
) -> None:
    shipped = rf"{SCHANNEL}\SSL 2.0\Client DisabledByDefault 64 1"
    everything = [line if line == shipped else line.rsplit(" ", 1)[0] + " absent" for line in ON + ON_WINHTTP + OFF]
    found = wanted(bare, 9200, ("exchange",), state="absent", disable_older=disable_older)
    assert found["values"] == everything[::-1]
    assert found["notes"] == []


@pytest.fixture
def bare(powershell: PowerShellHost) -> PowerShellHost:
    """A host without any TLS value."""
    powershell.run(r"""
$schannel = 'SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols'
[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($schannel, $false)
foreach ($view in 'Registry64', 'Registry32') {
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $view)
    $winHttp = 'Windows\CurrentVersion\Internet Settings\WinHttp'
    foreach ($path in '.NETFramework\v4.0.30319', '.NETFramework\v2.0.50727', $winHttp) {
        $base.DeleteSubKeyTree("SOFTWARE\Microsoft\$path", $false)
    }
}""")
    return powershell


def plan(powershell: PowerShellHost, build: int = 17763, **option: object) -> list[str]:
    return powershell.run(PLAN + " | ForEach-Object { , $_ }", {"build": build, "roles": [], "option": option}) or []


def write(powershell: PowerShellHost, path: str, name: str, data: object, kind: str = "dword", view: int = 64) -> None:
    script = """
$plan = Get-RegistryPlan -Value (New-RegistryValue @case)
if ($plan.Changes.Count) { $null = Write-RegistryPlan -Plan $plan -Source unit }"""
    powershell.run(script, {"Path": path, "Name": name, "Type": kind, "Data": data, "View": view})


def test_tls12_without_values_is_on_and_older_ones_are_not_off(bare: PowerShellHost) -> None:
    assert plan(bare) == [line for line in ON if "SCHANNEL" not in line] + OFF


def test_before_2012_tls12_needs_its_values(bare: PowerShellHost) -> None:
    assert plan(bare, build=7601, parts=["schannel_client"], disable_older="never") == ON[:2]


def test_any_number_but_zero_is_on(bare: PowerShellHost) -> None:
    write(bare, rf"{SCHANNEL}\TLS 1.2\Client", "Enabled", 0xFFFFFFFF)
    write(bare, rf"{SCHANNEL}\TLS 1.2\Client", "DisabledByDefault", 0)
    write(bare, rf"{SCHANNEL}\SSL 3.0\Client", "Enabled", 0)
    write(bare, rf"{SCHANNEL}\SSL 3.0\Client", "DisabledByDefault", 0xFFFFFFFF)
    found = plan(bare, parts=["schannel_client"])
    assert [line for line in found if "TLS 1.2" in line or "SSL 3.0" in line] == []
    assert len(found) == 6


def test_tls12_turned_off_is_turned_on(bare: PowerShellHost) -> None:
    write(bare, rf"{SCHANNEL}\TLS 1.2\Server", "Enabled", 0)
    write(bare, rf"{SCHANNEL}\TLS 1.2\Client", "DisabledByDefault", 1)
    assert plan(bare, disable_older="never", parts=["schannel_client", "schannel_server"]) == [ON[1], ON[2]]


def test_number_of_another_type_means_nothing(bare: PowerShellHost) -> None:
    write(bare, rf"{SCHANNEL}\SSL 3.0\Client", "Enabled", "0", kind="string")
    write(bare, NET4, "SchUseStrongCrypto", 1, kind="qword")
    found = plan(bare, parts=["schannel_client", "dotnet"])
    assert rf"{SCHANNEL}\SSL 3.0\Client Enabled 64 0" in found
    assert f"{NET4} SchUseStrongCrypto 64 1" in found


@pytest.mark.parametrize(
    ("current", "only", "also"),
    [
        (None, 0x800, 0xAA0),  # nothing there: TLS 1.2, and where older ones stay what WinHTTP had by itself
        (0x800, None, None),
        (0x2800, None, None),  # TLS 1.3 does no harm
        (0xA00, 0x800, None),
        (0xAA0, 0x800, None),
        (0x80, 0x800, 0x880),
        (0xA0, 0x800, 0x8A0),
        (0, 0x800, 0x800),
    ],
)
def test_winhttp_by_its_bits(bare: PowerShellHost, current: int | None, only: int | None, also: int | None) -> None:
    if current is not None:
        for view in (64, 32):
            write(bare, WINHTTP, "DefaultSecureProtocols", current, view=view)
    for build in (9200, 9600, 17763):
        for disable, expected in (("always", only), ("never", also)):
            found = plan(bare, build=build, parts=["winhttp"], disable_older=disable)
            lines = [f"{WINHTTP} DefaultSecureProtocols {view} {expected}" for view in (64, 32)]
            needed = expected is not None and (current is not None or build == 9200)
            assert found == (lines if needed else []), f"{build} {disable}"


@pytest.mark.parametrize("view", [64, 32])
def test_winhttp_value_that_is_left_over_counts_in_its_view(bare: PowerShellHost, view: int) -> None:
    """0xA0 is SSL 3.0 and TLS 1.0: with TLS 1.0 off, WinHTTP has no protocol left."""
    write(bare, WINHTTP, "DefaultSecureProtocols", 0xA0, view=view)
    found = [line for line in plan(bare, build=14393, disable_older="never") if "WinHttp" in line]
    assert found == [f"{WINHTTP} DefaultSecureProtocols {view} {0x8A0}"]


def test_winhttp_that_cannot_be_read_is_the_plans_to_report(bare: PowerShellHost) -> None:
    write(bare, WINHTTP, "DefaultSecureProtocols", 0x80)
    option = {"parts": ["winhttp"], "disable_older": "never"}
    script = WANTED + "(Get-RegistryPlan -Value $wanted.Values).Unreadable | ForEach-Object { $_.what }"
    with bare.denied(WINHTTP.removeprefix("HKLM:\\"), "QueryValues"):
        assert bare.run(script, {"build": 9200, "roles": [], "option": option}) == WINHTTP


def pending(powershell: PowerShellHost, *policies: str) -> list[str]:
    """Why the host has to be restarted, where Group Policy sets values of the keys."""
    script = """
$policy = @($case | ForEach-Object { @{ path = $_ } })
, @(Get-RestartReason -Pending @(Get-PendingRestartReason -PolicyValue $policy))"""
    return powershell.run(script, list(policies))


@pytest.fixture
def unmarked(bare: PowerShellHost) -> Iterator[PowerShellHost]:
    """A host on which no run has kept a reason for a restart."""
    forget = "Get-RestartDue | ForEach-Object { Clear-RestartDue -Name $_ }"
    bare.run(forget)
    yield bare
    bare.run(forget)


def test_restart_is_pending_when_schannel_is_younger_than_the_start(unmarked: PowerShellHost) -> None:
    assert pending(unmarked) == []
    write(unmarked, NET4, "SchUseStrongCrypto", 1)
    assert pending(unmarked) == [], "what others wrote into .NET's keys cannot be told"
    write(unmarked, rf"{SCHANNEL}\TLS 1.0\Server", "Enabled", 0)
    assert pending(unmarked) == ["tls"]


def test_keys_that_group_policy_writes_again_are_no_pending_restart(unmarked: PowerShellHost) -> None:
    write(unmarked, rf"{SCHANNEL}\TLS 1.0\Server", "Enabled", 0)
    assert pending(unmarked, rf"{SCHANNEL}\TLS 1.0\Server") == []
    assert pending(unmarked, rf"{SCHANNEL}\TLS 1.1\Server") == ["tls"], "another key"
    unmarked.run("Set-RestartDue -Name tls")
    assert pending(unmarked, rf"{SCHANNEL}\TLS 1.0\Server") == ["tls"], "what this collection wrote still counts"


def test_reasons_of_one_domain(unmarked: PowerShellHost) -> None:
    script = ", @(Get-RestartReason -Pending $case.pending -Domain $case.domain)"
    every = ["client", "file_rename", "irm_server", "tls", "tls_dotnet"]
    for domain, pending_reasons, expected in (
        ("tls", every, ["tls", "tls_dotnet"]),
        ("irm_server", every, ["irm_server"]),
        ("client_settings", every, []),
        ("client_settings", None, []),
        ("tls", None, []),
    ):
        assert unmarked.run(script, {"domain": domain, "pending": pending_reasons}) == expected


def test_key_that_cannot_be_read_hides_no_other_reason(unmarked: PowerShellHost) -> None:
    write(unmarked, rf"{SCHANNEL}\TLS 1.0\Server", "Enabled", 0)
    unmarked.run("Set-RestartDue -Name tls_dotnet")
    with unmarked.denied(SCHANNEL.removeprefix("HKLM:\\"), "ReadKey"):
        assert pending(unmarked) == ["tls_dotnet"]
        assert "tls_dotnet" in unmarked.run("(Get-HostFact).reboot.reasons")


@pytest.mark.parametrize(
    ("parts", "values", "expected"),
    [
        (["schannel_client"], {}, ["tls"]),
        (["dotnet"], {}, ["tls_dotnet"]),
        (["winhttp"], {WINHTTP: 0xA0}, ["tls_winhttp"]),
        (None, {WINHTTP: 0xA0}, ["tls", "tls_dotnet", "tls_winhttp"]),
        (["winhttp"], {}, []),
    ],
)
def test_reasons_of_what_is_about_to_be_written(
    unmarked: PowerShellHost, parts: list[str] | None, values: dict[str, int], expected: list[str]
) -> None:
    for path, number in values.items():
        write(unmarked, path, "DefaultSecureProtocols", number)
    script = WANTED + ", @(Get-RestartReason -Change (Get-RegistryPlan -Value $wanted.Values).Changes)"
    option = {"disable_older": "always", "parts": parts}
    assert unmarked.run(script, {"build": 17763, "roles": [], "option": option}) == expected


def test_state_of_tls(bare: PowerShellHost) -> None:
    write(bare, rf"{SCHANNEL}\TLS 1.0\Client", "Enabled", 0)
    write(bare, rf"{SCHANNEL}\TLS 1.1\Server", "DisabledByDefault", 1)
    write(bare, rf"{SCHANNEL}\TLS 1.2\Client", "Enabled", 0xFFFFFFFF)
    write(bare, NET2, "SystemDefaultTlsVersions", 1, view=32)
    write(bare, WINHTTP, "DefaultSecureProtocols", 0xA00)
    write(bare, WINHTTP, "DefaultSecureProtocols", 0xA0, view=32)
    state = bare.run("Get-TlsState")
    assert len(state["protocols"]) == 12
    assert [entry for entry in state["protocols"] if entry["state"] != "default"] == [
        {"protocol": "TLS 1.0", "side": "client", "state": "off", "enabled": 0, "disabled_by_default": None},
        {"protocol": "TLS 1.1", "side": "server", "state": "off", "enabled": None, "disabled_by_default": 1},
        {"protocol": "TLS 1.2", "side": "client", "state": "on", "enabled": 4294967295, "disabled_by_default": None},
    ]
    assert [entry for entry in state["dotnet"] if entry["system_default"]] == [
        {"framework": "v2.0.50727", "view": 32, "strong_crypto": None, "system_default": 1}
    ]
    assert state["winhttp"] == [
        {"view": 64, "default_secure_protocols": 0xA00, "tls12": True},
        {"view": 32, "default_secure_protocols": 0xA0, "tls12": False},
    ]
    bare.run("Remove-Item -LiteralPath $case", WINHTTP)
    assert bare.run("(Get-TlsState).winhttp[0]") == {"view": 64, "default_secure_protocols": None, "tls12": None}


@pytest.mark.parametrize("arguments", ["-Build $null -Role @{}", "-Build 17763 -Role $null"])
def test_windows_that_cannot_be_read_is_refused(powershell: PowerShellHost, arguments: str) -> None:
    with pytest.raises(PowerShellError, match="the version or the roles of this Windows could not be read"):
        powershell.run(f"Get-TlsDesiredState -Option @{{ state = 'present' }} {arguments}")
