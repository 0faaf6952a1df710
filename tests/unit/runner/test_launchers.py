"""bin/test and bin/fleet on a fresh clone: what needs no installation installs nothing and answers at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runner.plan import PARTS, ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The commands and the tests without what an installation makes."""
    for name in ("bin", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def call(command: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        # no site-packages: that of the virtual environment would hide an import which a fresh machine lacks
        [getattr(sys, "_base_executable", sys.executable), "-I", "-S", command, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "arguments", "code", "expected"),
    [
        ("test", ["--help"], 0, PARTS["cut-offs"]),
        ("test", ["--only", "nothing"], 2, "invalid choice"),
        ("test", ["--part", "cold"], 2, "--part goes with --full"),
        ("fleet", ["--help"], 0, "The emulated Windows hosts"),
        ("fleet", ["up", "--help"], 0, "--mode"),
        ("fleet", ["upp"], 2, "invalid choice"),
        ("fleet", [], 2, "required"),
    ],
)
def test_nothing_is_installed(clone: Path, command: str, arguments: list[str], code: int, expected: str) -> None:
    ended, text = call(clone / "bin" / command, *arguments)
    assert ended == code and expected in text
    assert sorted(path.name for path in clone.iterdir()) == ["bin", "tests"]
