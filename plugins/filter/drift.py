# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text for people out of results of infoprotect.aip.desired_state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined

Result = Mapping[str, Any]


def drift(result: Result) -> list[str]:
    """One line for each value that differs (domain, path, name, what is there, what is wanted) or cannot be read."""
    if finding := _why_unknown(result):
        return [finding]
    lines = []
    for domain, state in sorted(result["domains"].items()):
        lines += [
            f"{domain}: {_software(change)}"
            if "action" in change
            else f"{domain}: {_name(change)}: {_value(change['before'])} -> {_value(change['after'])}"
            for change in state["changes"]
        ]
        lines += [f"{domain}: cannot read {key['what']}: {key['reason']}" for key in state.get("unreadable", [])]
        lines += [f"{domain}: refused: {reason}" for reason in state.get("refused", [])]
    return lines


def drift_summary(result: Result, verb: str = "differs in", restarted: bool = False) -> str:
    """One line for the host, such as 'differs in 19 values (client_settings 1, tls 18), needs a restart'.

    verb: what is said of the values, such as "set" of a result that applied them.
    restarted: the host was restarted after they were set.
    """
    if finding := _why_unknown(result):
        return finding
    domains = sorted(result["domains"].items())
    # what somebody has to do at the host is done by nobody else
    own = {domain: [change for change in state["changes"] if not change.get("attended")] for domain, state in domains}
    counts = {domain: len(changes) for domain, changes in own.items() if changes}
    waiting = [domain for domain, state in domains if len(state["changes"]) > len(own[domain])]
    unreadable = sum(len(state.get("unreadable", [])) for _domain, state in domains)
    parts = []
    if counts:
        changes = [change for domain in own.values() for change in domain]
        software = sum("action" in change for change in changes)
        kinds = {"value": len(changes) - software, "installation": software}
        what = " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items() if count)
        split = ", ".join(f"{domain} {count}" for domain, count in counts.items())
        parts.append(f"{verb} {what} ({split})")
    if unreadable:
        parts.append(f"cannot read {unreadable}")
    refused = [f"{domain} refused: {'; '.join(state['refused'])}" for domain, state in domains if state.get("refused")]
    parts += refused
    if waiting:
        parts.append(f"waits for somebody at the host ({', '.join(waiting)})")
    connector = (result.get("host") or {}).get("connector") or {}
    if connector.get("status") in ("starting", "stopped"):
        parts.append(f"connector {connector['status']}")
    if connector.get("restart_due"):
        parts.append("connector needs IIS to be restarted")
    if restarted:
        parts.append("restarted")
    elif result["reboot_required"]:
        reasons = ", ".join(result.get("reboot_reasons") or [])
        parts.append(f"needs a restart ({reasons})" if reasons else "needs a restart")
    return ", ".join(parts if counts or unreadable or refused or waiting else ["complies", *parts])


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


def _software(step: Mapping[str, Any]) -> str:
    who = ", by somebody at the host" if step.get("attended") else ""
    return f"{step['action']} {step['product']}: {step['before'] or '(absent)'} -> {step['after'] or '(absent)'}{who}"


def _name(change: Mapping[str, Any]) -> str:
    view = " (32-bit view)" if str(change.get("view", "64")) == "32" else ""
    return f"{change['path']}{view} {change['name'] or '(default)'}"


def _value(value: Mapping[str, Any] | None) -> str:
    return f"{value['type']} {value['data']}" if value else "(absent)"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(drift, drift_summary)
