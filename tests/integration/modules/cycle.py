"""The cycle of a setting over Ansible, on a host of the fleet, read back by reg.exe."""

from __future__ import annotations

from collections.abc import Sequence

from module_cycle import Cycle

from ..ansible_runner import AnsiblePlaybook, Json
from ..registry_export import export_task, exported


def run_cycle(
    playbook: AnsiblePlaybook,
    host: str,
    module: str,
    options: Json,
    keys: Sequence[str],
    *,
    before: Sequence[Json] = (),
    after: Sequence[Json] = (),
) -> Cycle:
    """Run the cycle of `module` with `options` on `host`, and verify what holds for every module that writes.

    `keys`: what reg.exe exports (HKLM\\...), and so all that the cycle can see. `before` and `after`: tasks that
    prepare the host and clean it up.
    """
    name = f"infoprotect.aip.{module}"
    receipt = {"receipt": "{{ apply.receipt }}"}
    written = "apply is changed"
    tasks = [
        *before,
        export_task("before", *keys),
        {"name": "check", name: options, "check_mode": True, "diff": True},
        export_task("after check", *keys),
        {"name": "apply", name: options, "diff": True, "register": "apply"},
        export_task("after", *keys),
        {"name": "again", name: options, "diff": True},
        {
            "name": "restore check",
            "infoprotect.aip.restore": receipt,
            "check_mode": True,
            "diff": True,
            "when": written,
        },
        {"name": "restore", "infoprotect.aip.restore": receipt, "diff": True, "when": written},
        export_task("restored", *keys),
        {"name": "restore again", "infoprotect.aip.restore": receipt, "when": written},
        *after,
    ]
    run = playbook.run([{"name": module, "hosts": host, "gather_facts": False, "tasks": tasks}])
    wrote = run.task("apply", host)["changed"]
    cycle = Cycle(
        before=exported(run.task("before", host)),
        check=run.task("check", host),
        after_check=exported(run.task("after check", host)),
        applied=run.task("apply", host),
        after=exported(run.task("after", host)),
        again=run.task("again", host),
        restore_check=run.task("restore check", host) if wrote else {},
        restored=run.task("restore", host) if wrote else {},
        after_restore=exported(run.task("restored", host)) if wrote else {},
        restored_again=run.task("restore again", host) if wrote else {},
    )
    cycle.verify()
    return cycle
