"""connector: its setup is put on the host for somebody to run, or run with the operator's arguments.

The operator at the screen is `bin/fleet sign-in`. What a host has is read by ansible.windows, from the list of
installed programs and from the disk.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from winfleet import eventlog, vendor
from winfleet.connector import PROVIDER
from winfleet.paths import state_directory
from winfleet.vendor.packages import CONNECTOR_KEY

from ..ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook, Json, Run, reset_hosts
from ..installed_clients import release_task

HOST = "connector-2"
FOLDER = r"C:\ProgramData\infoprotect\connector"
STAGED = rf"{FOLDER}\RMSConnectorSetup.exe"
ENTRY = rf"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{CONNECTOR_KEY}"
FAULTS = r"HKLM:\SOFTWARE\winfleet\installers"
UNATTENDED = ["/quiet", "SIGNIN=1", "/log", "{log}"]
REMOVAL = ["/quiet", "/uninstall", "/log", "{log}"]
PRODUCT = r"HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions"

pytestmark = pytest.mark.hosts(HOST)


def setup(version: str) -> Path:
    return vendor.packages()[f"RMSConnectorSetup-{version}.exe"]


def checksum(version: str) -> str:
    return vendor.packages().sha256(setup(version).name)


def connector(name: str, offered: str | None = None, /, *, check: bool = False, **options: object) -> Json:
    """A task with the module, whose failure the playbook outlives. `offered`: the version of the setup."""
    given = {"src": str(setup(offered))} if offered else {}
    return {
        "name": name,
        "infoprotect.aip.connector": given | options,
        "check_mode": check,
        "diff": True,
        "ignore_errors": True,
    }


def look(name: str) -> list[Json]:
    """Tasks that read what the host has; `seen` gives their results."""
    return [
        {
            "name": f"{name}: entry",
            "ansible.windows.win_reg_stat": {"path": ENTRY, "name": "DisplayVersion"},
        },
        {
            "name": f"{name}: staged",
            "ansible.windows.win_stat": {"path": STAGED, "checksum_algorithm": "sha256"},
        },
    ]


def seen(run: Run, name: str) -> tuple[str | None, str | None]:
    """The version in the list of installed programs, and the checksum of the setup that waits for somebody."""
    entry, staged = run.task(f"{name}: entry", HOST), run.task(f"{name}: staged", HOST)["stat"]
    return entry.get("value"), staged["checksum"] if staged["exists"] else None


def sign_in(name: str, *arguments: str) -> Json:
    """What somebody does at the host's screen."""
    inventories = [f"--inventory={inventory}" for inventory in INVENTORIES]
    command = [str(ROOT / "bin/fleet"), *inventories, "sign-in", HOST, *arguments]
    return {"name": name, "ansible.builtin.command": {"argv": command}, "delegate_to": "localhost"}


def value_task(path: str, name: str, data: object, kind: str = "string") -> Json:
    options = {"path": path, "name": name, "data": data, "type": kind}
    return {"name": f"{name} {data}", "ansible.windows.win_regedit": options}


def exit_code(code: str, value: str) -> Json:
    """The next setup ends with it; `value`: exit_codes (nothing is done) or exit_code (its work is done)."""
    return value_task(rf"{FAULTS}\any", value, code)


def no_fault(name: str) -> Json:
    options = {"path": FAULTS, "state": "absent", "delete_key": True}
    return {"name": name, "ansible.windows.win_regedit": options}


def run(playbook: AnsiblePlaybook, *tasks: Json) -> Run:
    return playbook.run([{"name": "connector", "hosts": HOST, "gather_facts": False, "tasks": list(tasks)}])


@pytest.fixture
def playbook_on_a_new_host(playbook: AnsiblePlaybook) -> AnsiblePlaybook:
    reset_hosts(HOST)
    return playbook


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(fleet: None) -> Iterator[None]:
    yield
    reset_hosts(HOST)


# by default in playbooks/test_connectors.py
@pytest.mark.full
def test_somebody_runs_the_setup(playbook_on_a_new_host: AnsiblePlaybook) -> None:
    """Staged, signed in, upgraded and removed at the host; each step is predicted, and seen by the next run."""
    old, new = checksum("3.0.0"), checksum("3.1.0")
    done = run(
        playbook_on_a_new_host,
        release_task(461808),
        connector("check", "3.0.0", check=True),
        *look("after check"),
        connector("stage", "3.0.0", cloud="AzureUSGovernment"),
        *look("after stage"),
        connector("stage again", "3.0.0"),
        # nobody has run it, and nobody shall
        connector("unstage check", check=True, state="absent"),
        *look("after unstage check"),
        connector("unstage", state="absent"),
        *look("after unstage"),
        connector("unstage again", state="absent"),
        connector("stage once more", "3.0.0"),
        # as from Explorer, or a prompt that is not elevated
        sign_in("sign in without elevation", "--filtered") | {"ignore_errors": True},
        sign_in("sign in"),
        connector("present", "3.0.0"),
        *look("after sign-in"),
        connector("upgrade check", "3.1.0", check=True, version="3.1.0"),
        connector("upgrade", "3.1.0", version="3.1.0"),
        *look("after upgrade"),
        sign_in("sign in again"),
        connector("upgraded", "3.1.0", version="3.1.0"),
        *look("after second sign-in"),
        connector("remove", state="absent"),
        *look("after remove"),
        sign_in("remove by hand", "--remove"),
        connector("removed", state="absent"),
        *look("after removal"),
        connector("removed again", state="absent"),
    )
    result = {name: one for name, _host, one in done.results}
    denied = result.pop("sign in without elevation")
    assert denied["failed"] and f"{STAGED}: Access is denied." in denied["stderr"]
    assert not [name for name, one in result.items() if one.get("failed")], result

    check, staged, again = result["check"], result["stage"], result["stage again"]
    assert seen(done, "after check") == (None, None), "check mode changed the host"
    assert check["changed"] and staged["changed"] and not again["changed"]
    assert check["actions"] == staged["actions"]
    assert [step["action"] for step in staged["actions"]] == ["stage", "install"]
    assert [step["action"] for step in again["actions"]] == ["install"] and again["actions"][0]["attended"]
    assert check["diff"] == staged["diff"] == {"before": "", "after": "connector setup any version\n"}
    assert seen(done, "after stage") == (None, old)
    assert staged["installers"] == [], "it was run, and would have waited for ever"
    assert {one["status"] for one in (check, staged, again)} == {"awaiting_sign_in"}
    step = staged["attended_step"]
    assert (step["file"], step["cloud"]) == (STAGED, "AzureUSGovernment")
    assert step["host"].lower() == f"{HOST}.contoso.test"
    assert step["account_role"].startswith("global administrator of the tenant")
    assert any(f"'Run as administrator', and run this command in it: & '{STAGED}'" in line for line in step["steps"])
    assert any("AzureUSGovernment" in line for line in step["steps"])

    assert result["unstage check"]["changed"] and seen(done, "after unstage check") == (None, old)
    assert result["unstage"]["changed"] and result["unstage"]["status"] == "absent"
    assert seen(done, "after unstage") == (None, None)
    assert not result["unstage again"]["changed"]

    present = result["present"]
    assert (present["changed"], present["status"], present["attended_step"]) == (False, "present", None)
    assert present["actions"] == [] and not present["installer_needed"]
    assert seen(done, "after sign-in")[0] == "3.0.0.0"

    upgrade = result["upgrade"]
    assert result["upgrade check"]["actions"] == upgrade["actions"] and upgrade["changed"]
    assert (upgrade["status"], upgrade["before"][0]["version"]) == ("awaiting_sign_in", "3.0.0.0")
    assert any("replaces the version that is there" in line for line in upgrade["attended_step"]["steps"])
    assert seen(done, "after upgrade") == ("3.0.0.0", new), "the old one serves until somebody upgrades it"
    assert (result["upgraded"]["changed"], result["upgraded"]["status"]) == (False, "present")
    assert seen(done, "after second sign-in")[0] == "3.1.0.0"

    remove = result["remove"]
    assert (remove["changed"], remove["status"]) == (False, "awaiting_removal")
    assert (remove["attended_step"]["file"], remove["attended_step"]["cloud"]) == (None, None)
    assert seen(done, "after remove")[0] == "3.1.0.0"
    removed = result["removed"]
    assert removed["status"] == "absent" and removed["attended_step"] is None
    assert seen(done, "after removal") == (None, None)
    assert not result["removed again"]["changed"]


def test_with_arguments(playbook_on_a_new_host: AnsiblePlaybook) -> None:
    """The setup is run, its exit codes are told, and what a failed one leaves is gone on with."""
    unattended: Json = {"arguments": UNATTENDED}
    done = run(
        playbook_on_a_new_host,
        release_task(461808),
        # the operator was wrong: without a sign-in it ends
        connector("wrong arguments", "3.0.0", arguments=["/quiet"]),
        exit_code("1603", "exit_codes"),
        connector("failing", "3.0.0", **unattended),
        no_fault("failed"),
        *look("after failing"),
        connector("check", "3.0.0", check=True, **unattended),
        connector("install", "3.0.0", **unattended),
        *look("after install"),
        connector("install again", "3.0.0", **unattended),
        # for a manual step that the next task makes needless
        connector("stage upgrade", "3.1.0", version="3.1.0"),
        *look("after stage upgrade"),
        exit_code("3010", "exit_code"),
        connector("upgrade", "3.1.0", version="3.1.0", **unattended),
        no_fault("upgraded"),
        *look("after upgrade"),
        connector("upgrade again", "3.1.0", version="3.1.0", **unattended),
        # which nobody will run
        connector("stage", "3.2.0", version="3.2.0"),
        connector("remove check", check=True, state="absent", arguments=REMOVAL),
        *look("after remove check"),
        connector("remove", state="absent", arguments=REMOVAL),
        *look("after remove"),
        connector("remove again", state="absent", arguments=REMOVAL),
    )
    result = {name: one for name, _host, one in done.results}
    failed = {name for name, one in result.items() if one.get("failed")}
    assert failed == {"wrong arguments", "failing"}, {name: result[name].get("msg") for name in failed}
    assert (
        "ended with 1602 (it was cancelled, or it had a question that no argument answers"
        in result["wrong arguments"]["msg"]
    )
    assert "ended with 1603" in result["failing"]["msg"]
    assert "On the host is now: none of it" in result["failing"]["msg"]
    assert seen(done, "after failing") == (None, None)

    assert result["check"]["changed"] and result["check"]["actions"] == result["install"]["actions"]
    install = result["install"]
    assert [one["exit_code"] for one in install["installers"]] == [0]
    assert (install["changed"], install["status"], install["attended_step"]) == (True, "present", None)
    assert not install["reboot_required"]
    assert seen(done, "after install") == ("3.0.0.0", None), "nothing is staged that nobody has to run"
    assert not result["install again"]["changed"] and result["install again"]["installers"] == []

    assert seen(done, "after stage upgrade") == ("3.0.0.0", checksum("3.1.0"))
    upgrade = result["upgrade"]
    assert [one["exit_code"] for one in upgrade["installers"]] == [3010]
    assert upgrade["changed"] and upgrade["reboot_required"]
    assert seen(done, "after upgrade") == ("3.1.0.0", None), "the staged setup is needed no more"
    again = result["upgrade again"]
    assert not again["changed"] and again["reboot_required"], "the restart is due until there was one"

    assert result["remove check"]["changed"]
    assert seen(done, "after remove check") == ("3.1.0.0", checksum("3.2.0"))
    removal = [(step["action"], step["product"]) for step in result["remove check"]["actions"]]
    assert removal == [("remove", "connector"), ("unstage", "connector setup")]
    assert result["remove"]["actions"] == result["remove check"]["actions"]
    assert result["remove"]["changed"] and result["remove"]["status"] == "absent"
    assert seen(done, "after remove") == (None, None)
    assert not result["remove again"]["changed"]


@pytest.mark.hosts("connector-3")  # has the administration tool
def test_settings_that_iis_has_to_take(playbook_on_a_new_host: AnsiblePlaybook) -> None:
    """host_info says so from the writing on, until IIS is started, also after a restore; many events hide nothing."""
    info: Json = {"infoprotect.aip.host_info": {}}
    iisreset: Json = {"ansible.windows.win_command": {"argv": ["iisreset.exe", "/restart"]}}
    fleet = [str(ROOT / "bin/fleet"), *(f"--inventory={inventory}" for inventory in INVENTORIES), "authorize"]
    account = r"exchange=CONTOSO\EX-01$"
    subprocess.run([*fleet, "--all", account], check=True)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        proxy: Json = {"proxy_address": f"http://127.0.0.1:{listening.getsockname()[1]}"}
        settings: Json = {"infoprotect.aip.connector_settings": proxy}
        done = run(
            playbook_on_a_new_host,
            release_task(461808),
            connector("install", "3.0.0", arguments=UNATTENDED),
            {"name": "before", **info},
            {"name": "settings check", **settings, "check_mode": True},
            {"name": "checked", **info},
            {"name": "settings", **settings},
            {"name": "written", **info},
            {"name": "settings again", **settings},
            {"name": "restart", **iisreset},
            {"name": "taken", **info},
            {"name": "restore", "infoprotect.aip.restore": {}},
            {"name": "restored", **info},
            {"name": "restart again", **iisreset},
            {"name": "taken again", **info},
        )
        changed = [done.task(f"settings{name}", HOST)["changed"] for name in (" check", "", " again")]
        assert changed == [True, True, False]
        due = {
            name: done.task(name, HOST)["host"]["connector"]["restart_due"]
            for name in ("before", "checked", "written", "taken", "restored", "taken again")
        }
        assert [name for name, is_due in due.items() if is_due] == ["written", "restored"]

        log = eventlog.EventLog(state_directory() / "hosts" / HOST / "prefix", HOST.upper())
        for _ in range(600):
            log.write(PROVIDER, 2001, eventlog.WARNING, r"The account CONTOSO\SP02$ is not authorized.")
        look = run(playbook_on_a_new_host, {"name": "flooded", **info}).task("flooded", HOST)["host"]["connector"]
    subprocess.run([*fleet, "--all", "--remove", account], check=True)
    assert look["status"] == "running" and r"CONTOSO\EX-01$" in look["authorized"]
    (refused,) = (event for event in look["events"] if event["id"] == 2001)
    assert refused["account"] == r"CONTOSO\SP02$" and 400 < refused["count"] <= 500


def test_refusals(playbook_on_a_new_host: AnsiblePlaybook) -> None:
    """Nothing is brought to a host that cannot have it, or of which the setup is not what it should be.

    Each other reason is a unit test.
    """
    cases: dict[str, tuple[Json, str]] = {
        "old .NET": (connector("old .NET", "3.0.0"), "needs .NET Framework 4.7.2 or later"),
        "checksum": (connector("checksum", "3.0.0", checksum="0" * 64), f": expected {'0' * 64}"),
        "no setup": (connector("no setup"), "An installer is needed (stage connector setup): expected src or path"),
    }
    tool = connector("tool", "3.0.0", administration_tool=True)
    domain_controller = value_task(PRODUCT, "ProductType", "LanmanNT")
    old, *others = (task for task, _message in cases.values())
    before = [release_task(461310), old, release_task(461808), *others]
    done = run(playbook_on_a_new_host, *before, *look("after"), domain_controller, tool, *look("after tool"))
    for name, (_task, message) in cases.items():
        result = done.task(name, HOST)
        assert result["failed"] and message in result["msg"], f"{name}: {result.get('msg', result)}"
        assert not result.get("changed"), name
    assert seen(done, "after") == (None, None)
    # the tool of an administrator is for any computer
    result = done.task("tool", HOST)
    assert result["changed"] and result["status"] == "awaiting_sign_in"
    assert {step["product"] for step in result["actions"]} == {"connector setup", "connector administration tool"}
    assert any("the connector administration tool" in line for line in result["attended_step"]["steps"])
    assert not any("page Authentication" in line for line in result["attended_step"]["steps"])
    assert seen(done, "after tool")[1] == checksum("3.0.0")
    # Files have the permissions of Linux here: others than this account have none
    folder = state_directory() / "hosts" / HOST / "prefix/drive_c/ProgramData/infoprotect/connector"
    assert (folder / "RMSConnectorSetup.exe").exists()
    assert all(place.stat().st_mode & 0o007 == 0 for place in (folder, folder.parent))
