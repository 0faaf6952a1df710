"""A newcomer adds an option to `tls`: docs/architecture.md says in which files, and no other one is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from winfleet.paths import state_directory

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "## Where do I add an option to `tls`?"
#: As many files may an option need.
MOST = 5
#: file -> a line that it has, and the lines that go before it
EDITS = {
    "plugins/module_utils/_Tls.psm1": (
        "            explicit = @{",
        "            dummy = @{ type = 'str'; choices = 'some', 'other'; default = 'some' }\n",
    ),
    "plugins/modules/tls.yml": (
        "    explicit:\n",
        "    dummy:\n      description:\n        - A dummy.\n      type: str\n"
        "      choices: [some, other]\n      default: some\n",
    ),
    "plugins/modules/desired_state.yml": (
        "        explicit:\n",
        "        dummy:\n          description:\n            - A dummy.\n          type: str\n"
        "          choices: [some, other]\n          default: some\n",
    ),
    "plugins/plugin_utils/domains.py": ('"explicit", "policy_conflict"', '"dummy", '),
    "roles/aip_tls/meta/argument_specs.yml": (
        "      aip_tls_explicit:\n",
        "      aip_tls_dummy:\n        description:\n          - A dummy.\n        type: str\n"
        "        choices: [some, other]\n",
    ),
}
#: The way of the option: the variable of a host, the question to desired_state, both modules.
JOURNEY = """
from typing import Any

from ansible_collections.infoprotect.aip.plugins.plugin_utils import inspecting, variables
from powershell_host import PowerShellHost


def question(value: Any) -> tuple[dict[str, Any], list[str]]:
    host, errors = variables.read("h", ["rms_connectors"], ["aip_tls_dummy"], lambda name: value)
    return dict(inspecting.question(host, ["tls"], inspecting.Tenants).options), errors


def test_the_variable_reaches_the_module(powershell: PowerShellHost) -> None:
    options, errors = question("other")
    assert errors == [] and options["tls"]["dummy"] == "other"
    assert "compliant" in powershell.module("desired_state", options, check=True)
    assert not powershell.module("tls", options["tls"], check=True).get("failed")
    for module, refused in (("tls", {"dummy": "third"}), ("desired_state", {"tls": {"dummy": "third"}})):
        result = powershell.module(module, refused, check=True)
        assert result["failed"] and "some, other" in result["msg"]


def test_a_wrong_value_is_found_before_a_host_is_contacted() -> None:
    assert question("")[1] == [] and "aip_tls_dummy" in "".join(question("third")[1])
"""
#: What compares the files with each other
COMPARISONS = ["tests/unit/test_role_variables.py", "tests/unit/powershell/test_specs.py"]


def files_in_documentation() -> list[str]:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = text.split(QUESTION)[1].split("\n## ")[0]
    return [name for line in re.findall(r"(?m)^\d+\. .*$", section) for name in re.findall(r"`([\w/.]+/[\w.]+)`", line)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection and its tests, elsewhere."""
    folder = tmp_path_factory.mktemp("newcomer") / "aip"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder.parent / "shared").symlink_to(ROOT.parent / "shared")
    place = folder / ".cache/collections/ansible_collections/infoprotect"
    place.mkdir(parents=True)
    (place / "aip").symlink_to(folder)
    (folder / "tests/unit/powershell/test_journey.py").write_text(JOURNEY, encoding="utf-8")
    return folder


def edited(file: str) -> str:
    before, added = EDITS[file]
    text = (ROOT / file).read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{file} has {before!r} {text.count(before)} times"
    return text.replace(before, added + before)


def run_tests(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy, on its own PowerShell process."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=copy,
        env={**os.environ, "WINFLEET_STATE": str(state_directory())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_at_most_five_files_are_named() -> None:
    files = files_in_documentation()
    assert set(files) == set(EDITS) and len(files) <= MOST


def test_an_option_needs_no_other_file(copy: Path) -> None:
    for file in EDITS:
        (copy / file).write_text(edited(file), encoding="utf-8")
    done = run_tests(copy, *COMPARISONS, "tests/unit/powershell/test_journey.py")
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout


@pytest.mark.full("gates")
@pytest.mark.parametrize("forgotten", EDITS)
def test_a_forgotten_file_fails_a_comparison(copy: Path, forgotten: str) -> None:
    for file in EDITS:
        text = (ROOT / file).read_text(encoding="utf-8") if file == forgotten else edited(file)
        (copy / file).write_text(text, encoding="utf-8")
    done = run_tests(copy, "-x", *COMPARISONS)
    assert done.returncode == 1 and "1 failed" in done.stdout, done.stdout
