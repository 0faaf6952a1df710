# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a variable says that may come from a survey of AWX: text, a list as text, or nothing."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import NOTHING
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.variables import listed

TYPES = {"bool": boolean, "int": int, "list": listed}


def answer(value: Any, default: Any, of_type: str = "") -> Any:
    """The value in the type of the default, which takes the place of a blank one; answer.yml says more."""
    given, default = plain(value), plain(default)
    if isinstance(given, (str, type(None))) and given in NOTHING:
        return default
    name = str(of_type or type(default).__name__)
    if name not in TYPES:
        raise AnsibleFilterError(f"The type is {name}: expected one of {', '.join(TYPES)}")
    try:
        return TYPES[name](given)
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"{given!r}: expected a value of type {name}") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(answer)
