# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules that run an installer need of the controller. Internal, may change in any release.

The module looks at the host first and says whether it needs the installer: only then is it brought over. When the
module says that a restart is due and the task asked for it, the host is restarted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils._checked_action import check_options
from ansible_collections.infoprotect.aip.plugins.plugin_utils._other_action import run_action
from ansible_collections.infoprotect.aip.plugins.plugin_utils.local_files import LocalFileError, find

Result = dict[str, Any]


class InstallerAction(ActionBase):
    """Runs the module of the task's name, with `src` as `path` of the host when the installer is needed there.

    Attributes:
        needed: what the module returns as true when the file is.
    """

    needed = "installer_needed"

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        self._supports_check_mode = True
        result: Result = super().run(None, task_vars)
        if self._task.async_val:
            raise AnsibleActionFail(
                "async is not supported: the file that the controller brings over has to stay until the end"
            )
        arguments = self._task.args
        check_options(self._task.action, arguments)
        module = self._module(arguments, task_vars)
        if not module.get("failed") and module.get(self.needed) and arguments.get("src"):
            source = self._source(arguments)
            if not self._task.check_mode:
                module = self._install(source, arguments, task_vars)
        if self._wants_restart(arguments, module):
            module = self._restart(arguments, module, task_vars)
        result.update(module)
        return result

    def _module(self, arguments: Result, task_vars: Result | None) -> Result:
        return self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars)

    def _source(self, arguments: Result) -> Path:
        """The installer on the controller, found and compared with its checksum before anything goes over the wire."""
        try:
            # What kind of file it is, the module tells: ansible-vault may have encrypted it.
            return find(self._find_needle, arguments["src"], str(arguments.get("checksum") or ""), installer=False)
        except LocalFileError as error:
            raise AnsibleActionFail(f"src: {error}") from error

    def _install(self, source: Path, arguments: Result, task_vars: Result | None) -> Result:
        folder = self._make_tmp_path()
        try:
            # As the module looks at the file's name, it stays.
            path = self._connection._shell.join_path(folder, source.name)
            # The host cannot open what ansible-vault has encrypted.
            self._transfer_file(self._loader.get_real_file(str(source)), path)
            return self._module({**without_source(arguments), "path": path}, task_vars)
        finally:
            self._loader.cleanup_all_tmp_files()
            self._remove_tmp_path(folder, force=True)

    def _wants_restart(self, arguments: Result, module: Result) -> bool:
        return (
            boolean(arguments.get("reboot", False), strict=False)
            # also one that an earlier run of ours has left due
            and bool(module.get("reboot_required"))
            and not module.get("failed")
        )

    def _restart(self, arguments: Result, module: Result, task_vars: Result | None) -> Result:
        if not self._task.check_mode:
            options = {
                "msg": f"Restart by Ansible, {self._task.action}",
                "reboot_timeout": arguments.get("reboot_timeout", 600),
            }
            restart = run_action(self, "ansible.windows.win_reboot", options, task_vars)
            if restart.get("failed"):
                return {
                    **module,
                    "failed": True,
                    "msg": f"the host did not come back after its restart: {restart.get('msg', '')}",
                }
        return {**module, "changed": True, "rebooted": True, "reboot_required": False}


def without_source(arguments: Result) -> Result:
    """The options for a host that has the file."""
    return {name: value for name, value in arguments.items() if name != "src"}
