"""Who gets in, by which scheme, under which name, and what must be encrypted."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
import requests
import spnego
from conftest import ACCOUNTS, ADDRESS, Fleet
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pypsrp.encryption import WinRMEncryption
from pypsrp.exceptions import AuthenticationError as PSRPAuthenticationError
from pypsrp.shell import WinRS
from pypsrp.wsman import WSMan
from winfleet.authentication import Accounts, DecryptionError, Negotiation
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError

SOAP = {"Content-Type": "application/soap+xml;charset=UTF-8"}


def post(url: str, **arguments: object) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    return session.post(url, timeout=10, **{"headers": SOAP, "data": b"<x/>", **arguments})


@pytest.mark.parametrize(
    "name",
    [
        "Administrator",
        "ADMINISTRATOR",
        ".\\administrator",
        "CLIENT-2016\\Administrator",
        "aip\\Administrator",
        "administrator@client-2016",
        "Administrator@AIP.example",
    ],
)
@pytest.mark.parametrize("transport", ["ntlm", "basic"])
def test_the_forms_of_a_name(fleet, transport, name):
    protocol = fleet.protocol(transport, user=name)
    shell = protocol.open_shell()
    protocol.run_command(shell, "true")
    protocol.close_shell(shell)
    assert fleet.host.commands[0].user == "Administrator"


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("Administrator", "wrong"),
        ("Administrator", ""),
        ("nobody", ACCOUNTS["Administrator"]),
        ("OTHER\\Administrator", ACCOUNTS["Administrator"]),
        ("reader", ACCOUNTS["Administrator"]),
        ("Administrator@elsewhere", ACCOUNTS["Administrator"]),
    ],
)
def test_refused(fleet, transport, user, password):
    with pytest.raises(InvalidCredentialsError):
        fleet.protocol(transport, user=user, password=password).open_shell()
    assert fleet.listener.shell_count == 0


def ntlm_refusal(url: str, user: str) -> tuple[int, dict[str, str], bytes]:
    with requests.Session() as session:
        session.trust_env = False
        context = spnego.client(user, "wrong", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        answer, token = None, context.step()
        for _ in range(2):
            answer = session.post(
                url, headers={"Authorization": "Negotiate " + base64.b64encode(token).decode()}, timeout=10
            )
            challenge = answer.headers["WWW-Authenticate"].partition(" ")[2]
            token = context.step(base64.b64decode(challenge)) if challenge else b""
        return (
            answer.status_code,
            {name: value for name, value in answer.headers.items() if name != "Date"},
            answer.content,
        )


def test_a_wrong_password_and_an_unknown_user_look_alike(fleet):
    assert ntlm_refusal(fleet.http, "Administrator") == ntlm_refusal(fleet.http, "nobody")
    answers = [
        post(fleet.https, auth=(user, "wrong"), verify=str(fleet.certificate)) for user in ("Administrator", "nobody")
    ]
    assert {(answer.status_code, answer.content, answer.headers["WWW-Authenticate"]) for answer in answers} == {
        (401, b"", 'Negotiate, Basic realm="WSMAN"')
    }


def test_negotiate_with_pypsrp(fleet):
    for auth in ("negotiate", "ntlm"):
        with (
            WSMan(
                ADDRESS,
                port=fleet.listener.http_port,
                ssl=False,
                auth=auth,
                username="reader",
                password=ACCOUNTS["reader"],
                no_proxy=True,
            ) as wsman,
            WinRS(wsman) as shell,
        ):
            assert shell.owner == "reader"
    with (
        pytest.raises(PSRPAuthenticationError),
        WSMan(
            ADDRESS, port=fleet.listener.http_port, ssl=False, username="reader", password="wrong", no_proxy=True
        ) as wsman,
        WinRS(wsman),
    ):
        pass


def test_basic_over_http_needs_allow_unencrypted(make_fleet):
    closed = make_fleet()
    answer = post(closed.http, auth=("Administrator", "x"))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Negotiate")
    with pytest.raises(InvalidCredentialsError):
        closed.protocol("basic", endpoint=closed.http).open_shell()
    opened = make_fleet(allow_unencrypted=True)
    protocol = opened.protocol("basic", endpoint=opened.http)
    protocol.close_shell(protocol.open_shell())


def test_plain_messages_over_http_need_allow_unencrypted(make_fleet):
    def open_and_close(fleet: Fleet) -> None:
        protocol = fleet.protocol("ntlm", message_encryption="never")
        protocol.close_shell(protocol.open_shell())

    with pytest.raises(WinRMTransportError) as error:
        open_and_close(make_fleet())
    assert error.value.code == 500
    open_and_close(make_fleet(allow_unencrypted=True))


def test_ntlm_inside_tls_is_plain_or_encrypted(fleet):
    for encryption in ("auto", "always"):
        protocol = fleet.protocol("ntlm", endpoint=fleet.https, message_encryption=encryption)
        protocol.close_shell(protocol.open_shell())


def test_an_encrypted_message_of_another_connection_is_a_bad_request(fleet):
    body = (
        b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
        b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=4\r\n--Encrypted Boundary\r\n"
        b"\tContent-Type: application/octet-stream\r\n\x10\x00\x00\x00" + b"0" * 20 + b"--Encrypted Boundary--\r\n"
    )
    headers = {
        "Content-Type": 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";'
        'boundary="Encrypted Boundary"'
    }
    for content in (
        body,
        b"",
        b"--Encrypted Boundary",
        body[:60],
        body.replace(b"\x10\x00\x00\x00", b"\xff\xff\xff\xff"),
    ):
        answer = post(
            fleet.https,
            data=content or b"x",
            headers=headers,
            auth=("reader", ACCOUNTS["reader"]),
            verify=str(fleet.certificate),
        )
        assert (answer.status_code, answer.content) == (400, b"")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "!",
        "AAAA",
        base64.b64encode(b"NTLMSSP\0" + b"\x01\0\0\0").decode(),
        base64.b64encode(b"\x60\x82" * 50).decode(),
    ],
)
@pytest.mark.parametrize("scheme", ["Negotiate", "NTLM", "Kerberos", "Basic"])
def test_tokens_that_are_none(fleet, scheme, token):
    answer = post(fleet.http, headers={"Authorization": f"{scheme} {token}"})
    assert (answer.status_code, answer.content) == (401, b"")


def test_a_message_with_a_false_length_is_refused():
    accounts = Accounts(ACCOUNTS, "client-2016")
    server, client = Negotiation(accounts), spnego.client("reader", ACCOUNTS["reader"], protocol="ntlm")
    challenge = server.step("NTLM", base64.b64encode(client.step()).decode()).partition(" ")[2]
    server.step("NTLM", base64.b64encode(client.step(base64.b64decode(challenge))).decode())
    encryption = WinRMEncryption(client, WinRMEncryption.SPNEGO)
    assert server.decrypt(encryption.wrap_message(b"hello")[1]) == b"hello"
    with pytest.raises(DecryptionError, match="length"):
        server.decrypt(encryption.wrap_message(b"hello")[1].replace(b"Length=5", b"Length=6"))
    accounts.close()


def test_the_passwords_are_on_no_disk():
    accounts = Accounts({"user": "secret"}, "host")
    assert str(Path(accounts.credential_file).readlink()).startswith("/memfd:")
    accounts.close()


@pytest.mark.parametrize("name", ["", "a:b", "HOST\\user", "user@host", "a\nb"])
def test_ambiguous_account_names_are_refused(name):
    with pytest.raises(ValueError, match="plain name"):
        Accounts({name: "x"}, "host")


def test_the_certificate(tls):
    certificate = x509.load_pem_x509_certificate(tls[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    assert names.get_values_for_type(x509.DNSName) == ["client-2016"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == [ADDRESS]
    assert stat.S_IMODE(tls[1].stat().st_mode) == 0o600
