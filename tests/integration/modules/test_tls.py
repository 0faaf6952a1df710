"""tls: the registry tables of TLS 1.2 for each Windows version, equality by meaning, roles, restart, revert."""

from __future__ import annotations

import pytest

from ..ansible_runner import AnsiblePlaybook, Json
from ..registry_export import Registry
from .cycle import Cycle, run_cycle

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


def off(side: str) -> Registry:
    """The older protocols off for 'Client' or 'Server'."""
    return {long(rf"{PROTOCOLS}\{old}\{side}"): OFF for old in ("SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1")}


STRONG_DOTNET = {
    long(rf"{root}\{line}"): STRONG for root in (DOTNET, DOTNET32) for line in ("v4.0.30319", "v2.0.50727")
}
WINHTTP_TLS12 = {long(key): {"DefaultSecureProtocols": ("dword", 0x800)} for key in (WINHTTP, WINHTTP32)}


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


@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        pytest.param(host, options, expected, id=f"{host}-{name}", marks=pytest.mark.hosts(host))
        for host, name, options, expected in [
            ("client-2019", "default", {}, off("Client") | off("Server") | STRONG_DOTNET),
            ("client-2016", "default", {"minimum": "1.2"}, off("Client") | off("Server") | STRONG_DOTNET),
            ("client-2012r2", "default", {}, off("Client") | off("Server") | STRONG_DOTNET),
            ("server-2012", "default", {}, off("Client") | off("Server") | STRONG_DOTNET | WINHTTP_TLS12),
            ("client-2019", "client only", {"parts": ["schannel_client"]}, off("Client")),
            ("client-2019", "server only", {"parts": ["schannel_server"]}, off("Server")),
            ("client-2019", "dotnet only", {"parts": ["dotnet"]}, STRONG_DOTNET),
            ("server-2012", "winhttp only", {"parts": ["winhttp"]}, WINHTTP_TLS12),
            ("client-2019", "enable only", {"disable_older": "never"}, STRONG_DOTNET),
            ("exchange-1", "Exchange", {}, STRONG_DOTNET),
            (
                "exchange-1",
                "Exchange opted in",
                {"disable_older": "always"},
                off("Client") | off("Server") | STRONG_DOTNET,
            ),
            ("controller-2019", "domain controller", {}, STRONG_DOTNET),
        ]
    ],
)
def test_what_is_written(playbook: AnsiblePlaybook, host: str, options: Json, expected: Registry) -> None:
    cycle = run_cycle(playbook, host, "tls", options, KEYS)
    assert cycle.after == wanted_of(cycle, expected)
    if any("SCHANNEL" in key for key in expected):
        assert cycle.applied["reboot_required"], "SCHANNEL was changed after the start of the host"
    left_out = host in ("exchange-1", "controller-2019") and not options
    assert bool(cycle.applied["notes"]) >= left_out, "what was left out has to be said"


@pytest.mark.hosts("client-2019")
def test_equal_by_meaning(playbook: AnsiblePlaybook) -> None:
    """0xFFFFFFFF is on, absent TLS 1.2 is on; TLS 1.2 that was switched off is switched on again."""
    values = [
        {
            "path": rf"{PROTOCOLS.replace('HKLM', 'HKLM:')}\TLS 1.2\Server",
            "name": "Enabled",
            "type": "dword",
            "data": "0xFFFFFFFF",
        },
        {
            "path": rf"{PROTOCOLS.replace('HKLM', 'HKLM:')}\TLS 1.2\Client",
            "name": "Enabled",
            "type": "dword",
            "data": 0,
        },
        {
            "path": rf"{PROTOCOLS.replace('HKLM', 'HKLM:')}\TLS 1.2\Client",
            "name": "DisabledByDefault",
            "type": "dword",
            "data": 1,
        },
    ]
    base = {"name": "base", "infoprotect.aip.registry_values": {"values": values}}
    cycle = run_cycle(
        playbook, "client-2019", "tls", {"parts": ["schannel_client", "schannel_server"]}, KEYS, before=[base]
    )
    assert cycle.after[long(rf"{PROTOCOLS}\TLS 1.2\Client")] == {
        "Enabled": ("dword", 1),
        "DisabledByDefault": ("dword", 0),
    }
    assert cycle.after[long(rf"{PROTOCOLS}\TLS 1.2\Server")] == {"Enabled": ("dword", 0xFFFFFFFF)}
    paths = [change["path"] for change in cycle.applied["changes"]]
    assert all("TLS 1.2" in path for path in paths[:2]), (
        f"TLS 1.2 has to be switched on before the older are off: {paths}"
    )
    assert not any("TLS 1.2" in path for path in paths[2:])


@pytest.mark.hosts("client-2016")
def test_absent_removes_what_is_managed(playbook: AnsiblePlaybook) -> None:
    base = {"name": "base", "infoprotect.aip.tls": {}}
    cycle = run_cycle(playbook, "client-2016", "tls", {"state": "absent"}, KEYS, before=[base])
    left = {key: values for key, values in cycle.after.items() if "SCHANNEL" in key and values}
    assert left == {long(rf"{PROTOCOLS}\SSL 2.0\Client"): {"DisabledByDefault": ("dword", 1)}}, "Windows ships this one"
    assert not any(name in STRONG for key, values in cycle.after.items() if ".NETFramework" in key for name in values)


@pytest.mark.hosts("core-2019")
def test_another_minimum_is_refused(playbook: AnsiblePlaybook) -> None:
    minimums = ["1.1", "1.0", "2", "TLS 1.2"]
    tasks = [{"name": text, "infoprotect.aip.tls": {"minimum": text}, "ignore_errors": True} for text in minimums]
    run = playbook.run([{"name": "bad minimum", "hosts": "core-2019", "gather_facts": False, "tasks": tasks}])
    for minimum in minimums:
        failure = run.task(minimum, "core-2019")
        assert failure["failed"]
        for text in ("minimum", minimum, "1.2"):
            assert text in failure["msg"]
