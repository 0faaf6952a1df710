"""Which tests there are, to which part they belong, and which of them run in one job.

Standard library only, as bin/test --help needs it before anything is installed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stage:
    """Tests of one kind, which are in one folder.

    Attributes:
        split: what runs in a job of its own: the whole "folder", each "file", or each "test".
        hosts: whether a job has a fleet of its own.
        seconds: an estimate for one test, used until a run has measured the job.
        at_most: tests in a job; more are divided among several jobs.
    """

    folder: str
    split: str
    hosts: bool
    seconds: float
    at_most: int = 10_000


STAGES = {
    "gates": Stage("tests/gates", "folder", False, 10),
    "unit": Stage("tests/unit", "folder", False, 0.06),
    "modules": Stage("tests/integration/modules", "file", True, 6),
    "rollout": Stage("tests/integration/rollout", "file", True, 40, at_most=30),
    "playbooks": Stage("tests/integration/playbooks", "file", True, 20),
    "cores": Stage("tests/integration/cores", "file", True, 20),
    "emulation": Stage("tests/integration/winfleet", "file", True, 3),
    "molecule": Stage("tests/integration/molecule", "test", True, 120),
}

DEFAULT = "default"
#: Parts that repeat the tests of modules on cold hosts, and whether those are the ones that install software.
COLD = {"cold": False, "cold-software": True}
SOFTWARE = ("modules/client", "modules/connector")
#: A test is in the default part, or it is marked `full`: then the mark or its folder names the part.
PARTS = {
    DEFAULT: "what bin/test runs without --full",
    "cold": "the module tests of settings, on hosts that start a PowerShell process for each command",
    "cold-software": "those of the client and the connector, on such hosts",
    "gates": "ansible-lint and ansible-test sanity with the other versions of ansible-core",
    "modules": "the other module tests",
    "clients": "every way from one client to another, on every version of Windows",
    "playbooks": "the other tests of playbooks and roles",
    "cores": "every ansible-core over every kind of connection",
    "rollout": "the other rolling upgrades",
    "cut-offs": "runs that are killed at each of their steps",
    "deaths": "members that die in the middle of a rolling upgrade",
    "emulation": "the other tests of the emulated hosts",
    "molecule": "the other Molecule scenarios",
}

#: Files that use the same hosts share a job and its fleet, but not on cold hosts, which are slow; each other file is a
#: job of its own.
TOGETHER = {
    "modules/settings": ("client_settings", "failures", "host_info", "registry_values", "restore", "tls"),
    "modules/client": ("client", "client_failures", "dotnet_framework"),
    "modules/connector": (
        "addresses",
        "connector",
        "connector_https",
        "desired_state",
        "endpoint_info",
        "examples",
        "protection_service_administrator",
    ),
    "playbooks/site": ("preflight", "selftest", "site", "waves"),
    "playbooks/connectors": ("authorization", "connector_https", "connectors", "irm_servers"),
}


@dataclass(frozen=True)
class Case:
    """A test as pytest has collected it; `cold`: the default part runs it on a cold host, too."""

    nodeid: str
    cold: bool = False


@dataclass(frozen=True)
class Job:
    """Tests that one pytest process runs, with a fleet of their own if they need hosts."""

    name: str
    stage: str
    part: str
    targets: tuple[str, ...]
    tests: tuple[str, ...]
    cold: bool = False
    options: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the job in the history, also among those of other parts."""
        return f"{self.part} {self.name}"

    @property
    def file_name(self) -> str:
        """Names the job's log and the folder of its fleet."""
        name = self.name.replace("/", "-")
        return name if self.part == DEFAULT else f"{self.part}-{name}"


def stage_of(path: str) -> str:
    """Return the stage of a test's file; ValueError when no stage has it."""
    for name, stage in STAGES.items():
        if PurePosixPath(path).is_relative_to(stage.folder):
            return name
    raise ValueError(f"{path} is in no folder of a stage. Move it, or add its folder to tests/runner/plan.py")


def part_of(path: str, full: bool, named: str = "") -> str:
    """Return the one part of a test: `full` tells whether it is so marked, `named` which part the mark names."""
    if not full:
        return DEFAULT
    part = named or stage_of(path)
    if part not in PARTS or part in (DEFAULT, *COLD):
        raise ValueError(f"{path}: no part {part!r} for its mark `full`. Name one, or add it to tests/runner/plan.py")
    return part


def selects(part: str, path: str, own: str) -> bool:
    """Return whether a part runs a test, of which the own part is known."""
    if part not in COLD:
        return own == part
    installs = _job_name("modules", path, "") in SOFTWARE
    return stage_of(path) == "modules" and own in (DEFAULT, "modules") and COLD[part] == installs


def jobs_of(tests: Iterable[Case], part: str) -> list[Job]:
    """Return the jobs that run the collected tests of a part."""
    groups: dict[tuple[str, str], list[Case]] = {}
    cold = []
    for test in tests:
        path = test.nodeid.partition("::")[0]
        stage = stage_of(path)
        name = _job_name(stage, path, test.nodeid, together={} if part in COLD else TOGETHER)
        groups.setdefault((stage, name), []).append(test)
        if test.cold and part == DEFAULT:
            cold.append(test)
    jobs = []
    for (stage, name), members in groups.items():
        nodeids = tuple(test.nodeid for test in members)
        count = math.ceil(len(nodeids) / STAGES[stage].at_most)
        size = math.ceil(len(nodeids) / count)
        if count > 1:
            shares = [nodeids[start : start + size] for start in range(0, len(nodeids), size)]
            jobs += [
                Job(f"{name}-{number}", stage, part, own, own, part in COLD) for number, own in enumerate(shares, 1)
            ]
            continue
        targets = {"folder": (STAGES[stage].folder,), "file": _files(members), "test": nodeids}[STAGES[stage].split]
        jobs.append(Job(name, stage, part, targets, nodeids, part in COLD))
    if cold:
        nodeids = tuple(test.nodeid for test in cold)
        jobs.append(Job("modules/cold", "modules", part, _files(cold), nodeids, True, ("-m", "cold")))
    return jobs


def _files(tests: Iterable[Case]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(test.nodeid.partition("::")[0] for test in tests))


def _job_name(stage: str, path: str, nodeid: str, together: Mapping[str, tuple[str, ...]] = TOGETHER) -> str:
    if STAGES[stage].split == "folder":
        return stage
    if STAGES[stage].split == "test":
        return f"{stage}/{nodeid.partition('[')[2].removesuffix(']') or nodeid.rpartition('::')[2]}"
    stem = PurePosixPath(path).stem.removeprefix("test_")
    for name, stems in together.items():
        if name.startswith(f"{stage}/") and stem in stems:
            return name
    return f"{stage}/{stem}"
