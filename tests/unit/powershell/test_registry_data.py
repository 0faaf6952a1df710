"""Canonical paths; types and data between what users write and what the registry holds."""

from __future__ import annotations

import pytest
from powershell_host import PowerShellError, PowerShellHost

pytestmark = pytest.mark.replayed

PATHS = [
    # as written, view, canonical path, view
    (r"HKLM:\SOFTWARE\Contoso", 64, r"HKLM:\SOFTWARE\Contoso", 64),
    (r"HKLM\SOFTWARE\Contoso", 32, r"HKLM:\SOFTWARE\Contoso", 32),
    (r"hklm:\software\contoso\\", 64, r"HKLM:\software\contoso", 64),
    (r"HKLM:\\SOFTWARE\\Contoso", 64, r"HKLM:\SOFTWARE\Contoso", 64),
    (r"HKEY_LOCAL_MACHINE\SOFTWARE\Contoso", 64, r"HKLM:\SOFTWARE\Contoso", 64),
    (
        r"Computer\HKEY_LOCAL_MACHINE\SOFTWARE\WOW6432Node\Microsoft\MSIP" + "\\",
        64,
        r"HKLM:\SOFTWARE\Microsoft\MSIP",
        32,
    ),
    (r"Registry::HKEY_LOCAL_MACHINE\SOFTWARE\Contoso", 64, r"HKLM:\SOFTWARE\Contoso", 64),
    (r"Microsoft.PowerShell.Core\Registry::HKEY_USERS\.DEFAULT\Software", 32, r"HKU:\.DEFAULT\Software", 64),
    (r"HKLM:\SOFTWARE\Wow6432Node", 64, r"HKLM:\SOFTWARE", 32),
    (r"HKLM:\SOFTWARE\Wow6432NodeX\Y", 64, r"HKLM:\SOFTWARE\Wow6432NodeX\Y", 64),
    # shared keys have one view
    (r"HKLM:\SYSTEM\CurrentControlSet\Control", 32, r"HKLM:\SYSTEM\CurrentControlSet\Control", 64),
    (r"HKLM:\SOFTWARE\Policies\Microsoft", 32, r"HKLM:\SOFTWARE\Policies\Microsoft", 64),
    (r"HKLM:\SOFTWARE\WOW6432Node\Policies\Microsoft", 64, r"HKLM:\SOFTWARE\Policies\Microsoft", 64),
    (
        r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Fonts",
        32,
        r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Fonts",
        64,
    ),
    (
        r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion",
        32,
        r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion",
        32,
    ),
    (r"HKLM:\SOFTWARE\Classes\.txt", 32, r"HKLM:\SOFTWARE\Classes\.txt", 64),
    (r"HKLM:\SOFTWARE\Classes\CLSID\{1}", 32, r"HKLM:\SOFTWARE\Classes\CLSID\{1}", 32),
    (r"HKLM:\SOFTWARE\Classes\WOW6432Node\CLSID\{1}", 64, r"HKLM:\SOFTWARE\Classes\CLSID\{1}", 32),
    (r"HKLM:\SOFTWARE\WOW6432Node\Classes\CLSID\{1}", 64, r"HKLM:\SOFTWARE\Classes\CLSID\{1}", 32),
    (r"HKCR:\WOW6432Node\CLSID\{1}", 64, r"HKCR:\CLSID\{1}", 32),
    (r"HKCU:\Software\Contoso", 32, r"HKCU:\Software\Contoso", 64),
    (r"HKCC\System", 32, r"HKCC:\System", 64),
    # names of any content
    (r"""HKLM:\SOFTWARE\[a] 'b' "c" $d `e *?/é\x""", 64, r"""HKLM:\SOFTWARE\[a] 'b' "c" $d `e *?/é\x""", 64),
]


def test_paths_are_made_canonical(powershell: PowerShellHost) -> None:
    script = "$k = Resolve-RegistryPath -Path $case[0] -View $case[1]; , @($k.Path, $k.View)"
    assert powershell.each(script, [list(case[:2]) for case in PATHS]) == [list(case[2:]) for case in PATHS]


@pytest.mark.parametrize(
    "path", ["", "nix", r"C:\Windows", r"SOFTWARE\Contoso", "HKLM", "HKLM:\\", r"HKXX:\SOFTWARE", "HKLM:SOFTWARE"]
)
def test_path_without_hive_or_key_is_refused(powershell: PowerShellHost, path: str) -> None:
    with pytest.raises(PowerShellError) as error:
        powershell.run("Resolve-RegistryPath -Path $case", path)
    assert (
        f"path '{path}' is no registry key: expected a hive (HKLM, HKU, HKCR, HKCU or HKCC) and a key below it"
        in str(error.value)
    )


def test_path_with_a_name_longer_than_windows_allows_is_refused(powershell: PowerShellHost) -> None:
    with pytest.raises(PowerShellError, match="a name of 256 characters: expected at most 255"):
        powershell.run("Resolve-RegistryPath -Path $case", "HKLM:\\SOFTWARE\\" + "x" * 256)


def test_current_control_set_has_one_name(powershell: PowerShellHost) -> None:
    script = r"""
$select = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SYSTEM\Select')
$before = $select.GetValue('Current')
$select.SetValue('Current', 7)
try {
    'ControlSet007\Control', 'controlset007', 'ControlSet008\Control', 'ControlSet0071' |
        ForEach-Object { (Resolve-RegistryPath -Path "HKLM:\SYSTEM\$_").Path }
}
finally {
    if ($null -eq $before) { $select.DeleteValue('Current') } else { $select.SetValue('Current', $before) }
}"""
    assert powershell.run(script) == [
        r"HKLM:\SYSTEM\CurrentControlSet\Control",
        r"HKLM:\SYSTEM\CurrentControlSet",
        r"HKLM:\SYSTEM\ControlSet008\Control",
        r"HKLM:\SYSTEM\ControlSet0071",
    ]


def test_decimal_of_51_is_text_only_when_whole(powershell: PowerShellHost) -> None:
    assert (
        powershell.run("Format-RegistryData (ConvertTo-RegistryData -Type string -Data ([decimal]12))") == 'string "12"'
    )
    with pytest.raises(PowerShellError, match="expected text; a truth value, a date or a number with a fraction"):
        powershell.run("ConvertTo-RegistryData -Type string -Data ([decimal]1.5)")


DATA = [
    # type, data, number of the type, bytes
    ("string", "ab", 1, "610062000000"),
    ("string", "", 1, "0000"),
    ("string", "é😀\u00ad", 1, "e9003dd800dead000000"),
    ("string", 12, 1, "310032000000"),
    ("expandstring", "%x%", 2, "2500780025000000"),
    ("multistring", ["a", "é"], 7, "61000000e90000000000"),
    ("multistring", [], 7, "0000"),
    ("multistring", "a", 7, "610000000000"),
    ("multistring", ["a", 1], 7, "61000000310000000000"),
    ("dword", 1, 4, "01000000"),
    ("dword", 4294967295, 4, "ffffffff"),
    ("dword", -1, 4, "ffffffff"),
    ("dword", -2147483648, 4, "00000080"),
    ("dword", "0xFFFFFFFF", 4, "ffffffff"),
    ("dword", " 0x10 ", 4, "10000000"),
    ("dword", "0", 4, "00000000"),
    ("dword", "-2", 4, "feffffff"),
    ("dword", 3.0, 4, "03000000"),
    ("qword", 18446744073709551615, 11, "ffffffffffffffff"),
    ("qword", "18446744073709551615", 11, "ffffffffffffffff"),
    ("qword", -1, 11, "ffffffffffffffff"),
    ("qword", "0x8000000000000000", 11, "0000000000000080"),
    ("qword", 9007199254740993, 11, "0100000000002000"),
    ("binary", "deadBEEF", 3, "deadbeef"),
    ("binary", "de ad,be-ef", 3, "deadbeef"),
    ("binary", "hex:de,ad,\\\r\n  be,ef", 3, "deadbeef"),
    ("binary", "hex(3):de,ad", 3, "dead"),
    ("binary", "0xde,0xad", 3, "dead"),
    ("binary", [222, "0xad", "7"], 3, "dead07"),
    ("binary", "", 3, ""),
    ("binary", [], 3, ""),
    ("binary", [7], 3, "07"),
    ("multistring", ["a"], 7, "610000000000"),
    ("none", None, 0, ""),
    ("none", "ff", 0, "ff"),
]


def test_data_of_each_type(powershell: PowerShellHost) -> None:
    script = (
        "$v = ConvertTo-RegistryData -Type $case[0] -Data $case[1];"
        " , @([int]$v.Kind, [BitConverter]::ToString($v.Bytes).Replace('-', '').ToLowerInvariant())"
    )
    assert powershell.each(script, [list(case[:2]) for case in DATA]) == [list(case[2:]) for case in DATA]


MISFITS = [
    ("string", None, "expected data"),
    ("string", True, "expected text; a truth value"),
    ("string", 1.5, "expected text; a truth value"),
    ("string", ["a"], "expected text"),
    ("string", {"a": 1}, "expected text"),
    ("string", "a\0b", "expected text without NUL"),
    ("multistring", ["a", ""], "none of them empty"),
    ("multistring", "", "none of them empty"),
    ("multistring", [["a"]], "expected a list of texts"),
    ("multistring", [True], "expected a list of texts"),
    ("multistring", ["a\0b"], "without NUL"),
    ("dword", "abc", "expected a whole number of 32 bits, such as 1, -1 or 0xFFFFFFFF"),
    ("dword", "", "expected a whole number of 32 bits"),
    ("dword", "1.0", "expected a whole number of 32 bits"),
    ("dword", "00000800", "decimal without zeros in front (800) or hexadecimal (0x800)"),
    ("dword", "-010", "digits as in a .reg file can mean either"),
    ("dword", "dword:00000800", "digits as in a .reg file can mean either"),
    ("qword", "0000000000000800", "digits as in a .reg file can mean either"),
    ("dword", "0x", "expected a whole number of 32 bits"),
    ("dword", 1.5, "expected a whole number of 32 bits"),
    ("dword", True, "expected a whole number of 32 bits"),
    ("dword", [1], "expected a whole number of 32 bits"),
    ("dword", 4294967296, "in the range of -2147483648 to 4294967295"),
    ("dword", -2147483649, "in the range of -2147483648 to 4294967295"),
    ("dword", "0x100000000", "in the range of -2147483648 to 4294967295"),
    ("qword", 18446744073709551616, "in the range of -9223372036854775808 to 18446744073709551615"),
    ("qword", "-9223372036854775809", "in the range of -9223372036854775808 to 18446744073709551615"),
    ("binary", "xyz", "expected pairs of hexadecimal digits"),
    ("binary", "abc", "expected pairs of hexadecimal digits"),
    ("binary", "a,b", "expected pairs of hexadecimal digits"),
    ("binary", 11, "expected pairs of hexadecimal digits as text (quoted), or a list"),
    ("binary", [256], "expected a list of numbers from 0 to 255; element 1 is none"),
    ("binary", [1, -1], "element 2 is none"),
    ("binary", [1.5], "element 1 is none"),
    ("binary", ["ff"], "element 1 is none"),
    ("binary", None, "expected data"),
]


def test_data_that_does_not_fit_names_value_and_expectation(powershell: PowerShellHost) -> None:
    script = r"New-RegistryValue -Path HKLM:\SOFTWARE\Contoso -Name Port -Type $case[0] -Data $case[1]"
    said = powershell.each(script, [list(case[:2]) for case in MISFITS])
    for (kind, data, expected), text in zip(MISFITS, said, strict=True):
        assert isinstance(text, str), f"{kind} {data!r} was taken"
        assert text.startswith(rf"HKLM:\SOFTWARE\Contoso\Port: the data does not fit the type {kind}: "), text
        assert expected in text


def test_misfit_of_a_sensitive_value_is_not_repeated(powershell: PowerShellHost) -> None:
    with pytest.raises(PowerShellError) as error:
        powershell.run(r"New-RegistryValue -Path HKLM:\SOFTWARE\C -Name n -Type dword -Data hunter2 -Sensitive")
    assert "hunter2" not in str(error.value)


def test_catastrophic_hexadecimal_text_is_refused_at_once(powershell: PowerShellHost) -> None:
    with pytest.raises(PowerShellError, match="expected pairs of hexadecimal digits"):
        powershell.run("$null = ConvertTo-RegistryData -Type binary -Data $case", "ab," * 200_000 + "x", timeout=30)


SHOWN = [
    # number of the type, bytes, data, line of a diff
    (1, "610062000000", "ab", 'string "ab"'),
    (1, "6100", "a", 'string "a"'),
    (2, "250000000000", "%", 'expandstring "%"'),
    (7, "61000000620000000000", ["a", "b"], 'multistring ["a", "b"]'),
    (7, "0000", [], "multistring []"),
    (4, "ffffffff", 4294967295, "dword 0xffffffff"),
    (11, "ffffffffffffffff", 18446744073709551615, "qword 0xffffffffffffffff"),
    (4, "ff", "ff", "dword ff"),
    (3, "00ff", "00ff", "binary 00ff"),
    (3, "", "", "binary"),
    (0, "01", "01", "none 01"),
    (6, "0102", "0102", "type 6 0102"),
    (1, "61000a00ad000000", "a\n\u00ad", 'string "a\\u000a\\u00ad"'),
    (1, "3dd800de0000", "😀", 'string "😀"'),
]


def test_data_as_results_and_diffs_show_it(powershell: PowerShellHost) -> None:
    script = (
        "$v = [ansible_collections.infoprotect.aip.plugins.module_utils._Native.RawValue]::new($case[0],"
        " [ansible_collections.infoprotect.aip.plugins.module_utils._Native.RawValue]::FromHex($case[1]));"
        " , @((ConvertTo-ValueResult -Value $v).data, (Format-RegistryData -Value $v))"
    )
    assert powershell.each(script, [list(case[:2]) for case in SHOWN]) == [list(case[2:]) for case in SHOWN]


def test_long_data_is_cut_in_a_diff_and_told_apart(powershell: PowerShellHost) -> None:
    script = """$case | ForEach-Object {
        Format-RegistryData -Value (ConvertTo-RegistryData -Type string -Data ('x' * 600000 + $_))
    }"""
    one, two = powershell.run(script, ["a", "b"])
    assert len(one) < 700
    assert "... (1200004 bytes, SHA-256 " in one
    assert one != two


EQUALITY = [
    ((1, "6100"), (1, "61000000"), True),
    ((1, "6100"), (1, "6200"), False),
    ((1, "61000000"), (2, "61000000"), False),
    ((7, "610000000000"), (7, "61000000"), True),
    ((3, "00"), (3, "0000"), False),
    ((1, "6100ad00"), (1, "6100"), False),
    ((1, "4100"), (1, "6100"), False),
    (None, (1, ""), False),
    (None, None, True),
]


def test_equality_is_ordinal_and_knows_no_terminators(powershell: PowerShellHost) -> None:
    script = """
$raw = [ansible_collections.infoprotect.aip.plugins.module_utils._Native.RawValue]
$a, $b = foreach ($x in $case) { if ($x) { $raw::new($x[0], $raw::FromHex($x[1])) } else { $null } }
$raw::SameData($a, $b)"""
    assert powershell.each(script, [list(case[:2]) for case in EQUALITY]) == [case[2] for case in EQUALITY]
