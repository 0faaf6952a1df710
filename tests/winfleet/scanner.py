"""What the hosts with a scanner share: SQL Servers, accounts that run services, applications in Microsoft Entra ID.

A JSON file beside the directory and the tenant (directory.py), which the stand-ins of the scanner's cmdlets
(doubles/modules/Winfleet.Scanner) and of System.Data.SqlClient (agent/Sql) use.
"""

from __future__ import annotations

from pathlib import Path

from winfleet.directory import Json, opened

SCANNER = "scanner"
APPLICATION = "77c3c1c3-abf9-404e-8b2b-4652836c8c66"
TENANT_ID = "0b4b5b3e-2f6c-4f0d-9a55-3b8b3b6c1f10"
SERVER = r"SQL01\AIP"
#: Throwaway passwords of accounts that exist nowhere else
NEW: Json = {
    "accounts": {r"CONTOSO\svc-scanner": "Winfleet!scanner", r"CONTOSO\svc-other": "Winfleet!other"},
    "applications": {APPLICATION: {"tenant": TENANT_ID, "secret": "Winfleet!application"}},
    "tokens": {},
    # How long one scan takes, and how long scanners take to hear that they have to stop
    "scan_seconds": 2,
    "stop_seconds": 0,
    "servers": {
        SERVER: {
            "reachable": True,
            "version": "13.0.5026.0",
            "edition": "Standard Edition (64-bit)",
            "collation": "SQL_Latin1_General_CP1_CI_AS",
            # by login; * is anybody else
            "logins": {"*": {"sysadmin": True}},
            "databases": {},
        }
    },
}


def prepare(state: Path) -> None:
    """Have the servers; what is there stays as it is."""
    with opened(state, SCANNER, NEW):
        pass


def forget(state: Path) -> None:
    """They are new again at the next start."""
    (state / "shared" / f"{SCANNER}.json").unlink(missing_ok=True)
