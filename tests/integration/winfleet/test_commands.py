"""Commands on the emulated hosts, as WinRM clients run them; warm and cold alike."""

from __future__ import annotations

import threading
import time

import pytest

from .conftest import Fleet, Result

# what a cold host does differently is in these tests
pytestmark = pytest.mark.parametrize("fleet", ["warm", "cold"], indirect=True, scope="module")


def test_text_of_any_language_passes_both_ways(fleet: Fleet) -> None:
    result = fleet.powershell("alpha", '"ä Ω 日本"; $input | ForEach-Object { "<$_>" }', "größe 漢字\n".encode())
    assert result.out.splitlines() == ["ä Ω 日本", "<größe 漢字>"]
    assert result.code == 0


def test_one_megabyte_passes_both_ways(fleet: Fleet) -> None:
    line = "0123456789abcdef" * 64
    data = (f"{line}\n" * 1024).encode()
    result = fleet.powershell("alpha", "$input", data)
    assert result.out.splitlines() == [line] * 1024
    assert result.code == 0


def test_errors_leave_as_clixml_and_the_exit_code_says_so(fleet: Fleet) -> None:
    result = fleet.powershell(
        "alpha", "Write-Output before; Get-Item -LiteralPath C:\\nowhere -ErrorAction Stop; Write-Output after"
    )
    assert result.out.split() == ["before"]
    assert result.err.startswith("#< CLIXML")
    assert "C:\\nowhere" in result.err
    assert result.code == 1


@pytest.mark.parametrize("code", [0, 3, 1641])
def test_exit_codes_are_kept(fleet: Fleet, code: int) -> None:
    assert fleet.powershell("alpha", f"exit {code}").code == code
    assert fleet.command("alpha", f"cmd.exe /c exit {code}").code == code


def test_a_command_line_goes_through_cmd(fleet: Fleet) -> None:
    result = fleet.command("alpha", "echo one& echo %COMPUTERNAME%")
    assert result.out.split() == ["one", "ALPHA"]


def test_environment_and_folder_of_the_shell(fleet: Fleet) -> None:
    result = fleet.command(
        "alpha",
        "powershell -Command $env:FOO; $PWD.Path",
        env_vars={"FOO": "bar"},
        working_directory="C:\\windows\\temp",
    )
    assert result.out.split() == ["bar", "C:\\windows\\temp"]


def test_nothing_of_a_script_reaches_the_next_one(fleet: Fleet) -> None:
    fleet.powershell(
        "alpha",
        "$env:LEFT = 1; $global:left = 1; [Console]::Out.Write('x'); [Environment]::CurrentDirectory = 'C:\\windows'",
    )
    result = fleet.powershell("alpha", '"<$env:LEFT$global:left>"; [Environment]::CurrentDirectory')
    assert result.out.split() == ["<>", "C:\\users\\Administrator"]


def test_output_of_native_programs_is_part_of_the_script_s(fleet: Fleet) -> None:
    result = fleet.powershell(
        "alpha", "cmd.exe /c echo native; Start-Process -Wait -NoNewWindow cmd.exe '/c echo started'; $LASTEXITCODE"
    )
    assert result.out.split() == ["native", "started", "0"]


def test_start_process_waits_for_all_that_a_program_starts(fleet: Fleet) -> None:
    """The program ends at once, what it has started takes 2 s."""
    result = fleet.powershell(
        "alpha",
        "$process = Start-Process cmd.exe '/c start /b ping -n 3 127.0.0.1 >nul & exit 7' -Wait -NoNewWindow -PassThru;"
        '"$($process.ExitCode) $(@(Get-Process ping -ErrorAction Ignore).Count)"',
    )
    assert result.out.split() == ["7", "0"]


def test_start_process_that_looks_once_more_does_no_harm(fleet: Fleet) -> None:
    """On a busy machine it looks again when the command is over, on a thread where an exception ends the process."""
    result = fleet.powershell(
        "alpha",
        r"""
        Import-Module -Name Microsoft.PowerShell.Management
        $engine = (Get-Command -Name Start-Process).ImplementingType.Assembly
        $look = $engine.GetType('Microsoft.PowerShell.Commands.ProcessCollection')
        $hidden = [Reflection.BindingFlags] 'Instance, NonPublic'
        foreach ($i in 1..3) {
            $job = $look.GetConstructor($hidden, @()).Invoke(@())
            $event = [Threading.ManualResetEvent]::new($false)
            $null = $look.GetMethod('CheckJobStatus', $hidden).Invoke($job, @($event))
            $event.WaitOne(0)
            $event.Dispose()
            $null = $look.GetMethod('CheckJobStatus', $hidden).Invoke($job, @($event))
            # as when the process object is collected: the next job has the same handle
            $look.GetField('_jobObjectHandle', $hidden).GetValue($job).Dispose()
        }
        """,
    )
    assert (result.out.split(), result.code) == (["True"] * 3, 0), result.err


def test_two_commands_at_once_do_not_mix(fleet: Fleet) -> None:
    results: dict[str, Result] = {}

    def run(name: str) -> None:
        lines = f"1..20 | ForEach-Object {{ [Console]::Out.WriteLine('{name}' * 50); Start-Sleep -Milliseconds 50 }}"
        script = f"{lines}; $env:WHO = '{name}'; $env:WHO"
        results[name] = fleet.powershell("alpha", script)

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "ab":
        assert results[name].out.split() == [name * 50] * 20 + [name]


def test_a_running_command_can_be_ended(fleet: Fleet) -> None:
    client = fleet.session("alpha")
    shell = client.open_shell()
    command = client.run_command(shell, "powershell.exe", ("-Command", "Start-Sleep 100"))
    time.sleep(1)
    client.cleanup_command(shell, command)
    client.close_shell(shell)
    began = time.monotonic()
    assert fleet.powershell("alpha", "'alive'").out.split() == ["alive"]
    deadline = time.monotonic() + 20
    while fleet.status("alpha")["running"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert fleet.status("alpha")["running"] == 0
    assert time.monotonic() - began < 60


def test_a_long_command_is_polled(fleet: Fleet) -> None:
    client = fleet.session("alpha", operation_timeout=2)
    shell = client.open_shell()
    command = client.run_command(shell, "powershell.exe", ("-Command", "Start-Sleep 5; 'done'"))
    out, _, code = client.get_command_output(shell, command)
    client.close_shell(shell)
    assert (out.split(), code) == ([b"done"], 0)
