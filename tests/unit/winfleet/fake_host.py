"""A host for tests of the listener: command lines and scripts are run by /bin/sh, no Wine and no PowerShell."""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import re
import signal
import subprocess
import threading

from psrpcore.types import ErrorCategoryInfo, ErrorRecord, NETException, serialize_clixml
from winfleet.execution import Chunk, Command, ExecutionError
from winfleet.powershell_script import NoCipher

ENCODED_COMMAND = re.compile(r"-EncodedCommand\s+(\S+)", re.IGNORECASE)


class ShellHost:
    """An Executor. It remembers what it was asked to run; a line `refuse` cannot be started."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.executions: list[ShellExecution] = []
        self.ended_sessions: list[str] = []

    def start(self, command: Command) -> ShellExecution:
        self.commands.append(command)
        if command.line == "refuse":
            raise ExecutionError("The host cannot run this <now> \x00.")
        execution = ShellExecution(command)
        self.executions.append(execution)
        return execution

    def end_session(self, session: str) -> None:
        self.ended_sessions.append(session)

    @property
    def running(self) -> int:
        return sum(execution.process.poll() is None for execution in self.executions)


class ShellExecution:
    """An Execution. A script's lines of output are its objects: strings, or what a line that is CLIXML says."""

    def __init__(self, command: Command) -> None:
        script = command.script if command.script is not None else command.line
        while encoded := ENCODED_COMMAND.search(script):
            script = base64.b64decode(encoded[1]).decode("utf-16-le")
        self._pipeline = command.script is not None
        self._chunks: queue.Queue[Chunk | None] = queue.Queue(maxsize=64)
        self._open_streams = 2
        self._exit_code: int | None = None
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **command.environment},
            cwd=command.directory,
            start_new_session=True,
        )
        for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
            threading.Thread(target=self._pump, args=(name, stream), daemon=True).start()

    def _pump(self, name: str, stream) -> None:
        if self._pipeline:
            for line in stream:
                self._chunks.put(_as_clixml(name, line.decode().rstrip("\n")))
        else:
            while data := stream.read1(32768):
                self._chunks.put((name, data))
        self._chunks.put(None)

    @property
    def exit_code(self) -> int | None:
        return self._exit_code

    def write(self, data: bytes) -> None:
        self.process.stdin.write(data + b"\n" if self._pipeline else data)
        self.process.stdin.flush()

    def close_input(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def read(self, timeout: float) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            item = self._chunks.get(timeout=timeout)
            while True:
                if item is None:
                    self._open_streams -= 1
                else:
                    chunks.append(item)
                item = self._chunks.get_nowait()
        except queue.Empty:
            pass
        if self._open_streams == 0:
            self._exit_code = self.process.wait()
        return chunks

    def terminate(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # two threads may terminate it
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.close_input()


def _as_clixml(name: str, line: str) -> Chunk:
    if line.startswith("failure:"):
        return "clixml-failure", serialize_clixml([line], NoCipher()).encode()
    if name == "stderr":
        record = ErrorRecord(
            Exception=NETException(Message=line), CategoryInfo=ErrorCategoryInfo(), FullyQualifiedErrorId="FakeError"
        )
        return "clixml-error", serialize_clixml([record], NoCipher()).encode()
    return "clixml-output", (line if line.startswith("<Objs") else serialize_clixml([line], NoCipher())).encode()
