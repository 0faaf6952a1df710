"""wusa.exe: Windows Management Framework from its .msu package, by the rules of Windows' update agent.

The packages are those of `winfleet.vendor`: "MSCF", what the update is for as JSON, a SHA-256 at the end.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from winfleet.paths import PACKAGE

INSTALLED = 0
FILE_NOT_FOUND = 2
ACCESS_DENIED = 5
PROCESS_ABORTED = 1067
CANCELLED = 1223
RESTART_STARTED = 1641
RESTART_REQUIRED = 3010
ALREADY_INSTALLED = 2359302  # 0x00240006
FILE_CORRUPT = 0x80070570
NOT_APPLICABLE = 2149842967  # 0x80240017
#: .NET Framework 4.5.2
LEAST_DOTNET = 379893
MAGIC = b"MSCF\0\0\0\0"

SCRIPT = PACKAGE / "agent" / "wusa.ps1"


def package(article: str, build: int) -> bytes:
    """Return an update package as it is here."""
    description = json.dumps({"article": article, "build": build}).encode()
    content = MAGIC + struct.pack("<I", len(description)) + description + b"\0" * 4096
    return content + hashlib.sha256(content).digest()


def _description(content: bytes) -> dict[str, Any] | None:
    """What a package says of itself; None when it is damaged."""
    if not content.startswith(MAGIC) or hashlib.sha256(content[:-32]).digest() != content[-32:]:
        return None
    (size,) = struct.unpack_from("<I", content, len(MAGIC))
    at = len(MAGIC) + 4
    return dict(json.loads(content[at : at + size]))


@dataclass(frozen=True)
class State:
    """What the update agent looks at.

    Attributes:
        content: of the package, None when there is no such file.
        build: of Windows.
        dotnet: the release number of .NET Framework.
        powershell: the version of Windows PowerShell.
        waiting: the update is installed and waits for a restart.
    """

    content: bytes | None
    build: int
    dotnet: int
    powershell: str
    waiting: bool = False
    faults: dict[str, str] = field(default_factory=dict)


def verdict(state: State) -> int:
    """Return the exit code that an installation has; RESTART_REQUIRED: go ahead."""
    if state.content is None:
        return FILE_NOT_FOUND
    description = _description(state.content)
    if description is None:
        return FILE_CORRUPT
    if description["build"] != state.build or state.dotnet < LEAST_DOTNET:
        return NOT_APPLICABLE
    if state.waiting or tuple(map(int, state.powershell.split(".")[:2])) >= (5, 1):
        return ALREADY_INSTALLED
    return RESTART_REQUIRED


class Wusa:
    """The program on one host.

    Args:
        run: runs a script on the host and returns the text it printed.
        install: makes the update part of the next boot.
        waiting: whether it is.
        restart: restarts the host.
    """

    def __init__(
        self,
        run: Callable[[str], str],
        install: Callable[[], None],
        waiting: Callable[[], bool],
        restart: Callable[[], object],
    ) -> None:
        self._run = run
        self._install = install
        self._waiting = waiting
        self._restart = restart

    def __call__(self, arguments: list[str], logon: str) -> int:
        """wusa.exe FILE.msu /quiet [/norestart] [/log:FILE]; returns the exit code."""
        files = [text for text in arguments if not text.startswith("/")]
        switches = {
            text.partition(":")[0].lower(): text.partition(":")[2] for text in arguments if text.startswith("/")
        }
        if logon == "network":
            return ACCESS_DENIED
        if "/quiet" not in switches or len(files) != 1:
            return CANCELLED  # a dialog that nobody can click away
        code = self._carry_out(files[0])
        if switches.get("/log"):
            self._run(f"Set-Content -LiteralPath {quoted(switches['/log'])} -Value 'wusa {code & 0xFFFFFFFF:#010x}'")
        if code == RESTART_STARTED or (code == RESTART_REQUIRED and "/norestart" not in switches):
            self._restart()
        return code

    def _script(self, call: str) -> str:
        return self._run(f"{SCRIPT.read_text()}\n{call}")

    def _carry_out(self, file: str) -> int:
        found = json.loads(self._script(f"Get-UpdateState -File {quoted(file)}"))
        content = found.pop("content")
        state = State(base64.b64decode(content) if content else None, waiting=self._waiting(), **found)
        time.sleep(float(state.faults.get("hang", 0)))
        if told := state.faults.get("exit_codes"):
            return int(told)
        code = verdict(state)
        if code != RESTART_REQUIRED:
            return code
        if "die" in state.faults:
            return PROCESS_ABORTED
        self._install()
        self._script("Set-RestartDue")
        return int(state.faults.get("exit_code", code))


def quoted(text: str) -> str:
    """Return a string as PowerShell's source has it."""
    return "'" + text.replace("'", "''") + "'"
