"""Whether secrets show where others can read them while modules run: in processes, and in what a host keeps."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from winfleet.paths import state_directory
from winfleet.wine import Wine

# What the fleet itself knows of a host, which no program on the host can read.
OF_THE_FLEET = {"shares.json"}


@contextlib.contextmanager
def no_secret_shows(host: str, *secrets: str | bytes) -> Iterator[None]:
    """Fails in the end when a process had a secret in its command line or environment, or a file of the host has it.

    Processes are those of this machine, on which the emulated hosts run; they are looked at again and again, and one
    that lives for less than some 50 ms may be missed. Files are those that were written meanwhile (UTF-8 and UTF-16).
    The registry is what reg.exe exports of the machine and of its users afterwards. Of the event log there is only what
    the stand-ins write: Ansible writes the arguments of a module there, as they are in its results (`invocation`).
    """
    began = time.time() - 1
    patterns = {
        str(secret): (secret,) if isinstance(secret, bytes) else (secret.encode(), secret.encode("utf-16-le"))
        for secret in secrets
    }
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for name in ("cmdline", "environ"):
                for path in Path("/proc").glob(f"[0-9]*/{name}"):
                    seen.update(f"{secret} in {name}: {found}" for secret, found in _found(path, patterns))
            over.wait(0.05)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    folder = state_directory() / "hosts" / host
    assert (folder / "prefix").is_dir(), f"{folder} is no host's folder"
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in OF_THE_FLEET and _written(path) >= began:
            seen.update(f"{secret} in {path.relative_to(folder)}" for secret, _found_in in _found(path, patterns))
    for place, content in _registry(folder / "prefix"):
        seen.update(f"{secret} in {place}: {found}" for secret, found in _in(content, patterns))
    assert not seen, "\n".join(sorted(seen))


def _written(path: Path) -> float:
    """When a file was written; before everything when it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _registry(prefix: Path) -> Iterator[tuple[str, bytes]]:
    """What a host's registry holds, as UTF-16 text, and its binary values (most texts are stored as such) as bytes."""
    for root in ("HKLM", "HKU"):
        target = prefix / "drive_c" / f"{root}.reg"
        code, said = Wine(prefix).run("reg", "export", root, f"C:\\{target.name}", "/y")
        assert code == 0, said
        content = target.read_bytes()
        target.unlink()
        yield root, content
        hexadecimal = re.findall(r"=hex(?:\([0-9a-f]+\))?:([0-9a-f,\s\\]+)", content.decode("utf-16"))
        yield f"{root}, a value", b"\0\0".join(bytes.fromhex(re.sub(r"[,\s\\]", "", data)) for data in hexadecimal)


def _found(path: Path, patterns: Mapping[str, Sequence[bytes]]) -> Iterator[tuple[str, str]]:
    """The secrets in a file, each with what stands around it."""
    with contextlib.suppress(OSError):  # processes end, files go
        yield from _in(path.read_bytes(), patterns)


def _in(content: bytes, patterns: Mapping[str, Sequence[bytes]]) -> Iterator[tuple[str, str]]:
    for secret, spellings in patterns.items():
        for spelling in spellings:
            if (at := content.find(spelling)) >= 0:
                yield secret, repr(content[max(0, at - 40) : at + 80])
