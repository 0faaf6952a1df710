"""The command line of bin/fleet. Standard library only: --help and errors install nothing."""

from __future__ import annotations

import argparse
from pathlib import Path


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
        "scheduler, tls_inspection, lost_host",
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
    sign_in.add_argument("--account", default="admin@contoso.test", help="one of the tenant's accounts")
    sign_in.add_argument("--cloud", default="AzureCloud", help="the wizard's choice (default: AzureCloud)")
    sign_in.add_argument("--remove", action="store_true", help="remove the connector")
    sign_in.add_argument(
        "--filtered", action="store_true", help="start it from Explorer, with the token that UAC filters"
    )
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
