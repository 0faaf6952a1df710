"""The role aip_bootstrap on hosts with PowerShell 3.0 and 4.0: what it installs, refuses, recovers from.

The packages come over HTTP: the emulated hosts' .NET does not speak TLS.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from package_server import PackageServer, serve
from winfleet import vendor
from winfleet.paths import state_directory

from ..ansible_runner import INVENTORIES, ROOT, AnsiblePlaybook, Json, Run

BARE = "bootstrap-2012"  # PowerShell 3.0, .NET 4.5
R2 = "bootstrap-2012r2"  # PowerShell 4.0, .NET 4.5.1
DOTNET = "NDP472-KB4054530-x86-x64-AllOS-ENU.exe"
WMF = {BARE: "W2K12-KB3191565-x64.msu", R2: "Win8.1AndW2K12R2-KB3191564-x64.msu"}
NDP = r"HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
FAULTS = r"HKLM\SOFTWARE\winfleet\installers"  # by the names that the role gives the files
EXCHANGE = r"HKLM\SOFTWARE\Microsoft\ExchangeServer\v15"
TASK = "infoprotect-aip-bootstrap"
LINGER = "powershell.exe -Command Start-Sleep -Seconds 20"
ROLE_NAME = "infoprotect.aip.aip_bootstrap"
ROLE = f"{ROLE_NAME} : "
LOOK = "infoprotect.aip.aip_apply : Inspect the host"

pytestmark = [pytest.mark.hosts(BARE, R2), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def packages() -> vendor.Packages:
    return vendor.packages()


@pytest.fixture
def server(packages: vendor.Packages) -> Iterator[PackageServer]:
    with serve(packages.folder) as server:
        yield server


@pytest.fixture
def variables(server: PackageServer, packages: vendor.Packages) -> Json:
    """What an operator would have in group_vars."""
    files = {"dotnet": DOTNET, "wmf_2012": WMF[BARE], "wmf_2012r2": WMF[R2]}
    values: Json = {"aip_bootstrap_allow_http": True}
    for kind, file in files.items():
        values[f"aip_bootstrap_{kind}_url"] = server.url(file)
        values[f"aip_bootstrap_{kind}_checksum"] = packages.sha256(file)
    return values


def fleet(*arguments: str) -> None:
    inventories = [f"--inventory={inventory}" for inventory in INVENTORIES]
    subprocess.run([str(ROOT / "bin/fleet"), *inventories, *arguments], check=True, capture_output=True, timeout=180)


@pytest.fixture
def new_host(request: pytest.FixtureRequest, playbook: AnsiblePlaybook) -> str:
    """A host as it came out of the box."""
    fleet("reset", request.param)
    return str(request.param)


on = partial(pytest.mark.parametrize, "new_host", indirect=True)


def play(host: str, *tasks: Json, **more: Any) -> list[Json]:
    return [{"name": "bootstrap", "hosts": host, "gather_facts": False, "tasks": list(tasks), **more}]


def bootstrap(host: str) -> list[Json]:
    return play(host, roles=[ROLE_NAME])


def raw(name: str, line: str) -> Json:
    """A command of the host itself, which needs no PowerShell of any version."""
    return {"name": name, "ansible.builtin.raw": f"cmd.exe /c {line}", "failed_when": False}


#: What bootstrapping could leave, and what Windows says when it is not there.
TRACES = {
    "folder": (r"dir C:\Windows\infoprotect-bootstrap", "File not found"),
    "task": (f"schtasks.exe /query /tn {TASK}", "cannot find the file"),
}
TRACE_TASKS = [raw(name, line) for name, (line, _answer) in TRACES.items()]


def attempt(name: str, **variables: Any) -> Json:
    """A run of the role that is to fail; its message is the result of the task `name`."""
    return {
        "name": f"{name} attempt",
        "block": [
            {"name": f"{name} role", "ansible.builtin.include_role": {"name": ROLE_NAME}, "vars": variables},
            {"name": f"{name} succeeded", "ansible.builtin.debug": {"msg": "no failure"}},
        ],
        "rescue": [
            {
                "name": name,
                "ansible.builtin.debug": {
                    "msg": "{{ ansible_failed_result.msg }}{{ ansible_failed_result.stderr | d() }}"
                },
            }
        ],
    }


@on([BARE])
def test_from_the_box_to_5_1(playbook: AnsiblePlaybook, server: PackageServer, variables: Json, new_host: str) -> None:
    check = playbook.run(bootstrap(new_host), "--check", extra_vars=variables)
    said = check.task(ROLE + "Show what would be done", new_host)
    assert "Would install .NET Framework, Windows Management Framework 5.1" in said["msg"]
    assert server.asked == [], "check mode fetched something"

    first = playbook.run(bootstrap(new_host), extra_vars=variables)
    assert first.stats[new_host]["changed"] > 0
    assert check.stats[new_host]["changed"] > 0
    assert sorted(server.asked) == sorted((DOTNET, WMF[new_host]))
    assert_is_5_1(playbook, new_host)

    second = playbook.run(bootstrap(new_host), extra_vars=variables)
    assert second.module_runs(new_host) == [LOOK], "a host that has 5.1 costs nothing but the look"
    assert second.stats[new_host]["changed"] == 0


@on([R2])
def test_what_is_refused(
    playbook: AnsiblePlaybook, packages: vendor.Packages, server: PackageServer, variables: Json, new_host: str
) -> None:
    """Each is said clearly, before anything is installed, and nothing is left behind."""
    secret = "http://user:secret@127.0.0.1/wmf.msu"
    said, run = messages(
        playbook,
        new_host,
        variables,
        attempt("variables", aip_bootstrap_wmf_2012r2_url=secret),
        attempt("http", aip_bootstrap_allow_http=False),
        raw("install exchange", rf"reg.exe add {EXCHANGE}\Setup /f && reg.exe add {EXCHANGE}\MailboxRole /f"),
        attempt(
            "host",
            aip_bootstrap_wmf_2012r2_url="",
            aip_bootstrap_wmf_2012r2_checksum="",
            aip_bootstrap_free_mb=99999999,
        ),
        raw("remove exchange", rf"reg.exe delete {EXCHANGE} /f"),
        attempt("wrong checksum", aip_bootstrap_wmf_2012r2_checksum="0" * 64),
    )
    assert_says(said, "variables", "aip_bootstrap_wmf_2012r2_url is one with a name or password in it")
    without = "aip_bootstrap_dotnet, aip_bootstrap_wmf_2012, aip_bootstrap_wmf_2012r2"
    assert_says(said, "http", without, "aip_bootstrap_allow_http")
    room = "MB free", "99999999"
    missing = "aip_bootstrap_wmf_2012r2_url is not defined", "Windows Server 2012 R2, PowerShell 4.0"
    assert_says(said, "host", *missing, "Exchange Server is installed", *room, "Nothing was changed")
    assert_says(said, "wrong checksum", server.url(WMF[R2]), packages.sha256(WMF[R2]).upper(), "0" * 64)
    assert "secret" not in run.stdout


@pytest.mark.full
@on([R2])
def test_what_fails(playbook: AnsiblePlaybook, server: PackageServer, variables: Json, new_host: str) -> None:
    del server
    said, _run = messages(
        playbook,
        new_host,
        variables,
        attempt("unreachable", aip_bootstrap_wmf_2012r2_url="http://127.0.0.1:9/wmf.msu"),
        raw("hang", rf"reg.exe add {FAULTS}\dotnet.exe /v hang /d 600 /f"),
        attempt("too slow", aip_bootstrap_install_timeout=20),
        raw("end it", "taskkill.exe /f /im dotnet.exe"),
        raw("hang no more", rf"reg.exe delete {FAULTS}\dotnet.exe /f"),
        raw("fail", rf"reg.exe add {FAULTS}\dotnet.exe /v exit_codes /d 1603 /f"),
        # the task of an earlier job, whose process is slow to end: Windows does not start it a second time meanwhile
        raw("linger", rf'schtasks.exe /create /tn {TASK} /ru SYSTEM /sc ONCE /st 00:00 /f /tr "{LINGER}"'),
        raw("lingers", f"schtasks.exe /run /tn {TASK}"),
        attempt("installer fails"),
    )
    assert_says(said, "unreachable", "http://127.0.0.1:9/wmf.msu cannot be fetched")
    assert_says(said, "too slow", "Installing .NET Framework failed", "did not end within 20 s", "left alone")
    assert_says(said, "installer fails", "Installing .NET Framework failed with exit code 1603 (fatal error)")


def messages(playbook: AnsiblePlaybook, host: str, variables: Json, *attempts: Json) -> tuple[dict[str, str], Run]:
    """Run attempts that change nothing and leave nothing; returns the message of each, and the run."""
    installed = raw("dotnet", rf'reg.exe query "{NDP}" /v Release')
    run = playbook.run(play(host, *attempts, installed, *TRACE_TASKS, vars=variables))
    assert hex(378675) in run.task("dotnet", host)["stdout"], "something was installed"
    assert_no_traces(run, host)
    names = [one["name"].removesuffix(" attempt") for one in attempts if "block" in one]
    return {name: run.task(name, host)["msg"] for name in names}, run


def assert_says(said: dict[str, str], name: str, *texts: str) -> None:
    missing = [text for text in texts if text not in said[name]]
    assert not missing, f"{name}: {said[name]}"


@pytest.mark.full
@on([R2])
def test_an_interrupted_run_is_gone_on_with(
    playbook: AnsiblePlaybook, server: PackageServer, variables: Json, new_host: str, tmp_path: Path
) -> None:
    """The first run is killed while an installer works. The next one waits for that, and for another installation."""
    faults = [
        raw("slow", rf"reg.exe add {FAULTS}\dotnet.exe /v hang /d 40 /f"),
        raw("busy", rf"reg.exe add {FAULTS}\wmf.msu /v exit_codes /d 1618 /f"),
    ]
    playbook.run(play(new_host, *faults))
    interrupt(playbook, new_host, variables, tmp_path)
    run = playbook.run(bootstrap(new_host), extra_vars=variables)
    looks = [result["host"] for task, _host, result in run.results if task == ROLE + "Read what the host has"]
    assert looks[0]["running"], "it was not interrupted while the installer worked"
    assert sorted(server.asked) == sorted((DOTNET, WMF[new_host])), "what was there already was fetched again"
    assert_is_5_1(playbook, new_host)


def interrupt(playbook: AnsiblePlaybook, host: str, variables: Json, folder: Path) -> None:
    """Kill a run of the role while the host works on the installation."""
    (folder / "play.yml").write_text(json.dumps(bootstrap(host)))
    (folder / "variables.json").write_text(json.dumps(variables))
    command = [str(playbook.bin_folder / "ansible-playbook"), str(folder / "play.yml")]
    command += [f"--inventory={inventory}" for inventory in INVENTORIES] + ["-e", f"@{folder / 'variables.json'}"]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            work = state_directory() / "hosts" / host / "prefix/drive_c/windows/infoprotect-bootstrap"
            deadline = time.monotonic() + 60
            # the second job is the installation
            while len(list(work.glob("job-*.ps1"))) < 2 or not (work / "running").exists():
                assert time.monotonic() < deadline, f"the installation did not begin:\n{log.read_text()}"
                time.sleep(0.2)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def assert_is_5_1(playbook: AnsiblePlaybook, host: str) -> None:
    """As modules of ansible.windows see it, which would not even run with less; and nothing is left behind."""
    subset = ["!all", "!min", "powershell_version"]
    found = playbook.run(
        play(
            host,
            {"name": "setup", "ansible.windows.setup": {"gather_subset": subset}},
            {
                "name": "dotnet",
                "ansible.windows.win_reg_stat": {"path": NDP.replace("HKLM", "HKLM:"), "name": "Release"},
            },
            *TRACE_TASKS,
        )
    )
    assert found.task("setup", host)["ansible_facts"]["ansible_powershell_version"] == 5
    assert found.task("dotnet", host)["raw_value"] == 461814
    assert_no_traces(found, host)


def assert_no_traces(run: Run, host: str) -> None:
    for name, (_line, answer) in TRACES.items():
        result = run.task(name, host)
        assert answer in result["stdout"] + result["stderr"], f"something was left behind: {result}"
