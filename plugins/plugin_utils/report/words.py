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
