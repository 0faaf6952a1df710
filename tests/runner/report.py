"""What a run prints at its end: failures, the slowest tests, each stage's figures, the total."""

from __future__ import annotations

from collections.abc import Sequence

from runner.jobs import Ended, Result
from runner.plan import STAGES

SLOWEST = 10
WIDTH = 140
#: Lines of a failed test's error, so that a log of which only the end is kept still says why
ERROR_LINES = 5


def lines(results: Sequence[Result], problems: Sequence[str], wall: float, parallel: int) -> list[str]:
    """Return the report of a run that took `wall` seconds; its last line is the total, which CI reads.

    Problems are failures of the run outside of any job.
    """
    text = ["", *(f"FAILED {problem}" for problem in problems)]
    for result in results:
        text += [line for test in result.of("failed") for line in (f"FAILED {test.nodeid}", *error(test))]
        text += [f"FAILED {result.job.name}: {result.problem}"] if result.problem else []
    tests = [(test.seconds, result, test.nodeid) for result in results for test in result.tests.values()]
    if tests:
        text += ["", "The slowest tests:"]
        for seconds, result, nodeid in sorted(tests, key=lambda test: test[0], reverse=True)[:SLOWEST]:
            mode = " (cold)" if result.job.cold else ""
            name = nodeid if len(nodeid) <= WIDTH else f"{nodeid[:WIDTH]}..."
            text.append(f"{seconds:8.1f} s  {name}{mode}")
    text += ["", *table(results)]
    cpu = sum(result.cpu for result in results)
    text += [
        "Wall is the sum of a stage's jobs. CPU counts every process of these: pytest, Ansible, the hosts with Wine.",
        f"{wall / 60:.1f} minutes with {parallel} jobs at a time, {cpu:.0f} CPU s",
    ]
    passed, failed, skipped = totals(results)
    return [*text, f"total: {passed} passed, {failed + len(problems)} failed, {skipped} skipped"]


def error(test: Ended) -> list[str]:
    """Return the first lines of what pytest marks as its error, cut to WIDTH characters."""
    marked = [line[1:].strip() for line in test.text.splitlines() if line.startswith("E ")]
    return [f"  {line[:WIDTH]}" for line in marked[:ERROR_LINES]]


def totals(results: Sequence[Result]) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped."""
    return (
        sum(len(result.of("passed")) for result in results),
        sum(result.failed for result in results),
        sum(len(result.of("skipped")) for result in results),
    )


def table(results: Sequence[Result]) -> list[str]:
    """Return a line for each stage that ran."""
    rows = [f"{'stage':<12}{'passed':>8}{'failed':>8}{'skipped':>9}{'wall s':>9}{'CPU s':>9}"]
    for stage in STAGES:
        if found := [result for result in results if result.job.stage == stage]:
            passed, failed, skipped = totals(found)
            wall, cpu = (sum(getattr(result, name) for result in found) for name in ("wall", "cpu"))
            rows.append(f"{stage:<12}{passed:>8}{failed:>8}{skipped:>9}{wall:>9.0f}{cpu:>9.0f}")
    return rows
