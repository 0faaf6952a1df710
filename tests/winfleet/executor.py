"""Runs commands on one emulated host: PowerShell in resident processes (warm) or each in a process of its own (cold).

A warm process runs one command at a time, in a fresh runspace. What a runspace cannot get rid of are C# types:
PowerShell finds the older of two of the same name. So a process that has compiled a C# source serves only commands
that bring the same text of it; another version (of Ansible, of a collection's utility) gets another process. A process
is replaced after `MOST_COMMANDS` commands or when it has grown to `MOST_MEMORY`, since compiled types are never freed.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from winfleet.agent import AgentProcess, RunningCommand
from winfleet.commandline import PowerShellCall, powershell_call, program_and_arguments
from winfleet.execution import Chunk, Command, Execution, ExecutionError

MOST_COMMANDS = 100
MOST_MEMORY = 800 << 20
MOST_PROCESSES = 2
#: So much input is looked at to find out what types a command will compile; more means that it is a file's content.
MOST_LOOKED_AT = 8 << 20
_COMPILES = re.compile(rb"Add-Type|Add-CSharpType|CSharpUtil|Ansible\.ModuleUtils\.AddType", re.IGNORECASE)

Versions = Mapping[str, str]  #: name of a source text -> hash of it


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def compiled_sources(script: str, data: bytes) -> dict[str, str]:
    """Return the texts in a command that put types into a process, by name, with a hash of each.

    Understands what ansible-core sends on standard input: before 2.19 the exec wrapper, four NULs and one JSON
    document; from then on JSON lines. Anything else compiles at most what its own text says.
    """
    found: dict[str, str] = {}
    if _COMPILES.search(script.encode()):
        found["script:" + _hash(script.encode())] = _hash(script.encode())
    for part in re.split(rb"\0\0\0\0|\r?\n", data):
        document = part.strip()
        if not document.startswith(b"{"):
            continue
        with contextlib.suppress(ValueError, TypeError, AttributeError, binascii.Error):
            found |= _sources_of(json.loads(document))
    if b"\0\0\0\0" in data:
        wrapper = data.split(b"\0\0\0\0", 1)[0].strip()
        found["exec_wrapper"] = _hash(wrapper)
    return found


def _sources_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, script in (manifest.get("scripts") or {}).items():  # 2.19 and later
        text = base64.b64decode(script["script"])
        if name.lower().endswith(".cs") or _COMPILES.search(text):
            found[name] = _hash(text)
    utilities: Mapping[str, str] = manifest.get("csharp_utils") or {}
    modules: Mapping[str, str] = manifest.get("powershell_modules") or {}
    for name, encoded in {**modules, **utilities}.items():
        text = base64.b64decode(encoded)
        if name in utilities or _COMPILES.search(text):
            found[name] = _hash(text)
    entry = manifest.get("module_entry")
    if isinstance(entry, str) and _COMPILES.search(text := base64.b64decode(entry)):
        found["module_entry"] = _hash(text)
    return found


class _WarmProcess:
    """A resident process with what it has compiled."""

    def __init__(self, agent: AgentProcess) -> None:
        self.agent = agent
        self.sources: dict[str, str] = {}
        self.busy = False

    def fits(self, sources: Versions) -> bool:
        return all(self.sources.get(name, value) == value for name, value in sources.items())

    @property
    def used_up(self) -> bool:
        return self.agent.commands >= MOST_COMMANDS or self.agent.resident_memory > MOST_MEMORY


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
        self._changed = threading.Condition()
        self._warm: list[_WarmProcess] = []
        self._starting = 0
        self._launcher: AgentProcess | None = None
        self._launching = threading.Lock()
        self._stopped = True
        self._executions: set[_Execution] = set()

    def begin(self) -> None:
        """The host has booted: have the process ready that the first command will want."""
        self._stopped = False
        if self._mode == "warm":
            agent = self._spawn()
            agent.wait_ready()
            with self._changed:
                self._warm.append(_WarmProcess(agent))
        else:
            self._ensure_launcher()

    def end(self) -> None:
        """End all commands and processes."""
        with self._changed:
            self._stopped = True
            agents = [process.agent for process in self._warm]
            self._warm = []
            launcher, self._launcher = self._launcher, None
            executions = list(self._executions)
            self._changed.notify_all()
        for agent in [*agents, *([launcher] if launcher else [])]:
            agent.stop()
        for execution in executions:
            execution.terminate()

    def kill(self) -> int:
        """A fault: end every running command as if its process had been killed. Returns how many there were."""
        with self._changed:
            busy = [process.agent for process in self._warm if process.busy]
            executions = [execution for execution in self._executions if execution.exit_code is None]
        for agent in busy:
            agent.stop()
        for execution in executions:
            execution.kill()
        return len(executions)

    def status(self) -> dict[str, object]:
        with self._changed:
            return {
                "mode": self._mode,
                "processes": len(self._warm) + (self._launcher is not None),
                "running": sum(execution.exit_code is None for execution in self._executions),
                "memory_mb": sum(p.agent.resident_memory for p in self._warm) >> 20,
            }

    def start(self, command: Command, *, cold: bool = False) -> Execution:
        """See `winfleet.execution.Executor`; `cold` wants a process of its own whatever the mode."""
        if self._stopped:
            raise ExecutionError("the host is not running")
        execution = _Execution(self, command, warm=self._mode == "warm" and not cold)
        with self._changed:
            self._executions = {e for e in self._executions if e.live}
            self._executions.add(execution)
        execution.begin()
        return execution

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

    def run_warm(
        self, request: Mapping[str, object], sources: Versions, wanted: Callable[[], bool]
    ) -> RunningCommand | None:
        """Run a script in a resident process that fits, waiting for one.

        None when the command is not wanted any more.
        """
        process = self._reserve(sources, wanted)
        if process is None:
            return None
        try:
            return process.agent.start(request, ended=lambda: self._release(process))
        except ExecutionError:
            self._release(process)
            raise

    def _reserve(self, sources: Versions, wanted: Callable[[], bool]) -> _WarmProcess | None:
        while True:
            retired: _WarmProcess | None = None
            with self._changed:
                if self._stopped or not wanted():
                    return None
                self._warm = [process for process in self._warm if not process.agent.dead]
                idle = [process for process in self._warm if not process.busy]
                fitting = [process for process in idle if process.fits(sources)]
                # the one that has compiled most of it already: the others stay free for other versions
                fitting.sort(key=lambda process: len(sources.items() & process.sources.items()), reverse=True)
                if fitting:
                    process = fitting[0]
                    process.busy = True
                    process.sources |= sources
                    return process
                if len(self._warm) + self._starting >= MOST_PROCESSES:
                    if not idle:
                        self._changed.wait(1)
                        continue
                    retired = idle[0]
                    self._warm.remove(retired)
                self._starting += 1
            if retired is not None:
                retired.agent.stop()
            self._add(_raise=True)

    def _add(self, _raise: bool = False) -> None:
        """Start one more resident process; `_starting` has counted it already."""
        try:
            agent = self._spawn()
            agent.wait_ready()
        except (ExecutionError, OSError) as error:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()
            if _raise:
                raise ExecutionError(str(error)) from error
            return
        with self._changed:
            self._starting -= 1
            if self._stopped:
                agent.stop()
            else:
                self._warm.append(_WarmProcess(agent))
            self._changed.notify_all()

    def _release(self, process: _WarmProcess) -> None:
        with self._changed:
            process.busy = False
            gone = process.agent.dead or process.used_up
            replace = gone and process in self._warm and not self._stopped
            if gone and process in self._warm:
                self._warm.remove(process)
            replace = replace and not self._warm and not self._starting
            if replace:
                self._starting += 1
            self._changed.notify_all()
        if gone:
            threading.Thread(target=process.agent.stop, daemon=True).start()
        if replace:
            threading.Thread(target=self._add, daemon=True).start()


class _Execution:
    """One command, from the client's request to its exit code; see `winfleet.execution.Execution`.

    A warm command that reads standard input waits until it has it all, since that tells which process may run it.
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
            sources = compiled_sources(self._script, b"".join(self._input))
            running = self._executor.run_warm(self._request, sources, lambda: not self._terminated)
        except ExecutionError as error:
            self._fail(f"{error}\r\n")
            return
        if running is None:
            self._fail("The host stopped before the command could run.\r\n")
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
            self._failure = [("stderr", message.encode())]
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
