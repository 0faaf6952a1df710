"""Runs commands on one emulated host: PowerShell in resident processes (warm) or each in a process of its own (cold).

`processes.py` has the resident processes. A runspace pool's pipelines always go there: cold gives each pool its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from winfleet.agent import AgentProcess, RunningCommand, clixml_text
from winfleet.commandline import PowerShellCall, powershell_call, program_and_arguments
from winfleet.execution import Chunk, Command, Execution, ExecutionError
from winfleet.processes import Processes, Versions, compiled_sources

#: So much input is looked at to find out what types a command will compile; more means that it is a file's content.
MOST_LOOKED_AT = 8 << 20


class HostExecutor:
    """The commands of one host.

    Args:
        spawn: starts another agent process in the host's prefix.
        mode: "warm" or "cold".
        identity: variables that every command gets.
    """

    def __init__(
        self, spawn: Callable[[], AgentProcess], mode: str, variables: Callable[[str], Mapping[str, str]]
    ) -> None:
        self._spawn = spawn
        self._mode = mode
        self._variables = variables
        self._lock = threading.Lock()
        self._processes = Processes(spawn, shared=mode == "warm")
        self._launcher: AgentProcess | None = None
        self._launching = threading.Lock()
        self._stopped = True
        self._executions: set[_Execution] = set()

    def begin(self) -> None:
        """The host has booted: have the process ready that the first command will want."""
        self._stopped = False
        self._processes.begin()
        if self._mode == "cold":
            self._ensure_launcher()

    def end(self) -> None:
        """End all commands and processes."""
        with self._lock:
            self._stopped = True
            launcher, self._launcher = self._launcher, None
            executions = list(self._executions)
        self._processes.end()
        if launcher is not None:
            launcher.stop()
        for execution in executions:
            execution.terminate()

    def kill(self) -> int:
        """A fault: end every running command as if its process had been killed. Returns how many there were."""
        with self._lock:
            executions = [execution for execution in self._executions if execution.exit_code is None]
        self._processes.kill()
        for execution in executions:
            execution.kill()
        return len(executions)

    def status(self) -> dict[str, object]:
        with self._lock:
            running = sum(execution.exit_code is None for execution in self._executions)
        return {
            "mode": self._mode,
            "processes": self._processes.count + (self._launcher is not None),
            "running": running,
            "memory_mb": self._processes.memory >> 20,
        }

    def start(self, command: Command, *, cold: bool = False) -> Execution:
        """See `winfleet.execution.Executor`; `cold` wants a process of its own whatever the mode."""
        if self._stopped:
            raise ExecutionError("the host is not running")
        execution = _Execution(self, command, warm=self._mode == "warm" and not cold)
        with self._lock:
            self._executions = {e for e in self._executions if e.live}
            self._executions.add(execution)
        execution.begin()
        return execution

    def end_session(self, session: str) -> None:
        """See `winfleet.execution.Executor`."""
        self._processes.end_session(session)

    # -- what executions ask for -------------------------------------------------------------------------------------

    def variables(self, command: Command) -> dict[str, str]:
        return {**self._variables(command.user), **command.environment}

    def launch(self, request: Mapping[str, object]) -> RunningCommand:
        """Start a Windows process."""
        return self._ensure_launcher().start(request)

    def _ensure_launcher(self) -> AgentProcess:
        with self._launching:
            if self._launcher is None or self._launcher.dead:
                launcher = self._spawn()
                launcher.wait_ready()
                self._launcher = launcher
            return self._launcher

    def run_script(
        self, request: Mapping[str, object], sources: Versions, session: str | None, wanted: Callable[[], bool]
    ) -> RunningCommand | None:
        """See `Processes.run`."""
        return self._processes.run(request, sources, session, wanted)


class _Execution:
    """One command, from the client's request to its exit code; see `winfleet.execution.Execution`.

    A script that reads standard input waits until it has it all, since that tells which process may run it.
    """

    def __init__(self, executor: HostExecutor, command: Command, *, warm: bool) -> None:
        self._executor = executor
        self._warm = warm
        self._command = command
        self._changed = threading.Condition()
        self._input: list[bytes] = []
        self._size = 0
        self._input_closed = False
        self._waiting = False
        self._running: RunningCommand | None = None
        self._failure: list[Chunk] = []
        self._exit_code: int | None = None
        self._terminated = False
        self._request: dict[str, object] = {}
        self._script = ""

    # -- starting ----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        command = self._command
        self._request = {
            "codePage": command.codepage,
            "directory": command.directory or "",
            "environment": self._executor.variables(command),
        }
        if command.script is not None:
            self._begin_script("pipeline", PowerShellCall(command.script, encoded=True))
            return
        call = powershell_call(command.line)
        if call is not None and self._warm:
            self._begin_script("script", call)
            return
        # A shell of WinRM hands the line to cmd.exe; for a plain powershell.exe that changes nothing but the time it
        # takes
        if command.skip_cmd or call is not None:
            program, arguments = program_and_arguments(command.line)
        else:
            program, arguments = r"C:\windows\system32\cmd.exe", f"/c {_chcp(command.codepage)}{command.line}"
        self._request |= {"kind": "process", "program": program, "arguments": arguments, "hasInput": True}
        self._attach(self._executor.launch(self._request))

    def _begin_script(self, kind: str, call: PowerShellCall) -> None:
        self._script = call.script
        self._request |= {
            "kind": kind,
            "text": call.script,
            "encoded": call.encoded,
            "file": call.file,
            "parameters": call.parameters,
            "session": self._command.session,
            "localScope": self._command.local_scope,
            "hasInput": kind == "pipeline" or "$input" in call.script.lower(),
        }
        self._waiting = True
        if not self._request["hasInput"]:
            self._dispatch()

    def _dispatch(self) -> None:
        """Find a process in the background: starting one takes seconds, and the client may poll meanwhile."""
        with self._changed:
            waiting, self._waiting = self._waiting, False
        if waiting:
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            with self._changed:
                data = (b"" if self._command.script is None else b"\n").join(self._input)
            sources = compiled_sources(self._script, data)
            session = self._command.session
            running = self._executor.run_script(self._request, sources, session, lambda: not self._terminated)
        except ExecutionError as error:
            self._fail(str(error))
            return
        if running is None:
            self._fail("The host stopped before the command could run.")
        else:
            self._attach(running)

    def _attach(self, running: RunningCommand) -> None:
        with self._changed:
            for data in self._input:
                running.write(data)
            self._input = []
            if self._input_closed:
                running.close_input()
            self._running = running
            terminated = self._terminated
            self._changed.notify_all()
        if terminated:
            self._stop(running)

    def _fail(self, message: str) -> None:
        with self._changed:
            if self._command.script is None:
                self._failure = [("stderr", f"{message}\r\n".encode())]
            else:
                self._failure = [("clixml-failure", clixml_text(message))]
            self._exit_code = 1
            self._changed.notify_all()

    # -- the listener's side -----------------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        return not self._terminated and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        with self._changed:
            if self._running is not None:
                return self._running.exit_code
            return None if self._failure else self._exit_code

    def write(self, data: bytes) -> None:
        with self._changed:
            if self._running is not None:
                self._running.write(data)
                return
            if self._input_closed or self._terminated:
                return
            self._input.append(data)
            self._size += len(data)
            dispatch = self._waiting and self._size > MOST_LOOKED_AT
        if dispatch:
            self._dispatch()

    def close_input(self) -> None:
        with self._changed:
            if self._input_closed:
                return
            self._input_closed = True
            if self._running is not None:
                self._running.close_input()
            dispatch = self._waiting and not self._terminated
        if dispatch:
            self._dispatch()

    def read(self, timeout: float) -> list[Chunk]:
        deadline = time.monotonic() + timeout
        with self._changed:
            self._changed.wait_for(lambda: self._running is not None or self._exit_code is not None, timeout)
            if self._failure:
                failure, self._failure = self._failure, []
                return failure
            running = self._running
        return running.read(max(0.0, deadline - time.monotonic())) if running is not None else []

    def kill(self) -> None:
        running = self._running
        if running is not None and running.running:
            self._stop(running)

    def terminate(self) -> None:
        with self._changed:
            self._terminated = True
            self._input = []
            running = self._running
            if running is None and self._exit_code is None:
                self._exit_code = -1073741510  # STATUS_CONTROL_C_EXIT
            self._changed.notify_all()
        if running is not None and running.running:
            self._stop(running)

    def _stop(self, running: RunningCommand) -> None:
        """End a running command.

        A process is killed, a script is asked to stop and its process killed when it does not.
        """
        running.kill()
        if self._request["kind"] == "process":
            return

        def insist() -> None:
            deadline = time.monotonic() + 3
            while running.running and time.monotonic() < deadline:
                time.sleep(0.05)
            if running.running:
                running.abandon()

        threading.Thread(target=insist, daemon=True).start()


def _chcp(codepage: int) -> str:
    return "" if codepage == 437 else f"chcp {codepage} >nul & "
