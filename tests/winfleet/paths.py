"""Where the fleet's files are."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]


def state_directory() -> Path:
    """Everything that the fleet writes is below this folder (WINFLEET_STATE, or .cache/winfleet of the checkout)."""
    return Path(os.environ.get("WINFLEET_STATE") or ROOT / ".cache" / "winfleet").resolve()
