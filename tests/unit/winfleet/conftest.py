"""A listener on free loopback ports before a host that runs /bin/sh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import winrm
from fake_host import ShellHost
from winfleet.certificates import create_certificate
from winfleet.faults import Faults
from winfleet.listener import ListenerOptions, WinRMListener
from winfleet.shells import Limits

ADDRESS = "127.0.0.1"
ACCOUNTS = {"Administrator": "Win:fleet!2026 ä", "reader": "Winfleet!reader"}


@dataclass
class Fleet:
    """One listener and the host behind it."""

    listener: WinRMListener
    host: ShellHost
    certificate: Path

    @property
    def http(self) -> str:
        return f"http://{ADDRESS}:{self.listener.http_port}/wsman"

    @property
    def https(self) -> str:
        return f"https://{ADDRESS}:{self.listener.https_port}/wsman"

    def protocol(self, transport: str = "ntlm", user: str = "Administrator", **options: object) -> winrm.Protocol:
        """A pywinrm client: NTLM goes over HTTP with message encryption, the rest over HTTPS."""
        settings: dict[str, object] = {
            "endpoint": self.http if transport == "ntlm" else self.https,
            "transport": transport,
            "username": user,
            "password": ACCOUNTS.get(user.split("\\")[-1].split("@")[0], ACCOUNTS["Administrator"]),
            "ca_trust_path": str(self.certificate),
            "proxy": None,
            "operation_timeout_sec": 10,
            "read_timeout_sec": 20,
        }
        return winrm.Protocol(**{**settings, **options})


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return create_certificate(tmp_path_factory.mktemp("tls"), "client-2016", ADDRESS)


@pytest.fixture
def make_fleet(tls: tuple[Path, Path]) -> Iterator[Callable[..., Fleet]]:
    """Start listeners with options of ListenerOptions and Limits."""
    fleets: list[Fleet] = []

    def make(limits: Limits | None = None, faults: Faults | None = None, **options: object) -> Fleet:
        host = ShellHost()
        listener = WinRMListener(
            ADDRESS,
            host,
            ACCOUNTS,
            faults or Faults(),
            tls,
            hostname="client-2016",
            domains=["AIP", "aip.example"],
            options=ListenerOptions(http_port=0, https_port=0, **options),
            limits=limits,
        )
        listener.start()
        fleets.append(Fleet(listener, host, tls[0]))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.listener.close()
        assert fleet.host.running == 0, "a stopped listener leaves no command behind"


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet()
