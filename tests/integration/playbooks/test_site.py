"""site.yml, audit.yml and restore.yml on the whole fleet: what each run costs, says and leaves behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..ansible_runner import ROOT, AnsiblePlaybook, reset_hosts
from ..installed_clients import expected, list_task, listed
from ..registry_export import Registry, export_task, exported

CLIENT_TAGS = "client,client_settings"
SITE = ROOT / "playbooks/site.yml"
AUDIT = ROOT / "playbooks/audit.yml"
RESTORE = ROOT / "playbooks/restore.yml"
HOSTS = ["client-2012r2", "client-2016", "client-2019", "connector-1", "connector-2", "exchange-1"]
CLIENTS = HOSTS[:3]
CONNECTORS = HOSTS[3:5]
PROXY_KEY = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP"
PROTOCOLS = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
LOOK = "infoprotect.aip.aip_apply : Inspect the host"
DOTNET = "infoprotect.aip.aip_apply : Install .NET Framework for the client"
CLIENT = "infoprotect.aip.aip_apply : Install or remove the client"
APPLY = "infoprotect.aip.aip_apply : Apply the settings"
CONNECTOR_DOTNET = "infoprotect.aip.aip_apply : Install .NET Framework for the connector"
CONNECTOR = "infoprotect.aip.aip_apply : Install or remove the connector"
REMEMBER = "infoprotect.aip.aip_apply : Keep the URL on the host"
SHOWN = "infoprotect.aip.aip_apply : Show the manual step at the host"
BACK = "infoprotect.aip.rms_pool : Inspect the host for a connector"
TAKE, RETURNING, END = (
    f"infoprotect.aip.rms_pool : {task}"
    for task in ("Take the member's lease", "Record that it returns to service", "End the turn")
)
CHECK_RESTART, CHECK_SETUP = (
    f"infoprotect.aip.aip_apply : Verify that this run still has the lease before it {what}"
    for what in ("restarts the host or installs .NET Framework", "runs the setup")
)

pytestmark = pytest.mark.hosts(*HOSTS)


@pytest.fixture(scope="module", autouse=True)
def new_hosts(fleet: None) -> None:
    """Every host is new; a test that changes some leaves them new."""
    reset_hosts(*HOSTS)


@pytest.fixture
def new_afterwards() -> Iterator[None]:
    yield
    reset_hosts(*HOSTS)


def fleet(*arguments: str) -> None:
    subprocess.run([str(ROOT / "bin/fleet"), *arguments], check=True)


def registry(playbook: AnsiblePlaybook) -> dict[str, Registry]:
    """What reg.exe exports of the managed keys, host by host."""
    look = {
        "name": "look",
        "hosts": HOSTS,
        "gather_facts": False,
        "tasks": [export_task("export", PROXY_KEY, PROTOCOLS)],
    }
    run = playbook.run([look])
    return {host: exported(run.task("export", host)) for host in HOSTS}


def installed_clients(playbook: AnsiblePlaybook) -> dict[str, dict[str, str]]:
    """The clients in the list of installed programs, host by host."""
    run = playbook.run([{"name": "list", "hosts": CLIENTS, "gather_facts": False, "tasks": [list_task("list")]}])
    return {host: listed(run.task("list", host)) for host in CLIENTS}


@pytest.mark.usefixtures("new_afterwards")
def test_site_audit_restore(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    before = registry(playbook)
    check = playbook.run(SITE, "--check", "--diff")
    assert registry(playbook) == before, "site.yml --check wrote something"
    drift = playbook.run(AUDIT, extra_vars={"aip_audit_fail_on_drift": True}, expect=2)
    assert all(drift.stats[host]["failures"] == 1 for host in HOSTS), "every host differs and has to say so"
    assert all(drift.stats[host]["changed"] == 0 for host in HOSTS)
    assert registry(playbook) == before, "audit.yml wrote something"

    first = playbook.run(SITE, extra_vars={"aip_report_dir": str(tmp_path)})
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {host["name"] for host in report["hosts"]} == set(HOSTS)
    receipts = {change["host"]: change["receipt"] for change in report["changes"] if change["receipt"]}
    assert set(receipts) == set(HOSTS) and all("desired_state.json" in path for path in receipts.values())
    shown = first.task("Show the report", "client-2012r2")["msg"]
    assert str(tmp_path / "report.html") in shown
    # the plan has named all hosts, so the end has only those that are not done
    undone = {line.split()[0] for line in shown if line.split()[0] in HOSTS}
    pending = {host["name"] for host in report["hosts"] if host["status"] != "compliant" or host["restart"]["pending"]}
    assert undone == pending and any(f"{len(HOSTS)} hosts changed" in line for line in shown)
    for host in CONNECTORS:
        steps = first.task(SHOWN, host)["msg"]
        assert any("RMSConnectorSetup.exe" in step for step in steps), "what to do at the host"
        fleet("sign-in", host)
    fleet("authorize", "--all", r"exchange=CONTOSO\Exchange Servers")
    verified = playbook.run(SITE, f"--limit={','.join(CONNECTORS)}")
    second = playbook.run(SITE)
    after = registry(playbook)
    installs = {
        "client-2012r2": [DOTNET, CLIENT],
        "connector-1": [CONNECTOR_DOTNET, CONNECTOR, REMEMBER],
        "connector-2": [CONNECTOR, REMEMBER],
    }
    for host in HOSTS:
        # what is installed comes between the look and the settings
        installed = installs.get(host, [CLIENT] if host in CLIENTS else [])
        assert first.stats[host]["changed"] == check.stats[host]["changed"] == 1 + len(installed), "--check is wrong"
        ran = [*installed, APPLY]
        if host in CONNECTORS:
            setup = ran.index(CONNECTOR)
            ran = [TAKE, CHECK_RESTART, *ran[:setup], CHECK_SETUP, *ran[setup:], BACK, RETURNING, END]
        assert first.module_runs(host) == [LOOK, *ran]
        if host in CONNECTORS:
            assert verified.stats[host]["changed"] == 0, "somebody has signed in, and nothing is left to do"
        assert second.stats[host]["changed"] == 0
        assert len(second.module_runs(host)) == 1, (
            f"a host that complies costs one module run: {second.module_runs(host)}"
        )
    assert installed_clients(playbook) == dict.fromkeys(CLIENTS, expected("AzInfoProtection_UL-2.18.26.exe"))
    for host in CLIENTS:
        key = PROXY_KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
        assert after[host][key]["UseDefaultCredentialsInProxy"] == ("dword", 1)
    off = {host for host in HOSTS if any("TLS 1.0" in key for key in after[host])}
    assert off == set(CONNECTORS), "older protocols are turned off on connectors only"
    flags = {"aip_audit_fail_on_drift": True, "aip_audit_fail_on_restart": True}
    compliant = playbook.run(AUDIT, extra_vars=flags, expect=2)
    failed = {host: result["msg"] for task, host, result in compliant.results if task == "Fail the host"}
    assert set(failed) >= set(CLIENTS) and all(
        "A restart of the host is pending" in str(said) for said in failed.values()
    )

    refused = playbook.run(RESTORE, expect=2)
    assert "--limit" in refused.stdout
    assert all(refused.module_runs(host) == [] for host in HOSTS), "restore.yml without --limit went on"
    playbook.run(RESTORE, extra_vars={"aip_restore_all": True})
    assert registry(playbook) == before, "restore.yml did not bring back what was there"


def test_tags_and_limit(playbook: AnsiblePlaybook) -> None:
    """In check mode, whose prediction is that of the whole site above."""
    runs = {
        "client-2016": playbook.run(SITE, "--check", "--diff", "--tags", "tls", "--limit", "client-2016"),
        "client-2019": playbook.run(
            SITE, "--check", "--diff", "--tags", "client,client_settings", "--limit", "client-2019"
        ),
        "client-2012r2": playbook.run(SITE, "--check", "--diff", "--skip-tags", "tls", "--limit", "client-2012r2"),
    }

    def planned(host: str) -> tuple[bool, bool, bool]:
        """Whether something would be installed, the client's settings and TLS be changed, and no other host."""
        run = runs[host]
        assert set(run.stats) == {host}
        settings = run.task(APPLY, host)["diff"]["after"]
        installs = not {DOTNET, CLIENT}.isdisjoint(run.module_runs(host))
        return installs, "MSIP" in settings, "SchUseStrongCrypto" in settings

    assert planned("client-2016") == (False, False, True)
    assert planned("client-2019") == (True, True, False)
    assert planned("client-2012r2") == (True, True, False), "--skip-tags tls"


def test_reboot_once(playbook: AnsiblePlaybook) -> None:
    """Only the run that changes SCHANNEL restarts the host, and then none is due."""
    roles = ["infoprotect.aip.aip_tls"]
    plays = [{"name": "site", "hosts": "connector-1", "gather_facts": False, "roles": roles}]
    restart = "infoprotect.aip.aip_apply : Restart the host"
    first = playbook.run(plays, extra_vars={"aip_reboot": True})
    second = playbook.run(plays, extra_vars={"aip_reboot": True})
    reset_hosts("connector-1")
    assert first.task(restart, "connector-1")["rebooted"]
    assert second.stats["connector-1"]["changed"] == 0
    assert second.module_runs("connector-1") == [LOOK]
    assert second.task(LOOK, "connector-1")["reboot_required"] is False


@pytest.mark.hosts("legacy-2012")
def test_a_host_without_powershell_5_1(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """The audit says so and goes on; the site fails and says what is needed."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("aip_clients: {hosts: {legacy-2012: }}\n", encoding="utf-8")
    only = f"--inventory={inventory}", "--limit=legacy-2012"
    audit = playbook.run(AUDIT, *only)
    assert "PowerShell 5.1 is needed" in str(audit.task("Show the report", "legacy-2012")["msg"])
    site = playbook.run(SITE, *only, expect=2)
    assert "aip_bootstrap" in site.task("Plan the run", "legacy-2012")["msg"]
    assert site.module_runs("legacy-2012") == [LOOK]


def test_aip_client_without_variables_does_nothing(playbook: AnsiblePlaybook) -> None:
    play = {"name": "client", "hosts": "connector-1", "gather_facts": False, "roles": ["infoprotect.aip.aip_client"]}
    run = playbook.run([play])
    assert (run.module_runs("connector-1"), run.stats["connector-1"]["changed"]) == ([LOOK], 0)


@pytest.mark.parametrize(
    ("role", "changed"),
    # site.yml and Molecule use the other two, which are the client, then the settings
    [
        ("aip_tls", 1),
        pytest.param("aip_client", 2, marks=pytest.mark.full),
        pytest.param("aip_apply", 2, marks=pytest.mark.full),
    ],
)
def test_a_role_alone(playbook: AnsiblePlaybook, role: str, changed: int) -> None:
    plays = [{"name": role, "hosts": "client-2016", "gather_facts": False, "roles": [f"infoprotect.aip.{role}"]}]
    check = playbook.run(plays, "--check")
    first = playbook.run(plays)
    second = playbook.run(plays)
    reset_hosts("client-2016")
    assert check.stats["client-2016"]["changed"] == first.stats["client-2016"]["changed"] == changed
    assert second.stats["client-2016"]["changed"] == 0


def test_bad_variables_are_named_before_a_host_is_touched(playbook: AnsiblePlaybook) -> None:
    """Each other variable is a unit test."""
    run = playbook.run(SITE, "--limit", "client-2016", extra_vars={"aip_domains": ["tsl"]}, expect=2)
    assert run.module_runs("client-2016") == []
    for text in ("aip_domains", "tsl"):
        assert text in run.stdout


def test_a_host_that_is_lost_is_reported(playbook: AnsiblePlaybook) -> None:
    """It is named in the summary and in the exit code, and the others are looked at all the same."""
    fleet("fault", "client-2019", "lost_host")
    try:
        run = playbook.run(AUDIT, "--limit", "client-2016,client-2019", expect=4)
    finally:
        fleet("fault", "client-2019", "clear")
    assert run.stats["client-2019"]["unreachable"] == 1
    assert run.stats["client-2016"]["failures"] == 0
    (said,) = [result["msg"] for task, _host, result in run.results if task == "Show the report"]
    assert any(line.startswith("client-2019  unreachable  ") for line in said)
    assert any(line.startswith("client-2016  ") for line in said)
    assert not any("msg" in result for task, _host, result in run.results if task == "Show the plan"), "shown once"
