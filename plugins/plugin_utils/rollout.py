# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Which member of a pool of connectors may be worked on: facts in, decision out. Nothing is read or changed here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .rollout_lease import Lease, RolloutStopError, busy


class PoolError(ValueError):
    """The pools make no sense; the message says what was expected."""


@dataclass(frozen=True)
class Pool:
    """Connectors behind one load balancer.

    Attributes:
        members: names in the inventory, each once.
        minimum: how many of them stay in service whatever is done.
    """

    members: tuple[str, ...]
    minimum: int


@dataclass(frozen=True)
class Facts:
    """What a run knows of a pool.

    Attributes:
        healthy: members that answer the health check.
        leases: of each member whose lease can be read; None for none.
        unfinished: members whose turn this run began and did not finish.
        in_service: members to which the load balancer sends requests, by the operator's hook; None without the hook.
    """

    healthy: Collection[str]
    leases: Mapping[str, Lease | None]
    unfinished: Collection[str] = ()
    in_service: Collection[str] | None = None


@dataclass(frozen=True)
class Step:
    """What comes next for one member.

    Attributes:
        drain: whether it must be drained before.
        finish: whether it is only returned to service as it is: an interrupted run has left it, and it cannot be
            spared.
        reason: what was counted.
    """

    drain: bool
    finish: bool
    reason: str


def next_step(
    pool: Pool, member: str, facts: Facts, *, left: bool = False, installed: bool = False, take_over: bool = False
) -> Step:
    """Decides whether this run, which has the member's lease, may work on the member now.

    A member that answers may be in service whatever its lease says: load balancers forget a drain. Only the operator's
    hook knows better. Another member that has a lease, or whose lease cannot be read, does not count as in service.

    left: whether an interrupted run has left the member.
    installed: whether it has a connector. One that does not answer is drained, too: it may return during the work.
    take_over: whether unexpired leases of other runs count as expired.

    Raises:
        RolloutStopError: the member cannot be spared, this run did not finish another one, or another run is at work.
    """
    if member not in pool.members:
        raise PoolError(f"{member} is no member of the pool {', '.join(pool.members)}")
    others = [name for name in pool.members if name != member]
    if unfinished := [name for name in others if name in facts.unfinished]:
        raise RolloutStopError(f"The rollout stops before {member}: this run did not finish {', '.join(unfinished)}.")
    for name, lease in facts.leases.items():
        if name in others and lease and lease.seconds_left and not take_over:
            raise RolloutStopError(busy(member, f"{name} of its pool", lease))
    leased = {name for name in others if facts.leases.get(name, Lease())}
    balanced = pool.members if facts.in_service is None else facts.in_service
    serving = [name for name in pool.members if name in facts.healthy and name in balanced and name not in leased]
    rest = [name for name in serving if name != member]
    if member in serving and len(rest) < pool.minimum:
        reason = f"{_shortage(pool, member, rest, facts, leased)}; at least {pool.minimum} must be"
        if not left:
            raise RolloutStopError(f"The rollout stops before {member}: {reason}.")
        return Step(drain=False, finish=True, reason=reason)
    # no other member could take the requests of the last one that serves
    drain = (bool(rest) or member not in serving) and (member in facts.healthy or left or installed)
    return Step(drain, finish=False, reason=f"{len(serving)} of {len(pool.members)} members are in service")


def pool_of(member: str, pools: Sequence[Mapping[str, Any]], inventory: Iterable[str]) -> Pool:
    """The pool that this member is in, by what the operator wrote down.

    pools: each with members, and maybe minimum_in_service (default: all but one).
    inventory: the hosts of the group rms_connectors. It must have the same hosts as the pools: a job that sees only a
        part of them would drain more than it knows of. A lone connector must be in a pool for that reason.

    Raises:
        PoolError: the pools, or pools and inventory, do not fit together.
    """
    known = list(inventory)
    if not pools and len(known) < 2:
        raise PoolError(
            f"rms_connector_pool is not set, and {member} is the only host of the group rms_connectors in the"
            " inventory: expected all connectors behind its load balancer. A slice of an inventory hides the others."
            f" Set rms_connector_pool to all members, or to [{{members: [{member}]}}] if there are no others"
        )
    if not pools:
        return _pool(known, None)
    if not isinstance(pools, list):
        raise PoolError(f"rms_connector_pool: expected a list of pools, found {type(pools).__name__}")
    found: dict[str, Pool] = {}
    for entry in pools:
        members = entry.get("members") if isinstance(entry, Mapping) else None
        if not isinstance(members, list) or not members:
            raise PoolError(f"rms_connector_pool: expected a list of members in each pool, found {entry!r}")
        pool = _pool([str(name) for name in members], entry.get("minimum_in_service"))
        for name in pool.members:
            if name in found:
                raise PoolError(f"rms_connector_pool: {name} is in two pools, or twice in one")
            found[name] = pool
    if hidden := sorted(set(found) - set(known)):
        raise PoolError(
            f"the inventory does not have {_names(hidden)} of rms_connector_pool in the group rms_connectors:"
            " expected all members. A job cannot count what it cannot see, and a slice of an inventory sees a part"
        )
    if strangers := sorted(set(known) - set(found)):
        raise PoolError(
            f"{_names(strangers)} of the group rms_connectors: expected in one of the pools of rms_connector_pool"
        )
    if member not in found:
        raise PoolError(
            f"{member} is no host of the group rms_connectors: expected one of {_names(sorted(found)) or 'its members'}"
        )
    return found[member]


def _pool(members: Sequence[str], minimum: Any) -> Pool:
    most = len(members) - 1
    if minimum is None:
        return Pool(tuple(members), most)
    try:
        number = int(str(minimum))
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise PoolError(
            f"rms_connector_pool: minimum_in_service is {minimum!r}: expected a number from 0 to {most},"
            " one less than there are members"
        )
    return Pool(tuple(members), number)


def _shortage(pool: Pool, member: str, rest: Sequence[str], facts: Facts, leased: Collection[str]) -> str:
    healthy = [name for name in pool.members if name in facts.healthy and name != member]
    causes = {
        "not answering": [name for name in pool.members if name not in facts.healthy],
        "left by an interrupted run": [name for name in healthy if name in leased],
        "without requests from the load balancer": [name for name in healthy if name not in (*rest, *leased)],
    }
    why = "; ".join(f"{_names(names)} {cause}" for cause, names in causes.items() if names)
    because = f" ({why})" if why else ""
    return f"without {member}, {len(rest)} of {len(pool.members)} members would be in service{because}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
