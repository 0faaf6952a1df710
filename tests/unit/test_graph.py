"""protection_service_graph_info: subscriptions, memberships and every refusal, from a stand-in of Microsoft Graph."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import load_action
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.infoprotect.aip.plugins.plugin_utils import graph as reading
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from graph_stub import APPLICATION, RIGHTS_MANAGEMENT, SECRET, TENANT, TOKEN, Graph, serve, subscription

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
GROUP, OTHER = "10000000-0000-4000-8000-000000000007", "10000000-0000-4000-8000-000000000008"
CONNECTOR = "connector@contoso.test"
USER = {"id": "10000000-0000-4000-8000-000000000004", "plans": {RIGHTS_MANAGEMENT: "Enabled"}, "groups": [GROUP]}
WITH_SECRET = {"application_id": APPLICATION, "client_secret": SECRET, "tenant_id": TENANT}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    with serve(Graph(), tmp_path_factory.mktemp("graph")) as graph:
        yield graph


@pytest.fixture
def graph(server: Graph) -> Graph:
    """A new tenant."""
    address = {"url": server.url, "ca_path": server.ca_path}
    vars(server).update({**vars(Graph(users={CONNECTOR: dict(USER)})), **address})
    return server


def run(graph: Graph, variables: Json | None = None, loader: DataLoader | None = None, **options: Any) -> Json:
    options = {"access_token": TOKEN} | options if "application_id" not in options else options
    where = {"url": graph.url, "login_url": graph.url, "ca_path": graph.ca_path, "timeout": 5}
    action = load_action("protection_service_graph_info", where | options, variables=variables, loader=loader)
    return dict(action.run(task_vars=variables or {}))


def test_subscriptions_and_memberships(graph: Graph) -> None:
    graph.users["other@contoso.test"] = {"id": OTHER, "plans": {RIGHTS_MANAGEMENT: "Suspended"}}
    accounts = [CONNECTOR.upper(), "other@contoso.test", "nobody#1@contoso.test", USER["id"]]
    found = run(graph, **WITH_SECRET, accounts=accounts, groups=[GROUP.upper()])
    assert found["plans"] == ["RMS_S_ENTERPRISE", "RMS_S_PREMIUM"] and found["notes"] == []
    assert found["subscriptions"] == [
        {
            "name": "RIGHTSMANAGEMENT",
            "status": "Enabled",
            "plans": {"RMS_S_ENTERPRISE": "Success", "RMS_S_PREMIUM": "Success"},
            "usable": ["RMS_S_ENTERPRISE", "RMS_S_PREMIUM"],
            "units": 25,
            "assigned": 14,
        }
    ]
    assert [tuple(account.values())[1:] for account in found["accounts"]] == [
        (True, True, [GROUP]),
        (True, False, []),
        (False, False, []),
        (True, True, [GROUP]),
    ]
    assert not found.get("changed") and not found.get("failed")


def test_example(graph: Graph) -> None:
    """With the stand-in's secret, tenant and application."""
    documentation = yaml.safe_load((ROOT / "plugins/modules/protection_service_graph_info.yml").read_text("utf-8"))
    (example,) = yaml.safe_load(documentation["EXAMPLES"])
    found = run(graph, **example["infoprotect.aip.protection_service_graph_info"] | WITH_SECRET)
    assert [account["member_of"] for account in found["accounts"]] == [[GROUP]]


def test_a_token_is_used_as_it_is(graph: Graph) -> None:
    assert run(graph)["plans"] == ["RMS_S_ENTERPRISE", "RMS_S_PREMIUM"]
    assert graph.requests == [("GET", "/v1.0/subscribedSkus")]


@pytest.mark.parametrize(
    ("subscriptions", "plans"),
    [
        ([], []),
        ([subscription("ENTERPRISEPACK", EXCHANGE_S_ENTERPRISE="Success")], []),
        ([subscription(RMS_S_PREMIUM="Success", status="Warning")], ["RMS_S_PREMIUM"]),
        ([subscription(RMS_S_PREMIUM="Success", status="Suspended")], []),
        ([subscription(RMS_S_PREMIUM="Disabled", RMS_S_ENTERPRISE="PendingActivation")], ["RMS_S_ENTERPRISE"]),
        # RMS for individuals
        ([subscription("RIGHTSMANAGEMENT_ADHOC", RMS_S_ENTERPRISE="Success")], []),
        ([subscription("EMSPREMIUM", RMS_S_PREMIUM2="Success")], ["RMS_S_PREMIUM2"]),
        (
            [subscription("EMSPREMIUM_GOV", RMS_S_ENTERPRISE_GOV="Success", RMS_S_PREMIUM2_GOV="Success")],
            ["RMS_S_ENTERPRISE", "RMS_S_PREMIUM2"],
        ),
        ([{"servicePlans": None}, "text", {"servicePlans": [7]}], []),
    ],
)
def test_a_service_plan_counts_where_it_can_be_used(graph: Graph, subscriptions: list[Any], plans: list[str]) -> None:
    graph.subscriptions = subscriptions
    assert run(graph)["plans"] == plans


def test_a_license_of_a_government_is_one(graph: Graph) -> None:
    graph.users[CONNECTOR]["plans"] = {"6a76346d-5d6e-4051-9fe3-ed3f312b5597": "Enabled"}
    assert run(graph, accounts=[CONNECTOR])["accounts"][0]["licensed"]


def pem(key: Any) -> bytes:
    """A certificate with its key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "collection")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize("encrypted", [False, True])
def test_sign_in_with_a_certificate(graph: Graph, tmp_path: Path, encrypted: bool) -> None:
    """Also with a file that ansible-vault has encrypted."""
    content = graph.certificate = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    loader, secrets = DataLoader(), [("default", VaultSecret(b"vault password"))]
    loader.set_vault_secrets(secrets)
    file = tmp_path / "application.pem"
    file.write_bytes(VaultLib(secrets).encrypt(content) if encrypted else content)
    options = {"application_id": APPLICATION, "tenant_id": TENANT, "certificate": str(file)}
    assert run(graph, loader=loader, **options)["plans"] == ["RMS_S_ENTERPRISE", "RMS_S_PREMIUM"]
    file.write_bytes(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    assert "AADSTS700027" in run(graph, **options)["msg"]


def test_a_certificate_that_cannot_sign(graph: Graph, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    foreign = pem(key).partition(b"-----BEGIN CERT")[0] + pem(
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ).partition(b"-----END PRIVATE KEY-----\n")[2]  # fmt: skip
    for content, said in (
        (b"no pem", "expected PEM with the certificate and its key without a passphrase"),
        # of an algorithm that does not exist
        (
            b"-----BEGIN PRIVATE KEY-----\nMA8CAQAwBQYDKgMEBANhYmM=\n-----END PRIVATE KEY-----\n",
            "expected PEM with the certificate and its key without a passphrase",
        ),
        (pem(ec.generate_private_key(ec.SECP256R1())), "expected an RSA key that belongs to the certificate"),
        (foreign, "expected an RSA key that belongs to the certificate"),
    ):
        (tmp_path / "x.pem").write_bytes(content)
        found = run(graph, application_id=APPLICATION, tenant_id=TENANT, certificate=str(tmp_path / "x.pem"))
        assert found["failed"] and said in found["msg"]
    assert graph.requests == []
    missing = run(graph, application_id=APPLICATION, tenant_id=TENANT, certificate=str(tmp_path / "none.pem"))
    assert missing["failed"] and "none.pem" in missing["msg"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"client_secret": "Wrong!secret"}, "AADSTS7000215: Invalid client secret provided: ********. Check the"),
        ({"tenant_id": OTHER}, f"AADSTS90002: Tenant '{OTHER}' not found"),
        ({"application_id": OTHER}, "AADSTS700016"),
    ],
)
def test_a_sign_in_that_is_refused(graph: Graph, options: Json, said: str) -> None:
    found = run(graph, **WITH_SECRET | options)
    assert found["failed"] and said in found["msg"] and "Trace ID" not in found["msg"]
    assert "Wrong!secret" not in str(found) and SECRET not in str(found)


@pytest.mark.parametrize("more", ["\n", "\r\nX: y", " ", "\u2026", "\x00"])
def test_a_secret_that_no_header_can_have_is_not_repeated(graph: Graph, more: str) -> None:
    for name, options in (("access_token", {"access_token": TOKEN}), ("client_secret", WITH_SECRET)):
        found = run(graph, **options | {name: f"{options[name]}{more}"})
        assert found["msg"].startswith(f"Microsoft Graph: {name} has a blank, a line break")
        assert TOKEN not in str(found) and SECRET not in str(found)
    assert graph.requests == []


def test_an_expired_token(graph: Graph) -> None:
    found = run(graph, access_token="an-old-token", accounts=[CONNECTOR])
    assert found["plans"] is None and found["accounts"][0]["found"] is None
    assert all("401 InvalidAuthenticationToken" in note and "that has not expired" in note for note in found["notes"])
    assert len(found["notes"]) == 2 and "an-old-token" not in str(found)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("Organization.Read.All", (None, True, True, [GROUP])),
        ("User.Read.All", (["RMS_S_ENTERPRISE", "RMS_S_PREMIUM"], None, None, None)),
        ("GroupMember.Read.All", (["RMS_S_ENTERPRISE", "RMS_S_PREMIUM"], True, True, None)),
    ],
)
def test_a_missing_permission_is_named_and_leaves_the_rest(graph: Graph, missing: str, expected: tuple[Any]) -> None:
    graph.permissions -= {missing}
    found = run(graph, **WITH_SECRET, accounts=[CONNECTOR], groups=[GROUP])
    (account,) = found["accounts"]
    assert (found["plans"], account["found"], account["licensed"], account["member_of"]) == expected
    assert found["notes"]
    for note in found["notes"]:
        assert "HTTP 403 Authorization_RequestDenied: Insufficient privileges" in note and missing in note


@pytest.mark.parametrize("header", ["0", "1"])
def test_a_busy_service_gets_its_pause(graph: Graph, header: str) -> None:
    graph.busy, graph.retry_after = 1, header
    before = time.monotonic()
    assert run(graph)["plans"] and len(graph.requests) == 2
    assert time.monotonic() - before >= int(header)


@pytest.mark.parametrize(
    ("header", "pause"),
    [("", reading.PAUSE), ("600", 600), ("\xb2", reading.PAUSE), ("-1", reading.PAUSE), ("9" * 5000, 999999999)],
)
def test_a_pause_that_takes_too_long_is_reported(graph: Graph, header: str, pause: int) -> None:
    graph.busy, graph.retry_after = 1, header
    (note,) = run(graph, timeout=2)["notes"]
    assert f"HTTP 429, asks for a pause of {pause} seconds. Run this again later" in note
    graph.busy = 1
    assert "HTTP 429" in run(graph, **WITH_SECRET, timeout=2)["msg"]


def test_no_redirect_is_followed(graph: Graph) -> None:
    graph.redirects = True
    assert "redirects: expected Microsoft's own address" in run(graph, **WITH_SECRET)["msg"]
    assert "redirects: expected Microsoft's own address" in run(graph)["notes"][0]
    assert [path for _method, path in graph.requests] == [f"/{TENANT}/oauth2/v2.0/token", "/v1.0/subscribedSkus"]


def test_a_server_that_sends_byte_by_byte_is_not_waited_for(graph: Graph) -> None:
    graph.slow = 0.1
    before = time.monotonic()
    assert run(graph, timeout=0.5)["msg"] == f"Microsoft Graph: {graph.url} did not answer within 0.5 seconds."
    assert time.monotonic() - before < 3


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b'{"value": 7}', b"{}"])
def test_an_answer_that_makes_no_sense(graph: Graph, body: bytes) -> None:
    graph.body = body
    found = run(graph)
    assert found["plans"] is None and len(found["notes"]) == 1


@pytest.mark.parametrize("body", [b"<html>", b'{"error": {"code": "BadRequest", "message": "No such segment"}}'])
def test_not_found_by_something_else_is_no_answer_about_an_account(graph: Graph, body: bytes) -> None:
    graph.body, graph.status = body, 404
    (account,) = run(graph, accounts=[CONNECTOR], groups=[GROUP])["accounts"]
    assert (account["found"], account["licensed"], account["member_of"]) == (None, None, None)


def test_a_part_of_a_list_is_no_answer(graph: Graph) -> None:
    graph.body = b'{"value": [], "@odata.nextLink": "https://localhost/2"}'
    found = run(graph)
    assert found["plans"] is None and found["notes"] == ["Microsoft Graph answered with a part of a list"]


def test_an_authority_that_the_controller_does_not_trust(graph: Graph) -> None:
    assert "certificate verify failed" in run(graph, **WITH_SECRET, ca_path=None)["msg"].lower()
    assert graph.requests == []


def test_the_password_of_a_proxy_is_not_repeated(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://user:Secret!9@proxy.contoso.test:99999")
    (note,) = run(graph)["notes"]
    assert "Check https_proxy" in note and "Secret!9" not in note


def test_no_netrc_replaces_the_token(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login a password b\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert run(graph)["plans"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"access_token": None}, "expected either application_id or access_token"),
        (WITH_SECRET | {"access_token": TOKEN}, "expected either application_id or access_token"),
        ({"client_secret": SECRET}, "client_secret belongs to application_id"),
        ({"application_id": APPLICATION, "client_secret": SECRET}, "application_id needs tenant_id"),
        ({"application_id": APPLICATION, "tenant_id": TENANT}, "either client_secret or certificate"),
        (WITH_SECRET | {"application_id": "app"}, "application_id is 'app': expected the id of an application"),
        (WITH_SECRET | {"tenant_id": "contoso.com/x?y"}, "tenant_id is 'contoso.com/x?y': expected a GUID"),
        ({"url": "http://graph.microsoft.com"}, "url is 'http://graph.microsoft.com': expected https:// and a host"),
        ({"url": "https://graph.microsoft.com/beta"}, "expected https:// and a host"),
        ({"login_url": "https://me:Secret!9@login.test"}, "login_url is one with a name or password in it"),
        ({"timeout": 0}, "timeout is 0: expected seconds, more than 0"),
        ({"timeout": float("inf")}, "timeout is inf"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"accounts": [CONNECTOR, " "]}, "accounts has '': expected a user principal name"),
        ({"accounts": [".."]}, "accounts has '..': expected a user principal name"),
        ({"groups": ["AllStaff"]}, "groups has 'allstaff': expected the object id of a group"),
        ({"groups": [GROUP] * 21}, "groups has 21 groups: expected at most 20"),
    ],
)
def test_options_that_make_no_sense(graph: Graph, options: Json, said: str) -> None:
    found = run(graph, **options)
    assert found["failed"] and said in found["msg"] and "Secret!9" not in found["msg"] and SECRET not in found["msg"]
    assert graph.requests == []


def test_a_secret_of_another_type_is_not_repeated(graph: Graph) -> None:
    with pytest.raises(AnsibleActionFail, match="client_secret is a number: expected text") as error:
        run(graph, **WITH_SECRET | {"client_secret": 1234567})
    assert "1234567" not in str(error.value)


@pytest.mark.parametrize(
    ("answer", "member_of"),
    [
        ({"tenant": {"onboarding": {"group": GROUP}}}, [GROUP]),
        ({"tenant": {"onboarding": {"group": ""}}}, []),
        ({"tenant": {"onboarding": None}}, []),
        ({"msg": "unreachable"}, []),
    ],
)
def test_the_group_is_the_one_of_the_onboarding_policy(graph: Graph, answer: Json, member_of: list[str]) -> None:
    known = {"hostvars": {"admin": {"rms_authorization_service": answer}}, "groups": {"all": ["admin"]}}
    found = run(graph, variables=known, accounts=[CONNECTOR])
    assert found["groups"] == found["accounts"][0]["member_of"] == member_of


def test_every_cloud_has_addresses() -> None:
    choices = reading.CLOUDS.keys()
    assert choices == {"AzureCloud", "AzureChinaCloud", "AzureUSGovernment"}
    for login, root in reading.CLOUDS.values():
        reading.Service(login, root)
