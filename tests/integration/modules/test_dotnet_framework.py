"""dotnet_framework when its host is lost: its installer runs as SYSTEM, in a scheduled task, which stays behind."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..ansible_runner import ROOT, AnsiblePlaybook, Json, Run, reset_hosts
from ..installed_clients import SHARE, share_packages

HOST = "client-2012r2"
INSTALLER = "NDP472-KB4054530-x86-x64-AllOS-ENU.exe"
CLIENT = "AzInfoProtection_UL-2.18.26.msi"
FAULTS = r"HKLM:\SOFTWARE\winfleet\installers\any"
NDP = r"HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
#: What tasks leave: their folders, then their names in the task scheduler
LEFT = r"""
$folder = "$env:ProgramData\infoprotect\packages"
@(Get-ChildItem -Path $folder -Force -ErrorAction SilentlyContinue | ForEach-Object { $_.Name })
@(schtasks.exe /query /fo CSV /nh) -match 'infoprotect-' -replace '^"\\?([^"]+)".*', '$1'
"""

pytestmark = pytest.mark.xdist_group(HOST)


def left(name: str) -> Json:
    return {"name": name, "ansible.windows.win_powershell": {"script": LEFT}}


def run(playbook: AnsiblePlaybook, *tasks: Json, expect: int | None = 0) -> Run:
    plays = [{"name": "dotnet", "hosts": HOST, "gather_facts": False, "tasks": list(tasks)}]
    return playbook.run(plays, expect=expect)


@pytest.fixture
def packages() -> Iterator[Path]:
    reset_hosts(HOST)
    yield share_packages([HOST])
    reset_hosts(HOST)


def test_a_host_that_is_lost_while_it_is_installed(playbook: AnsiblePlaybook, packages: Path) -> None:
    """The next run goes on from there; what the lost one left is cleared once it cannot be at work any more."""
    fleet = str(ROOT / "bin/fleet")
    install = {
        "name": "install",
        "infoprotect.aip.dotnet_framework": {"version": "4.7.2", "path": rf"{SHARE}\{INSTALLER}"},
        "ignore_unreachable": True,
    }
    slow = {"path": FAULTS, "name": "hang", "data": "15", "type": "string"}
    run(playbook, {"name": "slow", "ansible.windows.win_regedit": slow})
    lost: list[Run] = []
    thread = threading.Thread(target=lambda: lost.append(run(playbook, install, expect=None)))
    thread.start()
    time.sleep(9)
    subprocess.run([fleet, "fault", HOST, "lost_host"], check=True)
    thread.join()
    subprocess.run([fleet, "fault", HOST, "clear"], check=True)
    result = lost[0].task("install", HOST)
    assert result.get("unreachable") or result.get("failed"), result

    def began(seconds: int) -> Json:
        script = rf"""
        $task = Get-Item -Path "$env:ProgramData\infoprotect\packages\task-*"
        # Wine keeps no time of creation of its own
        $task.CreationTimeUtc = $task.LastWriteTimeUtc = [datetime]::UtcNow.AddSeconds(-{seconds})
        """
        return {"name": f"{seconds} s ago", "ansible.windows.win_powershell": {"script": script}}

    client = {"product": "unified_labeling", "path": rf"{SHARE}\{CLIENT}"}
    done = run(
        playbook,
        left("lost"),
        {"name": "slow no more", "ansible.windows.win_regedit": {**slow, "state": "absent"}},
        {**install, "name": "again"},
        {"name": "release", "ansible.windows.win_reg_stat": {"path": NDP, "name": "Release"}},
        left("a minute later"),
        began(2 * 24 * 3600),
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
