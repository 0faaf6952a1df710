"""The workflows of GitHub, which cannot run here: their syntax, and that each of their commands runs here too."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from setup.environment import COMMANDS, PYTHONS_OF_CORE

from .tools import CORES, ROOT, passes, run

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))

#: Every command of the workflows, and what runs the same here; `OUTSIDE` are those that only GitHub can run.
OUTSIDE = "GitHub alone"
SAME_HERE = {
    "bash .ci/run": "CI",
    "python3 tests/setup/environment.py --for": "bin/test",
    ".venv/bin/pytest --full tests/gates/test_text.py tests/gates/test_sanity.py -k": "bin/test --full --part gates",
    ".venv/bin/pytest tests/unit/powershell -m replayed --save-exchanges": "test_replayed_tests_exist, test_replay.py",
    "python tests/unit/powershell/replay.py": "test_replay.py",
    "./tests/windows/analyze.ps1": "test_check51.py",
    ".venv/bin/python tests/setup/release.py": "test_release.py",
    ".venv/bin/ansible-galaxy collection publish": OUTSIDE,
    "gh release create": OUTSIDE,
    "Install-Module -Name PSScriptAnalyzer -RequiredVersion": OUTSIDE,
}


def steps() -> list[tuple[str, dict[str, Any]]]:
    """The steps that run a command, each with the name of its workflow."""
    found = []
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            found += [(path.name, step) for step in job.get("steps", []) if "run" in step]
    return found


def commands() -> list[str]:
    """Every command, without `sudo env` before it."""
    lines = [line for _workflow, step in steps() for line in step["run"].splitlines()]
    return [re.sub(r'^sudo env "PATH=\$PATH" ', "", line.strip()) for line in lines if line.strip()]


def collected(*arguments: str) -> list[str]:
    output = run("pytest", "--collect-only", "--quiet", *arguments).stdout
    return [line for line in output.splitlines() if "::" in line]


def test_syntax() -> None:
    """Also the inputs of actions, expressions, shell, permissions; actions are pinned to commits."""
    assert {path.name for path in WORKFLOWS} == {"certification.yml", "release.yml", "tests.yml", "windows.yml"}
    passes("jactionlint")


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ("        run: echo ${{ matrix.none }}", "undefined-property"),
        ("        run: echo $(", "shellcheck"),
        ("        uses: actions/checkout@v6", "unpinned-uses"),
        (
            "        uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2\n        with: {none: 1}",
            "input",
        ),
    ],
)
def test_syntax_errors_are_found(tmp_path: Path, wrong: str, rule: str) -> None:
    head = "on: push\npermissions: {}\njobs:\n  one:\n    runs-on: ubuntu-24.04\n    steps:\n      - name: x\n"
    file = tmp_path / ".github" / "workflows" / "wrong.yml"
    file.parent.mkdir(parents=True)
    file.write_text(f"{head}{wrong}\n")
    result = run("jactionlint", file, cwd=tmp_path)
    assert result.returncode == 1 and rule in result.stdout, result.stdout


def test_every_command_runs_here_too() -> None:
    """Run what a command's entry names; a command without an entry fails."""
    found = commands()
    unknown = [command for command in found if not command.startswith(tuple(SAME_HERE))]
    assert unknown == [], "say in SAME_HERE what runs it here"
    assert [known for known in SAME_HERE if not any(command.startswith(known) for command in found)] == []
    for command in found:
        files = [word for word in shlex.split(command) if re.match(r"(\./)?(tests/|\.ci/|\.venv/)", word)]
        assert [file for file in files if not (ROOT / file).exists()] == [], command


def test_purposes_exist() -> None:
    purposes = [command.split()[-1] for command in commands() if "environment.py" in command]
    assert purposes and set(purposes) <= COMMANDS.keys()


def test_every_core_has_lint_and_sanity() -> None:
    job = yaml.safe_load((FOLDER / "tests.yml").read_text())["jobs"]["cores"]
    assert job["strategy"]["matrix"]["core"] == list(PYTHONS_OF_CORE)
    tests = collected("--full", "tests/gates/test_text.py", "tests/gates/test_sanity.py")
    for core in CORES:
        names = {test.partition("::")[2].partition("[")[0] for test in tests if core in test}
        assert names == {"test_ansible_lint", "test_sanity"}, core


def test_replayed_tests_exist() -> None:
    tests = collected("tests/unit/powershell", "-m", "replayed")
    assert len(tests) > 50
    assert {"test_specs.py", "test_utilities.py"} <= {Path(test.partition("::")[0]).name for test in tests}
