"""Certificates of an emulated host: the self-signed one of its WinRM listener, and those whose keys it was given."""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import os
import re
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def create_certificate(directory: Path, hostname: str, address: str, *, days: int = 825) -> tuple[Path, Path]:
    """Make a certificate for `hostname` and its loopback `address`, signed by itself with SHA-256.

    Args:
        directory: an existing folder; `winrm.crt` and `winrm.key` (PEM, the key for its owner only) are written there.
        days: how long it is valid; it starts a day ago, since clocks differ.

    Returns:
        The paths of certificate and key, as `WinRMListener` takes them.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(hostname), x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )  # so that clients can pin it as their CA
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = directory / "winrm.crt", directory / "winrm.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return certificate_path, key_path


BAD_PASSWORD = 86  # ERROR_INVALID_PASSWORD
BAD_DATA = 13  # ERROR_INVALID_DATA


class Store:
    """The certificates with keys that were imported on a host: Wine cannot keep keys, nor serve TLS.

    Args:
        folder: of the host's state; a file (PEM) for each, named by its thumbprint.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _file(self, thumbprint: str) -> Path:
        return self._folder / f"{thumbprint.upper()}.pem"

    def has_key(self, thumbprint: str) -> bool:
        return re.fullmatch("[0-9A-Fa-f]{40}", thumbprint) is not None and self._file(thumbprint).exists()

    def import_pfx(self, content: str, password: str, *, keep: bool = True) -> tuple[int, str]:
        """Keep what is in a PFX file (base64), or only look at it.

        Returns:
            0 and the certificates (DER in base64, a line each, the one with the key first), or an error code of Windows
            and why.
        """
        try:
            data = base64.b64decode(content, validate=True)
            key, certificate, chain = pkcs12.load_key_and_certificates(data, password.encode() or None)
        except binascii.Error:
            return BAD_DATA, "The data is invalid."
        except ValueError as error:
            if "password" in str(error).lower():
                return BAD_PASSWORD, "The specified network password is not correct."
            return BAD_DATA, "Cannot find the requested object: this is no PFX file."
        if certificate is None or key is None:
            return BAD_DATA, "The PFX file has no certificate with a key."
        if keep:
            self._keep(key, certificate, chain)
        found = (certificate, *chain)
        return 0, "\n".join(base64.b64encode(item.public_bytes(serialization.Encoding.DER)).decode() for item in found)

    def _keep(self, key: PrivateKeyTypes, certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self._file(certificate.fingerprint(hashes.SHA1()).hex())
        file.touch(mode=0o600)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + b"".join(item.public_bytes(serialization.Encoding.PEM) for item in (certificate, *chain))
        )

    def context(self, thumbprint: str) -> ssl.SSLContext:
        """Return what a TLS server needs.

        Raises:
            OSError: there is no key for this certificate, or it is of no use.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._file(thumbprint))
        return context
