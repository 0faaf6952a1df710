"""Renew the pinned requirements: resolve requirements/*.in with the newest releases and write requirements/*.txt.

    python3 tests/setup/lock.py [CORE...]        (2.16 2.19 2.21; needs their Pythons, see environment.py)

core-X.txt has Ansible and what the collection needs, test-X.txt all of that and the test tools.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from environment import CORE_OF_PYTHON, PYTHONS_OF_CORE, REQUIREMENTS, find_pythons


def lock(core: str, folder: Path) -> None:
    pythons = find_pythons()
    # the oldest Python of a core: releases that still support it serve the newer ones too
    python = pythons[min(version for version in PYTHONS_OF_CORE[core] if version in pythons)]
    subprocess.run([python.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    names = [f"core-{core}"] + ([f"test-{core}"] if core in CORE_OF_PYTHON.values() else [])
    inputs = [f"core-{core}.in", "test.in"]
    for count, name in enumerate(names, 1):
        files: list[str | Path] = [argument for file in inputs[:count] for argument in ("-r", REQUIREMENTS / file)]
        subprocess.run([*pip, "install", *files], check=True)
        subprocess.run([*pip, "check"], check=True)
        pins = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout
        head = f"# Written by tests/setup/lock.py from {' and '.join(inputs[:count])} with {python}; do not edit.\n"
        (REQUIREMENTS / f"{name}.txt").write_text(head + pins)
        print(f"{name}.txt: {len(pins.splitlines())} packages", flush=True)


def main() -> None:
    for core in sys.argv[1:] or PYTHONS_OF_CORE:
        with tempfile.TemporaryDirectory() as folder:
            lock(core, Path(folder))


if __name__ == "__main__":
    main()
