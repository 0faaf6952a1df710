"""The playbook scan: one node of each cluster has the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

PLAYBOOK = Path(__file__).resolve().parents[2] / "playbooks/scan.yml"


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        ({"a": "EU", "b": "EU", "c": "US"}, ["a", "c"]),
        ({"a": None, "b": "", "c": "US"}, ["a", "b", "c"]),
        ({"b": "EU", "a": "EU"}, ["b"]),
    ],
)
def test_one_node_of_each_cluster_scans(clusters: dict[str, str | None], expected: list[str]) -> None:
    (play,) = yaml.safe_load(PLAYBOOK.read_text("utf-8"))
    task = next(task for task in play["tasks"] if "when" in task)
    hostvars = {
        name: {"inventory_hostname": name} | ({} if cluster is None else {"aip_scanner_cluster": cluster})
        for name, cluster in clusters.items()
    }
    chosen = [name for name in clusters if chooses(task, {**hostvars[name], "hostvars": hostvars}, list(clusters))]
    assert chosen == expected


def chooses(task: dict[str, Any], known: dict[str, Any], hosts: list[str]) -> bool:
    nodes = trust_as_template(task["vars"]["aip_scan_nodes"])
    variables = {**known, "ansible_play_hosts": hosts, "aip_scan_nodes": nodes}
    templar = Templar(loader=DataLoader(), variables=variables)
    return bool(templar.template(trust_as_template("{{ " + task["when"] + " }}")))
