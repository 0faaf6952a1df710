# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The protection service in the report: what it answered, what differs from the variables, and what this run set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..summary import reason
from . import model
from .raw import Result, dicts, mapping, number, texts
from .text import clean

NOT_ASKED = (
    "This run did not sign in to the protection service, so nothing is known about the tenant. To have it asked, set"
    " variables of the role protection_service, such as protection_service_activated, and an account to sign in with"
    " for a host of the group aip_admin_hosts."
)
_KEPT = ("tenant", "settings", "changes", "diff", "notes", "msg", "unreachable", "administrators", "tenant_keys")
#: English, the locale that a tenant has in any case.
_LOCALE = "1033"


def kept(answer: Result, host: str) -> dict[str, Any]:
    """What the plan keeps of the service's answer: of templates only what the report shows, and no options.

    host: the one that signed in, '' if it is not known.
    """
    if not answer:
        return {}
    found = {name: answer[name] for name in _KEPT if answer.get(name) is not None}
    if answer.get("templates") is not None:
        parts = ("id", "names", "state", "default", "label_id")
        found["templates"] = [{part: one.get(part) for part in parts} for one in dicts(answer["templates"])]
    return {**found, "host": host}


def read(plan: Result, applied: Mapping[str, Iterable[Result]]) -> model.Service:
    """The state of the service after the run.

    plan: of the run, whose `service` is the answer before it.
    applied: host -> results of what was done there.
    """
    answer = mapping(plan.get("service"))
    results = [item for items in applied.values() for item in items]
    set_by_run = [item for item in results if is_settings(item)]
    answers = [answer, *set_by_run]
    if not any(answers):
        return model.Service(model.NOT_ASKED, NOT_ASKED)
    settings = next((found for item in reversed(answers) if (found := mapping(item.get("settings")))), {})
    tenant = next((found for item in reversed(answers) if (found := mapping(item.get("tenant")))), {})
    last = answers[-1]
    message = reason(last) or ("The host that asks it is unreachable." if last.get("unreachable") else "")
    activated = settings.get("activated", tenant.get("activated"))
    templates = [item for item in (answer, *filter(is_templates, results)) if item.get("templates") is not None]
    return model.Service(
        state=model.ANSWERED if settings or tenant else model.FAILED,
        message=clean(message),
        host=clean(answer.get("host")),
        id=clean(tenant.get("id")),
        url=clean(tenant.get("url")),
        module_version=clean(tenant.get("module_version")),
        activated=activated if isinstance(activated, bool) else None,
        settings=_settings(settings, answer, set_by_run),
        keys=tuple(map(_key, dicts(answer.get("tenant_keys")))),
        administrators=tuple(map(_administrator, dicts(answer.get("administrators")))),
        templates=tuple(map(_template, dicts(templates[-1]["templates"]))) if templates else (),
        notes=tuple(dict.fromkeys(clean(note) for item in answers for note in texts(item.get("notes")))),
    )


def is_settings(item: Result) -> bool:
    """Whether it is a result of the module protection_service."""
    return isinstance(item.get("settings"), Mapping) and "changes" in item


def is_templates(item: Result) -> bool:
    """Whether it is a result of the module protection_service_template."""
    return "templates" in item and "changes" in item and not is_settings(item)


def changed(item: Result) -> list[str]:
    """What a result of one of the service's modules has changed, in words; empty for other modules."""
    if not item.get("changed"):
        return []
    if is_settings(item):
        return texts(item["changes"])
    if is_templates(item):
        return [_template_change(change) for change in dicts(item["changes"])]
    if "package_needed" in item:
        installed = [f"install AIPService {item['installed']}"] if item.get("installed") else []
        return [*installed, *(f"remove {version}" for version in texts(item.get("removed")))]
    return []


def shown(value: Any) -> tuple[str, ...]:
    """The value of a setting as texts; empty for none."""
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, Mapping):
        return tuple(f"{clean(name)}: {', '.join(shown(item)) or 'none'}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(clean, texts(value)))
    return (clean(value),) if value not in (None, "") else ()


def _settings(found: Result, answer: Result, set_by_run: Iterable[Result]) -> tuple[model.Setting, ...]:
    diff = mapping(answer.get("diff"))
    before, wanted = mapping(diff.get("before")), mapping(diff.get("after"))
    done = {name.removeprefix("perhaps ") for item in set_by_run for name in changed(item)}
    differs = {*texts(answer.get("changes")), *wanted}
    settings = []
    for name, value in found.items():
        state = model.CHANGED if name in done else model.DRIFTED if name in differs else model.READ
        settings.append(
            model.Setting(
                clean(name),
                state if value is not None else model.UNREADABLE,
                shown(value),
                shown(wanted.get(name)) if state == model.DRIFTED else None,
                shown(before.get(name)) if state == model.CHANGED and name in before else None,
            )
        )
    return tuple(settings)


def _key(item: Result) -> model.Key:
    key_id, kind, status, created = (clean(item.get(part)) for part in ("id", "type", "status", "created"))
    return model.Key(key_id, kind, status, created, number(item.get("age_days")))


def _administrator(item: Result) -> model.Administrator:
    # the module that asks only for them does not repeat the role
    role = clean(item.get("role") or "ConnectorAdministrator")
    return model.Administrator(role, *(clean(item.get(part)) for part in ("name", "email", "object_id")))


def _template(item: Result) -> model.Template:
    names = mapping(item.get("names"))
    name = names.get(_LOCALE) or next(iter(names.values()), "")
    labeled = bool(item.get("label_id"))
    return model.Template(
        clean(item.get("id")), clean(name), clean(item.get("state")), bool(item.get("default")), labeled
    )


def _template_change(change: Result) -> str:
    properties = ", ".join(texts(change.get("properties")))
    return f"{change.get('action')} template {change.get('name')}{f': {properties}' if properties else ''}"
