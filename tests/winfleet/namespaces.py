"""Linux namespaces that make an emulated host truthful: its own host name, and a clock that starts when it boots.

Both need either root or unprivileged user namespaces. Without them a host still works; it then has this machine's name
and uptime.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

_NEWNS = 0x00020000
_NEWUTS = 0x04000000
_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_REC_SLAVE = 0x4000 | 0x80000


def take_host_name(name: str, hosts_file: Path) -> bool:
    """Give this process and all that it starts the host name `name` and `hosts_file` as /etc/hosts.

    To be called before any thread is started. Returns False when the kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEWUTS | _NEWNS) != 0:
        if libc.unshare(_NEWUSER | _NEWUTS | _NEWNS) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    try:
        socket.sethostname(name)
    except OSError:
        return False
    return (
        libc.mount(None, b"/", None, _MS_REC_SLAVE, None) == 0
        and libc.mount(bytes(hosts_file), b"/etc/hosts", None, _MS_BIND, None) == 0
    )


class BootClock:
    """A time namespace in which the machine has just been started."""

    def __init__(self) -> None:
        self._holder: subprocess.Popen[bytes] | None = None

    def restart(self) -> bool:
        """Begin a new boot; False when the kernel does not allow it."""
        self.stop()
        if shutil.which("unshare") is None or shutil.which("nsenter") is None:
            return False
        # a few seconds, as a machine that has just come up; never below zero, which the kernel refuses
        uptime = max(0, int(min(time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME))) - 5)
        holder = subprocess.Popen(
            [
                "unshare",
                "--time",
                "--monotonic",
                str(-uptime),
                "--boottime",
                str(-uptime),
                "sh",
                "-c",
                "echo; exec cat",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert holder.stdout is not None
        if holder.stdout.readline() != b"\n":
            holder.kill()
            holder.wait()
            return False
        self._holder = holder
        if subprocess.run([*self.prefix, "true"], capture_output=True, check=False).returncode != 0:
            self.stop()
            return False
        return True

    @property
    def prefix(self) -> list[str]:
        """What to write before a command, so that it runs on this clock."""
        return ["nsenter", f"--time=/proc/{self._holder.pid}/ns/time_for_children"] if self._holder else []

    def stop(self) -> None:
        if self._holder is not None:
            with contextlib.suppress(OSError):
                self._holder.stdin.close()  # type: ignore[union-attr]
            self._holder.kill()
            self._holder.wait()
            self._holder = None
