"""ansible-test sanity over the collection as it is built, with the engine as `pwsh`, so that validate-modules runs.

The project's own tests and commands are not in it: ruff and mypy (test_python.py) look at them.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .tools import CACHE, CORES, GATES, NEWEST, OLDEST, passes, run, tools_of

#: Tests that cannot run here, each with the reason. Any other test that ansible-test leaves out is a failure.
WAIVED = {
    # PSScriptAnalyzer comes from the PowerShell Gallery only; check51 parses every file and knows what 5.1 lacks
    "pslint",
}
#: Tests whose verdict hardly depends on ansible-core. The default run has them with the newest one only.
OF_ANY_CORE = {"changelog", "pep8", "pylint", "shellcheck", "yamllint"}

#: ansible-test bootstraps pip in an environment for each tool by a script that it would fetch from Ansible's CI.
#: This one installs pip once for each Python and links it into the other environments.
GET_PIP = """\
import os, pathlib, shutil, subprocess, sys, sysconfig, tempfile
packages = [word for word in sys.argv[1:] if "==" in word]
name = "-".join(["pip", sysconfig.get_python_version(), *packages])
kept = pathlib.Path(__file__).parent / name
own = pathlib.Path(sysconfig.get_path("purelib"))
if kept.exists():
    shutil.copytree(kept, own, copy_function=os.link, dirs_exist_ok=True)
else:
    subprocess.run([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL, check=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *packages]
    subprocess.run(command, check=True)
    unfinished = pathlib.Path(tempfile.mkdtemp(dir=kept.parent))
    shutil.copytree(own, unfinished, dirs_exist_ok=True)
    try:
        unfinished.rename(kept)
    except OSError:  # another run was faster
        shutil.rmtree(unfinished)
"""
PIP_VERSION = """\
import sys
from types import SimpleNamespace
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(SimpleNamespace(version=sys.argv[1]))["pip"])
"""


def pip_settings() -> str:
    """This machine's settings of pip as one file: ansible-test passes on neither its variables nor the user's file.

    Errors only, so that a warning in the output of ansible-test is its own.
    """
    listed = run("pip", "config", "list").stdout
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)=(.+)$", listed, re.MULTILINE))
    lines = [f"{name} = {ast.literal_eval(value)}" for name, value in settings.items()]
    return "\n".join(["[global]", *lines, "quiet = 2", ""])


@dataclass(frozen=True)
class AnsibleTest:
    """ansible-test of one ansible-core, with the Python of its environment; ruff holds the code to 3.11."""

    core: str
    which: str

    @property
    def python(self) -> str:
        return ".".join(map(str, CORES[self.core].version))

    def collection(self, archive: Path) -> Path:
        """What ansible-galaxy packed, where ansible-test wants it, as a git repository, with the collection it uses."""
        folder = CACHE / "sanity" / self.core / self.which / "ansible_collections" / "infoprotect" / "aip"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        passes("tar", "-xf", archive, "-C", folder)
        windows = folder.parents[1] / "ansible" / "windows"
        windows.parent.mkdir(exist_ok=True)
        (packages,) = tools_of(self.core).parent.glob("lib/python3*/site-packages")
        windows.unlink(missing_ok=True)
        windows.symlink_to(packages / "ansible_collections" / "ansible" / "windows")
        passes("git", "init", "--quiet", cwd=folder)
        passes("git", "add", "--all", cwd=folder)
        return folder

    def home(self) -> Path:
        """A home folder for it alone: it keeps its virtual environments in ~/.ansible/test, for the next run too."""
        home = CACHE / f"home-{self.core}"
        settings = home / ".config" / "pip" / "pip.conf"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(pip_settings())
        cache = home / ".ansible" / "test" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        version = passes(tools_of(self.core) / "python", "-c", PIP_VERSION, self.python).strip()
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
        return home

    def sanity(self, folder: Path, *arguments: str) -> str:
        """What it prints; it has to end with 0."""
        tools = tools_of(self.core)
        environment = {"HOME": str(self.home()), "PATH": f"{GATES / 'bin'}:{tools}:{os.environ['PATH']}"}
        command = ["sanity", "--python", self.python, "--color", "no", *arguments]
        return passes(tools / "ansible-test", *command, cwd=folder, env=environment)


def runs() -> list[Any]:
    """A core, and which of its tests: all, those that depend on it, or the rest."""
    between = [core for core in CORES if core not in (OLDEST, NEWEST)]
    in_full = [(OLDEST, "rest"), *((core, "all") for core in between)]
    return [(NEWEST, "all"), (OLDEST, "own"), *(pytest.param(*run, marks=pytest.mark.full) for run in in_full)]


@pytest.mark.timeout(1800)  # the first run installs the tools
@pytest.mark.parametrize(("core", "which"), runs())
def test_sanity(pwsh: Callable[..., str], archive: Path, core: str, which: str) -> None:
    """Every test runs, and passes, but those that are waived."""
    ansible_test = AnsibleTest(core, which)
    folder = ansible_test.collection(archive)
    listed = ansible_test.sanity(folder, "--list-tests")
    offered = set(re.findall(r"^ *([a-z0-9][\w-]+)$", listed, re.MULTILINE)) - WAIVED
    assert {"action-plugin-docs", "import", "validate-modules", *OF_ANY_CORE} <= offered
    wanted = {"all": offered, "own": offered - OF_ANY_CORE, "rest": OF_ANY_CORE}[which]
    output = ansible_test.sanity(folder, *(word for name in sorted(wanted) for word in ("--test", name)))
    ran = set(re.findall(r'^Running sanity test "([\w-]+)"', output, re.MULTILINE))
    assert ran == wanted, f"not run: {wanted - ran}"
    assert not re.search(r"^WARNING: (?!Using locale|Reviewing previous)", output, re.MULTILINE), output
