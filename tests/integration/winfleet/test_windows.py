"""Where a difference from Windows would let a test pass, or fail, for the wrong reason. One host, warm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from .conftest import Fleet, encoded

HOST = "controller"


@pytest.fixture(scope="module")
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    one = make_fleet("windows")
    one.run("up", HOST)
    return one


def test_programs_of_windows_work_whatever_the_registry_holds(fleet: Fleet) -> None:
    """Wine loses the overrides in its registry, and prefers its own programs, once this key exists."""
    fleet.command(HOST, r"reg add HKCU\Software\Wow6432Node /f")
    assert fleet.command(HOST, "shutdown.exe /a").code == 1116  # no shutdown was in progress
    assert fleet.command(HOST, "netsh.exe http show sslcert ipport=0.0.0.0:443").code == 1
    created = fleet.command(HOST, "schtasks.exe /create /tn fleet /tr cmd.exe /sc once /st 00:00")
    assert (created.code, created.out[:7]) == (0, "SUCCESS")
    assert "fleet" in fleet.command(HOST, "schtasks.exe /query").out


@pytest.mark.parametrize(
    ("arguments", "data", "expected"),
    [
        ("1+1; exit 3", None, (["2"], 3)),
        ("-NoProfile -NonInteractive $PSVersionTable.PSVersion.Major", None, (["5"], 0)),
        ("-nop -version 5.1 -c 1+1", None, (["2"], 0)),
        ("-", b"1+1\r\n'x'\r\nexit 4\r\n", (["2", "x"], 4)),
        ("-NoProfile -", b"2+2\r\n", (["4"], 0)),
        ("-c exit 64", None, ([], 64)),
        (r"-File C:\nowhere.ps1", None, ([], -196608)),
        ("$input", b"given\r\n", (["given"], 0)),
    ],
)
def test_a_nested_powershell_takes_windows_command_line(
    fleet: Fleet, arguments: str, data: bytes | None, expected: tuple[list[str], int]
) -> None:
    result = fleet.command(HOST, f"cmd.exe /c powershell.exe {arguments}", data=data)
    assert (result.out.split(), result.code) == expected, result.err


def test_a_wrong_command_line_has_windows_exit_code(fleet: Fleet) -> None:
    assert fleet.command(HOST, "cmd.exe /c powershell.exe -OutputFormat nonsense").code == -196608


def test_a_nested_powershell_of_a_script_is_the_same_and_has_no_colours(fleet: Fleet) -> None:
    result = fleet.powershell(
        HOST,
        "powershell.exe 2+3; '4+4' | powershell.exe -; powershell.exe Write-Error wrong; $LASTEXITCODE\n"
        "Start-Job { 9 } | Wait-Job | Receive-Job; [bool] (Get-Command pwsh -ErrorAction Ignore)",
    )
    assert result.out.split() == ["5", "8", "1", "9", "False"]
    assert "wrong" in result.err
    assert "\x1b" not in result.err
    assert "_x001B_" not in result.err


CRASH = """
Add-Type -Namespace Test -Name Native -MemberDefinition @'
[DllImport("kernel32.dll")]
public static extern IntPtr CreateThread(IntPtr a, IntPtr s, IntPtr start, IntPtr p, uint f, IntPtr id);
'@
[void] [Test.Native]::CreateThread(0, 0, 0x10, 0, 0, 0)
Start-Sleep 300
"""


def test_a_crash_ends_a_process_without_a_debugger(fleet: Fleet) -> None:
    """Wine's debugger would describe the process, which took up to 460 s."""
    result = fleet.command(HOST, f"cmd.exe /c powershell.exe -NoProfile -EncodedCommand {encoded(CRASH)}")
    assert result.code != 0
    assert "Backtrace" not in result.out + result.err


UNHANDLED = """
Add-Type -TypeDefinition 'using System; using System.Threading;
public static class Late
{
    public static void Fail() { new Thread(() => { throw new Exception("nobody catches this"); }).Start(); }
}'
[Late]::Fail()
Start-Sleep -Seconds 20
"""


def test_an_exception_that_ends_the_resident_process_is_told(fleet: Fleet) -> None:
    result = fleet.powershell(HOST, UNHANDLED)
    assert result.code != 0
    assert "ended before the command did. It crashed:" in result.err
    assert "System.Exception: nobody catches this" in result.err
    assert fleet.powershell(HOST, "'alive'").out.split() == ["alive"]


STATES = """
foreach ($scope in 'Global', 'Universal', 'DomainLocal') {
    foreach ($category in 'Security', 'Distribution') {
        $name = "$scope $category"
        New-ADGroup -Name $name -GroupScope $scope -GroupCategory $category -OtherAttributes @{ adminCount = 0 }
        foreach ($protected in $true, $false) {
            Get-ADGroup -Identity $name | Set-ADObject -ProtectedFromAccidentalDeletion $protected
            $group = Get-ADGroup -Identity $name -Properties adminCount, ProtectedFromAccidentalDeletion
            $kept = $group.ProtectedFromAccidentalDeletion
            "$($group.GroupScope) $($group.GroupCategory) $protected$kept$($group.adminCount)"
        }
    }
}
"""


def test_the_directory_keeps_every_state(fleet: Fleet) -> None:
    """Also those that are 0 as numbers, or false."""
    states = [
        f"{scope} {kind}" for scope in ("Global", "Universal", "DomainLocal") for kind in ("Security", "Distribution")
    ]
    expected = [f"{state} {both}0" for state in states for both in ("TrueTrue", "FalseFalse")]
    result = fleet.powershell(HOST, STATES)
    assert result.out.splitlines() == expected, result.err


def test_a_service_without_display_name_or_failure_actions(fleet: Fleet) -> None:
    """It has its name; and with the last action the reset period goes. win_service sets and removes them by a list."""
    fleet.command(HOST, r"sc.exe create failing binPath= C:\windows\system32\spoolsv.exe")

    def changed(**options: object) -> bool:
        arguments = json.dumps({"name": "failing", **options})
        result = fleet.ansible(HOST, "-m", "ansible.windows.win_service", "-a", arguments)
        assert result.code == 0, result.out + result.err
        assert "display_name: failing\n" in result.out
        return "changed: true" in result.out

    assert changed(failure_actions=[{"type": "restart", "delay_ms": 5000}], failure_reset_period_sec=60)
    assert changed(failure_actions=[])
    stored = r"reg query HKLM\SYSTEM\CurrentControlSet\Services\failing /v FailureActions"
    assert fleet.command(HOST, stored).code == 1


def test_an_archive_is_unpacked(fleet: Fleet) -> None:
    result = fleet.powershell(
        HOST,
        r"""[void] [IO.Directory]::CreateDirectory('C:\in\deep'); [IO.File]::WriteAllText('C:\in\deep\file', 'text')
        [IO.Compression.ZipFile]::CreateFromDirectory('C:\in', 'C:\one.zip')
        Expand-Archive C:\one.zip -DestinationPath C:\out
        Get-Content C:\out\deep\file
        try { Expand-Archive C:\one.zip -DestinationPath C:\out } catch { 'refused' }
        Expand-Archive C:\one.zip -DestinationPath C:\out -Force""",
    )
    assert (result.out.split(), result.err) == (["text", "refused"], "")


def test_a_script_restarts_its_host(fleet: Fleet) -> None:
    """The last one: the host is away for a while."""
    before = fleet.status(HOST)["booted"]
    assert fleet.powershell(HOST, "Restart-Computer -WhatIf; 'alive'").out.split()[-1] == "alive"
    fleet.powershell(HOST, "Restart-Computer -Force")
    deadline = time.monotonic() + 120
    while (state := fleet.status(HOST))["phase"] != "up" or state["booted"] == before:
        assert time.monotonic() < deadline, state
        time.sleep(0.5)
