# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Results of modules as they arrive: of any shape, so each reader asks for the type that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Result = Mapping[str, Any]


def mapping(value: Any) -> Result:
    """The value, or an empty dictionary."""
    return value if isinstance(value, Mapping) else {}


def dicts(value: Any) -> list[Result]:
    """The dictionaries of a list; empty if it is none."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return []
    return [item for item in value if isinstance(item, Mapping)]


def texts(value: Any) -> list[str]:
    """The items of a list as texts, without blank ones; empty if it is none."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return []
    return [text for item in value if (text := str(item)).strip()]


def number(value: Any) -> int | None:
    """The value, if it is an integer."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def failed(item: Result) -> bool:
    """Whether a result is a failure."""
    return bool(item.get("failed") or item.get("unreachable"))
