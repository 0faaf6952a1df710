"""What the role has made of the nodes and of their database, read back with other tools than the collection's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import testinfra

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
NODES = ["scan-1", "scan-2"]


def ask(host: str, module: str, command: str = "", **options: Any) -> dict[str, Any]:
    asked = testinfra.get_host(f"ansible://{host}?ansible_inventory={quote(str(INVENTORY))}")
    return dict(asked.ansible(module, command or json.dumps(options), check=False))


@pytest.mark.parametrize("host", NODES)
def test_the_service_runs_with_its_account(host: str) -> None:
    status = ask(host, "ansible.windows.win_shell", "(Get-Service -Name MIPScanner).Status")
    assert status["stdout"].strip() == "Running"
    key = r"HKLM:\SYSTEM\CurrentControlSet\Services\MIPScanner"
    account = ask(host, "ansible.windows.win_reg_stat", path=key, name="ObjectName")
    assert account["value"] == r"CONTOSO\svc-scanner"


def test_the_nodes_share_one_database_for_discovery() -> None:
    content = ask("scan-1", "ansible.builtin.slurp", src=r"C:\windows\winfleet\shared\scanner.json")["content"]
    (database,) = json.loads(base64.b64decode(content))["servers"][r"SQL01\AIP"]["databases"].values()
    assert (len(database["nodes"]), database["updates"]) == (len(NODES), 0)
    assert (database["job"]["Enforce"], database["job"]["Schedule"]) == ("Off", "Manual")
    assert [one["Path"] for one in database["repositories"]] == [r"\\files\finance"]
