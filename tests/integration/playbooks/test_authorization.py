"""The role rms_authorization: groups of the fleet's directory, the tenant's administrators, the connector's list."""

from __future__ import annotations

import copy
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from winfleet import directory, passwords
from winfleet.paths import state_directory

from ..ansible_runner import CONNECTOR_TAGS, ROOT, AnsiblePlaybook, Json, Run, ansible_of, older_cores
from ..secrets_watch import no_secret_shows

ADMIN, CONTROLLER = "admin-2019", "controller-2019"
ROLE = "infoprotect.aip.rms_authorization"
BASE = "DC=contoso,DC=test"
FCI = f"CN=FCI-2016,CN=Computers,{BASE}"
FARM, CONTENT = (f"CN={name},CN=Users,{BASE}" for name in ("sp-farm", "sp-content"))
EXCHANGE_SERVERS = f"CN=Exchange Servers,OU=Microsoft Exchange Security Groups,{BASE}"
UNIVERSAL_SECURITY, LOCAL_SECURITY = -2147483640, -2147483644
GROUPS: Json = {
    "rms_authorization_domain": "CONTOSO",
    "rms_authorization_exchange_group": "Exchange Servers",
    "rms_authorization_sharepoint_group": "RMS SharePoint",
    "rms_authorization_sharepoint_members": ["sp-farm", r"CONTOSO\sp-content"],
    "rms_authorization_fci_group": "RMS FCI",
    "rms_authorization_fci_members": ["FCI-2016$"],
}
SIGN_IN: Json = {
    "rms_authorization_tenant_username": "admin@contoso.test",
    "rms_authorization_tenant_password": "Winfleet!tenant",
}
#: The fact of a connector whose list is as GROUPS want it.
LISTED: Json = {
    "installed": True,
    "status": "running",
    "last_list_update": "2026-11-25T10:15:00Z",
    "authorized": [r"CONTOSO\Exchange Servers", r"CONTOSO\RMS SharePoint", r"CONTOSO\RMS FCI"],
    "events": [],
}
LOOK, WRITE, FAILED = (
    f"{ROLE} : {name}"
    for name in ("Search the directory", "Bring the groups to what is wanted", "Fail if the list is not verified")
)
COMPARE = f"{ROLE} : Compare the connector's list with the groups"

pytestmark = pytest.mark.hosts(ADMIN, CONTROLLER)


@pytest.fixture
def authorization(playbook: AnsiblePlaybook, tmp_path: Path) -> AnsiblePlaybook:
    """ansible-playbook with an inventory that says who does the work."""
    inventory = tmp_path / "groups.yml"
    groups = {"domain_controllers": {"hosts": {CONTROLLER: None}}, "aip_admin_hosts": {"hosts": {ADMIN: None}}}
    inventory.write_text(yaml.safe_dump(groups), encoding="utf-8")
    return AnsiblePlaybook(playbook.bin_folder, [*playbook.inventories, inventory])


@pytest.fixture(autouse=True)
def nothing_yet(fleet: None) -> Iterator[None]:
    """No group of ours and nobody with a role; directory and tenant as before, whatever a test did."""
    state = state_directory()
    kept = {}
    for name in (directory.DIRECTORY, directory.TENANT):
        with directory.opened(state, name) as data:
            kept[name] = copy.deepcopy(data)
            if name == directory.TENANT:
                data["roles"] = []
            else:
                entries = data["objects"]
                data["objects"] = [one for one in entries if one["class"] != "group" or one["dn"] == EXCHANGE_SERVERS]
    yield
    for name, before in kept.items():
        with directory.opened(state, name) as data:
            data.clear()
            data.update(before)


def entries() -> Json:
    """The directory's objects that are not the fleet's own computers and users, by their names."""
    with directory.opened(state_directory(), directory.DIRECTORY) as data:
        return {entry["dn"]: entry["attributes"] for entry in data["objects"] if entry["class"] == "group"}


def run_role(
    authorization: AnsiblePlaybook, variables: Json, *arguments: str, expect: int = 0, cut_off_before: str = ""
) -> Run:
    """The role on a host that is no connector; what a connector would say is a variable."""
    plays = [{"name": "role", "hosts": ADMIN, "gather_facts": False, "roles": [{"role": ROLE}]}]
    ends: Json = {"expect": expect, "cut_off_before": cut_off_before}
    return authorization.run(plays, *arguments, extra_vars=variables, **ends)


def written(run: Run) -> list[str]:
    return [result["item"]["group"] for task, _h, all_ in run.results if task == WRITE for result in all_["results"]]


def test_from_nothing_to_a_verified_list(authorization: AnsiblePlaybook) -> None:
    variables = GROUPS | SIGN_IN | {"rms_authorization_administrator_emails": ["connector@contoso.test"]}
    before = entries()
    empty = {"rms_authorization_connector": LISTED | {"authorized": []}}
    checked = run_role(authorization, variables | empty, "--check", "--diff")
    assert entries() == before and written(checked) == ["RMS SharePoint", "RMS FCI"]

    first = run_role(authorization, variables | empty, "--diff")
    after = entries()
    assert after[f"CN=RMS SharePoint,CN=Users,{BASE}"] == {
        "sAMAccountName": "RMS SharePoint",
        "groupType": UNIVERSAL_SECURITY,
        "member": [FARM, CONTENT],
    }
    assert after[f"CN=RMS FCI,CN=Users,{BASE}"]["member"] == [FCI]
    assert after[EXCHANGE_SERVERS] == before[EXCHANGE_SERVERS]
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        assert [held["role"] for held in tenant["roles"]] == ["ConnectorAdministrator"]
        assert tenant["sessions"] == []
    said = first.task(f"{ROLE} : Show what follows from the groups", ADMIN)["msg"]
    said = "\n".join(said)
    assert r"CONTOSO\Exchange Servers: with this role, every member becomes a super user" in said
    assert r"sp-farm, CONTOSO\sp-content, FCI-2016$: new members" in said and "klist -li 0x3e7 purge" in said
    step = first.task(f"{ROLE} : Show the manual step", ADMIN)["msg"]
    assert [line for line in step if line.startswith("Add ")] == [
        r"Add CONTOSO\Exchange Servers with the role Exchange Server.",
        r"Add CONTOSO\RMS SharePoint with the role SharePoint Server.",
        r"Add CONTOSO\RMS FCI with the role FCI Server.",
    ]
    assert any("Sign in to AzureCloud" in line for line in step)

    last = {"rms_authorization_list": "fail", "rms_authorization_connector": LISTED}
    again = run_role(authorization, variables | last)
    assert again.stats[ADMIN]["changed"] == 0 and written(again) == []
    assert "klist" not in str(again.task(f"{ROLE} : Show what follows from the groups", ADMIN)["msg"])
    verdict = again.task(COMPARE, ADMIN)
    assert (verdict["status"], verdict["attended_step"]) == ("verified", None)
    assert entries() == after


@pytest.mark.parametrize("core", older_cores("2.16"))
def test_older_ansible_with_its_microsoft_ad(authorization: AnsiblePlaybook, core: str) -> None:
    older = ansible_of(core, authorization.inventories)
    variables = GROUPS | {"rms_authorization_connector": LISTED}
    assert written(run_role(older, variables)) == ["RMS SharePoint", "RMS FCI"]
    assert entries()[f"CN=RMS SharePoint,CN=Users,{BASE}"]["member"] == [FARM, CONTENT]
    again = run_role(older, variables | {"rms_authorization_list": "fail"})
    assert again.stats[ADMIN]["changed"] == 0 and written(again) == []


def test_what_is_refused_changes_nothing(authorization: AnsiblePlaybook) -> None:
    """All of it is said at once."""
    before = entries()
    run = run_role(
        authorization,
        GROUPS
        | {
            "rms_authorization_exchange_members": ["EXCHANGE-1$"],
            "rms_authorization_sharepoint_members": ["CONNECTOR-1$", "nobody"],
            "rms_authorization_fci_members": ["EXCHANGE-1$", "FCI-2016"],
        },
        expect=2,
    )
    message = run.task(f"{ROLE} : Compare the groups with the directory, before anything is changed", ADMIN)["msg"]
    for expected in (
        'exchange: "Exchange Servers" is kept by Exchange, and its members are never set',
        "sharepoint: CONNECTOR-1$ is a computer; expected a service account",
        "sharepoint: there is no nobody in the directory",
        "fci: there is no FCI-2016 in the directory; a computer is called FCI-2016$",
        "EXCHANGE-1$ would be in the groups of exchange and of fci",
    ):
        assert expected in message
    assert entries() == before and written(run) == []
    missing = {"rms_authorization_directory_hosts": "nowhere"}
    run = run_role(authorization, GROUPS | missing, expect=2)
    assert "rms_authorization_directory_hosts is nowhere: expected a group of the inventory" in run.stdout
    assert LOOK not in [task for task, _host, _result in run.results]


def test_directory_that_does_not_let_in(authorization: AnsiblePlaybook) -> None:
    """As Windows refuses: no credential off a domain controller, a wrong one, another server, an account that reads."""
    before = entries()
    password = passwords.read(state_directory())[passwords.READER]
    account = {
        "rms_authorization_domain_username": r"CONTOSO\reader",
        "rms_authorization_domain_password": password,
    }
    admin = GROUPS | {"rms_authorization_directory_hosts": "aip_admin_hosts", "rms_authorization_connector": LISTED}
    for more, message in (
        ({}, "double hop problem"),
        (account | {"rms_authorization_domain_password": "wrong"}, "The server has rejected the client credentials"),
        (account | {"rms_authorization_domain_server": "dc.fabrikam.test"}, "Failed to contact the AD server"),
        (account, "New-ADGroup failed: Insufficient access rights"),
    ):
        run = run_role(authorization, admin | more, expect=2)
        assert message in run.stdout, more
        assert password not in run.stdout + run.stderr
    assert entries() == before


def test_members_that_nobody_named_and_the_scope(authorization: AnsiblePlaybook) -> None:
    """From an admin host, which needs an account for the directory; and what is said holds no secret."""
    with directory.opened(state_directory(), directory.DIRECTORY) as data:
        data["objects"].append(
            {
                "dn": f"CN=RMS SharePoint,CN=Computers,{BASE}",
                "guid": "30000000-0000-4000-8000-000000000001",
                "sid": f"{data['sid']}-5000",
                "class": "group",
                "attributes": {"sAMAccountName": "RMS SharePoint", "groupType": 8, "member": [FCI, FARM]},
            }
        )
    password = passwords.read(state_directory())[passwords.ADMINISTRATOR]
    variables: Json = {
        "rms_authorization_sharepoint_group": r"CONTOSO\RMS SharePoint",
        "rms_authorization_sharepoint_members": ["sp-farm", "sp-content"],
        "rms_authorization_directory_hosts": "aip_admin_hosts",
        "rms_authorization_domain_username": r"CONTOSO\Administrator",
        "rms_authorization_domain_password": password,
        "rms_authorization_connector": LISTED,
    }
    kept = run_role(authorization, variables)
    assert run_role(authorization, variables).stats[ADMIN]["changed"] == 0
    group = f"CN=RMS SharePoint,CN=Computers,{BASE}"
    assert entries()[group]["member"] == [FCI, FARM, CONTENT] and entries()[group]["groupType"] == UNIVERSAL_SECURITY
    assert "FCI-2016: unlisted members" in str(kept.task(f"{ROLE} : Show what follows from the groups", ADMIN)["msg"])
    more = {"rms_authorization_exclusive": True, "rms_authorization_scope": "domainlocal"}
    removed = run_role(authorization, variables | more, "-vvv")
    assert entries()[group]["member"] == [FARM, CONTENT] and entries()[group]["groupType"] == LOCAL_SECURITY
    assert removed.stats[ADMIN]["changed"] == 1
    assert run_role(authorization, variables | more).stats[ADMIN]["changed"] == 0
    # the fleet's hosts have the same password for their connection, which Ansible does not print either
    assert password not in kept.stdout + removed.stdout + removed.stderr


@pytest.mark.full("cut-offs")
def test_runs_that_are_cut_off_at_each_step(authorization: AnsiblePlaybook) -> None:
    """One after the other, each going on where the one before has ended."""
    variables = GROUPS | SIGN_IN | {"rms_authorization_administrator_emails": ["connector@contoso.test"]}
    variables["rms_authorization_connector"] = LISTED | {"authorized": []}
    half = {name: value for name, value in variables.items() if not name.startswith("rms_authorization_fci")}
    # As when the loop has come to the second group, and the rest
    groups, role = "Bring the groups to what is wanted", "Give or take the role of the connector administrator"
    steps = [(groups, half), (role, half), (role, variables), (COMPARE.removeprefix(f"{ROLE} : "), variables)]
    for step, wanted in steps:
        run_role(authorization, wanted, cut_off_before=step)
    kept = [f"CN={name},CN=Users,{BASE}" for name in ("RMS FCI", "RMS SharePoint")]
    assert sorted(set(entries()) - {EXCHANGE_SERVERS}) == kept
    rest = run_role(authorization, variables | {"rms_authorization_connector": LISTED})
    assert (rest.stats[ADMIN]["changed"], written(rest)) == (0, [])
    assert [entries()[name]["member"] for name in kept] == [[FCI], [FARM, CONTENT]]
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        assert [held["role"] for held in tenant["roles"]] == ["ConnectorAdministrator"]


def test_secrets_stand_nowhere(authorization: AnsiblePlaybook) -> None:
    """Not those with which an application, a token and an account sign in, at -vvv; nor on the host that does it."""
    application = {
        "rms_authorization_tenant_id": directory.NEW_TENANT["tenant_id"],
        "rms_authorization_tenant_application_id": "20000000-0000-4000-8000-000000000001",
    }
    sign_ins: dict[str, Json] = {
        "Winfleet!secret": application | {"rms_authorization_tenant_client_secret": "Winfleet!secret"},
        "Wrong!secret": application | {"rms_authorization_tenant_client_secret": "Wrong!secret"},
        "winfleet.access.token": {"rms_authorization_tenant_access_token": "winfleet.access.token"},
        "Winfleet!tenant": SIGN_IN,
    }
    variables = GROUPS | {
        "rms_authorization_administrator_emails": ["connector@contoso.test"],
        "rms_authorization_connector": LISTED,
    }
    with no_secret_shows(ADMIN, *sign_ins):
        runs = [
            run_role(authorization, variables | sign_in, "-vvv", "--diff", expect=2 if "Wrong" in secret else 0)
            for secret, sign_in in sign_ins.items()
        ]
    said = "".join(run.stdout + run.stderr for run in runs)
    assert "AADSTS" in said and [secret for secret in sign_ins if secret in said] == []
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        assert [held["role"] for held in tenant["roles"]] == ["ConnectorAdministrator"]


def test_list_that_is_not_as_it_should_be(authorization: AnsiblePlaybook) -> None:
    only = {"rms_authorization_groups_managed": False}
    refused = {"id": 2001, "time": "2026-11-25T10:16:00Z", "text": r"CONTOSO\FCI-2016$ is not authorized."}
    fact = LISTED | {"authorized": [r"contoso\rms sharepoint"], "events": [refused]}
    failing = {"rms_authorization_list": "fail", "rms_authorization_connector": fact}
    run = run_role(authorization, GROUPS | only | failing, expect=2)
    message = run.task(FAILED, ADMIN)["msg"]
    for expected in (
        r"CONTOSO\Exchange Servers is not on the connector's list",
        r"CONTOSO\RMS FCI is not on the connector's list",
        r"CONTOSO\FCI-2016$ asked and is not authorized (event 2001)",
        "with the role FCI Server",
    ):
        assert expected in message
    assert "RMS SharePoint is not" not in message
    assert LOOK not in run.module_runs(ADMIN)

    waiting = {"rms_authorization_list": "wait", "rms_authorization_timeout": 2, "rms_authorization_interval": 1}
    waited = run_role(authorization, GROUPS | only | waiting, expect=2)
    assert waited.task(f"{ROLE} : Wait until the connector's list is verified", ADMIN)["attempts"] >= 2
    assert "there is no connector on this host" in waited.task(FAILED, ADMIN)["msg"]


@pytest.mark.hosts("connector-3")
def test_connectors_playbook_verifies_the_list(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """By its look: a connector that complies costs no further module run, and what is not as wanted is said."""
    connector = "connector-3"
    inventory = tmp_path / "connectors.yml"
    inventory.write_text(yaml.safe_dump({"rms_connectors": {"hosts": {connector: None}}}), encoding="utf-8")
    connectors = AnsiblePlaybook(playbook.bin_folder, [*playbook.inventories, inventory])
    variables: Json = {
        "rms_connector_version": "3.0.0",
        "rms_connector_pool": [{"members": ["connector-1", "connector-2"]}, {"members": [connector]}],
        "aip_stop": "never",
        "rms_authorization_domain": "CONTOSO",
    }
    fleet = [str(ROOT / "bin/fleet"), *(f"--inventory={one}" for one in playbook.inventories), "authorize", "--all"]
    subprocess.run([*fleet, r"fci=CONTOSO\RMS FCI"], check=True)

    def somebody_adds_it() -> None:
        subprocess.run([*fleet, r"fci=CONTOSO\RMS Other"], check=True)

    def run(**more: str | int) -> Run:
        limit = f"--limit={connector}", CONNECTOR_TAGS
        return connectors.run(ROOT / "playbooks/connectors.yml", *limit, extra_vars=variables | more)

    try:
        runs = {group: run(rms_authorization_fci_group=group) for group in ("RMS FCI", "RMS Other")}
        without = run()
        somebody = threading.Timer(10, somebody_adds_it)
        somebody.start()
        waiting: Json = {"list": "wait", "interval": 2, "timeout": 120, "fci_group": "RMS Other"}
        waited = run(**{f"rms_authorization_{name}": value for name, value in waiting.items()})
        somebody.join()
    finally:
        subprocess.run([*fleet, "--remove", r"fci=CONTOSO\RMS FCI", r"fci=CONTOSO\RMS Other"], check=True)
    said = f"{ROLE} : Show the events of the connector"
    verdicts = {group: run.task(COMPARE, connector) for group, run in runs.items()}
    assert verdicts["RMS FCI"]["status"] == "verified"
    assert verdicts["RMS Other"]["status"] == "differs"
    assert r"CONTOSO\RMS Other is not on the connector's list" in runs["RMS Other"].task(said, connector)["msg"]
    assert all(len(one.module_runs(connector)) == 1 for one in (*runs.values(), without))
    assert COMPARE not in [task for task, _host, _result in without.results]
    assert waited.task(COMPARE, connector)["status"] == "differs"
    found = waited.task(f"{ROLE} : Wait until the connector's list is verified", connector)
    assert (found["status"], found["missing"]) == ("verified", [])


@pytest.mark.hosts("connector-3")
def test_connectors_playbook_begins_with_the_accounts(authorization: AnsiblePlaybook, tmp_path: Path) -> None:
    """Groups and administrators, once for all connectors, and not with the tag of the connectors alone."""
    connector = "connector-3"
    inventory = tmp_path / "connectors.yml"
    inventory.write_text(yaml.safe_dump({"rms_connectors": {"hosts": {connector: None}}}), encoding="utf-8")
    connectors = AnsiblePlaybook(authorization.bin_folder, [*authorization.inventories, inventory])
    variables = GROUPS | SIGN_IN | {"rms_authorization_administrator_emails": ["connector@contoso.test"]}

    def run(*arguments: str) -> Run:
        return connectors.run(
            ROOT / "playbooks/connectors.yml", f"--limit={connector}", *arguments, extra_vars=variables
        )

    before = entries()
    checked, without = (
        run("--tags=authorization", "--check"),
        run(CONNECTOR_TAGS, "--check"),
    )
    assert [LOOK in [task for task, _host, _result in one.results] for one in (checked, without)] == [True, False]
    assert entries() == before
    first, second = run("--tags=authorization"), run("--tags=authorization")
    assert entries()[f"CN=RMS FCI,CN=Users,{BASE}"]["member"] == [FCI]
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        assert [held["role"] for held in tenant["roles"]] == ["ConnectorAdministrator"]
    assert first.stats[connector]["changed"] > 0 and second.stats[connector]["changed"] == 0


@pytest.mark.hosts("sharepoint-2016", "fci-2016")
def test_the_service_tells_servers_the_tenant(authorization: AnsiblePlaybook) -> None:
    """Asked once for all of them, where nobody can sign in to the connector."""
    servers = ["sharepoint-2016", "fci-2016"]
    products = {"irm_server_product": "{{ inventory_hostname | regex_replace('-.*') }}"}
    play = {"name": "servers", "hosts": servers, "gather_facts": False, "roles": ["infoprotect.aip.irm_server"]}
    variables = SIGN_IN | products | {"irm_server_connector_url": "http://rms-by-service.contoso.test"}
    ask, write = f"{ROLE} : Ask the protection service whether it is activated", "Apply the settings"
    told = authorization.run([play], "--check", "--diff", extra_vars=variables)
    assert [task for task, _host, _result in told.results].count(ask) == 1
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        url = tenant["licensing_url"]
    diff = told.task(f"infoprotect.aip.aip_apply : {write}", servers[0])["diff"]
    assert url in str(diff) and "http://rms-by-service.contoso.test" in str(diff)
    wrong = variables | {"rms_authorization_tenant_password": "Wrong!secret"}
    refused = authorization.run([play], "--check", extra_vars=wrong, expect=2)
    said = refused.task("infoprotect.aip.irm_server : Fail if the URL of the tenant is not known", servers[0])["msg"]
    assert said.startswith("the protection service does not tell the URL of the tenant") and "AADSTS50126" in said
    assert "Wrong!secret" not in refused.stdout


@pytest.mark.full
@pytest.mark.hosts("connector-1", "connector-2", "connector-3")
def test_preflight_asks_the_protection_service(authorization: AnsiblePlaybook) -> None:
    """Once in a run, where a connector has to be set up; what it says outranks a statement."""
    requirement = "protection_service_activated"
    new, done = ["connector-1", "connector-2"], "connector-3"
    stated = {requirement: {"name": "A. Admin", "date": "2025-01-01", "expires": "2099-12-31"}}
    variables: Json = {
        "aip_domains": ["connector"],
        "rms_connector_state": "present",
        "aip_endpoints": [],
        "aip_stop": "never",
        "aip_statements": {},
    }
    work = {"name": "plan", "ansible.builtin.import_tasks": str(ROOT / "playbooks/tasks/plan.yml")}
    plays: list[Json] = [
        {"name": name, "hosts": hosts, "gather_facts": False, "tasks": [work], **more}
        for name, hosts, more in (
            ("one at a time", new, {"serial": 1}),
            ("one that complies", [done, new[0]], {}),
        )
    ]

    def run(state: str, *arguments: str, expect: int = 0, **more: Any) -> Run:
        with directory.opened(state_directory(), directory.TENANT) as tenant:
            tenant["state"] = state
        result = authorization.run(plays, *arguments, extra_vars=variables | more, expect=expect)
        with directory.opened(state_directory(), directory.TENANT) as tenant:
            assert (tenant["sessions"], tenant["roles"], tenant["state"]) == ([], [], state)
        inspect = "infoprotect.aip.aip_apply : Inspect the host"
        assert all(name == inspect for host in (*new, done) for name in result.module_runs(host))
        return result

    def found(run: Run) -> list[Json]:
        """The finding of each host in each plan, without those that still have to ask the tenant."""
        every = [result for task, _host, result in run.results if task == "Plan the run"]
        plans = [plan for plan in every if "findings" in plan and not plan["tenant"]]
        return [
            item for plan in plans for one in plan["findings"].values() for item in one if item["id"] == requirement
        ]

    def asked(run: Run) -> list[Json]:
        ask = f"{ROLE} : Ask the protection service whether it is activated"
        return [result for task, _host, result in run.results if task == ask and not result.get("skipped")]

    for _ in range(2):
        activated = run("Enabled", **SIGN_IN)
        assert (len(asked(activated)), found(activated)) == (1, [])
        assert asked(activated)[0]["_ansible_delegated_vars"]["ansible_delegated_host"] == ADMIN

    off = run("Disabled", "--check", **SIGN_IN | {"aip_statements": stated})
    assert len(asked(off)) == 1
    assert {(one["status"], one["found"]) for one in found(off)} == {("fails", "Disabled")}
    assert [one["severity"] for one in found(off)].count("advises") == 1, "the connector that complies"
    ended = run("Disabled", expect=2, **SIGN_IN | {"aip_stop": "run", "aip_statements": stated})
    said = next(result["msg"] for task, _host, result in ended.results if task == "Plan the run" and "msg" in result)
    assert f"{requirement} (blocks)" in said and "Found: Disabled" in said and "Enable-AipService" in said

    wrong = SIGN_IN | {"rms_authorization_tenant_password": "Wrong!secret"}
    refused = run("Disabled", "-vvv", **wrong)
    assert len(asked(refused)) == 1 and "Wrong!secret" not in refused.stdout + refused.stderr
    assert len(found(refused)) == len(found(off)) == 5, "a batch has those of the batch before, too"
    for item in found(refused):
        assert (item["severity"], item["status"]) == ("advises", "not_stated")
        assert "the service does not tell: The sign-in" in item["found"] and "AADSTS50126" in item["found"]
    assert found(run("Disabled", **wrong | {"aip_statements": stated})) == []
    assert asked(run("Disabled")) == [], "nobody signs in"
