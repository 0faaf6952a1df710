"""bin/fleet: the emulated Windows hosts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from winfleet.control import ControlError
from winfleet.engine import EngineError
from winfleet.fleet import Fleet, FleetError
from winfleet.identity import IdentityError
from winfleet.network import NetworkError
from winfleet.prefix import PrefixError
from winfleet.shares import Share
from winfleet.vendor import VendorError, packages


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="bin/fleet", description="The emulated Windows hosts of an inventory (default: inventories/emulated)."
    )
    top.add_argument(
        "-i", "--inventory", type=Path, action="append", default=[], help="other inventories (may be repeated)"
    )
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    for name, text in {
        "up": "start hosts (all, or those named); those that run are left alone",
        "reset": "give hosts the state back that they had when they were new",
    }.items():
        found = command(name, text)
        found.add_argument("hosts", nargs="*", metavar="HOST")
        found.add_argument(
            "--mode",
            choices=("warm", "cold"),
            default="",
            help="how commands are run (default: WINFLEET_MODE, or warm)",
        )
    command("down", "stop hosts; their disks and registries stay").add_argument("hosts", nargs="*", metavar="HOST")
    command("reboot", "restart hosts").add_argument("hosts", nargs="+", metavar="HOST")
    status = command("status", "show the hosts; ends with 1 when none is up")
    status.add_argument("hosts", nargs="*", metavar="HOST")
    status.add_argument("--json", action="store_true", help="all that is known, as JSON")
    fault = command(
        "fault",
        "switch a fault on, or all off (clear): drop_connection, hang, http_500, kill_process, deny_key, installer, "
        "tls_inspection, lost_host",
    )
    fault.add_argument("host", metavar="HOST")
    fault.add_argument("name", metavar="FAULT|clear")
    fault.add_argument("arguments", nargs="*", metavar="KEY=VALUE", help="of the fault; see tests/winfleet/README.md")
    share = command("share", "let a host find a folder of this machine as a share; without a folder: take it away")
    share.add_argument("host", metavar="HOST")
    share.add_argument("name", metavar=r"\\SERVER\SHARE")
    share.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    share.add_argument("--user", default="", help="who has to connect before the share is there (default: nobody)")
    share.add_argument("--password", default="")
    built = command("packages", "build the stand-ins of Microsoft's installers; print their folder and SHA-256")
    built.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="put them there")
    sign_in = command("sign-in", "go through the wizard of the connector's setup, as a host's operator would")
    sign_in.add_argument("host", metavar="HOST")
    sign_in.add_argument("--account", default="admin@contoso.onmicrosoft.com", help="of the tenant's administrator")
    sign_in.add_argument("--cloud", default="AzureCloud", help="the wizard's choice (default: AzureCloud)")
    sign_in.add_argument("--remove", action="store_true", help="remove the connector")
    authorize = command("authorize", "add accounts to those that may use the tenant's connectors")
    authorize.add_argument("--all", action="store_true", help="instead of HOST: any host with a connector")
    authorize.add_argument("--remove", action="store_true", help="take them away")
    authorize.add_argument(
        "arguments",
        nargs="+",
        metavar="HOST ROLE=ACCOUNT",
        help="whose administration tool is used; role: exchange, sharepoint, fci",
    )
    wire = command("wire", "record a host's requests in a file, one line of JSON each; without a file: stop that")
    wire.add_argument("host", metavar="HOST")
    wire.add_argument("file", nargs="?", type=Path, metavar="FILE")
    return top


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
            fleet.sign_in(arguments.host, arguments.account, arguments.cloud, remove=arguments.remove)
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
