# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Which member of a pool of connectors may be worked on: facts in, decision out. Nothing is read or changed here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
class Step:
    """What comes next for one member.

    Attributes:
        go: whether it may be worked on; otherwise the rollout stops.
        drain: whether it has to be taken out of the load balancer before.
        reason: why the rollout stops, or what was counted.
        finish: whether it is only to be put back as it is, since it cannot be spared: it is left from an earlier run.
    """

    go: bool
    drain: bool
    reason: str
    finish: bool = False


def next_step(
    pool: Pool,
    member: str,
    alive: Collection[str],
    out: Collection[str],
    failed: Collection[str],
    idle: Collection[str] = (),
    in_service: Collection[str] | None = None,
) -> Step:
    """Whether this member may be worked on now.

    alive: members that answer; a member that is not among them is not in service.
    out: members that a run has begun to take out of the load balancer and not put back: not to be counted on, and
        not to be taken for out of service.
    failed: members at which this run began and did not come to its end.
    idle: those of out that are known not to be in service: they were drained.
    in_service: members to which the load balancer sends requests; None without the operator's hook.
    """
    if member not in pool.members:
        raise PoolError(f"{member} is no member of the pool {', '.join(pool.members)}")
    others_failed = sorted(set(failed) - {member})
    if others_failed:
        return Step(False, False, f"{_names(others_failed)} could not be brought to the end")
    balanced = pool.members if in_service is None else in_service
    serving = [name for name in pool.members if name in alive and name in balanced and name not in out]
    rest = [name for name in serving if name != member]
    counted = f"{len(serving)} of {len(pool.members)} members are in service"
    if member in alive and member not in idle and len(rest) < pool.minimum:
        short = f"{_shortage(pool, member, rest, alive, out, balanced)}; at least {pool.minimum} have to be"
        return Step(member in out, False, short, finish=member in out)
    return Step(True, member in alive and bool(rest), counted)


def pool_of(member: str, pools: Sequence[Mapping[str, Any]], inventory: Iterable[str]) -> Pool:
    """The pool that this member is in, by what the operator wrote down.

    pools: each with members, and maybe minimum_in_service (default: all but one).
    inventory: the hosts of the group rms_connectors. It has to have the same hosts as the pools: a job that sees only
        a part of them would take out more than it knows of.

    Raises:
        PoolError: the pools, or pools and inventory, do not fit together.
    """
    known = list(inventory)
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


def _shortage(
    pool: Pool,
    member: str,
    rest: Sequence[str],
    alive: Collection[str],
    out: Collection[str],
    balanced: Collection[str],
) -> str:
    silent = [name for name in pool.members if name not in alive]
    taken = [name for name in pool.members if name in alive and name in out and name != member]
    missing = [name for name in pool.members if name in alive and not (name in balanced or name in out)]
    why = [f"{_names(silent)} not answering"] if silent else []
    why += [f"{_names(taken)} taken out of the load balancer"] if taken else []
    why += [f"{_names(missing)} without requests from the load balancer"] if missing else []
    because = f" ({', '.join(why)})" if why else ""
    return f"without {member}, {len(rest)} of {len(pool.members)} members would be in service{because}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
