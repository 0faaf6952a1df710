"""client as a whole module: what is not the installer that it should be is not run, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from module_cycle import Json
from package_server import PackageServer, serve
from powershell_host import PowerShellHost
from winfleet import vendor

CURRENT, OLD = "AzInfoProtection_UL-2.18.26", "AzInfoProtection_UL-2.16.73"
PURVIEW = "PurviewInfoProtection-3.1.310"
VIEWER, PURVIEW_VIEWER = "AzInfoProtectionViewer-2.18.26", "PurviewInfoProtectionViewer-3.1.310"
FOLDER = r"C:\packages"
SECRET = "Not4Anybodys_eyes"
UNINSTALL = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall"
ZEROS = "0" * 64
LEFTOVERS = r"""
, @(Get-ChildItem -Path "$env:ProgramData\infoprotect\packages", $env:TEMP -Recurse -Force -ErrorAction Ignore |
        Where-Object { $_.Extension -in '.msi', '.exe', '.part', '.cmd' } | ForEach-Object { $_.FullName })
"""

REFUSED: dict[str, tuple[Json, str]] = {
    "checksum": ({"path": rf"{FOLDER}\{CURRENT}.msi", "checksum": ZEROS}, f": expected {ZEROS}"),
    "no checksum": (
        {"path": rf"{FOLDER}\{CURRENT}.msi", "checksum": "md5:123"},
        "expected SHA-256, 64 hexadecimal digits",
    ),
    "publisher": (
        {"path": rf"{FOLDER}\{CURRENT}-contoso.exe"},
        "is signed by 'Contoso Ltd': expected 'Microsoft Corporation'",
    ),
    "unsigned": ({"path": rf"{FOLDER}\{CURRENT}-unsigned.exe"}, "is not valid: NotSigned"),
    "tampered": ({"path": rf"{FOLDER}\{CURRENT}-tampered.exe"}, "is not valid: HashMismatch"),
    "too old": (
        {"path": rf"{FOLDER}\{OLD}.msi", "version": "2.18.26"},
        "2.16.73.0: expected version 2.18.26 or later",
    ),
    "not exact": ({"path": rf"{FOLDER}\{CURRENT}.exe", "version": "2.17", "exact": True}, "expected version 2.17"),
    "product": ({"path": rf"{FOLDER}\{PURVIEW}.exe"}, "Microsoft Purview Information Protection 3.1.310"),
    "viewer": ({"path": rf"{FOLDER}\{VIEWER}.msi"}, "Viewer 2.18.26.0: expected one of the product unified_labeling"),
    "viewer of Purview": (
        {"product": "purview", "path": rf"{FOLDER}\{PURVIEW_VIEWER}.exe"},
        "Viewer 3.1.310.0: expected one of the product purview",
    ),
    "choice": ({"path": rf"{FOLDER}\{CURRENT}.msi", "powershell_only": True}, "expected an installer of type exe"),
    "none": ({}, "An installer is needed (install unified_labeling): expected src or path"),
    "no path": ({"path": r"C:\no\such[1] é.msi"}, r"C:\no\such[1] é.msi does not exist or cannot be read"),
    "no share": ({"path": r"\\nowhere\share\x.msi"}, "which cannot sign in to other hosts: see share_username"),
    "type": ({"path": r"C:\windows\notepad.txt"}, "expected a file whose name ends with .msi or .exe"),
    "scheme": ({"path": "ftp://127.0.0.1/x.msi"}, "expected a path on the host, a share, or a URL"),
    "user": ({"path": f"http://me:{SECRET}@127.0.0.1/x.msi"}, "expected them in url_username and url_password"),
    "truncated": ({"path": f"URL/truncated/{CURRENT}.msi"}, "cannot be downloaded: The response ended prematurely"),
    "full disk": ({"path": f"URL/huge/{CURRENT}.msi"}, " MB free: expected "),
    "404": ({"path": "URL/missing.msi"}, "404"),
    "no server": ({"path": "http://127.0.0.1:9/x.msi"}, "cannot be downloaded: Connection refused"),
    "both": ({"path": r"C:\x.msi", "src": "x.msi"}, "mutually exclusive: src, path"),
}


@pytest.fixture(scope="module")
def server(powershell: PowerShellHost) -> Iterator[PackageServer]:
    """The installers, over HTTP and in a folder of the host."""
    folder = vendor.packages().folder
    place = powershell.disk / "packages"
    place.symlink_to(folder)
    with serve(folder) as server:
        yield server
    place.unlink()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_what_it_should_be_is_not_run(powershell: PowerShellHost, server: PackageServer, name: str) -> None:
    options, message = REFUSED[name]
    path = {"path": options["path"].replace("URL/", server.url(""))} if "path" in options else {}
    before = powershell.registry(UNINSTALL)
    result = powershell.module("client", {"product": "unified_labeling", **options, **path})
    assert result["failed"] and not result.get("changed"), result
    assert message in result["msg"]
    assert SECRET not in str({**result, "invocation": None})
    assert powershell.registry(UNINSTALL) == before
    assert powershell.run(LEFTOVERS) == []
