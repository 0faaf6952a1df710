# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Scanners, and Information Rights Management of Exchange organizations and SharePoint farms, in the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..summary import reason
from . import model
from .raw import Result, dicts, failed, mapping, number, texts
from .service import shown
from .text import clean

_SWITCHED = {True: "on", False: "off"}
#: What only the configuration of a product has
_OWN = {"exchange": "internal_licensing", "sharepoint": "active_directory"}


def scanners(
    inspections: Mapping[str, Result], applied: Mapping[str, Sequence[Result]], hosts: Mapping[str, model.Host]
) -> tuple[model.Scanner, ...]:
    """The nodes that run a scanner or are to run one, as they are after the run, cluster by cluster."""
    facts = _scanner_facts(inspections, applied)
    # only the inspection reads the event log
    found = [_scanner(name, {**before, **after}, hosts.get(clean(name))) for name, before, after in facts]
    return tuple(sorted(found, key=lambda scanner: (scanner.cluster, scanner.host)))


def scanner_clusters(
    inspections: Mapping[str, Result], applied: Mapping[str, Sequence[Result]]
) -> tuple[model.ScannerCluster, ...]:
    """The clusters with their nodes, as a scanner tells them that the run has changed, or else the first one."""
    told: dict[tuple[str, str], Result] = {}
    for _name, before, after in _scanner_facts(inspections, applied):
        fact = {**before, **after}
        key = clean(fact.get("sql_instance")).lower(), clean(fact.get("cluster")).lower()
        if dicts(fact.get("nodes")) and (after or key not in told):
            told[key] = fact
    found = (
        model.ScannerCluster(clean(fact.get("cluster")), clean(fact.get("sql_instance")), _nodes(fact))
        for fact in told.values()
    )
    return tuple(sorted(found, key=lambda one: (one.cluster, one.sql_instance)))


def _scanner_facts(
    inspections: Mapping[str, Result], applied: Mapping[str, Sequence[Result]]
) -> Iterator[tuple[str, Result, Result]]:
    """Of each host with a scanner the fact before and after the run; the latter is empty where nothing was done."""
    for name, result in inspections.items():
        if before := mapping(mapping(result.get("host")).get("scanner")):
            after = [mapping(item["scanner"]) for item in applied.get(name, ()) if mapping(item.get("scanner"))]
            yield name, before, after[-1] if after else {}


def _nodes(fact: Result) -> tuple[model.Node, ...]:
    return tuple(model.Node(clean(node.get("name")), clean(node.get("status"))) for node in dicts(fact.get("nodes")))


def _scanner(name: str, fact: Result, host: model.Host | None) -> model.Scanner:
    service, scan, enforce = mapping(fact.get("service")), fact.get("scan"), fact.get("enforce")
    domain = host.domains.get("scanner") if host else None
    return model.Scanner(
        host=clean(name),
        state=domain.state if domain else "",
        version=clean(fact.get("client_version")),
        service=clean(service.get("state")) if fact.get("installed") else "not_installed",
        account=clean(service.get("account")),
        cluster=clean(fact.get("cluster")),
        sql_instance=clean(fact.get("sql_instance")),
        database=clean(fact.get("database")),
        configuration=clean(fact.get("configuration")),
        enforce=enforce if isinstance(enforce, bool) else None,
        repositories=number(fact.get("repositories")),
        status=clean(fact.get("status")),
        scan_started=clean(fact.get("scan_started")),
        scan=_scan(scan) if isinstance(scan, Mapping) else None,
        problem=clean(fact.get("problem")),
        errors=tuple(
            model.Event(number(event.get("id")) or 0, clean(event.get("time")), clean(event.get("text")), 1)
            for event in dicts(fact.get("errors"))
        ),
    )


def _scan(scan: Result) -> model.Scan:
    parts = ("scanned_files", "failed_files", "classified", "labeled")
    return model.Scan(*(number(scan.get(part)) for part in parts))


def irm(
    plan: Result,
    inspections: Mapping[str, Result],
    applied: Mapping[str, Sequence[Result]],
    hosts: Mapping[str, model.Host],
) -> tuple[model.Irm, ...]:
    """The organizations and farms whose IRM the run manages, as far as the run asked them."""
    found = []
    for unit in dicts(plan.get("irm")):
        asked, product = str(unit.get("asked") or ""), str(unit.get("product") or "")
        results = [item for item in applied.get(asked, ()) if irm_of(item) == product]
        last = results[-1] if results else {}
        configuration = mapping(last.get("configuration"))
        found.append(
            model.Irm(
                product=clean(product),
                title=clean(unit.get("title")),
                name=clean(unit.get("name")),
                asked=clean(asked),
                wanted="off" if unit.get("wanted") == "absent" else "on",
                state="" if failed(last) else _is_on(configuration),
                message=clean(reason(last)) if failed(last) else "",
                configuration={} if failed(last) else {clean(key): shown(configuration[key]) for key in configuration},
                verification=tuple(map(clean, texts(last.get("verification")))),
                servers=tuple(_server(name, product, inspections, hosts) for name in texts(unit.get("servers"))),
            )
        )
    return tuple(found)


def irm_of(item: Result) -> str:
    """The product whose IRM a result is about: exchange, sharepoint, or empty."""
    configuration = item.get("configuration")
    for product, key in _OWN.items():
        if isinstance(configuration, Mapping) and key in configuration:
            return product
        if failed(item) and reason(item).startswith(f"{product}_irm:"):
            return product
    return ""


def irm_changed(item: Result) -> list[str]:
    """What a result about IRM has changed, in words; empty for other modules."""
    if not item.get("changed") or not irm_of(item):
        return []
    return [f"Information Rights Management: {_is_on(item['configuration']) or 'changed'}"]


def _is_on(configuration: Result) -> str:
    switch = configuration.get("internal_licensing", configuration.get("enabled"))
    return _SWITCHED[switch] if isinstance(switch, bool) else ""


def _server(
    name: str, product: str, inspections: Mapping[str, Result], hosts: Mapping[str, model.Host]
) -> model.IrmServer:
    facts: Any = mapping(mapping(inspections.get(name)).get("host"))
    role = mapping(mapping(facts.get("roles")).get(product))
    host = hosts.get(clean(name))
    domain = host.domains.get("irm_server") if host else None
    return model.IrmServer(clean(name), clean(role.get("version")), domain.state if domain else "")


def by_name(hosts: Iterable[model.Host]) -> dict[str, model.Host]:
    """The hosts of the report, by their names."""
    return {host.name: host for host in hosts}
