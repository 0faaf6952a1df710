"""rollout: which member of a pool may be worked on, and that never too few stay in service."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.filter.rollout import managed_groups, planned, rollout_pool, serial_of
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Facts, Pool, PoolError, Step, next_step
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_lease import (
    Lease,
    RolloutStopError,
    controller_of,
    lease_of,
)
from hypothesis import given
from hypothesis import strategies as st

THREE = ["a", "b", "c"]
EXPIRED = Lease("5f3a9c01", "ctl", "2026-11-26T10:15:00Z", "2026-11-26T11:45:00Z", "out_of_service")
LIVE = Lease(**{**vars(EXPIRED), "seconds_left": 61})


def step_of(
    pool: Pool,
    member: str,
    alive: Collection[str],
    left: Collection[str] = (),
    unfinished: Collection[str] = (),
    in_service: Collection[str] | None = None,
    installed: bool = False,
) -> Step:
    """By the expired leases that interrupted runs have left."""
    leases = {name: EXPIRED if name in left else None for name in pool.members if name != member}
    facts = Facts(alive, leases, unfinished, in_service)
    return next_step(pool, member, facts, left=member in left, installed=installed)


@dataclass
class World:
    """A pool that is worked on, and in which members die whenever they like.

    Attributes:
        alive: members that answer.
        balanced: members that get requests.
        left: members that the rollout drained, or a run before it that was cut off somewhere in their turn.
    """

    pool: Pool
    alive: set[str]
    balanced: set[str]
    left: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)

    @property
    def serving(self) -> set[str]:
        return self.alive & self.balanced


ENDS = st.sampled_from(["good", "silent", "stays dead", "lost half-way"])


@given(data=st.data(), size=st.integers(1, 6), asks_balancer=st.booleans())
def test_never_fewer_in_service_than_the_minimum_by_our_doing(
    data: st.DataObject, size: int, asks_balancer: bool
) -> None:
    """Whatever members do: when one is drained, the minimum is left; after a failure, none is drained."""
    names = [f"m{number}" for number in range(size)]
    pool = Pool(tuple(names), data.draw(st.integers(0, size - 1), "minimum"))
    world = World(pool, data.draw(st.sets(st.sampled_from(names)), "alive"), set(names))
    world.left = data.draw(st.sets(st.sampled_from(names)), "begun by earlier runs")
    world.balanced -= data.draw(st.sets(st.sampled_from(names)), "drained, and not forgotten") & world.left
    for member in data.draw(st.permutations(names), "order"):
        world.alive -= data.draw(st.sets(st.sampled_from(names), max_size=1), "dies meanwhile")
        before = world.serving
        known = before - world.left - {member}
        in_service = world.balanced if asks_balancer else None
        try:
            step = step_of(pool, member, world.alive, world.left, world.unfinished, in_service)
        except RolloutStopError:
            assert world.unfinished or (len(known) < pool.minimum and member not in world.left)
            break
        assert not world.unfinished, "a failed member ends the rollout"
        if step.finish:
            assert member in world.alive & world.left and len(known) < pool.minimum
            assert not step.drain, "it is left as it is"
            world.left.discard(member)
            world.balanced.add(member)
            continue
        if member in before:
            assert len(before - {member}) >= pool.minimum
            assert step.drain == bool(known), "the last one has nowhere to go"
        world.left.add(member)
        if step.drain:
            world.balanced.discard(member)
        end = data.draw(ENDS, "how it ended")
        if end == "good":
            world.alive.add(member)
            world.left.discard(member)
            world.balanced.add(member)
        else:
            world.unfinished.add(member)
            if end == "stays dead":
                world.alive.discard(member)


@given(data=st.data(), size=st.integers(2, 6))
def test_runs_come_to_an_end_wherever_others_were_cut_off(data: st.DataObject, size: int) -> None:
    """Of members that all answer, each has its turn within as many runs as there are members, and one."""
    names = [f"m{number}" for number in range(size)]
    pool = Pool(tuple(names), size - 1)
    left = data.draw(st.sets(st.sampled_from(names)), "left by earlier runs")
    todo = set(names)
    for _run in range(size + 1):
        # as the site has them: those that a run has left come first
        for member in sorted(todo, key=lambda name: (name not in left, name)):
            try:
                step = step_of(pool, member, names, left)
            except RolloutStopError:
                break
            left.discard(member)
            if step.finish:
                break
            todo.discard(member)
    assert todo == set()


@pytest.mark.parametrize(
    ("alive", "left", "drain", "finish", "reason"),
    [
        ("abc", "", True, False, "3 of 3 members are in service"),
        ("", "", False, False, "0 of 3"),  # nothing is installed yet
        ("bc", "", False, False, "2 of 3"),
        ("abc", "a", True, False, "3 of 3"),  # it answers: the load balancer may have forgotten the drain
        ("ab", "a", False, True, "without a, 1 of 3 members would be in service (c not answering)"),
        ("a", "a", False, True, "without a, 0 of 3 members would be in service (b, c not answering)"),
        ("b", "a", True, False, "1 of 3"),  # it does not answer, but may do so during the work
    ],
)
def test_step(alive: str, left: str, drain: bool, finish: bool, reason: str) -> None:
    step = step_of(Pool(tuple(THREE), 2), "a", alive, left)
    assert (step.drain, step.finish) == (drain, finish)
    assert reason in step.reason


@pytest.mark.parametrize(
    ("alive", "left", "unfinished", "message"),
    [
        ("ab", "", "", "without a, 1 of 3 members would be in service (c not answering); at least 2 must be"),
        ("abc", "b", "", "(b left by an interrupted run)"),
        ("ab", "b", "", "0 of 3 members would be in service (c not answering; b left by an interrupted run)"),
        ("abc", "b", "b", "this run did not finish b"),
    ],
)
def test_a_member_that_cannot_be_spared(alive: str, left: str, unfinished: str, message: str) -> None:
    with pytest.raises(RolloutStopError, match=re.escape(message)) as stopped:
        step_of(Pool(tuple(THREE), 2), "a", alive, left, unfinished)
    assert str(stopped.value).startswith("The rollout stops before a: ")


@pytest.mark.parametrize(("alive", "drain"), [("bc", True), ("", True), ("a", False)])
def test_a_connector_that_does_not_answer_is_drained(alive: str, drain: bool) -> None:
    """It may answer during the work. The last one that serves has nobody to leave its requests to."""
    assert step_of(Pool(tuple(THREE), 0), "a", alive, installed=True).drain == drain


def test_a_run_may_come_back_to_a_member_that_it_did_not_finish() -> None:
    assert step_of(Pool(tuple(THREE), 2), "a", THREE, "a", "a").drain


def test_an_unexpired_lease_of_another_run_stops_the_rollout() -> None:
    pool, facts = Pool(tuple(THREE), 1), Facts(THREE, {"b": LIVE, "c": None})
    with pytest.raises(RolloutStopError) as stopped:
        next_step(pool, "a", facts)
    assert str(stopped.value) == (
        "The rollout stops before a: another run works on b of its pool: run 5f3a9c01 on ctl, since"
        " 2026-11-26T10:15:00Z, until 2026-11-26T11:45:00Z by that host's clock, in 2 minutes. Run this again after"
        " that. If you know that the other run has ended, set rms_pool_take_over=true."
    )
    # also taken over, b does not count as in service
    assert next_step(pool, "a", facts, take_over=True).reason == "2 of 3 members are in service"
    with pytest.raises(RolloutStopError, match="b left by an interrupted run"):
        next_step(Pool(tuple(THREE), 2), "a", facts, take_over=True)


def test_a_member_whose_lease_cannot_be_read_does_not_count_as_in_service() -> None:
    assert next_step(Pool(tuple(THREE), 1), "a", Facts(THREE, {"b": None})).reason == "2 of 3 members are in service"


def test_a_member_without_requests_from_the_load_balancer_does_not_count_as_in_service() -> None:
    pool = Pool(tuple(THREE), 2)
    assert step_of(pool, "a", THREE, in_service=THREE).drain
    with pytest.raises(RolloutStopError) as stopped:
        step_of(pool, "a", THREE, in_service=["a", "c"])
    said = "1 of 3 members would be in service (b without requests from the load balancer); at least 2"
    assert said in str(stopped.value)
    # it is not counted twice
    with pytest.raises(RolloutStopError, match=r"service \(b left by an interrupted run\)"):
        step_of(pool, "a", THREE, "b", in_service=["a", "c"])


def test_the_load_balancer_knows_better_whether_a_member_serves() -> None:
    """One that it sends no requests to can be worked on, and is drained so that it does not return meanwhile."""
    step = step_of(Pool(tuple(THREE), 2), "a", "a", "a", in_service=["b", "c"])
    assert (step.drain, step.finish) == (True, False)


def test_pools_as_written_down() -> None:
    assert rollout_pool("a", None, {"rms_connectors": THREE}) == {"members": ["a", "b", "c"], "minimum": 2}
    assert rollout_pool("a", [{"members": ["a"]}], {"all": ["a"]})["minimum"] == 0
    two = [{"members": ["a"]}, {"members": ["c", "b"], "minimum_in_service": "1"}]
    assert rollout_pool("b", two, {"rms_connectors": THREE}) == {"members": ["c", "b"], "minimum": 1}


@pytest.mark.parametrize(
    ("pools", "inventory", "expected"),
    [
        ([{"members": ["a", "b", "c", "d"]}], THREE, "does not have d of rms_connector_pool"),
        ([{"members": ["a", "b"]}], THREE, "c of the group rms_connectors: expected in one of the pools"),
        ([{"members": ["a", "b"]}, {"members": ["b", "c"]}], THREE, "b is in two pools"),
        ([{"members": ["a", "a", "b", "c"]}], THREE, "b is in two pools, or twice|is in two pools, or twice"),
        ([{"members": THREE, "minimum_in_service": 3}], THREE, "expected a number from 0 to 2"),
        ([{"members": THREE, "minimum_in_service": -1}], THREE, "expected a number from 0 to 2"),
        ([{"members": THREE, "minimum_in_service": "most"}], THREE, "expected a number from 0 to 2"),
        ([{"members": []}], THREE, "expected a list of members"),
        ([["a"]], THREE, "expected a list of members"),
        ({"members": THREE}, THREE, "expected a list of pools"),
        (None, ["a"], r"a is the only host of the group rms_connectors .*or to \[{members: \[a\]}\] if there are"),
        ([], ["a"], "A slice of an inventory hides the others"),
    ],
)
def test_pools_that_make_no_sense(pools: object, inventory: list[str], expected: str) -> None:
    with pytest.raises(AnsibleFilterError, match=expected):
        rollout_pool("a", pools, {"rms_connectors": inventory})  # type: ignore[arg-type]


def test_a_stranger() -> None:
    with pytest.raises(AnsibleFilterError, match="x is no host of the group rms_connectors: expected one of a, b, c"):
        rollout_pool("x", [{"members": THREE}], {"rms_connectors": THREE})
    with pytest.raises(PoolError, match="x is no member of the pool a, b, c"):
        step_of(Pool(tuple(THREE), 2), "x", THREE)


def test_groups_that_the_inventory_does_not_have_are_left_out() -> None:
    groups = {"all": THREE, "rms_connectors": ["a"], "aip_clients": ["b"], "web": ["c"]}
    assert managed_groups(groups) == ["aip_clients", "rms_connectors"]
    assert managed_groups(groups, "connectors") == ["rms_connectors"]
    assert managed_groups({"all": []}, "clients") == ["aip_clients"], "Ansible warns of it"
    with pytest.raises(AnsibleFilterError, match="playbook is 'web': expected one of site, clients, connectors"):
        managed_groups(groups, "web")


def test_a_plan_is_found_wherever_it_was_registered() -> None:
    plan = {"connectors": ["a"], "batches": [["b"], ["c", "d"]], "stopped": {"e": ["why"]}, "asleep": []}
    hostvars: dict[str, dict[str, Any]] = {"a": {}, "b": {"aip_plan": plan}, "c": {"aip_plan": plan}}
    groups = {"all": THREE}
    expected = {"connectors": ["a"], "batches": ["b", "c", "d"], "sizes": [1, 2], "stopped": ["e"], "asleep": ["!all"]}
    assert {part: planned(hostvars, part, groups) for part in expected} == expected
    assert (planned({}, "batches", {}), planned({}, "sizes", {})) == (["!all"], ["100%"])
    with pytest.raises(AnsibleFilterError, match="nothing: expected sizes, or one of stopped"):
        planned(hostvars, "nothing", groups)


@pytest.mark.parametrize(
    ("waves", "expected"), [("1, 50%", ["1", "50%"]), (["2"], ["2"]), (3, ["3"]), ("", ["100%"]), ("100%", ["100%"])]
)
def test_sizes_of_batches(waves: Any, expected: list[str]) -> None:
    assert serial_of(waves) == expected


def test_rings_where_only_sizes_will_do() -> None:
    with pytest.raises(AnsibleFilterError, match="Rings are for the playbook site"):
        serial_of("ring_pilot")


def test_a_lease_as_the_host_returns_it() -> None:
    found = {name: value for name, value in vars(EXPIRED).items() if name != "seconds_left"}
    assert lease_of({"found": found, "seconds_left": 61}) == LIVE
    assert lease_of({"found": {"run": "a run"}, "seconds_left": 0}) == Lease("a run")
    assert lease_of({"found": {}, "seconds_left": 0}) is None
    assert str(EXPIRED).endswith("since 2026-11-26T10:15:00Z, expired at 2026-11-26T11:45:00Z")


@pytest.mark.parametrize(
    ("variables", "environment", "job"),
    [
        ({}, {}, ""),
        ({"awx_job_id": 7, "tower_job_id": 7}, {}, ", AWX job 7"),
        ({"tower_job_id": "8"}, {"JOB_ID": "9"}, ", AWX job 8"),
        ({}, {"AWX_JOB_ID": "10"}, ", AWX job 10"),
        ({}, {"JOB_ID": "9"}, ", AWX job 9"),
    ],
)
def test_a_controller_has_the_name_of_its_node_and_its_job(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, object], environment: dict[str, str], job: str
) -> None:
    for name in ("AWX_JOB_ID", "JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert controller_of(variables) == platform.node() + job
