"""Certificates in PFX files, and what a TLS client sees of a host."""

from __future__ import annotations

import datetime
import hashlib
import json
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .ansible_runner import INVENTORIES, ROOT

NAME = "rmsconnector.contoso.com"
PASSWORD = "pfx-Passwort-7321"


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key in a PFX file."""

    thumbprint: str
    file: Path
    der: bytes


def make_certificate(
    folder: Path,
    name: str,
    *,
    days: float = 400,
    since: float = 1,
    host: str = NAME,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> Certificate:
    """A certificate for `host`, valid from `since` days ago for `days` days, as `name`.pfx with PASSWORD."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=since))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pfx"
    encryption = BestAvailableEncryption(PASSWORD.encode())
    file.write_bytes(pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, encryption))
    der = certificate.public_bytes(Encoding.DER)
    return Certificate(certificate.fingerprint(hashes.SHA1()).hex().upper(), file, der)


def address(host: str) -> str:
    inventories = [f"--inventory={path}" for path in INVENTORIES]
    command = [str(ROOT / "bin/fleet"), *inventories, "status", "--json", host]
    (status,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return str(status["address"])


def served(host: str) -> str | None:
    """See served_at."""
    return served_at(address(host))


def served_at(where: str) -> str | None:
    """The thumbprint of the certificate that a TLS client gets at port 443, or None when nobody listens."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((where, 443), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=NAME) as secure,
        ):
            return hashlib.sha1(secure.getpeercert(binary_form=True) or b"").hexdigest().upper()
    except ConnectionError:
        return None
