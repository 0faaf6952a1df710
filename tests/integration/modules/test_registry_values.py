"""registry_values over Ansible: every option and type, a megabyte, hostile names and data.

Bad input and what holds for any values are unit tests of the whole module.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hostile import as_option, values
from hypothesis import HealthCheck, Phase, given, settings

from ..ansible_runner import AnsiblePlaybook
from .cycle import run_cycle

HOST = "client-2019"
KEY = r"HKLM\SOFTWARE\infoprotect-test"
KEY32 = r"HKLM\SOFTWARE\WOW6432Node\infoprotect-test"
LONG = KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
LONG32 = KEY32.replace("HKLM", "HKEY_LOCAL_MACHINE")
PATH = r"HKLM:\SOFTWARE\infoprotect-test"
PATH32 = r"HKLM:\SOFTWARE\WOW6432Node\infoprotect-test"

REMOVE = [
    {"name": f"remove {key}", "ansible.windows.win_regedit": {"path": key, "state": "absent", "delete_key": True}}
    for key in (PATH, PATH32)
]

on_host = pytest.mark.hosts(HOST)


@on_host
def test_every_option(playbook: AnsiblePlaybook) -> None:
    """Each type in both views, values that are removed by name and by a purge, sensitive data."""
    prepare = {
        "name": "prepare",
        "ansible.windows.win_powershell": {
            "script": "foreach ($p in 'SOFTWARE\\WOW6432Node\\infoprotect-test', 'SOFTWARE\\infoprotect-test') {"
            "$k=[Microsoft.Win32.Registry]::LocalMachine.CreateSubKey($p);"
            "foreach ($n in 'kept', 'gone', 'http://old/_wmcs', 'http://new/_wmcs', 'secret-1', '')"
            "{ $k.SetValue($n, $n) } }"
        },
    }
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
            {"path": PATH, "name": "gone", "state": "absent"},
            {"path": PATH, "name": "never there", "state": "absent"},
            {"path": PATH + r"\no such key", "name": "x", "state": "absent"},
            {"path": PATH, "name": "http://new/_wmcs", "data": "http://connector/_wmcs"},
            {"path": PATH, "name": "secret", "data": "data of secret", "sensitive": True},
        ],
        "purge": [
            {"path": PATH, "match": "^https?://"},
            {"path": PATH, "view": "32", "match": "^secret", "sensitive": True},
            {"path": PATH, "view": "32", "keep": ["KEPT", "no such"]},
        ],
    }
    cycle = run_cycle(playbook, HOST, "registry_values", options, [KEY, KEY32], before=[*REMOVE, prepare], after=REMOVE)
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
            "kept": ("string", "kept"),
            "secret-1": ("string", "secret-1"),
            "secret": ("string", "data of secret"),
            "http://new/_wmcs": ("string", "http://connector/_wmcs"),
        },
        LONG32: {"kept": ("string", "kept")},
        LONG32 + r"\sub": {"32": ("dword", 1), "w": ("string", "32 too")},
    }
    shown = str([{**result, "invocation": None} for result in (cycle.check, cycle.applied, cycle.restored)])
    assert "data of secret" not in shown and shown.count("http://old/_wmcs") > 2


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


@pytest.mark.full
@on_host
@settings(
    max_examples=int(os.environ.get("WINFLEET_EXAMPLES", "20")),
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
        after=REMOVE,
    )
    for value in second:
        root = (LONG32 if value["view"] == "32" else LONG) + value["path"].removeprefix(PATH)
        found = {name.lower(): data for name, data in cycle.after.get(root, {}).items()}.get(value["name"].lower())
        assert found == (None if value.get("state") == "absent" else (value["type"], value["data"])), value
