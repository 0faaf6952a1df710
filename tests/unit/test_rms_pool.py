"""rms_pool_turn: what it reads of the variables, and what it asks of the host."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import simulated_lease
from actions import load_action
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.infoprotect.aip.plugins.plugin_utils import rollout_health

POOL = {"members": ["a", "b", "c"], "minimum": 2}
READ = [{"item": name, "lease": {}} for name in "bc"]
OTHERS: dict[str, Any] = {"run": "theirs", "take": "any", "controller": "elsewhere"}


@dataclass
class Host:
    """Answers the script; `asked` is what it was asked for."""

    lease: dict[str, str] = field(default_factory=dict)
    fault: Exception | None = None
    hostvars: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in "abc"})
    asked: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0

    def run(self, step: str, **options: Any) -> dict[str, Any]:
        """A step, whose result is registered as the role does it."""
        variables = {"inventory_hostname": "a", "hostvars": self.hostvars}
        plugin = load_action("rms_pool_turn", {"step": step, **options}, close=self._close)
        plugin._execute_module = self._execute_module
        result = dict(plugin.run(task_vars=variables))
        if register := {"take": "rms_pool_taken", "begin": "rms_pool_turn", "end": "rms_pool_ended"}.get(step):
            self.hostvars["a"][register] = result
        return result

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        assert module_name == "ansible.windows.win_powershell" and "infoprotect.aip\\Lease" in module_args["script"]
        self.asked.append(module_args["parameters"])
        if self.fault:
            raise self.fault
        return {"result": simulated_lease.ask(self.lease, module_args["parameters"], time.time())}

    def _close(self) -> None:
        self.closed += 1

    def take(self, **options: Any) -> dict[str, Any]:
        return self.run("take", pool=POOL, **options)

    def begin(self, **options: Any) -> dict[str, Any]:
        return self.run("begin", **{"pool": POOL, "leases": READ, **options})

    def others(self, seconds: int) -> None:
        simulated_lease.ask(self.lease, {**OTHERS, "seconds": seconds}, time.time())


@pytest.fixture(autouse=True)
def all_members_are_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = rollout_health.Answer("", 401, "")
    monkeypatch.setattr(rollout_health.Check, "ask", lambda _check, _address: healthy)


def test_a_whole_turn() -> None:
    host = Host()
    taken = host.take(lease=600)
    assert (taken["left"], taken["seconds"], taken["asked_host"]) == (False, 600, True)
    assert (host.lease["run"], host.lease["stage"]) == (taken["run"], "working")
    turn = host.begin()
    assert (turn["drain"], turn["finish"], turn["left"], turn["run"]) == (True, False, False, taken["run"])
    assert host.run("check", stage="out_of_service")["asked_host"]
    assert host.lease["stage"] == "out_of_service"
    host.run("check")
    assert host.lease["stage"] == "out_of_service"
    assert [asked.get("seconds") for asked in host.asked] == [600] * 4, "renewed at each step"
    assert host.run("end")["run"] == taken["run"]
    assert host.lease == {}


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        pytest.param("x" * 100_000, id="long"),
        {},
        {"held": True},
        {"held": True, "found": [], "seconds_left": 0},
        {"held": True, "found": {}, "seconds_left": "soon"},
        {"held": "yes", "found": {}, "seconds_left": 0},
    ],
)
def test_an_answer_that_is_none_stops_and_is_named(monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    host = Host()
    monkeypatch.setattr(host, "_execute_module", lambda *_given, **_named: {"result": given})
    with pytest.raises(AnsibleActionFail, match=r"The lease cannot be read or written: the host answered .* expected"):
        host.take()
    read = host.run("read")
    assert read["lease"] is None and "cannot be read" in read["msg"], "it does not count as in service"


def test_a_check_costs_nothing_where_no_turn_is_under_way() -> None:
    host = Host()
    for step in ("check", "leave"):
        assert host.run(step)["asked_host"] is False
    host.take()
    host.begin()
    host.run("end")
    count = len(host.asked)
    for step in ("check", "leave"):
        assert host.run(step) == {"asked_host": False}
    assert len(host.asked) == count


def test_a_run_that_has_lost_its_lease_does_nothing_more() -> None:
    host = Host()
    host.take()
    host.begin()
    host.others(100)
    for step in ("check", "end"):
        lost = host.run(step)
        assert lost["failed"] and "this run has lost its lease there" in lost["msg"]
        assert "The lease now: run theirs on elsewhere" in lost["msg"]
    before = dict(host.lease)
    host.run("leave")
    assert host.lease == before
    host.lease.clear()
    assert "none, another run has ended its turn" in host.run("check")["msg"]


def test_the_lease_of_another_run() -> None:
    host = Host()
    host.others(600)
    before = dict(host.lease)
    stopped = host.take()
    assert "another run works on it: run theirs on elsewhere" in stopped["msg"] and "in 10 minutes" in stopped["msg"]
    assert host.lease == before
    assert host.take(take_over=True)["left"]
    host = Host()
    host.others(0)
    assert host.take()["left"]


def test_a_lease_that_protects_nothing_is_refused() -> None:
    host = Host()
    assert host.take(lease=0)["msg"] == "rms_pool_lease is 0: expected at least 60 seconds"
    assert host.asked == []


def test_a_turn_that_failed_is_taken_over_at_once() -> None:
    host = Host()
    host.take()
    host.begin()
    host.run("check", stage="out_of_service")
    host.run("leave")
    next_run = Host(host.lease)
    assert next_run.take()["left"] and host.lease["stage"] == "out_of_service"


@pytest.mark.parametrize("left", [False, True])
def test_a_turn_that_does_not_begin_gives_the_lease_back(left: bool) -> None:
    """Whatever prevents it. A member that a run has left stays so."""
    for problem in ({"leases": []}, {"url": "http://pool:none"}):
        host = Host()
        if left:
            host.others(0)
        host.take()
        if left and "url" not in problem:
            assert host.begin(**problem)["finish"]
            continue
        assert host.begin(**problem)["failed"]
        assert bool(host.lease) == left
        assert Host(host.lease).take()["left"] == left, "another run can begin at once"


@pytest.mark.parametrize(
    ("turn", "ended", "stops"),
    [
        ({"run": "1"}, {}, True),
        ({"run": "1"}, {"run": "1"}, False),
        ({"run": "2"}, {"run": "1"}, True),  # the second turn of a run at this member
        ({"skipped": True}, {"skipped": True}, False),  # check mode
        ({"failed": True}, {}, False),  # it stopped before anything was changed
    ],
)
def test_a_member_that_this_run_did_not_finish(turn: object, ended: object, stops: bool) -> None:
    host = Host()
    host.hostvars["b"] |= {"rms_pool_turn": turn, "rms_pool_ended": ended}
    host.take()
    begun = host.begin()
    assert begun.get("failed", False) == stops
    assert not stops or "this run did not finish b" in begun["msg"]
    assert bool(host.lease) == (not stops)


def test_a_host_that_can_have_no_lease() -> None:
    host = Host()
    assert host.take(leasable=False)["left"], "it may be out of service"
    host.begin()
    for step in ("check", "end", "leave"):
        host.run(step)
    assert host.asked == []


def test_a_member_whose_lease_is_not_known_does_not_count_as_in_service() -> None:
    host = Host()
    host.take()
    assert "(b, c left by an interrupted run)" in host.begin(leases=[{"item": "b", "lease": None}])["msg"]


def test_a_module_that_fails_is_no_lease() -> None:
    host = Host()
    host._execute_module = lambda *_, **__: {"failed": True, "msg": "no right to write"}  # type: ignore[method-assign]
    with pytest.raises(AnsibleActionFail, match="The lease cannot be read or written: no right to write"):
        host.take()


def test_a_lease_is_read_over_a_connection_of_its_own() -> None:
    host = Host()
    assert (host.run("read")["lease"], host.closed) == ({}, 1)
    host.others(60)
    lease = host.run("read")["lease"]
    assert (lease["run"], lease["controller"], lease["seconds_left"], host.closed) == ("theirs", "elsewhere", 60, 2)


@pytest.mark.parametrize("fault", [AnsibleConnectionFailure("no route"), requests.ConnectionError("no route")])
@pytest.mark.parametrize("closes", [True, False])
def test_a_member_that_dies_while_it_is_read_has_a_lease_that_is_not_known(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, closes: bool
) -> None:
    """The connections of Ansible translate only some of the errors of their libraries."""

    def fail() -> None:
        raise requests.ConnectionError("reset by peer")

    host = Host(fault=fault)
    if not closes:
        monkeypatch.setattr(host, "_close", fail)
    read = host.run("read")
    assert (read["lease"], read["msg"], read.get("failed"), host.closed) == (None, "no route", None, closes)
    host.fault = None
    assert host.run("read")["lease"] == {}
