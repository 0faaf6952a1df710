"""What setup installs: wheels that have a hash of the requirements file, and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from setup import environment
from setup.environment import Environment, Python, SetupError

USED, UNUSED = "ansible_collections/microsoft/ad/README.md", "ansible_collections/cisco/ios/README.md"
ABOUT = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n"


def make_wheel(folder: Path, name: str, *files: str) -> None:
    information = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for file in (*files, f"{information}/RECORD"):
            archive.writestr(file, "")
        archive.writestr(f"{information}/METADATA", ABOUT.format(name))
        archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")


def make_sources(folder: Path, name: str) -> None:
    content = ABOUT.format(name).encode()
    member = tarfile.TarInfo(f"{name}-1.0/PKG-INFO")
    member.size = len(content)
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as tar:
        tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Those of the files that pip finds, by the names of the packages."""
    packages = tmp_path / "packages"
    packages.mkdir()
    make_wheel(packages, "tiny", "tiny.py")
    make_wheel(packages, "ansible", USED, UNUSED)
    make_sources(packages, "built")
    for name in ("ROOT", "CACHE", "REQUIREMENTS"):
        monkeypatch.setattr(environment, name, tmp_path)
    monkeypatch.setattr(environment, "LOG", tmp_path / "setup.log")
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(packages)), ("CONFIG_FILE", os.devnull)):
        monkeypatch.setitem(environment.INHERITED, f"PIP_{name}", value)
    return {path.name.partition("-")[0]: hashlib.sha256(path.read_bytes()).hexdigest() for path in packages.iterdir()}


def install(folder: Path, **lines: str) -> Path:
    """Bring a new environment to a requirements file of one line for each kind; return where its packages are."""
    for kind, line in lines.items():
        (folder / f"{kind}-0.txt").write_text(line + "\n")
    version = (sys.version_info.major, sys.version_info.minor)
    names = tuple(f"{kind}-0.txt" for kind in lines)
    made = Environment(folder / "venv", Python(version, True, Path(sys.executable)), names)
    environment.create(made)
    environment.install(made)
    assert environment.is_current(made.folder, names)
    (packages,) = made.folder.glob("lib/python3*/site-packages")
    return packages


def test_what_has_its_hash_is_installed(tmp_path: Path, hashes: dict[str, str]) -> None:
    """Of the package with the collections, only those that are used."""
    lines = {name: f"{name}==1.0 --hash=sha256:{hashes[name]}" for name in ("tiny", "ansible")}
    packages = install(tmp_path, core=lines["tiny"], collections=lines["ansible"])
    assert (packages / "tiny.py").exists()
    assert (packages / USED).exists()
    assert not (packages / UNUSED).exists()


@pytest.mark.parametrize(
    ("kind", "line", "error"),
    [
        pytest.param("core", "tiny==1.0", "Hashes are required", id="no hash"),
        pytest.param("core", "tiny==1.0 --hash=sha256:" + 64 * "0", "DO NOT MATCH THE HASHES", id="another file"),
        pytest.param("core", "built==1.0 --hash=sha256:{built}", "No matching distribution", id="sources"),
        pytest.param("collections", "ansible==1.0", "Hashes are required", id="collections without a hash"),
    ],
)
def test_nothing_else_is_installed(tmp_path: Path, hashes: dict[str, str], kind: str, line: str, error: str) -> None:
    good = f"tiny==1.0 --hash=sha256:{hashes['tiny']}"
    with pytest.raises(SetupError) as raised:
        install(tmp_path, **{"core": good, kind: line.format(**hashes)})
    assert error in (tmp_path / "setup.log").read_text()
    assert environment.stamp_of(tmp_path / "venv") == {}
    assert "failed" in str(raised.value)
