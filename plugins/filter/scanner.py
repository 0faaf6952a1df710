# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which scanners stand for their clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import names_in, of_defined, variables_of
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.scanner_cluster import (
    CLUSTER,
    INSTANCE,
    STATE,
    cluster_of,
)


def scan_nodes(hostvars: Mapping[str, Any], hosts: Iterable[str]) -> list[str]:
    """The first host of each cluster; scan_nodes.yml says more."""
    found: dict[tuple[str, ...], str] = {}
    for host in names_in("hosts", hosts):
        variables = variables_of(host, hostvars)
        values = {name: plain(variables.get(name)) for name in (CLUSTER, INSTANCE, STATE)}
        if values[STATE] != "absent":
            found.setdefault(cluster_of(values) or (host,), host)
    return list(found.values())


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(scan_nodes)
