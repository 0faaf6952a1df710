"""The engine: plan, write, read back, undo, restore."""

from __future__ import annotations

import pytest
from powershell_host import PowerShellError, PowerShellHost

NAMES = [
    "",
    "plain",
    "with space",
    "é😀",
    "soft\u00adhyphen",
    "left\u200eright",
    "quote'\"`$x",
    "[a]*?",
    r"back\slash",
    "%x%",
    "a;b,c=d",
    "x" * 16383,
    "tab\tline\n",
]

# Builds desired values of hashtables and carries them out.
APPLY = """
$wanted = foreach ($value in $case.values) { New-RegistryValue @value }
$plan = Get-RegistryPlan -Value $wanted -Purge $case.purge
$done = if ($plan.Changes.Count) { Write-RegistryPlan -Plan $plan -Source unit }
$changes = ConvertTo-ChangeResult -Change $plan.Changes
@{ changes = $changes; count = $plan.Count; receipt = $done.Receipt; diff = Get-RegistryDiff -Plan $plan }
"""

# Every value of the key in both views, as .NET sees them, not the engine.
READ = r"""
foreach ($view in 'Registry64', 'Registry32') {
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $view)
    $key = $base.OpenSubKey('SOFTWARE\Unit')
    $all = @{}
    if ($key) {
        foreach ($name in $key.GetValueNames()) {
            $all["$($key.GetValueKind($name)) $name"] = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
        }
        $all['subkeys'] = @($key.GetSubKeyNames())
    }
    $all
}
"""


def value(key: str, name: str = "", data: object = None, **more: object) -> dict[str, object]:
    return {"Path": key, "Name": name, "Data": data, **more}


def test_writes_once_and_restores(powershell: PowerShellHost, key: str) -> None:
    values = [
        value(key, "text", "a"),
        value(key, "expand", "%SystemRoot%", Type="expandstring"),
        value(key, "list", ["a", "b"], Type="multistring"),
        value(key, "number", 4294967295, Type="dword"),
        value(key, "long", "0xFFFFFFFFFFFFFFFF", Type="qword"),
        value(key, "bytes", "00ff", Type="binary"),
        value(key, "nothing", Type="none"),
        value(key, "text", "b", View=32),
        value(key + r"\Sub\Deep", "", "default"),
    ]
    first = powershell.run(APPLY, {"values": values})
    assert [change["name"] for change in first["changes"]] == [
        "text",
        "expand",
        "list",
        "number",
        "long",
        "bytes",
        "nothing",
        "text",
        "",
    ]
    assert all(change["before"] is None for change in first["changes"])
    assert first["changes"][7] == {
        "path": key,
        "name": "text",
        "view": 32,
        "before": None,
        "after": {"type": "string", "data": "b"},
    }
    assert powershell.run(READ) == [
        {
            "String text": "a",
            "ExpandString expand": "%SystemRoot%",
            "MultiString list": ["a", "b"],
            "DWord number": -1,
            "QWord long": -1,
            "Binary bytes": [0, 255],
            "None nothing": [],
            "subkeys": ["Sub"],
        },
        {"String text": "b", "subkeys": []},
    ]
    again = powershell.run(APPLY, {"values": values})
    assert again["changes"] == []
    assert again["receipt"] is None
    assert again["diff"]["before"] == again["diff"]["after"] == ""

    plan = "$plan = Get-RestorePlan -Receipt (Get-Receipt -Name $case); "
    restore = plan + "Write-RegistryPlan -Plan $plan -Source restore; $plan.Foreign.Count"
    assert powershell.run(restore, first["receipt"])[1] == 0
    assert powershell.run(READ) == [{}, {}]
    counts = plan + "$plan.Changes.Count; $plan.EmptyKeys.Count; $plan.Foreign.Count"
    assert powershell.run(counts, first["receipt"]) == [0, 0, 0]


def test_names_and_data_of_any_content_survive(powershell: PowerShellHost, key: str) -> None:
    values = [value(key, name, name.replace("\0", "") or "d") for name in NAMES]
    done = powershell.run(APPLY, {"values": values})
    assert [change["name"] for change in done["changes"]] == NAMES
    found = powershell.run(READ)[0]
    found.pop("subkeys")
    assert found == {f"String {name}": name or "d" for name in NAMES}
    assert powershell.run(APPLY, {"values": values})["changes"] == []
    lines = done["diff"]["after"].split("\n")
    assert len(lines) == len(NAMES) + 1, "one line for each value"


def test_a_megabyte_survives(powershell: PowerShellHost, key: str) -> None:
    values = [value(key, "text", "é" * 500_000), value(key, "bytes", "5a" * 1_000_000, Type="binary")]
    assert len(powershell.run(APPLY, {"values": values})["changes"]) == 2
    sizes = powershell.run(
        r"$key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SOFTWARE\Unit');"
        " 'text', 'bytes' | ForEach-Object { $key.GetValue($_).Length }"
    )
    assert sizes == [500_000, 1_000_000]
    assert powershell.run(APPLY, {"values": values})["changes"] == []


def test_data_is_compared_ordinally(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, "a", "ab"), value(key, "b", "x")]})
    done = powershell.run(APPLY, {"values": [value(key, "a", "a\u00adb"), value(key, "B", "X")]})
    assert [change["name"] for change in done["changes"]] == ["a", "B"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"Name": "a", "Data": "x"}, {"Name": "A", "Data": "y"}),
        ({"Name": "a", "Data": "x"}, {"Name": "a", "State": "absent"}),
        ({"Name": "a", "Data": "1"}, {"Name": "a", "Data": 1, "Type": "dword"}),
        (
            {"Name": "a", "Data": "x", "View": 32},
            {"Name": "a", "Data": "y", "Path": r"HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\unit"},
        ),
    ],
)
def test_one_value_wanted_in_two_ways_is_refused(
    powershell: PowerShellHost, key: str, first: dict, second: dict
) -> None:
    with pytest.raises(PowerShellError, match="the value is wanted twice, in two ways"):
        powershell.run(APPLY, {"values": [{"Path": key, **first}, {"Path": key, **second}]})
    assert powershell.run(READ) == [{}, {}]


def test_one_value_wanted_twice_alike_is_one(powershell: PowerShellHost, key: str) -> None:
    done = powershell.run(APPLY, {"values": [value(key, "a", "x"), value(key.lower(), "A", "x")]})
    assert done["count"] == 1
    assert len(done["changes"]) == 1


def test_absent_removes_the_value_and_no_key(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, "a", "x")]})
    gone = {
        "values": [
            {"Path": key, "Name": "a", "State": "absent"},
            {"Path": key + r"\No", "Name": "b", "State": "absent"},
        ]
    }
    assert [change["after"] for change in powershell.run(APPLY, gone)["changes"]] == [None]
    assert powershell.run(READ)[0] == {"subkeys": []}


def test_purge_removes_what_is_not_wanted(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, name, "x") for name in ("http://a", "HTTP://b", "c", "", "kept")]})
    purge = [{"path": key, "view": 64, "match": "^http", "keep": ["http://B"], "sensitive": False}]
    assert [c["name"] for c in powershell.run(APPLY, {"values": [], "purge": purge})["changes"]] == ["http://a"]
    purge = [
        {"path": key, "view": "64", "match": "", "keep": ["KEPT"], "sensitive": False},
        {"path": key + r"\No", "view": "64"},
    ] * 2
    done = powershell.run(APPLY, {"values": [value(key, "C", "x")], "purge": purge})
    assert [c["name"] for c in done["changes"]] == ["", "HTTP://b"]
    assert set(powershell.run(READ)[0]) == {"String c", "String kept", "subkeys"}


def test_purge_with_a_bad_expression_is_refused(powershell: PowerShellHost, key: str) -> None:
    with pytest.raises(PowerShellError, match=r"purge of 'HKLM:\\SOFTWARE\\Unit': match '\(' is no regular expression"):
        powershell.run(APPLY, {"values": [], "purge": [{"path": key, "view": 64, "match": "("}]})


def test_diff_is_sorted_and_reads_well(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, "b", 1, Type="dword")]})
    done = powershell.run(
        APPLY,
        {
            "values": [
                value(key, "b", 2, Type="dword"),
                value(key, "", "x"),
                value(key, "s", "hunter2", Sensitive=True),
                value(key, "a", "y", View=32),
            ]
        },
    )
    assert done["diff"]["before"].splitlines() == [
        r'HKLM:\SOFTWARE\Unit "b" = dword 0x00000001',
        r'HKLM:\SOFTWARE\Unit "s" = (absent)',
        r'HKLM:\SOFTWARE\Unit (32-bit view) "a" = (absent)',
        r"HKLM:\SOFTWARE\Unit (default) = (absent)",
    ]
    assert done["diff"]["after"].splitlines() == [
        r'HKLM:\SOFTWARE\Unit "b" = dword 0x00000002',
        r'HKLM:\SOFTWARE\Unit "s" = string (sensitive, as wanted)',
        r'HKLM:\SOFTWARE\Unit (32-bit view) "a" = string "y"',
        r'HKLM:\SOFTWARE\Unit (default) = string "x"',
    ]
    assert "hunter2" not in str(done)


def test_reading_needs_no_right_to_write(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, "a", "x")]})
    with powershell.denied(r"SOFTWARE\Unit", "SetValue, CreateSubKey, Delete"):
        plan = "(Get-RegistryPlan -Value (New-RegistryValue -Path $case -Name a -Data y)).Changes.Count"
        assert powershell.run(plan, key) == 1
        assert powershell.run(APPLY, {"values": [value(key, "a", "x")]})["changes"] == []


def test_denied_keys_are_all_named_and_nothing_is_written(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key + rf"\{name}", "a", "x") for name in ("One", "Two", "Three")]})
    rights = "SetValue, CreateSubKey, Delete"
    values = [
        value(key + r"\One", "a", "y"),
        value(key + r"\Two", "a", "y"),
        value(key + r"\Three\New\Deep", "a", "y"),
    ]
    with powershell.denied(r"SOFTWARE\Unit\Two", rights), powershell.denied(r"SOFTWARE\Unit\Three", rights):
        with pytest.raises(PowerShellError) as error:
            powershell.run(APPLY, {"values": values})
        assert "Cannot open for writing, so nothing was written" in str(error.value)
        assert r"HKLM:\SOFTWARE\Unit\Two: " in str(error.value)
        assert r"HKLM:\SOFTWARE\Unit\Three: " in str(error.value)
        one = r"[Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SOFTWARE\Unit\One').GetValue('a')"
        assert powershell.run(one) == "x"


def test_unreadable_keys_are_reported(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, "a", "x")]})
    with powershell.denied(r"SOFTWARE\Unit", "QueryValues"):
        unreadable = powershell.run(
            "(Get-RegistryPlan -Value (New-RegistryValue -Path $case -Name a -Data y)).Unreadable", key
        )
        assert unreadable["what"] == key
        assert unreadable["reason"]


# Replaces the engine's one function that writes: the nth value named 'bad' fails or is changed on its way.
BREAK = """
& (Get-Module -Name _Registry) {
    if (-not (Test-Path -LiteralPath function:script:Real)) {
        ${function:script:Real} = ${function:Set-RawRegistryValue}
    }
    $body = "param (`$Key, [string]`$Name, `$Value)`n" + $args[0]
    ${function:script:Set-RawRegistryValue} = [scriptblock]::Create($body)
} $case
"""
MEND = "& (Get-Module -Name _Registry) { ${function:script:Set-RawRegistryValue} = ${function:script:Real} }"
STATE = r"""
$key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SOFTWARE\Unit')
'a', 'b', 'bad' | ForEach-Object { $key.GetValue($_) }
"""
BATCH = [("a", "new"), ("b", "new"), ("bad", "new")]


@pytest.fixture
def broken(powershell: PowerShellHost, key: str) -> object:
    """Sets what the engine does when it writes; the key has the values a (old) and bad (old)."""
    powershell.run(APPLY, {"values": [value(key, "a", "old"), value(key, "bad", "old")]})

    def breaks(body: str) -> str:
        powershell.run(BREAK, body)
        with pytest.raises(PowerShellError) as error:
            powershell.run(
                APPLY, {"values": [value(key, *one) for one in BATCH] + [value(key + r"\Made\Here", "bad", "x")]}
            )
        return str(error.value)

    yield breaks
    powershell.run(MEND)


def test_failed_write_undoes_the_earlier_ones(powershell: PowerShellHost, broken) -> None:
    count = "@([IO.Directory]::GetFiles('C:\\ProgramData\\infoprotect\\receipts')).Count"
    before = powershell.run(count)
    message = broken("if ($Name -eq 'bad') { throw 'disk on fire' }; Real -Key $Key -Name $Name -Value $Value")
    assert message == r"HKLM:\SOFTWARE\Unit\bad: disk on fire. Everything that had been written was undone."
    assert powershell.run(STATE) == ["old", None, "old"]
    assert powershell.run(count) == before, "the receipt of what did not happen stays"


def test_keys_made_by_a_failed_call_are_removed(powershell: PowerShellHost, broken) -> None:
    message = broken(
        r"if ($Key.Name -like '*\Here') { throw 'disk on fire' }; Real -Key $Key -Name $Name -Value $Value"
    )
    assert message == r"HKLM:\SOFTWARE\Unit\Made\Here\bad: disk on fire. Everything that had been written was undone."
    assert powershell.run(STATE) == ["old", None, "old"]
    assert powershell.run(READ)[0]["subkeys"] == []


def test_value_that_reads_back_differently_is_undone(powershell: PowerShellHost, broken) -> None:
    body = r"""
if ($Name -eq 'bad' -and $Value -and $Value.Bytes[0] -eq [byte][char]'n') {
    $Value = ConvertTo-RegistryData -Type string -Data other
}
Real -Key $Key -Name $Name -Value $Value"""
    message = broken(body)
    assert 'reads back differently from what was written: expected string "new", found string "other"' in message
    assert message.endswith("Everything that had been written was undone.")
    assert powershell.run(STATE) == ["old", None, "old"]


def test_undo_never_overwrites_what_somebody_else_changed(powershell: PowerShellHost, broken) -> None:
    body = r"""
if ($Name -eq 'bad') {
    [Microsoft.Win32.Registry]::SetValue('HKEY_LOCAL_MACHINE\SOFTWARE\Unit', 'a', 'somebody')
    throw 'disk on fire'
}
Real -Key $Key -Name $Name -Value $Value"""
    message = broken(body)
    assert (
        "Undoing what had been written failed for: HKLM:\\SOFTWARE\\Unit\\a: somebody else has changed it since"
        in message
    )
    assert "has the values as they were" in message
    assert powershell.run(STATE) == ["somebody", None, "old"]


def test_undo_that_fails_is_reported_value_by_value(powershell: PowerShellHost, broken) -> None:
    body = r"""
if ($Name -eq 'bad') { $script:fire = $true }
if ($script:fire) { throw 'disk on fire' }
Real -Key $Key -Name $Name -Value $Value"""
    message = broken(body)
    assert message.startswith(r"HKLM:\SOFTWARE\Unit\bad: disk on fire. Undoing what had been written failed for: ")
    assert r"HKLM:\SOFTWARE\Unit\b: disk on fire; HKLM:\SOFTWARE\Unit\a: disk on fire" in message
    receipt = message.split("The receipt ")[1].split(" has the values")[0]
    powershell.run("& (Get-Module -Name _Registry) { $script:fire = $false }")
    powershell.run(MEND)
    powershell.run(
        "$plan = Get-RestorePlan -Receipt (Get-Receipt -Name $case);"
        " $null = Write-RegistryPlan -Plan $plan -Source restore",
        receipt,
    )
    assert powershell.run(STATE) == ["old", None, "old"]


def test_result_of_an_undo_that_fails_says_changed_and_names_the_receipt(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, "a", "old"), value(key, "bad", "old")]})
    body = """
if ($Name -eq 'bad') { $script:fire = $true }
if ($script:fire) { throw 'disk on fire' }
Real -Key $Key -Name $Name -Value $Value"""
    script = """
$module = [pscustomobject]@{ Result = @{}; Diff = @{}; DiffMode = $false; CheckMode = $false; ModuleName = 'unit' }
$plan = Get-RegistryPlan -Value @('a', 'bad' | ForEach-Object { New-RegistryValue -Path $case -Name $_ -Data new })
$message = try { Invoke-RegistryPlan -Module $module -Plan $plan } catch { $_.Exception.Message }
@{ message = $message; changed = $module.Result.changed; receipt = $module.Result.receipt }"""
    powershell.run(BREAK, body)
    try:
        found = powershell.run(script, key)
    finally:
        powershell.run(MEND)
        powershell.run("& (Get-Module -Name _Registry) { $script:fire = $false }")
    assert "Undoing what had been written failed for: " in found["message"]
    assert found["changed"] is True
    assert f"The receipt {found['receipt']} has the values" in found["message"]


def test_key_that_cannot_be_made_undoes_all(powershell: PowerShellHost, key: str) -> None:
    powershell.run(
        r"$key = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\Unit');"
        " $null = $key.CreateSubKey('Volatile', $true, 'Volatile')"
    )
    values = [value(key, "a", "x"), value(key + r"\Other", "a", "x"), value(key + r"\Volatile\Stays\Here", "a", "x")]
    with pytest.raises(PowerShellError) as error:
        powershell.run(APPLY, {"values": values})
    assert str(error.value).startswith(r"HKLM:\SOFTWARE\Unit\Volatile\Stays\Here\a: ")
    assert str(error.value).endswith("Everything that had been written was undone.")
    assert powershell.run(READ)[0] == {"subkeys": ["Volatile"]}


RESTORE = """
$plan = Get-RestorePlan -Receipt (Get-Receipt -Name $case.receipt) -Force:([bool]$case.force)
if (-not $plan.Foreign.Count) { $null = Write-RegistryPlan -Plan $plan -Source restore }
@{ foreign = @($plan.Foreign); kept = @($plan.Kept); changes = $plan.Changes.Count }
"""
SET = "[Microsoft.Win32.Registry]::SetValue('HKEY_LOCAL_MACHINE\\SOFTWARE\\Unit', $case[0], $case[1])"


def test_restore_leaves_what_somebody_changed_unless_forced(powershell: PowerShellHost, key: str) -> None:
    powershell.run(APPLY, {"values": [value(key, "a", "old"), value(key, "b", "old")]})
    receipt = powershell.run(APPLY, {"values": [value(key, "a", "new"), value(key, "b", "new")]})["receipt"]
    powershell.run(SET, ["a", "somebody"])
    found = powershell.run(RESTORE, {"receipt": receipt})
    assert found["foreign"] == [
        {"path": key, "view": 64, "name": "a", "reason": "changed since the receipt was written"}
    ]
    assert powershell.run(STATE)[:2] == ["somebody", "new"]
    powershell.run(SET, ["a", "old"])
    assert powershell.run(RESTORE, {"receipt": receipt})["changes"] == 1, "a value that is as it was needs nothing"
    powershell.run(SET, ["a", "somebody"])
    assert powershell.run(RESTORE, {"receipt": receipt, "force": True})["foreign"] == []
    assert powershell.run(STATE)[:2] == ["old", "old"]


def test_restore_keeps_keys_that_are_not_empty(powershell: PowerShellHost, key: str) -> None:
    receipt = powershell.run(APPLY, {"values": [value(key + r"\Deep", "x", "1")]})["receipt"]
    powershell.run(SET, ["other", "somebody's"])
    assert powershell.run(RESTORE, {"receipt": receipt})["kept"] == [
        {"path": key, "view": 64, "name": None, "reason": "the key is not empty"}
    ]
    assert powershell.run(READ)[0] == {"String other": "somebody's", "subkeys": []}


def test_types_that_dotnet_does_not_know_are_restored_to_the_byte(powershell: PowerShellHost, key: str) -> None:
    write = r"""
$k = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\Unit')
$n = 'ansible_collections.infoprotect.aip.plugins.module_utils._Native'
$odd = @{ odd = 8, '0102'; unterminated = 1, '6100'; short = 4, 'ff'; half = 1, '610062' }
$raw, $registry = "$n.RawValue", "$n.RawRegistry" | ForEach-Object { $_ -as [type] }
foreach ($name in $odd.Keys) {
    $registry::Write($k.Handle, $name, $raw::new($odd[$name][0], $raw::FromHex($odd[$name][1])))
}
"""
    read = r"""
$k = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SOFTWARE\Unit')
foreach ($name in 'odd', 'unterminated', 'short', 'half') {
    $v = [ansible_collections.infoprotect.aip.plugins.module_utils._Native.RawRegistry]::Read($k.Handle, $name)
    "$($v.Kind) $([BitConverter]::ToString($v.Bytes))"
}
"""
    powershell.run(write)
    odd = ["8 01-02", "1 61-00", "4 FF", "1 61-00-62"]
    assert powershell.run(read) == odd
    wanted = {"values": [value(key, name, "x") for name in ("odd", "unterminated", "short", "half")]}
    powershell.run(RESTORE, {"receipt": powershell.run(APPLY, wanted)["receipt"]})
    assert powershell.run(read) == odd
    receipt = powershell.run(APPLY, wanted)["receipt"]
    powershell.run(SET, ["unterminated", "a"])
    powershell.run(RESTORE, {"receipt": receipt, "force": True})
    assert powershell.run(read) == odd, "also where only the terminator differs"
