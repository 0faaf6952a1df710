# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""What the variables of a task say of other hosts than its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import domains, scanner_cluster, variables
from .domains import ADMIN_HOSTS, CONNECTORS, NOTHING, SCANNERS, HostVariables
from .inspecting import Tenants
from .plan import Waves
from .requirements import plain

#: How the variables of the role protection_service begin, and those that ask for nothing by themselves
SERVICE = "protection_service_"
SERVICE_ACCOUNT = {
    *("username", "password", "application_id", "client_secret", "certificate_thumbprint", "access_token"),
    *("tenant_id", "cloud", "force", "restore", "ad_rms_deployed", "inspection", "result"),
}
#: Those of the role rms_authorization that sign in to the protection service
TENANT_SIGN_IN = tuple(f"rms_authorization_tenant_{name}" for name in ("username", "application_id", "access_token"))
#: How those begin that are for Microsoft Graph, and those that sign in there
GRAPH = f"{SERVICE}graph_"
GRAPH_SIGN_IN = (f"{GRAPH}application_id", f"{GRAPH}access_token")


def registered(known: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    """The variables of a host as they were given, without templates worked out: that costs a tenth."""
    hostvars = known["hostvars"]
    found: Mapping[str, Any] = hostvars.raw_get(host) if hasattr(hostvars, "raw_get") else hostvars[host]
    return found


def own_variables(known: Mapping[str, Any], template: Callable[[Any], Any]) -> tuple[HostVariables, list[str]]:
    """The variables of the task's host, and an error for each that is wrong."""
    name, groups = plain(known["inventory_hostname"]), plain(known["group_names"])
    return variables.read(name, groups, list(known), lambda variable: template(known[variable]))


def read_variables(
    known: Mapping[str, Any], host: str, template: Callable[[Any], Any]
) -> tuple[HostVariables, list[str]]:
    """The variables of another host than the task's, and an error for each that is wrong.

    Variables of the play and of roles are the task's own: hosts do not know them.
    """
    given = registered(known, host)
    of_play = _of_play(known, variables.specs())

    def value_of(name: str) -> Any:
        return template(known[name]) if name in of_play else _of_host(known, host, given, name)

    return variables.read(host, plain(given["group_names"]), {*given, *of_play}, value_of)


def _of_play(known: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """Those of the names that are variables of the play or of a role."""
    own = registered(known, str(known["inventory_hostname"]))
    return {name for name in names if name in known and (name not in own or own[name] != known[name])}


def _of_host(known: Mapping[str, Any], host: str, given: Mapping[str, Any], name: str) -> Any:
    return known["hostvars"][host][name] if _may_be_template(given[name]) else given[name]


def first_node(known: Mapping[str, Any], host: HostVariables, template: Callable[[Any], Any]) -> str:
    """The host of the play that sets what the nodes of this scanner's cluster share; empty for a host without one."""
    cluster = scanner_cluster.cluster_of(host.values)
    if not cluster or "scanner" not in domains.domains_of(host):
        return ""
    of_play = _of_play(known, scanner_cluster.VARIABLES)

    def values_of(name: str) -> Mapping[str, Any]:
        if name == host.name:
            return host.values
        given = registered(known, name)
        values = {one: _of_host(known, name, given, one) for one in scanner_cluster.VARIABLES if one in given}
        return plain(values | {one: template(known[one]) for one in of_play})

    nodes = plain(known["ansible_play_hosts_all"])
    if SCANNERS in host.groups:
        # reading the variables of a host takes a millisecond, and a play may have thousands
        scanners = set(plain(known["groups"][SCANNERS]))
        nodes = [name for name in nodes if name in scanners]
    return scanner_cluster.first_nodes(nodes, values_of).get(cluster, "")


def _may_be_template(value: Any) -> bool:
    if isinstance(value, str):
        return "{" in value
    if isinstance(value, Mapping):
        return any(map(_may_be_template, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_may_be_template, value))
    # what ansible-vault has encrypted, for instance
    return not isinstance(value, (bool, int, float, type(None)))


def waves(known: Mapping[str, Any], template: Callable[[Any], Any]) -> Waves:
    """In which portions hosts have their turn, by the variable aip_waves: a list, or a text with commas.

    Raises:
        PlanError: it is neither sizes nor rings.
    """
    return Waves.of(plain(template(known.get("aip_waves"))), plain(list(known["groups"])))


def protecting(known: Mapping[str, Any], hosts: Iterable[str]) -> list[str]:
    """The host that sets the protection service: the first admin host, where its variables ask for something."""
    run_tags, skip_tags = (plain(known.get(f"ansible_{kind}_tags", [])) for kind in ("run", "skip"))
    if not domains.has_tag("protection_service", run_tags or ["all"], skip_tags):
        return []
    present = set(hosts)
    admins = [name for name in plain(known["groups"].get(ADMIN_HOSTS, [])) if name in present]
    return [name for name in admins[:1] if any(map(_asks_for_something, registered(known, name).items()))]


def _asks_for_something(variable: tuple[str, Any]) -> bool:
    name, value = variable
    if not name.startswith(SERVICE) or name.startswith(GRAPH):
        return False
    return name.removeprefix(SERVICE) not in SERVICE_ACCOUNT and value not in NOTHING


def graph_reader(known: Mapping[str, Any], hosts: Iterable[str]) -> list[str]:
    """The host whose variables sign in to Microsoft Graph: the first admin host, or else the one that plans."""
    present = set(hosts)
    admins = [name for name in plain(known["groups"].get(ADMIN_HOSTS, [])) if name in present]
    asked = [*admins[:1], str(known["inventory_hostname"])]
    return [name for name in asked if any(registered(known, name).get(one) not in NOTHING for one in GRAPH_SIGN_IN)][:1]


def service(known: Mapping[str, Any]) -> dict[str, Any]:
    """What the protection service reported in this run; empty if it was not asked.

    It is compared with its variables, or else asked, once. The hosts that did so have the result.
    """
    return _answer(known, "protection_service_inspection", "rms_authorization_service")


def graph(known: Mapping[str, Any]) -> dict[str, Any]:
    """What Microsoft Graph reported in this run; empty if it was not asked."""
    return _answer(known, "protection_service_graph_result")


def _answer(known: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The first result of one of these names that some host has; the earlier names first."""
    sources = [known, *(registered(known, host) for host in known["groups"].get("all", ()))]
    answers = (plain(one.get(name)) for name, one in itertools.product(names, sources))
    return next((answer for answer in answers if isinstance(answer, dict) and answer), {})


def tenants(known: Mapping[str, Any]) -> Tenants:
    """The URLs of tenants that are known (action prepare)."""
    prepared = plain(known.get("aip_apply_prepared") or {})
    if not prepared.get("asks_service"):
        return Tenants(prepared.get("tenants", {}))
    answer = service(known)
    tenant = answer.get("tenant")
    url = str(tenant.get("url") or "") if isinstance(tenant, dict) else ""
    why = answer.get("msg") or "set rms_authorization_admin_hosts to a host with the AIPService module"
    untold = "" if url else f"the protection service does not tell the URL of the tenant ({why})"
    return Tenants(prepared.get("tenants", {}), url, untold)


def pool_members(host: str, known: Mapping[str, Any], pools: Any = None) -> list[str]:
    """The connectors of the pool that a host is in. An inventory may have a part of it, so the operator names them."""
    for pool in plain(pools or []):
        if isinstance(pool, Mapping) and host in (pool.get("members") or []):
            return list(pool["members"])
    return list(plain(known["groups"].get(CONNECTORS, [])))
