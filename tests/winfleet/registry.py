"""Values for a prefix's registry while no Wine runs in it.

Sections appended to Wine's registry files, which merges them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

Data = str | int | list[str] | bytes
Values = Mapping[str, Data]


@dataclass(frozen=True)
class Expand:
    """A REG_EXPAND_SZ."""

    text: str


@dataclass(frozen=True)
class Qword:
    """A REG_QWORD."""

    number: int


def append(file: Path, keys: Mapping[str, Mapping[str, Data | Expand | Qword]]) -> None:
    """Set values in a registry file (system.reg: below HKEY_LOCAL_MACHINE, user.reg: HKEY_CURRENT_USER).

    Args:
        file: it is replaced, not written into: it may be a hard link.
        keys: by path without the hive; "" names the default value.
    """
    now = int(time.time())
    text = file.read_bytes()
    lines: list[str] = []
    for path, values in keys.items():
        lines += ["", f"[{_escape(path)}] {now}"]
        for name, data in values.items():
            label = f'"{_escape(name)}"' if name else "@"
            lines.append(f"{label}={_data(data)}")
    replacement = file.with_suffix(".new")
    replacement.write_bytes(text.rstrip(b"\n") + b"\n" + "\n".join(lines).encode("ascii") + b"\n")
    replacement.rename(file)


def _escape(text: str) -> str:
    result = []
    for character in text:
        if character in '\\"[]':
            result.append("\\" + character)
        elif " " <= character <= "~":
            result.append(character)
        else:
            units = character.encode("utf-16-le")
            result += [f"\\x{int.from_bytes(units[at : at + 2], 'little'):04x}" for at in range(0, len(units), 2)]
    return "".join(result)


def _data(data: Data | Expand | Qword) -> str:
    if isinstance(data, Expand):
        return f'str(2):"{_escape(data.text)}"'
    if isinstance(data, Qword):
        return "hex(b):" + _hex(data.number.to_bytes(8, "little"))
    if isinstance(data, str):
        return f'"{_escape(data)}"'
    if isinstance(data, int):
        return f"dword:{data & 0xFFFFFFFF:08x}"
    if isinstance(data, bytes):
        return "hex:" + _hex(data)
    return "hex(7):" + _hex("".join(f"{item}\0" for item in [*data, ""]).encode("utf-16-le"))


def _hex(data: Iterable[int]) -> str:
    return ",".join(f"{byte:02x}" for byte in data)
