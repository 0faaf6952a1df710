"""Write requirements/*.txt: what requirements/*.in come to, each package with its version and the hashes of its files.

    python3 tests/setup/lock.py [ARGUMENT ...]

Needs uv (pipx install uv) and asks PyPI. Versions that still fit are kept. Arguments are those of `uv pip compile`:
--upgrade takes the newest release of every package, --upgrade-package NAME that of one.

core-X.txt has ansible-core X and what the collection needs, collections-X.txt the package `ansible`, of which setup
unpacks a few collections. lint.txt and test-X.txt have what ansible-lint and the test tools need beside core-X.txt,
importer-X.txt what galaxy-importer needs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from setup.environment import CORE_OF_PYTHON, PYTHONS_OF_CORE, REQUIREMENTS, ROOT

COMMAND = ("uv", "pip", "compile", "--quiet", "--no-config", "--generate-hashes", "--only-binary=:all:")


@dataclass(frozen=True)
class Lock:
    """A requirements file with pins.

    Attributes:
        python: the Python that it is made for. Releases that support the oldest one serve the newer ones, too.
        beside: the lock that is installed with it; it repeats none of that one's packages.
        only_named: whether it has only what its inputs name, without what that needs.
    """

    name: str
    inputs: tuple[str, ...]
    python: tuple[int, int]
    beside: str = ""
    only_named: bool = False


def locks() -> list[Lock]:
    """All locks, each after the one that it is installed beside."""
    found = []
    for core, versions in PYTHONS_OF_CORE.items():
        oldest, collections = min(versions), f"collections-{core}"
        found += [
            Lock(f"{collections}.txt", (f"{collections}.in",), oldest, only_named=True),
            Lock(f"core-{core}.txt", (f"{collections}.in", "runtime.in"), oldest, beside=f"{collections}.txt"),
        ]
        if core in CORE_OF_PYTHON.values():
            found += [
                Lock(f"test-{core}.txt", ("test.in",), oldest, beside=f"core-{core}.txt"),
                Lock(f"importer-{core}.txt", ("importer.in",), oldest),
            ]
    core, versions = next(iter(PYTHONS_OF_CORE.items()))
    return [*found, Lock("lint.txt", ("lint.in",), min(versions), beside=f"core-{core}.txt")]


def pins(name: str) -> dict[str, str]:
    """The versions in a lock, by the names of the packages."""
    return dict(re.findall(r"^([\w.-]+)==([\w.!+]+)", (REQUIREMENTS / name).read_text(), re.MULTILINE))


def write(lock: Lock, arguments: Sequence[str]) -> None:
    command = [*COMMAND, f"--python-version={lock.python[0]}.{lock.python[1]}"]
    command += ["--custom-compile-command=python3 tests/setup/lock.py", f"--output-file=requirements/{lock.name}"]
    if lock.only_named:
        command.append("--no-deps")
    if lock.beside:
        command.append(f"--constraint=requirements/{lock.beside}")
        command += [f"--no-emit-package={package}" for package in pins(lock.beside)]
    files = [f"requirements/{name}" for name in lock.inputs]
    subprocess.run([*command, *arguments, *files], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    print(f"{lock.name}: {len(pins(lock.name))} packages", flush=True)


def main() -> None:
    for lock in locks():
        write(lock, sys.argv[1:])


if __name__ == "__main__":
    main()
