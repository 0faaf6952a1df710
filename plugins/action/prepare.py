# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks what a run was given before any host is contacted, and asks connectors for their tenant. Runs once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils import domains, fleet, statements, variables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import HostVariables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.inspecting import needs_tenant
from ansible_collections.infoprotect.aip.plugins.plugin_utils.plan import PlanError
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import load, plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.tenant import TenantError, ask

Result = dict[str, Any]


class ActionModule(ActionBase):
    """Reads the variables of all hosts of the play."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        known = task_vars or {}
        result: Result = super().run(None, known)
        arguments = {"by_tags": {"type": "bool", "default": False}, "tenants": {"type": "bool", "default": True}}
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        run_tags, skip_tags = (plain(known.get(f"ansible_{kind}_tags", [])) for kind in ("run", "skip"))
        errors: dict[str, list[str]] = {}
        if given["by_tags"]:
            errors |= {tag: ["--tags, --skip-tags"] for tag in variables.wrong_tags(run_tags, skip_tags)}
            try:
                fleet.waves(known, self._templar.template)
            except PlanError as error:
                errors[str(error)] = ["the run"]
        hosts = []
        for name in plain(known["ansible_play_hosts"]):
            host, wrong = fleet.read_variables(known, name, self._templar.template)
            hosts.append(host)
            for problem in wrong:
                errors.setdefault(problem, []).append(name)
        if errors:
            raise AnsibleActionFail(
                "\n".join(["No host was contacted. Correct these variables and tags:", *_lines(errors)])
            )
        if warnings := _expiring(hosts):
            result["warnings"] = warnings
        if not given["tenants"]:
            return result
        selected = domains.selected(run_tags, skip_tags) if given["by_tags"] else list(domains.DOMAINS)
        asking = [host for host in hosts if needs_tenant(host, selected)]
        return {**result, **self._tenants(asking), "service_answered": bool(fleet.service(known))}

    def _tenants(self, asking: list[HostVariables]) -> Result:
        """Asks each connector once, with the account of a server that is to use it."""
        tenants, asks_service = {}, False
        for host in asking:
            connector = str(host.values["irm_server_connector_url"])
            account = [host.values.get(f"irm_server_discovery_{name}") for name in ("username", "password")]
            if connector in tenants:
                continue
            if all(account):
                try:
                    tenants[connector] = ask(
                        connector, *map(str, account), host.values.get("irm_server_discovery_ca_path")
                    )
                except TenantError as error:
                    self._display.warning(str(error))
                    tenants[connector] = ""
            elif any(name in host.values for name in fleet.TENANT_SIGN_IN):
                asks_service = True
            else:
                raise AnsibleActionFail(
                    f"{host.name}: the URL of the tenant is not known. Set irm_server_tenant_url; or"
                    " irm_server_discovery_username and irm_server_discovery_password, to read it from the connector;"
                    " or the variables rms_authorization_tenant_*, to read it from the protection service."
                )
        return {"tenants": tenants, "asks_service": asks_service}


def _expiring(hosts: list[HostVariables]) -> list[str]:
    """A warning for each operator statement that expires soon."""
    today = statements.today()
    given = (host.values["aip_statements"] for host in hosts if "aip_statements" in host.values)
    return statements.warnings(
        (one for each in given for one in load().read_statements(each, today)[0].values()), today
    )


def _lines(errors: Mapping[str, list[str]]) -> list[str]:
    """An error once, with the hosts that have it."""
    return [f"{_some(hosts)}: {error}" for error, hosts in errors.items()]


def _some(hosts: list[str], most: int = 3) -> str:
    more = f" and {len(hosts) - most} more" if len(hosts) > most else ""
    return ", ".join(hosts[:most]) + more
