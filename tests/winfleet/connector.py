"""The Rights Management connector of one host: its web application, its events, what it knows of the tenant.

It runs while the service W3SVC does and IIS has its applications, on the host's loopback address. Every connection has
to prove by NTLM who is calling. The authorized accounts are one list for the fleet, as they are for a tenant.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from json import dumps, loads
from pathlib import Path
from urllib.parse import urlsplit

from winfleet import eventlog, iis
from winfleet.authentication import Accounts, AuthenticationError, Negotiation
from winfleet.certificates import Store
from winfleet.eventlog import EventLog
from winfleet.wine import Wine

log = logging.getLogger("winfleet")

PROVIDER = "Microsoft RMS connector"
SETTINGS = r"SOFTWARE\Microsoft\AADRM\Connector"
TENANT = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
ROLES = ("exchange", "sharepoint", "fci")
ROOT = "/_wmcs"
LIST = "connector.json"  #: of the fleet's state: who may use the tenant's connectors
REFRESH = 3.0  #: seconds; fifteen minutes on Windows
REPEAT = 900.0  #: seconds after which an unchanged list is reported again
MAX_BODY = 1 << 20
#: Without root, which the ports below 1024 need
UNPRIVILEGED = 10000
PAGES = {
    f"{ROOT}/certification/servercertification.asmx": "ServerCertificationWebService",
    f"{ROOT}/certification/certification.asmx": "CertificationWebService",
    f"{ROOT}/licensing/license.asmx": "LicenseWebService",
    f"{ROOT}/licensing/publish.asmx": "PublishWebService",
    f"{ROOT}/licensing/server.asmx": "ServerWebService",
}
EVENTS = {
    1000: (eventlog.INFORMATION, "The Microsoft RMS connector service has started."),
    1001: (eventlog.INFORMATION, "The Microsoft RMS connector service has stopped."),
    1002: (eventlog.INFORMATION, "Access was granted to the authorized account {0}."),
    1003: (eventlog.INFORMATION, "The account {0}, which used HTTP before, uses HTTPS now."),
    1004: (eventlog.INFORMATION, "The list of authorized accounts has been updated:{0}"),
    2000: (eventlog.WARNING, "A request came without a principal, or from an anonymous one."),
    2001: (eventlog.WARNING, "The account {0} is not authorized to use the connector."),
    2002: (eventlog.WARNING, "The account {0} uses HTTP, which is not secure."),
    2003: (eventlog.WARNING, "The list of authorized accounts is empty: no server can use the connector."),
    3000: (eventlog.ERROR, "An unhandled exception occurred: {0}"),
    3001: (eventlog.ERROR, "The list of authorized accounts could not be downloaded: {0}"),
}


class AuthorizationList:
    """Who may use the tenant's connectors: a file of the fleet, accounts by role."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, list[str]]:
        stored: Mapping[str, list[str]] = {}
        with contextlib.suppress(FileNotFoundError):
            stored = loads(self._file.read_text())
        return {role: list(stored.get(role, [])) for role in ROLES}

    def change(self, accounts: Iterable[tuple[str, str]], *, remove: bool = False) -> dict[str, list[str]]:
        r"""Add accounts (role and DOMAIN\\name), or remove them; returns the list.

        Raises:
            ValueError: an unknown role, or no account; nothing is changed then.
        """
        wanted = list(accounts)
        for role, account in wanted:
            if role not in ROLES or not account.rpartition("\\")[2]:
                raise ValueError(f"{role}={account}: expected {', '.join(ROLES)}, each with an account")
        with self._exclusive():
            found = self.read()
            for role, account in wanted:
                others = [known for known in found[role] if known.lower() != account.lower()]
                found[role] = others if remove else [*others, account]
            draft = self._file.with_suffix(".new")
            draft.write_text(dumps(found))
            draft.rename(self._file)
        return found

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class Site:
    """What the connector needs to know of its host.

    Attributes:
        address: where it listens.
        domain: the NetBIOS name before its accounts' names.
        passwords: of the host's accounts.
        password: of the domain's accounts.
        computers: the fleet's computer accounts.
    """

    address: str
    domain: str
    domains: tuple[str, ...]
    computer: str
    passwords: Mapping[str, str]
    password: str
    computers: Callable[[], Iterable[str]]


@dataclass
class _Seen:
    """What the application has said of its callers since it started."""

    schemes: dict[str, set[str]] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)


class Connector:
    """Starts and stops the web application with the service, and answers for it.

    Args:
        inspected: whether somebody on the way opens the TLS connections to the tenant (a fault).
    """

    def __init__(
        self,
        wine: Wine,
        site: Site,
        authorization: AuthorizationList,
        certificates: Store,
        inspected: Callable[[], bool] = lambda: False,
    ) -> None:
        self.site = site
        self.configuration = iis.Configuration(wine.prefix)
        self.service = iis.Service(wine)
        self.events = EventLog(wine.prefix, site.computer)
        self.accounts = Accounts(site.passwords, site.computer, site.domains)
        self.authorized: frozenset[str] = frozenset()
        self._wine = wine
        self._authorization = authorization
        self._certificates = certificates
        self._inspected = inspected
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._watching: threading.Thread | None = None
        self._process = 0  # of the service, when the application was started
        self._stamp = -1  # of the configuration that was read last
        self._installed = False
        self._proxy: str | None = None
        self._listening: dict[tuple[int, tuple[tuple[str, str], ...]], _Server] = {}
        self._reported: tuple[float, object] = (0.0, None)
        self._seen = _Seen()

    # -- life --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The host has booted. Where there is no IIS, nothing runs and nothing is looked at."""
        self._stopping.clear()
        if self.configuration.stamp:
            self.follow()

    def end(self, *, gracefully: bool = True) -> None:
        """The host goes down, or is lost."""
        self._stopping.set()
        if self._watching is not None:
            self._watching.join()
            self._watching = None
        with self._lock:
            if self._process:
                self._stop(gracefully=gracefully)

    def follow(self) -> None:
        """Be what service and configuration say; called when either was changed, and every second."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._look()
            self._listen()
            if self._watching is None:
                self._watching = threading.Thread(target=self._watch, name="connector", daemon=True)
                self._watching.start()

    def status(self) -> dict[str, object] | None:
        """What `bin/fleet status` shows; None when there is no connector."""
        # as IIS is configured now: `bin/fleet authorize --all` takes a host that has a connector by this
        if not self.configuration.has_application(ROOT):
            return None
        with self._lock:
            return {
                "phase": "running" if self._process else "stopped",
                "ports": sorted(server.port for server in self._listening.values()),
                "authorized": sorted(self.authorized),
            }

    def refresh(self) -> None:
        """Read the list of authorized accounts now."""
        with self._lock:
            if self._process:
                self._refresh()

    def _watch(self) -> None:
        refreshed = time.monotonic()
        while not self._stopping.wait(1):
            with self._lock:
                if self._look():
                    self._listen()
                if self._process and time.monotonic() - refreshed >= REFRESH:
                    refreshed = time.monotonic()
                    self._refresh()

    def _look(self) -> bool:
        """Start and stop with the service; returns whether anything has changed."""
        stamp = self.configuration.stamp
        changed = stamp != self._stamp
        if changed:
            self._stamp = stamp
            self._installed = self.configuration.has_application(ROOT)
        process = self.service.process if self._installed else 0
        if process == self._process:
            return changed
        if self._process:
            self._stop()
        if process:
            self._start(process)
        return True

    def _start(self, process: int) -> None:
        self._process = process
        self._seen = _Seen()
        self.write(1000)
        self._proxy = self._wine.value(SETTINGS, "ProxyAddress")
        self._reported = (0.0, None)
        self._refresh()

    def _stop(self, *, gracefully: bool = True) -> None:
        self._process = 0
        for server in self._listening.values():
            server.stop(gracefully=gracefully)
        self._listening = {}
        if gracefully:
            self.write(1001)

    def _listen(self) -> None:
        """Have a server for each binding of the site, and no others."""
        wanted: set[tuple[int, tuple[tuple[str, str], ...]]] = set()
        for protocol, information in self.configuration.bindings() if self._process else ():
            port = information.split(":")[1] if information.count(":") >= 2 else ""
            if port.isdigit() and protocol in ("http", "https"):
                shown = self._shown(port) if protocol == "https" else ()
                if protocol == "http" or shown:
                    wanted.add((int(port), shown))
        for key in set(self._listening) - wanted:
            self._listening.pop(key).stop()
        for number, shown in wanted - set(self._listening):
            try:
                context = self._context(shown) if shown else None
                self._listening[number, shown] = _Server(self, number, context)
            except OSError as error:
                log.warning("the connector cannot listen on port %d: %s", number, error)

    def _shown(self, port: str) -> tuple[tuple[str, str], ...]:
        """Which certificate clients see, by the name that they ask for; "" stands for all others.

        As http.sys chooses: an entry for the very address, then one for the name, then that of all addresses.
        """
        entries = [entry for entry in iis.ssl_entries(self._wine) if entry.where.rpartition(":")[2] == port]
        exact = [entry for entry in entries if entry.where == f"{self.site.address}:{port}"]
        plain = [entry for entry in entries if entry.where == f"0.0.0.0:{port}"]
        names = [] if exact else [entry for entry in entries if entry.named]
        found = [(entry.where.rpartition(":")[0], entry.thumbprint) for entry in names]
        found += [("", entry.thumbprint) for entry in exact or plain]
        return tuple(sorted(found))

    def _context(self, shown: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
        contexts = {name: self._certificates.context(thumbprint) for name, thumbprint in shown}
        default = contexts.get("", next(iter(contexts.values())))

        def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            if name is not None and name.lower() in contexts:
                connection.context = contexts[name.lower()]

        default.sni_callback = choose
        return default

    # -- who may -----------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Download the list, and report it when it is another one or was not reported for long."""
        since, reported = self._reported
        due = time.monotonic() - since >= REPEAT or reported is None
        failure: tuple[int, str] | None = None
        if self._inspected():
            failure = (3000, "The remote certificate is invalid according to the validation procedure.")
        elif self._proxy and (due or not isinstance(reported, frozenset)):
            problem = proxy_problem(self._proxy)
            failure = (3001, problem) if problem else None
        found: object = failure
        if failure is None:
            authorized = frozenset(
                account if "\\" in account else f"{self.site.domain}\\{account}"
                for accounts in self._authorization.read().values()
                for account in accounts
            )
            found = authorized
            self._know(authorized)
        if not due and found == reported:
            return
        self._reported = (time.monotonic(), found)
        if failure:
            self.write(*failure)
        elif self.authorized:
            self.write(1004, "".join(f"\r\n{account}" for account in sorted(self.authorized)))
        else:
            self.write(2003)

    def _know(self, authorized: frozenset[str]) -> None:
        self.authorized = authorized
        names = {account.rpartition("\\")[2] for account in authorized} | set(self.site.computers())
        passwords = {**dict.fromkeys(sorted(names), self.site.password), **self.site.passwords}
        if passwords != self.accounts.passwords:
            self.accounts = Accounts(passwords, self.site.computer, self.site.domains)

    def admit(self, user: str, *, secure: bool) -> bool:
        """Say in the log who is calling; returns whether they are authorized."""
        account = f"{self.site.domain}\\{user}"
        with self._lock:
            if account.lower() not in {known.lower() for known in self.authorized}:
                if time.monotonic() - self._seen.refused.get(account, float("-inf")) > 1:
                    self._seen.refused[account] = time.monotonic()
                    self.write(2001, account)
                return False
            schemes = self._seen.schemes.setdefault(account, set())
            scheme = "https" if secure else "http"
            if scheme not in schemes:
                self.write(1002, account)
                if not secure:
                    self.write(2002, account)
                elif schemes:
                    self.write(1003, account)
                schemes.add(scheme)
        return True

    def write(self, number: int, *details: str) -> None:
        """Write an event."""
        level, text = EVENTS[number]
        self.events.write(PROVIDER, number, level, text.format(*details))


def proxy_problem(proxy: str) -> str:
    """Ask a proxy for the tenant's address; returns what is wrong, "" when nothing is.

    One that demands authentication is of no use. Whatever else it answers, or does not, is as good as a connection: no
    tenant is behind it here.
    """
    parts = urlsplit(proxy)
    try:
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port = None, 0
    if parts.scheme not in ("http", "https") or not host:
        return f"The proxy address {proxy!r} is not http://host:port or https://host:port."
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            name = urlsplit(TENANT).hostname
            connection.sendall(f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n".encode())
            with contextlib.suppress(TimeoutError):
                if b" 407 " in connection.recv(1024).partition(b"\r\n")[0]:
                    return "The remote server returned an error: (407) Proxy Authentication Required."
    except OSError as error:
        return f"Unable to connect to the proxy {host}:{port} ({error.strerror or error})."
    return ""


class _Server:
    """Listens on one port, a thread for each connection."""

    def __init__(self, connector: Connector, port: int, context: ssl.SSLContext | None) -> None:
        self.connector = connector
        self.secure = context is not None
        self.stopping = False
        self._context = context
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, _Connection | None] = {}
        address = connector.site.address
        try:
            self._socket = socket.create_server((address, port), backlog=128)
        except PermissionError:
            log.warning("port %d needs root; the connector takes %d", port, UNPRIVILEGED + port)
            self._socket = socket.create_server((address, UNPRIVILEGED + port), backlog=128)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, name=f"connector-{port}", daemon=True).start()

    def stop(self, *, gracefully: bool = True) -> None:
        """Take no more connections; those that are served at this moment get their answer."""
        self.stopping = True
        for end in (lambda: self._socket.shutdown(socket.SHUT_RDWR), self._socket.close):
            with contextlib.suppress(OSError):
                end()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RD if gracefully else socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.stopping:
            try:
                connection, client = self._socket.accept()
            except OSError:
                if not self.stopping:
                    time.sleep(0.05)  # out of file descriptors: others will end
                continue
            threading.Thread(target=self._serve, args=(connection, client), daemon=True).start()

    def _serve(self, connection: socket.socket, client: tuple[str, int]) -> None:
        try:
            connection.settimeout(120)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with self._lock:
                self._connections[connection] = None
            if not self.stopping:
                _Connection(connection, client, self)
        except (OSError, ValueError) as error:
            log.debug("connector: connection from %s:%s: %s", *client, error)
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()


class _Connection(BaseHTTPRequestHandler):
    """One caller's connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    server: _Server  # type: ignore[assignment]  # only its own attributes are used

    def __init__(self, connection: socket.socket, client: tuple[str, int], server: _Server) -> None:
        self._negotiation = Negotiation(server.connector.accounts)
        super().__init__(connection, client, server)  # type: ignore[arg-type]

    def version_string(self) -> str:
        return "Microsoft-IIS/10.0"

    def log_message(self, format: str, *args: object) -> None:
        log.debug("connector: %s " + format, self.client_address[0], *args)

    def do_GET(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._answer(413)
            return
        self.rfile.read(int(length))
        path = urlsplit(self.path).path.lower()
        if path != ROOT and not path.startswith(f"{ROOT}/"):
            self._answer(200 if path == "/" else 404, "Internet Information Services" if path == "/" else "")
            return
        connector = self.server.connector
        user, token = self._authenticate()
        headers = {"WWW-Authenticate": token} if token else {}
        if user is None:
            if not self.headers.get("Authorization") and connector.configuration.lets_anonymous_in(iis.SITE + path):
                connector.write(2000)
                self._answer(401)
            elif token:
                self._answer(401, headers=headers)
            else:
                self._answer(401, offers=True)
            return
        authorized = connector.admit(user, secure=self.server.secure)
        if path == f"{ROOT}/getrmsouri.aspx":
            self._answer(200, TENANT, "text/plain", headers)
        elif path not in PAGES:
            self._answer(403 if path.count("/") == 2 else 404, headers=headers)  # folders are not listed
        elif self.command != "POST":
            self._answer(200, f"<html><head><title>{PAGES[path]} Web Service</title></head></html>", headers=headers)
        elif authorized:
            envelope = "http://schemas.xmlsoap.org/soap/envelope/"
            text = f'<soap:Envelope xmlns:soap="{envelope}"><soap:Body /></soap:Envelope>'
            self._answer(200, text, "text/xml", headers)
        else:
            self._answer(403, headers=headers)

    do_HEAD = do_POST = do_GET  # noqa: N815 - http.server's names

    def _authenticate(self) -> tuple[str | None, str]:
        """Return who is calling, and the next token of the negotiation."""
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if not scheme:
            return self._negotiation.user, ""
        if scheme.lower() not in ("negotiate", "ntlm"):
            return None, ""
        try:
            answer = self._negotiation.step(scheme, token.strip())
        except AuthenticationError as error:
            log.debug("connector: refused: %s", error)
            return None, ""
        return self._negotiation.user, answer

    def _answer(
        self,
        status: int,
        text: str = "",
        kind: str = "text/html",
        headers: Mapping[str, str] | None = None,
        *,
        offers: bool = False,
    ) -> None:
        body = text.encode()
        if self.server.stopping:
            self.close_connection = True
        self.send_response(status)
        for scheme in ("Negotiate", "NTLM") if offers else ():
            self.send_header("WWW-Authenticate", scheme)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
