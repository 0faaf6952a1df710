# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of infoprotect.aip.irm_server for hosts that the module cannot run on."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils.addresses import shown
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined

UTIL = Path(__file__).resolve().parents[1] / "module_utils" / "_IrmServer.psm1"
TENANT_TAIL = "/_wmcs/licensing"


@cache
def _table() -> list[dict[str, str]]:
    """The table that the module has, out of its util: one table, which cannot disagree with itself."""
    text = UTIL.read_text(encoding="utf-8")
    found = re.search(r"^\$table = @'\n(.*?)\n'@", text, re.DOTALL | re.MULTILINE)
    if not found:
        raise AnsibleFilterError(f"{UTIL} has no table of values")
    return list(csv.DictReader(found[1].splitlines()))


def _base_url(option: str, url: Any, tail: str = "") -> str:
    parts = urlsplit(str(url).strip())
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        path = "?"
    if path and path.lower() != tail:
        raise AnsibleFilterError(
            f"{option} is {shown(str(url))}: expected http:// or https:// and a name, without a path, "
            "such as https://rmsconnector.contoso.com"
        )
    return f"{parts.scheme}://{parts.netloc}".lower()


def irm_server_values(product: str, version: str, connector_url: str, tenant_url: str) -> list[dict[str, str]]:
    """Key (below HKEY_LOCAL_MACHINE), name and data of each value that leads the product to the connector."""
    table = [row for row in _table() if row["product"] == product]
    known = sorted({known for row in table for known in row["versions"].split()})
    if str(version) not in known:
        products = sorted({row["product"] for row in _table()})
        raise AnsibleFilterError(
            f"{product} {version}: expected one of {', '.join(known)}"
            if known
            else f"product is {product!r}: expected one of {', '.join(products)}"
        )
    connector = _base_url("connector_url", connector_url)
    tenant = _base_url("tenant_url", tenant_url, TENANT_TAIL)

    def expand(text: str) -> str:
        return text.replace("{connector}", connector).replace("{tenant}", tenant)

    return [
        {"key": rf"SOFTWARE\Microsoft\{row['key']}", "name": expand(row["name"]), "data": expand(row["data"])}
        for row in table
        if str(version) in row["versions"].split()
    ]


def irm_server_reg(
    product: str,
    version: str,
    connector_url: str,
    tenant_url: str,
    state: str = "present",
    purge: bool = False,
    remove: Sequence[Mapping[str, str]] | None = None,
) -> str:
    """The text of a .reg file, version 5, with the byte order mark and the line ends of regedit.

    Args:
        remove: key and name of the values named after URLs that the file removes, and no others of them.
    """
    if state not in ("present", "absent"):
        raise AnsibleFilterError(f"state is {state!r}: expected present or absent")
    lines = ["\ufeffWindows Registry Editor Version 5.00"]
    for value in remove or ():
        if any(unicodedata.category(letter) == "Cc" for letter in value["key"] + value["name"]):
            raise AnsibleFilterError(f"remove has {value!r}: expected a key and a name without control characters")
        lines += ["", rf"[HKEY_LOCAL_MACHINE\{value['key']}]", f'"{_escape(value["name"])}"=-']
    for value in irm_server_values(product, version, connector_url, tenant_url):
        key = rf"HKEY_LOCAL_MACHINE\{value['key']}"
        name = f'"{_escape(value["name"])}"' if value["name"] else "@"
        if purge and value["name"]:
            lines += ["", f"[-{key}]"]
        if state == "present":
            lines += ["", f"[{key}]", f'{name}="{_escape(value["data"])}"']
        elif not (value["name"] and (purge or remove is not None)):
            lines += ["", f"[{key}]", f"{name}=-"]
    return "\r\n".join(lines) + "\r\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(irm_server_reg, irm_server_values)
