"""Runs parts of the tests: collects them, runs their jobs, prints the report."""

from __future__ import annotations

import fcntl
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from runner import report
from runner.arguments import Options, parse
from runner.history import History, emulation_digest
from runner.jobs import LOGS, CollectionError, Result, Scheduler, clear_fleets, collect, variables
from runner.plan import DEFAULT, ROOT, STAGES, Job, jobs_of, stage_of
from runner.progress import Progress, say

LOCK = ROOT / ".cache" / "test.lock"
INTERRUPTED = 130


@dataclass
class Run:
    """A run of some parts: what has ended so far."""

    options: Options
    history: History
    results: list[Result] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def part(self, part: str) -> None:
        """Run the jobs of one part, on hosts that are new."""
        clear_fleets()
        stages = [stage for stage in STAGES if not self.options.only or stage in self.options.only]
        digest = emulation_digest()
        tests = collect(part, [STAGES[stage].folder for stage in stages])
        found = {stage_of(case.nodeid.partition("::")[0]) for case in tests}
        if part == DEFAULT:
            self.problems += [f"stage {stage}: no test" for stage in stages if stage not in found]
        elif not found and not self.options.only:
            self.problems.append(f"part {part}: no test")
        jobs = jobs_of(tests, part)
        unchanged = "emulation" in found and self.history.passes.get("emulation") == digest
        if unchanged and not self.options.full and "emulation" not in self.options.only:
            jobs = [job for job in jobs if job.stage != "emulation"]
            say("emulation: unchanged since its last pass, not run (--only emulation runs it)")
        jobs.sort(key=self.history.estimate, reverse=True)
        self._run(jobs)
        emulation = [
            result for result in self.results if result.job.stage == "emulation" and result.job.part == DEFAULT
        ]
        if part == DEFAULT and emulation:
            good = all(result.complete and not result.failed for result in emulation)
            self.history.passes["emulation"] = digest if good else ""
            self.history.save()

    def _run(self, jobs: list[Job]) -> None:
        scheduler = Scheduler(jobs, self.options.jobs, environment=partial(variables, full=self.options.full))
        progress = Progress(scheduler, self.history, self.options.jobs)
        try:
            while not scheduler.done:
                ended = scheduler.step()
                progress.update(ended)
                for result in (job.result for job in ended):
                    if result.complete:
                        self.history.seconds[result.job.key] = round(result.wall, 1)
                time.sleep(0.2)
        finally:
            if scheduler.running:
                stopped = f"stopping {', '.join(job.result.job.name for job in scheduler.running)}"
                say(f"interrupted, {stopped}; {len(scheduler.waiting)} jobs did not start")
                scheduler.stop()
            self.results += scheduler.results
            self.history.save()


def versions() -> str:
    """Return the ansible-core versions that are tested here."""
    found = {}
    for venv in (Path(sys.prefix), *sorted((ROOT / ".cache" / "venvs").glob("core-*"))):
        answer = subprocess.run(
            [venv / "bin" / "ansible", "--version"], capture_output=True, text=True, check=True
        ).stdout
        core = re.search(r"\[core (\S+)\]", answer)
        python = re.search(r"python version = (\S+)", answer)
        found[core[1] if core else "?"] = python[1] if python else "?"
    return ", ".join(f"{core} (Python {python})" for core, python in sorted(found.items()))


def interrupt(_number: int, _frame: object) -> None:
    # Not even an impatient second Ctrl-C keeps the hosts running
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    options = parse(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    started, code = time.monotonic(), 0
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another bin/test runs in this checkout. Wait for its end, or stop it")
            return 1
        run = Run(options, History.load())
        try:
            shutil.rmtree(LOGS, ignore_errors=True)
            LOGS.mkdir(parents=True)
            say(f"ansible-core {versions()}")
            for part in options.parts:
                if options.full:
                    say(f"part {part}")
                run.part(part)
        except CollectionError as error:
            run.problems.append(str(error))
        except KeyboardInterrupt:
            code = INTERRUPTED
    return finish(run, time.monotonic() - started, code)


def finish(run: Run, wall: float, code: int) -> int:
    """Print the report; returns the exit code."""
    if not run.results and not run.problems and not code:
        run.problems.append("no test is in these parts and stages")
    *text, total = report.lines(run.results, run.problems, wall, run.options.jobs)
    print(*text, sep="\n")
    if code == INTERRUPTED:
        print("interrupted: only what had ended by then is counted")
    print(total, flush=True)
    passed, failed, _skipped = report.totals(run.results)
    return code or (1 if failed or run.problems or not passed else 0)
