"""Which of the networks 127.20.N.0/24 this fleet has: two checkouts on one machine must not share addresses.

A network is taken by locking a file of the machine's temporary folder; every supervisor holds the lock, so that it
ends with the last. A container shares the loopback addresses and not that folder: so ports in use count as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

NETWORKS = range(200)
BASE = "127.20."


class NetworkError(Exception):
    """No network is free."""


def take(state: Path, preferred: int, addresses: Sequence[str]) -> tuple[int, int]:
    """Return the number of a network that this fleet has or can have, and the descriptor that holds it (inheritable).

    Args:
        state: the fleet's folder, by which it knows its own network.
        preferred: the network to try first.
        addresses: those of its hosts, in any network.

    Raises:
        NetworkError: when all are taken.
    """
    for number in [preferred, *(n for n in NETWORKS if n != preferred)]:
        descriptor = _lock(state, number, [address_in(address, number) for address in addresses])
        if descriptor is not None:
            os.set_inheritable(descriptor, True)
            return number, descriptor
    raise NetworkError(f"all networks {BASE}N.0/24 are taken by other fleets on this machine")


def _lock(state: Path, number: int, addresses: Sequence[str]) -> int | None:
    path = Path(tempfile.gettempdir()) / f"winfleet-network-{number}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:  # another user's
        return None
    owner = str(state).encode()
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not all(map(_is_free, addresses)):
            os.close(descriptor)
            return None
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


def _is_free(address: str) -> bool:
    """Whether nothing listens there for WinRM."""
    try:
        for port in (5985, 5986):
            socket.create_server((address, port)).close()
    except OSError:
        return False
    return True


def address_in(address: str, number: int) -> str:
    """Return the address moved into network `number`; addresses outside 127.20.0.0/16 stay what they are."""
    if not address.startswith(BASE):
        return address
    return f"{BASE}{number}.{address.rsplit('.', 1)[1]}"
