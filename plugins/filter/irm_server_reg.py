# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of infoprotect.aip.irm_server for hosts that the module cannot run on."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils import irm_server
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined


def irm_server_values(
    product: str, version: str, connector_url: str, tenant_url: str, state: str = "present"
) -> list[dict[str, str]]:
    """Key (below HKEY_LOCAL_MACHINE), name and data of each value that leads the product to the connector.

    With state absent the URLs are taken as they are: what has to go does not depend on them.
    """
    urls = _urls(connector_url, tenant_url, state, as_given=state == "absent")
    return _values(product, version, *urls)


def _urls(connector_url: str, tenant_url: str, state: str, *, as_given: bool) -> tuple[str, str]:
    """Both URLs in their canonical form, or as they are given."""
    if state not in ("present", "absent"):
        raise AnsibleFilterError(f"state is {state!r}: expected present or absent")
    if as_given:
        return str(connector_url), str(tenant_url)
    try:
        return (
            irm_server.connector_url("connector_url", connector_url),
            irm_server.tenant_url("tenant_url", tenant_url),
        )
    except irm_server.AddressError as error:
        raise AnsibleFilterError(str(error)) from error


def _values(product: str, version: str, connector: str, tenant: str) -> list[dict[str, str]]:
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

    def expand(text: str) -> str:
        # A name that is made of nothing would be that of the default value.
        return text.replace("{connector}", connector or "http://any").replace("{tenant}", tenant or "http://any")

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
    lines = ["\ufeffWindows Registry Editor Version 5.00"]
    for value in _removed(remove or ()):
        lines += ["", rf"[HKEY_LOCAL_MACHINE\{value['key']}]", f'"{_escape(value["name"])}"=-']
    # keys that are emptied are emptied whatever their values are named
    as_given = state == "absent" and (purge or remove is not None)
    urls = _urls(connector_url, tenant_url, state, as_given=as_given)
    for value in _values(product, version, *urls):
        key = rf"HKEY_LOCAL_MACHINE\{value['key']}"
        name = f'"{_escape(value["name"])}"' if value["name"] else "@"
        if purge and value["name"]:
            lines += ["", f"[-{key}]"]
        if state == "present":
            lines += ["", f"[{key}]", f'{name}="{_escape(value["data"])}"']
        elif not (value["name"] and (purge or remove is not None)):
            lines += ["", f"[{key}]", f"{name}=-"]
    return "\r\n".join(lines) + "\r\n"


def irm_server_difference(
    found: Sequence[Mapping[str, str]],
    product: str,
    version: str,
    connector_url: str,
    tenant_url: str,
    state: str = "present",
) -> dict[str, Any]:
    """How a server that the module cannot run on differs; irm_server_difference.yml says more."""
    if isinstance(found, (str, Mapping)) or not isinstance(found, Sequence):
        raise AnsibleFilterError(f"found is {found!r}: expected a list of dictionaries with key, name and data")
    values = []
    for value in found:
        if not isinstance(value, Mapping) or not {"key", "name", "data"} <= set(value):
            raise AnsibleFilterError(f"found has {value!r}: expected a dictionary with key, name and data")
        values.append(irm_server.Named(*(str(value[name]) for name in ("key", "name", "data"))))
    connector, tenant = _urls(connector_url, tenant_url, state, as_given=state == "absent")
    wanted = [irm_server.Named(**value) for value in _values(product, version, connector, tenant)]
    result = irm_server.difference(values, wanted, connector if state == "present" else "")
    return {
        "differs": result.differs,
        "stale": [{"key": value.key, "name": value.name} for value in result.stale],
        "others": list(result.others),
    }


def _removed(values: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Key and name of values that a file removes, of which no control character may reach it."""
    if isinstance(values, (str, Mapping)) or not isinstance(values, Sequence):
        raise AnsibleFilterError(f"remove is {values!r}: expected a list of dictionaries with key and name")
    found = []
    for value in values:
        texts = [value.get(name) for name in ("key", "name")] if isinstance(value, Mapping) else [None]
        if any(not isinstance(text, str) or any(unicodedata.category(one) == "Cc" for one in text) for text in texts):
            raise AnsibleFilterError(f"remove has {value!r}: expected a key and a name without control characters")
        found.append({"key": str(value["key"]), "name": str(value["name"])})
    return found


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(irm_server_difference, irm_server_reg, irm_server_values)
