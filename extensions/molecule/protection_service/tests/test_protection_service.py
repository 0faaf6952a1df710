"""What the roles have made of the tenant, read back with the cmdlets, and from the file of the emulated tenant."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
GROUP = "10000000-0000-4000-8000-000000000007"
CONNECTOR = "10000000-0000-4000-8000-000000000004"
SCRIPT = """
$account = New-Object -TypeName PSCredential -ArgumentList 'admin@contoso.test',
    (ConvertTo-SecureString -String 'Winfleet!tenant' -AsPlainText -Force)
$null = Connect-AipService -Credential $account
$policy = Get-AipServiceOnboardingControlPolicy
$Ansible.Result = @{
    state = "$(Get-AipService)"
    group = "$($policy.SecurityGroupObjectId)"
    licensed = $policy.UseRmsUserLicense
    feature = "$(Get-AipServiceSuperUserFeature)"
    super_users = @(Get-AipServiceSuperUser)
    super_user_group = Get-AipServiceSuperUserGroup
}
$null = Disconnect-AipService
"""


def ask(module: str, **options: Any) -> dict[str, Any]:
    host = testinfra.get_host(f"ansible://tenant-1?ansible_inventory={quote(str(INVENTORY))}")
    return dict(host.ansible(module, json.dumps(options), check=False))


@pytest.fixture(scope="module")
def tenant() -> dict[str, Any]:
    content = ask("ansible.builtin.slurp", src=r"C:\windows\winfleet\shared\tenant.json")["content"]
    return dict(json.loads(base64.b64decode(content)))


def test_the_cmdlets_show_the_settings() -> None:
    found = ask("ansible.windows.win_powershell", script=SCRIPT)["result"]
    assert found == {
        "state": "Enabled",
        "group": GROUP,
        "licensed": False,
        "feature": "Enabled",
        "super_users": ["user@contoso.test"],
        "super_user_group": "superusers@contoso.test",
    }


def test_what_is_not_managed_stays(tenant: dict[str, Any]) -> None:
    assert (tenant["document_tracking"], tenant["license_days"], tenant["ipcv3"]) == ("Enabled", 30, "Enabled")
    assert [name for name, enabled in tenant["platforms"].items() if not enabled] == ["WindowsPhone"]


def test_the_template_is_published_and_the_default_ones_are_as_they_were(tenant: dict[str, Any]) -> None:
    states = {template["names"]["1033"]: template["status"] for template in tenant["templates"]}
    assert states["Board"] == "Published" and {"Confidential", "Confidential View Only", "Project"} <= set(states)


def test_the_administrator_has_the_role_and_nobody_is_signed_in(tenant: dict[str, Any]) -> None:
    assert [(held["id"], held["role"]) for held in tenant["roles"]] == [(CONNECTOR, "ConnectorAdministrator")]
    assert tenant["sessions"] == []
