"""registry_values: every option and type, hostile names, purge, denied keys, and what holds for any values."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from ..ansible_runner import AnsiblePlaybook
from .cycle import run_cycle
from .hostile import as_option, values

HOST = "client-2019"
KEY = r"HKLM\SOFTWARE\infoprotect-test"
KEY32 = r"HKLM\SOFTWARE\WOW6432Node\infoprotect-test"
LONG = KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
LONG32 = KEY32.replace("HKLM", "HKEY_LOCAL_MACHINE")
PATH = r"HKLM:\SOFTWARE\infoprotect-test"

on_host = pytest.mark.hosts(HOST)


@on_host
@pytest.mark.cold
def test_every_type_and_view(playbook: AnsiblePlaybook) -> None:
    options = {
        "values": [
            {"path": PATH, "name": "s", "data": "text"},
            {"path": PATH, "name": "e", "type": "expandstring", "data": "%TEMP%\\x"},
            {"path": PATH, "name": "m", "type": "multistring", "data": ["a", "b'\"c", "é"]},
            {"path": PATH, "name": "m0", "type": "multistring", "data": []},
            {"path": PATH, "name": "d", "type": "dword", "data": 4294967295},
            {"path": PATH, "name": "dh", "type": "dword", "data": "0x10"},
            {"path": PATH, "name": "dn", "type": "dword", "data": -1},
            {"path": PATH, "name": "q", "type": "qword", "data": 2**40},
            {"path": PATH, "name": "b", "type": "binary", "data": "00ff10"},
            {"path": PATH, "name": "bl", "type": "binary", "data": [0, 255, 16]},
            {"path": PATH, "name": "n", "type": "none", "data": "01"},
            {"path": PATH, "data": "the default value"},
            {"path": PATH + r"\sub", "name": "32", "view": "32", "type": "dword", "data": 1},
            {
                "path": r"Computer\HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\infoprotect-test\sub",
                "name": "w",
                "data": "32 too",
            },
        ]
    }
    cycle = run_cycle(playbook, HOST, "registry_values", options, [KEY, KEY32])
    assert cycle.before == {}
    assert cycle.after == {
        LONG: {
            "s": ("string", "text"),
            "e": ("expandstring", "%TEMP%\\x"),
            "m": ("multistring", ["a", "b'\"c", "é"]),
            "m0": ("multistring", []),
            "d": ("dword", 4294967295),
            "dh": ("dword", 16),
            "dn": ("dword", 4294967295),
            "q": ("qword", 2**40),
            "b": ("binary", b"\x00\xff\x10"),
            "bl": ("binary", b"\x00\xff\x10"),
            "n": ("none", b"\x01"),
            "": ("string", "the default value"),
        },
        LONG32: {},
        LONG32 + r"\sub": {"32": ("dword", 1), "w": ("string", "32 too")},
    }


@on_host
def test_absent_and_purge(playbook: AnsiblePlaybook) -> None:
    prepare = {
        "name": "prepare",
        "ansible.windows.win_powershell": {
            "script": "$k=[Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\\infoprotect-test');"
            "foreach ($n in 'keep','also','http://old/_wmcs','http://new/_wmcs','gone','') { $k.SetValue($n, $n) }"
        },
    }
    remove = {"name": "remove", "ansible.windows.win_regedit": {"path": PATH, "state": "absent", "delete_key": True}}
    options = {
        "values": [
            {"path": PATH, "name": "gone", "state": "absent"},
            {"path": PATH, "name": "never there", "state": "absent"},
            {"path": PATH + r"\no such key", "name": "x", "state": "absent"},
            {"path": PATH, "name": "http://new/_wmcs", "data": "http://connector/_wmcs"},
        ],
        "purge": [{"path": PATH, "match": "^https?://"}],
    }
    cycle = run_cycle(playbook, HOST, "registry_values", options, [KEY], before=[remove, prepare])
    assert cycle.after == {
        LONG: {
            "keep": ("string", "keep"),
            "also": ("string", "also"),
            "": ("string", ""),
            "http://new/_wmcs": ("string", "http://connector/_wmcs"),
        }
    }
    playbook.run([{"name": "clean", "hosts": HOST, "gather_facts": False, "tasks": [remove]}])


@on_host
def test_purge_of_the_32_bit_view_keeps_what_it_is_told_to(playbook: AnsiblePlaybook) -> None:
    prepare = {
        "name": "prepare",
        "ansible.windows.win_powershell": {
            "script": "foreach ($p in 'SOFTWARE\\WOW6432Node\\infoprotect-test', 'SOFTWARE\\infoprotect-test') {"
            "$k=[Microsoft.Win32.Registry]::LocalMachine.CreateSubKey($p);"
            "foreach ($n in 'Keep','wanted','secret-1','other') { $k.SetValue($n, \"data of $n\") } }"
        },
    }
    remove = [
        {"name": f"remove {key}", "ansible.windows.win_regedit": {"path": key, "state": "absent", "delete_key": True}}
        for key in (PATH, r"HKLM:\SOFTWARE\WOW6432Node\infoprotect-test")
    ]
    options = {
        "values": [{"path": PATH, "view": "32", "name": "Wanted", "data": "data of wanted"}],
        "purge": [
            {"path": PATH, "view": "32", "match": "^secret", "sensitive": True},
            {"path": PATH, "view": "32", "keep": ["keep", "no such"]},
        ],
    }
    cycle = run_cycle(playbook, HOST, "registry_values", options, [KEY, KEY32], before=[*remove, prepare])
    assert cycle.after[LONG32] == {"Keep": ("string", "data of Keep"), "wanted": ("string", "data of wanted")}
    assert cycle.after[LONG] == cycle.before[LONG], "the other view is not touched"
    assert "data of secret-1" not in str(cycle.applied)
    assert "data of other" in str(cycle.applied)
    playbook.run([{"name": "clean", "hosts": HOST, "gather_facts": False, "tasks": remove}])


@on_host
def test_a_megabyte_and_500_values_in_one_call(playbook: AnsiblePlaybook) -> None:
    options = {
        "values": [
            {"path": PATH, "name": "big", "data": "é" * 500_000},
            {"path": PATH, "name": "bytes", "type": "binary", "data": "ab" * 1_000_000},
            *(
                {"path": rf"{PATH}\k{number % 20}", "name": f"v{number}", "type": "dword", "data": number}
                for number in range(500)
            ),
        ]
    }
    cycle = run_cycle(playbook, HOST, "registry_values", options, [KEY])
    assert cycle.after[LONG]["big"] == ("string", "é" * 500_000)
    assert cycle.after[LONG]["bytes"] == ("binary", b"\xab" * 1_000_000)
    assert sum(len(key) for key in cycle.after.values()) == 502


@on_host
@settings(
    max_examples=int(os.environ.get("WINFLEET_EXAMPLES", "4")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(first=values(PATH), second=values(PATH))
def test_any_values(playbook: AnsiblePlaybook, first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    """Apply twice = once, check predicts apply, restore = before, whatever is there and whatever is wanted."""
    base = {"name": "base", "infoprotect.aip.registry_values": {"values": [as_option(value) for value in first]}}
    cycle = run_cycle(
        playbook,
        HOST,
        "registry_values",
        {"values": [as_option(value) for value in second]},
        [KEY, KEY32],
        before=[base],
    )
    for value in second:
        root = (LONG32 if value["view"] == "32" else LONG) + value["path"].removeprefix(PATH)
        found = {name.lower(): data for name, data in cycle.after.get(root, {}).items()}.get(value["name"].lower())
        assert found == (None if value.get("state") == "absent" else (value["type"], value["data"])), value
    remove = [
        {"name": f"remove {key}", "ansible.windows.win_regedit": {"path": key, "state": "absent", "delete_key": True}}
        for key in (PATH, r"HKLM:\SOFTWARE\WOW6432Node\infoprotect-test")
    ]
    playbook.run([{"name": "clean", "hosts": HOST, "gather_facts": False, "tasks": remove}])


BAD = [
    ({"values": [{"path": PATH, "name": "x", "type": "float", "data": 1}]}, ["type", "float", "dword"]),
    (
        {"values": [{"path": PATH, "name": "wrong", "type": "dword", "data": "many"}]},
        [PATH, "wrong", "many", "dword"],
    ),
    (
        {"values": [{"path": PATH, "name": "big", "type": "dword", "data": 2**32}]},
        [PATH, "big", "4294967296", "dword"],
    ),
    (
        {"values": [{"path": PATH, "name": "hex", "type": "binary", "data": "0xZZ"}]},
        [PATH, "hex", "0xZZ", "binary"],
    ),
    ({"values": [{"path": r"SOFTWARE\no hive", "name": "x", "data": "1"}]}, [r"SOFTWARE\no hive", "HKLM"]),
    ({"values": [{"path": "HKLM:", "name": "x", "data": "1"}]}, ["HKLM:"]),
    (
        {
            "values": [
                {"path": PATH, "name": "Twice", "data": "1"},
                {"path": PATH.lower(), "name": "TWICE", "data": "2"},
            ]
        },
        ["TWICE"],
    ),
    (
        {
            "values": [
                {"path": PATH, "name": "same", "view": "32", "data": "1"},
                {"path": r"HKLM:\SOFTWARE\WOW6432Node\infoprotect-test", "name": "same", "data": "2"},
            ]
        },
        ["same"],
    ),
    ({"values": [{"path": PATH, "name": "nothing", "type": "dword"}]}, [PATH, "nothing", "data"]),
    ({"values": [{"path": PATH, "name": "x" * 16384, "data": "1"}]}, ["16383"]),
    ({"values": [{"path": PATH + "\\" + "k" * 256, "name": "x", "data": "1"}]}, ["255"]),
]


@pytest.mark.hosts("core-2019")
def test_bad_input_is_named_before_anything_is_written(playbook: AnsiblePlaybook) -> None:
    host = "core-2019"
    fine = {"path": PATH, "name": "first", "data": "fine"}
    tasks = [
        {
            "name": f"bad {number}",
            "infoprotect.aip.registry_values": {"values": [fine, *options["values"]]},
            "ignore_errors": True,
        }
        for number, (options, _expected) in enumerate(BAD)
    ]
    look = {"name": "look", "ansible.windows.win_reg_stat": {"path": PATH, "name": "first"}}
    run = playbook.run([{"name": "bad input", "hosts": host, "gather_facts": False, "tasks": [*tasks, look]}])
    for number, (_options, expected) in enumerate(BAD):
        failure = run.task(f"bad {number}", host)
        assert failure["failed"], f"accepted: {expected}"
        for text in expected:
            assert text in failure["msg"], f"'{text}' is not in: {failure['msg']}"
    assert not run.task("look", host)["exists"], "something was written"
