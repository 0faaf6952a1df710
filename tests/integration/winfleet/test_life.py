"""Starting, stopping, restarting and breaking hosts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from .conftest import ROOT, Fleet

BOOT_TIME = "(Get-CimInstance Win32_OperatingSystem).LastBootUpTime.ToFileTime()"
AUTO_LOGON = r"Test-Path 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\AutoLogonChecked'"


def answers(fleet: Fleet, host: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((fleet.address(host), 5985), timeout=1):
        return True
    return False


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def test_up_again_leaves_running_hosts_alone(fleet: Fleet) -> None:
    before = [fleet.pid("alpha"), fleet.pid("beta")]
    fleet.run("up", "alpha", "beta")
    assert [fleet.pid("alpha"), fleet.pid("beta")] == before


def test_a_host_is_who_the_inventory_says(fleet: Fleet) -> None:
    script = """
        $env:COMPUTERNAME; hostname; [Environment]::OSVersion.Version.Build; $PSVersionTable.PSVersion.ToString(2)
        (Get-CimInstance Win32_ComputerSystem).DomainRole
    """
    assert fleet.powershell("alpha", script).out.split() == ["ALPHA", "ALPHA", "17763", "5.1", "3"]
    assert fleet.powershell("beta", script).out.split() == ["BETA", "BETA", "9600", "5.1", "2"]


def test_a_restart_is_one(fleet: Fleet) -> None:
    before = fleet.powershell("alpha", f"New-Item HKLM:\\SOFTWARE\\Kept -Force | Out-Null; {BOOT_TIME}").out
    fleet.powershell(
        "alpha", r"Remove-Item 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\AutoLogonChecked'"
    )
    assert fleet.command("alpha", "C:\\Windows\\System32\\shutdown.exe /r /t 1 /c test").code == 0
    wait_for(lambda: not answers(fleet, "alpha"))
    wait_for(lambda: answers(fleet, "alpha"))
    result = fleet.powershell(
        "alpha", f"{BOOT_TIME}; Test-Path HKLM:\\SOFTWARE\\Kept; {AUTO_LOGON}; [Environment]::TickCount64 -lt 120000"
    )
    boot_time, kept, auto_logon, _ = result.out.split()
    assert boot_time != before.strip()
    assert (kept, auto_logon) == ("True", "True")
    if fleet.status("alpha")["truthful"]["uptime"]:
        assert result.out.split()[3] == "True"


def test_a_shutdown_can_be_called_off(fleet: Fleet) -> None:
    shutdown = "C:\\Windows\\System32\\shutdown.exe"
    assert fleet.command("beta", f"{shutdown} /a").code == 1116
    assert fleet.command("beta", f"{shutdown} /r /t 60").code == 0
    assert fleet.command("beta", f"{shutdown} /r /t 60").code == 1190
    assert fleet.command("beta", f"{shutdown} /a").code == 0


def test_a_denied_key_stays_denied_over_a_restart(fleet: Fleet) -> None:
    key = r"HKLM:\SOFTWARE\Denied"
    write = f"New-ItemProperty -LiteralPath '{key}' -Name x -Value 1 -Force -ErrorAction Stop | Out-Null; 'written'"
    assert fleet.powershell("beta", f"New-Item '{key}' -Force | Out-Null; {write}").out.split() == ["written"]
    fleet.run("fault", "beta", "deny_key", f"argument={key}")
    assert fleet.powershell("beta", write).code == 1
    fleet.run("reboot", "beta")
    wait_for(lambda: fleet.status("beta")["phase"] != "up")
    wait_for(lambda: fleet.status("beta")["phase"] == "up")
    denied = fleet.powershell("beta", f"{write}")
    assert denied.code == 1
    assert "written" not in denied.out
    assert fleet.powershell("beta", f"(Get-ItemProperty -LiteralPath '{key}').x").out.split() == ["1"]
    fleet.run("fault", "beta", "clear")
    assert fleet.powershell("beta", write).out.split() == ["written"]


def test_a_killed_process_is_an_error_and_the_host_lives(fleet: Fleet) -> None:
    fleet.run("fault", "alpha", "kill_process", "seconds=1")
    assert fleet.powershell("alpha", "Start-Sleep 30; 'never'").code != 0
    assert fleet.powershell("alpha", "'alive'").out.split() == ["alive"]


def test_a_lost_host_refuses_until_it_is_found(fleet: Fleet) -> None:
    fleet.run("fault", "beta", "lost_host")
    assert not answers(fleet, "beta")
    assert "UNREACHABLE" in fleet.ansible("beta", "-m", "ansible.windows.win_ping").out
    fleet.run("fault", "beta", "clear")
    assert fleet.powershell("beta", "'back'").out.split() == ["back"]


def test_an_unknown_fault_is_refused(fleet: Fleet) -> None:
    result = fleet.run("fault", "alpha", "no_such", check=False)
    assert result.code == 1
    assert "lost_host" in result.err


def test_a_task_runs_as_system(fleet: Fleet) -> None:
    script = r"""
        $what = 'cmd.exe /c echo %USERNAME%>C:\who.txt'
        schtasks.exe /create /tn Winfleet /tr $what /sc ONCE /st 00:00 /ru SYSTEM /f | Out-Null
        schtasks.exe /run /tn Winfleet | Out-Null
        while ((schtasks.exe /query /tn Winfleet /fo csv /nh) -match 'Running') { Start-Sleep -Milliseconds 200 }
        Get-Content C:\who.txt
        schtasks.exe /delete /tn Winfleet /f | Out-Null
        schtasks.exe /query /tn Winfleet | Out-Null
        $LASTEXITCODE
    """
    assert fleet.powershell("alpha", script).out.split() == ["ALPHA$", "1"]


def test_services_are_read_and_changed(fleet: Fleet) -> None:
    script = "$ErrorActionPreference = 'Stop'; Set-Service Spooler -StartupType {0}; (Get-Service Spooler).StartType"
    assert fleet.powershell("alpha", script.format("Manual")).out.split() == ["Manual"]
    assert fleet.powershell("alpha", script.format("Automatic")).out.split() == ["Automatic"]


def test_a_reset_host_is_new(fleet: Fleet) -> None:
    fleet.powershell("beta", r"New-Item HKLM:\SOFTWARE\Mine; Set-Content C:\mine.txt 1")
    before = fleet.pid("beta")
    fleet.run("reset", "beta")
    assert fleet.pid("beta") != before
    assert fleet.powershell("beta", r"Test-Path HKLM:\SOFTWARE\Mine; Test-Path C:\mine.txt").out.split() == [
        "False",
        "False",
    ]
    assert fleet.status("beta")["mode"] == fleet.mode


def test_what_has_never_been_up_can_be_reset(fleet: Fleet) -> None:
    fleet.run("down", "beta")
    for command in ("reset", "reset", "down"):
        assert "1 hosts" in fleet.run(command, "beta").out
    refused = fleet.run("reset", "beta", "gamma", check=False)
    assert (refused.code, "no host gamma in the inventory" in refused.err) == (1, True)
    fleet.run("up", "beta")


def test_a_host_that_could_not_be_started_again_is_not_reset(fleet: Fleet, tmp_path: Path) -> None:
    other = tmp_path / "hosts.yml"
    other.write_text("all: {hosts: {gamma: {ansible_host: 127.20.0.99}}}\n", encoding="utf-8")
    before = fleet.pid("beta")
    refused = fleet.run("reset", "beta", check=False, inventory=other)
    assert (refused.code, "no host beta in the inventory; it has gamma" in refused.err) == (1, True)
    assert fleet.pid("beta") == before
    assert fleet.powershell("beta", "'still'").out.split() == ["still"]


def test_down_keeps_a_host_s_disk(fleet: Fleet) -> None:
    fleet.powershell("beta", r"New-Item HKLM:\SOFTWARE\Mine | Out-Null")
    fleet.run("down", "beta")
    assert fleet.status("beta")["phase"] == "down"
    fleet.run("up", "beta")
    assert fleet.powershell("beta", r"Test-Path HKLM:\SOFTWARE\Mine").out.split() == ["True"]


def test_killed_supervisors_leave_nothing_after_down(fleet: Fleet) -> None:
    for host in ("alpha", "beta"):
        os.kill(fleet.pid(host), signal.SIGKILL)
    fleet.run("down")
    wait_for(lambda: not fleet.processes(), 15)
    fleet.run("up", "alpha", "beta")
    assert fleet.powershell("alpha", "'again'").out.split() == ["again"]


def test_down_stops_the_fleets_beside(make_fleet: Callable[..., Fleet]) -> None:
    """Which a killed run has left, say; hosts that are named are those of the fleet itself."""
    fleet = make_fleet("main")
    beside = replace(fleet, state=fleet.state / "beside" / "rollout")
    fleet.run("up", "alpha")
    beside.run("up", "beta")
    fleet.run("down", "alpha")
    assert beside.processes()
    fleet.run("down")
    wait_for(lambda: fleet.processes() == beside.processes() == [])


def test_a_host_without_the_management_framework_refuses_ansible(fleet: Fleet) -> None:
    fleet.run("up", "legacy")
    result = fleet.ansible("legacy", "-m", "ansible.windows.win_ping")
    fleet.run("down", "legacy")
    assert result.code != 0
    assert "5.1" in result.out + result.err


def test_two_fleets_have_two_networks(fleet: Fleet, make_fleet: Callable[..., Fleet]) -> None:
    other = make_fleet(f"other-{fleet.mode}", fleet.mode)
    other.run("up", "alpha")
    assert other.address("alpha") != fleet.address("alpha")
    fleet.powershell("alpha", "Set-Content C:\\here.txt 1")
    assert other.powershell("alpha", "Test-Path C:\\here.txt").out.split() == ["False"]
    other.run("down")


def venvs() -> list[Path]:
    """The environments with other versions of ansible-core that this machine has."""
    return sorted((ROOT / ".cache/venvs").glob("core-*"))


@pytest.mark.full
@pytest.mark.parametrize("fleet", ["warm", "cold"], indirect=True)
def test_two_versions_of_ansible_take_turns(fleet: Fleet) -> None:
    """In one process, where the types of the one version must not be found by the other one."""
    environments = [*venvs(), *venvs()]
    assert environments, "no environment in .cache/venvs: run python3 tests/setup/environment.py --for test"
    for venv in environments:
        version = subprocess.run(
            [venv / "bin/ansible", "--version"], capture_output=True, text=True, check=True
        ).stdout.split("\n")[0]
        for module in ("win_ping", "win_reg_stat"):
            arguments = ["-a", r"path=HKLM:\SOFTWARE"] if module == "win_reg_stat" else []
            result = fleet.ansible("alpha", "-m", f"ansible.windows.{module}", *arguments, venv=venv)
            assert result.code == 0, f"{version} {module}: {result.out}{result.err}"
