"""A survey of AWX sends an unanswered question as an empty text. Everywhere it counts as not defined."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.filter.survey import answer
from ansible_collections.infoprotect.aip.plugins.plugin_utils import variables
from jinja2 import nodes

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for pattern in (
        *("roles/*/tasks/**/*.yml", "roles/*/vars/*.yml", "roles/*/defaults/*.yml"),
        *("roles/*/templates/*.j2", "playbooks/**/*.yml"),
    )
    for path in ROOT.glob(pattern)
)
#: What playbooks give to roles themselves, or what has to be given: a blank one is refused.
NO_ANSWERS = {"aip_domains", "rms_authorization_connector", "rms_pool_in_service"}
# Required
NO_ANSWERS |= {"aip_scanner_reports_to", "irm_server_files_folder", "rms_pool_haproxy_socket"}
#: Keywords whose values are expressions without braces
CONDITIONS = {"when", "until", "failed_when", "changed_when", "that"}
ENVIRONMENT = jinja2.Environment()


def expressions(content: Any, condition: bool = False) -> Iterator[str]:
    """All texts with an expression in them, as templates."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from expressions(value, key in CONDITIONS)
    elif isinstance(content, list):
        for item in content:
            yield from expressions(item, condition)
    elif isinstance(content, str) and "{" not in content and condition:
        yield f"{{{{ {content} }}}}"
    elif isinstance(content, str) and "{" in content:
        yield content


def unguarded(text: str) -> set[str]:
    """The variables that users set and that an expression takes as they are."""
    # filters and tests of Ansible need not be known for that
    tree = ENVIRONMENT.parse(text)
    guarded = {
        id(found.node)
        for found in tree.find_all(nodes.Filter)
        if found.name == "default" and len(found.args) == 2 and getattr(found.args[1], "value", None) is True
    }
    guarded |= {
        id(found.node.node)
        for found in tree.find_all(nodes.Filter)
        if found.name == "infoprotect.aip.answer" and isinstance(found.node, nodes.Filter)
    }
    return {
        found.name
        for found in tree.find_all(nodes.Name)
        if found.name in variables.specs()
        and found.name not in NO_ANSWERS
        and id(found) not in guarded
        # the settings of the playbook that configures AWX
        and not found.name.startswith("aip_awx_")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_blank_answer_counts_as_not_defined(path: Path) -> None:
    """`variable | default(X, true)`: the second argument is for blanks. The filter answer also keeps 0 and false."""
    text = path.read_text("utf-8")
    content = text if path.suffix == ".j2" else yaml.safe_load(text)
    found = {text: names for text in expressions(content) if (names := unguarded(text))}
    assert found == {}


@pytest.mark.parametrize(
    ("value", "default", "of_type", "expected"),
    [
        ("", 3600, "", 3600),
        (None, True, "", True),
        ("false", True, "", False),
        (False, True, "", False),
        ("0", 30, "", 0),
        (0, 30, "", 0),
        ("a, b,", [], "", ["a", "b"]),
        ([], None, "list", []),
        ("", None, "list", None),
        ([{"name": "EX01$"}], None, "list", [{"name": "EX01$"}]),
    ],
)
def test_an_answer_has_the_type_of_the_default(value: Any, default: Any, of_type: str, expected: Any) -> None:
    found = answer(value, default, of_type)
    assert found == expected and type(found) is type(expected)


def test_a_default_may_be_of_a_type_of_ansible() -> None:
    class LazyList(list[Any]):
        pass

    assert answer("a,b", LazyList()) == ["a", "b"]
    assert answer("", LazyList(["c"])) == ["c"]


@pytest.mark.parametrize(("value", "default"), [("soon", 30), ("maybe", True), ({}, 30), ("x", "text")])
def test_an_answer_of_another_type_is_an_error(value: Any, default: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="expected"):
        answer(value, default)


@pytest.mark.parametrize("value", ["schannel_client, dotnet", "schannel_client,dotnet", ["schannel_client", "dotnet"]])
def test_a_list_may_be_a_text_with_commas(value: Any) -> None:
    host, errors = variables.read("h", ["aip_clients"], ["aip_tls_parts"], lambda _name: value)
    assert errors == [] and host.values["aip_tls_parts"] == ["schannel_client", "dotnet"]


def roles_of(content: Any) -> Iterator[tuple[str, str, Any]]:
    """The roles that plays and tasks run: name, entry point, rolespec_validate."""
    if isinstance(content, list):
        for item in content:
            yield from roles_of(item)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key.endswith((".import_role", ".include_role")):
                yield value["name"].split(".")[-1], value.get("tasks_from", "main"), value.get("rolespec_validate")
            elif key == "roles":
                yield from ((str(role).split(".")[-1], "main", None) for role in value)
            else:
                yield from roles_of(value)


@pytest.mark.parametrize("path", sorted(ROOT.glob("playbooks/**/*.yml")), ids=lambda path: path.name)
def test_no_argument_spec_refuses_a_blank_answer(path: Path) -> None:
    """Ansible's own check of a role knows no blank answers: the playbooks have checked the variables before."""
    for role, entry, validate in roles_of(yaml.safe_load(path.read_text("utf-8"))):
        specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text("utf-8"))
        if specs["argument_specs"].get(entry, {}).get("options"):
            assert validate is False, f"{role}, {entry}"


def set_stats() -> set[str]:
    """What playbooks hand to the jobs of AWX."""
    found: set[str] = set()
    for path in FILES:
        for line in path.read_text("utf-8").split("ansible.builtin.set_stats:")[1:]:
            found |= yaml.safe_load(line.split("\n  register")[0].split("\n  run_once")[0])["data"].keys()
    return found


def test_the_summary_of_a_job_changes_nothing_in_the_next_one() -> None:
    """A workflow gives artifacts to the next job as extra variables, which come before everything else."""
    artifacts = set_stats()
    assert artifacts == {"aip_report"} <= variables.known_names()
    for path in FILES:
        text = path.read_text("utf-8")
        assert [name for name in artifacts if f"register: {name}\n" in text or f"{{{{ {name}." in text] == []
