"""client_settings: the MSIP values of the AIP client."""

from __future__ import annotations

import pytest

from ..ansible_runner import AnsiblePlaybook, Json
from .cycle import run_cycle

HOST = "client-2012r2"
KEY = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP"
LONG = KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")

pytestmark = pytest.mark.hosts(HOST)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"use_default_credentials_in_proxy": True}, {"UseDefaultCredentialsInProxy": ("dword", 1)}),
        ({"use_default_credentials_in_proxy": False}, {"UseDefaultCredentialsInProxy": ("dword", 0)}),
    ],
)
def test_present(playbook: AnsiblePlaybook, options: Json, expected: Json) -> None:
    cycle = run_cycle(playbook, HOST, "client_settings", options, [KEY])
    assert cycle.after == {LONG: expected}


def test_absent_removes(playbook: AnsiblePlaybook) -> None:
    base = {"name": "base", "infoprotect.aip.client_settings": {"use_default_credentials_in_proxy": True}}
    other = {
        "name": "other",
        "ansible.windows.win_regedit": {"path": KEY.replace("HKLM", "HKLM:"), "name": "SomebodyElses", "data": "kept"},
    }
    cycle = run_cycle(playbook, HOST, "client_settings", {"state": "absent"}, [KEY], before=[base, other])
    assert cycle.after == {LONG: {"SomebodyElses": ("string", "kept")}}
    clean = {
        "name": "clean",
        "ansible.windows.win_regedit": {"path": KEY.replace("HKLM", "HKLM:"), "state": "absent", "delete_key": True},
    }
    playbook.run([{"name": "clean", "hosts": HOST, "gather_facts": False, "tasks": [clean]}])
