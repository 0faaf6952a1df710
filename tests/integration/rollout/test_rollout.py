"""A pool of connectors is upgraded while clients ask it through HAProxy: one at a time, also when a member dies.

Most of it is full: what a run decides, and that the playbooks do it at each step and by each ansible-core, is proved by
test_simulated.py and tests/unit/test_rollout_simulation.py. Here are the real registry, setup, IIS and HAProxy.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_ntlm import HttpNtlmAuth
from winfleet import passwords
from winfleet.balancer import Balancer
from winfleet.clients import Clients
from winfleet.paths import state_directory

from ..ansible_runner import CONNECTOR_TAGS, OLDER_CORES, ROOT, AnsiblePlaybook, Run, ansible_of, suspended
from ..certificates import PASSWORD, make_certificate, served_at

CONNECTORS_PLAYBOOK = ROOT / "playbooks/connectors.yml"
OTHERS = ["connector-1", "connector-2"]
POOL = ["pool-1", "pool-2", "pool-3"]
HOSTS = [ROOT / "inventories/emulated", ROOT / "tests/integration/pool"]
PACKAGES = ROOT / ".cache/winfleet/packages"
SHARE, SETUP = r"\\fileserver\packages", "RMSConnectorSetup-3.0.0.exe"
CONNECTOR = "Microsoft Rights Management connector"
ACCOUNT = r"CONTOSO\EX-01$"
BEGIN = "infoprotect.aip.rms_pool : Begin the turn"
TAKE = "infoprotect.aip.rms_pool : Take the member's lease"
OUT = "infoprotect.aip.rms_pool : Record that it is out of service"
DRAIN = "Let HAProxy send it no new connections"
RESTORE = "Let HAProxy send it connections again"
LEASE = {"path": r"HKLM:\SOFTWARE\infoprotect.aip\Lease", "name": "Run"}
LEASE_SCRIPT = (ROOT / "roles/rms_pool/files/lease.ps1").read_text(encoding="utf-8")
OWN_FOLDER = {"ownfolder": (ROOT / "plugins/module_utils/_OwnFolder.psm1").read_text(encoding="utf-8")}
OTHER_RUN = {"run": "theirs", "take": "any", "controller": "elsewhere.example.com", "stage": "out_of_service"}
DRAIN_IT = {"name": "drain", "ansible.builtin.include_tasks": str(ROOT / "playbooks/haproxy/drain.yml")}
PROXY = {"path": r"HKLM:\SOFTWARE\Microsoft\AADRM\Connector", "name": "ProxyAddress"}
#: The steps of a connector's turn, by the task before which a run is cut off: whether it has a lease, and is drained
STEPS = {
    "Take the member's lease": (False, False),
    "Begin the turn": (True, False),
    DRAIN: (True, False),
    "Wait for its connections to end": (True, True),
    "Record that it is out of service": (True, True),
    "Install or remove the connector": (True, True),
    "Apply the settings": (True, True),
    "Restart IIS": (True, True),
    "Wait until the connector serves": (True, True),
    "Record that it returns to service": (True, True),
    RESTORE: (True, True),
    "Wait until HAProxy has it in service": (True, False),
    "End the turn": (True, False),
    "Fail if it was only returned to service": (False, False),
}
#: A load balancer's health checks: seconds between two, and how many must succeed before a member that was down is UP.
#: A run that does not wait for that drains the next member meanwhile. A faster one is in test_simulated.py.
SLOW = {"slow": (10, 9)}
#: To which a pool of 3.0.0 is upgraded, one after the other
VERSIONS = ("3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0")
UNATTENDED = ["/quiet", "SIGNIN=1"]
# As new, whatever a test has left there. NSIS does not unpack itself from a share.
RENEW = rf"""
$start = {{
    $process = Start-Process -FilePath C:\{SETUP} -ArgumentList $args -Wait -PassThru
    if ($process.ExitCode) {{ throw "setup $args ended with $($process.ExitCode)" }}
}}
Copy-Item -LiteralPath {SHARE}\{SETUP} -Destination C:\{SETUP}
$products = Get-ItemProperty -Path HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\*
if ($products | Where-Object {{ $_.DisplayName -eq '{CONNECTOR}' }}) {{
    & $start /quiet /uninstall
}}
if (Test-Path -LiteralPath {LEASE["path"]}) {{ Remove-Item -LiteralPath (Split-Path -Path {LEASE["path"]}) -Recurse }}
& $start {" ".join(UNATTENDED)}
"""
WAIT_FOR_ANOTHER = r"""
[void] [IO.Directory]::CreateDirectory('C:\race')
[IO.File]::WriteAllText("C:\race\$Run", '')
$clock = [Diagnostics.Stopwatch]::StartNew()
while ([IO.Directory]::GetFiles('C:\race').Count -lt 2) {
    if ($clock.Elapsed.TotalSeconds -gt 60) { throw 'nobody else has come' }
    Start-Sleep -Milliseconds 50
}
"""
LIST_VERSIONS = rf"""
Get-ItemProperty -Path HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\* |
    Where-Object {{ $_.DisplayName -eq '{CONNECTOR}' }} |
    ForEach-Object {{ $_.DisplayVersion }}
"""
#: Pools in test_a_member_that_dies_ends_the_rollout, one after the other: so many by the current ansible-core, then one
#: by each older one
AGING_BY_CURRENT = 8
CURRENT = pytest.param(None, id="current")
BY_EACH_CORE = pytest.mark.parametrize("pool", [CURRENT, *OLDER_CORES], indirect=True)

pytestmark = [pytest.mark.timeout(900)]


def fleet(*arguments: str) -> None:
    subprocess.run([str(ROOT / "bin/fleet"), *(f"--inventory={hosts}" for hosts in HOSTS), *arguments], check=True)


def lease_of_another_run(seconds: int, **where: str) -> dict[str, Any]:
    """The task that takes it, whoever has the lease."""
    script = {"script": LEASE_SCRIPT, "parameters": {**OTHER_RUN, **OWN_FOLDER, "seconds": seconds}}
    return {"name": "lease", "ansible.windows.win_powershell": script, **where}


def ask(url: str) -> None:
    """One request of an authorized server, on a connection of its own."""
    password = passwords.read(state_directory())[passwords.ADMINISTRATOR]
    answer = requests.get(
        f"{url}/_wmcs/certification/servercertification.asmx",
        auth=HttpNtlmAuth(ACCOUNT, password),
        timeout=30,
    )
    answer.raise_for_status()


def ask_until_served(url: str, patience: float = 60) -> None:
    """A connector has a new list after a while only."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return ask(url)
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@dataclass(frozen=True)
class Pool:
    """Three connectors behind HAProxy, and ansible-playbook with an inventory that has them."""

    playbook: AnsiblePlaybook
    balancer: Balancer
    servers: Mapping[str, tuple[str, int]]

    def wait_until_served(self) -> None:
        """By each member, not by HAProxy."""
        for address, port in self.servers.values():
            ask_until_served(f"http://{address}:{port}")

    def run(
        self,
        version: str,
        *arguments: str,
        expect: int | None = 0,
        cut_off_before: str = "",
        suspended: Path | None = None,
        **more: object,
    ) -> Run:
        """connectors.yml, with the version that the members shall have."""
        hooks = {name: str(ROOT / f"playbooks/haproxy/{name}.yml") for name in ("drain", "restore")}
        values = {
            "rms_connector_pool": [{"members": POOL}, {"members": OTHERS}],
            "rms_connector_version": version,
            "rms_connector_src": str(PACKAGES / f"RMSConnectorSetup-{version}.exe"),
            "rms_connector_arguments": UNATTENDED,
            "rms_connector_verify_timeout": 30,
            "rms_pool_drain_tasks": hooks["drain"],
            "rms_pool_restore_tasks": hooks["restore"],
            "rms_pool_haproxy_socket": self.balancer.socket,
            "rms_pool_drain_seconds": 10,
            **more,
        }
        where = CONNECTOR_TAGS, f"--limit={','.join(POOL)}", *arguments
        ends: dict[str, Any] = {"expect": expect, "cut_off_before": cut_off_before, "suspended": suspended}
        return self.playbook.run(CONNECTORS_PLAYBOOK, *where, extra_vars=values, **ends)

    def versions(self, *hosts: str) -> set[str]:
        """DisplayVersion in the lists of installed programs, read by ansible.windows."""
        find = {"name": "version", "ansible.windows.win_powershell": {"script": LIST_VERSIONS}}
        run = self.playbook.run([{"name": "version", "hosts": list(hosts), "gather_facts": False, "tasks": [find]}])
        return {version for host in hosts for version in run.task("version", host)["output"]}

    def read(self, value: dict[str, str]) -> dict[str, str | None]:
        """A value of the registry of each member, None where it is not, read by ansible.windows."""
        look = {"name": "value", "ansible.windows.win_reg_stat": value}
        run = self.playbook.run([{"name": "value", "hosts": POOL, "gather_facts": False, "tasks": [look]}])
        return {host: run.task("value", host).get("value") for host in POOL}

    def shells(self) -> dict[str, int]:
        """How many each member has open; Windows allows 30, and keeps those that nobody ends for two hours."""
        command = [str(ROOT / "bin/fleet"), "status", "--json", *POOL]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return {host["name"]: host["shells"] for host in json.loads(said)}

    def leave(self, host: str) -> None:
        """Drained, with an expired lease, as an interrupted run has left it."""
        socket = {"rms_pool_haproxy_socket": self.balancer.socket}
        play = {"name": "leave", "hosts": [host], "gather_facts": False, "tasks": [lease_of_another_run(0), DRAIN_IT]}
        self.playbook.run([play], extra_vars=socket)


@pytest.fixture(scope="module")
def members() -> Iterator[AnsiblePlaybook]:
    """ansible-playbook for three hosts that nobody else needs, as new."""
    try:
        fleet("reset", *POOL)
        fleet("up", *POOL)
        for host in POOL:
            fleet("share", host, SHARE, str(PACKAGES))
        yield AnsiblePlaybook(Path(sys.executable).parent, HOSTS)
    finally:
        fleet("down", *POOL)


@contextmanager
def renewed(members: AnsiblePlaybook, folder: Path, inter: float = 0.5, rise: int = 1) -> Iterator[Pool]:
    """All members with version 3.0.0, in service. To undo what a test has done there is far quicker than new hosts."""
    renew = {"name": "renew", "ansible.windows.win_powershell": {"script": RENEW}}
    where = {"name": "where", "ansible.builtin.debug": {"msg": "{{ ansible_host }}"}}
    run = members.run([{"name": "pool", "hosts": POOL, "gather_facts": False, "tasks": [renew, where]}])
    fleet("authorize", "--all", f"exchange={ACCOUNT}")
    servers = {host: (str(run.task("where", host)["msg"]), 80) for host in POOL}
    with Balancer(folder, servers, inter=inter, rise=rise) as balancer:
        pool = Pool(members, balancer, servers)
        pool.wait_until_served()
        yield pool
    fleet("authorize", "--all", "--remove", f"exchange={ACCOUNT}")


@pytest.fixture
def pool(members: AnsiblePlaybook, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pool]:
    """One for each test; the parameter is the ansible-core, if it is an older one, or how slow the load balancer is."""
    kind = getattr(request, "param", None)
    with renewed(members, tmp_path / "haproxy", *SLOW.get(kind, ())) as new:
        yield replace(new, playbook=ansible_of(kind, HOSTS)) if kind in OLDER_CORES else new


@pytest.fixture(scope="module")
def aging_pool(
    members: AnsiblePlaybook, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Pool]:
    """One for all VERSIONS; the parameter counts the pools. The last ones have older ansible-core."""
    older = dict(enumerate(OLDER_CORES, AGING_BY_CURRENT)).get(request.param)
    playbook = ansible_of(older, HOSTS) if older else members
    with renewed(members, tmp_path_factory.mktemp(f"pool-{request.param}") / "haproxy") as new:
        yield replace(new, playbook=playbook)


def first_by_default(values: Iterable[object]) -> list[Any]:
    """The parameters of a test of the part `deaths`, whose first one the default run has, too."""
    return [pytest.param(value, marks=pytest.mark.full("deaths") if n else ()) for n, value in enumerate(values)]


def taken(run: Run) -> list[str]:
    """The members that were taken out, in order."""
    return [host for task, host, result in run.results if task.endswith(DRAIN) and result.get("changed")]


def restored(run: Run) -> list[str]:
    """The members that were put back, in order."""
    return [host for task, host, result in run.results if task.endswith(RESTORE) and result.get("changed")]


@pytest.mark.parametrize(
    "pool", [CURRENT, *(pytest.param(kind, marks=pytest.mark.full) for kind in ("slow", "2.16"))], indirect=True
)
def test_no_request_is_lost_in_a_rolling_upgrade(pool: Pool) -> None:
    """A member is drained only when HAProxy has the one before in service again."""
    with Clients(partial(ask, pool.balancer.url)) as clients, ThreadPoolExecutor() as beside:
        time.sleep(2)
        started = beside.submit(pool.run, "3.1.0", rms_pool_restore_seconds=120)
        least = pool.balancer.least_up_until(started.done)
        upgrade = started.result()
        time.sleep(2)
    assert least == len(POOL) - 1, pool.balancer.log
    assert clients.lost == []
    assert clients.served > 50
    assert taken(upgrade) == restored(upgrade) == POOL
    assert pool.shells() == dict.fromkeys(POOL, 0)
    assert pool.versions(*POOL) == {"3.1.0.0"}
    again = pool.run("3.1.0")
    assert all(again.stats[host]["changed"] == 0 and len(again.module_runs(host)) == 1 for host in POOL)


@pytest.mark.full
def test_a_certificate_is_renewed_on_one_member_after_another(pool: Pool, tmp_path: Path) -> None:
    def run(name: str) -> Run:
        made = made_as[name]
        return pool.run(
            "3.0.0",
            rms_connector_certificate_thumbprint=made.thumbprint,
            rms_connector_certificate_pfx=str(made.file),
            rms_connector_certificate_password=PASSWORD,
        )

    def shown() -> set[str | None]:
        return {served_at(address) for address, _port in pool.servers.values()}

    made_as = {name: make_certificate(tmp_path, name) for name in ("old", "new")}
    with Clients(partial(ask, pool.balancer.url)) as clients:
        for name, made in made_as.items():
            renewal = run(name)
            assert taken(renewal) == restored(renewal) == POOL
            assert shown() == {made.thumbprint}
    assert clients.lost == []
    again = run("new")
    assert all(again.stats[host]["changed"] == 0 and len(again.module_runs(host)) == 1 for host in POOL)
    pool.run("3.0.0", rms_connector_certificate_state="absent")
    assert shown() == {None}


@pytest.mark.full
@BY_EACH_CORE
def test_nobody_is_taken_out_when_another_one_is_gone(pool: Pool) -> None:
    """Not even with --limit, and not by a job that does not see all of them."""
    fleet("fault", "pool-2", "lost_host")
    try:
        run = pool.run("3.1.0", "--limit=pool-1", expect=2)
    finally:
        fleet("fault", "pool-2", "clear")
    said = run.task(BEGIN, "pool-1")["msg"]
    assert "without pool-1, 1 of 3 members would be in service (pool-2 not answering); at least 2" in said
    hidden = pool.run("3.1.0", rms_connector_pool=[{"members": [*POOL, *OTHERS, "pool-9"]}], expect=2)
    assert "the inventory does not have pool-9" in hidden.stdout
    assert taken(run) == taken(hidden) == []
    assert pool.versions(*POOL) == {"3.0.0.0"}


@pytest.mark.full
@BY_EACH_CORE
def test_an_upgrade_that_fails_ends_the_rollout_and_is_gone_on_with(pool: Pool) -> None:
    """The failed member stays out of the load balancer until a run has brought it to its end."""
    fleet("fault", "pool-1", "installer", "argument=any", "exit_codes=1603")
    with Clients(partial(ask, pool.balancer.url)) as clients:
        failed = pool.run("3.1.0", expect=2)
        fleet("fault", "pool-1", "clear")
        other = pool.run("3.1.0", "--limit=pool-2", expect=2)
        rest = pool.run("3.1.0")
    assert taken(failed) == ["pool-1"]
    assert "(pool-1 left by an interrupted run)" in other.task(BEGIN, "pool-2")["msg"]
    assert restored(rest) == POOL
    assert pool.versions(*POOL) == {"3.1.0.0"}
    assert clients.lost == []


@pytest.mark.full("cut-offs")
@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_cut_off_is_gone_on_with(pool: Pool, step: str) -> None:
    """At each step of the first member's turn; the next run, of an operator who knows that this one has ended, finishes
    all of them without a lost request."""
    # the connector wants somebody to listen there
    wanted: dict[str, Any] = {"rms_connector_proxy_address": pool.balancer.url}
    with Clients(partial(ask, pool.balancer.url)) as clients:
        pool.run("3.1.0", cut_off_before=step, **wanted)
        leased, drained = STEPS[step]
        assert [host for host, run in pool.read(LEASE).items() if run] == (["pool-1"] if leased else [])
        assert pool.balancer.states() == dict.fromkeys(POOL, "UP") | ({"pool-1": "DRAIN"} if drained else {})
        rest = pool.run("3.1.0", rms_pool_take_over=True, **wanted)
    assert clients.lost == []
    # it may have been put back already, or never been drained
    assert taken(rest) == (POOL[1:] if step == list(STEPS)[-1] else POOL)
    assert pool.read(LEASE) == dict.fromkeys(POOL)
    assert pool.read(PROXY) == dict.fromkeys(POOL, pool.balancer.url)
    assert pool.versions(*POOL) == {"3.1.0.0"}
    assert pool.balancer.states() == dict.fromkeys(POOL, "UP")
    after = pool.run("3.1.0", **wanted)
    assert all(after.stats[host]["changed"] == 0 and len(after.module_runs(host)) == 1 for host in POOL)


# One mark for both would be a new pool for each test
@pytest.mark.parametrize("version", first_by_default(VERSIONS))
@pytest.mark.parametrize("aging_pool", first_by_default(range(AGING_BY_CURRENT + len(OLDER_CORES))), indirect=True)
def test_a_member_that_dies_ends_the_rollout(aging_pool: Pool, version: str, request: pytest.FixtureRequest) -> None:
    """Which one, and when, is left to chance. No request is lost beyond those that were under way.

    Eight pools through all versions, and one more by each older ansible-core.
    """
    pool, chance = aging_pool, random.Random(request.node.name)
    victim, delay = chance.choice(POOL), chance.uniform(1, 30)
    when = f"{victim} died after {delay:.0f} s"
    died: list[float] = []

    def kill() -> None:
        died.append(time.monotonic())
        fleet("fault", victim, "lost_host")
        died.append(time.monotonic())

    pool.wait_until_served()
    with Clients(partial(ask, pool.balancer.url)) as clients:
        timer = threading.Timer(delay, kill)
        timer.start()
        try:
            run = pool.run(version, expect=None)
        finally:
            timer.join()
            fleet("fault", victim, "clear")
    assert [why for sent, why in clients.lost if not died[0] - 2 < sent < died[1] + 1] == [], when
    assert len(set(taken(run)) - set(restored(run))) <= 1, f"{when}, and more than one member is out"
    if run.rc == 0:
        assert pool.versions(*POOL) == {f"{version}.0"}, f"{when}, which nobody noticed"
    else:
        ended = run.stats[victim]["failures"] + run.stats[victim]["unreachable"]
        assert "The rollout stops before" in run.stdout or ended, f"{when}, and the run does not say so: {run.failures}"
    # the next run brings all of them to their end; the lease of a lost host has not expired
    pool.run(version, rms_pool_take_over=True)
    assert pool.versions(*POOL) == {f"{version}.0"}, when


@pytest.mark.full
@pytest.mark.parametrize("left", [pytest.param(False, id="in service"), pytest.param(True, id="left")])
def test_of_two_runs_at_once_on_a_member_one_goes_on(pool: Pool, tmp_path: Path, left: bool) -> None:
    """Also when both come to a member that a run before has left. Both have planned before one of them takes it."""
    if left:
        pool.leave("pool-1")
    upgrade = partial(pool.run, "3.1.0", "--limit=pool-1")
    with ThreadPoolExecutor() as both, Clients(partial(ask, pool.balancer.url)) as clients:
        waits = [suspended(upgrade, both, tmp_path / name, TAKE) for name in ("first", "second")]
        with waits[0] as (first, _), waits[1] as (second, _):
            started = [first, second]
    stopped, ended = sorted((run.result() for run in started), key=lambda run: run.rc, reverse=True)
    assert (stopped.rc, ended.rc) == (2, 0), stopped.stdout + ended.stdout
    assert "before pool-1: another run works on it" in stopped.task(TAKE, "pool-1")["msg"]
    assert not [task for task, _host, result in stopped.results if result.get("changed")], "nothing was changed"
    assert restored(ended) == ["pool-1"]
    assert clients.lost == []
    assert pool.read(LEASE) == dict.fromkeys(POOL)
    assert pool.versions("pool-1") == {"3.1.0.0"}


@pytest.mark.full
def test_a_member_is_left_to_the_run_whose_lease_it_has(pool: Pool, tmp_path: Path) -> None:
    """Of another controller, which takes the member over in the middle of the turn, or comes before it."""
    tasks = tmp_path / "tasks.yml"
    hooks = {"rms_pool_drain_tasks": str(tasks), "rms_pool_restore_tasks": str(tasks)}
    tasks.write_text(json.dumps([DRAIN_IT, lease_of_another_run(0)]), encoding="utf-8")
    over = pool.run("3.1.0", "--limit=pool-1", expect=2, **hooks | {"rms_pool_restore_tasks": "not reached"})
    lost = over.task(OUT, "pool-1")["msg"]
    assert "this run has lost its lease there" in lost and "run theirs on elsewhere.example.com" in lost
    assert pool.read(LEASE) == dict.fromkeys(POOL) | {"pool-1": "theirs"}
    assert pool.balancer.states() == dict.fromkeys(POOL, "UP") | {"pool-1": "DRAIN"}

    # that one was interrupted, and is gone on with. The end of its member's turn has another run come to pool-2
    restore = {"ansible.builtin.include_tasks": str(ROOT / "playbooks/haproxy/restore.yml")}
    tasks.write_text(json.dumps([restore, lease_of_another_run(3600, delegate_to="pool-2")]), encoding="utf-8")
    run = pool.run("3.1.0", expect=2, **hooks | {"rms_pool_drain_tasks": str(ROOT / "playbooks/haproxy/drain.yml")})
    assert restored(run) == ["pool-1"]
    busy = run.task(TAKE, "pool-2")["msg"]
    assert "another run works on it: run theirs on elsewhere.example.com" in busy and "minutes. Run this again" in busy
    assert pool.read(LEASE) == dict.fromkeys(POOL) | {"pool-2": "theirs"}
    assert pool.versions("pool-1") == {"3.1.0.0"}
    assert pool.versions("pool-2") == {"3.0.0.0"}


@pytest.mark.full
def test_a_lease_goes_with_the_connector(pool: Pool) -> None:
    """A host that has lost its connector, and shall have none, is in nobody's way."""
    pool.leave("pool-3")
    remove = {"name": "remove", "ansible.windows.win_command": rf"C:\{SETUP} /quiet /uninstall"}
    pool.playbook.run([{"name": "remove", "hosts": ["pool-3"], "gather_facts": False, "tasks": [remove]}])
    run = pool.run("3.1.0", "--limit=pool-3", rms_connector_state="absent")
    assert restored(run) == []
    assert pool.read(LEASE) == dict.fromkeys(POOL)
    again = pool.run("3.1.0", "--limit=pool-3", rms_connector_state="absent")
    assert (again.stats["pool-3"]["changed"], len(again.module_runs("pool-3"))) == (0, 1)


def test_a_lease_is_compared_and_set_in_one_step(members: AnsiblePlaybook) -> None:
    """By two processes that begin at the same moment and take their time in between; the others come later."""
    slow = LEASE_SCRIPT.replace("$Ansible.Changed = $false\n", f"$Ansible.Changed = $false\n{WAIT_FOR_ANOTHER}")
    slow = slow.replace("elseif ($held) {\n", "elseif ($held) {\nStart-Sleep -Milliseconds 500\n")
    assert len(slow.splitlines()) == len(LEASE_SCRIPT.splitlines()) + len(WAIT_FOR_ANOTHER.splitlines()) + 1
    runs = [f"run-{number}" for number in range(4)]
    parameters = {"run": "{{ inventory_hostname }}", "take": "expired", "seconds": 3600, **OWN_FOLDER}
    alias = {"name": "{{ item }}", "groups": "runs", "ansible_host": "{{ hostvars['pool-1'].ansible_host }}"}
    look = {"name": "value", "ansible.windows.win_reg_stat": LEASE}
    remove = {"path": LEASE["path"], "state": "absent", "delete_key": True}
    take = {"name": "take", "ansible.windows.win_powershell": {"script": slow, "parameters": parameters}}
    plays = [
        {"hosts": "localhost", "tasks": [{"name": "alias", "ansible.builtin.add_host": alias, "loop": runs}]},
        {"hosts": "runs", "tasks": [take]},
        {"hosts": "pool-1", "tasks": [look, {"name": "remove", "ansible.windows.win_regedit": remove}]},
    ]
    run = members.run([{"name": "race", "gather_facts": False, **play} for play in plays], "--forks=4")
    winners = [name for name in runs if run.task("take", name)["result"]["held"]]
    assert len(winners) == 1
    assert {run.task("take", name)["result"]["found"].get("run") for name in runs} == {None, *winners}
    assert run.task("value", "pool-1")["value"] == winners[0]


@pytest.mark.full
def test_two_runs_at_once_never_take_out_two_members(pool: Pool) -> None:
    """Each is given another member. One of them, or both, may stop; none drains a member while another one is out."""
    with ThreadPoolExecutor() as both, Clients(partial(ask, pool.balancer.url)) as clients:
        upgrade = partial(pool.run, "3.1.0", expect=None, rms_pool_drain_seconds=5)
        started = [both.submit(upgrade, f"--limit={host}") for host in POOL[:2]]
        least = pool.balancer.least_up_until(lambda: all(run.done() for run in started))
    assert least >= len(POOL) - 1, pool.balancer.log
    assert clients.lost == []
    for host, run in zip(POOL, (run.result() for run in started), strict=False):
        failures = [result["msg"] for _task, _host, result in run.results if result.get("failed")]
        stopped = [msg for msg in failures if "The rollout stops before" in msg]
        assert run.rc == (2 if stopped else 0), run.stdout
        assert taken(run) == restored(run) == ([] if stopped else [host])
    for host in POOL[:2]:
        pool.run("3.1.0", f"--limit={host}")
    assert pool.versions(*POOL[:2]) == {"3.1.0.0"}
