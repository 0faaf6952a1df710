"""dotnet_framework when its host is lost: its installer runs as SYSTEM, in a scheduled task, which stays behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook, Json, Run, lose_host, reset_hosts
from ..installed_clients import SHARE, share_packages

HOST = "client-2012r2"
INSTALLER = "NDP472-KB4054530-x86-x64-AllOS-ENU.exe"
CLIENT = "AzInfoProtection_UL-2.18.26.msi"
FAULTS = r"HKLM:\SOFTWARE\winfleet\installers\any"
NDP = r"HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
#: What tasks leave: their folders, then their names in the task scheduler
LEFT = r"""
$folder = "$env:ProgramData\infoprotect\packages"
# the lock file stays; it locks only while a run has it open
@(Get-ChildItem -Path $folder -Force -ErrorAction SilentlyContinue | ForEach-Object { $_.Name }) -ne 'installation.lock'
@(schtasks.exe /query /fo CSV /nh) -match 'infoprotect-' -replace '^"\\?([^"]+)".*', '$1'
"""

#: Wine keeps no time of creation of its own
AGE = r"""
$task = Get-Item -Path "$env:ProgramData\infoprotect\packages\task-*"
$task.CreationTimeUtc = $task.LastWriteTimeUtc = [datetime]::UtcNow.AddDays(-2)
"""

pytestmark = pytest.mark.hosts(HOST)


def left(name: str) -> Json:
    return {"name": name, "ansible.windows.win_powershell": {"script": LEFT}}


def run(playbook: AnsiblePlaybook, *tasks: Json, expect: int | None = 0) -> Run:
    plays = [{"name": "dotnet", "hosts": HOST, "gather_facts": False, "tasks": list(tasks)}]
    return playbook.run(plays, expect=expect)


def fault(host: str, *arguments: str) -> None:
    inventories = [f"--inventory={path}" for path in INVENTORIES]
    subprocess.run([str(ROOT / "bin/fleet"), *inventories, "fault", host, *arguments], check=True)


@pytest.fixture
def packages() -> Path:
    """The installers, on a host that is new."""
    reset_hosts(HOST)
    return share_packages([HOST])


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(fleet: None) -> Iterator[None]:
    yield
    reset_hosts(HOST)


# a client's installer, which meets the same, is lost by default
@pytest.mark.full
def test_a_host_that_is_lost_while_it_is_installed(playbook: AnsiblePlaybook, packages: Path) -> None:
    """The next run goes on from there; what the lost one left is cleared once it cannot be at work any more."""
    install = {
        "name": "install",
        "infoprotect.aip.dotnet_framework": {"version": "4.7.2", "path": rf"{SHARE}\{INSTALLER}"},
        "ignore_unreachable": True,
    }
    slow = {"path": FAULTS, "name": "hang", "data": "60", "type": "string"}
    run(playbook, {"name": "slow", "ansible.windows.win_regedit": slow})
    result = lose_host(HOST, INSTALLER, lambda: run(playbook, install, expect=None)).task("install", HOST)
    assert result.get("unreachable") or result.get("failed"), result

    client = {"product": "unified_labeling", "path": rf"{SHARE}\{CLIENT}"}
    done = run(
        playbook,
        left("lost"),
        {"name": "slow no more", "ansible.windows.win_regedit": {**slow, "state": "absent"}},
        {**install, "name": "again"},
        {"name": "release", "ansible.windows.win_reg_stat": {"path": NDP, "name": "Release"}},
        left("a minute later"),
        {"name": "let days pass", "ansible.windows.win_powershell": {"script": AGE}},
        {"name": "client", "infoprotect.aip.client": client},
        left("days later"),
    )
    first = [name for name in done.task("lost", HOST)["output"] if "task-" in name or "infoprotect-" in name]
    folder, task = first
    assert folder.removeprefix("task-") == task.removeprefix("infoprotect-")
    assert done.task("again", HOST)["changed"]
    assert done.task("release", HOST)["value"] >= 461808
    assert done.task("a minute later", HOST)["output"] == first, "it may be at work, for all that can be seen"
    assert done.task("client", HOST)["changed"]
    assert done.task("days later", HOST)["output"] == []


def test_what_does_not_end_is_ended(playbook: AnsiblePlaybook, packages: Path) -> None:
    """Neither the installer nor its task is left."""
    install = {"version": "4.7.2", "path": rf"{SHARE}\{INSTALLER}", "timeout": 8}
    slow = {"path": FAULTS, "name": "hang", "data": "120", "type": "string"}
    names = "Get-Process -Name NDP472* -ErrorAction SilentlyContinue | ForEach-Object { $_.ProcessName }"
    done = run(
        playbook,
        {"name": "slow", "ansible.windows.win_regedit": slow},
        {"name": "install", "infoprotect.aip.dotnet_framework": install, "ignore_errors": True},
        {"name": "at work", "ansible.windows.win_powershell": {"script": names}},
        left("left"),
    )
    message = done.task("install", HOST)["msg"]
    assert "it did not end within 8 seconds and was ended with what it had started; a service" in message, message
    assert done.task("at work", HOST)["output"] == [] and done.task("left", HOST)["output"] == []


def test_what_the_scheduler_does_not_start(playbook: AnsiblePlaybook, packages: Path) -> None:
    """On batteries it starts all the same; where the scheduler cannot start it, its own words are in the error."""
    install = {"version": "4.7.2", "path": rf"{SHARE}\{INSTALLER}"}
    fault(HOST, "scheduler", "argument=missing")
    missing = {"name": "missing", "infoprotect.aip.dotnet_framework": install, "ignore_errors": True}
    failed = run(playbook, missing, left("left"))
    message = failed.task("missing", HOST)["msg"]
    assert "the task scheduler could not start C:\\" in message, message
    assert "(status 'Ready', last result 0x80070002: " in message, message
    assert failed.task("left", HOST)["output"] == []
    fault(HOST, "scheduler", "argument=battery")
    done = run(playbook, {"name": "install", "infoprotect.aip.dotnet_framework": install}, left("nothing left"))
    assert done.task("install", HOST)["changed"] and done.task("nothing left", HOST)["output"] == []
