"""client_settings over Ansible: the MSIP values of the AIP client; what each option means is a unit test."""

from __future__ import annotations

import pytest

from ..ansible_runner import AnsiblePlaybook
from .cycle import run_cycle

HOST = "server-2012"
KEY = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP"
PATH = KEY.replace("HKLM", "HKLM:")


@pytest.mark.hosts(HOST)
def test_present_and_absent(playbook: AnsiblePlaybook) -> None:
    """One setting is set and the other one removed; a value of another program stays."""
    cloud = {"name": "cloud", "infoprotect.aip.client_settings": {"cloud_environment": "gcc"}}
    other = {"path": PATH, "name": "SomebodyElses", "data": "kept"}
    remove = {"name": "clean", "ansible.windows.win_regedit": {"path": PATH, "state": "absent", "delete_key": True}}
    proxy = {
        "name": "proxy",
        "infoprotect.aip.client_settings": {"use_default_credentials_in_proxy": True},
    }
    cycle = run_cycle(
        playbook,
        HOST,
        "client_settings",
        {"state": "absent", "names": ["cloud_environment"]},
        [KEY],
        before=[cloud, {"name": "other", "ansible.windows.win_regedit": other}, proxy],
        after=[remove],
    )
    kept = {"SomebodyElses": ("string", "kept"), "UseDefaultCredentialsInProxy": ("dword", 1)}
    assert list(cycle.before.values()) == [kept | {"CloudEnvType": ("dword", 1)}]
    assert list(cycle.after.values()) == [kept]
