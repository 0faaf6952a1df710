"""A PSRP pipeline (commands with parameters, as objects) as the text of one PowerShell script.

A lone script goes through unchanged, as ansible's does. Everything else is quoted, never pasted: a command's name or an
argument cannot break out of its place.
"""

from __future__ import annotations

import re
from decimal import Decimal

import psrpcore
from psrpcore.types import PipelineResultTypes, serialize_clixml

# PowerShell takes the typographic quotation marks for the plain one.
_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
_PARAMETER_NAME = re.compile(r"-?[A-Za-z_?][\w?]*:?")
_STREAMS = {"error": 2, "warning": 3, "verbose": 4, "debug": 5, "information": 6}


class UnsupportedPipelineError(Exception):
    """A pipeline that cannot be written as a script; the message is fit for the client."""


def script_text(pipeline: psrpcore.PowerShell) -> str:
    """Return the script that does what `pipeline` asks for; its input objects are the script's `$input`.

    Raises:
        UnsupportedPipelineError: a parameter's name or value that has no spelling in a script.
    """
    commands = pipeline.commands
    if len(commands) == 1 and commands[0].is_script and not commands[0].parameters and not _redirections(commands[0]):
        return commands[0].command_text
    statements: list[str] = []
    parts: list[str] = []
    for command in commands:
        if command.merge_unclaimed:
            parts = [f"{part} 2>&1" for part in parts]
        parts.append(_command_text(command))
        if command.end_of_statement:
            statements.append(" | ".join(parts))
            parts = []
    if parts:
        statements.append(" | ".join(parts))
    if not pipeline.no_input and statements:
        statements[0] = f"$input | {statements[0]}"
    return "\n".join(statements)


def quote(text: str) -> str:
    """Return `text` as a PowerShell string literal without expansion."""
    return "'" + _QUOTES.sub(r"\1\1", text) + "'"


def literal(value: object) -> str:
    """Return a value that came by PSRP as a PowerShell expression of the same value."""
    if value is None:
        return "$null"
    if isinstance(value, bool):
        return "$true" if value else "$false"
    if type(value) is str or type(value).__name__ == "PSString":
        return quote(str(value))
    if isinstance(value, int) and type(value).__name__ in ("int", "PSInt"):
        return str(int(value)) if value >= 0 else f"({int(value)})"
    if isinstance(value, list | tuple) and type(value).__name__ in ("list", "tuple", "PSList"):
        return "@(" + ", ".join(literal(item) for item in value) + ")"
    if isinstance(value, Decimal) and not value.is_finite():
        raise UnsupportedPipelineError(f"The argument {value} cannot be given to a command on this host.")
    # Every other type (dates, GUIDs, numbers of a given width, hashtables, objects) has an exact form in CLIXML.
    return f"([System.Management.Automation.PSSerializer]::Deserialize({quote(_clixml(value))}))"


def input_text(value: object) -> str:
    """Return an input object as a running script takes it (see `Execution.write`).

    Raises:
        UnsupportedPipelineError: it has no such form.
    """
    if type(value).__name__ in ("str", "PSString") and not str(value).startswith("<Objs"):
        return str(value)
    return _clixml(value)


def _clixml(value: object) -> str:
    try:
        return serialize_clixml([value], NoCipher())
    except (TypeError, ValueError, AttributeError) as error:
        raise UnsupportedPipelineError(
            f"An object of type {type(value).__name__} cannot be given to a command on this host."
        ) from error


class NoCipher(psrpcore.types.PSCryptoProvider):
    """Secure strings are not handed on: a script's text is no place for them."""

    def _refuse(self, value: str) -> str:
        raise ValueError("a secure string")

    encrypt = decrypt = _refuse

    def register_key(self, key: bytes) -> None:
        raise ValueError("a secure string")


def _command_text(command: psrpcore.Command) -> str:
    if command.is_script:
        operator = "." if command.use_local_scope is False else "&"
        words = [operator, f"([scriptblock]::Create({quote(command.command_text)}))"]
    else:
        words = ["&", quote(command.command_text)]
    for name, value in command.parameters:
        if name is None:
            words.append(literal(value))
            continue
        if not _PARAMETER_NAME.fullmatch(name):
            raise UnsupportedPipelineError(f"{name!r} is not the name of a parameter.")
        parameter = "-" + name.strip("-:")
        words.append(parameter if value is None else f"{parameter}:{literal(value)}")  # None: a switch
    return " ".join(words + _redirections(command))


def _redirections(command: psrpcore.Command) -> list[str]:
    words = []
    for stream, number in _STREAMS.items():
        target = getattr(command, f"merge_{stream}")
        if target == PipelineResultTypes.Output:
            words.append(f"{number}>&1")
        elif target == PipelineResultTypes.Null:
            words.append(f"{number}>$null")
    return words
