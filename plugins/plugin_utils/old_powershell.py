# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Scripts for hosts with PowerShell 3.0 or 4.0, where no module runs: a script becomes one command line."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

#: How much cmd.exe takes, by which WinRM starts a program
COMMAND_LINE = 8191
POWERSHELL = "PowerShell -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand "
MODULE_UTILS = Path(__file__).parents[1] / "module_utils"
ROLES = Path(__file__).parents[2] / "roles"
PREAMBLE = "$ErrorActionPreference = 'Stop'\n$ProgressPreference = 'SilentlyContinue'\n"


class OldPowerShellError(Exception):
    """The host did not do what a script asks for; the message says why."""


def file_of(role: str, name: str) -> str:
    """A script of a role."""
    return (ROLES / role / "files" / f"{name}.ps1").read_text(encoding="utf-8")


def exchange_test() -> str:
    """The function Test-ExchangeServer."""
    return (MODULE_UTILS / "_ExchangeServer.psm1").read_text(encoding="utf-8")


def shortened(script: str) -> str:
    """A script without comments and indentation."""
    return re.sub(r"(?m)^\s*#.*\n|^\s+|\s+# .*$", "", script)


def encoded(script: str) -> str:
    """The script as a command line, which fits into what cmd.exe takes."""
    return POWERSHELL + base64.b64encode(script.encode("utf-16-le")).decode()


def answer_of(stdout: str) -> dict[str, Any]:
    """The object of JSON that a script has printed. A console may have broken it into lines.

    Raises:
        OldPowerShellError: it has printed none.
    """
    found = re.search(r"\{.*\}", re.sub(r"[\r\n]", "", stdout))
    try:
        return dict(json.loads(found[0] if found else ""))
    except ValueError as error:
        raise OldPowerShellError(f"The host returned {stdout[:200]!r}: expected an object of JSON.") from error


def quoted(text: str) -> str:
    """The text as a literal of PowerShell."""
    return "'" + text.replace("'", "''") + "'"
