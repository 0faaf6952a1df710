# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The plan of a run: inspections in; who is blocked, whose turn comes when, and what is left to operators out.

Nothing is read or changed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .domains import NOTHING
from .rollout import Pool
from .rollout_lease import busy

_SIZE = re.compile(r"[1-9][0-9]*%?")


class PlanError(ValueError):
    """What was asked for makes no sense; the message says what was expected."""


@dataclass(frozen=True)
class Connector:
    """What the inspection of a connector's host found.

    Attributes:
        serves: whether it runs, with its list of authorized servers.
        left: whether a run took it out of service and did not put it back.
        restart_due: whether IIS has to be restarted for its settings.
        changes_url: whether the run moves it to another URL.
        lease: another run that works on it, in words.
        pool: the pool that it is a member of; None where the variables do not tell.
        no_pool: why they do not.
    """

    serves: bool = False
    starts: bool = False
    left: bool = False
    restart_due: bool = False
    changes_url: bool = False
    lease: str = ""
    pool: Pool | None = None
    no_pool: str = ""


@dataclass(frozen=True)
class Host:
    """A host after its inspection.

    Attributes:
        complies: whether nothing differs.
        blocked: whether a requirement keeps it from being served.
        stop: what a blocked host stops: the "run", the "host" itself, or "never" anything.
        lost: why it could not be inspected.
        connector: of a host whose connector is managed.
        restart: why a restart of it is pending.
        manual_steps: what an operator has to do at it.
        together: what it has in common with hosts that have their turn with it, such as the database of a cluster.
    """

    name: str
    complies: bool = True
    blocked: bool = False
    stop: str = "run"
    lost: str = ""
    connector: Connector | None = None
    restart: tuple[str, ...] = ()
    manual_steps: tuple[Mapping[str, Any], ...] = ()
    together: str = ""


@dataclass(frozen=True)
class Waves:
    """In which portions hosts have their turn: numbers and percentages, or rings, which are groups of the inventory."""

    sizes: tuple[str, ...] = ("100%",)
    rings: tuple[str, ...] = ()

    @classmethod
    def of(cls, asked: Any, groups: Iterable[str]) -> Waves:
        """Read the value of aip_waves: a list, a text with commas, a single size, or nothing.

        Raises:
            PlanError: it is neither, or both.
        """
        items = asked.split(",") if isinstance(asked, str) else asked if isinstance(asked, (list, tuple)) else [asked]
        names = [str(item).strip() for item in items if item not in NOTHING]
        if not names:
            return cls()
        known = set(groups)
        if all(name in known for name in names):
            return cls((), tuple(names))
        if all(_SIZE.fullmatch(name) for name in names):
            return cls(tuple(names))
        odd = [name for name in names if name not in known and not _SIZE.fullmatch(name)]
        neither = f"Neither is {', '.join(odd)}" if odd else "They cannot be mixed"
        raise PlanError(
            f"aip_waves is {','.join(names)}: expected numbers and percentages, such as 1,10%,100%, or groups of the"
            f" inventory. {neither}"
        )


@dataclass(frozen=True)
class PoolTurns:
    """What a run does with a pool of connectors.

    Attributes:
        members: all of them.
        minimum_in_service: how many of them stay in service whatever is done.
        turns: those that have a turn, in their order.
    """

    members: list[str]
    minimum_in_service: int
    turns: list[str]


@dataclass(frozen=True)
class Plan:
    """Who has a turn, and when.

    Attributes:
        complies: hosts that need nothing.
        waits: hosts that differ and are in none of the rings.
        blocked: hosts that cannot be served.
        lost: host -> why it could not be inspected.
        connectors: in their order, one at a time.
        asleep: those of them that IIS may only have put to sleep; a request wakes them.
        pools: the pools of connectors.
        obstacles: why no work may begin: an unexpired lease of another run, a pool that is not known, a node of a
            cluster of scanners that the run does not stop.
        batches: the other hosts that differ, wave by wave.
        manual_steps: what operators have to do.
        restart: host -> why a restart of it is pending.
        ends: whether the run ends before anything is changed.
    """

    complies: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    connectors: list[str] = field(default_factory=list)
    asleep: list[str] = field(default_factory=list)
    pools: list[PoolTurns] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)
    manual_steps: list[Mapping[str, Any]] = field(default_factory=list)
    restart: dict[str, list[str]] = field(default_factory=dict)
    ends: bool = False

    @property
    def turns(self) -> list[str]:
        """The hosts that have a turn."""
        return [*self.connectors, *(name for batch in self.batches for name in batch)]

    @property
    def order(self) -> list[str]:
        """In which order hosts have their turn, a line for each pool and one for the batches."""
        lines = [
            f"connectors, one at a time: {', '.join(pool.turns)} (of {len(pool.members)} in the pool, at least"
            f" {pool.minimum_in_service} in service)"
            for pool in self.pools
            if pool.turns
        ]
        if len(self.batches) > 1:
            lines.append(f"batches of {', '.join(str(len(batch)) for batch in self.batches)} hosts")
        if self.waits:
            lines.append(f"in none of the rings, left as they are: {', '.join(self.waits)}")
        return lines


def make(hosts: Sequence[Host], waves: Waves, rings: Mapping[str, Iterable[str]], check: bool = False) -> Plan:
    """Plan a run.

    hosts: in the order of the inventory.
    rings: the hosts of each ring.
    check: check mode, in which no connector is woken, and obstacles do not end the run.
    """
    plan = Plan(
        lost={host.name: host.lost for host in hosts if host.lost},
        blocked=[host.name for host in hosts if host.blocked],
        restart={host.name: list(host.restart) for host in hosts if host.restart},
        manual_steps=[step for host in hosts for step in host.manual_steps],
    )
    members = {name: frozenset(names) for name, names in rings.items()}
    turns: dict[int, list[str]] = {}
    differing = []
    for host in hosts:
        if host.lost or (host.blocked and host.stop == "host"):
            continue
        ring = next((number for number, name in enumerate(waves.rings) if host.name in members.get(name, ())), None)
        if not _has_turn(host):
            plan.complies.append(host.name)
        elif waves.rings and ring is None:
            plan.waits.append(host.name)
        elif host.connector:
            turns.setdefault(_order(host.connector), []).append(host.name)
            if _only_sleeps(host, host.connector) and not check:
                plan.asleep.append(host.name)
        else:
            differing.append((ring or 0, host.name))
    for order in sorted(turns):
        plan.connectors.extend(turns[order])
    if waves.rings:
        portions = [[name for ring, name in differing if ring == number] for number in range(len(waves.rings))]
    else:
        portions = batches([name for _ring, name in differing], waves.sizes)
    plan.batches.extend(_together(portions, {host.name: host.together for host in hosts if host.together}))
    connectors = {host.name: host.connector for host in hosts if host.connector}
    plan.pools.extend(_pools(plan.connectors, connectors))
    blocked = any(host.blocked and host.stop == "run" for host in hosts)
    obstacles = _obstacles([name for name in plan.connectors if name not in plan.asleep], connectors)
    return with_obstacles(replace(plan, ends=blocked), obstacles, check)


def with_obstacles(plan: Plan, obstacles: Iterable[str], check: bool = False) -> Plan:
    """The plan with more reasons why no work may begin."""
    found = [*plan.obstacles, *obstacles]
    return replace(plan, obstacles=found, ends=plan.ends or (bool(found) and not check))


def batches(names: Sequence[str], sizes: Sequence[str]) -> list[list[str]]:
    """Hosts in portions of these sizes, the last of which repeats. A percentage is of all names, at least one."""
    found: list[list[str]] = []
    begin = 0
    counts = [_count(size, len(names)) for size in sizes] or [len(names)]
    while begin < len(names):
        count = counts[min(len(found), len(counts) - 1)]
        found.append(list(names[begin : begin + count]))
        begin += count
    return found


def _together(portions: Sequence[Sequence[str]], common: Mapping[str, str]) -> list[list[str]]:
    """Hosts that have something in common are moved to the portion that the first of them is in."""
    found: list[list[str]] = [[] for _portion in portions]
    places: dict[str, int] = {}
    for number, names in enumerate(portions):
        for name in names:
            place = places.setdefault(common[name], number) if name in common else number
            found[place].append(name)
    return [names for names in found if names]


def _count(size: str, of: int) -> int:
    return max(1, int(size[:-1]) * of // 100) if size.endswith("%") else int(size)


def _pools(turns: Sequence[str], connectors: Mapping[str, Connector]) -> list[PoolTurns]:
    pools = dict.fromkeys(connector.pool for connector in connectors.values() if connector.pool)
    return [
        PoolTurns(list(pool.members), pool.minimum, [name for name in turns if name in pool.members]) for pool in pools
    ]


def _obstacles(turns: Sequence[str], connectors: Mapping[str, Connector]) -> list[str]:
    found: dict[str, str] = {}
    for name in turns:
        pool = connectors[name].pool
        if pool is None:
            found.setdefault(connectors[name].no_pool, connectors[name].no_pool)
            continue
        for member in pool.members:
            if member in connectors and (lease := connectors[member].lease):
                where = "it" if member == name else f"{member} of its pool"
                found.setdefault(member, busy(name, where, lease))
    return [text for text in found.values() if text]


def _has_turn(host: Host) -> bool:
    connector = host.connector
    return not host.complies or bool(connector and (_out_of_service(connector) or connector.changes_url))


def _out_of_service(connector: Connector) -> bool:
    return connector.left or connector.restart_due or connector.starts


def _only_sleeps(host: Host, connector: Connector) -> bool:
    """Whether only its application pool stopped: IIS does that to an idle one."""
    return host.complies and not (connector.left or connector.restart_due or connector.changes_url)


def _order(connector: Connector) -> int:
    """One that does not serve comes first, then one that a run has left: then more of them serve."""
    return int(connector.serves and not _out_of_service(connector)) + int(connector.serves)
