"""What the servers of an Exchange organization and of a SharePoint farm share: their settings for IRM.

A fleet has one organization and one farm. Each is a JSON file beside the directory and the tenant (directory.py), which
the stand-ins of their cmdlets (doubles/modules/Winfleet.Exchange, Winfleet.SharePoint) use.
"""

from __future__ import annotations

from pathlib import Path

from winfleet.directory import Json, opened

ORGANIZATION = "organization"
FARM = "farm"
#: Defaults of a new organization as Set-IRMConfiguration documents them, and what a test changes.
NEW_ORGANIZATION: Json = {
    "irm": {
        "InternalLicensingEnabled": False,
        "ExternalLicensingEnabled": False,
        "ClientAccessServerEnabled": True,
        "SearchEnabled": True,
        "JournalReportDecryptionEnabled": True,
        "EDiscoverySuperUserEnabled": True,
        "TransportDecryptionSetting": "Optional",
        "ServiceLocation": None,
        "PublishingLocation": None,
        "LicensingLocation": [],
    },
    # members of Organization Management, by the names of the domain's accounts
    "administrators": ["Administrator"],
    "mailboxes": ["admin@contoso.test", "user@contoso.test", "administrator@contoso.com"],
    # whether the connector lets the organization's servers in
    "authorized": True,
    # management sessions that IIS has not ended
    "sessions": [],
    # what was set, in its order
    "calls": [],
}
#: A farm whose database is on its own server; on another one, a session of WinRM does not reach it.
NEW_FARM: Json = {
    "IrmRMSEnabled": False,
    "IrmRMSUseAD": False,
    "IrmRMSCertServer": "",
    "IrmSubscriptionScopeSettingsEnabled": False,
    "database": "local",
}
_NEW = {ORGANIZATION: NEW_ORGANIZATION, FARM: NEW_FARM}


def prepare(state: Path) -> None:
    """Have both; what is there stays as it is."""
    for name, new in _NEW.items():
        with opened(state, name, new):
            pass


def forget(state: Path) -> None:
    """They are new again at the next start."""
    for name in _NEW:
        (state / "shared" / f"{name}.json").unlink(missing_ok=True)
