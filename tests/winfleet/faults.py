"""Faults that a test switches on for one emulated host.

The listener asks for those of the protocol (`PROTOCOL_FAULTS`) at each request; who owns another kind asks for it in
the same way with `take`. Nothing happens until a fault is set, and each is over after `count` requests.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, replace

PROTOCOL_FAULTS = {
    "drop_connection": "the request is served, and the connection closed in the middle of its response",
    "hang": "the request is served after `seconds`",
    "http_500": "the request is not served, the answer is HTTP 500 without a body",
}


@dataclass(frozen=True)
class Fault:
    """One switched-on fault.

    Attributes:
        name: its kind.
        count: how many requests it still hits.
        skip: how many requests that it would hit go by unharmed before.
        action: it hits only requests of this operation (Create, Command, Send, Receive, Signal, Delete); None: any.
        seconds: how long a hang lasts.
        argument: for faults that are about something, such as a registry key's path.
    """

    name: str
    count: int = 1
    skip: int = 0
    action: str | None = None
    seconds: float = 30.0
    argument: str | None = None


class Faults:
    """The faults of one host; every method may be called from any thread."""

    def __init__(self, kinds: dict[str, str] | None = None) -> None:
        """Args:
        kinds: names and meanings of further faults than the protocol's.
        """
        self.kinds = {**PROTOCOL_FAULTS, **(kinds or {})}
        self._lock = threading.Lock()
        self._faults: dict[str, Fault] = {}

    def set(self, fault: Fault) -> None:
        """Switch a fault on, in the place of an earlier one of the same name.

        Raises:
            ValueError: an unknown name, or numbers that make no sense.
        """
        if fault.name not in self.kinds:
            raise ValueError(f"fault {fault.name!r} is not known; there are {', '.join(sorted(self.kinds))}")
        if fault.count < 1 or fault.skip < 0 or not 0 <= fault.seconds <= 3600:
            raise ValueError("a fault needs count >= 1, skip >= 0 and seconds from 0 to 3600")
        with self._lock:
            self._faults[fault.name] = fault

    def clear(self, name: str | None = None) -> None:
        """Switch one fault off, or all of them."""
        with self._lock:
            if name is None:
                self._faults.clear()
            else:
                self._faults.pop(name, None)

    def active(self) -> list[dict[str, object]]:
        """Return what is switched on, as plain data for a status."""
        with self._lock:
            return [asdict(fault) for fault in self._faults.values()]

    def take(self, name: str, action: str | None = None) -> Fault | None:
        """Return the fault if it hits this request, and count it."""
        with self._lock:
            fault = self._faults.get(name)
            if fault is None or (fault.action is not None and (action or "").lower() != fault.action.lower()):
                return None
            if fault.skip > 0:
                self._faults[name] = replace(fault, skip=fault.skip - 1)
                return None
            if fault.count > 1:
                self._faults[name] = replace(fault, count=fault.count - 1)
            else:
                del self._faults[name]
            return fault
