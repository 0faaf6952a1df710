# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all filters of the collection share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from jinja2 import Undefined

from .requirements import plain

#: A pattern that matches no host. Ansible warns about an empty list, but not about this.
NO_HOST = ["!all"]


def of_defined(*filters: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The filters by name. Each fails on an undefined operand with Jinja's own error, which names the variable.

    ansible-core 2.19 and later never call a filter with an undefined operand; earlier releases do.
    """
    return {function.__name__: _of_defined(function) for function in filters}


def _of_defined(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*operands: Any, **options: Any) -> Any:
        for value in (*operands, *options.values()):
            if isinstance(value, Undefined):
                str(value)  # raises the error
        return function(*operands, **options)

    return call


def names_in(what: str, value: Any) -> list[str]:
    """The list of names that an operand is; an error says what was expected."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise AnsibleFilterError(f"{what} is {value!r}: expected a list of names")
    names = plain(list(value))
    if strangers := [name for name in names if not isinstance(name, str)]:
        raise AnsibleFilterError(f"{what} has {strangers[0]!r}: expected names, as text")
    return list(names)


def members_of(group: str, groups: Any) -> list[str]:
    """The hosts of a group of the variable groups."""
    if not isinstance(groups, Mapping):
        raise AnsibleFilterError(f"groups is {groups!r}: expected a dictionary of groups with their hosts")
    return names_in(f"the group {group}", groups.get(group, ()))


def variables_of(host: str, hostvars: Any) -> Mapping[str, Any]:
    """The variables of a host; empty where there are none, as in a check of the syntax."""
    if not isinstance(hostvars, Mapping):
        raise AnsibleFilterError(f"hostvars is {hostvars!r}: expected the variables of hosts")
    # ansible-core before 2.19 has something undefined for a host that it does not know
    if host not in hostvars:
        return {}
    found = hostvars[host]
    if not isinstance(found, Mapping):
        raise AnsibleFilterError(f"hostvars has {found!r} for {host}: expected a dictionary")
    return found
