"""bin/fleet: the emulated Windows hosts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from winfleet.arguments import parser
from winfleet.control import ControlError
from winfleet.engine import EngineError
from winfleet.fleet import Fleet, FleetError
from winfleet.identity import IdentityError
from winfleet.network import NetworkError
from winfleet.prefix import PrefixError
from winfleet.shares import Share
from winfleet.vendor import VendorError, packages


def main() -> int:
    arguments = parser().parse_args()
    fleet = Fleet([inventory.resolve() for inventory in arguments.inventory], lambda text: print(text, flush=True))
    try:
        if arguments.command == "up":
            fleet.up(arguments.hosts, arguments.mode)
        elif arguments.command == "down":
            fleet.down(arguments.hosts)
        elif arguments.command == "reset":
            fleet.reset(arguments.hosts, arguments.mode)
        elif arguments.command == "reboot":
            fleet.reboot(arguments.hosts)
        elif arguments.command == "fault":
            if wrong := [text for text in arguments.arguments if "=" not in text]:
                raise FleetError(f"{wrong[0]!r} is not KEY=VALUE")
            fleet.fault(arguments.host, arguments.name, dict(text.split("=", 1) for text in arguments.arguments))
        elif arguments.command == "share":
            what = (
                Share(str(arguments.folder.resolve()), arguments.user, arguments.password) if arguments.folder else None
            )
            fleet.share(arguments.host, arguments.name, what)
        elif arguments.command == "sign-in":
            wizard = {"remove": arguments.remove, "filtered": arguments.filtered}
            fleet.sign_in(arguments.host, arguments.account, arguments.cloud, **wizard)
        elif arguments.command == "authorize":
            host = "" if arguments.all else arguments.arguments.pop(0)
            accounts = [tuple(text.partition("=")[::2]) for text in arguments.arguments]
            if "=" in host or not accounts:
                raise FleetError("expected HOST or --all, and then ROLE=ACCOUNT")
            fleet.authorize(host, accounts, remove=arguments.remove)
        elif arguments.command == "packages":
            return show_packages(arguments.folder)
        elif arguments.command == "wire":
            fleet.wire(arguments.host, arguments.file.resolve() if arguments.file else None)
        else:
            return show(fleet, arguments.hosts, as_json=arguments.json)
    except (FleetError, EngineError, PrefixError, IdentityError, NetworkError, ControlError, VendorError) as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 1
    return 0


def show_packages(folder: Path | None) -> int:
    """Print where the installers are, and the SHA-256 of each."""
    built = packages()
    if folder:
        built.place(folder)
    print(folder.resolve() if folder else built.folder)
    for name in built:
        print(f"{built.sha256(name)}  {name}")
    return 0


def show(fleet: Fleet, hosts: list[str], *, as_json: bool) -> int:
    """Print the state of the hosts; returns 0 when one is up, else 1."""
    states = fleet.status(hosts)
    code = 0 if any(state["phase"] == "up" for state in states) else 1
    if as_json:
        print(json.dumps(states, indent=2))
        return code
    if not states:
        print("no host has been up here yet")
    for state in states:
        details = "".join(
            f"  {state[key]:<{width}}" for key, width in {"address": 13, "os": 6, "mode": 5}.items() if key in state
        )
        memory = (
            f"{state['memory_mb']} MB, {state['counters'].get('requests', 0)} requests" if "memory_mb" in state else ""
        )
        if connector := state.get("connector"):
            ports = ", ".join(map(str, connector["ports"]))
            memory += f", connector {connector['phase']}" + (f" on {ports}" if ports else "")
        print(f"{state['name']:<18}{state['phase']:<11}{details}  {memory}".rstrip())
    return code


if __name__ == "__main__":
    sys.exit(main())
