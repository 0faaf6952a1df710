"""irm_servers.yml and the role: groups, check mode, the connector asked for the tenant, reg import, files."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from connector_page import TENANT, serve
from winfleet import vendor
from winfleet.paths import state_directory
from winfleet.wine import Wine

from ..ansible_runner import ROOT, AnsiblePlaybook, Run, reset_hosts
from ..registry_export import Registry, export_task, exported, parse

PLAYBOOK = ROOT / "playbooks/irm_servers.yml"
EXCHANGE, SHAREPOINT, FILES, LEGACY = HOSTS = ["exchange-1", "sharepoint-2016", "fci-2016", "irm-legacy"]
LONG = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft"
KEYS = [
    rf"HKLM\SOFTWARE\Microsoft\{key}"
    for key in (r"MSDRM\ServiceLocation", r"ExchangeServer\v15\IRM", r"MSIPC\ServiceLocation")
]
SET = "infoprotect.aip.aip_apply : Apply the settings"
INSPECT = "infoprotect.aip.aip_apply : Inspect the host"
IMPORT = "infoprotect.aip.irm_server : Set the addresses of the connector by reg import"
RESTART = "infoprotect.aip.irm_server : Restart the host"

pytestmark = pytest.mark.hosts(*HOSTS)


@pytest.fixture
def groups(tmp_path: Path) -> str:
    """The option for an inventory that puts the hosts into the groups of the collection."""
    members = {"sharepoint_servers": SHAREPOINT, "fci_servers": FILES, "exchange_servers": LEGACY}
    file = tmp_path / "hosts.yml"
    file.write_text("\n".join(f"{group}: {{hosts: {{{host}: }}}}" for group, host in members.items()), encoding="utf-8")
    return f"--inventory={file}"


@pytest.fixture
def url() -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture
def new_hosts() -> None:
    reset_hosts(*HOSTS)


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(fleet: None) -> Iterator[None]:
    yield
    reset_hosts(*HOSTS)


def expected(connector: str) -> dict[str, Registry]:
    exchange: Registry = {
        rf"{LONG}\MSDRM\ServiceLocation\Activation": {"": ("string", f"{TENANT}/_wmcs/certification")},
        rf"{LONG}\MSDRM\ServiceLocation\EnterprisePublishing": {"": ("string", f"{TENANT}/_wmcs/licensing")},
        rf"{LONG}\ExchangeServer\v15\IRM\CertificationServerRedirection": {TENANT: ("string", connector)},
        rf"{LONG}\ExchangeServer\v15\IRM\LicenseServerRedirection": {TENANT: ("string", connector)},
    }
    redirection = {f"{TENANT}/_wmcs/licensing": ("string", f"{connector}/_wmcs/licensing")}
    sharepoint: Registry = {
        rf"{LONG}\MSIPC\ServiceLocation\EnterpriseCertification": {"": ("string", f"{connector}/_wmcs/certification")},
        rf"{LONG}\MSIPC\ServiceLocation\EnterprisePublishing": {"": ("string", f"{connector}/_wmcs/licensing")},
        rf"{LONG}\MSIPC\ServiceLocation\LicensingRedirection": dict(redirection),
    }
    files: Registry = {
        rf"{LONG}\MSDRM\ServiceLocation\Activation": {"": ("string", f"{connector}/_wmcs/certification")},
        rf"{LONG}\MSDRM\ServiceLocation\EnterprisePublishing": {"": ("string", f"{connector}/_wmcs/licensing")},
    }
    return {EXCHANGE: exchange | sharepoint, SHAREPOINT: sharepoint, FILES: files, LEGACY: exchange}


def registry(playbook: AnsiblePlaybook) -> dict[str, Registry]:
    """What reg.exe exports, host by host; by raw where the host has no PowerShell for modules."""
    command = "; ".join(
        f"reg.exe export '{key}' C:\\irm.reg /y *> $null; if (Test-Path C:\\irm.reg) "
        "{ [IO.File]::ReadAllText('C:\\irm.reg'); Remove-Item C:\\irm.reg }"
        for key in KEYS
    )
    encoded = base64.b64encode(command.encode("utf-16-le")).decode()
    plays: list[dict[str, Any]] = [
        {"name": "look", "hosts": HOSTS[:3], "gather_facts": False, "tasks": [export_task("export", *KEYS)]},
        {
            "name": "look by raw",
            "hosts": LEGACY,
            "gather_facts": False,
            "tasks": [{"name": "raw", "ansible.builtin.raw": f"PowerShell -NoProfile -EncodedCommand {encoded}"}],
        },
    ]
    run = playbook.run(plays)
    found = {host: exported(run.task("export", host)) for host in HOSTS[:3]}
    found[LEGACY] = parse(run.task("raw", LEGACY)["stdout"])
    return {host: {key: values for key, values in keys.items() if values} for host, keys in found.items()}


@pytest.mark.usefixtures("new_hosts")
def test_playbook(playbook: AnsiblePlaybook, groups: str, url: str) -> None:
    account = {"irm_server_discovery_username": "CONTOSO\\reader", "irm_server_discovery_password": "Secret!1"}
    variables: dict[str, Any] = {"irm_server_connector_url": url, "irm_server_use_reg": True}

    def run(*arguments: str, expect: int = 0, **more: Any) -> Run:
        return playbook.run(
            PLAYBOOK, groups, "--tags", "irm_server", *arguments, extra_vars=variables | more, expect=expect
        )

    # the fleet's Exchange servers have the tenant in their group's variables
    nobody = run("--limit", f"{SHAREPOINT},{FILES}", expect=2)
    assert nobody.stats[SHAREPOINT]["failures"] == 1
    assert "the URL of the tenant is not known. Set irm_server_tenant_url" in nobody.stdout
    check = run("--check", "--diff", **account)
    assert check.task(SET, SHAREPOINT)["changed"] and "EnterpriseCertification" in str(
        check.task(SET, SHAREPOINT)["diff"]
    )
    assert registry(playbook) == {host: {} for host in HOSTS}, "--check wrote something"

    rings = run(expect=None, aip_waves="exchange_servers,100%", **account)
    assert "Neither is exchange_servers. Rings are for the playbook site" in rings.stdout + rings.stderr
    first, second = run("-vvv", **account), run(irm_server_tenant_url=TENANT, aip_waves=[1, "100%"])
    assert registry(playbook) == expected(url)
    assert "Secret!1" not in first.stdout + first.stderr
    for host in HOSTS[:3]:
        assert first.stats[host]["changed"] == 1 and second.stats[host]["changed"] == 0
        assert second.module_runs(host) == [INSPECT], "a host that complies costs one module run"
    assert first.task(IMPORT, LEGACY)["changed"] and not second.task(IMPORT, LEGACY)["changed"]
    assert second.task("infoprotect.aip.aip_apply : Show the pending restart", FILES)["msg"]

    other = "http://rms-new.contoso.com"
    refused = run(
        "--limit", f"{SHAREPOINT},{LEGACY}", expect=2, irm_server_tenant_url=TENANT, irm_server_connector_url=other
    )
    assert {host: stats["failures"] for host, stats in refused.stats.items()} == {SHAREPOINT: 1, LEGACY: 1}
    assert refused.stdout.count(f"is set to use {url}") >= 2
    forced = {"irm_server_tenant_url": TENANT, "irm_server_connector_url": other, "irm_server_force": True}
    moved = run(**forced)
    # by reg import, too: what it has got from the other connector it keeps until then
    assert moved.task("infoprotect.aip.irm_server : Show the pending restart", LEGACY)["msg"]
    assert not first.task("infoprotect.aip.irm_server : Show the pending restart", LEGACY).get("msg")
    assert registry(playbook) == expected(other), "something of the first connector is left"

    look = {"name": "site", "hosts": [SHAREPOINT], "gather_facts": False, "roles": ["infoprotect.aip.aip_apply"]}
    site = playbook.run([look], groups, extra_vars={**forced, "aip_domains": ["irm_server"]})
    assert site.stats[SHAREPOINT]["changed"] == 0
    run(irm_server_state="absent")
    assert registry(playbook) == {host: {} for host in HOSTS}


def test_servers_without_modules_that_are_refused(playbook: AnsiblePlaybook) -> None:
    """Each reason alone, seen by PowerShell 3.0 over raw; nothing is written."""
    prefix = state_directory() / "hosts" / LEGACY / "prefix"
    library = prefix / "drive_c/windows/system32/msdrm.dll"
    kept = library.read_bytes()
    uninstall = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\connector"
    setup = r"HKLM\SOFTWARE\Microsoft\ExchangeServer\v15\Setup"

    def reg(*arguments: str) -> None:
        code, said = Wine(prefix).run("reg", *arguments, "/f")
        assert code == 0, said

    def refused() -> str:
        play = {"name": "raw", "hosts": LEGACY, "gather_facts": False, "roles": ["infoprotect.aip.irm_server"]}
        variables = {"irm_server_connector_url": "http://rms.contoso.test", "irm_server_tenant_url": TENANT}
        variables |= {"irm_server_use_reg": True, "irm_server_product": "exchange"}
        run = playbook.run([play], extra_vars=variables, expect=2)
        said: str = run.task(IMPORT, LEGACY)["msg"]
        assert "this can only be Exchange 2013 with Cumulative Update 3 or later, or Exchange 2016, with msdrm" in said
        return said

    library.unlink()
    assert "msdrm.dll: none" in refused()
    # any program whose version is known, and older
    library.write_bytes(vendor.packages()["RMSConnectorSetup-3.0.0.exe"].read_bytes())
    assert "msdrm.dll: 3.0.0.0" in refused()
    library.write_bytes(kept)
    reg("add", uninstall, "/v", "DisplayName", "/d", "Microsoft Rights Management connector")
    reg("add", uninstall, "/v", "UninstallString", "/d", r"C:\windows\system32\msiexec.exe")
    assert "connector: True" in refused()
    reg("delete", uninstall)
    reg("add", setup, "/v", "MsiBuildMajor", "/t", "REG_DWORD", "/d", "774")
    assert "Exchange: 15.0.774" in refused()
    assert registry(playbook)[LEGACY] == {}


@pytest.mark.full("cut-offs")
@pytest.mark.usefixtures("new_hosts")
def test_runs_that_are_cut_off_at_each_step(playbook: AnsiblePlaybook, groups: str) -> None:
    """One after the other, each going on where the one before has ended."""
    connector = "http://rms.contoso.test"
    variables = {"irm_server_connector_url": connector, "irm_server_tenant_url": TENANT, "irm_server_use_reg": True}
    for step in (INSPECT, SET, "Set the addresses without a module", IMPORT, RESTART):
        playbook.run(PLAYBOOK, groups, extra_vars=variables, cut_off_before=step)
    assert registry(playbook) == expected(connector)
    rest = playbook.run(PLAYBOOK, groups, extra_vars=variables)
    assert all(rest.stats[host]["changed"] == 0 for host in HOSTS)
    assert rest.task("infoprotect.aip.aip_apply : Show the pending restart", FILES)["msg"], (
        "no run has reported the restart yet"
    )


@pytest.mark.usefixtures("new_hosts")
def test_a_connector_that_is_not_up_yet_keeps_its_servers_waiting_and_nobody_else(
    playbook: AnsiblePlaybook, groups: str, url: str
) -> None:
    """The rest of the host is done. The next run, or the same one after it has set up the connector, goes on."""
    account = {"irm_server_discovery_username": "CONTOSO\\reader", "irm_server_discovery_password": "Secret!1"}
    play = {"name": "site", "hosts": [SHAREPOINT], "gather_facts": False, "roles": ["infoprotect.aip.aip_apply"]}
    say = "infoprotect.aip.aip_apply : Show what was done"

    def run(connector: str, *plays: dict[str, Any]) -> Run:
        return playbook.run(list(plays), groups, extra_vars={**account, "irm_server_connector_url": connector})

    dead = run("http://127.0.0.1:9", play)
    said = dead.task(say, SHAREPOINT)["msg"]
    assert said.startswith("set ") and "tls" in said
    assert "irm_server refused: the connector at http://127.0.0.1:9 does not tell the URL of the tenant yet" in said
    assert "Secret!1" not in dead.stdout + dead.stderr
    audit = playbook.run(
        ROOT / "playbooks/audit.yml",
        groups,
        f"--limit={SHAREPOINT}",
        extra_vars={**account, "irm_server_connector_url": "http://127.0.0.1:9"},
    )
    assert "does not tell the URL of the tenant yet" in audit.stdout
    assert registry(playbook)[SHAREPOINT] == {}

    # as in site.yml: looked at before the connector is up, done after that
    up = {"name": "up", "ansible.builtin.set_fact": {"irm_server_connector_url": url}}
    dead_url = {"name": "down", "ansible.builtin.set_fact": {"irm_server_connector_url": "http://127.0.0.1:9"}}
    plan, work = (
        {"name": name, "ansible.builtin.import_tasks": str(ROOT / f"playbooks/tasks/{name}.yml")}
        for name in ("plan", "host")
    )
    later = playbook.run(
        [{"name": "site", "hosts": [SHAREPOINT], "gather_facts": False, "tasks": [dead_url, plan, up, work]}],
        groups,
        extra_vars=account,
    )
    assert later.task(say, SHAREPOINT)["msg"].startswith("set ") and "refused" not in later.task(say, SHAREPOINT)["msg"]
    assert registry(playbook)[SHAREPOINT] == expected(url)[SHAREPOINT]
    assert run(url, play).stats[SHAREPOINT]["changed"] == 0
    alone = playbook.run(
        PLAYBOOK,
        groups,
        f"--limit={SHAREPOINT}",
        extra_vars={**account, "irm_server_connector_url": "http://127.0.0.1:9"},
        expect=2,
    )
    assert "does not tell the URL of the tenant yet" in alone.stdout


def test_files(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """One file for each product and version, in UTF-16 with its mark, and no change the second time."""
    include = {"name": "infoprotect.aip.irm_server", "tasks_from": "files"}
    play = {
        "name": "files",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{"name": "files", "ansible.builtin.include_role": include}],
    }
    connector = "https://rmsconnector.contoso.com"
    variables = {
        "irm_server_files_folder": str(tmp_path / "reg"),
        "irm_server_connector_url": connector,
        "irm_server_tenant_url": TENANT,
    }
    first, second = (playbook.run([play], extra_vars=variables) for _time in range(2))
    assert first.stats["localhost"]["changed"] and not second.stats["localhost"]["changed"]
    written = {file.name: file.read_bytes() for file in (tmp_path / "reg").iterdir()}
    years = ("2013", "2016", "2019")
    names = [f"{product}-{year}.reg" for product in ("exchange", "sharepoint") for year in years]
    assert set(written) == {*names, "fci-2012.reg", "fci-2012r2.reg", "fci-2016.reg"}
    wanted = expected(connector)
    for name, host in {
        "exchange-2013.reg": LEGACY,
        "exchange-2019.reg": EXCHANGE,
        "sharepoint-2013.reg": SHAREPOINT,
        "fci-2012r2.reg": FILES,
    }.items():
        assert written[name].startswith(b"\xff\xfeW\0") and written[name].endswith(b'"\0\r\0\n\0')
        text = written[name].decode("utf-16")
        assert parse(text) == wanted[host], name
        assert "\n" not in text.replace("\r\n", "")
