"""site.yml switches IRM on, once for an organization and a farm, from the registry to the proof, also after AD RMS."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from winfleet import directory, products
from winfleet.paths import state_directory

from ..ansible_runner import ROOT, AnsiblePlaybook, Json, Run, reset_hosts
from ..secrets_watch import no_secret_shows

SITE = ROOT / "playbooks/site.yml"
#: An organization of two servers of different versions, a farm, and a file server
OLDER, NEWER, SHAREPOINT, FILES = HOSTS = ["exchange-1", "exchange-2019", "sharepoint-2016", "fci-2016"]
ROLE = "infoprotect.aip.irm_configuration"
EXCHANGE, FARM, RESTART, STORES, MANUAL = (
    f"{ROLE} : {task}"
    for task in (
        "Configure IRM of the Exchange organization",
        "Configure IRM of the SharePoint farm",
        "Restart IIS of the organization's other servers, which read the licensing location then",
        "Delete what Rights Management stored for the services of the server",
        "Show what remains to be done by hand",
    )
)
TENANT = directory.NEW_TENANT["licensing_url"].removesuffix("/_wmcs/licensing")
LOCATION = f"{TENANT}/_wmcs/licensing"
CONNECTOR = "https://rmsconnector.contoso.test"
AD_RMS = "https://adrms.contoso.test/_wmcs/licensing"
VARIABLES = {
    "irm_server_connector_url": CONNECTOR,
    "irm_server_tenant_url": TENANT,
    "irm_configuration_state": "present",
    "irm_configuration_sender": "admin@contoso.test",
}
INVENTORY = rf"""
exchange_servers:
  hosts: {{{NEWER}: }}
  vars:
    irm_configuration_username: CONTOSO\Administrator
    irm_configuration_password: "{{{{ winfleet_password }}}}"
sharepoint_servers: {{hosts: {{{SHAREPOINT}: }}}}
fci_servers: {{hosts: {{{FILES}: }}}}
"""

pytestmark = [pytest.mark.hosts(*HOSTS), pytest.mark.full]


@pytest.fixture
def groups(tmp_path: Path) -> str:
    file = tmp_path / "hosts.yml"
    file.write_text(INVENTORY, encoding="utf-8")
    return f"--inventory={file}"


@pytest.fixture(autouse=True)
def new(fleet: None) -> Iterator[None]:
    """Hosts, organization and farm are new before and after."""

    def renew() -> None:
        for name, data in ((products.ORGANIZATION, products.NEW_ORGANIZATION), (products.FARM, products.NEW_FARM)):
            with directory.opened(state_directory(), name) as found:
                found.clear()
                found.update(copy.deepcopy(data))

    renew()
    yield
    reset_hosts(*HOSTS)
    renew()


def site(playbook: AnsiblePlaybook, groups: str, *arguments: str, expect: int = 0, **more: Any) -> Run:
    limit = [] if any("--limit" in one for one in arguments) else [f"--limit={','.join(HOSTS)}"]
    tags = "--tags=irm_server,irm_configuration"
    return playbook.run(SITE, groups, tags, *limit, *arguments, extra_vars=VARIABLES | more, expect=expect)


def organization() -> Json:
    with directory.opened(state_directory(), products.ORGANIZATION) as found:
        return copy.deepcopy(found)


def changed(run: Run, task: str) -> dict[str, bool]:
    """Of the hosts that did a task, whether it changed something."""
    return {
        host: bool(result.get("changed"))
        for name, host, result in run.results
        if name == task and not result.get("skipped")
    }


def test_from_registry_to_irm_on(playbook: AnsiblePlaybook, groups: str) -> None:
    check = site(playbook, groups, "--check", "--diff")
    assert changed(check, EXCHANGE) == {NEWER: True} and changed(check, FARM) == {SHAREPOINT: True}
    assert organization()["calls"] == []
    with no_secret_shows(NEWER, "Winfleet!wrong"):
        done = site(playbook, groups)
    assert changed(done, EXCHANGE) == {NEWER: True}, "one server of the organization, the newest"
    assert changed(done, RESTART) == {OLDER: True}, "the other one reads the licensing location, too"
    assert changed(done, FARM) == {SHAREPOINT: True}
    assert done.task(EXCHANGE, NEWER)["verification"][-1] == "OVERALL RESULT: PASS"
    assert organization()["calls"] == [
        f"LicensingLocation={LOCATION}",
        "InternalLicensingEnabled=True",
        "Test Sender=admin@contoso.test",
    ]
    with directory.opened(state_directory(), products.FARM) as farm:
        assert (farm["IrmRMSEnabled"], farm["IrmRMSCertServer"]) == (True, CONNECTOR)
    assert set(changed(done, MANUAL)) == {SHAREPOINT, FILES}
    again = site(playbook, groups)
    assert changed(again, EXCHANGE) == {NEWER: False} and changed(again, FARM) == {SHAREPOINT: False}
    assert changed(again, RESTART) == {}
    assert not any(result.get("changed") for _task, _host, result in again.results)
    off = site(playbook, groups, irm_configuration_state="absent")
    assert changed(off, EXCHANGE) == {NEWER: True} and not organization()["irm"]["InternalLicensingEnabled"]


def test_from_ad_rms(playbook: AnsiblePlaybook, groups: str) -> None:
    """Off before the registry changes, on after it; each server forgets what it has from AD RMS."""
    with directory.opened(state_directory(), products.ORGANIZATION) as found:
        found["irm"] |= {"InternalLicensingEnabled": True, "LicensingLocation": [AD_RMS]}
    store = r"C:\ProgramData\Microsoft\DRM\Server\S-1-5-18"
    look = {
        "name": "look",
        "ansible.windows.win_shell": f"(Get-Item {store}).PSIsContainer; (Get-ChildItem {store}).Count",
    }
    make = f"$null = New-Item -ItemType Directory -Force -Path {store}; Set-Content -Path {store}\\CERT.drm -Value x"
    key = r"HKLM:\SOFTWARE\Microsoft\ExchangeServer\v15\IRM\LicenseServerRedirection"
    tpd = {"path": key, "name": AD_RMS, "data": f"{CONNECTOR}/_wmcs/licensing", "type": "string"}
    prepared = [
        {"name": "store", "ansible.windows.win_shell": make},
        {"name": "tpd", "ansible.windows.win_regedit": tpd},
    ]
    playbook.run([{"name": "prepare", "hosts": [OLDER, NEWER], "gather_facts": False, "tasks": prepared}])
    leaving = {"irm_configuration_from_ad_rms": True, "irm_server_force": True}

    part = site(playbook, groups, f"--limit={NEWER}", expect=2, **leaving)
    assert f"this run lacks {OLDER}" in " ".join(str(result.get("msg")) for _t, _h, result in part.results)
    assert organization()["calls"] == []

    done = site(playbook, groups, **leaving)
    assert organization()["calls"] == [
        f"LicensingLocation={LOCATION} {AD_RMS}",
        "InternalLicensingEnabled=False",
        "ClientAccessServerEnabled=False",
        "RefreshServerCertificates=True",
        "ClientAccessServerEnabled=True InternalLicensingEnabled=True",
        "Test Sender=admin@contoso.test",
    ]
    assert changed(done, STORES) == {OLDER: True, NEWER: True, SHAREPOINT: False}
    read = {"name": "read", "ansible.windows.win_reg_stat": {"path": key, "name": AD_RMS}}
    after = playbook.run([{"name": "after", "hosts": [OLDER, NEWER], "gather_facts": False, "tasks": [look, read]}])
    for host in (OLDER, NEWER):
        assert after.task("look", host)["stdout_lines"] == ["True", "0"], "the folder stays"
        assert after.task("read", host)["value"] == f"{CONNECTOR}/_wmcs/licensing", "content of AD RMS still opens"
    again = site(playbook, groups, **leaving)
    assert not any(result.get("changed") for _task, _host, result in again.results)


def test_servers_that_the_connector_does_not_authorize(playbook: AnsiblePlaybook, groups: str) -> None:
    with directory.opened(state_directory(), products.ORGANIZATION) as found:
        found["authorized"] = False
    run = site(playbook, groups, expect=2)
    message = run.task(EXCHANGE, NEWER)["msg"]
    assert "Test-IRMConfiguration does not pass" in message and "was set back" in message
    assert organization()["irm"] == products.NEW_ORGANIZATION["irm"]
    assert changed(run, EXCHANGE) == {NEWER: False}, "no other server tries it"
    with directory.opened(state_directory(), products.ORGANIZATION) as found:
        found["authorized"] = True
    assert changed(site(playbook, groups), EXCHANGE) == {NEWER: True}


def test_account_that_does_not_get_on(playbook: AnsiblePlaybook, groups: str) -> None:
    """The double hop without a credential, and a farm whose database is elsewhere."""
    with directory.opened(state_directory(), products.FARM) as farm:
        farm["database"] = "remote"
    run = site(playbook, groups, expect=2, irm_configuration_username="", irm_configuration_password="")
    assert "double hop" in run.task(EXCHANGE, NEWER)["msg"] and "double hop" in run.task(FARM, SHAREPOINT)["msg"]
