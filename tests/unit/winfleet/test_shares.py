"""A host's file shares."""

from __future__ import annotations

from pathlib import Path

import pytest
from winfleet.shares import Share, Shares

OPEN, GUARDED = r"\\fileserver\packages$", r"\\nas.contoso.test\it"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "prefix"


@pytest.fixture
def shares(prefix: Path, tmp_path: Path) -> Shares:
    return Shares(prefix, tmp_path / "shares.json")


def test_a_share_leads_to_a_folder_until_it_is_taken_away(shares: Shares, prefix: Path, tmp_path: Path) -> None:
    link = prefix / "dosdevices/unc/fileserver/packages$"
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        shares.set(OPEN.upper(), Share(str(folder)))
        assert link.readlink() == folder
    assert shares.connect(OPEN, "anybody", "x") == 0
    assert shares.disconnect(OPEN) == 0
    assert link.is_symlink()
    shares.set(OPEN, None)
    assert not link.is_symlink()
    assert shares.connect(OPEN, "anybody", "x") == 53
    shares.set(OPEN, None)


def test_a_guarded_share_is_there_while_somebody_is_connected(shares: Shares, prefix: Path, tmp_path: Path) -> None:
    link = prefix / "dosdevices/unc/nas.contoso.test/it"
    shares.set(GUARDED, Share(str(tmp_path), r"CONTOSO\svc", "secret"))
    assert shares.disconnect(GUARDED) == 2250
    for user, password in ((r"CONTOSO\svc", "Secret"), (r"CONTOSO\other", "secret"), (None, None)):
        assert shares.connect(GUARDED, user, password) == 1326
    assert not link.is_symlink()
    assert shares.connect(GUARDED.upper() + "\\", r"contoso\SVC", "secret") == 0
    assert link.is_symlink()
    assert shares.disconnect(GUARDED) == 0
    assert not link.is_symlink()


def test_shares_are_kept_and_connections_are_not(shares: Shares, prefix: Path, tmp_path: Path) -> None:
    shares.set(OPEN, Share(str(tmp_path)))
    shares.set(GUARDED, Share(str(tmp_path), "svc", "secret"))
    assert shares.connect(GUARDED, "svc", "secret") == 0
    again = Shares(prefix, tmp_path / "shares.json")
    again.begin()
    assert [path.name for path in prefix.glob("dosdevices/unc/*/*")] == ["packages$"]
    assert again.connect(GUARDED, "svc", "secret") == 0
    assert (tmp_path / "shares.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name",
    ["", "it", r"\\nas", r"\\nas\it\folder", r"\\nas\..\x", r"C:\it", r"\\..\..", r"\\nas\..", r"\\.\it"],
)
def test_what_is_no_share_is_refused(shares: Shares, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SERVER"):
        shares.set(name, Share(str(tmp_path)))


def test_a_folder_that_is_not_there_is_refused(shares: Shares, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a folder"):
        shares.set(OPEN, Share(str(tmp_path / "none")))
