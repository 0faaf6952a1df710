# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the report of a fleet, on the controller."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils import assessment, requirements
from ansible_collections.infoprotect.aip.plugins.plugin_utils.awx_job import awx_job
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import difference, files, model, terminal
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report.inputs import from_inspections
from ansible_collections.infoprotect.aip.plugins.plugin_utils.variables import listed
from jinja2.exceptions import TemplateError

Result = dict[str, Any]
COLLECTION = Path(__file__).parents[2]
#: What a run knows of its hosts. A saved file may have it as well.
INPUTS = ("inspections", "plan", "applied", "unreachable")


class ActionModule(ActionBase):
    """Makes report.json of what the run knows, and every other format of report.json."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        result: Result = super().run(None, task_vars)
        arguments: Result = {
            **{name: {"type": "dict"} for name in INPUTS},
            "src": {"type": "path"},
            "dir": {"type": "path", "default": "aip-report"},
            "formats": {
                "type": "list",
                "elements": "str",
                "choices": list(files.FORMATS),
                "default": list(files.FORMATS),
            },
            "playbook": {"type": "str", "default": ""},
        }
        if "formats" in self._task.args:
            self._task.args["formats"] = listed(self._task.args["formats"])
        _validation, given = self.validate_argument_spec(
            argument_spec=arguments,
            mutually_exclusive=[("src", name) for name in INPUTS],
            required_one_of=[("src", "inspections")],
        )
        given = requirements.plain(given)
        folder = Path(given["dir"]).absolute()
        warnings: list[str] = []
        try:
            content = self._content(given, folder, warnings, task_vars or {})
            written = files.save(_rendered(content, given), folder)
        except model.ReportError as error:
            raise AnsibleActionFail(str(error)) from error
        if warnings:
            result["warnings"] = warnings
        return {
            **result,
            "changed": False,
            "files": written,
            "lines": _lines(content, given),
            "details": terminal.details(content),
            "summary": terminal.artifact(content),
        }

    def _content(self, given: Result, folder: Path, warnings: list[str], task_vars: Result) -> Result:
        known = {name: given[name] or {} for name in INPUTS}
        if given["src"]:
            saved = files.read(Path(given["src"]))
            if saved.get("kind"):
                return model.check(saved)
            if not isinstance(saved.get("inspections"), dict):
                raise model.ReportError(
                    f"{given['src']} has no inspections: expected a report.json, or a file with them"
                )
            known = {name: saved.get(name) or {} for name in INPUTS}
        if damaged := [name for name, value in known.items() if not isinstance(value, dict)]:
            raise model.ReportError(f"{given['src']} has no dictionary in {', '.join(damaged)}")
        known["inspections"] = assessment.with_tenant(known["inspections"], known["plan"])
        report = from_inspections(
            **known,
            now=datetime.datetime.now(datetime.UTC),
            requirements={
                one.id: {"text": one.text, "statement": one.statement} for one in requirements.load().requirements
            },
            run=model.Run(given["playbook"], bool(self._task.check_mode), _version(), awx_job(task_vars)),
        )
        earlier = folder / files.FORMATS["json"][0]
        if earlier.exists():
            try:
                report = difference.since(report, files.read(earlier))
            except model.ReportError as error:
                warnings.append(f"The report is not compared with the previous one: {error}")
        return report.as_dict()


def _lines(content: Result, given: Result) -> list[str]:
    """The fleet, or what became of a run that has shown its plan before."""
    turns = (given["plan"] or {}).get("turns")
    if given["playbook"] != "site" or not isinstance(turns, list):
        return terminal.table(content)
    return terminal.outcome(content, turns)


def _rendered(content: Result, given: Result) -> dict[str, tuple[str, str]]:
    if not given["src"]:
        return files.render(content, given["formats"])
    try:
        return files.render(content, given["formats"])
    except (LookupError, TypeError, AttributeError, ValueError, TemplateError) as error:
        raise model.ReportError(f"{given['src']} is damaged ({type(error).__name__}: {error})") from error


def _version() -> str:
    """The version of the collection: a checkout has it in galaxy.yml, an installed collection in MANIFEST.json."""
    manifest = COLLECTION / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return str(yaml_load((COLLECTION / "galaxy.yml").read_text(encoding="utf-8"))["version"])
