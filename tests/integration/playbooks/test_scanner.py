"""A scanner from nothing to discovery, again unchanged, upgraded from the client 2.x to 3.x, and its reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from winfleet import scanner, vendor
from winfleet.paths import state_directory

from ..ansible_runner import AnsiblePlaybook, Json, Run, reset_hosts
from ..secrets_watch import no_secret_shows

HOST = "client-2019"
ROLE = "infoprotect.aip.aip_scanner"
SET_UP, RELEASE = (
    f"infoprotect.aip.aip_apply : {name}"
    for name in ("Set up the scanner", "Stop the scanner, or remove its service with a client of another line")
)
PASSWORD, SECRET = (
    scanner.NEW["accounts"][r"CONTOSO\svc-scanner"],
    scanner.NEW["applications"][scanner.APPLICATION]["secret"],
)
WANTED: Json = {
    "aip_client_product": "unified_labeling",
    "aip_scanner_cluster": "EU",
    "aip_scanner_sql_instance": scanner.SERVER,
    "aip_scanner_service_account": r"CONTOSO\svc-scanner",
    "aip_scanner_service_account_password": PASSWORD,
    "aip_scanner_application_id": scanner.APPLICATION,
    "aip_scanner_client_secret": SECRET,
    "aip_scanner_tenant_id": scanner.TENANT_ID,
    "aip_scanner_delegated_user": "scanner@contoso.test",
    "aip_scanner_configuration": "offline",
    "aip_scanner_enforce": False,
    "aip_scanner_repositories": [{"path": r"\\files\finance"}],
    # an emulated host has what the machine has
    "aip_scanner_evaluation": True,
}

pytestmark = [pytest.mark.full, pytest.mark.hosts(HOST)]


def play(tasks: str = "main") -> Json:
    work = {"name": "scanner", "ansible.builtin.include_role": {"name": ROLE, "tasks_from": tasks}}
    return {"name": "scanner", "hosts": HOST, "gather_facts": False, "tasks": [work]}


def database() -> Json:
    content = json.loads((state_directory() / "shared/scanner.json").read_text())
    found: Json = content["servers"][scanner.SERVER]["databases"]["AIPScannerUL_EU"]
    return found


def test_a_scanner_from_nothing_to_an_upgrade(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    packages = vendor.packages()
    first = {**WANTED, "aip_client_src": str(packages["AzInfoProtection_UL-2.18.26.msi"])}
    second = {
        **WANTED,
        "aip_client_product": "purview",
        "aip_client_version": "3.1.310",
        "aip_client_src": str(packages["PurviewInfoProtection-3.1.310.msi"]),
    }

    def run(variables: Json, *arguments: str, tasks: str = "main", expect: int = 0) -> Run:
        with no_secret_shows(HOST, PASSWORD, SECRET):
            return playbook.run([play(tasks)], *arguments, extra_vars=variables, expect=expect)

    try:
        predicted = run(first, "--check")
        assert predicted.task(SET_UP, HOST)["changed"]
        refused = run({**first, "aip_client_powershell_only": True}, expect=2)
        assert "The scanner needs the full client" in refused.stdout and len(refused.module_runs(HOST)) == 1

        done = run(first)
        assert done.task(SET_UP, HOST)["scanner"]["service"]["name"] == "AIPScanner"
        assert database()["job"]["Enforce"] == "Off"
        again = run({**first, "aip_scanner_service_account_password": "", "aip_scanner_client_secret": ""})
        assert again.stats[HOST]["changed"] == 0 and len(again.module_runs(HOST)) == 1

        run({"aip_scanner_scan_wait": True, "aip_scanner_scan_timeout": 60}, tasks="scan")
        reports = tmp_path / "reports"
        folder = state_directory() / f"hosts/{HOST}/prefix/drive_c/reports"
        folder.mkdir()
        (folder / "Summary_1.txt").write_text("one")
        run({"aip_scanner_reports_to": str(reports), "aip_scanner_reports_from": r"C:\reports"}, tasks="reports")
        assert (reports / HOST / "Summary_1.txt").read_text() == "one"

        upgraded = run(second)
        assert upgraded.task(RELEASE, HOST)["changed"]
        assert upgraded.task(SET_UP, HOST)["scanner"]["service"]["name"] == "MIPScanner"
        assert database()["schema"] == 3 and len(database()["repositories"]) == 1
        again = run(second)
        assert again.stats[HOST]["changed"] == 0 and len(again.module_runs(HOST)) == 1
    finally:
        reset_hosts(HOST)
        scanner.forget(state_directory())
        scanner.prepare(state_directory())
