"""wusa.exe's rules: which update goes where, and what the exit code is."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from winfleet import wusa

PACKAGE = wusa.package("KB3191565", 9200)
#: A 2012 server that can have the update.
STATE = wusa.State(PACKAGE, build=9200, dotnet=461814, powershell="3.0")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 3010),
        ({"dotnet": 379893}, 3010),
        ({"powershell": "4.0"}, 3010),
        ({"content": None}, 2),
        ({"content": PACKAGE[:-1]}, wusa.FILE_CORRUPT),
        ({"content": PACKAGE[:20] + b"x" + PACKAGE[21:]}, wusa.FILE_CORRUPT),
        ({"content": b"MZ"}, wusa.FILE_CORRUPT),
        ({"content": b""}, wusa.FILE_CORRUPT),
        ({"build": 9600}, 2149842967),
        ({"dotnet": 378389}, 2149842967),
        ({"powershell": "5.1.9200.25073"}, 2359302),
        ({"waiting": True}, 2359302),
    ],
)
def test_the_verdict(changes: dict[str, object], code: int) -> None:
    assert wusa.verdict(replace(STATE, **changes)) == code


class Host:
    """A host that gives the scripts' answers, and keeps what was done to it."""

    def __init__(self, **faults: str) -> None:
        self.faults = faults
        self.scripts: list[str] = []
        self.installed = False
        self.restarts = 0
        self.wusa = wusa.Wusa(self.run, self.install, lambda: self.installed, self.restart)

    def run(self, script: str) -> str:
        self.scripts.append(script.rpartition("\n")[2])
        if not self.scripts[-1].startswith("Get-UpdateState"):
            return ""
        content = base64.b64encode(PACKAGE).decode()
        return json.dumps(
            {"content": content, "build": 9200, "dotnet": 461814, "powershell": "3.0", "faults": self.faults}
        )

    def install(self) -> None:
        self.installed = True

    def restart(self) -> None:
        self.restarts += 1


def test_a_network_logon_is_refused_before_anything_is_looked_at() -> None:
    host = Host()
    assert host.wusa([r"C:\a.msu", "/quiet", "/norestart"], "network") == 5
    assert not host.scripts


@pytest.mark.parametrize("arguments", [["a.msu"], ["/quiet"], ["a.msu", "b.msu", "/quiet"], []])
def test_without_a_desktop_no_dialog_waits(arguments: list[str]) -> None:
    host = Host()
    assert host.wusa(arguments, "service") == 1223
    assert not host.scripts


def test_an_installation_waits_for_the_restart_and_is_not_done_twice() -> None:
    host = Host()
    arguments = [r"C:\it's.msu", "/QUIET", "/norestart", r"/log:C:\wusa log.txt"]
    assert host.wusa(arguments, "service") == 3010
    assert host.scripts[0] == r"Get-UpdateState -File 'C:\it''s.msu'"
    assert host.scripts[1] == "Set-RestartDue"
    assert r"'C:\wusa log.txt'" in host.scripts[2]
    assert (host.installed, host.restarts) == (True, 0)
    assert host.wusa(arguments, "service") == 2359302


def test_without_norestart_it_restarts() -> None:
    host = Host()
    assert host.wusa(["a.msu", "/quiet"], "service") == 3010
    assert host.restarts == 1


@pytest.mark.parametrize(
    ("faults", "code", "installed", "restarts"),
    [
        ({"exit_codes": "1618"}, 1618, False, 0),
        ({"die": "files"}, 1067, False, 0),
        ({"exit_code": "0"}, 0, True, 0),
        ({"exit_code": "1641"}, 1641, True, 1),
    ],
)
def test_faults(faults: dict[str, str], code: int, installed: bool, restarts: int) -> None:
    host = Host(**faults)
    assert host.wusa(["a.msu", "/quiet", "/norestart"], "service") == code
    assert (host.installed, host.restarts) == (installed, restarts)
