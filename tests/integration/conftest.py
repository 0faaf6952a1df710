"""Fixtures of the tests that drive ansible-playbook against the emulated fleet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook


def bin_fleet(*arguments: str, check: bool = True) -> str:
    command = [str(ROOT / "bin/fleet"), *(f"--inventory={inventory}" for inventory in INVENTORIES), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that drives hosts names them, or they would be down or up by chance."""
    for item in items:
        if "playbook" in getattr(item, "fixturenames", ()) and item.get_closest_marker("hosts") is None:
            raise pytest.UsageError(f"{item.nodeid} names no hosts. Mark it: pytest.mark.hosts(NAME, ...)")


@pytest.fixture(scope="session")
def fleet(request: pytest.FixtureRequest) -> Iterator[None]:
    """The hosts that the tests of this session name are up; those that were down before are stopped again."""
    named = {host for item in request.session.items for mark in item.iter_markers("hosts") for host in mark.args}
    up = {host["name"] for host in json.loads(bin_fleet("status", "--json", check=False)) if host["phase"] == "up"}
    if down := sorted(named - up):
        bin_fleet("up", *down)
    yield
    if down:
        bin_fleet("down", *down)


@pytest.fixture(scope="session")
def playbook(fleet: None) -> AnsiblePlaybook:
    """ansible-playbook of the environment that runs the tests."""
    return AnsiblePlaybook(Path(sys.executable).parent)
