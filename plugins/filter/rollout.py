# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who a play is for: the groups that the collection manages, and the hosts whose turn a plan says has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils import domains, plan, variables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import (
    NO_HOST,
    members_of,
    names_in,
    of_defined,
    variables_of,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import PoolError, pool_of

PARTS = ("stopped", "failing", "protection_service", *plan.Plan.__dataclass_fields__)


def managed_groups(groups: Mapping[str, Iterable[str]], playbook: str = "site") -> list[str]:
    """The groups of an inventory that the collection manages; managed_groups.yml says more."""
    # This is made for the controller, before it has a process for each host: those find what they need read.
    variables.prepare()
    members_of("all", groups)
    of_playbooks = {"site": domains.GROUPS, **domains.OF_PLAYBOOKS}
    if playbook not in list(of_playbooks):
        raise AnsibleFilterError(f"playbook is {playbook!r}: expected one of {', '.join(of_playbooks)}")
    wanted = of_playbooks[playbook]
    # of groups that the inventory does not have Ansible would warn each time
    return [name for name in wanted if name in groups] or list(wanted)


def planned(hostvars: Mapping[str, Any], part: str, groups: Mapping[str, Iterable[str]]) -> list[Any]:
    """The hosts of a part of the plan, or how many of them have their turn at a time; planned.yml says more."""
    found = _plan(hostvars, groups)
    batches = found.get("batches", [])
    if not isinstance(batches, list) or not all(isinstance(batch, list) for batch in batches):
        raise AnsibleFilterError(f"aip_plan has {batches!r} as batches: expected lists of hosts")
    if part == "sizes":
        return [len(batch) for batch in batches] or ["100%"]
    if part == "batches":
        return [host for batch in batches for host in batch] or NO_HOST
    if part not in PARTS:
        raise AnsibleFilterError(f"{part}: expected sizes, or one of {', '.join(PARTS)}")
    hosts = found.get(part) or []
    return names_in(part, list(hosts) if isinstance(hosts, Mapping) else hosts) or NO_HOST


def _plan(hostvars: Mapping[str, Any], groups: Mapping[str, Iterable[str]]) -> Mapping[str, Any]:
    """What the action plan registered for every host of its play."""
    for name in members_of("all", groups):
        # a host that is not in this run has none
        found = variables_of(name, hostvars).get("aip_plan")
        if isinstance(found, Mapping):
            return dict(plain(found))
    return {}


def registered(hostvars: Mapping[str, Any], name: str | Iterable[str], hosts: Iterable[str]) -> dict[str, Any]:
    """What tasks have registered under a name or names, host by host; registered.yml says more."""
    names = [str(name)] if isinstance(name, str) else names_in("name", name)
    found: dict[str, list[Any]] = {}
    for host in names_in("hosts", hosts):
        known = variables_of(host, hostvars)
        results = [known.get(one) for one in names]
        found[host] = [plain(one) for one in results if isinstance(one, Mapping) and not one.get("skipped")]
    return {host: results[0] if isinstance(name, str) else results for host, results in found.items() if results}


def serial_of(waves: Any) -> list[str]:
    """Sizes of batches, of what aip_waves says; serial_of.yml says more."""
    try:
        return list(plan.Waves.of(plain(waves), ()).sizes)
    except plan.PlanError as error:
        raise AnsibleFilterError(f"{error}. Rings are for the playbook site") from error


def rollout_pool(
    member: str, pools: Sequence[Mapping[str, Any]] | None, groups: Mapping[str, Iterable[str]]
) -> dict[str, Any]:
    """members and minimum of the pool that the member is in; rollout_pool.yml says more."""
    try:
        pool = pool_of(str(member), plain(pools or []), members_of(domains.CONNECTORS, groups) or [str(member)])
    except PoolError as error:
        raise AnsibleFilterError(str(error)) from error
    # before ansible-core 2.19, no loop takes a tuple
    return {"members": list(pool.members), "minimum": pool.minimum}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(managed_groups, planned, registered, serial_of, rollout_pool)
