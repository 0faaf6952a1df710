# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Asks a connector for the URL of its tenant, as servers that use it do."""

from __future__ import annotations

from .addresses import HIDDEN, has_account
from .irm_server import AddressError, tenant_url

try:
    import requests
    from requests_ntlm import HttpNtlmAuth
except ImportError:
    MISSING = True
else:
    MISSING = False

PAGE = "/_wmcs/GetRmsoUri.aspx"
#: Characters of the answer that are read; it is one URL.
MOST = 1000


class TenantError(Exception):
    """The connector does not tell; the message says why."""


def ask(connector: str, username: str, password: str, ca_path: str | None = None, timeout: float = 30) -> str:
    """Return the URL of the tenant.

    connector: its URL, without a path.
    username, password: of an account of the domain, for NTLM.
    ca_path: a file with certificates of authorities; None for those that the controller trusts.
    timeout: seconds.

    Raises:
        TenantError: there was no answer, or another one than a connector gives.
    """
    if MISSING:
        raise TenantError("connector_tenant needs the Python package requests-ntlm on the controller")
    if has_account(connector):
        raise TenantError(
            f"the address of a connector is {HIDDEN}: expected one such as https://rmsconnector.contoso.com"
        )
    page = connector.rstrip("/") + PAGE
    try:
        answer = requests.get(
            page,
            auth=HttpNtlmAuth(username, password),
            verify=ca_path or True,
            timeout=timeout,
            # an address of the own network, which is no proxy's matter
            proxies={"http": "", "https": "", "all": ""},
            # another host must get neither the account's NTLM answer nor a say in who the tenant is
            allow_redirects=False,
        )
        answer.raise_for_status()
    except requests.RequestException as error:
        raise TenantError(f"{page}: {error}") from error
    if answer.is_redirect:
        raise TenantError(
            f"{page}: redirects to {answer.headers['Location'][:200]!r}, expected the connector's own answer."
            " Use the URL of the connector itself"
        )
    found = answer.text[:MOST].strip().strip("\ufeff")
    try:
        tenant = tenant_url("the answer", found)
    except AddressError as error:
        raise TenantError(f"{page}: expected the URL of the tenant as plain text, found {found[:100]!r}") from error
    if not tenant.startswith("https://"):
        raise TenantError(f"{page}: expected an https URL of the tenant, found {found[:100]!r}")
    return tenant
