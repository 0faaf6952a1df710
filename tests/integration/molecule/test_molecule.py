"""Molecule's scenarios: create, converge, converge again without a change, verify, destroy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from winfleet.paths import BESIDE, state_directory

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "extensions/molecule").glob("*/molecule.yml"))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "scenario", [pytest.param(name, marks=() if name == "default" else pytest.mark.full) for name in SCENARIOS]
)
def test_scenario(scenario: str) -> None:
    folder = Path(sys.executable).parent
    variables = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        # The scenario starts and stops a fleet, which must not be the one that the user works with.
        "WINFLEET_STATE": str(state_directory() / BESIDE / f"molecule-{scenario}"),
    }
    command = [folder / "molecule", "test", "--scenario-name", scenario]
    done = subprocess.run(
        command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"molecule ended with {done.returncode}:\n{done.stdout}{done.stderr}"
