"""PSRP by pypsrp: pools, pipelines, objects, errors, and pipelines that are stopped or never read."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator

import pytest
from psrpcore.types import PSCustomObject, PSDateTime, serialize_clixml
from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import WSManFaultError
from pypsrp.host import PSHost, PSHostUserInterface
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan
from winfleet import psrp
from winfleet.execution import ExecutionError
from winfleet.powershell_script import NoCipher
from winfleet.shells import Limits


def connect(fleet, encrypted_transport: bool = False, **options: object) -> WSMan:
    settings: dict[str, object] = {
        "server": "127.0.0.1",
        "port": fleet.listener.https_port if encrypted_transport else fleet.listener.http_port,
        "ssl": encrypted_transport,
        "auth": "basic" if encrypted_transport else "negotiate",
        "cert_validation": str(fleet.certificate) if encrypted_transport else True,
        "username": "Administrator",
        "password": "Win:fleet!2026 ä",
        "operation_timeout": 10,
        "no_proxy": True,
    }
    return WSMan(**{**settings, **options})


@pytest.fixture
def pool(fleet) -> Iterator[RunspacePool]:
    with (
        connect(fleet) as wsman,
        RunspacePool(wsman, host=PSHost(None, None, False, "test", None, PSHostUserInterface(), None)) as pool,
    ):
        yield pool


def wait_until(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("encrypted_transport", [False, True])
def test_script_output_and_exit_code(fleet, encrypted_transport):
    host = PSHost(None, None, False, "test", None, PSHostUserInterface(), None)
    with connect(fleet, encrypted_transport) as wsman, RunspacePool(wsman, host=host) as pool:
        shell = PowerShell(pool).add_script("echo größe €😀; exit 3")
        assert shell.invoke() == ["größe €😀"]
        assert (shell.state, shell.had_errors, host.rc) == (PSInvocationState.COMPLETED, False, 3)
    assert fleet.host.commands[0].script == "echo größe €😀; exit 3", "a lone script is handed on unchanged"
    assert fleet.listener.shell_count == 0


def test_pipelines_one_after_the_other(pool):
    for number in range(5):
        shell = PowerShell(pool).add_script(f"echo {number}")
        assert shell.invoke() == [str(number)]
        shell.close()


def test_the_first_receive_brings_output(pool):
    """ansible's fetch polls once and expects the first object: nothing may be said before it."""
    shell = PowerShell(pool).add_script("sleep 1.3; echo first; sleep 0.3")
    shell.begin_invoke()
    shell.poll_invoke()
    assert shell.output == ["first"]
    shell.end_invoke()


def test_two_pipelines_at_once(fleet, pool):
    first = PowerShell(pool).add_script("sleep 0.5; echo first")
    second = PowerShell(pool).add_script("echo second")
    first.begin_invoke()
    second.begin_invoke()
    assert second.end_invoke() == ["second"]
    assert first.end_invoke() == ["first"]


def test_input_objects_are_lines_and_a_megabyte_is_unharmed(pool):
    line = base64.b64encode(bytes(range(256)) * 12).decode()
    lines = [f"{number} größe {line}" for number in range(256)]
    shell = PowerShell(pool).add_script("cat")
    assert shell.invoke(iter_lists(lines)) == lines
    assert sum(map(len, lines)) > 1_000_000


def iter_lists(lines: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(lines), 16):
        yield lines[start : start + 16]


def test_a_pipeline_without_input_has_an_empty_one(pool):
    assert PowerShell(pool).add_script("cat; echo end").invoke() == ["end"]


def test_output_is_objects(pool, tmp_path):
    thing = PSCustomObject(
        PSTypeName="My.Thing", Name="größe <&>", Size=2**40, Made=PSDateTime(2026, 1, 2), Parts=[1, "two", None, True]
    )
    (tmp_path / "thing").write_text(serialize_clixml([thing], NoCipher()).replace("\n", ""))
    (output,) = PowerShell(pool).add_script(f"cat {tmp_path}/thing").invoke()
    properties = output.adapted_properties | output.extended_properties
    assert output.types[0] == "My.Thing"
    assert (properties["Name"], properties["Size"], str(properties["Made"])[:10]) == ("größe <&>", 2**40, "2026-01-02")
    assert properties["Parts"] == [1, "two", None, True]


def test_error_records(pool):
    shell = PowerShell(pool).add_script("echo before; echo 'it broke' >&2; echo after")
    shell.invoke()
    assert sorted(shell.output) == ["after", "before"]
    assert [(str(error), error.fq_error) for error in shell.streams.error] == [("it broke", "FakeError")]
    assert not shell.had_errors


def test_an_error_that_ends_the_script_fails_the_pipeline(pool):
    shell = PowerShell(pool).add_script("echo one; echo 'failure: thrown'; exit 1")
    assert shell.invoke() == ["one"]
    assert (shell.state, shell.had_errors, str(shell.streams.error[0])) == (
        PSInvocationState.FAILED,
        True,
        "failure: thrown",
    )


def test_output_that_is_no_clixml_is_an_error_and_not_a_hang(pool):
    shell = PowerShell(pool).add_script("echo '<Objs><Broken'; echo after")
    assert shell.invoke() == ["after"]
    assert "cannot be read" in str(shell.streams.error[0])


def test_a_script_that_cannot_start_fails(fleet, pool, monkeypatch):
    def refuse(_):
        raise ExecutionError("no engine here")

    monkeypatch.setattr(fleet.host, "start", refuse)
    shell = PowerShell(pool).add_script("echo")
    shell.invoke()
    assert shell.had_errors
    assert str(shell.streams.error[0]) == "no engine here"


def test_several_commands_become_one_script(fleet, pool):
    shell = PowerShell(pool)
    shell.add_cmdlet("Get-Item").add_parameter("Path", "C:\\it's").add_parameter("Force").add_cmdlet(
        "Out-String"
    ).add_argument(7).add_statement()
    shell.add_script("param($a) $a").add_argument("x'; Stop-Computer; '").merge_error("output")
    shell.invoke()
    assert fleet.host.commands[-1].script == (
        "& 'Get-Item' -Path:'C:\\it''s' -Force | & 'Out-String' 7\n"
        "& ([scriptblock]::Create('param($a) $a')) 'x''; Stop-Computer; ''' 2>&1"
    )


def test_input_goes_to_the_first_of_several_commands(fleet, pool):
    PowerShell(pool).add_cmdlet("Sort-Object").add_cmdlet("Out-String").invoke(iter_lists(["b", "a"]))
    assert fleet.host.commands[-1].script == "$input | & 'Sort-Object' | & 'Out-String'"


def test_a_parameter_name_is_no_place_for_code(pool):
    shell = PowerShell(pool).add_cmdlet("Get-Item").add_parameter("Path; Stop-Computer", "x")
    shell.invoke()
    assert "is not the name of a parameter" in str(shell.streams.error[0])


def test_stop_ends_the_script(fleet, pool):
    shell = PowerShell(pool).add_script("sleep 60")
    shell.begin_invoke()
    assert fleet.host.running == 1
    shell.stop()
    wait_until(lambda: fleet.host.running == 0)
    assert PowerShell(pool).add_script("echo on").invoke() == ["on"]


def test_a_long_script_is_polled(fleet):
    with connect(fleet, operation_timeout=1) as wsman, RunspacePool(wsman) as pool:
        assert PowerShell(pool).add_script("sleep 2.2; echo late").invoke() == ["late"]
    assert fleet.listener.counters["faults"] == 2


def test_output_that_nobody_reads_is_bounded(fleet, monkeypatch):
    monkeypatch.setattr(psrp, "_MAX_UNREAD", 100_000)
    with connect(fleet) as wsman, RunspacePool(wsman) as pool:
        shell = PowerShell(pool).add_script("yes 'a line of output that nobody reads for now' | head -n 400000")
        shell.begin_invoke()
        time.sleep(1)
        (opened,) = fleet.listener._shells._shells.values()
        (pipeline,) = opened._pipelines.values()
        assert 100_000 <= pipeline.outgoing.size < 200_000
        assert fleet.host.running == 1, "the script is held back"
    wait_until(lambda: fleet.host.running == 0)


def test_closing_the_pool_ends_its_pipelines(fleet):
    with connect(fleet) as wsman, RunspacePool(wsman) as pool:
        PowerShell(pool).add_script("sleep 60").begin_invoke()
    wait_until(lambda: fleet.host.running == 0)
    assert fleet.listener.shell_count == 0


def test_a_killed_client_leaks_no_pool(make_fleet):
    fleet = make_fleet(limits=Limits(max_idle_timeout=0.5))
    wsman = connect(fleet)
    pool = RunspacePool(wsman)
    pool.open()
    PowerShell(pool).add_script("sleep 60").begin_invoke()
    wsman.close()
    wait_until(lambda: fleet.listener.shell_count == 0)
    wait_until(lambda: fleet.host.running == 0)


def test_a_pipeline_whose_client_is_gone_ends_long_before_an_idle_pool(make_fleet):
    fleet = make_fleet(limits=Limits(abandoned_timeout=0.5))
    wsman = connect(fleet)
    quiet = RunspacePool(wsman)
    quiet.open()
    left = RunspacePool(connect(fleet))
    left.open()
    PowerShell(left).add_script("sleep 60").begin_invoke()
    wait_until(lambda: fleet.listener.shell_count == 1)
    wait_until(lambda: fleet.host.running == 0)
    assert PowerShell(quiet).add_script("echo here").invoke() == ["here"]
    quiet.close()


def test_a_waiting_receive_ends_when_the_pool_does(fleet):
    with connect(fleet) as wsman:
        pool = RunspacePool(wsman)
        pool.open()
        shell = PowerShell(pool).add_script("sleep 60")
        shell.begin_invoke()
        codes: list[object] = []

        def wait() -> None:
            with connect(fleet) as other:
                pool.connection = pool.shell.wsman = other
                try:
                    shell.end_invoke()
                except WSManFaultError as fault:
                    codes.append(fault.code)

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.5)
        wsman.delete(pool.shell.resource_uri, selector_set=pool.shell._selector_set)
        waiting.join(timeout=5)
        assert codes == [2150858843]


def test_what_is_no_psrp_message_is_a_fault_and_ends_the_pool(fleet, pool):
    PowerShell(pool).add_script("sleep 60").begin_invoke()
    with pytest.raises(WSManFaultError) as fault:
        pool.shell.send("stdin", b"\x00" * 40)
    assert fleet.host.running == 0
    assert fault.value.code == 2150858817
    with pytest.raises(WSManFaultError):
        PowerShell(pool).add_script("echo").invoke()
    pool.state = None


def test_pool_questions(pool):
    assert pool.get_available_runspaces() == 1
    assert pool.is_alive()


def test_the_servers_envelope_size_can_be_asked(fleet):
    with connect(fleet) as wsman:
        wsman.update_max_payload_size()
        assert wsman.max_envelope_size == 512_000
