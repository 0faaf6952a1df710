"""The logs of the protection service: a file for each day, downloaded once, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import ChangedTenant
from powershell_host import PowerShellHost

Json = dict[str, Any]
ADMIN = {"username": "admin@contoso.test", "password": "Winfleet!tenant"}
LOG = "#Software: RMS\r\n#Version: 1.1\r\n#Fields: date\ttime\r\n2026-11-01\t10:00:00\r\n"
DAYS = [f"2026-11-0{day}" for day in (1, 2, 3)]


@pytest.fixture
def folder(powershell: PowerShellHost, changed: ChangedTenant) -> Iterator[Path]:
    """Where logs go; it does not exist yet. The service has usage of the first and the third day."""
    with changed() as tenant:
        tenant["usage"] = {DAYS[0]: LOG, DAYS[2]: LOG, "2026-11-04": LOG}
        tenant["admin_log"] = [
            {"time": f"{DAYS[1]}T23:59:58Z", "account": "a@b.c", "command": "Enable-AipService", "outcome": "Passed"}
        ]
    yield powershell.disk / "logs"
    powershell.run(r"Remove-Item -Recurse -LiteralPath C:\logs -ErrorAction Ignore")


def logs(powershell: PowerShellHost, *, check: bool = False, **options: Any) -> Json:
    given = ADMIN | {"path": r"C:\logs", "from": DAYS[0], "to": DAYS[2]} | options
    return powershell.module("protection_service_log", given, check=check)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_day_is_downloaded_once(powershell: PowerShellHost, changed: ChangedTenant, folder: Path) -> None:
    assert logs(powershell, check=True)["changed"] and names(folder) == []
    assert not logs(powershell, check=True, kinds=["usage"])["changed"]
    result = logs(powershell)
    assert not result.get("failed"), result["msg"]
    expected = [*(f"adminlog-{day}.log" for day in DAYS), f"rmslog-{DAYS[0]}.log", f"rmslog-{DAYS[2]}.log"]
    assert result["changed"] and names(folder) == expected and result["without_log"] == [DAYS[1]]
    assert (folder / expected[3]).read_bytes() == LOG.encode()
    admin = (folder / f"adminlog-{DAYS[1]}.log").read_text(encoding="utf-8")
    assert admin.split("\t")[:4] == [f"{DAYS[1]}T23:59:58", "a@b.c", "Enable-AipService", "Passed"]
    assert (folder / f"adminlog-{DAYS[0]}.log").read_text(encoding="utf-8") == ""
    again = logs(powershell)
    assert not again["changed"] and again["missing"] == [rf"C:\logs\rmslog-{DAYS[1]}.log"]
    assert not logs(powershell, to=DAYS[0], password="wrong-password").get("failed"), "nobody had to sign in"


def test_a_command_that_fails_is_in_the_admin_log(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    script = """
        Import-Module -Name AIPService
        $password = ConvertTo-SecureString -String $case.password -AsPlainText -Force
        $null = Connect-AipService -Credential ([pscredential]::new($case.username, $password))
        try { $null = Set-AipServiceSuperUserGroup -GroupEmailAddress $case.group } catch { $_.Exception.Message }
        $null = Disconnect-AipService
    """
    for group in ("nobody@contoso.test", "superusers@contoso.test"):
        failure = powershell.run(script, ADMIN | {"group": group})
        assert ("was not found" in str(failure)) is (group == "nobody@contoso.test"), failure
    with changed() as tenant:
        log = [(one["account"], one["command"], one["outcome"]) for one in tenant["admin_log"]]
        assert tenant["super_user_group"] == "superusers@contoso.test"
    command = (ADMIN["username"], "Set-AipServiceSuperUserGroup")
    assert log == [(*command, "Failed"), (*command, "Passed")]


def test_again_by_force_replaces_what_differs(powershell: PowerShellHost, changed: ChangedTenant, folder: Path) -> None:
    logs(powershell)
    (folder / f"rmslog-{DAYS[0]}.log").write_text("cut off", encoding="utf-8")
    assert logs(powershell, force=True)["changed"]
    assert (folder / f"rmslog-{DAYS[0]}.log").read_bytes() == LOG.encode()
    assert not logs(powershell, force=True)["changed"]


def test_failure_leaves_whole_files_only(powershell: PowerShellHost, changed: ChangedTenant, folder: Path) -> None:
    with changed() as tenant:
        tenant["calls_left"] = 3
    result = logs(powershell)
    assert result["failed"] and result["changed"] and "The access token has expired" in result["msg"]
    assert "The days before are complete" in result["msg"]
    assert names(folder) == [f"adminlog-{DAYS[0]}.log", f"adminlog-{DAYS[1]}.log", f"rmslog-{DAYS[0]}.log"]
    with changed() as tenant:
        del tenant["calls_left"]
        tenant["usage"][DAYS[2]] = "<html>"
    assert "expected a usage log (#Software: RMS)" in logs(powershell)["msg"]
    assert not [name for name in names(folder) if "download" in name or (DAYS[2] in name and "rms" in name)]


def test_today_and_later_is_not_there_yet(powershell: PowerShellHost, changed: ChangedTenant, folder: Path) -> None:
    today = datetime.now(UTC).date()
    with changed() as tenant:
        tenant["usage"] = {f"{today - timedelta(days)}": LOG for days in range(3)}
    result = logs(powershell, **{"from": f"{today - timedelta(1)}", "to": f"{today + timedelta(5)}"}, kinds=["usage"])
    assert names(folder) == [f"rmslog-{today - timedelta(1)}.log"] and not result.get("failed")
    assert not logs(powershell, **{"from": f"{today}"}, to=f"{today}").get("failed")


REFUSED: list[tuple[Json, str]] = [
    ({"from": "1.11.2026"}, "from is '1.11.2026': expected a day such as 2026-11-01"),
    ({"to": "2026-10-31"}, "to is '2026-10-31': expected a day that is not before from"),
    ({"from": "2020-01-01"}, "expected 366 days at most, found"),
    ({"path": "logs"}, "path is 'logs': expected the full path"),
    ({"path": r"C:\unit\driver.ps1"}, "expected a folder, found a file"),
    ({"username": "mfa@contoso.test"}, "requires multi-factor authentication"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_what_is_refused(powershell: PowerShellHost, folder: Path, options: Json, message: str) -> None:
    result = logs(powershell, **options)
    assert result["failed"] and message in result["msg"] and names(folder) == []
