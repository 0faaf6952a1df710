"""The rollout of a simulated pool: members die, runs are cut off, two runs are at work at once.

Thousands of cases that would take hours on the emulated fleet. The decisions are the production code's; that the
playbooks follow them is proved by tests/integration/rollout.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Pool
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_pool import Controller, Process, World

ROOT = Path(__file__).parents[2]
NAMES = ("pool-1", "pool-2", "pool-3")


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


def assert_finished(world: World) -> None:
    for _ in range(world.rise):
        world.tick()
    assert world.faults == []
    assert {(member.version, member.mark) for member in world.members.values()} == {(1, "")}
    assert world.serving() == set(world.pool.members)


def until_finished(world: World, **options: bool) -> int:
    """Runs one after the other, as an operator would start them; how many it took."""
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
    site = [task["name"] for part in ("pre_tasks", "tasks", "post_tasks") for task in play[part]]
    own = ["Bring the connector to its state", "Fail if it was only returned to service"]
    assert (play["serial"], [step for step in STEPS if step in site]) == (1, own * 3)
    assert [step for step in site if step in own] == own
    (block,) = yaml.safe_load((ROOT / "roles/rms_pool/tasks/take_out.yml").read_text(encoding="utf-8"))
    deciding = [task for task in block["block"] if "infoprotect.aip.rms_pool_turn" in task]
    assert all(task["any_errors_fatal"] for task in deciding), "one that stops, stops the rollout"


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
@pytest.mark.parametrize("at", range(len(STEPS)), ids=[f"{number}-{step}" for number, step in enumerate(STEPS)])
def test_a_run_that_is_cut_off_is_finished_by_the_next(at: int, rise: int) -> None:
    """Before each step of each member's turn."""
    world = world_of(rise=rise)
    run = Process(Controller(world, "first"))
    for _ in range(at + 1):
        run.advance()
    run.cut_off()
    assert until_finished(world) == 1


@pytest.mark.parametrize("victim", NAMES)
@pytest.mark.parametrize("at", range(len(STEPS)), ids=[f"{number}-{step}" for number, step in enumerate(STEPS)])
def test_a_run_that_is_cut_off_and_then_a_member_dies(at: int, victim: str) -> None:
    """The next run drains nothing that is needed, and works on nothing that is in service."""
    world = world_of()
    run = Process(Controller(world, "first"))
    for _ in range(at + 1):
        run.advance()
    run.cut_off()
    world.die(victim)
    Process(Controller(world, "second")).finish()
    assert world.faults == []
    world.come_back()
    until_finished(world)


@pytest.mark.parametrize("victim", NAMES)
@pytest.mark.parametrize("at", range(len(STEPS)), ids=[f"{number}-{step}" for number, step in enumerate(STEPS)])
def test_a_member_that_dies_ends_the_rollout(at: int, victim: str) -> None:
    """Each of them, before each step; the next run brings all of them to their end."""
    world = world_of()
    run = Process(Controller(world, "first"))
    for _ in range(at + 1):
        run.advance()
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
    """Members die and come back, and runs are cut off, at moments that are left to chance."""
    chance = random.Random(seed)
    size = chance.randint(2, 3)
    world = world_of(size, chance.randint(1, size - 1), chance.choice((1, 3)))
    for number in range(chance.randint(1, 6)):
        limit = tuple(chance.sample(world.pool.members, chance.randint(0, size)))
        run = Process(Controller(world, f"run{number}", limit=limit, asks_balancer=chance.random() < 0.5))
        for _ in range(chance.randint(1, 45)):
            if not run.end:
                run.advance()
            if chance.random() < 0.02 and not world.died:
                world.die(chance.choice(world.pool.members))
            if chance.random() < 0.1:
                world.come_back()
        if not run.end:
            run.cut_off()
        assert world.faults == []
    world.come_back()
    until_finished(world)


def goes_on(data: st.DataObject, runs: list[Process]) -> None:
    """Both runs to their end, in any order of their steps."""
    world = runs[0].controller.world
    while going := [run for run in runs if not run.end]:
        data.draw(st.sampled_from(going), "goes on").advance()
        assert sum(not member.enabled for member in world.members.values()) <= 1
    for run in runs:
        if run.end.startswith("The rollout stops before"):
            marks = [member.mark for member in world.members.values()]
            assert not [mark for mark in marks if mark.startswith(f"{run.controller.name}-")], "it leaves no mark"


@settings(max_examples=300, deadline=None)
@given(data=st.data(), rise=st.sampled_from([1, 4]), left=st.sampled_from([(), ("pool-1",), ("pool-2",)]))
def test_two_runs_of_a_controller_never_take_out_two_members(
    data: st.DataObject, rise: int, left: tuple[str, ...]
) -> None:
    """Nor do they work on the same one, whichever goes on when, over the whole pool, or each over a part."""
    world = world_of(rise=rise)
    for name in left:
        stale = Process(Controller(world, "stale", limit=left))
        while stale.at != "Bring the connector to its state":
            stale.advance()
        stale.cut_off()
        assert not world.members[name].enabled
    limits = st.sampled_from([(), *((name,) for name in NAMES), NAMES[:2], NAMES[1:]])
    goes_on(data, [Process(Controller(world, name, limit=data.draw(limits, name))) for name in ("a", "b")])
    assert world.faults == []
    assert world.taken_over == set()
    until_finished(world)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), rise=st.sampled_from([1, 4]))
def test_two_runs_of_two_controllers_never_take_out_two_members(data: st.DataObject, rise: int) -> None:
    """Neither sees the other one's process. On different members, or when both have inspected the pool before either
    has begun: then their marks keep them apart."""
    world = world_of(rise=rise)
    first, second = data.draw(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), "members")
    runs = [
        Process(Controller(world, name, limit=(one,), sees_runs=False)) for name, one in (("a", first), ("b", second))
    ]
    while any(run.at != "Read the marks of the members" for run in runs if first == second):
        next(run for run in runs if run.at != "Read the marks of the members").advance()
    goes_on(data, runs)
    assert world.faults == []
    until_finished(world)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_run_that_was_taken_over_notices(data: st.DataObject) -> None:
    """By one of another controller that came in the middle of its turn. Until then both may change the host."""
    world = world_of()
    runs = [Process(Controller(world, name, limit=("pool-1",), sees_runs=False)) for name in ("a", "b")]
    while going := [run for run in runs if not run.end]:
        data.draw(st.sampled_from(going), "goes on").advance()
    for run in runs:
        if run.controller.name in world.taken_over:
            assert "another run has taken it over" in run.end
