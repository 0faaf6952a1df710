"""The collection as its users get it: changelog, documentation, the archive that ansible-galaxy builds."""

from __future__ import annotations

import json
import os
import re
import tarfile
from pathlib import Path

import yaml
from packaging.version import Version
from setup.environment import COLLECTIONS, PYTHONS_OF_CORE

from .tools import NEWEST, OLDEST, ROOT, passes, project_files, tools_of

#: Ansible finds the checkout there as infoprotect.aip (tests/setup/environment.py makes the link)
COLLECTION = ROOT / ".cache" / "collections" / "ansible_collections" / "infoprotect" / "aip"


def test_changelog() -> None:
    passes("antsibull-changelog", "lint")
    passes("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")


def test_documentation() -> None:
    """Schema, markup and references of every module, plugin and role."""
    passes("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", COLLECTION)


def test_build(archive: Path) -> None:
    """The archive holds the collection, and nothing that only serves its development."""
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    top = {name.split("/")[0] for name in names}
    assert {"plugins", "roles", "playbooks", "meta", "README.md", "LICENSE", "MANIFEST.json"} <= top
    assert not {".cache", ".venv", ".git", "bin", "requirements"} & top
    # what ansible-test has to ignore is part of the collection
    assert {name for name in names if name.startswith("tests/")} == {
        "tests/sanity",
        *(f"tests/sanity/{file.name}" for file in (ROOT / "tests" / "sanity").iterdir()),
    }
    assert not [name for name in names if "__pycache__" in name]


def test_ignored_by_sanity() -> None:
    """ansible-core 2.17 is not tested; its ansible-test judges action plugins as 2.16 does."""
    sanity = ROOT / "tests" / "sanity"
    assert (sanity / "ignore-2.17.txt").read_text() == (sanity / "ignore-2.16.txt").read_text()


def test_supported_cores() -> None:
    """The collection demands the oldest ansible-core that is tested, and the README names all of them."""
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    oldest, *_others, newest = PYTHONS_OF_CORE
    assert runtime["requires_ansible"] == f">={oldest}.0"
    row = f"| ansible-core | {oldest} to {newest} (tested: {', '.join(PYTHONS_OF_CORE)}) |"
    assert row in (ROOT / "README.md").read_text().splitlines()
    for core in PYTHONS_OF_CORE:
        pins = (ROOT / "requirements" / f"core-{core}.txt").read_text()
        assert f"\nansible-core=={core}." in pins, f"requirements/core-{core}.txt pins another ansible-core"


def test_supported_collections() -> None:
    """galaxy.yml admits the tested versions, and no untested major version. README and guide name the same bounds."""
    dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]
    assert dependencies.keys() <= set(COLLECTIONS)
    readme = (ROOT / "README.md").read_text().splitlines()
    guide = (ROOT / "docs" / "docsite" / "rst" / "guide_fleet.rst").read_text()
    for name, bounds in dependencies.items():
        oldest, newest = (installed_version(name, core) for core in (OLDEST, NEWEST))
        least = re.fullmatch(rf">=(\d+\.\d+\.\d+),<{newest.major + 1}\.0\.0", bounds)
        assert least, f"galaxy.yml has {name} {bounds}; tested with ansible-core {NEWEST} is {newest}"
        assert Version(least[1]) <= oldest
        supported = f"{least[1]} to {newest.major}.x"
        assert f"| `{name}` | {supported} |" in readme
        assert f"``{name}`` {supported}" in guide


def installed_version(collection: str, core: str) -> Version:
    (packages,) = tools_of(core).parent.glob("lib/python3*/site-packages")
    manifest = packages / "ansible_collections" / collection.replace(".", "/") / "MANIFEST.json"
    return Version(json.loads(manifest.read_text())["collection_info"]["version"])


def test_installed_from_a_tag() -> None:
    """The README and the guides install the tag of the version in galaxy.yml from the repository in galaxy.yml."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    command = f"collection install git+{galaxy['repository']}.git,v{galaxy['version']}"
    installs = [
        (path.name, line.strip())
        for path in project_files("*.md", "*.rst")
        for line in path.read_text().splitlines()
        if "collection install git" in line or line.strip().startswith("version: v")
    ]
    assert {"README.md", "guide_fleet.rst"} <= {name for name, _line in installs}
    for name, line in installs:
        assert line.endswith(command) or line == f"version: v{galaxy['version']}", f"{name}: {line}"


def test_galaxy_importer(archive: Path, tmp_path: Path) -> None:
    """What Automation Hub and Galaxy look at in a release; a warning, which they would accept, fails here.

    But for that of tests/sanity/ignore-*.txt, which have only entries that certification permits.

    Without its linters: flake8 takes PowerShell for Python, and ansible-lint is a gate of its own.
    """
    settings = tmp_path / "importer.cfg"
    settings.write_text(
        "[galaxy-importer]\nCHECK_REQUIRED_TAGS = True\nCHECK_CHANGELOG = True\nRUN_FLAKE8 = False\n"
        "RUN_ANSIBLE_LINT = False\nRUN_ANSIBLE_DOC = True\nRUN_ANSIBLE_TEST = False\n"
    )
    importer = ROOT / ".cache" / "venvs" / "galaxy-importer" / "bin"
    environment = {"GALAXY_IMPORTER_CONFIG": str(settings), "PATH": f"{importer}:{os.environ['PATH']}"}
    output = passes(importer / "python", "-m", "galaxy_importer.main", archive, cwd=tmp_path, env=environment)
    assert "Importer processing completed successfully" in output, output
    output = re.sub(r"^WARNING: Ignore files skip ansible-test sanity tests, found ignore-.*$", "", output, flags=re.M)
    assert not re.search(r"^(ERROR|WARNING|Traceback)|\b(ERROR|WARNING):", output, re.MULTILINE), output
