"""Operator statements: how they are read, and when they count."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.infoprotect.aip.plugins.plugin_utils import statements
from ansible_collections.infoprotect.aip.plugins.plugin_utils.statements import Statement, StatementError
from hypothesis import given
from hypothesis import strategies as st

TODAY = datetime.date(2026, 11, 29)


def made(date: str, **more: Any) -> Statement:
    return Statement.of("subscription", {"name": "A. Lovelace", "date": date, **more}, TODAY)


def test_defaults_to_one_year() -> None:
    assert made("2026-11-01").expires == datetime.date(2027, 11, 1)
    assert made("2024-02-29").expires == datetime.date(2025, 2, 28)
    assert made("2026-11-01", expires="2026-12-31").expires == datetime.date(2026, 12, 31)
    # what an empty survey answer gives
    assert made("2026-11-01", expires="").expires == datetime.date(2027, 11, 1)


@pytest.mark.parametrize(
    ("expires", "state", "left"),
    [
        ("2026-12-30", statements.VALID, 31),
        ("2026-12-29", statements.EXPIRES_SOON, 30),
        ("2026-11-29", statements.EXPIRES_SOON, 0),
        ("2026-11-28", statements.EXPIRED, -1),
    ],
)
def test_state_on_each_side_of_the_limits(expires: str, state: str, left: int) -> None:
    statement = made("2026-01-01", expires=expires)
    assert (statement.state(TODAY), statement.days_left(TODAY)) == (state, left)


def test_a_statement_that_expires_soon_is_warned_of_once() -> None:
    found, errors = statements.read(
        {
            "subscription": {"name": "A", "date": "2026-11-01"},
            "domain_trust": {"name": "A", "date": "2025-11-28"},
            "tls_inspection": {"name": "A", "date": "2025-12-14"},
        },
        TODAY,
    )
    assert not errors
    assert statements.warnings([*found.values(), *found.values()], TODAY) == [
        "aip_statements: tls_inspection: statement of A from 2025-12-14, expires on 2026-12-14."
        " Verify the answer and renew the statement."
    ]


@pytest.mark.parametrize("date", [datetime.date(2026, 11, 1), datetime.datetime(2026, 11, 1, 8, 30), "2026-11-01"])
def test_dates_as_yaml_reads_them(date: Any) -> None:
    assert made(date).date == datetime.date(2026, 11, 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("yes", "expected a dictionary with name and date"),
        ({"date": "2026-11-01"}, "no name"),
        ({"name": "  ", "date": "2026-11-01"}, "no name"),
        ({"name": "A"}, "the date None: expected a day such as 2026-11-30"),
        ({"name": "A", "date": "soon"}, "the date 'soon'"),
        ({"name": "A", "date": 20261101}, "the date 20261101"),
        ({"name": "A", "date": "2026-12-24"}, "in the future"),
        ({"name": "A", "date": "2026-11-01", "expires": "2026-10-01"}, "before its date 2026-11-01"),
        ({"name": "A", "date": "2026-11-01", "expires": "never"}, "the expires 'never'"),
        (
            {"name": "A", "date": "2026-11-01", "expired": "2026-12-01"},
            "has expired: expected name, tool, date, expires",
        ),
    ],
)
def test_unusable_statements_are_refused(value: Any, message: str) -> None:
    with pytest.raises(StatementError, match=message.replace(".", r"\.")) as error:
        Statement.of("subscription", value, TODAY)
    assert str(error.value).startswith("subscription ")


def test_all_errors_at_once() -> None:
    found, errors = statements.read({"a": {}, "b": {"name": "A", "date": "2026-11-01"}, "c": None}, TODAY)
    assert list(found) == ["b"] and [error.split()[0] for error in errors] == ["a", "c"]


def test_a_tool_where_one_is_needed() -> None:
    value = {"name": "A", "date": "2026-11-01"}
    _found, errors = statements.read({"directory_synchronization": value}, TODAY, ["directory_synchronization"])
    assert errors == ["directory_synchronization has no tool: expected the tool that does it"]
    found, _errors = statements.read({"x": {**value, "tool": "Entra Connect"}}, TODAY, ["x"])
    assert found["x"].as_dict() == {
        "name": "A", "date": "2026-11-01", "expires": "2027-11-01", "tool": "Entra Connect",
    }  # fmt: skip


@given(st.dates(datetime.date(2000, 1, 1), TODAY), st.dates(datetime.date(2000, 1, 1), datetime.date(2100, 1, 1)))
def test_what_was_read_reads_back(date: datetime.date, today: datetime.date) -> None:
    statement = Statement.of("x", {"name": "A", "date": date}, TODAY)
    assert Statement.of("x", statement.as_dict(), TODAY) == statement
    assert 365 <= (statement.expires - date).days <= 366
    # it counts until its last day, and never after
    assert (statement.state(today) != statements.EXPIRED) == (today <= statement.expires)
