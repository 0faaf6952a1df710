# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leads an Exchange server without PowerShell 5.1 to the connector; plugin_utils/irm_server_raw.py decides."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.filter import irm_server_reg
from ansible_collections.infoprotect.aip.plugins.plugin_utils import fleet, irm_server_raw
from ansible_collections.infoprotect.aip.plugins.plugin_utils._old_powershell_action import OldPowerShellAction
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import PRODUCTS
from ansible_collections.infoprotect.aip.plugins.plugin_utils.old_powershell import OldPowerShellError, answer_of
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain

Result = dict[str, Any]


class ActionModule(OldPowerShellAction):
    """Looks, compares, and imports the values that differ."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        known = task_vars or {}
        result: Result = super().run(None, known)
        arguments = {
            "product": {"type": "str", "choices": list(PRODUCTS.values())},
            "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
            "connector_url": {"type": "str", "default": ""},
            "tenant_url": {"type": "str", "default": ""},
            "force": {"type": "bool", "default": False},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        given = plain(given)
        products = [product for group, product in PRODUCTS.items() if group in known["group_names"]]
        product = given["product"] or " and ".join(products)
        try:
            return {**result, **self._lead(given, product, fleet.tenants(known).of(given["connector_url"]))}
        except (OldPowerShellError, AnsibleFilterError) as error:
            return {**result, "failed": True, "msg": str(error)}

    def _lead(self, given: Result, product: str, told: str) -> Result:
        connector, state = given["connector_url"], given["state"]
        tenant = "" if state == "absent" else given["tenant_url"] or told
        server = self._look()
        if state == "present" and (problem := irm_server_raw.refusal(server, product)):
            raise OldPowerShellError(problem)
        wanted = ("exchange", server.version, connector, tenant, state)
        difference = irm_server_reg.irm_server_difference(server.values, *wanted)
        if difference["others"] and state == "present" and not given["force"]:
            raise OldPowerShellError(
                f"The server is set to use {' and '.join(difference['others'])}, and irm_server_connector_url is"
                f" {connector}. Clear its IRM configuration first, as the guide says, and then use irm_server_force."
            )
        if difference["differs"] and not self._task.check_mode:
            self.ask(irm_server_raw.importing(irm_server_reg.irm_server_reg(*wanted, remove=difference["stale"])))
        # As the module reports it: the server keeps what it has got from another service until it is restarted.
        differs = difference["differs"]
        return {"changed": differs, "reboot_required": differs and bool(difference["others"])}

    def _look(self) -> irm_server_raw.Server:
        rows = irm_server_reg.irm_server_values("exchange", "2016", "", "", state="absent")
        keys = dict.fromkeys(row["key"] for row in rows)
        return irm_server_raw.Server(**answer_of(self.ask(irm_server_raw.look(keys))))
