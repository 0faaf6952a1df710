"""Runs jobs, several at the same time, the longest first. Each is a pytest process below a warden (warden.py)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.plan import ROOT, STAGES, Case, Job

WARDEN = Path(__file__).with_name("warden.py")
LOGS = ROOT / ".cache" / "test"
#: The fleets of jobs; bin/fleet down stops them, too (tests/winfleet/paths.py).
FLEETS = ROOT / ".cache" / "winfleet" / "beside"
#: A job in which no test ends for so long hangs, in seconds. The longest test may take half an hour.
SILENCE = 2400.0
#: Seconds for a test on cold hosts, instead of pytest's limit (pyproject.toml).
COLD_TIMEOUT = 1800
#: How long a job has for what it stops itself, in seconds.
STOP_TIMEOUT = 30.0


class CollectionError(Exception):
    """pytest cannot collect the tests; the message has its output."""


@dataclass(frozen=True)
class Ended:
    """How one test ended: "passed", "failed" or "skipped"; the text says why it failed."""

    nodeid: str
    outcome: str
    seconds: float
    text: str = ""


@dataclass
class Result:
    """What a job came to. A problem is a failure that no test reports, such as a pytest that crashed."""

    job: Job
    tests: dict[str, Ended] = field(default_factory=dict)
    problem: str = ""
    wall: float = 0
    cpu: float = 0
    complete: bool = False

    def of(self, outcome: str) -> list[Ended]:
        return [test for test in self.tests.values() if test.outcome == outcome]

    @property
    def failed(self) -> int:
        return len(self.of("failed")) + bool(self.problem)


def pytest_command(part: str, record: Path, *arguments: str) -> list[str]:
    """The command that runs or collects tests of a part."""
    return [sys.executable, "-m", "pytest", f"--part={part}", f"--record={record}", *arguments]


def variables(job: Job | None = None, *, full: bool = False) -> dict[str, str]:
    """The environment of pytest: the virtual environment first, plain text, and the job's own fleet."""
    values = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
        "ANSIBLE_NOCOLOR": "1",
    }
    values.pop("FORCE_COLOR", None)
    if full and not (job and job.cold):
        # of the property test, which has 20 of its own; on a cold host, where each takes half a minute, that is enough
        values["WINFLEET_EXAMPLES"] = "60"
    if job and STAGES[job.stage].hosts:
        values |= {"WINFLEET_STATE": str(FLEETS / job.file_name), "WINFLEET_MODE": "cold" if job.cold else "warm"}
    return values


def collect(part: str, folders: Sequence[str]) -> list[Case]:
    """Return the tests of a part in these folders."""
    record = LOGS / f"collected-{part}.jsonl"
    record.unlink(missing_ok=True)
    command = pytest_command(part, record, "--collect-only", "-qq", *folders)
    done = subprocess.run(command, cwd=ROOT, env=variables(), capture_output=True, text=True, check=False)
    # 5: none is selected, which the caller judges
    if done.returncode not in (0, 5):
        raise CollectionError(f"pytest cannot collect the tests:\n{done.stdout}{done.stderr}")
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    return [Case(line["collected"], line["cold"]) for line in map(json.loads, lines) if "collected" in line]


def run_command(job: Job) -> list[str]:
    options = (*job.options, f"--timeout={COLD_TIMEOUT}") if job.cold else job.options
    return pytest_command(job.part, LOGS / f"{job.file_name}.jsonl", *options, *job.targets)


class RunningJob:
    """A job's process, and what it has recorded so far."""

    def __init__(self, job: Job, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.result = Result(job)
        self.log, self.record, self._answer = (
            LOGS / f"{job.file_name}.{suffix}" for suffix in ("log", "jsonl", "warden.json")
        )
        for file in (self.log, self.record, self._answer):
            file.unlink(missing_ok=True)
        self._read = 0
        self._started = self._last = time.monotonic()
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, WARDEN, self._answer, *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def poll(self) -> bool:
        """Read what is recorded; True when the job has ended."""
        ended = self._process.poll() is not None
        self._read_record()
        hangs = not ended and time.monotonic() - self._last > SILENCE
        if hangs:
            self.stop()
        if ended or hangs:
            self._finish([f"no test ended for {SILENCE:.0f} s"] if hangs else [])
        return ended or hangs

    def signal_stop(self) -> None:
        self._process.terminate()

    def stop(self) -> None:
        """End the job with all its processes, and wait for that."""
        self.signal_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT)
        self._process.kill()
        self._process.wait()
        self._read_record()
        self._take_answer()

    def _read_record(self) -> None:
        if not self.record.exists():
            return
        with self.record.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]
        self._read += len(text)
        for line in map(json.loads, text.splitlines()):
            if "test" in line:
                nodeid = line.pop("test")
                self.result.tests[nodeid] = Ended(nodeid, **line)
                self._last = time.monotonic()

    def _take_answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            answer = json.loads(self._answer.read_text())
        self.result.wall = self.elapsed
        self.result.cpu = answer.get("cpu", 0.0)
        if killed := answer.get("killed"):
            with self.log.open("a") as log:
                log.write("".join(f"left running, killed: {line}\n" for line in killed))
        return answer

    def _finish(self, reasons: list[str]) -> None:
        """Judge the end: what pytest's exit code means, and tests that have no result."""
        result, code = self.result, self._take_answer().get("code")
        missing = [nodeid for nodeid in result.job.tests if nodeid not in result.tests]
        if code is None:
            reasons.append("the job was killed")
        elif code not in (0, 1) or (code == 1 and not result.of("failed")):
            reasons.append(f"pytest ended with {code}")
        if missing:
            reasons.append(f"{len(missing)} of {len(result.job.tests)} tests did not run, the first is {missing[0]}")
        elif not result.tests:
            reasons.append("no test ran")
        result.problem = "; ".join(reasons)
        result.complete = not reasons


class Scheduler:
    """Runs jobs, at most `parallel` at the same time, in the order that they are given in."""

    def __init__(
        self,
        jobs: Sequence[Job],
        parallel: int,
        command: Callable[[Job], list[str]] = run_command,
        environment: Callable[[Job], dict[str, str]] = variables,
    ) -> None:
        self.waiting = list(jobs)
        self.running: list[RunningJob] = []
        self.results: list[Result] = []
        self._parallel = parallel
        self._command = command
        self._environment = environment

    def step(self) -> list[RunningJob]:
        """Start jobs up to the limit; return those that have ended since the last call."""
        ended = [job for job in self.running if job.poll()]
        self.running = [job for job in self.running if job not in ended]
        self.results += [job.result for job in ended]
        while self.waiting and len(self.running) < self._parallel:
            job = self.waiting.pop(0)
            self.running.append(RunningJob(job, self._command(job), self._environment(job)))
        return ended

    @property
    def done(self) -> bool:
        return not self.waiting and not self.running

    def stop(self) -> None:
        """End the running jobs; what they have done is in the results."""
        for job in self.running:
            job.signal_stop()
        for job in self.running:
            job.stop()
            self.results.append(job.result)
        self.running = []


def clear_fleets() -> None:
    """Stop and remove the fleets that an earlier run has left, also one that was killed."""
    for state in sorted(FLEETS.glob("*/")):
        if any(state.glob("hosts/*/pid")) or any(state.glob("beside/*/hosts/*/pid")):
            environment = {**os.environ, "WINFLEET_STATE": str(state)}
            subprocess.run([ROOT / "bin/fleet", "down"], env=environment, stdout=subprocess.DEVNULL, check=False)
        shutil.rmtree(state, ignore_errors=True)
