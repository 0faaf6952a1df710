# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inspects a host: how it differs from what its variables want, what it lacks, and what has to be done. One task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils import (
    assessment,
    domains,
    inspecting,
    scanner_file,
    statements,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import HostVariables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.fleet import (
    first_node,
    own_variables,
    pool_members,
    tenants,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.local_files import LocalFileError
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import load, plain

Result = dict[str, Any]


class ActionModule(ActionBase):
    """Runs desired_state in check mode, and endpoint_info where a connector has to be installed."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        known = task_vars or {}
        result: Result = super().run(None, known)
        arguments = {
            "by_tags": {"type": "bool", "default": False},
            "stop": {"type": "bool", "default": False},
            "earlier": {"type": "dict"},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        if given["earlier"]:
            return {**result, **{name: plain(given["earlier"]).get(name) for name in ("failed", "unreachable", "msg")}}
        host, errors = own_variables(known, self._templar.template)
        if errors:
            raise AnsibleActionFail("\n".join(["The host was not contacted. Correct these variables:", *errors]))
        selected = list(domains.DOMAINS)
        if given["by_tags"]:
            selected = domains.selected(*(plain(known.get(f"ansible_{kind}_tags", [])) for kind in ("run", "skip")))
            if not selected:
                return {**result, "skipped": True}
        first = first_node(known, host, self._templar.template)
        question = inspecting.question(inspecting.with_first_node(host, first), selected, partial(tenants, known))
        if "scanner" in question.options:
            question = self._with_checksum(question)
        # whatever the play says: it changes nothing
        self._task.check_mode, self._task.diff = True, False
        found = inspecting.inspection(self._run("desired_state", question.options, known), question)
        if found.get("failed") or found.get("unreachable"):
            return {**result, **found, "changed": False}
        connectors = pool_members(host.name, known, host.values.get("rms_connector_pool"))
        if assessment.sets_up_connector(found) and (options := assessment.endpoint_options(host)):
            way = self._run("endpoint_info", options, known)
            if "endpoints" not in way:
                return {**result, **way, "changed": False}
            found["host"] = {**found["host"], "endpoints": way["endpoints"]}
        found["findings"] = assessment.assess_host(host, found, connectors, {})
        stated, _errors = load().read_statements(host.values.get("aip_statements", {}), statements.today())
        found["statements"] = {name: statement.as_dict() for name, statement in stated.items()}
        found["steps"] = inspecting.steps(found, host)
        found["first_node"], found["joins"] = first, inspecting.joins(found)
        found["stop"] = host.values.get("aip_stop", "run")
        other_url = any(item["id"] == "connector_url_unchanged" for item in found["findings"])
        found["changes_url"] = other_url and bool(host.values.get("rms_connector_url_force", False))
        found["verifies"] = _verifies(host, found)
        found["due"] = bool("finding" in found or found["reboot_required"] or found["steps"])
        if given["stop"] and assessment.blocks(found["findings"]):
            lines = assessment.assess_lines({host.name: found["findings"]}, "blocks")
            return {**result, **found, "changed": False, "failed": True, "msg": "\n".join(lines)}
        return {**result, **found, "changed": False}

    def _with_checksum(self, question: inspecting.Question) -> inspecting.Question:
        """The host compares the file that was exported from the portal by its checksum."""
        scanner = question.options["scanner"]
        try:
            file = scanner_file.exported(self._find_needle, scanner)
        except LocalFileError as error:
            raise AnsibleActionFail(f"The host was not contacted. aip_scanner_configuration_file: {error}") from error
        if not file:
            return question
        scanner = {**scanner, "configuration_checksum": file[1]}
        return replace(question, options={**question.options, "scanner": scanner})

    def _run(self, module: str, options: Mapping[str, Any], known: Result) -> Result:
        # a copy, to which Ansible adds arguments of its own
        return self._execute_module(f"infoprotect.aip.{module}", module_args=dict(options), task_vars=known)


def _verifies(host: HostVariables, found: Result) -> bool:
    """Whether a connector has to show that it serves, once what is due was done."""
    manages = not {"connector", "connector_https", "connector_settings"}.isdisjoint(found["looked_for"])
    tool = bool(host.values.get("rms_connector_administration_tool"))
    removes = host.values.get("rms_connector_state") == "absent"
    return manages and not tool and not removes and bool(found["steps"] or found["changes_url"])
