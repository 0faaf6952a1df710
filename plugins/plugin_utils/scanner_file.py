# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The file with a content scan job that was exported from the portal, read on the controller."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from .local_files import LocalFileError, find

#: Bytes. A job with a thousand repositories has fewer, and it travels within the module's options.
LARGEST = 1_000_000


def exported(needle: Callable[[str, str], str], options: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """The content of configuration_file and its SHA-256 checksum; None without the option.

    needle: Ansible's search in the folders of files.

    Raises:
        LocalFileError: there is no such file, or it is another one.
    """
    if not options.get("configuration_file"):
        return None
    checksum = str(options.get("configuration_checksum") or "")
    path = find(needle, str(options["configuration_file"]), checksum, installer=False)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LocalFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise LocalFileError(f"{path} has {len(content)} bytes: expected at most {LARGEST}")
    try:
        json.loads(content)
    except ValueError as error:
        raise LocalFileError(f"{path} is no JSON: expected the file that the portal exported ({error})") from error
    return content, hashlib.sha256(content).hexdigest()
