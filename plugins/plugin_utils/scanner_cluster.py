# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The clusters of scanners: which hosts are nodes of one, and which of them sets what the nodes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .domains import NOTHING

CLUSTER, INSTANCE, STATE = "aip_scanner_cluster", "aip_scanner_sql_instance", "aip_scanner_state"
FIRST_NODE = "aip_scanner_first_node"
VARIABLES = (CLUSTER, INSTANCE, STATE, FIRST_NODE)
#: A cluster, by its SQL Server and its name: they are one database
Cluster = tuple[str, str]


def cluster_of(values: Mapping[str, Any]) -> Cluster | None:
    """The cluster of a host by its variables; None for a host without, or whose scanner is removed."""
    cluster = values.get(CLUSTER)
    if not cluster or values.get(STATE) == "absent":
        return None
    return str(values.get(INSTANCE) or "").lower(), str(cluster).lower()


def first_nodes(hosts: Iterable[str], values_of: Callable[[str], Mapping[str, Any]]) -> dict[Cluster, str]:
    """The first node of each cluster: a host whose variables say so, else the first that does not refuse it."""
    found: dict[Cluster, str] = {}
    named: dict[Cluster, str] = {}
    for host in hosts:
        values = values_of(host)
        if not (cluster := cluster_of(values)):
            continue
        asked = values.get(FIRST_NODE)
        if asked in NOTHING:
            found.setdefault(cluster, host)
        elif boolean(asked, strict=False):
            named.setdefault(cluster, host)
    return {**found, **named}


def left_online(inspections: Mapping[str, Mapping[str, Any]], release: str) -> list[str]:
    """Of hosts whose client is changed, why their database could not be updated: a node that the run does not stop.

    inspections: of the hosts that have a turn.
    release: the step that stops a scanner.
    """
    changing = {name: found for name, found in inspections.items() if release in found.get("steps", ())}
    stopped: dict[str, set[str]] = {}
    for name, found in changing.items():
        stopped.setdefault(found.get("first_node") or name, set()).add(_computer(found["host"].get("name")))
    obstacles = []
    for name, found in changing.items():
        own = stopped[found.get("first_node") or name]
        nodes = (found["host"].get("scanner") or {}).get("nodes") or ()
        online = [node["name"] for node in nodes if node["status"] != "offline" and _computer(node["name"]) not in own]
        if online:
            obstacles.append(
                f"{name}: this scanner gets another client, and its database is updated only while all nodes of the"
                f" cluster are offline. This run does not stop {', '.join(online)}. Run it for all nodes of the"
                " cluster, or stop those scanners first (aip_scanner_service_state: stopped)."
            )
    return obstacles


def _computer(name: Any) -> str:
    """The name of a computer, as the scanner shows it with its domain."""
    return str(name).partition(".")[0].lower()
