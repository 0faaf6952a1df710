"""The rollout of a simulated pool: members die, runs are cut off or suspended, two controllers work at once.

Thousands of cases that would take hours on the emulated fleet. The decisions are the production code's; that the
playbooks follow them is proved by tests/integration/rollout.
"""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Pool
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_pool import LEASE, UNGUARDED, Controller, Process, World

ROOT = Path(__file__).parents[2]
NAMES = ("pool-1", "pool-2", "pool-3")
BUSY = "another run works on"
LOST = "this run has lost its lease there"


def world_of(size: int = 3, minimum: int | None = None, rise: int = 1) -> World:
    return World(Pool(NAMES[:size], size - 1 if minimum is None else minimum), rise)


def steps_of(controller: Controller) -> list[str]:
    """The steps of a whole run, where nothing comes in its way."""
    run, found = Process(controller), []
    while not run.end:
        run.advance()
        found.append(run.at)
    return found[:-1]


#: Of an upgrade of all members
STEPS = steps_of(Controller(world_of(), "whole"))
AT_EACH_STEP = pytest.mark.parametrize(
    "at", range(len(STEPS)), ids=[f"{number}-{step}" for number, step in enumerate(STEPS)]
)


def started(world: World, name: str, at: int, **options: Any) -> Process:
    """A run of which the step at this number comes next."""
    run = Process(Controller(world, name, **options))
    for _ in range(at + 1):
        run.advance()
    return run


def assert_finished(world: World) -> None:
    for _ in range(world.rise):
        world.tick()
    assert world.faults == []
    assert {(member.version, member.restart_due) for member in world.members.values()} == {(1, False)}
    assert not any(member.lease for member in world.members.values())
    assert world.serving() == set(world.pool.members)


def until_finished(world: World, **options: Any) -> int:
    """Runs one after the other, as an operator would start them once leases have expired; how many it took."""
    world.pass_time(LEASE)
    for number in range(1, len(world.members) + 3):
        if Process(Controller(world, f"next{number}", **options)).finish() == "ended":
            assert_finished(world)
            return number
    raise AssertionError("no run brings the pool to its end")


def test_the_steps_are_those_of_the_roles() -> None:
    """In their order, so that what is proved here is proved of the playbooks."""
    names = [
        task["name"]
        for entry in ("take_out", "put_back")
        for (block,) in [yaml.safe_load((ROOT / f"roles/rms_pool/tasks/{entry}.yml").read_text(encoding="utf-8"))]
        for task in block["block"]
    ]
    controller = Controller(world_of(), "whole", asks_balancer=True)
    simulated = [step for step in steps_of(controller) if step in names]
    # a turn that begins with a connector needs no inspection
    names.remove("Inspect the host for a connector")
    assert simulated == names * 3
    (play,) = [
        play
        for play in yaml.safe_load((ROOT / "playbooks/site.yml").read_text(encoding="utf-8"))
        if play["name"] == "Bring the connectors that differ to their state, one at a time"
    ]
    file = ROOT / "playbooks" / play["tasks"][0]["ansible.builtin.import_tasks"]
    (turn,) = [task for task in yaml.safe_load(file.read_text(encoding="utf-8")) if "always" in task]
    site = [task["name"] for task in turn["block"]]
    own = ["Bring the connector to its state", "Fail if it was only returned to service"]
    assert (play["serial"], [step for step in STEPS if step in site]) == (1, own * 3)
    assert [step for step in site if step in own] == own
    assert [task["name"] for task in turn["always"]] == ["Let the next run go on after a failure"]
    for entry in ("take_out", "put_back"):
        (block,) = yaml.safe_load((ROOT / f"roles/rms_pool/tasks/{entry}.yml").read_text(encoding="utf-8"))
        turns = [task for task in block["block"] if "infoprotect.aip.rms_pool_turn" in task and "loop" not in task]
        assert all(task["any_errors_fatal"] for task in turns), "one that stops, stops the rollout"


@pytest.mark.parametrize("file", ["connector", "connector_restart", "connector_https"])
def test_a_step_that_disrupts_a_connector_comes_right_after_a_check(file: str) -> None:
    tasks = yaml.safe_load((ROOT / f"roles/aip_apply/tasks/{file}.yml").read_text(encoding="utf-8"))
    checks = [number for number, task in enumerate(tasks) if "infoprotect.aip.rms_pool_turn" in task]
    assert checks and all(tasks[number]["infoprotect.aip.rms_pool_turn"] == {"step": "check"} for number in checks)
    found = [
        number
        for number, task in enumerate(tasks)
        if "ansible.windows.win_command" in task
        or task.get("infoprotect.aip.apply", {}).get("step") in ("connector", "connector_https")
    ]
    assert found and all(number - 1 in checks for number in found)


@pytest.mark.parametrize("rise", [1, 5, 9])
def test_an_upgrade_of_the_whole_pool(rise: int) -> None:
    world = world_of(rise=rise)
    assert until_finished(world) == 1
    assert world.requests > len(STEPS)
    again = Process(Controller(world, "again"))
    assert (again.finish(), again.at) == ("ended", "Compare the host with its desired state")


def test_a_hook_that_does_not_wait_for_the_balancer_takes_two_members_out() -> None:
    """So the simulation can see it; and the hook that asks the balancer before each drain prevents it."""
    world = world_of(rise=20)
    Process(Controller(world, "hasty", waits_for_up=False)).finish()
    assert any("was drained, and 1 others were in service" in fault for fault in world.faults)
    world = world_of(rise=20)
    end = Process(Controller(world, "hasty", waits_for_up=False, asks_balancer=True)).finish()
    assert world.faults == []
    assert "pool-1 without requests from the load balancer" in end


@pytest.mark.parametrize("rise", [1, 5])
@AT_EACH_STEP
def test_a_run_that_is_cut_off_is_finished_by_the_next(at: int, rise: int) -> None:
    """Before each step of each member's turn. Until its lease expires the next run changes nothing."""
    world = world_of(rise=rise)
    started(world, "first", at).cut_off()
    before = deepcopy(world.members)
    if any(member.lease for member in world.members.values()):
        end = Process(Controller(world, "early")).finish()
        assert BUSY in end and "on controller of first, since" in end and "by that host's clock, in 5 minutes" in end
        for name, member in world.members.items():
            assert (member.lease, member.enabled, member.version) == (
                before[name].lease,
                before[name].enabled,
                before[name].version,
            )
    assert until_finished(world) == 1


@AT_EACH_STEP
def test_a_run_that_is_known_to_have_ended_is_taken_over_at_once(at: int) -> None:
    world = world_of()
    started(world, "first", at).cut_off()
    leased = any(member.lease for member in world.members.values())
    assert Process(Controller(world, "second", take_over=True)).finish() == "ended"
    assert_finished(world)
    assert bool(world.taken) == leased


@AT_EACH_STEP
def test_a_run_that_has_failed_is_finished_at_once(at: int) -> None:
    """It says so on the member, before it ends."""
    world = world_of()
    run = started(world, "first", at)
    for member in world.members.values():
        if run.has(member):
            member.started, member.work = False, None
    run.finish()
    world.faults.clear()
    if "does not answer" in run.end:
        assert [name for name in NAMES if world.ask(name)["seconds_left"]] == []
        for member in world.members.values():
            member.started = True
        world.tick()
        assert BUSY not in Process(Controller(world, "second")).finish()
        assert world.taken == []
    until_finished(world)


@pytest.mark.parametrize("victim", NAMES)
@AT_EACH_STEP
def test_a_run_that_is_cut_off_and_then_a_member_dies(at: int, victim: str) -> None:
    """The next run drains nothing that is needed, and works on nothing that is in service."""
    world = world_of()
    started(world, "first", at).cut_off()
    world.die(victim)
    world.pass_time(LEASE)
    Process(Controller(world, "second")).finish()
    assert world.faults == []
    world.come_back()
    until_finished(world)


@pytest.mark.parametrize("victim", NAMES)
@AT_EACH_STEP
def test_a_member_that_dies_ends_the_rollout(at: int, victim: str) -> None:
    """Each of them, before each step; the next run brings all of them to their end."""
    world = world_of()
    run = started(world, "first", at)
    world.die(victim)
    run.finish()
    out = [name for name, member in world.members.items() if not member.enabled]
    assert len(out) <= 1
    if run.end == "ended":
        assert {member.version for member in world.members.values()} == {1}, "nobody noticed"
    world.come_back()
    until_finished(world)


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_in_a_row(seed: int) -> None:
    """Members die and come back, runs are cut off, and the load balancer forgets drains, at random moments."""
    chance = random.Random(seed)
    size = chance.randint(2, 3)
    world = world_of(size, chance.randint(1, size - 1), chance.choice((1, 3)))
    for member in world.members.values():
        member.skew = chance.randint(-2 * LEASE, 2 * LEASE)
    for number in range(chance.randint(1, 6)):
        limit = tuple(chance.sample(world.pool.members, chance.randint(0, size)))
        run = Process(Controller(world, f"run{number}", limit=limit, asks_balancer=chance.random() < 0.5))
        for _ in range(chance.randint(1, 55)):
            if not run.end:
                run.advance()
            if chance.random() < 0.02 and not world.died:
                world.die(chance.choice(world.pool.members))
            if chance.random() < 0.1:
                world.come_back()
        if not run.end:
            run.cut_off()
        if chance.random() < 0.3:
            world.reload_balancer()
        world.pass_time(chance.choice((2, LEASE)))
        assert world.faults == []
    assert world.taken == []
    world.come_back()
    until_finished(world)


@settings(max_examples=500, deadline=None)
@given(
    data=st.data(),
    rise=st.sampled_from([1, 4]),
    left=st.sampled_from([(), ("pool-1",), ("pool-2",)]),
    skews=st.lists(st.integers(-2 * LEASE, 2 * LEASE), min_size=3, max_size=3),
)
def test_two_runs_never_take_out_two_members(
    data: st.DataObject, rise: int, left: tuple[str, ...], skews: list[int]
) -> None:
    """Nor do they work on the same one, whichever goes on when, over the whole pool, or each over a part. Their
    controllers know nothing of each other."""
    world = world_of(rise=rise)
    for member, skew in zip(world.members.values(), skews, strict=True):
        member.skew = skew
    for name in left:
        stale = Process(Controller(world, "stale", limit=left))
        stale.advance_to("Bring the connector to its state")
        stale.cut_off()
        assert not world.members[name].enabled
        world.pass_time(data.draw(st.sampled_from([0, LEASE]), "later"))
    limits = st.sampled_from([(), *((name,) for name in NAMES), NAMES[:2], NAMES[1:]])
    runs = [Process(Controller(world, name, limit=data.draw(limits, name))) for name in ("a", "b")]
    while going := [run for run in runs if not run.end]:
        data.draw(st.sampled_from(going), "goes on").advance()
        assert sum(not member.enabled for member in world.members.values()) <= 1
    for run in runs:
        assert LOST not in run.end
        if run.end.startswith("The rollout stops before"):
            held = [name for name, member in world.members.items() if run.has(member)]
            assert [name for name in held if world.ask(name)["seconds_left"]] == [], "it keeps no lease"
    assert world.faults == []
    assert world.taken == []
    until_finished(world)


@pytest.mark.parametrize("seed", range(400))
def test_runs_that_are_suspended_longer_than_their_lease(seed: int) -> None:
    """Two controllers, each suspended anywhere but between a check and the step after it."""
    chance = random.Random(seed)
    size = chance.randint(2, 3)
    world = world_of(size, chance.randint(1, size - 1), chance.choice((1, 3)))
    for member in world.members.values():
        member.skew = chance.randint(-2 * LEASE, 2 * LEASE)
    limits = [(), *((name,) for name in world.pool.members), world.pool.members[1:]]
    runs = [Process(Controller(world, name, limit=chance.choice(limits))) for name in ("a", "b")]
    while going := [run for run in runs if not run.end]:
        chosen = chance.choice(going)
        for _ in range(chance.choice((1, 1, 5, 60))):
            if not chosen.end:
                chosen.advance()
        if all(run.end or run.can_be_suspended for run in runs) and chance.random() < 0.3:
            world.pass_time(chance.choice((LEASE // 2, LEASE + 1, 3 * LEASE)))
        assert world.faults == []
    assert world.taken == []
    until_finished(world)


def suspended_run_and_its_successor(step: str) -> tuple[World, Process, Process]:
    """Run a is suspended before this step, with member 1 changed; run b finishes that member and drains member 2."""
    world = world_of(2)
    a, b = Process(Controller(world, "a")), Process(Controller(world, "b"))
    a.advance_to(step, "pool-1")
    world.pass_time(LEASE)
    b.advance_to("Bring the connector to its state", "pool-2")
    assert world.serving() == {"pool-1"}
    return world, a, b


def test_a_run_that_was_taken_over_does_nothing_more() -> None:
    """Without the check before the restart no member would serve, and run b would end well."""
    world, a, b = suspended_run_and_its_successor("Verify that this run still has the lease before it restarts IIS")
    assert LOST in a.finish()
    assert b.finish() == "ended"
    assert_finished(world)


@pytest.mark.parametrize("step", sorted(UNGUARDED - {"Drain the member"}))
def test_a_run_that_is_suspended_between_a_check_and_its_step_does_the_step(step: str) -> None:
    """The gap that remains, and that the simulation can see."""
    world, a, _b = suspended_run_and_its_successor(step)
    a.finish()
    assert any(fault.startswith("a-0 works on pool-1, which no run has") for fault in world.faults)


@pytest.mark.parametrize("asks_balancer", [False, True])
def test_a_member_that_serves_is_not_worked_on_whatever_its_lease_says(asks_balancer: bool) -> None:
    """The load balancer has forgotten the drain of an interrupted run, and nobody else serves."""
    world = world_of(2)
    first = Process(Controller(world, "first"))
    first.advance_to("Bring the connector to its state")
    first.cut_off()
    world.reload_balancer()
    world.die("pool-2")
    world.pass_time(LEASE)
    assert world.members["pool-1"].lease["stage"] == "out_of_service" and world.serving() == {"pool-1"}
    second = Process(Controller(world, "second", limit=("pool-1",), asks_balancer=asks_balancer))
    assert "returned to service as it was left" in second.finish()
    assert (world.faults, world.members["pool-1"].version) == ([], 0)
    world.come_back()
    assert until_finished(world) == 1


def test_a_member_that_the_balancer_does_not_use_is_worked_on_though_no_other_serves() -> None:
    """By the operator's hook, which knows better than the health check."""
    world = world_of(2)
    first = Process(Controller(world, "first"))
    first.advance_to("Bring the connector to its state")
    first.cut_off()
    world.die("pool-2")
    world.pass_time(LEASE)
    assert Process(Controller(world, "second", limit=("pool-1",), asks_balancer=True)).finish() == "ended"
    assert (world.faults, world.members["pool-1"].version) == ([], 1)
