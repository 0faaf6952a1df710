# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""What the conditions of the requirements catalogue see of a host, and the functions that they share."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

#: What a condition or a text raises on facts of another shape than it expects
ODD_FACTS = (AttributeError, StopIteration, TypeError, ValueError)


class MissingFactError(LookupError):
    """A host has not returned a fact that a condition reads. The message is the path to it."""


class View:
    """A dictionary whose values are read as attributes. What is not in it is None."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def __getattr__(self, name: str) -> Any:
        return _seen(self.values.get(name))

    def __str__(self) -> str:
        return str(self.values)


class Facts(View):
    """The facts of a host. A missing one is an error, and `read` collects the names of the facts that were read."""

    def __init__(self, values: Mapping[str, Any], path: tuple[str, ...] = (), read: set[str] | None = None) -> None:
        super().__init__(values)
        self._path = path
        self.read: set[str] = set() if read is None else read

    def __getattr__(self, name: str) -> Any:
        path = (*self._path, name)
        self.read.add(path[0])
        if name not in self.values:
            raise MissingFactError(".".join(path))
        value = self.values[name]
        return Facts(value, path, self.read) if isinstance(value, Mapping) else _seen(value)


def _seen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return View(value)
    return [_seen(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Subject:
    """A host and its desired state.

    Attributes:
        host: its facts; `endpoints` among them where endpoint_info was run.
        client, connector, irm_server: the desired options, with `changes` and `dotnet_package`; of the connector also
            `url`, `url_force` and `administration_tool`; of the server also `refused`.
        settings: the desired options of the client's settings.
        connector_https: its `obstacles`.
        scanner: `refused`.
        connectors: the hosts of the connector's pool.
        service: what the protection service returned (protection_service_info), and in `graph` Microsoft Graph.
        reboot, bootstrap: whether the run may restart the host, and bring PowerShell 5.1 to it.
    """

    host: Facts
    groups: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    connectors: list[str] = field(default_factory=list)
    client: View = field(default_factory=lambda: View({}))
    settings: View = field(default_factory=lambda: View({}))
    connector: View = field(default_factory=lambda: View({}))
    connector_https: View = field(default_factory=lambda: View({}))
    irm_server: View = field(default_factory=lambda: View({}))
    scanner: View = field(default_factory=lambda: View({}))
    service: View = field(default_factory=lambda: View({}))
    reboot: bool = False
    bootstrap: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Subject:
        """See plain data: dictionaries, lists and flags by the names of the attributes."""
        views: dict[str, Any] = {
            name: View(value) if isinstance(value, Mapping) else value for name, value in values.items()
        }
        return cls(**{**views, "host": Facts(values.get("host", {}))})


Condition = Callable[[Subject], Any]


def evaluate(condition: Condition, subject: Subject) -> Any:
    """What a condition or a text comes to; None when the facts are missing, or not of the expected types."""
    try:
        return condition(subject)
    except (MissingFactError, *ODD_FACTS):
        return None


def words(*items: Any) -> str:
    """The items as one text. One that is None makes no text."""
    if None in items:
        raise TypeError("a word is missing")
    return " ".join(str(item) for item in items)


def some(*items: Any) -> list[Any]:
    """The items that are something, those of lists one by one."""
    flat = [one for item in items for one in (item if isinstance(item, list) else [item])]
    return [item for item in flat if item]


def rows(value: Any) -> list[Any]:
    """The items of a list. Nothing else counts as an empty one."""
    if not isinstance(value, list):
        raise TypeError("expected a list")
    return value


def column(value: Any, name: str) -> list[Any]:
    """An attribute of all items of a list that have it."""
    return [found for row in rows(value) if (found := getattr(row, name)) is not None]


def numbers_of(version: str) -> list[int]:
    """The numbers of a version, which compare as versions do.

    A longer number is several: Python refuses to read one of thousands of digits.
    """
    return [int(number) for number in re.findall(r"\d{1,9}", version)]


def at_least(version: str, minimum: str) -> bool:
    return numbers_of(version) >= numbers_of(minimum)


def without(values: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The values that none of the patterns matches, whatever the case of letters."""
    known = [pattern.lower() for pattern in patterns]
    return [value for value in values if not any(fnmatch.fnmatchcase(value.lower(), pattern) for pattern in known)]


def is_for(names: Iterable[str], url: str) -> bool:
    """Whether a certificate with these names is one for the host of the URL."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # not a URL
        return False
    parent = host.partition(".")[2]
    wanted = {host, f"*.{parent}"} if "." in parent else {host}
    return any(name.lower().rstrip(".") in wanted for name in names)


def same_url(one: str, other: str) -> bool:
    return _address(one) == _address(other)


def _address(url: str) -> tuple[str, ...]:
    """What tells URLs apart: not the case of scheme and host, the scheme's own port, or a slash at the end."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:  # not a URL
        return (url,)
    return parts.scheme, parts.hostname or "", str(port), parts.path.rstrip("/"), parts.query, parts.fragment
