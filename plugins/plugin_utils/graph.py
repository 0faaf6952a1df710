# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Reads the subscriptions of a tenant, and memberships of accounts, from Microsoft Graph v1.0. Changes nothing."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from .addresses import HIDDEN, has_account
from .service_plans import GOVERNMENT, IN_USE, INDIVIDUALS, NOT_THERE, PLANS, RIGHTS_MANAGEMENT_IDS

try:
    import requests
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
except ImportError:
    MISSING = True
else:
    MISSING = False

Json = Mapping[str, Any]
Answer = TypeVar("Answer")

#: Cloud -> where its applications sign in, and its Microsoft Graph
CLOUDS = {
    "AzureCloud": ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "AzureChinaCloud": ("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
    "AzureUSGovernment": ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
}
#: What application permissions the requests need
READ_SUBSCRIPTIONS = "Organization.Read.All"
READ_USERS = "User.Read.All"
READ_MEMBERS = "User.Read.All and GroupMember.Read.All"
#: Answers to a client that asks too often, or while the service is busy
BUSY = (429, 503)
#: Seconds to wait where a busy service does not say how long
PAUSE = 5
#: Bytes of an answer, and characters of an error that is shown
MOST, LONGEST = 16_000_000, 300
#: Seconds that the assertion of an application is valid; Microsoft recommends 5 to 10 minutes
VALID = 300
#: The groups that one request may name
GROUPS = 20
#: The code of a 404 for a missing object. Any other 404, such as a proxy's, says nothing about the object.
NO_SUCH_OBJECT = "Request_ResourceNotFound"
#: What a header may have. An error of requests would repeat a header that has more.
_PRINTABLE = re.compile(r"[!-~]*")


class GraphError(Exception):
    """Microsoft Graph does not answer, or refuses. The message says what to do, and has no secret."""


class NotFoundError(GraphError):
    """The object does not exist."""


@dataclass(frozen=True)
class SignIn:
    """The credentials: an application with a secret or a certificate, or a token.

    Attributes:
        certificate: PEM, the certificate and its RSA key.
    """

    application_id: str = ""
    tenant_id: str = ""
    client_secret: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    access_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        credentials = [name for name in ("client_secret", "certificate") if getattr(self, name)]
        if bool(self.application_id) == bool(self.access_token):
            raise GraphError("expected either application_id or access_token")
        if self.access_token and credentials:
            raise GraphError(f"{credentials[0]} belongs to application_id: expected it without access_token")
        if self.application_id and (len(credentials) != 1 or not self.tenant_id):
            raise GraphError("application_id needs tenant_id, and either client_secret or certificate")
        if self.application_id and not _is_guid(self.application_id):
            raise GraphError(f"application_id is {self.application_id!r}: expected the id of an application, a GUID")
        if self.tenant_id and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", self.tenant_id):
            raise GraphError(f"tenant_id is {self.tenant_id!r}: expected a GUID, or a domain of the tenant")
        for name in ("client_secret", "access_token"):
            if not _PRINTABLE.fullmatch(getattr(self, name)):
                raise GraphError(f"{name} has a blank, a line break or a character that is not ASCII: expected none")

    def without_secrets(self, text: str) -> str:
        """A text that an answer may have repeated a secret in."""
        for secret in (self.client_secret, self.access_token):
            if secret:
                text = text.replace(secret, "********")
        return text


@dataclass(frozen=True)
class Service:
    """Where to sign in and to ask.

    Attributes:
        ca_path: a file with certificates of authorities; None for those that the controller trusts.
        timeout: seconds for everything, with the pauses that a busy service asks for.
    """

    login: str
    root: str
    ca_path: str | None = None
    timeout: float = 60

    def __post_init__(self) -> None:
        for name, url in (("login_url", self.login), ("url", self.root)):
            if has_account(url):
                raise GraphError(f"{name} is {HIDDEN}: expected an address without them")
            if not re.fullmatch(r"https://[^\s/?#]+/?", url):
                raise GraphError(f"{name} is {url!r}: expected https:// and a host, such as https://graph.microsoft.us")
        if not 0 < self.timeout < threading.TIMEOUT_MAX:
            raise GraphError(f"timeout is {self.timeout:g}: expected seconds, more than 0")


def read(service: Service, sign_in: SignIn, accounts: Iterable[str] = (), groups: Iterable[str] = ()) -> dict[str, Any]:
    """The subscriptions for Rights Management, and of each account its license and in which of the groups it is.

    Raises:
        GraphError: nothing could be read. What alone could not be read is None, with the reason in `notes`.
    """
    if MISSING:
        raise GraphError("Microsoft Graph needs the Python packages requests and cryptography on the controller")
    wanted = [group.strip().lower() for group in groups]
    if odd := [group for group in wanted if not _is_guid(group)]:
        raise GraphError(f"groups has {odd[0]!r}: expected the object id of a group, a GUID")
    if len(wanted) > GROUPS:
        raise GraphError(f"groups has {len(wanted)} groups: expected at most {GROUPS}")
    names = list(dict.fromkeys(name.strip() for name in accounts))
    if odd := [name for name in names if name in ("", ".", "..")]:
        # it would be another path, such as the one of all users
        raise GraphError(f"accounts has {odd[0]!r}: expected a user principal name or an object id")
    deadline = time.monotonic() + service.timeout
    asked = f"{service.root} did not answer within {service.timeout:g} seconds"
    return _bounded(lambda: _read(_Session(service, sign_in, deadline), names, wanted), service.timeout, asked)


def _read(session: _Session, accounts: list[str], groups: list[str]) -> dict[str, Any]:
    session.sign_in()
    notes: list[str] = []

    def part(read_one: Callable[..., Answer], *arguments: Any) -> Answer | None:
        try:
            return read_one(*arguments)
        except GraphError as error:
            if str(error) not in notes:
                notes.append(str(error))
            return None

    subscriptions = part(_subscriptions, session)
    plans = None
    if subscriptions is not None:
        found = {name for one in subscriptions for name in one["usable"]}
        plans = [name for name in PLANS if name in found]
    return {
        "subscriptions": subscriptions,
        "plans": plans,
        "accounts": [
            {
                "account": name,
                "found": None,
                "licensed": None,
                **(part(_user, session, name) or {}),
                "member_of": part(_memberships, session, name, groups),
            }
            for name in accounts
        ],
        "notes": notes,
    }


def _subscriptions(session: _Session) -> list[dict[str, Any]]:
    """Those that have a service plan for Rights Management."""
    found = []
    for sku in _listed(_values(session.get("/v1.0/subscribedSkus", READ_SUBSCRIPTIONS))):
        plans = {
            str(plan.get("servicePlanName")): str(plan.get("provisioningStatus"))
            for plan in _listed(sku.get("servicePlans"))
            if _plan(plan.get("servicePlanName")) in PLANS
        }
        name, status = str(sku.get("skuPartNumber")), str(sku.get("capabilityStatus"))
        units = sku.get("prepaidUnits")
        counts = status in IN_USE and name != INDIVIDUALS
        if plans:
            found.append(
                {
                    "name": name,
                    "status": status,
                    "plans": plans,
                    "usable": [_plan(plan) for plan, state in plans.items() if counts and state not in NOT_THERE],
                    "units": units.get("enabled") if isinstance(units, Mapping) else None,
                    "assigned": sku.get("consumedUnits"),
                }
            )
    return found


def _plan(name: Any) -> str:
    """The name of a service plan, whatever the tenant is."""
    return str(name).removesuffix(GOVERNMENT)


def _user(session: _Session, name: str) -> dict[str, Any]:
    """Whether there is a user, and with a license for Rights Management."""
    try:
        user = session.get(f"/v1.0/users/{quote(name, safe='@')}?$select=id,assignedPlans", READ_USERS)
    except NotFoundError:
        return {"found": False, "licensed": False}
    licensed = any(
        str(plan.get("servicePlanId")).lower() in RIGHTS_MANAGEMENT_IDS and plan.get("capabilityStatus") in IN_USE
        for plan in _listed(user.get("assignedPlans"))
    )
    return {"found": True, "licensed": licensed}


def _memberships(session: _Session, name: str, groups: list[str]) -> list[str]:
    """In which of the groups a user is, also through other groups."""
    if not groups:
        return []
    path = f"/v1.0/users/{quote(name, safe='@')}/checkMemberGroups"
    try:
        answer = session.post(path, {"groupIds": groups}, READ_MEMBERS)
    except NotFoundError:
        return []
    return [str(group).lower() for group in _values(answer)]


class _Session:
    """Requests with a token. No redirect is followed: another host must get neither the secret nor the token."""

    def __init__(self, service: Service, sign_in: SignIn, deadline: float) -> None:
        self._service, self._sign_in, self._deadline = service, sign_in, deadline
        self._token = sign_in.access_token

    def sign_in(self) -> None:
        """Get a token as an application, where none is given (OAuth 2.0 client credentials)."""
        if self._token:
            return
        who = self._sign_in
        url = f"{self._service.login.rstrip('/')}/{who.tenant_id}/oauth2/v2.0/token"
        body = {
            "client_id": who.application_id,
            "grant_type": "client_credentials",
            "scope": f"{self._service.root.rstrip('/')}/.default",
        }
        if who.client_secret:
            body["client_secret"] = who.client_secret
        else:
            body["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            body["client_assertion"] = assertion(who.certificate, who.application_id, url, time.time())
        status, content = self._send("POST", url, data=body)
        token = content.get("access_token")
        if status != 200 or not isinstance(token, str) or not _PRINTABLE.fullmatch(token):
            # of several lines the first one; the others are ids of the request
            lines = str(content.get("error_description") or content.get("error") or "").splitlines()
            why = self._shown(lines[0] if lines else "no token")
            raise GraphError(
                f"the sign-in of the application {who.application_id} failed: HTTP {status}, {why}."
                " Check the application, its secret or certificate, and the tenant"
            )
        self._token = token

    def get(self, path: str, permission: str) -> Json:
        return self._ask("GET", path, permission)

    def post(self, path: str, body: Json, permission: str) -> Json:
        return self._ask("POST", path, permission, json=body)

    def _ask(self, method: str, path: str, permission: str, **more: Any) -> Json:
        url = self._service.root.rstrip("/") + path
        status, content = self._send(method, url, headers={"Authorization": f"Bearer {self._token}"}, **more)
        if status == 200:
            return content
        given = content.get("error")
        error = given if isinstance(given, Mapping) else {}
        why = self._shown(f"HTTP {status} {error.get('code') or ''}: {error.get('message') or 'no reason given'}")
        what = f"{method} {path.partition('?')[0]}: {why}."
        if status == 401:
            raise GraphError(f"{what} Expected a token for {self._service.root} that has not expired")
        if status == 403:
            raise GraphError(f"{what} Grant the application the permission {permission}, with admin consent")
        raise (NotFoundError if error.get("code") == NO_SUCH_OBJECT else GraphError)(what.rstrip("."))

    def _send(self, method: str, url: str, **more: Any) -> tuple[int, Json]:
        """One request, again after the pauses that a busy service asks for. Returns the status and the JSON."""
        headers = {"Accept": "application/json", **more.pop("headers", {})}
        while True:
            try:
                with requests.request(
                    method,
                    url,
                    headers=headers,
                    # otherwise a .netrc would replace the token
                    auth=lambda request: request,
                    verify=self._service.ca_path or True,
                    timeout=max(0.1, self._deadline - time.monotonic()),
                    allow_redirects=False,
                    stream=True,
                    **more,
                ) as answer:
                    status, after = answer.status_code, answer.headers.get("Retry-After", "")
                    body = _body(answer)
            except requests.exceptions.InvalidURL:
                # the error would repeat the address of the proxy, with its password
                raise GraphError(
                    f"{url.partition('?')[0]}: this address, or the one of the proxy, is none. Check https_proxy"
                ) from None
            except (requests.RequestException, OSError) as error:
                # the reason below those of the libraries
                why = getattr(error.args[0], "reason", error) if error.args else error
                raise GraphError(self._shown(f"{url.partition('?')[0]}: {why}")) from None
            if 300 <= status < 400:
                raise GraphError(f"{url.partition('?')[0]} redirects: expected Microsoft's own address")
            if status not in BUSY:
                return status, _content(url, status, body)
            pause = int(after[:9]) if after.isdecimal() else PAUSE
            if time.monotonic() + pause >= self._deadline:
                raise GraphError(
                    f"{url.partition('?')[0]}: HTTP {status}, asks for a pause of {pause} seconds."
                    f" Run this again later, or allow more than {self._service.timeout:g} seconds"
                )
            time.sleep(pause)

    def _shown(self, text: str) -> str:
        text = self._sign_in.without_secrets(text)
        if self._token:
            text = text.replace(self._token, "********")
        return text[:LONGEST].rstrip(". ")


def assertion(certificate: bytes, application_id: str, audience: str, now: float) -> str:
    """What proves that the application has the key of its certificate: a JWT, as Microsoft documents it.

    certificate: PEM, the certificate and its RSA key.
    """
    try:
        key = load_pem_private_key(certificate, None)
        known = x509.load_pem_x509_certificate(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise GraphError("certificate: expected PEM with the certificate and its key without a passphrase") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != known.public_key():
        raise GraphError("certificate: expected an RSA key that belongs to the certificate")
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": _base64(known.fingerprint(hashes.SHA256()))}
    claims = {
        "aud": audience,
        "exp": int(now) + VALID,
        "iat": int(now),
        "iss": application_id,
        "jti": str(uuid.uuid4()),
        "nbf": int(now),
        "sub": application_id,
    }
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
    return f"{signed}.{_base64(key.sign(signed.encode(), pss, hashes.SHA256()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bounded(work: Callable[[], Answer], seconds: float, asked: str) -> Answer:
    """What the work returns. A server that sends byte by byte is not waited for."""
    done: list[Answer] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:  # noqa: BLE001  raised below, in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise GraphError(asked)
    return done[0]


def _body(answer: requests.Response) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(65536):
        body += chunk
        if len(body) > MOST:
            raise GraphError(f"the answer has more than {MOST} bytes")
    return bytes(body)


def _content(url: str, status: int, body: bytes) -> Json:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if isinstance(content, Mapping):
        return content
    if status == 200:
        raise GraphError(f"{url.partition('?')[0]}: expected a JSON object, found {len(body)} bytes of something else")
    return {}


def _values(answer: Json) -> list[Any]:
    values = answer.get("value")
    if not isinstance(values, list):
        raise GraphError("Microsoft Graph answered without a list of values")
    if answer.get("@odata.nextLink"):
        # Microsoft documents no pages for these lists
        raise GraphError("Microsoft Graph answered with a part of a list")
    return values


def _listed(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _is_guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
