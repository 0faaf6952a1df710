"""connectors.yml by an unchanged ansible-playbook on simulated members: each step of a turn, and each ansible-core."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from winfleet.balancer import Balancer

from ..ansible_runner import CONNECTOR_TAGS, ROOT, AnsiblePlaybook, Run, ansible_of, older_cores, suspended
from .simulated import BALANCER, SimulatedPool

POOL = ["pool-1", "pool-2", "pool-3"]
OLD, NEW = "3.0.0", "3.1.0"
OTHERS_LEASE = {"run": "5f3a9c01", "controller": "elsewhere.example.com", "started": "2026-11-26T10:15:00Z"}
OTHERS_LEASE |= {"expires": "2999-11-26T11:45:00Z", "stage": "out_of_service"}
EXPIRED_LEASE = OTHERS_LEASE | {"expires": "2026-11-26T11:45:00Z"}
PLAN = "Plan the run"
TAKE = "infoprotect.aip.rms_pool : Take the member's lease"
BEGIN = "infoprotect.aip.rms_pool : Begin the turn"
RETURNING = "infoprotect.aip.rms_pool : Record that it returns to service"
OUT = "infoprotect.aip.rms_pool : Record that it is out of service"
DRAIN, RESTORE = "Tell the balancer to drain it", "Tell the balancer to send it requests"
CHECK_SETUP = "Verify that this run still has the lease before it runs the setup"
CHECK_RESTART = "infoprotect.aip.aip_apply : Verify that this run still has the lease before it restarts IIS"
#: The steps of a member's turn, before which a run is cut off: whether it has a lease, and is drained
STEPS = {
    TAKE: (False, False),
    BEGIN: (True, False),
    DRAIN: (True, False),
    OUT: (True, True),
    "Install or remove the connector": (True, True),
    "Wait until the connector serves": (True, True),
    RETURNING: (True, True),
    RESTORE: (True, True),
    "End the turn": (True, False),
    "Fail if it was only returned to service": (False, False),
}
CURRENT = Path(sys.executable).parent
#: The others are full: the simulation in tests/unit is cut off at each step of each member's turn.
BY_DEFAULT = (OUT, RETURNING)
FULL = pytest.mark.full
STATEMENTS = ROOT / "inventories/emulated/group_vars/all/statements.yml"


@dataclass(frozen=True)
class Rollout:
    """ansible-playbook with the simulated pool."""

    world: SimulatedPool
    playbook: AnsiblePlaybook
    hooks: dict[str, str]

    def run(
        self,
        *arguments: str,
        expect: int | None = 0,
        cut_off_before: str = "",
        suspended: Path | None = None,
        **more: object,
    ) -> Run:
        values: dict[str, Any] = {
            "rms_connector_version": NEW,
            "rms_connector_path": r"C:\setup.exe",
            "rms_connector_arguments": ["/quiet"],
            "rms_connector_verify_timeout": 1,
            "rms_pool_port": self.world.port,
            "rms_pool_timeout": 2,
            "aip_endpoints": [],
            **self.hooks,
            **more,
        }
        where = [CONNECTOR_TAGS, f"--extra-vars=@{STATEMENTS}", *arguments]
        ends: dict[str, Any] = {"expect": expect, "cut_off_before": cut_off_before, "suspended": suspended}
        return self.playbook.run(ROOT / "playbooks/connectors.yml", *where, extra_vars=values, **ends)

    def told(self, since: int = 0) -> list[tuple[str, str]]:
        return [(action, host) for action, host in self.world.read()["told"]][since:]

    def assert_finished(self) -> None:
        assert self.world.read()["faults"] == []
        assert self.world.of_members("version") == [NEW] * len(POOL)
        assert self.world.of_members("lease") == [{}] * len(POOL)
        assert self.world.of_members("enabled") == [True] * len(POOL)


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Rollout]:
    """Three members, in service. The parameter is the ansible-core."""
    core = getattr(request, "param", "current")
    monkeypatch.setenv("SIMULATED_BY", "integration.rollout.simulated")
    monkeypatch.setenv("SIMULATED_WORLD", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    monkeypatch.setenv("ANSIBLE_CONNECTION_PLUGINS", str(ROOT / "tests/integration/simulated/connection_plugins"))
    hooks = {}
    for name, action, task in (("drain", "drain", DRAIN), ("restore", "ready", RESTORE)):
        command = {"argv": [action, "{{ inventory_hostname }}"]}
        file = tmp_path / f"{name}.yml"
        tell = {"name": task, "ansible.windows.win_command": command, "delegate_to": BALANCER}
        file.write_text(json.dumps([tell]), encoding="utf-8")
        hooks[f"rms_pool_{name}_tasks"] = str(file)
    with SimulatedPool(tmp_path, POOL, OLD) as world:
        inventories = [world.inventory]
        playbook = AnsiblePlaybook(CURRENT, inventories) if core == "current" else ansible_of(core, inventories)
        yield Rollout(world, playbook, hooks)


@pytest.mark.parametrize("pool", ["current", *older_cores("2.16")], indirect=True)
def test_a_rolling_upgrade(pool: Rollout) -> None:
    """One member after the other. A member's turn costs the controller at most 47 tasks, the plan of the run 4."""
    upgrade = pool.run()
    assert pool.told() == [(action, host) for host in POOL for action in ("drain", "ready")]
    pool.assert_finished()
    assert pool.world.of_members("shells") == [0, 0, 0]
    assert len(upgrade.durations) <= 4 + 47 * len(POOL)
    again = pool.run()
    assert all(again.stats[host]["changed"] == 0 and len(again.module_runs(host)) == 1 for host in POOL)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(
            step, marks=() if step in BY_DEFAULT else pytest.mark.full("cut-offs"), id=step.rpartition(": ")[2]
        )
        for step in STEPS
    ],
)
def test_a_run_that_is_cut_off_is_finished_by_the_next(pool: Rollout, step: str) -> None:
    """At each step of the first member's turn; once the lease has expired."""
    pool.run(cut_off_before=step)
    leased, drained = STEPS[step]
    assert [bool(lease) for lease in pool.world.of_members("lease")] == [leased, False, False]
    assert pool.world.of_members("enabled") == [not drained, True, True]
    before = len(pool.told())
    pool.world.expire()
    pool.run()
    rest = POOL[1:] if step == list(STEPS)[-1] else POOL
    assert [host for action, host in pool.told(before) if action == "drain"] == rest
    pool.assert_finished()


@pytest.mark.parametrize("pool", ["current", *older_cores()], indirect=True)
def test_nobody_is_drained_when_another_one_is_gone(pool: Rollout) -> None:
    """Not even with --limit, and not by a job that does not see all of them."""
    pool.world.change("pool-2", up=False)
    run = pool.run("--limit=pool-1", expect=2)
    said = run.task(BEGIN, "pool-1")["msg"]
    assert "without pool-1, 1 of 3 members would be in service (pool-2 not answering); at least 2" in said
    pool.world.change("pool-2", up=True)
    hidden = pool.run(rms_connector_pool=[{"members": [*POOL, "pool-9"]}], expect=2)
    assert "the inventory does not have pool-9" in hidden.stdout
    assert pool.told() == []


@pytest.mark.parametrize(
    ("pool", "victim", "at"),
    [
        pytest.param("current", "pool-2", 14, marks=FULL),
        pytest.param("2.16", "pool-1", 12, marks=FULL),
        pytest.param("2.16", "pool-2", 6, marks=FULL),
        pytest.param("2.18", "pool-1", 18, marks=FULL),
        pytest.param("2.19", "pool-3", 22, marks=FULL),
        pytest.param("2.20", "pool-2", 10, marks=FULL),
    ],
    indirect=["pool"],
)
def test_a_member_that_dies_ends_the_rollout(pool: Rollout, victim: str, at: int) -> None:
    pool.world.dies(victim, at)
    run = pool.run(expect=None)
    assert run.rc in (2, 4)
    assert pool.world.of_members("enabled").count(False) <= 1
    ended = run.stats[victim]["failures"] + run.stats[victim]["unreachable"]
    assert "The rollout stops before" in run.stdout or ended
    pool.world.come_back()
    # a host that is lost keeps the lease of the run
    pool.world.expire()
    pool.run()
    pool.assert_finished()


@pytest.mark.parametrize("pool", older_cores("2.16"), indirect=True)
def test_a_member_that_dies_while_its_lease_is_read_does_not_count_as_in_service(pool: Rollout) -> None:
    """Its connection raises what Ansible does not expect, which ended the whole task before ansible-core 2.19."""
    pool.world.dies("pool-3", at=len(POOL) + 3)  # all are inspected, the first takes its lease, two are read
    run = pool.run(expect=2)
    assert "The rollout stops before pool-1: without pool-1, 1 of 3 members" in run.task(BEGIN, "pool-1")["msg"]
    assert pool.told() == []


def test_an_upgrade_that_fails_ends_the_rollout(pool: Rollout) -> None:
    """The failed member stays drained until a run has finished it, which can begin at once."""
    pool.world.change("pool-1", fails=["connector"])
    failed = pool.run(expect=2)
    assert failed.stats["pool-1"]["failures"] == 1
    assert pool.world.of_members("lease")[0]["stage"] == "out_of_service"
    pool.world.change("pool-1", fails=[])
    other = pool.run("--limit=pool-2", expect=2)
    assert "(pool-1 left by an interrupted run)" in other.task(BEGIN, "pool-2")["msg"]
    assert pool.told() == [("drain", "pool-1")]
    pool.run()
    pool.assert_finished()


def test_a_member_is_left_to_the_run_whose_lease_it_has(pool: Rollout) -> None:
    """Nothing is changed before it has expired, unless the operator knows that the other run has ended."""
    pool.world.change("pool-2", lease=OTHERS_LEASE, enabled=False)
    # the plan knows only of the connectors that were inspected; the turn reads the leases of all
    for limit, host, task, where in (
        ("*", "pool-2", PLAN, "it"),
        ("pool-1", "pool-1", BEGIN, "pool-2 of its pool"),
    ):
        stopped = pool.run(f"--limit={limit}", expect=2).task(task, "pool-1")["msg"]
        assert f"before {host}: another run works on {where}: run 5f3a9c01 on elsewhere.example.com, since" in stopped
        assert "until 2999-11-26T11:45:00Z by that host's clock" in stopped
    assert pool.told() == []
    assert pool.world.of_members("lease") == [{}, OTHERS_LEASE, {}]
    assert pool.world.of_members("version") == [OLD] * 3
    pool.run(rms_pool_take_over=True)
    assert pool.told()[0] == ("drain", "pool-2"), "it comes first"
    pool.assert_finished()


def test_a_run_that_was_taken_over_does_nothing_more(pool: Rollout) -> None:
    """Suspended before it restarts member 1. The next run finishes that member, and has drained member 2 by then."""
    for member in POOL:
        pool.world.change(member, needs_restart=True)
    with ThreadPoolExecutor() as beside:
        with suspended(pool.run, beside, pool.world.folder / "first", CHECK_RESTART) as (first, process):
            pool.world.expire()
            with suspended(pool.run, beside, pool.world.folder / "second", CHECK_SETUP) as (second, _process):
                assert pool.world.of_members("version") == [NEW, OLD, OLD]
                assert pool.world.of_members("enabled") == [True, False, True]
                os.kill(process, signal.SIGCONT)
                stopped = first.result()
        assert second.result().rc == 0
    lost = stopped.task(CHECK_RESTART, "pool-1")["msg"]
    assert stopped.rc == 2 and "this run has lost its lease there, and does nothing more to the host" in lost
    pool.assert_finished()


def test_a_member_that_serves_is_not_worked_on_whatever_its_lease_says(pool: Rollout) -> None:
    """An interrupted run has drained it, and the load balancer has forgotten that."""
    pool.world.change("pool-1", lease=EXPIRED_LEASE)
    pool.world.change("pool-2", up=False)
    left = pool.run("--limit=pool-1", expect=2).task("Fail if it was only returned to service", "pool-1")
    assert "was returned to service as an interrupted run had left it" in left["msg"]
    assert pool.told() == [("ready", "pool-1")]
    assert pool.world.of_members("version") == [OLD] * 3
    pool.world.change("pool-1", lease=EXPIRED_LEASE)
    pool.world.change("pool-2", up=True)
    pool.run()
    assert pool.told(1)[0] == ("drain", "pool-1"), "it is drained again"
    pool.assert_finished()


def test_a_lone_connector_needs_a_pool(pool: Rollout) -> None:
    """A slice of an inventory may hide the others."""
    inventory = json.loads(pool.world.inventory.read_text(encoding="utf-8"))
    hosts = inventory["rms_connectors"]["hosts"]
    inventory["rms_connectors"]["hosts"] = {"pool-1": hosts["pool-1"]}
    pool.world.inventory.write_text(json.dumps(inventory), encoding="utf-8")
    # that two connectors are a prerequisite can be overridden; that one is all there is must be written down
    refused = pool.run(expect=2, aip_stop="never")
    failures = [str(result.get("msg")) for _task, _host, result in refused.results if result.get("failed")]
    assert any("and pool-1 is the only host of the group rms_connectors" in msg for msg in failures), failures
    assert (pool.told(), pool.world.of_members("version")[0]) == ([], OLD)
    pool.run(aip_stop="never", rms_connector_pool=[{"members": ["pool-1"]}])
    assert pool.world.of_members("version")[0] == NEW


def test_a_lease_goes_with_the_connector(pool: Rollout) -> None:
    """A host without a connector, where none is wanted, does not keep a lease."""
    pool.world.change("pool-3", version="", lease=EXPIRED_LEASE, enabled=False, started=False)
    pool.run("--limit=pool-3", rms_connector_state="absent")
    # so that the load balancer does not send it requests if the connector comes up; nothing returns it to service
    assert pool.told() == [("drain", "pool-3")]
    assert pool.world.of_members("lease") == [{}] * 3


@contextmanager
def haproxy(pool: Rollout, rise: int) -> Iterator[tuple[Balancer, dict[str, Any]]]:
    """A health check each second before the members, and the variables for its hooks."""
    pool.world.setup_takes(2)
    servers = {name: (f"127.0.0.{number}", pool.world.port) for number, name in enumerate(POOL, 1)}
    hooks = {"drain_tasks": "drain", "restore_tasks": "restore", "in_service_tasks": "in_service"}
    values = {f"rms_pool_{hook}": str(ROOT / f"playbooks/haproxy/{name}.yml") for hook, name in hooks.items()}
    with Balancer(pool.world.folder / "haproxy", servers, inter=1, rise=rise) as balancer:
        yield balancer, {**values, "rms_pool_haproxy_socket": balancer.socket}


def test_a_member_is_drained_only_when_the_balancer_has_the_one_before_in_service(pool: Rollout) -> None:
    """HAProxy takes 12 seconds for that."""
    with haproxy(pool, rise=12) as (balancer, values), ThreadPoolExecutor() as beside:
        upgrade = beside.submit(pool.run, "--limit=pool-1,pool-2", **values)
        least = balancer.least_up_until(upgrade.done)
        assert upgrade.result().rc == 0
        assert least == 2, balancer.log
        assert balancer.states() == dict.fromkeys(POOL, "UP")


def test_a_member_that_the_balancer_does_not_take_ends_the_rollout(pool: Rollout) -> None:
    """And the next one is not drained, by what the balancer says of it."""
    with haproxy(pool, rise=1000) as (balancer, values):
        late = pool.run(expect=2, rms_pool_restore_seconds=2, **values)
        assert "HAProxy has rms_connectors,pool-1 as DOWN" in late.stdout
        assert [host for task, host, _result in late.results if task == BEGIN] == ["pool-1"]
        # also when its lease is gone
        pool.world.change("pool-1", lease={})
        other = pool.run("--limit=pool-2", expect=2, **values)
        assert "(pool-1 without requests from the load balancer)" in other.task(BEGIN, "pool-2")["msg"]
        assert balancer.states()["pool-2"] == "UP"


@pytest.mark.parametrize("limits", [("pool-1", "pool-2"), ("pool-1", "pool-1")], ids=["two members", "one member"])
def test_two_runs_at_once_never_take_out_two_members(pool: Rollout, limits: tuple[str, str]) -> None:
    """One of them, or both, may stop."""
    with ThreadPoolExecutor() as both:
        upgrade = partial(pool.run, expect=None)
        runs = [run.result() for run in [both.submit(upgrade, f"--limit={host}") for host in limits]]
    assert pool.world.read()["faults"] == []
    for run in runs:
        failures = [result["msg"] for _task, _host, result in run.results if result.get("failed")]
        assert run.rc == (2 if failures else 0), run.stdout
        assert all("The rollout stops before" in msg for msg in failures)
    pool.run()
    pool.assert_finished()
