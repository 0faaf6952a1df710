#!/usr/bin/env python3
"""What a fleet costs the controller: the collection's playbooks beside win_ping and beside twin.yml, in one run.

    python3 tests/bench/fleet.py [--hosts N ...] [--only NAME ...] [--rounds N] [--commands FOLDER] [--output FILE]

The hosts exist only as data (fleet_hosts.py): a connection plugin returns what the modules return. Everything else is
an unchanged ansible-playbook with Ansible's default configuration and 20 forks. What WinRM costs is not measured.
CPU is user and system time of the whole process tree, Ansible's own start included. Memory is the highest sum of its
processes' proportional set sizes among samples.
Exit code 1: a goal is missed. Exit code 2: a run did not do what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench.fleet_hosts import Host, calls_of, hosts_of, write_world  # noqa: E402

FORKS = 20
SAMPLE_SECONDS = 0.2
PING_PLAY = {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.windows.win_ping": {}}]}


@dataclass(frozen=True)
class Case:
    """Something that is measured.

    Attributes:
        playbook: a file, or a playbook of the collection; empty for PING_PLAY.
        mixed: whether some hosts have drifted, are unreachable or are blocked.
        module_runs: on each host; None where the playbook decides.
        ratio: the goal for its CPU per host, in those of win_ping; None for no goal.
        growth: the goal for the CPU per host of the largest fleet, in those of the smallest; None for no goal.
    """

    name: str
    playbook: str
    mixed: bool = False
    module_runs: int | None = None
    ratio: float | None = None
    growth: float | None = None


PING = Case("win_ping", "", module_runs=1)
CASES = {
    case.name: case
    for case in (
        PING,
        Case("twin", str(ROOT / "tests/bench/twin.yml"), module_runs=30),
        Case("audit", "infoprotect.aip.audit", ratio=3, growth=1.2),
        Case("audit-mixed", "infoprotect.aip.audit", mixed=True, ratio=3, growth=1.2),
        Case("site", "infoprotect.aip.site", ratio=4),
    )
}


class BenchError(Exception):
    """A run did not do what is measured."""


@dataclass(frozen=True)
class Cost:
    """What one ansible-playbook run cost the controller.

    Attributes:
        cpu: seconds for each host.
        memory: MiB at most.
        seconds: from the start to the end.
        module_runs: for each host on average.
    """

    name: str
    hosts: int
    cpu: float
    memory: float
    seconds: float
    module_runs: float


@dataclass(frozen=True)
class Goal:
    """`value` is None when it was not measured."""

    text: str
    value: float | None
    limit: float

    @property
    def verdict(self) -> str:
        if self.value is None:
            return f"not measured: {self.text}"
        return f"{'met' if self.value <= self.limit else 'MISSED'}: {self.text}: {self.value:.2f}"


def measure(case: Case, count: int, commands: Path) -> Cost:
    """Run ansible-playbook once.

    Raises:
        BenchError: the run did not do what is measured.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hosts = hosts_of(count, mixed=case.mixed)
        inventory = write_world(folder, hosts)
        playbook = case.playbook
        if not playbook:
            playbook = str(folder / "ping.yml")
            Path(playbook).write_text(json.dumps([PING_PLAY]), encoding="utf-8")
        command = [str(commands / "ansible-playbook"), playbook, f"--inventory={inventory}", f"--forks={FORKS}"]
        output = folder / "output"
        start = time.monotonic()
        with output.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            with _peak_memory(process.pid) as memory:
                _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        calls = calls_of(folder)
        if problem := _problem(case, hosts, process.returncode, calls):
            text = output.read_text(encoding="utf-8", errors="replace")
            raise BenchError(f"{case.name} with {count} hosts: {problem}\n{text[-4000:]}")
    cpu = (usage.ru_utime + usage.ru_stime) / count
    runs = sum(map(len, calls.values())) / count
    return Cost(case.name, count, cpu, max(memory) / 1024, seconds, runs)


def _environment(folder: Path) -> dict[str, str]:
    """The caller's without settings of Ansible; what is set here finds plugins and keeps files in the folder."""
    configuration = folder / "ansible.cfg"
    configuration.touch()
    return {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests/integration/simulated/connection_plugins"),
        "PYTHONPATH": str(ROOT / "tests"),
        "SIMULATED_BY": "bench.fleet_hosts",
        "SIMULATED_WORLD": str(folder),
    }


def _problem(case: Case, hosts: Sequence[Host], code: int, calls: dict[str, list[str]]) -> str:
    """Why the run is not what is measured, or nothing."""
    # 2: a host has failed; 4: one is unreachable.
    expected = (0, 2, 4) if case.mixed else (0,)
    if code not in expected:
        return f"ansible-playbook ended with {code}, expected {' or '.join(map(str, expected))}"
    if missed := [host.name for host in hosts if host.name not in calls]:
        return f"no module was run on {len(missed)} hosts, such as {missed[0]}"
    if case.module_runs and any(len(modules) != case.module_runs for modules in calls.values()):
        return f"expected {case.module_runs} module runs on each host"
    return ""


@contextlib.contextmanager
def _peak_memory(process: int) -> Iterator[list[int]]:
    """Samples of the KiB that a process and its descendants use, while the block runs."""
    samples = [0]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            samples.append(sum(map(_proportional_set, _tree(process))))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _tree(process: int) -> list[int]:
    """The process and its descendants."""
    found = [process]
    for parent in found:
        # A process may end at any time.
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return found


def _proportional_set(process: int) -> int:
    """The KiB of a process; what it shares with others counts in part. 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def medians(costs: Sequence[Cost]) -> dict[tuple[str, int], Cost]:
    """By name and number of hosts, the run with the median CPU."""
    groups: dict[tuple[str, int], list[Cost]] = {}
    for cost in costs:
        groups.setdefault((cost.name, cost.hosts), []).append(cost)
    return {
        key: min(group, key=lambda cost: abs(cost.cpu - statistics.median(one.cpu for one in group)))
        for key, group in groups.items()
    }


def goals_of(costs: dict[tuple[str, int], Cost], sizes: Sequence[int]) -> list[Goal]:
    """The goals of all cases, with what was measured."""

    def quotient(one: tuple[str, int], other: tuple[str, int]) -> float | None:
        return costs[one].cpu / costs[other].cpu if one in costs and other in costs else None

    goals = []
    for case in CASES.values():
        if case.ratio is not None:
            for size in sizes:
                text = f"{case.name}, {size} hosts: at most {case.ratio} times win_ping's CPU per host"
                goals.append(Goal(text, quotient((case.name, size), (PING.name, size)), case.ratio))
        if case.growth is not None:
            least, most = min(sizes), max(sizes)
            text = f"{case.name}, {most} hosts: at most {case.growth} times the CPU per host of {least} hosts"
            value = quotient((case.name, most), (case.name, least)) if least < most else None
            goals.append(Goal(text, value, case.growth))
    return goals


def table(costs: dict[tuple[str, int], Cost]) -> str:
    """The figures, in Markdown."""
    lines = [
        "| | hosts | module runs per host | CPU seconds per host | of win_ping's | memory, MiB | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for cost in costs.values():
        ping = costs.get((PING.name, cost.hosts))
        ratio = f"{cost.cpu / ping.cpu:.2f}" if ping else ""
        lines.append(
            f"| {cost.name} | {cost.hosts} | {cost.module_runs:.2f} | {cost.cpu:.3f} | {ratio} "
            f"| {cost.memory:.0f} | {cost.seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


def commands_in(folder: str) -> Path:
    """The folder of an ansible-core's commands. It is absolute: a run has its own current directory."""
    # not resolved, since the commands of a virtual environment may be links out of it
    path = Path(folder).absolute()
    if not (path / "ansible-playbook").is_file():
        raise argparse.ArgumentTypeError(f"{path} has no ansible-playbook: expected the folder that has it")
    return path


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1000], help="sizes of the fleet (100 1000)")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES), help="measure only these")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each; the one with the median CPU counts")
    parser.add_argument(
        "--commands", type=commands_in, default=Path(sys.executable).parent, help="the folder that has ansible-playbook"
    )
    parser.add_argument("--output", type=Path, help="also write the table to this file")
    arguments = parser.parse_args(words)
    costs = []
    try:
        for size in arguments.hosts:
            # In turns, since the machine is not as fast at all times.
            for _round in range(arguments.rounds):
                for name in arguments.only:
                    costs.append(measure(CASES[name], size, arguments.commands))
                    print(costs[-1], flush=True)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    found = medians(costs)
    print(text := table(found))
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    goals = goals_of(found, arguments.hosts)
    for goal in goals:
        print(goal.verdict)
    return 1 if any(goal.verdict.startswith("MISSED") for goal in goals) else 0


if __name__ == "__main__":
    sys.exit(main())
