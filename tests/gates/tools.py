"""How the gates run their tools and which files they look at. A missing tool is a failure: nothing here skips."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from setup.environment import cores, find_pythons

ROOT = Path(__file__).resolve().parents[2]
GATES = ROOT / "tests" / "gates"
CACHE = ROOT / ".cache" / "gates"
#: the commands of the virtual environment that runs the tests, before those of the system
TOOLS = Path(sys.prefix) / "bin"
#: those of the environment with galaxy-importer, which brings ansible-builder
IMPORTER = ROOT / ".cache" / "venvs" / "galaxy-importer" / "bin"
#: the supported ansible-cores that this machine can run, the oldest first, each with its Python
CORES = cores(find_pythons())
OLDEST, *_BETWEEN, NEWEST = CORES


def each_core() -> list[Any]:
    """As the parameters of a test: the oldest and the newest core, with --full all."""
    return [pytest.param(core, marks=[] if core in (OLDEST, NEWEST) else pytest.mark.full) for core in CORES]


def tools_of(core: str) -> Path:
    """The commands of the environment with this ansible-core."""
    folder = ROOT / ".cache" / "venvs" / f"core-{core}" / "bin"
    assert folder.is_dir(), f"no environment with ansible-core {core}: python3 tests/setup/environment.py --for full"
    return folder


def run(
    *arguments: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, tools: Path = TOOLS
) -> subprocess.CompletedProcess[str]:
    """Run a tool of a virtual environment or the system; its output (both streams) is in `stdout`."""
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "NO_COLOR": "1", **(env or {})}
    # without bytecode each start of an Ansible command compiles all of it
    for unwanted in ("FORCE_COLOR", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(unwanted, None)
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def passes(*arguments: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, tools: Path = TOOLS) -> str:
    """Run a tool that must end with 0; returns its output."""
    result = run(*arguments, cwd=cwd, env=env, tools=tools)
    assert result.returncode == 0, f"{Path(arguments[0]).name} ended with {result.returncode}:\n{result.stdout}"
    return result.stdout


def project_files(*patterns: str) -> list[Path]:
    """The files of the project, as git has them or would add them; patterns are git's ('*.sh', 'plugins/')."""
    listed = passes("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return sorted(ROOT / name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def shebang_files(words: Sequence[str]) -> list[Path]:
    """Files without a suffix that say in their first line what runs them (commands in bin/ and the like)."""
    found = []
    for path in project_files():
        if not path.suffix and not path.is_symlink():
            with path.open("rb") as file:
                first = file.readline(200)
            if first.startswith(b"#!") and any(word.encode() in first for word in words):
                found.append(path)
    return found
