"""The life of a setting: check, apply, apply again, restore, restore again, each read back by reg.exe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..ansible_runner import AnsiblePlaybook, Json
from ..registry_export import Registry, export_task, exported


@dataclass(frozen=True)
class Cycle:
    """What each step returned (`check`, `applied`, `again`, `restored`) and the registry before and after."""

    before: Registry
    after: Registry
    check: Json
    applied: Json
    again: Json
    restored: Json


def run_cycle(
    playbook: AnsiblePlaybook,
    host: str,
    module: str,
    options: Json,
    keys: Sequence[str],
    *,
    before: Sequence[Json] = (),
    keep: bool = False,
) -> Cycle:
    """Runs the cycle of `module` with `options` on `host` and checks what holds for every module that writes.

    `keys`: what reg.exe exports (HKLM\\...), and so all that the cycle can see. `before`: tasks that prepare the host.
    `keep`: leave what was applied (no restore).
    """
    name = f"infoprotect.aip.{module}"
    tasks = [
        *before,
        export_task("before", *keys),
        {"name": "check", name: options, "check_mode": True, "diff": True, "register": "check"},
        export_task("after check", *keys),
        {"name": "apply", name: options, "diff": True, "register": "apply"},
        export_task("after", *keys),
        {"name": "again", name: options, "diff": True},
    ]
    if not keep:
        receipt = {"receipt": "{{ apply.receipt }}"}
        applied = "apply is changed"
        tasks += [
            {
                "name": "restore check",
                "infoprotect.aip.restore": receipt,
                "check_mode": True,
                "diff": True,
                "when": applied,
            },
            {"name": "restore", "infoprotect.aip.restore": receipt, "diff": True, "when": applied},
            export_task("restored", *keys),
            {"name": "restore again", "infoprotect.aip.restore": receipt, "when": applied},
        ]
    run = playbook.run([{"name": module, "hosts": host, "gather_facts": False, "tasks": tasks}])
    cycle = Cycle(
        before=exported(run.task("before", host)),
        after=exported(run.task("after", host)),
        check=run.task("check", host),
        applied=run.task("apply", host),
        again=run.task("again", host),
        restored={} if keep else run.task("restore", host),
    )
    assert exported(run.task("after check", host)) == cycle.before, "check mode wrote to the registry"
    assert cycle.check["changed"] == cycle.applied["changed"], "check mode did not predict the change"
    assert cycle.check.get("diff") == cycle.applied.get("diff"), "check mode's diff is not what was applied"
    assert cycle.check["changes"] == cycle.applied["changes"], "check mode's changes are not what was applied"
    assert not cycle.again["changed"], f"the second run changed something: {cycle.again}"
    assert cycle.again["changes"] == []
    assert (cycle.before != cycle.after) == cycle.applied["changed"]
    if cycle.applied["changed"] and not keep:
        assert cycle.restored["changed"]
        assert run.task("restore check", host)["changes"] == cycle.restored["changes"]
        assert exported(run.task("restored", host)) == cycle.before, "restore did not bring back what was there"
        assert not run.task("restore again", host)["changed"]
    return cycle
