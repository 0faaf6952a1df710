"""ansible-test sanity over the collection as it is built, with the engine as `pwsh`, so that validate-modules runs.

The project's own tests and commands are not in it: ruff and mypy (test_python.py) look at them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import ansible_collections
from ansible_test._internal.python_requirements import get_venv_packages

from .tools import CACHE, GATES, TOOLS, passes, run

#: Tests that cannot be run here, each with the reason. Any other that ansible-test leaves out is a failure.
WAIVED = {
    # PSScriptAnalyzer comes from the PowerShell Gallery only; check51 parses every file and knows what 5.1 lacks
    "pslint",
}
#: Its own Python only: the newest that the collection serves here. ruff holds the code to 3.11.
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

#: ansible-test bootstraps pip in an environment for each tool by a script that it would fetch from Ansible's CI.
GET_PIP = """\
import ensurepip, runpy, sys
ensurepip.bootstrap()
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__")
"""


def built_collection() -> Path:
    """What ansible-galaxy packs, where ansible-test wants it, as a git repository, with the collection that it uses."""
    folder = CACHE / "sanity" / "ansible_collections" / "infoprotect" / "aip"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    passes("ansible-galaxy", "collection", "build", "--force", "--output-path", CACHE)
    (archive,) = CACHE.glob("infoprotect-aip-*.tar.gz")
    passes("tar", "-xf", archive, "-C", folder)
    archive.unlink()
    windows = folder.parents[1] / "ansible" / "windows"
    windows.parent.mkdir(exist_ok=True)
    if not windows.exists():
        windows.symlink_to(Path(ansible_collections.__path__[0], "ansible", "windows"))
    passes("git", "init", "--quiet", cwd=folder)
    passes("git", "add", "--all", cwd=folder)
    return folder


def home_of_ansible_test() -> Path:
    """A home folder for it alone: it keeps its virtual environments in ~/.ansible/test."""
    home = CACHE / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = get_venv_packages(SimpleNamespace(version=PYTHON))["pip"]
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    return home


def sanity(folder: Path, *arguments: str) -> tuple[int, str]:
    """ansible-test's exit code and what it said."""
    environment = {"HOME": str(home_of_ansible_test()), "PATH": f"{GATES / 'bin'}:{TOOLS}:{os.environ['PATH']}"}
    result = run("ansible-test", "sanity", "--python", PYTHON, "--color", "no", *arguments, cwd=folder, env=environment)
    return result.returncode, result.stdout


def test_sanity(pwsh: Callable[..., str]) -> None:
    """Every test runs, and passes, but those that are waived."""
    folder = built_collection()
    skip = [word for name in sorted(WAIVED) for word in ("--skip-test", name)]
    code, output = sanity(folder, "--requirements", *skip)
    assert code == 0, output
    code, listed = sanity(folder, "--list-tests")
    assert code == 0, listed
    offered = set(re.findall(r"^ *([a-z0-9][\w-]+)$", listed, re.MULTILINE))
    ran = set(re.findall(r'^Running sanity test "([\w-]+)"', output, re.MULTILINE))
    assert {"validate-modules", "pylint", "shellcheck", "import"} <= ran
    assert offered - ran == WAIVED, f"not run: {offered - ran}"
    assert not re.search(r"^WARNING: (?!Using locale|Reviewing previous)", output, re.MULTILINE), output
