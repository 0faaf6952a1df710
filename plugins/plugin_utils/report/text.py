# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Text that comes from hosts. It is data in every format, whatever it contains."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: A longer text is cut; a host cannot fill the report.
LONGEST = 4000
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Control characters, and format characters that reorder or hide the text around them.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def clean(value: Any) -> str:
    """The value as text that every encoding can hold, and of limited length."""
    text = "" if value is None else str(value)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} characters)"
    return _SURROGATE.sub("\ufffd", text)


def visible(text: str) -> str:
    """The text on one line, with control and invisible characters spelled out, such as <U+202E>."""
    return _INVISIBLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def all_visible(value: Any) -> Any:
    """Data with every text and key as `visible` shows it."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(name)): all_visible(item) for name, item in value.items()}
    return [all_visible(item) for item in value] if isinstance(value, (list, tuple)) else value


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 host`, `2 hosts`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
