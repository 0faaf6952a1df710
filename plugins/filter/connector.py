# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What operators have to do for a connector, whether they did it, and whom connectors authorize."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils import authorization
from ansible_collections.infoprotect.aip.plugins.plugin_utils.conditions import numbers_of
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import CONNECTORS
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import (
    NO_HOST,
    members_of,
    names_in,
    of_defined,
    variables_of,
)

#: Variables that name the servers to authorize
WANTED_SERVERS = re.compile("rms_authorization_(exchange|sharepoint|fci)_(group|members)")


def manual_step(step: Mapping[str, Any]) -> list[str]:
    """The lines of a manual step; manual_step.yml says more."""
    if not isinstance(step, Mapping):
        raise AnsibleFilterError(f"expected the attended_step of a result, found {type(step).__name__}")
    if not step:
        return []
    try:
        where = f"Manual step on {step['host']} ({step['account_role']}):"
        return [where, *names_in("steps", step["steps"])]
    except KeyError as error:
        raise AnsibleFilterError("expected the attended_step of a result, with host, account_role and steps") from error


def connector_is_done(info: Mapping[str, Any], state: str = "present", version: str = "") -> bool:
    """Whether a host has the connector in the desired state; see connector_is_done.yml."""
    facts = info.get("host") if isinstance(info, Mapping) else None
    if not isinstance(facts, Mapping):
        return False
    fact = facts.get("connector")
    connector: Mapping[str, Any] = fact if isinstance(fact, Mapping) else {}
    installed = bool(connector.get("installed"))
    if state == "absent":
        return not installed
    return installed and numbers_of(str(connector.get("version") or "")) >= numbers_of(str(version or ""))


def authorized_accounts(hostvars: Mapping[str, Any], groups: Mapping[str, Iterable[str]]) -> list[str]:
    """The accounts that connectors authorized when they were inspected; authorized_accounts.yml says more."""
    found: dict[str, None] = {}
    for name in members_of(CONNECTORS, groups):
        inspection = variables_of(name, hostvars).get("aip_apply_inspection")
        facts = inspection.get("host") if isinstance(inspection, Mapping) else None
        connector = facts.get("connector") if isinstance(facts, Mapping) else None
        if isinstance(connector, Mapping):
            found |= dict.fromkeys(names_in("authorized", connector.get("authorized") or ()))
    return list(found)


def authorizing(hostvars: Mapping[str, Any], groups: Mapping[str, Iterable[str]]) -> list[str]:
    """The connectors whose authorization list has to be verified; see authorizing.yml."""
    names = members_of(CONNECTORS, groups)
    return [name for name in names if _has_list_to_compare(variables_of(name, hostvars))] or NO_HOST


def unverified_lists(hostvars: Mapping[str, Any], hosts: Iterable[str]) -> list[str]:
    """The hosts whose list of authorized servers differs; unverified_lists.yml says more."""
    return authorization.unverified({name: variables_of(name, hostvars) for name in names_in("hosts", hosts)})


def _has_list_to_compare(variables: Mapping[str, Any]) -> bool:
    if not any(WANTED_SERVERS.fullmatch(str(name)) for name in variables):
        return False
    known = variables.get("aip_apply_verified") or variables.get("aip_apply_inspection")
    facts = known.get("host") if isinstance(known, Mapping) else None
    connector = facts.get("connector") if isinstance(facts, Mapping) else None
    return isinstance(connector, Mapping) and bool(connector.get("installed") or connector.get("staged_version"))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(manual_step, connector_is_done, authorized_accounts, authorizing, unverified_lists)
