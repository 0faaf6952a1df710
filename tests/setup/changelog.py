"""Make the entry of the version in galaxy.yml anew from changelogs/fragments, and CHANGELOG.rst from that.

    .venv/bin/python tests/setup/changelog.py

Until the version is tagged, its fragments stay and may be edited. Run this after each edit, and after adding a module
or plugin. The fragments of a tagged version are deleted with the first change after the tag.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from setup.environment import ROOT, VENV


def fragments(root: Path) -> list[Path]:
    return sorted((root / "changelogs" / "fragments").glob("*.y*ml"))


def texts(sections: dict[str, Any]) -> dict[str, list[str]]:
    """Section -> its texts, in any order, without the line breaks that only the layout of a file has."""
    found: dict[str, list[str]] = defaultdict(list)
    for section, one in sections.items():
        found[section] += [" ".join(text.split()) for text in ([one] if isinstance(one, str) else one)]
    return {section: sorted(each) for section, each in found.items()}


def changed(entry: dict[str, Any], root: Path = ROOT) -> list[str]:
    """The sections in which the entry of a release is not what its fragments say, as far as these are still there."""
    files = [path for path in fragments(root) if path.name in entry["fragments"]]
    if not files:
        return []
    together: dict[str, list[str]] = defaultdict(list)
    for path in files:
        for section, each in texts(yaml.safe_load(path.read_text())).items():
            together[section] += each
    wanted, found = {section: sorted(each) for section, each in together.items()}, texts(entry["changes"])
    return sorted(section for section in wanted.keys() | found.keys() if wanted.get(section) != found.get(section))


def main() -> int:
    file = ROOT / "changelogs" / "changelog.yaml"
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    changelog = yaml.safe_load(file.read_text())
    changelog["releases"].pop(version, None)
    file.write_text(yaml.safe_dump(changelog))
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    command: list[str | Path] = [VENV / "bin" / "antsibull-changelog", "release", "--reload-plugins"]
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
