"""Programs with a limit of time: what is ended with them when it is over, and what goes on."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

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


NEWEST = 20


def test_the_newest_logs_are_kept(powershell: PowerShellHost) -> None:
    """Each with those that its installer wrote beside it. Other files, and other folders, are not touched."""
    own = "Get-LogPath -Wanted $case -Name client-install"
    first = powershell.run(own, "")
    assert first.startswith("C:\\ProgramData\\infoprotect\\logs\\") and first.endswith("-client-install.log")
    logs = powershell.disk / "ProgramData/infoprotect/logs"
    times = [f"20260101T1015{number:05d}Z" for number in range(25)]
    names = [f"{time}-{name}" for time in times for name in ("client.log", "client_000_x.log", "dotnet-MSI.txt")]
    others = {"notes.txt", "setup.log", "2026-receipt.json"}
    receipt = powershell.disk / "ProgramData/infoprotect/receipts" / names[0]
    receipt.parent.mkdir(exist_ok=True)
    try:
        for file in [*(logs / name for name in {*names, *others}), receipt]:
            file.write_text("x")
        powershell.run(own, r"C:\unit\own.log")
        assert {file.name for file in logs.iterdir()} == {*names, *others}
        powershell.run(own, "")
        kept = {name for name in names if name.split("-")[0] in times[-NEWEST + 1 :]}
        assert {file.name for file in logs.iterdir()} == kept | others
        assert receipt.exists()
    finally:
        receipt.unlink()
        for file in logs.iterdir():
            file.unlink()


@pytest.mark.parametrize(("scheme", "refused"), [("http", True), ("https", False)])
def test_what_comes_by_plain_http_is_checked_somehow(powershell: PowerShellHost, scheme: str, refused: bool) -> None:
    case = {"path": f"{scheme}://127.0.0.1:1/setup.msi", "validate_signature": False, "checksum": None}
    with pytest.raises(PowerShellError) as error:
        powershell.run("Get-InstallerPackage -Option $case -Module @{}", case)
    assert ("expected a checksum, validate_signature, or a URL" in str(error.value)) is refused


REDIRECTED = r"""
& (Get-Module _Installer) {
    param ($case)
    function Get-AnsibleWindowsWebRequest {
        $response = [pscustomobject]@{ ResponseUri = [uri]$case.from; ContentLength = 2 }
        $response | Add-Member -MemberType ScriptMethod -Name Close -Value { }
        $response | Add-Member -MemberType ScriptMethod -Name GetResponseStream -Value {
            [IO.MemoryStream]::new([byte[]](1, 2))
        }
        $request = [pscustomobject]@{ Response = $response }
        $request | Add-Member -MemberType ScriptMethod -Name GetResponse -Value { $this.Response } -PassThru
    }
    $path = 'C:\unit\download.msi'
    Save-Download -Uri https://packages.test/x.msi -Path $path -Module @{} -Secure $case.secure
    [IO.File]::Exists($path)
    [IO.File]::Delete($path)
} $case
"""


@pytest.mark.parametrize(
    ("came_from", "secure", "refused"),
    [
        ("http://other.test/x.msi?sig=Secret", True, True),
        ("http://other.test/x.msi", False, False),
        ("https://other.test/x.msi", True, False),
    ],
)
def test_what_is_redirected_to_plain_http_is_checked_somehow(
    powershell: PowerShellHost, came_from: str, secure: bool, refused: bool
) -> None:
    case = {"from": came_from, "secure": secure}
    if not refused:
        assert powershell.run(REDIRECTED, case) is True
        return
    with pytest.raises(PowerShellError, match=r"redirects to http://other\.test/x\.msi\. Anybody on the") as error:
        powershell.run(REDIRECTED, case)
    assert "Secret" not in str(error.value)


TOOL = "Invoke-SystemTool -Name $case[0] -Argument $case[1]"


def test_a_tool_of_windows_says_why_it_fails(powershell: PowerShellHost) -> None:
    """Both of its outputs, and where it succeeds the first one."""
    assert powershell.run(TOOL, ["cmd.exe", "/c echo one& echo two>&2"]).strip() == "one"
    with pytest.raises(PowerShellError, match=r"^cmd\.exe ended with exit code 7 \(one two\): cmd\.exe /c echo"):
        powershell.run(TOOL, ["cmd.exe", "/c echo one& echo two>&2& exit 7"])


DEFINITION = "& (Get-Module _SystemTask) { New-TaskDefinition -Path $args[0] -Argument $args[1] } $case[0] $case[1]"
SCHEMA = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def test_definition_of_a_task(powershell: PowerShellHost) -> None:
    """Whatever a command line has in it is text; no default of schtasks.exe is left."""
    program, argument = r"C:\a & b\s<1>.exe", '/log "C:\\x%TEMP%\\^|&.txt" <>'
    text = powershell.run(DEFINITION, [program, argument])
    root = ElementTree.fromstring(text.encode("utf-16"))
    found = {element.tag.removeprefix(SCHEMA): element.text for element in root.iter()}
    assert (found["Command"], found["Arguments"], found["UserId"]) == (program, argument, "S-1-5-18")
    for name in ("DisallowStartIfOnBatteries", "StopIfGoingOnBatteries"):
        assert found[name] == "false"
    assert (found["Priority"], found["ExecutionTimeLimit"]) == ("4", "PT0S")
    (triggers,) = root.iter(f"{SCHEMA}Triggers")
    assert list(triggers) == []


WAIT = """
& (Get-Module _SystemTask) {
    param ($states, $start, $timeout)
    $script:states = [Collections.Generic.Queue[object]]::new([object[]]$states)
    $script:calls = @()
    function Invoke-TaskScheduler {
        param ($Argument)
        $script:calls += $Argument -replace ' .*'
        $state = if ($script:states.Count -gt 1) { $script:states.Dequeue() } else { $script:states.Peek() }
        '"UNIT","\\infoprotect","N/A","{0}","Background","x","{1}","N/A","C:\\x.exe"' -f $state
    }
    function Stop-ProcessTree { }
    function Start-Sleep { }
    $startTimeout = $start
    try { Wait-SystemTask -Name infoprotect -Path C:\\x.exe -Timeout $timeout }
    catch { "$($_.Exception.GetType().Name): $($_.Exception.Message)" }
} $case.states $case.start $case.timeout
"""
QUEUED, RUNNING = ["In Warteschlange", "267045"], ["Wird ausgeführt", "267009"]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([["Bereit", "267011"], QUEUED, RUNNING, RUNNING, ["Bereit", "3010"]], 3010),
        # one that ended before anybody looked; with and without a sign
        ([["Bereit", "0"]], 0),
        ([["Bereit", "-2147023293"]], -2147023293),
        ([["Bereit", "2147944003"]], -2147023293),
        (
            [["Bereit", "267011"]],
            "TimeoutException: the task scheduler did not start it within 1 seconds "
            "(status 'Bereit', last result 0x41303)",
        ),
        (
            [QUEUED],
            "TimeoutException: the task scheduler did not start it within 1 seconds "
            "(status 'In Warteschlange', last result 0x41325)",
        ),
        (
            [RUNNING],
            "TimeoutException: it did not end within 2 seconds and was ended with what it had started; a service",
        ),
        (
            [["Bereit", "-2147024894"]],
            "InvalidOperationException: the task scheduler could not start C:\\x.exe "
            "(status 'Bereit', last result 0x80070002: ",
        ),
        ([["Bereit", "-2147216612"]], "InvalidOperationException: the task scheduler could not start"),
        # of a program that ran it is its own: a bundle ends with errors of Windows as HRESULT
        ([QUEUED, RUNNING, ["Bereit", "-2147024891"]], -2147024891),
    ],
)
def test_end_of_a_task(powershell: PowerShellHost, states: list[list[str]], expected: int | str) -> None:
    found = powershell.run(WAIT, {"states": states, "start": 1, "timeout": 2})
    assert found == expected if isinstance(expected, int) else found.startswith(expected), found
