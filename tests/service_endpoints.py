"""What a host meets on its way to the service, on the loopback: TLS servers with their own authorities, and proxies."""

from __future__ import annotations

import base64
import contextlib
import datetime
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

Address = tuple[str, int]


class Authority:
    """Issues certificates: a root, or an intermediate authority of `issuer`."""

    def __init__(self, name: str, organization: str, issuer: Authority | None = None) -> None:
        self.issuer = issuer
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        self.certificate = (issuer or self)._sign(self._name, self._key, x509.BasicConstraints(True, None), [], 365)
        #: As Windows and .NET write the name
        self.subject = f"CN={name}, O={organization}, C=US"

    def base64(self) -> str:
        """The certificate, as a PowerShell on a host takes it."""
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    def _sign(
        self,
        name: x509.Name,
        key: rsa.RSAPrivateKey,
        constraints: x509.BasicConstraints,
        hosts: list[str],
        days: int,
    ) -> x509.Certificate:
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - datetime.timedelta(days=366))
            .not_valid_after(end)
            .add_extension(constraints, critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def context(self, *hosts: str, days: int = 90) -> ssl.SSLContext:
        """A server's side of TLS with a certificate for these hosts; it shows the authorities below the root, too."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        shown = [self._sign(name, key, x509.BasicConstraints(False, None), list(hosts), days)]
        authority = self
        while authority.issuer:
            shown.append(authority.certificate)
            authority = authority.issuer
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "server.pem")
            file.write_bytes(b"".join([private, *(item.public_bytes(serialization.Encoding.PEM) for item in shown)]))
            context.load_cert_chain(file)
        return context


@contextmanager
def listen(talk: Callable[[socket.socket], object]) -> Iterator[Address]:
    """A server that has each connection talked with, in a thread of its own, until the block ends."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            # A client that only wants to see the certificate ends the connection as it likes.
            with contextlib.suppress(OSError):
                talk(self.request)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        # shutdown() waits for the next poll, by default half a second
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield ("127.0.0.1", server.server_address[1])
        finally:
            server.shutdown()


def tls_server(context: ssl.SSLContext) -> contextlib.AbstractContextManager[Address]:
    """A server that speaks TLS and nothing else."""

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as session:
            session.recv(1)

    return listen(talk)


@dataclass
class Proxy:
    """An HTTP proxy that knows CONNECT.

    Attributes:
        routes: where a host is, instead of asking DNS.
        schemes: what stands in Proxy-Authenticate: nobody gets through.
        inspect: the proxy's own side of TLS, with which it ends the connections that go through it.
        answer: what it says to everything, instead of being a proxy.
        asked: the heads of the requests that it got.
    """

    routes: dict[str, Address] = field(default_factory=dict)
    schemes: tuple[str, ...] = ()
    inspect: ssl.SSLContext | None = None
    answer: bytes = b""
    asked: list[str] = field(default_factory=list)

    def serve(self) -> contextlib.AbstractContextManager[Address]:
        return listen(self._talk)

    def _talk(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = connection.recv(1)
            if not data:
                return
            head += data
        self.asked.append(head.decode())
        host = head.decode().split(" ")[1].rpartition(":")[0]
        if self.answer:
            connection.sendall(self.answer)
        elif self.schemes:
            lines = "".join(f"Proxy-Authenticate: {scheme}\r\n" for scheme in self.schemes)
            connection.sendall(
                f"HTTP/1.1 407 Proxy Authentication Required\r\n{lines}Content-Length: 0\r\n\r\n".encode()
            )
        elif host not in self.routes:
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if self.inspect:
                with self.inspect.wrap_socket(connection, server_side=True) as session:
                    session.recv(1)
            else:
                _join(connection, self.routes[host])


def _join(connection: socket.socket, address: Address) -> None:
    """Carry everything between both until one ends."""
    with socket.create_connection(address) as server:

        def carry(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        back = threading.Thread(target=carry, args=(server, connection), daemon=True)
        back.start()
        carry(connection, server)
        back.join(10)
