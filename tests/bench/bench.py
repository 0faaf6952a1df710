#!/usr/bin/env python3
"""Figures of one run, side by side: the collection, and what the field does today for the same state (twin.yml).

    python3 tests/bench/bench.py [--host HOST] [--rounds N] [--output FILE]

Requests and bytes are counted at the emulated host's listener; module runs and seconds come from Ansible. A fresh host,
one that complies (medians of runs in turns), and the look beside win_ping. Seconds on an emulated host are not those of
Windows: the ratios count. The host runs cold: a process for each module run, which compiles its C#, as Windows has it.
It is given back Windows' defaults before and after, and is left running or stopped as it was found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from integration.ansible_runner import INVENTORIES, AnsiblePlaybook, Run  # noqa: E402
from integration.installed_clients import prepare_task, share_packages  # noqa: E402

TWIN = ROOT / "tests/bench/twin.yml"
SITE = ROOT / "playbooks/site.yml"
PLAYBOOKS = {"ansible.windows": TWIN, "site.yml": SITE}
TURNS = 3
ABSENT = {"tls": {"state": "absent"}, "client_settings": {"state": "absent"}}
# Basic over HTTPS: no requests beside those of the module itself (NTLM adds three to a connection).
BASIC = {
    "ansible_winrm_transport": "basic",
    "ansible_port": 5986,
    "ansible_winrm_scheme": "https",
    "ansible_winrm_server_cert_validation": "ignore",
}
# As much as twin.yml does
WORK = {"aip_tls_disable_older": "always"}


@dataclass(frozen=True)
class Figures:
    """What one ansible-playbook run cost for one host.

    Attributes:
        module_runs: results of modules on the host, each item of a loop counted.
        requests: HTTP requests at the listener.
        kilobytes: bodies both ways, as on the wire.
        seconds: of all tasks, as Ansible timed them; its own start, the same for all, is left out.
        changed: module runs that changed something.
    """

    what: str
    module_runs: int
    requests: int
    kilobytes: int
    seconds: float
    changed: int


class Bench:
    """Runs playbooks against one host of the running fleet and counts."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.playbook = AnsiblePlaybook(Path(sys.executable).parent)

    def measure(self, what: str, playbook: Path | Sequence[dict[str, Any]]) -> tuple[Figures, Run]:
        """One run of a playbook, limited to the host."""
        with tempfile.TemporaryDirectory() as folder:
            wire = Path(folder, "wire.jsonl")
            self._fleet("wire", self.host, str(wire))
            run = self.playbook.run(playbook, f"--limit={self.host}", extra_vars=BASIC | WORK)
            self._fleet("wire", self.host)
            lines = [json.loads(line) for line in wire.read_text(encoding="utf-8").splitlines()]
        results = [item for result in run.module_results(self.host) for item in result.get("results", [result])]
        figures = Figures(
            what=what,
            module_runs=len(results),
            requests=len(lines),
            kilobytes=sum(line["bytes_in"] + line["bytes_out"] for line in lines) // 1024,
            seconds=round(sum(seconds for _task, seconds in run.durations), 2),
            changed=sum(bool(result.get("changed")) for result in results),
        )
        return figures, run

    def reset(self) -> None:
        """Windows' defaults, and no client."""
        defaults = {"name": "defaults", "infoprotect.aip.desired_state": ABSENT}
        self.playbook.run([self._play(defaults, prepare_task("no client", None))])

    def restart(self) -> None:
        """What the settings wait for has happened then."""
        self._fleet("reboot", self.host)
        wait = {"name": "back", "ansible.builtin.wait_for_connection": {"sleep": 1, "timeout": 120}}
        self.playbook.run([self._play({"name": "gone", "ansible.builtin.pause": {"seconds": 5}}, wait)])

    def look_beside_ping(self, rounds: int) -> tuple[float, float]:
        """Median seconds of the module run of win_ping and of the look, taken in turns in one play."""
        client = {"product": "unified_labeling", "version": "2.18.26"}
        tls = {"disable_older": "always"}
        look = {"client": client, "tls": tls, "client_settings": {"use_default_credentials_in_proxy": True}}
        pairs: list[list[dict[str, Any]]] = [
            [
                {"name": f"ping {number}", "ansible.windows.win_ping": {}},
                {"name": f"look {number}", "infoprotect.aip.desired_state": look, "check_mode": True},
            ]
            for number in range(rounds)
        ]
        run = self.playbook.run([self._play(*(task for pair in pairs for task in pair))], extra_vars=BASIC)
        medians = [
            statistics.median(run.seconds(f"{name} {number}") for number in range(rounds)) for name in ("ping", "look")
        ]
        return medians[0], medians[1]

    def _play(self, *tasks: dict[str, Any]) -> dict[str, Any]:
        return {"name": "bench", "hosts": self.host, "gather_facts": False, "tasks": list(tasks)}

    def _fleet(self, *arguments: str) -> None:
        subprocess.run(fleet_command(*arguments), check=True, stdout=subprocess.DEVNULL)


def fleet_command(*arguments: str) -> list[str]:
    return [str(ROOT / "bin/fleet"), *(f"--inventory={inventory}" for inventory in INVENTORIES), *arguments]


@contextlib.contextmanager
def running(host: str) -> Iterator[None]:
    """The host is up and cold; at the end it is up as usual, or down if it was."""
    status = subprocess.run(fleet_command("status", "--json"), stdout=subprocess.PIPE, text=True, check=False).stdout
    was_up = any(state["name"] == host and state["phase"] == "up" for state in json.loads(status or "[]"))
    try:
        if code := subprocess.run(fleet_command("up", "--mode=cold", host), check=False).returncode:
            sys.exit(code)
        yield
    finally:
        subprocess.run(fleet_command("up" if was_up else "down", host), check=False)


def report(rows: Sequence[Figures], ping: float, look: float) -> str:
    """The figures as a table and the ratios as sentences, in Markdown."""
    lines = ["| | module runs | requests | kB | seconds | changed |", "|---|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {row.what} | {row.module_runs} | {row.requests} | {row.kilobytes} | {row.seconds} | {row.changed} |"
        for row in rows
    ]
    by_name = {row.what: row for row in rows}
    for state in ("fresh", "complying"):
        twin, site = by_name[f"ansible.windows, {state}"], by_name[f"site.yml, {state}"]
        lines.append(
            f"\nA {state} host: {twin.seconds / site.seconds:.1f} times faster, "
            f"{twin.requests / site.requests:.1f} times fewer requests, "
            f"{twin.kilobytes / site.kilobytes:.1f} times fewer bytes."
        )
    lines.append(f"\nThe look takes {look / ping:.2f} times as long as win_ping ({look:.2f} s and {ping:.2f} s).")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--host", default="client-2019")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of win_ping and the look")
    parser.add_argument("--output", type=Path, help="also write the report to this file")
    arguments = parser.parse_args()
    with running(arguments.host):
        return measure_all(arguments.host, arguments.rounds, arguments.output)


def measure_all(host: str, rounds: int, output: Path | None) -> int:
    """Measure and print; returns 1 when a goal is missed."""
    bench = Bench(host)
    share_packages([host])
    rows = []
    for what, playbook in PLAYBOOKS.items():
        bench.reset()
        rows.append(bench.measure(f"{what}, fresh", playbook)[0])
        print(rows[-1], flush=True)
    # So that the host complies for both: the twin sets values that Windows has as its default, too.
    bench.measure("not counted", TWIN)
    bench.restart()
    # In turns, since the machine is not as fast at all times; the short one more often.
    complying: dict[str, list[Figures]] = {what: [] for what in PLAYBOOKS}
    for _turn in range(TURNS):
        for what, playbook in PLAYBOOKS.items():
            for _run in range(1 if playbook == TWIN else 3):
                complying[what].append(bench.measure(f"{what}, complying", playbook)[0])
                print(complying[what][-1], flush=True)
    rows += [sorted(figures, key=lambda one: one.seconds)[len(figures) // 2] for figures in complying.values()]
    bench.reset()
    ping, look = bench.look_beside_ping(rounds)
    text = report(rows, ping, look)
    print(text)
    if output:
        output.write_text(text, encoding="utf-8")
    twin, site = rows[2:]
    goals = {
        "a complying host costs one module run": site.module_runs == 1,
        "and at most 8 requests": site.requests <= 8,
        "and nothing is changed": site.changed == 0 and twin.changed == 0,
        "15 times faster than the twin": twin.seconds / site.seconds >= 15,
        "the look takes at most twice win_ping's time": look / ping <= 2,
    }
    for goal, met in goals.items():
        print(f"{'met' if met else 'MISSED'}: {goal}")
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
