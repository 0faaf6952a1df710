"""Ends ansible-playbook, as a controller that dies would, before the task that CUT_OFF_BEFORE names.

With SUSPENDED, it is only stopped there the first time, and writes its process to that file.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: cut_off
type: notification
short_description: Ends or suspends ansible-playbook before a task
description: Kills or stops its process, so that nothing is cleaned up.
"""


class CallbackModule(CallbackBase):
    """See above."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "cut_off"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """See CallbackBase."""
        del is_conditional
        name = task.get_name()
        if os.environ["CUT_OFF_BEFORE"] not in (name, name.rpartition(" : ")[2]):
            return
        if "SUSPENDED" not in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
        elif not (file := Path(os.environ["SUSPENDED"])).exists():
            file.write_text(str(os.getpid()), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGSTOP)
