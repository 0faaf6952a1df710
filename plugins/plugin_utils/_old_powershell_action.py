# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Runs scripts on hosts where no module runs, as ansible.builtin.raw does."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible_collections.infoprotect.aip.plugins.plugin_utils.conditions import numbers_of
from ansible_collections.infoprotect.aip.plugins.plugin_utils.old_powershell import OldPowerShellError, encoded


class OldPowerShellAction(ActionBase):
    """For actions whose hosts have PowerShell 3.0 or 4.0."""

    def ask(self, script: str) -> str:
        """Run the script; return what it prints.

        Raises:
            OldPowerShellError: it ended with an error.
        """
        # Before 2.19 these connections encode each command themselves; twice would be too long for cmd.exe.
        encodes = numbers_of(__version__)[:2] < [2, 19] and self._connection.transport in ("winrm", "psrp")
        done = self._low_level_execute_command(script if encodes else encoded(script))
        if done["rc"] != 0:
            reason = str(done["stderr"] or done["stdout"]).strip()
            raise OldPowerShellError(reason or f"PowerShell ended with {done['rc']}.")
        return str(done["stdout"])
