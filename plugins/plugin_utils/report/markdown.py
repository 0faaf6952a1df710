# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The report as Markdown, for tickets and pull requests.

Data stands in code spans: a ticket system makes no link, mention or markup of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import model, words
from .terminal import total
from .text import counted, visible

Content = Mapping[str, Any]
#: GitHub takes 65,536 characters in one comment.
_MOST_HOSTS, _MOST_LINES, _MOST_CHARACTERS, _LONGEST_CELL = 25, 20, 60_000, 300


def as_markdown(content: Content) -> str:
    """report.md."""
    lines: list[str] = []
    left = _MOST_CHARACTERS
    for line in _lines(content):
        left -= len(line) + 1
        if left < 0:
            lines += ["", "The rest is in report.html."]
            break
        lines.append(line)
    return "\n".join(lines).strip() + "\n"


def _lines(content: Content) -> Iterator[str]:
    yield "# Azure Information Protection: fleet report"
    yield ""
    yield f"{total(content)}. Made at {content['generated']}."
    yield from _hosts(content)
    yield from _prerequisites(content)
    yield from _statements(content)
    yield from _service(content["service"])
    yield from _pools(content)
    yield from _irm(content)
    yield from _scanners(content)
    yield from _manual_steps(content)
    yield from _changes(content)
    yield from _previous(content)


def _hosts(content: Content) -> Iterator[str]:
    differing = [host for host in content["hosts"] if host["status"] != model.COMPLIANT or host["restart"]["pending"]]
    hosts = words.by_urgency(differing)
    if not hosts:
        return
    yield from ("", "## Hosts that differ", "", "| Host | Status | Differs | Restart |", "|---|---|---|---|")
    for host in hosts[:_MOST_HOSTS]:
        restart = "pending" if host["restart"]["pending"] else ""
        yield f"| {_cell(host['name'])} | {host['status']} | {_cell(words.drift(host))} | {restart} |"
    yield from _more(hosts, "host")
    for host in hosts[:_MOST_HOSTS]:
        if lines := words.differences(host):
            yield from ("", f"### {code(host['name'])}", "")
            yield from _listed(map(code, lines))


def _prerequisites(content: Content) -> Iterator[str]:
    hosts: dict[str, list[str]] = {}
    severities: dict[str, set[str]] = {}
    for host in content["hosts"]:
        for finding in host["findings"]:
            if finding["status"] != "not_stated":
                hosts.setdefault(finding["id"], []).append(host["name"])
                severities.setdefault(finding["id"], set()).add(finding["severity"])
    if not hosts:
        return
    yield from ("", "## Prerequisites that are not met", "")
    for name in sorted(hosts, key=lambda name: ("blocks" not in severities[name], name)):
        entry = content["prerequisites"][name]
        severity = "blocks" if "blocks" in severities[name] else "advises"
        yield f"- {code(name)} ({severity}): {plain(entry['text'])} {plain(entry['remedy'])}"
        yield f"  ({plain(words.source(entry))}) Hosts: {_names(hosts[name])}"


def _statements(content: Content) -> Iterator[str]:
    ending = [line for line in content["statements"] if line["state"] != "valid"]
    if ending:
        yield from ("", "## Operator statements to make or renew", "")
    for line in ending:
        yield f"- {code(line['id'])}: {plain(line['text'])} ({code(words.statement(line))})"


def _pools(content: Content) -> Iterator[str]:
    if content["pools"]:
        yield from ("", "## Connector pools")
    for pool in content["pools"]:
        least = pool["minimum_in_service"]
        yield from ("", f"### {code(pool['name'])}", "")
        if least is not None:
            yield from (f"At least {least} of {counted(len(pool['members']), 'member')} in service.", "")
        if pool["turns"]:
            yield from (f"Order of this run, one at a time: {_names(pool['turns'])}", "")
        yield "| Member | Health | Version | Certificate | Authorization list | Lease |"
        yield "|---|---|---|---|---|---|"
        for member in pool["members"]:
            certificate, verdict, lease = (member[key] for key in ("certificate", "authorization", "lease"))
            cells = (
                member["host"],
                member["health"].replace("_", " ") or "unknown",
                member["version"],
                f"expires {certificate['expires'][:10]}" if certificate else "",
                verdict["status"] if verdict else "",
                words.lease(lease) if lease else "",
            )
            yield f"| {' | '.join(map(_cell, cells))} |"
        events = [(member["host"], event) for member in pool["members"] for event in member["events"]]
        if events:
            yield ""
        yield from _listed(
            f"{code(host)}, {code(event['time'])}: event {event['id']}, {code(event['text'])}{_times(event['count'])}"
            for host, event in events
        )


def _service(found: Content) -> Iterator[str]:
    yield from ("", "## Protection service", "")
    if found["message"]:
        # of the collection, or of the service
        yield plain(found["message"]) if found["state"] == model.NOT_ASKED else code(found["message"])
    if found["state"] != model.ANSWERED:
        return
    activated = {True: "Activated", False: "Not activated", None: "It is not known whether it is activated"}
    yield f"{activated[found['activated']]}. Tenant {code(found['id'])}."
    if found["settings"]:
        yield from ("", "| Setting | Value | Wanted |", "|---|---|---|")
    for setting in found["settings"]:
        value = "cannot be read" if setting["state"] == model.UNREADABLE else _short(setting["value"])
        wanted = setting["state"] == model.DRIFTED
        value += " (set by this run)" if setting["state"] == model.CHANGED else ""
        yield f"| {_cell(setting['name'])} | {_cell(value)} | {_cell(_short(setting['wanted'])) if wanted else ''} |"
    lists = {
        "Keys": [", ".join([key["status"], key["kind"], f"created {key['created'][:10]}"]) for key in found["keys"]],
        "Administrators": [words.administrator(one) for one in found["administrators"]],
        "Templates": [words.template(one) for one in found["templates"]],
    }
    yield ""
    yield from (f"- {title}: {_names(items)}" for title, items in lists.items() if items)
    yield from (f"- {code(note)}" for note in found["notes"])


def _irm(content: Content) -> Iterator[str]:
    if content["irm"]:
        yield from ("", "## Information Rights Management", "")
    for unit in content["irm"]:
        name = f" {code(unit['name'])}" if unit["name"] else ""
        state = unit["state"] or ("failed" if unit["message"] else "not asked in this run")
        yield f"- {plain(unit['title'])}{name}, through {code(unit['asked'])}: {state}, wanted {unit['wanted']}."
        if unit["message"]:
            yield f"  {code(unit['message'])}"
        yield f"  Servers: {_names(server['host'] for server in unit['servers'])}"
        yield from (f"  - {code(line)}" for line in unit["verification"])


def _scanners(content: Content) -> Iterator[str]:
    if not content["scanners"]:
        return
    yield from ("", "## Scanners", "")
    yield from (
        "| Node | Service | Version | Cluster | Mode | Repositories | Last scan |",
        "|---|---|---|---|---|---|---|",
    )
    for scanner in content["scanners"][:_MOST_HOSTS]:
        repositories = "" if scanner["repositories"] is None else str(scanner["repositories"])
        cells = (
            scanner["host"],
            scanner["service"].replace("_", " "),
            scanner["version"],
            scanner["cluster"],
            words.mode(scanner),
            repositories,
            words.scan(scanner),
        )
        yield f"| {' | '.join(map(_cell, cells))} |"
    yield from _more(content["scanners"], "scanner")
    lines = [(scanner["host"], scanner["problem"]) for scanner in content["scanners"] if scanner["problem"]]
    lines += [
        (scanner["host"], f"{event['time']}: event {event['id']}, {event['text']}")
        for scanner in content["scanners"]
        for event in scanner["errors"]
    ]
    yield ""
    yield from _listed(f"{code(host)}: {code(text)}" for host, text in lines)


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""


def _short(items: Sequence[str] | None) -> str:
    """A value, of a long one its beginning."""
    text = words.values(items)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}..."


def _manual_steps(content: Content) -> Iterator[str]:
    if content["manual_steps"]:
        yield from ("", "## Manual steps")
    for step in content["manual_steps"]:
        yield from ("", f"### {code(step['host'])}: {plain(step['title'])}", "")
        if step["account"]:
            yield from (f"Account: {code(step['account'])}", "")
        yield from (f"{number}. {code(text)}" for number, text in enumerate(step["steps"], 1))


def _changes(content: Content) -> Iterator[str]:
    if content["changes"]:
        yield from ("", "## What this run changed", "")
    for change in content["changes"][:_MOST_HOSTS]:
        count = counted(len(change["values"]), "value")
        what = [count] if change["values"] else []
        what += [code(words.installation(step)) for step in change["installations"]]
        what += [code(text) for text in change["settings"]]
        what += ["restarted"] if change["restarted"] else []
        what += [f"failed: {code(change['message'])}"] if change["message"] else []
        yield f"- {code(change['host'])}: {', '.join(what) or 'changed'}"
        if change["undo"]:
            yield f"  Undo: {code(change['undo'])}"
    yield from _more(content["changes"], "change")


def _previous(content: Content) -> Iterator[str]:
    previous = content["previous"]
    if previous is None:
        return
    yield from ("", f"## Since the previous report ({visible(previous['generated'])})", "")
    for title, names in (("Added", previous["added"]), ("Removed", previous["removed"])):
        if names:
            yield f"- {title}: {_names(names)}"
    for change in previous["hosts"][:_MOST_HOSTS]:
        status = change["after"] if change["before"] == change["after"] else f"{change['before']} -> {change['after']}"
        yield f"- {code(change['name'])}: {status}; {len(change['new'])} new, {len(change['resolved'])} resolved"
    yield from _more(previous["hosts"], "host")
    if not (previous["added"] or previous["removed"] or previous["hosts"]):
        yield "Nothing changed."


def _listed(items: Iterable[str]) -> Iterator[str]:
    """A list; of a long one its beginning, and how many there are more."""
    items = list(items)
    yield from (f"- {item}" for item in items[:_MOST_LINES])
    if len(items) > _MOST_LINES:
        yield f"- and {len(items) - _MOST_LINES:,} more, see report.html"


def _more(items: Sequence[Any], noun: str) -> Iterator[str]:
    if len(items) > _MOST_HOSTS:
        yield from ("", f"And {counted(len(items) - _MOST_HOSTS, f'more {noun}')}, see report.html.")


def _names(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST_HOSTS:,} more" if len(names) > _MOST_HOSTS else ""
    return ", ".join(map(code, names[:_MOST_HOSTS])) + more


def code(text: str) -> str:
    """The text as a code span, with a fence longer than any run of backticks in it."""
    shown = visible(text) or "(empty)"
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def plain(text: str) -> str:
    """Text of the collection as prose: its punctuation is no markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~@!&])", r"\\\1", visible(text))


def _cell(text: str) -> str:
    # a code span in a table ends at the first bar, escaped or not, in some readers
    return code(text.replace("|", "<U+007C>")) if text else ""
