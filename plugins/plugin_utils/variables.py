# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The variables of the collection: which there are, of what types, and what is wrong with those of a host."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load

from . import statements
from .addresses import HIDDEN, has_account
from .domains import NOTHING, TAGS, HostVariables, unknown_tags
from .option_types import mistyped
from .requirements import load, plain

ROLES = Path(__file__).parents[2] / "roles"
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
#: The variables of the playbooks, as argument specs. Those of roles are in their meta/argument_specs.yml.
OF_PLAYBOOKS: dict[str, Any] = {
    # sizes of batches, or rings: a list, or a text with commas
    "aip_waves": {"type": "raw"},
    "aip_waves_lost": {"type": "int"},
    "aip_audit_fail_on_drift": {"type": "bool"},
    "aip_audit_fail_on_restart": {"type": "bool"},
    # latest, first, or the name or path of a receipt
    "aip_restore_receipt": {"type": "str"},
    "aip_restore_force": {"type": "bool"},
    "aip_restore_all": {"type": "bool"},
    "aip_report_dir": {"type": "path"},
    "aip_report_formats": {
        "type": "list",
        "elements": "str",
        "choices": ["html", "json", "csv", "junit", "sarif", "md"],
    },
    "aip_selftest_host": {"type": "str"},
    "aip_selftest_folder": {"type": "path"},
    "aip_selftest_show_names": {"type": "bool"},
    # the settings of the playbook awx, in extensions/awx/objects/settings.yml
    "aip_awx_namespace": {"type": "str", "choices": ["awx.awx", "ansible.controller"]},
    "aip_awx_organization": {"type": "str"},
    "aip_awx_project_url": {"type": "str"},
    "aip_awx_project_branch": {"type": "str"},
    "aip_awx_project_credential": {"type": "str"},
    "aip_awx_image": {"type": "str"},
    "aip_awx_notification_url": {"type": "str"},
    "aip_awx_notifications": {"type": "list", "elements": "str"},
    "aip_awx_credentials": {"type": "list", "elements": "str"},
    "aip_awx_inventory_credential": {"type": "str"},
    "aip_awx_inventory_path": {"type": "str"},
    "aip_awx_report_dir": {"type": "str"},
    "aip_awx_forks": {"type": "int"},
    "aip_awx_approval_timeout": {"type": "int"},
    "aip_awx_timezone": {"type": "str"},
    # the hooks for HAProxy, and what a hook returns
    "rms_pool_haproxy_socket": {"type": "str"},
    "rms_pool_haproxy_backend": {"type": "str"},
    "rms_pool_drain_seconds": {"type": "int"},
    "rms_pool_restore_seconds": {"type": "int"},
    "rms_pool_in_service": {"type": "list", "elements": "str"},
}
#: A variable that begins so is one of the collection.
PREFIXES = ("aip_", "rms_", "irm_", "protection_service_")
#: How similar a known name has to be to be proposed
SIMILARITY = 0.6
#: As many names are listed where none is near
MOST = 20


@functools.cache
def specs() -> dict[str, Any]:
    """The variables that users set, of all roles and playbooks: name -> argument spec."""
    found = dict(OF_PLAYBOOKS)
    for file in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        for entry in yaml_load(file.read_text(encoding="utf-8"))["argument_specs"].values():
            found |= entry.get("options") or {}
    return found


@functools.cache
def known_names() -> frozenset[str]:
    """Beside the variables that users set, those that roles and playbooks make for themselves."""
    made: set[str] = set()
    for file in [*ROLES.glob("*/vars/main.yml"), *ROLES.glob("*/defaults/main.yml")]:
        made |= (yaml_load(file.read_text(encoding="utf-8")) or {}).keys()
    for file in [*ROLES.glob("*/tasks/**/*.yml"), *PLAYBOOKS.glob("**/*.yml")]:
        made |= set(_registered(yaml_load(file.read_text(encoding="utf-8"))))
    return frozenset(made | specs().keys())


def _registered(content: Any) -> Iterable[str]:
    """The names that tasks register or hand to a job, and that set_fact and vars give values to."""
    if isinstance(content, list):
        for item in content:
            yield from _registered(item)
    elif isinstance(content, Mapping):
        for key, value in content.items():
            if key == "register":
                yield str(value)
            elif key == "ansible.builtin.set_stats":
                # AWX gives them to the next job of a workflow
                yield from map(str, value["data"])
            elif key in ("vars", "ansible.builtin.set_fact") and isinstance(value, Mapping):
                yield from map(str, value)
            else:
                yield from _registered(value)


def prepare() -> None:
    """Read all files ahead. What the controller has done, the processes that it forks find done."""
    known_names()


def unknown_names(names: Iterable[str]) -> list[str]:
    """An error for each name that has a prefix of the collection and is none of its variables."""
    odd = sorted(name for name in names if name.startswith(PREFIXES) and name not in known_names())
    return [f"{name} is not a variable of this collection{_nearest(name, sorted(specs()))}" for name in odd]


def wrong_tags(run_tags: Iterable[str], skip_tags: Iterable[str]) -> list[str]:
    """An error for each tag that no task has."""
    return [f"{tag} is not a tag of this collection{_nearest(tag, TAGS)}" for tag in unknown_tags(run_tags, skip_tags)]


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    if near := difflib.get_close_matches(name, names, 1, SIMILARITY):
        return f". Did you mean {near[0]}?"
    return f": expected one of {', '.join(names)}" if len(names) <= MOST else ""


def read(
    name: str, groups: Iterable[str], names: Iterable[str], value_of: Callable[[str], Any]
) -> tuple[HostVariables, list[str]]:
    """The variables of a host, and an error for each that is wrong.

    names: of all variables that the host has.
    value_of: returns the value of a variable; an AnsibleError where a template in it cannot be evaluated.
    """
    errors = unknown_names(names)
    values: dict[str, Any] = {}
    for variable in sorted(specs().keys() & set(names)):
        try:
            value = plain(value_of(variable))
        except AnsibleError as error:
            errors.append(f"{variable} cannot be evaluated: {error}")
        else:
            if value not in NOTHING:
                values[variable] = listed(value) if _is_list_of_texts(specs()[variable]) else value
    described = {variable: specs()[variable] for variable in values}
    checked = ArgumentSpecValidator(_optional(described)).validate(values, validate_role_argument_spec=True)
    errors += [*checked.error_messages, *mistyped(described, values)]
    if isinstance(given := values.get("aip_statements"), Mapping):
        errors += load().read_statements(given, statements.today())[1]
    for variable, value in values.items():
        if isinstance(value, str) and not described[variable].get("no_log") and has_account(value):
            errors.append(f"{variable} is {HIDDEN}: expected an address without them")
    return HostVariables.of(name, groups, checked.validated_parameters), errors


def _is_list_of_texts(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "list" and spec.get("elements") == "str"


def listed(value: Any) -> Any:
    """The items of a text with commas, as a survey sends a list. Anything else than text is returned as it is."""
    if not isinstance(value, str):
        return value
    return [item for part in value.split(",") if (item := part.strip())]


def _optional(described: Mapping[str, Any]) -> dict[str, Any]:
    """Specs that check what is given. What is required is required by the role, not of every host."""
    dropped = ("required", "default")
    return {name: {key: value for key, value in spec.items() if key not in dropped} for name, spec in described.items()}
