"""aip_waves of site.yml and clients.yml: rings and sizes, and where the rollout stops."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ..ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook, Run, reset_hosts

CLIENTS = ROOT / "playbooks/clients.yml"
HOSTS = ("client-2012r2", "client-2016", "client-2019")
LOOK = "infoprotect.aip.aip_apply : Inspect the host"
DONE = "infoprotect.aip.aip_apply : Show what was done"
BEGIN = "infoprotect.aip.aip_apply : Apply the settings"
RINGS = """
ring_pilot: {hosts: {client-2019: }}
ring_broad: {hosts: {client-2016: , connector-1: }}
"""

pytestmark = pytest.mark.hosts(*HOSTS)


@pytest.fixture
def new_hosts() -> None:
    """All of them differ from what is wanted."""
    reset_hosts(*HOSTS)


@pytest.fixture
def rings(tmp_path: Path) -> str:
    inventory = tmp_path / "rings.yml"
    inventory.write_text(RINGS, encoding="utf-8")
    return f"--inventory={inventory}"


def turns(run: Run) -> list[str]:
    """The hosts whose turn came, in order."""
    return [host for task, host, result in run.results if task == BEGIN and not result.get("skipped")]


@pytest.mark.usefixtures("new_hosts")
def test_waves(playbook: AnsiblePlaybook, rings: str) -> None:
    """Settings alone, in check mode: what counts is whose turn comes when."""
    only = "--tags", "tls", "--check"
    by_ring = playbook.run(CLIENTS, rings, *only, extra_vars={"aip_waves": "ring_pilot, ring_broad"})
    assert turns(by_ring) == ["client-2019", "client-2016"], "connector-1 is no client, client-2012r2 in no ring"
    assert all(LOOK in by_ring.module_runs(host) for host in HOSTS), "all are looked at"
    limited = playbook.run(CLIENTS, rings, *only, "--limit=client-2016", extra_vars={"aip_waves": ["ring_broad"]})
    assert turns(limited) == ["client-2016"]
    by_size = playbook.run(CLIENTS, *only, extra_vars={"aip_waves": [1, "100%"]})
    assert turns(by_size) == list(HOSTS)
    assert all(by_size.task(DONE, host) for host in HOSTS)
    playbook.run(CLIENTS, "--tags=tls", "--limit=client-2016")
    rest = playbook.run(CLIENTS, *only, extra_vars={"aip_waves": [1, "100%"]})
    assert turns(rest) == ["client-2012r2", "client-2019"], "a host that complies is in no wave"
    (said,) = [result["msg"] for task, _host, result in rest.results if task == "Show the plan"]
    assert "client-2016    complies, a restart is pending (tls_dotnet)" in said
    for wrong in "ring_pilto", "1,0", "ring_pilot,50%":
        refused = playbook.run(CLIENTS, rings, *only, extra_vars={"aip_waves": wrong}, expect=2)
        assert f"aip_waves is {wrong}: expected numbers and percentages" in refused.stdout
        assert all(refused.module_runs(host) == [] for host in HOSTS)


@pytest.mark.usefixtures("new_hosts")
def test_the_rollout_stops_after_a_wave_in_which_a_host_failed(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """The other host of its wave is finished; the next wave begins only when that much is tolerated."""
    inventory = tmp_path / "rings.yml"
    broken = {"aip_client_src": None, "aip_client_path": r"C:\nowhere.msi"}
    pilot = {"client-2016": None, "client-2019": broken}
    groups = {"ring_pilot": {"hosts": pilot}, "ring_broad": {"hosts": {"client-2012r2": None}}}
    inventory.write_text(yaml.safe_dump(groups), encoding="utf-8")
    waves = {"aip_waves": list(groups)}
    # the last inventory given decides
    last = AnsiblePlaybook(playbook.bin_folder, [*playbook.inventories, inventory])
    install = "infoprotect.aip.aip_apply : Install or remove the client"
    stopped = last.run(CLIENTS, "--tags=client", extra_vars=waves, expect=2)
    assert "The rollout stops after this wave: client-2019 failed" in stopped.stdout
    assert stopped.task(install, "client-2016")["changed"] and stopped.task(install, "client-2019")["failed"]
    assert stopped.module_runs("client-2012r2") == [LOOK]
    tolerated = last.run(CLIENTS, "--tags=client", "--check", extra_vars=waves | {"aip_waves_lost": 1}, expect=None)
    assert tolerated.module_runs("client-2016") == [LOOK]
    assert tolerated.task(install, "client-2012r2")["changed"]


MEMBERS = [f"member-{number:02}" for number in range(1, 21)]
DIFFERING = ["member-03", "member-10", "member-17"]
APPLY = "infoprotect.aip.aip_apply : Apply the settings"


@pytest.fixture
def twenty(playbook: AnsiblePlaybook, tmp_path: Path) -> Iterator[AnsiblePlaybook]:
    """Twenty more hosts, in two rings."""
    hosts = {name: {"ansible_host": f"127.20.0.{100 + number}"} for number, name in enumerate(MEMBERS)}
    halves = {"ring_pilot": MEMBERS[:5], "ring_broad": MEMBERS[5:]}
    groups = {ring: {"hosts": dict.fromkeys(names)} for ring, names in halves.items()}
    inventory = tmp_path / "twenty"
    inventory.mkdir()
    (inventory / "hosts.yml").write_text(yaml.safe_dump({"aip_clients": {"hosts": hosts}, **groups}), encoding="utf-8")
    (inventory / "network.py").symlink_to(ROOT / "inventories/emulated/network.py")
    inventories = [*INVENTORIES, inventory]
    fleet = [str(ROOT / "bin/fleet"), *(f"--inventory={path}" for path in inventories)]
    try:
        subprocess.run([*fleet, "up", *MEMBERS], check=True)
        yield AnsiblePlaybook(playbook.bin_folder, inventories)
    finally:
        subprocess.run([*fleet, "down", *MEMBERS], check=True)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_of_twenty_hosts_in_rings_only_those_that_differ_are_touched(twenty: AnsiblePlaybook) -> None:
    """Receipts, listed by ansible.windows, say who was written to."""
    only = "--tags=tls", f"--limit={','.join(MEMBERS)}"

    def receipts() -> dict[str, list[str]]:
        script = r"(Get-ChildItem -LiteralPath C:\ProgramData\infoprotect\receipts -Filter *.json).Name"
        task = {"name": "receipts", "ansible.windows.win_powershell": {"script": script}}
        run = twenty.run([{"name": "look", "hosts": MEMBERS, "gather_facts": False, "tasks": [task]}])
        return {host: run.task("receipts", host)["output"] for host in MEMBERS}

    twenty.run(CLIENTS, *only)
    absent = {"name": "absent", "infoprotect.aip.tls": {"state": "absent"}}
    twenty.run([{"name": "differ", "hosts": DIFFERING, "gather_facts": False, "tasks": [absent]}])
    before = receipts()
    run = twenty.run(CLIENTS, *only, extra_vars={"aip_waves": "ring_pilot,ring_broad"})
    after = receipts()
    assert turns(run) == DIFFERING
    for host in MEMBERS:
        assert run.module_runs(host) == ([LOOK, APPLY] if host in DIFFERING else [LOOK])
        assert len(after[host]) - len(before[host]) == (host in DIFFERING)
