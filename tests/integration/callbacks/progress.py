"""Writes each task as it starts and each host that is done with it, so that a run that hangs says where."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: progress
type: notification
short_description: Writes what runs to a file
description: A line for each task that starts, and one for each of its results, to the file that PROGRESS names.
"""


class CallbackModule(CallbackBase):
    """See above."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "progress"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """See CallbackBase."""
        del is_conditional
        self._write(f"task: {task.get_name()}")

    def _result(self, result: Any, **_more: Any) -> None:
        self._write(f"  {result._host.get_name()}")  # before ansible-core 2.19 there is no other name

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = _result

    @staticmethod
    def _write(line: str) -> None:
        with Path(os.environ["PROGRESS"]).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")
