"""docs/traceability.yml: what the documents ask for, and what covers it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.infoprotect.aip.plugins.plugin_utils.catalogue import CATALOGUE
from ansible_collections.infoprotect.aip.plugins.plugin_utils.variables import specs
from traceability_page import COVERED, KINDS, PAGE, Row, page, rows

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ROOT.parent / "shared/documents"
GUIDES = ROOT / "docs/docsite/rst"
ROWS = rows()
KNOWN = {
    "requirement": {requirement.id for requirement in CATALOGUE},
    "variable": set(specs()),
    "module": {path.stem for path in (ROOT / "plugins/modules").glob("*.yml")},
    "role": {path.name for path in (ROOT / "roles").iterdir()},
    "guide": {path.stem for path in GUIDES.glob("*.rst")},
}
assert set(KNOWN) == set(KINDS)
EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def normal(text: str) -> str:
    """Without line ends and marks of reStructuredText."""
    return " ".join(text.replace("``", "").replace("**", "").split())


def test_the_page_is_made_of_the_data() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(ROWS), "run python3 tests/traceability_page.py"


def test_every_document_has_rows() -> None:
    assert {row.document for row in ROWS} == {path.name for path in DOCUMENTS.glob("*.md")}
    assert len({row.id for row in ROWS}) == len(ROWS)


@EACH
def test_the_section_is_a_heading_of_the_document(row: Row) -> None:
    text = (DOCUMENTS / row.document).read_text(encoding="utf-8")
    assert row.section in re.findall(r"^#+ (.*?)\s*$", text, re.MULTILINE)


@EACH
def test_what_covers_a_row_exists(row: Row) -> None:
    _meaning, kinds = COVERED[row.covered]
    assert row.asks.strip()
    assert [f"{kind} {name}" for kind, name in row.by if name not in KNOWN[kind]] == []
    assert not kinds or kinds & {kind for kind, _name in row.by}, f"expected one of {', '.join(sorted(kinds))}"
    assert kinds or (row.note and not row.by), "expected the reason, and nothing that covers it"
    if row.covered == "stated":
        statements = {requirement.id for requirement in CATALOGUE if requirement.statement}
        assert statements & {name for kind, name in row.by if kind == "requirement"}


@EACH
def test_a_guide_says_what_it_is_named_for(row: Row) -> None:
    guides = [name for kind, name in row.by if kind == "guide"]
    assert bool(row.says) == (row.covered == "explained")
    if row.says:
        texts = [normal((GUIDES / f"{name}.rst").read_text(encoding="utf-8")) for name in guides]
        assert any(normal(row.says).lower() in text.lower() for text in texts)


@pytest.mark.parametrize("requirement", [requirement.id for requirement in CATALOGUE])
def test_every_requirement_has_a_row(requirement: str) -> None:
    assert any(("requirement", requirement) in row.by for row in ROWS)
