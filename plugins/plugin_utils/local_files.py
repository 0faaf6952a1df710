# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Files on the controller that are brought to hosts: checked before the first host is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleError

#: How files begin that Windows can install: programs, and packages of Windows Installer
INSTALLERS = {".exe": b"MZ", ".msi": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"}


class LocalFileError(Exception):
    """The file cannot be brought to a host; the message says why."""


def find(needle: Callable[[str, str], str], source: str, checksum: str = "", installer: bool = True) -> Path:
    """Return the file, once it is known to be what was asked for.

    needle: Ansible's search in the folders of files.
    checksum: SHA-256, or empty.
    installer: whether it has to be a program or a package.

    Raises:
        LocalFileError: it is not there, no file, or another one.
    """
    try:
        path = Path(needle("files", source))
    except AnsibleError as error:
        raise LocalFileError(f"{source} cannot be found on the controller: expected a file ({error})") from error
    if not path.is_file():
        raise LocalFileError(f"{path} is not there, or a folder: expected a file")
    try:
        if installer:
            _check_kind(path)
        expected = checksum.lower().removeprefix("sha256:")
        if expected and (found := _sha256(path)) != expected:
            raise LocalFileError(f"{path} has the SHA-256 checksum {found}: expected {expected}")
    except OSError as error:
        raise LocalFileError(f"{path} cannot be read: {error.strerror}") from error
    return path


def _check_kind(path: Path) -> None:
    begin = INSTALLERS.get(path.suffix.lower())
    if begin is None:
        raise LocalFileError(f"{path}: expected an installer, {' or '.join(sorted(INSTALLERS))}")
    with path.open("rb") as stream:
        if stream.read(len(begin)) != begin:
            raise LocalFileError(f"{path} is no installer, although its name ends with {path.suffix}: fetch it again")


def _sha256(path: Path) -> str:
    """The checksum of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
