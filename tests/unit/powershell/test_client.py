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
$lines += @($plan.Notes | ForEach-Object { "note: $_" })
, $lines
"""


def case(installed: dict[str, str], **option: Any) -> dict[str, Any]:
    """Options of the module on a host that has these products."""
    build = option.pop("build", 17763)
    architecture = option.pop("architecture", "AMD64")
    release = option.pop("release", 461814)
    due = option.pop("due", [])
    state = option.pop("found", "installed")
    products = [
        {
            "name": "x",
            "kind": KINDS[name],
            "version": version,
            "state": state,
            "installer": "msi",
            "product_code": "{1}",
        }
        for name, version in installed.items()
    ]
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
    ("given", "expected"),
    [
        (case({UL: "2.18.26.0"}, product=UL, found="incomplete"), ["repair unified_labeling [2.18.26.0] [2.18.26.0]"]),
        (
            case({UL: "2.16.73.0"}, product=UL, version="2.18.26", found="incomplete"),
            ["install unified_labeling [2.16.73.0] [2.18.26 or later]"],
        ),
        (
            case({UL: "2.18.26.0"}, product=UL, state="absent", found="incomplete"),
            ["remove unified_labeling [2.18.26.0] []"],
        ),
        (
            case({UL: "2.18.26.0"}, product=PURVIEW, found="incomplete"),
            ["remove unified_labeling [2.18.26.0] []", "install purview [] [any version]"],
        ),
    ],
)
def test_what_is_installed_in_part_is_repaired_or_removed(
    powershell: PowerShellHost, given: dict[str, Any], expected: list[str]
) -> None:
    assert powershell.run(PLAN, given) == expected


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        (case({UL: "2.14.90.0"}, product=PURVIEW, found="orphaned"), ["install purview [] [any version]"]),
        (case({UL: "2.14.90.0"}, product=UL, found="orphaned"), ["install unified_labeling [] [any version]"]),
        (case({UL: "2.14.90.0"}, product=UL, state="absent", found="orphaned"), []),
        # nothing to ask allow_downgrade for
        (case({PURVIEW: "3.1.310.0"}, product=UL, found="orphaned"), ["install unified_labeling [] [any version]"]),
    ],
)
def test_an_orphaned_entry_is_named_and_left_alone(
    powershell: PowerShellHost, given: dict[str, Any], steps: list[str]
) -> None:
    *found, note = powershell.run(PLAN, given)
    assert found == steps
    assert note.startswith("note: The list of installed programs has an orphaned entry, x ")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            case({}, product=PURVIEW, build=9600),
            "needs Windows Server 2016 and Windows 10 or later, and this is Windows Server",
        ),
        (case({}, product=UL, build=7601), "needs Windows Server 2012 and Windows 8 or later"),
        (case({}, product=UL, architecture="ARM64"), "does not run on ARM64"),
        (case({}, product=PURVIEW, architecture="x86"), "needs an x64 processor and 64-bit Windows, and this is x86"),
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


@pytest.mark.parametrize("unit", ["1:11:11: .", ".", "3", " ", "a", "1:11:11:", "\u3002"])
def test_a_log_with_long_lines_takes_linear_time(powershell: PowerShellHost, unit: str) -> None:
    line = "Action ended 1:11:11: " + unit * (100_000 // len(unit))
    (powershell.disk / "unit" / "x.log").write_text(f"{line}\n{line}x", encoding="utf-16")
    tail = powershell.run(r"Get-LogTail -Path C:\unit\x.log", timeout=30).splitlines()
    assert [len(text) for text in tail] == [300, 300] or len(tail) <= 2


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
        (
            "exit 1601",
            r"ended with 1601 \(the Windows Installer service cannot be reached\)\. Enable the service msiserver",
        ),
        (
            "exit 1639",
            r"ended with 1639 \(the command line is not valid\)\. Look at the arguments given to the installer",
        ),
        ("exit -2147023257", r"ended with -2147023257 \(the command line is not valid\)"),
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
        ("exit 3011", 3011, True),
        ("exit 1641", 1641, True),
        ("exit -2147021886", -2147021886, True),
    ],
)
def test_installers_that_succeed(powershell: PowerShellHost, script: str, code: int, restart: bool) -> None:
    found = powershell.run(run_installer(), {"script": script})
    assert (found["ExitCode"], found["RestartRequired"]) == (code, restart)


def test_each_code_of_windows_installer_has_a_meaning_and_a_remedy(powershell: PowerShellHost) -> None:
    """All of https://learn.microsoft.com/windows/win32/msi/error-codes; 1617 is none of them."""
    codes = [13, 87, 120, 1259, *range(1601, 1617), *range(1618, 1655)]
    success = [0, 1641, 3010, 3011]
    texts = powershell.run(", @(foreach ($code in $case) { , @(Get-ExitCodeText -Code $code) })", codes + success)
    for code, text in zip(codes + success, texts, strict=True):
        assert "does not know" not in text[0], code
        assert len(text) == (1 if code in success else 2) and all(text), f"{code}: {text}"
        assert not text[-1].endswith("."), f"{code}: the message ends the sentence"


def run_installer() -> str:
    """PowerShell itself as an installer that ends as the case says."""
    shell = r"C:\windows\system32\WindowsPowerShell\v1.0\powershell.exe"
    return (
        f"$call = @{{ What = 'doing it'; Path = '{shell}'; LogPath = 'C:\\unit\\no.log'; Timeout = 1 }};"
        "if ($case.script -notlike 'Start-Sleep*') { $call.Timeout = 60 };"
        'Invoke-Installer @call -Argument "-NoProfile -Command $($case.script)"'
    )


def test_the_choice_of_telemetry_is_read_back(powershell: PowerShellHost) -> None:
    """Both names of the property for an MSI; then what the registry has, in either view."""
    module = "& (Get-Module -Name _ClientSetup)"
    sent = powershell.run(f"{module} {{ $choices.msi.telemetry[$false] }}")
    assert set(sent.split()) == {"ENABLETELEMETRY=0", "AllowTelemetry=0"}
    note = f"{module} {{ param ($wanted) , @(Get-TelemetryNote -Wanted $wanted) }} $case"
    assert powershell.run(note, None) == []
    assert "cannot be verified" in powershell.run(note, False)[0]
    path = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\MSIP"
    powershell.run(f"[Microsoft.Win32.Registry]::SetValue('{path}', 'EnableTelemetry', 1, 'DWord')")
    try:
        assert powershell.run(note, True) == []
        (said,) = powershell.run(note, False)
        assert r"EnableTelemetry is 1 in HKLM:\SOFTWARE\Microsoft\MSIP (64-bit view): expected 0" in said
    finally:
        powershell.run(r"[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKey('SOFTWARE\Microsoft\MSIP', $false)")
