# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verifies the authorization list of a connector by its events; plugin_utils/authorization.py decides."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.infoprotect.aip.plugins.plugin_utils import authorization
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain

Result = dict[str, Any]


class HostError(Exception):
    """The host cannot be inspected."""


class ActionModule(ActionBase):
    """Reads the facts of the host where it was not inspected just before, or has to wait."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        self._variables = task_vars or {}
        self._asked_host = False
        result: Result = super().run(None, self._variables)
        arguments = {
            "groups": {"type": "list", "elements": "dict", "required": True},
            "connector": {"type": "dict"},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "cloud": {"type": "str", "default": "AzureCloud"},
            "timeout": {"type": "int", "default": 0},
            "interval": {"type": "int", "default": 30},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        given = plain(given)
        try:
            verdict, attempts = self._verdict(given)
            host = str(plain(self._variables["inventory_hostname"]))
            step = authorization.list_step(given["groups"], host, given["cloud"])
        except KeyError as error:
            return {
                **result,
                "failed": True,
                "msg": f"groups: {error} is missing; expected those of authorization_groups",
            }
        except (HostError, authorization.AuthorizationError) as error:
            return {**result, "failed": True, "msg": str(error)}
        found = {**verdict, "attended_step": None if verdict["status"] == "verified" else step}
        # names and texts of a host are never templates
        return {**result, **wrap_var(found), "attempts": attempts, "asked_host": self._asked_host, "changed": False}

    def _verdict(self, given: Result) -> tuple[Result, int]:
        """The verdict, and how often it was reached until the list was verified or the time was up."""
        accounts = [group["account"] for group in given["groups"]]
        end, attempts, connector = None, 1, given["connector"]
        while True:
            facts = self._connector() if connector is None else connector
            verdict = authorization.verify(facts, accounts, given["ignore"])
            # a slow first inspection takes nothing of the time to wait
            end = end or time.monotonic() + given["timeout"]
            if verdict["status"] == "verified" or time.monotonic() + given["interval"] > end:
                return verdict, attempts
            time.sleep(given["interval"])
            connector, attempts = None, attempts + 1

    def _connector(self) -> Any:
        self._asked_host = True
        done = self._execute_module("infoprotect.aip.host_info", module_args={}, task_vars=self._variables)
        if done.get("failed") or not isinstance(done.get("host"), Mapping):
            raise HostError(f"The host cannot be inspected: {done.get('msg')}")
        return plain(done["host"].get("connector"))
