# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The report of infoprotect.aip.selftest: JSON, and Markdown for an issue."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

HOLDS, FAILS, SKIPPED = "holds", "fails", "skipped"
#: In this order they are shown, and counted in these words.
VERDICTS = {FAILS: "fail", HOLDS: "hold", SKIPPED: "skipped"}
#: Text of a cell of the table
LONGEST = 300
#: An account of a domain or of the host; the well-known ones have other numbers.
ACCOUNT = re.compile(r"S-1-5-21-[0-9-]+")
CHARACTERS = "\"'\\/<>&\t\r\n\u00e9\u2028\U0001f600"
STEP = {"action": "install", "product": "client", "before": None, "after": "3.1"}
#: What _SelfTest.psm1 returns in `shapes`, by the id of the check. An unpaired surrogate may arrive as anything.
SHAPES: dict[str, dict[str, Any]] = {
    "json_lists": {"no_step": [], "one_step": [STEP], "no_text": [], "one_text": ["one"]},
    "json_numbers": {"nothing": None, "truth": True, "dword": 2**32 - 1, "qword": 2**64 - 1},
    "json_texts": {"date": "2026-01-02T03:04:05Z", "characters": CHARACTERS, "long": "x" * 70000},
    "json_unpaired": {"unpaired": re.compile("a.+b", re.DOTALL)},
}
EXPECTED = {
    "json_lists": "A list of none and of one element arrives as a list.",
    "json_numbers": "Null, a truth value and the largest numbers arrive as they are.",
    "json_texts": "Dates, special characters and long texts arrive as they are.",
    "json_unpaired": "An unpaired surrogate does not damage the text around it.",
}


class MalformedError(Exception):
    """It is no result of infoprotect.aip.selftest."""


@dataclass(frozen=True)
class Check:
    """One assumption on one host. `found` is None where it was skipped, `reason` elsewhere."""

    id: str
    verdict: str
    expected: str
    found: str | None
    reason: str | None

    @classmethod
    def of(cls, item: Any) -> Check:
        """Read one of the module's checks.

        Raises:
            MalformedError: it is none.
        """
        texts = [item.get(field.name) for field in fields(cls)] if isinstance(item, Mapping) else [None]
        if not all(isinstance(text, str) for text in texts[:3]) or texts[1] not in VERDICTS:
            raise MalformedError("a check has no id, verdict or expectation")
        if not all(text is None or isinstance(text, str) for text in texts[3:]):
            raise MalformedError("a check has something else than text")
        return cls(*texts)

    @property
    def shown(self) -> str:
        """What was found, or why nothing was."""
        return self.reason or self.found or ""

    def masked(self, mask: Mask) -> Check:
        """The same, without names."""
        return replace(self, found=self.found and mask(self.found), reason=self.reason and mask(self.reason))


def json_checks(shapes: Mapping[str, Any]) -> list[Check]:
    """Compare what arrived with what the module gave."""
    checks = []
    for name, members in SHAPES.items():
        lost = [member for member, want in members.items() if not _arrived(shapes, member, want)]
        wrong = [f"{member}: {_short(shapes.get(member))}" for member in lost]
        verdict = FAILS if wrong else HOLDS
        checks.append(Check(name, verdict, EXPECTED[name], "; ".join(wrong) or "all arrived", None))
    return checks


def _arrived(shapes: Mapping[str, Any], member: str, want: Any) -> bool:
    if member not in shapes:
        return False
    have = shapes[member]
    if isinstance(want, re.Pattern):
        return isinstance(have, str) and want.fullmatch(have) is not None
    # True equals 1, and a list of Ansible is not a list to type()
    return bool(have == want) and isinstance(have, bool) == isinstance(want, bool)


def _short(data: Any) -> str:
    text = json.dumps(data, default=str)
    return text if len(text) < 60 else f"{text[:60]}... ({len(text)} characters)"


class Mask:
    """Replaces the names of a host and the accounts of its domain; when off, nothing."""

    def __init__(self, names: Sequence[str], *, off: bool = False) -> None:
        known = sorted({re.escape(name) for name in names if name}, key=len, reverse=True)
        self._names = re.compile(rf"(?<!\w)(?:{'|'.join(known)})(?!\w)", re.IGNORECASE) if known else None
        self._off = off

    def __call__(self, text: str) -> str:
        if self._off:
            return text
        if self._names:
            text = self._names.sub("HOST", text)
        return ACCOUNT.sub("S-1-5-21-MASKED", text)


def report(
    result: Mapping[str, Any], about: Mapping[str, Any], names: Sequence[str], show_names: bool
) -> dict[str, Any]:
    """Build the report: `summary` and `failed` (lines), `json` and `markdown` (files).

    Args:
        about: further rows of its head, such as the version of Ansible.
        names: further names of the host to mask.

    Raises:
        MalformedError: it is no result of the module.
    """
    host, shapes = result.get("host"), result.get("shapes")
    if not isinstance(host, Mapping) or not isinstance(host.get("os"), Mapping) or not isinstance(shapes, Mapping):
        raise MalformedError("it has no host or no shapes")
    if not all(isinstance(items, list) for items in (result.get("checks"), result.get("left"), host.get("names"))):
        raise MalformedError("it has no checks, no list of what is left, or no names to mask")
    checks = [Check.of(item) for item in result["checks"]] + json_checks(shapes)
    mask = Mask([str(name) for name in [*host["names"], *names]], off=show_names)
    shown = [check.masked(mask) for check in checks]
    left = [mask(str(text)) for text in result["left"]]
    head = {"Collection": version()} | {str(name): mask(str(value)) for name, value in about.items()} | _host_rows(host)
    if show_names:
        head["Host"] = ", ".join(str(name) for name in host["names"])
    counts = Counter(check.verdict for check in shown)
    summary = ", ".join(f"{counts[verdict]} {word}" for verdict, word in VERDICTS.items())
    return {
        "summary": summary,
        "failed": [f"{check.id}: {check.expected} Found: {check.shown}" for check in shown if check.verdict == FAILS],
        "json": json.dumps({"about": head, "checks": [asdict(check) for check in shown], "left": left}, indent=2),
        "markdown": _markdown(head, summary, shown, left),
    }


def _host_rows(host: Mapping[str, Any]) -> dict[str, str]:
    system = host["os"]
    parts = ("name", "version", "installation_type", "architecture")
    return {
        "Windows": ", ".join(str(system.get(part)) for part in parts),
        "PowerShell": str(host.get("powershell")),
        ".NET Framework": str(host.get("dotnet")),
        "Language": str(host.get("language")),
        "Administrator": "yes" if host.get("administrator") else "no",
    }


def version() -> str:
    """The version of the collection, of an installed one or of a checkout."""
    root = Path(__file__).resolve().parents[2]
    manifest = root / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return f"{yaml_load((root / 'galaxy.yml').read_text(encoding='utf-8'))['version']} (checkout)"


def _markdown(head: Mapping[str, str], summary: str, checks: Sequence[Check], left: Sequence[str]) -> str:
    order = list(VERDICTS)
    lines = ["## infoprotect.aip.selftest", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in head.items()]
    lines += ["", f"{summary}.", "", "| Id | Verdict | Expected | Found, or why it was skipped |", "|---|---|---|---|"]
    lines += [
        f"| {_cell(check.id)} | {check.verdict} | {_cell(check.expected)} | {_cell(check.shown)} |"
        for check in sorted(checks, key=lambda check: order.index(check.verdict))
    ]
    if left:
        lines += ["", "Left on the host:", "", *(f"- {_cell(text)}" for text in left)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text of a host as a cell of a table: code, in which nothing is markup."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    visible = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in " ".join(short.split()))
    quoted = visible.replace("`", "'").replace("|", "\\|")
    return f"`{quoted}`" if quoted else ""
