"""selftest.yml on one emulated host: what holds there, what it cannot show, and that nothing of it is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..ansible_runner import ROOT, AnsiblePlaybook, Run
from ..registry_export import Registry, export_task, exported

HOST = "client-2019"
SELFTEST = ROOT / "playbooks/selftest.yml"
SURE = "Make sure that one host is meant"
#: On the emulated host
HOLD = {
    *("own_folder", "registry_values", "registry_time", "receipt_restore", "boot_time", "job_object", "domain_role"),
    *("task_result", "open_file", "json_lists", "json_numbers", "json_texts", "json_unpaired"),
}
#: Neither has the host what they are about, nor can it make a certificate or a link; its account is an administrator.
SKIPPED = {
    *("msi_state", "connector_name", "client_telemetry", "exchange_setup", "internal_database", "sql_instances"),
    *("domain_account", "policy_owner", "ssl_entries", "pfx_error", "private_key", "update_packages", "open_link"),
}
LOOK = r"""
schtasks.exe /query /fo csv /nh
(Get-ChildItem -Recurse -Force -LiteralPath C:\ProgramData).FullName
reg.exe query HKLM\SOFTWARE
reg.exe query HKLM\SOFTWARE\WOW6432Node
"""
CERTIFICATES = r"HKLM\SOFTWARE\Microsoft\SystemCertificates"
pytestmark = pytest.mark.hosts(HOST, "client-2016")


def look(playbook: AnsiblePlaybook) -> tuple[list[str], Registry]:
    """Tasks, files, keys and certificates, by programs of Windows."""
    tasks = [{"name": "look", "ansible.windows.win_powershell": {"script": LOOK}}, export_task("keys", CERTIFICATES)]
    run = playbook.run([{"name": "look", "hosts": HOST, "gather_facts": False, "tasks": tasks}])
    return sorted(run.task("look", HOST)["output"]), exported(run.task("keys", HOST))


@pytest.mark.parametrize("arguments", [(), ("--limit=client-2019:client-2016",)], ids=["no limit", "two hosts"])
def test_it_runs_on_one_host_that_was_named(playbook: AnsiblePlaybook, arguments: tuple[str, ...]) -> None:
    run = playbook.run(SELFTEST, *arguments, expect=2)
    assert {task for task, _host, _result in run.results} == {SURE}
    message = run.results[0][2]["msg"]
    assert message.startswith("Nothing was checked.") and "Name one with --limit HOST" in message


def test_selftest_twice(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    before = look(playbook)
    folder = {"aip_selftest_folder": str(tmp_path)}

    def run(*arguments: str, **variables: str) -> Run:
        done = playbook.run(SELFTEST, *arguments, extra_vars=folder | variables)
        assert len(done.module_runs(HOST)) == 1 and list(done.stats) == [HOST]
        return done

    check = run(f"--limit={HOST}", "--check")
    assert not list(tmp_path.iterdir()), "check mode writes no report either"
    assert look(playbook) == before
    for done in (run(f"--limit={HOST}"), run(aip_selftest_host=HOST)):
        result = done.task("Check the host", HOST)
        assert not result["changed"] and result["left"] == []
        report = json.loads((tmp_path / "aip-selftest.json").read_text(encoding="utf-8"))
        verdicts = {item["id"]: item["verdict"] for item in report["checks"]}
        assert {name for name, verdict in verdicts.items() if verdict == "holds"} == HOLD, report
        assert {name for name, verdict in verdicts.items() if verdict == "skipped"} == SKIPPED
        text = (tmp_path / "aip-selftest.md").read_text(encoding="utf-8")
        assert f"0 fail, {len(HOLD)} hold, {len(SKIPPED)} skipped." in text
        for name in (HOST, "contoso"):
            assert name not in (text + json.dumps(report)).lower()
    assert look(playbook) == before
    skipped = [item["id"] for item in check.task("Check the host", HOST)["checks"] if item["verdict"] == "skipped"]
    assert {"own_folder", "task_result", *SKIPPED} - {"json_lists"} <= set(skipped)
