# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The lease of a run on a member of a pool: which run works on it, and until when by the member's own clock.

take -> (drain) -> out_of_service -> (work) -> returning -> (return to service) -> end

A run may be interrupted or suspended anywhere, and another run may start at any time. So each step is compared and set
at once on the host, and a run renews its lease right before it disrupts the member.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .awx_job import awx_job

#: Runs on the member with the parameters of `Ask` and the text of OWN_FOLDER.
SCRIPT = Path(__file__).parents[2] / "roles/rms_pool/files/lease.ps1"
OWN_FOLDER = Path(__file__).parents[1] / "module_utils/_OwnFolder.psm1"
#: Reads, takes, renews or removes a member's lease. Returns `held`, `found` (as it was before) and `seconds_left`.
Ask = Callable[..., Mapping[str, Any]]


class RolloutStopError(Exception):
    """The rollout stops here, for all hosts; the message says why."""


@dataclass(frozen=True)
class Lease:
    """A lease as it was found on a member.

    Attributes:
        run: identifies the turn of the run that holds it.
        controller: where that run is.
        started: when the turn began, and
        expires: when the lease ends, in UTC, by the member's clock.
        stage: how far the turn is.
        seconds_left: until it ends, by the member's clock; 0 if it has expired.
    """

    run: str = ""
    controller: str = ""
    started: str = ""
    expires: str = ""
    stage: str = ""
    seconds_left: int = 0

    def __str__(self) -> str:
        left = f", in {-(-self.seconds_left // 60)} minutes"
        end = f"{until(self.expires)}{left}" if self.seconds_left else f"expired at {self.expires}"
        return f"run {self.run} on {self.controller}, since {self.started}, {end}"


def is_answer(answer: Any) -> bool:
    """Whether the script has returned this."""
    return (
        isinstance(answer, Mapping)
        and isinstance(answer.get("held"), bool)
        and isinstance(answer.get("found"), Mapping)
        and isinstance(answer.get("seconds_left"), int)
    )


def lease_of(answer: Mapping[str, Any]) -> Lease | None:
    """The lease that was found, None for none."""
    found = {name: str(answer["found"].get(name, "")) for name in ("run", "controller", "started", "expires", "stage")}
    return Lease(**found, seconds_left=int(answer["seconds_left"])) if answer["found"] else None


def controller_of(variables: Mapping[str, Any]) -> str:
    """The controller's name, and the job of AWX."""
    job = awx_job(variables)
    return f"{platform.node()}, AWX job {job}" if job else platform.node()


def until(expires: Any) -> str:
    """The end of a lease, in words."""
    return f"until {expires} by that host's clock"


def unexpired(fact: Any) -> str:
    """The run of an unexpired lease, by the fact `connector.lease` of a host; empty for none."""
    if not isinstance(fact, Mapping) or fact.get("expired"):
        return ""
    return (
        f"run {fact.get('run')} on {fact.get('controller')}, since {fact.get('started')}, {until(fact.get('expires'))}"
    )


def busy(member: str, where: str, lease: Lease | str) -> str:
    """Another run has an unexpired lease there."""
    return (
        f"The rollout stops before {member}: another run works on {where}: {lease}. Run this again after that. If you"
        " know that the other run has ended, set rms_pool_take_over=true."
    )


@dataclass(frozen=True)
class Hold:
    """A run's hold on a member.

    Attributes:
        ask: asks the member.
        run: identifies this run's turn.
        seconds: how long a lease lasts.
    """

    member: str
    ask: Ask
    run: str
    seconds: int

    def take(self, controller: str, take_over: bool) -> Lease | None:
        """Takes the lease, and returns the one that an interrupted run has left.

        Raises:
            RolloutStopError: another run has an unexpired one, and is not taken over.
        """
        wanted = {"take": "any" if take_over else "expired", "controller": controller}
        answer = self.ask(run=self.run, seconds=self.seconds, **wanted)
        lease = lease_of(answer)
        if lease and not answer["held"]:
            raise RolloutStopError(busy(self.member, "it", lease))
        return lease

    def renew(self, stage: str = "") -> None:
        """An expired lease can be renewed as long as no other run has taken it.

        Raises:
            RolloutStopError: this run has lost its lease.
        """
        self._hold(self.ask(run=self.run, seconds=self.seconds, stage=stage))

    def end(self) -> None:
        """Removes the lease.

        Raises:
            RolloutStopError: this run has lost its lease.
        """
        self._hold(self.ask(run=self.run, remove=True))

    def give_up(self, left: bool) -> None:
        """Lets another run begin at once. A lease that was lost stays as it is.

        left: whether the lease stays, as an expired one: the member may be out of service.
        """
        self.ask(run=self.run, **{} if left else {"remove": True})

    def _hold(self, answer: Mapping[str, Any]) -> None:
        if not answer["held"]:
            raise RolloutStopError(
                f"The rollout stops at {self.member}: this run has lost its lease there, and does nothing more to the"
                f" host. The lease now: {lease_of(answer) or 'none, another run has ended its turn'}."
            )
