# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Texts that YAML has read as something else, which Ansible would turn into another text without a word.

3.10 is the number 3.1, 0123 the number 83, no is false, and a thumbprint of digits is a number too large for JSON.
Only the controller knows the type: a module is given the text.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

MODULES = Path(__file__).parents[1] / "modules"


@functools.cache
def of_module(name: str) -> dict[str, Any]:
    """The options that a module's own documentation describes, without those of fragments."""
    content = yaml_load((MODULES / f"{name}.yml").read_text(encoding="utf-8"))
    options: dict[str, Any] = content["DOCUMENTATION"]["options"]
    return options


def mistyped(specs: Mapping[str, Any], values: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """An error for each text among the options that is no text, also within lists and dictionaries.

    What has choices is left to them: a wrong text is none of the choices.
    """
    for name, spec in specs.items():
        value = values.get(name)
        path = f"{place}{name}"
        kind = spec.get("type", "str")
        nested = spec.get("suboptions") or spec.get("options")
        items = value if isinstance(value, (list, tuple)) else [value]
        if nested:
            for item in items:
                if isinstance(item, Mapping):
                    yield from mistyped(nested, item, f"{path}.")
        elif not spec.get("choices") and (kind in ("str", "path") or spec.get("elements") in ("str", "path")):
            yield from (_error(path, item, bool(spec.get("no_log"))) for item in items if _is_other(item))


def _is_other(value: Any) -> bool:
    # not everything that is no str: encrypted texts are of a type of their own
    return isinstance(value, (bool, int, float, datetime.date))


def _error(path: str, value: Any, hidden: bool) -> str:
    if isinstance(value, bool):
        what, why = "a truth value", "YAML reads yes, no, on and off as true and false"
    elif isinstance(value, datetime.date):
        what, why = "a date", "YAML reads 2026-11-30 as a date"
    else:
        what, why = "a number", "YAML reads 3.10 as 3.1 and 0123 as 83"
    shown = "" if hidden else f" ({str(value).lower() if isinstance(value, bool) else value})"
    return f"{path} is {what}{shown}: expected text. Quote it, since {why}"
