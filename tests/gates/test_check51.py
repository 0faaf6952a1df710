"""The collection's PowerShell and C# is Windows PowerShell 5.1, .NET Framework 4.5.2 and C# 5."""

from __future__ import annotations

import re
from collections.abc import Callable

from .tools import GATES, ROOT, project_files

CHECK51 = GATES / "check51"
#: rules that a file breaks as a whole or in a place where no comment can stand
WANTED_OF_FILES = {
    ("bad-ansi.ps1", 1): "encoding",
    ("bad-parse.ps1", 1): "parse",
    ("bad-requires.ps1", 1): "requires",
    ("bad.cs", 2): "csharp",
}

#: what the workflow `windows` runs with the real 5.1
ON_WINDOWS = [ROOT / "tests/unit/powershell/driver.ps1", ROOT / "tests/windows/analyze.ps1"]


def findings(output: str) -> dict[tuple[str, int], set[str]]:
    """(file name, line) -> the rules reported there."""
    found: dict[tuple[str, int], set[str]] = {}
    for name, line, rule in re.findall(r"^(?:.*[\\/])?([^\\/:]+):(\d+):\d+: \w+: (\w+): ", output, re.MULTILINE):
        found.setdefault((name, int(line)), set()).add(rule)
    return found


def test_finds_what_is_wrong(pwsh: Callable[..., str]) -> None:
    """Each line of bad.ps1 that says WANT is reported under that rule and no other; the good file is clean."""
    wanted = dict(WANTED_OF_FILES)
    for number, line in enumerate((CHECK51 / "cases" / "bad.ps1").read_text().splitlines(), 1):
        if match := re.search(r"WANT (\w+)", line):
            wanted["bad.ps1", number] = match[1]
    assert len(wanted) == 110
    found = findings(pwsh(CHECK51 / "check51.ps1", CHECK51 / "cases"))
    missed = {place: rule for place, rule in wanted.items() if rule not in found.get(place, set())}
    wrong = {place: rules for place, rules in found.items() if place not in wanted}
    assert not missed, f"not found: {missed}"
    assert not wrong, f"found without reason: {wrong}"


def test_collection(pwsh: Callable[..., str]) -> None:
    files = [path for path in project_files("plugins/") if path.suffix in {".ps1", ".psm1", ".psd1", ".cs"}]
    assert files, "no PowerShell found under plugins/"
    files += ON_WINDOWS
    output = pwsh(CHECK51 / "check51.ps1", "-Strict", *files).replace(str(ROOT) + "/", "")
    # the last line says how much was looked at: a run that ended early has none
    assert output.rstrip().splitlines()[-1:] == [f"check51: {len(files)} files, 0 errors, 0 warnings"], output
