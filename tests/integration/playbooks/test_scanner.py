"""Scanners from nothing to discovery, again unchanged, upgraded from the client 2.x to 3.x; their scans and reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from winfleet import scanner, vendor
from winfleet.paths import state_directory

from ..ansible_runner import ROOT, AnsiblePlaybook, Json, Run, reset_hosts
from ..awx_jobs import answers, run_job
from ..secrets_watch import no_secret_shows

HOST = "client-2019"
#: Two nodes of a cluster
FIRST, SECOND = NODES = ("client-2016", HOST)
SITE = ROOT / "playbooks/site.yml"
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

pytestmark = [pytest.mark.full, pytest.mark.hosts(*NODES)]


def play(tasks: str = "main") -> Json:
    work = {"name": "scanner", "ansible.builtin.include_role": {"name": ROLE, "tasks_from": tasks}}
    return {"name": "scanner", "hosts": HOST, "gather_facts": False, "tasks": [work]}


def database() -> Json:
    content = json.loads((state_directory() / "shared/scanner.json").read_text())
    found: Json = content["servers"][scanner.SERVER]["databases"]["AIPScannerUL_EU"]
    return found


def versions() -> tuple[Json, Json]:
    """The variables for the client 2.x, and for its upgrade to 3.x."""
    packages = vendor.packages()
    first = {**WANTED, "aip_client_src": str(packages["AzInfoProtection_UL-2.18.26.msi"])}
    second = {
        **WANTED,
        "aip_client_product": "purview",
        "aip_client_version": "3.1.310",
        "aip_client_src": str(packages["PurviewInfoProtection-3.1.310.msi"]),
    }
    return first, second


def test_a_scanner_from_nothing_to_an_upgrade(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    first, second = versions()

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


Cluster = Callable[..., Run]


@pytest.fixture(scope="module")
def cluster(playbook: AnsiblePlaybook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes of one cluster, brought there by the playbook site. Called, it runs a playbook for them."""
    inventory = tmp_path_factory.mktemp("cluster") / "hosts.yml"
    groups = {"aip_scanners": {"hosts": dict.fromkeys(NODES), "vars": WANTED}}
    inventory.write_text(json.dumps(groups), encoding="utf-8")
    where = f"--inventory={inventory}", "--limit=aip_scanners"

    def run(what: Path | str, variables: Json, *arguments: str, expect: int | None = 0) -> Run:
        with no_secret_shows(HOST, PASSWORD, SECRET):
            if isinstance(what, Path):
                return playbook.run(what, *where, *arguments, extra_vars=variables, expect=expect)
            return run_job(playbook, what, *where, *arguments, given=variables, earlier={}, expect=expect)

    reset_hosts(*NODES)
    try:
        # one at a time, but a cluster has its turn together
        done = run(SITE, {**versions()[0], "aip_waves": "1"})
        changes = {node: [f"{one['action']} {one['product']}" for one in actions_of(done, node)] for node in NODES}
        assert "install scanner" in changes[FIRST] and r"add repository \\files\finance" in changes[FIRST]
        own = ["install scanner", "authenticate scanner", "set online configuration", "start service"]
        assert changes[SECOND] == own
        yield run
    finally:
        reset_hosts(*NODES)
        scanner.forget(state_directory())
        scanner.prepare(state_directory())


def actions_of(run: Run, node: str) -> list[Json]:
    return list(run.task(SET_UP, node)["actions"])


def test_a_scan_is_a_job_with_the_answers_of_its_survey(cluster: Cluster) -> None:
    def job(*arguments: str, **other: str | int) -> Run:
        given = answers("Scan", aip_scanner_scan_timeout=60, **other)
        run = cluster("Scan", given, *arguments)
        assert run.module_runs(SECOND) == [], "one node of the cluster has the task"
        return run

    start = "infoprotect.aip.aip_scanner : Start or stop a scan"
    assert job("--check", aip_scanner_scan_wait="true").task(start, FIRST)["changed"]
    assert database()["scan"] is None
    done = job(aip_scanner_scan_wait="true").task(start, FIRST)
    assert (done["changed"], done["status_before"], done["scanner"]["status"]) == (True, "idle", "idle")
    begun = database()["scan"]["start"]
    stopped = job(aip_scanner_scan="stopped").task(start, FIRST)
    assert (stopped["changed"], database()["scan"]["start"]) == (False, begun)
    assert job(aip_scanner_scan_reset="true").task(start, FIRST)["changed"]
    assert database()["scan"]["start"] > begun


def test_a_cluster_is_upgraded_with_one_update_of_its_database(cluster: Cluster) -> None:
    first, second = versions()
    again = cluster(SITE, {**first, "aip_scanner_service_account_password": "", "aip_scanner_client_secret": ""})
    assert {node: (again.stats[node]["changed"], len(again.module_runs(node))) for node in NODES} == dict.fromkeys(
        NODES, (0, 1)
    )
    before = database()
    assert not before["updates"] and len(before["repositories"]) == 1

    upgraded = cluster(SITE, {**second, "aip_scanner_stop_scan": True})
    after = database()
    assert (after["schema"], after["updates"]) == (3, 1)
    assert (after["job"], after["repositories"]) == (before["job"], before["repositories"])
    assert [node["online"] for node in after["nodes"].values()] == [True, True]
    assert {upgraded.task(SET_UP, node)["scanner"]["service"]["name"] for node in NODES} == {"MIPScanner"}
    assert "update database" not in [f"{one['action']} {one['product']}" for one in actions_of(upgraded, SECOND)]
    again = cluster(SITE, second)
    assert [again.stats[node]["changed"] for node in NODES] == [0, 0]
