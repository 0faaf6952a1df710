# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mark of a pool's member, read over a connection that is closed at once."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_mark import KEY, NAME

Result = dict[str, Any]


class ActionModule(ActionBase):
    """Reads the mark, for a loop over members."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        result: Result = super().run(None, task_vars)
        self.validate_argument_spec(argument_spec={})
        value = {"path": rf"HKLM:\{KEY}", "name": NAME}
        try:
            read = self._execute_module("ansible.windows.win_reg_stat", module_args=value, task_vars=task_vars)
        except AnsibleError as error:
            return {**result, "mark": None, "msg": str(error)}
        finally:
            # Ansible closes only the last connection of a loop; Windows keeps the shells of the others for two hours.
            self._connection.close()
        if "exists" not in read:
            return {**result, "mark": None, "msg": str(read.get("msg"))}
        return {**result, "mark": str(read.get("value") or "")}
