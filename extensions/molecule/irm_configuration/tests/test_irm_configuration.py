"""What the roles have made of the organization and the farm, read back with other tools than the collection's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
CONNECTOR = "https://rmsconnector.contoso.test"
LOCATION = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com/_wmcs/licensing"


def shared(name: str, what: str) -> dict[str, Any]:
    """What the servers of the organization or of the farm share."""
    host = testinfra.get_host(f"ansible://{name}?ansible_inventory={quote(str(INVENTORY))}")
    options = json.dumps({"src": rf"C:\windows\winfleet\shared\{what}.json"})
    content = host.ansible("ansible.builtin.slurp", options, check=False)["content"]
    return dict(json.loads(base64.b64decode(content)))


def test_the_organization_was_configured_once_and_tested() -> None:
    organization = shared("irm-exchange-2016", "organization")
    assert organization["calls"] == [
        f"LicensingLocation={LOCATION}",
        "InternalLicensingEnabled=True",
        "Test Sender=admin@contoso.test",
    ]
    assert organization["sessions"] == []


def test_the_farm_uses_the_connector() -> None:
    farm = shared("irm-sharepoint-2016", "farm")
    assert (farm["IrmRMSEnabled"], farm["IrmRMSCertServer"]) == (True, CONNECTOR)
