# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The report on the terminal, and as a small artifact for a job. All functions take the content of report.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from . import model, words
from .text import counted, visible

Content = Mapping[str, Any]
#: A job keeps its artifacts in a database: AWX shows them, and gives them to the next job.
ARTIFACT_BYTES = 2000
_WIDEST_NAME, _WIDEST = 40, 100


def table(content: Content) -> list[str]:
    """One line for each host that differs, those that need most work first, and a last line that sums up the fleet."""
    differing = [host for host in content["hosts"] if host["status"] != model.COMPLIANT or host["restart"]["pending"]]
    rows = [
        (_cut(host["name"], _WIDEST_NAME), host["status"], _cut(words.drift(host), _WIDEST), _note(host))
        for host in words.by_urgency(differing)
    ]
    head = ("HOST", "STATUS", "DIFFERS", "NOTES")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]).rstrip()
        for row in (head, *rows)
    ]
    return [*(lines if rows else []), total(content)]


def total(content: Content) -> str:
    """The fleet in one line."""
    summary = content["summary"]
    parts = [f"{summary[status]:,} {status}" for status in model.COUNTED if summary[status]]
    line = f"{counted(summary['hosts'], 'host')}: {', '.join(parts) or 'none inspected'}"
    more = [counted(summary["restart_pending"], "pending restart")] if summary["restart_pending"] else []
    if steps := len(content["manual_steps"]):
        more.append(counted(steps, "manual step"))
    if ending := sum(statement["state"] != "valid" for statement in content["statements"]):
        more.append(f"{counted(ending, 'operator statement')} to make or renew")
    return "; ".join([line, *more])


def details(content: Content) -> list[str]:
    """Everything that a host lacks, host after host: what the file has, for a run with -v."""
    lines = []
    for host in content["hosts"]:
        if own := [*words.differences(host), *words.findings(host, content["prerequisites"])]:
            lines += [f"{visible(host['name'])}:", *(f"  {visible(line)}" for line in own)]
    return lines


def artifact(content: Content) -> dict[str, Any]:
    """The summary for set_stats: counts, and as many names as fit."""
    result: dict[str, Any] = {**content["summary"], "manual_steps": len(content["manual_steps"])}
    result |= {"playbook": content["run"]["playbook"], "job": content["run"].get("job", "")}
    names = {
        status: [visible(host["name"]) for host in content["hosts"] if host["status"] == status]
        for status in model.STATUSES
        if status != model.COMPLIANT
    }
    names["changed"] = list(dict.fromkeys(visible(change["host"]) for change in content["changes"]))
    names["restart_pending"] = [visible(host["name"]) for host in content["hosts"] if host["restart"]["pending"]]
    result["names"] = {status: [] for status, hosts in names.items() if hosts}
    # One of each kind in turn, so that many drifted hosts do not displace the blocked one.
    for position in range(max(map(len, names.values()))):
        for status, hosts in names.items():
            if position < len(hosts):
                result["names"][status].append(hosts[position])
                if len(json.dumps({**result, "more": True})) > ARTIFACT_BYTES:
                    result["names"][status].pop()
                    result["more"] = True
    return result


def _note(host: Content) -> str:
    notes = []
    blocking = [finding["id"] for finding in host["findings"] if finding["severity"] == "blocks"]
    if blocking:
        notes.append(f"blocked by {', '.join(blocking)}")
    if host["message"]:
        notes.append(host["message"])
    if host["restart"]["pending"]:
        notes.append(_because("pending restart", host["restart"]["reasons"]))
    elif host["restart"]["after_changes"]:
        notes.append("a restart will be needed")
    return _cut("; ".join(notes), _WIDEST)


def _because(what: str, reasons: Iterable[str]) -> str:
    names = ", ".join(reasons)
    return f"{what} ({names})" if names else what


def _cut(text: str, width: int) -> str:
    shown = visible(text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."
