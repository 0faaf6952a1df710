"""Runs the playbooks of extensions/awx/project as a job of AWX does: what it sends, and what it keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from awx_stub.data import OBJECTS, PROJECT

from .ansible_runner import AnsiblePlaybook, Run

Json = dict[str, Any]
JOB = 4711


def template(name: str) -> Json:
    """A job template of the data, without its settings."""
    text = (OBJECTS / "templates.yml").read_text(encoding="utf-8").replace("!unsafe", "")
    return next(item for item in yaml.safe_load(text)["controller_templates"] if item["name"] == f"AIP | {name}")


def answers(name: str, **other: Any) -> Json:
    """The answers to a survey: its defaults, as AWX sends them, and other ones."""
    spec = template(name)["survey_spec"]["spec"]
    given = {
        question["variable"]: question["default"].splitlines()
        if question["type"] == "multiselect"
        else question["default"]
        for question in spec
        if "{{" not in str(question["default"])
    }
    assert other.keys() <= {question["variable"] for question in spec}
    return {**given, **other}


def run_job(
    playbook: AnsiblePlaybook, name: str, *arguments: str, given: Json, earlier: Json, expect: int | None
) -> Run:
    """A job of a template: the answers, what AWX adds to them, and the artifacts of earlier jobs of the workflow."""
    sent = {**given, **earlier, "awx_job_id": JOB, "tower_job_id": JOB, "awx_job_launch_type": "workflow"}
    return playbook.run(Path(PROJECT / template(name)["playbook"]), *arguments, extra_vars=sent, expect=expect)


def artifacts(run: Run) -> Json:
    """What the run hands to the job (set_stats). Needs ANSIBLE_SHOW_CUSTOM_STATS."""
    data, _end = json.JSONDecoder().raw_decode(run.stdout[run.stdout.find("{") :])
    return dict(data["global_custom_stats"])
