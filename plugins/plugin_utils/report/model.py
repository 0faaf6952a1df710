# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The report as data. `Report.as_dict` is report.json, whose schema is docs/report.schema.json.

`inputs.from_inspections` is the only place that knows what modules and actions return.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..inspection import Unreadable, Value

#: What report.json says that it is. A change that an older reader cannot take has a new version.
KIND, VERSION = "infoprotect.aip.report", 1

COMPLIANT, DRIFTED, BLOCKED, UNREACHABLE, FAILED = "compliant", "drifted", "blocked", "unreachable", "failed"
#: The statuses of a host, first those that need most work. A host has one; a pending restart comes on top.
STATUSES = (FAILED, BLOCKED, DRIFTED, UNREACHABLE, COMPLIANT)
#: The order in which they are counted.
COUNTED = (COMPLIANT, DRIFTED, BLOCKED, UNREACHABLE, FAILED)
#: The states of a domain on a host.
CHANGED, MANUAL, REFUSED, UNREADABLE = "changed", "manual", "refused", "unreadable"
#: The states of the protection service, and of a setting of it beside drifted, changed and unreadable.
ANSWERED, NOT_ASKED, READ = "answered", "not_asked", "read"


class ReportError(ValueError):
    """A saved report cannot be used. The message says why."""


@dataclass(frozen=True)
class Difference:
    """A registry value that differs. None: the value does not exist, or must not exist."""

    path: str
    name: str
    view: int
    before: Value | None
    wanted: Value | None


@dataclass(frozen=True)
class Installation:
    """Software that is installed or removed. Attended: by an operator at the host."""

    action: str
    product: str
    before: str
    wanted: str
    attended: bool


@dataclass(frozen=True)
class Domain:
    """One domain of a host.

    Attributes:
        state: compliant; changed (this run made it so); drifted; manual (only a manual step is left); refused;
            unreadable.
    """

    state: str
    values: tuple[Difference, ...] = ()
    installations: tuple[Installation, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A prerequisite that a host does not meet. Its text is in `Report.prerequisites`."""

    id: str
    severity: str
    status: str
    found: str


@dataclass(frozen=True)
class Prerequisite:
    """What one of Microsoft's documents asks for, and what mends it."""

    text: str
    document: str
    section: str
    expected: str
    remedy: str


@dataclass(frozen=True)
class Restart:
    """A restart of the host.

    Attributes:
        pending: an earlier change needs it, and it has not happened yet.
        reasons: why it is pending.
        after_changes: what differs needs one when it is set.
    """

    pending: bool = False
    reasons: tuple[str, ...] = ()
    after_changes: bool = False


@dataclass(frozen=True)
class Host:
    """One host. `message` says why nothing is known about an unreachable or failed one."""

    name: str
    status: str
    message: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    restart: Restart = Restart()
    domains: Mapping[str, Domain] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class StatementLine:
    """What an operator has stated, or has to state.

    Attributes:
        state: valid, expires_soon, expired, or missing.
        days_left: until it expires, negative when it has expired; None when it is missing.
        hosts: how many hosts have the finding because the statement does not count.
    """

    id: str
    text: str
    state: str
    name: str = ""
    tool: str = ""
    date: str = ""
    expires: str = ""
    age_days: int | None = None
    days_left: int | None = None
    hosts: int = 0


@dataclass(frozen=True)
class Certificate:
    """The certificate of the connector's https binding."""

    subject: str
    thumbprint: str
    expires: str
    days_left: int | None


@dataclass(frozen=True)
class Event:
    """Something wrong that the connector logged within the last day."""

    id: int
    time: str
    text: str
    count: int


@dataclass(frozen=True)
class Authorization:
    """The connector's authorization list against the wanted one: verified, differs, empty, or unknown."""

    status: str
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lease:
    """The run that works on a member, or did not finish there. Times are by the member's clock, in UTC."""

    run: str
    controller: str
    started: str
    expires: str
    stage: str
    expired: bool


@dataclass(frozen=True)
class Member:
    """One connector of a pool.

    Attributes:
        health: running, starting, stopped, awaiting_sign_in; empty when it is not known.
    """

    host: str
    version: str
    health: str
    lease: Lease | None
    restart_due: bool
    list_updated: str
    certificate: Certificate | None
    authorized: tuple[str, ...]
    authorization: Authorization | None
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Pool:
    """Connectors behind one load balancer.

    Attributes:
        turns: the members that had a turn in this run, in their order.
        wanted: the accounts that the authorization list must have.
    """

    name: str
    minimum_in_service: int | None
    turns: tuple[str, ...]
    wanted: tuple[str, ...]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Setting:
    """A setting of the protection service. Values are texts, several for a list; none is empty.

    Attributes:
        state: read (whether it is managed or not), drifted, changed by this run, unreadable.
        wanted: of one that differs, as the variables have it.
        before: of one that this run changed.
    """

    name: str
    state: str
    value: tuple[str, ...]
    wanted: tuple[str, ...] | None = None
    before: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Key:
    """A tenant key, without key material. kind: who manages it."""

    id: str
    kind: str
    status: str
    created: str
    age_days: int | None


@dataclass(frozen=True)
class Administrator:
    """Who has a role of the protection service. What the service does not tell is empty."""

    role: str
    name: str
    email: str
    object_id: str


@dataclass(frozen=True)
class Template:
    """A template of the protection service."""

    id: str
    name: str
    state: str
    default: bool
    label: bool


@dataclass(frozen=True)
class Service:
    """The protection service of the tenant.

    Attributes:
        state: answered, not_asked, or failed.
        message: why nothing is known, or what is wrong; how to have it asked.
        host: the one that signed in.
    """

    state: str
    message: str = ""
    host: str = ""
    id: str = ""
    url: str = ""
    module_version: str = ""
    activated: bool | None = None
    settings: tuple[Setting, ...] = ()
    keys: tuple[Key, ...] = ()
    administrators: tuple[Administrator, ...] = ()
    templates: tuple[Template, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A node of a scanner's cluster, as the cluster tells."""

    name: str
    status: str


@dataclass(frozen=True)
class Scan:
    """How many files the last scan has scanned, could not scan, classified and labeled."""

    scanned_files: int | None
    failed_files: int | None
    classified: int | None
    labeled: int | None


@dataclass(frozen=True)
class Scanner:
    """A host with the information protection scanner, or one that is to get it.

    Attributes:
        state: of the domain scanner on the host; empty where the run does not manage it.
        service: the state of the Windows service, or not_installed.
        enforce: whether files are labeled and protected; None where the job came from the portal or a file.
        status: of the cluster: offline, idle, scanning, error.
        scan_started: when the last scan was started, in UTC.
        problem: why the scanner does not tell.
        errors: the latest errors of its event log.
    """

    host: str
    state: str
    version: str
    service: str
    account: str
    cluster: str
    sql_instance: str
    database: str
    configuration: str
    enforce: bool | None
    repositories: int | None
    status: str
    scan_started: str
    scan: Scan | None
    problem: str
    errors: tuple[Event, ...]


@dataclass(frozen=True)
class ScannerCluster:
    """The nodes of a cluster: once, since every scanner tells all of them."""

    cluster: str
    sql_instance: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class IrmServer:
    """A server of an organization or farm. state: of its registry, the domain irm_server."""

    host: str
    version: str
    state: str


@dataclass(frozen=True)
class Irm:
    """Information Rights Management of an Exchange organization or a SharePoint farm.

    Attributes:
        name: empty for the only one of the inventory.
        asked: the server that reads and changes the configuration.
        wanted, state: on or off. The state is empty where this run did not ask.
        verification: what Exchange tells about its own test.
    """

    product: str
    title: str
    name: str
    asked: str
    wanted: str
    state: str
    message: str
    configuration: Mapping[str, tuple[str, ...]]
    verification: tuple[str, ...]
    servers: tuple[IrmServer, ...]


@dataclass(frozen=True)
class ManualStep:
    """Something that Microsoft provides no interface for, with exact instructions."""

    host: str
    title: str
    account: str
    file: str
    cloud: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """What this run changed with one module run, and the command that restores the previous values.

    settings: what was changed that is no registry value of the host, such as settings of the tenant.
    """

    host: str
    domains: tuple[str, ...]
    values: tuple[Difference, ...]
    installations: tuple[Installation, ...]
    settings: tuple[str, ...]
    receipt: str
    undo: str
    restarted: bool
    message: str


@dataclass(frozen=True)
class HostChange:
    """A host whose status or differences are not those of the previous report."""

    name: str
    before: str
    after: str
    new: tuple[str, ...]
    resolved: tuple[str, ...]


@dataclass(frozen=True)
class Previous:
    """What is different from the previous report."""

    generated: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    hosts: tuple[HostChange, ...]


@dataclass(frozen=True)
class Run:
    """Which run made the report. job: the id of its job in AWX."""

    playbook: str = ""
    check_mode: bool = False
    collection: str = ""
    job: str = ""


@dataclass(frozen=True)
class Report:
    """The whole report."""

    generated: str
    run: Run
    domains: tuple[str, ...]
    hosts: tuple[Host, ...]
    prerequisites: Mapping[str, Prerequisite]
    statements: tuple[StatementLine, ...]
    service: Service
    pools: tuple[Pool, ...]
    irm: tuple[Irm, ...]
    scanners: tuple[Scanner, ...]
    scanner_clusters: tuple[ScannerCluster, ...]
    manual_steps: tuple[ManualStep, ...]
    changes: tuple[Change, ...]
    previous: Previous | None = None

    @property
    def summary(self) -> dict[str, int]:
        """How many hosts have each status, and how many have a pending restart."""
        counts = {status: sum(host.status == status for host in self.hosts) for status in COUNTED}
        pending = sum(host.restart.pending for host in self.hosts)
        return {"hosts": len(self.hosts), **counts, "restart_pending": pending}

    def as_dict(self) -> dict[str, Any]:
        """The content of report.json."""
        content = asdict(self)
        return {"kind": KIND, "version": VERSION, **_lists({**content, "summary": self.summary})}


def check(content: Any) -> dict[str, Any]:
    """The content of a report.json that this version can show.

    Raises:
        ReportError: it is none.
    """
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ReportError(f"expected a report of this collection, with kind: {KIND}")
    if content.get("version") != VERSION:
        raise ReportError(f"its version is {content.get('version')!r}: expected {VERSION}. Make the report again")
    hosts = content.get("hosts")
    if not isinstance(hosts, list) or not all(isinstance(host, dict) and "name" in host for host in hosts):
        raise ReportError("its hosts are damaged: expected a list of hosts with names")
    return content


def _lists(value: Any) -> Any:
    """The tuples of dataclasses as lists, which is what JSON reads back."""
    if isinstance(value, dict):
        return {name: _lists(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lists(item) for item in value]
    return value
