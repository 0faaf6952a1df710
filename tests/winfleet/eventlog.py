"""The Application log of one host: a file of JSON lines, which the double of Get-WinEvent reads."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

FILE = Path("drive_c/windows/winfleet/events/Application.jsonl")
ERROR, WARNING, INFORMATION = 2, 3, 4


class EventLog:
    """Appends events; the file is in the host's prefix."""

    def __init__(self, prefix: Path, computer: str) -> None:
        self._file = prefix / FILE
        self._computer = computer
        self._lock = threading.Lock()
        self._last = 0

    def write(self, provider: str, number: int, level: int, message: str) -> None:
        with self._lock:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Two events never have the same time, so that the newest is the last
            self._last = max(time.time_ns() // 100, self._last + 1)
            event = {
                "Id": number,
                "ProviderName": provider,
                "Level": level,
                "Ticks": self._last,  # of 100 ns since 1970, in UTC
                "MachineName": self._computer,
                "Message": message,
            }
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(event) + "\n")
