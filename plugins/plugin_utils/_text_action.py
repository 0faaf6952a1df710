# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Runs a module as Ansible does, once its texts were found to be texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import mistyped, of_module

Result = dict[str, Any]


class TextAction(NormalAction):
    """For modules without a controller's side of their own, with options that YAML can misread."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        check_texts(self._task.action, self._task.args)
        result: Result = super().run(tmp, task_vars)
        return result


def check_texts(module: str, arguments: Mapping[str, Any]) -> None:
    """Fail when a text among the options of a module of this collection is no text."""
    if errors := list(mistyped(of_module(module.rpartition(".")[2]), arguments)):
        raise AnsibleActionFail("\n".join(errors))
