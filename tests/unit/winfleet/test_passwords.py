"""The passwords of a fleet, and how Ansible gets them."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from winfleet import directory, passwords
from winfleet.fleet import Fleet, FleetError
from winfleet.paths import ROOT

SCRIPT = ROOT / "inventories/emulated/network.py"


def test_each_fleet_has_its_own_which_stay_and_only_their_owner_reads(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for state in (one, two):
        state.mkdir()
    first = passwords.prepare(one)
    assert passwords.prepare(one) == passwords.read(one) == first
    found = [*first.values(), *passwords.prepare(two).values()]
    assert len(set(found)) == len(found) == 4
    assert all(len(password) >= 20 for password in found)
    assert stat.S_IMODE((one / passwords.FILE).stat().st_mode) == 0o600


def test_what_holds_a_password_beside_is_its_owner_s_too(tmp_path: Path) -> None:
    directory.prepare(tmp_path, [])
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o700


def test_inventories_take_them_from_the_fleet_s_state(tmp_path: Path) -> None:
    def variables() -> object:
        environment = {**os.environ, "WINFLEET_STATE": str(tmp_path)}
        done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True, env=environment)
        return json.loads(done.stdout)["all"]["vars"]

    # defined also without a fleet, for plays on localhost
    assert variables() == {passwords.ADMINISTRATOR: "", passwords.READER: ""}
    assert passwords.prepare(tmp_path) == variables()


def test_no_inventory_has_one_written_in_it() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [ROOT / name for name in listed if re.search(r"(inventor|group_vars|host_vars).*\.ya?ml$", name)]
    assert len(files) > 5
    written = re.compile(r"^\s*(winfleet|ansible)_\w*password:\s*(?!\"?\{\{)\S", re.MULTILINE)
    assert [str(file) for file in files if written.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(("user", "warned"), [(0, True), (1000, False)])
def test_a_fleet_of_root_warns_of_its_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], user: int, warned: bool
) -> None:
    """Before a host is started: whoever reads the file can run commands as root."""
    monkeypatch.setattr("os.geteuid", lambda: user)
    for name in ("prefix.prepare_template", "prepare_engine", "packages"):
        monkeypatch.setattr(f"winfleet.fleet.{name}", lambda *_: None)
    with pytest.raises(FleetError):
        Fleet([ROOT / "inventories/emulated"], state=tmp_path).up(["no-such-host"])
    said = capsys.readouterr().err
    assert ("runs as root" in said and str(tmp_path / passwords.FILE) in said) is warned
