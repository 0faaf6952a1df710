"""irm_server: the values of each product and version on a host, read by reg.exe; refusals; another connector."""

from __future__ import annotations

from typing import Any

import pytest

from ..ansible_runner import AnsiblePlaybook, reset_hosts
from ..registry_export import export_task, exported
from .cycle import run_cycle

C = "https://rmsconnector.contoso.com"
OTHER = "http://rms-old.contoso.com"
T = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
URLS = {"connector_url": C, "tenant_url": T}
LONG = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft"
KEYS = [
    rf"HKLM\SOFTWARE\Microsoft\{key}"
    for key in (r"MSDRM\ServiceLocation", r"ExchangeServer\v15\IRM", r"MSIPC\ServiceLocation")
]

EXCHANGE_2013 = {
    rf"{LONG}\MSDRM\ServiceLocation\Activation": {"": ("string", f"{T}/_wmcs/certification")},
    rf"{LONG}\MSDRM\ServiceLocation\EnterprisePublishing": {"": ("string", f"{T}/_wmcs/licensing")},
    rf"{LONG}\ExchangeServer\v15\IRM\CertificationServerRedirection": {T: ("string", C)},
    rf"{LONG}\ExchangeServer\v15\IRM\LicenseServerRedirection": {T: ("string", C)},
}
SHAREPOINT = {
    rf"{LONG}\MSIPC\ServiceLocation\EnterpriseCertification": {"": ("string", f"{C}/_wmcs/certification")},
    rf"{LONG}\MSIPC\ServiceLocation\EnterprisePublishing": {"": ("string", f"{C}/_wmcs/licensing")},
    rf"{LONG}\MSIPC\ServiceLocation\LicensingRedirection": {f"{T}/_wmcs/licensing": ("string", f"{C}/_wmcs/licensing")},
}
FCI = {
    rf"{LONG}\MSDRM\ServiceLocation\Activation": {"": ("string", f"{C}/_wmcs/certification")},
    rf"{LONG}\MSDRM\ServiceLocation\EnterprisePublishing": {"": ("string", f"{C}/_wmcs/licensing")},
}
# host -> product, its version, the values
HOSTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "exchange-2013": ("exchange", "2013", EXCHANGE_2013),
    "exchange-1": ("exchange", "2016", EXCHANGE_2013 | SHAREPOINT),
    "exchange-2019": ("exchange", "2019", EXCHANGE_2013 | SHAREPOINT),
    "sharepoint-2013": ("sharepoint", "2013", SHAREPOINT),
    "sharepoint-2016": ("sharepoint", "2016", SHAREPOINT),
    "sharepoint-2019": ("sharepoint", "2019", SHAREPOINT),
    "fci-2016": ("fci", "2016", FCI),
}


def values(registry: dict[str, Any]) -> dict[str, Any]:
    """Keys without values left out: a key above another one, or one that was emptied."""
    return {key: found for key, found in registry.items() if found}


# The tables of all of them are unit tests; a run on each host of these costs too much every time.
ALWAYS = ("exchange-1",)


def on_its_host(host: str) -> object:
    marks = [pytest.mark.hosts(host), *([] if host in ALWAYS else [pytest.mark.full])]
    return pytest.param(host, marks=marks)


@pytest.mark.parametrize("host", [on_its_host(host) for host in HOSTS])
def test_present(playbook: AnsiblePlaybook, host: str) -> None:
    product, version, expected = HOSTS[host]
    cycle = run_cycle(playbook, host, "irm_server", {"product": product, **URLS}, KEYS)
    assert values(cycle.after) == expected
    assert cycle.applied["version"] == version
    assert cycle.applied["reboot_required"] == cycle.again["reboot_required"] == (product == "fci")


#: A file server of 2012: the service of File Server Resource Manager
RESOURCE_MANAGER = {
    "path": r"HKLM:\SYSTEM\CurrentControlSet\Services\SrmSvc",
    "name": "Start",
    "data": 2,
    "type": "dword",
}


@pytest.mark.full
@pytest.mark.parametrize(
    "host",
    [pytest.param(host, marks=pytest.mark.hosts(host)) for host in ("server-2012", "client-2012r2")],
)
def test_file_server_of_2012(playbook: AnsiblePlaybook, host: str) -> None:
    before = [{"name": "resource manager", "ansible.windows.win_regedit": RESOURCE_MANAGER}]
    cycle = run_cycle(playbook, host, "irm_server", {"product": "fci", **URLS}, KEYS, before=before)
    reset_hosts(host)
    assert values(cycle.after) == FCI
    assert cycle.applied["version"] == host.rpartition("-")[2]


def run(playbook: AnsiblePlaybook, host: str, *tasks: dict[str, Any]) -> Any:
    return playbook.run([{"name": "irm_server", "hosts": host, "gather_facts": False, "tasks": list(tasks)}])


def irm(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "infoprotect.aip.irm_server": options}


@pytest.mark.hosts("exchange-1")
def test_from_one_connector_to_another(playbook: AnsiblePlaybook) -> None:
    """Refused without force; with it nothing of the first is left, and the restart is due until it was done."""
    host = "exchange-1"
    other = {"connector_url": OTHER, "tenant_url": T.replace("5c6bb73b", "00000000")}
    check = {"irm_server": {"product": "exchange", **URLS}}
    location = r"HKLM:\SOFTWARE\Microsoft\MSDRM\ServiceLocation"
    adrms = {"path": rf"{location}\Activation", "data": "https://adrms.contoso.com/_wmcs/certification"}
    foreign = {"path": location, "name": "of somebody", "data": "%SystemRoot%", "type": "expandstring"}
    done = run(
        playbook,
        host,
        {"name": "AD RMS", "ansible.windows.win_regedit": adrms},
        {"name": "somebody", "ansible.windows.win_regedit": foreign},
        export_task("before", *KEYS),
        irm("of AD RMS", product="exchange", **other) | {"ignore_errors": True},
        irm("first", product="exchange", force=True, **other) | {"register": "first"},
        export_task("first export", *KEYS),
        irm("refused", product="exchange", **URLS) | {"ignore_errors": True},
        irm("refused check", product="exchange", **URLS) | {"ignore_errors": True, "check_mode": True},
        {"name": "look", "infoprotect.aip.desired_state": check, "check_mode": True},
        {"name": "refused desired", "infoprotect.aip.desired_state": check, "ignore_errors": True},
        export_task("after refusal", *KEYS),
        irm("forced", product="exchange", force=True, **URLS) | {"register": "forced"},
        export_task("after", *KEYS),
        irm("again", product="exchange", **URLS),
        {"name": "facts", "infoprotect.aip.host_info": {}},
        irm("absent check", product="exchange", state="absent") | {"check_mode": True},
        irm("absent", product="exchange", state="absent") | {"register": "absent"},
        export_task("absent export", *KEYS),
        irm("absent again", product="exchange", state="absent"),
        *(
            task
            for name in ("absent", "forced", "first")
            for task in (
                {"name": f"restore {name}", "infoprotect.aip.restore": {"receipt": f"{{{{ {name}.receipt }}}}"}},
                export_task(f"before {name}", *KEYS),
            )
        ),
    )
    first, before = exported(done.task("first export", host)), exported(done.task("before", host))
    assert OTHER in str(first) and "adrms" not in str(first) and "adrms" in done.task("of AD RMS", host)["msg"]
    for name in ("refused", "refused check", "refused desired"):
        failure = done.task(name, host)
        assert failure["failed"] and not failure["changed"]
        for text in (OTHER, C, "clear its IRM configuration first", "force"):
            assert text in failure["msg"], name
    look = done.task("look", host)["domains"]["irm_server"]
    assert not look["compliant"] and look["changes"] == [] and OTHER in look["refused"][0]
    assert exported(done.task("after refusal", host)) == first, "a refused server was written to"
    left = {rf"{LONG}\MSDRM\ServiceLocation": {"of somebody": ("expandstring", "%SystemRoot%")}}
    after = exported(done.task("after", host))
    assert values(after) == EXCHANGE_2013 | SHAREPOINT | left
    assert "rms-old" not in str(after) and "00000000" not in str(after)
    assert done.task("forced", host)["reboot_required"] and not done.task("again", host)["changed"]
    assert done.task("again", host)["reboot_required"], "the restart stays due until the host was restarted"
    assert done.task("again", host)["reboot_reasons"] == ["irm_server"]
    assert "irm_server" in done.task("facts", host)["host"]["reboot"]["reasons"]
    assert done.task("absent check", host)["changes"] == done.task("absent", host)["changes"]
    assert values(exported(done.task("absent export", host))) == left
    assert not done.task("absent again", host)["changed"]
    found = [exported(done.task(f"before {name}", host)) for name in ("absent", "forced", "first")]
    assert found == [after, first, before], "restore brings back what was there, of another connector and of AD RMS"
    reset_hosts(host)  # of the restart that is due now


@pytest.mark.hosts("fci-2016")
def test_desired_state_is_the_module(playbook: AnsiblePlaybook) -> None:
    host = "fci-2016"
    wanted = {"product": "fci", **URLS}
    done = run(
        playbook,
        host,
        export_task("before", *KEYS),
        {"name": "look", "infoprotect.aip.desired_state": {"irm_server": wanted}, "check_mode": True},
        irm("check", **wanted) | {"check_mode": True},
        {"name": "apply", "infoprotect.aip.desired_state": {"irm_server": wanted}, "register": "apply"},
        export_task("after", *KEYS),
        {"name": "again", "infoprotect.aip.desired_state": {"irm_server": wanted}},
        {"name": "restore", "infoprotect.aip.restore": {"receipt": "{{ apply.receipt }}"}},
        export_task("restored", *KEYS),
    )
    look, applied, again = (done.task(name, host) for name in ("look", "apply", "again"))
    assert look["domains"]["irm_server"]["changes"] == done.task("check", host)["changes"]
    assert look["domains"]["irm_server"]["changes"] == applied["domains"]["irm_server"]["changes"] != []
    assert values(exported(done.task("after", host))) == FCI
    assert again["compliant"] and not again["changed"]
    assert again["reboot_required"] and "irm_server" in again["host"]["reboot"]["reasons"]
    assert again["host"]["roles"]["fci"] == {"found": True, "version": None, "line": "2016"}
    assert values(exported(done.task("restored", host))) == values(exported(done.task("before", host)))


@pytest.mark.hosts("exchange-1")
def test_servers_that_are_refused(playbook: AnsiblePlaybook) -> None:
    """Nothing is written to a server without the product; each reason is a unit test."""
    host = "exchange-1"
    done = run(
        playbook,
        host,
        export_task("before", *KEYS),
        irm("refused", product="sharepoint", **URLS) | {"ignore_errors": True},
        export_task("after", *KEYS),
        irm("options", product="exchange") | {"ignore_errors": True},
    )
    assert "SharePoint Server is not installed on this host" in done.task("refused", host)["msg"]
    assert "connector_url" in done.task("options", host)["msg"]
    assert exported(done.task("after", host)) == exported(done.task("before", host))
