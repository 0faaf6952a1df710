"""client: from each client to each other one, on each Windows version.

A cell: the host is brought to a client by the installer itself, check mode, apply, apply again; reg.exe reads the list
of installed programs before and after each. Cells are grouped by host, one ansible-playbook run each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ..ansible_runner import AnsiblePlaybook, Json, Run
from ..installed_clients import SHARE, expected, list_task, listed, prepare_task, release_task, share_packages

OLD, CURRENT = "AzInfoProtection_UL-2.16.73", "AzInfoProtection_UL-2.18.26"
CLASSIC, PURVIEW = "AzInfoProtection-1.54.59", "PurviewInfoProtection-3.1.310"
PRODUCTS = {CLASSIC: "classic", OLD: "unified_labeling", CURRENT: "unified_labeling", PURVIEW: "purview"}
STATES = (None, CLASSIC, OLD, CURRENT, PURVIEW)
# The .NET Framework that each Windows version came with
HOSTS = {"server-2012": 379893, "client-2012r2": 379893, "client-2016": 394802, "client-2019": 461814}
WITHOUT_PURVIEW = ("server-2012", "client-2012r2")


@dataclass(frozen=True)
class Cell:
    """From a client to another, each by MSI or EXE; `target` None: it is to be absent."""

    start: str | None
    target: str | None
    start_type: str = "msi"
    target_type: str = "exe"

    def __str__(self) -> str:
        return f"{self.installer or 'nothing'} to {f'{self.target}.{self.target_type}' if self.target else 'absent'}"

    @property
    def installer(self) -> str | None:
        return f"{self.start}.{self.start_type}" if self.start else None

    def options(self) -> Json:
        """Of the module."""
        if self.target is None:
            return {"product": PRODUCTS[self.start or CURRENT], "state": "absent"}
        version = self.target.rpartition("-")[2]
        path = rf"{SHARE}\{self.target}.{self.target_type}"
        return {"product": PRODUCTS[self.target], "version": version, "path": path}

    def actions(self, host: str) -> list[str]:
        """In this order."""
        if self.outcome(host) == expected(self.installer):
            return []
        # 3.x does not go beside older ones, and an MSI must not leave a bundle behind
        gone = self.start and (self.target in (None, PURVIEW) or (self.start_type, self.target_type) == ("exe", "msi"))
        return (["remove"] if gone else []) + (["install"] if self.target else [])

    def refused(self, host: str) -> str | None:
        """Why it is refused on the host, if it is."""
        if self.target == PURVIEW and host in WITHOUT_PURVIEW:
            return "needs Windows Server 2016"
        if self.start == PURVIEW and self.target == CURRENT:
            return "which is newer: expected allow_downgrade"
        return None

    def outcome(self, host: str) -> dict[str, str]:
        """The list of installed programs in the end."""
        if self.refused(host) or (self.target and self.start == self.target):
            return expected(self.installer)
        return expected(f"{self.target}.{self.target_type}" if self.target else None)


# Each pair once; hosts and types of installer in turn.
PAIRS: dict[str, Sequence[Cell]] = {
    "server-2012": (
        Cell(None, CURRENT, target_type="msi"),
        Cell(CURRENT, PURVIEW),
        Cell(CLASSIC, CURRENT, target_type="msi"),
    ),
    "client-2012r2": (
        Cell(None, PURVIEW),
        Cell(OLD, CURRENT, start_type="exe", target_type="msi"),
        Cell(CLASSIC, None, start_type="exe"),
        Cell(None, None),
    ),
    "client-2016": (
        Cell(None, CURRENT),
        Cell(CURRENT, PURVIEW, start_type="exe", target_type="msi"),
        Cell(PURVIEW, None, start_type="exe"),
        Cell(CLASSIC, PURVIEW),
    ),
    "client-2019": (
        Cell(None, PURVIEW, target_type="msi"),
        Cell(PURVIEW, CURRENT),
        Cell(OLD, PURVIEW, start_type="exe"),
        Cell(CURRENT, CURRENT, start_type="exe", target_type="msi"),
        Cell(CURRENT, None),
        Cell(OLD, None, start_type="exe"),
        Cell(PURVIEW, PURVIEW),
    ),
}


def all_cells(host: str) -> list[Cell]:
    """Every way on this host, with every pair of types."""
    return [
        Cell(start, target, start_type, target_type)
        for start in STATES
        for target in (CURRENT, PURVIEW, None)
        for start_type in (("msi", "exe") if start else ("msi",))
        for target_type in (("msi", "exe") if target else ("exe",))
        if not (start == PURVIEW and host in WITHOUT_PURVIEW)
    ]


def run_cells(playbook: AnsiblePlaybook, host: str, cells: Sequence[Cell]) -> Run:
    share_packages([host])
    # that of 2012 and 2012 R2 is too old
    tasks: list[Json] = [release_task(461814)]
    for cell in cells:
        options = {"infoprotect.aip.client": cell.options(), "ignore_errors": True}
        tasks += [
            prepare_task(f"{cell}: prepare", cell.installer),
            {"name": f"{cell}: check", **options, "check_mode": True},
            list_task(f"{cell}: after check"),
            {"name": f"{cell}: apply", **options},
            list_task(f"{cell}: after"),
            {"name": f"{cell}: again", **options},
        ]
    tasks += [prepare_task("leave nothing", None), release_task(HOSTS[host])]
    return playbook.run([{"name": "cells", "hosts": host, "gather_facts": False, "tasks": tasks}])


def check_cells(run: Run, host: str, cells: Sequence[Cell]) -> None:
    for cell in cells:
        start, outcome = expected(cell.installer), cell.outcome(host)
        check, applied, again = (run.task(f"{cell}: {step}", host) for step in ("check", "apply", "again"))
        assert listed(run.task(f"{cell}: after check", host)) == start, f"{cell}: check mode changed the host"
        assert listed(run.task(f"{cell}: after", host)) == outcome, f"{cell}: {applied}"
        if reason := cell.refused(host):
            for result in check, applied, again:
                assert result["failed"] and reason in result["msg"], f"{cell}: {result}"
            continue
        assert applied["changed"] == check["changed"] == (start != outcome), f"{cell}: {check} {applied}"
        assert applied["actions"] == check["actions"]
        assert [action["action"] for action in applied["actions"]] == cell.actions(host)
        assert not again["changed"] and again["actions"] == [], f"{cell}: {again}"
        assert {item["product_code"].upper(): item["version"] for item in applied["after"]} == outcome
        assert not applied["reboot_required"]


#: The oldest and the newest Windows; what has to be done is a unit test for every version.
ALWAYS = ("server-2012", "client-2019")


def on_its_host(host: str) -> object:
    marks = [pytest.mark.hosts(host), *([] if host in ALWAYS else [pytest.mark.full("clients")])]
    return pytest.param(host, marks=marks)


@pytest.mark.parametrize("host", [on_its_host(host) for host in HOSTS])
def test_from_one_client_to_another(playbook: AnsiblePlaybook, host: str) -> None:
    cells = PAIRS[host]
    check_cells(run_cells(playbook, host, cells), host, cells)


def test_the_pairs_cover_every_way() -> None:
    """From each state to each other one, somewhere."""
    ways = {(cell.start, cell.target) for cells in PAIRS.values() for cell in cells}
    assert ways == {(cell.start, cell.target) for cell in all_cells("client-2019")}


@pytest.mark.full("clients")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("host", [pytest.param(host, marks=pytest.mark.hosts(host)) for host in HOSTS])
def test_every_way(playbook: AnsiblePlaybook, host: str) -> None:
    cells = all_cells(host)
    for first in range(0, len(cells), 4):
        part = cells[first : first + 4]
        check_cells(run_cells(playbook, host, part), host, part)
