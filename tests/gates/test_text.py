"""Bash, YAML and what must not stand in any file."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .tools import NEWEST, ROOT, each_core, passes, project_files, run, shebang_files, tools_of

#: addresses everybody has; anything else that this machine's package tools are set to is the machine's own business
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org", "deb.debian.org", "security.debian.org", "archive.ubuntu.com"}


def test_shellcheck() -> None:
    scripts = [*project_files("*.sh"), *shebang_files(["bash", "/sh"])]
    assert scripts, "no shell script found: bin/ should have some"
    passes("shellcheck", "--severity=style", *scripts)


def test_yamllint() -> None:
    passes("yamllint", "--strict", ".")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("core", each_core())
def test_ansible_lint(core: str) -> None:
    """The collection with each core; its tests, which only the newest one runs as a whole, with that."""
    tests = [] if core == NEWEST else ["--exclude", "tests", "extensions"]
    passes("ansible-lint", "--profile", "production", "--offline", "--strict", *tests, tools=tools_of(core))


def machine_words() -> set[str]:
    """The hosts this machine takes packages from, and its folders, as far as they are not everybody's."""
    settings = run("pip", "config", "list").stdout + run("apt-get", "indextargets", "--format", "$(REPO_URI)").stdout
    hosts = {urlsplit(url).hostname or "" for url in re.findall(r"https?://[^\s'\"]+", settings)}
    folders = {str(folder) for folder in (ROOT, ROOT.parent / "shared", Path.home())}
    # a short one, as /root or /src, says nothing of a machine
    return {word for word in (hosts - PUBLIC_HOSTS) | folders if len(word) > 6}


def test_names_nothing_of_this_machine() -> None:
    """No package host and no path of the machine that the files were written on."""
    words = machine_words()
    found = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in words if word in text]
    assert not found, "\n".join(found)
