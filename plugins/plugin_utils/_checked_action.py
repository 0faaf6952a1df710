# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Runs a module as Ansible does, once the controller has checked its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import mistyped, of_module

Result = dict[str, Any]


class CheckedAction(NormalAction):
    """For modules with secrets, or with options that YAML can misread, and without a controller's side of their own."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        check_options(self._task.action, self._task.args)
        result: Result = super().run(tmp, task_vars)
        return result


def check_options(module: str, arguments: Mapping[str, Any]) -> None:
    """Fail when a module of this collection would refuse its options.

    A module that refuses one returns all of them. ansible-core hides the secrets among them only where it came so far
    that it knew them, and never sensitive registry data. So a module gets no options that it refuses.
    """
    spec = of_module(module.rpartition(".")[2])
    errors = list(mistyped(spec, arguments))
    # Of wrong types the validator can make nothing.
    if not errors:
        # ansible-core adds arguments of its own, which are there when a task is tried again.
        given = {name: value for name, value in arguments.items() if not str(name).startswith("_ansible_")}
        checked = ArgumentSpecValidator(spec).validate(_given(given))
        errors = [
            f"Unsupported parameters: {error.msg}" if isinstance(error, UnsupportedError) else error.msg
            for error in checked.errors
        ]
    if errors:
        raise AnsibleActionFail("\n".join(errors))


def _given(value: Any) -> Any:
    """Options without those that are null, which a module takes for not given."""
    if isinstance(value, Mapping):
        return {str(name): _given(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_given(item) for item in value]
    return value
