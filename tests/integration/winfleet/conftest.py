"""A fleet of its own for the tests of the fleet: what they kill and restart is nobody else's."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import winrm
from winfleet import passwords
from winfleet.paths import BESIDE, state_directory

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = Path(__file__).parent / "inventory"


@dataclass(frozen=True)
class Result:
    """What a command left: exit code and text of both streams."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Fleet:
    """The command bin/fleet for one state folder."""

    state: Path
    mode: str = "warm"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "WINFLEET_STATE": str(self.state),
            "WINFLEET_MODE": self.mode,
            "PYTHONPATH": str(ROOT / "tests"),
        }

    def run(self, *arguments: str, check: bool = True, inventory: Path = INVENTORY) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "winfleet", "-i", str(inventory), *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def status(self, host: str) -> dict[str, Any]:
        return json.loads(self.run("status", "--json", host, check=False).out)[0]

    def address(self, host: str) -> str:
        return str(json.loads((self.state / "network").read_text())["addresses"][host])

    @property
    def password(self) -> str:
        return passwords.read(self.state)[passwords.ADMINISTRATOR]

    def pid(self, host: str) -> int:
        return int((self.state / "hosts" / host / "pid").read_text().split()[0])

    def processes(self) -> list[str]:
        """Everything that runs and belongs to this fleet: its supervisors, and what has one of its prefixes."""
        marks = (f"WINEPREFIX={self.state}".encode(), f"{self.state}/hosts".encode())
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(folder.name) != os.getpid() and any(
                    mark in (folder / name).read_bytes() for mark in marks for name in ("environ", "cmdline")
                ):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found

    def ansible(self, *arguments: str, venv: Path | None = None) -> Result:
        """An unchanged ansible, of this environment or of another."""
        program = (venv / "bin/ansible") if venv else Path(sys.executable).with_name("ansible")
        done = subprocess.run(
            [program, "-i", INVENTORY, *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            timeout=180,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def session(self, host: str, *, operation_timeout: int = 10) -> winrm.Protocol:
        return winrm.Protocol(
            f"http://{self.address(host)}:5985/wsman",
            transport="ntlm",
            username="Administrator",
            password=self.password,
            operation_timeout_sec=operation_timeout,
            read_timeout_sec=operation_timeout + 20,
        )

    def command(
        self, host: str, line: str, arguments: tuple[str, ...] = (), data: bytes | None = None, **options: Any
    ) -> Result:
        """Run a command line with the code page that Ansible uses."""
        client = self.session(host)
        shell = client.open_shell(codepage=65001, **options)
        try:
            command = client.run_command(shell, line, arguments, console_mode_stdin=data is None)
            if data is not None:
                for at in range(0, len(data), 200_000):
                    client.send_command_input(shell, command, data[at : at + 200_000], end=at + 200_000 >= len(data))
            out, err, code = client.get_command_output(shell, command)
            client.cleanup_command(shell, command)
        finally:
            client.close_shell(shell)
        return Result(code, out.decode(), err.decode())

    def powershell(self, host: str, script: str, data: bytes | None = None) -> Result:
        return self.command(
            host, f"powershell.exe -NoProfile -NonInteractive -EncodedCommand {encoded(script)}", data=data
        )


def encoded(script: str) -> str:
    return base64.b64encode(script.encode("utf-16-le")).decode()


@pytest.fixture(scope="session")
def make_fleet() -> Iterator[Callable[..., Fleet]]:
    """Makes further fleets; all are stopped and removed at the end."""
    made: list[Fleet] = []

    def make(name: str, mode: str = "warm") -> Fleet:
        state = state_directory() / BESIDE / f"{name}-{os.getpid()}"
        state.mkdir(parents=True)
        made.append(Fleet(state, mode))
        return made[-1]

    yield make
    for fleet in made:
        fleet.run("down", check=False)
        left = fleet.processes()
        shutil.rmtree(fleet.state, ignore_errors=True)
        assert not left, left


@pytest.fixture(scope="module", params=["warm", pytest.param("cold", marks=pytest.mark.full)])
def fleet(request: pytest.FixtureRequest, make_fleet: Callable[..., Fleet]) -> Fleet:
    """alpha (2019, domain member) and beta (2012 R2, workgroup), in both ways to run commands."""
    one = make_fleet(f"{request.param}-{request.module.__name__.rpartition('.')[2]}", request.param)
    one.run("up", "alpha", "beta")
    return one
