# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of the module connector_https."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.infoprotect.aip.plugins.plugin_utils._installer_action import InstallerAction, without_source

Result = dict[str, Any]
#: Bytes. A PFX has a few thousand, and it travels within the module's options.
LARGEST = 1_000_000


class ActionModule(InstallerAction):
    """See InstallerAction. A host without the certificate gets the PFX as an option of the module.

    A private key that no file holds cannot stay anywhere when the run is killed: neither on the controller, decrypted,
    nor in the temporary folder of the host.
    """

    needed = "pfx_needed"

    def _install(self, source: Path, arguments: Result, task_vars: Result | None) -> Result:
        size = source.stat().st_size
        if not 0 < size <= LARGEST:
            raise AnsibleActionFail(f"src {source} has {size} bytes: expected a PFX file, with 1 to {LARGEST} bytes")
        try:
            # The loader has no other way to decrypt without a temporary file.
            content, _plain = self._loader._get_file_contents(str(source))
        except AnsibleError as error:
            raise AnsibleActionFail(f"src {source} cannot be read: {error}") from error
        options = {**without_source(arguments), "pfx_content": base64.b64encode(content).decode("ascii")}
        return self._module(options, task_vars)
