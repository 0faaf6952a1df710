"""Reads what reg.exe exports: a view of a host's registry that owes nothing to the collection."""

from __future__ import annotations

import base64
import re
from typing import Any

Value = tuple[
    str, Any
]  # (type, data): dword and qword as unsigned int, binary and none as bytes, multistring as list of str
Registry = dict[str, dict[str, Value]]  # key path -> value name ('' is the default value) -> value

_TYPES = {0: "none", 1: "string", 2: "expandstring", 3: "binary", 4: "dword", 7: "multistring", 11: "qword"}
_ESCAPES = {"n": "\n", "r": "\r", "0": "\0"}


def export_task(name: str, *keys: str) -> dict[str, Any]:
    """A task that exports these keys (HKLM\\..., as reg.exe wants them) with all below; read it with `exported`.

    A key that is not there is exported as nothing.
    """
    script = r"""
        param([string[]]$Key)
        $Ansible.Changed = $false
        foreach ($name in $Key) {
            $file = [IO.Path]::Combine($env:TEMP, [guid]::NewGuid().ToString() + '.reg')
            $null = & reg.exe export $name $file /y 2>&1
            if (Test-Path -LiteralPath $file) {
                [Convert]::ToBase64String([IO.File]::ReadAllBytes($file))
                Remove-Item -LiteralPath $file
            }
        }
    """
    return {"name": name, "ansible.windows.win_powershell": {"script": script, "parameters": {"Key": list(keys)}}}


def exported(result: dict[str, Any]) -> Registry:
    """The registry that a task of `export_task` saw."""
    registry: Registry = {}
    for document in result["output"]:
        registry |= parse(base64.b64decode(document).decode("utf-16"))
    return registry


def parse(text: str) -> Registry:
    """The keys and values of a .reg file (version 5)."""
    registry: Registry = {}
    key: dict[str, Value] = {}
    # a value's hex data goes on over lines that end in a backslash
    for line in re.sub(r"\\\r?\n\s*", "", text).split("\n"):
        line = line.rstrip("\r")
        if line.startswith("["):
            key = registry.setdefault(line[1:-1], {})
        elif line.startswith(("@", '"')):
            name, rest = ("", line[2:]) if line.startswith("@") else _quoted(line)
            key[name] = _value(rest.removeprefix("="))
    return registry


def _quoted(text: str) -> tuple[str, str]:
    """The quoted string at the start of `text`, unescaped, and what follows it."""
    content, position = [], 1
    while text[position] != '"':
        if text[position] == "\\":
            position += 1
            content.append(_ESCAPES.get(text[position], text[position]))
        else:
            content.append(text[position])
        position += 1
    return "".join(content), text[position + 1 :]


def _value(text: str) -> Value:
    if text.startswith('"'):
        return "string", _quoted(text)[0]
    if text.startswith("dword:"):
        return "dword", int(text[6:], 16)
    match = re.fullmatch(r"hex(?:\(([0-9a-f]+)\))?:([0-9a-f,]*)", text)
    assert match, f"not a value of a .reg file: {text!r}"
    kind = _TYPES[int(match[1], 16)] if match[1] else "binary"
    data = bytes.fromhex(match[2].replace(",", ""))
    if kind in ("string", "expandstring"):
        return kind, data.decode("utf-16-le").removesuffix("\0")
    if kind == "multistring":
        return kind, data.decode("utf-16-le").removesuffix("\0").removesuffix("\0").split("\0") if len(data) > 2 else []
    if kind in ("dword", "qword"):
        return kind, int.from_bytes(data, "little")
    return kind, data
