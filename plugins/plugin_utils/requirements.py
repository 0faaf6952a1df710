# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Checks the facts of a host against the requirements catalogue (catalogue.py)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import statements
from .catalogue import ADVISES, BLOCKS, CATALOGUE, Requirement
from .conditions import ODD_FACTS, Condition, Facts, MissingFactError, Subject, evaluate
from .statements import Statement

FAILS, UNKNOWN, NOT_STATED = "fails", "unknown", "not_stated"
NO_STATEMENT = "no statement"
#: Domains that can be wanted present or absent, and have something to install or change or nothing.
WANTED = ("client", "connector", "irm_server")


@dataclass(frozen=True)
class Finding:
    """A requirement that a host does not meet, or of which it is not known whether it does."""

    id: str
    severity: str
    status: str
    text: str
    found: str
    expected: str
    remedy: str
    document: str
    section: str


@dataclass(frozen=True)
class Catalogue:
    requirements: tuple[Requirement, ...]

    def assess(
        self,
        subject: Mapping[str, Any],
        stated: Mapping[str, Statement],
        today: datetime.date,
        look: str = "",
    ) -> list[Finding]:
        """What this host does not meet, what blocks first.

        subject: what conditions see, by the names of the attributes of Subject.
        stated: operator statements by the id of the requirement. An expired one counts as missing.
        today: the day to judge by.
        look: why the host could not be looked at because of its PowerShell; then nothing else is known of it.
        """
        seen = Subject.of(subject)
        findings = []
        for requirement in self.requirements:
            if look and requirement.id != "powershell":
                continue
            if not concerns(requirement, seen):
                continue
            statement = None if _outranks_statement(requirement, seen) else stated.get(requirement.id)
            if statement and statement.state(today) != statements.EXPIRED:
                continue
            finding = self._judge(requirement, seen, look)
            if finding and statement:
                finding = _with_expired(finding, statement.described(today))
            if finding and _spared(requirement, seen):
                finding = replace(finding, severity=ADVISES)
            if finding:
                findings.append(finding)
        return sorted(findings, key=lambda finding: finding.severity != BLOCKS)

    def _judge(self, requirement: Requirement, subject: Subject, look: str) -> Finding | None:
        def finding(status: str, found: str) -> Finding:
            return Finding(
                requirement.id,
                ADVISES if status == NOT_STATED else requirement.severity,
                status,
                requirement.text,
                found,
                requirement.expected,
                requirement.remedy,
                requirement.document,
                requirement.section,
            )

        if look:
            return finding(FAILS, look)
        if requirement.holds is None or (requirement.told and evaluate(requirement.told, subject) is not True):
            why = requirement.found and evaluate(requirement.found, subject)
            return finding(NOT_STATED, f"{NO_STATEMENT}, and the service does not tell: {why}" if why else NO_STATEMENT)
        # the facts that this condition reads, and no other one
        subject = replace(subject, host=Facts(subject.host.values))
        try:
            result = requirement.holds(subject)
        except MissingFactError as error:
            fact = str(error)
            return finding(UNKNOWN, _unreadable({fact.partition(".")[0]}, subject) or f"the fact {fact} is missing")
        except ODD_FACTS:
            result = None
        if result is True:
            # What is there does not break the requirement, but what could not be read may.
            hidden = "" if requirement.despite_unreadable else _unreadable(subject.host.read, subject)
            return finding(UNKNOWN, hidden) if hidden else None
        found = _words(requirement.found and evaluate(requirement.found, subject))
        return finding(FAILS, found) if result is False else finding(UNKNOWN, f"facts that make no sense: {found}")

    def read_statements(self, given: Any, today: datetime.date) -> tuple[dict[str, Statement], list[str]]:
        """The statements of the variable aip_statements, and an error for each that cannot be read."""
        if not isinstance(given, Mapping):
            return {}, [f"aip_statements is {given!r}: expected a dictionary by the id of the requirement"]
        known = {requirement.id: requirement for requirement in self.requirements if requirement.statement}
        found, errors = statements.read(
            {name: value for name, value in given.items() if name in known},
            today,
            [name for name, requirement in known.items() if requirement.tool],
        )
        unknown = sorted(str(name) for name in given if name not in known)
        errors += [f"{name} cannot be stated: expected one of {', '.join(sorted(known))}" for name in unknown]
        return found, [f"aip_statements: {error}" for error in errors]


def load() -> Catalogue:
    """The catalogue."""
    return Catalogue(CATALOGUE)


def plain(value: Any) -> Any:
    """The value in Python's own types: Ansible has tagged and lazy ones."""
    if isinstance(value, Mapping):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def _with_expired(finding: Finding, statement: str) -> Finding:
    """The finding that an expired statement no longer takes away, with that statement."""
    if finding.status == NOT_STATED:
        return replace(finding, found=finding.found.replace(NO_STATEMENT, statement, 1))
    return replace(finding, found=f"{finding.found} ({statement})")


def concerns(requirement: Requirement, subject: Subject) -> bool:
    """Whether the requirement applies to this host and its desired state."""
    return (
        (not requirement.domains or not set(requirement.domains).isdisjoint(subject.domains))
        and (not requirement.groups or not set(requirement.groups).isdisjoint(subject.groups))
        and (not requirement.products or subject.client.product in requirement.products)
        and (requirement.where is None or _is_true(requirement.where, subject))
    )


def _outranks_statement(requirement: Requirement, subject: Subject) -> bool:
    """Whether the facts of the host outrank an operator statement."""
    return any(condition and _is_true(condition, subject) for condition in (requirement.told, requirement.measured))


def _spared(requirement: Requirement, subject: Subject) -> bool:
    """Whether it only advises here: nothing has to be installed, or its `unless` is true."""
    managed = set(requirement.domains).intersection(subject.domains, WANTED)
    if managed and not any(getattr(subject, name).changes for name in managed):
        return True
    return requirement.unless is not None and _is_true(requirement.unless, subject)


def _is_true(condition: Condition, subject: Subject) -> bool:
    return evaluate(condition, subject) is True


def _unreadable(names: set[str], subject: Subject) -> str:
    """What the host could not read of these facts."""
    items = subject.host.values.get("unreadable")
    reasons = []
    for item in items if isinstance(items, list) else []:
        if isinstance(item, Mapping) and str(item.get("what", "")).partition(":")[0] in names:
            reasons.append(f"{item['what']} cannot be read: {item.get('reason', 'no reason given')}")
    return "; ".join(reasons)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    return "nothing" if value in (None, "") else str(value)
