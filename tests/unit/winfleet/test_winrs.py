"""WinRS by pywinrm and pypsrp: commands, their streams, and those that take long, end early or are given up."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time

import pytest
import winrm
from pypsrp.client import Client
from winfleet.shells import Limits
from winrm.exceptions import WinRMOperationTimeoutError, WSManFaultError

TIMED_OUT, NOT_FOUND = 2150858793, 2150858843
QUOTA_SHELLS, QUOTA_OPERATIONS = 2150859173, 2150859174


def wait_until(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def run(protocol: winrm.Protocol, line: str, *arguments: str, stdin: list[bytes] | None = None) -> tuple[str, str, int]:
    shell = protocol.open_shell()
    try:
        command = protocol.run_command(shell, line, arguments, console_mode_stdin=stdin is None)
        for index, data in enumerate(stdin or []):
            protocol.send_command_input(shell, command, data, end=index == len(stdin) - 1)
        out, err, code = protocol.get_command_output(shell, command)
        protocol.cleanup_command(shell, command)
        return out.decode(), err.decode(), code
    finally:
        protocol.close_shell(shell)


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_output_errors_and_exit_code(fleet, transport):
    out, err, code = run(fleet.protocol(transport), "echo", "größe €😀;", "echo bad >&2;", "exit 3")
    assert (out, err, code) == ("größe €😀\n", "bad\n", 3)
    assert fleet.host.commands[0].user == "Administrator"
    assert fleet.host.commands[0].line.startswith("echo größe")
    assert fleet.listener.shell_count == 0
    assert fleet.listener.counters["commands"] == 1


def test_a_command_is_six_requests_and_ntlm_adds_three(make_fleet, tmp_path):
    fleet = make_fleet(wire_log=tmp_path / "wire.jsonl")
    for transport, before in (("basic", []), ("ntlm", [None] * 3)):
        run(fleet.protocol(transport), "cat", stdin=[b"x"])
        actions = [json.loads(line)["action"] for line in (tmp_path / "wire.jsonl").read_text().splitlines()]
        # a busy machine may end the command late, which is one more Receive
        assert [action for action, _ in itertools.groupby(actions[len(before) :])] == [
            "Create",
            "Command",
            "Send",
            "Receive",
            "Signal",
            "Delete",
        ]
        assert actions[: len(before)] == before
        assert len(actions) <= len(before) + 7
        (tmp_path / "wire.jsonl").unlink()


def test_environment_directory_and_code_page(fleet, tmp_path):
    protocol = fleet.protocol()
    shell = protocol.open_shell(working_directory=str(tmp_path), env_vars={"COLOUR": "grün"}, codepage=65001)
    command = protocol.run_command(shell, "pwd; echo $COLOUR")
    assert protocol.get_command_output(shell, command)[0].decode() == f"{tmp_path}\ngrün\n"
    assert fleet.host.commands[0].codepage == 65001
    protocol.close_shell(shell)


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_a_megabyte_each_way(fleet, transport):
    data = bytes(range(256)) * 4096
    pieces = [data[start : start + 200_000] for start in range(0, len(data), 200_000)]
    protocol = fleet.protocol(transport)
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "cat", console_mode_stdin=False)
    received: list[bytes] = []
    reader = threading.Thread(
        target=lambda: received.append(other.get_command_output(shell, command)[0]), daemon=True
    )  # a second connection reads meanwhile, as the pipes hold less than a megabyte
    other = fleet.protocol(transport)
    reader.start()
    for index, piece in enumerate(pieces):
        protocol.send_command_input(shell, command, piece, end=index == len(pieces) - 1)
    reader.join(timeout=20)
    assert hashlib.sha256(received[0]).digest() == hashlib.sha256(data).digest()
    protocol.close_shell(shell)


def test_input_arrives_as_it_is_sent(fleet):
    protocol = fleet.protocol()
    shell = protocol.open_shell()
    command = protocol.run_command(
        shell, "read first; echo got $first; read second; echo got $second", console_mode_stdin=False
    )
    for word in ("one", "two"):
        protocol.send_command_input(shell, command, f"{word}\n".encode())
        assert protocol._raw_get_command_output(shell, command)[0] == f"got {word}\n".encode()
    protocol.close_shell(shell)


def test_input_to_an_ended_command_is_a_fault(fleet):
    protocol = fleet.protocol()
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "exec <&-; echo ended; sleep 60", console_mode_stdin=False)
    assert protocol._raw_get_command_output(shell, command)[0] == b"ended\n"
    with pytest.raises(WSManFaultError) as fault:
        protocol.send_command_input(shell, command, b"x" * 100_000)
    assert fault.value.wsman_fault_code == 232
    protocol.close_shell(shell)


def test_a_long_command_is_polled(fleet):
    protocol = fleet.protocol(operation_timeout_sec=1)
    started = time.monotonic()
    out, _, code = run(protocol, "sleep 2.5; echo late")
    assert (out, code) == ("late\n", 0)
    assert time.monotonic() - started >= 2.5
    assert fleet.listener.counters["faults"] == 2, "one operation timeout for each full second"


def test_nothing_within_the_operation_timeout_is_the_fault_that_clients_know(fleet):
    protocol = fleet.protocol(operation_timeout_sec=1)
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "sleep 60")
    with pytest.raises(WinRMOperationTimeoutError):
        protocol._raw_get_command_output(shell, command)
    protocol.close_shell(shell)
    wait_until(lambda: fleet.host.running == 0)


def test_two_commands_at_once_do_not_mix(fleet):
    script = "for i in 1 2 3 4 5 6 7 8; do echo {0}; echo {0} >&2; sleep 0.05; done"
    results: dict[str, tuple[str, str, int]] = {}
    threads = [
        threading.Thread(target=lambda name=name: results.update({name: run(fleet.protocol(), script.format(name))}))
        for name in "ABCD"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {name: (f"{name}\n" * 8, f"{name}\n" * 8, 0) for name in "ABCD"}


def test_two_commands_in_one_shell(fleet):
    protocol = fleet.protocol()
    shell = protocol.open_shell()
    commands = [protocol.run_command(shell, f"echo {name}") for name in "AB"]
    assert [protocol.get_command_output(shell, command)[0] for command in reversed(commands)] == [b"B\n", b"A\n"]
    protocol.close_shell(shell)


def test_terminate_ends_the_command_and_forgets_it(fleet):
    protocol = fleet.protocol()
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "sleep 60")
    protocol.cleanup_command(shell, command)
    wait_until(lambda: fleet.host.running == 0)
    with pytest.raises(WSManFaultError) as fault:
        protocol._raw_get_command_output(shell, command)
    assert (fault.value.wsman_fault_code, fault.value.fault_subcode) == (NOT_FOUND, "w:InvalidSelectors")
    protocol.close_shell(shell)


def test_unknown_and_closed_shells(fleet):
    protocol = fleet.protocol()
    shell = protocol.open_shell()
    protocol.close_shell(shell, close_session=False)
    for gone in (shell, "11111111-1111-1111-1111-111111111111", "no shell <&>"):
        with pytest.raises(WSManFaultError) as fault:
            protocol.run_command(gone, "echo")
        assert (fault.value.wsman_fault_code, fault.value.fault_subcode) == (NOT_FOUND, "w:InvalidSelectors")


def test_another_users_shell_is_not_there(fleet):
    shell = fleet.protocol().open_shell()
    with pytest.raises(WSManFaultError) as fault:
        fleet.protocol(user="reader").run_command(shell, "echo")
    assert fault.value.wsman_fault_code == NOT_FOUND


def test_a_killed_client_leaks_no_shell(make_fleet):
    fleet = make_fleet(limits=Limits(max_idle_timeout=0.5))
    protocol = fleet.protocol()
    protocol.run_command(protocol.open_shell(), "sleep 60")
    protocol.transport.close_session()
    assert fleet.listener.shell_count == 1
    wait_until(lambda: fleet.listener.shell_count == 0)
    wait_until(lambda: fleet.host.running == 0)


def test_a_command_whose_client_is_gone_ends_long_before_an_idle_shell(make_fleet):
    fleet = make_fleet(limits=Limits(abandoned_timeout=0.5))
    protocol = fleet.protocol()
    quiet, left, polled = protocol.open_shell(), protocol.open_shell(), protocol.open_shell()
    protocol.run_command(left, "sleep 60")
    assert protocol.get_command_output(polled, protocol.run_command(polled, "sleep 2; echo kept"))[0] == b"kept\n"
    assert fleet.host.running == 0
    with pytest.raises(WSManFaultError):
        protocol.run_command(left, "echo")
    for shell in (quiet, polled):
        protocol.close_shell(shell)


def test_the_client_may_ask_for_a_shorter_idle_time_and_polling_keeps_the_shell(fleet):
    protocol = fleet.protocol()
    idle = protocol.open_shell(idle_timeout="PT0.5S")
    polled = protocol.open_shell(idle_timeout="PT1S")
    assert protocol.get_command_output(polled, protocol.run_command(polled, "sleep 2; echo kept"))[0] == b"kept\n"
    assert fleet.listener.shell_count == 1
    with pytest.raises(WSManFaultError):
        protocol.run_command(idle, "echo")
    protocol.close_shell(polled)


def test_quotas(make_fleet):
    fleet = make_fleet(limits=Limits(shells_per_user=2, operations_per_shell=3))
    protocol = fleet.protocol()
    shells = [protocol.open_shell() for _ in range(2)]
    with pytest.raises(WSManFaultError) as fault:
        protocol.open_shell()
    assert fault.value.wsman_fault_code == QUOTA_SHELLS
    fleet.protocol(user="reader").open_shell()  # each user has their own
    for _ in range(3):
        command = protocol.run_command(shells[0], "true")
        protocol.cleanup_command(shells[0], command)
    with pytest.raises(WSManFaultError) as fault:
        protocol.run_command(shells[0], "true")
    assert fault.value.wmierror_code == QUOTA_OPERATIONS, "ansible looks for it here and makes a new shell"


def test_a_command_that_cannot_start(fleet):
    protocol = fleet.protocol()
    shell = protocol.open_shell()
    with pytest.raises(WSManFaultError, match="cannot run this <now> \\?"):
        protocol.run_command(shell, "refuse")
    protocol.close_shell(shell)


def test_pypsrp_client_runs_commands(fleet):
    with Client(
        "127.0.0.1",
        port=fleet.listener.http_port,
        ssl=False,
        auth="negotiate",
        username="Administrator",
        password="Win:fleet!2026 ä",
        no_proxy=True,
    ) as client:
        assert client.execute_cmd("echo hello; exit 4") == ("hello\n", "", 4)
