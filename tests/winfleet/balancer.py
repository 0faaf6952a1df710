"""HAProxy before the connectors of the fleet, on the loopback: it passes TCP through, for NTLM signs a connection in.

    with Balancer(folder, {"connector-1": ("127.20.0.21", 80)}) as balancer:
        requests.get(f"{balancer.url}/_wmcs/...")

The hooks of `playbooks/haproxy` reach it by `balancer.socket`. Standard library only, as the demo uses it.
"""

from __future__ import annotations

import csv
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

CONFIGURATION = """\
global
  stats socket {socket} level admin
defaults
  mode tcp
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  # a busy machine answers late; who is gone refuses the connection
  timeout check 10s
  retries 3
  option redispatch 1
frontend clients
  bind {address}:{port}
  default_backend rms_connectors
backend rms_connectors
  balance roundrobin
  option httpchk GET /_wmcs/certification/servercertification.asmx
  # who does not sign in is refused by a connector that lives
  http-check expect status 401
  default-server check inter {inter}ms fall 1 rise {rise}
{servers}
"""


class BalancerError(Exception):
    """HAProxy is missing or does not start; the message says why."""


class Balancer:
    """HAProxy, as long as the block runs.

    folder: for its configuration, log and socket.
    servers: address and port of each, by the name in the inventory.
    inter: seconds between two health checks of a server.
    rise: how many of them have to succeed before a server that was down gets requests.
    """

    def __init__(
        self,
        folder: Path,
        servers: Mapping[str, tuple[str, int]],
        address: str = "127.0.0.1",
        inter: float = 0.5,
        rise: int = 1,
    ) -> None:
        self._folder = folder
        self._log = folder / "haproxy.log"
        self._servers = servers
        self._address = address
        self._inter = inter
        self._rise = rise
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self._port}"

    @property
    def socket(self) -> str:
        """The runtime API, as socat writes addresses."""
        return f"unix-connect:{self._folder / 'haproxy.sock'}"

    @property
    def log(self) -> str:
        """What HAProxy has said, with the reason of each server that went UP or DOWN."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def states(self) -> dict[str, str]:
        """How HAProxy has each server, by `show stat`: UP, DOWN, DRAIN, or on the way between two."""
        with socket.socket(socket.AF_UNIX) as runtime:
            runtime.connect(str(self._folder / "haproxy.sock"))
            runtime.sendall(b"show stat\n")
            with runtime.makefile(encoding="utf-8") as said:
                rows = csv.DictReader(said.read().removeprefix("# ").splitlines())
        return {row["svname"]: row["status"] for row in rows if row["svname"] in self._servers}

    def least_up_until(self, ended: Callable[[], bool]) -> int:
        """How many servers were UP at least, until that is so."""
        least = len(self._servers)
        while not ended():
            least = min(least, list(self.states().values()).count("UP"))
            time.sleep(0.1)
        return least

    def __enter__(self) -> Self:
        program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if not program:
            raise BalancerError("haproxy is not installed; on Debian and Ubuntu: apt-get install haproxy")
        self._folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind((self._address, 0))
            self._port = free.getsockname()[1]
        servers = (f"  server {name} {address}:{port}" for name, (address, port) in self._servers.items())
        text = CONFIGURATION.format(
            socket=self._folder / "haproxy.sock",
            address=self._address,
            port=self._port,
            inter=round(self._inter * 1000),
            rise=self._rise,
            servers="\n".join(servers),
        )
        file = self._folder / "haproxy.cfg"
        file.write_text(text, encoding="utf-8")
        with self._log.open("wb") as output:
            self._process = subprocess.Popen([program, "-db", "-f", str(file)], stdout=output, stderr=output)
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise BalancerError(f"haproxy does not start: {self.log}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self._address, self._port), timeout=1):
                return True
        except OSError:
            return False
