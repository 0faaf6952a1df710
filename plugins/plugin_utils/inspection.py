# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""What infoprotect.aip.desired_state returned for a host, checked where it arrives.

A host that answers with something else must not take the report of the others with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class MalformedError(ValueError):
    """The result is not one of desired_state; the message names the place, what is there, and what was expected."""


@dataclass(frozen=True)
class Value:
    """Type and data of a registry value, as text."""

    type: str
    data: str


@dataclass(frozen=True)
class ValueChange:
    """A registry value that differs. None: the value does not exist, or is removed."""

    path: str
    name: str
    view: int
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class Step:
    """Software that is installed or removed. Attended: by an operator at the host."""

    action: str
    product: str
    before: str
    after: str
    attended: bool


@dataclass(frozen=True)
class Unreadable:
    """Something that the host could not read."""

    what: str
    reason: str


@dataclass(frozen=True)
class DomainResult:
    """How a host differs in one domain."""

    name: str
    values: tuple[ValueChange, ...]
    steps: tuple[Step, ...]
    unreadable: tuple[Unreadable, ...]
    refused: tuple[str, ...]

    @property
    def own_steps(self) -> tuple[Step, ...]:
        """The steps that need no operator at the host."""
        return tuple(step for step in self.steps if not step.attended)

    @property
    def is_waiting(self) -> bool:
        return any(step.attended for step in self.steps)


@dataclass(frozen=True)
class Inspection:
    """How a host differs, in the order of the domains' names.

    Attributes:
        pending_reasons: why a restart of the host is pending, whatever differs; None where the result does not tell.
    """

    domains: tuple[DomainResult, ...]
    reboot_required: bool
    reboot_reasons: tuple[str, ...]
    pending_reasons: frozenset[str] | None
    connector_status: str
    connector_restart_due: bool

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Inspection:
        """Read a result of desired_state.

        Raises:
            MalformedError: it is not one.
        """
        domains = _mapping(result, "domains")
        facts = result.get("host")
        facts = facts if isinstance(facts, Mapping) else {}
        connector, restart = facts.get("connector"), facts.get("reboot")
        pending = _list(restart, "host.reboot", "reasons") if isinstance(restart, Mapping) else None
        return cls(
            tuple(_domain(str(name), domains[name]) for name in sorted(domains, key=str)),
            bool(_item(result, "", "reboot_required", bool)),
            tuple(map(str, _list(result, "", "reboot_reasons"))),
            None if pending is None else frozenset(map(str, pending)),
            str(connector.get("status") or "") if isinstance(connector, Mapping) else "",
            bool(connector.get("restart_due")) if isinstance(connector, Mapping) else False,
        )


def check(result: Mapping[str, Any]) -> None:
    """Verify a result before the rest of a run reads it without a look at its types.

    Raises:
        MalformedError: it is not one of desired_state.
    """
    Inspection.of(result)
    _item(result, "", "compliant", bool)
    for name, state in result["domains"].items():
        place = f"domains.{name}"
        _item(state, place, "compliant", bool)
        for texts in ("refused", "obstacles", "notes"):
            _texts(state, place, texts)
    facts = _mapping(result, "host")
    for name in ("connector", "dotnet", "reboot"):
        # null: there is none, or it could not be read
        if facts.get(name) is not None and not isinstance(facts[name], Mapping):
            raise MalformedError(f"host.{name} is {_kind(facts[name])}, expected a dictionary or null")
    _texts(facts.get("reboot") or {}, "host.reboot", "reasons")


def _texts(owner: Mapping[str, Any], place: str, name: str) -> None:
    for number, item in enumerate(_list(owner, place, name)):
        if not isinstance(item, str):
            raise MalformedError(f"{place}.{name}[{number}] is {_kind(item)}, expected text")


def _domain(name: str, state: Any) -> DomainResult:
    place = f"domains.{name}"
    if not isinstance(state, Mapping):
        raise MalformedError(f"{place} is {_kind(state)}, expected a dictionary")
    changes = [
        (f"{place}.changes[{number}]", change) for number, change in enumerate(_list(state, place, "changes", True))
    ]
    unreadable = enumerate(_list(state, place, "unreadable"))
    return DomainResult(
        name,
        tuple(_change(where, change) for where, change in changes if not _is_step(where, change)),
        tuple(_step(where, change) for where, change in changes if _is_step(where, change)),
        tuple(_unreadable(f"{place}.unreadable[{number}]", item) for number, item in unreadable),
        tuple(map(str, _list(state, place, "refused"))),
    )


def _is_step(place: str, change: Any) -> bool:
    if not isinstance(change, Mapping):
        raise MalformedError(f"{place} is {_kind(change)}, expected a dictionary")
    return "action" in change


def _change(place: str, change: Mapping[str, Any]) -> ValueChange:
    return ValueChange(
        str(_item(change, place, "path", str)),
        str(_item(change, place, "name", str)),
        32 if str(change.get("view")) == "32" else 64,
        _value(f"{place}.before", _item(change, place, "before")),
        _value(f"{place}.after", _item(change, place, "after")),
    )


def _value(place: str, value: Any) -> Value | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise MalformedError(f"{place} is {_kind(value)}, expected a dictionary or null")
    return Value(str(_item(value, place, "type", str)), str(_item(value, place, "data")))


def _step(place: str, step: Mapping[str, Any]) -> Step:
    before, after = (_item(step, place, name) for name in ("before", "after"))
    return Step(
        str(_item(step, place, "action", str)),
        str(_item(step, place, "product", str)),
        "" if before is None else str(before),
        "" if after is None else str(after),
        bool(step.get("attended")),
    )


def _unreadable(place: str, item: Any) -> Unreadable:
    if not isinstance(item, Mapping):
        raise MalformedError(f"{place} is {_kind(item)}, expected a dictionary")
    return Unreadable(str(_item(item, place, "what")), str(_item(item, place, "reason")))


def _mapping(owner: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = _item(owner, "", name)
    if not isinstance(value, Mapping):
        raise MalformedError(f"{name} is {_kind(value)}, expected a dictionary")
    return value


def _list(owner: Mapping[str, Any], place: str, name: str, required: bool = False) -> Iterable[Any]:
    value = _item(owner, place, name) if required else owner.get(name)
    if value is None and not required:
        return ()
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise MalformedError(f"{f'{place}.{name}'.lstrip('.')} is {_kind(value)}, expected a list")
    return value


def _item(owner: Mapping[str, Any], place: str, name: str, kind: type | None = None) -> Any:
    path = f"{place}.{name}" if place else name
    if name not in owner:
        raise MalformedError(f"{path} is missing")
    value = owner[name]
    if kind is not None and not isinstance(value, kind):
        raise MalformedError(f"{path} is {_kind(value)}, expected {'text' if kind is str else 'true or false'}")
    return value


def _kind(value: Any) -> str:
    for kind, name in ((Mapping, "a dictionary"), (str, "text"), (bool, "true or false"), ((list, tuple), "a list")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else f"a {type(value).__name__}"
