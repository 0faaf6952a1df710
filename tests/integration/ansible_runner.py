"""Runs an unchanged ansible-playbook against the emulated fleet and returns its results as Python objects."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from setup.environment import PYTHONS_OF_CORE
from winfleet.paths import state_directory

from .forked_ansible import Completed, ForkedAnsible

ROOT = Path(__file__).resolve().parents[2]
INVENTORIES = (ROOT / "inventories/emulated", ROOT / "tests/integration/inventory")
Json = dict[str, Any]
#: Seconds for a playbook, less than pytest's limit for a test. A cold host takes a second and more for each command.
TIMEOUT = 1700.0 if os.environ.get("WINFLEET_MODE") == "cold" else 540.0
#: The commands of the environment that runs the tests, whose ansible-playbook need not be started for each run.
OWN_COMMANDS = Path(sys.executable).parent
FORKED = ForkedAnsible()
#: All supported ansible-cores but the newest.
OLDER_CORES = tuple(PYTHONS_OF_CORE)[:-1]

#: Narrows a run to what is the connector's.
CONNECTOR_TAGS = "--tags=connector,connector_https,connector_settings"


def reset_hosts(*hosts: str) -> None:
    """Give emulated hosts the state that they had when they were new."""
    inventories = [f"--inventory={inventory}" for inventory in INVENTORIES]
    command = [str(ROOT / "bin/fleet"), *inventories, "reset", *hosts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def lose_host(host: str, installer: str, run: Callable[[], Run]) -> Run:
    """A run whose host loses power as soon as it runs the installer, and is back when the run has ended."""
    fault = [str(ROOT / "bin/fleet"), "fault", host]
    with ThreadPoolExecutor() as beside:
        lost = beside.submit(run)
        deadline = time.monotonic() + 300
        while not (processes := processes_of(host, installer)):
            assert not lost.done(), f"the run has ended, and {installer} did not run: {lost.result().stdout}"
            assert time.monotonic() < deadline, f"{host} does not run {installer}"
            time.sleep(0.1)
        subprocess.run([*fault, "lost_host"], check=True)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait([lost])
        subprocess.run([*fault, "clear"], check=True)
        return lost.result()


def processes_of(host: str, program: str) -> list[int]:
    """Those of the host whose command line has the program's name."""
    prefix = f"WINEPREFIX={state_directory() / 'hosts' / host / 'prefix'}\0"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command, environment = ((process / name).read_text(errors="replace") for name in ("cmdline", "environ"))
            if program in command and prefix in environment:
                found.append(int(process.name))
    return found


def what_hosts_do() -> str:
    """The processes of each emulated host, and the last lines of its log."""
    lines = []
    for folder in sorted((state_directory() / "hosts").iterdir()):
        lines += [f"{folder.name}:", *(f"  {line}" for line in _end_of(folder / "log", 8).splitlines())]
        for process in processes_of(folder.name, ""):
            with suppress(OSError):
                command = Path(f"/proc/{process}/cmdline").read_text(errors="replace").replace("\0", " ")
                waits_in = Path(f"/proc/{process}/wchan").read_text()
                lines.append(f"  {process} {waits_in} {command[:200]}")
    return "\n".join(lines)


def _end_of(file: Path, count: int) -> str:
    with suppress(OSError):
        return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
    return f"no {file.name}"


@dataclass(frozen=True)
class Run:
    """One ansible-playbook run: `rc`, the raw output, and the result of each task for each host, in order."""

    rc: int
    stdout: str
    stderr: str
    results: list[tuple[str, str, Json]] = field(repr=False)  # (task name, host, result)
    stats: dict[str, Json] = field(repr=False)
    durations: list[tuple[str, float]] = field(repr=False)  # (task name, seconds)

    def task(self, name: str, host: str) -> Json:
        """The result of the task of this name on this host; an error when it did not run exactly once."""
        found = [result for task, where, result in self.results if task == name and where == host]
        assert len(found) == 1, f"task '{name}' ran {len(found)} times on {host}:\n{self.stdout[-4000:]}{self.stderr}"
        return found[0]

    def module_runs(self, host: str) -> list[str]:
        """The names of the tasks that ran a module on this host."""
        return [task for task, where, result in self.results if where == host and _ran_on_host(result)]

    def module_results(self, host: str) -> list[Json]:
        """What these tasks returned."""
        return [result for _task, where, result in self.results if where == host and _ran_on_host(result)]

    @property
    def failures(self) -> list[tuple[str, str, Any]]:
        """What failed: task, host, message."""
        return [
            (task, host, result.get("msg"))
            for task, host, result in self.results
            if result.get("failed") or result.get("unreachable")
        ]

    def seconds(self, name: str) -> float:
        """How long the one task of this name took."""
        (seconds,) = [seconds for task, seconds in self.durations if task == name]
        return seconds


class AnsiblePlaybook:
    """ansible-playbook of one virtual environment, with the checkout's configuration and inventory."""

    def __init__(self, bin_folder: Path, inventories: Sequence[Path] = INVENTORIES) -> None:
        self.bin_folder = bin_folder
        self.inventories = inventories

    def run(
        self,
        playbook: Path | Sequence[Json],
        *arguments: str,
        extra_vars: Mapping[str, Any] | None = None,
        expect: int | None = 0,
        cut_off_before: str = "",
        suspended: Path | None = None,
        timeout: float = TIMEOUT,
    ) -> Run:
        """Run a playbook (a file, or plays as data). `expect`: the exit code, None for any.

        `cut_off_before`: a task, with or without its role, before which the run is killed; the run must reach it,
        unless `expect` is None. With `suspended` it is only stopped there (SIGSTOP), the first time; that file has its
        process then.
        """
        with tempfile.TemporaryDirectory() as folder:
            if not isinstance(playbook, Path):
                file = Path(folder, "playbook.yml")
                file.write_text(yaml.safe_dump(list(playbook), allow_unicode=True, sort_keys=False), encoding="utf-8")
                playbook = file
            words = [str(playbook), *arguments, *(f"--inventory={inventory}" for inventory in self.inventories)]
            values = Path(folder, "extra.json")
            given = {"aip_report_dir": f"{folder}/report", **(extra_vars or {})}
            values.write_text(json.dumps(given), encoding="utf-8")
            words += ["-e", f"@{values}"]
            variables = os.environ | {
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "ANSIBLE_JSON_INDENT": "0",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_DEPRECATION_WARNINGS": "0",
                # what a module was given is in its results, as older ansible-core always has it
                "ANSIBLE_INJECT_INVOCATION": "1",
            }
            progress = Path(folder, "progress")
            variables["ANSIBLE_CALLBACK_PLUGINS"] = str(ROOT / "tests/integration/callbacks")
            variables["ANSIBLE_CALLBACKS_ENABLED"] = "progress"
            variables["PROGRESS"] = str(progress)
            if cut_off_before:
                variables["ANSIBLE_CALLBACKS_ENABLED"] = "progress,cut_off"
                variables["CUT_OFF_BEFORE"] = cut_off_before
                if suspended:
                    variables["SUSPENDED"] = str(suspended)
                else:
                    expect = None if expect is None else -signal.SIGKILL
            done: Completed | subprocess.CompletedProcess[str]
            try:
                if self.bin_folder == OWN_COMMANDS and not cut_off_before:
                    done = FORKED.run(words, ROOT, variables, Path(folder), timeout)
                else:
                    command = [str(self.bin_folder / "ansible-playbook"), *words]
                    done = subprocess.run(
                        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=timeout, check=False
                    )
            except (TimeoutError, subprocess.TimeoutExpired) as error:
                at = _end_of(progress, 30)
                last = " ".join(at.rpartition("task: ")[2].split())
                raise TimeoutError(f"stopped at: {last}\n{error}\n{at}\n{what_hosts_do()}") from None
        run = Run(done.returncode, done.stdout, done.stderr, *_results(done.stdout))
        if expect is not None and run.rc != expect:
            raise AssertionError(
                f"ansible-playbook ended with {run.rc}, expected {expect}: {run.failures}\n"
                f"{done.stdout[-6000:]}{done.stderr[-4000:]}"
            )
        return run


@contextmanager
def suspended(
    run: Callable[..., Run], beside: ThreadPoolExecutor, file: Path, before: str
) -> Iterator[tuple[Future[Run], int]]:
    """A run, and its process, which is suspended before a task while the block runs, and goes on after it."""
    started = beside.submit(run, expect=None, cut_off_before=before, suspended=file)
    while not (file.exists() and (process := file.read_text(encoding="utf-8")) and is_stopped(process)):
        assert not started.done(), started.result().stdout
        time.sleep(0.05)
    try:
        yield started, int(process)
    finally:
        if not started.done():
            os.kill(int(process), signal.SIGCONT)


def is_stopped(process: str) -> bool:
    """By proc(5): the state follows the name in parentheses."""
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].startswith("T")


def ansible_of(core: str, inventories: Sequence[Path] = INVENTORIES) -> AnsiblePlaybook:
    """ansible-playbook of a supported ansible-core; the test is skipped, but not in CI, when it is not installed."""
    folder = ROOT / ".cache/venvs" / f"core-{core}" / "bin"
    if not (folder / "ansible-playbook").exists():
        missing = (
            f"ansible-core {core} is missing. Install a Python for it and run tests/setup/environment.py --for full."
        )
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return AnsiblePlaybook(folder, inventories)


def older_cores(*by_default: str) -> list[Any]:
    """The parameters of a test: each older ansible-core. Those that are not named are `full`."""
    return [pytest.param(core, marks=[] if core in by_default else pytest.mark.full) for core in OLDER_CORES]


# What these do, they do on the controller.
_ON_CONTROLLER = {"set_fact", "debug", "assert", "fail", "include_role", "import_role", "include_tasks", "include_vars"}
_ON_CONTROLLER |= {"meta", "set_stats", "validate_argument_spec", "group_by", "add_host"}
#: They say themselves whether they asked the host.
_MAY_ASK = {"infoprotect.aip.rms_pool_turn", "infoprotect.aip.authorization_list"}
_ON_CONTROLLER |= {f"infoprotect.aip.{name}" for name in ("prepare", "plan", "report", "authorization_groups")}
_ON_CONTROLLER.add("infoprotect.aip.protection_service_graph_info")
# No Windows host runs it, so it was delegated; of a loop, ansible-core before 2.21 does not say so.
_ON_CONTROLLER.add("copy")


def _ran_on_host(result: Json) -> bool:
    """Whether a module ran on the host for it: not skipped, not an earlier result, not the controller's."""
    name = result.get("action", "").removeprefix("ansible.builtin.")
    if name in _MAY_ASK and not result.get("asked_host"):
        return False
    delegated = all("_ansible_delegated_vars" in item for item in result.get("results") or [result])
    return not result.get("skipped") and name not in _ON_CONTROLLER and not delegated


def _results(stdout: str) -> tuple[list[tuple[str, str, Json]], dict[str, Json], list[tuple[str, float]]]:
    start = stdout.find("{")
    if start < 0:
        return [], {}, []
    data, _end = json.JSONDecoder().raw_decode(stdout[start:])
    tasks = [task for play in data["plays"] for task in play["tasks"]]
    results = [(task["task"]["name"], host, result) for task in tasks for host, result in task["hosts"].items()]
    return results, data["stats"], [(task["task"]["name"], _duration(task["task"]["duration"])) for task in tasks]


def _duration(times: Json) -> float:
    if "end" not in times:
        return 0.0
    start, end = (datetime.fromisoformat(times[key]) for key in ("start", "end"))
    return (end - start).total_seconds()
