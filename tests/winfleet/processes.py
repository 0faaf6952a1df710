"""The resident PowerShell processes of one host, and which of them runs a script.

A process runs one script at a time. What a runspace cannot get rid of are C# types: PowerShell finds the older of two
of the same name. So a process that has compiled a C# source serves only scripts that bring the same text of it;
another version (of Ansible, of a collection's utility) gets another process. A process is replaced after
`MOST_COMMANDS` scripts or when it has grown to `MOST_MEMORY`, since compiled types are never freed; one that is not
needed any more goes.

A session (a client's runspace pool) stays in the process that ran its first pipeline, since its variables are there.
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
from winfleet.execution import ExecutionError

MOST_COMMANDS = 300
MOST_MEMORY = 800 << 20
MOST_PROCESSES = 2
IDLE_TIME = 60.0  #: seconds after which a process goes that is not the only one
PATIENCE = 10.0  #: seconds that a script waits before it takes the place of a session that does nothing
HOLD_TIME = 30.0  #: seconds after which a script that still runs keeps others waiting no longer
_COMPILES = re.compile(rb"Add-Type|Add-CSharpType|CSharpUtil|Ansible\.ModuleUtils\.AddType", re.IGNORECASE)
_TYPE = re.compile(rb"\b(?:class|struct|enum|interface)\s+([A-Za-z_]\w*)")

Versions = Mapping[str, str]  #: name of a source text -> hash of it


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def compiled_sources(script: str, data: bytes) -> dict[str, str]:
    """Return the texts in a command that put types into a process, by name, with a hash of each.

    Understands what ansible-core sends on standard input: before 2.19 the exec wrapper, four NULs and one JSON
    document; from then on the wrapper in a JSON document with its parameters, which differ from module to module, and
    JSON lines. Anything else compiles at most what its own text says.
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
        with contextlib.suppress(ValueError, TypeError, KeyError):
            wrapper = json.loads(wrapper)["script"].encode()
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
    entry = manifest.get("module_entry")  # the module, without its name: what it declares has names
    if isinstance(entry, str) and _COMPILES.search(text := base64.b64decode(entry)):
        found |= {f"type {name.decode()}": _hash(text) for name in _TYPE.findall(text)}
    return found


class _Process:
    """A resident process with what it has compiled."""

    def __init__(self, agent: AgentProcess) -> None:
        self.agent = agent
        self.sources: dict[str, str] = {}
        self.busy = True
        self.retired = False  # runs its sessions' pipelines only
        self.used = time.monotonic()
        self.taken = self.used

    def fits(self, sources: Versions) -> bool:
        return all(self.sources.get(name, value) == value for name, value in sources.items())

    @property
    def used_up(self) -> bool:
        return self.agent.commands >= MOST_COMMANDS or self.agent.resident_memory > MOST_MEMORY


class Processes:
    """The processes of one host.

    Args:
        spawn: starts another agent process in the host's prefix.
        shared: whether scripts share processes; else each session, and each script without one, has its own.
        idle_time: seconds, see `IDLE_TIME`.
        patience: seconds, see `PATIENCE`.
        hold_time: seconds, see `HOLD_TIME`.
    """

    def __init__(
        self,
        spawn: Callable[[], AgentProcess],
        *,
        shared: bool,
        idle_time: float = IDLE_TIME,
        patience: float = PATIENCE,
        hold_time: float = HOLD_TIME,
    ) -> None:
        self._spawn = spawn
        self._shared = shared
        self._idle_time = idle_time
        self._patience = patience
        self._hold_time = hold_time
        self._changed = threading.Condition()
        self._processes: list[_Process] = []
        self._sessions: dict[str, _Process] = {}
        self._starting = 0
        self._ended = threading.Event()
        self._ended.set()

    def begin(self) -> None:
        """The host has booted: have the process ready that the first script will want."""
        self._ended = threading.Event()
        if self._shared:
            self._starting += 1
            self._release(self._start())
            threading.Thread(target=self._tidy, args=(self._ended,), name="idle processes", daemon=True).start()

    def end(self) -> None:
        """End all processes."""
        with self._changed:
            self._ended.set()
            processes, self._processes = self._processes, []
            self._sessions.clear()
            self._changed.notify_all()
        for process in processes:
            process.agent.stop()

    def kill(self) -> None:
        """End those that run something, as if they had been killed."""
        with self._changed:
            busy = [process for process in self._processes if process.busy]
        for process in busy:
            process.agent.stop()

    @property
    def count(self) -> int:
        return len(self._processes)

    @property
    def memory(self) -> int:
        """Bytes."""
        with self._changed:
            return sum(process.agent.resident_memory for process in self._processes)

    def run(
        self, request: Mapping[str, object], sources: Versions, session: str | None, wanted: Callable[[], bool]
    ) -> RunningCommand | None:
        """Run a script in a process that may, waiting for one.

        None when the script is not wanted any more, or the host stops.

        Raises:
            ExecutionError: no process can be started, or the session's has ended.
        """
        process = self._reserve(sources, session, wanted)
        if process is None:
            return None
        try:
            return process.agent.start(request, ended=lambda: self._release(process))
        except ExecutionError:
            self._release(process)
            raise

    def end_session(self, session: str) -> None:
        """Free what a session holds; harmless when there is no such session."""
        with self._changed:
            process = self._sessions.pop(session, None)
            if process is None:
                return
            over = not process.busy and self._over(process)
        process.agent.end_session(session)
        if over:
            process.agent.stop()

    # -- the choice (the lock is held, unless it says otherwise) -----------------------------------------------------

    def _reserve(self, sources: Versions, session: str | None, wanted: Callable[[], bool]) -> _Process | None:
        """Without the lock."""
        began = time.monotonic()
        while True:
            evicted: _Process | None = None
            with self._changed:
                if self._ended.is_set() or not wanted():
                    return None
                home = self._home(sources, session)
                process = home or self._idle_that_fits(sources)
                if process is not None and not process.busy:
                    self._take(process, sources, session)
                    return process
                if home is not None:
                    self._changed.wait(1)
                    continue
                if not self._has_room():
                    evicted = self._dispensable(even_sessions=time.monotonic() - began > self._patience)
                    if evicted is None:
                        self._changed.wait(min(1, self._patience))
                        continue
                    self._processes.remove(evicted)
                self._starting += 1
            if evicted is not None:
                evicted.agent.stop()
            process = self._start()
            with self._changed:
                self._take(process, sources, session)
            return process

    def _home(self, sources: Versions, session: str | None) -> _Process | None:
        """The session's process, if it has one.

        A session that brings another version of a source than its process has (it first ran something without sources,
        as Ansible does) moves on, and loses its variables.
        """
        home = self._sessions.get(session) if session is not None else None
        if home is None:
            return None
        if home.agent.dead:
            raise ExecutionError("The process of this runspace pool has ended.")
        return home if home.fits(sources) else None

    def _idle_that_fits(self, sources: Versions) -> _Process | None:
        if not self._shared:
            return None
        fitting = [
            process
            for process in self._processes
            if not process.busy and not process.retired and not process.agent.dead and process.fits(sources)
        ]
        # the one that has compiled most of it already: the others stay free for other versions
        return max(fitting, key=lambda process: len(sources.items() & process.sources.items()), default=None)

    def _has_room(self) -> bool:
        self._processes = [process for process in self._processes if not process.agent.dead]
        serving = sum(not process.retired and not self._is_held(process) for process in self._processes)
        return not self._shared or serving + self._starting < MOST_PROCESSES

    def _is_held(self, process: _Process) -> bool:
        return process.busy and time.monotonic() - process.taken > self._hold_time

    def _dispensable(self, *, even_sessions: bool) -> _Process | None:
        idle = [
            process
            for process in self._processes
            if not process.busy and not process.retired and (even_sessions or not self._has_sessions(process))
        ]
        return min(idle, key=lambda process: process.used, default=None)

    def _has_sessions(self, process: _Process) -> bool:
        return process in self._sessions.values()

    def _take(self, process: _Process, sources: Versions, session: str | None) -> None:
        process.busy = True
        process.taken = time.monotonic()
        process.sources |= sources
        if session is not None:
            left = self._sessions.get(session)
            self._sessions[session] = process
            if left is not None and left is not process:
                left.agent.end_session(session)

    def _over(self, process: _Process) -> bool:
        """Whether an idle process is not to be used again; then it is none of ours any more."""
        process.retired = process.agent.dead or process.used_up or not self._shared
        if not process.agent.dead and (not process.retired or self._has_sessions(process)):
            return False
        if process in self._processes:
            self._processes.remove(process)
        return True

    # -- starting and stopping (without the lock) --------------------------------------------------------------------

    def _start(self) -> _Process:
        """Start one more process, for the caller; `_starting` has counted it already."""
        try:
            agent = self._spawn()
            agent.wait_ready()
        except (ExecutionError, OSError) as error:
            raise ExecutionError(str(error)) from error
        else:
            process = _Process(agent)
            with self._changed:
                if not self._ended.is_set():
                    self._processes.append(process)
                    return process
            agent.stop()
            raise ExecutionError("the host is not running")
        finally:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()

    def _release(self, process: _Process) -> None:
        with self._changed:
            process.busy = False
            process.used = time.monotonic()
            over = self._over(process)
            serving = any(not other.retired for other in self._processes) or self._starting
            replace = self._shared and not serving and not self._ended.is_set()
            if replace:
                self._starting += 1
            self._changed.notify_all()
        if over:
            threading.Thread(target=process.agent.stop, daemon=True).start()
        if replace:
            threading.Thread(target=self._replace, daemon=True).start()

    def _replace(self) -> None:
        with contextlib.suppress(ExecutionError):  # whoever needs one tries again, and is told
            self._release(self._start())

    def _tidy(self, ended: threading.Event) -> None:
        """Stop what has not been used for a while; the latest stays."""
        while not ended.wait(self._idle_time / 4):
            with self._changed:
                latest = max(self._processes, key=lambda process: process.used, default=None)
                idle = [
                    process
                    for process in self._processes
                    if process is not latest
                    and not process.busy
                    and not self._has_sessions(process)
                    and time.monotonic() - process.used > self._idle_time
                ]
                self._processes = [process for process in self._processes if process not in idle]
            for process in idle:
                process.agent.stop()
