"""Faults that are switched on for a listener."""

from __future__ import annotations

import time

import pytest
import requests
from winfleet.faults import Fault, Faults
from winrm.exceptions import WinRMTransportError


def session(fleet):
    return fleet.protocol("basic")


def test_http_500_hits_what_it_shall_and_no_more(fleet):
    fleet.listener.faults.set(Fault("http_500", count=2, skip=1, action="command"))
    protocol = session(fleet)
    shell = protocol.open_shell()
    protocol.run_command(shell, "true")
    for _ in range(2):
        with pytest.raises(WinRMTransportError) as error:
            protocol.run_command(shell, "true")
        assert (error.value.code, error.value.response_text) == (500, "")
    protocol.run_command(shell, "true")
    assert len(fleet.host.commands) == 2
    assert fleet.listener.faults.active() == []
    protocol.close_shell(shell)


def test_a_dropped_connection_ends_within_the_response(fleet):
    protocol = session(fleet)
    fleet.listener.faults.set(Fault("drop_connection", action="Create"))
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        protocol.open_shell()
    assert fleet.listener.shell_count == 1, "the request itself was served, as when a network breaks"
    protocol.close_shell(protocol.open_shell())


def test_a_hang_lasts_and_a_stop_ends_it(fleet):
    fleet.listener.faults.set(Fault("hang", seconds=0.7))
    protocol = session(fleet)
    started = time.monotonic()
    protocol.close_shell(protocol.open_shell())
    assert 0.7 <= time.monotonic() - started < 3


def test_clear_and_status():
    faults = Faults({"denied_key": "a registry key that cannot be written"})
    faults.set(Fault("denied_key", argument="HKLM:\\SOFTWARE\\X"))
    faults.set(Fault("hang"))
    assert [fault["name"] for fault in faults.active()] == ["denied_key", "hang"]
    faults.clear("hang")
    assert faults.take("hang") is None
    assert faults.take("denied_key").argument == "HKLM:\\SOFTWARE\\X"
    faults.set(Fault("hang"))
    faults.clear()
    assert faults.active() == []


@pytest.mark.parametrize(
    "fault", [Fault("earthquake"), Fault("hang", count=0), Fault("hang", skip=-1), Fault("hang", seconds=-1)]
)
def test_nonsense_is_refused(fault):
    with pytest.raises(ValueError, match="fault"):
        Faults().set(fault)
