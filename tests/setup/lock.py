"""Renew the pinned requirements: resolve requirements/*.in with the newest releases and write requirements/*.txt.

    python3 tests/setup/lock.py [CORE...]        (2.16 2.19 2.21; needs their Pythons, see environment.py)

core-X.txt has Ansible and what the collection needs, test-X.txt all of that and the test tools, importer-X.txt what
galaxy-importer needs (X is the ansible-core that .venv may have).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from environment import CORE_OF_PYTHON, PYTHONS_OF_CORE, REQUIREMENTS, Python, find_pythons


def lock(name: str, inputs: list[str], python: Python) -> None:
    """Resolve the inputs in a fresh environment and write down what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python.executable, "-m", "venv", folder], check=True)
        pip: list[str | Path] = [Path(folder, "bin", "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        files: list[str | Path] = [argument for file in inputs for argument in ("-r", REQUIREMENTS / file)]
        subprocess.run([*pip, "install", *files], check=True)
        subprocess.run([*pip, "check"], check=True)
        pins = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
    head = f"# Written by tests/setup/lock.py from {' and '.join(inputs)} with {python}; do not edit.\n"
    (REQUIREMENTS / name).write_text(head + pins)
    print(f"{name}: {len(pins.splitlines())} packages", flush=True)


def main() -> None:
    pythons = find_pythons()
    for core in sys.argv[1:] or PYTHONS_OF_CORE:
        # the oldest Python of a core: releases that still support it serve the newer ones too
        python = pythons[min(version for version in PYTHONS_OF_CORE[core] if version in pythons)]
        lock(f"core-{core}.txt", [f"core-{core}.in"], python)
        if core in CORE_OF_PYTHON.values():
            lock(f"test-{core}.txt", [f"core-{core}.in", "test.in"], python)
            lock(f"importer-{core}.txt", ["importer.in"], python)


if __name__ == "__main__":
    main()
