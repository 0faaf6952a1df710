"""What is printed while a run goes on and at its end, and what one run keeps for the next."""

from __future__ import annotations

from pathlib import Path

import pytest
from runner import report, run
from runner.arguments import Options
from runner.history import EMULATION, History, emulation_digest
from runner.jobs import Ended, Result
from runner.plan import DEFAULT, Case, Job, jobs_of
from runner.progress import Progress, seconds_left, summary
from runner.run import INTERRUPTED, Run, finish


def result(name: str, *outcomes: str, stage: str = "unit", problem: str = "", cold: bool = False) -> Result:
    tests = {
        f"{name}::{number}": Ended(f"{name}::{number}", outcome, number + 1) for number, outcome in enumerate(outcomes)
    }
    return Result(Job(name, stage, DEFAULT, (), tuple(tests), cold), tests, problem, 60, 90, not problem)


def test_report() -> None:
    results = [
        result("unit", *["passed"] * 12, "failed", "skipped"),
        result("modules/a", "passed", stage="modules"),
        result("modules/b", stage="modules", problem="pytest ended with 5; no test ran"),
    ]
    text = report.lines(results, ["part cores: no test"], 90, 2)
    assert "FAILED part cores: no test" in text and "FAILED unit::12" in text
    assert "FAILED modules/b: pytest ended with 5; no test ran" in text
    slowest = text[text.index("The slowest tests:") + 1 :][:11]
    assert slowest[0].split() == ["14.0", "s", "unit::13"] and slowest[-1] == ""
    assert [line.split() for line in text if line.startswith("modules ")] == [["modules", "1", "1", "0", "120", "180"]]
    assert "1.5 minutes with 2 jobs at a time, 270 CPU s" in text
    assert text[-1] == "total: 13 passed, 3 failed, 1 skipped"


def test_the_first_lines_of_an_error_stand_below_the_failed_test() -> None:
    more = "\n".join(f"E   {number}" for number in range(report.ERROR_LINES))
    said = f"    assert least == 2, log\nE   {'x' * 200}\n\n{more}\nfile.py:3: E"
    failed = result("unit")
    failed.tests["unit::0"] = Ended("unit::0", "failed", 1, said)
    text = report.lines([failed], [], 90, 2)
    start = text.index("FAILED unit::0")
    kept = [f"  {number}" for number in range(report.ERROR_LINES - 1)]
    assert text[start + 1 : start + 2 + len(kept)] == [f"  {'x' * report.WIDTH}", *kept]
    assert text[start + 2 + len(kept)] == ""


def test_a_test_on_a_cold_host_is_told_apart() -> None:
    text = report.lines([result("modules/cold", "passed", stage="modules", cold=True)], [], 1, 1)
    assert any(line.endswith("modules/cold::0 (cold)") for line in text)


@pytest.mark.parametrize(
    ("results", "problems", "code", "expected"),
    [
        ([result("unit", "passed")], [], 0, 0),
        ([result("unit", "passed", "failed")], [], 0, 1),
        ([result("unit", "passed", problem="pytest ended with 3")], [], 0, 1),
        ([result("unit", "passed")], ["stage modules: no test"], 0, 1),
        ([], [], 0, 1),
        ([result("unit", "skipped")], [], 0, 1),
        ([result("unit", "passed")], [], INTERRUPTED, INTERRUPTED),
    ],
)
def test_exit_code(
    results: list[Result], problems: list[str], code: int, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Run(Options(False, (DEFAULT,), (), 2), History(), results, problems)
    assert finish(done, 1, code) == expected
    assert capsys.readouterr().out.splitlines()[-1].startswith("total: ")


def test_time_left() -> None:
    assert seconds_left([40, 0], [10, 100], 2) == 110
    assert seconds_left([40], [], 2) == 40
    assert seconds_left([], [5, 5, 5], 2) == 10


class FakeRunning:
    """A job that runs, as far as progress looks at it."""

    def __init__(self, of: Result, elapsed: float, log: Path) -> None:
        self.result, self.elapsed, self.log = of, elapsed, log


class FakeScheduler:
    def __init__(self, running: list[FakeRunning], waiting: list[Job]) -> None:
        self.running, self.waiting, self.done = running, waiting, False
        self.results: list[Result] = []


def test_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    (tmp_path / "log").write_text("first\nlast\n")
    one = FakeRunning(result("modules/a", "passed", "failed", stage="modules"), 30, tmp_path / "log")
    waiting = result("rollout/it", "passed", "passed", stage="rollout").job
    scheduler = FakeScheduler([], [one.result.job, waiting])
    history = History({one.result.job.key: 90.0, waiting.key: 300.0})
    shown = Progress(scheduler, history, 1, said.append)  # type: ignore[arg-type]
    scheduler.running, scheduler.waiting = [one], [waiting]
    shown.update([])
    assert said == [], "nothing has ended, and it is too early"
    monkeypatch.setattr(shown, "_next", 0.0)
    shown.update([])
    assert said == ["1 of 4 tests passed, 1 failed, about 6 min left; running: modules/a 2/2"]
    one.elapsed = 100
    assert shown._remaining(one) == 0, "longer than the last time, and all its tests have ended"  # type: ignore[arg-type]
    del one.result.tests["modules/a::0"]
    assert shown._remaining(one) == 100  # type: ignore[arg-type]
    one.result.tests["modules/a::0"] = Ended("modules/a::0", "passed", 1)
    one.result.tests["modules/a::1"] = Ended("modules/a::1", "failed", 1, "it broke")
    one.result.problem = "pytest ended with 3"
    scheduler.running, scheduler.results = [], [one.result]
    shown.update([one])  # type: ignore[list-item]
    assert said[1] == "FAILED modules/a::1\nit broke"
    assert said[2] == "FAILED modules/a: pytest ended with 3. The end of its log:\nfirst\nlast"
    assert said[3] == summary(one.result) == "modules/a: 1 passed, 2 failed, 0 skipped in 60 s (90 s CPU)"
    assert said[4].startswith("1 of 4 tests passed, 2 failed, about 5 min left")


def test_history(tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    (job,) = jobs_of([Case("tests/integration/rollout/test_new.py::test_it")], DEFAULT)
    assert History.load(file).estimate(job) == 40, "the stage's default for one test"
    History({job.key: 12.5}, {"emulation": "digest"}).save(file)
    assert History.load(file).estimate(job) == 12.5
    assert History.load(file).passes == {"emulation": "digest"}
    file.write_text("[]")
    first = History.load(file)
    assert set(first.passes) == {"emulation"}
    assert first.seconds["default modules/connector"] > first.seconds["default emulation/caches"]


def test_what_the_emulation_depends_on(tmp_path: Path) -> None:
    for folder in EMULATION:
        (tmp_path / folder / "__pycache__").mkdir(parents=True)
        (tmp_path / folder / "file").write_text("one")
    seen = [emulation_digest(tmp_path)]
    (tmp_path / "tests/winfleet/__pycache__/file.pyc").write_text("compiled")
    (tmp_path / "tests/other").write_text("other")
    assert emulation_digest(tmp_path) == seen[0]
    for folder in EMULATION:
        (tmp_path / folder / "file").write_text("two")
        seen.append(emulation_digest(tmp_path))
    (tmp_path / "tests/winfleet/file").rename(tmp_path / "tests/winfleet/renamed")
    seen.append(emulation_digest(tmp_path))
    engine = tmp_path / "SHA256SUMS"
    engine.write_text("powershell-7")
    seen.append(emulation_digest(tmp_path, engine))
    assert len(set(seen)) == len(seen)


MOLECULE = "tests/integration/molecule/test_molecule.py::test_scenario[default]"
EMULATED = "tests/integration/winfleet/test_life.py::test_it"


@pytest.mark.parametrize(
    ("full", "only", "last", "expected"),
    [
        (False, ("emulation", "molecule"), "same", {"emulation", "molecule"}),
        (False, (), "same", {"molecule"}),
        (False, (), "other", {"emulation", "molecule"}),
        (True, (), "same", {"emulation", "molecule"}),
    ],
)
def test_unchanged_emulation_is_not_run_again(
    full: bool, only: tuple[str, ...], last: str, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it counts only when all of it has passed."""
    ran: list[Job] = []
    outcome = "passed"

    def fake(self: Run, jobs: list[Job]) -> None:
        ran.extend(jobs)
        self.results += [result(job.name, outcome, stage=job.stage) for job in jobs]

    monkeypatch.setattr(run, "emulation_digest", lambda: "same")
    monkeypatch.setattr(run, "clear_fleets", lambda: None)
    monkeypatch.setattr(run, "collect", lambda part, folders: [Case(MOLECULE), Case(EMULATED)])
    monkeypatch.setattr(Run, "_run", fake)
    monkeypatch.setattr(History, "save", lambda self: None)
    history = History(passes={"emulation": last})
    Run(Options(full, (DEFAULT,), only, 2), history).part(DEFAULT)
    assert {job.stage for job in ran} == expected
    assert history.passes == {"emulation": "same"}
    outcome = "failed"
    Run(Options(full, (DEFAULT,), ("emulation",), 2), history).part(DEFAULT)
    assert history.passes == {"emulation": ""}


def test_a_stage_without_a_test_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "collect", lambda part, folders: [Case(MOLECULE)])
    monkeypatch.setattr(run, "clear_fleets", lambda: None)
    monkeypatch.setattr(Run, "_run", lambda self, jobs: None)
    monkeypatch.setattr(History, "save", lambda self: None)
    one = Run(Options(False, (DEFAULT,), ("unit", "molecule"), 2), History())
    one.part(DEFAULT)
    assert one.problems == ["stage unit: no test"]
    monkeypatch.setattr(run, "collect", lambda part, folders: [])
    empty = Run(Options(True, ("cores",), (), 2), History())
    empty.part("cores")
    assert empty.problems == ["part cores: no test"]
    other = Run(Options(True, ("cores", "cold"), ("molecule",), 2), History())
    other.part("cores")
    assert other.problems == [], "another part may have tests of this stage"
    assert finish(other, 1, 0) == 1 and other.problems == ["no test is in these parts and stages"]
