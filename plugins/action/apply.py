# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does one step that an inspection has found to be due, with the options that the host's variables come to."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils import fleet, inspecting
from ansible_collections.infoprotect.aip.plugins.plugin_utils._other_action import run_action
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import DOMAINS, HostVariables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.fleet import own_variables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.summary import summary

Result = dict[str, Any]
SETTINGS = "settings"
STEPS = (
    *(name for name, domain in DOMAINS.items() if domain.setup),
    *(f"{name}_dotnet" for name, domain in DOMAINS.items() if domain.dotnet),
    inspecting.RELEASE,
    SETTINGS,
)


class ActionModule(ActionBase):
    """Runs the module of the step as a task would that names its options."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        self._supports_check_mode = True
        known = task_vars or {}
        result: Result = super().run(None, known)
        arguments = {
            "step": {"type": "str", "required": True, "choices": list(STEPS)},
            "inspection": {"type": "dict", "required": True},
        }
        _validation, given = self.validate_argument_spec(argument_spec=arguments)
        step, inspection = given["step"], plain(given["inspection"])
        host, errors = own_variables(known, self._templar.template)
        if errors:
            raise AnsibleActionFail("\n".join(errors))
        if self._task.check_mode and f"{step}_dotnet" in inspection["steps"]:
            # .NET Framework is not there, without which the module would refuse
            what = f"The {step} would be installed once .NET Framework is there."
            return {**result, "changed": True, "msg": what, **_url(host, inspection)}
        if step in ("scanner", inspecting.RELEASE):
            _await_first_node(inspection, known)
        module, options = _module(step, host, inspection)
        # with its controller's side, which brings files over and restarts the host
        result |= run_action(self, f"infoprotect.aip.{module}", options, known)
        if step in DOMAINS:
            result["domain"] = step
        if step == "connector":
            result |= _url(host, inspection)
        if step == SETTINGS and not result.get("failed"):
            result["summary"] = summary(
                _with_waiting(result, inspection), "would set" if self._task.check_mode else "set"
            )
        return result


def _module(step: str, host: HostVariables, inspection: Result) -> tuple[str, Result]:
    """The module of a step, and its options."""
    if step == SETTINGS:
        return "desired_state", inspection["looked_for"]
    if step == inspecting.RELEASE:
        return "scanner", inspecting.release_options(inspection, host)
    domain = DOMAINS[step.removesuffix("_dotnet")]
    setup = domain.dotnet if step.endswith("_dotnet") else domain.setup
    if setup is None:
        raise AnsibleActionFail(f"step is {step}: nothing is installed for it")
    options = domain.arguments(setup, host)
    if step == "scanner":
        # this play may not have the hosts that the inspection has chosen the first node from
        options["first_node"] = not inspection["joins"]
    return setup.module, options


def _await_first_node(inspection: Result, known: Result) -> None:
    """Fail where the first node of the cluster does not come before this one: the others need its database."""
    first = inspection.get("first_node")
    if inspection.get("joins") and first and (reason := _missing(first, known)):
        raise AnsibleActionFail(
            f"{first}, the first node of the cluster, {reason}: this node waits for it, which updates the database and"
            " sets what the nodes share. Correct that, or make another node the first one (aip_scanner_first_node:"
            " true), and run this again."
        )


def _missing(first: str, known: Result) -> str:
    """Why the first node of a cluster has not done its part in this run; empty where it has, or has nothing to do."""
    there, left = (plain(known.get(name) or []) for name in ("ansible_play_hosts_all", "ansible_play_hosts"))
    # a host that is blocked or lost before its turn is in no later play
    stopped, waits = (plain((known.get("aip_plan") or {}).get(name) or []) for name in ("stopped", "waits"))
    if first in stopped or (first in there and first not in left):
        return "failed, is blocked or was lost"
    found = fleet.registered(known, first).get("aip_apply_inspection") or {}
    if first in waits and "scanner" in plain(found.get("steps") or []):
        return "is in none of the rings (aip_waves)"
    return ""


def _url(host: HostVariables, inspection: Result) -> Result:
    """Whether the host is to remember under which URL it serves, or to forget it with its connector."""
    connector = inspection["host"].get("connector") or {}
    wanted, remembered = host.values.get("rms_connector_url", ""), connector.get("url") or ""
    removes = host.values.get("rms_connector_state") == "absent"
    tool = bool(host.values.get("rms_connector_administration_tool"))
    new = not connector.get("installed")
    return {
        "remembers_url": new and not removes and not tool and wanted not in ("", remembered),
        "forgets_url": removes and bool(remembered),
    }


def _with_waiting(applied: Result, inspection: Result) -> Result:
    """What was applied, and the domains that wait for something."""
    waiting = {name: inspection["domains"][name] for name in inspection.get("waiting", {})}
    return {**applied, "domains": {**applied.get("domains", {}), **waiting}}
