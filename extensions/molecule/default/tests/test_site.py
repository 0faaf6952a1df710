"""What site.yml has made of the fleet, read back with other tools than the collection's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

INVENTORY = Path(__file__).resolve().parents[4] / "inventories" / "emulated"
MSIP = r"HKLM:\SOFTWARE\WOW6432Node\Microsoft\MSIP"
PROTOCOLS = r"HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
DOTNET = r"HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319"

EXPECTED = {"aip_clients": 3, "rms_connectors": 2, "exchange_servers": 1}
runner = AnsibleRunner(str(INVENTORY))
GROUPS = {group: runner.get_hosts(group) for group in EXPECTED}
HOSTS = sorted({name for names in GROUPS.values() for name in names})


def value(name: str, path: str, value_name: str) -> Any:
    """A registry value read by ansible.windows; None when it does not exist."""
    host = testinfra.get_host(f"ansible://{name}?ansible_inventory={quote(str(INVENTORY))}")
    result = host.ansible("ansible.windows.win_reg_stat", json.dumps({"path": path, "name": value_name}), check=False)
    assert "exists" in result, result
    return result["value"] if result["exists"] else None


def test_the_inventory_has_the_fleet() -> None:
    """Without this, an empty group would make every other test pass."""
    assert {group: len(names) for group, names in GROUPS.items()} == EXPECTED


@pytest.mark.parametrize("name", GROUPS["aip_clients"])
def test_clients_sign_in_to_the_proxy(name: str) -> None:
    assert value(name, MSIP, "UseDefaultCredentialsInProxy") == 1


@pytest.mark.parametrize("name", HOSTS)
def test_dotnet_uses_strong_crypto(name: str) -> None:
    assert value(name, DOTNET, "SchUseStrongCrypto") == 1


@pytest.mark.parametrize("name", HOSTS)
def test_older_protocols_are_off_on_connectors_only(name: str) -> None:
    expected = 0 if name in GROUPS["rms_connectors"] else None
    assert value(name, rf"{PROTOCOLS}\TLS 1.0\Server", "Enabled") == expected


@pytest.mark.parametrize("name", GROUPS["rms_connectors"])
def test_connectors_answer_a_plain_winrm_client(name: str) -> None:
    """testinfra's own WinRM connection, which has nothing to do with Ansible."""
    variables = runner.get_variables(name)
    login = f"{quote(variables['ansible_user'])}:{quote(variables['winfleet_password'])}"
    host: Host = testinfra.get_host(f"winrm://{login}@{variables['ansible_host']}:5985?no_ssl=true")
    key = rf"{PROTOCOLS}\TLS 1.0\Server".replace("HKLM:", "HKLM")
    assert "0x0" in host.check_output(f'reg query "{key}" /v Enabled')
