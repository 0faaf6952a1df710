"""The objects for AWX: each against its module, surveys against argument specs, and all of them applied to the stub."""

from __future__ import annotations

import copy
import importlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awx_picture
import jsonschema
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.infoprotect.aip.plugins.plugin_utils import awx_objects
from ansible_collections.infoprotect.aip.plugins.plugin_utils import variables as collection
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import DOMAINS, GROUPS, TAGS
from awx_stub import rules
from awx_stub.data import OBJECTS, PROJECT, ROOT, new_awx, playbooks

#: A blank answer asks for nothing, and there is no default to propose.
OPTIONAL = {"protection_service_force", "protection_service_log_from", "protection_service_log_to"}
Json = dict[str, Any]
Objects = dict[str, list[Json]]


def argument_spec(module: str) -> Json:
    """The argument spec that a module of awx.awx gives to its API class."""
    found = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{module}")

    class StopError(Exception):
        pass

    class Recorder:
        def __init__(self, argument_spec: Json, **_: Any) -> None:
            raise StopError(argument_spec)

    original = found.ControllerAPIModule
    found.ControllerAPIModule = Recorder
    try:
        found.main()
    except StopError as stop:
        return dict(stop.args[0])
    finally:
        found.ControllerAPIModule = original
    raise AssertionError(module)


def templates(objects: Objects) -> dict[str, Json]:
    return {item["name"]: item for item in objects["controller_templates"]}


def questions(objects: Objects) -> Iterator[tuple[str, Json]]:
    for name, template in templates(objects).items():
        for question in template["survey_spec"]["spec"]:
            yield name, question


def test_every_object_fits_its_module(objects: Objects) -> None:
    seen = set()
    for call in awx_objects.calls(objects):
        seen.add(call.module)
        result = ArgumentSpecValidator(argument_spec(call.module)).validate(call.arguments)
        assert result.error_messages == [], call.title
    assert seen == {*awx_objects.MODULES.values(), awx_objects.NODE} - {"credential"}, "credentials are the operator's"


def test_every_answer_is_a_variable_of_the_collection(objects: Objects) -> None:
    """The same type, and the same choices; AWX knows no truth values."""
    kinds = {"bool": "multiplechoice", "int": "integer", "list": "multiselect", "path": "text", "raw": "text"}
    for template, question in questions(objects):
        where = f"{template}: {question['variable']}"
        spec = collection.specs()[question["variable"]]
        choices = ["false", "true"] if spec["type"] == "bool" else spec.get("choices")
        kind = "multiplechoice" if choices and spec["type"] == "str" else kinds.get(spec["type"], "text")
        assert question["type"] == kind, where
        assert sorted(question.get("choices") or []) == sorted(choices or []), where
        assert question["required"] == (question["default"] != ""), where
        assert question["required"] or question["variable"] in OPTIONAL, where


def test_surveys_ask_what_their_playbook_knows(objects: Objects) -> None:
    """A variable that the playbook does not use would be a question without effect."""
    for name, template in templates(objects).items():
        wrapper = yaml.safe_load((PROJECT / template["playbook"]).read_text("utf-8"))
        playbook = wrapper[0]["ansible.builtin.import_playbook"].removeprefix("infoprotect.aip.")
        text = _text_of(ROOT / f"playbooks/{playbook}.yml", set())
        tags = template.get("job_tags", "").split(",")
        # the inspection reads the variables of the domains
        options = {
            variable
            for domain in DOMAINS.values()
            if "infoprotect.aip.inspect:" in text and (domain.name in tags or tags == [""])
            for variable in domain.options.values()
        }
        for question in template["survey_spec"]["spec"]:
            assert question["variable"] in text or question["variable"] in options, f"{name}: {question['variable']}"


def _text_of(path: Path, seen: set[Path]) -> str:
    """A playbook with the playbooks, task files and roles that it uses, and the Python that reads variables."""
    if path in seen or not path.exists():
        return ""
    seen.add(path)
    text = path.read_text("utf-8")
    for name in re.findall(r"(?:import_playbook|import_tasks|include_tasks): ([\w./]+\.yml)", text):
        text += _text_of(path.parent / name, seen)
    for role in re.findall(r"name: infoprotect\.aip\.(\w+)", text):
        for file in sorted((ROOT / "roles" / role).glob("**/*.yml")):
            text += file.read_text("utf-8") if "meta" in file.parts else _text_of(file, seen)
    for action in re.findall(r"infoprotect\.aip\.(\w+):", text):
        text += _text_of(ROOT / f"plugins/action/{action}.py", seen)
    return text


def test_the_project_has_every_playbook(objects: Objects) -> None:
    assert {template["playbook"] for template in objects["controller_templates"]} <= set(playbooks())
    names = {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {"awx", "selftest"}
    assert {Path(path).stem for path in playbooks()} == names


def test_the_inventory_has_every_group_and_only_known_variables() -> None:
    inventory = PROJECT / "inventory"
    made = yaml.safe_load((inventory / "aip.microsoft.ad.ldap.yml").read_text("utf-8"))["groups"]
    assert {name for name in made if not name.startswith("ring_")} == set(GROUPS)
    for path in inventory.glob("group_vars/**/*.yml"):
        assert collection.unknown_names(yaml.safe_load(path.read_text("utf-8"))) == [], path


def test_credentials_set_variables_of_the_collection() -> None:
    types = yaml.safe_load((OBJECTS / "credential_types.yml").read_text("utf-8").replace("!unsafe", ""))
    for item in types["controller_credential_types"]:
        names = set(item["injectors"].get("extra_vars", {})) - {"ansible_user", "ansible_password"}
        assert names <= collection.specs().keys(), item["name"]


def test_a_credential_for_microsoft_graph_signs_in_nowhere_else() -> None:
    """Its tenant may be a domain, which AIPService does not take, and extra variables outrank all others."""
    types = yaml.safe_load((OBJECTS / "credential_types.yml").read_text("utf-8").replace("!unsafe", ""))
    (graph,) = (item for item in types["controller_credential_types"] if item["name"] == "AIP Microsoft Graph")
    assert all(name.startswith("protection_service_graph_") for name in graph["injectors"]["extra_vars"])


def test_tags_and_limits_are_those_of_the_collection(objects: Objects) -> None:
    """A template without a limit of its own asks for all hosts."""
    for name, template in templates(objects).items():
        assert set(filter(None, template.get("job_tags", "").split(","))) <= set(TAGS), name
        assert set(filter(None, template.get("limit", "").split(":"))) <= set(GROUPS), name


def test_only_the_audit_may_be_sliced(objects: Objects) -> None:
    assert {template["job_slice_count"] for template in objects["controller_templates"]} == {1}
    assert all(not template["allow_simultaneous"] for template in objects["controller_templates"])


def test_only_one_template_of_the_workflow_writes_to_hosts(objects: Objects) -> None:
    (workflow,) = objects["controller_workflows"]
    nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
    before = [
        name for name, node in nodes.items() if node.get("unified_job_template") in ("AIP | Rollout", "AIP | Restore")
    ]
    parents = {
        name: {other for other, node in nodes.items() for link in awx_objects.LINKS if name in node.get(link, [])}
        for name in nodes
    }
    assert before == ["canary", "waves", "restore-canary", "restore-waves"]
    for name in before:
        assert all("approval_node" in nodes[parent] for parent in parents[name]), f"{name} needs an approval"
        assert nodes[name]["limit"], f"{name} needs a limit"
    assert all(
        "restore" in nodes[name]["failure_nodes"][0] for name in ("canary", "verify-canary", "waves", "verify-waves")
    )
    assert [name for name, found in parents.items() if not found] == ["sync-project"]


def test_nodes_make_an_order_or_an_error_says_why() -> None:
    workflow = {"name": "w", "organization": "o"}
    nodes = [{"identifier": "a", "success_nodes": ["b"]}, {"identifier": "b"}]
    made = list(awx_objects.calls({"controller_workflows": [{**workflow, "simplified_workflow_nodes": nodes}]}))
    assert [call.title for call in made] == ["workflow job template w", "node b of w", "node a of w"]
    for links, wrong in ((["a"], "in a circle"), (["c"], "no node c")):
        nodes[1] = {"identifier": "b", "always_nodes": links}
        with pytest.raises(awx_objects.OrderError, match=wrong):
            list(awx_objects.calls({"controller_workflows": [{**workflow, "simplified_workflow_nodes": nodes}]}))


def test_settings_are_variables_of_the_collection() -> None:
    settings = yaml.safe_load((OBJECTS / "settings.yml").read_text("utf-8"))
    assert settings.keys() == {name for name in collection.OF_PLAYBOOKS if name.startswith("aip_awx_")}
    _host, errors = collection.read("localhost", [], settings, lambda name: settings[name])
    assert errors == []


def test_the_playbook_loads_every_file() -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks/awx.yml").read_text("utf-8"))
    assert {Path(path).name for path in play["vars_files"]} == {path.name for path in OBJECTS.glob("*.yml")}
    applied = next(
        task["infoprotect.aip.awx_objects"] for task in play["tasks"] if "infoprotect.aip.awx_objects" in task
    )
    assert set(applied) - {"namespace"} == set(awx_objects.VARIABLES)


def test_apply_again_writes_nothing_and_repairs_what_is_missing(apply: Callable[..., Json], objects: Objects) -> None:
    store = new_awx()
    total = len(list(awx_objects.calls(objects)))
    first = apply(store, objects)
    assert first["changed"] and len(first["objects"]) == first["total"] == total, first
    assert len(store.objects["workflow_job_template_nodes"]) == 15
    store.requests.clear()
    second = apply(store, objects)
    assert not second["changed"] and second["objects"] == [] and store.requests, second
    assert store.writes == [], "no write request at all"
    schedule = next(iter(store.objects["schedules"].values()))
    del store.objects["schedules"][schedule["id"]]
    store.requests.clear()
    third = apply(store, objects)
    assert third["objects"] == [f"schedule {schedule['name']}"]
    assert store.writes == [("POST", "/api/v2/schedules/")], "one write"


def test_example(apply: Callable[..., Json], objects: Objects) -> None:
    """That of the module's documentation, beside the objects of the collection."""
    documentation = yaml.safe_load((ROOT / "plugins/modules/awx_objects.yml").read_text("utf-8"))
    (example,) = yaml.safe_load(documentation["EXAMPLES"])
    store = new_awx()
    apply(store, objects)
    assert not apply(store, example["infoprotect.aip.awx_objects"]).get("failed")


def test_what_awx_refuses_ends_the_task(apply: Callable[..., Json], objects: Objects) -> None:
    changed = copy.deepcopy(objects)
    changed["controller_templates"][0]["playbook"] = "infoprotect.aip.audit"
    refused = apply(new_awx(), changed)
    assert refused["failed"] and "job template AIP | Audit: Unable to create" in refused["msg"]
    assert "Playbook not found for project." in refused["msg"] and "node audit" not in str(refused["objects"])


def test_the_picture_shows_the_workflow() -> None:
    assert awx_picture.PICTURE.read_text("utf-8") == awx_picture.draw(awx_picture.DATA.read_text("utf-8")), (
        "Run .venv/bin/python tests/awx_picture.py"
    )


def test_the_rulebook_audits_one_host_and_never_rolls_out(objects: Objects) -> None:
    rulebook = yaml.safe_load((ROOT / "extensions/eda/rulebooks/aip_audit.yml").read_text("utf-8"))
    jsonschema.validate(rulebook, json.loads((rules.FOLDER / "ruleset_schema.json").read_text("utf-8")))
    (ruleset,) = rulebook
    (rule,) = ruleset["rules"]
    assert rule["throttle"] == {"once_within": "1 hour", "group_by_attributes": ["event.payload.host"]}
    (action,) = rule["actions"]
    job = action["run_job_template"]
    template = templates(objects)[job["name"]]
    assert template["playbook"] == "playbooks/audit.yml" and template["ask_limit_on_launch"]
    assert job["job_args"]["limit"] == "{{ event.payload.host }}"
    assert rules.answer_errors(template["survey_spec"]["spec"], job["job_args"]["extra_vars"], complete=True) == {}
