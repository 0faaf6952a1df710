"""The PowerShell module AIPService: installed offline, verified, pinned; the older module AADRM is removed first."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from powershell_host import PowerShellHost

Json = dict[str, Any]
VERSION = "3.1.0.0"
MANIFEST = "@{{ ModuleVersion = '{}'; RootModule = 'AIPService.psm1'; FunctionsToExport = @() }}"
#: As PowerShellGet installs a module of the one repository that is registered
INSTALL_MODULE = r"""
function global:Install-Module {
    param ($Name, $RequiredVersion, $Repository, $Scope, [switch]$Force, [switch]$AllowClobber)
    if ($Repository -ne 'Contoso') { throw 'No match was found.' }
    $folder = "C:\Program Files\WindowsPowerShell\Modules\$Name\$RequiredVersion"
    $null = New-Item -ItemType Directory -Path $folder
    Set-Content -LiteralPath "$folder\$Name.psd1" -Value "@{ ModuleVersion = '$RequiredVersion' }"
}
"""
OF_NUGET = ("_rels/.rels", "package/services/x.psmdcp", "[Content_Types].xml", "AIPService.nuspec")


@pytest.fixture
def modules(powershell: PowerShellHost) -> Iterator[Path]:
    """The folder of modules for all users, where there is no AIPService; Windows' own folder has 3.0.0.1."""
    folder = powershell.disk / "Program Files/WindowsPowerShell/Modules"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    for name in ("AIPService", "AADRM"):
        shutil.rmtree(folder / name, ignore_errors=True)
    assert [path.name for path in folder.glob("AIPService*")] == [], "a draft is left"


@pytest.fixture
def package(powershell: PowerShellHost) -> Iterator[Path]:
    """A package as the gallery has it."""
    file = powershell.disk / "packages/aipservice.nupkg"
    file.parent.mkdir()
    write(file, {"AIPService.psd1": MANIFEST.format(VERSION), "AIPService.psm1": "", "en%20US/help.xml": "<a/>"})
    yield file
    shutil.rmtree(file.parent)


def write(file: Path, content: dict[str, str]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in (content | dict.fromkeys(OF_NUGET, "x")).items():
            archive.writestr(name, text)


def options(package: Path, **differs: Any) -> Json:
    checksum = hashlib.sha256(package.read_bytes()).hexdigest()
    return {"path": r"C:\packages\aipservice.nupkg", "checksum": checksum, "version": VERSION} | differs


def install(powershell: PowerShellHost, given: Json, *, check: bool = False) -> Json:
    return powershell.module("protection_service_module", given, check=check)


def place(modules: Path, name: str, version: str) -> None:
    folder = modules / name / version
    folder.mkdir(parents=True)
    (folder / f"{name}.psd1").write_text(MANIFEST.format(version).replace("AIPService", name), encoding="utf-8")
    (folder / f"{name}.psm1").write_text("", encoding="utf-8")


def test_package(powershell: PowerShellHost, modules: Path, package: Path) -> None:
    assert install(powershell, options(package), check=True)["changed"] and not (modules / "AIPService").exists()
    result = install(powershell, options(package))
    assert not result.get("failed"), result["msg"]
    assert (result["changed"], result["installed"], result["versions"]) == (True, VERSION, [VERSION, "3.0.0.1"])
    installed = modules / "AIPService" / VERSION
    found = sorted(str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file())
    assert found == ["AIPService.psd1", "AIPService.psm1", "en US/help.xml"], "nothing of the package itself"
    assert not install(powershell, options(package))["changed"]
    assert not install(powershell, {})["changed"]


def test_folder_with_the_checksum_of_its_files(powershell: PowerShellHost, modules: Path, package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(package.parent / "folder", [n for n in archive.namelist() if n.startswith("AIP")])
    script = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
    shown = subprocess.run(["sh", "-c", script], cwd=package.parent / "folder", capture_output=True, check=True)
    given = options(package, path=r"C:\packages\folder", checksum=shown.stdout.decode().split()[0])
    refused = install(powershell, given | {"checksum": "0" * 64})
    assert "Nothing was installed" in refused["msg"] and not (modules / "AIPService").exists()
    assert install(powershell, given)["installed"] == VERSION


def test_older_module_goes_first_and_newer_versions_go(powershell: PowerShellHost, modules: Path) -> None:
    place(modules, "AADRM", "2.13.1.0")
    for version in ("3.2.0.0", VERSION):
        place(modules, "AIPService", version)
    given = {"version": VERSION}
    predicted = install(powershell, given, check=True)
    assert predicted["removed"] == ["AADRM 2.13.1.0", "AIPService 3.2.0.0"] and (modules / "AADRM").exists()
    result = install(powershell, given)
    assert (result["removed"], result["versions"]) == (predicted["removed"], [VERSION, "3.0.0.1"])
    assert not (modules / "AADRM").exists() and not install(powershell, given)["changed"]


def test_absent_removes_only_what_no_setup_has_installed(powershell: PowerShellHost, modules: Path) -> None:
    place(modules, "AIPService", VERSION)
    result = install(powershell, {"state": "absent"})
    assert result["failed"] and r"AIPService 3.0.0.1 is in C:\windows\system32" in result["msg"]
    assert "Uninstall it by the setup that installed it" in result["msg"]


def test_repository(powershell: PowerShellHost, modules: Path) -> None:
    given = {"repository": "Contoso", "version": VERSION}
    powershell.run(INSTALL_MODULE)
    try:
        assert "No match was found" in install(powershell, given | {"repository": "Other"})["msg"]
        assert install(powershell, given)["installed"] == VERSION
    finally:
        powershell.run("Remove-Item -Path function:global:Install-Module")


REFUSED: list[tuple[Json, dict[str, str], str]] = [
    ({"checksum": "0" * 64}, {}, "has the SHA-256 checksum"),
    ({"checksum": "abc"}, {}, "checksum is 'abc': expected SHA-256"),
    ({"version": "3.1"}, {}, "has version 3.1.0.0 of AIPService: expected 3.1 (version)"),
    ({"version": "x"}, {}, "version is 'x': expected a version such as"),
    ({"path": r"C:\packages\none.nupkg"}, {}, "expected a package (nupkg) or a folder on the host"),
    ({"path": "aipservice.nupkg"}, {}, "expected the full path"),
    ({}, {"Other.psd1": "@{}"}, "has no AIPService.psd1"),
    ({}, {"AIPService.psd1": MANIFEST.format(VERSION), "../../evil.txt": "x"}, "leads out of the module's folder"),
]


@pytest.mark.parametrize(("differs", "content", "message"), REFUSED, ids=[message[:30] for *_, message in REFUSED])
def test_what_is_refused(
    powershell: PowerShellHost, modules: Path, package: Path, differs: Json, content: dict[str, str], message: str
) -> None:
    if content:
        write(package, content)
    result = install(powershell, options(package, **differs))
    assert result["failed"] and message in result["msg"], result["msg"]
    assert not (modules / "AIPService").exists() and not list(powershell.disk.rglob("evil.txt"))


def test_missing_version_names_the_remedy(powershell: PowerShellHost, modules: Path) -> None:
    result = install(powershell, {"version": "9.0"})
    assert "AIPService 9.0 is not on this host (3.0.0.1). Name a package with src or path" in result["msg"]
    needed = install(powershell, {"version": "9.0", "src": "a.nupkg", "checksum": "0" * 64})
    assert needed["package_needed"] and needed["changed"] and needed["installed"] is None
