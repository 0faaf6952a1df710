"""Which TLS values each kind of host gets: for the module over Ansible, and for the same module in the unit tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from module_cycle import Cycle, Registry

PROTOCOLS = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
DOTNET = r"HKLM\SOFTWARE\Microsoft\.NETFramework"
DOTNET32 = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\.NETFramework"
WINHTTP = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp"
WINHTTP32 = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp"
KEYS = [PROTOCOLS, DOTNET, DOTNET32, WINHTTP, WINHTTP32]

OFF = {"Enabled": ("dword", 0), "DisabledByDefault": ("dword", 1)}
STRONG = {"SchUseStrongCrypto": ("dword", 1), "SystemDefaultTlsVersions": ("dword", 1)}


def long(key: str) -> str:
    """The key as an export names it."""
    return key.replace("HKLM", "HKEY_LOCAL_MACHINE")


def off(*sides: str) -> Registry:
    """The older protocols off for 'Client' or 'Server'."""
    olders = ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1")
    return {long(rf"{PROTOCOLS}\{older}\{side}"): OFF for older in olders for side in sides}


STRONG_DOTNET = {
    long(rf"{root}\{line}"): STRONG for root in (DOTNET, DOTNET32) for line in ("v4.0.30319", "v2.0.50727")
}
WINHTTP_TLS12 = {long(key): {"DefaultSecureProtocols": ("dword", 0x800)} for key in (WINHTTP, WINHTTP32)}
#: TLS 1.2 with what WinHTTP of Windows Server 2012 uses by itself
WINHTTP_ALL = {long(key): {"DefaultSecureProtocols": ("dword", 0xAA0)} for key in (WINHTTP, WINHTTP32)}
BOTH = off("Client", "Server")
EXPLICIT = {
    long(rf"{PROTOCOLS}\TLS 1.2\{side}"): {"Enabled": ("dword", 1), "DisabledByDefault": ("dword", 0)}
    for side in ("Client", "Server")
}
REASONS = {"SCHANNEL": "tls", ".NETFramework": "tls_dotnet", "WinHttp": "tls_winhttp"}


@dataclass(frozen=True)
class Case:
    """A host of the fleet, what makes it one (winfleet's identity), the module's options and the values they mean."""

    host: str
    name: str
    identity: dict[str, Any]
    options: dict[str, Any]
    expected: Registry = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}-{self.name}"

    def verify(self, cycle: Cycle) -> None:
        """The expected values and no others; why a restart is due, also after a restore; what was left out."""
        assert cycle.after == wanted_of(cycle, self.expected)
        reasons = {reason for part, reason in REASONS.items() if any(part in key for key in self.expected)}
        for result in (cycle.check, cycle.applied, cycle.again, cycle.restored):
            assert reasons <= set(result["reboot_reasons"])
            assert result["reboot_required"]
        left_out = self.options.get("disable_older") == "auto" and not self.expected.keys() & BOTH.keys()
        noted = any("Protocols older than TLS 1.2 are left as they are" in note for note in cycle.applied["notes"])
        assert noted == left_out


C2019, C2016 = {"os": "2019"}, {"os": "2016"}
EXCHANGE = {"os": "2016", "roles": ("exchange",)}
DOMAIN_CONTROLLER = {"os": "2019", "roles": ("domain_controller",)}
BROKER = {"roles": ("rd_connection_broker",)}
AUTO = {"disable_older": "auto"}
CASES = [
    Case("client-2019", "default", C2019, {}, STRONG_DOTNET),
    Case("client-2016", "default", C2016, {"state": "present"}, STRONG_DOTNET),
    Case("client-2012r2", "default", {"os": "2012r2"}, {}, STRONG_DOTNET),
    Case("server-2012", "default", {"os": "2012"}, {}, STRONG_DOTNET | WINHTTP_ALL),
    Case("client-2019", "older off", C2019, AUTO, BOTH | STRONG_DOTNET),
    Case("server-2012", "older off", {"os": "2012"}, AUTO, BOTH | STRONG_DOTNET | WINHTTP_TLS12),
    Case("client-2019", "client only", C2019, {"parts": ["schannel_client"], **AUTO}, off("Client")),
    Case("client-2019", "server only", C2019, {"parts": ["schannel_server"], **AUTO}, off("Server")),
    Case("client-2019", "dotnet only", C2019, {"parts": ["dotnet"]}, STRONG_DOTNET),
    Case("client-2019", "explicit", C2019, {"explicit": True}, EXPLICIT | STRONG_DOTNET),
    Case("server-2012", "winhttp only", {"os": "2012"}, {"parts": ["winhttp"]}, WINHTTP_ALL),
    Case("exchange-1", "Exchange", EXCHANGE, AUTO, STRONG_DOTNET),
    Case("exchange-1", "Exchange opted in", EXCHANGE, {"disable_older": "always"}, BOTH | STRONG_DOTNET),
    Case(
        "exchange-1",
        "Exchange opted in for one part",
        EXCHANGE,
        {"disable_older": "always", "parts": ["schannel_client"]},
        off("Client"),
    ),
    Case("controller-2019", "domain controller", DOMAIN_CONTROLLER, AUTO, STRONG_DOTNET),
]
#: Of hosts that the fleet does not have
OTHER_CASES = [
    Case("tools", "Exchange's tools alone", {"roles": ("exchange_tools",)}, AUTO, BOTH | STRONG_DOTNET),
    Case("broker-2012r2", "broker", {"os": "2012r2", **BROKER}, AUTO, STRONG_DOTNET),
    Case("broker-2016", "broker", {"os": "2016", **BROKER}, AUTO, STRONG_DOTNET),
    Case("broker-2019", "broker", {"os": "2019", **BROKER}, AUTO, BOTH | STRONG_DOTNET),
]


def wanted_of(cycle: Cycle, expected: Registry) -> Registry:
    """The registry before, with the expected values laid over it."""
    wanted = {key: dict(values) for key, values in cycle.before.items()}
    for key, values in expected.items():
        for parent in parents(key):
            wanted.setdefault(parent, {})
        wanted.setdefault(key, {}).update(values)
    return wanted


def parents(key: str) -> list[str]:
    """The keys above `key`, down from the exported one, which comes into being with it."""
    root = next(root for root in map(long, KEYS) if key.startswith(root))
    steps = key.removeprefix(root).split("\\")[1:]
    return ["\\".join([root, *steps[:depth]]) for depth in range(len(steps))]
