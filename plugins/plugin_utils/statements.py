# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Operator statements: answers that only a person can give. A statement has a name, a date, and an expiry date."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Warn this many days before a statement expires.
WARNING_DAYS = 30
VALID, EXPIRES_SOON, EXPIRED = "valid", "expires_soon", "expired"
_TEXTS = ("name", "tool")
_KEYS = (*_TEXTS, "date", "expires")


class StatementError(ValueError):
    """The statement cannot be read. The message names the key, the value, and what was expected."""


@dataclass(frozen=True)
class Statement:
    """What an operator stated about one requirement.

    Attributes:
        id: the requirement.
        name: who stated it.
        date: when it was stated.
        expires: the last day on which it counts.
        tool: what the requirement calls for besides, such as the synchronization tool.
    """

    id: str
    name: str
    date: datetime.date
    expires: datetime.date
    tool: str = ""

    @classmethod
    def of(cls, requirement: str, value: Any, today: datetime.date, needs_tool: bool = False) -> Statement:
        """Read a statement as the inventory has it.

        Raises:
            StatementError: a key is missing, unknown, or has an unusable value.
        """
        if not isinstance(value, Mapping):
            raise StatementError(f"{requirement} is {value!r}: expected a dictionary with name and date")
        if unknown := sorted(str(key) for key in value if key not in _KEYS):
            raise StatementError(f"{requirement} has {', '.join(unknown)}: expected {', '.join(_KEYS)}")
        name, tool = (str(value.get(key) or "").strip() for key in _TEXTS)
        if not name:
            raise StatementError(f"{requirement} has no name: expected the name of the person who states it")
        if needs_tool and not tool:
            raise StatementError(f"{requirement} has no tool: expected the tool that does it")
        date = _date(requirement, "date", value.get("date"))
        # An operator in a time zone ahead of the controller's may already have tomorrow's date.
        if date > today + datetime.timedelta(days=1):
            raise StatementError(
                f"{requirement} has the date {date}, which is in the future: expected the day it was made"
            )
        given = value.get("expires")
        expires = one_year_after(date) if given in (None, "") else _date(requirement, "expires", given)
        if expires < date:
            raise StatementError(f"{requirement} expires on {expires}, before its date {date}: expected a later day")
        return cls(requirement, name, date, expires, tool)

    def days_left(self, today: datetime.date) -> int:
        """Days until it expires: 0 on its last day, negative when it has expired."""
        return (self.expires - today).days

    def age(self, today: datetime.date) -> int:
        """Days since it was made."""
        return max(0, (today - self.date).days)

    def state(self, today: datetime.date) -> str:
        """`valid`, `expires_soon` (in at most WARNING_DAYS), or `expired`."""
        left = self.days_left(today)
        if left < 0:
            return EXPIRED
        return EXPIRES_SOON if left <= WARNING_DAYS else VALID

    def described(self, today: datetime.date) -> str:
        """The statement in words, for the finding of one that has expired and for the warning before it expires."""
        verb = "expired" if self.state(today) == EXPIRED else "expires"
        return f"statement of {self.name} from {self.date}, {verb} on {self.expires}"

    def as_dict(self) -> dict[str, str]:
        """Plain data, as the inventory would have it."""
        plain = {"name": self.name, "date": self.date.isoformat(), "expires": self.expires.isoformat()}
        return {**plain, "tool": self.tool} if self.tool else plain


def read(
    statements: Mapping[str, Any], today: datetime.date, tool_needed: Iterable[str] = ()
) -> tuple[dict[str, Statement], list[str]]:
    """All statements of an inventory.

    Args:
        statements: requirement -> name, date, perhaps expires and tool.
        today: the day to judge by.
        tool_needed: the requirements whose statement also has to name a tool.

    Returns:
        The readable statements, and an error for each of the others.
    """
    needs_tool = set(tool_needed)
    found, errors = {}, []
    for name, value in statements.items():
        try:
            found[str(name)] = Statement.of(str(name), value, today, name in needs_tool)
        except StatementError as error:
            errors.append(str(error))
    return found, errors


def warnings(statements: Iterable[Statement], today: datetime.date) -> list[str]:
    """A line for each statement that expires soon, the earliest first. An expired one is a finding."""
    ending = {statement for statement in statements if statement.state(today) == EXPIRES_SOON}
    return [
        f"aip_statements: {statement.id}: {statement.described(today)}. Verify the answer and renew the statement."
        for statement in sorted(ending, key=lambda statement: (statement.expires, statement.id, statement.name))
    ]


def today() -> datetime.date:
    """The day by which a run judges statements."""
    return datetime.datetime.now(datetime.UTC).date()


def one_year_after(date: datetime.date) -> datetime.date:
    """The same day of the next year; 28 February after 29 February."""
    try:
        return date.replace(year=date.year + 1)
    except ValueError:
        return date.replace(year=date.year + 1, day=28)


def _date(requirement: str, key: str, value: Any) -> datetime.date:
    # YAML reads an unquoted date as a date, or as a date with a time.
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise StatementError(f"{requirement} has the {key} {value!r}: expected a day such as 2026-11-30") from error
