"""Values appended to Wine's registry files."""

from __future__ import annotations

from pathlib import Path

from winfleet.registry import Expand, Qword, append

HEAD = b"WINE REGISTRY Version 2\n;; All keys relative to \\\\Machine\n\n#arch=win64\n"


def lines_after(tmp_path: Path, keys: dict) -> list[str]:
    file = tmp_path / "system.reg"
    file.write_bytes(HEAD)
    append(file, keys)
    text = file.read_bytes()
    assert text.startswith(HEAD)
    assert text.endswith(b"\n")
    return text[len(HEAD) :].decode("ascii").splitlines()


def test_every_type(tmp_path: Path) -> None:
    values = {
        "": "default",
        "text": "x",
        "expand": Expand("%SystemRoot%\\x"),
        "number": 255,
        "negative": -1,
        "large": Qword(2**40),
        "bytes": b"\x00\xff",
        "list": ["a", "é"],
        "empty": [],
    }
    head, *found = [line for line in lines_after(tmp_path, {r"Software\Key": values}) if line]
    assert head.startswith(r"[Software\\Key] ")
    assert found == [
        '@="default"',
        '"text"="x"',
        r'"expand"=str(2):"%SystemRoot%\\x"',
        '"number"=dword:000000ff',
        '"negative"=dword:ffffffff',
        '"large"=hex(b):00,00,00,00,00,01,00,00',
        '"bytes"=hex:00,ff',
        '"list"=hex(7):61,00,00,00,e9,00,00,00,00,00',
        '"empty"=hex(7):00,00',
    ]


def test_names_and_text_are_escaped(tmp_path: Path) -> None:
    lines = lines_after(tmp_path, {r"Software\[k]": {'q"u\\o': "é\n😀"}})
    assert lines[1].startswith(r"[Software\\\[k\]] ")
    assert lines[2] == r'"q\"u\\o"="\x00e9\x000a\xd83d\xde00"'


def test_a_key_without_values_is_made(tmp_path: Path) -> None:
    assert lines_after(tmp_path, {"Software\\Empty": {}})[-1].startswith(r"[Software\\Empty] ")


def test_the_file_is_replaced_and_not_written_into(tmp_path: Path) -> None:
    file, link = tmp_path / "system.reg", tmp_path / "template.reg"
    file.write_bytes(HEAD)
    link.hardlink_to(file)
    append(file, {"Software": {"a": "b"}})
    assert link.read_bytes() == HEAD
