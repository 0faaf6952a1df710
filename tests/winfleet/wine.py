"""Programs of Wine's that run in a host's prefix beside its own: the service control manager, the registry."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from winfleet.prefix import environment


class Wine:
    """Runs programs in a prefix."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix

    def run(self, *command: str, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return exit code and output of a program, which ends by itself."""
        done = subprocess.run(
            ["wine", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment(self.prefix), **(variables or {})},
            cwd=self.prefix / "drive_c/windows",
            check=False,
        )
        return done.returncode, done.stdout.decode("cp437", "replace")

    def value(self, key: str, name: str) -> str | None:
        """Return a value below HKEY_LOCAL_MACHINE as `reg query` prints it; None when there is none."""
        code, output = self.run("reg", "query", f"HKLM\\{key}", "/v", name)
        found = re.search(rf"^\s+{re.escape(name)}\s+REG_\w+\s+(.*?)\s*$", output, re.MULTILINE | re.IGNORECASE)
        return found[1] if code == 0 and found else None
