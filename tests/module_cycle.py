"""The life of a setting: check, apply, apply again, restore, restore again, and the registry in between.

The same at two levels: over Ansible on a host of the fleet, and in the engine of the unit tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
#: Key -> name ('' is the default value) -> type and data
Registry = dict[str, dict[str, tuple[str, Any]]]


@dataclass(frozen=True)
class Cycle:
    """What each step returned, and the registry around it. Without a restore the last four are left out."""

    before: Registry
    check: Json
    after_check: Registry
    applied: Json
    after: Registry
    again: Json
    restore_check: Json = field(default_factory=dict)
    restored: Json = field(default_factory=dict)
    after_restore: Registry = field(default_factory=dict)
    restored_again: Json = field(default_factory=dict)

    def verify(self) -> None:
        """What holds for every module that writes."""
        assert self.after_check == self.before, "check mode wrote to the registry"
        assert self.check["changed"] == self.applied["changed"], "check mode did not predict the change"
        assert self.check.get("diff") == self.applied.get("diff"), "check mode's diff is not what was applied"
        assert self.check["changes"] == self.applied["changes"], "check mode's changes are not what was applied"
        assert not self.again["changed"], f"the second run changed something: {self.again}"
        assert self.again["changes"] == []
        assert (self.before != self.after) == self.applied["changed"]
        if self.restored:
            assert self.restored["changed"]
            assert self.restore_check["changes"] == self.restored["changes"]
            assert self.after_restore == self.before, "restore did not bring back the previous values"
            assert not self.restored_again["changed"]
