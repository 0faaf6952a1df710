# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Usage logs of the protection service, summarized for each connector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

#: The service principal that a connector uses, in the field user-id
CONNECTOR = "Aadrm_S-1-7-0"
NEEDED = ("date", "time", "request-type", "user-id", "result", "c-ip")
SUCCESS = "Success"


class LogError(ValueError):
    """A text that is no usage log. The message says what was expected."""


@dataclass
class Connector:
    """The requests that came from one address.

    Attributes:
        types: request type -> requests.
        failures: result -> requests, where the result is no success.
        first, last: when, UTC.
    """

    types: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""

    def add(self, entry: dict[str, str]) -> None:
        self.types[entry["request-type"]] += 1
        if entry["result"] != SUCCESS:
            self.failures[entry["result"]] += 1
        time = f"{entry['date']}T{entry['time']}Z"
        self.first = min(self.first or time, time)
        self.last = max(self.last, time)


def entries(text: str) -> Iterator[dict[str, str]]:
    """The entries of a log, by the names of its fields.

    Raises:
        LogError: the text has entries, and no line #Fields before them that names what is needed.
    """
    names: list[str] = []
    for line in text.splitlines():
        if line.startswith("#Fields:"):
            names = line.removeprefix("#Fields:").split()
            if missing := [name for name in NEEDED if name not in names]:
                raise LogError(f"the usage log has no field {', '.join(missing)}: expected the fields of version 1.1")
        elif line.strip() and not line.startswith("#"):
            if not names:
                raise LogError(f"the usage log starts with {line[:40]!r}: expected a line #Fields before the entries")
            yield {name: value.strip().strip("'") for name, value in zip(names, line.split("\t"), strict=False)}


def summarize(texts: Iterable[str]) -> dict[str, Any]:
    """The requests of each connector, and how many others there were.

    A connector is known by its address only: all use the same account.
    """
    connectors: dict[str, Connector] = {}
    others = 0
    for text in texts:
        for entry in entries(text):
            if not all(entry.get(name) for name in NEEDED):
                raise LogError(f"the usage log has an entry with {len(entry)} fields: expected all of {NEEDED}")
            if entry["user-id"].lower() == CONNECTOR.lower():
                connectors.setdefault(entry["c-ip"], Connector()).add(entry)
            else:
                others += 1
    found = [
        {
            "address": address,
            "requests": connector.types.total(),
            "types": dict(sorted(connector.types.items())),
            "failures": dict(sorted(connector.failures.items())),
            "first": connector.first,
            "last": connector.last,
        }
        for address, connector in sorted(connectors.items())
    ]
    return {"connectors": found, "other_requests": others}
