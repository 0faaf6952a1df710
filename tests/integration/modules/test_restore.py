"""restore over Ansible: latest and named receipts, force, sensitive data.

What is refused or kept, and files that are no receipt, are unit tests of the whole module.
"""

from __future__ import annotations

import pytest

from ..ansible_runner import AnsiblePlaybook, Json
from ..registry_export import export_task, exported

HOST = "client-2019"
KEY = r"HKLM\SOFTWARE\infoprotect-restore"
LONG = KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
PATH = r"HKLM:\SOFTWARE\infoprotect-restore"

on_host = pytest.mark.hosts(HOST)

REMOVE = {"name": "remove", "ansible.windows.win_regedit": {"path": PATH, "state": "absent", "delete_key": True}}


def write(name: str, **data: str) -> Json:
    """A task that writes these values with registry_values; registers as its name."""
    values = [{"path": PATH, "name": key, "data": text} for key, text in data.items()]
    return {"name": name, "infoprotect.aip.registry_values": {"values": values}, "register": name.replace(" ", "_")}


def restore(name: str, **options: object) -> Json:
    """A restore task that may fail."""
    return {"name": name, "infoprotect.aip.restore": options, "ignore_errors": True, "diff": True}


def play(playbook: AnsiblePlaybook, *tasks: Json):
    return playbook.run([{"name": "restore", "hosts": HOST, "gather_facts": False, "tasks": [REMOVE, *tasks]}])


@on_host
def test_latest_by_name_and_by_force(playbook: AnsiblePlaybook) -> None:
    """A value that was changed since is overwritten only with force."""
    theirs = {"path": PATH, "name": "a", "data": "changed"}
    first: Json = {"receipt": "{{ one.receipt }}"}
    run = play(
        playbook,
        write("one", a="1", b="1"),
        write("two", b="2", c="2"),
        {**restore("latest"), "register": "latest"},
        export_task("after latest", KEY),
        restore("latest again"),
        restore("undo the restoring", receipt="{{ latest.receipt }}"),
        export_task("after undo", KEY),
        restore("by name", receipt="{{ two.receipt | win_basename }}"),
        {"name": "their change", "ansible.windows.win_regedit": theirs},
        restore("refused", **first),
        export_task("after refused", KEY),
        {**restore("check forced", force=True, **first), "check_mode": True},
        restore("forced", force=True, **first),
        export_task("at last", KEY),
    )
    assert exported(run.task("after latest", HOST)) == {LONG: {"a": ("string", "1"), "b": ("string", "1")}}
    assert not run.task("latest again", HOST)["changed"], "the latest is never one of restore itself"
    assert exported(run.task("after undo", HOST))[LONG]["b"] == ("string", "2")
    assert run.task("by name", HOST)["changed"]
    refused = run.task("refused", HOST)
    assert refused["failed"] and not refused["changed"] and "a" in refused["msg"]
    assert [value["name"] for value in refused["not_restored"]] == ["a"]
    assert exported(run.task("after refused", HOST)) == {LONG: {"a": ("string", "changed"), "b": ("string", "1")}}
    assert run.task("check forced", HOST)["diff"] == run.task("forced", HOST)["diff"]
    assert exported(run.task("at last", HOST)) == {}, "the key was made by the call and is removed when it is empty"
    assert run.task("forced", HOST)["restored"]["module"] == "registry_values"


@on_host
def test_sensitive_data_stands_nowhere_and_comes_back(playbook: AnsiblePlaybook) -> None:
    secret = "s3cr3t-é-value"
    options = {"values": [{"path": PATH, "name": "key", "data": "other", "sensitive": True}]}
    find = {
        "name": "find",
        "ansible.windows.win_powershell": {
            "script": "param($Path) $Ansible.Changed = $false; [IO.File]::ReadAllText($Path)",
            "parameters": {"Path": "{{ changed.receipt }}"},
        },
    }
    run = play(
        playbook,
        {"name": "base", "ansible.windows.win_regedit": {"path": PATH, "name": "key", "data": secret}},
        {"name": "changed", "infoprotect.aip.registry_values": options, "diff": True, "register": "changed"},
        find,
        {**restore("restore", receipt="{{ changed.receipt }}")},
        export_task("after", KEY),
        REMOVE | {"name": "clean"},
    )
    for task in ("changed", "find", "restore"):
        text = str({key: value for key, value in run.task(task, HOST).items() if key != "invocation"})
        assert secret not in text, f"{task} shows the data"
        assert "other" not in text or task == "find", f"{task} shows the data"
    assert exported(run.task("after", HOST)) == {LONG: {"key": ("string", secret)}}
