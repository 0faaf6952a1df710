"""An action plugin of the collection by itself: no host, no playbook."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader
from ansible.template import Templar


def load_action(
    name: str,
    arguments: Mapping[str, Any],
    *,
    check_mode: bool = False,
    variables: Mapping[str, Any] | None = None,
    loader: DataLoader | None = None,
    **connection: Any,
) -> Any:
    """The action with its task, as a play would make it.

    name: without the collection.
    variables: what its templates know.
    connection: further attributes of the connection.
    """
    loader = loader or DataLoader()
    full_name = f"infoprotect.aip.{name}"
    task = Task.load({full_name: dict(arguments)}, loader=loader)
    task.args, task.check_mode = dict(arguments), check_mode
    return action_loader.get(
        full_name,
        task=task,
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), **connection),
        play_context=SimpleNamespace(check_mode=check_mode),
        loader=loader,
        templar=Templar(loader=loader, variables=dict(variables or {})),
        shared_loader_obj=None,
    )
