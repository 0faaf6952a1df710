"""restore: latest, first and named receipts, what somebody changed since, files that are no receipt."""

from __future__ import annotations

import pytest

from ..ansible_runner import AnsiblePlaybook, Json
from ..registry_export import export_task, exported

HOST = "connector-1"
KEY = r"HKLM\SOFTWARE\infoprotect-restore"
LONG = KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
PATH = r"HKLM:\SOFTWARE\infoprotect-restore"
RECEIPTS = r"C:\ProgramData\infoprotect\receipts"

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
def test_latest_first_and_by_name(playbook: AnsiblePlaybook) -> None:
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
        restore("then one", receipt="{{ one.receipt }}"),
        export_task("at last", KEY),
    )
    assert exported(run.task("after latest", HOST)) == {LONG: {"a": ("string", "1"), "b": ("string", "1")}}
    assert not run.task("latest again", HOST)["changed"], "the latest is never one of restore itself"
    assert exported(run.task("after undo", HOST))[LONG]["b"] == ("string", "2")
    assert run.task("by name", HOST)["changed"]
    assert exported(run.task("at last", HOST)) == {}, "the key was made by the call and is removed when it is empty"
    assert run.task("then one", HOST)["restored"]["module"] == "registry_values"


@pytest.mark.hosts("core-2019")
def test_a_host_without_receipts_is_left_alone(playbook: AnsiblePlaybook) -> None:
    folder = {"name": "none", "ansible.windows.win_file": {"path": RECEIPTS, "state": "absent"}}
    tasks = [folder, restore("latest"), restore("first", receipt="first"), restore("named", receipt="000001-x.json")]
    run = playbook.run([{"name": "none", "hosts": "core-2019", "gather_facts": False, "tasks": tasks}])
    for name in ("latest", "first"):
        result = run.task(name, "core-2019")
        assert not result["changed"]
        assert result["restored"] is None
    assert "000001-x.json" in run.task("named", "core-2019")["msg"]


@on_host
def test_what_somebody_changed_since_is_not_overwritten_unless_forced(playbook: AnsiblePlaybook) -> None:
    receipt = "{{ one.receipt }}"
    run = play(
        playbook,
        write("one", mine="1", theirs="1"),
        {"name": "their change", "ansible.windows.win_regedit": {"path": PATH, "name": "theirs", "data": "changed"}},
        restore("refused", receipt=receipt),
        export_task("after refused", KEY),
        {**restore("check forced", receipt=receipt, force=True), "check_mode": True},
        restore("forced", receipt=receipt, force=True),
        export_task("after forced", KEY),
        restore("forced again", receipt=receipt, force=True),
    )
    refused = run.task("refused", HOST)
    assert refused["failed"]
    assert "theirs" in refused["msg"]
    assert "mine" not in [value["name"] for value in refused["not_restored"]]
    assert [value["name"] for value in refused["not_restored"]] == ["theirs"]
    assert exported(run.task("after refused", HOST))[LONG] == {"mine": ("string", "1"), "theirs": ("string", "changed")}
    assert run.task("check forced", HOST)["diff"] == run.task("forced", HOST)["diff"]
    assert exported(run.task("after forced", HOST)) == {}
    assert not run.task("forced again", HOST)["changed"]


@on_host
def test_a_key_that_is_in_use_by_others_stays(playbook: AnsiblePlaybook) -> None:
    run = play(
        playbook,
        write("one", mine="1"),
        {"name": "their value", "ansible.windows.win_regedit": {"path": PATH, "name": "theirs", "data": "new"}},
        restore("restore", receipt="{{ one.receipt }}"),
        export_task("after", KEY),
        REMOVE | {"name": "clean"},
    )
    assert exported(run.task("after", HOST)) == {LONG: {"theirs": ("string", "new")}}
    assert run.task("restore", HOST)["not_restored"][0]["name"] is None


@on_host
@pytest.mark.parametrize("content", ["no receipt at all", '{"some": "json"}', "", None])
def test_what_is_no_receipt_is_refused(playbook: AnsiblePlaybook, content: str | None) -> None:
    """The error names the file and says what was expected; None: there is no such file."""
    file = rf"{RECEIPTS}\999999-not-one.json"
    make = {"name": "make", "ansible.windows.win_copy": {"content": content or "x", "dest": file}}
    if content == "":
        make = {"name": "make", "ansible.windows.win_file": {"path": file, "state": "touch"}}
    if content is None:
        make = {"name": "make", "ansible.windows.win_file": {"path": file, "state": "absent"}}
    run = play(
        playbook,
        write("the folder of receipts is there", a="1"),
        make,
        restore("refused", receipt=file),
        {"name": "clean", "ansible.windows.win_file": {"path": file, "state": "absent"}},
    )
    refused = run.task("refused", HOST)
    assert refused["failed"]
    assert file in refused["msg"]
    assert "receipt" in refused["msg"]
    assert not refused["changed"]


@on_host
def test_a_receipt_of_another_host_is_refused(playbook: AnsiblePlaybook) -> None:
    """The receipt is real, but the host is no longer the one that wrote it."""
    machine = r"HKLM:\SOFTWARE\Microsoft\Cryptography"
    run = play(
        playbook,
        {"name": "guid", "ansible.windows.win_reg_stat": {"path": machine, "name": "MachineGuid"}, "register": "guid"},
        write("one", a="1"),
        {
            "name": "clone",
            "ansible.windows.win_regedit": {"path": machine, "name": "MachineGuid", "data": "another-machine"},
        },
        restore("refused", receipt="{{ one.receipt }}", force=True),
        {
            "name": "back",
            "ansible.windows.win_regedit": {"path": machine, "name": "MachineGuid", "data": "{{ guid.value }}"},
        },
        restore("accepted", receipt="{{ one.receipt }}"),
    )
    refused = run.task("refused", HOST)
    assert refused["failed"]
    assert "host" in refused["msg"]
    assert run.task("accepted", HOST)["changed"]


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
