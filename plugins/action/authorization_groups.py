# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares the groups of the connector's roles with the directory; plugin_utils/authorization.py decides."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.infoprotect.aip.plugins.plugin_utils import authorization
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain

Result = dict[str, Any]


class ActionModule(ActionBase):
    """Contacts no host."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        result: Result = super().run(None, task_vars)
        arguments = {
            "wanted": {"type": "dict", "required": True},
            "found": {"type": "list", "elements": "raw", "default": []},
            "managed": {"type": "bool", "default": True},
            "scope": {"type": "str", "default": "universal", "choices": ["universal", "domainlocal"]},
            "exclusive": {"type": "bool", "default": False},
            "domain": {"type": "str", "default": ""},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        given = plain(given)
        try:
            plan = authorization.plan(
                given["wanted"], given["found"], given["scope"], given["exclusive"], given["domain"]
            )
        except authorization.AuthorizationError as error:
            return {**result, "failed": True, "msg": str(error)}
        if given["managed"] and plan["errors"]:
            lines = ["The groups of the connector cannot be brought to their desired state:", *plan["errors"]]
            return {**result, "failed": True, "msg": "\n".join(lines)}
        groups = plan["groups"]
        accounts = [group["account"] for group in groups]
        notes = authorization.notes(groups, given["exclusive"])
        # names of a directory are never templates
        return {**result, **wrap_var({"groups": groups, "accounts": accounts, "notes": notes})}
