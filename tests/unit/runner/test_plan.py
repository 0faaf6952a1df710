"""No test falls between the parts, and jobs hold every collected test once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from runner import plan
from runner.arguments import parse
from runner.plan import COLD, DEFAULT, PARTS, ROOT, STAGES, Case, jobs_of, part_of, selects, stage_of

SETTINGS, CLIENT = (f"tests/integration/modules/test_{name}.py" for name in ("tls", "client"))


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every test of the project, with its part."""
    record = tmp_path_factory.mktemp("collected") / "record.jsonl"
    folders = [stage.folder for stage in STAGES.values()]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "--full", f"--record={record}", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


def path_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def cases_of(collected: list[dict[str, Any]], part: str) -> list[Case]:
    found = [test for test in collected if selects(part, path_of(test["collected"]), test["part"])]
    return [Case(test["collected"], test["cold"]) for test in found]


def test_no_test_falls_between_the_parts(collected: list[dict[str, Any]]) -> None:
    parts = Counter(test["part"] for test in collected)
    assert set(parts) == set(PARTS) - {*COLD}, "a part without a test, or a test in no part"
    for test in collected:
        own = [part for part in PARTS if part not in COLD and selects(part, path_of(test["collected"]), test["part"])]
        assert own == [test["part"]]


def test_no_file_of_tests_is_outside_of_the_stages(collected: list[dict[str, Any]]) -> None:
    files = {str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py")}
    assert files == {path_of(test["collected"]) for test in collected}


@pytest.mark.parametrize("part", PARTS)
def test_jobs_hold_each_test_of_a_part_once(collected: list[dict[str, Any]], part: str) -> None:
    cases = cases_of(collected, part)
    jobs = jobs_of(cases, part)
    again = [test.nodeid for test in cases if test.cold and part == DEFAULT]
    assert Counter(test for job in jobs for test in job.tests) == Counter([case.nodeid for case in cases] + again)
    for job in jobs:
        paths = {path_of(test) for test in job.tests}
        assert {stage_of(path) for path in paths} == {job.stage}
        assert job.cold == (part in COLD or job.name == "modules/cold")


def test_each_job_has_a_log_and_a_fleet_of_its_own(collected: list[dict[str, Any]]) -> None:
    names = Counter(job.file_name for part in PARTS for job in jobs_of(cases_of(collected, part), part))
    assert [name for name, count in names.items() if count > 1] == []


def test_files_that_share_a_job_are_there() -> None:
    for name, stems in plan.TOGETHER.items():
        folder = ROOT / STAGES[name.partition("/")[0]].folder
        assert [stem for stem in stems if not (folder / f"test_{stem}.py").exists()] == [], name


def test_parts() -> None:
    assert part_of(SETTINGS, full=False) == DEFAULT
    assert part_of(SETTINGS, full=True) == "modules"
    assert part_of(SETTINGS, full=True, named="clients") == "clients"
    assert [part for part in PARTS if selects(part, SETTINGS, DEFAULT)] == [DEFAULT, "cold"]
    assert [part for part in PARTS if selects(part, SETTINGS, "modules")] == ["cold", "modules"]
    assert [part for part in PARTS if selects(part, CLIENT, DEFAULT)] == [DEFAULT, "cold-software"]
    assert [part for part in PARTS if selects(part, SETTINGS, "clients")] == ["clients"]


@pytest.mark.parametrize("named", ["clinets", DEFAULT, *COLD])
def test_a_mark_with_a_part_that_is_none_is_refused(named: str) -> None:
    with pytest.raises(ValueError, match=f"no part '{named}'"):
        part_of(SETTINGS, full=True, named=named)


def test_a_file_outside_of_the_stages_is_refused() -> None:
    with pytest.raises(ValueError, match="in no folder of a stage"):
        stage_of("tests/elsewhere/test_it.py")


def test_jobs() -> None:
    """By folder, by file or group of files, by test; those marked `cold` once more."""
    cases = [
        Case("tests/unit/test_a.py::test_it"),
        Case("tests/unit/winfleet/test_b.py::test_it"),
        Case(f"{SETTINGS}::test_it[a]", cold=True),
        Case("tests/integration/modules/test_restore.py::test_it"),
        Case("tests/integration/playbooks/test_bootstrap.py::test_it"),
        Case("tests/integration/molecule/test_molecule.py::test_scenario[default]"),
    ]
    jobs = {job.name: job for job in jobs_of(cases, DEFAULT)}
    assert list(jobs) == ["unit", "modules/settings", "playbooks/bootstrap", "molecule/default", "modules/cold"]
    assert jobs["unit"].targets == ("tests/unit",)
    assert jobs["modules/settings"].targets == (SETTINGS, "tests/integration/modules/test_restore.py")
    assert jobs["molecule/default"].targets == ("tests/integration/molecule/test_molecule.py::test_scenario[default]",)
    assert jobs["modules/cold"].tests == (f"{SETTINGS}::test_it[a]",) and jobs["modules/cold"].options == ("-m", "cold")
    assert {name for name, job in jobs.items() if job.cold} == {"modules/cold"}
    cold = jobs_of(cases[2:4], "cold")
    assert [(job.name, job.cold) for job in cold] == [("modules/tls", True), ("modules/restore", True)]


def test_many_tests_are_divided_among_jobs() -> None:
    nodeids = [f"tests/integration/rollout/test_rollout.py::test_it[{number}]" for number in range(61)]
    jobs = jobs_of(map(Case, nodeids), "deaths")
    assert [(job.name, len(job.tests)) for job in jobs] == [
        (f"rollout/rollout-{n}", size) for n, size in ((1, 21), (2, 21), (3, 19))
    ]
    assert [test for job in jobs for test in job.targets] == nodeids
    assert [job.name for job in jobs_of(map(Case, nodeids[:30]), "deaths")] == ["rollout/rollout"]


def test_options() -> None:
    assert parse([]).parts == (DEFAULT,)
    assert parse(["--full"]).parts == tuple(PARTS)
    assert parse(["--full", "--part", "cores", "--part", "cold"]).parts == ("cores", "cold")
    assert parse(["--only", "unit", "--jobs", "1"]).only == ("unit",)


@pytest.mark.parametrize("wrong", [["--part", "cores"], ["--jobs", "0"], ["--only", "everything"], ["tests"]])
def test_wrong_options_end_with_2(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        parse(wrong)
    assert error.value.code == 2


def test_gates_and_units_need_no_fleet() -> None:
    assert {name for name, stage in STAGES.items() if not stage.hosts} == {"gates", "unit"}
    assert all((ROOT / stage.folder).is_dir() for stage in STAGES.values())
