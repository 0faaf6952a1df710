"""A pool of connectors, its load balancer and the runs that upgrade it, without Ansible and Windows.

The decisions are the production code's (plugins/plugin_utils/rollout*.py). The order of the steps is the one of the
role rms_pool and of site.yml; test_rollout_simulation.py compares the names. A run is a generator: it stops before each
step, so that a test can end it there, let another run go on, or have a member die.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field

from ansible_collections.infoprotect.aip.plugins.plugin_utils import rollout_turn
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout import Pool
from ansible_collections.infoprotect.aip.plugins.plugin_utils.rollout_turn import Facts, RolloutStopError

#: The name of the next step
Run = Generator[str, None, None]
#: Seconds that HAProxy needs to notice that a member is gone
PATIENCE = 40


class UnreachableError(Exception):
    """The host does not answer."""


@dataclass
class Member:
    """A host with a connector.

    Attributes:
        up: whether the host is reachable.
        started: whether the connector is not being worked on.
        enabled: whether the load balancer has been told to send it requests.
        rises: how many health checks of the load balancer have succeeded, up to the pool's `rise`.
    """

    name: str
    version: int = 0
    mark: str = ""
    up: bool = True
    started: bool = True
    enabled: bool = True
    rises: int = 0

    @property
    def healthy(self) -> bool:
        return self.up and self.started


@dataclass
class World:
    """The pool, and what must never happen to it.

    Attributes:
        rise: how many health checks the load balancer wants of a member that was down.
        faults: what went wrong.
        died: members that chance took.
        live: runs that are there.
        holders: the run that works on a member.
        taken_over: runs whose mark another one replaced while they were there.
    """

    pool: Pool
    rise: int = 1
    members: dict[str, Member] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    died: set[str] = field(default_factory=set)
    live: set[str] = field(default_factory=set)
    holders: dict[str, str] = field(default_factory=dict)
    taken_over: set[str] = field(default_factory=set)
    requests: int = 0

    def __post_init__(self) -> None:
        self.members = {name: Member(name, rises=self.rise) for name in self.pool.members}

    def reach(self, name: str) -> Member:
        if not self.members[name].up:
            raise UnreachableError(name)
        return self.members[name]

    def balanced(self, name: str) -> bool:
        member = self.members[name]
        return member.enabled and member.rises == self.rise

    def serving(self) -> set[str]:
        return {name for name, member in self.members.items() if member.healthy and self.balanced(name)}

    def tick(self) -> None:
        """One health check of each member, and a request to each that the load balancer takes for healthy."""
        for name, member in self.members.items():
            if self.balanced(name):
                self.requests += 1
                if not member.healthy and name not in self.died:
                    self.faults.append(f"a request to {name}, which a run is working on, was lost")
            member.rises = min(member.rises + 1, self.rise) if member.healthy else 0

    def die(self, name: str) -> None:
        self.members[name].up = False
        self.died.add(name)

    def come_back(self) -> None:
        for name in self.died:
            self.members[name].up = True
        self.died.clear()

    def take_out(self, name: str, known_healthy: Iterable[str]) -> None:
        """A hook drains a member. What died since the run looked is not the run's doing."""
        rest = (self.serving() | (self.died & set(known_healthy))) - {name}
        if name in self.serving() and len(rest) < self.pool.minimum:
            self.faults.append(f"{name} was drained, and {len(rest)} others were in service: {sorted(rest)}")
        self.members[name].enabled = False


@dataclass(frozen=True)
class Controller:
    """Upgrades the members to a version.

    Attributes:
        name: of the run.
        limit: the members that it may work on; the others are only looked at.
        sees_runs: whether it knows by their processes which runs are live: those of the same controller.
        waits_for_up: whether the hook waits until the load balancer has the member in service.
        asks_balancer: whether the hook rms_pool_in_service_tasks is defined.
    """

    world: World
    name: str
    version: int = 1
    limit: tuple[str, ...] = ()
    sees_runs: bool = True
    waits_for_up: bool = True
    asks_balancer: bool = False

    def run(self) -> Run:
        """As site.yml."""
        world = self.world
        yield "Compare the host with its desired state"
        inspected = {
            name: member.mark
            for name, member in world.members.items()
            if member.up and (not self.limit or name in self.limit)
        }
        lost = set(self.limit or world.members) - set(inspected)
        differing = [
            name
            for name, mark in inspected.items()
            if mark or world.members[name].version != self.version or not world.members[name].healthy
        ]
        # those that do not serve come first, and then those that a run has left
        differing.sort(key=lambda name: (world.members[name].healthy, not inspected[name]))
        began: set[str] = set()
        ended: set[str] = set()
        for number, name in enumerate(differing):
            run = f"{self.name}-{number}"
            yield from self._turn(name, run, inspected[name], began, ended)
        if lost:
            raise UnreachableError(", ".join(sorted(lost)))

    def _turn(self, name: str, run: str, known: str, began: set[str], ended: set[str]) -> Run:
        """As the roles rms_pool and rms_connector; a step's name is its task's."""
        world, pool = self.world, self.world.pool
        in_service: set[str] | None = None
        if self.asks_balancer:
            yield "List the members that the load balancer sends requests to"
            in_service = {member for member in pool.members if world.balanced(member)}
        yield "Read the marks of the members"
        marks = self._marks(pool.members)
        yield "Begin the turn"
        healthy = [member for member in pool.members if world.members[member].healthy]
        facts = Facts(healthy, marks, began - ended, in_service)
        turn = rollout_turn.begin(pool, name, facts, run, self._replace(name), self._is_live, known)
        if turn.drain:
            yield "Read the marks once more, with this run's in place"
            marks = self._marks(member for member in pool.members if member != name)
        yield "Confirm the turn"
        facts = Facts(healthy, marks, began - ended, in_service)
        rollout_turn.confirm(turn, pool, name, facts, self._replace(name))
        began.add(name)
        holder = world.holders.setdefault(name, self.name)
        if holder != self.name and self.name not in world.taken_over and holder not in world.taken_over:
            world.faults.append(f"{holder} and {self.name} work on {name}")
        if turn.drain:
            yield "Drain it"
            world.take_out(name, healthy)
            yield "Mark it as drained"
            rollout_turn.drained(turn, name, self._replace(name))
        if not turn.finish:
            yield "Bring the connector to its state"
            yield from self._work(name)
        yield "Verify that it serves"
        if not world.reach(name).healthy:
            raise UnreachableError(name)
        yield "Mark it as returning to service"
        rollout_turn.returning(turn, name, self._replace(name), turn.drain)
        if turn.drain or turn.out:
            yield "Return it to service"
            world.members[name].enabled = True
            yield from self._wait_for_up(name)
        yield "Remove the mark"
        rollout_turn.end(turn, name, self._replace(name))
        ended.add(name)
        world.holders.pop(name, None)
        yield "Fail if it was only returned to service"
        if turn.finish and world.members[name].version != self.version:
            raise RolloutStopError(f"{name} was returned to service as it was left")

    def _work(self, name: str) -> Run:
        """The setup stops the connector, replaces it and starts it; a run that is cut off leaves it as it is then."""
        member = self.world.reach(name)
        if member.version != self.version or not member.started:
            member.started = False
            yield "while the setup runs"
            self.world.reach(name).version = self.version
            yield "while the connector starts"
            self.world.reach(name).started = True

    def _wait_for_up(self, name: str) -> Run:
        for _ in range(PATIENCE if self.waits_for_up else 0):
            if self.world.balanced(name):
                return
            yield "while HAProxy does not have it in service"
        if self.waits_for_up and not self.world.balanced(name):
            raise UnreachableError(f"{name} is not UP")

    def _marks(self, names: Iterable[str]) -> dict[str, str | None]:
        members = self.world.members
        return {name: members[name].mark if members[name].up else None for name in names}

    def _replace(self, name: str) -> Callable[[str, str], str]:
        def replace(expected: str, mark: str) -> str:
            member = self.world.reach(name)
            found = member.mark
            if found == expected:
                member.mark = mark
                owner = found.partition("-")[0]
                if owner != self.name and owner in self.world.live:
                    self.world.taken_over.add(owner)
            return found

        return replace

    def _is_live(self, mark: str) -> bool:
        run = mark.partition("-")[0]
        return self.sees_runs and bool(mark) and run != self.name and run in self.world.live


class Process:
    """A run at work.

    Attributes:
        end: how it ended, "" while it is there: "ended", "cut off", or what it said.
        at: the step that comes next.
    """

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.end = ""
        self.at = ""
        self._run = controller.run()
        controller.world.live.add(controller.name)

    def advance(self) -> None:
        """One step, and one tick of the world."""
        try:
            self.at = next(self._run)
        except StopIteration:
            self._ended("ended")
        except (RolloutStopError, UnreachableError) as error:
            self._ended(str(error))
        self.controller.world.tick()

    def cut_off(self) -> None:
        """As a controller that dies: nothing is cleaned up."""
        self._run.close()
        self._ended("cut off")

    def finish(self) -> str:
        while not self.end:
            self.advance()
        return self.end

    def _ended(self, how: str) -> None:
        self.end = how
        world = self.controller.world
        world.live.discard(self.controller.name)
        world.holders = {name: run for name, run in world.holders.items() if run != self.controller.name}
