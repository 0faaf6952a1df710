# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The options of the modules, and texts among them that YAML has read as something else.

Ansible would turn these into another text without a word. 3.10 is the number 3.1, 0123 the number 83, no is false, and
a thumbprint of digits is a number too large for JSON. Only the controller knows the type: a module is given the text.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.infoprotect.aip.plugins.doc_fragments.windows import ModuleDocFragment

MODULES = Path(__file__).parents[1] / "modules"
FRAGMENTS = "infoprotect.aip.windows"
#: The options with no_log in the spec of a module, which documentation cannot express
SECRETS = frozenset(
    {
        "access_token",
        "client_secret",
        "password",
        "pfx_content",
        "pfx_password",
        "proxy_password",
        "service_account_password",
        "share_password",
        "url_password",
    }
)
TEXTS = ("str", "path")


@functools.cache
def of_module(name: str) -> dict[str, Any]:
    """The options that a module documents, also by fragments, as an argument spec."""
    content = yaml_load((MODULES / f"{name}.yml").read_text(encoding="utf-8"))["DOCUMENTATION"]
    documented: dict[str, Any] = {**content.get("options", {})}
    for fragment in content.get("extends_documentation_fragment", []):
        part = fragment.removeprefix(FRAGMENTS).lstrip(".").upper() or "DOCUMENTATION"
        documented |= yaml_load(getattr(ModuleDocFragment, part)).get("options") or {}
    return _spec(documented)


def _spec(documented: Mapping[str, Any]) -> dict[str, Any]:
    specs: dict[str, Any] = {}
    for name, option in documented.items():
        specs[name] = {
            key: option[key] for key in ("type", "elements", "choices", "default", "required") if key in option
        }
        specs[name]["no_log"] = name in SECRETS
        if "suboptions" in option:
            specs[name]["options"] = _spec(option["suboptions"])
    return specs


def mistyped(specs: Mapping[str, Any], values: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """An error for each text among the options that is no text, also within lists and dictionaries.

    What has choices is left to them: a wrong text is none of the choices.
    """
    for name, spec in specs.items():
        value = values.get(name)
        if value is None:
            continue
        path = f"{place}{name}"
        items = value if isinstance(value, (list, tuple)) else [value]
        if nested := spec.get("options"):
            for item in items:
                if isinstance(item, Mapping):
                    yield from mistyped(nested, item, f"{path}.")
                elif not isinstance(item, str):
                    yield f"{path} has a value that is no dictionary: expected options and their values"
        elif not spec.get("choices"):
            texts = [value] if spec.get("type", "str") in TEXTS else items if spec.get("elements") in TEXTS else []
            yield from (_error(path, text, bool(spec.get("no_log"))) for text in texts if _is_other(text))


def _is_other(value: Any) -> bool:
    # not everything that is no str: encrypted texts are of a type of their own
    return isinstance(value, (bool, int, float, datetime.date, list, tuple, Mapping))


def _error(path: str, value: Any, hidden: bool) -> str:
    if isinstance(value, Mapping):
        return f"{path} is a dictionary: expected text"
    if isinstance(value, (list, tuple)):
        return f"{path} is a list: expected text"
    if isinstance(value, bool):
        what, why = "a truth value", "YAML reads yes, no, on and off as true and false"
    elif isinstance(value, datetime.date):
        what, why = "a date", "YAML reads 2026-11-30 as a date"
    else:
        what, why = "a number", "YAML reads 3.10 as 3.1 and 0123 as 83"
    shown = "" if hidden else f" ({str(value).lower() if isinstance(value, bool) else value})"
    return f"{path} is {what}{shown}: expected text. Quote it, since {why}"
