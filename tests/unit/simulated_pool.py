"""A pool of connectors, its load balancer and the runs that upgrade it, without Ansible and Windows.

The decisions are the production code's (plugins/plugin_utils/rollout*.py). The order of the steps is the one of the
role rms_pool and of site.yml; test_rollout_simulation.py compares the names. A run is a generator: it stops before each
step, so that a test can end or suspend it there, let another run go on, or have a member die.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import simulated_lease
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Facts, Pool, next_step
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_lease import (
    Hold,
    Lease,
    RolloutStopError,
    lease_of,
)

#: The name of the next step
Run = Generator[str, None, None]
#: Seconds that HAProxy needs to notice that a member is gone
PATIENCE = 40
#: Of a lease, in seconds. Each step takes one.
LEASE = 300
START = 1_700_000_000


class UnreachableError(Exception):
    """The host does not answer."""


class FailedError(Exception):
    """A task fails."""


@dataclass
class Member:
    """A host with a connector.

    Attributes:
        lease: the values of the lease's key.
        skew: how far its clock is ahead, in seconds.
        up: whether the host is reachable.
        started: whether the connector runs.
        enabled: whether the load balancer has been told to send it requests.
        rises: how many health checks of the load balancer have succeeded, up to the pool's `rise`.
        restart_due: whether IIS must be restarted.
        work: the run that has started a setup or a restart, when that ends, and what is different then. It goes on
            without its run.
    """

    name: str
    version: int = 0
    lease: dict[str, str] = field(default_factory=dict)
    skew: int = 0
    up: bool = True
    started: bool = True
    enabled: bool = True
    rises: int = 0
    restart_due: bool = False
    work: tuple[str, int, dict[str, Any]] | None = None

    @property
    def healthy(self) -> bool:
        return self.up and self.started


@dataclass
class World:
    """The pool, and what must never happen to it.

    Attributes:
        rise: how many health checks the load balancer wants of a member that was down.
        now: the time, in seconds.
        faults: what went wrong.
        died: members that chance took.
        returned: members that are back, which the load balancer does not have in service yet.
        taken: leases that a run took from one that was there, and that had not expired.
    """

    pool: Pool
    rise: int = 1
    now: int = START
    members: dict[str, Member] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    died: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    taken: list[str] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self.members = {name: Member(name, rises=self.rise) for name in self.pool.members}

    def reach(self, name: str) -> Member:
        if not self.members[name].up:
            raise UnreachableError(name)
        return self.members[name]

    def ask(self, name: str, **parameters: Any) -> dict[str, Any]:
        member = self.reach(name)
        answer = simulated_lease.ask(member.lease, parameters, self.now + member.skew)
        before = answer["found"].get("run")
        if answer["held"] and before not in (None, parameters["run"]) and answer["seconds_left"]:
            self.taken.append(f"{parameters['run']} from {before}")
        return answer

    def balanced(self, name: str) -> bool:
        member = self.members[name]
        return member.enabled and member.rises == self.rise

    def serving(self) -> set[str]:
        return {name for name, member in self.members.items() if member.healthy and self.balanced(name)}

    def tick(self) -> None:
        """One health check of each member, and a request to each that the load balancer takes for healthy."""
        self.now += 1
        for name, member in self.members.items():
            if member.work and member.work[1] <= self.now:
                vars(member).update(member.work[2], started=True, work=None)
            if self.balanced(name):
                self.requests += 1
                if not member.healthy and name not in self.died:
                    self.faults.append(f"a request to {name}, which a run is working on, was lost")
            member.rises = min(member.rises + 1, self.rise) if member.healthy else 0
        self.returned = {name for name in self.returned if self.members[name].rises < self.rise}

    def pass_time(self, seconds: int) -> None:
        """Nothing happens meanwhile but what goes on by itself."""
        self.now += max(0, seconds - self.rise - 1)
        for _ in range(self.rise + 1):
            self.tick()

    def die(self, name: str) -> None:
        self.members[name].up = False
        self.died.add(name)

    def come_back(self) -> None:
        for name in self.died:
            self.members[name].up = True
        self.returned |= self.died
        self.died.clear()

    def reload_balancer(self) -> None:
        """HAProxy forgets what it was told at runtime."""
        for member in self.members.values():
            member.enabled = True

    def disrupt(self, run: str, name: str) -> Member:
        """A run does something to a member, whose lease it must have."""
        member = self.reach(name)
        if member.lease.get("run") != run:
            self.faults.append(f"{run} works on {name}, which {member.lease.get('run', 'no run')} has")
        return member

    def drain(self, run: str, name: str, known_healthy: Iterable[str]) -> None:
        """What died since the run looked, or is not back in service yet, is not the run's doing."""
        rest = (self.serving() | ((self.died | self.returned) & set(known_healthy))) - {name}
        if name in self.serving() and len(rest) < self.pool.minimum:
            self.faults.append(f"{name} was drained, and {len(rest)} others were in service: {sorted(rest)}")
        self.disrupt(run, name).enabled = False

    def work_on(self, run: str, name: str, seconds: int, **done: Any) -> None:
        """The connector is down for a while, and is different after that. Windows does one thing at a time."""
        member = self.disrupt(run, name)
        member.started = False
        member.work = member.work or (run, self.now + seconds, done)


@dataclass
class Controller:
    """Upgrades the members to a version.

    Attributes:
        name: of the run.
        limit: the members that it may work on; the others are only looked at.
        waits_for_up: whether the hook waits until the load balancer has the member in service.
        asks_balancer: whether the hook rms_pool_in_service_tasks is defined.
        take_over: rms_pool_take_over.
    """

    world: World
    name: str
    version: int = 1
    limit: tuple[str, ...] = ()
    waits_for_up: bool = True
    asks_balancer: bool = False
    take_over: bool = False

    def run(self) -> Run:
        """As site.yml."""
        world = self.world
        yield "Compare the host with its desired state"
        inspected = {
            name: bool(member.lease)
            for name, member in world.members.items()
            if member.up and (not self.limit or name in self.limit)
        }
        lost = set(self.limit or world.members) - set(inspected)
        differing = [name for name, leased in inspected.items() if leased or self._differs(world.members[name])]
        # those that do not serve come first, and then those that a run has left
        differing.sort(key=lambda name: (world.members[name].healthy, not inspected[name]))
        self.unfinished: set[str] = set()
        for number, name in enumerate(differing):
            hold = Hold(name, partial(world.ask, name), f"{self.name}-{number}", LEASE)
            try:
                yield from self._turn(name, hold)
            except (RolloutStopError, FailedError):
                yield "Let the next run go on after a failure"
                if hold.member in self.unfinished:
                    hold.give_up(left=True)
                raise
        if lost:
            raise UnreachableError(", ".join(sorted(lost)))

    def _differs(self, member: Member) -> bool:
        return member.version != self.version or not member.healthy or member.restart_due

    def _turn(self, name: str, hold: Hold) -> Run:
        """As the roles rms_pool and rms_connector; a step's name is its task's."""
        world, pool = self.world, self.world.pool
        in_service: set[str] | None = None
        if self.asks_balancer:
            yield "List the members that the load balancer sends requests to"
            in_service = {member for member in pool.members if world.balanced(member)}
        yield "Take the member's lease"
        left = hold.take(f"controller of {self.name}", self.take_over) is not None
        yield "Read the leases of the other members"
        leases = self._leases(member for member in pool.members if member != name)
        yield "Begin the turn"
        healthy = [member for member in pool.members if world.members[member].healthy]
        try:
            facts = Facts(healthy, leases, self.unfinished, in_service)
            step = next_step(pool, name, facts, left=left, installed=True, take_over=self.take_over)
            if step.drain:
                hold.renew()
        except RolloutStopError:
            hold.give_up(left)
            raise
        self.unfinished.add(name)
        if step.drain:
            yield "Drain the member"
            world.drain(hold.run, name, healthy)
            yield "Record that it is out of service"
            hold.renew("out_of_service")
        if not step.finish:
            yield "Bring the connector to its state"
            yield from self._work(name, hold)
        yield "Verify that it serves"
        if not world.members[name].healthy:
            raise FailedError(f"{name} does not answer")
        yield "Record that it returns to service"
        hold.renew("returning")
        if step.drain or left:
            yield "Return the member to service"
            world.disrupt(hold.run, name).enabled = True
            yield from self._wait_for_up(name)
        yield "End the turn"
        hold.end()
        self.unfinished.discard(name)
        yield "Fail if it was only returned to service"
        if step.finish and self._differs(world.members[name]):
            raise FailedError(f"{name} was returned to service as it was left")

    def _work(self, name: str, hold: Hold) -> Run:
        """The setup stops the connector, replaces it and starts it. IIS is restarted after that."""
        member = self.world.reach(name)
        if member.version != self.version or not member.started:
            yield "Verify that this run still has the lease before it runs the setup"
            hold.renew()
            yield "Install or remove the connector"
            self.world.work_on(hold.run, name, 3, version=self.version, restart_due=True)
            yield from self._until_done(name)
        if member.restart_due:
            yield "Verify that this run still has the lease before it restarts IIS"
            hold.renew()
            yield "Restart IIS"
            self.world.work_on(hold.run, name, 2, restart_due=False)
            yield from self._until_done(name)

    def _until_done(self, name: str) -> Run:
        while self.world.reach(name).work:
            yield "while Windows works"

    def _wait_for_up(self, name: str) -> Run:
        for _ in range(PATIENCE if self.waits_for_up else 0):
            if self.world.balanced(name):
                return
            yield "while HAProxy does not have it in service"
        if self.waits_for_up and not self.world.balanced(name):
            raise FailedError(f"{name} is not UP")

    def _leases(self, names: Iterable[str]) -> dict[str, Lease | None]:
        return {name: lease_of(self.world.ask(name)) for name in names if self.world.members[name].up}


#: What a run does right after a check. A run that is suspended there for longer than its lease cannot notice.
UNGUARDED = {"Drain the member", "Install or remove the connector", "Restart IIS", "Return the member to service"}


class Process:
    """A run at work.

    Attributes:
        end: how it ended, "" while it is there: "ended", "cut off", or its message.
        at: the step that comes next.
    """

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.end = ""
        self.at = ""
        self._run = controller.run()

    def advance(self) -> None:
        """One step, and one tick of the world."""
        try:
            self.at = next(self._run)
        except StopIteration:
            self.end = "ended"
        except (RolloutStopError, FailedError, UnreachableError) as error:
            self.end = str(error)
        self.controller.world.tick()

    def advance_to(self, step: str, member: str = "") -> None:
        """Until this step comes next. Of the member, if it has the run's lease."""
        members = self.controller.world.members
        while self.at != step or (member and not self.has(members[member])):
            self.advance()
            assert not self.end, self.end

    def has(self, member: Member) -> bool:
        return member.lease.get("run", "").startswith(f"{self.controller.name}-")

    @property
    def can_be_suspended(self) -> bool:
        return self.at not in UNGUARDED

    def cut_off(self) -> None:
        """As a controller that dies: nothing is cleaned up, and the setup ends with its shell."""
        self._run.close()
        self.end = "cut off"
        for member in self.controller.world.members.values():
            if member.work and member.work[0].startswith(f"{self.controller.name}-"):
                member.work = None

    def finish(self) -> str:
        while not self.end:
            self.advance()
        return self.end
