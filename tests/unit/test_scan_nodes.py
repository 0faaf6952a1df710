"""The playbook scan: one node of each cluster has the task."""

from __future__ import annotations

import pytest
from ansible_collections.infoprotect.aip.plugins.filter.scanner import scan_nodes


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        ({"a": "EU", "b": "EU", "c": "US"}, ["a", "c"]),
        ({"a": None, "b": "", "c": "b", "d": "b"}, ["a", "b", "c"]),
        ({"b": "EU", "a": "EU"}, ["b"]),
        ({}, []),
    ],
)
def test_one_node_of_each_cluster_scans(clusters: dict[str, str | None], expected: list[str]) -> None:
    hostvars = {name: {} if cluster is None else {"aip_scanner_cluster": cluster} for name, cluster in clusters.items()}
    assert scan_nodes(hostvars, list(clusters)) == expected
