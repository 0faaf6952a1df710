"""Receipts: where they are kept, what is in them, which are refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from powershell_host import PowerShellError, PowerShellHost

APPLY = """
$plan = Get-RegistryPlan -Value @(foreach ($value in $case) { New-RegistryValue @value })
(Write-RegistryPlan -Plan $plan -Source unit).Receipt
"""
READ = "Get-Receipt -Name $case"


@pytest.fixture
def folder(powershell: PowerShellHost, key: str) -> Iterator[Path]:
    """Where receipts are kept; there is none yet."""
    parent = powershell.disk / "ProgramData/infoprotect"
    shutil.rmtree(parent, ignore_errors=True)
    yield parent / "receipts"
    if parent.is_symlink():
        parent.unlink()
    shutil.rmtree(parent, ignore_errors=True)


def write(powershell: PowerShellHost, key: str, *values: dict[str, object]) -> str:
    return powershell.run(APPLY, [{"Path": key, "Name": "a", "Data": "x"}, *values])


def test_receipt_has_what_was_and_what_is(powershell: PowerShellHost, key: str, folder: Path) -> None:
    write(powershell, key)
    path = powershell.run(
        APPLY,
        [
            {"Path": key, "Name": "a", "Data": "y"},
            {"Path": key + r"\New", "Name": "b", "Type": "dword", "Data": 7, "View": 32},
        ],
    )
    name = path.rsplit("\\", 1)[1]
    assert path.startswith("C:\\ProgramData\\infoprotect\\receipts\\000002-")
    assert path.endswith("Z-unit.json")
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    assert content["receipt"]["schema"] == 1
    assert content["receipt"]["collection"] == "infoprotect.aip"
    assert content["receipt"]["module"] == "unit"
    assert content["receipt"]["job"] == ""
    assert content["receipt"]["host"]["name"] == "UNIT-2019"
    assert content["receipt"]["host"]["machine_guid"]
    assert content["new_keys"] == [{"path": key, "view": 32}, {"path": key + r"\New", "view": 32}]
    assert content["values"] == [
        {
            "path": key,
            "view": 64,
            "name": "a",
            "name_utf16": "YQA=",
            "before": {"kind": 1, "bytes": "eAAAAA==", "text": 'string "x"'},
            "after": {"kind": 1, "bytes": "eQAAAA==", "text": 'string "y"'},
            "sensitive": False,
        },
        {
            "path": key + r"\New",
            "view": 32,
            "name": "b",
            "name_utf16": "YgA=",
            "before": None,
            "after": {"kind": 4, "bytes": "BwAAAA==", "text": "dword 0x00000007"},
            "sensitive": False,
        },
    ]
    assert [file.name for file in folder.iterdir() if not file.name.startswith("0000")] == [], "nothing temporary stays"


JOB = """
$env:INFOPROTECT_AIP_JOB = $case[1]
try {
    $plan = Get-RegistryPlan -Value (New-RegistryValue -Path $case[0] -Name a -Data x)
    $null = Write-RegistryPlan -Plan $plan -Source unit
}
finally {
    $env:INFOPROTECT_AIP_JOB = $null
}
"""


def test_receipt_has_the_job_of_awx(powershell: PowerShellHost, key: str, folder: Path) -> None:
    powershell.run(JOB, [key, "4711"])
    (file,) = folder.iterdir()
    assert json.loads(file.read_text(encoding="utf-8"))["receipt"]["job"] == "4711"


REGION = """
$before = [cultureinfo]::CurrentCulture
[cultureinfo]::CurrentCulture = [cultureinfo]::new($case[0])
try {
    $sample = [datetime]::new(2026, 1, 2, 3, 4, 5).ToString('yyyy-MM-ddTHH:mm:ss')
    $plan = Get-RegistryPlan -Value (New-RegistryValue -Path $case[1] -Name a -Data x)
    $path = (Write-RegistryPlan -Plan $plan -Source unit).Receipt
    @{ sample = $sample; path = $path; time = (Get-Receipt -Name latest).Time }
}
finally {
    [cultureinfo]::CurrentCulture = $before
}
"""


@pytest.mark.parametrize("region", ["th-TH", "fi-FI"])
def test_times_do_not_depend_on_the_region(powershell: PowerShellHost, key: str, folder: Path, region: str) -> None:
    """Years of the Buddhist era, and times with dots, in names and content."""
    found = powershell.run(REGION, [region, key])
    assert found["sample"] != "2026-01-02T03:04:05", "the engine knows the region"
    now = datetime.now(UTC)
    name = found["path"].rsplit("\\", 1)[1]
    for text, form in ((name[7:23], "%Y%m%dT%H%M%SZ"), (found["time"], "%Y-%m-%dT%H:%M:%SZ")):
        time = datetime.strptime(text, form).replace(tzinfo=UTC)
        assert abs((now - time).total_seconds()) < 600, text
    stored = json.loads((folder / name).read_text(encoding="utf-8"))["receipt"]["time"]
    assert stored == found["time"]


def test_sensitive_values_are_protected(powershell: PowerShellHost, key: str, folder: Path) -> None:
    write(powershell, key, {"Path": key, "Name": "s", "Data": "hunter1", "Sensitive": True})
    path = write(powershell, key + r"\Other", {"Path": key, "Name": "s", "Data": "hunter2", "Sensitive": True})
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        assert "hunter" not in text
        assert "aAB1AG4AdABlAHIA" not in text, "the text in UTF-16 and base64"
    script = (
        READ
        + """ | ForEach-Object { $_.Values[1] } | ForEach-Object {
    $_.Sensitive; ConvertFrom-RegistryData -Value $_.Before; ConvertFrom-RegistryData -Value $_.After
}"""
    )
    assert powershell.run(script, path) == [True, "hunter1", "hunter2"]


def test_name_that_looks_like_a_date_survives(powershell: PowerShellHost, key: str, folder: Path) -> None:
    script = """
$plan = Get-RegistryPlan -Value (New-RegistryValue -Path $case -Name 2026-01-01T00:00:00Z -Data 2026-02-02T00:00:00Z)
$receipt = Get-Receipt -Name (Write-RegistryPlan -Plan $plan -Source unit).Receipt
$receipt.Values[0].Name; ConvertFrom-RegistryData -Value $receipt.Values[0].After; $receipt.Time"""
    name, data, time = powershell.run(script, key)
    assert (name, data) == ("2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time)


def test_names_that_utf8_cannot_hold_survive(powershell: PowerShellHost, key: str, folder: Path) -> None:
    script = r"""
$name = "a" + [char]0xD800
$plan = Get-RegistryPlan -Value (New-RegistryValue -Path $case -Name $name -Data x)
$receipt = Get-Receipt -Name (Write-RegistryPlan -Plan $plan -Source unit).Receipt
[int]$receipt.Values[0].Name[1]; $receipt.Values[0].Name.Length"""
    assert powershell.run(script, key) == [0xD800, 2]


def test_folder_is_for_administrators_and_the_system_only(powershell: PowerShellHost, key: str, folder: Path) -> None:
    write(powershell, key)
    script = r"""
foreach ($path in 'C:\ProgramData\infoprotect', 'C:\ProgramData\infoprotect\receipts') {
    $security = [System.Security.AccessControl.DirectorySecurity]::new($path, 'Access')
    $rules = $security.GetAccessRules($true, $true, [System.Security.Principal.SecurityIdentifier])
    $rules | ForEach-Object { $_.IdentityReference.Value }
}"""
    accounts = set(powershell.run(script))
    assert accounts
    assert accounts.isdisjoint({"S-1-1-0", "S-1-5-11", "S-1-5-32-545", "S-1-5-7"}), (
        "everyone, authenticated users, users, anonymous"
    )
    for place in (folder, folder.parent):
        assert place.stat().st_mode & 0o007 == 0


def test_folder_of_a_foreign_owner_is_refused(powershell: PowerShellHost, key: str, folder: Path) -> None:
    folder.parent.mkdir()
    os.chown(folder.parent, 65534, 65534)
    with pytest.raises(
        PowerShellError, match=r"C:\\ProgramData\\infoprotect belongs to .*: expected the administrators.*Delete it"
    ) as error:
        write(powershell, key)
    assert "ownership" not in str(error.value), "what an ordinary user has made must not be trusted"
    assert powershell.run(r"$null -eq [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SOFTWARE\Unit')") is True


def test_receipt_of_a_foreign_owner_is_refused(powershell: PowerShellHost, key: str, folder: Path) -> None:
    path = write(powershell, key)
    os.chown(folder / path.rsplit("\\", 1)[1], 65534, 65534)
    with pytest.raises(PowerShellError, match=r"belongs to .*: expected the administrators"):
        powershell.run(READ, "latest")


def test_folder_that_lost_its_protection_gets_it_back(powershell: PowerShellHost, key: str, folder: Path) -> None:
    write(powershell, key)
    for place in (folder.parent, folder):
        place.chmod(0o777)
    write(powershell, key + r"\Other")
    for place in (folder.parent, folder):
        assert place.stat().st_mode & 0o002 == 0


def test_what_others_may_write_is_not_restored(powershell: PowerShellHost, key: str, folder: Path) -> None:
    path = write(powershell, key)
    file = folder / path.rsplit("\\", 1)[1]
    file.chmod(0o666)
    with pytest.raises(
        PowerShellError, match=r"-unit\.json lets .* write: expected a file or folder for administrators"
    ):
        powershell.run(READ, path)
    file.chmod(0o600)
    folder.chmod(0o777)
    with pytest.raises(PowerShellError, match=r"receipts lets .* write: expected a file or folder for administrators"):
        powershell.run(READ, "latest")


@pytest.mark.parametrize("path", [r"\\server\share\x.json", "//server/share/x.json"])
def test_receipt_on_another_computer_is_refused(powershell: PowerShellHost, folder: Path, path: str) -> None:
    with pytest.raises(PowerShellError, match="is on another computer: expected a receipt on a disk of this host"):
        powershell.run(READ, path)


def test_another_accounts_settings_are_not_restored(powershell: PowerShellHost, key: str, folder: Path) -> None:
    path = write(powershell, key)
    guid = powershell.run(r"(Get-ItemProperty -LiteralPath HKLM:\SOFTWARE\Microsoft\Cryptography).MachineGuid")
    own = json.loads((folder / path.rsplit("\\", 1)[1]).read_text(encoding="utf-8"))["receipt"]["account"]
    assert own.startswith("S-1-5-")
    record = {"path": "HKCU:\\SOFTWARE\\X", "view": 64, "name_utf16": "YQA=", "before": None, "after": None}
    for account, values in ((own, [record]), ("S-1-5-21-1-2-3-500", [])):
        content = change(account=account, host={"name": "UNIT-2019", "machine_guid": guid})
        (folder / "own.json").write_text(json.dumps({**content, "values": values}), encoding="utf-8")
        assert powershell.run("(Get-Receipt -Name own.json).Module") == "tls"
    (folder / "other.json").write_text(json.dumps({**content, "values": [record]}), encoding="utf-8")
    with pytest.raises(PowerShellError, match="has values below HKCU of the account 'S-1-5-21-1-2-3-500'"):
        powershell.run(READ, "other.json")


def test_first_and_newest_fifty_are_kept(powershell: PowerShellHost, key: str, folder: Path) -> None:
    script = """
foreach ($i in 1..55) {
    $plan = Get-RegistryPlan -Value (New-RegistryValue -Path $case -Name a -Type dword -Data $i)
    $null = Write-RegistryPlan -Plan $plan -Source unit
}
# The selftest removes its own, and none is removed for them.
$plan = Get-RegistryPlan -Value (New-RegistryValue -Path $case -Name a -Data 0)
$null = Write-RegistryPlan -Plan $plan -Source selftest
foreach ($name in 'first', 'latest') { [IO.Path]::GetFileName((Get-Receipt -Name $name).Path).Substring(0, 6) }"""
    assert powershell.run(script, key) == ["000001", "000055"]
    numbers = sorted(int(file.name.split("-")[0]) for file in folder.iterdir())
    assert numbers == [1, *range(6, 56), 56]


def test_what_a_killed_run_left_unfinished_is_removed(powershell: PowerShellHost, key: str, folder: Path) -> None:
    """A run that writes now may have one of the same kind; other files are not the collection's."""
    write(powershell, key)
    left, current = f"{uuid.uuid4()}.tmp", f"{uuid.uuid4()}.tmp"
    for name, hours in {left: 25, current: 1, "notes.tmp": 25}.items():
        (folder / name).write_text("{")
        modified = time.time() - hours * 3600
        os.utime(folder / name, (modified, modified))
    write(powershell, key, {"Path": key, "Name": "b", "Data": "y"})
    assert {path.name for path in folder.glob("*.tmp")} == {current, "notes.tmp"}


def test_no_receipt_yet(powershell: PowerShellHost, folder: Path) -> None:
    assert powershell.run("$null -eq (Get-Receipt -Name latest) -and $null -eq (Get-Receipt -Name first)") is True


def test_latest_is_not_what_restore_itself_has_left(powershell: PowerShellHost, key: str, folder: Path) -> None:
    path = write(powershell, key)
    restored = Path(path.rsplit("\\", 1)[1])
    (folder / "000002-20300101T000000Z-restore.json").write_bytes((folder / restored).read_bytes())
    assert powershell.run("(Get-Receipt -Name latest).Path") == path


def test_other_files_in_the_folder_do_not_count(powershell: PowerShellHost, key: str, folder: Path) -> None:
    path = write(powershell, key)
    (folder / "zzz.json").write_text("{}")
    (folder / "999999-note.json").write_text("{}")
    assert powershell.run("(Get-Receipt -Name latest).Path") == path


GOOD = {
    "receipt": {
        "schema": 1,
        "collection": "infoprotect.aip",
        "module": "tls",
        "time": "2026-01-01T00:00:00Z",
        "host": {"name": "UNIT-2019", "machine_guid": "?"},
    },
    "new_keys": [],
    "values": [],
}


def change(**changes: object) -> dict:
    return {**GOOD, "receipt": {**GOOD["receipt"], **changes}}


BAD = {
    "text.json": ("not json", "is no receipt of infoprotect.aip: it is not JSON"),
    "empty.json": ("", "is no receipt of infoprotect.aip"),
    "list.json": ([], "is no receipt of infoprotect.aip"),
    "other.json": ({"a": 1}, "is no receipt of infoprotect.aip"),
    "collection.json": (change(collection="somebody.else"), "is no receipt of infoprotect.aip"),
    "version.json": (change(schema=2), "has version '2': expected version 1"),
    "host.json": (
        change(host={"name": "OTHER", "machine_guid": "elsewhere"}),
        r"belongs to another host \('OTHER'\): expected one of this host \('UNIT-2019'\)",
    ),
    "renamed.json": (
        change(host={"name": "OLD", "machine_guid": "?"}),
        "belongs to 'OLD': expected 'UNIT-2019'. If the host was renamed",
    ),
    "view.json": (
        {
            **GOOD,
            "values": [{"path": "HKLM:\\SOFTWARE\\X", "view": 16, "name_utf16": "YQA=", "before": None, "after": None}],
        },
        "a record has no path, name or view",
    ),
    "new_keys.json": ({**GOOD, "new_keys": [{"path": 5, "view": 64}]}, "is no receipt .* a new key has no path"),
    "values.json": ({**GOOD, "values": [7]}, "is no receipt .* a record has no path, name or view"),
    "long.json": ("[" * 100_000, "is no receipt of infoprotect.aip"),
    "bytes.json": (
        {
            **GOOD,
            "values": [
                {
                    "path": "HKLM:\\SOFTWARE\\X",
                    "view": 64,
                    "name": "a",
                    "before": {"kind": 1, "bytes": "%"},
                    "after": None,
                }
            ],
        },
        "is no receipt",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_receipt_of_this_host_is_refused(
    powershell: PowerShellHost, key: str, folder: Path, name: str
) -> None:
    write(powershell, key)
    content, expected = BAD[name]
    guid = powershell.run(r"(Get-ItemProperty -LiteralPath HKLM:\SOFTWARE\Microsoft\Cryptography).MachineGuid")
    text = content if isinstance(content, str) else json.dumps(content).replace('"?"', json.dumps(guid))
    (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(PowerShellError, match=expected):
        powershell.run(READ, name)


def test_renamed_host_is_accepted_when_asked_to(powershell: PowerShellHost, key: str, folder: Path) -> None:
    write(powershell, key)
    guid = powershell.run(r"(Get-ItemProperty -LiteralPath HKLM:\SOFTWARE\Microsoft\Cryptography).MachineGuid")
    (folder / "renamed.json").write_text(
        json.dumps(change(host={"name": "OLD", "machine_guid": guid})), encoding="utf-8"
    )
    assert powershell.run("(Get-Receipt -Name renamed.json -Force).Module") == "tls"


def test_missing_receipt(powershell: PowerShellHost, folder: Path) -> None:
    with pytest.raises(
        PowerShellError, match=r"There is no receipt C:\\nowhere\\x.json: expected a file, 'latest' or 'first'"
    ):
        powershell.run(READ, r"C:\nowhere\x.json")


def test_a_receipt_elsewhere_is_read_only_by_force(powershell: PowerShellHost, key: str, folder: Path) -> None:
    """Whoever can write the folder can put another file there between the check and the reading."""
    path = write(powershell, key)
    name = path.rsplit("\\", 1)[1]
    elsewhere = folder.parents[1] / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / name).write_bytes((folder / name).read_bytes())
    for text in (rf"C:\ProgramData\elsewhere\{name}", rf"..\..\elsewhere\{name}"):
        with pytest.raises(
            PowerShellError, match=r"is outside of the receipts' own folder: expected a file in C:\\Prog"
        ):
            powershell.run(READ, text)
        assert powershell.run(f"({READ} -Force).Module", text) == "unit"
    assert powershell.run(f"({READ}).Module", rf"C:\programdata\.\infoprotect\RECEIPTS\{name}") == "unit"


def test_what_is_checked_is_what_is_read(powershell: PowerShellHost, key: str, folder: Path) -> None:
    path = write(powershell, key)
    script = """
$stream = Open-TrustedFile -Path $case
$actions = { [IO.File]::Delete($case) }, { [IO.File]::WriteAllText($case, "x") },
    { [IO.File]::Move($case, "$case.old") }
foreach ($action in $actions) {
    try { & $action; 'done' } catch { $_.Exception.GetBaseException().GetType().Name }
}
$stream.Dispose()"""
    assert set(powershell.run(script, path)) <= {"IOException", "UnauthorizedAccessException"}


def test_a_receipt_that_cannot_be_written_leaves_nothing(powershell: PowerShellHost, key: str, folder: Path) -> None:
    write(powershell, key)
    before = sorted(folder.iterdir())
    script = """
$stream = [IO.FileStream]::new("$case\\x.tmp", 'CreateNew', 'Write', 'None')
$write = { param($path) Write-WholeFile -Path $path -Bytes (1, 2) }
try { & (Get-Module _Receipt) $write "$case\\x.tmp" } finally { $stream.Dispose() }"""
    with pytest.raises(
        PowerShellError, match="The receipt of the previous values cannot be written, so no value was: "
    ):
        powershell.run(script, r"C:\ProgramData\infoprotect\receipts")
    (folder / "x.tmp").unlink(missing_ok=True)
    assert sorted(folder.iterdir()) == before


def test_a_receipt_that_cannot_be_named_leaves_nothing(powershell: PowerShellHost, key: str, folder: Path) -> None:
    """It is written, and then something about the folder is wrong."""
    write(powershell, key)
    before = sorted(folder.iterdir())
    script = """
& (Get-Module _Receipt) {
    function Get-ReceiptFile { throw 'the folder is not ours' }
    New-Receipt -Change @([pscustomobject]@{ Path = $args[0]; View = 64; Name = 'a'; Sensitive = $false }) -Source unit
} $case"""
    with pytest.raises(PowerShellError, match="the folder is not ours"):
        powershell.run(script, key)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["a\0b", "a|b"])
def test_a_name_that_is_none_is_refused(powershell: PowerShellHost, folder: Path, name: str) -> None:
    with pytest.raises(
        PowerShellError, match=r"There is no receipt|expected a path|outside of the receipts' own folder"
    ):
        powershell.run(READ, name)
