# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Addresses that a user writes, in which there may be a password."""

from __future__ import annotations

import re

#: The same as in module_utils/_Address.psm1, where it is explained
ACCOUNT = re.compile(r"://[^/?#]*(?:@|:[^0-9/?#][^@]*@)|^(?![\\/]|[A-Za-z]:[\\/]|[A-Za-z][\w+.-]*://).*:.*@", re.DOTALL)
HIDDEN = "one with a name or password in it"


def has_account(address: str) -> bool:
    """Whether there is a name or password in an address."""
    # A match ends with an @. Without the rest, the expression takes linear time.
    return bool(ACCOUNT.search(address[: address.rfind("@") + 1]))


def shown(address: str) -> str:
    """An address as an error repeats it: not one with a name or password in it."""
    return HIDDEN if has_account(address) else repr(address)
