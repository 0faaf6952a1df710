"""What the role has made of hosts with PowerShell 3.0 and 4.0, read back with other tools than the collection's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
runner = AnsibleRunner(str(INVENTORY))
HOSTS = ["bare-2012", "bare-2012r2"]


def module(host_name: str, module_name: str, /, **arguments: Any) -> dict[str, Any]:
    """The result of a module of ansible.windows, which runs with PowerShell 5.1 only."""
    host = testinfra.get_host(f"ansible://{host_name}?ansible_inventory={quote(str(INVENTORY))}")
    result: dict[str, Any] = host.ansible(f"ansible.windows.{module_name}", json.dumps(arguments), check=False)
    return result


def test_the_inventory_has_the_hosts() -> None:
    assert sorted(runner.get_hosts("aip_clients")) == HOSTS


@pytest.mark.parametrize("name", HOSTS)
def test_powershell_is_5_1(name: str) -> None:
    facts = module(name, "setup", gather_subset=["!all", "!min", "powershell_version"])
    assert facts["ansible_facts"]["ansible_powershell_version"] == 5


@pytest.mark.parametrize("name", HOSTS)
def test_dotnet_is_4_7_2(name: str) -> None:
    path = r"HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
    assert module(name, "win_reg_stat", path=path, name="Release")["raw_value"] == 461814


@pytest.mark.parametrize("name", HOSTS)
def test_the_play_went_on(name: str) -> None:
    path = r"HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319"
    assert module(name, "win_reg_stat", path=path, name="SchUseStrongCrypto")["raw_value"] == 1


@pytest.mark.parametrize("name", HOSTS)
def test_nothing_is_left_behind(name: str) -> None:
    """As testinfra's own WinRM connection sees it, which has nothing to do with Ansible."""
    variables = runner.get_variables(name)
    login = f"{quote(variables['ansible_user'])}:{quote(variables['winfleet_password'])}"
    host: Host = testinfra.get_host(f"winrm://{login}@{variables['ansible_host']}:5985?no_ssl=true")
    for command, answer in (
        (r"cmd.exe /c dir C:\Windows\infoprotect-bootstrap", "File not found"),
        ("schtasks.exe /query /tn infoprotect-aip-bootstrap", "cannot find the file"),
    ):
        result = host.run(command)
        assert answer in result.stdout + result.stderr
