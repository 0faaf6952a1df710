"""The WinRM listener of one emulated host: HTTP on 5985, HTTPS on 5986.

HTTP, connections, who may send what in the clear, faults and counting are here; what a request means is in `shells.py`
and below it. Everything that a client sends is bounded: the time for a request to arrive, its size, the number of
connections.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from . import wsman
from .authentication import Accounts, AuthenticationError, DecryptionError, Negotiation
from .execution import Executor
from .faults import Faults
from .psrp import RunspacePool
from .shells import Limits, Shells
from .winrs import CommandShell

log = logging.getLogger(__name__)

SOAP = "application/soap+xml;charset=UTF-8"
MAX_BODY = wsman.MAX_ENVELOPE_SIZE + 4096  #: bytes; encryption adds a few hundred to an envelope
_MAX_DISCARDED = (
    4 * MAX_BODY
)  #: bytes of a refused body that are read, so that the client sees the answer and not a reset


@dataclass(frozen=True)
class ListenerOptions:
    """Settings of one host's listener. `WinRMListener.options` may be replaced at any time, except for the ports.

    Attributes:
        http_port, https_port: 0 takes any free port; the HTTPS listener exists only when there is a certificate.
        allow_unencrypted: take Basic and unencrypted messages over HTTP (off by default as Windows' AllowUnencrypted).
        request_timeout: seconds for a request to arrive once it began.
        keep_alive: seconds that an idle connection is kept.
        max_connections: at once; more are closed at once.
        wire_log: a file to which each request is appended as a line of JSON; None for none.
    """

    http_port: int = 5985
    https_port: int = 5986
    allow_unencrypted: bool = False
    request_timeout: float = 30.0
    keep_alive: float = 120.0
    max_connections: int = 200
    wire_log: Path | None = None


class WinRMListener:
    """Serves WinRM on one address; `start` and `stop` may be called again and again (a host that restarts).

    Attributes:
        counters: what was served: requests, refused (HTTP 4xx), faults (SOAP), bytes_in and bytes_out (bodies as on the
            wire), commands.
    """

    def __init__(
        self,
        address: str,
        executor: Executor,
        accounts: Mapping[str, str],
        faults: Faults,
        tls: tuple[Path, Path] | None = None,
        *,
        hostname: str = "winfleet",
        domains: Iterable[str] = (),
        options: ListenerOptions | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Args:
        address: the loopback address to listen on.
        accounts: user name -> password.
        tls: certificate and key (PEM) of the HTTPS listener, see `certificates.create_certificate`; None for HTTP only.
        hostname, domains: names that stand for this host's accounts in `NAME\\user` and `user@name`.
        """
        self.address = address
        self.hostname = hostname
        self.options = options or ListenerOptions()
        self.limits = limits or Limits()
        self.faults = faults
        self.counters: Counter[str] = Counter()
        self.http_port, self.https_port = self.options.http_port, self.options.https_port
        self._executor = executor
        self._accounts = Accounts(accounts, hostname, domains)
        self._tls = _server_context(tls) if tls else None
        self._shells: Shells | None = None
        self._listening: list[socket.socket] = []
        self._accepting: list[threading.Thread] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopping.set()

    @property
    def shell_count(self) -> int:
        """How many shells are open."""
        return len(self._shells) if self._shells is not None else 0

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: an address or port that cannot be had; then nothing listens.
        """
        if not self._stopping.is_set():
            return
        listening = []
        try:
            for port, context in [
                (self.options.http_port, None),
                *([(self.options.https_port, self._tls)] if self._tls else []),
            ]:
                listening.append((socket.create_server((self.address, port), backlog=128), context))
        except OSError:
            for server, _ in listening:
                server.close()
            raise
        self._stopping.clear()
        self._shells = Shells(self._executor, self.limits, CommandShell, RunspacePool)
        self._listening = [server for server, _ in listening]
        self.http_port = self._listening[0].getsockname()[1]
        if self._tls:
            self.https_port = self._listening[1].getsockname()[1]
        self._accepting = [
            threading.Thread(target=self._accept, args=pair, name=f"winrm-{self.address}", daemon=True)
            for pair in listening
        ]
        for thread in self._accepting:
            thread.start()

    def stop(self) -> None:
        """Close the listening sockets and all connections at once, and end all shells with their commands."""
        self._stopping.set()
        with self._lock:
            for sock in [*self._listening, *self._connections]:
                _shut(sock)
        for thread in self._accepting:
            thread.join(timeout=5)
        self._listening, self._accepting = [], []
        if self._shells is not None:
            self._shells.close()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._accounts.close()

    def _accept(self, server: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            try:
                connection, client = server.accept()
            except OSError:
                if self._stopping.is_set():
                    server.close()
                    return
                time.sleep(0.05)  # out of file descriptors: others will end
                continue
            with self._lock:
                full = self._stopping.is_set() or len(self._connections) >= self.options.max_connections
                if not full:
                    self._connections.add(connection)
            if full:
                connection.close()
            else:
                threading.Thread(
                    target=self._serve, args=(connection, client, context), name=f"winrm-{client[1]}", daemon=True
                ).start()

    def _serve(self, connection: socket.socket, client: tuple[str, int], context: ssl.SSLContext | None) -> None:
        raw = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            connection.settimeout(self.options.request_timeout)
            if context is not None:
                # Here and not at accept: a client that is silent during the handshake must not keep others waiting.
                connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._connections.discard(raw)
                    self._connections.add(connection)
                if self._stopping.is_set():
                    return
                connection.do_handshake()
            _Connection(connection, client, self, encrypted=context is not None)
        except (OSError, ValueError) as error:
            log.debug("connection from %s:%s: %s", *client, error)
        finally:
            with self._lock:
                self._connections -= {raw, connection}
            _shut(connection)
            connection.close()

    def handle(self, request: wsman.Request, user: str, client: str) -> str:
        """Serve one request; return the XML of the response's body.

        Raises:
            WSManFault: it cannot be served.
        """
        if self._shells is None:
            raise wsman.internal_error("The service is not started.")
        try:
            return self._shells.handle(request, user, client)
        except OSError as error:  # of the host behind us; the connection's own errors never pass here
            log.warning("the host failed to serve %s: %s", request.operation, error)
            raise wsman.internal_error("The host could not serve the request.") from error

    def count(self, **amounts: int) -> None:
        """Add to the counters."""
        with self._lock:
            self.counters.update(amounts)

    def log_request(self, entry: dict[str, object]) -> None:
        """Append one line to the wire log, if there is one."""
        if self.options.wire_log is not None:
            line = json.dumps(entry) + "\n"
            with self._lock, self.options.wire_log.open("a", encoding="utf-8") as stream:
                stream.write(line)


class _HTTPError(Exception):
    """A request that is answered by an HTTP status alone. The connection is closed unless the body was read."""

    def __init__(self, status: int, *, close: bool = True) -> None:
        super().__init__(status)
        self.status = status
        self.close = close


class _Connection(BaseHTTPRequestHandler):
    """One client's connection: request after request until either side closes it."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # so that a request line which cannot be read gets a status line, too
    wbufsize = (
        64 * 1024
    )  # head and body in one write: two small ones meet Nagle and delayed acknowledgement (44 ms a request)
    server: WinRMListener  # type: ignore[assignment]  # only its own methods use it

    def __init__(
        self, connection: socket.socket, client: tuple[str, int], listener: WinRMListener, *, encrypted: bool
    ) -> None:
        self._transport_encrypted = encrypted
        self._negotiation = Negotiation(listener._accounts)
        super().__init__(connection, client, listener)  # type: ignore[arg-type]

    def setup(self) -> None:
        self.connection = self.request
        self._reader = _TimedReader(
            self.connection, self.server.options.keep_alive, self.server.options.request_timeout
        )
        self.rfile = io.BufferedReader(self._reader, 64 * 1024)
        self.wfile = io.BufferedWriter(_SocketWriter(self.connection), self.wbufsize)  # type: ignore[type-var]

    def finish(self) -> None:
        try:
            self.wfile.flush()
        except (OSError, ValueError):
            log.debug("the client was gone before the end of the response")

    def handle_one_request(self) -> None:
        self._reader.expect_request()
        self._entry: dict[str, object] = {
            "connection": self.client_address[1],
            "user": None,
            "action": None,
            "encrypted": False,
        }
        self._headers: list[tuple[str, str]] = []
        self._bytes_in = 0
        self._drop = False
        self._started = time.monotonic()
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def version_string(self) -> str:
        return "Microsoft-HTTPAPI/2.0"

    def log_message(self, format: str, *args: object) -> None:
        log.debug("%s:%s " + format, *self.client_address, *args)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server calls for a request that it cannot read: the status alone, as the connection's last word."""
        self.close_connection = True
        self._respond(code, b"")

    def do_POST(self) -> None:
        self._started = time.monotonic()
        try:
            self._serve_request()
        except _HTTPError as error:
            self.close_connection = self.close_connection or error.close
            self._respond(error.status, b"")
        except OSError:
            raise  # the client or the listener closed the connection
        except Exception:
            log.exception("serving a request failed")
            self.close_connection = True
            self._respond(500, b"")

    def _refuse_method(self) -> None:
        self.send_error(405)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = _refuse_method  # noqa: N815 - http.server's names

    def _serve_request(self) -> None:
        body = self._read_body()
        user = self._authenticate()
        self._entry["user"] = user
        if self.path.partition("?")[0].rstrip("/") != "/wsman":
            raise _HTTPError(404, close=False)
        if not body:
            self._respond(200, b"")  # the last leg of a negotiation
            return
        body, encrypted = self._open(body)
        status, answer = self._answer(body, user)
        if encrypted:
            content_type, answer = self._negotiation.encrypt(answer)
        else:
            content_type = SOAP
        self._respond(status, answer, content_type)

    def _read_body(self) -> bytes:
        """Read the body, whosever it is: an unauthenticated client must get its 401 on a connection that goes on."""
        if "Transfer-Encoding" in self.headers or len(self.headers.get_all("Content-Length", [])) > 1:
            raise _HTTPError(400)
        length = (self.headers.get("Content-Length") or "").strip()
        if not length:
            raise _HTTPError(411)
        if not (length.isascii() and length.isdigit() and len(length) <= 12):
            raise _HTTPError(400)
        if int(length) > MAX_BODY:
            self._discard(min(int(length), _MAX_DISCARDED))
            raise _HTTPError(413)
        try:
            body = self.rfile.read(int(length))
        except TimeoutError as error:
            raise _HTTPError(408) from error
        self._bytes_in = len(body)
        if len(body) < int(length):
            raise _HTTPError(400)
        return body

    def _discard(self, length: int) -> None:
        while length > 0:
            data = self.rfile.read1(min(length, 64 * 1024))
            if not data:
                return
            length -= len(data)

    def _authenticate(self) -> str:
        """Return the user.

        Raises:
            _HTTPError: 401, with what the listener offers, or the negotiation's next token.
        """
        scheme, _, credentials = (self.headers.get("Authorization") or "").partition(" ")
        try:
            if scheme.lower() == "basic" and self._basic_allowed:
                self._negotiation = Negotiation(self.server._accounts)
                return self.server._accounts.check_basic(credentials.strip())
            if scheme.lower() in ("negotiate", "ntlm"):
                answer = self._negotiation.step(scheme, credentials.strip())
                if answer:
                    self._headers.append(("WWW-Authenticate", answer))
                if self._negotiation.user is None:
                    raise _HTTPError(401, close=False)
                return self._negotiation.user
            if not scheme and self._negotiation.user is not None:
                return self._negotiation.user
        except AuthenticationError as error:
            log.debug("refused: %s", error)
        self._headers = [("WWW-Authenticate", "Negotiate")]
        if self._basic_allowed:
            self._headers.append(("WWW-Authenticate", 'Basic realm="WSMAN"'))
        raise _HTTPError(401, close=False)

    @property
    def _basic_allowed(self) -> bool:
        return self._transport_encrypted or self.server.options.allow_unencrypted

    def _open(self, body: bytes) -> tuple[bytes, bool]:
        """Return the SOAP message in `body`, and whether it was encrypted.

        Raises:
            _HTTPError: 400 when it cannot be decrypted, 500 when it ought to have been encrypted (as Windows does),
                415 for what is no SOAP.
        """
        content_type = (self.headers.get("Content-Type") or "").lower()
        if content_type.startswith("multipart/"):
            try:
                message = self._negotiation.decrypt(body)
            except DecryptionError as error:
                log.debug("refused: %s", error)
                raise _HTTPError(400) from error
            self._entry["encrypted"] = True
            return message, True
        if not (self._transport_encrypted or self.server.options.allow_unencrypted):
            raise _HTTPError(500, close=False)
        if not content_type.startswith("application/soap+xml"):
            raise _HTTPError(415, close=False)
        return body, False

    def _answer(self, envelope: bytes, user: str) -> tuple[int, bytes]:
        """Serve one SOAP message; return the HTTP status and the answering envelope."""
        message_id = ""
        try:
            request = wsman.parse_request(envelope)
            message_id = request.message_id
            self._entry["action"] = request.operation
            self._meet_faults(request.operation)
            if request.operation == "Command":
                self.server.count(commands=1)
            answer = self.server.handle(request, user, self.client_address[0])
            return 200, wsman.response_envelope(request, answer)
        except wsman.WSManFault as fault:
            self._entry["fault"] = fault.code
            self.server.count(faults=1)
            return 500, wsman.fault_envelope(fault, message_id, self.server.hostname)

    def _meet_faults(self, operation: str) -> None:
        hang = self.server.faults.take("hang", operation)
        if hang is not None and self.server._stopping.wait(hang.seconds):
            raise _HTTPError(503)
        if self.server.faults.take("http_500", operation) is not None:
            raise _HTTPError(500, close=False)
        self._drop = self.server.faults.take("drop_connection", operation) is not None

    def _record(self, status: int, bytes_out: int) -> None:
        """Count a request; before its response, so that a client that has the answer finds it counted."""
        milliseconds = round((time.monotonic() - self._started) * 1000, 1)
        counts = {"bytes_in": self._bytes_in, "bytes_out": bytes_out}
        self.server.count(requests=1, refused=int(400 <= status < 500), **counts)
        self.server.log_request(
            {"time": round(time.time(), 3), **self._entry, "status": status, **counts, "ms": milliseconds}
        )

    def _respond(self, status: int, body: bytes, content_type: str = SOAP) -> None:
        sent = body[: len(body) // 2] if self._drop else body
        self._record(status, len(sent))
        self.send_response(status)
        for name, value in self._headers:
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(sent)
        self.wfile.flush()
        if self._drop:
            raise ConnectionAbortedError("dropped, as the fault drop_connection says")


class _TimedReader(io.RawIOBase):
    """Reads from a socket. A request must arrive in its time: who sends byte by byte holds no thread for long."""

    def __init__(self, sock: socket.socket, keep_alive: float, request_timeout: float) -> None:
        self._socket = sock
        self._keep_alive = keep_alive
        self._request_timeout = request_timeout
        self._deadline: float | None = None

    def expect_request(self) -> None:
        """The next byte may take as long as connections are kept; with it a request's time begins."""
        self._deadline = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._deadline is None:
            self._socket.settimeout(self._keep_alive)
            count = self._socket.recv_into(buffer)
            self._deadline = time.monotonic() + self._request_timeout
            return count
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the request took too long to arrive")
        self._socket.settimeout(remaining)
        return self._socket.recv_into(buffer)


class _SocketWriter(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def writable(self) -> bool:
        return True

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        self._socket.settimeout(30.0)  # a client that does not read its answer
        self._socket.sendall(data)
        return len(data)


def _server_context(tls: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*tls)
    return context


def _shut(sock: socket.socket) -> None:
    """End a socket that another thread may be waiting on; that thread closes it."""
    with contextlib.suppress(OSError):  # not connected any more
        socket.socket.shutdown(
            sock, socket.SHUT_RDWR
        )  # of the plain socket: TLS would change its state under the other thread
