"""Runs one command and everything that it starts, and ends only when nothing of that is left.

    python tests/runner/warden.py RESULT COMMAND...

Orphans become children of this process, so it sees the end of emulated hosts and of Wine's processes, too. It kills
what is left after the command has ended, and everything on SIGTERM and when its parent dies, even by SIGKILL. RESULT
gets the command's exit code and the CPU seconds of all processes. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: What the command has stopped itself gets this long to end, in seconds.
GRACE = 5.0


class StopError(Exception):
    """SIGTERM: the runner, or its end, stops the job."""


def descendants() -> list[int]:
    """Return the living processes below this one."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(folder.name))
    found: list[int] = []
    below = list(children.get(os.getpid(), []))
    while below:
        process = below.pop()
        found.append(process)
        below += children.get(process, [])
    return found


class Warden:
    """The command, and the CPU seconds of those that have ended."""

    def __init__(self) -> None:
        self.cpu = 0.0
        self.code: int | None = None
        self._command = 0

    def start(self, command: list[str]) -> None:
        self._command = subprocess.Popen(command, stdin=subprocess.DEVNULL).pid

    def reap(self, *, wait: bool) -> bool:
        """Take note of one process that has ended; False when none has, or none is left."""
        try:
            process, status, usage = os.wait4(-1, 0 if wait else os.WNOHANG)
        except ChildProcessError:
            return False
        if process:
            self.cpu += usage.ru_utime + usage.ru_stime
        if process and process == self._command:
            self.code = os.waitstatus_to_exitcode(status)
        return process != 0

    def wait(self) -> None:
        """Return when the command has ended."""
        while self.code is None:
            self.reap(wait=True)

    def end_others(self, grace: float) -> list[str]:
        """End everything that is left, at once after the grace; return the command lines that it had to kill."""
        deadline = time.monotonic() + grace
        killed: dict[int, str] = {}
        while left := descendants():
            if time.monotonic() > deadline:
                for process in left:
                    with contextlib.suppress(OSError):
                        line = (
                            Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                        )
                        killed.setdefault(process, line.strip())
                        os.kill(process, signal.SIGKILL)
            while self.reap(wait=False):
                pass
            time.sleep(0.05)
        while self.reap(wait=False):
            pass
        return list(killed.values())


def stop(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise StopError


def main() -> int:
    result, *command = sys.argv[1:]
    parent = os.getppid()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the runner's matter
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_CHILD_SUBREAPER, 1), (_PR_SET_PDEATHSIG, signal.SIGTERM)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        return 1
    warden, grace = Warden(), GRACE
    try:
        warden.start(command)
        warden.wait()
    except StopError:
        grace = 0
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    killed = warden.end_others(grace)
    Path(result).write_text(json.dumps({"code": warden.code, "cpu": warden.cpu, "killed": killed}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
