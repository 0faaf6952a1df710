"""The stub refuses what AWX was recorded to refuse, in the same words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from awx_stub.rules import FOLDER
from awx_stub.server import AnswerError, Store

CASES = json.loads((FOLDER / "refusals.json").read_text(encoding="utf-8"))["cases"]
QUESTION = {"question_name": "Q", "question_description": "", "type": "multiplechoice", "choices": ["false", "true"]}


def world() -> Store:
    """What the AWX had when the answers were recorded: the objects that they name by number."""
    store = Store()
    for kind in ("organizations", "inventories"):
        store.add(kind, 1, name=kind)
    store.add("projects", 7, name="project")
    store.add("job_templates", 8, name="with a survey")
    store.add("job_templates", 12, name="without a survey")
    store.add("workflow_job_templates", 13, name="workflow")
    names = ("aip_audit_fail_on_drift", "aip_audit_fail_on_restart")
    store.surveys[8] = {"spec": [{**QUESTION, "variable": name, "required": True} for name in names]}
    return store


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['endpoint']}: {case['what']}")
def test_the_stub_answers_as_awx_did(case: dict[str, Any]) -> None:
    endpoint, store = case["endpoint"], world()
    path = "job_templates/12/survey_spec/" if endpoint == "survey_spec" else f"{endpoint}/"
    try:
        found, body = 200, store.answer("POST", f"/api/v2/{path}", {}, case["sent"])
    except AnswerError as answer:
        found, body = answer.status, answer.body
    assert found == case["status"]
    assert case["answer"] in (None, body), "an object that was taken was not recorded"


def test_all_recorded_refusals_are_here() -> None:
    assert len(CASES) == 33 and {case["status"] for case in CASES} == {200, 201, 400}
