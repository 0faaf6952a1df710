"""Installed software: which product a name stands for, and whether evidence confirms that it is installed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from powershell_host import ROOT, PowerShellHost, placed
from winfleet.vendor import registration

PROGRAMS = "Program Files (x86)"
AIP, VIEWER = "Microsoft Azure Information Protection", "Microsoft Azure Information Protection Viewer"
PURVIEW = "Microsoft Purview Information Protection"
CONNECTOR = "Microsoft Rights Management connector"
ONE, TWO = "{AAAAAAAA-0000-4C06-817B-4A222430F2B8}", "{63b95d0d-6aa3-42e8-90c2-b6383d2195be}"

# Writes values, returns what the script does, and removes the keys.
WITH = r"""
$views = @{ 32 = 'Registry32'; 64 = 'Registry64' }
foreach ($item in $case) {
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $views[[int]$item[0]])
    $key = $base.CreateSubKey($item[1])
    $data = if ($item[3] -is [long]) { [int]$item[3] } else { $item[3] }
    $key.SetValue($item[2], $data)
    $key.Dispose()
}
try { SCRIPT }
finally {
    foreach ($item in $case) {
        $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $views[[int]$item[0]])
        $base.DeleteSubKeyTree($item[1], $false)
    }
}
"""
LIST = ", @(Get-InstalledProduct | ForEach-Object { ConvertTo-ProductFact -Product $_ })"
NOTES = ", @(Get-ProductNote -Product @(Get-InstalledProduct | ForEach-Object { ConvertTo-ProductFact -Product $_ }))"


def on_a_host(powershell: PowerShellHost, *values: tuple[Any, ...], script: str = LIST) -> list[Any]:
    found = powershell.run(WITH.replace("SCRIPT", script), [list(value) for value in values])
    return list(found)


def msi(name: str, version: str, code: str = ONE, *, known: bool = True) -> list[tuple[Any, ...]]:
    """An MSI in the 32-bit view, known to Windows Installer or not."""
    entry = [(32, *value) for value in registration.entry(code, name, version)]
    return entry + ([(64, *value) for value in registration.known(code)] if known else [])


def bundle(powershell: PowerShellHost, name: str, version: str, *, setup: bool = True) -> list[tuple[Any, ...]]:
    """A bundle, with its own setup in the cache or without."""
    key = rf"{registration.UNINSTALL}\{TWO}"
    cache = powershell.disk / "unit" / "cache.exe"
    cache.unlink(missing_ok=True)
    if setup:
        cache.write_bytes(b"MZ")
    values = [("BundleVersion", version), ("BundleCachePath", r"C:\unit\cache.exe")]
    values += [("QuietUninstallString", r'"C:\unit\cache.exe" /uninstall /quiet')]
    entry = registration.entry(TWO, name, version, msi=False)
    return [(32, *value) for value in entry] + [(32, key, *value) for value in values]


def states(products: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["installer"], one["state"]) for one in products]


@pytest.mark.parametrize(
    ("name", "version", "kind"),
    [
        (AIP, "1.54.59.0", "classic_client"),
        (AIP, "2.18.26.0", "unified_labeling_client"),
        (AIP, "3.1.0.0", "purview_client"),
        (AIP, "", "other"),
        (f"{AIP} Client", "2.18.26.0", "unified_labeling_client"),
        ("Azure Information Protection", "2.18.26.0", "unified_labeling_client"),
        (PURVIEW, "3.1.310.0", "purview_client"),
        (VIEWER, "2.18.26.0", "viewer"),
        (f"{PURVIEW} Viewer", "3.1.310.0", "viewer"),
        ("Azure Information Protection Viewer (Preview)", "2.18.26.0", "viewer"),
        # what only begins with a name is another product
        (f"{AIP} Scanner", "2.18.26.0", "other"),
        (f"{PURVIEW} Add-in", "3.1.310.0", "other"),
        (f"Tools for {AIP}", "2.18.26.0", "other"),
        (CONNECTOR, "3.2.0.0", "rms_connector"),
        (CONNECTOR.upper(), "3.2.0.0", "rms_connector"),
        (f"{CONNECTOR} Setup", "3.2.0.0", "rms_connector"),
        (f"{CONNECTOR} (x64)", "3.2.0.0", "rms_connector"),
        (f"{CONNECTOR} administration tool", "3.2.0.0", "other"),
        ("Active Directory Rights Management Services Client 2.1", "1.0.4784.0", "rms_client"),
        ("Active Directory Rights Management Services Client 2.1 Tools", "1.0", "other"),
        ("Contoso", "2.18.26.0", None),
    ],
)
def test_kind(powershell: PowerShellHost, name: str, version: str, kind: str | None) -> None:
    case = {"name": name, "version": version}
    assert powershell.run("Get-ProductKind -Name $case.name -Version $case.version", case) == kind


def test_an_msi_is_what_windows_installer_knows(powershell: PowerShellHost) -> None:
    (product,) = on_a_host(powershell, *msi(AIP, "2.14.90.0"))
    assert (product["state"], product["problem"]) == ("installed", None)
    (orphan,) = on_a_host(powershell, *msi(AIP, "2.14.90.0", known=False))
    assert (orphan["state"], orphan["problem"]) == ("orphaned", "Windows Installer does not know it")
    (no_code,) = on_a_host(powershell, *msi(AIP, "2.14.90.0", "AIP", known=False))
    assert no_code["state"] == "orphaned"


def test_a_note_names_key_meaning_and_remedy_of_an_orphaned_entry(powershell: PowerShellHost) -> None:
    (note,) = on_a_host(powershell, *msi(AIP, "2.14.90.0", known=False), script=NOTES)
    key = rf"HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\{ONE}"
    assert f"an orphaned entry, {AIP} 2.14.90.0 ({key}): Windows Installer does not know it. It does not count" in note
    assert "Delete that key, or remove the entry with" in note
    assert on_a_host(powershell, *msi(AIP, "2.14.90.0"), script=NOTES) == []


def test_a_bundle_stands_for_its_msi(powershell: PowerShellHost) -> None:
    kind = "unified_labeling_client"
    whole = on_a_host(powershell, *msi(AIP, "2.18.26.0"), *bundle(powershell, AIP, "2.18.26.0"))
    assert sorted(states(whole)) == [(kind, "bundle", "installed"), (kind, "msi", "installed")]
    without = on_a_host(powershell, *bundle(powershell, AIP, "2.18.26.0"))
    assert states(without) == [(kind, "bundle", "incomplete")]
    assert without[0]["problem"] == "the MSI that it installs is not there"
    orphan = on_a_host(powershell, *msi(AIP, "2.18.26.0", known=False), *bundle(powershell, AIP, "2.18.26.0"))
    assert sorted(states(orphan)) == [(kind, "bundle", "incomplete"), (kind, "msi", "orphaned")]


def test_a_bundle_without_setup_and_program_is_orphaned(powershell: PowerShellHost) -> None:
    (product,) = on_a_host(powershell, *bundle(powershell, AIP, "2.18.26.0", setup=False))
    assert product["state"] == "orphaned"
    assert product["problem"] == r"neither its own setup (C:\unit\cache.exe) nor its program is there"
    values = msi(AIP, "2.18.26.0") + bundle(powershell, AIP, "2.18.26.0", setup=False)
    assert {one["state"] for one in on_a_host(powershell, *values)} == {"installed"}


def test_an_entry_by_name_only_is_no_evidence(powershell: PowerShellHost) -> None:
    by_name = [(64, *value) for value in registration.entry("x", CONNECTOR, "3.2.0.0", msi=False)]
    assert states(on_a_host(powershell, *by_name)) == [("rms_connector", "exe", "orphaned")]
    folder = powershell.disk / "Program Files" / CONNECTOR / "Web Service"
    with placed(folder / "web.config"):
        assert states(on_a_host(powershell, *by_name)) == [("rms_connector", "exe", "installed")]


# By the script for hosts on which no module runs, of which the function is the first part, and by the utility
CONNECTORS = (
    (ROOT / "roles/irm_server/files/look.ps1").read_text(encoding="utf-8").partition("\n}\n")[0]
    + """
}
$entries = 'SOFTWARE', 'SOFTWARE\\WOW6432Node' | ForEach-Object {
    Get-ChildItem -LiteralPath "HKLM:\\$_\\Microsoft\\Windows\\CurrentVersion\\Uninstall" -ErrorAction SilentlyContinue
}
$products = Get-InstalledProduct | Where-Object { $_.Kind -eq 'rms_connector' -and $_.State -eq 'installed' }
, @([bool]@($entries | Where-Object { Test-Connector $_ }).Count, [bool]@($products).Count)
"""
)


@pytest.mark.parametrize(
    ("name", "values", "program", "found"),
    [
        (CONNECTOR, {}, False, False),
        (CONNECTOR, {}, True, True),
        (CONNECTOR.upper(), {}, True, True),
        (f"{CONNECTOR} 3.2", {}, True, True),
        (f"{CONNECTOR} administration tool", {}, True, False),
        (CONNECTOR, {"UninstallString": r"C:\unit\driver.ps1 /uninstall"}, False, True),
        (CONNECTOR, {"UninstallString": r'"C:\unit\driver.ps1" /uninstall'}, False, True),
        (CONNECTOR, {"UninstallString": r'"C:\unit\none.exe" /uninstall'}, False, False),
        (CONNECTOR, {"BundleCachePath": r"C:\unit\driver.ps1", "UninstallString": r"C:\unit\none.exe"}, False, True),
        (CONNECTOR, {"BundleCachePath": r"C:\unit\none.exe", "UninstallString": r"C:\unit\driver.ps1"}, False, False),
    ],
)
def test_a_connector_is_found_alike_without_modules(
    powershell: PowerShellHost, name: str, values: dict[str, str], program: bool, found: bool
) -> None:
    entry = registration.entry("x", name, "3.2.0.0", msi=False)
    entry += [(entry[0][0], *value) for value in values.items()]
    file = powershell.disk / "Program Files" / CONNECTOR / "Web Service" / "web.config"
    with placed(file) if program else nullcontext():
        assert on_a_host(powershell, *[(64, *value) for value in entry], script=CONNECTORS) == [found, found]


def test_files_without_an_entry_are_incomplete(powershell: PowerShellHost) -> None:
    with placed(powershell.disk / PROGRAMS / AIP / "MSIP.App.exe"):
        (left,) = on_a_host(powershell)
        assert (left["kind"], left["installer"], left["state"], left["product_code"]) == (
            "other",
            "none",
            "incomplete",
            None,
        )
        (note,) = on_a_host(powershell, script=NOTES)
        assert rf"C:\{PROGRAMS}\{AIP}\MSIP.App.exe is there" in note and "delete its folder" in note
        # registered: these are its files
        assert states(on_a_host(powershell, *msi(AIP, "2.18.26.0"))) == [
            ("unified_labeling_client", "msi", "installed")
        ]


def test_the_viewer_is_no_client(powershell: PowerShellHost) -> None:
    viewer = bundle(powershell, VIEWER, "2.18.26.0")
    assert states(on_a_host(powershell, *viewer)) == [("viewer", "bundle", "installed")]
    plan = (
        ", @((Get-ClientPlan -Option @{ product = 'unified_labeling'; state = 'STATE' } -Fact @{"
        " os = @{ build = 17763; architecture = 'AMD64'; name = 'x' }; dotnet = @{ release = 461814 };"
        " products = @(Get-InstalledProduct | ForEach-Object { ConvertTo-ProductFact -Product $_ }) }).Steps |"
        " ForEach-Object { $_.Action })"
    )
    assert on_a_host(powershell, *viewer, script=plan.replace("STATE", "present")) == ["install"]
    assert on_a_host(powershell, *viewer, script=plan.replace("STATE", "absent")) == []
