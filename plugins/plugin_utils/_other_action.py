# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Runs one action plugin out of another."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from .awx_job import on_host

Result = dict[str, Any]


def run_action(action: ActionBase, name: str, options: Result, task_vars: Result | None) -> Result:
    """Run another action on the task's host, as a task of its own would."""
    task = action._task.copy()
    task.action, task.args = name, dict(options)
    task.environment = on_host(task.environment, task_vars or {})
    other = action._shared_loader_obj.action_loader.get(
        name,
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    done: Result = other.run(task_vars=task_vars)
    return done
