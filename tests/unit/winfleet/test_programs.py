"""How the supervisor answers the programs that it plays."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from winfleet.arrivals import Arrivals
from winfleet.programs import CALLS, Programs
from winfleet.shares import Shares


class Machine:
    """A host without a shutdown that could be called off."""

    boot_is_prepared = False

    def cancel_reboot(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class NoWebServer(Machine):
    def __contains__(self, program: str) -> bool:
        return False


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Path]:
    """The folder of calls, which is served."""
    machine: Any = Machine()
    web_server: Any = NoWebServer()
    shares = Shares(tmp_path, tmp_path / "shares.json")
    programs = Programs(tmp_path, tmp_path / "tasks.json", machine, shares, web_server)
    for _ in range(2):  # as a host that restarts
        programs.serve()
        programs.stop()
    programs.serve()
    yield tmp_path / CALLS
    programs.stop()
    programs.stop()


def answered(calls: Path, number: int) -> tuple[int, str]:
    answer = calls / f"{number}.answer"
    deadline = time.monotonic() + 10
    while not answer.exists():
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.01)
    data = answer.read_bytes()
    return struct.unpack_from("<i", data)[0], data[4:].decode()


def test_every_call_is_answered(calls: Path) -> None:
    numbers = range(20)
    for number in numbers:
        (calls / f"{number}.new").write_bytes(
            "C:\\windows\\system32\\shutdown.exe\nnetwork\nshutdown.exe /a".encode("utf-16-le")
        )
        (calls / f"{number}.new").rename(calls / f"{number}.call")
    for number in numbers:
        code, text = answered(calls, number)
        assert (code, text[:15]) == (1116, "Unable to abort")


def test_nothing_is_done_until_a_file_arrives(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    seen: list[bool] = []

    def follow() -> None:
        while arrivals.wait():
            seen.append(True)

    thread = threading.Thread(target=follow)
    thread.start()
    (tmp_path / "draft").touch()
    thread.join(0.3)
    assert seen == []
    (tmp_path / "draft").rename(tmp_path / "call")
    deadline = time.monotonic() + 10
    while not seen:
        assert time.monotonic() < deadline, "waited in vain"
    arrivals.end()
    thread.join(10)
    assert not thread.is_alive()


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Arrivals(tmp_path / "nowhere")
