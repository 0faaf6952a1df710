"""Playbooks and roles wire, they do not compute: short expressions, no statements, no facts that are worked out.

What is decided is decided in plugins/, in Python that has types and tests.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, nodes

from .tools import ROOT, project_files

#: Characters of an expression, with each run of blanks as one
LONGEST = 120
#: Lines of playbooks/site.yml
SITE = 80
#: Keywords whose values are expressions without braces
CONDITIONS = {"when", "that", "failed_when", "changed_when", "until"}
SET_FACT = ("ansible.builtin.set_fact", "set_fact")
#: file: what it may do -> why. At most 3.
EXCEPTIONS = {
    ("playbooks/haproxy/in_service.yml", "set_fact"): (
        "An example to copy for another load balancer: a hook returns its answer as the fact rms_pool_in_service."
    ),
}
ENVIRONMENT = Environment(autoescape=False)


class Loader(yaml.SafeLoader):
    """Reads the tags that Ansible has, as plain values."""


Loader.add_multi_constructor("!", lambda _loader, _suffix, node: getattr(node, "value", ""))


def yaml_files() -> list[Path]:
    """The YAML of playbooks and roles, but for what only describes: meta has no expressions."""
    return [
        path
        for path in project_files("playbooks/*.yml", "roles/*.yml")
        if path.parent.name != "meta" and path.relative_to(ROOT).parts[0] in ("playbooks", "roles")
    ]


def scalars(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text, with the keyword that it belongs to."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from scalars(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from scalars(item, key)
    elif isinstance(value, str):
        yield key, value


def facts(value: Any) -> Iterator[str]:
    """The texts that set_fact makes facts of."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in SET_FACT:
                yield from (text for _key, text in scalars(item))
            else:
                yield from facts(item)
    elif isinstance(value, list):
        for item in value:
            yield from facts(item)


def expressions(key: str, text: str) -> list[str]:
    """The expressions in a text. A statement ({% %}) is one that begins with %."""
    if key in CONDITIONS and "{{" not in text:
        text = "{{ " + text + " }}"
    found: list[str] = []
    parts: list[str] = []
    for _line, token, value in ENVIRONMENT.lex(text):
        if token in ("variable_begin", "block_begin"):
            parts = ["%"] if token == "block_begin" else []
        elif token in ("variable_end", "block_end"):
            found.append(" ".join("".join(parts).split()))
        elif token != "data":
            parts.append(value)
    return found


def computes(text: str) -> bool:
    """Whether a value is more than a text or one variable."""
    outputs = [node for output in ENVIRONMENT.parse(text).find_all(nodes.Output) for node in output.nodes]
    if all(isinstance(node, nodes.TemplateData) for node in outputs):
        return False
    return len(outputs) != 1 or not _reads(outputs[0])


def _reads(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Const) and _reads(node.node)
    return isinstance(node, nodes.Name) or (isinstance(node, nodes.Getattr) and _reads(node.node))


def problems(content: Any) -> list[tuple[str, str]]:
    """What a file does that belongs into Python: its kind, and the text."""
    found = []
    for key, text in scalars(content):
        for expression in expressions(key, text):
            if expression.startswith("%"):
                found.append(("statement", expression))
            elif len(expression) > LONGEST:
                found.append(("length", f"{len(expression)} characters: {expression}"))
    found += [("set_fact", text) for text in facts(content) if computes(text)]
    return found


def of_project() -> dict[tuple[str, str], list[str]]:
    """The problems of all files, by file and kind."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in yaml_files():
        for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader):
            for kind, text in problems(document):
                found.setdefault((path.relative_to(ROOT).as_posix(), kind), []).append(text)
    return found


def test_yaml_does_not_compute() -> None:
    assert yaml_files(), "no YAML found"
    found = of_project()
    wrong = [f"{file} ({kind}): {text}" for (file, kind), texts in found.items() for text in texts]
    allowed = [line for line in wrong if any(line.startswith(f"{file} ({kind})") for file, kind in EXCEPTIONS)]
    assert [line for line in wrong if line not in allowed] == []
    assert set(EXCEPTIONS) <= set(found), "an exception that nothing needs any more"
    assert len(EXCEPTIONS) <= 3 and all(reason.endswith(".") for reason in EXCEPTIONS.values())


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        ({"msg": "{{ a | default('') }}"}, []),
        ({"msg": "{{ " + "a" * 121 + " }}"}, ["length"]),
        ({"msg": "{{ a |\n        b }}" + "x" * 200}, []),
        ({"msg": "{{ {'a': {'b': " + "1" * 120 + "}} }}"}, ["length"]),
        ({"when": ["a " * 61]}, ["length"]),
        ({"when": "a is defined"}, []),
        ({"block": [{"vars": {"x": "{%- if a -%}b{%- endif -%}"}}]}, ["statement", "statement"]),
        ([{"ansible.builtin.set_fact": {"x": "{{ a.b['c'][0] }}", "y": "text"}}], []),
        ([{"ansible.builtin.set_fact": {"x": "{{ a | first }}"}}], ["set_fact"]),
        ([{"block": [{"set_fact": {"x": "{{ a + 1 }}"}}]}], ["set_fact"]),
        ([{"set_fact": {"x": "{{ a }}{{ b }}"}}], ["set_fact"]),
        ([{"set_fact": {"x": ["{{ a is defined }}"]}}], ["set_fact"]),
    ],
)
def test_the_gate_finds_what_computes(content: Any, kinds: list[str]) -> None:
    assert [kind for kind, _text in problems(content)] == kinds


def test_site_is_read_in_a_minute() -> None:
    assert len((ROOT / "playbooks/site.yml").read_text(encoding="utf-8").splitlines()) <= SITE


def group_names() -> tuple[str, ...]:
    """The names as domains.py has them."""
    file = ROOT / "plugins/plugin_utils/domains.py"
    spec = importlib.util.spec_from_file_location("domains_of_gate", file)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.GROUPS)


def test_the_names_of_groups_stand_in_one_place() -> None:
    """Defaults of a role may name a group: a user reads them. The backend of HAProxy has a name of its own."""
    names = group_names()
    strangers = []
    for path in project_files("plugins/*.py"):
        if path.name != "domains.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            strangers += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and node.value in names
            ]
    for path in yaml_files():
        if path.parent.name not in ("defaults", "haproxy"):
            content = list(yaml.load_all(path.read_text(encoding="utf-8"), Loader))
            for _key, text in scalars(content):
                strangers += [f"{path.relative_to(ROOT)}: {name}" for name in names if name in text]
    assert strangers == []
