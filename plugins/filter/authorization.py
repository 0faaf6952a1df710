# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may use the Rights Management connector: what is wanted against the directory and the connector's list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.infoprotect.aip.plugins.plugin_utils import authorization
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import names_in, of_defined
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        # Names and texts of a directory or a host are never templates.
        return wrap_var(function(*arguments))
    except authorization.AuthorizationError as error:
        raise AnsibleFilterError(str(error)) from error


def authorization_search(wanted: Mapping[str, Any]) -> list[dict[str, str]]:
    """LDAP filters that find groups and members; authorization_search.yml says what the argument is."""
    return list(_call(authorization.search, _mapping(wanted)))


def authorization_plan(
    wanted: Mapping[str, Any],
    found: Iterable[Mapping[str, Any]] = (),
    scope: str = "universal",
    exclusive: bool = False,
    domain: str = "",
) -> dict[str, Any]:
    """What has to be done in the directory; authorization_plan.yml says what the arguments are."""
    try:
        exact = bool(boolean(exclusive))
    except TypeError as error:
        raise AnsibleFilterError(f"exclusive is {exclusive!r}: expected true or false") from error
    return dict(_call(authorization.plan, _mapping(wanted), _list("found", found), str(scope), exact, str(domain)))


def authorization_verify(connector: Any, wanted: Iterable[Any], ignore: Iterable[Any] = ()) -> dict[str, Any]:
    """The connector's list against the wanted accounts; authorization_verify.yml says what the arguments are."""
    return dict(_call(authorization.verify, plain(connector), _list("wanted", wanted), _list("ignore", ignore)))


def authorization_wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The roles of which something is given; authorization_wanted.yml says more."""
    found = {}
    for role, item in _mapping(given).items():
        group, members = (None if item.get(name) in ("", None) else item[name] for name in ("group", "members"))
        if group or members is not None:
            found[role] = {"group": group or "", "members": members}
    return found


def authorization_notes(plan: Mapping[str, Any], exclusive: bool = False) -> list[str]:
    """What the operator has to know about the groups; authorization_notes.yml says more."""
    return list(_call(authorization.notes, _groups(plan), bool(boolean(exclusive, strict=False))))


def authorization_step(plan: Mapping[str, Any], host: str, cloud: str) -> dict[str, Any]:
    """The manual step for the connectors' list; authorization_step.yml says more."""
    return dict(_call(authorization.list_step, _groups(plan), str(plain(host)), str(plain(cloud))))


def _groups(plan: Any) -> list[dict[str, Any]]:
    """The groups of a plan, with what texts are made of."""
    groups = _list("groups", plan.get("groups")) if isinstance(plan, Mapping) else []
    if not isinstance(plan, Mapping) or not all(isinstance(group, Mapping) for group in groups):
        raise AnsibleFilterError("expected the result of the filter authorization_plan, with groups")
    return [
        {
            **{name: str(group.get(name) or "") for name in ("role", "account", "title")},
            **{name: names_in(name, group.get(name) or []) for name in ("new", "surplus")},
            "kept_by_exchange": bool(group.get("kept_by_exchange")),
        }
        for group in groups
    ]


def _mapping(wanted: Any) -> dict[str, Any]:
    if not isinstance(wanted, Mapping) or not all(isinstance(item, Mapping) for item in wanted.values()):
        raise AnsibleFilterError(f"expected a dictionary of roles with group and members, found {wanted!r}")
    return dict(plain(wanted))


def _list(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise AnsibleFilterError(f"{name} is {value!r}: expected a list")
    return list(plain(list(value)))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(
            authorization_wanted,
            authorization_search,
            authorization_plan,
            authorization_notes,
            authorization_step,
            authorization_verify,
        )
