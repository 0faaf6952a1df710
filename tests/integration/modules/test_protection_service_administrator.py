"""protection_service_administrator: roles of the protection service, over the tenant that the fleet has."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from winfleet import directory
from winfleet.paths import state_directory

from ..ansible_runner import AnsiblePlaybook, Json, Run
from ..secrets_watch import no_secret_shows

HOST = "admin-2019"
MODULE = "infoprotect.aip.protection_service_administrator"
CONNECTOR, GROUP = (f"10000000-0000-4000-8000-00000000000{number}" for number in (4, 5))
TENANT = {"tenant_id": directory.NEW_TENANT["tenant_id"]}
APPLICATION = TENANT | {"application_id": "20000000-0000-4000-8000-000000000001"}
ADMIN = {"username": "admin@contoso.test", "password": "Winfleet!tenant"}
SECRET = APPLICATION | {"client_secret": "Winfleet!secret"}
CERTIFICATE = APPLICATION | {"certificate_thumbprint": "00112233445566778899AABBCCDDEEFF00112233"}
TOKEN = {"access_token": "winfleet.access.token"}
SECRETS = ("Winfleet!tenant", "Winfleet!secret", "winfleet.access.token", "wrong-password", "wrong-token")
READ = {"ansible.builtin.slurp": {"src": r"C:\windows\winfleet\shared\tenant.json"}}

pytestmark = pytest.mark.hosts(HOST)


@pytest.fixture(autouse=True)
def tenant() -> Iterator[None]:
    """The tenant is new before and after."""

    def renew() -> None:
        with directory.opened(state_directory(), directory.TENANT) as tenant:
            tenant.clear()
            tenant.update(copy.deepcopy(directory.NEW_TENANT))

    renew()
    yield
    renew()


def play(playbook: AnsiblePlaybook, *tasks: Json, host: str = HOST, **options: Any) -> Run:
    return playbook.run([{"name": "tenant", "hosts": host, "gather_facts": False, "tasks": list(tasks)}], **options)


def roles(run: Run, task: str) -> list[tuple[str, str]]:
    """Who had which role when a task read the tenant's file."""
    tenant = json.loads(base64.b64decode(run.task(task, HOST)["content"]))
    assert tenant["sessions"] == [], "somebody is still signed in"
    return sorted((held["role"], held["id"]) for held in tenant["roles"])


@pytest.mark.parametrize(
    ("connection", "who", "expected"),
    [
        # the role rms_authorization and test_secrets_are_nowhere sign in like these two
        pytest.param(
            ADMIN | TENANT,
            {"emails": ["Connector@contoso.test"]},
            [("ConnectorAdministrator", CONNECTOR)],
            marks=pytest.mark.full,
        ),
        pytest.param(
            SECRET, {"object_ids": [GROUP.upper()]}, [("ConnectorAdministrator", GROUP)], marks=pytest.mark.full
        ),
        (CERTIFICATE, {"groups": ["RMS Connector Administrators"]}, [("ConnectorAdministrator", GROUP)]),
        (
            TOKEN | TENANT,
            {"emails": ["connector@contoso.test"], "object_ids": [GROUP], "role": "global_administrator"},
            [("GlobalAdministrator", CONNECTOR), ("GlobalAdministrator", GROUP)],
        ),
    ],
    ids=["credential", "secret", "certificate", "token"],
)
def test_give_and_take(playbook: AnsiblePlaybook, connection: Json, who: Json, expected: list[tuple[str, str]]) -> None:
    give = {MODULE: connection | who, "diff": True}
    take = {MODULE: connection | who | {"state": "absent"}, "diff": True}
    run = play(
        playbook,
        {"name": "check", **give, "check_mode": True},
        {"name": "read after check", **READ},
        {"name": "give", **give},
        {"name": "read", **READ},
        {"name": "give again", **give},
        {"name": "check take", **take, "check_mode": True},
        {"name": "read after check take", **READ},
        {"name": "take", **take},
        {"name": "read at the end", **READ},
        {"name": "take again", **take},
    )
    result = {name: run.task(name, HOST) for name, _host, _result in run.results}
    assert [result[name]["changed"] for name in ("check", "give", "give again")] == [True, True, False]
    assert [result[name]["changed"] for name in ("check take", "take", "take again")] == [True, True, False]
    assert roles(run, "read after check") == []
    assert roles(run, "read") == roles(run, "read after check take") == expected
    assert roles(run, "read at the end") == []
    assert sorted(one["object_id"] for one in result["give"]["administrators"]) == [item for _role, item in expected]
    assert result["give"]["tenant"] == {
        "activated": True,
        "functional_state": "Enabled",
        "id": "5c6bb73b-1038-4eec-863d-49bded473437",
        "url": "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com",
        "module_version": "3.0.0.1",
    }
    (role,) = {role for role, _ in expected}
    assert result["give"]["diff"]["before"] == {role: []} and len(result["give"]["diff"]["after"][role]) == len(
        expected
    )
    assert (result["take"]["diff"]["after"], result["give again"]["diff"]["after"]) == (
        {role: []},
        result["give"]["diff"]["after"],
    )


# what is given -> what the error says
REFUSED: list[tuple[Json, str]] = [
    (ADMIN | {"username": "mfa@contoso.test"}, "requires multi-factor authentication"),
    (ADMIN | {"password": "wrong-password"}, "The sign-in to the protection service failed: AADSTS50126"),
    (ADMIN | {"username": "user@contoso.test"}, "may not administer it"),
    (ADMIN | {"tenant_id": CONNECTOR}, f"Tenant '{CONNECTOR}' not found"),
    (ADMIN | {"cloud": "AzureUSGovernment"}, "does not take Credential, EnvironmentName together"),
    ({"access_token": "wrong-token"}, "The access token is not valid"),
    (SECRET | {"client_secret": "wrong-password"}, "Invalid client secret"),
    (CERTIFICATE | {"certificate_thumbprint": "0" * 40}, "invalid signature"),
    (ADMIN | {"object_ids": ["contoso"]}, "object_ids is 'contoso': expected an id such as"),
    (ADMIN | {"emails": ["nobody@contoso.test"]}, "nobody@contoso.test is not one of the organization's"),
    (APPLICATION, "application_id is given alone: expected client_secret or certificate_thumbprint"),
    (ADMIN | TOKEN, "parameters are mutually exclusive: username, application_id, access_token"),
    (
        {"emails": ["connector@contoso.test"]},
        "one of the following is required: username, application_id, access_token",
    ),
]


def test_what_is_refused(playbook: AnsiblePlaybook) -> None:
    """Nothing is changed then, and nobody stays signed in; what was given before something failed is said."""
    with directory.opened(state_directory(), directory.TENANT) as tenant:
        tenant["state"] = "Disabled"
    tasks: list[Json] = [
        {"name": f"case {number}", MODULE: f"{{{{ cases[{number}] }}}}", "ignore_errors": True}
        for number in range(len(REFUSED))
    ]
    run = play(
        playbook,
        *tasks,
        {"name": "read", **READ},
        {"name": "half", MODULE: "{{ half }}", "ignore_errors": True},
        {"name": "read half", **READ},
        {"name": "ask", MODULE: "{{ admin }}"},
        extra_vars={
            "cases": [case for case, _ in REFUSED],
            "admin": ADMIN,
            "half": ADMIN | {"emails": ["connector@contoso.test", "nobody@contoso.test"]},
        },
    )
    for number, (case, message) in enumerate(REFUSED):
        result = run.task(f"case {number}", HOST)
        assert result["failed"] and not result["changed"] and message in result["msg"], (case, result["msg"])
    assert roles(run, "read") == []
    assert run.task("half", HOST)["changed"], "the first one was given the role before the second one failed"
    assert roles(run, "read half") == [("ConnectorAdministrator", CONNECTOR)]
    asked = run.task("ask", HOST)
    assert (asked["changed"], asked["tenant"]["activated"]) == (False, False)
    assert [one["email"] for one in asked["administrators"]] == ["connector@contoso.test"]


def test_secrets_are_nowhere(playbook: AnsiblePlaybook) -> None:
    """Not in what Ansible says at -vvv, of a success or a failure, nor on the host."""
    cases = [ADMIN, SECRET, TOKEN, ADMIN | {"password": "wrong-password"}, {"access_token": "wrong-token"}]
    tasks = [
        {"name": f"case {number}", MODULE: f"{{{{ cases[{number}] }}}}", "diff": True, "ignore_errors": True}
        for number in range(len(cases))
    ]
    plays = [{"name": "tenant", "hosts": HOST, "gather_facts": False, "tasks": tasks}]
    with no_secret_shows(HOST, *SECRETS):
        run = playbook.run(plays, "-vvv", extra_vars={"cases": cases})
    assert [run.task(f"case {number}", HOST).get("failed", False) for number in range(5)] == [False] * 3 + [True] * 2
    assert [secret for secret in SECRETS if secret in run.stdout + run.stderr] == []


@pytest.mark.hosts("controller-2019")
def test_host_without_the_powershell_module(playbook: AnsiblePlaybook) -> None:
    run = play(playbook, {"name": "ask", MODULE: ADMIN}, host="controller-2019", expect=2)
    message = run.task("ask", "controller-2019")["msg"]
    assert message.startswith("The PowerShell module AIPService is not on this host") and "Install-Module" in message
