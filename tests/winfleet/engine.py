"""Finds the PowerShell engine of the emulated hosts, and unpacks it once into the cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from winfleet.paths import ROOT

#: Microsoft's own release, for a machine that has no other engine. PowerShell 7.5 runs on .NET 9, which is what works
#: under Wine 8.
RELEASE = "https://github.com/PowerShell/PowerShell/releases/download/v7.5.5/PowerShell-7.5.5-win-x64.zip"
RELEASE_SHA256 = "9d4c9247fa5d8b090470b5c676b1ce6e22029eeab8a5cb1d11480e3840172c99"
SHARED = ROOT.parent / "shared" / "engine"
#: Without this switch the second constructor that throws when called through reflection ends the process under Wine.
SWITCH = "Switch.System.Reflection.ForceEmitInvoke"


class EngineError(Exception):
    """No usable engine; the message says where one was looked for."""


def prepare_engine(cache: Path) -> Path:
    """Return the folder with powershell.exe, unpacked under `cache`/engine and ready to be linked into prefixes.

    Raises:
        EngineError: when there is none, or its checksum is wrong.
    """
    cache = cache / "engine"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if given := os.environ.get("WINFLEET_ENGINE"):
            return _from(Path(given).expanduser(), cache, "WINFLEET_ENGINE")
        if archive := _shared_archive():
            return _from(archive, cache, str(SHARED))
        for folder in sorted(cache.glob("*/powershell")):
            if (folder.parent / "complete").exists():
                return folder
        return _from(_download(cache), cache, "the download")


def _shared_archive() -> Path | None:
    sums = SHARED / "SHA256SUMS"
    if not sums.exists():
        return None
    expected, _, name = sums.read_text().split("\n")[0].partition(" ")
    archive = SHARED / name.strip().lstrip("*")
    if not archive.exists():
        return None
    # The archive is read once in full; afterwards its size and time say that it is the same one.
    _verify(archive, expected)
    return archive


def _verify(archive: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with archive.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise EngineError(f"{archive}: SHA-256 is {digest.hexdigest()}, expected {expected}")


def _from(source: Path, cache: Path, origin: str) -> Path:
    if not source.exists():
        raise EngineError(f"{origin}: there is no {source}; expected a folder with pwsh.exe, or an archive of one")
    stat = source.stat()
    identity = hashlib.sha256(f"{source.resolve()}:{stat.st_size}:{stat.st_mtime_ns}".encode()).hexdigest()[:12]
    target = cache / identity
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        print(f"engine: unpacking {source.name}", file=sys.stderr, flush=True)
        _unpack(source, target / "powershell", origin)
        _adapt(target / "powershell")
        (target / "complete").touch()
    return target / "powershell"


def _unpack(source: Path, target: Path, origin: str) -> None:
    staging = target.parent / "unpacked"
    if source.is_dir():
        shutil.copytree(source, staging)
    elif source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            archive.extractall(staging)
    else:
        staging.mkdir()
        done = subprocess.run(["tar", "-xf", source, "-C", staging], capture_output=True, text=True, check=False)
        if done.returncode:
            raise EngineError(f"{origin}: {source} is not an archive that tar can read: {done.stderr.strip()}")
    programs = [*staging.rglob("powershell.exe"), *staging.rglob("pwsh.exe")]
    if not programs:
        raise EngineError(f"{origin}: {source} holds neither powershell.exe nor pwsh.exe")
    programs[0].parent.rename(target)
    shutil.rmtree(staging, ignore_errors=True)


def _adapt(folder: Path) -> None:
    for program in folder.glob("*.exe"):
        program.chmod(0o755)
    if not (folder / "powershell.exe").exists():
        shutil.copy2(folder / "pwsh.exe", folder / "powershell.exe")
    configuration = folder / "pwsh.runtimeconfig.json"
    settings = json.loads(configuration.read_text(encoding="utf-8-sig"))
    settings.setdefault("runtimeOptions", {}).setdefault("configProperties", {})[SWITCH] = True
    configuration.unlink()
    configuration.write_text(json.dumps(settings, indent=2))


def _download(cache: Path) -> Path:
    archive = cache / RELEASE.rsplit("/", 1)[1]
    if archive.exists():
        _verify(archive, RELEASE_SHA256)
        return archive
    part = archive.with_suffix(".part")
    print(f"engine: downloading {RELEASE}", file=sys.stderr, flush=True)
    try:
        with urllib.request.urlopen(RELEASE, timeout=60) as response, part.open("wb") as stream:
            shutil.copyfileobj(response, stream)
    except (urllib.error.URLError, OSError) as error:
        raise EngineError(
            "no PowerShell engine for the emulated hosts. Looked for, in this order: the folder or archive that "
            f"WINFLEET_ENGINE names (not set); {SHARED} (SHA256SUMS and its archive not there); {cache} "
            f"(nothing unpacked); {RELEASE} ({error}). "
            "Download that file by other means and set WINFLEET_ENGINE to it."
        ) from error
    _verify(part, RELEASE_SHA256)
    part.rename(archive)
    return archive
