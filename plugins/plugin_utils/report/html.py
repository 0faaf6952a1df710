# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The report as one page that needs nothing else: page.html.j2 with page.css and page.js, and the data.

The page's policy permits this style and this script alone (by their digests), and no request. The template escapes
texts of hosts; the script sets them as text of a node.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from . import model, words
from .text import counted, visible

Content = Mapping[str, Any]
_HERE = Path(__file__).parent
#: Status -> title in the bar, in the bar's order.
_TITLES = {
    model.COMPLIANT: "Compliant",
    model.DRIFTED: "Drifted",
    model.BLOCKED: "Blocked",
    model.UNREACHABLE: "Unreachable",
    model.FAILED: "Failed",
}
#: Widths of the bar in its own units: all of it, between two parts, and at least for one host.
_BAR, _GAP, _LEAST = 1000.0, 3.0, 6.0
#: Hosts that are named below a prerequisite; the rest is counted.
_MOST_NAMES = 200


def as_html(content: Content) -> str:
    """report.html."""
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = [
        "default-src 'none'",
        f"style-src '{_digest(style)}'",
        f"script-src '{_digest(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    summary = content["summary"]
    content = {**content, "hosts": words.by_urgency(content["hosts"])}
    return _template().render(
        report=content,
        policy="; ".join(policy),
        style=style,
        script=script,
        embedded=embedded(content),
        headline=_headline(summary),
        bar=_bar(summary),
        titles=_TITLES,
        prerequisites=_prerequisites(content),
        most=_MOST_NAMES,
        service_drift=sum(setting["state"] == model.DRIFTED for setting in content["service"]["settings"]),
        scanner_drift=_scanner_drift(content),
        scanner_nodes=_scanner_nodes(content),
        to_renew=sum(line["state"] != "valid" for line in content["statements"]),
    )


def embedded(content: Content) -> str:
    """The data for the script, as JSON in which no character can end or open an element."""
    data = {key: content[key] for key in ("domains", "hosts", "prerequisites", "changes", "previous")}
    text = json.dumps(_short(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _short(value: Any) -> Any:
    """The value without empty parts, which the script takes for granted."""
    if isinstance(value, Mapping):
        return {name: _short(item) for name, item in value.items() if item not in (None, "", [], {}, False)}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "visible": lambda text: visible(str(text)),
        "counted": counted,
        "installation": words.installation,
        "source": words.source,
        "administrator": words.administrator,
        "template": words.template,
        "cell": _cell,
        "short_windows": lambda name: str(name).replace("Windows Server ", "").replace("Microsoft ", ""),
    }
    return environment.get_template("page.html.j2")


def _headline(summary: Mapping[str, int]) -> str:
    total, good = summary["hosts"], summary[model.COMPLIANT]
    if not total:
        return "No hosts were inspected."
    if good == total:
        return f"All {counted(total, 'host')} comply." if total > 1 else "The host complies."
    return f"{good:,} of {counted(total, 'host')} {'complies' if good == 1 else 'comply'}."


def _bar(summary: Mapping[str, int]) -> list[dict[str, Any]]:
    """The parts of the bar. A part of one host in a thousand can still be seen."""
    shown = [status for status in _TITLES if summary[status]]
    room = _BAR - _GAP * (len(shown) - 1) - _LEAST * len(shown)
    parts, position = [], 0.0
    for status in shown:
        width = _LEAST + room * summary[status] / summary["hosts"]
        parts.append({"status": status, "x": f"{position:.2f}", "width": f"{width:.2f}", "count": summary[status]})
        position += width + _GAP
    return parts


def _cell(domain: Content | None) -> dict[str, str]:
    """What the matrix shows for a domain: class, sign, and words for screen readers."""
    if domain is None:
        return {"kind": "none", "sign": "", "words": "not managed"}
    state = domain["state"]
    if state == model.DRIFTED:
        count = len(domain["values"]) + sum(not step["attended"] for step in domain["installations"])
        return {"kind": state, "sign": str(count or "!"), "words": "differ" if count != 1 else "differs"}
    signs = {model.MANUAL: "manual", model.REFUSED: "refused", model.UNREADABLE: "unreadable"}
    if state in signs:
        return {"kind": state, "sign": signs[state], "words": ""}
    return {"kind": state, "sign": "", "words": "complies" if state == model.COMPLIANT else "set by this run"}


def _scanner_nodes(content: Content) -> dict[str, list[Content]]:
    """The nodes of each cluster, by the host of its first scanner."""
    nodes = {_cluster(cluster): cluster["nodes"] for cluster in content["scanner_clusters"]}
    return {scanner["host"]: nodes.pop(_cluster(scanner), []) for scanner in content["scanners"]}


def _cluster(item: Content) -> tuple[str, str]:
    return item["sql_instance"].lower(), item["cluster"].lower()


def _scanner_drift(content: Content) -> dict[str, list[str]]:
    """What differs in the domain scanner, by host."""
    found = {}
    for host in content["hosts"]:
        if domain := host["domains"].get("scanner"):
            lines = words.differences({"message": "", "domains": {"scanner": domain}})
            found[host["name"]] = [line.removeprefix("scanner: ") for line in lines]
    return found


def _prerequisites(content: Content) -> list[dict[str, Any]]:
    """The prerequisites that hosts do not meet, with these hosts; those that block first."""
    found: dict[str, dict[str, Any]] = {}
    for host in content["hosts"]:
        for finding in host["findings"]:
            if finding["status"] == "not_stated":
                continue
            entry = found.setdefault(
                finding["id"],
                {"id": finding["id"], **content["prerequisites"][finding["id"]], "hosts": [], "blocks": 0},
            )
            entry["hosts"].append({"name": host["name"], "found": finding["found"]})
            entry["blocks"] += finding["severity"] == "blocks"
    return sorted(found.values(), key=lambda entry: (not entry["blocks"], -len(entry["hosts"]), entry["id"]))
