"""What AWX refuses: its OPTIONS (types, choices, required, lengths), and the rules behind the recorded refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from jinja2 import StrictUndefined, TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

Json = dict[str, Any]
Errors = dict[str, list[str]]
FOLDER = Path(__file__).parent
OPTIONS: Json = json.loads((FOLDER / "options.json").read_text(encoding="utf-8"))
#: Endpoints whose OPTIONS were recorded under another name
RECORDED_AS = {"inventories": "inventory"}
TYPES: dict[str, tuple[type, ...]] = {"boolean": (bool,), "integer": (int,), "string": (str,), "id": (int,)}
SURVEY_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "textarea": (str,),
    "password": (str,),
    "multiplechoice": (str,),
    "multiselect": (str,),
    "integer": (int,),
    "float": (int, float),
}
#: Fields of a node that its template has to ask for
PROMPTS = ("limit", "job_tags", "skip_tags", "job_type", "verbosity", "diff_mode", "scm_branch", "inventory", "forks")
ASKED_BY = {"job_tags": "ask_tags_on_launch"}
#: What the message of a notification may say of a job
JOB_FIELDS = {
    "id",
    "name",
    "status",
    "url",
    "artifacts",
    "host_status_counts",
    "limit",
    "playbook",
    "started",
    "finished",
}
MESSAGE_NAMES = {
    "job",
    "job_friendly_name",
    "url",
    "job_metadata",
    "approval_node_name",
    "workflow_url",
    "approval_status",
}
JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)


class World(Protocol):
    """What the stub has stored."""

    def find(self, kind: str, identity: Any) -> Json | None: ...

    def survey_of(self, identity: int) -> list[Json]: ...

    def playbooks_of(self, project: int) -> list[str]: ...


def problems(endpoint: str, data: Json, world: World) -> Errors:
    """What AWX refuses of an object; nothing if it takes it. `data` has all its fields, those of before included."""
    found = dict(_by_options(endpoint, data))
    check = CHECKS.get(endpoint)
    return found or (check(data, world) if check else {})


def _by_options(endpoint: str, data: Json) -> Iterator[tuple[str, list[str]]]:
    """Unknown fields are ignored, as AWX does it."""
    for name, field in OPTIONS[RECORDED_AS.get(endpoint, endpoint)]["POST"].items():
        value = data.get(name)
        if name not in data or value is None:
            if field.get("required"):
                yield name, ["This field is required."]
        elif field["type"] == "choice":
            if value not in [choice for choice, _label in field["choices"]]:
                if (endpoint, name) == ("credential_types", "kind"):
                    yield name, [f"Must be 'cloud' or 'net', not {value}"]
                else:
                    yield name, [f'"{value}" is not a valid choice.']
        elif field["type"] in TYPES and not isinstance(value, TYPES[field["type"]]):
            yield name, [f"A valid {field['type']} is required."]
        elif field.get("max_length") and len(value) > field["max_length"]:
            yield name, [f"Ensure this field has no more than {field['max_length']} characters."]
        elif field.get("required") and value == "":
            yield name, ["This field may not be blank."]


# ---- surveys


def survey_error(spec: Json) -> str:
    """What is wrong with a survey; empty if AWX takes it."""
    if not spec.get("spec"):
        return "'spec' doesn't contain any items."
    names: set[str] = set()
    for number, question in enumerate(spec["spec"]):
        if error := _question_error(number, question, names):
            return error
        names.add(question["variable"])
    return ""


def _question_error(number: int, question: Json, names: set[str]) -> str:
    where = f"survey question {number}"
    if question.get("type") not in SURVEY_TYPES:
        return f"'{question.get('type')}' in {where} is not one of '{', '.join(SURVEY_TYPES)}' allowed question types."
    if missing := [name for name in ("question_name", "variable", "required") if name not in question]:
        return f"'{missing[0]}' missing from {where}."
    if not isinstance(question["required"], bool):
        return f"'required' in {where} expected to be boolean."
    if question["variable"] in names:
        return f"'variable' '{question['variable']}' duplicated in {where}."
    default, kind = question.get("default", ""), question["type"]
    if default != "" and (not isinstance(default, SURVEY_TYPES[kind]) or isinstance(default, bool)):
        name = {"integer": "integer", "float": "numeric"}.get(kind, "string")
        return f"Default value {default} in {where} expected to be {name}."
    if kind in ("multiplechoice", "multiselect"):
        if not question.get("choices"):
            return f"Survey question {number} of type {kind} must specify choices."
        if default and not set(default.split("\n")) <= set(_choices(question)):
            return "Default choice must be answered from the choices listed."
    return ""


def _choices(question: Json) -> list[Any]:
    choices = question.get("choices") or []
    return choices.splitlines() if isinstance(choices, str) else list(choices)


def answer_errors(survey: list[Json], answers: Mapping[str, Any], complete: bool) -> Errors:
    """What is wrong with answers. complete: each required question has to be answered."""
    asked = {question["variable"]: question for question in survey}
    if strangers := sorted(answers.keys() - asked.keys()):
        return {
            "extra_data": [
                f"Variables {', '.join(strangers)} are not allowed on launch. Check the Prompt on Launch setting on the"
                " Job Template to include Extra Variables."
            ]
        }
    lines = []
    for name, question in asked.items():
        if name not in answers:
            if complete and question["required"]:
                lines.append(f"'{name}' value missing")
        elif error := _answer_error(question, answers[name]):
            lines.append(error)
    return {"variables_needed_to_start": lines} if lines else {}


def _answer_error(question: Json, value: Any) -> str:
    name, kind = question["variable"], question["type"]
    if kind in ("multiplechoice", "multiselect"):
        given = value if kind == "multiselect" else [value]
        odd = [item for item in given if item not in _choices(question)] if isinstance(given, list) else [given]
        return f"Value {odd[0]} for '{name}' expected to be one of {_choices(question)}." if odd else ""
    if not isinstance(value, SURVEY_TYPES[kind]) or isinstance(value, bool):
        return f"Value {value} for '{name}' expected to be {'an integer' if kind == 'integer' else 'a string'}."
    if kind == "integer" and value < question.get("min", value):
        return f"'{name}' value {value} is too small (must be at least {question['min']})."
    return ""


# ---- the rules of each endpoint


def _credential_type(data: Json, _world: World) -> Errors:
    fields = (data.get("inputs") or {}).get("fields") or []
    for field in fields:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", field["id"]):
            return {"inputs": [f"{field['id']} is an invalid variable name"]}
        if field.get("secret") and field.get("type") == "boolean":
            return {"inputs": [f"secret not allowed for boolean type ({field['id']})"]}
    injectors = data.get("injectors") or {}
    if strangers := sorted(injectors.keys() - {"file", "env", "extra_vars"}):
        reason = f"Additional properties are not allowed ('{strangers[0]}' was unexpected)"
        return {"injectors": [f"Schema validation error in relative path [] ({reason})"]}
    known = {field["id"]: "x" for field in fields} | {"tower": {"filename": "x"}}
    for kind, entries in injectors.items():
        for name, text in entries.items():
            if kind == "env" and name.startswith("ANSIBLE_"):
                reason = "may affect Ansible configuration so its use is not allowed in credentials."
                return {"injectors": [f"Environment variable {name} {reason}"]}
            try:
                JINJA.from_string(text).render(**known)
            except UndefinedError as error:
                return {"injectors": [f"{name} uses an undefined field ({error})"]}
    return {}


def _job_template(data: Json, world: World) -> Errors:
    if data.get("project") and data.get("playbook") not in world.playbooks_of(data["project"]):
        return {"playbook": ["Playbook not found for project."]}
    return {}


def _schedule(data: Json, world: World) -> Errors:
    rule = str(data["rrule"])
    wrong = []
    if "INTERVAL=" not in rule:
        wrong.append(f"INTERVAL required in rrule: {rule[rule.index('RRULE') + 1 :]}")
    start = re.search(r"DTSTART(;TZID=[^:]+)?:\d{8}T\d{6}(Z)?", rule)
    if not start or not (start[1] or start[2]):
        wrong.append("DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ.")
        reason = "A valid TZID must be provided (e.g., America/New_York)"
        wrong.append(f"rrule parsing failed validation: {reason}")
    if wrong:
        return {"rrule": wrong}
    survey = world.survey_of(data["unified_job_template"])
    return answer_errors(survey, data.get("extra_data") or {}, complete=True)


def _node(data: Json, world: World) -> Errors:
    if not data.get("unified_job_template"):
        return {}
    template = world.find("unified_job_templates", data["unified_job_template"]) or {}
    for name in PROMPTS:
        if data.get(name) not in (None, "") and not template.get(ASKED_BY.get(name, f"ask_{name}_on_launch")):
            return {name: ["Field is not allowed on launch."]}
    survey = world.survey_of(data["unified_job_template"])
    return answer_errors(survey, data.get("extra_data") or {}, complete=False)


class _Names(dict[str, Any]):
    """The fields of a job; an unknown one is an error that names it."""

    def __missing__(self, name: str) -> Any:
        raise UndefinedError(name)


def _notification(data: Json, _world: World) -> Errors:
    wrong: list[str] = []
    for event, message in _messages(data.get("messages") or {}):
        for text in message.values():
            known = dict.fromkeys(MESSAGE_NAMES, "x") | {"job": _Names.fromkeys(JOB_FIELDS, "x")}
            try:
                JINJA.from_string(str(text)).render(**known)
            except UndefinedError as error:
                field = str(error)
                wrong += [
                    f"Field '{field}' unavailable",
                    f"Webhook body for '{event}' is not valid. The following gave an error ({field}).",
                ]
            except TemplateError as error:
                wrong.append(f"Unable to render message '{text}': {error}")
    return {"messages": wrong} if wrong else {}


def _messages(messages: Json) -> Iterator[tuple[str, Json]]:
    for event, message in messages.items():
        if event == "workflow_approval":
            yield from _messages(message or {})
        elif message:
            yield event, message


CHECKS = {
    "credential_types": _credential_type,
    "job_templates": _job_template,
    "schedules": _schedule,
    "workflow_job_template_nodes": _node,
    "notification_templates": _notification,
}
