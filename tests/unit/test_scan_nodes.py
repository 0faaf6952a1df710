"""Clusters of scanners: one node of each has the task of the playbook scan, and one sets what the nodes share."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.infoprotect.aip.plugins.filter.scanner import scan_nodes
from ansible_collections.infoprotect.aip.plugins.plugin_utils.scanner_cluster import first_nodes


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


def test_a_cluster_is_that_of_its_sql_server_and_a_removed_scanner_is_no_node() -> None:
    def node(cluster: str, server: str, **more: str) -> dict[str, str]:
        return {"aip_scanner_cluster": cluster, "aip_scanner_sql_instance": server, **more}

    hostvars = {
        "gone": node("EU", "SQL01", aip_scanner_state="absent"),
        "a": node("EU", "SQL01"),
        "b": node("eu", "sql01"),
        "c": node("EU", "SQL02"),
    }
    assert scan_nodes(hostvars, list(hostvars)) == ["a", "c"]


EU = ("sql01", "eu")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ({"a": {}, "b": {}}, "a"),
        ({"a": {"aip_scanner_state": "absent"}, "b": {}}, "b"),
        # as the operator says, also by a text of the inventory
        ({"a": {}, "b": {"aip_scanner_first_node": True}}, "b"),
        ({"a": {"aip_scanner_first_node": "no"}, "b": {}}, "b"),
        ({"a": {"aip_scanner_first_node": ""}, "b": {}}, "a"),
        ({"a": {"aip_scanner_first_node": False}}, None),
        ({"a": {"aip_scanner_cluster": "US"}, "b": {"aip_scanner_cluster": "eu"}}, "b"),
    ],
)
def test_the_first_node_of_a_cluster(nodes: dict[str, dict[str, Any]], expected: str | None) -> None:
    common = {"aip_scanner_cluster": "EU", "aip_scanner_sql_instance": "SQL01"}
    assert first_nodes(nodes, lambda name: {**common, **nodes[name]}).get(EU) == expected
