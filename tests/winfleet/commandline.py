"""Windows command lines: splitting them, and understanding those that start PowerShell."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field, replace

_PROGRAM = re.compile(r'^\s*("?)(?:[A-Za-z]:\\(?:[^"<>|]*\\)?)?powershell(?:\.exe)?\1(?=\s|$)', re.IGNORECASE)
#: What cmd.exe would act on; a command line with one of these is left to it.
_FOR_CMD = re.compile(r"[&|<>^%\r\n]")
_WITH_VALUE = {
    "executionpolicy",
    "ex",
    "exec",
    "ep",
    "inputformat",
    "if",
    "outputformat",
    "of",
    "windowstyle",
    "w",
    "version",
    "psconsolefile",
}
_ALONE = {"noprofile", "nop", "noninteractive", "noni", "nologo", "nol", "sta", "mta"}


@dataclass(frozen=True)
class PowerShellCall:
    """What a command line asks of powershell.exe.

    Attributes:
        script: the text to run, or with `file` the path of a script.
        encoded: it came by -EncodedCommand, so that errors leave as CLIXML.
        file: by -File, with `parameters`.
    """

    script: str
    encoded: bool = False
    file: bool = False
    parameters: list[str] = field(default_factory=list)


def split(line: str) -> list[str]:
    """Split as CommandLineToArgvW does: backslashes count before quotes only, "" within quotes is a quote."""
    arguments: list[str] = []
    current: list[str] | None = None
    quoted = False
    at = 0
    while at < len(line):
        character = line[at]
        if character in " \t" and not quoted:
            if current is not None:
                arguments.append("".join(current))
            current = None
            at += 1
            continue
        current = [] if current is None else current
        if character == "\\":
            run = len(line[at:]) - len(line[at:].lstrip("\\"))
            at += run
            if at < len(line) and line[at] == '"':
                current.append("\\" * (run // 2))
                if run % 2:
                    current.append('"')
                    at += 1
            else:
                current.append("\\" * run)
        elif character == '"':
            if quoted and line[at + 1 : at + 2] == '"':
                current.append('"')
                at += 1
            else:
                quoted = not quoted
            at += 1
        else:
            current.append(character)
            at += 1
    if current is not None:
        arguments.append("".join(current))
    return arguments


def program_and_arguments(line: str) -> tuple[str, str]:
    """Split a command line into its program and the rest as it stands."""
    line = line.lstrip()
    if line.startswith('"'):
        program, _, rest = line[1:].partition('"')
    else:
        program, _, rest = line.partition(" ")
    return program, rest.strip()


def powershell_call(line: str) -> PowerShellCall | None:
    """Return what `line` asks of powershell.exe; None when it is something else or better left to a real process.

    ansible-core up to 2.18 wraps a command twice: the outer script is then just the inner command line, and the inner
    one is returned.
    """
    call = _parse(line)
    for _ in range(3):
        inner = _parse(call.script) if call is not None and not call.file else None
        if call is None or inner is None or not inner.encoded:
            break
        call = replace(inner, encoded=True)
    return call


def _parse(line: str) -> PowerShellCall | None:
    match = _PROGRAM.match(line)
    if match is None or _FOR_CMD.search(line):
        return None
    arguments = split(line[match.end() :])
    while arguments:
        option = arguments.pop(0)
        name = option.lstrip("-/").lower()
        if option[:1] not in ("-", "/"):
            return PowerShellCall(" ".join([option, *arguments]))  # Windows PowerShell's default is -Command
        if name in _ALONE:
            continue
        if name in _WITH_VALUE and arguments:
            arguments.pop(0)
        elif name in ("encodedcommand", "ec", "enc", "e", "encoded") and arguments:
            return _decoded(arguments[0]) if len(arguments) == 1 else None
        elif name in ("command", "c") and arguments and arguments != ["-"]:
            return PowerShellCall(" ".join(arguments))
        elif name in ("file", "f") and arguments and arguments[0] != "-":
            return PowerShellCall(arguments[0], file=True, parameters=arguments[1:])
        else:
            return None
    return None


def _decoded(text: str) -> PowerShellCall | None:
    try:
        return PowerShellCall(base64.b64decode(text, validate=True).decode("utf-16-le"), encoded=True)
    except (binascii.Error, UnicodeDecodeError):
        return None  # PowerShell itself says what is wrong with it
