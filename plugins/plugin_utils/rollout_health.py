# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Whether connectors serve: the health check by the controller, without authentication, and the facts of the host."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATH = "/_wmcs/certification/servercertification.asmx"
#: A healthy connector answers an unauthenticated request with 401. A redirect is no answer of a connector.
HEALTHY = (200, 401)
#: The connector has an empty list of authorized servers.
NO_LIST = 2003
#: Characters of a connector's own words that are shown
LONGEST = 200
#: Seconds between two attempts
PAUSE = 2.0


@dataclass(frozen=True)
class Answer:
    """What one connector answered last.

    Attributes:
        url: the address that was asked.
        status: of HTTP; 0 without an answer.
        msg: the answer's reason, or why there was none.
    """

    url: str
    status: int
    msg: str

    @property
    def healthy(self) -> bool:
        return self.status in HEALTHY


@dataclass(frozen=True)
class Check:
    """How the controller asks the members of a pool.

    Attributes:
        https: whether by HTTPS. The certificate is not verified: its name is the pool's.
        port: of the members.
        name: the pool's, for the Host header, since IIS may have a binding for this name only; "" for the address.
        timeout: seconds for one attempt.
    """

    https: bool
    port: int
    name: str
    timeout: float

    def ask(self, address: str) -> Answer:
        """One attempt. No redirect is followed and no proxy is used."""
        host = f"[{address}]" if ":" in address else address
        url = f"{'https' if self.https else 'http'}://{host}:{self.port}{PATH}"
        try:
            with contextlib.closing(self._connection(address)) as connection:
                connection.request("GET", PATH, headers={"Host": self.name} if self.name else {})
                answer = connection.getresponse()
                return Answer(url, answer.status, f"HTTP {answer.status} {answer.reason}"[:LONGEST])
        # ValueError: a name that DNS or HTTP cannot have
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(url, 0, (str(error) or type(error).__name__)[:LONGEST])

    def _connection(self, address: str) -> http.client.HTTPConnection:
        if not self.https:
            return http.client.HTTPConnection(address, self.port, timeout=self.timeout)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(address, self.port, timeout=self.timeout, context=context)


def check_for(url: str, port: Any, timeout: float) -> Check:
    """The check of members of the pool that servers reach at this URL; a port of their own takes precedence.

    Raises:
        ValueError: the URL or the port is none.
    """
    parts = urlsplit(url or "http://")
    https = parts.scheme == "https"
    return Check(https, int(port or parts.port or (443 if https else 80)), parts.netloc, timeout)


def address_of(member: str, hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    """Where the controller reaches a member."""
    variables = hostvars[member]
    return str(variables.get("rms_pool_address") or variables.get("ansible_host") or member)


def ask_all(
    ask: Callable[[str], Answer], addresses: Mapping[str, str], patience: float, longest: float, pause: float = PAUSE
) -> dict[str, Answer]:
    """Asks all members at once, each until it is healthy or the patience is at its end, and twice at least.

    addresses: by the member's name.
    longest: seconds for one attempt. One that takes much longer, such as a body that never ends, is not waited for.
    """
    answers: dict[str, Answer] = {}
    deadline = time.monotonic() + patience

    def ask_one(member: str, address: str) -> None:
        attempts = 0
        while not (attempts > 1 and time.monotonic() > deadline):
            attempts += 1
            answers[member] = ask(address)
            if answers[member].healthy:
                return
            time.sleep(pause)

    # daemons: the controller does not wait for one that hangs
    threads = [threading.Thread(target=ask_one, args=pair, daemon=True) for pair in addresses.items()]
    for thread in threads:
        thread.start()
    end = deadline + 2 * (longest + pause)
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    found = dict(answers)
    return {
        member: found.get(member, Answer(address, 0, f"no answer within {longest:g} seconds"))
        for member, address in addresses.items()
    }


def why_not_serving(look: Mapping[str, Any], authorized: Collection[str]) -> str:
    """Why the connector of a host does not serve, by its facts; "" when it does.

    look: a result of host_info.
    authorized: the accounts that connectors of the pool authorized when the run began. A connector that has never had a
        list, whose servers are still to be authorized, may be put into service.
    """
    facts = look.get("host")
    if not isinstance(facts, Mapping):
        return f"Whether the connector serves cannot be seen: {look.get('msg') or 'the host did not answer'}"
    found = facts.get("connector")
    connector: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    told = connector.get("events")
    events = [event for event in told if isinstance(event, Mapping)] if isinstance(told, (list, tuple)) else []
    status = connector.get("status")
    if status != "running":
        texts = " ".join(str(event.get("text") or "") for event in events)
        return (
            f"The connector is {status or 'not there'}; expected running, with its list of authorized servers"
            f" (event 1004) since it was started. {texts}"
        ).rstrip()
    if authorized and any(event.get("id") == NO_LIST for event in events):
        return (
            f"The connector authorizes nobody (event {NO_LIST}), and when the run began the connectors authorized"
            f" {', '.join(authorized)}: it would refuse every server. Check the list in the connector administration"
            " tool, and the connector's way to the service."
        )
    return ""
