"""Jobs of AWX: survey answers as it sends them, and the summary that they leave."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bench.fleet_hosts import BLOCKED, COMPLYING, DRIFTED, UNREACHABLE, hosts_of, write_world

from ..ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook, reset_hosts
from ..awx_jobs import JOB, answers, artifacts, run_job

COMMANDS = Path(sys.executable).parent
#: A fleet with one host of each kind
KINDS = 13


@pytest.fixture
def statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_SHOW_CUSTOM_STATS", "1")


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statistics: None) -> Iterator[AnsiblePlaybook]:
    environment = {
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests/integration/simulated/connection_plugins"),
        "PYTHONPATH": str(ROOT / "tests"),
        "SIMULATED_BY": "bench.fleet_hosts",
        "SIMULATED_WORLD": str(tmp_path),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield AnsiblePlaybook(COMMANDS, [write_world(tmp_path, hosts_of(KINDS, mixed=True))])


def names(state: str) -> list[str]:
    return sorted(host.name for host in hosts_of(KINDS, mixed=True) if host.state == state)


def test_every_run_hands_its_summary_to_the_job(simulated: AnsiblePlaybook) -> None:
    """Also one that is blocked, and one that reaches no host. The next job of a workflow is given it."""
    blank = dict.fromkeys(answers("Audit"), "")
    audit = run_job(simulated, "Audit", given=blank, earlier={}, expect=4)
    found = artifacts(audit)
    assert found["aip_report"]["job"] == str(JOB) and found["aip_report"]["playbook"] == "audit"
    judged = {state: sorted(found["aip_report"]["names"][state]) for state in (DRIFTED, BLOCKED, UNREACHABLE)}
    assert judged == {state: names(state) for state in judged}
    assert found["aip_report"]["compliant"] == len(names(COMPLYING))
    blocked = run_job(simulated, "Rollout", given=dict.fromkeys(answers("Rollout"), ""), earlier=found, expect=None)
    assert blocked.rc != 0 and "Nothing was changed." in blocked.stdout
    assert artifacts(blocked)["aip_report"]["names"]["blocked"] == names(BLOCKED)
    assert artifacts(blocked)["aip_report"]["playbook"] == "site"
    lost = f"--limit={','.join(names(UNREACHABLE))}"
    for template in ("Report", "Plan"):
        unreachable = run_job(simulated, template, lost, given=answers(template), earlier=found, expect=4)
        assert artifacts(unreachable)["aip_report"]["unreachable"] == len(names(UNREACHABLE))
        assert all(unreachable.stats[host]["unreachable"] == 1 for host in names(UNREACHABLE))


@pytest.mark.parametrize(
    "drift", ["true", pytest.param("false", marks=pytest.mark.full), pytest.param("", marks=pytest.mark.full)]
)
def test_an_audit_fails_by_the_answer(simulated: AnsiblePlaybook, drift: str) -> None:
    limit = f"--limit={','.join(names(DRIFTED) + names(COMPLYING)[:1])}"
    given = answers("Audit", aip_audit_fail_on_drift=drift, aip_audit_fail_on_restart="")
    run_job(simulated, "Audit", limit, given=given, earlier={}, expect=2 if drift == "true" else 0)


CANARY, PILOT = "client-2016", "client-2019"
RECEIPTS = (
    r"Get-Content -Raw (Get-ChildItem C:\ProgramData\infoprotect\receipts\*.json | Sort-Object Name)[-1].FullName"
)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.hosts(CANARY, PILOT)
@pytest.mark.usefixtures("statistics")
def test_a_workflow_from_audit_to_restore(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """Audit, plan, canary, verification, waves, verification, restore; each job gets the summary of the one before."""
    reset_hosts(CANARY, PILOT)
    inventory = tmp_path / "rings.yml"
    rings = {"ring_canary": CANARY, "ring_pilot": PILOT, "ring_broad": "client-2012r2"}
    inventory.write_text(yaml.safe_dump({ring: {"hosts": {host: None}} for ring, host in rings.items()}), "utf-8")
    awx = AnsiblePlaybook(playbook.bin_folder, [*INVENTORIES, inventory])
    tags, both, canary, waves = "--tags=tls", f"--limit={CANARY},{PILOT}", "--limit=ring_canary", "--limit=ring_pilot"
    verify = answers("Audit", aip_audit_fail_on_drift="true")

    audit = run_job(awx, "Audit", both, tags, given=answers("Audit"), earlier={}, expect=0)
    summary = artifacts(audit)
    assert summary["aip_report"]["names"]["drifted"] == [CANARY, PILOT]
    plan_answers = answers("Plan", aip_waves="ring_canary,ring_pilot,ring_broad")
    plan = run_job(awx, "Plan", both, tags, "--check", given=plan_answers, earlier=summary, expect=0)
    summary = artifacts(plan)
    assert "changed" not in summary["aip_report"]["names"]
    rollout = run_job(
        awx, "Rollout", canary, tags, given=answers("Rollout", aip_waves="1,100%"), earlier=summary, expect=0
    )
    summary = artifacts(rollout)
    assert summary["aip_report"]["names"]["changed"] == [CANARY]
    run_job(awx, "Audit", canary, tags, given=verify, earlier=summary, expect=0)
    run_job(awx, "Audit", waves, tags, given=verify, earlier=summary, expect=2)
    run_job(
        awx,
        "Rollout",
        waves,
        tags,
        given=answers("Rollout", aip_waves="ring_pilot,ring_broad"),
        earlier=summary,
        expect=0,
    )
    run_job(awx, "Audit", both, tags, given=verify, earlier=summary, expect=0)
    task = {"name": "receipt", "ansible.windows.win_powershell": {"script": RECEIPTS}}
    look = awx.run([{"name": "look", "hosts": CANARY, "gather_facts": False, "tasks": [task]}])
    assert json.loads(look.task("receipt", CANARY)["output"][0])["receipt"]["job"] == str(JOB)
    blank = {**answers("Restore"), "aip_restore_receipt": "", "aip_restore_force": "", "aip_waves": ""}
    restore = run_job(awx, "Restore", canary, given=blank, earlier=summary, expect=0)
    assert restore.task("Replay the receipt", CANARY)["changed"]
    run_job(awx, "Audit", canary, tags, given=verify, earlier=summary, expect=2)


@pytest.mark.full
@pytest.mark.hosts(CANARY, "exchange-1")
@pytest.mark.usefixtures("statistics")
@pytest.mark.parametrize(
    ("template", "host"), [("Bootstrap", CANARY), ("Servers", "exchange-1"), ("Connectors", CANARY)]
)
def test_blank_answers_are_none(playbook: AnsiblePlaybook, template: str, host: str) -> None:
    given = dict.fromkeys(answers(template), "")
    run_job(playbook, template, f"--limit={host}", "--check", given=given, earlier={}, expect=0)
