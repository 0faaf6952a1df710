# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a member's turn that decide, and that read or write its lease."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Facts, Pool, next_step
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_health import address_of, ask_all, check_for
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_lease import (
    OWN_FOLDER,
    SCRIPT,
    Hold,
    Lease,
    RolloutStopError,
    controller_of,
    is_answer,
    lease_of,
)

Result = dict[str, Any]
#: Seconds in which a member has to become healthy, beside the time for an attempt
PATIENCE = 2
#: Seconds of a lease: a check and the step after it must come to their end within it.
SHORTEST = 60


class ActionModule(ActionBase):
    """Does one step of the turn of the task's host; plugin_utils/rollout.py decides."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        self._variables = task_vars or {}
        self._asked_host = False
        result: Result = super().run(None, task_vars)
        arguments = {
            "step": {"type": "str", "required": True, "choices": list(STEPS)},
            "pool": {"type": "dict"},
            "lease": {"type": "int", "default": 5400},
            "take_over": {"type": "bool", "default": False},
            "leasable": {"type": "bool", "default": True},
            "url": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "timeout": {"type": "float", "default": 10},
            "leases": {"type": "list", "elements": "dict", "default": []},
            "in_service": {"type": "list", "elements": "str"},
            "installed": {"type": "bool", "default": False},
            "stage": {"type": "str", "default": ""},
        }
        required = [("step", step, ["pool"]) for step in ("take", "begin")]
        _validation, given = self.validate_argument_spec(argument_spec=arguments, required_if=required)
        try:
            return {**result, **STEPS[given["step"]](self, plain(given)), "asked_host": self._asked_host}
        except (RolloutStopError, ValueError) as error:
            return {**result, "failed": True, "msg": str(error), "asked_host": self._asked_host}

    def _take(self, given: Result) -> Result:
        if given["lease"] < SHORTEST:
            raise ValueError(f"rms_pool_lease is {given['lease']}: expected at least {SHORTEST} seconds")
        taken = {"run": secrets.token_hex(4), "seconds": given["lease"], "leasable": given["leasable"]}
        before = self._hold(taken).take(controller_of(self._variables), given["take_over"])
        # one without a lease may have been left, too
        return {**taken, "left": before is not None or not given["leasable"]}

    def _read(self, _given: Result) -> Result:
        try:
            lease = lease_of(self._ask())
            return {"lease": asdict(lease) if lease else {}}
        except Exception as error:  # noqa: BLE001 - of a lost host, the libraries of a connection raise errors of their own
            return {"lease": None, "msg": str(error)}
        finally:
            # Ansible closes only the last connection of a loop; Windows keeps the shells of the others for two hours.
            with contextlib.suppress(Exception):  # nor can one be closed on a host that is lost
                self._connection.close()

    def _begin(self, given: Result) -> Result:
        taken, pool = self._registered("rms_pool_taken"), _pool(given)
        hold = self._hold(taken)
        try:
            about = {"left": taken["left"], "installed": given["installed"], "take_over": given["take_over"]}
            step = next_step(pool, hold.member, self._facts(given), **about)
            if step.drain:
                hold.renew()
        except Exception:
            hold.give_up(taken["left"])
            raise
        return {**asdict(step), "run": taken["run"], "left": taken["left"]}

    def _check(self, given: Result) -> Result:
        if taken := self._unfinished(self._member, "rms_pool_taken"):
            self._hold(taken).renew(given["stage"])
        return {}

    def _end(self, _given: Result) -> Result:
        taken = self._registered("rms_pool_taken")
        self._hold(taken).end()
        return {"run": taken["run"]}

    def _leave(self, _given: Result) -> Result:
        if taken := self._unfinished(self._member, "rms_pool_taken"):
            self._hold(taken).give_up(left=True)
        return {}

    @property
    def _member(self) -> str:
        return str(plain(self._variables["inventory_hostname"]))

    def _hold(self, taken: Result) -> Hold:
        ask = self._ask if taken["leasable"] else lambda **_: {"held": True, "found": {}}
        return Hold(self._member, ask, taken["run"], int(taken["seconds"]))

    def _ask(self, **parameters: Any) -> Result:
        """See rollout_lease.Ask."""
        self._asked_host = True
        parameters["ownfolder"] = OWN_FOLDER.read_text(encoding="utf-8")
        script = {"script": SCRIPT.read_text(encoding="utf-8"), "parameters": parameters}
        done = self._execute_module("ansible.windows.win_powershell", module_args=script, task_vars=self._variables)
        if done.get("failed") or not is_answer(done.get("result")):
            found = f"the host answered {str(done.get('result'))[:200]}, expected held, found and seconds_left"
            raise AnsibleActionFail(f"The lease cannot be read or written: {done.get('msg') or found}", result=done)
        return dict(plain(done["result"]))

    def _facts(self, given: Result) -> Facts:
        check = check_for(given["url"], given["port"], given["timeout"])
        hostvars, members = self._variables["hostvars"], given["pool"]["members"]
        addresses = {member: plain(address_of(member, hostvars)) for member in members}
        answers = ask_all(check.ask, addresses, PATIENCE, check.timeout)
        healthy = [member for member, answer in answers.items() if answer.healthy]
        found = {entry["item"]: entry.get("lease") for entry in given["leases"]}
        leases = {name: Lease(**lease) if lease else None for name, lease in found.items() if lease is not None}
        unfinished = [member for member in members if self._unfinished(member, "rms_pool_turn")]
        return Facts(healthy, leases, unfinished, given["in_service"])

    def _unfinished(self, member: str, step: str) -> Result:
        """What the step returned in a turn that this run has not finished at the member; empty for none."""
        done = self._registered(step, member)
        return done if done.get("run") and done["run"] != self._registered("rms_pool_ended", member).get("run") else {}

    def _registered(self, name: str, member: str = "") -> Result:
        value = self._variables["hostvars"][member or self._member].get(name)
        return dict(plain(value)) if isinstance(value, Mapping) else {}


STEPS = {
    "take": ActionModule._take,
    "read": ActionModule._read,
    "begin": ActionModule._begin,
    "check": ActionModule._check,
    "end": ActionModule._end,
    "leave": ActionModule._leave,
}


def _pool(given: Result) -> Pool:
    return Pool(tuple(given["pool"]["members"]), int(given["pool"]["minimum"]))
