"""lease.ps1: what each call reads, compares and writes on the host, and that the simulated hosts do the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import simulated_lease
from powershell_host import PowerShellError, PowerShellHost

ROOT = Path(__file__).parents[3]
LEASE = (ROOT / "roles/rms_pool/files/lease.ps1").read_text(encoding="utf-8")
OWN_FOLDER = (ROOT / "plugins/module_utils/_OwnFolder.psm1").read_text(encoding="utf-8")
KEY = r"HKEY_LOCAL_MACHINE\SOFTWARE\infoprotect.aip\Lease"
#: As ansible.windows.win_powershell runs it
RUN = """
$Ansible = [pscustomobject]@{ Changed = $true; Result = $null }
$parameters = $case.parameters
& ([scriptblock]::Create($case.script)) @parameters
@{ changed = $Ansible.Changed; result = $Ansible.Result }
"""
WRITE = f"foreach ($name in $case.Keys) {{ [Microsoft.Win32.Registry]::SetValue('{KEY}', $name, $case[$name]) }}"
REMOVE = "Remove-Item -LiteralPath HKLM:\\SOFTWARE\\infoprotect.aip -Recurse -ErrorAction SilentlyContinue"

Asks = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(powershell: PowerShellHost) -> Iterator[Asks]:
    """Runs the script; the lease is gone afterwards."""

    def run(**parameters: Any) -> dict[str, Any]:
        done = powershell.run(RUN, {"script": LEASE, "parameters": {"ownfolder": OWN_FOLDER, **parameters}})
        assert done["changed"] is False
        result: dict[str, Any] = done["result"]
        return result

    powershell.run(REMOVE)
    yield run
    powershell.run(REMOVE)


def test_a_whole_turn(ask: Asks, powershell: PowerShellHost) -> None:
    assert ask() == {"held": False, "found": {}, "seconds_left": 0}
    before = time.time()
    assert ask(run="a", take="expired", seconds=100, controller="ctl")["held"]
    found = ask()
    lease = found["found"]
    assert 98 <= found["seconds_left"] <= 100
    assert (lease["run"], lease["controller"], lease["stage"]) == ("a", "ctl", "working")
    started, expires = (simulated_lease._seconds(lease[name]) for name in ("started", "expires"))
    assert expires - started == 100 and before - 1 <= started <= time.time()
    assert ask(run="a", seconds=200, stage="out_of_service")["held"]
    renewed = ask()
    assert renewed["seconds_left"] > 190
    assert renewed["found"] == {**lease, "expires": renewed["found"]["expires"], "stage": "out_of_service"}
    assert ask(run="a", remove=True)["held"]
    key = KEY.rpartition("\\")[0]
    assert powershell.registry(key) == {key: {}}, "the key is left to others"


def test_the_lease_of_another_run(ask: Asks) -> None:
    """It cannot be taken before it has expired, nor renewed or removed at any time, except by force."""
    ask(run="a", take="expired", seconds=100, controller="one")
    before = ask()["found"]
    assert not ask(run="b", take="expired", seconds=100)["held"]
    assert not ask(run="b", seconds=100)["held"]
    assert not ask(run="b", remove=True)["held"]
    assert not ask(run="A", seconds=100)["held"]
    assert ask()["found"] == before
    assert ask(run="b", take="any", seconds=100, controller="two")["held"]
    assert ask()["found"]["controller"] == "two"
    lost = ask(run="a", seconds=100)
    assert (lost["held"], lost["found"]["run"]) == (False, "b")


def test_an_expired_lease_can_be_renewed_until_another_run_takes_it(ask: Asks) -> None:
    ask(run="a", take="expired", seconds=0, stage="out_of_service")
    assert ask()["seconds_left"] == 0
    assert ask(run="a", seconds=0)["held"]
    assert ask(run="b", take="expired", seconds=100)["held"]
    assert ask()["found"]["stage"] == "out_of_service", "how far the interrupted run was"
    assert not ask(run="a", seconds=100)["held"]


@pytest.mark.parametrize("expires", ["", "soon", "9999", "2999-01-01 00:00:00Z"])
def test_a_lease_without_a_valid_end_has_expired(ask: Asks, powershell: PowerShellHost, expires: str) -> None:
    powershell.run(WRITE, {"Run": "a", "Expires": expires})
    found = ask(run="b", take="expired", seconds=100)
    assert (found["held"], found["seconds_left"], found["found"]["run"]) == (True, 0, "a")


HELD = r"""
$stream = Lock-OwnFile -Folder connector -Name lease.lock -Timeout 0
try { RUN } finally { $stream.Dispose() }
"""


def test_another_process_on_the_lease_is_waited_for(ask: Asks, powershell: PowerShellHost) -> None:
    """Of administrators only: the lock is a file in a folder that others cannot enter."""
    parameters = {"ownfolder": OWN_FOLDER, "run": "a", "take": "any", "seconds": 100, "patience": 1}
    with pytest.raises(PowerShellError, match="another process works on the lease of this host, also after 1 seconds"):
        powershell.run(HELD.replace("RUN", RUN), {"script": LEASE, "parameters": parameters})
    assert ask()["found"] == {}
    assert ask(**parameters)["held"]
    mode = (powershell.disk / "ProgramData/infoprotect/connector").stat().st_mode
    assert mode & 0o007 == 0


@pytest.mark.parametrize("seed", range(4))
def test_simulated_hosts_do_the_same(ask: Asks, seed: int) -> None:
    chance = random.Random(seed)
    lease: dict[str, str] = {}
    for _ in range(25):
        seconds = chance.choice([0, 1000])
        parameters: dict[str, Any] = {"run": chance.choice("ab")}
        kind = chance.choice(["read", "take", "renew", "leave", "remove"])
        if kind == "read":
            parameters = {}
        elif kind == "take":
            parameters |= {"take": chance.choice(["expired", "any"]), "seconds": seconds, "controller": "ctl"}
        elif kind == "renew":
            parameters |= {"seconds": seconds, "stage": chance.choice(["", "out_of_service", "returning"])}
        elif kind == "remove":
            parameters |= {"remove": True}
        simulated, real = simulated_lease.ask(lease, parameters, time.time()), ask(**parameters)
        times = ("started", "expires")
        assert (simulated["held"], bool(simulated["seconds_left"])) == (real["held"], bool(real["seconds_left"]))
        assert {name: value for name, value in simulated["found"].items() if name not in times} == {
            name: value for name, value in real["found"].items() if name not in times
        }
        assert simulated["found"].keys() == real["found"].keys()
