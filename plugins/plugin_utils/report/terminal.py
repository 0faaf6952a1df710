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
    return [*_rows(content, content["hosts"]), total(content)]


def outcome(content: Content, turns: Iterable[str]) -> list[str]:
    """What became of a run whose plan was shown: the hosts whose turn came and that are not done yet, and the sum.

    turns: the hosts that the plan gave a turn. The plan has named all others.
    """
    names = set(turns)
    hosts = [host for host in content["hosts"] if host["name"] in names or host["status"] == model.FAILED]
    if content["run"]["check_mode"]:
        # what differs stands in the plan
        failed = [host for host in hosts if host["status"] == model.FAILED]
        return [*_rows(content, failed), f"{total(content)}; check mode, so nothing was changed"]
    return [*_rows(content, hosts), total(content)]


def _rows(content: Content, hosts: Iterable[Content]) -> list[str]:
    connectors = {member["host"]: member for pool in content["pools"] for member in pool["members"]}
    noted = {host["name"]: _notes(host, connectors.get(host["name"])) for host in hosts}
    differing = [host for host in hosts if host["status"] != model.COMPLIANT or noted[host["name"]]]
    rows = [
        (
            _cut(host["name"], _WIDEST_NAME),
            host["status"],
            _cut(words.drift(host), _WIDEST),
            _cut("; ".join(noted[host["name"]]), _WIDEST),
        )
        for host in words.by_urgency(differing)
    ]
    head = ("HOST", "STATUS", "DIFFERS", "NOTES")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]).rstrip()
        for row in (head, *rows)
    ]
    return lines if rows else []


def total(content: Content) -> str:
    """The fleet in one line."""
    summary = content["summary"]
    parts = [f"{summary[status]:,} {status}" for status in model.COUNTED if summary[status]]
    prerequisites = {
        finding["id"] for host in content["hosts"] for finding in host["findings"] if finding["status"] != "not_stated"
    }
    counts = {
        "host changed": ("hosts changed", len(words.changed(content))),
        "pending restart": ("pending restarts", summary["restart_pending"]),
        "manual step": ("manual steps", len(content["manual_steps"])),
        "prerequisite not met": ("prerequisites not met", len(prerequisites)),
        "operator statement to make or renew": (
            "operator statements to make or renew",
            sum(statement["state"] != "valid" for statement in content["statements"]),
        ),
    }
    return "; ".join(
        [
            f"{counted(summary['hosts'], 'host')}: {', '.join(parts) or 'none inspected'}",
            *(counted(count, noun, plural) for noun, (plural, count) in counts.items() if count),
            *words.service(content["service"]),
        ]
    )


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


def _notes(host: Content, connector: Content | None) -> list[str]:
    notes = []
    blocking = [finding["id"] for finding in host["findings"] if finding["severity"] == "blocks"]
    if blocking:
        notes.append(f"blocked by {', '.join(blocking)}")
    if host["message"]:
        notes.append(host["message"])
    if connector and connector["health"] in ("starting", "stopped"):
        notes.append(f"connector {connector['health']}")
    if connector and connector["restart_due"]:
        notes.append("a restart of IIS is due for the connector")
    if host["restart"]["pending"]:
        notes.append(_because("pending restart", host["restart"]["reasons"]))
    elif host["restart"]["after_changes"]:
        notes.append("a restart will be needed")
    return notes


def _because(what: str, reasons: Iterable[str]) -> str:
    names = ", ".join(reasons)
    return f"{what} ({names})" if names else what


def _cut(text: str, width: int) -> str:
    shown = visible(text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."
