# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of infoprotect.aip.selftest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.selftest import MalformedError, report


def selftest_report(
    result: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
    names: Sequence[str] = (),
    show_names: bool = False,
) -> dict[str, Any]:
    """The report of a result; selftest_report.yml says more."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError(f"expected the result of infoprotect.aip.selftest, found {type(result).__name__}")
    if not isinstance(about or {}, Mapping) or isinstance(names, str) or not isinstance(names, Sequence):
        raise AnsibleFilterError("selftest_report: expected a dictionary as about, and a list as names")
    try:
        return report(plain(result), plain(about or {}), plain(list(names)), bool(show_names))
    except MalformedError as error:
        raise AnsibleFilterError(f"expected the result of infoprotect.aip.selftest: {error}") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(selftest_report)
