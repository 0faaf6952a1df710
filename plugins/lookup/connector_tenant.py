# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tenant's URL, asked from the connector."""

from __future__ import annotations

DOCUMENTATION = r"""
name: connector_tenant
author: infoprotect.aip maintainers (@infoprotect)
version_added: 1.0.0
short_description: Ask a Rights Management connector for the URL of its tenant
description:
  - Asks the connector, from the controller, for the URL of the tenant's Azure Rights Management service
    (C(/_wmcs/GetRmsoUri.aspx)), as Microsoft's script C(GenConnectorConfig.ps1) does from a server.
  - The connector wants Windows authentication (NTLM).
options:
  _terms:
    description: The URL of the connector, without a path.
    type: list
    elements: str
    required: true
  username:
    description: An account of the domain, as C(DOMAIN\name) or C(name@domain).
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  ca_path:
    description: A file with certificates of authorities, where the controller does not trust the connector's.
    type: path
  timeout:
    description: After how many seconds to give up.
    type: int
    default: 30
requirements:
  - requests-ntlm on the controller, which pywinrm brings along
notes:
  - An account that is not authorized in the connector may leave an event 2001 on the host that answers.
seealso:
  - module: infoprotect.aip.irm_server
"""

EXAMPLES = r"""
- name: Keep the tenant's URL
  ansible.builtin.set_fact:
    irm_server_tenant_url: >-
      {{ lookup('infoprotect.aip.connector_tenant', 'https://rmsconnector.contoso.com',
                username='CONTOSO\\reader', password=reader_password) }}
  run_once: true
"""

RETURN = r"""
_raw:
  description: For each connector the URL of its tenant.
  type: list
  elements: str
  sample: ['https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com']
"""

import functools
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.infoprotect.aip.plugins.plugin_utils.tenant import TenantError, ask

#: One process works out the items of a loop, one after the other.
ask_once = functools.cache(ask)


class LookupModule(LookupBase):
    """Asks each connector."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        account = {name: self.get_option(name) for name in ("username", "password", "ca_path", "timeout")}
        try:
            return [ask_once(str(term), **account) for term in terms]
        except TenantError as error:
            raise AnsibleLookupError(str(error)) from error
