# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The variables of the collection's roles, as their argument specs describe them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

ROLES = Path(__file__).parents[2] / "roles"


@functools.cache
def described_by(role: str) -> dict[str, Any]:
    """The options of a role's main entry point, by their names; an OSError when there is no such role."""
    content = yaml_load((ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, Any] = content["argument_specs"].get("main", {}).get("options", {})
    return options


def prepare() -> None:
    """Read all of them ahead. What the controller has done, the processes that it forks find done."""
    for spec in ROLES.glob("*/meta/argument_specs.yml"):
        described_by(spec.parents[1].name)
