"""Says how far a run is: a line for each job that ends, and one every 30 seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from runner.history import History
from runner.jobs import Ended, Result, RunningJob, Scheduler

#: Seconds between two lines while no job ends
PERIOD = 30.0
#: How much of the log of a job is printed that failed without a failed test
LAST_LINES = 60


def say(text: str) -> None:
    print(f"test: {text}", flush=True)


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


def seconds_left(running: Iterable[float], waiting: Iterable[float], parallel: int) -> float:
    """Return the time until all jobs have ended, by what running and waiting ones still take."""
    lanes = sorted(running)
    lanes = [0.0] * (parallel - len(lanes)) + lanes
    for estimate in waiting:
        lanes[0] += estimate
        lanes.sort()
    return lanes[-1]


class Progress:
    """Prints the progress of a scheduler."""

    def __init__(self, scheduler: Scheduler, history: History, parallel: int, say: Callable[[str], None] = say) -> None:
        self._scheduler = scheduler
        self._history = history
        self._parallel = parallel
        self._say = say
        self._total = sum(len(job.tests) for job in scheduler.waiting)
        self._next = time.monotonic() + PERIOD

    def update(self, ended: Iterable[RunningJob]) -> None:
        """Print what is due: the failures of jobs that have ended, and the state of the run."""
        due = time.monotonic() >= self._next
        for job in ended:
            due = True
            for test in job.result.of("failed"):
                self._say(failure(test))
            if job.result.problem:
                lines = job.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
                self._say(
                    "\n".join([f"FAILED {job.result.job.name}: {job.result.problem}. The end of its log:", *lines])
                )
            self._say(summary(job.result))
        if due and not self._scheduler.done:
            self._say(self._state())
        if due:
            self._next = time.monotonic() + PERIOD

    def _remaining(self, job: RunningJob) -> float:
        """By the estimate, and by the speed of its tests when it takes longer than that."""
        ended = len(job.result.tests)
        by_speed = job.elapsed / max(ended, 1) * (len(job.result.job.tests) - ended)
        left = self._history.estimate(job.result.job) - job.elapsed
        return left if left > 0 else by_speed

    def _state(self) -> str:
        running = self._scheduler.running
        results = [*self._scheduler.results, *(job.result for job in running)]
        left = seconds_left(
            [self._remaining(job) for job in running],
            [self._history.estimate(job) for job in self._scheduler.waiting],
            self._parallel,
        )
        jobs = ", ".join(
            f"{job.result.job.name} {len(job.result.tests)}/{len(job.result.job.tests)}" for job in running
        )
        passed, failed = (
            sum(counts) for counts in zip(*((len(r.of("passed")), r.failed) for r in results), strict=True)
        )
        return f"{passed} of {self._total} tests passed, {failed} failed, about {minutes(left)} left; running: {jobs}"


def failure(test: Ended) -> str:
    return f"FAILED {test.nodeid}\n{test.text}"


def summary(result: Result) -> str:
    """One line about a job."""
    counts = f"{len(result.of('passed'))} passed, {result.failed} failed, {len(result.of('skipped'))} skipped"
    return f"{result.job.name}: {counts} in {result.wall:.0f} s ({result.cpu:.0f} s CPU)"
