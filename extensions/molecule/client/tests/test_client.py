"""What the role has made of the hosts, read back with other tools than the collection's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra

INVENTORY = Path(__file__).resolve().parents[4] / "inventories" / "emulated"
WOW = r"HKLM:\SOFTWARE\WOW6432Node\Microsoft"
# host -> the MSI's product code, name and version, the proxy setting, the least release of .NET Framework
EXPECTED = {
    "client-2012r2": (
        "{6F8A30BE-992C-4C06-817B-4A222430F2B8}",
        "Microsoft Azure Information Protection",
        "2.18.26.0",
        1,
        461808,
    ),
    "client-2019": (
        "{727593C8-CEA1-4CE2-840D-6B26CA874C76}",
        "Microsoft Purview Information Protection",
        "3.1.310.0",
        0,
        461808,
    ),
}


def value(name: str, path: str, value_name: str) -> Any:
    """A registry value read by ansible.windows; None when it does not exist."""
    host = testinfra.get_host(f"ansible://{name}?ansible_inventory={quote(str(INVENTORY))}")
    result = host.ansible("ansible.windows.win_reg_stat", json.dumps({"path": path, "name": value_name}), check=False)
    return result["value"] if result["exists"] else None


@pytest.mark.parametrize("name", EXPECTED)
def test_the_client_is_in_the_list_of_installed_programs(name: str) -> None:
    code, title, version, _proxy, _release = EXPECTED[name]
    key = rf"{WOW}\Windows\CurrentVersion\Uninstall\{code}"
    assert (value(name, key, "DisplayName"), value(name, key, "DisplayVersion")) == (title, version)


@pytest.mark.parametrize("name", EXPECTED)
def test_its_settings_and_what_it_needs_are_there(name: str) -> None:
    *_product, proxy, release = EXPECTED[name]
    assert value(name, rf"{WOW}\MSIP", "UseDefaultCredentialsInProxy") == proxy
    assert value(name, r"HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full", "Release") >= release
