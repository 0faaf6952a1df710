"""The collection, and what it stands on, with every supported ansible-core over every way to reach a host."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from setup.environment import PYTHONS_OF_CORE

from ..ansible_runner import ROOT, Json, ansible_of
from ..registry_export import export_task, exported

HOST = "client-2012r2"
KEY = r"HKLM\SOFTWARE\infoprotect-cores"
LONG = KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
CONNECTIONS: dict[str, Json] = {
    "winrm-ntlm-http": {"ansible_connection": "winrm", "ansible_winrm_transport": "ntlm", "ansible_port": 5985},
    "winrm-basic-https": {
        "ansible_connection": "winrm",
        "ansible_winrm_transport": "basic",
        "ansible_port": 5986,
        "ansible_winrm_server_cert_validation": "ignore",
    },
    "psrp-ntlm-http": {
        "ansible_connection": "psrp",
        "ansible_psrp_protocol": "http",
        "ansible_psrp_auth": "ntlm",
        "ansible_port": 5985,
    },
}
#: Each core and each connection once at least; --full runs all pairs.
ALWAYS = {
    ("2.16", "winrm-ntlm-http"),
    ("2.19", "winrm-basic-https"),
    ("2.21", "psrp-ntlm-http"),
}
TEXT = "größe 漢字 😀"
DATE = "2026-11-21T10:00:00Z"
HOSTILE = "q'uo\"te [a-z]*? $env:TEMP `tick` %PATH% back\\slash é😀"
#: These cores read a module's options by ConvertFrom-Json as it is. That of PowerShell 7, the emulated hosts' engine,
#: makes a date of a text that looks like one, which the module refuses; Windows PowerShell 5.1 leaves it a text.
WITHOUT_DATES = {"2.16", "2.18", "2.19", "2.20"}

pytestmark = pytest.mark.hosts(HOST)


def matrix() -> list[Any]:
    pairs = [(core, connection) for core in PYTHONS_OF_CORE for connection in CONNECTIONS]
    return [pytest.param(*pair, marks=[] if pair in ALWAYS else pytest.mark.full) for pair in pairs]


def values(core: str) -> list[Json]:
    found: list[Json] = [
        {"path": KEY, "name": HOSTILE, "data": TEXT},
        {"path": KEY, "name": "list", "type": "multistring", "data": ["on " + DATE, "a b", TEXT]},
        {"path": KEY, "name": "number", "type": "qword", "data": 2**53 + 1},
    ]
    return found if core in WITHOUT_DATES else [*found, {"path": KEY, "name": "date", "data": DATE}]


def tasks(source: Path, fetched: Path, options: Json) -> list[Json]:
    target = r"C:\windows\temp\infoprotect-cores größe.bin"
    return [
        {"name": "ping", "ansible.windows.win_ping": {"data": TEXT}},
        {
            "name": "command",
            "ansible.windows.win_command": f"cmd.exe /c echo {TEXT}& exit 3",
            "register": "command",
            "failed_when": "command.rc != 3",
        },
        {
            "name": "shell",
            "ansible.windows.win_shell": f"Write-Output '{TEXT}'; [Console]::Error.WriteLine('to stderr'); exit 4",
            "register": "shell",
            "failed_when": "shell.rc != 4",
        },
        {"name": "clean", "ansible.windows.win_file": {"path": target, "state": "absent"}},
        {"name": "copy", "ansible.windows.win_copy": {"src": str(source), "dest": target}},
        {"name": "copy again", "ansible.windows.win_copy": {"src": str(source), "dest": target}},
        {"name": "slurp", "ansible.builtin.slurp": {"src": target}},
        {"name": "fetch", "ansible.builtin.fetch": {"src": target, "dest": str(fetched), "flat": True}},
        {"name": "remove", "ansible.windows.win_file": {"path": target, "state": "absent"}},
        {
            "name": "loop",
            "ansible.windows.win_shell": "Write-Output '{{ item }}'",
            "loop": ["one", DATE, "größe"],
        },
        export_task("before", KEY),
        {"name": "check", "infoprotect.aip.registry_values": options, "check_mode": True, "diff": True},
        {
            "name": "apply",
            "infoprotect.aip.registry_values": options,
            "diff": True,
            "register": "apply",
        },
        export_task("after", KEY),
        {"name": "again", "infoprotect.aip.registry_values": options},
        {"name": "restore", "infoprotect.aip.restore": {"receipt": "{{ apply.receipt }}"}},
        export_task("restored", KEY),
        {
            "name": "look",
            "infoprotect.aip.desired_state": {"tls": {}, "client_settings": {"use_default_credentials_in_proxy": True}},
            "check_mode": True,
        },
    ]


@pytest.mark.parametrize(("core", "connection"), matrix())
def test_core_over_connection(fleet: None, tmp_path: Path, core: str, connection: str) -> None:
    playbook, variables = ansible_of(core), CONNECTIONS[connection]
    source, fetched = tmp_path / "source", tmp_path / "fetched"
    content = bytes(range(256)) * 1024 + TEXT.encode() + b"\r\n"
    source.write_bytes(content)
    play = {
        "name": "core",
        "hosts": HOST,
        "gather_facts": False,
        "tasks": tasks(source, fetched, {"values": values(core)}),
    }
    run = playbook.run([play], extra_vars=variables)

    def result(name: str) -> Json:
        return run.task(name, HOST)

    assert result("ping")["ping"] == TEXT
    assert (result("command")["rc"], result("command")["stdout"].rstrip()) == (3, TEXT)
    shell = result("shell")
    assert (shell["rc"], shell["stdout_lines"], shell["stderr_lines"]) == (4, [TEXT], ["to stderr"])
    assert (result("copy")["changed"], result("copy again")["changed"]) == (True, False)
    assert base64.b64decode(result("slurp")["content"]) == content
    assert fetched.read_bytes() == content
    assert result("remove")["changed"]
    assert [item["stdout"].strip() for item in result("loop")["results"]] == ["one", DATE, "größe"]

    assert exported(result("before")) == {}
    expected = {value["name"]: (value.get("type", "string"), value["data"]) for value in values(core)}
    assert exported(result("after")) == {LONG: expected}
    assert exported(result("restored")) == {}
    assert result("check")["diff"] == result("apply")["diff"]
    assert result("check")["changes"] == result("apply")["changes"]
    assert [result(name)["changed"] for name in ("check", "apply", "again", "restore")] == [True, True, False, True]

    look = result("look")
    assert sorted(look["domains"]) == ["client_settings", "tls"]
    assert look["host"]["os"]["product"] == "2012r2"
    assert look["changed"] == (not look["compliant"])

    site = playbook.run(ROOT / "playbooks/site.yml", "--check", f"--limit={HOST}", extra_vars=variables)
    assert site.stats[HOST]["unreachable"] == site.stats[HOST]["failures"] == 0
    assert site.module_runs(HOST), "site.yml did not look at the host"


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_a_wrong_password_is_refused(fleet: None, connection: str) -> None:
    play = {
        "name": "refused",
        "hosts": HOST,
        "gather_facts": False,
        "tasks": [{"name": "ping", "ansible.windows.win_ping": {}}],
    }
    variables = {**CONNECTIONS[connection], "ansible_password": "{{ winfleet_password }} "}
    run = ansible_of("2.21").run([play], extra_vars=variables, expect=4)
    assert run.stats[HOST]["unreachable"] == 1
    assert run.stats[HOST]["ok"] == 0
