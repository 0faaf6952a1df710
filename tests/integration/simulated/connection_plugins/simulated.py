"""Plays hosts for an unchanged ansible-playbook. No PowerShell runs.

SIMULATED_BY names the Python module that answers for the hosts (`answer`, `count_shell`), such as
integration.rollout.simulated. SIMULATED_WORLD is the folder with what it knows of them.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from integration.simulated.results import LostError, UnreachableError

WORLD = importlib.import_module(os.environ["SIMULATED_BY"])
FOLDER = Path(os.environ["SIMULATED_WORLD"])

DOCUMENTATION = """
name: simulated
short_description: Plays simulated hosts
description: Answers each module with what the Python module SIMULATED_BY returns. No PowerShell runs.
options:
  remote_addr:
    description: The name of the host.
    vars:
      - name: inventory_hostname
      - name: simulated_name
"""


class Connection(ConnectionBase):
    """A host that takes PowerShell modules by its standard input, as WinRM does."""

    transport = "simulated"
    module_implementation_preferences = (".ps1", ".exe", "")
    allow_executable = False
    has_pipelining = True
    always_pipeline_modules = True
    has_native_async = True
    _shell_type = "powershell"
    _has_shell = False

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:
        """See ConnectionBase."""
        return not wrap_async

    def _connect(self) -> Connection:
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """See ConnectionBase. In each ansible-core, a manifest with the arguments follows four zeros."""
        arguments = _arguments(json.loads((in_data or b"").rpartition(b"\0\0\0\0")[2]))
        assert arguments, f"no module in {cmd}"
        with _errors_of_a_connection():
            result = WORLD.answer(FOLDER, str(self.get_option("remote_addr")), arguments)
            if not self._has_shell:
                self._has_shell = True
                WORLD.count_shell(FOLDER, str(self.get_option("remote_addr")), 1)
        return 0, json.dumps(result).encode(), b""

    def put_file(self, in_path: str, out_path: str) -> None:
        """See ConnectionBase."""
        raise NotImplementedError

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """See ConnectionBase."""
        raise NotImplementedError

    def close(self) -> None:
        """See ConnectionBase."""
        if self._has_shell:
            self._has_shell = False
            with _errors_of_a_connection():
                WORLD.count_shell(FOLDER, str(self.get_option("remote_addr")), -1)


@contextmanager
def _errors_of_a_connection() -> Iterator[None]:
    """Those of WinRM: it translates that it cannot connect, and lets through that it has lost a host."""
    try:
        yield
    except UnreachableError as error:
        raise AnsibleConnectionFailure(f"{error} is unreachable") from error
    except LostError as error:
        raise requests.ConnectionError(f"{error}: reset by peer") from error


def _arguments(manifest: Any) -> dict[str, Any] | None:
    if isinstance(manifest, dict):
        if "_ansible_module_name" in manifest:
            return manifest
        manifest = list(manifest.values())
    if isinstance(manifest, list):
        return next((found for part in manifest if (found := _arguments(part))), None)
    return None
