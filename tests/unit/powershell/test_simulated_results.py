"""Simulated hosts (tests/integration/simulated, tests/bench) return what modules return: the same keys and types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.fleet_hosts import BLOCKED, COMPLYING, DRIFTED, answer, hosts_of, write_world
from integration.simulated import results
from powershell_host import PowerShellHost, placed
from winfleet.vendor.packages import CONNECTOR_TITLE

Json = dict[str, Any]
HOSTS = hosts_of(100, mixed=True)


def differences(simulated: Any, real: Any, place: str = "result") -> Iterator[str]:
    """Where a simulated value has another shape. None and an empty list say nothing about it."""
    if isinstance(simulated, dict) and isinstance(real, dict):
        for name in sorted(simulated.keys() ^ real.keys()):
            yield f"only {'simulated' if name in simulated else 'real'}: {place}.{name}"
        for name in simulated.keys() & real.keys():
            yield from differences(simulated[name], real[name], f"{place}.{name}")
    elif isinstance(simulated, list) and isinstance(real, list):
        # Their elements are alike.
        for one in simulated if real else ():
            yield from differences(one, real[0], f"{place}[]")
    elif simulated is not None and real is not None and kind(simulated) != kind(real):
        yield f"{place}: simulated {kind(simulated)}, real {kind(real)}"


def kind(value: Any) -> str:
    """The type; JSON from a host has 64 for 64.0."""
    return "number" if type(value) in (int, float) else type(value).__name__


def assert_alike(simulated: Json, real: Json) -> None:
    # A simulated host has neither; Ansible adds them as the playbook wants.
    real = {name: value for name, value in real.items() if name not in ("diff", "invocation")}
    assert not list(differences(simulated, real))


def test_facts(powershell: PowerShellHost) -> None:
    assert_alike(results.facts(), powershell.module("host_info")["host"])


def test_fact_of_a_connector(powershell: PowerShellHost) -> None:
    program = powershell.disk / "Program Files" / CONNECTOR_TITLE / "Web Service" / "web.config"
    with powershell.identity(roles=("connector",)), placed(program):
        real = powershell.module("host_info")["host"]["connector"]
    assert_alike(results.connector("3.0.0.0", running=True, authorized=[r"CONTOSO\EX-01$"]), real)


CLIENT = {
    "client": {"product": "unified_labeling", "version": "2.18.26"},
    "client_settings": {"use_default_credentials_in_proxy": True},
    "tls": {},
}
COMPARED: list[tuple[str, str, Json]] = [
    ("aip_clients", COMPLYING, CLIENT),
    ("aip_clients", DRIFTED, CLIENT),
    ("aip_clients", BLOCKED, CLIENT),
    ("exchange_servers", COMPLYING, {"tls": {}}),
    ("exchange_servers", DRIFTED, {"tls": {}}),
    ("domain_controllers", COMPLYING, {}),
]


@pytest.mark.parametrize(("group", "state", "options"), COMPARED)
def test_comparison(powershell: PowerShellHost, tmp_path: Path, group: str, state: str, options: Json) -> None:
    """With Windows' defaults and without a client, the real host differs in every domain."""
    host = next(host for host in HOSTS if (host.group, host.state) == (group, state))
    write_world(tmp_path, HOSTS)
    module = {"_ansible_module_name": "infoprotect.aip.desired_state", "_ansible_inject_invocation": False}
    real = powershell.module("desired_state", options, check=True)
    assert_alike(answer(tmp_path, host.name, {**options, **module}), real)
