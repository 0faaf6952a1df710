# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The mark that a run leaves on the connector that it works on: whose it is, and whether that run is still there."""

from __future__ import annotations

import getpass
import os
import platform
import re
import secrets
from pathlib import Path

#: The value in HKLM that has the mark. It outlasts the run, and a restart of the host.
KEY = r"SOFTWARE\infoprotect.aip"
NAME = "TakenOutOfService"
PROCESSES = Path("/proc")
_RUN = re.compile(r" at (?P<node>\S+) \(process (?P<process>\d+), (?P<started>\d+)-[0-9a-f]+\)")


def mark_of_run(since: str) -> str:
    """The mark of this run, which no other one has."""
    process = _ansible()
    return f"{since} by {_user()} at {platform.node()} (process {process}, {_started(process)}-{secrets.token_hex(4)})"


def is_live(mark: str) -> bool:
    """Whether the run that has left this mark is known to be at work: another process of Ansible on this controller.

    Nothing is known of the processes of other controllers, or where there is no /proc.
    """
    run = _RUN.search(mark)
    if not run or run["node"] != platform.node() or int(run["process"]) == _ansible():
        return False
    # its number may be somebody else's by now
    return 0 != _started(int(run["process"])) == int(run["started"])


def _ansible() -> int:
    """The process of ansible-playbook: a task's action runs in a child of it."""
    return os.getppid()


def _started(process: int) -> int:
    """When a process was started, in ticks since the start of the system (proc(5)); 0 when it is not there."""
    try:
        stat = (PROCESSES / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # its name is in parentheses and may contain anything
    return int(stat.rpartition(")")[2].split()[19])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's, without an entry in passwd
        return str(os.getuid())
