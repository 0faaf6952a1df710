"""The plan of a run: whose turn comes when. Pure logic, no hosts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from ansible_collections.infoprotect.aip.plugins.plugin_utils.plan import (
    Connector,
    Host,
    Plan,
    PlanError,
    PoolTurns,
    Waves,
    batches,
    make,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Pool
from hypothesis import given
from hypothesis import strategies as st

RINGS = {"pilot": ["a", "c"], "broad": ["b"]}
RUNS = Connector(serves=True)


def names(plan: Plan) -> list[str]:
    return [host for batch in plan.batches for host in batch]


def test_only_hosts_that_differ_have_a_turn() -> None:
    hosts = [Host("a", complies=False), Host("b"), Host("c", complies=False)]
    plan = make(hosts, Waves(), {})
    assert (plan.batches, plan.complies, plan.connectors) == ([["a", "c"]], ["b"], [])


def test_rings_come_one_after_the_other_and_the_rest_waits() -> None:
    hosts = [Host(name, complies=False) for name in "abcd"]
    plan = make(hosts, Waves.of(["pilot", "broad"], RINGS), RINGS)
    assert (plan.batches, plan.waits) == ([["a", "c"], ["b"]], ["d"])
    assert make(hosts, Waves.of(["broad", "pilot"], RINGS), RINGS).batches == [["b"], ["a", "c"]]


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        (["1", "50%", "100%"], 10, [1, 5, 4]),
        (["10%"], 5, [1, 1, 1, 1, 1]),
        (["2"], 5, [2, 2, 1]),
        (["100%"], 3, [3]),
        (["100%"], 0, []),
    ],
)
def test_sizes(sizes: list[str], count: int, expected: list[int]) -> None:
    assert [len(batch) for batch in batches([str(number) for number in range(count)], sizes)] == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["ring_pilto"], "Neither is ring_pilto"),
        (["1", "0"], "Neither is 0"),
        (["pilot", "50%"], "They cannot be mixed"),
        (["-1"], "Neither is -1"),
        (["1.5"], "Neither is 1.5"),
    ],
)
def test_waves_that_make_no_sense(asked: list[str], said: str) -> None:
    with pytest.raises(PlanError, match=f"aip_waves is .*: expected numbers and percentages.*{said}"):
        Waves.of(asked, RINGS)


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        (Waves(("1",)), [["a", "d"], ["b"], ["c"]]),
        (Waves(("2",)), [["a", "b", "d"], ["c"]]),
        (Waves((), ("pilot", "broad")), [["a", "d"], ["b", "c"]]),
    ],
)
def test_the_nodes_of_a_cluster_have_their_turn_together(waves: Waves, expected: list[list[str]]) -> None:
    """The database of a scanner's cluster is updated while none of its nodes runs."""
    hosts = [Host(name, complies=False, together="a" if name in "ad" else "") for name in "abcd"]
    assert make(hosts, waves, {"pilot": ["a"], "broad": ["b", "c", "d"]}).batches == expected
    # one that complies has no turn
    hosts[0] = Host("a", together="a")
    assert "a" not in names(make(hosts, waves, {"pilot": ["a"], "broad": ["b", "c", "d"]}))


@pytest.mark.parametrize(
    ("stop", "ends", "batch"), [("run", True, ["a", "b"]), ("host", False, ["b"]), ("never", False, ["a", "b"])]
)
def test_what_a_blocked_host_stops(stop: str, ends: bool, batch: list[str]) -> None:
    hosts = [Host("a", complies=False, blocked=True, stop=stop), Host("b", complies=False)]
    plan = make(hosts, Waves(), {})
    assert (plan.blocked, plan.ends, plan.batches) == (["a"], ends, [batch])


def test_a_lost_host_is_named_and_has_no_turn() -> None:
    plan = make([Host("a", lost="unreachable: timed out"), Host("b", complies=False)], Waves(), {})
    assert (plan.lost, plan.batches, plan.complies) == ({"a": "unreachable: timed out"}, [["b"]], [])


def test_connectors_that_do_not_serve_come_first() -> None:
    """Then those that a run has left: afterwards more of them serve."""
    hosts = [
        Host("serves", complies=False, connector=RUNS),
        Host("left", connector=Connector(serves=True, left=True)),
        Host("stopped", complies=False, connector=Connector(starts=True)),
        Host("fine", connector=RUNS),
        Host("due", connector=Connector(serves=True, restart_due=True)),
    ]
    plan = make(hosts, Waves(), {})
    assert plan.connectors == ["stopped", "left", "due", "serves"]
    assert (plan.complies, plan.batches) == (["fine"], [])


@pytest.mark.parametrize(
    ("host", "check", "asleep"),
    [
        (Host("a", connector=Connector(starts=True)), False, ["a"]),
        (Host("a", connector=Connector(starts=True)), True, []),
        (Host("a", complies=False, connector=Connector(starts=True)), False, []),
        (Host("a", connector=Connector(starts=True, left=True)), False, []),
        (Host("a", connector=Connector(starts=True, restart_due=True)), False, []),
        (Host("a", connector=Connector(starts=True, changes_url=True)), False, []),
    ],
)
def test_one_that_may_only_sleep_is_asked_before_it_is_restarted(host: Host, check: bool, asleep: list[str]) -> None:
    plan = make([host], Waves(), {}, check)
    assert (plan.connectors, plan.asleep) == (["a"], asleep)


def test_a_connector_that_changes_its_url_has_a_turn() -> None:
    plan = make([Host("a", connector=Connector(serves=True, changes_url=True))], Waves(), {})
    assert plan.connectors == ["a"]


POOL = Pool(("a", "b", "c"), 2)
LEASE = "run 1 on awx, since 9:00, until 10:00 by that host's clock"


def test_the_turns_of_each_pool() -> None:
    other = Pool(("x",), 0)
    hosts = [
        Host("a", complies=False, connector=Connector(serves=True, pool=POOL)),
        Host("b", complies=False, connector=Connector(pool=POOL)),
        Host("x", connector=Connector(serves=True, pool=other)),
    ]
    plan = make(hosts, Waves(), {})
    assert plan.pools == [PoolTurns(["a", "b", "c"], 2, ["b", "a"]), PoolTurns(["x"], 0, [])]
    assert plan.order == ["connectors, one at a time: b, a (of 3 in the pool, at least 2 in service)"]
    assert not plan.ends


@pytest.mark.parametrize("member", ["a", "b"])
def test_the_lease_of_another_run_ends_the_run_before_anything_is_changed(member: str) -> None:
    """On a connector that has a turn, or on another member of its pool. Check mode only shows it."""
    connectors = {name: Connector(serves=True, pool=POOL) for name in "ab"}
    connectors[member] = replace(connectors[member], lease=LEASE, left=True)
    hosts = [Host("a", complies=False, connector=connectors["a"]), Host("b", connector=connectors["b"])]
    plan = make([*hosts, Host("client", complies=False)], Waves(), {})
    assert plan.ends and len(plan.obstacles) == 1
    assert (
        "another run works on " in plan.obstacles[0] and f": {LEASE}. Run this again after that." in plan.obstacles[0]
    )
    checked = make(hosts, Waves(), {}, check=True)
    assert checked.obstacles == plan.obstacles and not checked.ends


def test_a_lone_connector_without_a_pool_ends_the_run_only_where_it_has_a_turn() -> None:
    lone = Connector(serves=True, no_pool="rms_connector_pool is not set")
    plan = make([Host("a", complies=False, connector=lone)], Waves(), {})
    assert (plan.obstacles, plan.ends, plan.pools) == (["rms_connector_pool is not set"], True, [])
    assert not make([Host("a", connector=lone)], Waves(), {}).ends
    # a health check wakes it; that takes nothing out of service
    assert not make([Host("a", connector=replace(lone, serves=False, starts=True))], Waves(), {}).ends


def test_manual_steps_are_in_the_order_of_the_hosts() -> None:
    hosts = [Host("b", manual_steps=({"host": "b"},)), Host("a", complies=False, manual_steps=({"host": "a"},))]
    assert make(hosts, Waves(), {}).manual_steps == [{"host": "b"}, {"host": "a"}]


CONNECTORS = st.none() | st.builds(Connector, *(st.booleans() for _ in range(5)))
HOSTS = st.builds(
    Host,
    st.just(""),
    complies=st.booleans(),
    blocked=st.booleans(),
    stop=st.sampled_from(["run", "host", "never"]),
    lost=st.sampled_from(["", "", "unreachable"]),
    connector=CONNECTORS,
)


@given(st.lists(HOSTS, max_size=12), st.sampled_from([(), ("pilot", "broad"), ("broad",)]), st.data())
def test_every_host_has_one_place(found: list[Host], rings: tuple[str, ...], data: st.DataObject) -> None:
    """It complies, waits, is lost, is stopped, or has one turn; and only connectors are among the connectors."""
    hosts = [replace(host, name=f"h{number}") for number, host in enumerate(found)]
    members = {ring: [host.name for host in hosts if data.draw(st.booleans())] for ring in ("pilot", "broad")}
    waves = Waves((), rings) if rings else Waves(data.draw(st.sampled_from([("1",), ("1", "50%"), ("100%",)])))
    plan = make(hosts, waves, members)
    stopped = [host.name for host in hosts if host.blocked and host.stop == "host" and not host.lost]
    places = [*plan.complies, *plan.waits, *plan.lost, *stopped, *plan.connectors, *names(plan)]
    assert sorted(places) == sorted(host.name for host in hosts)
    by_name = {host.name: host for host in hosts}
    assert all(by_name[name].connector for name in plan.connectors)
    assert not any(by_name[name].connector for name in names(plan))
    assert set(plan.asleep) <= set(plan.connectors)
    assert all(plan.batches), "no batch is empty"


@given(
    st.lists(st.integers(0, 30), max_size=30, unique=True),
    st.lists(st.sampled_from(["1", "3", "10%", "100%"]), min_size=1),
)
def test_batches_have_every_host_once_and_in_order(hosts: list[int], sizes: list[str]) -> None:
    own = [str(host) for host in hosts]
    assert list(itertools.chain.from_iterable(batches(own, sizes))) == own
