"""Which resident process runs a script: versions of C# sources, sessions, replacement, idle ones. No Wine."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from winfleet import processes
from winfleet.execution import ExecutionError
from winfleet.processes import Processes, compiled_sources

MEGABYTE = 1 << 20


class FakeAgent:
    """An AgentProcess: scripts run until they are told to end."""

    def __init__(self) -> None:
        self.commands = 0
        self.dead = False
        self.resident_memory = 300 * MEGABYTE
        self.ended_sessions: list[str] = []
        self.finish: Callable[[], None] = lambda: None

    def wait_ready(self) -> None:
        pass

    def start(self, request: object, ended: Callable[[], None]) -> FakeAgent:
        if self.dead:
            raise ExecutionError("dead")
        self.commands += 1
        self.finish = ended
        return self

    def end_session(self, session: str) -> None:
        self.ended_sessions.append(session)

    def stop(self) -> None:
        self.dead = True


class Host:
    """The processes of a host, and every agent that it ever had."""

    def __init__(self, shared: bool = True, **times: float) -> None:
        self.agents: list[FakeAgent] = []
        self.processes = Processes(self._spawn, shared=shared, **{"patience": 0.2, **times})  # type: ignore[arg-type]
        self.processes.begin()

    def _spawn(self) -> FakeAgent:
        self.agents.append(FakeAgent())
        return self.agents[-1]

    def start(self, session: str | None = None, **sources: str) -> FakeAgent:
        agent = self.processes.run({}, sources, session, lambda: True)
        assert isinstance(agent, FakeAgent)
        return agent

    def run(self, session: str | None = None, **sources: str) -> FakeAgent:
        agent = self.start(session, **sources)
        agent.finish()
        return agent

    @property
    def alive(self) -> list[FakeAgent]:
        return [agent for agent in self.agents if not agent.dead]


@pytest.fixture
def make_host() -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(**options: object) -> Host:
        hosts.append(Host(**options))  # type: ignore[arg-type]
        return hosts[-1]

    yield make
    for host in hosts:
        host.processes.end()
        assert not host.alive


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    return make_host()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_one_process_serves_what_fits(host: Host) -> None:
    first = host.run(util="1")
    assert host.run(util="1", other="1") is first
    assert host.run() is first
    assert len(host.agents) == 1


def test_another_version_of_a_source_gets_another_process(host: Host) -> None:
    old = host.run(util="1")
    new = host.run(util="2")
    assert new is not old
    assert [host.run(util="1"), host.run(util="2")] == [old, new]
    assert len(host.agents) == 2


def test_a_script_goes_where_most_of_it_is_compiled(host: Host) -> None:
    one = host.run(util="1", basic="1")
    two = host.run(util="2")
    assert host.run(other="1", basic="1") is one
    assert host.run(util="2", other="1") is two


def test_a_third_version_takes_the_place_of_the_least_recently_used(host: Host) -> None:
    one, two = host.run(util="1"), host.run(util="2")
    host.run(util="1")
    three = host.run(util="3")
    assert two.dead
    assert host.alive == [one, three]


def test_a_script_waits_when_all_are_busy(host: Host) -> None:
    one = host.start(util="1")
    two = host.start(util="1")
    assert one is not two
    got: list[FakeAgent] = []
    waiting = threading.Thread(target=lambda: got.append(host.start(util="1")))
    waiting.start()
    waiting.join(0.3)
    assert not got
    one.finish()
    waiting.join(5)
    assert got == [one]
    assert len(host.agents) == 2


def test_scripts_that_hang_do_not_keep_others_waiting(make_host: Callable[..., Host]) -> None:
    host = make_host(hold_time=0.3, idle_time=0.4)
    hanging = [host.start(), host.start()]
    began = time.monotonic()
    other = host.run()
    assert other not in hanging
    assert time.monotonic() - began >= 0.2
    for agent in hanging:
        agent.finish()
    eventually(lambda: len(host.alive) == 1)


def test_a_script_that_nobody_wants_any_more_is_not_run(host: Host) -> None:
    assert host.processes.run({}, {}, None, lambda: False) is None
    assert host.agents[0].commands == 0


def test_a_used_up_process_is_replaced(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MOST_COMMANDS", 2)
    first = host.run()
    host.run()
    eventually(lambda: first.dead and len(host.alive) == 1)
    assert host.run() is not first


def test_a_process_that_has_grown_is_replaced(host: Host) -> None:
    agent = host.start()
    agent.resident_memory = processes.MOST_MEMORY + 1
    agent.finish()
    eventually(lambda: agent.dead and len(host.alive) == 1)


def test_a_dead_process_is_not_used_again(host: Host) -> None:
    agent = host.start()
    agent.stop()
    agent.finish()
    assert host.run() is not agent


def test_an_idle_second_process_goes(make_host: Callable[..., Host]) -> None:
    host = make_host(idle_time=0.2)
    one, two = host.run(util="1"), host.run(util="2")
    eventually(lambda: one.dead)
    time.sleep(0.3)
    assert host.alive == [two]


def test_a_session_stays_in_its_process(host: Host) -> None:
    host.run(util="1")
    home = host.start()
    other = host.start("pool")
    home.finish()
    other.finish()
    assert other is not home
    assert [host.run("pool"), host.run("pool", util="2")] == [other, other]
    host.processes.end_session("pool")
    assert other.ended_sessions == ["pool"]


def test_a_session_waits_for_its_process(host: Host) -> None:
    home = host.run("pool")
    host.start()
    got: list[FakeAgent] = []
    waiting = threading.Thread(target=lambda: got.append(host.start("pool")))
    waiting.start()
    waiting.join(0.3)
    assert not got
    home.finish()
    waiting.join(5)
    assert got == [home]


def test_a_session_moves_when_its_process_has_another_version(host: Host) -> None:
    one = host.run(util="1")
    assert host.run("pool") is one
    two = host.run("pool", util="2")
    assert two is not one
    assert one.ended_sessions == ["pool"]
    assert host.run("pool") is two


def test_a_session_whose_process_died_is_told(host: Host) -> None:
    host.run("pool").stop()
    with pytest.raises(ExecutionError, match="has ended"):
        host.run("pool")
    host.processes.end_session("pool")
    assert not host.run("pool").dead


def test_a_used_up_process_serves_its_sessions_to_the_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    home = host.run("pool")
    monkeypatch.setattr(processes, "MOST_COMMANDS", 2)
    assert host.run("pool") is home
    eventually(lambda: len(host.alive) == 2)
    assert host.run() is not home
    assert host.run("pool") is home
    host.processes.end_session("pool")
    assert home.dead


def test_a_process_with_sessions_is_evicted_last(host: Host) -> None:
    pool = host.run("pool", util="1")
    other = host.run(util="2")
    assert host.run("pool", util="1") is pool
    host.run(util="3")
    assert other.dead
    assert not pool.dead


def test_a_session_that_does_nothing_does_not_block_for_ever(host: Host) -> None:
    one, two = host.run("a", util="1"), host.run("b", util="2")
    began = time.monotonic()
    host.run(util="3")
    assert time.monotonic() - began >= 0.2
    assert [agent.dead for agent in (one, two)] == [True, False]


def test_cold_gives_each_session_and_script_a_process_of_its_own(make_host: Callable[..., Host]) -> None:
    host = make_host(shared=False)
    assert host.agents == []
    script = host.run()
    eventually(lambda: script.dead)
    a, b = host.run("a"), host.run("b")
    assert a is not b
    assert host.run("a") is a
    host.processes.end_session("a")
    assert a.dead
    assert host.alive == [b]


def test_nothing_runs_on_a_host_that_is_off(host: Host) -> None:
    host.processes.end()
    assert host.processes.run({}, {}, None, lambda: True) is None
    host.processes.begin()
    assert host.run() is host.agents[-1]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_sources_of_a_command_since_core_2_19() -> None:
    manifest = {
        "scripts": {
            "Ansible.Basic.cs": {"script": _encoded("class Basic {}")},
            "setup.ps1": {"script": _encoded("Add-Type 'class A {}'")},
            "plain.ps1": {"script": _encoded("'nothing'")},
        }
    }
    lines = f"{json.dumps(manifest)}\nnot json\n".encode()
    assert sorted(compiled_sources("$input", lines)) == ["Ansible.Basic.cs", "setup.ps1"]

    def wrapped(script: str, least: str | None) -> dict[str, str]:
        wrapper = {"name": "exec_wrapper", "script": script, "params": {"MinPSVersion": least}}
        return compiled_sources("$input", json.dumps(wrapper).encode() + b"\n\0\0\0\0\n" + lines)

    assert wrapped("'one'", "5.1") == wrapped("'one'", None) != wrapped("'another'", None)


def test_sources_of_a_command_before_core_2_19() -> None:
    def manifest(basic: str, module: str) -> bytes:
        document = {
            "csharp_utils": {"Ansible.Basic": _encoded(basic)},
            "powershell_modules": {"Ansible.ModuleUtils.Legacy": _encoded("function Get-It {}")},
            "module_entry": _encoded(module),
        }
        return b"the wrapper\0\0\0\0" + json.dumps(document).encode()

    first = compiled_sources("$input", manifest("class Basic {}", "'no types'"))
    assert sorted(first) == ["Ansible.Basic", "exec_wrapper"]
    changed = compiled_sources("$input", manifest("class Basic { int changed; }", "'no types'"))
    assert {name for name in first if first[name] != changed[name]} == {"Ansible.Basic"}


def test_modules_before_core_2_19_conflict_only_by_the_types_they_declare() -> None:
    def sources(module: str) -> dict[str, str]:
        return compiled_sources("$input", json.dumps({"module_entry": _encoded(module)}).encode())

    one, two = sources("Add-Type 'public class One {}'"), sources("Add-Type 'public class Two {}'")
    assert not one.keys() & two.keys()
    assert one["type One"] != sources("Add-Type 'public class One { int x; }'")["type One"]


def test_broken_input_has_no_sources() -> None:
    data = b'{"scripts": 1}\n{broken\n\xff\xfe\n[]\n{"scripts": {"a.cs": {"script": 7}}}'
    assert compiled_sources("'x'", data) == {}


def test_a_script_that_compiles_is_a_source_itself() -> None:
    assert len(compiled_sources("Add-Type 'class A {}'", b"")) == 1
