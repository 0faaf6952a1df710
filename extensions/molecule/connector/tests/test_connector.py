"""The connectors, by the list of installed programs, the address of each and IIS, without the collection."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import testinfra
from requests_ntlm import HttpNtlmAuth

INVENTORY = Path(__file__).resolve().parents[4] / "inventories/emulated"
HOSTS = ["connector-1", "connector-2"]
UNINSTALL = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{41E5EF5C-3B2A-4B9B-AE22-6C4C4A1A3A5B}"
PAGE = "/_wmcs/certification/servercertification.asmx"


def get_host(name: str) -> testinfra.host.Host:
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={quote(str(INVENTORY))}")


@pytest.mark.parametrize("name", HOSTS)
def test_it_is_installed_in_the_wanted_version(name: str) -> None:
    arguments = json.dumps({"path": UNINSTALL, "name": "DisplayVersion"})
    result = get_host(name).ansible("ansible.windows.win_reg_stat", arguments, check=False)
    assert re.match(r"3\.0\.0", result["value"])


@pytest.mark.parametrize("name", HOSTS)
def test_it_serves_who_signs_in_and_nobody_else(name: str) -> None:
    variables = get_host(name).ansible.get_variables()
    url = f"http://{variables['ansible_host']}{PAGE}"
    assert requests.get(url, timeout=30).status_code == 401
    signed_in = requests.get(url, auth=HttpNtlmAuth(r"CONTOSO\EX-01$", variables["winfleet_password"]), timeout=30)
    assert (signed_in.status_code, "ServerCertification" in signed_in.text) == (200, True)
