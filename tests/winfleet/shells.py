"""The shells of one host: made, looked up by their owner, counted against quotas, ended when nobody uses them any more.

A shell is a WinRS command shell (`winrs.py`) or a PowerShell runspace pool (`psrp.py`); both answer the same
operations. Clients that die never say so: a shell that no request has touched for its idle time is closed, and closing
ends its commands. A client whose command runs asks for output all the time; one that does not is gone much sooner.
"""

from __future__ import annotations

import abc
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from . import wsman
from .execution import Executor
from .wsman import NAMESPACES, Request, WSManFault

CMD_RESOURCE = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
SHELL_RESOURCE = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
POWERSHELL_RESOURCE = "http://schemas.microsoft.com/powershell/"
CONFIG_RESOURCE = "http://schemas.microsoft.com/wbem/wsman/1/config"
COMMAND_STATE = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/"

_IDENTIFIER = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)


@dataclass(frozen=True)
class Limits:
    """What one host allows; the defaults are those of Windows Server 2012 to 2019."""

    shells_per_user: int = 30  #: MaxShellsPerUser
    commands_per_shell: int = 25  #: MaxProcessesPerShell: commands that were started and not yet signalled
    operations_per_shell: int = (
        1500  #: MaxConcurrentOperationsPerUser: WinRS counts every command of a shell, ended or not
    )
    idle_timeout: float = 7200.0  #: seconds, for a shell whose client asks for none
    max_idle_timeout: float = 2_147_483.0  #: seconds, at most
    abandoned_timeout: float = 300.0  #: seconds without a request, while a command runs; Windows has no such limit


def identifier(given: str | None, what: str) -> str:
    """Return the identifier that the client chose, or a new one, in upper case.

    Raises:
        WSManFault: it is not a GUID.
    """
    if given is None:
        return str(uuid.uuid4()).upper()
    if not _IDENTIFIER.fullmatch(given):
        raise wsman.schema_violation(f"{what} is not a GUID")
    return given.upper()


class Shell(abc.ABC):
    """One open shell. Requests to it may come from several connections at once.

    The operations return the XML of the response's body and raise WSManFault.
    """

    streams: tuple[str, str]  #: the input and output streams that Windows names for this kind of shell

    def __init__(self, request: Request, user: str, client: str, limits: Limits, shell_id: str) -> None:
        self.id = shell_id
        self.user = user
        self.resource_uri = request.resource_uri
        self.limits = limits
        self._client = client
        self._created = time.monotonic()
        self._used = self._created
        self._users = 0
        self._lock = threading.Lock()
        wanted = request.body.findtext("rsp:Shell/rsp:IdleTimeOut", "", NAMESPACES).strip()
        seconds = wsman.parse_duration(wanted) if wanted else limits.idle_timeout
        self.idle_timeout = min(seconds, limits.max_idle_timeout)

    @abc.abstractmethod
    def command(self, request: Request) -> str: ...

    @abc.abstractmethod
    def send(self, request: Request) -> str: ...

    @abc.abstractmethod
    def receive(self, request: Request) -> str: ...

    @abc.abstractmethod
    def signal(self, request: Request) -> str: ...

    @property
    @abc.abstractmethod
    def busy(self) -> bool:
        """Whether a command runs, or has output that its client has not fetched."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the shell's commands and wake whoever waits for their output. Harmless when repeated."""

    def __enter__(self) -> Shell:
        with self._lock:
            self._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            self._used = time.monotonic()

    def idle_for(self) -> float:
        """Seconds since the last request; 0 while one is being served."""
        with self._lock:
            return 0.0 if self._users else time.monotonic() - self._used

    def remaining(self) -> float:
        """Seconds until the shell is closed, when no request comes."""
        limit = min(self.idle_timeout, self.limits.abandoned_timeout) if self.busy else self.idle_timeout
        return limit - self.idle_for()

    def describe(self) -> str:
        """The shell as the rsp:Shell element of a response."""
        return (
            f"<rsp:Shell><rsp:ShellId>{self.id}</rsp:ShellId><rsp:ResourceUri>{escape(self.resource_uri)}</rsp:ResourceUri>"
            f"<rsp:Owner>{escape(self.user)}</rsp:Owner><rsp:ClientIP>{escape(self._client)}</rsp:ClientIP>"
            f"<rsp:IdleTimeOut>PT{self.idle_timeout:.3f}S</rsp:IdleTimeOut><rsp:InputStreams>{self.streams[0]}</rsp:InputStreams>"
            f"<rsp:OutputStreams>{self.streams[1]}</rsp:OutputStreams><rsp:State>Connected</rsp:State>"
            f"<rsp:ShellRunTime>P0DT0H0M{time.monotonic() - self._created:.0f}S</rsp:ShellRunTime>"
            f"<rsp:ShellInactivity>P0DT0H0M{self.idle_for():.0f}S</rsp:ShellInactivity></rsp:Shell>"
        )


ShellFactory = Callable[..., Shell]


class Shells:
    """All shells of one host."""

    def __init__(self, executor: Executor, limits: Limits, cmd: ShellFactory, powershell: ShellFactory) -> None:
        self._executor = executor
        self._limits = limits
        self._factories = {"cmd": cmd, "powershell": powershell}
        self._shells: dict[str, Shell] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._close_idle, name="winrm-idle-shells", daemon=True).start()

    def __len__(self) -> int:
        with self._lock:
            return len(self._shells)

    def handle(self, request: Request, user: str, client: str) -> str:
        """Serve one request of `user` from the address `client`; return the response body's XML.

        Raises:
            WSManFault: it cannot be served.
        """
        kind = self._kind(request.resource_uri)
        if request.operation == "Get" and kind == "config":
            kilobytes = wsman.MAX_ENVELOPE_SIZE // 1024
            return f"<cfg:Config><cfg:MaxEnvelopeSizekb>{kilobytes}</cfg:MaxEnvelopeSizekb></cfg:Config>"
        if request.operation == "Get" and kind is not None:
            with self._find(request, user) as shell:
                return shell.describe()
        if kind not in self._factories:
            raise wsman.resource_not_found(request.resource_uri)
        if request.action == f"{NAMESPACES['x']}/Create":
            return self._create(request, user, client, self._factories[kind])
        if request.action == f"{NAMESPACES['x']}/Delete":
            with self._lock:
                shell = self._find_locked(request, user)
                del self._shells[shell.id]
            shell.close()
            return ""
        operations = {"Command": "command", "Send": "send", "Receive": "receive", "Signal": "signal"}
        if request.action != f"{NAMESPACES['rsp']}/{request.operation}" or request.operation not in operations:
            raise wsman.action_not_supported(request.action)
        with self._find(request, user) as shell:
            if shell.resource_uri != request.resource_uri:
                raise wsman.shell_not_found(shell.id)
            return getattr(shell, operations[request.operation])(request)

    def close(self) -> None:
        """Close all shells and take no more."""
        self._closed.set()
        with self._lock:
            shells, self._shells = list(self._shells.values()), {}
        for shell in shells:
            shell.close()

    @staticmethod
    def _kind(resource_uri: str) -> str | None:
        if resource_uri == CMD_RESOURCE:
            return "cmd"
        if resource_uri == f"{POWERSHELL_RESOURCE}Microsoft.PowerShell":
            return "powershell"
        return {SHELL_RESOURCE: "shell", CONFIG_RESOURCE: "config"}.get(resource_uri)

    def _create(self, request: Request, user: str, client: str, factory: ShellFactory) -> str:
        shell_id = identifier(request.element("rsp:Shell").get("ShellId"), "ShellId")
        with self._lock:
            self._check_room(shell_id, user)
        shell = factory(
            self._executor, request=request, user=user, client=client, limits=self._limits, shell_id=shell_id
        )
        with self._lock:  # looked at again, since opening a pool takes time and others may have come
            try:
                self._check_room(shell_id, user)
            except WSManFault:
                shell.close()
                raise
            self._shells[shell_id] = shell
        uri = escape(request.resource_uri)
        return (
            f"<x:ResourceCreated><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>"
            f"<a:ReferenceParameters><w:ResourceURI>{uri}</w:ResourceURI>"
            f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
            f"</a:ReferenceParameters></x:ResourceCreated>{shell.describe()}"
        )

    def _check_room(self, shell_id: str, user: str) -> None:
        if self._closed.is_set():
            raise wsman.internal_error("The service is shutting down.")
        if shell_id in self._shells:
            raise wsman.already_exists(f"the shell {shell_id}")
        if sum(shell.user == user for shell in self._shells.values()) >= self._limits.shells_per_user:
            raise wsman.too_many_shells(self._limits.shells_per_user)

    def _find(self, request: Request, user: str) -> Shell:
        with self._lock:
            return self._find_locked(request, user)

    def _find_locked(self, request: Request, user: str) -> Shell:
        shell = self._shells.get(request.shell_id)
        if shell is None or shell.user != user:  # somebody else's shell looks as if it were not there
            raise wsman.shell_not_found(request.shell_id)
        return shell

    def _close_idle(self) -> None:
        while True:
            with self._lock:
                remaining = {shell: shell.remaining() for shell in self._shells.values()}
                expired = [shell for shell, seconds in remaining.items() if seconds <= 0]
                for shell in expired:
                    del self._shells[shell.id]
            for shell in expired:
                shell.close()
            if self._closed.wait(min([1.0, *(max(0.05, seconds) for seconds in remaining.values())])):
                return
