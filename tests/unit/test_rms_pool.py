"""rms_pool_turn and rms_pool_mark: what they read of the variables, and what they ask of the host."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader
from ansible.template import Templar
from ansible_collections.infoprotect.aip.plugins.plugin_utils import rollout_health

POOL = {"members": ["a", "b", "c"], "minimum": 2}
READ = [{"item": name, "mark": ""} for name in "abc"]


@dataclass
class Host:
    """Answers the modules; `asked` is what it was asked for."""

    mark: str = ""
    fault: Exception | None = None
    hostvars: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in "abc"})
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    closed: int = 0

    def run(self, action: str, **options: Any) -> dict[str, Any]:
        name = f"infoprotect.aip.{action}"
        task = Task.load({name: options}, loader=DataLoader())
        task.args = options
        variables = {"inventory_hostname": "a", "hostvars": self.hostvars}
        plugin = action_loader.get(
            name,
            task=task,
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), close=self._close),
            play_context=SimpleNamespace(),
            loader=DataLoader(),
            templar=Templar(loader=DataLoader(), variables={}),
            shared_loader_obj=None,
        )
        plugin._execute_module = self._execute_module
        return dict(plugin.run(task_vars=variables))

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
        self.asked.append((module_name, module_args))
        if self.fault:
            raise self.fault
        if module_name == "ansible.windows.win_reg_stat":
            return {"exists": bool(self.mark), "value": self.mark}
        given = module_args["parameters"]
        found = self.mark
        if found == given["expected"]:
            self.mark = given["mark"]
        return {"result": {"found": found, "replaced": found == given["expected"]}}

    def _close(self) -> None:
        self.closed += 1

    def begin(self, **options: Any) -> dict[str, Any]:
        return self.run("rms_pool_turn", **{"step": "begin", "pool": POOL, "marks": READ, **options})

    def do(self, step: str, turn: dict[str, Any], **options: Any) -> dict[str, Any]:
        return self.run("rms_pool_turn", step=step, turn=turn, **options)


@pytest.fixture(autouse=True)
def all_members_are_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = rollout_health.Answer("", 401, "")
    monkeypatch.setattr(rollout_health.Check, "ask", lambda _check, _address: healthy)


def test_a_whole_turn() -> None:
    host = Host()
    turn = host.begin(known="")
    assert (turn["drain"], turn["marked"], turn["asked_host"], host.mark) == (True, True, True, turn["run"])
    confirmed = host.do("confirm", turn, pool=POOL, marks=READ[1:])
    assert (confirmed["run"], confirmed["asked_host"]) == (turn["run"], False)
    host.do("drained", turn)
    assert host.mark == f"{turn['run']}, out of service"
    host.do("returning", turn, drained=True)
    assert host.mark == f"{turn['run']}, being put back"
    assert host.do("end", turn)["run"] == turn["run"]
    assert host.mark == ""
    assert {name for name, _arguments in host.asked} == {"ansible.windows.win_powershell"}


@pytest.mark.parametrize(
    ("began", "ended", "stops"),
    [
        ({"run": "1"}, {}, True),
        ({"run": "1"}, {"run": "1"}, False),
        ({"run": "2"}, {"run": "1"}, True),  # the second turn of a run at this member
        ({"skipped": True}, {"skipped": True}, False),  # check mode
        ({"failed": True}, {}, False),  # it stopped before anything was changed
    ],
)
def test_a_member_that_this_run_did_not_bring_to_its_end(began: object, ended: object, stops: bool) -> None:
    host = Host()
    host.hostvars["b"] |= {"rms_pool_began": began, "rms_pool_ended": ended}
    turn = host.begin(known="")
    assert turn.get("failed", False) == stops
    assert not stops or "b could not be brought to the end" in turn["msg"]
    assert bool(host.mark) == (not stops)


def test_a_mark_that_came_since_the_inspection_is_another_runs() -> None:
    host = Host(mark="theirs")
    theirs = [READ[0] | {"mark": "theirs"}, *READ[1:]]
    assert "Its mark is theirs; expected none" in host.begin(marks=theirs, known="")["msg"]
    assert host.begin(marks=theirs, known="theirs")["before"] == "theirs"


def test_a_mark_that_came_since_this_run_began_with_the_member_is_its_own() -> None:
    host = Host(mark="mine")
    host.hostvars["a"] |= {"rms_pool_began": {"run": "mine"}, "rms_pool_ended": {"run": "mine"}}
    assert host.begin(marks=[READ[0] | {"mark": "mine"}, *READ[1:]], known="")["before"] == "mine"


def test_a_host_that_can_have_no_mark() -> None:
    host = Host()
    turn = host.begin(markable=False)
    for step in ("drained", "returning", "end"):
        host.do(step, turn)
    assert (turn["marked"], host.asked) == (False, [])


def test_a_member_that_is_missing_in_the_marks_counts_as_out_of_service() -> None:
    assert "b, c taken out of the load balancer" in Host().begin(marks=READ[:1])["msg"]


def test_a_module_that_fails_is_no_mark() -> None:
    host = Host()
    host._execute_module = lambda *_, **__: {"failed": True, "msg": "no right to write"}  # type: ignore[method-assign]
    with pytest.raises(AnsibleActionFail, match="The mark cannot be written: no right to write"):
        host.begin()


def test_a_mark_is_read_over_a_connection_of_its_own() -> None:
    host = Host(mark="theirs")
    assert (host.run("rms_pool_mark")["mark"], host.closed) == ("theirs", 1)
    lost = Host(fault=AnsibleConnectionFailure("no route"))
    read = lost.run("rms_pool_mark")
    assert (read["mark"], read["msg"], read.get("failed"), lost.closed) == (None, "no route", None, 1)
