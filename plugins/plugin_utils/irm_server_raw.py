# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Exchange servers that keep the Windows PowerShell of their Windows: how they differ, and the scripts for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .conditions import at_least
from .old_powershell import PREAMBLE, exchange_test, file_of, quoted, shortened

ROLE = "irm_server"
#: As the module irm_server wants it
MSDRM = "6.1.7600.17000"
NONE = "none"
#: A msdrm.dll that does not say which one it is
UNKNOWN_VERSION = "0.0.0.0"


@dataclass(frozen=True)
class Server:
    """What look.ps1 has found: versions, or "none"; the registry values below the keys that were asked for."""

    exchange: str
    connector: bool
    msdrm: str
    values: list[dict[str, Any]] = field(default_factory=list)

    @property
    def version(self) -> str:
        """The version whose values it gets, of those that keep their PowerShell."""
        return "2013" if self.exchange.startswith("15.0.") else "2016"


def refusal(server: Server, product: str) -> str:
    """Why the server cannot be led to a connector; empty where it can."""
    fits = (
        product == "exchange"
        and server.exchange != NONE
        and at_least(server.exchange, "15.0.775")
        and not at_least(server.exchange, "15.2")
        and not server.connector
        and server.msdrm != NONE
        and (server.msdrm == UNKNOWN_VERSION or at_least(server.msdrm, MSDRM))
    )
    if fits:
        return ""
    return (
        "Without Windows PowerShell 5.1 this can only be Exchange 2013 with Cumulative Update 3 or later, or Exchange"
        f" 2016, with msdrm.dll {MSDRM} or later, and not a host that runs the connector. Exchange: {server.exchange};"
        f" msdrm.dll: {server.msdrm}; connector: {server.connector}"
    )


def look(keys: Iterable[str]) -> str:
    """The script that reads the server, with the values below these keys of HKEY_LOCAL_MACHINE."""
    listed = f"$keys = {', '.join(map(quoted, keys))}\n"
    return shortened("\n".join([PREAMBLE, listed, exchange_test(), file_of(ROLE, "look")]))


def importing(text: str) -> str:
    """The script that hands the text of a .reg file to reg.exe."""
    content = text.removeprefix("\ufeff").strip()
    return f"{PREAMBLE}$text = @'\n{content}\n\n'@\n{shortened(file_of(ROLE, 'import'))}"
