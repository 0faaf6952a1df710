"""Where the fleet's files are."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]


#: The unpacked engine and the template, which all fleets of a checkout share.
CACHE = ROOT / ".cache" / "winfleet"

#: Within a fleet's folder: fleets that run beside it, a folder each. They go down with it.
BESIDE = "beside"


def state_directory() -> Path:
    """Return where the hosts are kept (WINFLEET_STATE, or the cache).

    On the disk of the cache, since their files are links to it.
    """
    return Path(os.environ.get("WINFLEET_STATE") or CACHE).resolve()
