"""The action plugin: from arguments to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import report_fleet
import yaml
from actions import load_action
from ansible.errors import AnsibleActionFail
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import files

ROOT = Path(__file__).resolve().parents[3]


def run(check_mode: bool = False, task_vars: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    action = load_action("report", arguments, check_mode=check_mode)
    return dict(action.run(task_vars=task_vars or {}))


@pytest.mark.parametrize("check_mode", [False, True])
def test_writes_the_report_in_check_mode_as_well(check_mode: bool, tmp_path: Path) -> None:
    result = run(check_mode, **report_fleet.showcase(), dir=str(tmp_path / "out"), playbook="audit")
    assert result["changed"] is False and set(result["files"]) == set(files.FORMATS)
    assert all(Path(path).stat().st_size for path in result["files"].values())
    # what check mode applied is not there
    assert (
        result["lines"][-1].startswith(f"16 hosts: {7 if check_mode else 8} compliant")
        and result["summary"]["blocked"] == 2
    )
    assert "core01:" in result["details"] and "warnings" not in result
    made = json.loads(Path(result["files"]["json"]).read_text(encoding="utf-8"))
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert made["run"] == {"playbook": "audit", "check_mode": check_mode, "collection": version, "job": ""}
    texts = {line["id"]: line["text"] for line in made["statements"]}
    assert texts["directory_integration"], "of the requirements, since no host has a finding of it"


def test_a_run_of_site_ends_with_what_became_of_it(tmp_path: Path) -> None:
    """Its plan was shown before. An audit, and a run that ended before its plan was shown, have the whole table."""
    given = report_fleet.showcase()
    plan = {**given["plan"], "turns": ["rmsc02", "fs01", "fs02"]}

    def names(**more: Any) -> list[str]:
        lines = run(**{**given, **more}, dir=str(tmp_path), formats=["json"])["lines"]
        return [line.split()[0] for line in lines[1:-1]]

    assert names(plan=plan, playbook="site") == ["fs01", "rmsc02", "fs02"]
    everything = names(plan=plan, playbook="audit")
    assert len(everything) == 10 and names(plan={"failed": True, "msg": "blocked"}, playbook="site") == everything


def test_a_job_of_awx_is_named_and_formats_come_as_text(tmp_path: Path) -> None:
    given = {"inspections": {"srv": report_fleet.client("srv")}, "dir": str(tmp_path), "formats": "html, json"}
    result = run(task_vars={"awx_job_id": 4711}, **given)
    assert set(result["files"]) == {"html", "json"} and result["summary"]["job"] == "4711"
    made = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert made["run"]["job"] == "4711" and "AWX job" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_next_report_is_compared_with_this_one(tmp_path: Path) -> None:
    first = run(**report_fleet.showcase(), dir=str(tmp_path), formats=["json"])
    given = report_fleet.showcase()
    given["inspections"]["fs01"] = report_fleet.client("fs01")
    second = run(**given, dir=str(tmp_path), formats=["json"])
    assert "warnings" not in first | second
    made = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [change["name"] for change in made["previous"]["hosts"]] == ["fs01"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "infoprotect.aip.report", "version": 99, "hosts": []}'])
def test_a_damaged_previous_report_is_a_warning(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    result = run(inspections={"srv": report_fleet.client("srv")}, dir=str(tmp_path))
    (warning,) = result["warnings"]
    assert warning.startswith("The report is not compared with the previous one: ")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["previous"] is None


def test_formats_of_a_saved_report(tmp_path: Path) -> None:
    first = run(**report_fleet.showcase(), dir=str(tmp_path / "a"))
    second = run(src=first["files"]["json"], dir=str(tmp_path / "b"), formats=["html", "junit"])
    assert set(second["files"]) == {"html", "junit"} and second["lines"] == first["lines"]
    for name, path in second["files"].items():
        assert Path(path).read_bytes() == Path(first["files"][name]).read_bytes()


def test_a_report_of_saved_inspections(tmp_path: Path) -> None:
    saved = tmp_path / "inspections.json"
    saved.write_text(json.dumps(report_fleet.showcase()))
    assert run(src=str(saved), dir=str(tmp_path / "out"))["lines"][-1].startswith("16 hosts: 8 compliant")


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ("{", "is not JSON"),
        ("{}", "has no inspections: expected a report.json, or a file with them"),
        ('{"inspections": {}, "plan": 5}', "has no dictionary in plan"),
        ('{"kind": "infoprotect.aip.report", "version": 2}', "its version is 2: expected 1"),
        ('{"kind": "infoprotect.aip.report", "version": 1, "hosts": [{"name": "x"}]}', "is damaged"),
    ],
)
def test_a_saved_file_that_is_no_report(saved: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    path.write_text(saved)
    with pytest.raises(AnsibleActionFail, match=message):
        run(src=str(path), dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of the following is required: src, inspections"),
        ({"src": "x", "inspections": {}}, "mutually exclusive: src|inspections"),
        ({"inspections": {}, "formats": ["pdf"]}, "value of formats must be one or more of"),
        ({"inspections": {}, "colour": "red"}, "colour"),
    ],
)
def test_arguments_that_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(AnsibleActionFail) as error:
        run(**arguments)
    assert message in str(error.value)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(AnsibleActionFail, match="is a file: expected a folder"):
        run(inspections={}, dir=str(tmp_path / "out"))


def test_documented_options_are_those_of_the_action() -> None:
    documentation = yaml.safe_load((ROOT / "plugins/modules/report.yml").read_text(encoding="utf-8"))
    options = documentation["DOCUMENTATION"]["options"]
    assert options["formats"]["choices"] == options["formats"]["default"] == list(files.FORMATS)
    with pytest.raises(AnsibleActionFail) as error:
        run(inspections={}, unknown=1)
    assert all(name in str(error.value) for name in options)
