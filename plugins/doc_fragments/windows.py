# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of several modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Shared documentation: every module (DOCUMENTATION), and those that write registry values (REGISTRY)."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and says what would change, without changing anything.
    support: full
  diff_mode:
    description: Returns what changed, or in check mode would change, when run in diff mode.
    support: full
  platform:
    description: The kind of host that the module runs on.
    support: full
    platforms: windows
notes:
  - The host needs Windows PowerShell 5.1. It is part of Windows Server 2016 and later; on 2012 and 2012 R2 it comes
    with Windows Management Framework 5.1.
author:
  - infoprotect.aip maintainers (@infoprotect)
"""

    REGISTRY = r"""
options: {}
notes:
  - Keys are opened for reading only until a value really has to be written. Check mode never opens a key for writing
    and so needs no more than the right to read.
  - Before the first write, the values as they were are kept in a receipt below C(%ProgramData%\infoprotect\receipts).
    Only administrators and the system account can open that folder. The first receipt and the newest 50 are kept.
    M(infoprotect.aip.restore) brings the values back.
  - Every value is read back after it was written. If a write fails, or reads back differently, everything that the
    task wrote is undone, and the task fails with each value and the reason.
"""
