"""Waits for files that are renamed into a folder (inotify); the standard library has no such wait."""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

_MOVED_TO = 0x80
_libc = ctypes.CDLL(None, use_errno=True)


class Arrivals:
    """Watches a folder from now on.

    Raises:
        OSError: the folder cannot be watched.
    """

    def __init__(self, folder: Path) -> None:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC)
        self._events = _libc.inotify_init1(os.O_CLOEXEC)
        if self._events < 0 or _libc.inotify_add_watch(self._events, os.fsencode(folder), _MOVED_TO) < 0:
            code = ctypes.get_errno()
            self._close()
            raise OSError(code, os.strerror(code), str(folder))

    def wait(self) -> bool:
        """Return True when files have arrived since the last call, waiting for one; False after `end`."""
        either = select.poll()
        for descriptor in (self._events, self._bell):
            either.register(descriptor, select.POLLIN)
        if any(descriptor == self._bell for descriptor, _ in either.poll()):
            self._close()
            return False
        os.read(self._events, 65536)
        return True

    def end(self) -> None:
        """Let `wait` return False, in whatever thread; once."""
        os.eventfd_write(self._bell, 1)

    def _close(self) -> None:
        for descriptor in (self._events, self._bell):
            if descriptor >= 0:
                os.close(descriptor)
