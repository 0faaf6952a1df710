"""File shares that a host finds under \\\\SERVER\\SHARE: Wine looks for them in its folder of devices."""

from __future__ import annotations

import re
from pathlib import Path


class Shares:
    """The shares of one host; they are kept with its disk."""

    def __init__(self, prefix: Path) -> None:
        self._folder = prefix / "dosdevices" / "unc"

    def set(self, name: str, folder: Path | None) -> None:
        """Let a share lead to a local folder; None: it is not there any more.

        Raises:
            ValueError: the name is not one of a share, or the folder is none.
        """
        found = re.fullmatch(r"\\\\(\w[\w.-]*)\\(\w[\w.$-]*)", name)
        if found is None:
            raise ValueError(f"{name!r} is not \\\\SERVER\\SHARE")
        if folder is not None and not folder.is_dir():
            raise ValueError(f"{folder} is not a folder")
        link = self._folder / found[1].lower() / found[2].lower()
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        if folder is not None:
            link.symlink_to(folder)
