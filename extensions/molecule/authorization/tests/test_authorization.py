"""What the role has made of the directory and the tenant, read back with other tools than the collection's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
BASE = "DC=contoso,DC=test"


def ask(name: str, module: str, **options: Any) -> dict[str, Any]:
    host = testinfra.get_host(f"ansible://{name}?ansible_inventory={quote(str(INVENTORY))}")
    return dict(host.ansible(module, json.dumps(options), check=False))


@pytest.mark.parametrize(
    ("group", "member"),
    [("RMS SharePoint", f"CN=sp-farm,CN=Users,{BASE}"), ("RMS FCI", f"CN=FILES-1,CN=Computers,{BASE}")],
)
def test_the_groups_are_there(group: str, member: str) -> None:
    found = ask(
        "directory-1",
        "microsoft.ad.object_info",
        ldap_filter=f"(sAMAccountName={group})",
        properties=["member", "groupType"],
    )
    (entry,) = found["objects"]
    assert entry["member"] == [member]
    assert entry["groupType_AnsibleFlags"] == ["GROUP_TYPE_RESOURCE_GROUP", "GROUP_TYPE_SECURITY_ENABLED"]


def test_the_administrators_have_their_role_and_nobody_is_signed_in() -> None:
    content = ask("files-1", "ansible.builtin.slurp", src=r"C:\windows\winfleet\shared\tenant.json")["content"]
    tenant = json.loads(base64.b64decode(content))
    (group,) = [
        account["id"] for account in tenant["accounts"] if account.get("name") == "RMS Connector Administrators"
    ]
    assert [(held["id"], held["role"]) for held in tenant["roles"]] == [(group, "ConnectorAdministrator")]
    assert tenant["sessions"] == []
