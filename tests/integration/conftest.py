"""Fixtures of the tests that drive ansible-playbook against the emulated fleet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .ansible_runner import ROOT, AnsiblePlaybook


@pytest.fixture(scope="session")
def fleet() -> None:
    """The fleet is up. `bin/test` starts it; by hand: `bin/fleet up`."""
    status = subprocess.run([str(ROOT / "bin/fleet"), "status"], capture_output=True, text=True, check=False)
    assert status.returncode == 0, f"the emulated fleet is not up (bin/fleet up):\n{status.stdout}{status.stderr}"


@pytest.fixture(scope="session")
def playbook(fleet: None) -> AnsiblePlaybook:
    """ansible-playbook of the environment that runs the tests."""
    return AnsiblePlaybook(Path(sys.executable).parent)
