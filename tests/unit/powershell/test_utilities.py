"""What the module utilities share with everything else in the process: names of functions, and nothing more."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from powershell_host import FOLDER, ROOT, PowerShellHost

pytestmark = pytest.mark.replayed

UTILITIES = sorted((ROOT / "plugins/module_utils").glob("*.psm1"))
SCRIPTS = [*UTILITIES, *(ROOT / "plugins/modules").glob("*.ps1"), *(ROOT / "roles").rglob("*.ps1")]
FUNCTION = re.compile(r"^\s*function ([\w-]+)", re.MULTILINE | re.IGNORECASE)


def microsoft_commands() -> set[str]:
    lines = (FOLDER / "microsoft_commands.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    return {f"{verb}-{noun}".lower() for noun, *verbs in rows for verb in verbs}


def test_no_function_hides_a_command_of_microsoft() -> None:
    known = microsoft_commands()
    assert {"get-webbinding", "get-package", "get-winhttpproxy", "get-childitem"} <= known
    functions = {name: file.name for file in SCRIPTS for name in FUNCTION.findall(file.read_text(encoding="utf-8"))}
    assert len(functions) > 200
    assert {name: file for name, file in functions.items() if name.lower() in known} == {}


def test_functions_alone_are_exported_each_by_one_utility(powershell: PowerShellHost) -> None:
    """Ansible imports utilities into the global scope: a variable from there would be every module's."""
    script = """, @(Get-Module -Name _* | ForEach-Object {
        $others = @($_.ExportedVariables.Keys) + @($_.ExportedAliases.Keys)
        @{ name = $_.Name; functions = @($_.ExportedFunctions.Keys); others = $others }
    })"""
    modules = powershell.run(script)
    assert {module["name"] for module in modules} == {file.stem for file in UTILITIES}
    assert {module["name"]: module["others"] for module in modules if module["others"]} == {}
    counts = Counter(name for module in modules for name in module["functions"])
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("file", UTILITIES, ids=lambda file: str(file.stem))
def test_utilities_use_what_they_are_given(file: Path) -> None:
    """No arguments of the module behind its back, and nothing in the global scope."""
    assert re.findall(r"complex_args|\$global:|-Scope Global", file.read_text(encoding="utf-8"), re.IGNORECASE) == []


SEARCH = re.compile(r".*\.(?:LastIndexOf|IndexOf|StartsWith|EndsWith)\((?!\$install\)).*")


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: str(file.name))
def test_texts_are_searched_by_their_characters(file: Path) -> None:
    """By default .NET asks the culture of the account: it skips characters, and takes quadratic time."""
    lines = SEARCH.findall(file.read_text(encoding="utf-8"))
    assert [line for line in lines if "Ordinal" not in line and "[char]" not in line] == []


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: str(file.name))
def test_nothing_waits_for_what_an_ordinary_user_can_hold(file: Path) -> None:
    """Any user may make a named object of Windows first and keep it. Locks are files: Lock-OwnFile."""
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"\b(?:Mutex|Semaphore|EventWaitHandle)\]", text, re.IGNORECASE) == []
