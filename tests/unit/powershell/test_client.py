"""What has to be installed and removed to get from one client to another, and what an installer says."""

from __future__ import annotations

from typing import Any

import pytest
from powershell_host import PowerShellError, PowerShellHost

KINDS = {"classic": "classic_client", "unified_labeling": "unified_labeling_client", "purview": "purview_client"}

# As objects: a hash table out of JSON minds the case of its keys, facts do not.
PLAN = """
$case.fact.products = @($case.fact.products | ForEach-Object { [pscustomobject]$_ })
$plan = Get-ClientPlan -Option $case.option -Fact $case.fact
$lines = @($plan.Steps | ForEach-Object { "$($_.Action) $($_.Product) [$($_.Before)] [$($_.After)]" })
$lines += @($plan.Refused | ForEach-Object { "refused: $_" })
, $lines
"""


def case(installed: dict[str, str], **option: Any) -> dict[str, Any]:
    """Options of the module on a host that has these products."""
    build = option.pop("build", 17763)
    architecture = option.pop("architecture", "AMD64")
    release = option.pop("release", 461814)
    due = option.pop("due", [])
    products = [{"name": "x", "kind": KINDS[name], "version": version} for name, version in installed.items()]
    return {
        "option": {"state": "present", "version": None, "exact": False, "allow_downgrade": False, **option},
        "fact": {
            "os": {"build": build, "architecture": architecture, "name": "Windows Server"},
            "dotnet": {"release": release, "version": "4.5.2" if release else None},
            "products": products,
            "reboot": {"reasons": due},
        },
    }


UL, PURVIEW, CLASSIC = "unified_labeling", "purview", "classic"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # nothing -> each
        (case({}, product=UL), ["install unified_labeling [] [any version]"]),
        (case({}, product=UL, version="2.18.26"), ["install unified_labeling [] [2.18.26 or later]"]),
        (case({}, product=PURVIEW, version="3.1.310", exact=True), ["install purview [] [3.1.310]"]),
        (case({}, product=CLASSIC, state="absent"), []),
        # the same product
        (case({UL: "2.18.26.0"}, product=UL, version="2.18.26"), []),
        (case({UL: "2.18.26.0"}, product=UL, version="2.18.26", exact=True), []),
        (case({UL: "2.18.26.0"}, product=UL, version="2.16"), []),
        (case({UL: "2.16.73.0"}, product=UL), []),
        (
            case({UL: "2.9.116.0"}, product=UL, version="2.18.26"),
            ["install unified_labeling [2.9.116.0] [2.18.26 or later]"],
        ),
        (case({UL: ""}, product=UL, version="2.18.26"), ["install unified_labeling [] [2.18.26 or later]"]),
        (
            case({UL: "2.18.26.0"}, product=UL, version="2.16.73", exact=True, allow_downgrade=True),
            ["remove unified_labeling [2.18.26.0] []", "install unified_labeling [] [2.16.73]"],
        ),
        # one to another
        (case({CLASSIC: "1.54.59.0"}, product=UL), ["install unified_labeling [] [any version]"]),
        (
            case({UL: "2.18.26.0"}, product=PURVIEW),
            ["remove unified_labeling [2.18.26.0] []", "install purview [] [any version]"],
        ),
        (
            case({CLASSIC: "1.54.59.0", UL: "2.18.26.0"}, product=PURVIEW),
            [
                "remove classic [1.54.59.0] []",
                "remove unified_labeling [2.18.26.0] []",
                "install purview [] [any version]",
            ],
        ),
        (
            case({PURVIEW: "3.1.310.0"}, product=UL, allow_downgrade=True),
            ["remove purview [3.1.310.0] []", "install unified_labeling [] [any version]"],
        ),
        # an interrupted way from 2 to 3, and both at once
        (case({UL: "2.18.26.0", PURVIEW: "3.1.310.0"}, product=PURVIEW), ["remove unified_labeling [2.18.26.0] []"]),
        # away with one, the others stay
        (case({UL: "2.18.26.0"}, product=UL, state="absent"), ["remove unified_labeling [2.18.26.0] []"]),
        (case({UL: "2.18.26.0", PURVIEW: "3.1.310.0"}, product=CLASSIC, state="absent"), []),
        (
            case({UL: "2.18.26.0"}, product=UL, state="absent", version="2.19"),
            ["remove unified_labeling [2.18.26.0] []"],
        ),
    ],
)
def test_plan(powershell: PowerShellHost, given: dict[str, Any], expected: list[str]) -> None:
    assert powershell.run(PLAN, given) == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            case({}, product=PURVIEW, build=9600),
            "needs Windows Server 2016 and Windows 10 or later, and this is Windows Server",
        ),
        (case({}, product=UL, build=7601), "needs Windows Server 2012 and Windows 8 or later"),
        (case({}, product=UL, architecture="ARM64"), "does not run on ARM64"),
        (
            case({}, product=UL, release=379893),
            "needs .NET Framework 4.6.2 or later, and this host has .NET Framework 4.5.2",
        ),
        (
            case({}, product=UL, release=379893, due=["dotnet"]),
            "What was installed counts after a restart of the host",
        ),
        (case({}, product=UL, release=None), "needs .NET Framework 4.6.2 or later, and this host has none"),
        (
            case({PURVIEW: "3.1.310.0"}, product=UL),
            "client 3.1.310.0 is installed, which is newer: expected allow_downgrade to be true",
        ),
        (
            case({UL: "2.18.26.0"}, product=UL, version="2.16.73", exact=True),
            "client 2.18.26.0 is installed, which is newer: expected allow_downgrade to be true",
        ),
    ],
)
def test_refused(powershell: PowerShellHost, given: dict[str, Any], reason: str) -> None:
    refused = [line for line in powershell.run(PLAN, given) if line.startswith("refused: ")]
    assert len(refused) == 1
    assert reason in refused[0]


def test_what_a_host_has_already_is_not_refused(powershell: PowerShellHost) -> None:
    assert powershell.run(PLAN, case({UL: "2.18.26.0"}, product=UL, release=379893, build=7601)) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (case({}, product=CLASSIC), "the classic client is retired and cannot be installed: expected state absent"),
        (case({}, product=UL, exact=True), "exact is true without a version: expected a version"),
        (case({}, product=UL, version="latest"), "version is 'latest': expected a version such as 2.0.1"),
        (case({}, product=UL, version="2.x"), "version is '2.x'"),
        (case({}, product=UL, version="-2.1"), "version is '-2.1'"),
        (
            case({}, product=UL, version="3.1.310"),
            "version is 3.1.310: expected one of the unified labeling client, 2.x",
        ),
        (case({}, product=PURVIEW, version="2.18.26"), "version is 2.18.26: expected one of the Purview"),
    ],
)
def test_options_that_make_no_sense(powershell: PowerShellHost, given: dict[str, Any], message: str) -> None:
    with pytest.raises(PowerShellError) as error:
        powershell.run(PLAN, given)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.18.26", "2.18.26.0"),
        ("2.18.26.0", "2.18.26.0"),
        ("3", "3.0.0.0"),
        (" 2.9 ", "2.9.0.0"),
        ("", None),
        (None, None),
        ("v2", None),
        ("2.18.26-beta", None),
        ("1.2.3.4.5", None),
        ("\u0662.1", None),
        ("99999999999.1", None),
    ],
)
def test_versions(powershell: PowerShellHost, text: str | None, version: str | None) -> None:
    script = '$found = ConvertTo-ProductVersion -Text $case; if ($null -eq $found) { $null } else { "$found" }'
    assert powershell.run(script, text) == version


@pytest.mark.parametrize(
    ("wanted", "fact", "expected"),
    [
        ("4.6.2", {"dotnet": {"release": 394802}}, []),
        ("4.7.2", {"dotnet": {"release": 461808}}, []),
        ("4.7.2", {"dotnet": {"release": 461310, "version": "4.7.1"}}, ["install [4.7.1] [4.7.2 or later]"]),
        ("4.8", {"dotnet": {"release": None, "version": None}}, ["install [] [4.8 or later]"]),
        # installed, and to count after the restart
        ("4.8", {"dotnet": {"release": 379893, "version": "4.5.2"}, "due": ["dotnet"]}, []),
    ],
)
def test_dotnet(powershell: PowerShellHost, wanted: str, fact: dict[str, Any], expected: list[str]) -> None:
    script = (
        "$plan = Get-DotNetPlan -Wanted $case.wanted -Fact $case.fact;"
        ' , @($plan.Steps | ForEach-Object { "$($_.Action) [$($_.Before)] [$($_.After)]" })'
    )
    roles = {"exchange": {"found": False}}
    assert powershell.run(script, {"wanted": wanted, "fact": {**fact, "roles": roles}}) == expected


def test_dotnet_is_refused_on_exchange(powershell: PowerShellHost) -> None:
    fact = {"dotnet": {"release": 379893}, "roles": {"exchange": {"found": True, "version": "15.1.2507.6"}}}
    (reason,) = powershell.run(", @((Get-DotNetPlan -Wanted 4.8 -Fact $case).Refused)", fact)
    assert "Exchange server (15.1.2507.6)" in reason


#: What Windows Installer writes in other languages when an action has failed
FAILED_ACTIONS = [
    "Aktion beendet um 10:15:00: CA.Check. Rückgabewert 3.",
    "Fin de l'action 10:15:00 : CA.Check. Valeur renvoyée : 3.",
    "Acción finalizada 10:15:00: CA.Check. Valor devuelto 3.",
    "Действие окончено 10:15:00: CA.Check. Возвращаемое значение 3.",
    "アクション終了 10:15:00: CA.Check。戻り値 3。",
    "操作结束 10:15:00: CA.Check。返回值 3。",
    "Toiminto päättyi 10.15.00: CA.Check. Paluuarvo 3.",
]
#: Lines that say nothing of a failure
OTHERS = [
    "MSI (s) (E8:3C) [10:15:00:123]: Doing action: Check3",
    "Aktion beendet um 10:15:00: Check3. Rückgabewert 1.",
    "Aktion beendet um 10:15:00: Check. Rückgabewert 13.",
    "Aktion gestartet um 10:15:00: Check.",
]


@pytest.mark.parametrize("line", FAILED_ACTIONS)
def test_log_tail_in_other_languages(powershell: PowerShellHost, line: str) -> None:
    after = ["=== Protokollierung beendet: 25.11.2026  10:15:03 ===", *["later"] * 20]
    (powershell.disk / "unit/x.log").write_text("\n".join([*OTHERS, line, *after]), encoding="utf-16")
    assert powershell.run(r"Get-LogTail -Path C:\unit\x.log").splitlines() == [*OTHERS, line]


@pytest.mark.parametrize(
    ("encoding", "lines", "expected"),
    [
        ("utf-16", ["MSI (s) doing", "Action ended 1:00:00: Check. Return value 3.", "Property(S): Secret = x"], 2),
        ("utf-8", ["burn é", "", "i399: Apply complete, result: 0x80070643"], 2),
        ("utf-16", [*(f"line {i}" for i in range(50)), "Property(C): A = b"], 10),
    ],
)
def test_log_tail(powershell: PowerShellHost, encoding: str, lines: list[str], expected: int) -> None:
    (powershell.disk / "unit" / "x.log").write_text("\r\n".join(lines), encoding=encoding)
    tail = powershell.run(r"Get-LogTail -Path C:\unit\x.log").splitlines()
    assert len(tail) == expected
    assert "Property" not in "".join(tail)
    assert tail[-1] == [line for line in lines if line and "Property" not in line][-1]


def test_a_log_says_first_what_failed_first(powershell: PowerShellHost) -> None:
    lines = [
        "the cause",
        "Action ended 1:00:00: Check. Return value 3.",
        *["more"] * 30,
        "Action ended 1:00:01: INSTALL. Return value 3.",
    ]
    (powershell.disk / "unit" / "x.log").write_text("\r\n".join(lines), encoding="utf-16")
    assert powershell.run(r"Get-LogTail -Path C:\unit\x.log").splitlines() == lines[:2]
    assert powershell.run(r"Get-LogTail -Path C:\unit\none.log") == ""


def test_a_disk_without_room_is_named(powershell: PowerShellHost) -> None:
    powershell.run(r"Assert-FreeSpace -Path C:\unit\x -Bytes 1000")
    with pytest.raises(PowerShellError, match=r"the drive C:\\ has \d+ MB free: expected 1073741824 MB or more"):
        powershell.run(r"Assert-FreeSpace -Path C:\unit\x -Bytes ([long]1PB)")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1603", r"doing it failed: the installer ended with 1603 \(a fatal error during the installation\)"),
        ("exit 5", r"ended with 5 \(access was denied, as Windows does to a program"),
        ("exit 1602", r"ended with 1602 \(it was cancelled"),
        ("exit 5100", r"ended with 5100 \(the host does not meet the requirements\)"),
        ("exit 4711", r"ended with 4711 \(a code that this collection does not know\)"),
        ("exit -2147023293", r"ended with -2147023293 \(a fatal error during the installation\)"),
        ("exit 1618", r"ended with 1618 \(another installation is running on the host, also after 0 seconds\)"),
        ("Start-Sleep 60", r"doing it failed: .* did not end within 1 seconds and was ended"),
    ],
)
def test_installers_that_fail(powershell: PowerShellHost, script: str, message: str) -> None:
    with pytest.raises(PowerShellError, match=message + r"[\s\S]*It left no log \(C:\\unit\\no\.log\)"):
        powershell.run(run_installer(), {"script": script})


@pytest.mark.parametrize(
    ("script", "code", "restart"),
    [
        ("exit 0", 0, False),
        ("exit 3010", 3010, True),
        ("exit 1641", 1641, True),
        ("exit -2147021886", -2147021886, True),
    ],
)
def test_installers_that_succeed(powershell: PowerShellHost, script: str, code: int, restart: bool) -> None:
    found = powershell.run(run_installer(), {"script": script})
    assert (found["ExitCode"], found["RestartRequired"]) == (code, restart)


def run_installer() -> str:
    """PowerShell itself as an installer that ends as the case says."""
    shell = r"C:\windows\system32\WindowsPowerShell\v1.0\powershell.exe"
    return (
        f"$call = @{{ What = 'doing it'; Path = '{shell}'; LogPath = 'C:\\unit\\no.log'; Timeout = 1 }};"
        "if ($case.script -notlike 'Start-Sleep*') { $call.Timeout = 60 };"
        'Invoke-Installer @call -Argument "-NoProfile -Command $($case.script)"'
    )
