"""The directory and the tenant that a fleet's hosts share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from winfleet import directory
from winfleet.identity import Identity
from winfleet.paths import PACKAGE

BASE = "DC=contoso,DC=test"


def host(name: str, *roles: str, domain: str = "contoso.test") -> Identity:
    accounts = {"Administrator": "secret"}
    return Identity(name=name, address="127.20.0.11", roles=roles, domain=domain, accounts=accounts)


def content(state: Path) -> dict[str, directory.Json]:
    with directory.opened(state, directory.DIRECTORY) as data:
        return {entry["dn"]: entry for entry in data["objects"]}


def test_every_host_of_the_domain_has_an_account_which_stays_as_it_is(tmp_path: Path) -> None:
    hosts = [
        host("exchange-1", "exchange"),
        host("dc", "domain_controller"),
        host("alone", domain=""),
        host("far", domain="x.test"),
    ]
    directory.prepare(tmp_path, hosts, ["sp-farm"])
    first = content(tmp_path)
    exchange_servers = f"CN=Exchange Servers,OU=Microsoft Exchange Security Groups,{BASE}"
    assert first[f"CN=EXCHANGE-1,CN=Computers,{BASE}"]["attributes"] == {"sAMAccountName": "EXCHANGE-1$"}
    assert first[exchange_servers]["attributes"]["member"] == [f"CN=EXCHANGE-1,CN=Computers,{BASE}"]
    assert {f"CN=DC,OU=Domain Controllers,{BASE}", f"CN=sp-farm,CN=Users,{BASE}"} <= set(first)
    assert not [dn for dn in first if "ALONE" in dn or "FAR" in dn]
    sids = [entry["sid"] for entry in first.values() if entry["sid"]]
    assert len(sids) == len(set(sids))
    with directory.opened(tmp_path, directory.DIRECTORY) as data:
        assert (data["controllers"], data["accounts"]) == (["DC"], {"Administrator": "secret"})
        data["objects"].append({"dn": f"CN=ours,{BASE}", "guid": "g", "sid": "", "class": "group", "attributes": {}})

    directory.prepare(tmp_path, [*hosts, host("exchange-2", "exchange")], ["sp-farm"])
    second = content(tmp_path)
    assert f"CN=ours,{BASE}" in second
    assert len(second[exchange_servers]["attributes"]["member"]) == 2
    assert second[f"CN=sp-farm,CN=Users,{BASE}"] == first[f"CN=sp-farm,CN=Users,{BASE}"]

    directory.forget(tmp_path)
    directory.prepare(tmp_path, hosts)
    assert f"CN=ours,{BASE}" not in content(tmp_path)


def test_a_fleet_without_a_domain_has_a_tenant_and_no_directory(tmp_path: Path) -> None:
    directory.prepare(tmp_path, [host("alone", domain="")])
    assert sorted(path.name for path in (tmp_path / "shared").glob("*.json")) == ["tenant.json"]


COUNT = """
import pathlib, sys
from winfleet import directory
for _ in range(50):
    with directory.opened(pathlib.Path(sys.argv[1]), directory.TENANT) as tenant:
        tenant["count"] = tenant.get("count", 0) + 1
"""


def test_nobody_overwrites_what_another_one_has_written(tmp_path: Path) -> None:
    """Processes, since the lock is one between processes."""
    environment = {"PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", COUNT, str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    with directory.opened(tmp_path, directory.TENANT) as tenant:
        assert tenant["count"] == 200


def test_modules_come_with_roles() -> None:
    products = ["Winfleet.Exchange", "Winfleet.SharePoint"]
    assert host("a").missing_modules == ["ActiveDirectory", "AIPService", *products]
    assert host("a", "domain_controller").missing_modules == ["AIPService", *products]
    assert host("a", "aip_admin").missing_modules == products
    assert host("a", "exchange", "sharepoint").missing_modules == ["ActiveDirectory", "AIPService"]


@pytest.mark.parametrize(
    ("email", "refused"),
    [
        ("admin@contoso.test", None),
        ("Admin@contoso.test", None),
        ("mfa@contoso.test", "AADSTS50076: .*multi-factor authentication"),
        ("user@contoso.test", "no role"),
        ("nobody@contoso.test", "AADSTS50034"),
    ],
)
def test_who_may_sign_in_to_the_setup_of_the_connector(tmp_path: Path, email: str, refused: str | None) -> None:
    if refused is None:
        directory.sign_in_to_setup(tmp_path, email)
        return
    with pytest.raises(ValueError, match=refused):
        directory.sign_in_to_setup(tmp_path, email)


def test_role_of_the_service_lets_an_account_set_up_a_connector(tmp_path: Path) -> None:
    with directory.opened(tmp_path, directory.TENANT, directory.NEW_TENANT) as tenant:
        (account,) = (one for one in tenant["accounts"] if one.get("email") == "connector@contoso.test")
        tenant["roles"].append({"id": account["id"], "role": "ConnectorAdministrator"})
    directory.sign_in_to_setup(tmp_path, "connector@contoso.test")
