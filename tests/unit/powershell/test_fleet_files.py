"""Files that the hosts of a fleet share, as the stand-ins of cmdlets use them (doubles/modules/Winfleet)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from powershell_host import PowerShellError, PowerShellHost
from winfleet import directory

USE = r"""
Import-Module -Name "$PSHOME\Modules\Winfleet\Winfleet.psd1"
function Use-Unit {
    [CmdletBinding()]
    param ($Action)
    Use-FleetFile unit -Cmdlet $PSCmdlet $Action
}
"""


@pytest.fixture
def file(powershell: PowerShellHost) -> Iterator[Path]:
    state = powershell.disk / "windows/winfleet"
    with directory.opened(state, "unit") as data:
        data |= {"list": [1], "table": {"Name": "é"}}
    yield state / "shared/unit.json"
    (state / "shared/unit.json").unlink()


def test_is_written_when_it_was_changed(powershell: PowerShellHost, file: Path) -> None:
    before = file.stat()
    read = "Use-Unit { param($data) $data.table.Name }"
    assert powershell.run(USE + read) == "é"
    assert file.stat().st_ino == before.st_ino
    powershell.run(USE + "Use-Unit { param($data) $data.table.Name = 'b'; $data.list = @($data.list) + 2 }")
    assert file.stat().st_ino != before.st_ino
    with directory.opened(file.parents[1], "unit") as data:
        assert data == {"list": [1, 2], "table": {"Name": "b"}}


def test_a_failure_changes_nothing_and_is_the_cmdlet_s(powershell: PowerShellHost, file: Path) -> None:
    before = file.read_text()
    change = "Use-Unit { param($data) $data.list = @(); throw 'refused' }"
    said = powershell.run(USE + f'try {{ {change} }} catch {{ "$_ $($_.InvocationInfo.InvocationName)" }}')
    assert said == "refused Use-Unit"
    assert file.read_text() == before
    with pytest.raises(PowerShellError, match="refused"):
        powershell.run(USE + "Use-FleetFile unit { throw 'refused' }")


def test_what_it_returns_comes_when_the_file_is_closed(powershell: PowerShellHost, file: Path) -> None:
    """The next command of a pipeline opens it, too; a file that is open would keep it waiting for 30 s."""
    append = "{ $number = $_; Use-Unit { param($data) $data.list = @($data.list) + $number } }"
    nested = f"Use-Unit {{ 1; 2 }} | ForEach-Object {append}"
    assert powershell.run(USE + nested, timeout=20) is None
    with directory.opened(file.parents[1], "unit") as data:
        assert data["list"] == [1, 1, 2]
