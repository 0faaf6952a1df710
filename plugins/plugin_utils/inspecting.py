# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The inspection of a host: its question, its result, and the steps to the desired state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .conditions import numbers_of
from .domains import DOMAINS, HostVariables, Setup, domains_of, wanted_of
from .inspection import MalformedError, check
from .scanner_cluster import FIRST_NODE

Result = dict[str, Any]
#: What Ansible says of a host that can run no module, in the words of its versions
TOO_OLD = re.compile("requires (a minimum )?PowerShell v")
#: A host that answers this way must not take the plan of the others with it.
NO_RESULT = "The host returned a result that is not one of infoprotect.aip.desired_state"
#: The step that makes the scanner let go of the client: its service is stopped, or goes with a client of another line
RELEASE = "scanner_release"
#: Reasons of a pending restart that keep nothing from being installed
HARMLESS = frozenset(("file_rename", "tls", "tls_dotnet", "tls_winhttp"))


@dataclass(frozen=True)
class Tenants:
    """The known URLs of tenants.

    Attributes:
        told: URL of a connector -> that of its tenant.
        service: the URL that the protection service told, which is that of every connector.
        untold: why the service told none.
    """

    told: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    untold: str = ""

    def of(self, connector: str) -> str:
        return self.told.get(connector) or self.service


@dataclass(frozen=True)
class Question:
    """The options of desired_state for a host, and why some domains have to wait."""

    options: Mapping[str, Mapping[str, Any]]
    waiting: Mapping[str, str]


def needs_tenant(host: HostVariables, selected: Iterable[str]) -> bool:
    """Whether the URL of the tenant has to be asked for, before a server can use a connector."""
    return (
        "irm_server" in selected
        and "irm_server" in domains_of(host)
        and "irm_server_connector_url" in host.values
        and "irm_server_tenant_url" not in host.values
        and host.values.get("irm_server_state", "present") == "present"
    )


def question(host: HostVariables, selected: Iterable[str], tenants_of_run: Callable[[], Tenants]) -> Question:
    """What to ask the host for.

    selected: the domains that the run is about.
    tenants_of_run: called only if the host needs one, since the answer may be among the variables of any other host.
    """
    names = [name for name in domains_of(host) if name in set(selected)]
    waiting = {}
    if needs_tenant(host, names):
        connector, tenants = str(host.values["irm_server_connector_url"]), tenants_of_run()
        if tenant := tenants.of(connector):
            host = HostVariables(host.name, host.groups, {**host.values, "irm_server_tenant_url": tenant})
        else:
            why = tenants.untold or f"the connector at {connector} does not tell the URL of the tenant yet"
            waiting = {"irm_server": f"{why}; once it does, the next run goes on"}
    return Question(wanted_of(host, [name for name in names if name not in waiting]), waiting)


def inspection(answer: Mapping[str, Any], asked: Question) -> Result:
    """What desired_state answered in check mode, as the rest of a run reads it."""
    found = dict(answer)
    found.pop("diff", None)
    if found.get("failed") and TOO_OLD.search(str(found.get("msg"))):
        found = _too_old(str(found["msg"]))
    elif not found.get("failed") and not found.get("unreachable"):
        try:
            check(found)
        except MalformedError as error:
            return {"failed": True, "msg": f"{NO_RESULT}: {error}. Run this again with -vvv to see the result."}
    if "compliant" in found and asked.waiting:
        found["compliant"] = False
        found["domains"] = {**found["domains"], **{name: _not_yet(why) for name, why in asked.waiting.items()}}
    if found.get("failed"):
        # what was refused may be what must not be shown
        return found
    return {**found, "looked_for": dict(asked.options), "waiting": dict(asked.waiting)}


def _too_old(reason: str) -> Result:
    """The inspection of a host whose PowerShell is too old for any module."""
    finding = f"PowerShell 5.1 is needed, install Windows Management Framework 5.1 ({reason})"
    nothing: Result = {"domains": {}, "host": {}, "reboot_required": False, "reboot_reasons": []}
    return {"compliant": False, "finding": finding, **nothing}


def _not_yet(reason: str) -> Result:
    """A domain that cannot be inspected yet."""
    restart: Result = {"reboot_required": False, "reboot_reasons": []}
    return {"compliant": False, "changes": [], "notes": [], **restart, "refused": [reason]}


def with_first_node(host: HostVariables, first: str) -> HostVariables:
    """The host, with whether it is the first node of its scanner's cluster. What its variables say counts."""
    if not first or FIRST_NODE in host.values:
        return host
    return HostVariables(host.name, host.groups, {**host.values, FIRST_NODE: first == host.name})


def manual_steps(name: str, found: Mapping[str, Any]) -> list[Result]:
    """What an operator has to do at the host for its software, as the inspection tells."""
    domains = found.get("domains")
    return [
        manual_step(name, domain, state["attended_step"])
        for domain, state in (domains.items() if isinstance(domains, Mapping) else ())
        if isinstance(state, Mapping) and isinstance(state.get("attended_step"), Mapping)
    ]


def manual_step(name: str, domain: str, attended_step: Mapping[str, Any]) -> Result:
    """A manual step of a module's result, with the host's name in the inventory and a title."""
    return {**attended_step, "host": name, "title": f"Complete the setup of the {domain}"}


def steps(found: Mapping[str, Any], host: HostVariables) -> list[str]:
    """What has to be done on the host, in this order; empty where it complies.

    restart, scanner_release, client_dotnet, client, connector_dotnet, connector, scanner, connector_https, settings,
    and restart_iis, which is also due where an earlier run has written what the connector reads at its start.
    """
    if "finding" in found or not found.get("domains"):
        return []
    domains, facts = found["domains"], found["host"]
    settings = [name for name in found["looked_for"] if not DOMAINS[name].setup]
    planned = []
    for name in ("client", "connector"):
        domain = domains.get(name, {"compliant": True})
        if domain["compliant"]:
            continue
        if _lacks_dotnet(DOMAINS[name].dotnet, domain, facts, host):
            planned.append(f"{name}_dotnet")
        planned.append(name)
    if planned and not HARMLESS.issuperset((facts.get("reboot") or {}).get("reasons") or ()):
        planned.insert(0, "restart")
    if "scanner" in found["looked_for"]:
        if "client" in planned and (facts.get("scanner") or {}).get("installed"):
            planned.insert(planned.index("client"), RELEASE)
        if "client" in planned or not domains["scanner"]["compliant"]:
            planned.append("scanner")
    if domains.get("connector_https", {}).get("changes"):
        planned.append("connector_https")
    # after a setup they also tell whether IIS has to be restarted
    if "connector" in planned or any(not domains[name]["compliant"] for name in settings if name in domains):
        planned.append("settings")
    connector = facts.get("connector") or {}
    if connector.get("restart_due") and not {"connector", "connector_settings", "tls"}.isdisjoint(domains):
        planned.append("restart_iis")
    return planned


def _lacks_dotnet(
    setup: Setup | None, domain: Mapping[str, Any], facts: Mapping[str, Any], host: HostVariables
) -> bool:
    """Whether the operator's package of .NET Framework has to be installed first."""
    if setup is None or not any(setup.options[source] in host.values for source in ("src", "path")):
        return False
    installs = any(change.get("action") in ("install", "repair", "stage") for change in domain["changes"])
    wanted = str(host.values.get(setup.options["version"], setup.defaults["version"]))
    present = str((facts.get("dotnet") or {}).get("version") or "0")
    return installs and numbers_of(present) < numbers_of(wanted)


def joins(found: Mapping[str, Any]) -> bool:
    """Whether the host is a node of a cluster of scanners whose first node is another one, which comes before it."""
    return (found.get("looked_for") or {}).get("scanner", {}).get("first_node") is False


def release_options(found: Mapping[str, Any], host: HostVariables) -> dict[str, Any]:
    """The options of the module scanner before the client is changed.

    A client that is removed takes its cmdlets along, and the next one has a service of another name. The database
    stays.
    """
    changes = found["domains"]["client"]["changes"]
    removes = any(change["action"] == "remove" for change in changes)
    state: dict[str, Any] = {"state": "absent"} if removes else {"service_state": "stopped"}
    return {**state, "stop_scan": host.values.get("aip_scanner_stop_scan", False)}
