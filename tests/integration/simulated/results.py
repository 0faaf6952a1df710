"""Results of modules on hosts that exist only as data.

tests/unit/powershell/test_simulated_results.py compares their shape with what the modules return.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

Json = dict[str, Any]
#: Facts of a member of a domain with Windows Server 2019, without any product
HOST: Json = json.loads(Path(__file__).with_name("host.json").read_text(encoding="utf-8"))
TLS_PARTS = ["schannel_client", "schannel_server", "dotnet", "winhttp"]
CLIENT = "Microsoft Azure Information Protection"
CONNECTOR = "Microsoft Rights Management connector"


class UnreachableError(Exception):
    """The host is unreachable."""


class LostError(Exception):
    """The host was lost while it was asked."""


def facts(**differs: Any) -> Json:
    """The facts of a host: those of HOST, except where they differ."""
    return deepcopy(HOST) | differs


def product(kind: str, name: str, version: str, product_code: str, installer: str, view: int) -> Json:
    """An installed product among the facts."""
    state = {"kind": kind, "installer": installer, "state": "installed", "problem": None}
    return {"name": name, "version": version, "product_code": product_code, "view": view, **state}


def client_product(version: str) -> Json:
    code = "{6F8A30BE-992C-4C06-817B-4A222430F2B8}"
    return product("unified_labeling_client", CLIENT, version, code, "msi", 32)


def connector_product(version: str) -> Json:
    return product("rms_connector", CONNECTOR, version, "{41E5EF5C-3B2A-4B9B-AE22-6C4C4A1A3A5B}", "exe", 64)


def connector(version: str, *, running: bool, authorized: Sequence[str], lease: Json | None = None) -> Json:
    """The fact `connector`; an empty version stands for a host without a connector."""
    return {
        "authorized": list(authorized),
        "events": [],
        "https": None,
        "installed": bool(version),
        "last_list_update": "2026-11-29T16:27:18Z",
        "proxy_address": None,
        "restart_due": False,
        "staged_version": None,
        "status": "running" if running else "stopped",
        "lease": lease,
        "url": None,
        "url_bindings": ["http://*:80"],
        "version": version or None,
    }


def registry_change(path: str, name: str, view: int, before: int | None, after: int) -> Json:
    """A DWORD that differs."""

    def value(data: int) -> Json:
        return {"type": "dword", "data": data}

    now = None if before is None else value(before)
    return {"path": path, "name": name, "view": view, "before": now, "after": value(after)}


def step(action: str, software: str, before: str | None, after: str | None) -> Json:
    """Software that is installed or removed."""
    return {"action": action, "product": software, "before": before, "after": after}


def domain(changes: Sequence[Json] = (), restart: Sequence[str] = (), **more: Any) -> Json:
    """The comparison of one domain, of which nothing is refused."""
    return {
        "compliant": not changes,
        "changes": list(changes),
        "notes": [],
        "reboot_required": bool(restart),
        "reboot_reasons": list(restart),
        "unreadable": [],
        **more,
    }


def comparison(domains: Mapping[str, Json], host: Json) -> Json:
    """The result of desired_state in check mode."""
    reasons = sorted({reason for one in domains.values() for reason in one["reboot_reasons"]})
    # Installers are no part of the module's own changes.
    values = [change for one in domains.values() for change in one["changes"] if "path" in change]
    return {
        "changed": bool(values),
        "compliant": all(one["compliant"] for one in domains.values()),
        "domains": dict(domains),
        "host": host,
        "reboot_reasons": reasons,
        "reboot_required": bool(reasons),
        "receipt": None,
    }
