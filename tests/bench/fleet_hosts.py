"""A fleet of any size: its inventory, and what its hosts answer. fleet.py measures with it.

Of each 100 hosts, 70 are clients and 30 are servers. In a mixed fleet, 10 of them have drifted, 2 are unreachable and
1 is blocked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from integration.simulated.results import (
    TLS_PARTS,
    UnreachableError,
    client_product,
    comparison,
    connector,
    connector_product,
    domain,
    facts,
    registry_change,
    step,
)

Json = dict[str, Any]
COMPLYING, DRIFTED, BLOCKED, UNREACHABLE = "complying", "drifted", "blocked", "unreachable"
#: Of each 100 hosts: how many are in which group, and in which state in a mixed fleet
SHARES = {
    "aip_clients": {COMPLYING: 60, DRIFTED: 7, UNREACHABLE: 2, BLOCKED: 1},
    "rms_connectors": {COMPLYING: 2},
    "exchange_servers": {COMPLYING: 7, DRIFTED: 1},
    "sharepoint_servers": {COMPLYING: 5, DRIFTED: 1},
    "fci_servers": {COMPLYING: 7, DRIFTED: 1},
    "aip_admin_hosts": {COMPLYING: 2},
    "domain_controllers": {COMPLYING: 4},
}
#: The beginning of the hosts' names
PREFIXES = {
    "aip_clients": "client",
    "rms_connectors": "rmsc",
    "exchange_servers": "ex",
    "sharepoint_servers": "sp",
    "fci_servers": "file",
    "aip_admin_hosts": "admin",
    "domain_controllers": "dc",
}
DNS_DOMAIN = "corp.example.com"
CLIENT_VERSION, CONNECTOR_VERSION = "2.18.26.0", "3.0.0.0"
CONNECTOR_URL = "http://rms.corp.example.com"
TENANT_URL = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
IRM_SERVER = {"irm_server_connector_url": CONNECTOR_URL, "irm_server_tenant_url": TENANT_URL}
#: The desired state of the groups, as in inventories/example
VARIABLES: dict[str, Json] = {
    "aip_clients": {
        "aip_client_product": "unified_labeling",
        "aip_client_version": "2.18.26",
        "aip_client_path": r"\\fileserver\packages\AzInfoProtection_UL-2.18.26.exe",
        "aip_client_checksum": "0943f95b2214c4c92f820f07693b17eae31d91c619ecdeb3214a97f7a6557368",
        "aip_client_telemetry": False,
        "aip_client_use_default_credentials_in_proxy": True,
    },
    "rms_connectors": {
        "aip_tls_disable_older": "auto",
        "rms_connector_version": "3.0.0",
        "rms_connector_path": r"\\fileserver\packages\RMSConnectorSetup-3.0.0.exe",
        "rms_connector_url": CONNECTOR_URL,
    },
    "exchange_servers": {**IRM_SERVER, "aip_tls_disable_older": "never"},
    "sharepoint_servers": {**IRM_SERVER, "aip_tls_disable_older": "never"},
    "fci_servers": IRM_SERVER,
}
#: What no host can tell, as the operators of the emulated fleet state it
STATEMENTS = Path(__file__).resolve().parents[2] / "inventories/emulated/group_vars/all/statements.yml"
WINDOWS_2016 = {
    "architecture": "AMD64",
    "build": 14393,
    "edition": "ServerStandard",
    "installation_type": "Server",
    "name": "Windows Server 2016 Standard",
    "product": "2016",
    "revision": 7515,
    "version": "10.0",
}
OLD_DOTNET = {"missing_update": None, "release": 394254, "version": "4.6.1"}
FRAMEWORK = r"HKLM:\SOFTWARE\Microsoft\.NETFramework"
MSIP = r"HKLM:\SOFTWARE\Microsoft\MSIP"


@dataclass(frozen=True)
class Host:
    name: str
    group: str
    state: str


def hosts_of(count: int, *, mixed: bool) -> list[Host]:
    """The hosts of a fleet. The first 13 are one of each kind; each 100 have the same shares."""
    numbers = dict.fromkeys(PREFIXES, 0)
    hosts = []
    for index in range(count):
        group, state = _kinds()[index % 100]
        numbers[group] += 1
        name = f"{PREFIXES[group]}{numbers[group]:04}.{DNS_DOMAIN}"
        hosts.append(Host(name, group, state if mixed else COMPLYING))
    return hosts


@cache
def _kinds() -> tuple[tuple[str, str], ...]:
    kinds = [
        (number, group, state)
        for group, states in SHARES.items()
        for state, count in states.items()
        for number in range(count)
    ]
    kinds.sort(key=lambda kind: kind[0])
    return tuple((group, state) for _number, group, state in kinds)


def write_world(folder: Path, hosts: list[Host]) -> Path:
    """Write what `answer` knows of the hosts, and return their inventory."""
    states = {host.name: host.state for host in hosts if host.state != COMPLYING}
    (folder / "states.json").write_text(json.dumps(states), encoding="utf-8")
    (folder / "calls").touch()
    connectors = [host.name for host in hosts if host.group == "rms_connectors"]
    everywhere: Json = yaml.safe_load(STATEMENTS.read_text(encoding="utf-8"))
    everywhere |= {
        "ansible_connection": "simulated",
        "aip_reboot": False,
        # Each site has two connectors.
        "rms_connector_pool": [{"members": connectors[start : start + 2]} for start in range(0, len(connectors), 2)],
    }
    inventory: Json = {"all": {"vars": everywhere}}
    for group in SHARES:
        members: Json = {host.name: {} for host in hosts if host.group == group}
        inventory[group] = {"hosts": members, "vars": VARIABLES.get(group, {})}
    file = folder / "hosts.json"
    file.write_text(json.dumps(inventory), encoding="utf-8")
    return file


def calls_of(folder: Path) -> dict[str, list[str]]:
    """The modules that were called on each host, also on one that did not answer."""
    calls: dict[str, list[str]] = {}
    for line in (folder / "calls").read_text(encoding="utf-8").splitlines():
        host, _, module = line.partition(" ")
        calls.setdefault(host, []).append(module)
    return calls


def answer(folder: Path, name: str, arguments: Mapping[str, Any]) -> Json:
    """The result of a module on a host.

    Raises:
        UnreachableError: the host is unreachable.
        LookupError: there is no answer for this module.
    """
    module = str(arguments["_ansible_module_name"]).rpartition(".")[2]
    states = json.loads((folder / "states.json").read_text(encoding="utf-8"))
    groups = {prefix: group for group, prefix in PREFIXES.items()}
    host = Host(name, groups[re.split(r"\d", name)[0]], states.get(name, COMPLYING))
    with (folder / "calls").open("a", encoding="utf-8") as calls:
        calls.write(f"{name} {module}\n")
    if host.state == UNREACHABLE:
        raise UnreachableError(name)
    if module not in ANSWERS:
        raise LookupError(f"tests/bench/fleet_hosts.py has no answer for the module {module}. Add it to ANSWERS.")
    result = ANSWERS[module](host, arguments)
    # ansible-core 2.21 asks for it; older versions always have it.
    if arguments.get("_ansible_inject_invocation", True):
        given = {option: value for option, value in arguments.items() if not option.startswith("_ansible_")}
        result["invocation"] = {"module_args": given}
    return result


def count_shell(_folder: Path, _name: str, _change: int) -> None:
    """Shells are not counted here."""


def _desired_state(host: Host, arguments: Mapping[str, Any]) -> Json:
    wanted = [name for name, options in arguments.items() if name in DOMAINS and options is not None]
    return comparison({name: DOMAINS[name](host) for name in wanted}, _facts(host))


def _client(host: Host) -> Json:
    return domain([step("install", "unified_labeling", None, "2.18.26 or later")] if host.state == BLOCKED else [])


def _client_settings(host: Host) -> Json:
    return domain([registry_change(MSIP, "UseDefaultCredentialsInProxy", 32, 0, 1)] if host.state == DRIFTED else [])


def _tls(host: Host) -> Json:
    if host.state != DRIFTED:
        return domain(parts=TLS_PARTS)
    changes = [
        registry_change(rf"{FRAMEWORK}\{framework}", name, view, None, 1)
        for framework in ("v4.0.30319", "v2.0.50727")
        for view in (64, 32)
        for name in ("SchUseStrongCrypto", "SystemDefaultTlsVersions")
    ]
    return domain(changes, restart=["tls_dotnet"], parts=TLS_PARTS)


def _complies(_host: Host) -> Json:
    return domain()


#: The comparison of each domain that desired_state has
DOMAINS = {
    "client": _client,
    "client_settings": _client_settings,
    "connector": _complies,
    "connector_https": _complies,
    "connector_settings": _complies,
    "irm_server": _complies,
    "tls": _tls,
}


def _facts(host: Host) -> Json:
    short = host.name.partition(".")[0]
    found = facts(name=short.upper(), fqdn=host.name, domain=DNS_DOMAIN)
    for framework in found["tls"]["dotnet"]:
        framework["strong_crypto"] = framework["system_default"] = None if host.state == DRIFTED else 1
    products = []
    if host.group == "aip_clients":
        value = {"name": "UseDefaultCredentialsInProxy", "type": "dword", "view": 32}
        found["msip"] = [value | {"data": 0 if host.state == DRIFTED else 1}]
        products = [client_product(CLIENT_VERSION)]
    if host.group == "rms_connectors":
        authorized = [rf"CONTOSO\EX-{number:02}$" for number in range(1, 9)]
        found["connector"] = connector(CONNECTOR_VERSION, running=True, authorized=authorized)
        found["connector"]["url"] = CONNECTOR_URL
        products = [connector_product(CONNECTOR_VERSION)]
    if host.state == BLOCKED:
        products, found["dotnet"] = [], dict(OLD_DOTNET)
    found["products"] = products
    _add_roles(found, host.group)
    return found


def _add_roles(found: Json, group: str) -> None:
    """What the servers are. Those that use the connector have its addresses."""
    roles = found["roles"]
    if group == "domain_controllers":
        found["domain_role"] = "domain_controller"
        roles["domain_controller"]["found"] = True
    if group in ("exchange_servers", "sharepoint_servers", "fci_servers"):
        found["os"] = dict(WINDOWS_2016)
        found["powershell"] = {"version": "5.1.14393.7515"}
        client = "MSDRM" if group == "fci_servers" else "MSIPC"
        certification = "Activation" if group == "fci_servers" else "EnterpriseCertification"
        place = {"view": 64, "name": "", "cloud": False}
        root = rf"HKLM:\SOFTWARE\Microsoft\{client}\ServiceLocation"
        found["redirections"] = [
            {"path": rf"{root}\{certification}", **place, "address": f"{CONNECTOR_URL}/_wmcs/certification"},
            {"path": rf"{root}\EnterprisePublishing", **place, "address": f"{CONNECTOR_URL}/_wmcs/licensing"},
        ]
    if group == "exchange_servers":
        roles["exchange"] = {"found": True, "line": "2016", "version": "15.1.2507.6"}
    if group == "sharepoint_servers":
        roles["sharepoint"] = {"found": True, "line": "2016", "version": "16.0.0.4351"}
        found["rms_clients"]["msipc"] = {"found": True, "version": "1.0.3889.619"}
    if group == "fci_servers":
        roles["fci"] = {"found": True, "line": "2016", "version": None}


#: The answer of each module that the measured playbooks run
ANSWERS = {
    "desired_state": _desired_state,
    "host_info": lambda host, _arguments: {"changed": False, "host": _facts(host)},
    "win_package": lambda _host, _arguments: {"changed": False, "reboot_required": False, "rc": 0},
    "win_ping": lambda _host, _arguments: {"changed": False, "ping": "pong"},
    "win_regedit": lambda _host, _arguments: {"changed": False, "data_changed": False, "data_type_changed": False},
}
