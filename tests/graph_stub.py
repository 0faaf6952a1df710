"""Microsoft Graph and its sign-in on the loopback, by HTTPS, in the documented shapes. Refuses what they refuse."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from winfleet.certificates import create_certificate

Json = dict[str, Any]
TENANT, APPLICATION = "0b4b5b3e-2f6c-4f0d-9a55-3b8b3b6c1f10", "20000000-0000-4000-8000-000000000001"
SECRET, TOKEN = "Graph!secret-of-the-stub", "a-token-of-the-stub"
RIGHTS_MANAGEMENT = "bea4c11e-220a-4e6d-8eb8-8ea15d019f90"
ALL_PERMISSIONS = frozenset({"Organization.Read.All", "User.Read.All", "GroupMember.Read.All"})
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def subscription(name: str = "RIGHTSMANAGEMENT", status: str = "Enabled", units: int = 25, **plans: str) -> Json:
    """A subscription as GET /subscribedSkus has it. plans: service plan -> provisioningStatus."""
    ids = {"RMS_S_ENTERPRISE": RIGHTS_MANAGEMENT, "RMS_S_PREMIUM": "6c57d4b6-3b23-47a5-9bc9-69f17b4947b3"}
    return {
        "capabilityStatus": status,
        "consumedUnits": 14,
        "id": f"{TENANT}_c52ea49f-fe5d-4e95-93ba-1de91d380f89",
        "prepaidUnits": {"enabled": units if status == "Enabled" else 0, "suspended": 0, "warning": 0},
        "servicePlans": [
            {
                "servicePlanId": ids.get(plan, "00000000-0000-4000-8000-000000000000"),
                "servicePlanName": plan,
                "provisioningStatus": state,
                "appliesTo": "User",
            }
            for plan, state in plans.items()
        ],
        "skuId": "c52ea49f-fe5d-4e95-93ba-1de91d380f89",
        "skuPartNumber": name,
        "appliesTo": "User",
    }


@dataclass
class Graph:
    """A tenant.

    Attributes:
        permissions: those of the application.
        subscriptions: see subscription().
        users: user principal name -> id, plans (status by service plan id) and groups, in which it is directly or not.
        busy: how many requests get 429, and the seconds in Retry-After ("" for no such header).
        slow: seconds between the bytes of an answer.
        redirects: whether everything leads elsewhere.
        certificate: of the application, PEM; it may sign in with that, too.
        body: instead of every answer of Graph.
        status: instead of 200, with the body.
        requests: method and path of each.
        url: both of Graph and of the sign-in.
        ca_path: a file with its authority.
    """

    permissions: frozenset[str] = ALL_PERMISSIONS
    subscriptions: list[Json] = field(
        default_factory=lambda: [subscription(RMS_S_ENTERPRISE="Success", RMS_S_PREMIUM="Success")]
    )
    users: dict[str, Json] = field(default_factory=dict)
    busy: int = 0
    retry_after: str = "0"
    slow: float = 0
    redirects: bool = False
    certificate: bytes = b""
    body: bytes | None = None
    status: int = 200
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    ca_path: str = ""


class AnswerError(Exception):
    """Ends a request."""

    def __init__(self, status: int, body: Json, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


def refused(status: int, code: str, message: str, **headers: str) -> AnswerError:
    """An error of Graph, in its documented shape."""
    inner = {"date": "2026-11-30T02:00:00", "request-id": "0", "client-request-id": "0"}
    return AnswerError(status, {"error": {"code": code, "message": message, "innerError": inner}}, **headers)


def not_signed_in(code: str, message: str, status: int = 401) -> AnswerError:
    """An error of the sign-in, in its documented shape."""
    text = f"{code}: {message}\r\nTrace ID: 0\r\nCorrelation ID: 0\r\nTimestamp: 2026-11-30 02:00:00Z"
    return AnswerError(status, {"error": "invalid_client", "error_description": text, "error_codes": [int(code[7:])]})


@contextlib.contextmanager
def serve(graph: Graph, folder: Path) -> Iterator[Graph]:
    """The tenant's servers until the block ends. folder: for their certificate."""
    certificate, key = create_certificate(folder, "localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(_Handler):
        tenant = graph

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    server.socket = context.wrap_socket(server.socket, server_side=True)
    graph.url, graph.ca_path = f"https://localhost:{server.server_port}", str(certificate)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield graph
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tenant: Graph

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        self.tenant.requests.append((self.command, parts.path))
        with contextlib.suppress(OSError):
            try:
                self._answer(200, self._found(unquote(parts.path), parse_qs(parts.query), body))
            except AnswerError as error:
                self._answer(error.status, error.body, **error.headers)

    def _found(self, path: str, query: Json, body: bytes) -> Json:
        graph = self.tenant
        if graph.redirects:
            raise AnswerError(307, {}, Location=f"https://localhost:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
        if graph.busy:
            graph.busy -= 1
            header = {"Retry-After": graph.retry_after} if graph.retry_after else {}
            raise refused(429, "TooManyRequests", "Too many requests", **header)
        if found := re.fullmatch(r"/([^/]+)/oauth2/v2.0/token", path):
            return self._token(found[1], {name: values[0] for name, values in parse_qs(body.decode()).items()})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise refused(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
        if (self.command, path) == ("GET", "/v1.0/subscribedSkus"):
            self._needs("Organization.Read.All")
            if query:
                raise refused(400, "Request_UnsupportedQuery", "This operation does not support query options.")
            return {"@odata.context": f"{graph.url}/v1.0/$metadata#subscribedSkus", "value": graph.subscriptions}
        if found := re.fullmatch(r"/v1.0/users/([^/]+)(/checkMemberGroups)?", path):
            return self._user(found[1], bool(found[2]), query, body)
        raise refused(400, "BadRequest", f"Resource not found for the segment '{path}'.")

    def _needs(self, *permissions: str) -> None:
        if not self.tenant.permissions.issuperset(permissions):
            raise refused(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")

    def _user(self, name: str, membership: bool, query: Json, body: bytes) -> Json:
        self._needs("User.Read.All")
        users = {name.lower(): user for name, user in self.tenant.users.items()}
        users |= {user["id"]: user for user in self.tenant.users.values()}
        if name.lower() not in users:
            message = (
                f"Resource '{name}' does not exist or one of its queried reference-property objects are not present."
            )
            raise refused(404, "Request_ResourceNotFound", message)
        user = users[name.lower()]
        if membership:
            if self.command != "POST":
                raise refused(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
            self._needs("GroupMember.Read.All")
            wanted = json.loads(body)["groupIds"]
            if len(wanted) > 20:
                raise refused(400, "Directory_ResultSizeLimitExceeded", "At most 20 groups.")
            return {"value": [group for group in wanted if group in user.get("groups", [])]}
        plans = [
            {"assignedDateTime": "2026-01-01T00:00:00Z", "capabilityStatus": status, "service": "RMSOnline",
             "servicePlanId": plan}
            for plan, status in user.get("plans", {}).items()
        ]  # fmt: skip
        # assignedPlans is returned on $select only
        fields = query.get("$select", [""])[0].split(",")
        return {"id": user["id"], **({"assignedPlans": plans} if "assignedPlans" in fields else {})}

    def _token(self, tenant: str, given: dict[str, str]) -> Json:
        graph = self.tenant
        if tenant != TENANT:
            raise not_signed_in("AADSTS90002", f"Tenant '{tenant}' not found.", 400)
        if given.get("grant_type") != "client_credentials" or given.get("scope") != f"{graph.url}/.default":
            raise not_signed_in("AADSTS1002012", "The provided value for scope is not valid.", 400)
        if given.get("client_id") != APPLICATION:
            raise not_signed_in(
                "AADSTS700016", f"Application with identifier '{given.get('client_id')}' was not found.", 400
            )
        if given.get("client_assertion_type") == ASSERTION_TYPE:
            self._verify(given["client_assertion"], f"{graph.url}/{tenant}/oauth2/v2.0/token")
        elif given.get("client_secret") != SECRET:
            raise not_signed_in("AADSTS7000215", f"Invalid client secret provided: {given.get('client_secret')}.")
        return {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": TOKEN}

    def _verify(self, assertion: str, audience: str) -> None:
        """The assertion, as Microsoft's page on certificate credentials asks for it."""
        header, claims, signature = assertion.split(".")
        known = x509.load_pem_x509_certificate(self.tenant.certificate)
        thumbprint = base64.urlsafe_b64encode(known.fingerprint(hashes.SHA256())).decode().rstrip("=")
        if _part(header) != {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}:
            raise not_signed_in(
                "AADSTS700027", "The certificate with identifier used to sign the client assertion is not registered."
            )
        found, now = _part(claims), time.time()
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        known.public_key().verify(  # type: ignore[union-attr,call-arg]
            _bytes(signature), f"{header}.{claims}".encode(), pss, hashes.SHA256()  # type: ignore[arg-type]
        )  # fmt: skip
        valid = found["nbf"] <= now < found["exp"] <= found["nbf"] + 600 and found["jti"]
        if not valid or (found["aud"], found["iss"], found["sub"]) != (audience, APPLICATION, APPLICATION):
            raise not_signed_in("AADSTS50027", "JWT token is invalid or malformed.")

    def _answer(self, status: int, content: Json, **headers: str) -> None:
        graph_asked = not self.path.endswith("/token")
        body = self.tenant.body if self.tenant.body is not None and graph_asked else json.dumps(content).encode()
        self.send_response(self.tenant.status if body is self.tenant.body else status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if not self.tenant.slow:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            time.sleep(self.tenant.slow)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(text: str) -> Json:
    return dict(json.loads(_bytes(text)))
