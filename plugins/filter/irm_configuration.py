# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where Information Rights Management is switched on: the servers, and the one that changes an organization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.infoprotect.aip.plugins.plugin_utils import authorization, irm_configuration
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import CONNECTORS, PRODUCTS
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import (
    NO_HOST,
    members_of,
    names_in,
    of_defined,
    variables_of,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain


def irm_configuring(
    hostvars: Mapping[str, Any], groups: Mapping[str, Iterable[str]], leaving: bool = False
) -> list[str]:
    """The servers whose IRM is managed and whose turn it is; irm_configuring.yml says more."""
    known = [server for server in _servers(hostvars, groups) if not (server.lost or server.waits)]
    return [server.name for server in known if server.leaves or not leaving] or NO_HOST


def irm_units(
    hostvars: Mapping[str, Any], hosts: Iterable[str], groups: Mapping[str, Iterable[str]]
) -> list[dict[str, Any]]:
    """The organizations and farms of servers, and the server that changes each; irm_units.yml says more."""
    turn = names_in("hosts", hosts)
    unlisted = authorization.unverified({name: variables_of(name, hostvars) for name in members_of(CONNECTORS, groups)})
    units = irm_configuration.units(_servers(hostvars, groups, turn), turn)
    return [{**unit.as_dict(), "unlisted": unlisted} for unit in units]


def _servers(
    hostvars: Mapping[str, Any], groups: Mapping[str, Iterable[str]], also: Iterable[str] = ()
) -> list[irm_configuration.Server]:
    of_groups = {group: members_of(group, groups) for group in PRODUCTS}
    known = {name: _registered(variables_of(name, hostvars)) for names in of_groups.values() for name in names}
    return irm_configuration.servers(known, of_groups, also)


def _registered(known: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that decide, without working out all others of the host."""
    names = (
        "irm_configuration_state",
        "irm_configuration_from_ad_rms",
        *irm_configuration.SHARED_BY.values(),
        "aip_apply_inspection",
        "aip_plan",
    )
    return {name: plain(known[name]) for name in names if name in known}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(irm_configuring, irm_units)
