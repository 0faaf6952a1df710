# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role protection_service computes: options out of its variables, and the logs for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.infoprotect.aip.plugins.plugin_utils import service_log
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import names_in, of_defined


def protection_service_log_summary(texts: Any) -> dict[str, Any]:
    """The requests of each connector; protection_service_log_summary.yml says more."""
    logs = [texts] if isinstance(texts, str) else names_in("the usage logs", texts)
    try:
        # Text of a log is never a template.
        return dict(wrap_var(service_log.summarize(map(str, logs))))
    except service_log.LogError as error:
        raise AnsibleFilterError(str(error)) from error


def without_empty(options: Any) -> dict[str, Any]:
    """The options that are given; without_empty.yml says more."""
    if not isinstance(options, Mapping):
        raise AnsibleFilterError(f"expected a dictionary of options, found {options!r}")
    return {name: value for name, value in options.items() if value is not None and value != ""}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(protection_service_log_summary, without_empty)
