# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The report out of what modules and actions returned. The only place that knows their results."""

from __future__ import annotations

import datetime
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import authorization, inspecting, statements
from ..inspection import DomainResult, Inspection, MalformedError, Step, Unreadable, Value, ValueChange
from ..summary import reason
from . import difference, model, servers, service
from .raw import Result, dicts, failed, number, texts
from .text import clean

_BLOCKS, _NOT_STATED = "blocks", "not_stated"
#: The name of a file in which Ansible finds no template and no further option.
_PLAIN_NAME = re.compile(r"[\w.$~-]+")
_SERVICE = "infoprotect.aip.protection_service"
#: Facts of the host in the order in which the report shows them, each with the path to it.
_FACTS = {
    "full_name": ("fqdn",),
    "windows": ("os", "name"),
    "build": ("os", "build"),
    "domain": ("domain",),
    "powershell": ("powershell", "version"),
    "dotnet": ("dotnet", "version"),
    "started": ("boot_time",),
}


def from_inspections(
    inspections: Mapping[str, Any],
    *,
    now: datetime.datetime,
    plan: Result | None = None,
    applied: Mapping[str, Any] | None = None,
    unreachable: Mapping[str, Any] | None = None,
    requirements: Mapping[str, Result] | None = None,
    previous: Result | None = None,
    run: model.Run | None = None,
) -> model.Report:
    """Make the report.

    Args:
        inspections: host -> result of infoprotect.aip.inspect: that of desired_state (`domains`, `host`,
            `reboot_required`, `reboot_reasons`) with `findings` and `statements`, or a failure with `msg`.
        now: when the report is made, with a time zone.
        plan: `pools`, each with `members` and perhaps `name`, `minimum_in_service`, `turns` (members that have one, in
            order) and `authorized` (the wanted accounts), `manual_steps`, each with `host`, `title` and `steps`,
            `service` (what the protection service answered) and `irm` (its organizations and farms).
        applied: host -> results of what was done on it, in order, with `receipt` where registry values were written.
            An item may have `domain`, if the module works on one domain. One with `host` has facts that are newer than
            the inspection's. One with `title` and `steps` is a manual step. In check mode, only failures count.
        unreachable: host -> the connection error.
        requirements: requirement -> `text` and `statement`, for statements that no host lacks.
        previous: the content of the previous report.json.
        run: which run this is.
    """
    run = run or model.Run()
    results = {name: _plain_results(items) for name, items in (applied or {}).items()}
    if run.check_mode:
        results = {name: [item for item in items if failed(item)] for name, items in results.items()}
    names = sorted({*inspections, *(unreachable or {}), *results}, key=str)
    hosts, inspected = [], {}
    for name in names:
        lost = (unreachable or {}).get(name)
        result = inspections.get(name)
        if lost is None and isinstance(result, Mapping) and result.get("skipped"):
            continue
        if lost is None and name not in inspections and not any(map(failed, results[name])):
            # a run of the tenant or of IRM alone, by its tags, inspects no host
            continue
        host, inspection = _host(str(name), result, lost, results.get(name, []))
        hosts.append(host)
        if inspection:
            inspected[str(name)] = inspection
    of_host = servers.by_name(hosts)
    used = {str(name): value for name, value in inspections.items() if isinstance(value, Mapping)}
    report = model.Report(
        generated=now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        run=run,
        domains=tuple(sorted({domain for host in hosts for domain in host.domains})),
        hosts=tuple(hosts),
        prerequisites=_prerequisites(used.values()),
        statements=_statements(used.values(), hosts, requirements or {}, now.date()),
        service=service.read(plan or {}, results),
        pools=_pools(plan or {}, used, results),
        irm=servers.irm(plan or {}, used, results, of_host),
        scanners=servers.scanners(used, results, of_host),
        scanner_clusters=servers.scanner_clusters(used, results),
        manual_steps=_manual_steps(plan or {}, used, results),
        changes=tuple(_change(str(name), item) for name, items in results.items() for item in items if _did(item)),
    )
    return difference.since(report, previous) if previous else report


# -- hosts ------------------------------------------------------------------------------------------------------------


def _host(name: str, result: Any, lost: Any, applied: Sequence[Result]) -> tuple[model.Host, Inspection | None]:
    if lost is not None or (isinstance(result, Mapping) and result.get("unreachable")):
        return model.Host(clean(name), model.UNREACHABLE, clean(_message(lost if lost is not None else result))), None
    if not isinstance(result, Mapping):
        message = next((reason(item) for item in applied if failed(item)), "") or "The host was not inspected."
        return model.Host(clean(name), model.FAILED, clean(message)), None
    findings = tuple(map(_finding, dicts(result.get("findings"))))
    if "finding" in result:
        return model.Host(clean(name), model.BLOCKED, clean(result["finding"]), findings=findings), None
    if "domains" not in result:
        message = clean(reason(result) or "The host was not inspected.")
        return model.Host(clean(name), model.FAILED, message, findings=findings), None
    try:
        inspection = Inspection.of(result)
    except MalformedError as error:
        message = f"The host returned a result that is not one of infoprotect.aip.desired_state: {error}"
        return model.Host(clean(name), model.FAILED, clean(message), findings=findings), None
    domains = {
        clean(domain.name): _domain(domain, result["domains"][domain.name], applied) for domain in inspection.domains
    }
    failure = next(filter(failed, applied), None)
    if any(finding.severity == _BLOCKS for finding in findings):
        status = model.BLOCKED
    elif failure is not None:
        status = model.FAILED
    elif all(domain.state in (model.COMPLIANT, model.CHANGED) for domain in domains.values()):
        status = model.COMPLIANT
    else:
        status = model.DRIFTED
    facts = result.get("host") if isinstance(result.get("host"), Mapping) else {}
    host = model.Host(
        clean(name),
        status,
        clean(failure.get("msg")) if failure is not None else "",
        _facts(facts or {}),
        _restart(inspection, facts or {}, applied),
        domains,
        findings,
    )
    return host, inspection


def _domain(domain: DomainResult, raw: Result, applied: Sequence[Result]) -> model.Domain:
    if domain.values or domain.own_steps:
        state = model.DRIFTED
    elif domain.is_waiting:
        state = model.MANUAL
    elif domain.refused:
        state = model.REFUSED
    elif domain.unreadable:
        state = model.UNREADABLE
    else:
        state = model.COMPLIANT if raw.get("compliant", True) else model.DRIFTED
    if state == model.DRIFTED and any(_settled(domain.name, item) for item in applied):
        state = model.MANUAL if domain.is_waiting else model.CHANGED
    return model.Domain(
        state,
        tuple(map(_value_change, domain.values)),
        tuple(map(_installation, domain.steps)),
        tuple(Unreadable(clean(item.what), clean(item.reason)) for item in domain.unreadable),
        tuple(map(clean, domain.refused)),
        tuple(map(clean, texts(raw.get("notes")))),
    )


def _settled(domain: str, item: Result) -> bool:
    """Whether this result brought the domain to its wanted state."""
    if failed(item):
        return False
    done = item.get("domains")
    return item.get("domain") == domain or (isinstance(done, Mapping) and domain in done and "changes" in done[domain])


def _restart(inspection: Inspection, facts: Result, applied: Sequence[Result]) -> model.Restart:
    pending, reasons = False, []
    for item in ({"host": facts}, *applied):
        known = item.get("host")
        if isinstance(known, Mapping) and isinstance(known.get("reboot"), Mapping):
            pending, reasons = bool(known["reboot"].get("required")), texts(known["reboot"].get("reasons"))
        if item.get("rebooted"):
            pending, reasons = False, []
        elif item.get("reboot_required"):
            pending = True
            reasons = list(dict.fromkeys([*reasons, *texts(item.get("reboot_reasons"))]))
    after = not applied and not pending and inspection.reboot_required
    return model.Restart(pending, tuple(map(clean, reasons)) if pending else (), after)


def _facts(facts: Result) -> dict[str, str]:
    found = {}
    for name, path in _FACTS.items():
        value: Any = facts
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value not in (None, ""):
            found[name] = clean(value)
    return found


def _value_change(change: ValueChange) -> model.Difference:
    return model.Difference(
        clean(change.path), clean(change.name), change.view, _value(change.before), _value(change.after)
    )


def _value(value: Value | None) -> Value | None:
    return None if value is None else Value(clean(value.type), clean(value.data))


def _installation(step: Step) -> model.Installation:
    return model.Installation(
        clean(step.action), clean(step.product), clean(step.before), clean(step.after), step.attended
    )


def _finding(item: Result) -> model.Finding:
    severity = _BLOCKS if item.get("severity") == _BLOCKS else "advises"
    status = item.get("status") if item.get("status") in ("unknown", _NOT_STATED) else "fails"
    return model.Finding(clean(item.get("id")), severity, str(status), clean(item.get("found")))


# -- prerequisites and statements -------------------------------------------------------------------------------------


def _prerequisites(results: Iterable[Result]) -> dict[str, model.Prerequisite]:
    keys = ("text", "document", "section", "expected", "remedy")
    found: dict[str, model.Prerequisite] = {}
    for result in results:
        for item in dicts(result.get("findings")):
            found.setdefault(clean(item.get("id")), model.Prerequisite(*(clean(item.get(key)) for key in keys)))
    return dict(sorted(found.items()))


def _statements(
    results: Iterable[Result],
    hosts: Iterable[model.Host],
    requirements: Mapping[str, Result],
    today: datetime.date,
) -> tuple[model.StatementLine, ...]:
    results = list(results)
    made: dict[tuple[str, ...], Any] = {}
    for result in results:
        given = result.get("statements")
        for name, value in given.items() if isinstance(given, Mapping) else ():
            key = (
                str(name),
                *(str(value.get(part)) if isinstance(value, Mapping) else "" for part in ("name", "date")),
            )
            made.setdefault(key, value)
    known = {
        str(item.get("id")): clean(item.get("text")) for result in results for item in dicts(result.get("findings"))
    }
    findings = [finding for host in hosts for finding in host.findings]
    affected = Counter(finding.id for finding in findings)
    lacking = Counter(finding.id for finding in findings if finding.status == _NOT_STATED)

    def text_of(name: str) -> str:
        entry = requirements.get(name) or {}
        return clean(entry.get("statement") or entry.get("text") or known.get(name))

    lines = []
    for (name, *_who), value in made.items():
        try:
            statement = statements.Statement.of(name, value, today)
        except statements.StatementError as error:
            lines.append(model.StatementLine(clean(name), clean(f"{text_of(name)} ({error})"), "missing"))
            continue
        lines.append(
            model.StatementLine(
                clean(name),
                text_of(name),
                statement.state(today),
                clean(statement.name),
                clean(statement.tool),
                statement.date.isoformat(),
                statement.expires.isoformat(),
                statement.age(today),
                statement.days_left(today),
                (affected if statement.state(today) == statements.EXPIRED else lacking)[name],
            )
        )
    stated = {line.id for line in lines}
    lines += [
        model.StatementLine(name, text_of(name), "missing", hosts=count)
        for name, count in lacking.items()
        if name not in stated
    ]
    order = ("missing", statements.EXPIRED, statements.EXPIRES_SOON, statements.VALID)
    return tuple(sorted(lines, key=lambda line: (order.index(line.state), line.expires, line.id)))


# -- pools and manual steps -------------------------------------------------------------------------------------------


def _pools(
    plan: Result, inspections: Mapping[str, Result], applied: Mapping[str, Sequence[Result]]
) -> tuple[model.Pool, ...]:
    latest = {name: _latest_connector(result, applied.get(name, ())) for name, result in inspections.items()}
    connectors = {name: fact for name, fact in latest.items() if fact}
    described = dicts(plan.get("pools"))
    if not described:
        described = [{"members": sorted(connectors)}] if connectors else []
    pools = []
    for position, pool in enumerate(described, 1):
        wanted = texts(pool.get("authorized"))
        members = texts(pool.get("members"))
        urls = [url for name in members if (url := str(connectors.get(name, {}).get("url") or ""))]
        minimum = pool.get("minimum_in_service")
        pools.append(
            model.Pool(
                clean(pool.get("name") or (urls[0] if urls else f"Pool {position}")),
                number(minimum),
                tuple(map(clean, texts(pool.get("turns")))),
                tuple(map(clean, wanted)),
                tuple(_member(name, connectors.get(name, {}), wanted) for name in members),
            )
        )
    return tuple(pools)


def _latest_connector(inspection: Result, applied: Sequence[Result]) -> Result:
    """The fact `connector` after the run. A lease whose turn has ended was this run's own."""
    known = [item for item in (inspection, *applied) if isinstance(item.get("host"), Mapping)]
    connector = _connector(known[-1]) if known else {}
    # a list, as what a task returned may have a run of any type
    lease, ended = connector.get("lease"), [item.get("run") for item in applied]
    own = isinstance(lease, Mapping) and lease.get("run") in ended
    return {**connector, "lease": None} if own else connector


def _connector(result: Result) -> Result:
    facts = result.get("host")
    connector = facts.get("connector") if isinstance(facts, Mapping) else None
    return connector if isinstance(connector, Mapping) else {}


def _member(name: str, connector: Result, wanted: Sequence[str]) -> model.Member:
    https, lease = connector.get("https"), connector.get("lease")
    return model.Member(
        clean(name),
        clean(connector.get("version") or ""),
        clean(connector.get("status") or ""),
        _lease(lease) if isinstance(lease, Mapping) else None,
        bool(connector.get("restart_due")),
        clean(connector.get("last_list_update")),
        _certificate(https) if isinstance(https, Mapping) else None,
        tuple(map(clean, texts(connector.get("authorized")))),
        _authorization(connector, wanted) if wanted and connector else None,
        tuple(
            model.Event(
                number(event.get("id")) or 0,
                clean(event.get("time")),
                clean(event.get("text")),
                number(event.get("count")) or 1,
            )
            for event in dicts(connector.get("events"))
        ),
    )


def _authorization(connector: Result, wanted: Sequence[str]) -> model.Authorization:
    verdict = authorization.verify(connector, wanted)
    return model.Authorization(
        verdict["status"], *(tuple(map(clean, verdict[key])) for key in ("missing", "extra", "refused"))
    )


def _certificate(https: Result) -> model.Certificate:
    subject, thumbprint, expires = (clean(https.get(key)) for key in ("subject", "thumbprint", "expires"))
    return model.Certificate(subject, thumbprint, expires, number(https.get("days_left")))


def _lease(lease: Result) -> model.Lease:
    run, controller, started, expires, stage = (
        clean(lease.get(key)) for key in ("run", "controller", "started", "expires", "stage")
    )
    return model.Lease(run, controller, started, expires, stage, bool(lease.get("expired")))


def _manual_steps(
    plan: Result, inspections: Mapping[str, Result], applied: Mapping[str, Sequence[Result]]
) -> tuple[model.ManualStep, ...]:
    """What is left to operators: what was planned, and what came of it."""
    inspected = (step for name, result in inspections.items() for step in inspecting.manual_steps(name, result))
    planned = [*dicts(plan.get("manual_steps")), *inspected]
    steps = {(str(step.get("host") or ""), str(step.get("title") or "")): step for step in planned}
    for name, items in applied.items():
        for position, item in enumerate(items):
            if "attended_step" in item and not item.get("domain"):
                _list_step(steps, name, item["attended_step"])
            elif item.get("domain") and not failed(item):
                step = inspecting.manual_step(name, item["domain"], item.get("attended_step") or {})
                steps.pop((name, step["title"]), None)
                if item.get("attended_step") and not _was_done(item, items[position + 1 :]):
                    steps[name, step["title"]] = step
    return tuple(map(_manual_step, steps.values()))


def _list_step(steps: dict[tuple[str, str], Result], name: str, step: Any) -> None:
    """What a verdict on the authorization list of a connector makes of the manual steps: one list is one step."""
    if not isinstance(step, Mapping):
        steps.pop((name, authorization.LIST_TITLE), None)
    elif not any(one.get("accounts") == step.get("accounts") for one in steps.values()):
        steps[str(step.get("host")), str(step.get("title"))] = dict(step)


def _was_done(setup: Result, later: Sequence[Result]) -> bool:
    """Whether an operator has done the manual step of a setup while the run waited for it."""
    facts = [item["host"] for item in later if isinstance(item.get("host"), Mapping)]
    if not facts:
        return False
    connector = facts[-1].get("connector") or {}
    if setup.get("status") == "awaiting_removal":
        return not connector.get("installed")
    return bool(connector.get("installed")) and not connector.get("staged_version")


def _manual_step(step: Result) -> model.ManualStep:
    return model.ManualStep(
        clean(step.get("host")),
        clean(step.get("title") or "Manual step"),
        clean(step.get("account_role")),
        clean(step.get("file")),
        clean(step.get("cloud")),
        tuple(map(clean, texts(step.get("steps")))),
    )


# -- what this run changed --------------------------------------------------------------------------------------------


def _plain_results(items: Any) -> list[Result]:
    return dicts([items] if isinstance(items, Mapping) else items)


def _did(item: Result) -> bool:
    return bool(item.get("changed") or item.get("receipt") or item.get("failed") or item.get("rebooted"))


def _change(host: str, item: Result) -> model.Change:
    states = item.get("domains")
    states = states if isinstance(states, Mapping) else {}
    names = [str(name) for name, state in states.items() if isinstance(state, Mapping) and state.get("changes")]
    own = {"changes": [*dicts(item.get("changes")), *dicts(item.get("actions"))]}
    try:
        read = Inspection.of({"domains": {**states, "": own}, "reboot_required": False}).domains
    except MalformedError:
        read = ()
    receipt = clean(item.get("receipt"))
    return model.Change(
        clean(host),
        tuple(map(clean, names or ([item["domain"]] if item.get("domain") else []))),
        tuple(_value_change(change) for domain in read for change in domain.values),
        tuple(_installation(step) for domain in read for step in domain.own_steps),
        tuple(map(clean, [*service.changed(item), *servers.irm_changed(item)])),
        receipt,
        undo(clean(host), receipt, of_service=service.is_settings(item)),
        bool(item.get("rebooted")),
        clean(item.get("msg")) if item.get("failed") else "",
    )


def undo(host: str, receipt: str, of_service: bool = False) -> str:
    """The command that restores what a receipt has; empty for a name that a shell or Ansible could read as more.

    of_service: the receipt has settings of the protection service, whose role restores it.
    """
    # not the path: Ansible reads \\r in name=value as a carriage return
    name = receipt.rpartition("\\")[2]
    if not _PLAIN_NAME.fullmatch(name):
        return ""
    if of_service:
        # the role signs in with the variables that the run had, whatever their kind
        command = f"-m ansible.builtin.include_role -a {shlex.quote(f'name={_SERVICE} tasks_from=restore')}"
        variable = shlex.quote(f"protection_service_restore={name}")
        return f"ansible {shlex.quote(host)} -i INVENTORY {command} -e {variable}"
    variable = shlex.quote(f"aip_restore_receipt={name}")
    return f"ansible-playbook -i INVENTORY infoprotect.aip.restore --limit {shlex.quote(host)} -e {variable}"


def _message(value: Any) -> Any:
    return reason(value) if isinstance(value, Mapping) else value
