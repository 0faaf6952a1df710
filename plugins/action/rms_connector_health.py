# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits until a connector serves, and fails with the reason when it does not."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_health import (
    Check,
    address_of,
    ask_all,
    check_for,
    why_not_serving,
)

Result = dict[str, Any]
#: Seconds between two inspections
PAUSE = 5


class ActionModule(ActionBase):
    """The health check first, which also starts an idle connector, and then the facts of the host."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        variables = task_vars or {}
        result: Result = super().run(None, task_vars)
        arguments = {
            "url": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "timeout": {"type": "float", "default": 10},
            "patience": {"type": "float", "default": 300},
            "authorized": {"type": "list", "elements": "str", "default": []},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        try:
            check = check_for(given["url"], given["port"], given["timeout"])
        except ValueError as error:
            raise AnsibleActionFail(f"url is {given['url']}: expected the URL of the pool ({error})") from error
        result["answer"] = self._answer(check, given["patience"], variables)
        return result | self._look(given["patience"], plain(given["authorized"]), variables)

    def _answer(self, check: Check, patience: float, variables: Result) -> Result:
        address = plain(address_of(variables["inventory_hostname"], variables["hostvars"]))
        answer = ask_all(check.ask, {"": address}, patience, check.timeout)[""]
        if not answer.healthy:
            raise AnsibleActionFail(
                f"The connector does not answer at {answer.url} within {patience:g} seconds ({answer.msg});"
                " expected status 200 or 401."
            )
        return asdict(answer)

    def _look(self, patience: float, authorized: list[str], variables: Result) -> Result:
        deadline = time.monotonic() + patience
        while True:
            look = self._execute_module("infoprotect.aip.host_info", module_args={}, task_vars=variables)
            why = why_not_serving(look, authorized)
            if not why:
                return look
            if time.monotonic() + PAUSE > deadline:
                return look | {"failed": True, "msg": why}
            time.sleep(PAUSE)
