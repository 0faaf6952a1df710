"""Renew the pinned requirements: resolve requirements/*.in with the newest releases and write requirements/*.txt.

    python3 tests/setup/lock.py        (needs the Python of every supported ansible-core, see environment.py)

collections-X.txt is written by hand: the release of the package `ansible` with the collections for ansible-core X.
core-X.txt has the ansible-core of that release and what the collection needs. lint.txt and test-X.txt have what
ansible-lint and the test tools need beside core-X.txt, importer-X.txt what galaxy-importer needs.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from environment import CORE_OF_PYTHON, PYTHONS_OF_CORE, REQUIREMENTS, Python, find_pythons


def resolve(inputs: Sequence[str], python: Python) -> list[str]:
    """What pip would install into a fresh environment, as pins in order of their names."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python.executable, "-m", "venv", folder], check=True)
        report = Path(folder, "report.json")
        pip: list[str | Path] = [Path(folder, "bin", "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        files: list[str | Path] = [word for name in inputs for word in ("-r", REQUIREMENTS / name)]
        subprocess.run([*pip, "install", "--dry-run", "--report", report, *files], check=True)
        found = [package["metadata"] for package in json.loads(report.read_text())["install"]]
    return sorted((f"{package['name']}=={package['version']}" for package in found), key=str.lower)


def lock(name: str, inputs: list[str], python: Python, *known: str) -> None:
    """Write down what the inputs come to, without what the known files have."""
    pinned = {line for file in known for line in (REQUIREMENTS / file).read_text().splitlines()}
    # setup takes a few collections out of the package `ansible` and does not install it
    pins = [pin for pin in resolve([*known, *inputs], python) if pin not in pinned and not pin.startswith("ansible==")]
    head = f"# Written by tests/setup/lock.py from {' and '.join(inputs)} with {python}; do not edit.\n"
    (REQUIREMENTS / name).write_text(head + "\n".join(pins) + "\n")
    print(f"{name}: {len(pins)} packages", flush=True)


def main() -> None:
    pythons = find_pythons()
    for core, versions in PYTHONS_OF_CORE.items():
        # the oldest Python of a core: releases that still support it serve the newer ones too
        python = pythons[min(versions)]
        lock(f"core-{core}.txt", [f"collections-{core}.txt", "runtime.in"], python)
        if core in CORE_OF_PYTHON.values():
            lock(f"test-{core}.txt", ["test.in"], python, f"core-{core}.txt")
            lock(f"importer-{core}.txt", ["importer.in"], python)
    oldest = next(iter(PYTHONS_OF_CORE))
    lock("lint.txt", ["lint.in"], pythons[min(PYTHONS_OF_CORE[oldest])], f"core-{oldest}.txt")


if __name__ == "__main__":
    main()
