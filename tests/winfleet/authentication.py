"""Who is calling: the host's accounts, Basic, and NTLM or Negotiate with message encryption (pyspnego as acceptor).

A wrong password and an unknown user cannot be told apart. `Negotiation` is the state of one TCP connection, since NTLM
authenticates connections and not requests.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import os
import re
import secrets
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping

import spnego
from spnego.exceptions import SpnegoError

SPNEGO_ENCRYPTED = "application/HTTP-SPNEGO-session-encrypted"
_BOUNDARY = "Encrypted Boundary"
_ENCRYPTED_PART = re.compile(
    rb"--\s*Encrypted Boundary\r\n\s*Content-Type:\s*(?P<protocol>[\w/-]+)\r\n"
    rb"\s*OriginalContent:\s*type=(?P<type>[^\r\n]*?);Length=(?P<length>\d{1,9})\r\n"
    rb"--\s*Encrypted Boundary\r\n\s*Content-Type:\s*application/octet-stream\r\n",
    re.IGNORECASE,
)
_CLOSING_BOUNDARY = re.compile(rb"--\s*Encrypted Boundary--\r?\n?\Z")
_acceptor_lock = threading.Lock()


@contextlib.contextmanager
def _acceptor_reads(credential_file: str) -> Iterator[None]:
    """pyspnego finds its accounts by a variable of the process, so negotiations take turns."""
    with _acceptor_lock:
        os.environ["NTLM_USER_FILE"] = credential_file
        try:
            yield
        finally:
            del os.environ["NTLM_USER_FILE"]


class AuthenticationError(Exception):
    """The caller did not prove who they are (HTTP 401)."""


class DecryptionError(Exception):
    """An encrypted message that this connection's keys do not open (HTTP 400)."""


class Accounts:
    """The accounts of one host and the names under which Windows takes them.

    `user`, `.\\user`, `HOST\\user`, `user@host`, the same with each of `domains`; upper and lower case do not matter.
    """

    def __init__(self, passwords: Mapping[str, str], hostname: str, domains: Iterable[str] = ()) -> None:
        """Args:
            passwords: user name (as it is shown) -> password.
            hostname: the host's own name.
            domains: further names that stand for the host's accounts, such as the domain's NetBIOS and DNS names.

        Raises:
            ValueError: a user name that would be ambiguous.
        """
        for user in passwords:
            if not user or re.search(r"[\\@:\r\n]", user):
                raise ValueError(
                    f"user name {user!r}: a plain name without \\ @ : is expected, the domain is given apart"
                )
        self._passwords = {user.lower(): password for user, password in passwords.items()}
        self._names = {user.lower(): user for user in passwords}
        self._domains = {"", ".", hostname.lower(), *(domain.lower() for domain in domains)}
        self._store = os.memfd_create("winfleet-accounts")  # never a file on disk, gone with the process
        self._write_store()

    def _write_store(self) -> None:
        lines = []
        for user, password in self._passwords.items():
            no_lm_hash = secrets.token_hex(16)  # Windows keeps none; that of "" would let an LM response of "" in
            hashed = f"0:{no_lm_hash}:{_nt_hash(password)}:[U]:LCT-0"
            lines += [f"{domain}\\{user}:{hashed}" if domain else f"{user}:{hashed}" for domain in self._domains]
            lines += [f"{user}@{domain}:{hashed}" for domain in self._domains - {"", "."}]
        os.write(self._store, ("\n".join(lines) + "\n").encode())

    @property
    def passwords(self) -> dict[str, str]:
        """User name as it is shown -> password."""
        return {name: self._passwords[user] for user, name in self._names.items()}

    @property
    def credential_file(self) -> str:
        """The path under which pyspnego reads the accounts' hashes."""
        return f"/proc/self/fd/{self._store}"

    def canonical(self, principal: str) -> str:
        """Return the plain user name of `principal`.

        Raises:
            AuthenticationError: when there is no such account.
        """
        domain, _, user = principal.rpartition("\\")
        if not domain and "@" in principal:
            user, _, domain = principal.rpartition("@")
        if domain.lower() not in self._domains or user.lower() not in self._names:
            raise AuthenticationError("no such account")
        return self._names[user.lower()]

    def check_basic(self, credentials: str) -> str:
        """Return the user whose name and password `credentials` (base64 of name:password) are.

        Raises:
            AuthenticationError: they are nobody's.
        """
        try:
            decoded = base64.b64decode(credentials, validate=True)
        except (binascii.Error, ValueError) as error:
            raise AuthenticationError("the Basic credentials are not base64") from error
        try:
            principal, _, password = decoded.decode("utf-8").partition(":")
        except UnicodeDecodeError:  # python-requests writes names and passwords in Latin-1
            principal, _, password = decoded.decode("latin-1").partition(":")
        user = self.canonical(principal)
        if not hmac.compare_digest(self._passwords[user.lower()].encode(), password.encode()):
            raise AuthenticationError("wrong password")
        return user

    def close(self) -> None:
        """Forget the accounts' hashes."""
        os.close(self._store)


class Negotiation:
    """NTLM or Negotiate on one connection, and the encryption of its messages afterwards."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._context: spnego.ContextProxy | None = None
        self.user: str | None = None  #: the authenticated user, None until the negotiation is complete

    def step(self, scheme: str, token: str) -> str:
        """Take the client's next token and return the value of the answering WWW-Authenticate header ("" for none).

        A token after the end starts a new negotiation. `user` tells whether it is complete.

        Raises:
            AuthenticationError: refused; the next token starts afresh.
        """
        if self._context is not None and self._context.complete:
            self._context = self.user = None
        try:
            context = self._context or self._start(scheme)
            with _acceptor_reads(self._accounts.credential_file):
                answer = context.step(base64.b64decode(token, validate=True))
            if context.complete:
                self.user = self._accounts.canonical(context.client_principal or "")
        except (SpnegoError, AuthenticationError, ValueError, LookupError, struct.error) as error:
            self._context = self.user = None  # pyspnego lets parsing errors of hostile tokens through as they are
            raise AuthenticationError(f"{scheme} refused") from error
        return f"{scheme} {base64.b64encode(answer).decode()}" if answer else ""

    def _start(self, scheme: str) -> spnego.ContextProxy:
        negotiate = scheme.lower() == "negotiate"
        with _acceptor_reads(self._accounts.credential_file):
            self._context = spnego.server(
                protocol="negotiate" if negotiate else "ntlm",
                options=spnego.NegotiateOptions.use_negotiate if negotiate else spnego.NegotiateOptions.use_ntlm,
            )
        return self._context

    def decrypt(self, body: bytes) -> bytes:
        """Return the SOAP message in a multipart/encrypted body.

        Raises:
            DecryptionError: not such a body, or not encrypted with this connection's keys.
        """
        head, end = _ENCRYPTED_PART.match(body), _CLOSING_BOUNDARY.search(body)
        if self._context is None or self.user is None or head is None or end is None:
            raise DecryptionError("the body is not a multipart/encrypted message of an authenticated connection")
        if head["protocol"].decode().lower() != SPNEGO_ENCRYPTED.lower():
            raise DecryptionError(
                f"the protocol {head['protocol'].decode()} is not supported, {SPNEGO_ENCRYPTED} is expected"
            )
        sealed = body[head.end() : end.start()]
        signature_length = int.from_bytes(sealed[:4], "little")
        if len(sealed) < 4 or signature_length > len(sealed) - 4:
            raise DecryptionError("the signature's length is not that of the message")
        try:
            message = self._context.unwrap_winrm(sealed[4 : 4 + signature_length], sealed[4 + signature_length :])
        except (SpnegoError, ValueError, LookupError, struct.error) as error:
            raise DecryptionError("the message cannot be decrypted") from error
        if len(message) != int(head["length"]):
            raise DecryptionError("the message has not the length that it says")
        return message

    def encrypt(self, message: bytes) -> tuple[str, bytes]:
        """Return the content type and the body that carry `message` encrypted."""
        if self._context is None:
            raise ValueError("there is nobody to encrypt for before the negotiation is complete")
        sealed = self._context.wrap_winrm(message)
        length = len(message) + sealed.padding_length
        head = (
            f"--{_BOUNDARY}\r\n\tContent-Type: {SPNEGO_ENCRYPTED}\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
            f"--{_BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n"
        ).encode()
        body = (
            head + struct.pack("<i", len(sealed.header)) + sealed.header + sealed.data + f"--{_BOUNDARY}--\r\n".encode()
        )
        return f'multipart/encrypted;protocol="{SPNEGO_ENCRYPTED}";boundary="{_BOUNDARY}"', body


def _nt_hash(password: str) -> str:
    """The NT hash in hexadecimal, which is how pyspnego's file can hold a password with any character in it."""
    from spnego._ntlm_raw.crypto import ntowfv1  # there is no public function, and OpenSSL 3 has no MD4

    return ntowfv1(password).hex().upper()
