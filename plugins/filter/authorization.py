# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may use the Rights Management connector, and what to ask the directory for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.infoprotect.aip.plugins.plugin_utils import authorization
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain


def authorization_search(wanted: Mapping[str, Any]) -> list[dict[str, str]]:
    """LDAP filters that find groups and members; authorization_search.yml says what the argument is."""
    try:
        # names of accounts are never templates
        return list(wrap_var(authorization.search(_mapping(wanted))))
    except authorization.AuthorizationError as error:
        raise AnsibleFilterError(str(error)) from error


def authorization_wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The roles of which something is given; authorization_wanted.yml says more."""
    found = {}
    for role, item in _mapping(given).items():
        group, members = (None if item.get(name) in ("", None) else item[name] for name in ("group", "members"))
        if group or members is not None:
            found[role] = {"group": group or "", "members": members}
    return found


def _mapping(wanted: Any) -> dict[str, Any]:
    if not isinstance(wanted, Mapping) or not all(isinstance(item, Mapping) for item in wanted.values()):
        raise AnsibleFilterError(f"expected a dictionary of roles with group and members, found {wanted!r}")
    return dict(plain(wanted))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(authorization_wanted, authorization_search)
