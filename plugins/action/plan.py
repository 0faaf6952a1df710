# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans a run by the inspections of all its hosts. Runs once; plugin_utils/plan.py decides."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils import (
    assessment,
    authorization,
    domains,
    fleet,
    irm_configuration,
    local_files,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils import plan as planning
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import (
    CONNECTORS,
    DOMAINS,
    NOTHING,
    PRODUCTS,
    HostVariables,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.inspecting import RELEASE, manual_steps
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import service
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report.text import counted
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import PoolError, pool_of
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_lease import unexpired
from ansible_collections.infoprotect.aip.plugins.plugin_utils.scanner_cluster import left_online
from ansible_collections.infoprotect.aip.plugins.plugin_utils.summary import lines, summary

Result = dict[str, Any]
#: The domains of requirements that Microsoft Graph answers
GRAPH_DOMAINS = frozenset(("client", "connector"))
#: Reasons of a restart that have to do with what the collection manages
OWN_RESTARTS = frozenset(("client", "connector", "dotnet", "irm_server", "tls", "tls_dotnet", "tls_winhttp"))


class ActionModule(ActionBase):
    """Reads what inspect has registered for each host of the play as aip_apply_inspection."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        self._known: Result = task_vars or {}
        result: Result = super().run(None, self._known)
        options = {name: {"type": "bool", "default": False} for name in ("report_only", "tenant_was_read")}
        _validation, given = self.validate_argument_spec(argument_spec=options)
        self._service, self._graph = fleet.service(self._known), fleet.graph(self._known)
        names = plain(self._known["ansible_play_hosts_all"])
        inspections = {name: self._inspection(name) for name in names}
        inspections = {name: found for name, found in inspections.items() if not found.get("skipped")}
        hosts = [self._host(name, found) for name, found in inspections.items()]
        groups = plain(dict(self._known["groups"]))
        try:
            waves = fleet.waves(self._known, self._templar.template)
        except planning.PlanError as error:
            raise AnsibleActionFail(str(error)) from error
        check = bool(self._task.check_mode)
        plan = planning.make(hosts, waves, groups, check)
        # nothing stops the scanner of a host that has no turn
        online = left_online({name: inspections[name] for name in plan.turns}, RELEASE)
        plan = planning.with_obstacles(plan, online, check)
        findings = {name: found["findings"] for name, found in inspections.items() if found.get("findings")}
        result |= {**asdict(plan), "turns": plan.turns, "findings": findings, "asks_service": False, "graph": []}
        if not given["tenant_was_read"]:
            result["asks_service"] = self._asks_service(inspections)
            result["graph"] = self._reads_graph(names, inspections)
        result["protection_service"] = fleet.protecting(self._known, names)
        result["service"] = service.kept(self._service, next(iter(result["protection_service"]), ""))
        result["irm"] = self._irm(names)
        asking = [str(self._known["inventory_hostname"])] if result["asks_service"] else []
        result["tenant"] = list(dict.fromkeys([*(result["protection_service"] or asking), *result["graph"]]))
        result["stopped"] = {
            host.name: assessment.assess_lines({host.name: findings[host.name]}, "blocks")
            for host in hosts
            if host.blocked and host.stop == "host"
        }
        lists = self._lists(plan)
        for pool in result["pools"]:
            pool["authorized"] = next((lists[name].accounts for name in pool["members"] if name in lists), [])
        if given["report_only"]:
            # a run that applies has the role rms_authorization for it
            result["manual_steps"] += _list_steps(lists, inspections)
        lost = {name: [reason] for name, reason in plan.lost.items()}
        result["stopped"] |= lost
        result["failing"] = {**lost, **self._failing(inspections)}
        result["lines"] = self._lines(plan, inspections, [unit["line"] for unit in result["irm"]])
        # the error that ends the run has the findings that block
        result["advice"] = assessment.assess_lines(findings, "" if given["report_only"] or not plan.ends else "advises")
        # their answers belong to what hosts lack
        if given["report_only"] or result["asks_service"] or result["graph"]:
            return result
        missing = self._missing_files(plan, inspections)
        if missing or plan.ends:
            # alone: Ansible prints all that a failed task returns
            return {"failed": True, "msg": "\n".join(_headline(plan, len(hosts), missing, findings))}
        return result

    def _inspection(self, name: str) -> Result:
        found = dict(plain(fleet.registered(self._known, name).get("aip_apply_inspection") or {"skipped": True}))
        concerned = {*(("connector", "irm_server") if self._service else ()), *(GRAPH_DOMAINS if self._graph else ())}
        if not concerned.isdisjoint(found.get("looked_for", {})):
            host, _errors = self._variables(name)
            connectors = fleet.pool_members(name, self._known, host.values.get("rms_connector_pool"))
            service = {**self._service, "graph": self._graph}
            found["findings"] = assessment.assess_host(host, found, connectors, service)
        return found

    def _reads_graph(self, names: list[str], inspections: Mapping[str, Result]) -> list[str]:
        """The host that reads Microsoft Graph, where a requirement asks for it and this run has not read it yet."""
        concerned = any(not GRAPH_DOMAINS.isdisjoint(found.get("looked_for", {})) for found in inspections.values())
        return fleet.graph_reader(self._known, names) if concerned and not self._graph else []

    def _variables(self, name: str) -> tuple[HostVariables, list[str]]:
        return fleet.read_variables(self._known, name, self._templar.template)

    def _host(self, name: str, found: Mapping[str, Any]) -> planning.Host:
        if "compliant" not in found:
            return planning.Host(name, lost=summary(found))
        findings = found["findings"]
        return planning.Host(
            name,
            complies=bool(found["compliant"]),
            blocked=assessment.blocks(findings),
            stop=found["stop"],
            connector=self._connector(name, found) if name in self._connectors else None,
            restart=tuple((found["host"].get("reboot") or {}).get("reasons") or ()),
            manual_steps=tuple(manual_steps(name, found)),
            # the database is updated while no node of the cluster runs
            together=found.get("first_node", ""),
        )

    @functools.cached_property
    def _connectors(self) -> list[str]:
        return list(plain(self._known["groups"].get(CONNECTORS, [])))

    def _connector(self, name: str, found: Mapping[str, Any]) -> planning.Connector:
        facts = found["host"].get("connector") or {}
        host, _errors = self._variables(name)
        taken_over = bool(host.values.get("rms_pool_take_over"))
        known = {
            "serves": facts.get("status") == "running",
            "starts": "connector" in found["domains"] and facts.get("status") in ("starting", "stopped"),
            "left": facts.get("lease") is not None,
            "restart_due": "restart_iis" in found["steps"],
            "changes_url": bool(found["changes_url"]),
            "lease": "" if taken_over else unexpired(facts.get("lease")),
        }
        try:
            pool = pool_of(name, host.values.get("rms_connector_pool") or [], self._connectors)
        except PoolError as error:
            return planning.Connector(**known, no_pool=str(error))
        return planning.Connector(**known, pool=pool)

    def _lists(self, plan: planning.Plan) -> dict[str, authorization.List]:
        """The wanted authorization list of each connector that has one."""
        found = {}
        for name in dict.fromkeys(member for pool in plan.pools for member in pool.members):
            if name in self._known["hostvars"]:
                host, _errors = self._variables(name)
                if wanted := authorization.List.of(host.values):
                    found[name] = wanted
        return found

    def _asks_service(self, inspections: Mapping[str, Result]) -> bool:
        """Whether a connector has to be installed, which needs an activated protection service."""
        if self._service:
            return False
        new = [
            name for name, found in inspections.items() if "looked_for" in found and assessment.sets_up_connector(found)
        ]
        return any(variable in fleet.registered(self._known, name) for name in new for variable in fleet.TENANT_SIGN_IN)

    def _failing(self, inspections: Mapping[str, Result]) -> dict[str, list[str]]:
        """The hosts that are to fail by the variables of the playbook audit, each with the reasons."""
        found: dict[str, list[str]] = {}
        on_drift, on_restart = (self._flag(f"aip_audit_fail_on_{what}") for what in ("drift", "restart"))
        for name, inspection in inspections.items():
            if "compliant" not in inspection:
                continue
            if on_drift and not inspection["compliant"]:
                found.setdefault(name, []).extend(lines(inspection))
            reasons = OWN_RESTARTS.intersection((inspection["host"].get("reboot") or {}).get("reasons") or ())
            if on_restart and reasons:
                found.setdefault(name, []).append(f"A restart of the host is pending ({', '.join(sorted(reasons))}).")
        return found

    def _flag(self, name: str) -> bool:
        """A variable of the run."""
        value = self._templar.template(self._known.get(name))
        return value not in NOTHING and bool(boolean(value))

    def _missing_files(self, plan: planning.Plan, inspections: Mapping[str, Result]) -> dict[str, list[str]]:
        """What is wrong with the files that are brought to hosts: problem -> hosts that need the file."""
        problems: dict[str, list[str]] = {}
        checked: dict[tuple[str, str], str] = {}
        for name in [*plan.connectors, *(host for batch in plan.batches for host in batch)]:
            host, _errors = self._variables(name)
            for source, checksum, installer in _sources(host, inspections[name].get("steps", [])):
                if (source, checksum) not in checked:
                    checked[source, checksum] = self._problem(source, checksum, installer)
                if problem := checked[source, checksum]:
                    problems.setdefault(problem, []).append(name)
        return problems

    def _problem(self, source: str, checksum: str, installer: bool) -> str:
        try:
            local_files.find(self._find_needle, source, checksum, installer)
        except local_files.LocalFileError as error:
            return str(error)
        return ""

    def _irm(self, names: list[str]) -> list[Result]:
        """The organizations and farms whose IRM is switched on or off, each with its line in the plan."""
        tags = [
            plain(self._known.get(f"ansible_{kind}_tags", default))
            for kind, default in (("run", ["all"]), ("skip", []))
        ]
        if not domains.has_tag(irm_configuration.TAG, *tags):
            return []
        groups = plain(dict(self._known["groups"]))
        of_groups = {group: [name for name in groups.get(group, ()) if self._has_irm(name)] for group in PRODUCTS}
        known = {name: self._irm_variables(name) for members in of_groups.values() for name in members}
        units = irm_configuration.units(irm_configuration.servers(known, of_groups), names)
        keys = ("product", "title", "name", "asked", "servers")
        return [
            {key: value for key, value in unit.as_dict().items() if key in keys}
            | {"wanted": str(known[unit.asked].get("irm_configuration_state")), "line": unit.line}
            for unit in units
            if unit.asked
        ]

    def _has_irm(self, name: str) -> bool:
        """Whether a host may define that its IRM is managed; reading all of its variables takes longer."""
        known = self._known["hostvars"]
        return name in known and "irm_configuration_state" in {*self._known, *fleet.registered(self._known, name)}

    def _irm_variables(self, name: str) -> Result:
        host, _errors = self._variables(name)
        found = plain(fleet.registered(self._known, name).get("aip_apply_inspection") or {})
        return {**host.values, "aip_apply_inspection": found}

    def _lines(self, plan: planning.Plan, inspections: Mapping[str, Result], irm: list[str]) -> list[str]:
        """One line for each host of which there is something to say, and the sum."""
        said = {name: _line(found) for name, found in inspections.items()}
        width = max((len(name) for name in said), default=0)
        table = [f"{name:<{width}}  {text}" for name, text in said.items() if text != "complies"]
        table += [*plan.order, *irm, *plan.obstacles]
        table += [f"Microsoft Graph: {note}" for note in self._graph.get("notes") or [] if note]
        table += [str(self._graph["msg"])] if self._graph.get("msg") else []
        comply = [name for name, text in said.items() if text.startswith("complies") and name not in plan.blocked]
        counts = {
            "comply": len(comply),
            "differ": len(said) - len(comply) - len(plan.blocked) - len(plan.lost),
            "blocked": len(plan.blocked),
            "not inspected": len(plan.lost),
            "with a pending restart": len(plan.restart),
        }
        numbers = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return [*table, f"{counted(len(said), 'host')}: {numbers or 'nothing to do'}"]


def _list_steps(lists: Mapping[str, authorization.List], inspections: Mapping[str, Result]) -> list[Result]:
    """What an operator has to do about authorization lists: once for all connectors with the same wanted list."""
    steps: dict[tuple[str, ...], Result] = {}
    for name, wanted in lists.items():
        connector = (inspections.get(name, {}).get("host") or {}).get("connector") or {}
        if connector.get("installed") and not wanted.is_verified(connector):
            steps.setdefault(tuple(wanted.accounts), wanted.step(name))
    return list(steps.values())


def _line(found: Mapping[str, Any]) -> str:
    """How the host differs, and what blocks it."""
    blocking = [item["id"] for item in found.get("findings", ()) if item["severity"] == assessment.BLOCKS]
    return f"{summary(found)}, blocked by {', '.join(blocking)}" if blocking else summary(found)


def _sources(host: HostVariables, steps: list[str]) -> list[tuple[str, str, bool]]:
    """The files on the controller that the steps of a host need: path, checksum, whether it is an installer."""
    found = []
    for step in steps:
        domain = DOMAINS.get(step.removesuffix("_dotnet"))
        setup = domain and (domain.dotnet if step.endswith("_dotnet") else domain.setup)
        if domain and setup:
            arguments = domain.arguments(setup, host)
            if source := arguments.get("src"):
                found.append((str(source), str(arguments.get("checksum") or ""), step != "connector_https"))
    return found


def _headline(
    plan: planning.Plan, hosts: int, missing: Mapping[str, list[str]], findings: Mapping[str, Any]
) -> list[str]:
    lines = []
    if plan.blocked:
        lines.append(f"Blocked, {len(plan.blocked)} of {counted(hosts, 'host')}: {', '.join(plan.blocked)}")
        lines += assessment.assess_lines({**findings, **plan.lost}, "blocks")
    lines += [f"{', '.join(names)}: {problem}" for problem, names in missing.items()]
    return ["Nothing was changed.", *lines, *plan.obstacles]
