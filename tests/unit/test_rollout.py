"""rollout: which member of a pool may be worked on, and that never too few stay in service."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.filter.rollout import rollout_hosts, rollout_pool
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Pool, PoolError, next_step
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_mark import is_live, mark_of_run
from hypothesis import given
from hypothesis import strategies as st

THREE = ["a", "b", "c"]


@dataclass
class World:
    """A pool that is worked on, and in which members die whenever they like.

    Attributes:
        alive: members that answer.
        balanced: members that get requests.
        out: members that the rollout took out, or a run before it that was cut off somewhere in their turn.
        idle: those of them that are known not to be in service.
    """

    pool: Pool
    alive: set[str]
    balanced: set[str]
    out: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    @property
    def serving(self) -> set[str]:
        return self.alive & self.balanced


ENDS = st.sampled_from(["good", "silent", "stays dead", "lost half-way"])


@given(data=st.data(), size=st.integers(1, 6))
def test_never_fewer_in_service_than_the_minimum_by_our_doing(data: st.DataObject, size: int) -> None:
    """Whatever members do: when one is taken out, the minimum is left; after a failure, none is taken out."""
    names = [f"m{number}" for number in range(size)]
    pool = Pool(tuple(names), data.draw(st.integers(0, size - 1), "minimum"))
    world = World(pool, data.draw(st.sets(st.sampled_from(names)), "alive"), set(names))
    world.out = data.draw(st.sets(st.sampled_from(names)), "begun by earlier runs")
    world.balanced -= data.draw(st.sets(st.sampled_from(names)), "drained") & world.out
    world.idle = data.draw(st.sets(st.sampled_from(names)), "noted as such") & world.out - world.balanced
    for member in data.draw(st.permutations(names), "order"):
        world.alive -= data.draw(st.sets(st.sampled_from(names), max_size=1), "dies meanwhile")
        before = world.serving
        known = world.alive & (world.balanced - world.out)
        step = next_step(pool, member, world.alive, world.out, world.failed, world.idle)
        if world.failed:
            assert not step.go, "a failed member ends the rollout"
        if not step.go:
            assert world.failed or len(known - {member}) < pool.minimum
            assert world.failed or member not in world.out
            break
        if step.finish:
            assert member in world.alive & world.out - world.idle and len(known - {member}) < pool.minimum
            assert not step.drain, "it is left as it is"
            world.out.discard(member)
            world.balanced.add(member)
            continue
        if member in before:
            assert len(before - {member}) >= pool.minimum
        assert step.drain == (member in world.alive and bool(known - {member})), "the last one has nowhere to go"
        world.out.add(member)
        if step.drain:
            world.balanced.discard(member)
            world.idle.add(member)
        end = data.draw(ENDS, "how it ended")
        if end == "good":
            world.alive.add(member)
            world.out.discard(member)
            world.idle.discard(member)
            world.balanced.add(member)
        else:
            world.failed.add(member)
            if end == "stays dead":
                world.alive.discard(member)


@given(data=st.data(), size=st.integers(2, 6))
def test_runs_come_to_an_end_wherever_others_were_cut_off(data: st.DataObject, size: int) -> None:
    """Of members that all answer, each has its turn within as many runs as there are members, and one."""
    names = [f"m{number}" for number in range(size)]
    pool = Pool(tuple(names), size - 1)
    out = data.draw(st.sets(st.sampled_from(names)), "begun by earlier runs")
    idle = data.draw(st.sets(st.sampled_from(names)), "drained") & out
    left = set(names)
    for _run in range(size + 1):
        # as the site has them: those that a run has left come first
        for member in sorted(left, key=lambda name: (name not in out, name)):
            step = next_step(pool, member, names, out, (), idle)
            if step.go:
                out.discard(member)
                idle.discard(member)
            if not step.go or step.finish:
                break
            left.discard(member)
    assert left == set()


@pytest.mark.parametrize(
    ("alive", "out", "idle", "failed", "go", "drain", "said"),
    [
        ("abc", "", "", "", True, True, "3 of 3 members are in service"),
        ("", "", "", "", True, False, "0 of 3"),  # nothing is installed yet
        ("bc", "", "", "", True, False, "2 of 3"),
        ("ab", "", "", "", False, False, "without a, 1 of 3 members would be in service (c not answering); at least 2"),
        ("abc", "b", "b", "", False, False, "b taken out of the load balancer"),
        (
            "abc",
            "a",
            "a",
            "",
            True,
            True,
            "2 of 3",
        ),  # an earlier run did not come to its end, which it is to be brought to
        ("ab", "a", "a", "", True, True, "1 of 3"),  # which is the way back to more
        ("abc", "a", "", "", True, True, "2 of 3"),  # an earlier run was cut off before, or after: it may get requests
        ("ab", "a", "", "", True, False, "without a, 1 of 3 members would be in service (c not answering)"),  # put back
        ("b", "a", "", "", True, False, "1 of 3"),  # it does not answer them
        ("abc", "b", "b", "b", False, False, "b could not be brought to the end"),
        ("a", "a", "a", "", True, False, "0 of 3"),  # nor has it to be drained where nobody else is there
        ("abc", "a", "a", "a", True, True, "2 of 3"),  # itself, once more
    ],
)
def test_step(alive: str, out: str, idle: str, failed: str, go: bool, drain: bool, said: str) -> None:
    step = next_step(Pool(tuple(THREE), 2), "a", alive, out, failed, idle)
    assert (step.go, step.drain) == (go, drain)
    assert said in step.reason
    assert step.finish == (go and "would be in service" in said)


def test_a_member_without_requests_from_the_load_balancer_does_not_count_as_in_service() -> None:
    pool = Pool(tuple(THREE), 2)
    assert next_step(pool, "a", THREE, (), (), in_service=THREE).go
    step = next_step(pool, "a", THREE, (), (), in_service=["a", "c"])
    assert not step.go
    assert "1 of 3 members would be in service (b without requests from the load balancer); at least 2" in step.reason
    # it is not counted twice
    assert "(b taken out of the load balancer)" in next_step(pool, "a", THREE, "b", (), in_service=["a", "c"]).reason


def test_pools_as_written_down() -> None:
    assert rollout_pool("a", None, THREE) == {"members": ["a", "b", "c"], "minimum": 2}
    assert rollout_pool("a", [], ["a"])["minimum"] == 0
    two = [{"members": ["a"]}, {"members": ["c", "b"], "minimum_in_service": "1"}]
    assert rollout_pool("b", two, THREE) == {"members": ["c", "b"], "minimum": 1}


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
    ],
)
def test_pools_that_make_no_sense(pools: object, inventory: list[str], expected: str) -> None:
    with pytest.raises(AnsibleFilterError, match=expected):
        rollout_pool("a", pools, inventory)  # type: ignore[arg-type]


def test_a_stranger() -> None:
    with pytest.raises(AnsibleFilterError, match="x is no host of the group rms_connectors: expected one of a, b, c"):
        rollout_pool("x", [{"members": THREE}], THREE)
    with pytest.raises(PoolError, match="x is no member of the pool a, b, c"):
        next_step(Pool(tuple(THREE), 2), "x", THREE, (), ())


def test_hosts_are_in_the_order_of_groups_and_then_of_the_inventory() -> None:
    groups = {"all": THREE, "first": ["c", "b"], "second": ["b", "a", "somebody else"]}
    assert rollout_hosts(groups, ["first", "second"]) == ["b", "c", "a"]
    assert rollout_hosts(groups, ["second", "first"]) == ["a", "b", "c"]
    assert rollout_hosts(groups, ["no such group"]) == rollout_hosts({}, ["first"]) == []


SINCE = "2026-11-26T10:15:00Z"


def started(process: int) -> int:
    """In ticks of the clock, as proc(5) has it: the 22nd field."""
    return int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()[22 - 3])


def test_the_mark_of_a_run_names_it_and_is_no_other_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    run = f"process {os.getppid()}, {started(os.getppid())}"
    expected = rf"{SINCE} by ada at {re.escape(platform.node())} \({run}-[0-9a-f]{{8}}\)"
    marks = {mark_of_run(SINCE) for _ in range(100)}
    assert len(marks) == 100
    assert all(re.fullmatch(expected, mark) for mark in marks)


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""
    monkeypatch.setattr("getpass.getuser", lambda: {}["nobody"])
    assert f" by {os.getuid()} at " in mark_of_run(SINCE)


@pytest.mark.parametrize(
    ("later", "node", "live"),
    [
        (0, platform.node(), True),
        (0, "elsewhere.example.com", False),
        (1, platform.node(), False),  # the number is somebody else's by now
    ],
)
def test_a_run_is_known_to_be_there_by_its_process(later: int, node: str, live: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark = f"{SINCE} by ada at {node} (process {process.pid}, {started(process.pid) - later}-5f3a9c01)"
        assert is_live(mark) == is_live(f"{mark}, being put back") == live
    assert not is_live(mark)


@pytest.mark.parametrize("mark", ["", "2026-11-26T10:15:00Z", "x at (process y, z)"])
def test_a_mark_that_is_none_of_ours_is_of_nobody_who_is_there(mark: str) -> None:
    assert not is_live(mark)


def test_a_run_does_not_wait_for_itself() -> None:
    """Nor for one in another container, where it had the same number."""
    assert not is_live(mark_of_run(SINCE))
