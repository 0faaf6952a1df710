"""roles/rms_pool/files/lease.ps1 for simulated hosts. tests/unit/powershell/test_lease.py compares the two."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def ask(lease: dict[str, str], parameters: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The script's result.

    lease: the values of the lease's key, which are changed; empty for no key.
    now: the host's clock, in seconds since 1970.
    """
    found = dict(lease)
    run, take = parameters.get("run", ""), parameters.get("take", "none")
    left = _seconds(found.get("expires", "")) - now
    takes = take == "any" or (take == "expired" and left <= 0)
    held = bool(run) and (found.get("run") == run or takes)
    if held and parameters.get("remove"):
        lease.clear()
    elif held:
        lease |= {"run": run, "expires": _text(now + parameters.get("seconds", 0))}
        if takes:
            lease |= {"controller": parameters.get("controller", ""), "started": _text(now)}
        lease["stage"] = parameters.get("stage") or found.get("stage") or "working"
    return {"held": held, "found": found, "seconds_left": max(0, math.ceil(left))}


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(FORMAT)


def _seconds(text: str) -> float:
    """A lease without a valid end has expired."""
    try:
        return datetime.strptime(text, FORMAT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
