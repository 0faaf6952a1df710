"""How aip_bootstrap starts its jobs: by a scheduled task that runs on batteries and without a limit of time."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from powershell_host import PowerShellError, PowerShellHost

FILES = Path(__file__).resolve().parents[3] / "roles/aip_bootstrap/files"
SCHEMA = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
#: start.ps1 with the scheduler played: it records the definition, and starts the task unless it is stuck.
START = r"""
$folder = 'C:\bootstrap & co'
$file = "$folder\job-1.ps1"
$task = 'infoprotect-aip-bootstrap'
$null = [IO.Directory]::CreateDirectory($folder)
$calls = [Collections.Generic.List[string]]::new()
function Test-Running { $false }
function Invoke-Schtasks {
    $calls.Add($args -join ' ')
    if ($args[0] -eq '/Run' -and -not $case.stuck) { [IO.File]::WriteAllText("$folder\result", '{}') }
    if ($args[0] -eq '/Query') { '"UNIT","\infoprotect-aip-bootstrap","N/A","Queued"' }
}
$null = . ([scriptblock]::Create($case.start))
, $calls
"""


def start(powershell: PowerShellHost, *, stuck: bool = False) -> list[str]:
    """Run the script; what the scheduler was told. One that is stuck is not waited for."""
    text = (FILES / "start.ps1").read_text(encoding="utf-8")
    assert "AddSeconds(60)" in text
    case: dict[str, Any] = {"start": text.replace("AddSeconds(60)", "AddSeconds(1)"), "stuck": stuck}
    calls: list[str] = powershell.run(START, case)
    return calls


def test_task_of_the_bootstrap_has_no_default_of_schtasks(powershell: PowerShellHost) -> None:
    create, run = start(powershell)
    assert create == r"/Create /F /TN infoprotect-aip-bootstrap /XML C:\bootstrap & co\task.xml"
    assert run == "/Run /TN infoprotect-aip-bootstrap"
    root = ElementTree.fromstring((powershell.disk / "bootstrap & co/task.xml").read_bytes())
    found = {element.tag.removeprefix(SCHEMA): element.text for element in root.iter()}
    for name in ("DisallowStartIfOnBatteries", "StopIfGoingOnBatteries"):
        assert found[name] == "false"
    assert (found["Priority"], found["ExecutionTimeLimit"], found["UserId"]) == ("4", "PT0S", "S-1-5-18")
    assert list(root.iter(f"{SCHEMA}Triggers")) == []
    assert (found["Command"] or "").endswith(r"\System32\WindowsPowerShell\v1.0\powershell.exe")
    assert (found["Arguments"] or "").endswith(
        r"-Command [ScriptBlock]::Create([IO.File]::ReadAllText('C:\bootstrap & co\job-1.ps1')).Invoke()"
    )


def test_task_of_the_bootstrap_that_does_not_start_is_reported_in_the_schedulers_words(
    powershell: PowerShellHost,
) -> None:
    with pytest.raises(PowerShellError, match=r"did not start within 60 s.* The task scheduler shows: .*Queued"):
        start(powershell, stuck=True)


FETCH = """
$folder = 'C:\\unit'
$p = [pscustomobject]@{
    packages = @([pscustomobject]@{ url = $case.url; file = 'package.msu'; checksum = '00' })
}
& ([scriptblock]::Create($case.text))
"""


@pytest.mark.parametrize("served", [False, True])
def test_a_url_is_shown_without_its_query(powershell: PowerShellHost, served: bool) -> None:
    """It may hold a token. Neither a fetch that fails nor another file than was asked for repeats it."""
    text = (FILES / "fetch.ps1").read_text(encoding="utf-8")
    (powershell.disk / "unit/page.html").write_text("not found")
    url = ("file:///C:/unit/page.html" if served else "http://127.0.0.1:1/package.msu") + "?sig=Secret7"
    said = "has the SHA-256" if served else "http://127.0.0.1:1/package.msu cannot be fetched: "
    with pytest.raises(PowerShellError) as error:
        powershell.run(FETCH, {"text": text, "url": url})
    assert said in str(error.value) and "Secret7" not in str(error.value)
