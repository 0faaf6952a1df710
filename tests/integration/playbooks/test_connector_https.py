"""HTTPS by the role rms_connector: the certificate comes from the controller, and what is done is not done again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook, Run, reset_hosts
from ..certificates import NAME, PASSWORD, make_certificate, served

HOST = "connector-3"
LOOK = "infoprotect.aip.aip_inspect : Compare the host with its desired state"
BIND = "infoprotect.aip.rms_connector : Bind the certificate"
STOP = "infoprotect.aip.aip_preflight : Stop the host"
TEXT = "What shows the connector's certificate has to be there, and the certificate has to be one that servers accept."
pytestmark = pytest.mark.xdist_group(HOST)


@pytest.fixture
def new_host() -> Iterator[None]:
    """The host is new before and after."""
    reset_hosts(HOST)
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
    removed = run(**without)
    assert [step["action"] for step in removed.task(BIND, HOST)["actions"]] == ["unbind"]
    assert served(HOST) is None
    fleet("sign-in", HOST, "--remove")
    early = run()
    assert early.module_runs(HOST) == [LOOK], "without a connector there is nothing to bind to"
    domain = look(early)
    assert not domain["compliant"] and domain["notes"] == ["the connector is not installed"]
    assert [step["action"] for step in domain["changes"]] == ["bind"], "the certificate stayed in the store"
