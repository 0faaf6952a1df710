#!/usr/bin/env python3
"""Inventory script: the addresses of the emulated hosts when they are not those of hosts.yml.

Two fleets on one machine need two networks; `bin/fleet up` records which one it took in .cache/winfleet/network.
"""

import json
import os
import re
from pathlib import Path

state = Path(os.environ.get("WINFLEET_STATE") or Path(__file__).resolve().parents[2] / ".cache" / "winfleet")
try:
    addresses = json.loads((state / "network").read_text())["addresses"]
except (OSError, ValueError, KeyError):
    addresses = {}
# Only hosts of the hosts.yml beside this (the fleet may have others), and listed, or Ansible ignores their variables.
described = Path(__file__).with_name("hosts.yml").read_text(encoding="utf-8")
known = {
    name: {"ansible_host": address}
    for name, address in addresses.items()
    if re.search(rf"^\s+{re.escape(name)}:", described, re.MULTILINE)
}
print(json.dumps({"_meta": {"hostvars": known}, "all": {"hosts": sorted(known)}}))
