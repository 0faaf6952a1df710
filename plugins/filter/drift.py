# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text for people out of results of infoprotect.aip.desired_state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

Result = Mapping[str, Any]


def drift(result: Result) -> list[str]:
    """One line for each value that differs: domain, path and name, what is there and what is wanted."""
    if finding := _why_unknown(result):
        return [finding]
    return [
        f"{domain}: {_name(change)}: {_value(change['before'])} -> {_value(change['after'])}"
        for domain, state in sorted(_domains(result).items())
        for change in state["changes"]
    ]


def drift_summary(result: Result, verb: str = "differ", restarted: bool = False) -> str:
    """One line for the host, such as '19 values differ (client_settings 1, tls 18), restart due'.

    verb: what is said of the values, "differ" or "set". restarted: the host was restarted after them.
    """
    if finding := _why_unknown(result):
        return finding
    counts = {domain: len(state["changes"]) for domain, state in sorted(_domains(result).items()) if state["changes"]}
    total = sum(counts.values())
    text = "complies"
    if total:
        parts = ", ".join(f"{domain} {count}" for domain, count in counts.items())
        text = f"{total} value{'' if total == 1 else 's'} {verb} ({parts})"
    if restarted:
        return f"{text}, restarted"
    return f"{text}, restart due" if result.get("reboot_required") else text


def _why_unknown(result: Result) -> str | None:
    """The reason why nothing is known of the host, None when it was looked at."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError(f"expected the result of infoprotect.aip.desired_state, found {type(result).__name__}")
    if "finding" in result:
        return str(result["finding"])
    if result.get("unreachable"):
        return f"unreachable: {result.get('msg', '')}"
    if "domains" not in result:
        return f"failed: {result.get('msg', 'the host was not looked at')}"
    return None


def _domains(result: Result) -> Mapping[str, Any]:
    return result["domains"]


def _name(change: Mapping[str, Any]) -> str:
    view = " (32-bit view)" if str(change.get("view", "64")) == "32" else ""
    return f"{change['path']}{view} {change['name'] or '(default)'}"


def _value(value: Mapping[str, Any] | None) -> str:
    return "(absent)" if value is None else f"{value['type']} {value['data']}"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"drift": drift, "drift_summary": drift_summary}
