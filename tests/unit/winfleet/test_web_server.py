"""IIS's configuration, the list of authorized accounts and the keys of certificates, as files."""

from __future__ import annotations

import base64
import datetime
import socket
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID
from winfleet import iis
from winfleet.certificates import BAD_DATA, BAD_PASSWORD, Store
from winfleet.connector import AuthorizationList, proxy_problem

SITE = "Default Web Site"


@pytest.fixture
def configuration(tmp_path: Path) -> iis.Configuration:
    one = iis.Configuration(tmp_path)
    one.create()
    return one


def test_bindings(configuration: iis.Configuration) -> None:
    http, https = ("http", "*:80:"), ("https", "*:443:")
    assert configuration.bindings() == [http]
    assert configuration.add_binding(SITE, *https) == 0
    assert configuration.add_binding(SITE.upper(), *https) == iis.ALREADY_EXISTS
    assert configuration.bindings() == [http, https]
    assert configuration.add_binding("Another", *https) == iis.NOT_FOUND
    assert configuration.delete_binding(SITE, *http) == 0
    assert configuration.delete_binding(SITE, *http) == iis.NOT_FOUND
    assert configuration.sites() == [(SITE, "1", [https])]


def test_applications_let_nobody_anonymous_in(configuration: iis.Configuration) -> None:
    assert configuration.lets_anonymous_in(f"{SITE}/_wmcs/certification")
    assert not configuration.has_application("/_wmcs")
    assert configuration.add_application(SITE, "/_wmcs", r"C:\folder") == 0
    assert configuration.add_application(SITE, "/_wmcs", r"C:\folder") == iis.ALREADY_EXISTS
    assert configuration.has_application("/_wmcs")
    assert not configuration.lets_anonymous_in(f"{SITE}/_wmcs/certification/server.asmx")
    assert configuration.lets_anonymous_in(f"{SITE}/other")
    assert configuration.delete_application(SITE, "/_wmcs") == 0
    assert configuration.delete_application(SITE, "/_wmcs") == iis.NOT_FOUND
    assert configuration.lets_anonymous_in(f"{SITE}/_wmcs")


def test_what_is_there_is_not_created_anew(configuration: iis.Configuration) -> None:
    configuration.add_binding(SITE, "https", "*:443:")
    before = configuration.stamp
    configuration.create()
    assert configuration.stamp == before
    assert len(configuration.bindings()) == 2


def test_authorized_accounts(tmp_path: Path) -> None:
    accounts = AuthorizationList(tmp_path / "connector.json")
    assert accounts.read() == {"exchange": [], "sharepoint": [], "fci": []}
    accounts.change([("exchange", r"CONTOSO\EX-1$"), ("fci", r"CONTOSO\FS-1$")])
    accounts.change([("exchange", r"contoso\ex-1$")])  # known, whatever its case
    assert accounts.read() == {"exchange": [r"contoso\ex-1$"], "sharepoint": [], "fci": [r"CONTOSO\FS-1$"]}
    accounts.change([("exchange", r"CONTOSO\EX-1$"), ("sharepoint", r"CONTOSO\NOBODY")], remove=True)
    assert accounts.read() == {"exchange": [], "sharepoint": [], "fci": [r"CONTOSO\FS-1$"]}


@pytest.mark.parametrize("wrong", [("mail", r"CONTOSO\EX-1$"), ("exchange", ""), ("exchange", "CONTOSO\\")])
def test_a_wrong_account_changes_nothing(tmp_path: Path, wrong: tuple[str, str]) -> None:
    accounts = AuthorizationList(tmp_path / "connector.json")
    with pytest.raises(ValueError, match="exchange, sharepoint, fci"):
        accounts.change([("fci", r"CONTOSO\FS-1$"), wrong])
    assert accounts.read()["fci"] == []


def pfx(password: str, *, with_key: bool = True) -> tuple[str, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "connector.contoso.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    data = pkcs12.serialize_key_and_certificates(
        b"name", key if with_key else None, certificate, None, BestAvailableEncryption(password.encode())
    )
    return base64.b64encode(data).decode(), certificate


def test_a_certificate_with_its_key(tmp_path: Path) -> None:
    store = Store(tmp_path / "certificates")
    content, certificate = pfx("secret")
    thumbprint = certificate.fingerprint(hashes.SHA1()).hex()
    assert store.import_pfx(content, "wrong")[0] == BAD_PASSWORD
    assert not store.has_key(thumbprint)
    code, text = store.import_pfx(content, "secret")
    assert code == 0
    assert x509.load_der_x509_certificate(base64.b64decode(text)) == certificate
    assert store.has_key(thumbprint)
    assert store.has_key(thumbprint.upper())
    assert store.context(thumbprint)
    with pytest.raises(OSError, match="No such file"):
        store.context("0" * 40)


@pytest.mark.parametrize("content", ["not base64", base64.b64encode(b"no PFX").decode()])
def test_what_is_no_pfx(tmp_path: Path, content: str) -> None:
    assert Store(tmp_path).import_pfx(content, "secret")[0] == BAD_DATA


def test_a_pfx_without_a_key(tmp_path: Path) -> None:
    assert Store(tmp_path).import_pfx(pfx("secret", with_key=False)[0], "secret")[0] == BAD_DATA


def proxy(answer: bytes) -> str:
    """A proxy for one connection; returns its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(1024)
            connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_proxies() -> None:
    assert proxy_problem(proxy(b"HTTP/1.1 200 Connection established\r\n\r\n")) == ""
    assert "407" in proxy_problem(proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        free = listening.getsockname()[1]
    assert "Unable to connect" in proxy_problem(f"http://127.0.0.1:{free}")
    for wrong in ("proxy:8080", "ftp://proxy:8080", "http://proxy:none"):
        assert "not http://host:port or https://host:port" in proxy_problem(wrong)
