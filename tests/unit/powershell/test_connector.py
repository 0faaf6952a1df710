"""The connector: what is to be done and by whom, its settings, and what a host says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from powershell_host import PowerShellError, PowerShellHost

SETUP = r"C:\ProgramData\infoprotect\connector\RMSConnectorSetup.exe"
UNATTENDED = ["/quiet", "SIGNIN=1"]

# As objects: a hash table out of JSON minds the case of its keys, facts do not.
OBJECTS = "$case.fact.products = @($case.fact.products | ForEach-Object { [pscustomobject]$_ })\n"
PLAN = (
    OBJECTS
    + """
$plan = Get-ConnectorPlan -Option $case.option -Fact $case.fact
$lines = @($plan.Steps | ForEach-Object {
    "$($_.Action) $($_.Product) [$($_.Before)] [$($_.After)]$(if ($_.Attended) { ' attended' })"
})
$lines += @($plan.Refused | ForEach-Object { "refused: $_" })
if ([bool]$plan.AttendedStep -ne [bool]@($plan.Steps | Where-Object { $_.Attended })) { $lines += 'they disagree' }
, $lines
"""
)


def case(installed: str | None = None, staged: str | None = None, **option: Any) -> dict[str, Any]:
    """Options of the module on a host that has this connector, and this setup waiting."""
    found = option.pop("found", "installed")
    roles = option.pop("roles", [])
    build, architecture, release = (
        option.pop("build", 17763),
        option.pop("architecture", "AMD64"),
        option.pop("release", 461814),
    )
    products = [{"name": "x", "kind": "unified_labeling_client", "version": "99.0"}]
    if installed:
        products.append({"name": "x", "kind": "rms_connector", "version": installed, "state": found})
    names = ("exchange", "sharepoint", "fci", "domain_controller", "ad_rms")
    return {
        "option": {
            "state": "present",
            "version": None,
            "cloud": "AzureCloud",
            "administration_tool": False,
            "arguments": [],
            **option,
        },
        "fact": {
            "fqdn": "c1.contoso.test",
            "os": {"build": build, "architecture": architecture, "name": "Windows Server"},
            "dotnet": {"release": release, "version": "4.6.2" if release else None},
            "roles": {name: {"found": name in roles, "version": None} for name in names},
            "products": products,
            "connector": {"staged_version": staged} if staged else None,
        },
    }


STAGE, BY_HAND = "stage connector setup", "install connector"
CASES: list[tuple[dict[str, Any], list[str]]] = [
    # Somebody has to run it
    (case(), [f"{STAGE} [] [any version]", f"{BY_HAND} [] [any version] attended"]),
    (case(version="3.1.0"), [f"{STAGE} [] [3.1.0 or later]", f"{BY_HAND} [] [3.1.0 or later] attended"]),
    (case(staged="3.0.0.0"), [f"{BY_HAND} [] [any version] attended"]),
    (case(staged="3.1.0.0", version="3.1.0"), [f"{BY_HAND} [] [3.1.0 or later] attended"]),
    (
        case(staged="3.0.0.0", version="3.1.0"),
        [f"{STAGE} [3.0.0.0] [3.1.0 or later]", f"{BY_HAND} [] [3.1.0 or later] attended"],
    ),
    # It is there
    (case("3.0.0.0"), []),
    (case("3.1.0.0", version="3.1.0"), []),
    (case("3.1.0.0", version="3.0"), []),
    # A staged setup of another version, which no manual step needs any more
    (case("3.0.0.0", staged="3.1.0.0", version="3.0.0"), ["unstage connector setup [3.1.0.0] []"]),
    (case("3.1.0.0", staged="3.0.0.0"), ["unstage connector setup [3.0.0.0] []"]),
    (case("3.1.0.0", staged="3.0.0.0", roles=["exchange"]), ["unstage connector setup [3.0.0.0] []"]),
    (case("3.1.0.0", staged="3.1", version="3.0.0"), []),
    # An entry that nothing stands behind
    (case("3.0.0.0", found="orphaned"), [f"{STAGE} [] [any version]", f"{BY_HAND} [] [any version] attended"]),
    (case("3.0.0.0", found="orphaned", state="absent", arguments=["/uninstall"]), []),
    # Upgrade
    (
        case("3.0.0.0", version="3.1.0"),
        [f"{STAGE} [] [3.1.0 or later]", f"{BY_HAND} [3.0.0.0] [3.1.0 or later] attended"],
    ),
    (case("3.0.0.0", "3.1.0.0", version="3.1.0"), [f"{BY_HAND} [3.0.0.0] [3.1.0 or later] attended"]),
    # With the operator's arguments
    (case(arguments=UNATTENDED), [f"{BY_HAND} [] [any version]"]),
    (
        case(staged="3.0.0.0", arguments=UNATTENDED),
        [f"{BY_HAND} [] [any version]", "unstage connector setup [3.0.0.0] []"],
    ),
    (case("3.0.0.0", version="3.1.0", arguments=UNATTENDED), [f"{BY_HAND} [3.0.0.0] [3.1.0 or later]"]),
    (case("3.1.0.0", version="3.1.0", arguments=UNATTENDED), []),
    # Away with it
    (case(state="absent"), []),
    (case("3.0.0.0", state="absent"), ["remove connector [3.0.0.0] [] attended"]),
    (case("3.0.0.0", "3.0.0.0", state="absent"), ["remove connector [3.0.0.0] [] attended"]),
    (case("3.0.0.0", state="absent", arguments=["/uninstall", "/quiet"]), ["remove connector [3.0.0.0] []"]),
    (
        case("3.0.0.0", "3.0.0.0", state="absent", arguments=["/uninstall"]),
        ["remove connector [3.0.0.0] []", "unstage connector setup [3.0.0.0] []"],
    ),
    (case(staged="3.0.0.0", state="absent"), ["unstage connector setup [3.0.0.0] []"]),
    # The tool of an administrator's computer
    (
        case(administration_tool=True, roles=["exchange"]),
        [f"{STAGE} [] [any version]", "install connector administration tool [] [any version] attended"],
    ),
    (case(roles=["exchange", "domain_controller"], state="absent"), []),
]
ELSEWHERE = "and the connector has to be on a host of its own"
NET = "the connector needs .NET Framework 4.7.2 or later, and this host has"
WINDOWS = "the connector needs Windows Server 2012 or later with 64 bits, and this is Windows Server"
REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (case(build=7601), [f"{WINDOWS} (AMD64)"]),
    (case(architecture="x86"), [f"{WINDOWS} (x86)"]),
    (
        case(release=394802),
        [f"{NET} .NET Framework 4.6.2"],
    ),
    (case(release=None), [f"{NET} none"]),
    (case(roles=["exchange"]), [f"it is an Exchange server, {ELSEWHERE}"]),
    (case(roles=["sharepoint"]), [f"it is a SharePoint server, {ELSEWHERE}"]),
    (
        case(roles=["domain_controller"]),
        [f"it is a domain controller, {ELSEWHERE}"],
    ),
    (case("3.0.0.0", roles=["exchange", "sharepoint", "domain_controller"], build=7601, release=None), []),
]


def test_plans(powershell: PowerShellHost) -> None:
    found = powershell.each(PLAN, [given for given, _expected in CASES])
    for (given, expected), lines in zip(CASES, found, strict=True):
        assert lines == expected, given


def test_hosts_that_cannot_have_it(powershell: PowerShellHost) -> None:
    found = powershell.each(PLAN, [given for given, _expected in REFUSED])
    for (given, expected), lines in zip(REFUSED, found, strict=True):
        assert [line.removeprefix("refused: ") for line in lines if line.startswith("refused: ")] == expected, given


def test_version_that_is_none(powershell: PowerShellHost) -> None:
    with pytest.raises(PowerShellError, match="connector: version is 'new': expected a version such as"):
        powershell.run(PLAN, case(version="new"))


STEP = "(Get-ConnectorPlan -Option $case.option -Fact $case.fact).AttendedStep"


def test_what_somebody_has_to_do(powershell: PowerShellHost) -> None:
    step = powershell.run(STEP, case(cloud="AzureUSGovernment"))
    assert (step["host"], step["file"], step["cloud"]) == ("c1.contoso.test", SETUP, "AzureUSGovernment")
    for role in ("of the tenant", "global administrator of Azure Rights", "connector administrator of Azure Rights"):
        assert role in step["account_role"]
    said = "\n".join(step["steps"])
    for part in (
        "Sign in to c1.contoso.test",
        f"Windows PowerShell with 'Run as administrator', and run this command in it: & '{SETUP}'",
        "the cloud AzureUSGovernment",
        step["account_role"],
        "must not require multi-factor authentication, and neither must the service principal Aadrm_S-1-7-0",
        "onboarding controls",
    ):
        assert part in said
    tool = powershell.run(STEP, case(administration_tool=True))
    assert "Authentication" not in "\n".join(tool["steps"]) and "administration tool" in tool["steps"][3]
    script = STEP.replace(
        "(Get", "$case.fact.products = @($case.fact.products | ForEach-Object { [pscustomobject]$_ }); (Get"
    )
    removal = powershell.run(script, case("3.0.0.0", state="absent"))
    assert (removal["file"], removal["cloud"]) == (None, None) and "Uninstall" in removal["steps"][2]
    upgrade = powershell.run(script, case("3.0.0.0", version="3.1.0"))
    # clients ask the old one meanwhile
    assert all("out of the load balancer" in steps[0] for steps in (removal["steps"], upgrade["steps"]))
    assert "load balancer" not in said


SETTINGS = """
(Get-ConnectorDesiredState -Option $case).Values | ForEach-Object {
    "$($_.Path) $($_.Name) $($_.View) $(if ($_.Wanted) { Format-RegistryData -Value $_.Wanted } else { 'absent' })"
}
"""
VALUE = r"HKLM:\SOFTWARE\Microsoft\AADRM\Connector ProxyAddress 64 "


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("http://proxy:8080", "http://proxy:8080"),
        ("http://10.0.0.1:3128", "http://10.0.0.1:3128"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]:80"),
        # the example of Microsoft's page
        ("https://proxyserver.contoso.com:8080", "https://proxyserver.contoso.com:8080"),
        ("HTTP://Proxy.CONTOSO.com:8080/", "http://proxy.contoso.com:8080"),
    ],
)
def test_proxy(powershell: PowerShellHost, address: str, written: str) -> None:
    found = powershell.run(SETTINGS, {"state": "present", "proxy_address": address})
    assert found.startswith(f"{VALUE}string ") and found.endswith(f'"{written}"')


FITS = """
$option = @{ state = 'present'; proxy_address = $case[0] }
$value = (Get-ConnectorDesiredState -Option $option).Values[0]
$type = [ansible_collections.infoprotect.aip.plugins.module_utils._Native.RawValue]
& $value.Fits ($type::new(1, [Text.Encoding]::Unicode.GetBytes("$($case[1])`0")))
"""


@pytest.mark.parametrize(
    ("wanted", "present", "fits"),
    [
        ("http://proxy:8080", "HTTP://PROXY:8080/", True),
        ("HTTPS://Proxy:8080/", "https://proxy:8080", True),
        ("http://proxy:8080", "https://proxy:8080", False),
        ("http://proxy:8080", "http://proxy:8081", False),
        ("http://proxy:8080", "http://proxy:8080/x", False),
        ("http://proxy:8080", "proxy:8080", False),
    ],
)
def test_proxy_that_is_set_already(powershell: PowerShellHost, wanted: str, present: str, fits: bool) -> None:
    assert powershell.run(FITS, [wanted, present]) is fits


def test_no_proxy(powershell: PowerShellHost) -> None:
    assert powershell.run(SETTINGS, {"state": "absent", "proxy_address": None}) == f"{VALUE}absent"


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "proxy:8080",
        "ftp://proxy:8080",
        "http://proxy",
        "http://proxy:80//x",
        "http://proxy:0",
        "http://proxy:65536",
        "http://p:80/x",
        "http://a b:80",
    ],
)
def test_proxy_that_cannot_be(powershell: PowerShellHost, address: str | None) -> None:
    with pytest.raises(PowerShellError, match=r"connector_settings: proxy_address is .*: expected http://HOST:PORT"):
        powershell.run(SETTINGS, {"state": "present", "proxy_address": address})


def test_proxy_with_a_password_is_not_repeated(powershell: PowerShellHost) -> None:
    with pytest.raises(PowerShellError, match="proxy_address is one with a name or password in it") as error:
        powershell.run(SETTINGS, {"state": "present", "proxy_address": "http://u:Secret7@proxy:80"})
    assert "Secret7" not in str(error.value)


EVENTS = r"""
$events = @($case | ForEach-Object {
    $time = [datetime]::new(2026, 11, 25, 10, 0, 0, [DateTimeKind]::Utc).AddMinutes($_[1])
    [pscustomobject]@{ Id = [int]$_[0]; TimeCreated = $time; Message = $_[2] }
})
$since = @{}
$events | Where-Object { $_.Id -eq 6005 } | ForEach-Object { $since.Since = $_.TimeCreated }
$events = @($events | Where-Object { $_.Id -ne 6005 })
$found = ConvertFrom-ConnectorEvent -Entry $events @since
@{
    status = $found.Status
    update = $found.LastListUpdate
    authorized = $found.Authorized
    findings = [string[]]@($found.Findings | ForEach-Object { "$($_.id) $($_.time) $($_.count) $($_.account)" })
    texts = [string[]]@($found.Findings | ForEach-Object { $_.text })
}
"""
LIST = "The list of authorized servers was updated. It has:\r\nCONTOSO\\RMS-Exchange\r\nCONTOSO\\SP 01$\r\n"
# Newest first: id, minutes, message -> status, minutes of the last list, how many are authorized, findings.
# 6005 stands for the start of Windows.
LIVES: dict[str, tuple[list[tuple[int, int, str]], str, int | None, int, list[str]]] = {
    "nothing yet": ([], "starting", None, 0, []),
    "just started": ([(1000, 0, "started")], "starting", None, 0, []),
    "started and listed": ([(1004, 1, LIST), (1000, 0, "started")], "running", 1, 2, []),
    "listed long after its start": ([(1004, 5, LIST)], "running", 5, 2, []),
    "stopped": ([(1001, 9, ""), (1004, 1, LIST), (1000, 0, "")], "stopped", 1, 2, []),
    "restarted": ([(1000, 10, ""), (1001, 9, ""), (1004, 1, LIST), (1000, 0, "")], "starting", 1, 2, []),
    "recycled, the old one stops last": (
        [(1001, 12, ""), (1004, 11, LIST), (1000, 10, ""), (1004, 1, LIST)],
        "running",
        11,
        2,
        [],
    ),
    "nobody is authorized": ([(2003, 2, "empty"), (1000, 0, "")], "running", None, 0, ["2003 10:02 1 "]),
    "nobody any more": ([(2003, 9, "empty"), (1004, 1, LIST), (1000, 0, "")], "running", 1, 0, ["2003 10:09 1 "]),
    "somebody at last": ([(1004, 9, LIST), (2003, 2, "empty"), (1000, 0, "")], "running", 9, 2, []),
    "no way to Azure": ([(3001, 1, "name not resolved"), (1000, 0, "")], "starting", None, 0, ["3001 10:01 1 "]),
    "a way at last": ([(1004, 3, LIST), (3001, 1, "name not resolved"), (1000, 0, "")], "running", 3, 2, []),
    "who may not": (
        [
            (2001, 8, r"The account CONTOSO\SP02$ is not authorized."),
            (2001, 7, "Not authorized: CONTOSO\\EX 09$ (Exchange)"),
            (2001, 6, r"The account CONTOSO\SP02$ is not authorized."),
            (1004, 1, LIST),
        ],
        "running",
        1,
        2,
        [r"2001 10:08 2 CONTOSO\SP02$", r"2001 10:07 1 CONTOSO\EX 09$"],
    ),
    "Windows was started again": ([(6005, 8, ""), (1004, 5, LIST), (1000, 0, "")], "stopped", 5, 2, []),
    "and it, too": ([(1004, 9, LIST), (1000, 8, ""), (6005, 7, ""), (1004, 5, LIST)], "running", 9, 2, []),
    "but for its list": ([(1000, 8, ""), (6005, 7, ""), (1004, 5, LIST), (1000, 0, "")], "starting", 5, 2, []),
    "others": (
        [(3000, 9, "odd"), (2002, 8, ""), (2000, 7, ""), (1004, 1, LIST)],
        "running",
        1,
        2,
        ["3000 10:09 1 ", "2002 10:08 1 ", "2000 10:07 1 "],
    ),
}


def test_what_events_mean(powershell: PowerShellHost) -> None:
    found = powershell.each(EVENTS, [[list(event) for event in life[0]] for life in LIVES.values()])
    for (name, life), got in zip(LIVES.items(), found, strict=True):
        _events, status, update, authorized, findings = life
        accounts = ["CONTOSO\\RMS-Exchange", "CONTOSO\\SP 01$"][:authorized]
        time = f"2026-11-25T10:{update:02}:00Z" if update is not None else None
        assert isinstance(got, dict), (name, got)
        assert (got["status"], got["update"], got["authorized"]) == (status, time, accounts), name
        shown = [line.replace("2026-11-25T", "").replace(":00Z", "") for line in got["findings"]]
        assert shown == findings, name
    texts = found[list(LIVES).index("no way to Azure")]["texts"]
    assert "cannot be downloaded" in texts[0] and "name not resolved" in texts[0]


NAMES = "& (Get-Module _Connector) { , [string[]]@(Get-AccountName -Message $args[0]) } $case"


@pytest.mark.parametrize(
    ("message", "accounts"),
    [
        (LIST, ["CONTOSO\\RMS-Exchange", "CONTOSO\\SP 01$"]),
        ("Updated: CONTOSO\\a, CONTOSO\\b; CONTOSO\\c.", ["CONTOSO\\a", "CONTOSO\\b", "CONTOSO\\c"]),
        (
            'Accounts:\n - "CONTOSO\\Exchange Servers" (Exchange)\n * svc@contoso.test\n S-1-5-21-1-2-3-500',
            ["CONTOSO\\Exchange Servers", "svc@contoso.test", "S-1-5-21-1-2-3-500"],
        ),
        ("See C:\\Program Files\\x and http://a/b\nnothing", []),
        ("", []),
    ],
)
def test_accounts_that_an_event_names(powershell: PowerShellHost, message: str, accounts: list[str]) -> None:
    assert powershell.run(NAMES, message) == accounts


@pytest.mark.parametrize("unit", [" ", "(", "a\\", ".", "= ", "a@", "- "])
def test_an_event_of_any_length_takes_linear_time(powershell: PowerShellHost, unit: str) -> None:
    """Any account of the host may write one; no piece of it is taken for a name."""
    text = "CONTOSO\\x" + unit * (100_000 // len(unit)) + "y"
    message = f"{text}\n- CONTOSO\\SP01$ (SharePoint)"
    assert powershell.run(NAMES, message, timeout=30) == ["CONTOSO\\SP01$"]


STATE = """
$unreadable = [System.Collections.Generic.List[object]]::new()
$state = Get-ConnectorState -Product @($case | ForEach-Object { [pscustomobject]$_ }) -Unreadable $unreadable
@{ state = $state; unreadable = @($unreadable | ForEach-Object { $_.what }) }
"""


def test_host_without_a_connector(powershell: PowerShellHost) -> None:
    assert powershell.run(STATE, []) == {"state": None, "unreadable": []}


@pytest.mark.parametrize(
    ("expires", "expired"), [("2000-01-01T00:00:00Z", True), ("2999-01-01T00:00:00Z", False), ("soon", True)]
)
def test_lease_of_a_run_where_there_is_no_connector(powershell: PowerShellHost, expires: str, expired: bool) -> None:
    """It was removed since, or was never installed; the next run must learn of the lease to end it."""
    lease = {"run": "5f3a9c01", "controller": "ctl", "started": "1999-12-31T22:30:00Z", "expires": expires}
    lease |= {"stage": "out_of_service"}
    key = r"HKEY_LOCAL_MACHINE\SOFTWARE\infoprotect.aip\Lease"
    for name, value in lease.items():
        powershell.run(f"[Microsoft.Win32.Registry]::SetValue('{key}', '{name}', '{value}')")
    try:
        found = powershell.run(STATE, [])
    finally:
        powershell.run(r"Remove-Item -LiteralPath HKLM:\SOFTWARE\infoprotect.aip -Recurse")
    state = found["state"]
    assert (state["installed"], state["version"], state["status"]) == (False, None, None)
    assert state["lease"] == {**lease, "expired": expired}
    assert found["unreadable"] == []


def test_staged_setup(powershell: PowerShellHost) -> None:
    staged: Path = powershell.disk / "ProgramData/infoprotect/connector/RMSConnectorSetup.exe"
    staged.parent.mkdir(parents=True, exist_ok=True)
    powershell.run(f"Copy-Item -LiteralPath $PSHOME\\System.Management.Automation.dll -Destination '{SETUP}'")
    try:
        found = powershell.run(STATE, [])
    finally:
        staged.unlink()
    state = found["state"]
    assert (state["installed"], state["version"], state["status"]) == (False, None, "awaiting_sign_in")
    assert state["staged_version"]
    assert found["unreadable"] == []
