"""Fixtures of the gates."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from .tools import CACHE, ROOT, TOOLS


@pytest.fixture(scope="session")
def pwsh_environment() -> Iterator[dict[str, str]]:
    """Environment in which `pwsh` is the engine in a Wine prefix of the gates' own; stopped at the end."""
    from winfleet.prefix import gate_prefix

    folder = gate_prefix(CACHE / "prefix")
    environment = {"PATH": f"{ROOT / 'tests/gates/bin'}:{TOOLS}:{os.environ['PATH']}", "WINEPREFIX": str(folder)}
    yield environment
    subprocess.run(["wineserver", "-k"], env={**os.environ, "WINEPREFIX": str(folder)}, check=False)
