# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Applies objects of AWX with the modules of awx.awx or ansible.controller."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils.awx_objects import VARIABLES, OrderError, calls
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain

Result = dict[str, Any]
NAMESPACES = ("awx.awx", "ansible.controller")


class ActionModule(ActionBase):
    """Runs a module for each object, on the controller. Stops at the first one that fails."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        result: Result = super().run(None, task_vars)
        arguments = {
            "namespace": {"type": "str", "choices": list(NAMESPACES), "default": NAMESPACES[0]},
            **{name: {"type": "list", "elements": "dict", "default": []} for name in VARIABLES},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        given = plain(given)
        changed: list[str] = []
        try:
            planned = list(calls(given))
        except OrderError as error:
            raise AnsibleActionFail(str(error)) from error
        for call in planned:
            done = self._execute_module(
                f"{given['namespace']}.{call.module}", module_args=dict(call.arguments), task_vars=task_vars
            )
            if done.get("failed"):
                msg = f"{call.title}: {done.get('msg', 'failed')}"
                return {**result, "failed": True, "msg": msg, "changed": bool(changed), "objects": changed}
            if done.get("changed"):
                changed.append(call.title)
        return {**result, "changed": bool(changed), "objects": changed, "total": len(planned)}
