"""TLS: which values each version of Windows gets, what is equal by meaning, when a restart is due."""

from __future__ import annotations

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
$option = @{ state = 'present'; minimum = '1.2'; disable_older = 'auto' }
foreach ($name in $case.option.Keys) { $option[$name] = $case.option[$name] }
$role = @{}
foreach ($name in 'exchange', 'sharepoint', 'domain_controller', 'fci', 'ad_rms') {
    $role[$name] = @{ found = $name -in $case.roles }
}
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


def wanted(powershell: PowerShellHost, build: int, roles: tuple[str, ...] = (), **option: object) -> dict:
    return powershell.run(LIST, {"build": build, "roles": list(roles), "option": option})


@pytest.mark.parametrize(
    ("build", "winhttp"), [(9200, True), (9600, False), (14393, False), (17763, False), (20348, False)]
)
def test_each_version_of_windows_gets_what_it_needs(powershell: PowerShellHost, build: int, winhttp: bool) -> None:
    found = wanted(powershell, build)
    assert found["values"] == ON + (ON_WINHTTP if winhttp else []) + OFF
    assert found["parts"] == ["schannel_client", "schannel_server", "dotnet"] + (["winhttp"] if winhttp else [])
    assert [note for note in found["notes"] if "KB3140245" in note] == found["notes"]
    assert len(found["notes"]) == winhttp


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ("exchange", "an Exchange server"),
        ("sharepoint", "a SharePoint server"),
        ("domain_controller", "a domain controller"),
    ],
)
def test_servers_with_a_matrix_of_their_own_keep_older_protocols(
    powershell: PowerShellHost, role: str, text: str
) -> None:
    found = wanted(powershell, 14393, (role,))
    assert found["values"] == ON
    assert found["notes"] == [
        f"Protocols older than TLS 1.2 are left as they are, since this host is {text}. "
        "disable_older: always turns them off."
    ]
    assert wanted(powershell, 14393, (role,), disable_older="always")["values"] == ON + OFF


def test_other_roles_turn_older_protocols_off(powershell: PowerShellHost) -> None:
    assert wanted(powershell, 14393, ("fci", "ad_rms"))["values"] == ON + OFF


def test_never_disable(powershell: PowerShellHost) -> None:
    assert wanted(powershell, 14393, disable_older="never") == {
        "values": ON,
        "parts": ["schannel_client", "schannel_server", "dotnet"],
        "notes": [],
    }


def test_parts(powershell: PowerShellHost) -> None:
    client = [line for line in ON + OFF if r"\Client " in line]
    assert wanted(powershell, 17763, parts=["schannel_client"])["values"] == client
    assert wanted(powershell, 17763, parts=["dotnet"])["values"] == [line for line in ON if "NETFramework" in line]
    found = wanted(powershell, 17763, parts=["winhttp"])
    assert found["values"] == ON_WINHTTP
    assert found["notes"] == [
        "WinHTTP of this version of Windows uses TLS 1.2 by itself; winhttp would not be needed in parts."
    ]
    with pytest.raises(PowerShellError, match="tls: parts is empty: expected at least one of"):
        wanted(powershell, 17763, parts=[])


def test_absent_removes_all_but_what_windows_ships_newest_protocol_last(powershell: PowerShellHost) -> None:
    shipped = rf"{SCHANNEL}\SSL 2.0\Client DisabledByDefault 64 1"
    everything = [line if line == shipped else line.rsplit(" ", 1)[0] + " absent" for line in ON + ON_WINHTTP + OFF]
    assert wanted(powershell, 9200, state="absent")["values"] == everything[::-1]


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
    for disable, expected in (("always", only), ("never", also)):
        found = plan(bare, build=9200, parts=["winhttp"], disable_older=disable)
        lines = [f"{WINHTTP} DefaultSecureProtocols {view} {expected}" for view in (64, 32)]
        assert found == ([] if expected is None else lines)


def test_winhttp_that_cannot_be_read_is_the_plans_to_report(bare: PowerShellHost) -> None:
    write(bare, WINHTTP, "DefaultSecureProtocols", 0x80)
    option = {"parts": ["winhttp"], "disable_older": "never"}
    script = WANTED + "(Get-RegistryPlan -Value $wanted.Values).Unreadable | ForEach-Object { $_.what }"
    with bare.denied(WINHTTP.removeprefix("HKLM:\\"), "QueryValues"):
        assert bare.run(script, {"build": 9200, "roles": [], "option": option}) == WINHTTP


RESTART = "Test-TlsRestartRequired -Plan (Get-RegistryPlan) -Due (Test-TlsRestartDue)"


def test_restart_is_due_when_schannel_is_younger_than_the_start(bare: PowerShellHost) -> None:
    assert bare.run(RESTART) is False
    write(bare, NET4, "SchUseStrongCrypto", 1)
    assert bare.run(RESTART) is False, ".NET needs no restart"
    write(bare, rf"{SCHANNEL}\TLS 1.0\Server", "Enabled", 0)
    assert bare.run(RESTART) is True
    assert bare.run("(Get-TlsState).restart_due") is True
    planned = WANTED + "Test-TlsRestartRequired -Plan (Get-RegistryPlan -Value $wanted.Values)"
    bare.run(
        r"[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree('SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols')"
    )
    assert bare.run(RESTART) is False
    assert bare.run(planned, {"build": 17763, "roles": [], "option": {}}) is True, "what is about to be written counts"
    assert bare.run(planned, {"build": 17763, "roles": [], "option": {"parts": ["dotnet"]}}) is False


def test_state_of_tls(bare: PowerShellHost) -> None:
    write(bare, rf"{SCHANNEL}\TLS 1.0\Client", "Enabled", 0)
    write(bare, rf"{SCHANNEL}\TLS 1.1\Server", "DisabledByDefault", 1)
    write(bare, rf"{SCHANNEL}\TLS 1.2\Client", "Enabled", 0xFFFFFFFF)
    write(bare, NET2, "SystemDefaultTlsVersions", 1, view=32)
    write(bare, WINHTTP, "DefaultSecureProtocols", 0xA00)
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
        {"view": 64, "default_secure_protocols": 2560},
        {"view": 32, "default_secure_protocols": None},
    ]


@pytest.mark.parametrize("arguments", ["-Build $null -Role @{}", "-Build 17763 -Role $null"])
def test_windows_that_cannot_be_read_is_refused(powershell: PowerShellHost, arguments: str) -> None:
    with pytest.raises(PowerShellError, match="the version or the roles of this Windows could not be read"):
        powershell.run(f"Get-TlsDesiredState -Option @{{ state = 'present' }} {arguments}")
