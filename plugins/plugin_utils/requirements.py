# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Holds the facts of a host against the requirements catalogue, catalogue.yml beside this file."""

from __future__ import annotations

import datetime
import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.yaml import yaml_load

from . import statements
from .statements import Statement

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
    from jmespath.functions import Functions, signature
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

CATALOGUE = Path(__file__).with_name("catalogue.yml")
BLOCKS, ADVISES = "blocks", "advises"
FAILS, UNKNOWN, NOT_STATED = "fails", "unknown", "not_stated"
NO_STATEMENT = "no statement"
#: Domains that can be wanted present or absent, and have something to install or change or nothing.
WANTED = ("client", "connector", "irm_server")


@dataclass(frozen=True)
class Requirement:
    """One entry; catalogue.yml says what each attribute means. `concerns` is in domains, groups and products."""

    id: str
    text: str
    document: str
    section: str
    severity: str
    expected: str
    remedy: str
    holds: str = ""
    found: str = ""
    unless: str = ""
    where: str = ""
    statement: str = ""
    told: str = ""
    measured: str = ""
    tool: bool = False
    domains: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Requirement:
        fields = {**entry, **{name: frozenset(values) for name, values in entry["concerns"].items()}}
        del fields["concerns"]
        return cls(**fields)

    def concerns(self, subject: Mapping[str, Any]) -> bool:
        """Whether the requirement is one of this host, with what is wanted of it."""
        return (
            (not self.domains or not self.domains.isdisjoint(subject["domains"]))
            and (not self.groups or not self.groups.isdisjoint(subject["groups"]))
            and (not self.products or subject["client"].get("product") in self.products)
            and (not self.where or _evaluate(self.where, subject) is True)
        )

    def is_stated_only(self, subject: Mapping[str, Any]) -> bool:
        """Whether nothing but a statement tells whether it is met."""
        return not self.holds or (bool(self.told) and _evaluate(self.told, subject) is not True)

    def outranks_statement(self, subject: Mapping[str, Any]) -> bool:
        """Whether what is known of the host counts more than what somebody states."""
        return any(condition and _evaluate(condition, subject) is True for condition in (self.told, self.measured))

    @property
    def facts(self) -> list[list[str]]:
        """The facts that the condition reads, each as the path to it."""
        return [match.split(".") for match in re.findall(r"\bhost\.(\w+(?:\.\w+)*)", self.holds)]


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
    constants: Mapping[str, Any]

    def assess(
        self,
        subject: Mapping[str, Any],
        stated: Mapping[str, Statement],
        today: datetime.date,
        look: str = "",
    ) -> list[Finding]:
        """What this host does not meet, what blocks first.

        subject: what conditions see, without the constants.
        stated: operator statements by the id of the requirement. An expired one counts as missing.
        today: the day to judge by.
        look: why the host could not be looked at because of its PowerShell; then nothing else is known of it.
        """
        subject = {**subject, "constants": self.constants}
        findings = []
        for requirement in self.requirements:
            if look and requirement.id != "powershell":
                continue
            if not requirement.concerns(subject):
                continue
            statement = None if requirement.outranks_statement(subject) else stated.get(requirement.id)
            if statement and statement.state(today) != statements.EXPIRED:
                continue
            finding = self._judge(requirement, subject, look)
            if finding and statement:
                finding = _with_expired(finding, statement.described(today))
            if finding and _spared(requirement, subject):
                finding = replace(finding, severity=ADVISES)
            if finding:
                findings.append(finding)
        return sorted(findings, key=lambda finding: finding.severity != BLOCKS)

    def _judge(self, requirement: Requirement, subject: Mapping[str, Any], look: str) -> Finding | None:
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
        if requirement.is_stated_only(subject):
            why = requirement.found and _evaluate(requirement.found, subject)
            return finding(NOT_STATED, f"{NO_STATEMENT}, and the service does not tell: {why}" if why else NO_STATEMENT)
        if missing := _missing(requirement.facts, subject["host"]):
            return finding(UNKNOWN, missing)
        result = _evaluate(requirement.holds, subject)
        if result is False:
            return finding(FAILS, _words(_evaluate(requirement.found, subject)))
        if result is not True:
            return finding(UNKNOWN, f"facts that make no sense: {_words(_evaluate(requirement.found, subject))}")
        # What is there does not break the requirement, but what could not be read may.
        if hidden := _unreadable({path[0] for path in requirement.facts}, subject["host"]):
            return finding(UNKNOWN, hidden)
        return None

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


@functools.cache
def load() -> Catalogue:
    """The catalogue.

    Raises:
        AnsibleFilterError: when the package jmespath is missing.
    """
    if MISSING:
        raise AnsibleFilterError(
            "the requirements catalogue needs the Python package jmespath on the controller, in the environment that"
            f" ansible runs in: {MISSING}"
        ) from MISSING
    # by libyaml where it is
    content = yaml_load(CATALOGUE.read_text(encoding="utf-8"))
    return Catalogue(tuple(Requirement.from_entry(entry) for entry in content["requirements"]), content["constants"])


def prepare() -> None:
    """Read and compile the catalogue ahead. What the controller has done, the processes that it forks find done."""
    if not MISSING:
        for requirement in load().requirements:
            for expression in (requirement.where, requirement.holds):
                if expression:
                    _compiled(expression)


def plain(value: Any) -> Any:
    """The value in Python's own types: jmespath knows types by their names, and Ansible has tagged and lazy ones."""
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


def _spared(requirement: Requirement, subject: Mapping[str, Any]) -> bool:
    """Whether it only advises here: nothing has to be installed, or its `unless` is true."""
    managed = requirement.domains & set(subject["domains"]) & set(WANTED)
    if managed and not any(subject[name]["changes"] for name in managed):
        return True
    return bool(requirement.unless) and _evaluate(requirement.unless, subject) is True


def _missing(paths: Iterable[list[str]], host: Mapping[str, Any]) -> str:
    """Which of the facts is not there, and why; empty when all are."""
    for path in paths:
        value: Any = host
        for i, name in enumerate(path):
            if not isinstance(value, Mapping) or name not in value:
                why = _unreadable({path[0]}, host)
                return why or f"the fact {'.'.join(path[: i + 1])} is missing"
            value = value[name]
    return ""


def _unreadable(names: set[str], host: Mapping[str, Any]) -> str:
    """What the host could not read of these facts."""
    items = host.get("unreadable")
    reasons = []
    for item in items if isinstance(items, list) else []:
        if isinstance(item, Mapping) and str(item.get("what", "")).partition(":")[0] in names:
            reasons.append(f"{item['what']} cannot be read: {item.get('reason', 'no reason given')}")
    return "; ".join(reasons)


def _evaluate(expression: str, subject: Mapping[str, Any]) -> Any:
    """What the expression gives, None when the facts are not of the types it wants."""
    try:
        return _compiled(expression).search(subject, _options())
    except (JMESPathError, TypeError):  # TypeError: a text compared with a number
        return None


@functools.cache
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)


@functools.cache
def _options() -> Any:
    return jmespath.Options(custom_functions=_own_functions())


def _own_functions() -> Any:
    class OwnFunctions(Functions):
        """The functions that conditions have beside those of JMESPath. Its loader finds them by the prefix _func_."""

        @signature({"types": ["string"]}, {"types": ["string"]})
        def _func_at_least(self, version: str, minimum: str) -> bool:
            return numbers_of(version) >= numbers_of(minimum)

        @signature({"types": ["array-string"]}, {"types": ["string"]})
        def _func_is_for(self, names: list[str], url: str) -> bool:
            try:
                host = (urlsplit(url).hostname or "").rstrip(".")
            except ValueError:  # not a URL
                return False
            parent = host.partition(".")[2]
            wanted = {host, f"*.{parent}"} if "." in parent else {host}
            return any(name.lower().rstrip(".") in wanted for name in names)

        @signature({"types": ["string"]}, {"types": ["string"]})
        def _func_same_url(self, one: str, other: str) -> bool:
            return _address(one) == _address(other)

        @signature({"types": ["array-string"]})
        def _func_unique(self, values: list[str]) -> list[str]:
            return list(dict.fromkeys(values))

        @signature({"types": ["array-string"]}, {"types": ["array-string"]})
        def _func_without(self, values: list[str], patterns: list[str]) -> list[str]:
            def listed(value: str) -> bool:
                return any(fnmatch.fnmatchcase(value.lower(), pattern.lower()) for pattern in patterns)

            return [value for value in values if not listed(value)]

    return OwnFunctions()


def numbers_of(version: str) -> list[int]:
    """The numbers of a version, which compare as versions do.

    A longer number is several: Python refuses to read one of thousands of digits.
    """
    return [int(number) for number in re.findall(r"\d{1,9}", version)]


def _address(url: str) -> tuple[str, ...]:
    """What tells URLs apart: not the case of scheme and host, the scheme's own port, or a slash at the end."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:  # not a URL
        return (url,)
    return parts.scheme, parts.hostname or "", str(port), parts.path.rstrip("/"), parts.query, parts.fragment


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    return "nothing" if value in (None, "") else str(value)
