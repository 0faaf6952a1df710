"""Authenticode signatures of publishers that exist only here."""

from __future__ import annotations

import datetime
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MICROSOFT = {
    NameOID.COUNTRY_NAME: "US",
    NameOID.STATE_OR_PROVINCE_NAME: "Washington",
    NameOID.LOCALITY_NAME: "Redmond",
    NameOID.ORGANIZATION_NAME: "Microsoft Corporation",
    NameOID.COMMON_NAME: "Microsoft Corporation",
}
CONTOSO = {NameOID.COUNTRY_NAME: "US", NameOID.ORGANIZATION_NAME: "Contoso Ltd", NameOID.COMMON_NAME: "Contoso Ltd"}
AUTHORITY = {NameOID.COMMON_NAME: "winfleet test authority"}


def _name(parts: dict[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts.items()])


class Authority:
    """A certification authority that lives as long as a build; its key is never written."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self.certificate = self._certificate(AUTHORITY, self._key, ca=True)

    def _certificate(
        self, subject: dict[x509.ObjectIdentifier, str], key: rsa.RSAPrivateKey, *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(AUTHORITY))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def publisher(self, subject: dict[x509.ObjectIdentifier, str], folder: Path) -> Publisher:
        """Make a publisher's key and certificate; they are in `folder` as long as that is there."""
        key = rsa.generate_private_key(65537, 2048)
        name = subject[NameOID.COMMON_NAME]
        certificates, key_file = folder / f"{name}.crt", folder / f"{name}.key"
        certificates.write_bytes(
            self._certificate(subject, key, ca=False).public_bytes(serialization.Encoding.PEM)
            + self.certificate.public_bytes(serialization.Encoding.PEM)
        )
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Publisher(certificates, key_file)


@dataclass(frozen=True)
class Publisher:
    """Who signs: certificates (its own first) and key."""

    certificates: Path
    key: Path

    def sign(self, file: Path, title: str) -> None:
        """Sign an EXE or MSI in place.

        Raises:
            OSError: osslsigncode is not there or fails.
        """
        signed = file.with_name(file.name + ".signed")
        options = ("-certs", self.certificates, "-key", self.key, "-in", file, "-out", signed)
        done = subprocess.run(
            ["osslsigncode", "sign", "-h", "sha256", "-n", title, *map(str, options)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OSError(f"osslsigncode failed with {file.name}: {done.stdout}{done.stderr}")
        signed.replace(file)
