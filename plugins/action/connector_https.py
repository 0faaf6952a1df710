# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of the module connector_https."""

from __future__ import annotations

from ansible_collections.infoprotect.aip.plugins.plugin_utils._installer_action import InstallerAction


class ActionModule(InstallerAction):
    """See InstallerAction. Only a host without the certificate gets the PFX, which is removed from it in any case."""

    needed = "pfx_needed"
    path_option = "pfx"
