"""Print a software bill of materials of the test environments: CycloneDX 1.6 as JSON.

    python3 tests/setup/sbom.py > sbom.cdx.json

Made from requirements/*.txt alone: every package with its version, the checksums of its files, what needs it, and the
locks that it is in. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from setup.environment import REQUIREMENTS
from setup.lock import locks

TOOL = "tests/setup/sbom.py"
#: the namespace of the serial numbers: one state of the locks always has the same
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/infoprotect/aip")


@dataclass(frozen=True)
class Package:
    """A package as a lock has it; `wanted_by` are packages, not the inputs that name it."""

    name: str
    version: str
    checksums: tuple[str, ...]
    wanted_by: tuple[str, ...]

    @property
    def reference(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def packages(lock: str) -> Iterator[Package]:
    """The packages of a lock, each with the comment below it that says what wants it."""
    text = (REQUIREMENTS / lock).read_text()
    for entry in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]:
        name, version = re.match(r"([\w.-]+)==(\S+)", entry).groups()  # type: ignore[union-attr]
        wanted_by = re.findall(r"^    # (?:via |  )([\w.-]+)$", entry, re.MULTILINE)
        yield Package(name, version, tuple(re.findall(r"sha256:(\w+)", entry)), tuple(wanted_by))


def component(package: Package, in_locks: list[str]) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": package.reference,
        "name": package.name,
        "version": package.version,
        "purl": package.reference,
        "hashes": [{"alg": "SHA-256", "content": checksum} for checksum in package.checksums],
        "properties": [{"name": "infoprotect:lock", "value": f"requirements/{lock}"} for lock in in_locks],
    }


def bill() -> dict[str, Any]:
    found: dict[str, Package] = {}
    in_locks: dict[str, list[str]] = {}
    needs: dict[str, set[str]] = {}
    for lock in locks():
        # what wants a package may be in the lock that this one is installed beside
        here = {package.name: package for name in (lock.beside, lock.name) if name for package in packages(name)}
        for package in packages(lock.name):
            found[package.reference] = package
            in_locks.setdefault(package.reference, []).append(lock.name)
            for name in package.wanted_by:
                needs.setdefault(here[name].reference, set()).add(package.reference)
    components = [component(found[reference], in_locks[reference]) for reference in sorted(found)]
    digest = hashlib.sha256(json.dumps(components, sort_keys=True).encode()).hexdigest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(NAMESPACE, digest).urn,
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": TOOL}]},
            "component": {"type": "application", "bom-ref": "tests", "name": "test environments of infoprotect.aip"},
        },
        "components": components,
        "dependencies": [
            {"ref": reference, "dependsOn": sorted(needs.get(reference, set()))} for reference in sorted(found)
        ],
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
    print()
