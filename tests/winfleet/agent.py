"""The supervisor's side of a resident agent: a PowerShell process in a prefix, spoken to in frames over pipes.

See agent/Agent/Agent.cs for the frames. Standard error is a pty, since PowerShell's console host wants a console.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from winfleet.execution import Chunk, ExecutionError

HEADER = struct.Struct("<ici")
STREAMS = {
    b"O": "stdout",
    b"e": "stderr",
    b"X": "clixml-output",
    b"Y": "clixml-error",
    b"Z": "clixml-failure",
    b"W": "clixml-warning",
    b"V": "clixml-verbose",
    b"G": "clixml-debug",
}
CLIXML = "http://schemas.microsoft.com/powershell/2004/04"
#: Output of one command that waits to be read; a client that never reads must not fill the memory.
MOST_WAITING = 256 << 20
FIRST_START = 60.0


def clixml_text(text: str) -> bytes:
    """Return a string as a CLIXML document."""
    clean = re.sub("[\0-\x1f\ufffe\uffff]", " ", text)
    return f'<Objs Version="1.1.0.1" xmlns="{CLIXML}"><S>{escape(clean)}</S></Objs>'.encode()


class RunningCommand:
    """A command in an agent; see `winfleet.execution.Execution`."""

    def __init__(self, agent: AgentProcess, number: int, ended: Callable[[], None], *, pipeline: bool) -> None:
        self._agent = agent
        self._number = number
        self._ended = ended
        self._pipeline = pipeline
        self._ending = False
        self._chunks: deque[Chunk] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._exit_code: int | None = None

    @property
    def exit_code(self) -> int | None:
        with self._changed:
            return None if self._chunks else self._exit_code

    @property
    def running(self) -> bool:
        return self._exit_code is None

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), 1 << 20):
            self._agent.send(b"I", self._number, data[at : at + (1 << 20)])
        if self._pipeline:
            self._agent.send(b"N", self._number, b"")

    def close_input(self) -> None:
        self._agent.send(b"E", self._number, b"")

    def read(self, timeout: float) -> list[Chunk]:
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._exit_code is not None, timeout)
            taken, size = [], 0
            while self._chunks and size < 1 << 20:
                taken.append(self._chunks.popleft())
                size += len(taken[-1][1])
            self._waiting -= size
            return taken

    def kill(self) -> None:
        self._agent.send(b"K", self._number, b"")

    def abandon(self) -> None:
        """End the whole process: the command does not end otherwise."""
        self._agent.stop()

    def output(self, stream: str, data: bytes) -> None:
        with self._changed:
            if self._waiting + len(data) > MOST_WAITING:
                data = b""
                self.kill()
            if data:
                self._chunks.append((stream, data))
                self._waiting += len(data)
            self._changed.notify_all()

    def end(self, exit_code: int, message: str = "") -> None:
        with self._changed:
            if self._ending:
                return
            self._ending = True
        self._ended()  # first, so that whoever sees the end finds the process free
        with self._changed:
            if message:
                failure = (
                    ("clixml-failure", clixml_text(message))
                    if self._pipeline
                    else ("stderr", f"{message}\r\n".encode())
                )
                self._chunks.append(failure)
            self._exit_code = exit_code & 0xFFFFFFFF if exit_code >= 0 else exit_code
            self._changed.notify_all()


class AgentProcess:
    """One PowerShell process of a host that runs commands.

    Args:
        command: how it is started.
        environment: its variables.
        directory: where it starts.
        log: gets its standard error.
        crash_log: where the agent writes the exception that ends it.

    Raises:
        ExecutionError: when it does not come up.
    """

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        crash_log: Path,
        **popen: object,
    ) -> None:
        self._crash_log = crash_log
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._numbers = 0
        self._running: dict[int, RunningCommand] = {}
        self._ready = threading.Event()
        self.commands = 0
        self.dead = False
        pty, terminal = os.openpty()
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=terminal,
                env=dict(environment),
                cwd=directory,
                **popen,  # type: ignore[call-overload]
            )
        finally:
            os.close(terminal)
        threading.Thread(target=self._drain, args=(pty, log), daemon=True).start()
        threading.Thread(target=self._receive, daemon=True).start()

    def wait_ready(self, timeout: float = FIRST_START) -> None:
        if not self._ready.wait(timeout) or self.dead:
            self.stop()
            raise ExecutionError("the PowerShell agent of this host did not start")

    @staticmethod
    def _drain(pty: int, log: Path) -> None:
        with log.open("ab") as file, contextlib.suppress(OSError):
            while data := os.read(pty, 65536):
                file.write(data)
                file.flush()
        os.close(pty)

    def _receive(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        while len(header := stdout.read(HEADER.size)) == HEADER.size:
            size, kind, number = HEADER.unpack(header)
            data = stdout.read(size)
            if kind == b"R":
                self._ready.set()
                continue
            with self._lock:
                command = self._running.get(number)
                if kind in b"DF":
                    self._running.pop(number, None)
            if command is None:
                continue
            if kind == b"D":
                command.end(struct.unpack("<i", data)[0])
            elif kind == b"F":
                command.end(1, data.decode())
            else:
                command.output(STREAMS[kind], data)
        self.dead = True
        self._ready.set()
        with self._lock:
            orphans, self._running = list(self._running.values()), {}
        for command in orphans:
            command.end(-1073741510, f"The process that ran this command ended before the command did.{self._reason()}")
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def _reason(self) -> str:
        """Return the exception that ended the process, if it was one."""
        try:
            text = self._crash_log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        self._crash_log.unlink(missing_ok=True)
        return f" It crashed:\r\n{text[-4000:]}"

    def send(self, kind: bytes, number: int, data: bytes) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        with self._sending, contextlib.suppress(OSError, ValueError):
            stdin.write(HEADER.pack(len(data), kind, number) + data)
            stdin.flush()

    def start(self, request: Mapping[str, object], ended: Callable[[], None] = lambda: None) -> RunningCommand:
        with self._lock:
            if self.dead:
                raise ExecutionError("the PowerShell agent of this host has ended")
            self._numbers += 1
            self.commands += 1
            number = self._numbers
            command = RunningCommand(self, number, ended, pipeline=request["kind"] == "pipeline")
            self._running[number] = command
        self.send(b"S", number, json.dumps(request).encode())
        return command

    def end_session(self, session: str) -> None:
        """Free a session's runspace, when its command has ended."""
        self.send(b"C", 0, session.encode())

    @property
    def resident_memory(self) -> int:
        """Bytes of memory that the process holds; 0 when it is gone."""
        try:
            fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        except OSError:
            return 0
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """End the process at once, and the commands in it."""
        self.dead = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        deadline = time.monotonic() + 5
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
