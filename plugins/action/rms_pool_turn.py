# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a member's turn that decide, and that write its mark."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils import rollout_turn
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Pool
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_health import address_of, ask_all, check_for
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_mark import KEY, NAME, is_live, mark_of_run
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_turn import Facts, RolloutStopError, Turn

Result = dict[str, Any]
#: Seconds in which a member has to become healthy, beside the time for an attempt
PATIENCE = 2
REPLACE_MARK = Path(__file__).parents[2] / "roles/rms_pool/files/replace_mark.ps1"


class ActionModule(ActionBase):
    """Does one step of the turn of the task's host; plugin_utils/rollout_turn.py decides."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        self._variables = task_vars or {}
        self._asked_host = False
        result: Result = super().run(None, task_vars)
        arguments = {
            "step": {"type": "str", "required": True, "choices": list(STEPS)},
            "pool": {"type": "dict"},
            "url": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "timeout": {"type": "float", "default": 10},
            "marks": {"type": "list", "elements": "dict", "default": []},
            "in_service": {"type": "list", "elements": "str"},
            "known": {"type": "str"},
            "markable": {"type": "bool", "default": True},
            "turn": {"type": "dict"},
            "drained": {"type": "bool", "default": False},
        }
        required = [("step", "begin", ["pool"]), ("step", "confirm", ["pool", "turn"])]
        required += [("step", step, ["turn"]) for step in ("drained", "returning", "end")]
        _validation, given = self.validate_argument_spec(argument_spec=arguments, required_if=required)
        try:
            return {**result, **STEPS[given["step"]](self, plain(given)), "asked_host": self._asked_host}
        except (RolloutStopError, ValueError) as error:
            return {**result, "failed": True, "msg": str(error), "asked_host": self._asked_host}

    @property
    def _member(self) -> str:
        return str(plain(self._variables["inventory_hostname"]))

    def _begin(self, given: Result) -> Result:
        run = mark_of_run(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        # what came since this run began with the member is its own
        known = None if self._run_at(self._member, "rms_pool_began") else given["known"]
        replace = self._replace if given["markable"] else None
        facts = self._facts(given, self._healthy(given))
        turn = rollout_turn.begin(_pool(given), self._member, facts, run, replace, is_live, known)
        return {**asdict(turn), "healthy": facts.alive}

    def _confirm(self, given: Result) -> Result:
        turn = _turn(given)
        facts = self._facts(given, given["turn"]["healthy"])
        rollout_turn.confirm(turn, _pool(given), self._member, facts, self._replace)
        return {"run": turn.run}

    def _drained(self, given: Result) -> Result:
        rollout_turn.drained(_turn(given), self._member, self._replace)
        return {}

    def _returning(self, given: Result) -> Result:
        rollout_turn.returning(_turn(given), self._member, self._replace, given["drained"])
        return {}

    def _end(self, given: Result) -> Result:
        turn = _turn(given)
        rollout_turn.end(turn, self._member, self._replace)
        return {"run": turn.run}

    def _replace(self, expected: str, mark: str) -> str:
        """See rollout_turn.Replace."""
        parameters = {"key": KEY, "name": NAME, "expected": expected, "mark": mark}
        script = {"script": REPLACE_MARK.read_text(encoding="utf-8"), "parameters": parameters}
        self._asked_host = True
        done = self._execute_module("ansible.windows.win_powershell", module_args=script, task_vars=self._variables)
        if done.get("failed") or not isinstance(done.get("result"), Mapping):
            raise AnsibleActionFail(f"The mark cannot be written: {done.get('msg')}", result=done)
        return str(plain(done["result"]["found"]))

    def _healthy(self, given: Result) -> list[str]:
        check = check_for(given["url"], given["port"], given["timeout"])
        hostvars = self._variables["hostvars"]
        addresses = {member: plain(address_of(member, hostvars)) for member in given["pool"]["members"]}
        answers = ask_all(check.ask, addresses, PATIENCE, check.timeout)
        return [member for member, answer in answers.items() if answer.healthy]

    def _facts(self, given: Result, healthy: list[str]) -> Facts:
        marks = {entry["item"]: entry.get("mark") for entry in given["marks"]}
        failed = [member for member in given["pool"]["members"] if self._has_failed(member)]
        return Facts(healthy, marks, failed, given["in_service"])

    def _has_failed(self, member: str) -> bool:
        began = self._run_at(member, "rms_pool_began")
        return bool(began) and began != self._run_at(member, "rms_pool_ended")

    def _run_at(self, member: str, step: str) -> str:
        """The mark of the turn whose step was registered there last, "" where none was."""
        registered = self._variables["hostvars"][member].get(step)
        return str(plain(registered.get("run", ""))) if isinstance(registered, Mapping) else ""


STEPS = {
    "begin": ActionModule._begin,
    "confirm": ActionModule._confirm,
    "drained": ActionModule._drained,
    "returning": ActionModule._returning,
    "end": ActionModule._end,
}


def _pool(given: Result) -> Pool:
    return Pool(tuple(given["pool"]["members"]), int(given["pool"]["minimum"]))


def _turn(given: Result) -> Turn:
    """What begin returned."""
    return Turn(**{name: given["turn"][name] for name in Turn.__dataclass_fields__})
