"""Fixtures of the tests of the PowerShell module utilities."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from powershell_host import PowerShellHost
from winfleet import directory

KEY = r"HKLM:\SOFTWARE\Unit"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--save-exchanges", type=Path, help="write what replay.py needs on real Windows to this folder")


@pytest.fixture(scope="session")
def powershell(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[PowerShellHost]:
    """One PowerShell process for all tests."""
    host = PowerShellHost(tmp_path_factory.mktemp("host") / "prefix")
    yield host
    if folder := pytestconfig.getoption("--save-exchanges", None):
        host.save(folder)
    host.close()


@pytest.fixture
def key(powershell: PowerShellHost) -> Iterator[str]:
    """A key that does not exist, in either view, removed after the test."""
    remove = (
        "foreach ($view in 'Registry64', 'Registry32') {"
        " $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $view);"
        r" $base.DeleteSubKeyTree('SOFTWARE\Unit', $false); $base.Dispose() }"
    )
    powershell.run(remove)
    yield KEY
    powershell.run(remove)


@pytest.fixture
def tenant(powershell: PowerShellHost) -> Iterator[None]:
    """A tenant to sign in to; the module of the service is not left loaded."""
    directory.prepare(powershell.disk / "windows/winfleet", [])
    yield
    directory.forget(powershell.disk / "windows/winfleet")
    powershell.run("Remove-Module -Name AIPService -ErrorAction Ignore")


ChangedTenant = Callable[[], contextlib.AbstractContextManager[dict[str, Any]]]


@pytest.fixture
def changed(powershell: PowerShellHost, tenant: None) -> ChangedTenant:
    """The tenant, new, to read and to change as somebody else does; no receipts."""
    folder = r"C:\ProgramData\infoprotect\protection_service"
    powershell.run(f"Remove-Item -Recurse -LiteralPath {folder} -ErrorAction Ignore")

    def opened() -> contextlib.AbstractContextManager[dict[str, Any]]:
        return directory.opened(powershell.disk / "windows/winfleet", directory.TENANT)

    with opened() as new:
        new.clear()
        new.update(copy.deepcopy(directory.NEW_TENANT))
    return opened
