r"""File shares that a host finds under \\SERVER\SHARE: Wine looks for them in its folder of devices.

One that wants credentials is there only while somebody is connected to it (WNetAddConnection2, as New-PSDrive
-Credential calls it; see agent/Startup/Shares.cs).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

BAD_NETWORK_PATH = 53
LOGON_FAILURE = 1326
NOT_CONNECTED = 2250


@dataclass(frozen=True)
class Share:
    """A local folder, and who may see it: everybody when there is no user."""

    folder: str
    user: str = ""
    password: str = ""


class Shares:
    """The shares of one host.

    Args:
        prefix: the host's prefix.
        state: a file that keeps them.
    """

    def __init__(self, prefix: Path, state: Path) -> None:
        self._links = prefix / "dosdevices" / "unc"
        self._state = state
        stored = json.loads(state.read_text()) if state.exists() else {}
        self._shares = {name: Share(**values) for name, values in stored.items()}

    def set(self, name: str, share: Share | None) -> None:
        r"""Let \\SERVER\SHARE lead to a folder; None: it is not there any more.

        Raises:
            ValueError: the name is not one of a share, or the folder is none.
        """
        name = name.lower()
        if re.fullmatch(r"\\\\\w[\w.-]*\\\w[\w.$-]*", name) is None:
            raise ValueError(rf"{name!r} is not \\SERVER\SHARE")
        if share is not None and not Path(share.folder).is_dir():
            raise ValueError(f"{share.folder} is not a folder")
        self._unlink(name)
        self._shares.pop(name, None)
        if share is not None:
            self._shares[name] = share
        self._state.touch(mode=0o600)
        self._state.write_text(json.dumps({name: asdict(share) for name, share in self._shares.items()}))
        if share is not None and not share.user:
            self._link(name)

    def begin(self) -> None:
        """The host boots: nobody is connected."""
        for name, share in self._shares.items():
            self._unlink(name)
            if not share.user:
                self._link(name)

    def connect(self, name: str, user: str | None, password: str | None) -> int:
        """Connect somebody; returns an error code of Windows."""
        name = name.rstrip("\\").lower()
        share = self._shares.get(name)
        if share is None:
            return BAD_NETWORK_PATH
        if share.user and (share.user.lower(), share.password) != ((user or "").lower(), password):
            return LOGON_FAILURE
        self._link(name)
        return 0

    def disconnect(self, name: str) -> int:
        """End a connection; returns an error code of Windows."""
        name = name.rstrip("\\").lower()
        share = self._shares.get(name)
        if share is None or not self._path(name).is_symlink():
            return NOT_CONNECTED
        if share.user:
            self._unlink(name)
        return 0

    def _path(self, name: str) -> Path:
        return self._links.joinpath(*name.lstrip("\\").split("\\"))

    def _link(self, name: str) -> None:
        self._unlink(name)
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(self._shares[name].folder)

    def _unlink(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)
