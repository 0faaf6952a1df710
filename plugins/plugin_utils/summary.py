# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Text for people out of results of desired_state and of inspections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from .inspection import Inspection, MalformedError, Step, Value, ValueChange

Result = Mapping[str, Any]


def lines(result: Result) -> list[str]:
    """One line for each value that differs (domain, path, name, current data, desired data) or cannot be read."""
    inspection = _read(result)
    if isinstance(inspection, str):
        return [inspection]
    found = []
    for domain in inspection.domains:
        found += [f"{domain.name}: {_value_line(change)}" for change in domain.values]
        found += [f"{domain.name}: {_step_line(step)}" for step in domain.steps]
        found += [f"{domain.name}: cannot read {item.what}: {item.reason}" for item in domain.unreadable]
        found += [f"{domain.name}: refused: {reason}" for reason in domain.refused]
    return found


def summary(result: Result, verb: str = "differs in", restarted: bool = False) -> str:
    """One line for the host, such as 'differs in 19 values (client 1, tls 18), a restart will be needed (tls)'.

    verb: such as "set" for a result that applied the values.
    restarted: the host was restarted after they were set.
    """
    inspection = _read(result)
    if isinstance(inspection, str):
        return inspection
    domains = inspection.domains
    # what an operator has to do at the host is counted apart
    counts = {domain.name: len(domain.values) + len(domain.own_steps) for domain in domains}
    kinds = {
        "value": sum(len(domain.values) for domain in domains),
        "installation": sum(len(domain.own_steps) for domain in domains),
    }
    unreadable = sum(len(domain.unreadable) for domain in domains)
    refused = [f"{domain.name} refused: {'; '.join(domain.refused)}" for domain in domains if domain.refused]
    waiting = [domain.name for domain in domains if domain.is_waiting]
    parts = []
    if any(counts.values()):
        what = " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds.items() if count)
        split = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        parts.append(f"{verb} {what} ({split})")
    if unreadable:
        parts.append(f"{unreadable} {'item' if unreadable == 1 else 'items'} cannot be read")
    parts += refused
    if waiting:
        parts.append(f"waits for an operator at the host ({', '.join(waiting)})")
    if not parts:
        parts.append("complies")
    if inspection.connector_status in ("starting", "stopped"):
        parts.append(f"connector {inspection.connector_status}")
    if inspection.connector_restart_due:
        parts.append("a restart of IIS is due for the connector")
    if restarted:
        parts.append("restarted")
    elif inspection.reboot_required:
        parts += _restart(inspection)
    return ", ".join(parts)


def _restart(inspection: Inspection) -> list[str]:
    """A restart that is pending, and one that will be needed once the values are set, told apart."""
    if inspection.pending_reasons is None or not inspection.reboot_reasons:
        reasons = f" ({', '.join(inspection.reboot_reasons)})" if inspection.reboot_reasons else ""
        return [f"a restart is needed{reasons}"]
    told: dict[str, list[str]] = {"a restart is pending": [], "a restart will be needed": []}
    for reason in inspection.reboot_reasons:
        pending = reason in inspection.pending_reasons
        told["a restart is pending" if pending else "a restart will be needed"].append(reason)
    return [f"{what} ({', '.join(reasons)})" for what, reasons in told.items() if reasons]


def _read(result: Result) -> Inspection | str:
    """The inspection, or the reason why there is none."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError(f"expected the result of infoprotect.aip.desired_state, found {type(result).__name__}")
    if "finding" in result:
        return str(result["finding"])
    if result.get("unreachable"):
        return f"unreachable: {reason(result)}"
    if "domains" not in result:
        return f"failed: {reason(result) or 'the host was not inspected'}"
    try:
        return Inspection.of(result)
    except MalformedError as error:
        return f"failed: the host returned a result that is not one of infoprotect.aip.desired_state: {error}"


def reason(result: Result) -> str:
    """Why a task failed. ansible-core 2.19 and later put words before it that every failure has."""
    return str(result.get("msg") or "").removeprefix("Task failed: ")


def _step_line(step: Step) -> str:
    who = ", by an operator at the host" if step.attended else ""
    return f"{step.action} {step.product}: {step.before or '(absent)'} -> {step.after or '(absent)'}{who}"


def _value_line(change: ValueChange) -> str:
    view = " (32-bit view)" if change.view == 32 else ""
    name = f"{change.path}{view} {change.name or '(default)'}"
    return f"{name}: {_data(change.before)} -> {_data(change.after)}"


def _data(value: Value | None) -> str:
    return f"{value.type} {value.data}" if value else "(absent)"
