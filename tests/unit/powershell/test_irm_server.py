"""Servers that use the connector: every registry table, who is refused, what is purged, when a restart is due."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.infoprotect.aip.plugins.filter.irm_server_reg import irm_server_difference, irm_server_values
from powershell_host import PowerShellHost

C = "https://rmsconnector.contoso.com"
T = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
MICROSOFT = r"HKLM:\SOFTWARE\Microsoft"

# The tables of the documentation, value by value: (key, name, data)
EXCHANGE_2013 = [
    (rf"{MICROSOFT}\MSDRM\ServiceLocation\Activation", "", f"{T}/_wmcs/certification"),
    (rf"{MICROSOFT}\MSDRM\ServiceLocation\EnterprisePublishing", "", f"{T}/_wmcs/licensing"),
    (rf"{MICROSOFT}\ExchangeServer\v15\IRM\CertificationServerRedirection", T, C),
    (rf"{MICROSOFT}\ExchangeServer\v15\IRM\LicenseServerRedirection", T, C),
]
SHAREPOINT = [
    (rf"{MICROSOFT}\MSIPC\ServiceLocation\EnterpriseCertification", "", f"{C}/_wmcs/certification"),
    (rf"{MICROSOFT}\MSIPC\ServiceLocation\EnterprisePublishing", "", f"{C}/_wmcs/licensing"),
    (rf"{MICROSOFT}\MSIPC\ServiceLocation\LicensingRedirection", f"{T}/_wmcs/licensing", f"{C}/_wmcs/licensing"),
]
FCI = [
    (rf"{MICROSOFT}\MSDRM\ServiceLocation\Activation", "", f"{C}/_wmcs/certification"),
    (rf"{MICROSOFT}\MSDRM\ServiceLocation\EnterprisePublishing", "", f"{C}/_wmcs/licensing"),
]
TABLES = {
    ("exchange", "15.0.775.38"): EXCHANGE_2013,
    ("exchange", "15.0.1497.48"): EXCHANGE_2013,
    ("exchange", "15.1.2507.6"): EXCHANGE_2013 + SHAREPOINT,
    ("exchange", "15.2.1544.4"): EXCHANGE_2013 + SHAREPOINT,
    ("sharepoint", "15.0.0.5571"): SHAREPOINT,
    ("sharepoint", "16.0.0.4351"): SHAREPOINT,
    ("sharepoint", "16.0.10337.12109"): SHAREPOINT,
    ("fci", "2012"): FCI,
    ("fci", "2012r2"): FCI,
    ("fci", "2016"): FCI,
}

WANTED = """
$fact = @{
    os = @{ product = '2016'; name = 'Windows Server 2016 Standard' }
    products = @()
    roles = @{}
    rms_clients = @{
        msdrm = @{ found = $true; version = '10.0.14393.0' }
        msipc = @{ found = $true; version = '1.0.2004.0' }
    }
    redirections = @()
}
foreach ($name in 'exchange', 'sharepoint', 'fci') {
    $fact.roles[$name] = @{ found = $name -eq $case.product -and $case.version; version = $null; line = $null }
}
if ($case.version) {
    $role = $fact.roles[$case.product]
    $role.version = $case.version
    $role.line = switch ($case.product) {
        'exchange' { Get-ExchangeLine -Version $case.version }
        'sharepoint' { Get-SharePointLine -Version $case.version }
        'fci' { $case.version }
    }
}
foreach ($name in $case.fact.Keys) { $fact[$name] = $case.fact[$name] }
$option = @{ product = $case.product; state = 'present'; force = $false }
foreach ($name in $case.option.Keys) { $option[$name] = $case.option[$name] }
$wanted = Get-IrmServerDesiredState -Option $option -Fact $fact
"""
LIST = (
    WANTED
    + """
@{
    values = [object[]]@($wanted.Values | ForEach-Object {
        , @($_.Path, $_.Name, $(if ($_.Wanted) { Format-RegistryData -Value $_.Wanted } else { 'absent' }), $_.View)
    })
    purge = [object[]]@($wanted.Purge)
    notes = [object[]]@($wanted.Notes)
    refused = [object[]]@($wanted.Refused)
}"""
)


def case(product: str, version: str | None, fact: Any = None, **option: Any) -> dict[str, Any]:
    urls = {} if option.get("state") == "absent" else {"connector_url": C, "tenant_url": T}
    return {"product": product, "version": version, "fact": fact or {}, "option": urls | option}


def redirection(key: str, name: str, address: str, cloud: bool = False, view: int = 64) -> dict[str, Any]:
    return {"path": rf"{MICROSOFT}\{key}", "view": view, "name": name, "address": address, "cloud": cloud}


def test_tables(powershell: PowerShellHost) -> None:
    """Every product and version has the values of its table and no others."""
    found = powershell.each(LIST, [case(product, version) for product, version in TABLES])
    for (product, version), state in zip(TABLES, found, strict=True):
        expected = [[key, name, f'string "{data}"', 64] for key, name, data in TABLES[product, version]]
        assert isinstance(state, dict), f"{product} {version}: {state}"
        assert state["refused"] == [], f"{product} {version}"
        assert state["values"] == expected, f"{product} {version}"
        purged = {rule["path"] for rule in state["purge"]}
        assert purged == {key for key, name, _data in TABLES[product, version] if name}
        assert all(rule["match"] == "^https?://" and rule["keep"] == [] for rule in state["purge"])


def test_absent_removes_the_same_values(powershell: PowerShellHost) -> None:
    """Without the product too, then what any version has."""
    cases = {
        ("exchange", "15.0.1497.48"): EXCHANGE_2013,
        ("exchange", None): EXCHANGE_2013 + SHAREPOINT,
        ("sharepoint", None): SHAREPOINT,
        ("fci", "2016"): FCI,
        ("fci", None): FCI,
    }
    found = powershell.each(LIST, [case(product, version, state="absent") for product, version in cases])
    for (key, table), state in zip(cases.items(), found, strict=True):
        assert state["values"] == [[path, name, "absent", 64] for path, name, _data in table if not name], key
        assert {rule["path"] for rule in state["purge"]} == {path for path, name, _data in table if name}, key
        assert state["refused"] == []


def test_servers_that_cannot_use_the_connector(powershell: PowerShellHost) -> None:
    clients = {"msdrm": {"found": True, "version": "10.0.14393.0"}, "msipc": {"found": True, "version": "1.0.2004.0"}}
    exchange = "expected Exchange Server 2013 with Cumulative Update 3 (15.0.775) or later, 2016 or 2019"
    cases = [
        (case("exchange", None), ["Exchange Server is not installed on this host"]),
        (
            case("exchange", "14.3.123.4"),
            [f"Exchange Server 14.3.123.4 is not supported with the connector: {exchange}"],
        ),
        (
            case("exchange", "15.0.712.24"),
            [f"Exchange Server 15.0.712.24 is not supported with the connector: {exchange}"],
        ),
        (
            case("exchange", "15.2.2562.17"),
            [f"Exchange Server 15.2.2562.17 is not supported with the connector: {exchange}"],
        ),
        (
            case("sharepoint", "14.0.0.4762"),
            [
                "SharePoint Server 14.0.0.4762 is not supported with the connector: "
                "expected SharePoint Server 2013, 2016 or 2019"
            ],
        ),
        (
            case("sharepoint", "16.0.0.14326"),
            [
                "SharePoint Server 16.0.0.14326 is not supported with the connector: "
                "expected SharePoint Server 2013, 2016 or 2019"
            ],
        ),
        (
            case("fci", "2019", {"os": {"name": "Windows Server 2019 Standard"}}),
            [
                "Windows Server 2019 Standard is not supported with the connector: "
                "expected Windows Server 2012, 2012 R2 or 2016"
            ],
        ),
        (
            case(
                "exchange",
                "15.1.2507.6",
                {"rms_clients": clients | {"msdrm": {"found": True, "version": "6.1.7600.16385"}}},
            ),
            ["msdrm.dll has version 6.1.7600.16385: expected 6.1.7600.17000 or later"],
        ),
        (
            case("fci", "2016", {"rms_clients": clients | {"msdrm": {"found": False, "version": None}}}),
            ["msdrm.dll is not installed on this host: expected 6.1.7600.17000 or later"],
        ),
        (
            case(
                "sharepoint",
                "16.0.0.4351",
                {"rms_clients": clients | {"msipc": {"found": True, "version": "1.0.622.34"}}},
            ),
            ["the Rights Management client 2.1 (MSIPC) has version 1.0.622.34: expected 1.0.2004.0 or later"],
        ),
        (
            case("sharepoint", "16.0.0.4351", {"rms_clients": clients | {"msipc": {"found": False, "version": None}}}),
            ["the Rights Management client 2.1 (MSIPC) is not installed on this host: expected 1.0.2004.0 or later"],
        ),
        (
            case("fci", None, {"products": [{"kind": "rms_connector", "state": "installed"}]}),
            [
                "this host runs the connector itself: expected a server that uses it, on another host",
                "File Server Resource Manager is not installed on this host",
            ],
        ),
        (
            case("fci", "2016", {"redirections": None, "products": None}),
            ["what decides whether this host can be served could not be read: products, redirections"],
        ),
    ]
    found = powershell.each(LIST, [one for one, _expected in cases])
    for (one, expected), state in zip(cases, found, strict=True):
        assert isinstance(state, dict), state
        assert state["refused"] == expected, one
        assert state["values"] == state["purge"] == [], "a host that is refused has nothing to be written"


def test_options_that_make_no_sense(powershell: PowerShellHost) -> None:
    shape = "expected http:// or https:// and a name, without a path, such as https://rmsconnector.contoso.com"
    cases = [
        (case("fci", "2016", connector_url="connector"), f"irm_server: connector_url is 'connector': {shape}"),
        (case("fci", "2016", connector_url="ftp://c"), f"irm_server: connector_url is 'ftp://c': {shape}"),
        (case("fci", "2016", connector_url=f"{C}/_wmcs"), f"irm_server: connector_url is '{C}/_wmcs': {shape}"),
        (
            case("fci", "2016", connector_url="https://u:p@c"),
            f"irm_server: connector_url is one with a name or password in it: {shape}",
        ),
        (case("fci", "2016", connector_url=f"{C}?a=b"), f"irm_server: connector_url is '{C}?a=b': {shape}"),
        (case("fci", "2016", tenant_url=f"{T}/other"), f"irm_server: tenant_url is '{T}/other': {shape}"),
        (
            case("fci", "2016", connector_url=T),
            f"irm_server: connector_url is {T}, an address of Azure Rights Management: expected that of the connector",
        ),
        (
            case("fci", "2016", tenant_url=C),
            f"irm_server: tenant_url is {C}, no address of Azure Rights Management: "
            "expected one such as https://ID.rms.na.aadrm.com",
        ),
    ]
    assert powershell.each(LIST, [one for one, _expected in cases]) == [expected for _one, expected in cases]


def test_urls_have_one_form(powershell: PowerShellHost) -> None:
    """As Get-AipServiceConfiguration shows the tenant's, with a slash, in capitals, with a port."""
    state = powershell.run(
        LIST,
        case(
            "exchange",
            "15.0.1497.48",
            connector_url="HTTP://RMSConnector.contoso.com:8080/",
            tenant_url=f"{T}/_wmcs/licensing",
        ),
    )
    assert [value[1:3] for value in state["values"]] == [
        ["", f'string "{T}/_wmcs/certification"'],
        ["", f'string "{T}/_wmcs/licensing"'],
        [T, 'string "http://rmsconnector.contoso.com:8080"'],
        [T, 'string "http://rmsconnector.contoso.com:8080"'],
    ]


@pytest.mark.parametrize(
    ("product", "version", "address", "other"),
    [
        (
            "fci",
            "2016",
            redirection(r"MSDRM\ServiceLocation\Activation", "", "http://adrms/_wmcs/certification"),
            "http://adrms",
        ),
        # the same name by another protocol is another URL
        (
            "sharepoint",
            "16.0.0.4351",
            redirection(
                r"MSIPC\ServiceLocation\EnterprisePublishing", "", "http://rmsconnector.contoso.com/_wmcs/licensing"
            ),
            "http://rmsconnector.contoso.com",
        ),
        (
            "exchange",
            "15.1.2507.6",
            redirection(r"ExchangeServer\v15\IRM\LicenseServerRedirection", T, "https://a"),
            "https://a",
        ),
    ],
)
def test_another_connector_needs_force(
    powershell: PowerShellHost, product: str, version: str, address: dict[str, Any], other: str
) -> None:
    fact = {"redirections": [address]}
    refused, forced = powershell.each(LIST, [case(product, version, fact), case(product, version, fact, force=True)])
    (reason,) = refused["refused"]
    assert reason.startswith(f"this host is set to use {other}, and connector_url is {C}.")
    assert refused["values"] == []
    assert forced["refused"] == [] and forced["values"]
    assert forced["notes"] == [f"This host was set to use {other}."]


def test_what_is_no_other_connector(powershell: PowerShellHost) -> None:
    """The cloud, the wanted one in another spelling, another product's keys, the 32-bit view."""
    found = powershell.each(
        LIST,
        [
            case("exchange", "15.1.2507.6", {"redirections": [one]})
            for one in (
                redirection(r"MSDRM\ServiceLocation\Activation", "", f"{T}/_wmcs/certification", cloud=True),
                redirection(
                    r"ExchangeServer\v15\IRM\LicenseServerRedirection", T, "HTTPS://RMSConnector.Contoso.com:443/"
                ),
                redirection(r"MSIPC\ServiceLocation\EnterprisePublishing", "", "http://a/_wmcs/licensing", view=32),
                redirection(r"ExchangeServer\v14\IRM\LicenseServerRedirection", T, "http://a"),
            )
        ],
    )
    assert [state["refused"] for state in found] == [[]] * 4


PLAN = (
    """
foreach ($item in $case.before) {
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    $key = $base.CreateSubKey($item.path.Substring(6))
    $key.SetValue($item.name, $item.address)
    $key.Dispose()
    $base.Dispose()
}
$case.fact = @{ redirections = @((Get-HostFact).redirections) }
"""
    + WANTED
    + """
$plan = Get-RegistryPlan -Value $wanted.Values -Purge $wanted.Purge
if ($plan.Changes.Count) { $null = Write-RegistryPlan -Plan $plan -Source unit }
@{
    changed = $plan.Changes.Count
    again = (Get-RegistryPlan -Value $wanted.Values -Purge $wanted.Purge).Changes.Count
    left = [object[]]@((Get-HostFact).redirections | ForEach-Object { , @($_.path, $_.name, $_.address) })
}"""
)
CLEAN = r"""
foreach ($path in 'MSDRM', 'MSIPC', 'ExchangeServer') {
    [Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree("SOFTWARE\Microsoft\$path", $false)
}"""


@pytest.mark.parametrize(
    ("product", "version"), [("exchange", "15.2.1544.4"), ("sharepoint", "15.0.0.5571"), ("fci", "2012")]
)
def test_nothing_of_the_connector_before_is_left(powershell: PowerShellHost, product: str, version: str) -> None:
    powershell.run(CLEAN)
    other = "00000000-0000-0000-0000-000000000000.rms.eu.aadrm.com"
    first = case(product, version, connector_url="http://a.contoso.com", tenant_url=f"https://{other}")
    powershell.run(PLAN, first | {"before": []})
    state = powershell.run(PLAN, case(product, version, force=True) | {"before": []})
    assert sorted(map(tuple, state["left"])) == sorted(TABLES.get((product, version), FCI))
    assert state["again"] == 0
    absent = powershell.run(PLAN, case(product, version, state="absent") | {"before": []})
    assert absent["left"] == []
    powershell.run(CLEAN)


def test_redirections_of_ad_rms_and_foreign_spellings_are_adopted(powershell: PowerShellHost) -> None:
    """A server that was configured by hand, and moved from AD RMS, is not written to."""
    powershell.run(CLEAN)
    before = [
        redirection(key.removeprefix(MICROSOFT + "\\"), name.upper(), data.replace("licensing", "Licensing"))
        for key, name, data in EXCHANGE_2013 + SHAREPOINT
    ]
    before.append(
        redirection(r"ExchangeServer\v15\IRM\LicenseServerRedirection", "https://adrms.contoso.com/_wmcs/licensing", C)
    )
    state = powershell.run(PLAN, case("exchange", "15.1.2507.6") | {"before": before})
    assert state["changed"] == 0
    assert len(state["left"]) == len(before)
    powershell.run(CLEAN)


def test_restart_of_a_file_server_whoever_wrote_the_addresses(powershell: PowerShellHost) -> None:
    powershell.run(CLEAN)
    script = r"""
$machine = [Microsoft.Win32.Registry]::LocalMachine
$pending = { @(Get-PendingRestartReason -PolicyValue $args) -contains 'irm_server' }
$key = 'HKLM:\SOFTWARE\Microsoft\MSDRM\ServiceLocation\Activation'
$due = @(& $pending)
$machine.CreateSubKey('SYSTEM\CurrentControlSet\Services\SrmSvc').Dispose()
$due += & $pending
$machine.CreateSubKey('SOFTWARE\Microsoft\MSDRM\ServiceLocation\Activation').Dispose()
$due += & $pending
$due += (Get-HostFact).reboot.reasons -contains 'irm_server'
# Group Policy writes the key again at each refresh.
$due += & $pending @{ path = $key }
$machine.DeleteSubKeyTree('SYSTEM\CurrentControlSet\Services\SrmSvc')
$due += & $pending
, $due"""
    assert powershell.run(script) == [False, False, True, True, False, False]
    powershell.run(CLEAN)


ROLE = Path(__file__).resolve().parents[3] / "roles/irm_server"
EXCHANGE_SERVER = ROLE.parents[1] / "plugins/module_utils/_ExchangeServer.psm1"
#: The licensing URL of a trusted publishing domain of AD RMS
TPD = "https://rms.contoso.test/_wmcs/licensing"
WORK = r"""
$irm = 'HKLM:\SOFTWARE\Microsoft\ExchangeServer\v15'
$null = New-Item -Path "$irm\Setup" -Force
$null = New-Item -Path "$irm\MailboxRole" -Force
$number = 0
foreach ($name in 'MsiProductMajor', 'MsiProductMinor', 'MsiBuildMajor', 'MsiBuildMinor') {
    Set-ItemProperty -LiteralPath "$irm\Setup" -Name $name -Value ([int]$case.version[$number++])
}
foreach ($item in $case.present) {
    $path = "HKLM:\SOFTWARE\Microsoft\$($item[0])"
    if (-not (Test-Path -LiteralPath $path)) { $null = New-Item -Path $path -Force }
    $base = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey("SOFTWARE\Microsoft\$($item[0])", $true)
    $base.SetValue($item[1], $item[2])
    $base.Dispose()
}
try {
    $fact = Get-HostFact
    $fact.rms_clients.msdrm = [ordered]@{ found = $true; version = '10.0.1.0' }
    $option = @{ product = 'exchange'; state = $case.state; connector_url = $case.connector; tenant_url = $case.tenant }
    $wanted = Get-IrmServerDesiredState -Option ($option + @{ force = $true }) -Fact $fact
    $plan = Get-RegistryPlan -Value $wanted.Values -Purge $wanted.Purge
    @{
        look = & ([scriptblock]::Create($case.script))
        module = [string[]]@($plan.Changes | ForEach-Object { "$($_.Path) [$($_.Name)] $([bool]$_.After)" })
    }
}
finally {
    Remove-Item -LiteralPath HKLM:\SOFTWARE\Microsoft\ExchangeServer -Recurse
    foreach ($name in 'MSDRM', 'MSIPC') {
        Remove-Item -LiteralPath "HKLM:\SOFTWARE\Microsoft\$name" -Recurse -ErrorAction SilentlyContinue
    }
}
"""
#: What the role sets: key below HKLM:\SOFTWARE\Microsoft, name, data
SET_2013, SET_2016 = (
    [[path.removeprefix(MICROSOFT)[1:], name, data] for path, name, data in TABLES["exchange", version]]
    for version in ("15.0.1497.48", "15.1.2507.6")
)
LICENSES = r"ExchangeServer\v15\IRM\LicenseServerRedirection"
OLD = "https://old.contoso.com"


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(
    ("version", "present"),
    [
        ("15.0.1497.48", []),
        ("15.0.1497.48", SET_2013),
        ("15.1.2507.6", []),
        ("15.1.2507.6", SET_2013),
        ("15.1.2507.6", SET_2016),
        # what Microsoft's page on migration adds for each trusted publishing domain
        ("15.1.2507.6", [*SET_2016, [LICENSES, TPD, f"{C}/_wmcs/licensing"]]),
        ("15.1.2507.6", [*SET_2016, [LICENSES, TPD, f"{OLD}/_wmcs/licensing"]]),
        ("15.1.2507.6", [*SET_2016, [LICENSES, "https://9.rms.na.aadrm.com", C], [LICENSES, "Note", "x"]]),
        ("15.0.1497.48", [[path, name, data.replace(C, OLD)] for path, name, data in SET_2013]),
    ],
)
def test_without_the_module_the_role_plans_the_same(
    powershell: PowerShellHost, version: str, present: list[list[str]], state: str
) -> None:
    """What is decided of what look.ps1 reads, against the plan of the module."""
    year = "2013" if version.startswith("15.0") else "2016"
    operands = ("exchange", year, C, T, state)
    keys = "', '".join(dict.fromkeys(row["key"] for row in irm_server_values("exchange", "2016", C, T)))
    texts = (EXCHANGE_SERVER, ROLE / "files/look.ps1")
    script = "\n".join([f"$keys = '{keys}'", *(text.read_text(encoding="utf-8") for text in texts)])
    case = {"version": version.split("."), "present": present, "state": state, "connector": C, "tenant": T}
    found = powershell.run(WORK, {**case, "script": script})
    look = json.loads(found["look"])
    difference = irm_server_difference(look["values"], *operands)
    assert look["exchange"] == version.rpartition(".")[0]
    assert difference["differs"] is bool(found["module"]), found
    removed = {
        (line.split(" [")[0], name)
        for line in found["module"]
        if line.endswith(" False") and (name := re.findall(r" \[(.*)\] ", line)[0])
    }
    assert {(f"HKLM:\\{one['key']}", one["name"]) for one in difference["stale"]} == removed
    others = {OLD} if any(OLD in data for _path, _name, data in present) else set()
    others |= {C} if state == "absent" and any(C in data for _path, _name, data in present) else set()
    assert {re.match("https://[^/]+", address)[0] for address in difference["others"]} == others


ACTIVATION = rf"{MICROSOFT}\MSDRM\ServiceLocation\Activation"
LICENSING = rf"{MICROSOFT}\MSIPC\ServiceLocation\EnterprisePublishing"


@pytest.mark.parametrize(
    ("path", "before", "after", "file_server", "expected"),
    [
        (ACTIVATION, None, f"{C}/_wmcs/certification", True, True),
        (ACTIVATION, f"{C}/_wmcs/certification", None, True, True),
        (ACTIVATION, None, f"{T}/_wmcs/certification", False, False),
        (LICENSING, None, f"{C}/_wmcs/licensing", True, False),
        (LICENSING, "https://adrms.contoso.com/_wmcs/licensing", f"{C}/_wmcs/licensing", False, True),
        (LICENSING, f"{C}/_wmcs/licensing", None, False, True),
        (LICENSING, f"{C.upper()}/_wmcs/Licensing", f"{C}/_wmcs/licensing", False, False),
        (LICENSING, f"{T}/_wmcs/licensing", f"{C}/_wmcs/licensing", False, False),
        (rf"{MICROSOFT}\Other", "https://adrms.contoso.com", None, True, False),
    ],
)
def test_restart_for_changed_addresses(
    powershell: PowerShellHost, path: str, before: str | None, after: str | None, file_server: bool, expected: bool
) -> None:
    """A file server always needs one, others when they leave AD RMS or a connector. That holds for a restore, too."""
    script = r"""
$raw = { if ($args[0]) { ConvertTo-RegistryData -Type string -Data $args[0] } }
$change = @{ Path = $case.path; Name = 'x'; Before = & $raw $case.before; After = & $raw $case.after }
$machine = [Microsoft.Win32.Registry]::LocalMachine
$service = 'SYSTEM\CurrentControlSet\Services\SrmSvc'
if ($case.file_server) { $machine.CreateSubKey($service).Dispose() }
try { , @(Get-RestartReason -Change $change) }
finally { $machine.DeleteSubKeyTree($service, $false) }"""
    change = {"path": path, "before": before, "after": after, "file_server": file_server}
    assert powershell.run(script, change) == (["irm_server"] if expected else [])
