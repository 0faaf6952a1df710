"""The role protection_service, and the playbook site: a tenant from empty to set, again, mended, and refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graph_stub
import pytest
import yaml
from winfleet import directory
from winfleet.paths import state_directory

from ..ansible_runner import ROOT, AnsiblePlaybook, Json, Run, ansible_of
from ..secrets_watch import no_secret_shows

HOST = "admin-2019"
SECRET = "Winfleet!tenant"
TENANT: Json = {
    "protection_service_activated": True,
    "protection_service_ad_rms_deployed": False,
    "protection_service_onboarding_licensed_only": False,
    "protection_service_onboarding_group": "10000000-0000-4000-8000-000000000007",
    "protection_service_super_user_feature": True,
    "protection_service_super_users": ["user@contoso.test"],
    "protection_service_super_users_exact": True,
    "protection_service_super_user_group": "superusers@contoso.test",
    "protection_service_do_not_track_group": "",  # an empty answer of a survey
    "protection_service_max_use_license_days": 0,
    "protection_service_templates": [
        {"names": {"1033": "New Launch"}, "descriptions": {"1033": "x"}, "state": "published"},
    ],
    "rms_authorization_tenant_username": "admin@contoso.test",
    "rms_authorization_tenant_password": SECRET,
}
SET = {
    "state": "Enabled",
    "onboarding": {"licensed": False, "group": "10000000-0000-4000-8000-000000000007", "scope": "All"},
    "super_user_feature": "Enabled",
    "super_users": ["user@contoso.test"],
    "super_user_group": "superusers@contoso.test",
    "license_days": 0,
}
ROLE = "infoprotect.aip.protection_service"
COMPARE = SETTINGS = f"{ROLE} : Set the tenant's settings"
TEMPLATES = f"{ROLE} : Set the templates"

pytestmark = [pytest.mark.hosts(HOST), pytest.mark.full]


@pytest.fixture(autouse=True)
def tenant() -> Iterator[None]:
    """The tenant is new afterwards, and not activated before."""
    renew(state="Disabled")
    yield
    renew()


def renew(**differs: Any) -> None:
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        tenant.clear()
        tenant.update(copy.deepcopy(directory.NEW_TENANT) | differs)


def content() -> Json:
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        assert tenant["sessions"] == [], "somebody is still signed in"
        return {name: tenant[name] for name in SET}


@pytest.fixture
def site(playbook: AnsiblePlaybook, tmp_path: Path) -> AnsiblePlaybook:
    """An inventory with the admin host alone in a group of the collection."""
    inventory = tmp_path / "admins.yml"
    inventory.write_text(yaml.safe_dump({"aip_admin_hosts": {"hosts": {HOST: None}}}), encoding="utf-8")
    return AnsiblePlaybook(playbook.bin_folder, [*playbook.inventories, inventory])


def run_site(site: AnsiblePlaybook, *arguments: str, expect: int = 0, **differs: Any) -> Run:
    only = f"--limit={HOST}", "--tags=protection_service"
    return site.run(ROOT / "playbooks/site.yml", *only, *arguments, extra_vars=TENANT | differs, expect=expect)


def sign_ins(run: Run) -> list[str]:
    return [task for task in run.module_runs(HOST) if task.startswith(ROLE)]


def test_site_from_an_empty_tenant(site: AnsiblePlaybook) -> None:
    before = content()
    predicted = run_site(site, "--check")
    assert content() == before and predicted.stats[HOST]["changed"] > 0
    with no_secret_shows(HOST, SECRET):
        first = run_site(site, "-vvv")
    assert content() == SET and SECRET not in first.stdout + first.stderr
    again = run_site(site)
    # a tenant that complies is compared once, while the run is planned
    assert sign_ins(again) == [COMPARE, TEMPLATES] and again.stats[HOST]["changed"] == 0
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        tenant["super_users"].append("mfa@contoso.test")
    mended = run_site(site, "--diff")
    assert sign_ins(mended) == [COMPARE, SETTINGS, TEMPLATES] and content() == SET
    *_compared, done = (result for task, _host, result in mended.results if task == SETTINGS and "changes" in result)
    assert done["changes"] == ["super_users"] and done["receipt"]


def reported(folder: Path) -> Json:
    found: Json = json.loads((folder / "report.json").read_text(encoding="utf-8"))["service"]
    return found


def test_audit_reports_and_changes_nothing(site: AnsiblePlaybook, tmp_path: Path) -> None:
    before = content()
    arguments = f"--limit={HOST}", "--tags=protection_service"
    variables = TENANT | {"aip_report_dir": str(tmp_path)}
    run = site.run(ROOT / "playbooks/audit.yml", *arguments, extra_vars=variables)
    assert sign_ins(run) == [COMPARE] and content() == before
    assert run.task(COMPARE, HOST)["changes"][0] == "activated"
    found = reported(tmp_path)
    wanted = {one["name"]: one["wanted"] for one in found["settings"] if one["state"] == "drifted"}
    assert (found["state"], found["host"], found["activated"]) == ("answered", HOST, False)
    assert wanted["super_users"] == ["user@contoso.test"] and set(wanted) == set(run.task(COMPARE, HOST)["changes"])
    assert found["keys"] and found["templates"] and SECRET not in json.dumps(found)
    run_site(site, aip_report_dir=str(tmp_path))
    states = {one["name"]: one["state"] for one in reported(tmp_path)["settings"]}
    assert {name for name, state in states.items() if state == "changed"} == set(wanted)


def test_audit_measures_licenses_and_the_onboarding_policy(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """The policy that the tenant is going to have, and no secret anywhere."""
    inventory, accounts = tmp_path / "one.yml", ["connector@contoso.test", "other@contoso.test"]
    groups = {name: {"hosts": {HOST: None}} for name in ("aip_admin_hosts", "aip_clients", "rms_connectors")}
    inventory.write_text(yaml.safe_dump(groups), encoding="utf-8")
    one = AnsiblePlaybook(playbook.bin_folder, [*playbook.inventories, inventory])
    group = TENANT["protection_service_onboarding_group"]
    users = {accounts[0]: {"id": "1", "groups": [group]}, accounts[1]: {"id": "2"}}
    with graph_stub.serve(graph_stub.Graph(users=users), tmp_path) as graph:
        variables = {
            "aip_client_product": "unified_labeling",
            "aip_endpoints": [],
            "aip_statements": {},
            "rms_connector_state": "present",
            "protection_service_tenant_id": graph_stub.TENANT,
            "protection_service_graph_accounts": accounts,
            "protection_service_graph_application_id": graph_stub.APPLICATION,
            "protection_service_graph_client_secret": graph_stub.SECRET,
            "protection_service_graph_url": graph.url,
            "protection_service_graph_login_url": graph.url,
            "protection_service_graph_ca_path": graph.ca_path,
            "aip_report_dir": str(tmp_path),
        }
        arguments = f"--limit={HOST}", "-vvv"
        run = one.run(ROOT / "playbooks/audit.yml", *arguments, extra_vars=TENANT | variables)
    plan = [result for task, _host, result in run.results if task == "Plan the run"][-1]
    found = {item["id"]: item for item in plan["findings"][HOST]}
    assert "subscription" not in found and found["user_licenses"]["status"] == "not_stated"
    hosts = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["hosts"]
    assert {item["id"] for host in hosts for item in host["findings"]} == set(found)
    who = f"not among them, as far as the application may see: {accounts[1]}"
    assert found["onboarding"]["found"] == f"the policy covers members of {group} only; {who}"
    assert len([path for _method, path in graph.requests if path.endswith("/token")]) == 1
    assert content()["onboarding"]["group"] == "" and graph_stub.SECRET not in run.stdout + run.stderr
    assert graph_stub.TOKEN not in run.stdout + run.stderr


def test_other_tags_ask_nobody(site: AnsiblePlaybook) -> None:
    run = site.run(ROOT / "playbooks/audit.yml", f"--limit={HOST}", "--tags=tls", extra_vars=TENANT)
    assert sign_ins(run) == []


def test_tenant_that_cannot_be_set_ends_the_run_before_any_host(site: AnsiblePlaybook) -> None:
    wrong = {"rms_authorization_tenant_password": "Wrong!secret"}
    run = run_site(site, expect=2, **wrong)
    assert "AADSTS50126" in json.dumps([result for *_task, result in run.results if result.get("failed")])
    assert "Wrong!secret" not in run.stdout
    ad_rms = run_site(site, expect=2, protection_service_ad_rms_deployed=True)
    assert "while AD RMS is deployed" in json.dumps([result for *_task, result in ad_rms.results])
    assert content()["state"] == "Disabled"


@pytest.mark.parametrize("core", ["2.16"])
def test_role_alone_on_the_oldest_ansible(core: str) -> None:
    play = {"name": "tenant", "hosts": HOST, "gather_facts": False, "roles": [ROLE]}
    playbook = ansible_of(core)
    assert playbook.run([play], "--check", extra_vars=TENANT).stats[HOST]["changed"] > 0
    playbook.run([play], extra_vars=TENANT)
    assert content() == SET
    assert playbook.run([play], extra_vars=TENANT).stats[HOST]["changed"] == 0
