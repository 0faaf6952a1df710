"""replay.py, which compares real Windows with the fleet: it repeats every exchange, and finds answers that differ."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path

import pytest
import replay
from powershell_host import PowerShellHost
from winfleet import prefix

SCRIPT = "Test-AddressAccount -Address $case"
CASES = ["http://me:secret@proxy:3128", "http://proxy:3128"]


def test_finds_what_differs(powershell: PowerShellHost) -> None:
    before = len(powershell.exchanges)
    assert [powershell.run(SCRIPT, case) for case in CASES] == [True, False]
    with pytest.raises(Exception, match="no such"):
        powershell.run("throw 'no such'")
    exchanges = powershell.exchanges[before:]
    assert len(exchanges) == 3
    assert replay.differences(exchanges, powershell.answer) == []
    changed = deepcopy(exchanges)
    changed[1]["answer"]["value"] = True
    changed[2]["answer"]["error"] = "none such"
    found = replay.differences(changed, powershell.answer)
    assert [one.partition(".")[0] for one in found] == ["2", "3"]
    assert "expected: {'value': True}" in found[0] and "answered: {'value': False}" in found[0]


@pytest.mark.full("gates")
def test_another_process_answers_the_same(powershell: PowerShellHost, tmp_path: Path) -> None:
    """With what is saved for Windows alone, in a process that replay.py starts."""
    powershell.run(SCRIPT, CASES[0])
    powershell.save(tmp_path)
    assert {"driver.ps1", "_Tls.psm1", "_Native.cs", "Ansible.Basic.cs"} <= {file.name for file in tmp_path.iterdir()}
    _master, terminal = os.openpty()  # PowerShell's host wants a console, which Wine makes of a terminal
    shell = replay.Shell(
        ["wine", prefix.POWERSHELL, *prefix.SHELL_ARGUMENTS, "-File", r"C:\unit\driver.ps1"],
        stderr=terminal,
        env=prefix.environment(powershell.folder),
    )
    exchanges = json.loads((tmp_path / "exchanges.json").read_text(encoding="utf-8"))
    assert replay.differences(exchanges[-1:], shell.answer) == []
    shell.close()
