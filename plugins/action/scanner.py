# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of the module scanner."""

from __future__ import annotations

import base64
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.infoprotect.aip.plugins.plugin_utils import scanner_file
from ansible_collections.infoprotect.aip.plugins.plugin_utils._checked_action import CheckedAction
from ansible_collections.infoprotect.aip.plugins.plugin_utils.local_files import LocalFileError

Result = dict[str, Any]


class ActionModule(CheckedAction):
    """See CheckedAction. The module gets the content of the file that the portal has exported among its options."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        try:
            file = scanner_file.exported(self._find_needle, self._task.args)
        except LocalFileError as error:
            raise AnsibleActionFail(f"configuration_file: {error}") from error
        given = self._task.args
        if file:
            content, checksum = file
            added = {"configuration_checksum": checksum, "configuration_content": base64.b64encode(content).decode()}
            self._task.args = {**given, **added}
        try:
            result: Result = super().run(tmp, task_vars)
        finally:
            self._task.args = given
        # Registered results and events of AWX keep the module's options, and this one has up to 1.3 MB.
        (result.get("invocation") or {}).get("module_args", {}).pop("configuration_content", None)
        return result
