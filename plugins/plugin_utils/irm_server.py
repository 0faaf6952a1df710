# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""What the module irm_server knows of values and addresses, read from its own util so that both judge alike."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.infoprotect.aip.plugins.plugin_utils.addresses import shown

UTIL = Path(__file__).resolve().parents[1] / "module_utils" / "_IrmServer.psm1"
LICENSING = "/_wmcs/licensing"
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\]", re.ASCII)


class AddressError(ValueError):
    """An address is not of the expected form; the message says what was expected."""


@cache
def value_rows() -> list[dict[str, str]]:
    """The values that lead a product to the connector: product, versions, key, name and data."""
    return list(csv.DictReader(_util_text(r"^\$table = @'\n(.*?)\n'@").splitlines()))


@cache
def _cloud_hosts() -> re.Pattern[str]:
    return re.compile(_util_text(r"^\$cloudHosts = '([^']+)'$"))


def _util_text(pattern: str) -> str:
    found = re.search(pattern, UTIL.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    if not found:
        raise RuntimeError(f"{UTIL.name} has nothing like {pattern}")
    return found[1]


def base_url(option: str, url: object, tail: str = "") -> str:
    """Scheme, host and port of a URL without a path, in lower case.

    Args:
        option: what the URL was given as, for the error.
        url: the URL.
        tail: a path that it may have.

    Raises:
        AddressError: it is something else.
    """
    text = str(url).strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.netloc.lower().removesuffix(f":{port}")
    path = parts.path.rstrip("/").lower()
    # urlsplit leaves out line ends and tabs, which must not get into a .reg file
    known = parts.scheme in ("http", "https") and _HOST.fullmatch(host) and text.isprintable()
    if not known or parts.query or parts.fragment or path not in ("", tail):
        raise AddressError(
            f"{option} is {shown(text)}: expected http:// or https:// and a name, without a path, "
            "such as https://rmsconnector.contoso.com"
        )
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def tenant_url(option: str, url: object) -> str:
    """The URL of a tenant's Azure Rights Management service, in its canonical form.

    Raises:
        AddressError: it is no URL, or not one of the service.
    """
    tenant = base_url(option, url, LICENSING)
    if not is_cloud(tenant):
        raise AddressError(
            f"{option} is {shown(tenant)}, no address of Azure Rights Management: "
            "expected one such as https://ID.rms.na.aadrm.com"
        )
    return tenant


def connector_url(option: str, url: object) -> str:
    """The URL of a connector, in its canonical form.

    Raises:
        AddressError: it is no URL, or one of the service.
    """
    connector = base_url(option, url)
    if is_cloud(connector):
        raise AddressError(
            f"{option} is {shown(connector)}, an address of Azure Rights Management: expected that of the connector"
        )
    return connector


def is_cloud(url: str) -> bool:
    """Whether the host of a URL is one of Azure Rights Management."""
    return bool(_cloud_hosts().search(urlsplit(url).hostname or ""))


@dataclass(frozen=True)
class Named:
    """A value of the registry: key below HKEY_LOCAL_MACHINE, name and data."""

    key: str
    name: str
    data: str


@dataclass(frozen=True)
class Difference:
    """How a server differs from the wanted values.

    Attributes:
        differs: whether anything has to be written or removed.
        stale: values named after URLs that have to go.
        others: connectors and AD RMS servers that it uses, other than the wanted connector.
    """

    differs: bool
    stale: tuple[Named, ...]
    others: tuple[str, ...]


def difference(found: Iterable[Named], wanted: Iterable[Named], connector: str) -> Difference:
    """Compare the values that a server has with the wanted ones, as the module does.

    Args:
        found: the server's values below the keys of the wanted ones.
        wanted: the values that lead to the connector.
        connector: its URL in canonical form, or "" for a server that must use none.
    """
    there = list(found)
    stale, addresses, differs = [], [], False
    for want in wanted:
        own = [value for value in there if value.key.lower() == want.key.lower()]
        same = next((value for value in own if value.name.lower() == want.name.lower()), None)
        differs = differs or same is None or same.data.lower() != want.data.lower()
        for value in own:
            is_wanted = value is same
            if not (is_wanted or (want.name and re.match("https?://", value.name, re.IGNORECASE))):
                continue
            addresses.append(value.data)
            # moving from AD RMS has its addresses lead to the wanted connector
            moved = connector and not is_cloud(value.name) and _leads_to(connector, value.data)
            if want.name and not ((is_wanted and connector) or moved):
                stale.append(value)
    others = {address for address in addresses if not is_cloud(address) and not _leads_to(connector, address)}
    return Difference(
        differs=bool(stale) or differs if connector else bool(addresses),
        stale=tuple(stale),
        others=tuple(sorted(address.lower() for address in others)),
    )


def _leads_to(connector: str, address: str) -> bool:
    return bool(connector) and f"{address}/".lower().startswith(f"{connector}/")
