# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""A host of report.json in words, for the formats that are read line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import model
from .text import counted

Content = Mapping[str, Any]


def by_urgency(hosts: Iterable[Content]) -> list[Content]:
    """The hosts that need work first, each group by name."""
    return sorted(
        hosts,
        key=lambda host: (model.STATUSES.index(host["status"]), not host["restart"]["pending"], host["name"]),
    )


def drift(host: Content) -> str:
    """What differs by domain, such as `client 1, tls 18`; what waits for an operator is named."""
    parts = []
    for name, domain in host["domains"].items():
        state = domain["state"]
        if state == model.DRIFTED:
            own = len(domain["values"]) + sum(not step["attended"] for step in domain["installations"])
            parts.append(f"{name} {own or ''}".strip())
        elif state not in (model.COMPLIANT, model.CHANGED):
            parts.append(f"{name} {state}")
    return ", ".join(parts)


def differences(host: Content) -> list[str]:
    """One line for each thing that differs, cannot be read, or was refused."""
    lines = [host["message"]] if host["message"] else []
    for name, domain in host["domains"].items():
        if domain["state"] in (model.COMPLIANT, model.CHANGED):
            continue
        own = [f"{value_name(item)}: {data(item['before'])} -> {data(item['wanted'])}" for item in domain["values"]]
        own += map(installation, domain["installations"])
        own += [f"cannot read {item['what']}: {item['reason']}" for item in domain["unreadable"]]
        own += [f"refused: {reason}" for reason in domain["refused"]]
        lines += [f"{name}: {line}" for line in own or domain["notes"] or [domain["state"]]]
    return lines


def findings(host: Content, prerequisites: Content) -> list[str]:
    """One line for each prerequisite that the host does not meet."""
    lines = []
    for finding in host["findings"]:
        entry = prerequisites[finding["id"]]
        lines.append(
            f"{finding['id']} ({finding['severity']}): {entry['text']} Found: {finding['found']};"
            f" expected: {entry['expected']}. {entry['remedy']} [{source(entry)}]"
        )
    return lines


def value_name(value: Content) -> str:
    """Path, view and name of a registry value."""
    view = " (32-bit view)" if value["view"] == 32 else ""
    return f"{value['path']}{view} {value['name'] or '(default)'}"


def data(value: Content | None) -> str:
    """Type and data of a registry value."""
    return "(absent)" if value is None else f"{value['type']} {value['data']}"


def installation(step: Content) -> str:
    """What is installed or removed."""
    by = ", by an operator at the host" if step["attended"] else ""
    return f"{step['action']} {step['product']}: {step['before'] or '(absent)'} -> {step['wanted'] or '(absent)'}{by}"


def source(entry: Content) -> str:
    """The document and the section that a prerequisite is from."""
    return f"{entry['document']}, {entry['section']}" if entry["section"] else str(entry["document"])


def lease(held: Content) -> str:
    """The run that has a lease, and until when."""
    end = "expired at" if held["expired"] else "until"
    return f"run {held['run']} on {held['controller']}, {end} {held['expires']}"


def statement(line: Content) -> str:
    """Who stated it, when, and until when it counts."""
    if not line["name"]:
        return f"missing, {counted(line['hosts'], 'host')}" if line["hosts"] else "missing"
    left = line["days_left"]
    until = f"expired on {line['expires']}" if left < 0 else f"expires on {line['expires']}, in {counted(left, 'day')}"
    return f"{line['name']}, {line['date']}, {until}"


def changed(content: Content) -> list[str]:
    """The hosts that this run changed, and not only tried to."""
    parts = ("values", "installations", "settings", "restarted")
    return list(dict.fromkeys(one["host"] for one in content["changes"] if any(one[part] for part in parts)))


def service(found: Content) -> list[str]:
    """What is wrong with the protection service, for the line that sums up."""
    if found["state"] == model.FAILED:
        return ["the protection service could not be asked"]
    drifted = sum(setting["state"] == model.DRIFTED for setting in found["settings"])
    activated = ["the protection service is not activated"] if found["activated"] is False else []
    return [*activated, *([f"the protection service differs in {counted(drifted, 'setting')}"] if drifted else [])]


def values(items: Iterable[str] | None) -> str:
    """The value of a setting of the protection service, as texts."""
    return ", ".join(items or ()) or "none"


def setting(item: Content) -> str:
    """A setting of the protection service that differs."""
    return f"{item['name']}: {values(item['value'])} -> {values(item['wanted'])}"


def mode(scanner: Content) -> str:
    """Discovery or enforcement, as far as the scanner tells."""
    return {True: "enforcement", False: "discovery", None: ""}[scanner["enforce"]]


def scan(scanner: Content) -> str:
    """When the last scan was started, and what it has found."""
    found = scanner["scan"] or {}
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in found.items() if count is not None]
    return ", ".join([f"since {scanner['scan_started']}", *counts]) if scanner["scan_started"] else "no scan yet"


def administrator(item: Content) -> str:
    """Who has a role of the protection service."""
    return f"{item['email'] or item['name'] or item['object_id']} ({item['role']})"


def template(item: Content) -> str:
    """A template, its state, and whether it is a default one or belongs to a label."""
    kinds = [kind for kind, holds in (("default", item["default"]), ("of a label", item["label"])) if holds]
    return f"{item['name'] or item['id']} ({', '.join([item['state'], *kinds])})"
