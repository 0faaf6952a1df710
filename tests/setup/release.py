"""Make the files of a release: the collection's archive and the bill of materials of its tests.

    .venv/bin/python tests/setup/release.py TAG FOLDER

Ends with 1, and makes nothing, when the checkout is not what TAG says: another version in galaxy.yml, no entry in the
changelog, fragments that are in no entry, or an entry that is not what its fragments say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from setup.changelog import changed, fragments
from setup.environment import ROOT, VENV
from setup.sbom import bill


def problems(tag: str, root: Path = ROOT) -> list[str]:
    version = yaml.safe_load((root / "galaxy.yml").read_text())["version"]
    releases = yaml.safe_load((root / "changelogs" / "changelog.yaml").read_text())["releases"]
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, but galaxy.yml has the version {version}: tag v{version}, or set the version")
    again = "run tests/setup/changelog.py"
    entry = releases.get(version)
    if not entry:
        return [*found, f"changelogs/changelog.yaml has no entry for {version}: {again}"]
    released = {name for one in releases.values() for name in one["fragments"]}
    unreleased = [path.name for path in fragments(root) if path.name not in released]
    found += [f"changelogs/fragments/{name} is in no release: {again}" for name in unreleased]
    found += [f"{section} of {version} differs from its fragments: {again}" for section in changed(entry, root)]
    return found


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [VENV / "bin" / "ansible-galaxy", "collection", "build", "--output-path", folder]
    subprocess.run(command, cwd=ROOT, check=True)
    (folder / "sbom.cdx.json").write_text(json.dumps(bill(), indent=1) + "\n")


def main(tag: str, folder: Path) -> int:
    if found := problems(tag):
        print("\n".join(found), file=sys.stderr)
        return 1
    make(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
