"""Somebody who asks a connector again and again while it is worked on. Standard library only, as the demo uses it.

with Clients(ask) as clients:
    ...
assert not clients.lost
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self


class Clients:
    """Asks every 100 ms, each time in a thread of its own, as long as the block runs; then waits for the answers.

    ask: one request; an OSError says that it was lost.

    Attributes:
        served: how many were answered.
        lost: when each request that failed was sent (time.monotonic), and why.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._request = ask
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._clock = threading.Thread(target=self._tick)
        self.served = 0
        self.lost: list[tuple[float, str]] = []

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in (self._clock, *self._threads):
            thread.join()

    def _tick(self) -> None:
        while not self._ended.wait(0.1):
            self._threads.append(threading.Thread(target=self._ask))
            self._threads[-1].start()

    def _ask(self) -> None:
        sent = time.monotonic()
        try:
            self._request()
        except OSError as error:
            self.lost.append((sent, str(error)))
        else:
            self.served += 1
