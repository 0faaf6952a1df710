# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads subscriptions and memberships from Microsoft Graph, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils import fleet, graph
from ansible_collections.infoprotect.aip.plugins.plugin_utils._checked_action import check_options
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import of_module
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import plain

Result = dict[str, Any]


class ActionModule(ActionBase):
    """Connects to no host."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """See ActionBase."""
        del tmp
        known = task_vars or {}
        result: Result = super().run(None, known)
        check_options(self._task.action, self._task.args)
        _validation, given = self.validate_argument_spec(argument_spec=of_module("protection_service_graph_info"))
        given = plain(given)
        groups = self._groups(known) if given["groups"] is None else given["groups"]
        try:
            found = graph.read(self._service(given), self._sign_in(given), given["accounts"], groups)
        except graph.GraphError as error:
            return {**result, "failed": True, "msg": f"Microsoft Graph: {error}."}
        return {**result, **found, "groups": groups}

    def _groups(self, known: Result) -> list[str]:
        """The group of the onboarding policy, where this run has read it."""
        tenant = fleet.service(known).get("tenant") if "hostvars" in known else None
        policy = tenant.get("onboarding") if isinstance(tenant, dict) else None
        group = policy.get("group") if isinstance(policy, dict) else None
        return [str(group)] if group else []

    def _service(self, given: Result) -> graph.Service:
        login, root = graph.CLOUDS[given["cloud"]]
        return graph.Service(given["login_url"] or login, given["url"] or root, given["ca_path"], given["timeout"])

    def _sign_in(self, given: Result) -> graph.SignIn:
        certificate = given["certificate"]
        texts = {name: given[name] or "" for name in ("application_id", "tenant_id", "client_secret", "access_token")}
        return graph.SignIn(**texts, certificate=self._content(certificate) if certificate else b"")

    def _content(self, file: str) -> bytes:
        """A file of the controller, which ansible-vault may have encrypted."""
        try:
            real = self._loader.get_real_file(self._find_needle("files", file))
            content = Path(real).read_bytes()
            self._loader.cleanup_tmp_file(real)
        except (AnsibleError, OSError) as error:
            raise graph.GraphError(f"certificate {file}: {error}") from error
        return content
