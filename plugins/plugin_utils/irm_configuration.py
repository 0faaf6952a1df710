# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Which servers share a configuration of Information Rights Management, and which one of them changes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .domains import NOTHING, PRODUCTS
from .report.text import counted

#: The variable that names the organization or farm of a server
SHARED_BY = {"exchange": "irm_configuration_organization", "sharepoint": "irm_configuration_farm"}
TITLES = {"exchange": "Exchange organization", "sharepoint": "SharePoint farm", "fci": "file servers"}
TAG = "irm_configuration"


@dataclass(frozen=True)
class Server:
    """A server of the inventory whose IRM is managed.

    Attributes:
        unit: the organization or farm.
        version: of the product, as the inspection found it.
        runs_modules: whether its Windows PowerShell is new enough.
        waits: why its registry values are not set yet.
        complies: whether its registry values were right when the run began; None where it was not inspected.
        from_ad_rms: whether it comes from AD RMS or another connector.
        lost: whether the run lost it before its turn.
        planned: whether it is in the run.
    """

    name: str
    product: str
    unit: str = ""
    version: str = ""
    runs_modules: bool = True
    waits: str = ""
    complies: bool | None = None
    from_ad_rms: bool = False
    lost: bool = False
    planned: bool = False

    @classmethod
    def of(cls, name: str, product: str, known: Mapping[str, Any]) -> Server:
        """Read a host's variables, with what this run registered."""
        inspection = _mapping(known.get("aip_apply_inspection"))
        plan = _mapping(known.get("aip_plan"))
        role = _mapping(_mapping(_mapping(inspection.get("host")).get("roles")).get(product))
        compared = _mapping(_mapping(inspection.get("domains")).get("irm_server"))
        return cls(
            name=name,
            product=product,
            unit=str(known.get(SHARED_BY.get(product, "")) or ""),
            version=str(role.get("version") or ""),
            runs_modules="finding" not in inspection,
            waits=str(_mapping(inspection.get("waiting")).get("irm_server") or ""),
            complies=bool(compared["compliant"]) if "compliant" in compared else None,
            from_ad_rms=str(known.get("irm_configuration_from_ad_rms", "")).lower() in ("true", "yes", "1", "on"),
            lost=name in _mapping(plan.get("lost")) or name in _mapping(plan.get("stopped")),
            planned=bool(plan),
        )

    @property
    def leaves(self) -> bool:
        """Whether it has to be taken away from AD RMS before its registry is changed."""
        return self.from_ad_rms and self.complies is False and not self.waits

    @property
    def numbers(self) -> list[int]:
        return [int(number) for number in re.findall(r"\d{1,9}", self.version)]


@dataclass(frozen=True)
class Unit:
    """Servers that share one configuration: an Exchange organization, a SharePoint farm, or the file servers.

    Attributes:
        name: of the organization or farm, '' for the only one.
        asked: the server that reads and changes the configuration; '' where the product has no configuration.
        servers: those that have their turn.
        leaving: those of them that come from AD RMS and are not set to the connector yet.
        detaches: whether the whole unit is still with AD RMS.
        unready: servers that this run failed to set, so that IRM has to wait.
        absent: servers that this run leaves out.
    """

    product: str
    name: str
    asked: str
    servers: list[str]
    leaving: list[str]
    detaches: bool
    unready: list[str]
    absent: list[str]

    @property
    def line(self) -> str:
        """What a run does with it, in the plan."""
        name = f" {self.name}" if self.name else ""
        away = ", away from AD RMS first" if self.detaches and self.leaving else ""
        how = f"{counted(len(self.servers), 'server')}{away}"
        return f"IRM of the {TITLES[self.product]}{name}: through {self.asked} ({how})"

    def as_dict(self) -> dict[str, Any]:
        """Its attributes, and `title`, such as "Exchange organization"."""
        return {**asdict(self), "title": TITLES[self.product]}


def servers(
    hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Iterable[str]], also: Iterable[str] = ()
) -> list[Server]:
    """All servers of the inventory whose IRM is managed, in its order.

    also: servers that are, whatever their variables say.
    """
    asked = set(also)
    return [
        Server.of(name, product, hostvars[name])
        for group, product in PRODUCTS.items()
        for name in groups.get(group, ())
        if name in asked or hostvars[name].get("irm_configuration_state") not in NOTHING
    ]


def units(known: Iterable[Server], turn: Iterable[str]) -> list[Unit]:
    """The organizations and farms of the servers whose turn it is.

    Of servers of several versions, the newest makes the change: older management tools may not know what newer ones
    set.
    """
    has_turn = set(turn)
    members: dict[tuple[str, str], list[Server]] = {}
    for server in known:
        members.setdefault((server.product, server.unit), []).append(server)
    found = []
    for (product, name), all_of_it in members.items():
        here = [server for server in all_of_it if server.name in has_turn]
        if not here:
            continue
        able = [server for server in here if server.runs_modules] if product in SHARED_BY else []
        others = [server for server in all_of_it if server.name not in has_turn]
        found.append(
            Unit(
                product=product,
                name=name,
                asked=max(able, key=lambda server: server.numbers).name if able else "",
                servers=[server.name for server in here],
                leaving=[server.name for server in here if server.leaves],
                detaches=bool(able) and not any(server.complies for server in all_of_it),
                unready=[server.name for server in others if server.lost or server.planned],
                absent=[server.name for server in others if not (server.lost or server.planned)],
            )
        )
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
