#!/usr/bin/env python3
"""Inventory script: the addresses of the emulated hosts when they are not those of hosts.yml.

Two fleets on one machine need two networks; `bin/fleet up` records which one it took in .cache/winfleet/network.
"""

import json
import os
from pathlib import Path

state = Path(os.environ.get("WINFLEET_STATE") or Path(__file__).resolve().parents[2] / ".cache" / "winfleet")
try:
    addresses = json.loads((state / "network").read_text())["addresses"]
except (OSError, ValueError, KeyError):
    addresses = {}
# Hosts are named by hosts.yml alone, which Ansible reads before this: what is not in there is left out.
print(json.dumps({"_meta": {"hostvars": {name: {"ansible_host": address} for name, address in addresses.items()}}}))
