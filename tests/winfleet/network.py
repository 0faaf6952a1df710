"""Which of the networks 127.20.N.0/24 this fleet has: two checkouts on one machine must not share addresses.

A network is taken by locking a file of the machine's temporary folder; every supervisor holds the lock, so that it
ends with the last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

NETWORKS = range(200)
BASE = "127.20."


class NetworkError(Exception):
    """No network is free."""


def take(state: Path, preferred: int) -> tuple[int, int]:
    """Return the number of a network that this fleet has or can have, and the descriptor that holds it (inheritable).

    Raises:
        NetworkError: when all are taken.
    """
    for number in [preferred, *(n for n in NETWORKS if n != preferred)]:
        descriptor = _lock(state, number)
        if descriptor is not None:
            os.set_inheritable(descriptor, True)
            return number, descriptor
    raise NetworkError(f"all networks {BASE}N.0/24 are taken by other fleets on this machine")


def _lock(state: Path, number: int) -> int | None:
    path = Path(tempfile.gettempdir()) / f"winfleet-network-{number}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:  # another user's
        return None
    owner = str(state).encode()
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, owner, 0)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor
    if os.pread(descriptor, 4096, 0) == owner:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return descriptor
    os.close(descriptor)
    return None


def address_in(address: str, number: int) -> str:
    """Return the address moved into network `number`; addresses outside 127.20.0.0/16 stay what they are."""
    if not address.startswith(BASE):
        return address
    return f"{BASE}{number}.{address.rsplit('.', 1)[1]}"
