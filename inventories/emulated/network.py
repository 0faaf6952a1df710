#!/usr/bin/env python3
"""Inventory script: the addresses of the emulated hosts when they are not those of hosts.yml, and their passwords.

Two fleets on one machine need two networks and have two passwords. `bin/fleet up` records in .cache/winfleet which
network it took (network) and the passwords (passwords.json).
"""

import contextlib
import json
import os
import re
from pathlib import Path

state = Path(os.environ.get("WINFLEET_STATE") or Path(__file__).resolve().parents[2] / ".cache" / "winfleet")
addresses = {}
# Also before a fleet has been up: plays on localhost fail where a variable of the group all is undefined.
passwords = {"winfleet_password": "", "winfleet_reader_password": ""}
with contextlib.suppress(OSError, ValueError, KeyError):
    addresses = json.loads((state / "network").read_text())["addresses"]
with contextlib.suppress(OSError, ValueError):
    passwords = json.loads((state / "passwords.json").read_text())
# Only hosts of the hosts.yml beside this (the fleet may have others), and listed, or Ansible ignores their variables.
described = Path(__file__).with_name("hosts.yml").read_text(encoding="utf-8")
known = {
    name: {"ansible_host": address}
    for name, address in addresses.items()
    if re.search(rf"^\s+{re.escape(name)}:", described, re.MULTILINE)
}
print(json.dumps({"_meta": {"hostvars": known}, "all": {"hosts": sorted(known), "vars": passwords}}))
