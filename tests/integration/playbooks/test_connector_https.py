"""HTTPS by the role rms_connector: the certificate comes from the controller, and what is done is not done again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..ansible_runner import CONNECTOR_TAGS, INVENTORIES, ROOT, AnsiblePlaybook, Run, reset_hosts
from ..certificates import NAME, PASSWORD, make_certificate, served

HOST = "connector-3"
LOOK = "infoprotect.aip.aip_apply : Inspect the host"
BIND = "infoprotect.aip.aip_apply : Bind the certificate"
KEEP = "infoprotect.aip.aip_apply : Keep the URL on the host"
STOP_RUN = "Plan the run"
STOP = "infoprotect.aip.aip_apply : Inspect the host"
TEXT = "What shows the connector's certificate has to be there, and the certificate has to be one that servers accept."
pytestmark = pytest.mark.hosts(HOST)


@pytest.fixture
def new_host() -> None:
    reset_hosts(HOST)


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(fleet: None) -> Iterator[None]:
    yield
    reset_hosts(HOST)


def fleet(*arguments: str) -> None:
    subprocess.run([str(ROOT / "bin/fleet"), *(f"--inventory={path}" for path in INVENTORIES), *arguments], check=True)


def look(run: Run) -> dict[str, Any]:
    """What the one module run said of the domain."""
    (result,) = run.module_results(HOST)
    domain: dict[str, Any] = result["domains"]["connector_https"]
    return domain


@pytest.mark.usefixtures("new_host")
def test_certificate_from_the_controller(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "rms")
    variables: dict[str, Any] = {
        "rms_connector_url": f"https://{NAME}",
        "rms_connector_certificate_thumbprint": certificate.thumbprint.lower(),
        "rms_connector_certificate_pfx": str(certificate.file),
        "rms_connector_certificate_password": PASSWORD,
        "rms_connector_verify_timeout": 60,
    }
    fleet("authorize", HOST, r"exchange=CONTOSO\Exchange Servers")

    def run(*arguments: str, tasks: tuple[dict[str, Any], ...] = (), expect: int = 0, **changed: Any) -> Run:
        play = {"name": "https", "hosts": HOST, "gather_facts": False, "roles": ["infoprotect.aip.rms_connector"]}
        return playbook.run([play | {"tasks": list(tasks)}], *arguments, extra_vars=variables | changed, expect=expect)

    check = run("--check", "--diff")
    assert check.task(BIND, HOST)["changed"] and served(HOST) is None
    search = {"paths": ["C:\\users", "C:\\ProgramData", "C:\\Windows\\Temp"], "patterns": ["*.pfx"], "recurse": True}
    first = run("-vvv", tasks=({"name": "left", "ansible.windows.win_find": search},))
    assert [step["action"] for step in first.task(BIND, HOST)["actions"]] == ["import", "bind"]
    assert first.task("left", HOST)["matched"] == 0, "the PFX is gone"
    assert PASSWORD not in first.stdout + first.stderr
    assert served(HOST) == certificate.thumbprint
    second = run()
    assert second.module_runs(HOST) == [LOOK] and second.stats[HOST]["changed"] == 0
    assert look(second)["compliant"]

    # another certificate, which nobody has brought: it is said before the connector is taken out of service for it
    nowhere: dict[str, Any] = {
        "rms_connector_certificate_thumbprint": "A" * 40,
        "rms_connector_certificate_pfx": "",
    }
    refused = run(expect=2, **nowhere)
    assert refused.module_runs(HOST) == [LOOK]
    (reason,) = look(refused)["obstacles"]
    assert reason.startswith(f"there is no certificate {'A' * 40}")
    assert f"connector_https_binding (blocks): {TEXT} Found: {reason}" in refused.task(STOP, HOST)["msg"]
    # nor is it taken out of service for one that it shows already and that is of no use
    wrong = run(expect=2, rms_connector_url="https://elsewhere.example")
    assert wrong.module_runs(HOST) == [LOOK]
    assert "expected elsewhere.example, the name in url" in wrong.task(STOP, HOST)["msg"]
    assert served(HOST) == certificate.thumbprint

    without: dict[str, Any] = {"rms_connector_certificate_state": "absent", "rms_connector_url": "http://localhost"}
    assert "connector_url_unchanged (blocks)" in run(expect=2, **without).task(STOP, HOST)["msg"]
    removed = run(**without, rms_connector_url_force=True)
    assert KEEP in removed.module_runs(HOST)
    assert [step["action"] for step in removed.task(BIND, HOST)["actions"]] == ["unbind"]
    assert served(HOST) is None
    fleet("sign-in", HOST, "--remove")
    early = run()
    assert early.module_runs(HOST) == [LOOK], "without a connector there is nothing to bind to"
    domain = look(early)
    assert not domain["compliant"] and domain["notes"] == ["the connector is not installed"]
    assert [step["action"] for step in domain["changes"]] == ["bind"], "the certificate stayed in the store"


@pytest.mark.full
def test_another_url(playbook: AnsiblePlaybook, new_host: None, tmp_path: Path) -> None:
    """A connector remembers its URL from the first change on, and is led to another one only by force."""
    inventory = tmp_path / "connectors.yml"
    inventory.write_text(f"rms_connectors: {{hosts: {{{HOST}: null}}}}\n", encoding="utf-8")
    connectors = AnsiblePlaybook(playbook.bin_folder, [*playbook.inventories, inventory])
    old, new = "http://rms.contoso.test", "http://connector.contoso.test"
    variables: dict[str, Any] = {
        "rms_connector_url": old,
        "rms_connector_version": "3.0.0",
        "rms_connector_verify_timeout": 60,
        "rms_connector_pool": [{"members": ["connector-1", "connector-2"]}, {"members": [HOST]}],
    }
    fleet("authorize", HOST, r"exchange=CONTOSO\Exchange Servers")

    def run(*arguments: str, expect: int = 0, **more: Any) -> Run:
        where = f"--limit={HOST}", *arguments
        return connectors.run(ROOT / "playbooks/connectors.yml", *where, extra_vars=variables | more, expect=expect)

    def remembered() -> str | None:
        """Read by ansible.windows."""
        value = {"path": r"HKLM:\SOFTWARE\infoprotect.aip", "name": "ConnectorUrl"}
        look = {"name": "url", "ansible.windows.win_reg_stat": value}
        stat = playbook.run([{"name": "url", "hosts": HOST, "gather_facts": False, "tasks": [look]}]).task("url", HOST)
        return str(stat["value"]) if stat["exists"] else None

    adopted = run(CONNECTOR_TAGS)
    assert adopted.module_runs(HOST) == [LOOK] and remembered() is None, "it complies, and is not changed for it"
    run()
    assert remembered() == old, "TLS was set, and it was verified"
    for same in (old, "HTTP://RMS.Contoso.test/"):
        again = run(rms_connector_url=same)
        assert again.module_runs(HOST) == [LOOK] and again.stats[HOST]["changed"] == 0

    for other in (new, old.replace("http:", "https:")):
        refused = run(rms_connector_url=other, expect=2)
        assert refused.module_runs(HOST) == [LOOK]
        (said,) = [result["msg"] for task, _host, result in refused.results if task.endswith(STOP_RUN)]
        assert "connector_url_unchanged (blocks)" in said
        assert f"Found: it was brought into service as {old} and rms_connector_url is {other};" in said
    forced = {"rms_connector_url": new, "rms_connector_url_force": True}
    assert run("--check", **forced).stats[HOST]["changed"] == 0 and remembered() == old
    moved = run("-erms_connector_url_force=true", rms_connector_url=new)
    assert KEEP in moved.module_runs(HOST) and remembered() == new
    assert run(rms_connector_url=new).module_runs(HOST) == [LOOK]

    absent: dict[str, Any] = {"rms_connector_state": "absent", "rms_connector_url": new}
    run(CONNECTOR_TAGS, **absent)
    assert remembered() == new, "somebody has yet to remove the connector"
    run(
        CONNECTOR_TAGS,
        **absent,
        rms_connector_arguments=["/quiet", "/uninstall"],
    )
    assert remembered() is None, "it goes with the connector"
