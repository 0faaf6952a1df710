"""The stand-ins of the client on emulated hosts: bringing a host to one, and what the list of installed programs has.

None of it uses the collection.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from winfleet import vendor
from winfleet.vendor.packages import CLIENTS

from .ansible_runner import ROOT, Json

SHARE = r"\\fileserver\packages"
UNINSTALL = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall"
CODES = {client.name: client.product_code.upper() for client in CLIENTS}
BUNDLES = {client.name: client.bundle.upper() for client in CLIENTS}
VERSIONS = {client.name: client.version for client in CLIENTS}

# Removes whatever client there is, then installs one
_PREPARE = r"""
param ($Root, $Install)
$uninstall = 'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall'
$items = Get-ChildItem -LiteralPath $uninstall -ErrorAction SilentlyContinue |
    Where-Object { $_.GetValue('DisplayName') -like '*Information Protection*' }
$quiet = $items | ForEach-Object { $_.GetValue('QuietUninstallString') } | Where-Object { $_ }
foreach ($line in $quiet) {
    $null = $line -match '^"([^"]+)" (.*)$'
    Start-Process -FilePath $Matches[1] -ArgumentList $Matches[2] -Wait
}
$packages = $items | Where-Object { (Test-Path -LiteralPath $_.PSPath) -and $_.GetValue('WindowsInstaller') -eq 1 }
foreach ($item in $packages) {
    Start-Process -FilePath msiexec.exe -ArgumentList "/x $($item.PSChildName) /qn" -Wait
}
if ($Install) {
    # NSIS does not unpack itself from a share
    $file = "C:\windows\temp\$Install"
    Copy-Item -LiteralPath "$Root\$Install" -Destination $file
    $call = if ($Install -like '*.exe') { $file, '/quiet /norestart' } else { 'msiexec.exe', "/i `"$file`" /qn" }
    $process = Start-Process -FilePath $call[0] -ArgumentList $call[1] -Wait -PassThru
    Remove-Item -LiteralPath $file
    if ($process.ExitCode) { throw "$Install ended with $($process.ExitCode)" }
}
"""


def share_packages(hosts: Iterable[str], folder: Path | None = None) -> Path:
    """Let the hosts find the installers below SHARE; returns their folder."""
    folder = folder or next(iter(vendor.packages().values())).parent
    for host in hosts:
        subprocess.run([str(ROOT / "bin/fleet"), "share", host, SHARE, str(folder)], check=True, capture_output=True)
    return folder


def prepare_task(name: str, installer: str | None) -> Json:
    """A task that leaves the host with exactly this client (a file name), or with none."""
    options = {"script": _PREPARE, "parameters": {"Root": SHARE, "Install": installer or ""}}
    return {"name": name, "ansible.windows.win_powershell": options}


def release_task(release: int) -> Json:
    """A task that lets the host have another .NET Framework, by its release number."""
    path = r"HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"
    options = {"path": path, "name": "Release", "data": release, "type": "dword"}
    return {"name": f".NET Framework {release}", "ansible.windows.win_regedit": options}


def list_task(name: str) -> Json:
    """A task that lists the installed programs; `listed` reads its result."""
    return {
        "name": name,
        "ansible.windows.win_command": {"_raw_params": f'reg.exe query "{UNINSTALL}" /s'},
        "changed_when": False,
        "failed_when": False,
    }


def listed(result: Json) -> dict[str, str]:
    """The clients in the list: key name -> version."""
    clients = {}
    for block in re.split(r"\r?\n(?=HKEY_)", result["stdout"]):
        name = re.search(r"DisplayName\s+REG_SZ\s+(.+?)\r?$", block, re.MULTILINE)
        version = re.search(r"DisplayVersion\s+REG_SZ\s+(\S+)", block)
        if name and version and "Information Protection" in name[1]:
            key = block.splitlines()[0].rpartition("\\")[2].strip()
            clients[key.upper()] = version[1]
    return clients


def expected(installer: str | None) -> dict[str, str]:
    """What `listed` gives of a host with this installer's client."""
    if installer is None:
        return {}
    name, _, kind = installer.rpartition(".")
    entries = {CODES[name]: VERSIONS[name]}
    if kind == "exe":
        entries[BUNDLES[name]] = VERSIONS[name]
    return entries
