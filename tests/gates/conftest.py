"""The gates' PowerShell: the fleet's engine in a Wine prefix of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from winfleet import engine, prefix
from winfleet.paths import state_directory

from .tools import CACHE, GATES, passes

PREFIX = CACHE / "prefix"  # known to bin/pwsh too


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Test processes that run side by side make the prefix one after the other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "prefix.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_prefix() -> None:
    """A booted prefix with the engine where Windows has its PowerShell; booting takes 10 to 20 s, once."""
    booted = PREFIX / "booted"
    home = PREFIX / "drive_c" / "windows" / "system32" / "WindowsPowerShell" / "v1.0"
    if not booted.exists():
        shutil.rmtree(PREFIX, ignore_errors=True)
        PREFIX.mkdir(parents=True)
        environment = {"PATH": os.environ["PATH"], "HOME": str(CACHE), "WINEPREFIX": str(PREFIX), "WINEDEBUG": "-all"}
        subprocess.run(["wine", "wineboot", "--init"], env=environment, capture_output=True, check=True)
        subprocess.run(["wineserver", "--wait"], env=environment, check=True)
        booted.touch()
    folder = engine.prepare_engine(state_directory())
    if not home.is_symlink() or home.resolve() != folder:
        if home.is_symlink():
            home.unlink()
        else:
            shutil.rmtree(home, ignore_errors=True)
        home.symlink_to(folder)
    # what keeps compiled C# for bin/cached.ps1
    agent = PREFIX / "drive_c/windows/winfleet"
    agent.mkdir(exist_ok=True)
    template = prefix.prepare_template(state_directory(), folder)
    shutil.copy(template / "drive_c/windows/winfleet/Winfleet.Agent.dll", agent)
    prefix.share_state(PREFIX, state_directory())


@pytest.fixture(scope="session")
def pwsh() -> Callable[..., str]:
    """Run a PowerShell script: pwsh(script, argument, ...) returns what it wrote. bin/pwsh does the same for others."""
    with locked():
        make_prefix()
    # Wine's server outlasts the time between two calls, or each would boot Windows' services; then it ends by itself
    environment = {**os.environ, "WINEPREFIX": str(PREFIX), "WINEDEBUG": "-all"}
    command = ["wineserver", "--persistent=20"]
    # the server would keep a pipe open
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def call(*arguments: object) -> str:
        command = [str(GATES / "bin" / "pwsh"), *map(str, arguments)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout

    return call


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as ansible-galaxy builds it."""
    folder = tmp_path_factory.mktemp("built")
    passes("ansible-galaxy", "collection", "build", "--output-path", folder)
    (built,) = folder.glob("infoprotect-aip-*.tar.gz")
    return built
