"""Draws the workflow of extensions/awx/objects as docs/images/awx-workflow.svg.

    .venv/bin/python tests/awx_picture.py

A test compares the picture with the data.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "extensions/awx/objects/workflows.yml"
PICTURE = ROOT / "docs/images/awx-workflow.svg"
WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 230, 52, 280, 88, 24
LINKS = {"success_nodes": "success", "failure_nodes": "failure", "always_nodes": "always"}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .limit { font-size: 11px; fill: #57606a; }
  rect { fill: #ffffff; stroke: #57606a; stroke-width: 1.5; }
  .approval { fill: #fff8c5; stroke: #9a6700; }
  .writes { fill: #ddf4ff; stroke: #0969da; }
  path { fill: none; stroke-width: 1.5; }
  .success { stroke: #1a7f37; }
  .failure { stroke: #cf222e; stroke-dasharray: 5 4; }
  .always { stroke: #57606a; }
"""


@dataclass(frozen=True)
class Place:
    """Where a node is drawn."""

    x: int
    y: int


def nodes_of(text: str) -> dict[str, dict[str, Any]]:
    (workflow,) = yaml.safe_load(text.replace("!unsafe", ""))["controller_workflows"]
    return {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}


def links_of(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the link means, and where it leads to."""
    for field, meaning in LINKS.items():
        for other in node.get(field, []):
            yield meaning, other


def places_of(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Place]:
    """Rows from the first node down. What follows a failure, and only that, has a column of its own."""
    leads_to = {name: [other for _meaning, other in links_of(node)] for name, node in nodes.items()}
    order = [*TopologicalSorter(leads_to).static_order()][::-1]
    row: dict[str, int] = dict.fromkeys(order, 0)
    column: dict[str, int] = {}
    for name in order:
        for other in leads_to[name]:
            row[other] = max(row[other], row[name] + 1)
    for name in order:
        _mark(name, max(column.values(), default=-1) + 1, nodes, column)
    return {name: Place(MARGIN + column[name] * ACROSS, MARGIN + row[name] * DOWN) for name in nodes}


def _mark(name: str, number: int, nodes: Mapping[str, Mapping[str, Any]], column: dict[str, int]) -> None:
    """The column of a node, and of all that follows it without a failure."""
    if name not in column:
        column[name] = number
        for meaning, other in links_of(nodes[name]):
            if meaning != "failure":
                _mark(other, number, nodes, column)


def draw(text: str) -> str:
    """The picture of a workflow, as SVG."""
    nodes = nodes_of(text)
    places = places_of(nodes)
    width = max(place.x for place in places.values()) + WIDTH + MARGIN
    height = max(place.y for place in places.values()) + HEIGHT + MARGIN + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"',
        f'     viewBox="0 0 {width} {height}">',
        "<title>The workflow AIP | Rollout with approvals</title>",
        f"<style>{STYLE}</style>",
        '<rect width="100%" height="100%" style="stroke: none"/>',
        *_arrows(nodes, places),
        *(line for name, node in nodes.items() for line in _box(name, node, places[name])),
        *_legend(height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _arrows(nodes: Mapping[str, Mapping[str, Any]], places: Mapping[str, Place]) -> Iterator[str]:
    for name, node in nodes.items():
        for meaning, other in links_of(node):
            start, end = places[name], places[other]
            x, y = start.x + WIDTH // 2, start.y + HEIGHT
            to_x, to_y = end.x + WIDTH // 2, end.y
            if end.x != start.x:  # from the side
                x, y = start.x + (WIDTH if end.x > start.x else 0), start.y + HEIGHT // 2
            bend = (to_y - y) // 2
            yield f'<path class="{meaning}" d="M{x} {y} C{x} {y + bend} {to_x} {to_y - bend} {to_x} {to_y - 6}"/>'
            yield f'<path class="{meaning}" style="stroke-dasharray: none" d="M{to_x - 4} {to_y - 7} l4 6 l4 -6"/>'


def _box(name: str, node: Mapping[str, Any], place: Place) -> Iterator[str]:
    approval = node.get("approval_node")
    template = node.get("unified_job_template", "")
    kind = "approval" if approval else "writes" if template in ("AIP | Rollout", "AIP | Restore") else ""
    below = (
        approval["name"]
        if approval
        else " ".join([template, f"({node['limit']})" if node.get("limit") else ""]).strip()
    )
    size = f'width="{WIDTH}" height="{HEIGHT}" rx="{26 if approval else 4}"'
    yield f'<rect class="{kind}" x="{place.x}" y="{place.y}" {size}/>'
    for text, offset, style in ((name, 21, ""), (_cut(below), 38, ' class="limit"')):
        where = f'x="{place.x + WIDTH // 2}" y="{place.y + offset}" text-anchor="middle"'
        yield f"<text{style} {where}>{html.escape(text)}</text>"


def _cut(text: str, most: int = 42) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _legend(height: int) -> Iterator[str]:
    entries: Sequence[tuple[str, str]] = (
        ("success", "success"),
        ("failure", "failure or denied"),
        ("always", "always"),
    )
    for number, (style, text) in enumerate(entries):
        x, y = MARGIN + number * 170, height - 20
        yield f'<path class="{style}" d="M{x} {y} h30"/><text x="{x + 38}" y="{y + 4}">{text}</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(DATA.read_text(encoding="utf-8")), encoding="utf-8")
    print(PICTURE)
