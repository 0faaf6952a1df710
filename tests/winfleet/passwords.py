"""The passwords of a fleet's accounts: random, in a file of its state that only its owner can read.

`inventories/emulated/network.py` gives them to Ansible, under the names of these variables.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

FILE = "passwords.json"
ADMINISTRATOR = "winfleet_password"  #: also of ansible_user, and of the domain's accounts
READER = "winfleet_reader_password"


def prepare(state: Path) -> dict[str, str]:
    """Return the passwords, by variable; make them when the fleet is new. The caller holds the fleet's lock."""
    if not (state / FILE).exists():
        draft = (state / FILE).with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump({name: f"W{secrets.token_urlsafe(18)}" for name in (ADMINISTRATOR, READER)}, stream)
        draft.rename(state / FILE)
    return read(state)


def read(state: Path) -> dict[str, str]:
    """Return the passwords of a fleet that has been up, by variable."""
    found: dict[str, str] = json.loads((state / FILE).read_text())
    return found
