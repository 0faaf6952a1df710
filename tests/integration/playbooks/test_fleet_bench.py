"""tests/bench/fleet.py with a small fleet: it measures. test_jobs.py judges its hosts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from bench import fleet
from bench.fleet_hosts import BLOCKED, DRIFTED, UNREACHABLE, hosts_of

COMMANDS = Path(sys.executable).parent


def test_shares_of_a_fleet() -> None:
    """100 hosts and 1,000 have the same: 10 % drifted, 2 % unreachable, 1 % blocked."""
    for size in (100, 1000):
        hosts = hosts_of(size, mixed=True)
        assert len({host.name for host in hosts}) == size
        shares = [sum(host.state == state for host in hosts) / size for state in (DRIFTED, UNREACHABLE, BLOCKED)]
        assert shares == [0.1, 0.02, 0.01]
        assert sum(host.group == "aip_clients" for host in hosts) == 0.7 * size


def test_the_folder_of_the_commands_may_be_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run has a current directory of its own. A folder without the command is refused before anything runs."""
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        fleet.main(["--commands", "bin"])
    assert f"{tmp_path}/bin has no ansible-playbook: expected the folder that has it" in capsys.readouterr().err
    (tmp_path / "bin/ansible-playbook").touch()
    used: list[Path] = []
    monkeypatch.setattr(fleet, "measure", lambda _case, _count, commands: used.append(commands))
    monkeypatch.setattr(fleet, "medians", lambda _costs: {})
    assert fleet.main(["--commands", "bin", "--hosts", "1", "--only", "win_ping"]) == 0
    assert used == [tmp_path / "bin"]


def test_each_case_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Complying hosts cost one module run also in site.yml, which runs more where a host differs or is blocked."""
    table = tmp_path / "table.md"
    assert fleet.main(["--hosts", "5", "--output", str(table)]) in (0, 1)
    rows = [row.strip("| ").split(" | ") for row in table.read_text(encoding="utf-8").splitlines()[2:]]
    assert [(row[0], row[1]) for row in rows] == [(name, "5") for name in fleet.CASES]
    assert all(float(row[3]) > 0 and float(row[5]) > 20 for row in rows)
    assert {row[0]: row[2] for row in rows if row[0] in ("audit", "site")} == {"audit": "1.00", "site": "1.00"}
    # A single size shows no growth.
    assert capsys.readouterr().out.count("not measured: ") == 2


def test_a_run_that_does_something_else_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(fleet.BenchError, match=r"expected 2 module runs on each host"):
        fleet.measure(fleet.Case("twice", "", module_runs=2), 1, COMMANDS)
    monkeypatch.setattr(fleet, "PING_PLAY", {"hosts": "all", "gather_facts": False, "tasks": [{"fail": {}}]})
    with pytest.raises(fleet.BenchError, match=r"ended with 2, expected 0"):
        fleet.measure(fleet.PING, 1, COMMANDS)


@pytest.mark.parametrize(
    ("cpu", "verdicts"),
    [
        ({("audit", 100): 0.3, ("audit", 1000): 0.36}, ["met", "met", "met"]),
        ({("audit", 100): 0.31, ("audit", 1000): 0.3}, ["MISSED", "met", "met"]),
        ({("audit", 100): 0.2, ("audit", 1000): 0.25}, ["met", "met", "MISSED"]),
        ({("audit", 100): 0.2}, ["met", "not measured", "not measured"]),
    ],
)
def test_goals(cpu: dict[tuple[str, int], float], verdicts: list[str]) -> None:
    """At 1,000 hosts, win_ping costs more than at 100."""
    measured = {("win_ping", 100): 0.1, ("win_ping", 1000): 0.12, **cpu}
    costs = {key: fleet.Cost(*key, value, 100, 10, 1) for key, value in measured.items()}
    goals = [goal for goal in fleet.goals_of(costs, [100, 1000]) if goal.text.startswith("audit, ")]
    assert [goal.verdict.partition(":")[0] for goal in goals] == verdicts
