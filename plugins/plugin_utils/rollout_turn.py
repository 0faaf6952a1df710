# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""A member's turn: its marks, one after the other, and where the rollout stops. Only marks are written here.

begin -> confirm -> (drain) -> drained -> (work) -> returning -> (return to service) -> end

A run may be cut off anywhere, and another run may be at work at the same time. So a mark is replaced only where the
expected one is found, in one step on the host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from .rollout import Pool, Step, next_step

#: Replaces the member's mark (expected, new; "" for none) where it is the expected one. Returns the mark that it found.
Replace = Callable[[str, str], str]

#: How far the turn is: these follow the mark of the run.
OUT = ", out of service"
RETURNING = ", being put back"


class RolloutStopError(Exception):
    """The rollout stops here, for all hosts; the message says why."""


@dataclass(frozen=True)
class Facts:
    """What a run knows of a pool.

    Attributes:
        alive: members that answer the health check.
        marks: the mark of each member that was read: "" for none, None where it cannot be read.
        failed: members whose turn this run began and did not end.
        in_service: members to which the load balancer sends requests, by the operator's hook; None without the hook.
    """

    alive: Collection[str]
    marks: Mapping[str, str | None]
    failed: Collection[str] = ()
    in_service: Collection[str] | None = None

    def out(self, pool: Pool) -> list[str]:
        """A member whose mark cannot be read counts as out of service, too."""
        return [member for member in pool.members if self.marks.get(member) != ""]

    @property
    def idle(self) -> list[str]:
        """Of the others that are marked, the run may have ended before the drain, or after the return to service."""
        return [member for member, mark in self.marks.items() if mark and mark.endswith(OUT)]

    def step(self, pool: Pool, member: str, idle: Collection[str]) -> Step:
        return next_step(pool, member, self.alive, self.out(pool), self.failed, idle, self.in_service)


@dataclass(frozen=True)
class Turn:
    """A turn that has begun.

    Attributes:
        run: the mark of the run, without how far it is.
        drain: whether the member has to be drained.
        finish: whether it is only returned to service as it is: it is left from an earlier run, and cannot be spared.
        reason: what was counted.
        out: whether an earlier run has taken it out of service, or may have.
        idle: whether that run had drained it.
        before: the mark that it had.
        marked: whether it has the mark of this run. A host without PowerShell 5.1 has none.
    """

    run: str
    drain: bool
    finish: bool
    reason: str
    out: bool
    idle: bool
    before: str
    marked: bool

    @property
    def first_mark(self) -> str:
        return self.run + OUT if self.idle else self.run


def begin(
    pool: Pool,
    member: str,
    facts: Facts,
    run: str,
    replace: Replace | None,
    is_live: Callable[[str], bool],
    known: str | None = None,
) -> Turn:
    """Decides whether the member may be worked on, and marks it.

    replace: None for a host that cannot have a mark.
    known: the mark that the run saw when it inspected the host; None: as in the facts. Another one by now is another
        run's.

    Raises:
        RolloutStopError: nothing was changed.
    """
    idle = member in facts.idle
    step = facts.step(pool, member, facts.idle)
    if not step.go:
        raise RolloutStopError(f"The rollout stops before {member}: {step.reason}.")
    now = facts.marks.get(member) or ""
    before = now if known is None else known
    turn = Turn(run, step.drain, step.finish, step.reason, member in facts.out(pool), idle, before, replace is not None)
    if replace:
        live = is_live(now)
        found = now if live else replace(before, turn.first_mark)
        if live or found != before:
            raise RolloutStopError(
                f"The rollout stops before {member}: another run is at work on it, or was since this run inspected it."
                f" Its mark is {found or 'none'}; expected {before or 'none'}, of a run that has ended."
                " Run it again when the other run has ended."
            )
    return turn


def confirm(turn: Turn, pool: Pool, member: str, facts: Facts, replace: Replace | None) -> None:
    """Decides again by the others' marks, now that they can see this one: two runs may have decided at the same time.

    facts: with the marks as they are by now.

    Raises:
        RolloutStopError: the mark is as it was.
    """
    if not turn.drain:
        return
    others = dataclasses.replace(facts, marks={**facts.marks, member: ""})
    step = others.step(pool, member, [member] if turn.idle else [])
    if step.go:
        return
    if turn.marked and replace:
        replace(turn.first_mark, turn.before)
    raise RolloutStopError(f"The rollout stops before {member}: another run is at work on its pool ({step.reason}).")


def drained(turn: Turn, member: str, replace: Replace) -> None:
    """Notes that the operator's hook has drained the member.

    Raises:
        RolloutStopError: another run has taken the member over.
    """
    if turn.marked and not turn.idle:
        _replace(member, replace, turn.first_mark, turn.run + OUT)


def returning(turn: Turn, member: str, replace: Replace, was_drained: bool) -> None:
    """Notes that the member is returned to service from now on.

    Raises:
        RolloutStopError: another run has taken the member over.
    """
    if turn.marked:
        _replace(member, replace, turn.run + OUT if was_drained else turn.first_mark, turn.run + RETURNING)


def end(turn: Turn, member: str, replace: Replace) -> None:
    """Removes the mark.

    Raises:
        RolloutStopError: another run has taken the member over.
    """
    if turn.marked:
        _replace(member, replace, turn.run + RETURNING, "")


def _replace(member: str, replace: Replace, expected: str, mark: str) -> None:
    found = replace(expected, mark)
    if found != expected:
        raise RolloutStopError(
            f"The rollout stops at {member}: another run has taken it over and brings it to its end."
            f" Its mark is {found or 'none'}; expected {expected}."
        )
