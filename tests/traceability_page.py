"""Writes docs/traceability.md, for people, of docs/traceability.yml.

python3 tests/traceability_page.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATA, PAGE = ROOT / "docs/traceability.yml", ROOT / "docs/traceability.md"
#: What can cover a row
KINDS = ("requirement", "module", "role", "variable", "guide")
#: covered -> what it means, and the kinds of which one has to be named
COVERED: dict[str, tuple[str, set[str]]] = {
    "measured": ("compared with the facts of each host, before any change", {"requirement", "module"}),
    "applied": ("set or installed by the collection", {"module", "role", "variable"}),
    "stated": ("an operator states it, with name, date and expiry", {"requirement"}),
    "explained": ("a guide says it", {"guide"}),
    "open": ("not covered yet", set()),
    "out of scope": ("not covered, and the note says why", set()),
}


@dataclass(frozen=True)
class Row:
    """A requirement or a fact of a document.

    Attributes:
        by: what covers it: kind and name.
        says: words of a guide that say it.
        note: what is not covered, or why.
    """

    id: str
    document: str
    section: str
    asks: str
    covered: str
    by: tuple[tuple[str, str], ...] = ()
    says: str = ""
    note: str = ""


def rows() -> list[Row]:
    content = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    found = []
    for document, entries in content.items():
        for entry in entries:
            by = tuple((kind, name) for kind, _space, name in (one.partition(" ") for one in entry.pop("by", ())))
            found.append(Row(document=document, by=by, **entry))
    return found


def page(found: Iterable[Row]) -> str:
    """The table for people."""
    everything = list(found)
    counts = Counter(row.covered for row in everything)
    lines = [
        "# Traceability",
        "",
        "What Microsoft's five documents ask for, and how the collection covers it. `tests/traceability_page.py`",
        "makes this page of `traceability.yml`, and `tests/unit/test_traceability.py` verifies that everything named",
        "here exists.",
        "",
        "| Covered | Rows | Meaning |",
        "|---|--:|---|",
        *(f"| {name} | {counts[name]} | {meaning} |" for name, (meaning, _kinds) in COVERED.items()),
    ]
    for document in dict.fromkeys(row.document for row in everything):
        lines += [
            "",
            f"## {document}",
            "",
            "| # | Section | What it asks for | Covered | By |",
            "|---|---|---|---|---|",
        ]
        for row in everything:
            if row.document == document:
                lines.append(f"| {row.id} | {row.section} | {_cell(row.asks)} | {row.covered} | {_cell(_by(row))} |")
    return "\n".join(lines) + "\n"


def _by(row: Row) -> str:
    named = []
    for kind in KINDS:
        names = [name for one, name in row.by if one == kind]
        links = [f"[{name}](docsite/rst/{name}.rst)" if kind == "guide" else f"`{name}`" for name in names]
        if names:
            named.append(f"{kind if len(names) == 1 or kind == 'guide' else kind + 's'} {', '.join(links)}")
    return ". ".join(filter(None, ["; ".join(named), row.note.rstrip(".")]))


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(page(rows()), encoding="utf-8")
