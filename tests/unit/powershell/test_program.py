"""Programs with a limit of time: what is ended with them when it is over, and what goes on."""

from __future__ import annotations

from typing import Any

import pytest
from powershell_host import PowerShellError, PowerShellHost

#: A shell that starts a shell that starts a program, and how many of these are there afterwards
TREE = r"""
function Get-Count { param($Name) @(Get-Process -Name $Name -ErrorAction SilentlyContinue).Count }
$shell = "$([Environment]::SystemDirectory)\cmd.exe"
$before = (Get-Count cmd), (Get-Count ping)
try {
    $code = Invoke-Program -Path $shell -Argument "/c $($case.command)" -Timeout $case.timeout
}
catch {
    $message = $_.Exception.Message
    $kind = $_.Exception.GetType().Name
}
Start-Sleep -Milliseconds 500
$after = (Get-Count cmd), (Get-Count ping)
Get-Process -Name ping -ErrorAction SilentlyContinue | Stop-Process -Force
@{ code = $code; message = $message; kind = $kind; more = @(0, 1 | ForEach-Object { $after[$_] - $before[$_] }) }
"""
PING = "ping -n 120 127.0.0.1"


def run(powershell: PowerShellHost, command: str, timeout: int) -> dict[str, Any]:
    result: dict[str, Any] = powershell.run(TREE, {"command": command, "timeout": timeout})
    return result


def test_exit_codes(powershell: PowerShellHost) -> None:
    for code in (0, 3010, -2147023293):
        assert run(powershell, f"exit {code}", 60)["code"] == code


def test_what_does_not_end_is_ended_with_what_it_started(powershell: PowerShellHost) -> None:
    done = run(powershell, f"cmd /c cmd /c {PING}", 5)
    assert done["kind"] == "TimeoutException"
    assert "cmd.exe did not end within 5 seconds and was ended with what it had started; a service" in done["message"]
    assert done["more"] == [0, 0]


def test_what_was_left_running_goes_on(powershell: PowerShellHost) -> None:
    done = run(powershell, f"start /b {PING}", 60)
    assert (done["code"], done["more"]) == (0, [0, 1])


ALONE = r"""
$type = [ansible_collections.infoprotect.aip.plugins.module_utils._Process.ProcessTree]
$tree = $type::new("$([Environment]::SystemDirectory)\cmd.exe", "/c cmd /c $case", 'C:\')
$type.GetField('_alone', 'NonPublic, Instance').SetValue($tree, 'Access is denied')
$deadline = [datetime]::UtcNow.AddSeconds(30)
while (-not (Get-Process -Name ping -ErrorAction SilentlyContinue) -and [datetime]::UtcNow -lt $deadline) {
    Start-Sleep -Milliseconds 100
}
$tree.End()
$ended = $tree.Wait(10000)
$text = & (Get-Module _Program) { Get-EndedPart -Tree $args[0] } $tree
$left = @(Get-Process -Name ping).Count
$tree.Dispose()
Get-Process -Name ping | Stop-Process -Force
@{ ended = $ended; left = $left; text = $text }
"""


def test_without_a_job_object_the_program_alone_is_ended(powershell: PowerShellHost) -> None:
    """Windows may refuse one; the error says so."""
    done = powershell.run(ALONE, PING)
    assert (done["ended"], done["left"]) == (True, 1)
    assert done["text"].startswith(
        "; what it has started may still be at work: Windows did not take it into a job object"
    )
    assert done["text"].endswith("(Access is denied)")


TASK = r"""
$folder = [IO.Directory]::CreateDirectory('C:\unit\task').FullName
Copy-Item -LiteralPath "$([Environment]::SystemDirectory)\cmd.exe" -Destination $folder
$other, $program = "$([Environment]::SystemDirectory)\cmd.exe", "$folder\cmd.exe" | ForEach-Object -Process {
    $start = [Diagnostics.ProcessStartInfo]::new($_, "/c cmd /c $case")
    $start.UseShellExecute = $false
    [Diagnostics.Process]::Start($start)
}
$count = {
    , @('cmd', 'ping' | ForEach-Object -Process { @(Get-Process -Name $_ -ErrorAction SilentlyContinue).Count })
}
$deadline = [datetime]::UtcNow.AddSeconds(30)
while ((& $count)[1] -lt 2 -and [datetime]::UtcNow -lt $deadline) { Start-Sleep -Milliseconds 100 }
$before = & $count
$left = & (Get-Module _SystemTask) { @(Stop-ProcessTree -Path $args[0]) } $program.StartInfo.FileName
Start-Sleep -Milliseconds 500
$after = & $count
Get-Process -Name ping | Stop-Process -Force
@{ before = $before; after = $after; left = @($left) }
"""


def test_the_program_of_a_task_is_found_by_its_path(powershell: PowerShellHost) -> None:
    """And ended with what it has started; another of the same name is not."""
    assert powershell.run(TASK, PING) == {"before": [4, 2], "after": [2, 1], "left": []}


def test_one_run_installs_at_a_time(powershell: PowerShellHost) -> None:
    """The lock is in a folder for administrators: nobody else can hold it."""
    script = """
$first = Lock-Installation -Timeout 1
try { Lock-Installation -Timeout 0; 'taken twice' } catch { $_.Exception.Message }
Unlock-Installation -Lock $first
$next = Lock-Installation -Timeout 0
$next.Name
Unlock-Installation -Lock $next
Unlock-Installation -Lock $null"""
    message, name = powershell.run(script)
    assert "another run of infoprotect.aip is installing on this host, also after 0 seconds" in message
    assert name == r"C:\ProgramData\infoprotect\packages\installation.lock"


@pytest.mark.parametrize(("scheme", "refused"), [("http", True), ("https", False)])
def test_what_comes_by_plain_http_is_checked_somehow(powershell: PowerShellHost, scheme: str, refused: bool) -> None:
    case = {"path": f"{scheme}://127.0.0.1:1/setup.msi", "validate_signature": False, "checksum": None}
    with pytest.raises(PowerShellError) as error:
        powershell.run("Get-Package -Option $case -Module @{}", case)
    assert ("expected a checksum, validate_signature, or a URL" in str(error.value)) is refused
