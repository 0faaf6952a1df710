"""The actions authorization_groups and authorization_list: what they hand to the role."""

from __future__ import annotations

from typing import Any

import pytest
from actions import load_action

Json = dict[str, Any]
WANTED = {"fci": {"group": "RMS FCI", "members": None}}
LISTED = {"installed": True, "last_list_update": "2026-11-25T10:15:00Z", "authorized": [r"CONTOSO\RMS FCI"]}


def run(action: str, *facts: Any, **options: Any) -> tuple[Json, list[str]]:
    """The result, and the modules that ran. Each inspection of the host returns the next fact `connector`."""
    plugin = load_action(action, options)
    left, ran = list(facts), []

    def module(module_name: str, **_rest: Any) -> Json:
        ran.append(module_name)
        fact = left.pop(0) if len(left) > 1 else left[0]
        return {"failed": True, "msg": fact} if isinstance(fact, str) else {"host": {"connector": fact}}

    plugin._execute_module = module
    return dict(plugin.run(task_vars={"inventory_hostname": "c-1"})), ran


def groups() -> list[Json]:
    found, ran = run("authorization_groups", wanted=WANTED, managed=False, domain="CONTOSO")
    assert ran == [] and found["accounts"] == [r"CONTOSO\RMS FCI"]
    return list(found["groups"])


def test_what_forbids_the_groups_is_a_failure_where_they_are_managed() -> None:
    nobody = {"fci": {"group": "RMS FCI", "members": ["FS01$"]}}
    found, _ran = run("authorization_groups", wanted=nobody)
    assert found["failed"] and "fci: there is no FS01$ in the directory" in found["msg"]
    assert "groups" not in found
    unmanaged, _ran = run("authorization_groups", wanted=nobody, managed=False)
    assert not unmanaged.get("failed") and unmanaged["groups"][0]["role"] == "fci"
    odd, _ran = run("authorization_groups", wanted={"web": {"group": "x"}})
    assert odd["failed"] and "the role 'web' is none" in odd["msg"]


def test_a_connector_that_was_just_inspected_costs_no_module_run() -> None:
    found, ran = run("authorization_list", groups=groups(), connector=LISTED)
    assert (found["status"], found["attended_step"], ran) == ("verified", None, [])
    inspected, ran = run("authorization_list", LISTED, groups=groups())
    assert (inspected["status"], len(ran)) == ("verified", 1)


def test_a_list_that_differs_comes_with_the_manual_step() -> None:
    other = {**LISTED, "authorized": [r"CONTOSO\Others"]}
    found, _ran = run("authorization_list", groups=groups(), connector=other, cloud="AzureChinaCloud")
    assert (found["status"], found["missing"]) == ("differs", [r"CONTOSO\RMS FCI"])
    assert found["attended_step"]["host"] == "c-1" and "AzureChinaCloud" in str(found["attended_step"]["steps"])


def test_waiting_ends_when_the_list_is_verified_or_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    other = {**LISTED, "authorized": [r"CONTOSO\Others"]}
    found, ran = run("authorization_list", other, other, LISTED, groups=groups(), timeout=60, interval=10)
    assert (found["status"], found["attempts"], len(ran)) == ("verified", 3, 3)
    late, ran = run("authorization_list", other, groups=groups(), timeout=20, interval=10)
    assert (late["status"], late["attempts"]) == ("differs", 3)


def test_what_cannot_be_done_is_said() -> None:
    failed, _ran = run("authorization_list", "no route", groups=groups())
    assert failed["failed"] and failed["msg"] == "The host cannot be inspected: no route"
    odd, _ran = run("authorization_list", groups=[{}], connector=LISTED)
    assert odd["failed"] and "groups: 'account' is missing" in odd["msg"]
    nothing, _ran = run("authorization_list", None, groups=groups())
    assert nothing["status"] == "unknown" and "there is no connector on this host" in nothing["lines"]
