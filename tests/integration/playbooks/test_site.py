"""site.yml, audit.yml and restore.yml on the whole fleet: what each run costs, says and leaves behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from ..ansible_runner import ROOT, AnsiblePlaybook
from ..registry_export import Registry, export_task, exported

SITE = ROOT / "playbooks/site.yml"
AUDIT = ROOT / "playbooks/audit.yml"
RESTORE = ROOT / "playbooks/restore.yml"
HOSTS = ["client-2012r2", "client-2016", "client-2019", "connector-1", "connector-2", "exchange-1"]
CLIENTS = HOSTS[:3]
PROXY_KEY = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP"
PROTOCOLS = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
LOOK = "infoprotect.aip.aip_inspect : Compare the host with its desired state"


def defaults(playbook: AnsiblePlaybook, hosts: list[str]) -> None:
    """Give hosts Windows' defaults: none of the values that the collection manages."""
    absent = {"tls": {"state": "absent"}, "client_settings": {"state": "absent"}}
    task = {"name": "defaults", "infoprotect.aip.desired_state": absent}
    playbook.run([{"name": "defaults", "hosts": hosts, "gather_facts": False, "tasks": [task]}])


@pytest.fixture
def windows_defaults(playbook: AnsiblePlaybook) -> Iterator[None]:
    """Every host starts, and is left, with Windows' defaults."""
    defaults(playbook, HOSTS)
    yield
    defaults(playbook, HOSTS)


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


@pytest.mark.usefixtures("windows_defaults")
def test_site_audit_restore(playbook: AnsiblePlaybook) -> None:
    before = registry(playbook)
    check = playbook.run(SITE, "--check", "--diff")
    assert registry(playbook) == before, "site.yml --check wrote something"
    drift = playbook.run(AUDIT, extra_vars={"aip_audit_fail_on_drift": True}, expect=2)
    assert all(drift.stats[host]["failures"] == 1 for host in HOSTS), "every host differs and has to say so"
    quiet = playbook.run(AUDIT)
    assert all(quiet.stats[host]["changed"] == 0 for host in HOSTS)
    assert registry(playbook) == before, "audit.yml wrote something"

    first = playbook.run(SITE)
    second = playbook.run(SITE)
    after = registry(playbook)
    for host in HOSTS:
        assert first.stats[host]["changed"] == check.stats[host]["changed"] == 1, "--check did not predict the change"
        assert len(first.module_runs(host)) == 2, "a host that differs costs two module runs"
        assert second.stats[host]["changed"] == 0
        assert len(second.module_runs(host)) == 1, (
            f"a host that complies costs one module run: {second.module_runs(host)}"
        )
    for host in CLIENTS:
        key = PROXY_KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
        assert after[host][key]["UseDefaultCredentialsInProxy"] == ("dword", 1)
    assert not any("TLS 1.0" in key for key in after["exchange-1"]), "Exchange: enabling only"
    assert any("TLS 1.0" in key for key in after["connector-1"])
    compliant = playbook.run(AUDIT, extra_vars={"aip_audit_fail_on_drift": True})
    assert all(compliant.stats[host]["failures"] == 0 for host in HOSTS)

    playbook.run(RESTORE)
    assert registry(playbook) == before, "restore.yml did not bring back what was there"


@pytest.mark.usefixtures("windows_defaults")
def test_tags_and_limit(playbook: AnsiblePlaybook) -> None:
    tls = playbook.run(SITE, "--tags", "tls", "--limit", "client-2016")
    assert set(tls.stats) == {"client-2016"}
    client = playbook.run(SITE, "--tags", "client", "--limit", "client-2019")
    assert set(client.stats) == {"client-2019"}
    after = registry(playbook)

    def has(host: str, part: str) -> bool:
        return any(values for key, values in after[host].items() if part in key)

    assert [has("client-2016", "TLS 1.0"), has("client-2016", "MSIP")] == [True, False]
    assert [has("client-2019", "TLS 1.0"), has("client-2019", "MSIP")] == [False, True]
    for host in set(HOSTS) - {"client-2016", "client-2019"}:
        assert not has(host, "TLS 1.0") and not has(host, "MSIP"), f"{host} was not in the limit"


@pytest.mark.parametrize(
    ("role", "variables"),
    [
        ("aip_tls", {"aip_tls_minimum": "1.2"}),
        ("aip_client", {"aip_client_use_default_credentials_in_proxy": True}),
        ("aip_settings", {}),
    ],
)
def test_a_role_alone(playbook: AnsiblePlaybook, role: str, variables: dict[str, object]) -> None:
    plays = [{"name": role, "hosts": "client-2016", "gather_facts": False, "roles": [f"infoprotect.aip.{role}"]}]
    defaults(playbook, ["client-2016"])
    check = playbook.run(plays, "--check", extra_vars=variables)
    first = playbook.run(plays, extra_vars=variables)
    second = playbook.run(plays, extra_vars=variables)
    defaults(playbook, ["client-2016"])
    assert check.stats["client-2016"]["changed"] == first.stats["client-2016"]["changed"] == 1
    assert second.stats["client-2016"]["changed"] == 0


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"aip_tls_minimum": "1.1"}, ["aip_tls_minimum", "1.1", "1.2"]),
        ({"aip_tls_minimum": 1.1}, ["aip_tls_minimum", "1.1", "1.2"]),
        ({"aip_tls_parts": ["everything"]}, ["aip_tls_parts", "everything"]),
        ({"aip_client_use_default_credentials_in_proxy": "perhaps"}, ["aip_client_use_default_credentials_in_proxy"]),
        ({"aip_domains": ["tsl"]}, ["aip_domains", "tsl"]),
    ],
)
def test_bad_variables_are_named_before_a_host_is_touched(
    playbook: AnsiblePlaybook, variables: dict[str, object], expected: list[str]
) -> None:
    run = playbook.run(SITE, "--limit", "client-2016", extra_vars=variables, expect=2)
    assert run.module_runs("client-2016") == []
    for text in expected:
        assert text in run.stdout


def test_a_host_that_is_lost_is_reported(playbook: AnsiblePlaybook) -> None:
    """It is named in the summary and in the exit code, and the others are looked at all the same."""
    fleet = str(ROOT / "bin/fleet")
    subprocess.run([fleet, "fault", "client-2019", "lost_host"], check=True)
    try:
        run = playbook.run(AUDIT, "--limit", "client-2016,client-2019", expect=4)
    finally:
        subprocess.run([fleet, "fault", "client-2019", "clear"], check=True)
    assert run.stats["client-2019"]["unreachable"] == 1
    assert run.stats["client-2016"]["failures"] == 0
    (summary,) = [result["msg"] for task, _host, result in run.results if task == "Sum up the fleet"]
    assert "client-2019: unreachable" in summary
    assert "client-2016: " in summary
