"""connectors.yml on two hosts: somebody at the screen is waited for, and what does not serve ends the rollout."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from winfleet import eventlog
from winfleet.connector import LIST, PROVIDER, AuthorizationList
from winfleet.paths import state_directory

from ..ansible_runner import CONNECTOR_TAGS, INVENTORIES, ROOT, AnsiblePlaybook, Run, reset_hosts
from ..certificates import NAME, PASSWORD, make_certificate, served

FIRST, SECOND = POOL = ["connector-1", "connector-2"]
PACKAGES = ROOT / ".cache/winfleet/packages"
ROLE = "infoprotect.aip.aip_apply"
STEP = f"{ROLE} : Fail until the manual step is done"
WAIT = f"{ROLE} : Wait until the manual step is done"
RESTART = f"{ROLE} : Restart IIS"
UNATTENDED = ["/quiet", "SIGNIN=1"]
ACCOUNT = r"exchange=CONTOSO\EX-01$"
# ansible.windows only: the version, whether the connector has its settings since a start, and its lease
LOOK = r"""
$uninstall = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*'
$read = {
    param ($key, $name)
    (Get-ItemProperty -LiteralPath "HKLM:\SOFTWARE\$key" -ErrorAction SilentlyContinue).$name
}
$written = & $read infoprotect.aip.connector Written
$filter = @{ LogName = 'Application'; ProviderName = 'Microsoft RMS connector'; Id = 1000 }
$start = Get-WinEvent -FilterHashtable $filter -MaxEvents 1 -ErrorAction SilentlyContinue
$Ansible.Result = @{
    versions = @(Get-ItemProperty -Path $uninstall |
            Where-Object { $_.DisplayName -match 'Rights Management connector' } |
            ForEach-Object { $_.DisplayVersion })
    has_settings = [bool]($written -and $start -and $start.TimeCreated.ToFileTimeUtc() -gt $written)
    proxy = & $read Microsoft\AADRM\Connector ProxyAddress
    lease = & $read infoprotect.aip\Lease Run
}
$Ansible.Changed = $false
"""

#: Of a first deployment: until somebody has to sign in, and afterwards
DEPLOYMENT = (
    [
        "Begin the turn",
        "Install .NET Framework for the connector",
        "Install or remove the connector",
        "Keep the URL on the host",
    ],
    [
        "Bind the certificate",
        "Apply the settings",
        "Restart IIS",
        "Restart the host",
        "Wait until the connector serves",
        "End the turn",
        "Fail if it was only returned to service",
    ],
)

pytestmark = [pytest.mark.hosts(*POOL), pytest.mark.timeout(900)]


def fleet(*arguments: str) -> None:
    subprocess.run([str(ROOT / "bin/fleet"), *(f"--inventory={path}" for path in INVENTORIES), *arguments], check=True)


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    """Somebody listens, which is all that the stand-in wants of a proxy."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def connectors(playbook: AnsiblePlaybook) -> Iterator[AnsiblePlaybook]:
    """Both hosts as new at the beginning and the end; each test goes on from where the one before has ended."""
    reset_hosts(*POOL)
    with authorized(("exchange", r"CONTOSO\EX-01$")):
        yield playbook
    reset_hosts(*POOL)


@contextmanager
def authorized(*accounts: tuple[str, str]) -> Iterator[None]:
    """Nobody else is; with whom other tests have authorized afterwards."""
    known = AuthorizationList(state_directory() / LIST)

    def be(those: list[tuple[str, str]]) -> None:
        known.change(every(), remove=True)
        known.change(those)

    def every() -> list[tuple[str, str]]:
        return [(role, account) for role, found in known.read().items() for account in found]

    before = every()
    be(list(accounts))
    try:
        yield
    finally:
        be(before)


def run(
    playbook: AnsiblePlaybook, *arguments: str, expect: int | None = 0, cut_off_before: str = "", **variables: object
) -> Run:
    values: dict[str, Any] = {
        "rms_connector_pool": [{"members": POOL, "minimum_in_service": 1}],
        "rms_connector_verify_timeout": 20,
        # .NET Framework, which one of them gets first, has a restart due
        "aip_reboot": True,
        **variables,
    }
    where = CONNECTOR_TAGS, f"--limit={','.join(POOL)}"
    ends: dict[str, Any] = {"expect": expect, "cut_off_before": cut_off_before}
    return playbook.run(ROOT / "playbooks/connectors.yml", *where, *arguments, extra_vars=values, **ends)


def look(playbook: AnsiblePlaybook, host: str) -> dict[str, Any]:
    task = {"name": "look", "ansible.windows.win_powershell": {"script": LOOK}}
    done = playbook.run([{"name": "look", "hosts": host, "gather_facts": False, "tasks": [task]}])
    found: dict[str, Any] = done.task("look", host)["result"]
    return found


def unattended(version: str) -> dict[str, Any]:
    return {
        "rms_connector_version": version,
        "rms_connector_src": str(PACKAGES / f"RMSConnectorSetup-{version}.exe"),
        "rms_connector_arguments": UNATTENDED,
    }


def prefix(host: str) -> Path:
    return state_directory() / "hosts" / host / "prefix"


def signs_in(host: str) -> None:
    """What somebody does as soon as the setup is there."""
    staged = prefix(host) / "drive_c/ProgramData/infoprotect/connector/RMSConnectorSetup.exe"
    deadline = time.monotonic() + 300
    while not staged.exists():
        assert time.monotonic() < deadline, f"no setup on {host}"
        time.sleep(0.5)
    time.sleep(2)
    fleet("sign-in", host)


@pytest.fixture
def bare_again(connectors: AnsiblePlaybook) -> Iterator[None]:
    """Afterwards the hosts are as new, for the tests that follow."""
    yield
    reset_hosts(*POOL)


@pytest.mark.full("cut-offs")
@pytest.mark.usefixtures("bare_again")
def test_a_first_deployment_that_is_cut_off_at_each_step(
    connectors: AnsiblePlaybook, proxy: str, tmp_path: Path
) -> None:
    """One run after the other, each going on where the one before has ended."""
    certificate = make_certificate(tmp_path, "rms")
    variables: dict[str, Any] = {
        "rms_connector_version": "3.0.0",
        "rms_connector_src": str(PACKAGES / "RMSConnectorSetup-3.0.0.exe"),
        "rms_connector_sign_in": "fail",
        "rms_connector_url": f"https://{NAME}",
        "rms_connector_certificate_thumbprint": certificate.thumbprint,
        "rms_connector_certificate_pfx": str(certificate.file),
        "rms_connector_certificate_password": PASSWORD,
        "rms_connector_proxy_address": proxy,
        # the runs before are known to have ended
        "rms_pool_take_over": True,
    }
    staging, serving = DEPLOYMENT
    for step in staging:
        run(connectors, cut_off_before=step, **variables)
    for host in POOL:
        ended = run(connectors, expect=2, **variables)
        assert [where for where, stats in ended.stats.items() if stats["failures"]] == [host]
        fleet("sign-in", host)
    # From the first one's turn on it may be the only one that serves; then a run puts it back and wants another one.
    ends = [run(connectors, expect=None, cut_off_before=step, **variables) for step in serving]
    ends += [run(connectors, expect=None, **variables) for _ in range(2)]
    assert all(one.rc in (0, -signal.SIGKILL) or "Run this again" in one.stdout for one in ends)
    assert [one.rc for one in ends].count(-signal.SIGKILL) >= len(serving) - 1
    run(connectors, **variables)
    for host in POOL:
        assert look(connectors, host) == {"versions": ["3.0.0.0"], "has_settings": True, "proxy": proxy, "lease": None}
        assert served(host) == certificate.thumbprint
    again = run(connectors, **variables)
    assert [(again.stats[host]["changed"], len(again.module_runs(host))) for host in POOL] == [(0, 1), (0, 1)]


@pytest.mark.full
@pytest.mark.usefixtures("bare_again")
def test_somebody_has_to_act_first(connectors: AnsiblePlaybook, proxy: str) -> None:
    """With `fail` the host ends with the step, and with it the rollout; the setup is there by then."""
    ended = run(connectors, expect=2, rms_connector_sign_in="fail")
    said = ended.task(STEP, FIRST)["msg"]
    assert said.startswith("Manual step on connector-1")
    assert "Run as administrator" in said and r"& 'C:\ProgramData\infoprotect\connector\RMSConnectorSetup.exe'" in said
    assert not [host for task, host, _result in ended.results if task == STEP and host != FIRST]
    late = run(connectors, f"--limit={FIRST}", expect=2, rms_connector_sign_in="wait", rms_connector_sign_in_timeout=1)
    assert late.task(WAIT, FIRST)["failed"] and late.task(WAIT, FIRST)["attempts"] == 1
    assert look(connectors, FIRST)["versions"] == []


def test_somebody_is_waited_for(connectors: AnsiblePlaybook, proxy: str) -> None:
    """With `wait` one run takes bare hosts to connectors that serve, with the proxy that they were given."""
    waiting: dict[str, Any] = {"rms_connector_sign_in": "wait", "rms_connector_proxy_address": proxy}
    with ThreadPoolExecutor() as operators:
        acts: list[Future[None]] = [operators.submit(signs_in, host) for host in POOL]
        run(connectors, **waiting)
        for act in acts:
            act.result()
    for host in POOL:
        # IIS was started by the setup, before there were settings, and once more
        assert look(connectors, host) == {"versions": ["3.0.0.0"], "has_settings": True, "proxy": proxy, "lease": None}
    again = run(connectors, **waiting)
    assert all((again.stats[host]["changed"], len(again.module_runs(host))) == (0, 1) for host in POOL)
    assert RESTART not in [task for task, _host, _result in again.results]


@pytest.mark.full("cut-offs")
def test_settings_that_were_never_taken(connectors: AnsiblePlaybook, proxy: str) -> None:
    """A run is cut off between writing and restarting: the next one restarts, though nothing differs any more."""
    run(connectors, **unattended("3.0.0"), rms_connector_proxy_address=proxy)
    absent: dict[str, Any] = {"rms_connector_settings_state": "absent"}
    run(connectors, f"--limit={FIRST}", cut_off_before="Restart IIS", **absent)
    assert {**look(connectors, FIRST), "lease": ""} == {
        "versions": ["3.0.0.0"],
        "has_settings": False,
        "proxy": None,
        "lease": "",
    }
    audit = connectors.run(ROOT / "playbooks/audit.yml", f"--limit={FIRST}", CONNECTOR_TAGS)
    assert "a restart of IIS is due for the connector" in audit.stdout
    rest = run(connectors, f"--limit={FIRST}", rms_pool_take_over=True, **absent)
    assert rest.task(RESTART, FIRST)["changed"]
    assert look(connectors, FIRST) == {"versions": ["3.0.0.0"], "has_settings": True, "proxy": None, "lease": None}


@pytest.mark.full("rollout")
def test_one_that_was_left_and_cannot_be_spared(connectors: AnsiblePlaybook, proxy: str) -> None:
    """It is put back as it is, and has its turn when the other one serves again: nobody has to touch the registry."""
    run(connectors, **unattended("3.0.0"))
    # without an end, it has expired
    lease = {"path": r"HKLM:\SOFTWARE\infoprotect.aip\Lease", "name": "Run", "data": "a run", "type": "string"}
    task = {"name": "lease", "ansible.windows.win_regedit": lease}
    connectors.run([{"name": "lease", "hosts": FIRST, "gather_facts": False, "tasks": [task]}])
    fleet("fault", SECOND, "lost_host")
    try:
        left = run(connectors, f"--limit={FIRST}", expect=2, rms_connector_proxy_address=proxy)
    finally:
        fleet("fault", SECOND, "clear")
    said = left.task("Fail if it was only returned to service", FIRST)["msg"]
    assert "differs in 1 value (connector_settings 1)" in said
    assert (look(connectors, FIRST)["proxy"], look(connectors, FIRST)["lease"]) == (None, None)
    run(connectors, rms_connector_proxy_address=proxy)
    assert [look(connectors, host)["proxy"] for host in POOL] == [proxy] * 2
    assert [look(connectors, host)["has_settings"] for host in POOL] == [True] * 2


def test_one_that_only_slept(connectors: AnsiblePlaybook) -> None:
    """IIS ends an application that nobody asks; a request starts it."""
    log = eventlog.EventLog(prefix(FIRST), FIRST.upper())
    log.write(PROVIDER, 1001, eventlog.INFORMATION, "The connector has stopped.")
    # the stand-in never sleeps: its next list is the sign of life
    timer = threading.Timer(15, fleet, ["authorize", FIRST, r"sharepoint=CONTOSO\sp-farm"])
    timer.start()
    try:
        woken = run(connectors)
    finally:
        timer.join()
        fleet("authorize", "--remove", FIRST, r"sharepoint=CONTOSO\sp-farm")
    assert woken.task(f"{ROLE} : Wait until the connector serves", FIRST)["host"]["connector"]["status"] == "running"
    assert woken.stats[FIRST]["changed"] == 0
    assert not [task for task, _host, _result in woken.results if task == "infoprotect.aip.rms_pool : Begin the turn"]


@pytest.mark.full("rollout")
def test_one_that_does_not_serve_ends_the_rollout(connectors: AnsiblePlaybook) -> None:
    """Upgraded, and without a list: its lease stays, and the other one is left alone. The next run mends both."""
    run(connectors, **unattended("3.0.0"))
    fleet("fault", FIRST, "tls_inspection")
    try:
        ended = run(connectors, expect=2, **unattended("3.1.0"))
    finally:
        fleet("fault", FIRST, "clear")
    said = ended.task(f"{ROLE} : Wait until the connector serves", FIRST)["msg"]
    assert said.startswith("The connector is starting; expected running") and "terminates TLS" in said
    assert look(connectors, FIRST)["versions"] == ["3.1.0.0"] and look(connectors, FIRST)["lease"]
    assert look(connectors, SECOND)["versions"] == ["3.0.0.0"]
    run(connectors, **unattended("3.1.0"))
    for host in POOL:
        found = look(connectors, host)
        assert (found["versions"], found["lease"]) == (["3.1.0.0"], None)


def test_one_that_has_lost_its_list_ends_the_rollout(connectors: AnsiblePlaybook) -> None:
    before = look(connectors, SECOND)["versions"]
    remove = [str(ROOT / "bin/fleet"), "authorize", "--all", "--remove", ACCOUNT]
    ended = run(connectors, expect=2, **unattended("3.2.0"), rms_pool_drain_command=remove)
    said = ended.task(f"{ROLE} : Wait until the connector serves", FIRST)["msg"]
    assert r"authorizes nobody (event 2003), and when the run began the connectors authorized CONTOSO\EX-01$" in said
    assert look(connectors, SECOND)["versions"] == before != ["3.2.0.0"]


@pytest.mark.full
@pytest.mark.hosts("admin-2019")
def test_the_administration_tool_of_an_admin_host(playbook: AnsiblePlaybook, tmp_path: Path) -> None:
    """By the site's playbook: staged, signed in to, and as it is wanted from then on; whether it serves nobody asks."""
    host = "admin-2019"
    inventory = tmp_path / "groups.yml"
    inventory.write_text(f"aip_admin_hosts: {{hosts: {{{host}: null}}}}\n", encoding="utf-8")
    site = AnsiblePlaybook(playbook.bin_folder, [*playbook.inventories, inventory])
    variables = unattended("3.0.0") | {"rms_connector_administration_tool": True, "aip_statements": {}}
    del variables["rms_connector_arguments"]

    def run(*arguments: str) -> Run:
        where = f"--limit={host}", CONNECTOR_TAGS
        return site.run(ROOT / "playbooks/site.yml", *where, *arguments, extra_vars=variables)

    reset_hosts(host)
    try:
        checked, staged = run("--check"), run()
        said = staged.task(f"{ROLE} : Show the manual step at the host", host)["msg"]
        assert any("the connector administration tool" in line for line in said)
        fleet("sign-in", host)
        after = run()
    finally:
        reset_hosts(host)
    assert checked.stats[host]["changed"] and staged.stats[host]["changed"]
    assert (after.stats[host]["changed"], len(after.module_runs(host))) == (0, 1)
    tasks = {task for one in (checked, staged, after) for task, _host, _result in one.results}
    assert not [task for task in tasks if "rms_pool" in task or task.endswith("Wait until the connector serves")]
