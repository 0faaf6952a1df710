# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The report in formats that other programs read. All functions take the content of report.json and return text.

Except in report.json itself, control and invisible characters are spelled out: programs show these texts to people.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from . import model, words
from .text import all_visible

Content = Mapping[str, Any]
_COLUMNS = (
    "host", "status", "kind", "domain", "item", "view", "before", "wanted", "severity", "document", "section", "remedy",
)  # fmt: skip
#: A spreadsheet takes a cell that begins with one of these for a formula, in full width as well.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")
#: What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_HOME = "https://github.com/infoprotect/aip"
_SERVICE = "protection_service"


def as_json(content: Content) -> str:
    """report.json."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


# -- CSV --------------------------------------------------------------------------------------------------------------


def as_csv(content: Content) -> str:
    """A row for each host, each thing that it lacks, and each setting of the protection service.

    With a byte order mark, which Excel needs.
    """
    content = all_visible(content)
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for host in content["hosts"]:
        for row in _rows(host, content["prerequisites"]):
            cells = {"host": host["name"], "status": host["status"], **row}
            writer.writerow(_cell(cells.get(column, "")) for column in _COLUMNS)
    for setting in content["service"]["settings"]:
        writer.writerow(_cell(_setting(content["service"], setting).get(column, "")) for column in _COLUMNS)
    return "\ufeff" + text.getvalue()


def _rows(host: Content, prerequisites: Content) -> Iterator[dict[str, Any]]:
    yield {"kind": "host", "item": host["message"]}
    if host["restart"]["pending"]:
        yield {"kind": "restart", "item": ", ".join(host["restart"]["reasons"])}
    for name, domain in host["domains"].items():
        for value in domain["values"]:
            before, wanted = (words.data(value[key]) for key in ("before", "wanted"))
            item = f"{value['path']}\\{value['name'] or '(default)'}"
            row = {"view": value["view"], "before": before, "wanted": wanted}
            yield {"kind": "value", "domain": name, "item": item, **row}
        for step in domain["installations"]:
            kind = "manual" if step["attended"] else "installation"
            item = f"{step['action']} {step['product']}"
            yield {"kind": kind, "domain": name, "item": item, "before": step["before"], "wanted": step["wanted"]}
        for unread in domain["unreadable"]:
            yield {"kind": "unreadable", "domain": name, "item": unread["what"], "before": unread["reason"]}
        for reason in domain["refused"]:
            yield {"kind": "refused", "domain": name, "item": reason}
    for finding in host["findings"]:
        entry = prerequisites[finding["id"]]
        yield {
            "kind": "prerequisite",
            "item": finding["id"],
            "before": finding["found"],
            "wanted": entry["expected"],
            "severity": finding["severity"],
            **{key: entry[key] for key in ("document", "section", "remedy")},
        }


def _setting(service: Content, setting: Content) -> dict[str, Any]:
    """A row for a setting of the protection service, with the host that signed in."""
    return {
        "host": service["host"],
        "status": setting["state"],
        "kind": "setting",
        "domain": _SERVICE,
        "item": setting["name"],
        "before": ", ".join(setting["value"]),
        "wanted": ", ".join(setting["wanted"] or ()),
    }


def _cell(value: Any) -> str:
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text


# -- JUnit ------------------------------------------------------------------------------------------------------------


def as_junit(content: Content) -> str:
    """A test suite for each host and one for the protection service.

    A host has a case for the inspection, the restart, each domain and each prerequisite; the service has one for each
    setting.
    """
    content = all_visible(content)
    root = ElementTree.Element("testsuites", name="infoprotect.aip")
    tests = failures = 0
    suites = [(host["name"], list(_cases(host, content["prerequisites"]))) for host in content["hosts"]]
    if cases_of_service := list(_service_cases(content["service"])):
        suites.append((_SERVICE, cases_of_service))
    for suite_name, cases in suites:
        failed = sum(kind == "failure" for _name, kind, _type, _text in cases)
        skipped = sum(kind == "skipped" for _name, kind, _type, _text in cases)
        tests, failures = tests + len(cases), failures + failed
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_xml(suite_name),
            tests=str(len(cases)),
            failures=str(failed),
            errors="0",
            skipped=str(skipped),
            timestamp=content["generated"].removesuffix("Z"),
        )
        for name, kind, type_, text in cases:
            case = ElementTree.SubElement(
                suite, "testcase", name=_xml(name), classname=_xml(f"infoprotect.aip.{suite_name}")
            )
            if kind:
                outcome = ElementTree.SubElement(case, kind, type=type_, message=_xml(text.partition("\n")[0]))
                outcome.text = _xml(text)
    root.set("tests", str(tests))
    root.set("failures", str(failures))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _cases(host: Content, prerequisites: Content) -> Iterator[tuple[str, str, str, str]]:
    """The name of each case, how it ended (empty: it passed), the type of that, and the text."""
    lost = host["status"] in (model.UNREACHABLE, model.FAILED)
    passed = ("", "", "")
    yield "inspection", *(("failure", host["status"], host["message"] or host["status"]) if lost else passed)
    yield "restart", *(("failure", "pending", _pending(host)) if host["restart"]["pending"] else passed)
    for name, domain in host["domains"].items():
        if domain["state"] in (model.COMPLIANT, model.CHANGED):
            yield name, *passed
        else:
            own = words.differences({"message": "", "domains": {name: domain}})
            yield name, "failure", domain["state"], "\n".join(own)
    for finding in host["findings"]:
        kind = "failure" if finding["severity"] == "blocks" else "skipped"
        (text,) = words.findings({"findings": [finding]}, prerequisites)
        yield f"prerequisite {finding['id']}", kind, finding["status"], text


def _service_cases(service: Content) -> Iterator[tuple[str, str, str, str]]:
    """As `_cases`, for the tenant: nothing where it was not asked."""
    if service["state"] == model.FAILED:
        yield "inspection", "failure", "failed", service["message"] or "failed"
    for setting in service["settings"]:
        if setting["state"] == model.DRIFTED:
            yield setting["name"], "failure", "drifted", words.setting(setting)
        elif setting["state"] == model.UNREADABLE:
            yield setting["name"], "skipped", "unreadable", "cannot be read"
        else:
            yield setting["name"], "", "", ""


def _pending(host: Content) -> str:
    return f"A restart is pending: {', '.join(host['restart']['reasons']) or 'no reason reported'}"


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


# -- SARIF ------------------------------------------------------------------------------------------------------------


def as_sarif(content: Content) -> str:
    """A result for each thing that a host lacks, as code scanning tools take it."""
    content = all_visible(content)
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for host in content["hosts"]:
        for rule, level, item, text in _results(host, content["prerequisites"]):
            if rule not in rules:
                rules[rule] = _rule(rule, content["prerequisites"].get(rule))
            results.append(_result(list(rules).index(rule), rule, level, host["name"], item, text))
    for setting in content["service"]["settings"]:
        if setting["state"] == model.DRIFTED:
            rule = f"drift-{_SERVICE}"
            rules.setdefault(rule, _rule(rule, None))
            text = words.setting(setting)
            results.append(_result(list(rules).index(rule), rule, "warning", _SERVICE, setting["name"], text))
    driver = {
        "name": "infoprotect.aip",
        "informationUri": _HOME,
        "rules": list(rules.values()),
        **({"semanticVersion": content["run"]["collection"]} if content["run"]["collection"] else {}),
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": content["generated"]}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=1) + "\n"


def _results(host: Content, prerequisites: Content) -> Iterator[tuple[str, str, str, str]]:
    """Rule, level, what it is about, and text of each result of a host."""
    if host["status"] in (model.UNREACHABLE, model.FAILED):
        yield f"host-{host['status']}", "error", "", host["message"] or host["status"]
    if host["restart"]["pending"]:
        yield "restart-pending", "warning", "", _pending(host)
    for name, domain in host["domains"].items():
        for line in words.differences({"message": "", "domains": {name: domain}}):
            # the same result in the next report, although the data has changed
            yield f"drift-{name}", "warning", line.partition(" -> ")[0].rpartition(": ")[0], line
    for finding in host["findings"]:
        advice = "note" if finding["status"] == "not_stated" else "warning"
        level = "error" if finding["severity"] == "blocks" else advice
        (text,) = words.findings({"findings": [finding]}, prerequisites)
        yield finding["id"], level, "", text


def _rule(rule: str, entry: Content | None) -> dict[str, Any]:
    if entry is None:
        return {"id": rule, "shortDescription": {"text": _rule_text(rule)}}
    return {
        "id": rule,
        "shortDescription": {"text": entry["text"] or rule},
        "fullDescription": {"text": f"{entry['text']} ({words.source(entry)})"},
        "help": {"text": entry["remedy"] or entry["text"] or rule},
    }


def _rule_text(rule: str) -> str:
    kind, _dash, name = rule.partition("-")
    return {"host": f"The host is {name}.", "restart": "A restart is pending."}.get(kind, f"The domain {name} differs.")


def _result(index: int, rule: str, level: str, host: str, item: str, text: str) -> dict[str, Any]:
    fingerprint = hashlib.sha256("\0".join((rule, host, item)).encode()).hexdigest()
    name = host or "(no name)"
    location = {
        "physicalLocation": {"artifactLocation": {"uri": "report.json"}},
        "logicalLocations": [{"name": name, "fullyQualifiedName": name, "kind": "resource"}],
    }
    return {
        "ruleId": rule,
        "ruleIndex": index,
        "level": level,
        # plain text of SARIF may have links, [text](target), which host data must not
        "message": {"text": f"{name}: {text}".replace("](", "] (")},
        "locations": [location],
        "partialFingerprints": {"infoprotect.aip/v1": fingerprint},
    }
