"""Records what pytest collects and how each test ends, one line of JSON each, while it runs (pytest --record FILE)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner import plan


def part_of(item: pytest.Item) -> str:
    """Return the one part of a test; ValueError when its mark names none that there is."""
    mark = item.get_closest_marker("full")
    return plan.part_of(path_of(item), mark is not None, *(mark.args if mark else ()))


def path_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


class Recorder:
    """A plugin that writes to a file, which the runner reads at the same time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._outcome = "passed"
        self._seconds = 0.0
        self._text = ""

    def _write(self, **line: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(test=report.nodeid, outcome="failed", seconds=0.0, text=report.longreprtext)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self._write(collected=item.nodeid, part=part_of(item), cold=item.get_closest_marker("cold") is not None)

    def pytest_runtest_logstart(self) -> None:
        self._outcome, self._seconds, self._text = "passed", 0.0, ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds += report.duration
        if report.failed:
            self._outcome = "failed"
            sections = "".join(f"\n--- {title}\n{text}" for title, text in report.sections)
            self._text += f"{report.longreprtext}{sections}\n"
        elif report.skipped and self._outcome == "passed":
            self._outcome = "skipped"

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write(test=nodeid, outcome=self._outcome, seconds=self._seconds, text=self._text)
