"""What the role has made of the servers, read back with other tools than the collection's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
C = "https://rmsconnector.contoso.test"
T = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
ACTIVATION, PUBLISHING = (r"MSDRM\ServiceLocation\Activation", ""), (r"MSDRM\ServiceLocation\EnterprisePublishing", "")
CERTIFICATION, LICENSES = (
    (rf"ExchangeServer\v15\IRM\{name}ServerRedirection", T) for name in ("Certification", "License")
)
REDIRECTION = (r"MSIPC\ServiceLocation\LicensingRedirection", f"{T}/_wmcs/licensing")
EXCHANGE = {
    ACTIVATION: f"{T}/_wmcs/certification",
    PUBLISHING: f"{T}/_wmcs/licensing",
    CERTIFICATION: C,
    LICENSES: C,
}
EXPECTED: dict[str, dict[tuple[str, str], str | None]] = {
    "irm-exchange-2013": EXCHANGE | {REDIRECTION: None},
    "irm-exchange-2019": EXCHANGE | {REDIRECTION: f"{C}/_wmcs/licensing"},
    "irm-sharepoint-2016": {REDIRECTION: f"{C}/_wmcs/licensing", ACTIVATION: None},
    "irm-fci-2012r2": {ACTIVATION: f"{C}/_wmcs/certification", PUBLISHING: f"{C}/_wmcs/licensing", REDIRECTION: None},
}


def run(name: str, module: str, arguments: Any) -> dict[str, Any]:
    host = testinfra.get_host(f"ansible://{name}?ansible_inventory={quote(str(INVENTORY))}")
    result: dict[str, Any] = host.ansible(module, arguments, check=False)
    return result


def value(name: str, key: str, value_name: str) -> str | None:
    """A registry value; by raw where Windows PowerShell is too old for modules."""
    if name == "irm-exchange-2013":
        path = rf"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\{key}"
        read = f"[Microsoft.Win32.Registry]::GetValue('{path}', '{value_name}', '(absent)') + ''"
        command = base64.b64encode(f"$a = {read}; if ($a) {{ $a }} else {{ '(absent)' }}".encode("utf-16-le")).decode()
        found = run(name, "ansible.builtin.raw", f"PowerShell -NoProfile -EncodedCommand {command}")["stdout"].strip()
        return None if found == "(absent)" else found
    where = {"path": rf"HKLM:\SOFTWARE\Microsoft\{key}", "name": value_name}
    result = run(name, "ansible.windows.win_reg_stat", json.dumps(where))
    return result["value"] if result["exists"] else None


@pytest.mark.parametrize("name", EXPECTED)
def test_addresses(name: str) -> None:
    assert {where: value(name, *where) for where in EXPECTED[name]} == EXPECTED[name]
