# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of infoprotect.aip.irm_server for hosts that the module cannot run on."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils import irm_server
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined


def irm_server_values(
    product: str, version: str, connector_url: str, tenant_url: str, state: str = "present"
) -> list[dict[str, str]]:
    """Key (below HKEY_LOCAL_MACHINE), name and data of each value that leads the product to the connector.

    With state absent the URLs do not count: keys and names tell what has to go.
    """
    return _values(product, version, (connector_url, tenant_url), state, any_url=state == "absent")


def _values(product: str, version: str, urls: tuple[str, str], state: str, *, any_url: bool) -> list[dict[str, str]]:
    if state not in ("present", "absent"):
        raise AnsibleFilterError(f"state is {state!r}: expected present or absent")
    rows = irm_server.value_rows()
    table = [row for row in rows if row["product"] == str(product)]
    known = sorted({known for row in table for known in row["versions"].split()})
    if str(version) not in known:
        products = sorted({row["product"] for row in rows})
        raise AnsibleFilterError(
            f"{product} {version}: expected one of {', '.join(known)}"
            if known
            else f"product is {str(product)!r}: expected one of {', '.join(products)}"
        )
    connector = tenant = "http://any"
    if not any_url:
        try:
            connector = irm_server.connector_url("connector_url", urls[0])
            tenant = irm_server.tenant_url("tenant_url", urls[1])
        except irm_server.AddressError as error:
            raise AnsibleFilterError(str(error)) from error

    def expand(text: str) -> str:
        return text.replace("{connector}", connector).replace("{tenant}", tenant)

    return [
        {"key": rf"SOFTWARE\Microsoft\{row['key']}", "name": expand(row["name"]), "data": expand(row["data"])}
        for row in table
        if str(version) in row["versions"].split()
    ]


def irm_server_reg(
    product: str, version: str, connector_url: str, tenant_url: str, state: str = "present", purge: bool = False
) -> str:
    """The text of a .reg file, version 5, with the byte order mark and the line ends of regedit."""
    lines = ["\ufeffWindows Registry Editor Version 5.00"]
    # keys that are emptied are emptied whatever their values are named
    any_url = state == "absent" and purge
    for value in _values(product, version, (connector_url, tenant_url), state, any_url=any_url):
        key = rf"HKEY_LOCAL_MACHINE\{value['key']}"
        name = f'"{_escape(value["name"])}"' if value["name"] else "@"
        if purge and value["name"]:
            lines += ["", f"[-{key}]"]
        if state == "present":
            lines += ["", f"[{key}]", f'{name}="{_escape(value["data"])}"']
        elif not (purge and value["name"]):
            lines += ["", f"[{key}]", f"{name}=-"]
    return "\r\n".join(lines) + "\r\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(irm_server_reg, irm_server_values)
