"""Properties that hold for any values on the host and any desired values."""

from __future__ import annotations

from typing import Any

from hostile import as_option, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from powershell_host import PowerShellHost

PATH = r"HKLM:\SOFTWARE\Unit"
KEYS = [r"HKLM\SOFTWARE\Unit", r"HKLM\SOFTWARE\WOW6432Node\Unit"]
LONG, LONG32 = (key.replace("HKLM", "HKEY_LOCAL_MACHINE") for key in KEYS)
EMPTY = r"""
foreach ($view in 'Registry64', 'Registry32') {
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $view)
    $base.DeleteSubKeyTree('SOFTWARE\Unit', $false)
    $base.Dispose()
}
"""
APPLY = """
function Get-Plan { Get-RegistryPlan -Value @(foreach ($value in $case) { New-RegistryValue @value }) }
$plan = Get-Plan
$done = if ($plan.Changes.Count) { Write-RegistryPlan -Plan $plan -Source unit }
@{
    changed = [object[]]@($plan.Changes | ForEach-Object { "$($_.View) $($_.Path) $($_.Name)" })
    again = (Get-Plan).Changes.Count
    receipt = $done.Receipt
}
"""
RESTORE = """
$plan = Get-RestorePlan -Receipt (Get-Receipt -Name $case)
$null = Write-RegistryPlan -Plan $plan -Source restore
$rest = Get-RestorePlan -Receipt (Get-Receipt -Name $case)
$plan.Foreign.Count, $plan.Kept.Count, $rest.Changes.Count
"""
#: The write with this number fails, and none after it, so that what was written can be undone
FAIL = """
& (Get-Module -Name _Registry) {
    $script:left = $args[0]
    if (-not (Test-Path -LiteralPath function:script:Real)) {
        ${function:script:Real} = ${function:Set-RawRegistryValue}
    }
    ${function:script:Set-RawRegistryValue} = {
        param ($Key, [string]$Name, $Value)
        $script:left--
        if ($script:left -eq 0) { throw 'disk on fire' }
        Real -Key $Key -Name $Name -Value $Value
    }
} $case
"""
MEND = "& (Get-Module -Name _Registry) { ${function:script:Set-RawRegistryValue} = ${function:script:Real} }"

thorough = settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ANY = values(PATH, count=8)
Wanted = list[dict[str, Any]]


def prepared(powershell: PowerShellHost, given: Wanted) -> None:
    """The key has these values and no others."""
    powershell.run(EMPTY)
    powershell.run(APPLY, [as_option(value) for value in given])


@thorough
@given(first=ANY, second=ANY)
def test_any_values(powershell: PowerShellHost, first: Wanted, second: Wanted) -> None:
    """They are written as wanted, a second time nothing is; restore brings back what was there."""
    prepared(powershell, first)
    before = powershell.registry(*KEYS)
    applied = powershell.run(APPLY, [as_option(value) for value in second])
    after = powershell.registry(*KEYS)
    assert applied["again"] == 0
    assert bool(applied["receipt"]) == bool(applied["changed"]) == (before != after)
    named = set()
    for value in second:
        root = (LONG32 if value["view"] == "32" else LONG) + value["path"].removeprefix(PATH)
        named.add((root, value["name"].lower()))
        found = {name.lower(): data for name, data in after.get(root, {}).items()}.get(value["name"].lower())
        assert found == (None if value.get("state") == "absent" else (value["type"], value["data"])), value
    others = [
        {
            (key, name): data
            for key, data_of in seen.items()
            for name, data in data_of.items()
            if (key, name.lower()) not in named
        }
        for seen in (before, after)
    ]
    assert others[0] == others[1], "a value that is not wanted was changed"
    if applied["changed"]:
        assert powershell.run(RESTORE, applied["receipt"]) == [0, 0, 0]
        assert powershell.registry(*KEYS) == before


@thorough
@given(first=ANY, second=ANY, number=st.integers(1, 25))
def test_any_write_that_fails(powershell: PowerShellHost, first: Wanted, second: Wanted, number: int) -> None:
    """All that was written before it is undone, keys as well, and no receipt is left of it."""
    prepared(powershell, first)
    receipts = r"@(Get-ChildItem -LiteralPath C:\ProgramData\infoprotect\receipts -ErrorAction Ignore).Name"
    before, kept = powershell.registry(*KEYS), powershell.run(receipts)
    powershell.run(FAIL, number)
    try:
        (result,) = powershell.each(APPLY, [[as_option(value) for value in second]])
    finally:
        powershell.run(MEND)
    if isinstance(result, str):
        assert "disk on fire. Everything that had been written was undone." in result
        assert powershell.registry(*KEYS) == before
        assert set(powershell.run(receipts)) <= set(kept)
    else:
        assert len(result["changed"]) < number, "the write did not fail"
