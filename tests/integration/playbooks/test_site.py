"""site.yml, audit.yml and restore.yml on the whole fleet: what each run costs, says and leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..ansible_runner import ROOT, AnsiblePlaybook
from ..registry_export import export_task, exported

SITE = ROOT / "playbooks/site.yml"
AUDIT = ROOT / "playbooks/audit.yml"
RESTORE = ROOT / "playbooks/restore.yml"
HOSTS = ["client-2012r2", "client-2016", "client-2019", "connector-1", "connector-2", "exchange-1"]
CLIENTS = HOSTS[:3]
PROXY_KEY = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP"
PROTOCOLS = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
LOOK = "infoprotect.aip.aip_inspect : Compare the host with its desired state"


@pytest.fixture(autouse=True)
def windows_defaults(playbook: AnsiblePlaybook) -> Iterator[None]:
    """Every host starts, and is left, without the values that the collection manages."""
    absent = {
        "name": "Windows' defaults",
        "hosts": HOSTS,
        "gather_facts": False,
        "tasks": [
            {
                "name": "absent",
                "infoprotect.aip.desired_state": {"tls": {"state": "absent"}, "client_settings": {"state": "absent"}},
            }
        ],
    }
    playbook.run([absent])
    yield
    playbook.run([absent])


def registry(playbook: AnsiblePlaybook) -> dict[str, object]:
    """What reg.exe exports of the managed keys, host by host."""
    look = {
        "name": "look",
        "hosts": HOSTS,
        "gather_facts": False,
        "tasks": [export_task("export", PROXY_KEY, PROTOCOLS)],
    }
    run = playbook.run([look])
    return {host: exported(run.task("export", host)) for host in HOSTS}


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


def test_tags_and_limit(playbook: AnsiblePlaybook) -> None:
    tls = playbook.run(SITE, "--tags", "tls", "--limit", "client-2016")
    assert set(tls.stats) == {"client-2016"}
    client = playbook.run(SITE, "--tags", "client", "--limit", "client-2019")
    assert set(client.stats) == {"client-2019"}
    after = registry(playbook)
    assert any("TLS 1.0" in key for key in after["client-2016"])
    assert not any(values for key, values in after["client-2016"].items() if "MSIP" in key)
    assert not any("TLS 1.0" in key for key in after["client-2019"])
    assert any(values for key, values in after["client-2019"].items() if "MSIP" in key)
    assert not any(
        values for host in HOSTS if host not in ("client-2016", "client-2019") for values in after[host].values()
    )


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
    check = playbook.run(plays, "--check", extra_vars=variables)
    first = playbook.run(plays, extra_vars=variables)
    second = playbook.run(plays, extra_vars=variables)
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
    run = playbook.run(
        AUDIT,
        "--limit",
        "client-2016,client-2019",
        extra_vars={"aip_audit_fail_on_drift": False},
        expect=None,
        environment={"ANSIBLE_HOST_KEY_CHECKING": "0"},
    )
    assert run.rc == 0
    lost = playbook.run(
        [
            {
                "name": "somewhere else",
                "hosts": "client-2016",
                "gather_facts": False,
                "vars": {"ansible_port": 1},
                "roles": ["infoprotect.aip.aip_inspect"],
            }
        ],
        expect=4,
    )
    assert lost.stats["client-2016"]["unreachable"] == 1
