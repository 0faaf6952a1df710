"""WinRS: command lines in a shell, their standard input and output."""

from __future__ import annotations

import base64
import binascii
import itertools
import threading
import time

from . import wsman
from .execution import Chunk, Command, Execution, ExecutionError, Executor
from .shells import COMMAND_STATE, Limits, Shell, identifier
from .wsman import NAMESPACES, Request, is_true

_ENVELOPE_OVERHEAD = 4096  #: bytes of a Receive response beside the output itself
_GATHER = 0.1  #: seconds to wait for more once there is output, so that most commands need one Receive
_CHUNK_OVERHEAD = 128  #: bytes that one more rsp:Stream element costs
_CONTROL_C_EXIT = -1073741510  #: STATUS_CONTROL_C_EXIT
_SLICE = 1.0  #: seconds; a longer read is cut in slices, so that a closed shell is noticed


class CommandShell(Shell):
    """A WinRS shell: environment, directory and code page for the commands that run in it."""

    streams = ("stdin", "stdout stderr")

    def __init__(
        self, executor: Executor, request: Request, user: str, client: str, limits: Limits, shell_id: str
    ) -> None:
        super().__init__(request, user, client, limits, shell_id)
        shell = request.element("rsp:Shell")
        self._executor = executor
        self._environment = {
            variable.get("Name", ""): variable.text or ""
            for variable in shell.iterfind("rsp:Environment/rsp:Variable", NAMESPACES)
        }
        self._directory = shell.findtext("rsp:WorkingDirectory", None, NAMESPACES)
        codepage = request.options.get("WINRS_CODEPAGE", "437")
        if not (codepage.isascii() and codepage.isdigit() and len(codepage) <= 5):
            raise wsman.schema_violation("the option WINRS_CODEPAGE is not a number")
        self._codepage = int(codepage)
        self._commands: dict[str, _RunningCommand] = {}
        self._operations = 0
        self._closed = False

    def command(self, request: Request) -> str:
        line = request.element("rsp:CommandLine")
        command_id = identifier(line.get("CommandId"), "CommandId")
        command = Command(
            line=" ".join([request.element("rsp:CommandLine/rsp:Command").text or "", *_arguments(request)]),
            user=self.user,
            environment=self._environment,
            directory=self._directory,
            skip_cmd=is_true(request.options.get("WINRS_SKIP_CMD_SHELL")),
            codepage=self._codepage,
        )
        with self._lock:
            if command_id in self._commands:
                raise wsman.already_exists(f"the command {command_id}")
            if self._operations >= self.limits.operations_per_shell:
                raise wsman.too_many_operations(self.limits.operations_per_shell)
            if len(self._commands) >= self.limits.commands_per_shell:
                raise wsman.too_many_operations(self.limits.commands_per_shell)
            self._operations += 1
            running = self._commands[command_id] = _RunningCommand(
                is_true(request.options.get("WINRS_CONSOLEMODE_STDIN"))
            )
        try:
            running.start(self._executor, command)
        except ExecutionError as error:
            with self._lock:
                self._commands.pop(command_id, None)
            raise wsman.internal_error(str(error)) from error
        if self._closed:
            running.terminate()
            raise wsman.shell_not_found(self.id)
        return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"

    def send(self, request: Request) -> str:
        for stream in _streams(request, "rsp:Send/rsp:Stream"):
            self._find(stream.get("CommandId")).write(decode_stream(stream.text), end=is_true(stream.get("End")))
        return "<rsp:SendResponse/>"

    def receive(self, request: Request) -> str:
        command_id = request.element("rsp:Receive/rsp:DesiredStream").get("CommandId")
        return self._find(command_id).receive(request, (command_id or "").upper())

    def signal(self, request: Request) -> str:
        signal = request.element("rsp:Signal")
        running = self._find(signal.get("CommandId"))
        code = request.element("rsp:Signal/rsp:Code").text or ""
        running.terminate()
        if not code.endswith("/ctrl_c"):  # after Ctrl+C the client still fetches the output and exit code
            with self._lock:
                self._commands.pop((signal.get("CommandId") or "").upper(), None)
        return "<rsp:SignalResponse/>"

    @property
    def busy(self) -> bool:
        with self._lock:
            commands = list(self._commands.values())
        return any(command.busy for command in commands)

    def close(self) -> None:
        self._closed = True
        with self._lock:
            commands, self._commands = list(self._commands.values()), {}
        for running in commands:
            running.terminate()

    def _find(self, command_id: str | None) -> _RunningCommand:
        with self._lock:
            running = self._commands.get((command_id or "").upper())
        if running is None:
            raise wsman.command_not_found(command_id or "(none)")
        return running


class _RunningCommand:
    """One command of a shell, as its client sees it."""

    def __init__(self, console_input: bool) -> None:
        self._execution: Execution | None = None
        self._reader = threading.Lock()
        self._console_input = console_input  # no pipe: the client may type, but most have nothing to say
        self._terminated = False
        self._pending: list[Chunk] = []
        self._last_answer: tuple[str, str] | None = None

    def start(self, executor: Executor, command: Command) -> None:
        self._execution = executor.start(command)

    @property
    def busy(self) -> bool:
        return self._execution is not None and self._execution.exit_code is None

    def write(self, data: bytes, end: bool) -> None:
        self._console_input = False
        try:
            if data:
                self._running.write(data)
            if end:
                self._running.close_input()
        except (OSError, ExecutionError) as error:
            raise wsman.input_closed() from error

    def terminate(self) -> None:
        self._terminated = True
        if self._execution is not None:
            self._execution.terminate()

    def receive(self, request: Request, command_id: str) -> str:
        """Wait for output or the end, as long as the request's operation timeout.

        Raises:
            WSManFault: operation_timed_out when there was nothing; the client asks again.
        """
        deadline = time.monotonic() + request.operation_timeout
        if not self._reader.acquire(timeout=request.operation_timeout):
            raise wsman.operation_timed_out()
        try:
            if self._last_answer and self._last_answer[0] == request.message_id:
                return self._last_answer[1]  # the client did not get it and repeats the very same message
            if self._console_input:
                self._console_input = False
                self._running.close_input()
            limit = (request.max_envelope_size - _ENVELOPE_OVERHEAD) // 4 * 3
            chunks = self._read(limit, deadline)
            exit_code = self._running.exit_code
            if exit_code is None and self._terminated and not chunks:
                exit_code = _CONTROL_C_EXIT
            done = not self._pending and exit_code is not None
            if not chunks and not done:
                raise wsman.operation_timed_out()
            answer = _receive_response(command_id, chunks, exit_code if done else None)
            self._last_answer = (request.message_id, answer)
            return answer
        except ExecutionError as error:
            raise wsman.internal_error(str(error)) from error
        finally:
            self._reader.release()

    @property
    def _running(self) -> Execution:
        if self._execution is None:  # between the answer to another connection's request and our own start
            raise wsman.command_not_found("(not started)")
        return self._execution

    def _read(self, limit: int, deadline: float) -> list[Chunk]:
        """Return at most `limit` bytes of output; what is over waits for the next Receive."""
        chunks, self._pending = self._pending, []
        size = sum(map(_size, chunks))
        while size < limit and self._running.exit_code is None:
            patience = _GATHER if chunks else min(_SLICE, deadline - time.monotonic())
            if patience <= 0:
                break
            new = self._running.read(patience)
            chunks += new
            size += sum(map(_size, new))
            if not new and (chunks or self._terminated):
                break
        return self._cut(_joined(chunks), limit)

    def _cut(self, chunks: list[Chunk], limit: int) -> list[Chunk]:
        fitting: list[Chunk] = []
        for index, (name, data) in enumerate(chunks):
            room = max(limit - _CHUNK_OVERHEAD, 0)
            if len(data) > room:
                self._pending = [(name, data[room:]), *chunks[index + 1 :]]
                return [*fitting, (name, data[:room])] if room else fitting
            fitting.append((name, data))
            limit -= _size((name, data))
        return fitting


def decode_stream(text: str | None) -> bytes:
    """Return the bytes of a base64 stream; white space within is allowed.

    Raises:
        WSManFault: it is not base64.
    """
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wsman.schema_violation("a stream is not base64") from error


def _streams(request: Request, path: str) -> list:
    streams = request.body.findall(path, NAMESPACES)
    if not streams:
        raise wsman.schema_violation(f"the element {path} is missing")
    return streams


def _size(chunk: Chunk) -> int:
    return len(chunk[1]) + _CHUNK_OVERHEAD


def _joined(chunks: list[Chunk]) -> list[Chunk]:
    """Join neighbours of the same stream: a command that writes byte by byte must not fill envelopes with tags."""
    return [
        (name, b"".join(data for _, data in group))
        for name, group in itertools.groupby(chunks, key=lambda chunk: chunk[0])
    ]


def _arguments(request: Request) -> list[str]:
    return [argument.text or "" for argument in request.body.iterfind("rsp:CommandLine/rsp:Arguments", NAMESPACES)]


def _receive_response(command_id: str, chunks: list[Chunk], exit_code: int | None) -> str:
    parts = [
        f'<rsp:Stream Name="{name}" CommandId="{command_id}">{base64.b64encode(data).decode()}</rsp:Stream>'
        for name, data in chunks
        if data
    ]
    if exit_code is None:
        parts.append(f'<rsp:CommandState CommandId="{command_id}" State="{COMMAND_STATE}Running"/>')
    else:
        parts += [f'<rsp:Stream Name="{name}" CommandId="{command_id}" End="true"/>' for name in ("stdout", "stderr")]
        parts.append(
            f'<rsp:CommandState CommandId="{command_id}" State="{COMMAND_STATE}Done">'
            f"<rsp:ExitCode>{exit_code}</rsp:ExitCode></rsp:CommandState>"
        )
    return f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>"
