# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Objects of AWX as data (extensions/awx/objects), and the calls of modules that make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

Data = dict[str, Any]
#: The variables of infra.aap_configuration and the modules behind them. An object comes after those that it refers to.
MODULES = {
    "aap_teams": "team",
    "controller_credential_types": "credential_type",
    "controller_credentials": "credential",
    "controller_execution_environments": "execution_environment",
    "controller_notifications": "notification_template",
    "controller_projects": "project",
    "controller_inventories": "inventory",
    "controller_inventory_sources": "inventory_source",
    "controller_templates": "job_template",
    "controller_workflows": "workflow_job_template",
    "controller_schedules": "schedule",
    "controller_roles": "role",
}
VARIABLES = tuple(MODULES)
NODES, NODE = "simplified_workflow_nodes", "workflow_job_template_node"
LINKS = ("success_nodes", "failure_nodes", "always_nodes")


class OrderError(ValueError):
    """The nodes of a workflow make no order; the message says why."""


@dataclass(frozen=True)
class Call:
    """One module run.

    Attributes:
        module: its name, without a namespace.
        title: what the object is, for people.
    """

    module: str
    title: str
    arguments: Data


def calls(data: Mapping[str, Any]) -> Iterator[Call]:
    """The calls for all objects, in the order in which they can be made.

    Raises:
        OrderError: see above.
    """
    for variable, module in MODULES.items():
        for item in data.get(variable) or []:
            arguments = {name: value for name, value in item.items() if name != NODES and not _is_unset(name, value)}
            yield Call(module, _title(module, item), arguments)
            yield from _nodes(item, item.get(NODES) or [])


def _is_unset(name: str, value: Any) -> bool:
    """A reference that a setting leaves blank."""
    return name == "credential" and value in ("", None)


def _title(module: str, item: Mapping[str, Any]) -> str:
    name = item.get("name") or f"{item.get('role')} for {', '.join(item.get('teams') or [str(item.get('team'))])}"
    return f"{module.replace('_', ' ')} {name}"


def _nodes(workflow: Data, nodes: Sequence[Data]) -> Iterator[Call]:
    """A node with its links comes after the nodes that it leads to. A workflow has no cycle."""
    by_name = {node["identifier"]: node for node in nodes}
    leads_to = {name: [other for link in LINKS for other in node.get(link) or []] for name, node in by_name.items()}
    if unknown := sorted({other for others in leads_to.values() for other in others} - by_name.keys()):
        raise OrderError(f"{workflow['name']}: no node {', '.join(unknown)}. Expected one of {', '.join(by_name)}")
    try:
        order = list(TopologicalSorter(leads_to).static_order())
    except CycleError as error:
        raise OrderError(f"{workflow['name']}: the nodes lead in a circle: {', '.join(error.args[1])}") from error
    for name in order:
        about = {"workflow_job_template": workflow["name"], "organization": workflow["organization"]}
        yield Call(NODE, f"node {name} of {workflow['name']}", {**about, **by_name[name]})
