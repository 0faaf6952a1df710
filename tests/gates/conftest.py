"""The gates' PowerShell: the fleet's engine in a Wine prefix of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from winfleet import engine
from winfleet.paths import state_directory

from .tools import CACHE, GATES

PREFIX = CACHE / "prefix"  # known to bin/pwsh too


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


@pytest.fixture(scope="session")
def pwsh() -> Iterator[Callable[..., str]]:
    """Run a PowerShell script: pwsh(script, argument, ...) returns what it wrote. bin/pwsh does the same for others."""
    make_prefix()

    def call(*arguments: object) -> str:
        command = [str(GATES / "bin" / "pwsh"), *map(str, arguments)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout

    yield call
    subprocess.run(["wineserver", "--kill"], env={**os.environ, "WINEPREFIX": str(PREFIX)}, check=False)
