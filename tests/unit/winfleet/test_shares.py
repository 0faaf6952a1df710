"""A host's file shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from winfleet.shares import Shares


def test_a_share_leads_to_a_folder_until_it_is_taken_away(tmp_path: Path) -> None:
    shares = Shares(tmp_path / "prefix")
    link = tmp_path / "prefix/dosdevices/unc/fileserver/packages$"
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        shares.set(r"\\FileServer\Packages$", folder)
        assert link.readlink() == folder
    shares.set(r"\\fileserver\packages$", None)
    assert not link.is_symlink()
    shares.set(r"\\fileserver\packages$", None)


@pytest.mark.parametrize(
    "name", ["", "packages", r"\\server", r"\\server\share\folder", r"\\server\..\x", r"C:\folder"]
)
def test_what_is_no_share_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SERVER"):
        Shares(tmp_path).set(name, tmp_path)


@pytest.mark.parametrize("name", [r"\\..\..", r"\\server\..", r"\\.\share"])
def test_a_share_stays_below_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SERVER"):
        Shares(tmp_path / "prefix").set(name, tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a folder"):
        Shares(tmp_path).set(r"\\server\share", tmp_path / "none")
