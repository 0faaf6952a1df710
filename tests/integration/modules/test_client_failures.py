"""client when something is wrong: installers that fail, hang or are others, places out of reach, a lost host."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from package_server import PackageServer, serve

from ..ansible_runner import ROOT, AnsiblePlaybook, Json, Run, lose_host
from ..installed_clients import SHARE, expected, list_task, listed, prepare_task, share_packages
from ..secrets_watch import no_secret_shows

HOST = "client-2019"
CURRENT, OLD = "AzInfoProtection_UL-2.18.26", "AzInfoProtection_UL-2.16.73"
PURVIEW = "PurviewInfoProtection-3.1.310"
FAULTS = r"HKLM:\SOFTWARE\winfleet\installers"
SECRET = "Not4Anybodys_eyes"

pytestmark = pytest.mark.hosts(HOST)


@pytest.fixture
def packages() -> Path:
    return share_packages([HOST])


@pytest.fixture
def server(packages: Path) -> Iterator[PackageServer]:
    with serve(packages) as server:
        yield server


def client(name: str, **options: object) -> Json:
    """A task with the module, whose failure the playbook outlives."""
    given = {"product": "unified_labeling", **options}
    return {"name": name, "infoprotect.aip.client": given, "ignore_errors": True, "ignore_unreachable": True}


def fault(name: str, file: str = "any", **values: str) -> list[Json]:
    """Tasks that tell an installer, or all of them, what to do, and nothing else any more."""
    remove = {"path": FAULTS, "state": "absent", "delete_key": True}
    tasks: list[Json] = [{"name": f"{name}: no fault", "ansible.windows.win_regedit": remove}]
    for value, data in values.items():
        options = {"path": rf"{FAULTS}\{file}", "name": value, "data": data, "type": "string"}
        tasks.append({"name": f"{name}: {value}", "ansible.windows.win_regedit": options})
    return tasks


def leftovers_task() -> Json:
    """What is left of installers that were brought to the host."""
    script = r"""
    $places = "$env:ProgramData\infoprotect\packages", $env:TEMP
    @(Get-ChildItem -Path $places -Recurse -Force -ErrorAction SilentlyContinue |
            Where-Object { $_.Extension -in '.msi', '.exe', '.part', '.cmd' } | ForEach-Object { $_.FullName })
    """
    return {"name": "leftovers", "ansible.windows.win_powershell": {"script": script}}


def run(playbook: AnsiblePlaybook, *tasks: Json, expect: int | None = 0) -> Run:
    plays = [{"name": "failures", "hosts": HOST, "gather_facts": False, "tasks": list(tasks)}]
    return playbook.run(plays, expect=expect)


def test_what_is_not_what_it_should_be_is_not_run(
    playbook: AnsiblePlaybook, packages: Path, server: PackageServer
) -> None:
    """By what the controller, the share, the signature and the server tell; each other reason is a unit test."""
    good = packages / f"{CURRENT}.msi"
    digest, zeros = hashlib.sha256(good.read_bytes()).hexdigest(), "0" * 64
    cases: dict[str, tuple[Json, str]] = {
        "checksum of src": ({"src": str(good), "checksum": zeros}, f"{digest}: expected {zeros}"),
        "publisher": (
            {"path": rf"{SHARE}\{CURRENT}-contoso.exe"},
            "is signed by 'Contoso Ltd': expected 'Microsoft Corporation'",
        ),
        "no file": ({"src": "nowhere.msi"}, "src: nowhere.msi cannot be found on the controller"),
        "no share": ({"path": r"\\nowhere\share\x.msi"}, "which cannot sign in to other hosts: see share_username"),
        "share": (
            {"path": r"\\nowhere\share\x.msi", "share_username": r"CONTOSO\me", "share_password": SECRET},
            r"the share \\nowhere\share cannot be opened as CONTOSO\me",
        ),
        "truncated": ({"path": server.url(f"truncated/{CURRENT}.msi")}, "cannot be downloaded: "),
        "nobody": ({"path": "http://127.0.0.1:9/x.msi"}, "http://127.0.0.1:9/x.msi cannot be downloaded: "),
    }
    tasks = [client(name, **options) for name, (options, _message) in cases.items()]
    done = run(playbook, prepare_task("nothing", None), *tasks, list_task("after"), leftovers_task())
    for name, (_options, message) in cases.items():
        result = done.task(name, HOST)
        assert result["failed"] and message in result["msg"], f"{name}: {result.get('msg', result)}"
        assert not result.get("changed"), f"{name}: {result}"
    assert listed(done.task("after", HOST)) == {}
    assert done.task("leftovers", HOST)["output"] == []
    assert SECRET not in done.stdout


def test_from_a_url_and_from_the_controller(playbook: AnsiblePlaybook, packages: Path, server: PackageServer) -> None:
    """What the choices of the operator become, too."""
    fleet_share = [str(ROOT / "bin/fleet"), "share", "--user", r"CONTOSO\me", "--password", SECRET, HOST]
    subprocess.run([*fleet_share, r"\\secure\packages", str(packages)], check=True, capture_output=True)
    account = {"share_username": r"CONTOSO\me", "share_password": SECRET}
    wrong = account | {"share_password": "x"}
    stand_in = r"HKLM:\SOFTWARE\WOW6432Node\winfleet\client"
    with no_secret_shows(HOST, SECRET):
        done = run(
            playbook,
            prepare_task("nothing", None),
            client("url", path=server.url(f"{OLD}.exe"), telemetry=False, powershell_only=True),
            list_task("after url"),
            {"name": "choices", "ansible.windows.win_reg_stat": {"path": stand_in}},
            client("src", src=str(packages / f"{CURRENT}.msi"), version="2.18.26", telemetry=True),
            list_task("after src"),
            client("wrong password", product="purview", path=rf"\\secure\packages\{PURVIEW}.msi", **wrong),
            client("share", product="purview", path=rf"\\secure\packages\{PURVIEW}.msi", **account),
            list_task("after share"),
            leftovers_task(),
            prepare_task("nothing again", None),
        )
    assert done.task("url", HOST)["changed"] and done.task("src", HOST)["changed"]
    assert r"the share \\secure\packages cannot be opened as CONTOSO\me" in done.task("wrong password", HOST)["msg"]
    assert listed(done.task("after share", HOST)) == expected(f"{PURVIEW}.msi")
    assert SECRET not in done.stdout
    assert listed(done.task("after url", HOST)) == expected(f"{OLD}.exe")
    assert listed(done.task("after src", HOST)) == expected(f"{CURRENT}.msi")
    assert server.asked == [f"{OLD}.exe"]
    assert done.task("leftovers", HOST)["output"] == []
    assert done.task("choices", HOST)["exists"]


def test_installers_that_fail(playbook: AnsiblePlaybook, packages: Path) -> None:
    exe = rf"{SHARE}\{CURRENT}.exe"
    done = run(
        playbook,
        prepare_task("nothing", None),
        client("broken", path=rf"{SHARE}\{CURRENT}-broken.msi"),
        *fault("refused", exit_codes="5"),
        client("refused", path=exe),
        *fault("busy", exit_codes="1618,1618,1618"),
        client("busy", path=exe, busy_timeout=1),
        *fault("hang", hang="30"),
        client("hang", path=exe, timeout=2),
        *fault("no fault"),
        list_task("after all"),
        # half-way: the next run goes on
        *fault("die", die="msi"),
        client("die", path=exe),
        list_task("after die"),
        *fault("recover"),
        client("recover", path=exe),
        # from 2 to 3, which then fails
        *fault("upgrade fails", f"{PURVIEW}.exe", exit_codes="1603"),
        client("upgrade fails", product="purview", path=rf"{SHARE}\{PURVIEW}.exe"),
        list_task("after upgrade fails"),
        client("upgrade", product="purview", path=rf"{SHARE}\{PURVIEW}.exe"),
        list_task("after upgrade"),
        # a minor upgrade, which keeps the product code
        prepare_task("3.2.57", "PurviewInfoProtection-3.2.57.msi"),
        *fault("busy at first", exit_codes="1618"),
        client("minor", product="purview", version="3.2.92", path=rf"{SHARE}\PurviewInfoProtection-3.2.92.msi"),
        list_task("after minor"),
        *fault("none"),
        prepare_task("nothing again", None),
        leftovers_task(),
    )

    def message(name: str) -> str:
        result = done.task(name, HOST)
        assert result["failed"], result
        return str(result["msg"])

    assert "ended with 1603 (a fatal error during the installation)" in message("broken")
    assert "-- Installation failed." in message("broken"), "the log's lines that say why are shown"
    assert r"The log C:\ProgramData\infoprotect\logs" in message("broken")
    assert "On the host is now: none of it" in message("broken")
    assert "ended with 5 (access was denied" in message("refused")
    assert "1618 (another installation is running on the host, also after 1 seconds)" in message("busy")
    assert "did not end within 2 seconds and was ended" in message("hang")
    assert listed(done.task("after all", HOST)) == {}

    assert message("die")
    assert listed(done.task("after die", HOST)) == dict.fromkeys(expected(f"{CURRENT}.msi"), "2.18.26.0")
    assert done.task("recover", HOST)["changed"] is False, "its MSI is there: that is the client"

    assert "installing Microsoft Purview Information Protection 3.1.310.0 failed" in message("upgrade fails")
    assert "On the host is now: none of it. Running this again goes on" in message("upgrade fails")
    assert done.task("upgrade fails", HOST)["changed"] and done.task("upgrade fails", HOST)["after"] == []
    assert listed(done.task("after upgrade fails", HOST)) == {}
    upgrade = done.task("upgrade", HOST)
    assert [step["action"] for step in upgrade["actions"]] == ["install"]
    assert listed(done.task("after upgrade", HOST)) == expected(f"{PURVIEW}.exe")

    minor = done.task("minor", HOST)
    assert minor["changed"] and [installer["exit_code"] for installer in minor["installers"]] == [0]
    assert listed(done.task("after minor", HOST)) == expected("PurviewInfoProtection-3.2.92.msi")
    assert done.task("leftovers", HOST)["output"] == []


def test_what_does_not_end_is_ended_with_what_it_started(playbook: AnsiblePlaybook, packages: Path) -> None:
    """A bundle whose msiexec hangs: neither is left, nothing is installed later, the next run does not have to wait."""
    script = "Get-Process -Name msiexec, AzInfo* -ErrorAction SilentlyContinue | ForEach-Object { $_.ProcessName }"
    install = {"path": rf"{SHARE}\{CURRENT}.exe"}
    done = run(
        playbook,
        prepare_task("nothing", None),
        *fault("slow", child_hang="120"),
        client("ended", timeout=15, **install),
        {"name": "left", "ansible.windows.win_powershell": {"script": script}},
        *fault("none"),
        client("again", busy_timeout=0, **install),
        list_task("after"),
        prepare_task("nothing again", None),
    )
    message = done.task("ended", HOST)["msg"]
    assert "did not end within 15 seconds and was ended with what it had started" in message
    assert "i301: Applying execute package" in message, "its msiexec was at work"
    assert done.task("left", HOST)["output"] == []
    assert done.task("again", HOST)["changed"] and not done.task("again", HOST).get("failed")
    assert listed(done.task("after", HOST)) == expected(f"{CURRENT}.exe")


def test_two_runs_at_once_and_another_installation(playbook: AnsiblePlaybook, packages: Path) -> None:
    """One installs, the other waits and then finds nothing to do; both wait for a third party."""
    run(playbook, prepare_task("nothing", None), *fault("slow", hang="4", exit_codes="1618"))
    results: list[Run] = []

    def install() -> None:
        results.append(run(playbook, client("install", path=rf"{SHARE}\{CURRENT}.exe", busy_timeout=120)))

    threads = [threading.Thread(target=install) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = run(playbook, list_task("after"), *fault("none"), prepare_task("nothing again", None))
    outcomes = [result.task("install", HOST) for result in results]
    assert sorted(bool(outcome["changed"]) for outcome in outcomes) == [False, True], outcomes
    assert not any(outcome.get("failed") for outcome in outcomes)
    assert listed(done.task("after", HOST)) == expected(f"{CURRENT}.exe")


def test_a_restart_that_is_due(playbook: AnsiblePlaybook, packages: Path) -> None:
    """It is a fact of the host until it was restarted, and the module restarts it when asked to."""
    facts: Json = {"infoprotect.aip.host_info": {}}
    done = run(
        playbook,
        prepare_task("nothing", None),
        *fault("restart", exit_code="3010"),
        client("first", path=rf"{SHARE}\{OLD}.exe"),
        {"name": "facts", **facts},
        client("again", path=rf"{SHARE}\{OLD}.exe"),
        # an installer that restarts the host all the same
        *fault("restart itself", exit_code="1641"),
        client("upgrade", path=rf"{SHARE}\{CURRENT}.exe", version="2.18.26", reboot=True),
        {"name": "facts after", **facts},
        *fault("none"),
        list_task("after"),
        prepare_task("nothing again", None),
    )
    assert done.task("first", HOST)["changed"] and done.task("first", HOST)["reboot_required"]
    assert "client" in done.task("facts", HOST)["host"]["reboot"]["reasons"]
    again = done.task("again", HOST)
    assert not again["changed"] and again["reboot_required"]
    upgrade = done.task("upgrade", HOST)
    assert upgrade["rebooted"] and not upgrade["reboot_required"]
    assert "client" not in done.task("facts after", HOST)["host"]["reboot"]["reasons"]
    assert listed(done.task("after", HOST)) == expected(f"{CURRENT}.exe")


def test_a_host_that_is_lost_while_installing(playbook: AnsiblePlaybook, packages: Path) -> None:
    """The run says so; the next one goes on from whatever there is."""
    run(playbook, prepare_task("nothing", None), *fault("slow", hang="60"))
    install = client("install", path=rf"{SHARE}\{CURRENT}.exe")
    result = lose_host(HOST, CURRENT, lambda: run(playbook, install, expect=None)).task("install", HOST)
    assert result.get("unreachable") or result.get("failed"), result
    done = run(
        playbook,
        *fault("none"),
        install,
        list_task("after"),
        prepare_task("nothing again", None),
    )
    assert listed(done.task("after", HOST)) == expected(f"{CURRENT}.exe")


PROGRAM = r"C:\Program Files (x86)\Microsoft Azure Information Protection\MSIP.App.exe"
VIEWER, PURVIEW_VIEWER = "AzInfoProtectionViewer-2.18.26", "PurviewInfoProtectionViewer-3.1.310"
VIEWER_KEY = "{63B95D0D-6AA3-42E8-90C2-B6383D2195BE}"
ORPHAN = "{AAAAAAAA-0000-4C06-817B-4A222430F2B8}"


def facts(name: str) -> Json:
    return {"name": name, "infoprotect.aip.host_info": {}}


def remove_file(name: str, path: str = PROGRAM) -> Json:
    return {"name": name, "ansible.windows.win_file": {"path": path, "state": "absent"}}


def test_the_viewer_is_not_the_client(playbook: AnsiblePlaybook, packages: Path) -> None:
    """It is left alone in every state of the client, and its installers are refused."""
    done = run(
        playbook,
        prepare_task("viewer", f"{VIEWER}.exe"),
        facts("facts"),
        {**client("check", path=rf"{SHARE}\{CURRENT}.exe"), "check_mode": True},
        client("absent", state="absent"),
        client("msi", path=rf"{SHARE}\{VIEWER}.msi"),
        client("exe", path=rf"{SHARE}\{VIEWER}.exe"),
        client("purview", product="purview", path=rf"{SHARE}\{PURVIEW_VIEWER}.msi"),
        list_task("before"),
        client("install", path=rf"{SHARE}\{CURRENT}.exe"),
        client("remove", state="absent"),
        list_task("after"),
        prepare_task("nothing again", None),
    )
    products = done.task("facts", HOST)["host"]["products"]
    assert {(one["kind"], one["state"]) for one in products} == {("viewer", "installed")}
    assert VIEWER_KEY in listed(done.task("before", HOST))
    assert [step["action"] for step in done.task("check", HOST)["actions"]] == ["install"]
    assert done.task("absent", HOST)["actions"] == [] and not done.task("absent", HOST)["changed"]
    for name, product in ("msi", "unified_labeling"), ("exe", "unified_labeling"), ("purview", "purview"):
        result = done.task(name, HOST)
        assert result["failed"] and not result["changed"]
        assert "Viewer" in result["msg"] and f"expected one of the product {product}" in result["msg"]
    assert done.task("install", HOST)["changed"] and done.task("remove", HOST)["changed"]
    assert listed(done.task("after", HOST)) == listed(done.task("before", HOST))


def test_an_orphaned_entry_is_named_and_keeps_nothing_from_being_installed(
    playbook: AnsiblePlaybook, packages: Path
) -> None:
    key = rf"HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\{ORPHAN}"
    entry = {"DisplayName": "Microsoft Azure Information Protection", "DisplayVersion": "2.14.90.0"}
    values = [{"path": key, "name": name, "data": data} for name, data in entry.items()]
    values.append({"path": key, "name": "WindowsInstaller", "data": 1, "type": "dword"})
    purview = client("install", product="purview", version="3.1.310", path=rf"{SHARE}\{PURVIEW}.exe")
    done = run(
        playbook,
        prepare_task("nothing", None),
        {"name": "orphan", "infoprotect.aip.registry_values": {"values": values}},
        client("absent", state="absent"),
        purview,
        {**purview, "name": "again"},
        list_task("after"),
        prepare_task("clean", None),
        {"name": "no orphan", "ansible.windows.win_regedit": {"path": key, "state": "absent", "delete_key": True}},
    )
    for name, changed in ("absent", False), ("install", True), ("again", False):
        result = done.task(name, HOST)
        assert not result.get("failed") and result["changed"] is changed, result
        (note,) = result["notes"]
        assert f"Microsoft Azure Information Protection 2.14.90.0 ({key}): Windows Installer does not know it" in note
    assert [step["action"] for step in done.task("install", HOST)["actions"]] == ["install"]
    assert listed(done.task("after", HOST)) == {**expected(f"{PURVIEW}.exe"), ORPHAN: "2.14.90.0"}


@pytest.mark.parametrize("kind", [pytest.param("exe", marks=pytest.mark.full), "msi"])
def test_what_is_installed_in_part_is_repaired(playbook: AnsiblePlaybook, packages: Path, kind: str) -> None:
    repair = client("repair", path=rf"{SHARE}\{CURRENT}.{kind}")
    done = run(
        playbook,
        prepare_task("client", f"{CURRENT}.{kind}"),
        remove_file("no program"),
        facts("facts"),
        client("too old", path=rf"{SHARE}\{OLD}.{kind}"),
        {**repair, "name": "check", "check_mode": True},
        repair,
        facts("facts after"),
        {"name": "program", "ansible.windows.win_stat": {"path": PROGRAM}},
        {**repair, "name": "again"},
        remove_file("no program again"),
        client("absent", state="absent"),
        list_task("after"),
        prepare_task("nothing again", None),
    )
    products = done.task("facts", HOST)["host"]["products"]
    assert {one["state"] for one in products} == {"incomplete"}
    assert {one["problem"] for one in products} == {"its program is gone (MSIP.App.exe)"}
    assert "expected version 2.18.26.0 or later" in done.task("too old", HOST)["msg"]
    wanted = {"action": "repair", "product": "unified_labeling", "before": "2.18.26.0", "after": "2.18.26.0"}
    for name in "check", "repair":
        assert done.task(name, HOST)["actions"] == [wanted] and done.task(name, HOST)["changed"]
    assert done.task("repair", HOST)["installers"][0]["what"].startswith("repairing ")
    assert done.task("program", HOST)["stat"]["exists"]
    assert {one["state"] for one in done.task("facts after", HOST)["host"]["products"]} == {"installed"}
    assert not done.task("again", HOST)["changed"]
    assert done.task("absent", HOST)["changed"] and listed(done.task("after", HOST)) == {}
