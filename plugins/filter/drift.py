# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text for people out of results of infoprotect.aip.desired_state."""

from __future__ import annotations

from typing import Any

from ansible_collections.infoprotect.aip.plugins.plugin_utils import summary
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined


def drift(result: Any) -> list[str]:
    """One line for each value that differs; drift.yml says more."""
    return summary.lines(result)


def drift_summary(result: Any, verb: str = "differs in", restarted: bool = False) -> str:
    """One line for the host; drift_summary.yml says more."""
    return summary.summary(result, verb, restarted)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(drift, drift_summary)
