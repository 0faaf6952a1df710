"""The collection as its users get it: changelog, documentation, the archive that ansible-galaxy builds."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

from .tools import ROOT, passes

#: Ansible finds the checkout there as infoprotect.aip (tests/setup/environment.py makes the link)
COLLECTION = ROOT / ".cache" / "collections" / "ansible_collections" / "infoprotect" / "aip"


def test_changelog() -> None:
    passes("antsibull-changelog", "lint")
    passes("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")


def test_documentation() -> None:
    """Schema, markup and references of every module, plugin and role."""
    passes("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", COLLECTION)


def test_build(tmp_path: Path) -> None:
    """The archive builds and holds the collection, and nothing that only serves its development."""
    passes("ansible-galaxy", "collection", "build", "--output-path", tmp_path)
    (archive,) = tmp_path.glob("infoprotect-aip-*.tar.gz")
    with tarfile.open(archive) as tar:
        top = {name.split("/")[0] for name in tar.getnames()}
    assert {"plugins", "roles", "playbooks", "meta", "README.md", "LICENSE", "MANIFEST.json"} <= top
    assert not {".cache", ".venv", ".git", "bin", "tests", "requirements"} & top


def test_galaxy_importer(tmp_path: Path) -> None:
    """What Automation Hub and Galaxy look at in a release; a warning, which they would accept, fails here.

    Without its linters: flake8 takes PowerShell for Python, and ansible-lint is a gate of its own.
    """
    settings = tmp_path / "importer.cfg"
    settings.write_text(
        "[galaxy-importer]\nCHECK_REQUIRED_TAGS = True\nCHECK_CHANGELOG = True\nRUN_FLAKE8 = False\n"
        "RUN_ANSIBLE_LINT = False\nRUN_ANSIBLE_DOC = True\nRUN_ANSIBLE_TEST = False\n"
    )
    passes("ansible-galaxy", "collection", "build", "--output-path", tmp_path)
    (archive,) = tmp_path.glob("infoprotect-aip-*.tar.gz")
    importer = ROOT / ".cache" / "venvs" / "galaxy-importer" / "bin"
    environment = {"GALAXY_IMPORTER_CONFIG": str(settings), "PATH": f"{importer}:{os.environ['PATH']}"}
    output = passes(importer / "python", "-m", "galaxy_importer.main", archive, cwd=tmp_path, env=environment)
    assert "Importer processing completed successfully" in output, output
    assert not re.search(r"^(ERROR|WARNING|Traceback)|\b(ERROR|WARNING):", output, re.MULTILINE), output
