# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of a rollout, and the pool of a connector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils import requirements, role_variables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import PoolError, pool_of


def rollout_hosts(groups: Mapping[str, Iterable[str]], names: Iterable[str]) -> list[str]:
    """The hosts of groups, one group after the other; rollout_hosts.yml says more."""
    # This is made for the controller, before it has a process for each host: those find what they need read.
    requirements.prepare()
    role_variables.prepare()
    if not isinstance(groups, Mapping):
        raise AnsibleFilterError(f"groups is {groups!r}: expected a dictionary of groups with their hosts")
    inventory = _names("the group all", groups.get("all", ()))
    hosts: dict[str, None] = {}
    for name in _names("names", names):
        members = set(_names(f"the group {name}", groups.get(name, ())))
        hosts.update(dict.fromkeys(host for host in inventory if host in members))
    return list(hosts)


def rollout_pool(member: str, pools: Sequence[Mapping[str, Any]] | None, inventory: Iterable[str]) -> dict[str, Any]:
    """members and minimum of the pool that the member is in; rollout_pool.yml says more."""
    try:
        pool = pool_of(str(member), plain(pools or []), _names("inventory", inventory))
    except PoolError as error:
        raise AnsibleFilterError(str(error)) from error
    # before ansible-core 2.19, no loop takes a tuple
    return {"members": list(pool.members), "minimum": pool.minimum}


def _names(what: str, value: Any) -> list[str]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise AnsibleFilterError(f"{what} is {value!r}: expected a list of names")
    names = plain(list(value))
    if strangers := [name for name in names if not isinstance(name, str)]:
        raise AnsibleFilterError(f"{what} has {strangers[0]!r}: expected names, as text")
    return list(names)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(rollout_hosts, rollout_pool)
