"""Hosts that cannot be served are named together, before anything is changed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from service_endpoints import Authority, Proxy, tls_server
from winfleet.vendor import registration

from ..ansible_runner import ROOT, AnsiblePlaybook, Json, Run, reset_hosts

FINE, CONTROLLER, CORE, LEGACY, GONE = "client-2019", "controller-2019", "core-2019", "legacy-2012", "gone"
PLAYBOOKS = ROOT / "playbooks"
INSPECT = "infoprotect.aip.aip_apply : Inspect the host"
SAID, STOPPED = "Show the plan", "Plan the run"
#: The client is wanted and TLS managed
WANTED = {"aip_domains": ["tls", "client"], "aip_client_product": "unified_labeling"}
TLS = r"HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319"

pytestmark = pytest.mark.hosts(FINE, CONTROLLER, CORE, LEGACY, "client-2016")


def play(*hosts: str, tasks: str = "plan") -> Json:
    """A play of site.yml for other hosts than those of its groups."""
    work = {"name": tasks, "ansible.builtin.import_tasks": str(PLAYBOOKS / f"tasks/{tasks}.yml")}
    return {
        "name": tasks,
        "hosts": hosts[0] if "{{" in hosts[0] else list(hosts),
        "gather_facts": False,
        "tasks": [work],
    }


def site(*hosts: str) -> list[Json]:
    """site.yml for hosts that differ, and for those that stop alone."""
    plays = [play(*hosts)]
    for part, tasks in ("batches", "host"), ("stopped", "stop"):
        plays.append(play(f"{{{{ hostvars | infoprotect.aip.planned('{part}', groups) }}}}", tasks=tasks))
    return [*plays[:-1], {**plays[-1], "vars": {"aip_stops": "{{ aip_plan.stopped }}"}}]


def only(run: Run, task: str) -> Json:
    """The result of a task that ran once for all hosts."""
    (result,) = [result for name, _host, result in run.results if name == task]
    return result


@pytest.fixture
def lost(tmp_path: Path) -> str:
    """The option for an inventory with a host that nobody answers for."""
    where = {"ansible_host": "127.20.255.254", "ansible_connection": "winrm", "ansible_port": 5985}
    account = {"ansible_user": "nobody", "ansible_password": "none", "ansible_winrm_transport": "basic"}
    file = tmp_path / "hosts.yml"
    file.write_text(f"lost_hosts: {{hosts: {{{GONE}: {where | account}}}}}\n", encoding="utf-8")
    return f"--inventory={file}"


def tls_is_set(playbook: AnsiblePlaybook, host: str) -> bool:
    """Read by ansible.windows."""
    read = {"name": "tls", "ansible.windows.win_reg_stat": {"path": TLS, "name": "SchUseStrongCrypto"}}
    run = playbook.run([{"name": "tls", "hosts": host, "gather_facts": False, "tasks": [read]}])
    return bool(run.task("tls", host)["exists"])


def test_all_blocked_hosts_are_named_before_the_first_change(playbook: AnsiblePlaybook, lost: str) -> None:
    hosts = [FINE, CONTROLLER, CORE, LEGACY, GONE]
    nobody_states = {**WANTED, "aip_statements": {}}
    run = playbook.run(site(*hosts), lost, extra_vars=nobody_states, expect=None)
    assert run.rc != 0
    text = only(run, STOPPED)["msg"]
    assert text.startswith(f"Nothing was changed.\nBlocked, 2 of 5 hosts: {CORE}, {LEGACY}\n")
    lines = text.splitlines()
    assert "Found: Server Core; expected: Server with Desktop Experience" in lines[lines.index(f"{CORE}:") + 1]
    assert "PowerShell 5.1 is needed" in lines[lines.index(f"{LEGACY}:") + 1]
    assert any(line.startswith(f"{GONE}: unreachable: ") for line in lines)
    assert not any(line.startswith((FINE, CONTROLLER)) for line in lines)
    for host in hosts:
        assert len(run.module_runs(host)) <= 1, f"{host}: more than the look: {run.module_runs(host)}"
        assert run.stats[host]["changed"] == 0
    assert not tls_is_set(playbook, FINE)


def test_only_the_blocked_hosts_stop(playbook: AnsiblePlaybook) -> None:
    """Their variable says so; the others get the client and the settings, and every host is looked at once."""
    try:
        run = playbook.run(site(FINE, CORE, LEGACY), extra_vars=WANTED | {"aip_stop": "host"}, expect=2)
        assert tls_is_set(playbook, FINE)
    finally:
        reset_hosts(FINE)
    assert {host: run.stats[host]["failures"] for host in (FINE, CORE, LEGACY)} == {FINE: 0, CORE: 1, LEGACY: 1}
    assert "Server Core" in run.task("Fail the host", CORE)["msg"]
    assert [len(run.module_runs(host)) for host in (FINE, CORE)] == [3, 1]


def test_report_only(playbook: AnsiblePlaybook) -> None:
    """In check mode as well, and statements are heard."""
    stated = {
        name: {"name": "A. Admin", "date": "2025-01-01", "expires": "2099-12-31"}
        for name in ("subscription", "directory_integration")
    }
    variables = {**WANTED, "aip_stop": "never", "aip_statements": stated}
    run = playbook.run([play(CONTROLLER, CORE, LEGACY)], "--check", extra_vars=variables)
    text = "\n".join(only(run, SAID)["msg"])
    assert f"{CORE}:\n  server_installation (blocks)" in text and f"{LEGACY}:\n  powershell (blocks)" in text
    assert "tls_inspection (advises)" in text and "subscription (advises)" not in text
    assert f"{CONTROLLER}:" not in text


def test_everything_that_is_wrong_is_named_before_a_host_is_contacted(playbook: AnsiblePlaybook) -> None:
    """Tags and variables, in one message; each other variable is a unit test."""
    wrong = {"aip_stop": "perhaps", "aip_client_prodcut": "purview", "aip_reboot": "maybe", "aip_domains": ["tls"]}
    run = playbook.run([play(CONTROLLER, CORE)], "--tags=tsl", extra_vars=wrong, expect=2)
    (said,) = [result["msg"] for _task, _host, result in run.results if result.get("failed")]
    for text in ("tsl is not a tag", "Did you mean tls?", "aip_stop", "Did you mean aip_client_product?", "aip_reboot"):
        assert text in said
    assert run.module_runs(CONTROLLER) == run.module_runs(CORE) == []


def test_a_missing_installer_is_named_before_a_host_is_changed(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    no_program = tmp_path / "AzInfoProtection_UL.exe"
    no_program.write_text("<html>404 Not Found</html>", encoding="utf-8")
    hosts = [FINE, "client-2016"]
    for source, said in (("nowhere.exe", "nowhere.exe cannot be found"), (str(no_program), "is no installer")):
        variables = WANTED | {"aip_client_src": source, "aip_statements": {}}
        run = playbook.run(site(*hosts), "--limit", ",".join(hosts), extra_vars=variables, expect=2)
        text = only(run, STOPPED)["msg"]
        assert text.startswith("Nothing was changed.") and f"{FINE}, client-2016: " in text and said in text
        assert all(run.module_runs(host) == [INSPECT] for host in hosts)


@pytest.mark.hosts("connector-1", "connector-2")
def test_connectors(playbook: AnsiblePlaybook) -> None:
    """What is wrong with each host, with its pool and on its way to the service is named, in one run."""
    ours = Authority("Test TLS Issuing CA 08", "Microsoft Corporation")
    gateway = Authority("Contoso Web Gateway", "Contoso")
    old, new = "connector-1", "connector-2"
    with ExitStack() as stack:
        server = stack.enter_context(tls_server(ours.context("api.aadrm.com")))
        routes = {"api.aadrm.com": server}
        proxies = {
            old: Proxy(routes, inspect=gateway.context("api.aadrm.com")),
            new: Proxy(routes, schemes=("Negotiate", "NTLM")),
            CONTROLLER: Proxy(routes),
        }
        addresses = {
            host: "http://{}:{}".format(*stack.enter_context(proxy.serve())) for host, proxy in proxies.items()
        }
        wanted = {
            "aip_domains": ["tls", "connector"],
            "rms_connector_state": "present",
            "aip_endpoints": ["api.aadrm.com"],
            # of pools that no rollout could go through
            "aip_audits": True,
            "rms_connector_pool": [{"members": [old, new]}, {"members": [CONTROLLER]}],
        }
        # A variable of each host, as an inventory has it
        ways = {"rms_connector_proxy_address": "{{ ways[inventory_hostname] }}", "ways": addresses}
        run = playbook.run([{**play(old, new, CONTROLLER), "vars": ways}], extra_vars=wanted)
        for host, proxy in proxies.items():
            assert run.module_runs(host) == [INSPECT] and len(proxy.asked) == 1
    found: dict[str, dict[str, Json]] = {}
    for host in proxies:
        findings = run.task(INSPECT, host)["findings"]
        found[host] = {item["id"]: item for item in findings if item["id"].startswith("connector_")}
    # Memory and disk are those of this machine.
    for of_host in found.values():
        of_host.pop("connector_disk", None)
    assert set(found[old]) == {"connector_dotnet", "connector_tls_inspection"}
    assert gateway.subject in found[old]["connector_tls_inspection"]["found"]
    assert set(found[new]) == {"connector_proxy_authentication"}
    assert found[new]["connector_proxy_authentication"]["found"].endswith("Negotiate, NTLM")
    assert set(found[CONTROLLER]) == {"connector_domain_controller", "connector_count", "connector_root_certificate"}
    assert found[CONTROLLER]["connector_root_certificate"]["found"] == f"api.aadrm.com needs {ours.subject}"


def value(path: str, name: str = "", data: object = "", kind: str = "string") -> Json:
    return {"path": rf"HKLM:\{path}", "name": name, "data": data, "type": kind}


WINDOWS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
CONTROL, SERVICES = (rf"SYSTEM\CurrentControlSet\{name}" for name in ("Control", "Services"))
CLIENT = "{6F8A30BE-992C-4C06-817B-4A222430F2B8}"
#: What makes a host break a requirement of the connector, and how that is said; memory and disks are this machine's
BROKEN: dict[str, tuple[list[Json], str]] = {
    "connector_member": ([value(rf"{SERVICES}\Netlogon\Parameters", "DomainName", "")], "standalone_server"),
    "connector_os": ([value(WINDOWS, "CurrentBuildNumber", "7601")], "build 7601"),
    "connector_architecture": (
        [value(rf"{CONTROL}\Session Manager\Environment", "PROCESSOR_ARCHITECTURE", "x86")],
        "x86",
    ),
    "connector_apart": ([value(rf"{SERVICES}\SrmSvc", "Start", 2, "dword")], "File Server Resource Manager"),
    "connector_client": (
        [
            value(*one, "dword" if isinstance(one[2], int) else "string")
            for one in (
                *registration.entry(CLIENT, "Microsoft Azure Information Protection", "2.18.26.0"),
                *registration.known(CLIENT),
            )
        ],
        "Microsoft Azure Information Protection 2.18.26.0",
    ),
    "connector_dotnet": (
        [value(r"SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full", "Release", 461310, "dword")],
        "4.7.1",
    ),
    "connector_tls": (
        [value(rf"{CONTROL}\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client", "Enabled", 0, "dword")],
        "TLS 1.2 off",
    ),
    "connector_ntlm": (
        [value(rf"{CONTROL}\Lsa\MSV1_0", "RestrictReceivingNTLMTraffic", 2, "dword")],
        "RestrictReceivingNTLMTraffic 2",
    ),
    "connector_ad_rms": ([value(r"SOFTWARE\Microsoft\DRMS", "GICURL", "https://rms.contoso.test")], "AD RMS"),
    "connector_installation": ([value(WINDOWS, "InstallationType", "Server Core")], "Server Core"),
}
ALL, *ALONE = [
    *("connector-2", "connector-1", "client-2016", "client-2019", "admin-2019", "exchange-2019"),
    *("sharepoint-2016", "sharepoint-2019", "fci-2016", "exchange-1", "fci-2019"),
]
#: What these are by themselves
APART = {"exchange": "Exchange", "sharepoint": "SharePoint", "fci": "File Server Resource Manager"}


@pytest.mark.parametrize(
    "alone",
    [
        pytest.param([], id="all together", marks=pytest.mark.hosts(ALL)),
        # a unit test, but for these hosts
        pytest.param(ALONE, id="each alone, too", marks=[pytest.mark.hosts(ALL, *ALONE), pytest.mark.full]),
    ],
)
def test_each_requirement_of_a_connector_is_broken_on_a_host(playbook: AnsiblePlaybook, alone: list[str]) -> None:
    """Each alone (beside what the host is) and all together are named, in one run that changes nothing."""
    hosts = [ALL, *alone]
    broken = dict(zip(alone, BROKEN, strict=False)) | {ALL: "all"}
    every = [one for values, _said in BROKEN.values() for one in values]
    # That of Windows Server 2016 is too old by itself
    dotnet = BROKEN["connector_dotnet"][0][0] | {"data": 461808}
    values = {host: [dotnet, *(every if name == "all" else BROKEN[name][0])] for host, name in broken.items()}
    break_it = {
        "name": "break it",
        "ansible.windows.win_regedit": {name: f"{{{{ item.{name} }}}}" for name in ("path", "name", "data", "type")},
        "loop": "{{ broken[inventory_hostname] }}",
    }
    variables = {
        "broken": values,
        "aip_domains": ["connector"],
        "rms_connector_state": "present",
        "aip_endpoints": [],
        "aip_audits": True,
        "aip_statements": {},
        # alone in its pool
        "rms_connector_pool": [{"members": [ALL]}, *([{"members": alone}] if alone else [])],
    }
    plays = [{**play(*hosts), "tasks": [break_it]}, play(*hosts)]
    try:
        run = playbook.run(plays, extra_vars=variables)
    finally:
        reset_hosts(*hosts)
    said = "\n".join(only(run, STOPPED)["advice"])
    for host, name in broken.items():
        findings = run.task(INSPECT, host)["findings"]
        found = {one["id"]: one["found"] for one in findings if one["id"].startswith("connector_")}
        found.pop("connector_internet", None)
        wanted = {one: BROKEN[one][1] for one in (BROKEN if name == "all" else [name])}
        kind = APART.get(host.partition("-")[0], "")
        wanted |= {"connector_apart": kind} if kind else {}
        wanted |= {"connector_count": ALL} if name == "all" else {}
        assert set(found) == set(wanted), host
        assert all(text in found[one] for one, text in wanted.items()), host
    for one in BROKEN:
        assert one in said
