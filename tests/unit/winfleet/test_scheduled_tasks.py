"""schtasks.exe: tasks from options and from definitions, what keeps them from starting, what is listed of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from winfleet.execution import Chunk
from winfleet.programs import NO_SUCH_FILE, NOT_RUN_YET, QUEUED, TASK_NAMESPACE, Tasks, UsageError

DEFINITION = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="{space}">
  <Principals><Principal><UserId>{user}</UserId></Principal></Principals>
  <Settings><DisallowStartIfOnBatteries>{battery}</DisallowStartIfOnBatteries></Settings>
  <Actions><Exec><Command>C:\\a b.exe</Command><Arguments>/x "1 &amp; 2"</Arguments></Exec></Actions>
</Task>
"""


class Ended:
    """A command that has ended at once."""

    exit_code = 3010

    def write(self, data: bytes) -> None: ...
    def close_input(self) -> None: ...
    def terminate(self) -> None: ...
    def read(self, timeout: float) -> list[Chunk]:
        return []


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    return tmp_path


def tasks(disk: Path, lines: list[str], fault: Callable[[], str] = lambda: "") -> Tasks:
    def start(line: str) -> Ended:
        lines.append(line)
        return Ended()

    return Tasks(disk / "host" / "tasks.json", start, disk, fault)


def define(disk: Path, *, space: str = TASK_NAMESPACE, user: str = "S-1-5-18", battery: str = "false") -> list[str]:
    text = DEFINITION.format(space=space, user=user, battery=battery)
    (disk / "task.xml").write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))
    return ["/create", "/tn", "T", "/xml", r"C:\task.xml"]


def state(one: Tasks) -> tuple[str, int]:
    """Status and last result, by the columns of Windows."""
    (row,) = csv.reader([one.run(["/query", "/tn", "T", "/v", "/fo", "CSV", "/nh"]).output.strip()])
    assert (len(row), row[0], row[1]) == (28, "HOST", "\\T")
    return row[3], int(row[6])


def test_definition(disk: Path) -> None:
    lines: list[str] = []
    one = tasks(disk, lines)
    assert "created" in one.run(define(disk)).output
    assert state(one) == ("Ready", NOT_RUN_YET)
    one.run(["/run", "/tn", "T"])
    assert lines == ['"C:\\a b.exe" /x "1 & 2"']


@pytest.mark.parametrize(
    ("fault", "battery", "expected"),
    [
        ("stuck", "false", ("Queued", QUEUED)),
        ("battery", "true", ("Queued", QUEUED)),
        ("missing", "false", ("Ready", NO_SUCH_FILE)),
    ],
)
def test_task_that_is_not_started(disk: Path, fault: str, battery: str, expected: tuple[str, int]) -> None:
    lines: list[str] = []
    one = tasks(disk, lines, lambda: fault)
    one.run(define(disk, battery=battery))
    assert "Attempted to run" in one.run(["/run", "/tn", "T"]).output
    assert (state(one), lines) == (expected, [])


def test_options_make_a_task_that_does_not_start_on_batteries(disk: Path) -> None:
    lines: list[str] = []
    one = tasks(disk, lines, lambda: "battery")
    one.run(["/create", "/tn", "T", "/tr", "x", "/sc", "once", "/ru", "SYSTEM"])
    one.run(["/run", "/tn", "T"])
    assert lines == []
    one.run([*define(disk), "/f"])
    one.run(["/run", "/tn", "T"])
    assert len(lines) == 1


def test_definitions_that_windows_refuses(disk: Path) -> None:
    one = tasks(disk, [])
    with pytest.raises(UsageError, match="unexpected node"):
        one.run(define(disk, space="urn:other"))
    with pytest.raises(UsageError, match="as SYSTEM only"):
        one.run(define(disk, user="S-1-5-19"))
    arguments = define(disk)
    (disk / "task.xml").write_text((disk / "task.xml").read_text("utf-16"), encoding="utf-8")
    with pytest.raises(UsageError, match="malformed"):
        one.run(arguments)
    (disk / "task.xml").unlink()
    with pytest.raises(UsageError, match="cannot find the file"):
        one.run(arguments)
