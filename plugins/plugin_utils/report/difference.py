# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""What changed since the previous report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from . import model


def since(report: model.Report, previous: Mapping[str, Any]) -> model.Report:
    """The report with what is different from the previous one (the content of its report.json).

    Raises:
        ReportError: the previous one cannot be compared.
    """
    content = report.as_dict()
    try:
        before, after = _by_name(model.check(previous)), _by_name(content)
        changed = [
            change
            for name in after
            if name in before and (change := _host(name, before[name], after[name])) is not None
        ]
        generated = str(previous["generated"])
    except (KeyError, TypeError, AttributeError) as error:
        raise model.ReportError(f"it is damaged ({type(error).__name__}: {error})") from error
    added, removed = _without(after, before), _without(before, after)
    return replace(report, previous=model.Previous(generated, added, removed, tuple(changed)))


def labels(host: Mapping[str, Any]) -> list[str]:
    """Each thing that a host lacks, in words that stay the same from one report to the next."""
    found = []
    for name, domain in host["domains"].items():
        if domain["state"] in (model.COMPLIANT, model.CHANGED):
            continue
        for value in domain["values"]:
            view = " (32-bit view)" if value["view"] == 32 else ""
            found.append(f"{name}: {value['path']}{view} {value['name'] or '(default)'}")
        found += [f"{name}: {step['action']} {step['product']}" for step in domain["installations"]]
        found += [f"{name}: cannot read {item['what']}" for item in domain["unreadable"]]
        found += [f"{name}: {reason}" for reason in domain["refused"]]
    found += [f"prerequisite {finding['id']} ({finding['severity']})" for finding in host["findings"]]
    if host["restart"]["pending"]:
        found.append("pending restart")
    return found


def _by_name(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {host["name"]: host for host in content["hosts"]}


def _host(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> model.HostChange | None:
    # Nothing is known about the differences of a host that could not be inspected.
    unknown = {model.UNREACHABLE, model.FAILED} & {before["status"], after["status"]}
    old, new = ([], []) if unknown else (labels(before), labels(after))
    change = model.HostChange(name, before["status"], after["status"], _without(new, old), _without(old, new))
    return change if change.before != change.after or change.new or change.resolved else None


def _without(items: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    known = set(others)
    return tuple(item for item in items if item not in known)
