"""ansible-playbook without its start: a process that has imported Ansible forks a child for each run.

A child is as new as the command: it has its own arguments, environment and folder, and ends with the run. What Ansible
reads when it is imported (its configuration, `ANSIBLE_*`) is of the server's environment, so a server serves only runs
with the same.

    python forked_ansible.py     reads jobs from standard input, a line of JSON each, and answers each with a line
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import gc
import json
import multiprocessing.util
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

#: What a run would import, in the order that matters: the command first, since it checks locale and streams.
IMPORTED = (
    "ansible.cli.playbook",
    "ansible.executor.playbook_executor",
    "ansible.executor.task_queue_manager",
    "ansible.plugins.connection.winrm",
    "ansible.plugins.strategy",
    "cryptography.x509",
    "requests_ntlm",
    "spnego",
    "winrm",
    "xmltodict",
)
PR_SET_CHILD_SUBREAPER = 36


# ---- the server


def serve() -> None:
    """Run one job after the other until standard input ends; a job that runs then is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)
    for name in IMPORTED:
        __import__(name)
    gc.collect()
    gc.freeze()  # children share the memory until they write to it
    while line := sys.stdin.readline():
        print(json.dumps(run_job(json.loads(line))), flush=True)


def run_job(job: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the exit code, as subprocess has it; None when the job was killed because its time was up."""
    child = os.fork()
    if not child:
        run_playbook(job)
    ended = os.pidfd_open(child)
    ready: list[Any] = []
    try:
        ready, _, _ = select.select([ended, sys.stdin], [], [], job["timeout"])
    finally:
        os.close(ended)
        if not ready:
            print_stacks(child, Path(job["stderr"]))
        if not ready or sys.stdin in ready:
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        end_workers()
    return {"code": code if ready else None}


def print_stacks(process: int, errors: Path) -> None:
    """Let a run and its workers write to its standard error what each of their threads does, one after the other."""
    for one in (process, *children(process)):
        with contextlib.suppress(OSError, StopIteration):
            status = Path(f"/proc/{one}/status").read_text().splitlines()
            caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
            if caught >> (signal.SIGUSR1 - 1) & 1:  # a command that a worker has started would die of it
                size = errors.stat().st_size
                os.kill(one, signal.SIGUSR1)
                await_end(errors, size)


def await_end(file: Path, begun: int) -> None:
    """Wait until a file has grown and grows no more, for 5 seconds at most. begun: its size before, in bytes."""
    deadline, before, size = time.monotonic() + 5, -1, begun
    while time.monotonic() < deadline and (size == begun or size != before):
        time.sleep(0.2)
        before, size = size, file.stat().st_size


def children(process: int) -> list[int]:
    """Those that a process has, which may end at any time."""
    found: list[int] = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, file.read_text().split())
    return found


def end_workers() -> None:
    """Kill what a run has left, which is a child of this process since its parent is gone."""
    while left := children(os.getpid()):
        for process in left:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def run_playbook(job: Mapping[str, Any]) -> NoReturn:
    """What the command ansible-playbook does, in the child."""
    code = 1
    try:
        os.environ.clear()
        os.environ.update(job["environment"])
        os.chdir(job["directory"])
        for number, (path, flags) in enumerate(
            [(os.devnull, os.O_RDONLY), *((job[name], os.O_WRONLY | os.O_APPEND) for name in ("stdout", "stderr"))]
        ):
            file = os.open(path, flags)
            os.dup2(file, number)
            os.close(file)
        # not standard error itself, which a worker replaces
        stacks = os.open(job["stderr"], os.O_WRONLY | os.O_APPEND)
        faulthandler.register(signal.SIGUSR1, file=stacks)
        sys.argv = ["ansible-playbook", *job["arguments"]]
        # what the server would clean up at its own end, its temporary folder among it, is not this run's
        atexit._clear()  # type: ignore[attr-defined]
        atexit.register(multiprocessing.util._exit_function)
        constants = sys.modules["ansible.constants"]
        constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(  # type: ignore[attr-defined]
            prefix=f"ansible-local-{os.getpid()}", dir=Path(constants.DEFAULT_LOCAL_TMP).parent
        )
        atexit.register(shutil.rmtree, constants.DEFAULT_LOCAL_TMP, ignore_errors=True)
        sys.modules["ansible.cli.playbook"].main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


# ---- its client


@dataclass(frozen=True)
class Completed:
    """As subprocess.CompletedProcess."""

    returncode: int
    stdout: str
    stderr: str


class ForkedAnsible:
    """The servers of this process. Each runs one playbook at a time; runs at once get one each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, ...], list[subprocess.Popen[str]]] = {}

    def run(
        self, arguments: Sequence[str], directory: Path, environment: Mapping[str, str], folder: Path, timeout: float
    ) -> Completed:
        """Run ansible-playbook.

        Args:
            arguments: those of the command.
            directory: where it runs.
            environment: its variables.
            folder: for the files of its output.
            timeout: seconds.

        Raises:
            TimeoutError: it did not end in time, and was killed.
        """
        settings = tuple(f"{name}={value}" for name, value in sorted(environment.items()) if name.startswith("ANSIBLE"))
        server = self._take(settings, environment)
        outputs = {name: folder / name for name in ("stdout", "stderr")}
        for path in outputs.values():
            path.touch()
        job = {
            "arguments": list(arguments),
            "directory": str(directory),
            "environment": dict(environment),
            "timeout": timeout,
            **{name: str(path) for name, path in outputs.items()},
        }
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps(job), file=server.stdin, flush=True)
        answer = server.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that runs Ansible has ended with {server.wait()}")
        with self._lock:
            self._idle.setdefault(settings, []).append(server)
        said = {name: path.read_text(encoding="utf-8", errors="replace") for name, path in outputs.items()}
        code = json.loads(answer)["code"]
        if code is None:
            raise TimeoutError(
                f"ansible-playbook did not end within {timeout:.0f} s:\n{said['stdout'][-4000:]}"
                f"{said['stderr'][-8000:]}"
            )
        return Completed(code, **said)

    def _take(self, settings: tuple[str, ...], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if idle := self._idle.get(settings):
                return idle.pop()
        return subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )


if __name__ == "__main__":
    serve()
