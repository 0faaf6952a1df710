# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of the module protection_service_administrator."""

from __future__ import annotations

from ansible_collections.infoprotect.aip.plugins.plugin_utils._checked_action import CheckedAction


class ActionModule(CheckedAction):
    """See CheckedAction."""
