"""A simulated pool: what its hosts and its load balancer answer to ansible-playbook, and what must never happen to it.

The state is a file, since each task of each run comes from a process of its own. A run takes a few seconds, so that the
wiring of roles and playbooks is tested at each step and by each ansible-core; thousands of cases of the decisions alone
are in tests/unit/test_rollout_simulation.py.
"""

from __future__ import annotations

import fcntl
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import simulated_lease

from ..simulated.results import (
    LostError,
    UnreachableError,
    comparison,
    connector,
    connector_product,
    domain,
    facts,
    step,
)

Json = dict[str, Any]
BALANCER = "balancer"
ACCOUNT = r"CONTOSO\EX-01$"


@contextmanager
def state_of(folder: Path) -> Iterator[Json]:
    """The state, to be changed by one process at a time."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = folder / "state.json"
        state = json.loads(file.read_text(encoding="utf-8"))
        yield state
        new = file.with_suffix(".new")
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(file)


def answer(folder: Path, host: str, arguments: Mapping[str, Any]) -> Json:
    """The result of a module on a host.

    Raises:
        UnreachableError: the host is not there.
        LostError: it dies at this call.
    """
    module = str(arguments["_ansible_module_name"]).rpartition(".")[2]
    if _is_last_call(folder, host):
        raise LostError(host)
    with state_of(folder) as state:
        if host == BALANCER:
            action, member = arguments["argv"]
            return _balance(state, member, action)
        member = state["members"][host]
        if not member["up"]:
            raise UnreachableError(host)
        member["modules"].append(module)
        if module in ("connector", "win_command"):
            _stop_connector(state, host)
    if module == "connector":
        time.sleep(state["setup_seconds"])
    with state_of(folder) as state:
        member = state["members"][host]
        if module in member["fails"]:
            # a setup that fails leaves what was there, and that serves
            member["started"] = True
            return {"failed": True, "msg": f"{module} fails"}
        return MODULES[module](member, arguments)


def count_shell(folder: Path, host: str, change: int) -> None:
    """Shells that a controller opens, or ends. Windows allows 30, and keeps those that are left open for two hours.

    Raises:
        LostError: the host is not there.
    """
    with state_of(folder) as state:
        member = state["members"].get(host, {"up": True, "shells": 0})
        if not member["up"]:
            raise LostError(host)
        member["shells"] += change


def _is_last_call(folder: Path, host: str) -> bool:
    """Count a call. Whoever dies at it is gone afterwards; True when that is this host."""
    with state_of(folder) as state:
        state["calls"] += 1
        dying = state["dies"]["who"] if state["calls"] == state["dies"]["at"] else ""
        if dying:
            state["members"][dying]["up"] = False
            state["died"].append(dying)
    return dying == host


def _serving(state: Json) -> list[str]:
    return [
        name for name, member in state["members"].items() if member["up"] and member["started"] and member["enabled"]
    ]


def _balance(state: Json, host: str, action: str) -> Json:
    """The hooks tell the load balancer to drain a member, or to send it requests again."""
    state["told"].append([action, host])
    serving = _serving(state)
    rest = [name for name in {*serving, *state["died"]} if name != host]
    if action == "drain" and host in serving and len(rest) < state["minimum"]:
        state["faults"].append(f"{host} was drained, and only {sorted(rest)} were in service")
    state["members"][host]["enabled"] = action != "drain"
    return {"changed": True, "rc": 0, "stdout": "", "stderr": ""}


def _stop_connector(state: Json, host: str) -> None:
    """The setup and iisreset do."""
    if host in _serving(state):
        state["faults"].append(f"{host} was worked on while it got requests")
    state["members"][host]["started"] = False


def _ask(member: Json, **parameters: Any) -> Json:
    return simulated_lease.ask(member["lease"], parameters, time.time() + member["skew"])


def _facts(member: Json) -> Json:
    version = member["version"]
    lease = member["lease"] and member["lease"] | {"expired": _ask(member)["seconds_left"] == 0}
    fact = connector(version, running=member["started"], authorized=[ACCOUNT], lease=lease or None)
    fact["restart_due"] = member["restart_due"]
    return facts(connector=fact, products=[connector_product(version)] if version else [])


def _desired_state(member: Json, arguments: Mapping[str, Any]) -> Json:
    wanted = arguments["connector"]
    absent = wanted.get("state") == "absent"
    action = "remove" if absent else "install"
    complies = not member["version"] if absent else member["version"] == wanted.get("version", member["version"])
    change = step(action, "connector", member["version"], wanted.get("version"))
    return comparison({"connector": domain([] if complies else [change])}, _facts(member))


def _connector(member: Json, arguments: Mapping[str, Any]) -> Json:
    absent = arguments.get("state") == "absent"
    member["version"] = "" if absent else arguments["version"]
    member["started"] = not absent
    member["restart_due"] = member["needs_restart"]
    done = {"actions": [], "attended_step": None, "installer_needed": not absent, "installers": []}
    return {**done, "changed": True, "reboot_required": False, "status": "absent" if absent else "present"}


def _host_info(member: Json, _arguments: Mapping[str, Any]) -> Json:
    return {"changed": False, "host": _facts(member)}


def _lease(member: Json, arguments: Mapping[str, Any]) -> Json:
    return {"changed": False, "result": _ask(member, **arguments["parameters"])}


def _restart_iis(member: Json, _arguments: Mapping[str, Any]) -> Json:
    member |= {"started": True, "restart_due": False}
    return {"changed": True, "rc": 0, "stdout": "", "stderr": ""}


MODULES = {
    "connector": _connector,
    "desired_state": _desired_state,
    "host_info": _host_info,
    "win_command": _restart_iis,
    "win_powershell": _lease,
}


class SimulatedPool:
    """The pool while the block runs: its members answer health checks by HTTP.

    folder: for its state and its inventory.
    """

    def __init__(self, folder: Path, members: Sequence[str], version: str) -> None:
        self.folder = folder
        self.members = list(members)
        self._servers: list[ThreadingHTTPServer] = []
        self._version = version
        self.port = 0

    def __enter__(self) -> SimulatedPool:
        new: Json = {"version": self._version, "lease": {}, "skew": 0, "up": True, "started": True, "enabled": True}
        new |= {"needs_restart": False, "restart_due": False}
        new |= {"shells": 0, "fails": [], "modules": []}
        state: Json = {name: [] for name in ("faults", "told", "died")}
        state |= {"calls": 0, "dies": {"at": 0, "who": ""}, "minimum": len(self.members) - 1, "setup_seconds": 0.2}
        state["members"] = {name: deepcopy(new) for name in self.members}
        (self.folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
        for number, name in enumerate(self.members, 1):
            server = ThreadingHTTPServer((f"127.0.0.{number}", self.port), self._handler(name))
            self.port = server.server_address[1]
            self._servers.append(server)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        hosts = {
            name: {"ansible_host": f"127.0.0.{number}", "simulated_name": name}
            for number, name in enumerate(self.members, 1)
        }
        inventory = {
            "rms_connectors": {"hosts": hosts},
            "balancers": {"hosts": {BALANCER: {"simulated_name": BALANCER}}},
            "all": {"vars": {"ansible_connection": "simulated"}},
        }
        self.inventory.write_text(json.dumps(inventory), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def inventory(self) -> Path:
        return self.folder / "hosts.json"

    def read(self) -> Json:
        with state_of(self.folder) as state:
            return state

    def of_members(self, what: str) -> list[Any]:
        return [member[what] for member in self.read()["members"].values()]

    def change(self, host: str, **values: Any) -> None:
        with state_of(self.folder) as state:
            state["members"][host] |= values

    def setup_takes(self, seconds: float) -> None:
        with state_of(self.folder) as state:
            state["setup_seconds"] = seconds

    def expire(self) -> None:
        """More time passes for all members than a lease lasts."""
        with state_of(self.folder) as state:
            for member in state["members"].values():
                member["skew"] += 6000

    def dies(self, host: str, at: int) -> None:
        """The host dies when a module is called for that many times from now on."""
        with state_of(self.folder) as state:
            state["dies"] = {"at": state["calls"] + at, "who": host}

    def come_back(self) -> None:
        with state_of(self.folder) as state:
            for host in state["died"]:
                state["members"][host]["up"] = True
            state["died"].clear()
            state["dies"]["at"] = 0

    def _handler(self, name: str) -> type[BaseHTTPRequestHandler]:
        pool = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                member = pool.read()["members"][name]
                if member["up"] and member["started"]:
                    self.send_response(401)
                    self.end_headers()
                else:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        return Handler
