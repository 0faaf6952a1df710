"""Windows command lines: splitting, and what is understood as a call of powershell.exe."""

from __future__ import annotations

import base64
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from winfleet.commandline import PowerShellCall, powershell_call, program_and_arguments, split


def encoded(script: str) -> str:
    return base64.b64encode(script.encode("utf-16-le")).decode()


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("", []),
        ("a b\tc", ["a", "b", "c"]),
        ('"a b" c', ["a b", "c"]),
        (r'"ab\"c" "\\" d', ['ab"c', "\\", "d"]),
        (r"a\\\b de fg", [r"a\\\b", "de", "fg"]),
        (r"a\\\"b c", [r"a\"b", "c"]),
        (r'a\\"b c" d', [r"a\b c", "d"]),
        ('""', [""]),
        ('"a""b"', ['a"b']),
        ("größe 漢字", ["größe", "漢字"]),
    ],
)
def test_split_as_windows_does(line: str, arguments: list[str]) -> None:
    assert split(line) == arguments


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)))
def test_split_takes_apart_what_python_put_together(arguments: list[str]) -> None:
    assert split(subprocess.list2cmdline(arguments)) == arguments


@pytest.mark.parametrize(
    ("line", "program", "arguments"),
    [
        ("reg.exe query HKLM", "reg.exe", "query HKLM"),
        ('  "C:\\Program Files\\x.exe" "a b"', "C:\\Program Files\\x.exe", '"a b"'),
        ("alone", "alone", ""),
    ],
)
def test_program_and_arguments(line: str, program: str, arguments: str) -> None:
    assert program_and_arguments(line) == (program, arguments)


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("powershell 'x'", PowerShellCall("'x'")),
        ("PowerShell.EXE -NoProfile -Command Get-Item C:\\", PowerShellCall("Get-Item C:\\")),
        (
            '"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe" -ExecutionPolicy Bypass -c "a  b"',
            PowerShellCall("a  b"),
        ),
        (f"powershell -NonInteractive -EncodedCommand {encoded('größe')}", PowerShellCall("größe", encoded=True)),
        (
            "powershell -File C:\\x.ps1 -Name 'a'",
            PowerShellCall("C:\\x.ps1", file=True, parameters=["-Name", "'a'"]),
        ),
    ],
)
def test_calls_of_powershell(line: str, call: PowerShellCall) -> None:
    assert powershell_call(line) == call


def test_a_command_that_was_wrapped_twice_is_the_inner_one() -> None:
    inner = f"PowerShell -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand {encoded('42')}"
    assert powershell_call(f"powershell -EncodedCommand {encoded(inner)}") == PowerShellCall("42", encoded=True)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "cmd /c powershell 1",
        "powershellx 1",
        "powershell",
        "powershell 1 | more",
        "powershell -Command %PATH%",
        "powershell -EncodedCommand",
        "powershell -EncodedCommand !!!",
        f"powershell -EncodedCommand {encoded('1')} more",
        "powershell -Command -",
        "powershell -PSConsoleFile",
        "powershell -Unknown 1",
    ],
)
def test_everything_else_is_left_to_a_real_process(line: str) -> None:
    assert powershell_call(line) is None
