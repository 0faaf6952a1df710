"""Settings of the client, facts of a host, values that Group Policy owns."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from powershell_host import PowerShellError, PowerShellHost
from winfleet.vendor import registration

MSIP = r"HKLM:\SOFTWARE\Microsoft\MSIP"

CLIENT = """
$wanted = Get-ClientDesiredState -Option $case
$wanted.Values | ForEach-Object {
    $data = if ($_.Wanted) { Format-RegistryData -Value $_.Wanted } else { 'absent' }
    "$($_.Path) $($_.Name) $($_.View) $data"
}
"""


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ({"use_default_credentials_in_proxy": True}, "UseDefaultCredentialsInProxy 32 dword 0x00000001"),
        ({"use_default_credentials_in_proxy": False}, "UseDefaultCredentialsInProxy 32 dword 0x00000000"),
        ({"cloud_environment": "commercial"}, "CloudEnvType 32 dword 0x00000000"),
        ({"cloud_environment": "gcc"}, "CloudEnvType 32 dword 0x00000001"),
        ({"cloud_environment": "gcc_high"}, "CloudEnvType 32 dword 0x00000002"),
        ({"cloud_environment": "china"}, "CloudEnvType 32 dword 0x00000006"),
        ({"state": "absent", "names": ["cloud_environment"]}, "CloudEnvType 32 absent"),
    ],
)
def test_client_settings(powershell: PowerShellHost, option: dict, value: str) -> None:
    assert powershell.run(CLIENT, {"state": "present", **option}) == f"{MSIP} {value}"


def test_the_cloud_stays_unless_it_is_named(powershell: PowerShellHost) -> None:
    assert powershell.run(CLIENT, {"state": "absent"}) == f"{MSIP} UseDefaultCredentialsInProxy 32 absent"
    (note,) = powershell.run(
        ", @((Get-ClientDesiredState -Option $case).Notes)", {"state": "absent", "names": ["cloud_environment"]}
    )
    assert "Microsoft says not to delete it" in note


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {},
            "client_settings: no setting is given: expected at least one of use_default_credentials_in_proxy and ",
        ),
        ({"names": ["cloud_environment"]}, "client_settings: names is given with state present"),
    ],
)
def test_client_settings_without_a_setting_are_refused(powershell: PowerShellHost, option: dict, message: str) -> None:
    with pytest.raises(PowerShellError, match=message):
        powershell.run(CLIENT, {"state": "present", **option})


def entry(key: str, name: str, kind: int, data: bytes) -> bytes:
    """One entry of a policy file, as [MS-GPREG] 2.2.1 has it."""
    text = [part.encode("utf-16-le") for part in (f"[{key}\0;{name}\0;", ";", ";", "]")]
    return text[0] + struct.pack("<I", kind) + text[1] + struct.pack("<I", len(data)) + text[2] + data + text[3]


HEADER = b"PReg" + struct.pack("<I", 1)
ONE = struct.pack("<I", 1)
POLICY = (
    HEADER
    + entry(r"SOFTWARE\WOW6432Node\Microsoft\MSIP", "UseDefaultCredentialsInProxy", 4, ONE)
    + entry(r"SOFTWARE\Microsoft\Other", "[;]", 1, "];[\0;\0".encode("utf-16-le"))
    + entry(
        r"SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.0\Server", "**del.Enabled", 4, b""
    )
    + entry(r"SOFTWARE\Microsoft\MSIP", "odd", 3, b"\x01\x02\x03\x04")
)
STRONG = r"SOFTWARE\Microsoft\.NETFramework\v4.0.30319"


def item(properties: str, around: str = "", inside: str = "") -> str:
    """One item of Registry.xml."""
    return f'<Registry name="x" {around}><Properties hive="HKEY_LOCAL_MACHINE" {properties}/>{inside}</Registry>'


def preferences(*items: str) -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<RegistrySettings clsid="{A3CCFC41-DFDB-43a5-8D26-0FE8B954DA51}">'
    return head + "".join(items) + "</RegistrySettings>"


DWORD = rf'default="0" key="{STRONG}" name="SchUseStrongCrypto" type="REG_DWORD" value="00000001"'
PREFERENCES = preferences(
    "<Collection>" + item(f'action="U" {DWORD}') + "</Collection>",
    item(r'action="U" default="1" key="SOFTWARE\Microsoft\MSIP" name="" type="REG_SZ" value="a"'),
    item(f'action="U" {DWORD}').replace("HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER"),
)


@pytest.fixture
def policies(powershell: PowerShellHost) -> Iterator[dict[str, Path]]:
    """Where Windows keeps policies on a host; the files do not exist yet."""
    data = powershell.disk / "ProgramData"
    history = data / "Microsoft/Group Policy/History"
    files = {
        "local": powershell.disk / "windows/system32/GroupPolicy/Machine/Registry.pol",
        "domain": data / "ntuser.pol",
        "preferences": history / "{31B2F340-016D-11D2-945F-00C04FB984F9}/Machine/Preferences/Registry/Registry.xml",
    }
    for file in files.values():
        file.parent.mkdir(parents=True, exist_ok=True)
    yield files
    shutil.rmtree(history)
    for name in ("local", "domain"):
        files[name].unlink(missing_ok=True)


def test_values_that_group_policy_owns(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    policies["local"].write_bytes(POLICY)
    policies["domain"].write_bytes(HEADER)
    policies["preferences"].write_text(PREFERENCES, encoding="utf-8")
    found = powershell.run("Get-PolicyValue")
    assert found["Unreadable"] == []
    assert [(one["path"], one["view"], one["name"], one["source"].rsplit("\\", 1)[1]) for one in found["Values"]] == [
        (MSIP, 32, "UseDefaultCredentialsInProxy", "Registry.pol"),
        (
            r"HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.0\Server",
            64,
            "Enabled",
            "Registry.pol",
        ),
        (MSIP, 64, "odd", "Registry.pol"),
        (r"HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319", 64, "SchUseStrongCrypto", "Registry.xml"),
        (MSIP, 64, "", "Registry.xml"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no policy file"),
        (b"garbage!", "no policy file"),
        (b"PReg" + struct.pack("<I", 2), "no policy file"),
        (POLICY[:-5], "the policy file is damaged"),
        (HEADER + b"[\0a\0", "the policy file is damaged"),
        (HEADER + entry("SOFTWARE", "n", 4, ONE)[:-8] + b"\xff\xff\xff\x7f", "the policy file is damaged"),
    ],
)
def test_damaged_policy_file_is_reported_and_no_more(
    powershell: PowerShellHost, policies: dict[str, Path], content: bytes, reason: str
) -> None:
    policies["local"].write_bytes(content)
    facts = powershell.run("Get-HostFact")
    assert facts["os"]["product"] == "2019"
    assert [item["what"].rsplit("\\", 1)[1] for item in facts["unreadable"]] == ["Registry.pol"]
    assert facts["unreadable"][0]["what"].startswith("group_policy: C:\\windows\\system32\\GroupPolicy\\Machine")
    assert reason in facts["unreadable"][0]["reason"]


def test_preferences_read_nothing_outside_of_the_file(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    policies["preferences"].write_text(
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///C:/windows/win.ini">]>'
        '<RegistrySettings><Registry><Properties hive="HKEY_LOCAL_MACHINE"'
        ' key="SOFTWARE\\Microsoft\\MSIP" name="a" note="b"/>&x;</Registry></RegistrySettings>'
    )
    found = powershell.run("Get-PolicyValue")
    assert "16-bit" not in str(found), "win.ini"


def test_facts_of_the_host(powershell: PowerShellHost) -> None:
    facts = powershell.run("Get-HostFact")
    assert facts["unreadable"] == []
    assert facts["name"] == "UNIT-2019"
    assert facts["fqdn"].endswith(".contoso.test")
    assert facts["domain"] == "contoso.test"
    assert facts["domain_role"] == "member_server"
    assert facts["os"] == {
        "product": "2019",
        "name": "Windows Server 2019 Standard",
        "edition": "ServerStandard",
        "version": "10.0",
        "build": 17763,
        "revision": 5458,
        "installation_type": "Server",
        "architecture": "AMD64",
    }
    assert facts["memory_mb"] > 500 and facts["processors"] >= 1
    assert [disk["name"] for disk in facts["disks"]] == ["C:\\"]
    assert facts["disks"][0]["size_gb"] >= facts["disks"][0]["free_gb"] > 0
    assert facts["powershell"] == {"version": "5.1.17763.5458"}
    assert facts["dotnet"] == {"release": 461814, "version": "4.7.2", "missing_update": None}
    assert facts["roles"]["exchange"] == {"found": False, "version": None, "line": None}
    assert facts["connector"] is None
    assert facts["products"] == facts["msip"] == facts["group_policy"] == []
    assert facts["proxy"] == {"winhttp": None, "machine": None, "pac": []}
    assert [disk["system"] for disk in facts["disks"]] == [True]
    assert facts["redirections"] == facts["office"] == []
    assert facts["remote_desktop"] == {
        "session_host": False,
        "deletes_roaming_profiles": False,
        "deletes_profiles_after_days": None,
    }
    assert facts["citrix"] == {"found": False, "version": None, "excluded_processes": [], "hooked_processes": []}


@pytest.mark.parametrize(
    ("release", "version"),
    [
        (378389, "4.5"),
        (379893, "4.5.2"),
        (394802, "4.6.2"),
        (394806, "4.6.2"),
        (461808, "4.7.2"),
        (528040, "4.8"),
        (528449, "4.8"),
        (533325, "4.8.1"),
    ],
)
def test_version_of_dotnet_by_release(powershell: PowerShellHost, release: int, version: str) -> None:
    key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
    script = f"[Microsoft.Win32.Registry]::SetValue('{key}', 'Release', $case, 'DWord'); (Get-HostFact).dotnet; "
    try:
        found = powershell.run(script, release)
        assert (found["release"], found["version"]) == (release, version)
    finally:
        powershell.run(script, 461814)


PACKAGES = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages"
UPDATE_2012R2 = "Package_for_KB2919355~31bf3856ad364e35~amd64~~6.3.1.14"
MISSING_UPDATE = rf"""
$key = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
Set-ItemProperty -LiteralPath $key -Name CurrentBuildNumber -Value $case[0]
foreach ($name in $case[1].Keys) {{
    $null = New-Item -Path "HKLM:\{PACKAGES}\$name" -Force
    Set-ItemProperty -LiteralPath "HKLM:\{PACKAGES}\$name" -Name CurrentState -Value $case[1][$name]
}}
try {{
    (Get-DotNetFramework).missing_update
}}
finally {{
    Set-ItemProperty -LiteralPath $key -Name CurrentBuildNumber -Value 17763
    if ($case[1].Count) {{ Remove-Item -LiteralPath 'HKLM:\{PACKAGES}' -Recurse }}
}}
"""


@pytest.mark.parametrize(
    ("build", "packages", "expected"),
    [
        ("9600", {}, "KB2919355"),
        ("9600", {UPDATE_2012R2: 0x70}, None),
        ("9600", {UPDATE_2012R2.replace("_for", "_2_for"): 0x50}, None),
        # it waits for a restart; another update whose number is longer
        ("9600", {UPDATE_2012R2: 0x60}, "KB2919355"),
        ("9600", {UPDATE_2012R2.replace("355~", "3550~"): 0x70}, "KB2919355"),
        ("14393", {}, None),
    ],
)
def test_what_dotnet_needs_first(
    powershell: PowerShellHost, build: str, packages: dict[str, int], expected: str | None
) -> None:
    assert powershell.run(MISSING_UPDATE, [build, packages]) == expected


def test_what_dotnet_needs_first_on_2012(powershell: PowerShellHost) -> None:
    library = powershell.disk / "windows/system32/d3dcompiler_47.dll"
    assert powershell.run(MISSING_UPDATE, ["9200", {}]) is None
    library.rename(library.with_suffix(".away"))
    try:
        assert powershell.run(MISSING_UPDATE, ["9200", {}]) == "KB4019990"
    finally:
        library.with_suffix(".away").rename(library)


# Sets values, returns facts, and removes the values and the keys that were missing.
WITH = r"""
$made = foreach ($item in $case) {
    $view = if ($item[3]) { $item[3] } else { 'Registry64' }
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $view)
    $existed = [bool]$base.OpenSubKey($item[0])
    $key = $base.CreateSubKey($item[0])
    $before = if ($null -ne $item[1]) { $key.GetValue($item[1]) }
    if ($item[2] -is [object[]]) { $key.SetValue($item[1], [byte[]]$item[2]) }
    elseif ($item[2] -is [long]) { $key.SetValue($item[1], [int]$item[2]) }
    elseif ($null -ne $item[1]) { $key.SetValue($item[1], $item[2]) }
    @{ Base = $base; Path = $item[0]; Name = $item[1]; Existed = $existed; Before = $before }
}
try { FACTS }
finally {
    foreach ($item in $made) {
        if (-not $item.Existed) { $item.Base.DeleteSubKeyTree($item.Path, $false) }
        elseif ($key = $item.Base.OpenSubKey($item.Path, $true)) {
            if ($null -ne $item.Before) { $key.SetValue($item.Name, $item.Before) }
            else { $key.DeleteValue($item.Name, $false) }
        }
    }
}
"""
WINDOWS = r"SOFTWARE\Microsoft\Windows\CurrentVersion"


def facts_with(powershell: PowerShellHost, *values: list, facts: str = "Get-HostFact") -> dict:
    return powershell.run(WITH.replace("FACTS", facts), list(values))


@pytest.mark.parametrize(
    ("value", "reason", "required"),
    [
        ([WINDOWS + r"\Component Based Servicing\RebootPending"], "component_servicing", True),
        ([WINDOWS + r"\WindowsUpdate\Auto Update\RebootRequired"], "windows_update", True),
        (
            [r"SYSTEM\CurrentControlSet\Control\Session Manager", "PendingFileRenameOperations", "x"],
            "file_rename",
            False,
        ),
        (
            [r"SYSTEM\CurrentControlSet\Control\ComputerName\ActiveComputerName", "ComputerName", "OLD"],
            "computer_rename",
            True,
        ),
        ([r"SYSTEM\CurrentControlSet\Services\Netlogon", "AvoidSpnSet", 1], "domain_join", True),
        ([r"SOFTWARE\Microsoft\ServerManager\CurrentRebootAttempts"], "server_manager", True),
    ],
)
def test_pending_restart_and_its_reason(powershell: PowerShellHost, value: list, reason: str, required: bool) -> None:
    without = powershell.run("(Get-HostFact).reboot")["reasons"]
    found = facts_with(powershell, value + [None] * (3 - len(value)), facts="(Get-HostFact).reboot")
    assert [item for item in found["reasons"] if item not in without] == [reason]
    if not without:
        assert found["required"] is required


def code(number: int) -> str:
    return f"{{0000000{number}-0000-0000-0000-000000000000}}"


def product(number: int, name: str, version: str, view: str = "Registry64") -> list[list]:
    """An MSI that Windows Installer knows."""
    known = [[*value, "Registry64"] for value in registration.known(code(number))]
    return program(code(number), name, version, view) + known


def program(key: str, name: str, version: str, view: str = "Registry64") -> list[list]:
    return [[*value, view] for value in registration.entry(key, name, version)]


def test_products_and_connector(powershell: PowerShellHost) -> None:
    facts = facts_with(
        powershell,
        *product(1, "Microsoft Azure Information Protection", "1.54.59.0", "Registry32"),
        *product(2, "Microsoft Azure Information Protection", "2.18.26.0", "Registry32"),
        *product(3, "Microsoft Purview Information Protection", "3.1.310.0", "Registry32"),
        *product(4, "Microsoft Rights Management connector", "3.2.0.69"),
        *product(5, "Active Directory Rights Management Services Client 2.1", "1.0.4784.0"),
        *product(6, "Something else", "1.0"),
        [r"SOFTWARE\Microsoft\AADRM\Connector", "ProxyAddress", "http://proxy:8080"],
        [r"SOFTWARE\infoprotect.aip", "ConnectorUrl", "https://rms.contoso.test"],
    )
    assert [(item["product_code"], item["kind"], item["view"], item["version"]) for item in facts["products"]] == [
        (code(4), "rms_connector", 64, "3.2.0.69"),
        (code(5), "rms_client", 64, "1.0.4784.0"),
        (code(1), "classic_client", 32, "1.54.59.0"),
        (code(2), "unified_labeling_client", 32, "2.18.26.0"),
        (code(3), "purview_client", 32, "3.1.310.0"),
    ]
    assert {item["state"] for item in facts["products"]} == {"installed"}
    connector = facts["connector"]
    found = [connector[name] for name in ("installed", "version", "status", "proxy_address", "url_bindings", "https")]
    assert found == [True, "3.2.0.69", "stopped", "http://proxy:8080", [], None], "installed, and no IIS"
    assert connector["url"] == "https://rms.contoso.test"


def test_roles(powershell: PowerShellHost) -> None:
    exchange = r"SOFTWARE\Microsoft\ExchangeServer\v15\Setup"
    mailbox = r"SOFTWARE\Microsoft\ExchangeServer\v15\MailboxRole"
    sharepoint = r"SOFTWARE\Microsoft\Shared Tools\Web Server Extensions\16.0"
    facts = facts_with(
        powershell,
        *[
            [exchange, name, number]
            for name, number in (
                ("MsiProductMajor", 15),
                ("MsiProductMinor", 1),
                ("MsiBuildMajor", 2507),
                ("MsiBuildMinor", 6),
            )
        ],
        [mailbox, "ConfiguredVersion", "15.1.2507.6"],
        [sharepoint, "SharePoint", "Installed"],
        [sharepoint, "Version", "16.0.0.4351"],
        [r"SYSTEM\CurrentControlSet\Services\SrmSvc", "Start", 2],
        [r"SOFTWARE\Microsoft\DRMS", None, None],
        [r"SOFTWARE\Microsoft\MSIPC\CurrentVersion", "", "1.0.3889.619"],
    )
    assert facts["roles"] == {
        "exchange": {"found": True, "version": "15.1.2507.6", "line": "2016"},
        "sharepoint": {"found": True, "version": "16.0.0.4351", "line": "2016"},
        "fci": {"found": True, "version": None, "line": "2019"},
        "domain_controller": {"found": False, "version": None, "line": None},
        "ad_rms": {"found": True, "version": None, "line": None},
        "rd_connection_broker": {"found": False, "version": None, "line": None, "internal_database": False},
        "sql_server": {"found": False, "version": None, "line": None, "instances": []},
    }
    assert facts["rms_clients"]["msipc"] == {"found": True, "version": "1.0.3889.619"}
    assert facts["rms_clients"]["msdrm"]["found"], "it is part of Windows"


EXCHANGE = r"SOFTWARE\Microsoft\ExchangeServer"


@pytest.mark.parametrize(
    ("line", "evidence", "found"),
    [
        ("v15", None, False),
        ("v15", [rf"{EXCHANGE}\v15\Setup", "Services", "x"], True),
        ("v15", [rf"{EXCHANGE}\v15\MailboxRole", None, None], True),
        ("v15", [rf"{EXCHANGE}\v15\ClientAccessRole", None, None], True),
        ("v15", [rf"{EXCHANGE}\v15\EdgeTransportRole", None, None], True),
        ("v14", None, False),
        ("v14", [rf"{EXCHANGE}\v14\HubTransportRole", None, None], True),
        ("v14", [rf"{EXCHANGE}\v14\UnifiedMessagingRole", None, None], True),
    ],
)
def test_management_tools_are_no_exchange_server(
    powershell: PowerShellHost, line: str, evidence: list | None, found: bool
) -> None:
    setup = [rf"{EXCHANGE}\{line}\Setup", "MsiProductMajor", int(line[1:])]
    values = [setup, *([evidence] if evidence else [])]
    role = facts_with(powershell, *values, facts="(Get-HostFact).roles.exchange")
    assert role["found"] is found
    assert bool(role["version"]) is found


def test_exchange_role_without_setup_is_no_server(powershell: PowerShellHost) -> None:
    """What an Exchange that was removed leaves."""
    values = [rf"{EXCHANGE}\v15\MailboxRole", None, None]
    assert facts_with(powershell, values, facts="(Get-HostFact).roles.exchange")["found"] is False


SERVICES = r"SYSTEM\CurrentControlSet\Services"
BROKER = [rf"{SERVICES}\Tssdis", "Start", 2]
INTERNAL_DATABASE = [rf"{SERVICES}\MSSQL$MICROSOFT##WID", "Start", 2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([BROKER, INTERNAL_DATABASE], (True, True)),
        ([[rf"{SERVICES}\RDMS", "Start", 2], INTERNAL_DATABASE], (True, True)),
        ([BROKER], (True, False)),
        ([INTERNAL_DATABASE], (False, False)),
    ],
)
def test_rd_connection_broker(powershell: PowerShellHost, values: list[list], expected: tuple[bool, bool]) -> None:
    found = facts_with(powershell, *values, facts="(Get-HostFact).roles.rd_connection_broker")
    assert (found["found"], found["internal_database"]) == expected


def test_sql_server_by_its_instances(powershell: PowerShellHost) -> None:
    root = r"SOFTWARE\Microsoft\Microsoft SQL Server"
    names = rf"{root}\Instance Names\SQL"
    found = facts_with(
        powershell,
        [names, "MSSQLSERVER", "MSSQL12.MSSQLSERVER"],
        [names, "MICROSOFT##WID", "MSWIN8.SQLWID"],
        [names, "ODD", "MSSQL11.ODD"],
        [rf"{root}\MSSQL12.MSSQLSERVER\Setup", "Version", "12.0.2000.8"],
        [rf"{root}\MSSQL12.MSSQLSERVER\Setup", "PatchLevel", "12.3.6024.0"],
        [names, "OLD", "MSSQL10_50.OLD", "Registry32"],
        [rf"{root}\MSSQL10_50.OLD\Setup", "Version", "10.50.1600.1", "Registry32"],
        facts="(Get-HostFact).roles.sql_server",
    )
    assert found["found"] is True
    assert [tuple(instance.values()) for instance in found["instances"]] == [
        ("MSSQLSERVER", "12.3.6024.0", True),
        ("ODD", None, None),
        ("OLD", "10.50.1600.1", False),
    ]


def test_domain_is_not_the_dns_suffix_in_a_disjoint_namespace(powershell: PowerShellHost) -> None:
    parameters = r"SYSTEM\CurrentControlSet\Services\Tcpip\Parameters"
    suffix = rf"[Microsoft.Win32.Registry]::SetValue('HKEY_LOCAL_MACHINE\{parameters}', 'Domain', $case)"
    powershell.run(suffix, "hosts.fabrikam.test")
    try:
        facts = powershell.run("Get-HostFact")
    finally:
        powershell.run(suffix, "contoso.test")
    assert facts["fqdn"].endswith(".hosts.fabrikam.test")
    assert (facts["domain"], facts["domain_role"]) == ("contoso.test", "member_server")


def winhttp(flags: int, server: bytes, bypass: bytes) -> list[int]:
    return list(
        struct.pack("<III", 0x28, 0, flags)
        + struct.pack("<I", len(server))
        + server
        + struct.pack("<I", len(bypass))
        + bypass
    )


def test_proxies(powershell: PowerShellHost) -> None:
    settings = WINDOWS + r"\Internet Settings"
    facts = facts_with(
        powershell,
        [settings + r"\Connections", "WinHttpSettings", winhttp(3, b"proxy.contoso.com:8080", b"<local>")],
        [settings, "ProxyEnable", 1],
        [settings, "ProxyServer", "wpad:3128"],
        [settings, "ProxyOverride", "*.contoso.com"],
        [settings, "AutoConfigURL", "http://pac.contoso.com/proxy.pac"],
    )
    assert facts["proxy"] == {
        "winhttp": {"server": "proxy.contoso.com:8080", "bypass": "<local>"},
        "machine": {"server": "wpad:3128", "bypass": "*.contoso.com"},
        "pac": [{"source": "machine", "url": "http://pac.contoso.com/proxy.pac"}],
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (winhttp(1, b"", b""), []),
        ([*winhttp(3, b"p", b"")[:-6], 255, 255, 0, 0], ["WinHttpSettings is damaged"]),
        ([1, 2, 3], []),
    ],
)
def test_winhttp_direct_or_damaged(powershell: PowerShellHost, data: list[int], expected: list[str]) -> None:
    facts = facts_with(powershell, [WINDOWS + r"\Internet Settings\Connections", "WinHttpSettings", data])
    assert [item["reason"] for item in facts["unreadable"]] == expected
    assert expected or facts["proxy"]["winhttp"] is None


def test_values_of_the_client(powershell: PowerShellHost) -> None:
    facts = facts_with(
        powershell,
        [r"SOFTWARE\Microsoft\MSIP", "UseDefaultCredentialsInProxy", 1, "Registry32"],
        [r"SOFTWARE\Microsoft\MSIP", "Text", "a"],
    )
    assert facts["msip"] == [
        {"name": "UseDefaultCredentialsInProxy", "type": "dword", "data": 1, "view": 32},
        {"name": "Text", "type": "string", "data": "a", "view": 64},
    ]


TLS10 = r"SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.0\Server"
ORDERS = (
    HEADER
    + entry(TLS10, "**del.DisabledByDefault", 1, " \0".encode("utf-16-le"))
    + entry(TLS10, "**soft.Enabled", 4, ONE)
    + entry(STRONG, "**delvals.", 1, " \0".encode("utf-16-le"))
    + entry(STRONG, "**DeleteValues", 1, "a;b\0".encode("utf-16-le"))
    + entry(r"SOFTWARE\Microsoft\MSIPC", "**DeleteKeys", 1, "ServiceLocation\0".encode("utf-16-le"))
    + entry(STRONG, "**SecureKey", 4, ONE)
)


def test_what_policies_do_with_values(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    policies["local"].write_bytes(ORDERS)
    text = r'default="0" key="SOFTWARE\Microsoft\MSIP"'
    policies["preferences"].write_text(
        preferences(
            item(f'action="C" {text} name="n" type="REG_QWORD" value="0000000000000010"'),
            item(f'action="R" {text} name="m" type="REG_MULTI_SZ"').replace(
                "/></Registry>", "><Values><Value>a</Value><Value>b</Value></Values></Properties></Registry>"
            ),
            item(f'action="D" {text} name="d"'),
            item(f'action="U" {text} name="b" type="REG_BINARY" value="0Aff"'),
            item(f'action="U" {text} name="odd" type="REG_DWORD" value="no number"'),
            item(f'action="U" {text} name=""'),
            item(f'action="R" {text} name=""'),
            item(f'action="U" {text} name="off" type="REG_SZ" value="a"', around='disabled="1"'),
            item(
                f'action="U" {text} name="once" type="REG_SZ" value="a"', inside="<Filters><FilterRunOnce/></Filters>"
            ),
            item(f'action="U" {text} name="some" type="REG_SZ" value="a"', inside="<Filters><FilterOs/></Filters>"),
        ),
        encoding="utf-8",
    )
    found = powershell.run("(Get-HostFact).group_policy")
    keys = ("name", "action", "type", "data", "targeted")
    assert [(one["path"].rsplit("\\", 1)[1], *(one[key] for key in keys)) for one in found] == [
        ("Server", "DisabledByDefault", "delete", None, None, False),
        ("Server", "Enabled", "create", "dword", 1, False),
        ("v4.0.30319", "", "clear", None, None, False),
        ("v4.0.30319", "a", "delete", None, None, False),
        ("v4.0.30319", "b", "delete", None, None, False),
        ("ServiceLocation", "", "clear", None, None, False),
        ("MSIP", "n", "create", "qword", 16, False),
        ("MSIP", "m", "set", "multistring", ["a", "b"], False),
        ("MSIP", "d", "delete", None, None, False),
        ("MSIP", "b", "set", "binary", "0aff", False),
        ("MSIP", "odd", "set", "none", "6e006f0020006e0075006d00620065007200", False),
        ("MSIP", "", "clear", None, None, False),
        ("MSIP", "some", "set", "string", "a", True),
    ]


COMPARE = """
$option = @{ state = 'present'; minimum = '1.2'; disable_older = $case.disable_older; parts = $case.parts }
$option.policy_conflict = 'fail'
$wanted = Get-TlsDesiredState -Option $option -Build 14393 -Role @{}
$comparison = Compare-Policy -Value $wanted.Values -Policy (Get-PolicyValue) -Option $option
@{ notes = [object[]]@($comparison.Notes); refused = [object[]]@($comparison.Refused) }"""
DOTNET = {"disable_older": "never", "parts": ["dotnet"]}
NOTHING = {"notes": [], "refused": []}


@pytest.mark.parametrize(
    ("action", "value", "conflict"),
    [
        ("U", 1, False),
        ("R", 7, False),  # any number but 0 is on
        ("U", 0, True),
        ("R", 0, True),
        ("C", 0, False),  # it keeps what is there
        ("D", 0, True),
    ],
)
def test_policy_is_a_conflict_only_by_the_meaning_of_its_data(
    powershell: PowerShellHost, policies: dict[str, Path], action: str, value: int, conflict: bool
) -> None:
    dword = DWORD.replace("00000001", f"{value:08x}")
    policies["preferences"].write_text(preferences(item(f'action="{action}" {dword}')), encoding="utf-8")
    found = powershell.run(COMPARE, DOTNET)
    if not conflict:
        assert found == NOTHING
        return
    has = "(absent)" if action == "D" else "dword 0x00000000"
    (note,) = found["notes"]
    assert note.startswith(
        rf"HKLM:\{STRONG}\SchUseStrongCrypto: Group Policy (C:\ProgramData\Microsoft\Group Policy\History"
    )
    assert f") has {has} and sets it again at each refresh; desired is dword 0x00000001." in note
    assert found["refused"] == [note.removesuffix(".")]


def test_policy_that_may_leave_the_host_out_refuses_nothing(
    powershell: PowerShellHost, policies: dict[str, Path]
) -> None:
    off = item(f'action="U" {DWORD}'.replace("00000001", "00000000"), inside="<Filters><FilterOs/></Filters>")
    policies["preferences"].write_text(preferences(off), encoding="utf-8")
    found = powershell.run(COMPARE, DOTNET)
    assert len(found["notes"]) == 1 and "item-level targeting" in found["notes"][0]
    assert found["refused"] == []


def test_the_last_order_of_a_policy_file_counts(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    """Lists in policies begin with an order that clears the key."""
    clear = entry(STRONG, "**delvals.", 1, " \0".encode("utf-16-le"))
    names = ("SchUseStrongCrypto", "SystemDefaultTlsVersions")
    policies["local"].write_bytes(HEADER + clear + b"".join(entry(STRONG, name, 4, ONE) for name in names))
    assert powershell.run(COMPARE, DOTNET) == NOTHING
    policies["local"].write_bytes(HEADER + b"".join(entry(STRONG, name, 4, ONE) for name in names) + clear)
    assert len(powershell.run(COMPARE, DOTNET)["refused"]) == 2


def test_policy_of_a_protocol_that_is_not_managed_is_no_conflict(
    powershell: PowerShellHost, policies: dict[str, Path]
) -> None:
    policies["local"].write_bytes(HEADER + entry(TLS10, "Enabled", 4, ONE))
    parts = ["schannel_client", "schannel_server"]
    assert powershell.run(COMPARE, {"disable_older": "never", "parts": parts}) == NOTHING
    assert len(powershell.run(COMPARE, {"disable_older": "always", "parts": parts})["refused"]) == 1


def test_note_on_a_policy_that_cannot_be_read(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    policies["local"].write_bytes(b"garbage!")
    (note,) = powershell.run(COMPARE, DOTNET)["notes"]
    assert note.startswith(
        r"What Group Policy sets is not known in full: C:\windows\system32\GroupPolicy\Machine\Registry.pol"
        " cannot be read: no policy file"
    )


def test_policy_file_of_an_ordinary_user_is_ignored(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    """Users can make files in ProgramData where the host has none."""
    policies["domain"].write_bytes(HEADER + entry(STRONG, "SchUseStrongCrypto", 4, struct.pack("<I", 0)))
    assert len(powershell.run(COMPARE, DOTNET)["refused"]) == 1
    os.chown(policies["domain"], 65534, 65534)
    found = powershell.run(COMPARE, DOTNET)
    assert found["refused"] == []
    assert "ntuser.pol cannot be read: it belongs to " in found["notes"][0]
    assert "expected the system account or the administrators" in found["notes"][0]


def test_policy_file_with_too_many_entries_is_not_read(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    one = entry("A", "a", 4, ONE)
    policies["local"].write_bytes(HEADER + one * 10001)
    unreadable = powershell.run("(Get-PolicyValue).Unreadable")
    assert unreadable["reason"] == "the policy file has more than 10000 entries"


def test_odd_policy_entry_does_not_hide_the_others(powershell: PowerShellHost, policies: dict[str, Path]) -> None:
    odd = entry("SOFTWARE\\" + "x" * 300, "n", 4, ONE)
    policies["local"].write_bytes(HEADER + odd + POLICY[len(HEADER) :])
    found = powershell.run("Get-PolicyValue")
    assert len(found["Values"]) == 3
    assert [item["reason"] for item in found["Unreadable"]] == [found["Unreadable"][0]["reason"]]
    assert "has a key with a name of 300 characters" in found["Unreadable"][0]["reason"]


# Paths of members that hold nothing at all instead of $null: Windows PowerShell 5.1 makes {} of them in JSON.
NOTHING_AT_ALL = """
$find = {
    param ($value, $path)
    $names = if ($value -is [System.Collections.IDictionary]) { @($value.Keys) }
    elseif ($value -is [System.Collections.IList] -and $value.Count) { 0..($value.Count - 1) }
    foreach ($name in $names) {
        if ($null -ne $value[$name]) { & $find $value[$name] "$path.$name" }
        elseif (-not @($value[$name]).Count) { "$path.$name" }
    }
}
"""


def test_results_have_null_where_there_is_nothing(powershell: PowerShellHost, key: str) -> None:
    script = (
        NOTHING_AT_ALL
        + r"""
[Microsoft.Win32.Registry]::SetValue('HKEY_LOCAL_MACHINE\SOFTWARE\Unit', 'gone', 'x')
$none = [System.Management.Automation.Internal.AutomationNull]::Value
$plan = Get-RegistryPlan -Value @(
    New-RegistryValue -Path $case -Name gone -State absent
    New-RegistryValue -Path $case -Name made -Data x
)
@(
    , @(& $find ([ordered]@{ list = @(@{ a = $none }); made = if ($false) { 1 } }) 'self')
    , @(& $find (ConvertTo-ChangeResult -Change $plan.Changes) 'changes')
    , @(& $find (Get-HostFact) 'host')
    , @(& (Get-Module -Name _Host) {
            & $args[0] @{
                key = Get-MachineValue -SubKey SOFTWARE\Unit\No -Name x
                value = Get-MachineValue -SubKey SOFTWARE\Unit -Name x
                winhttp = Get-WinHttpSetting
                connector = Get-ConnectorState -Product @() -Unreadable ([Collections.Generic.List[object]]::new())
            } 'host'
        } $find)
)"""
    )
    assert powershell.run(script, key) == [["self.list.0.a", "self.made"], [], [], []]


def test_program_that_cannot_be_read_hides_no_other(powershell: PowerShellHost) -> None:
    deny = r"""
    $rights = [System.Security.AccessControl.RegistryRights]'ReadPermissions, ChangePermissions'
    $path = 'SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{00000002-0000-0000-0000-000000000000}'
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey($path, 'ReadWriteSubTree', $rights)
    $security = $key.GetAccessControl('Access')
    $rule = [System.Security.AccessControl.RegistryAccessRule]::new(
        [System.Security.Principal.SecurityIdentifier]'S-1-1-0', 'QueryValues', 'Deny')
    $security.AddAccessRule($rule)
    $key.SetAccessControl($security)
    try {
        Get-HostFact
    }
    finally {
        $null = $security.RemoveAccessRule($rule)
        $key.SetAccessControl($security)
    }"""
    facts = facts_with(
        powershell,
        *product(2, "Microsoft Purview Information Protection", "3.1"),
        *product(4, "Microsoft Rights Management connector", "3.2.0.69"),
        facts=deny,
    )
    assert [item["product_code"] for item in facts["products"]] == [code(4)]
    assert [item["what"] for item in facts["unreadable"]] == [f"products: {code(2)}"]


CLICK_TO_RUN = r"SOFTWARE\Microsoft\Office\ClickToRun\Configuration"
CLICK_TO_RUN_2013 = r"SOFTWARE\Microsoft\Office\15.0\ClickToRun\Configuration"


def test_office(powershell: PowerShellHost) -> None:
    found = facts_with(
        powershell,
        [CLICK_TO_RUN, "ProductReleaseIds", "O365ProPlusRetail, VisioProRetail"],
        [CLICK_TO_RUN, "VersionToReport", "16.0.14332.20349"],
        [CLICK_TO_RUN, "Platform", "x86"],
        [CLICK_TO_RUN_2013, "ProductReleaseIds", "ProPlusRetail"],
        *program("Office15.PROPLUS", "Microsoft Office Professional Plus 2013", "15.0.4569.1506", "Registry32"),
        *program("Office16.STANDARD", "Microsoft Office Standard 2016", "16.0.4266.1001"),
        *program("Office16.OMUI.de-de", "Language Pack", "16.0.4266.1001"),
        *program("Office16.PROOFKIT", "Proofing tools", "16.0.4266.1001"),
        *program("Office12.PROPLUS", "Too old for any of this", "12.0.4518.1014", "Registry32"),
        facts="(Get-HostFact).office",
    )
    keys = ("name", "line", "version", "architecture", "source")
    assert [tuple(item[key] for key in keys) for item in found] == [
        ("O365ProPlusRetail", "16", "16.0.14332.20349", "x86", "click_to_run"),
        ("VisioProRetail", "16", "16.0.14332.20349", "x86", "click_to_run"),
        ("ProPlusRetail", "15", "", "", "click_to_run"),
        ("STANDARD", "16", "16.0.4266.1001", "x64", "msi"),
        ("PROPLUS", "15", "15.0.4569.1506", "x86", "msi"),
    ]


POLICIES = r"SOFTWARE\Policies\Microsoft\Windows\System"
WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
TERMINAL_SERVER = r"SYSTEM\CurrentControlSet\Control\Terminal Server"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[TERMINAL_SERVER, "TSAppCompat", 1]], (True, False, None)),
        ([[TERMINAL_SERVER, "TSAppCompat", 0]], (False, False, None)),
        ([[POLICIES, "DeleteRoamingCache", 1], [POLICIES, "CleanupProfiles", 30]], (False, True, 30)),
        ([[WINLOGON, "DeleteRoamingCache", 1]], (False, True, None)),
        ([[POLICIES, "DeleteRoamingCache", 0]], (False, False, None)),
    ],
)
def test_remote_desktop(powershell: PowerShellHost, values: list[list], expected: tuple) -> None:
    found = facts_with(powershell, *values, facts="(Get-HostFact).remote_desktop")
    assert tuple(found.values()) == expected


AGENT = [r"SOFTWARE\Citrix\VirtualDesktopAgent", "ListOfDDCs", "broker.contoso.com"]
PROGRAMS = ["winword.exe", "excel.exe", "outlook.exe", "powerpnt.exe", "msip.app.exe", "msip.viewer.exe"]
UVI = r"SYSTEM\CurrentControlSet\Services\CtxUvi"
HOOK = r"SOFTWARE\Citrix\CtxHook"


@pytest.mark.parametrize(
    ("values", "excluded"),
    [
        ([], []),
        ([[UVI, "UviProcessExcludes", "LsaIso.exe;WinWord.exe; msip.viewer.ex;"]], ["winword.exe", "msip.viewer.exe"]),
        ([[HOOK, "ExcludedImageNames", "x.exe, excel.exe"]], ["excel.exe"]),
        (
            [
                [HOOK, "ExcludedImageNames", "outlook.exe,excel.exe"],
                [HOOK, "ExcludedImageNames", "excel.exe", "Registry32"],
                [HOOK + "64", "ExcludedImageNames", "excel.exe,outlook.exe", "Registry32"],
            ],
            ["excel.exe"],
        ),
        ([[HOOK, "ExcludedImageNames", ""]], []),
    ],
)
def test_citrix(powershell: PowerShellHost, values: list[list], excluded: list[str]) -> None:
    agent = program("Citrix Virtual Desktop Agent", "Citrix 7.15 LTSR CU4 - Virtual Delivery Agent", "7.15.4000.653")
    found = facts_with(powershell, AGENT, *agent, *values, facts="(Get-HostFact).citrix")
    assert found == {
        "found": True,
        "version": "7.15.4000.653",
        "excluded_processes": excluded,
        "hooked_processes": [program for program in PROGRAMS if program not in excluded],
    }


def test_redirections(powershell: PowerShellHost) -> None:
    microsoft = r"SOFTWARE\Microsoft"
    connector = "https://connector.contoso.com"
    tenant = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com/_wmcs/licensing"
    found = facts_with(
        powershell,
        [microsoft + r"\MSDRM\ServiceLocation\Activation", "", connector + "/_wmcs/certification"],
        [microsoft + r"\MSIPC\ServiceLocation\EnterprisePublishing", "", tenant, "Registry32"],
        [microsoft + r"\ExchangeServer\v15\IRM\LicenseServerRedirection", tenant, connector],
        [microsoft + r"\MSIPC\ServiceLocation\EnterpriseCertification", "", "no address"],
        [microsoft + r"\MSDRM\ServiceLocation\EnterprisePublishing", "", "https://evil.test/x.aadrm.com"],
        facts="(Get-HostFact).redirections",
    )
    prefix = r"HKLM:\SOFTWARE\Microsoft"
    assert [(item["path"].removeprefix(prefix), item["view"], item["name"], item["cloud"]) for item in found] == [
        (r"\MSDRM\ServiceLocation\Activation", 64, "", False),
        (r"\MSDRM\ServiceLocation\EnterprisePublishing", 64, "", False),
        (r"\MSIPC\ServiceLocation\EnterpriseCertification", 64, "", False),
        (r"\ExchangeServer\v15\IRM\LicenseServerRedirection", 64, tenant, False),
        (r"\MSIPC\ServiceLocation\EnterprisePublishing", 32, "", True),
    ]
    assert found[0]["address"] == connector + "/_wmcs/certification"


def test_restrictions_of_ntlm(powershell: PowerShellHost) -> None:
    policy = r"SYSTEM\CurrentControlSet\Control\Lsa\MSV1_0"
    values = [[policy, "RestrictReceivingNTLMTraffic", 1], [policy, "RestrictSendingNTLMTraffic", 2]]
    assert facts_with(powershell, *values, facts="(Get-HostFact).ntlm") == {
        "restrict_receiving": 1,
        "restrict_sending": 2,
    }
    assert powershell.run("(Get-HostFact).ntlm") == {"restrict_receiving": None, "restrict_sending": None}
