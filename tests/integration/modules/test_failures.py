"""What a module does when Windows says no: undo, name the reason, lose nothing."""

from __future__ import annotations

import pytest

from ..ansible_runner import AnsiblePlaybook, Json
from ..registry_export import export_task, exported

HOST = "client-2019"
KEY = r"HKLM\SOFTWARE\infoprotect-denied"
PATH = r"HKLM:\SOFTWARE\infoprotect-denied"

pytestmark = pytest.mark.hosts(HOST)


def access(name: str, key: str, rights: str, method: str) -> Json:
    """A task that denies Everyone rights on a key below HKLM, or takes that back (`RemoveAccessRule`)."""
    script = f"""
        $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('{key}',
            [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree,
            [System.Security.AccessControl.RegistryRights]'ReadPermissions,ChangePermissions')
        $security = $key.GetAccessControl('Access')
        $security.{method}([System.Security.AccessControl.RegistryAccessRule]::new(
            [System.Security.Principal.SecurityIdentifier]'S-1-1-0', '{rights}', 'Deny'))
        $key.SetAccessControl($security)
    """
    return {"name": name, "ansible.windows.win_powershell": {"script": script}}


def remove(name: str = "remove") -> Json:
    """A task that removes the test key."""
    return {"name": name, "ansible.windows.win_regedit": {"path": PATH, "state": "absent", "delete_key": True}}


PREPARE = {
    "name": "prepare",
    "ansible.windows.win_powershell": {
        "script": r"""
            $key = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\infoprotect-denied')
            $key.SetValue('old', 'before')
            $key.SetValue('gone', 'was here')
            $null = $key.CreateSubKey('locked')
            # Windows makes no lasting key below a volatile one
            $null = $key.CreateSubKey('volatile', $true, [Microsoft.Win32.RegistryOptions]::Volatile)
        """
    },
}


def values(last: str) -> Json:
    """Options of registry_values: a change, keys that have to be made, a removal, then a value in the key `last`."""
    return {
        "values": [
            {"path": PATH, "name": "old", "data": "changed"},
            {"path": PATH + r"\new\deeper", "name": "made", "type": "dword", "data": 1},
            {"path": PATH, "name": "gone", "state": "absent"},
            {"path": rf"{PATH}\{last}", "name": "refused", "data": "x"},
            {"path": PATH, "name": "never reached", "data": "x"},
        ]
    }


@pytest.mark.cold
def test_a_write_that_fails_in_the_middle_undoes_the_call(playbook: AnsiblePlaybook) -> None:
    """Windows refuses to make a key when others were already written: everything is as before, the error names it."""
    options = values(r"volatile\lasting")
    run = playbook.run(
        [
            {
                "name": "fails in the middle",
                "hosts": HOST,
                "gather_facts": False,
                "tasks": [
                    remove(),
                    PREPARE,
                    export_task("before", KEY),
                    {"name": "apply", "infoprotect.aip.registry_values": options, "ignore_errors": True, "diff": True},
                    export_task("after", KEY),
                    remove("clean"),
                ],
            }
        ]
    )
    failure = run.task("apply", HOST)
    assert failure["failed"]
    assert PATH + r"\volatile\lasting" in failure["msg"]
    assert "refused" in failure["msg"]
    assert "undone" in failure["msg"]
    assert exported(run.task("after", HOST)) == exported(run.task("before", HOST))


@pytest.mark.full
def test_a_denied_key_is_found_before_anything_is_written(playbook: AnsiblePlaybook) -> None:
    options = values("locked")
    locked = r"SOFTWARE\infoprotect-denied\locked"
    rights = "SetValue,CreateSubKey,Delete"
    run = playbook.run(
        [
            {
                "name": "denied",
                "hosts": HOST,
                "gather_facts": False,
                "tasks": [
                    remove(),
                    PREPARE,
                    access("deny", locked, rights, "AddAccessRule"),
                    export_task("before", KEY),
                    {"name": "check", "infoprotect.aip.registry_values": options, "check_mode": True},
                    {"name": "apply", "infoprotect.aip.registry_values": options, "ignore_errors": True},
                    export_task("after", KEY),
                    access("allow", locked, rights, "RemoveAccessRule"),
                    {"name": "apply again", "infoprotect.aip.registry_values": options},
                    export_task("at last", KEY),
                    remove("clean"),
                ],
            }
        ]
    )
    assert run.task("check", HOST)["changed"], "a key that cannot be written can still be read and compared"
    failure = run.task("apply", HOST)
    assert failure["failed"]
    assert PATH + r"\locked" in failure["msg"]
    assert not failure["changed"]
    assert exported(run.task("after", HOST)) == exported(run.task("before", HOST))
    assert "never reached" in exported(run.task("at last", HOST))[KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")]


@pytest.mark.full
def test_a_key_that_cannot_be_read_is_named(playbook: AnsiblePlaybook) -> None:
    key = r"SOFTWARE\infoprotect-denied\unreadable"
    prepare = rf"$null = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('{key}')"
    run = playbook.run(
        [
            {
                "name": "unreadable",
                "hosts": HOST,
                "gather_facts": False,
                "tasks": [
                    remove(),
                    {"name": "prepare", "ansible.windows.win_powershell": {"script": prepare}},
                    access("deny", key, "ReadKey", "AddAccessRule"),
                    {
                        "name": "check",
                        "infoprotect.aip.registry_values": {
                            "values": [{"path": PATH + r"\unreadable", "name": "x", "data": "1"}]
                        },
                        "check_mode": True,
                        "ignore_errors": True,
                    },
                    access("allow", key, "ReadKey", "RemoveAccessRule"),
                    remove("clean"),
                ],
            }
        ]
    )
    failure = run.task("check", HOST)
    assert failure["failed"]
    assert PATH + r"\unreadable" in failure["msg"]
