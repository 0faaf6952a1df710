# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""How a host gets PowerShell 5.1: what is in the way, what is installed, and the scripts that do it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .conditions import at_least
from .old_powershell import PREAMBLE, exchange_test, file_of, quoted, shortened

ROLE = "aip_bootstrap"
#: The operator's packages, as the variables aip_bootstrap_*_url and _checksum name them
PACKAGES = ("dotnet", "wmf_2012", "wmf_2012r2")
#: Build of Windows Server -> its name, and the package of Windows Management Framework that it takes
SYSTEMS = {9200: ("Windows Server 2012", "wmf_2012"), 9600: ("Windows Server 2012 R2", "wmf_2012r2")}
#: .NET Framework 4.5.2, which WMF 5.1 needs, and 4.6.2, which the client needs, as the registry counts them
DOTNET_FOR_WMF, DOTNET_FOR_CLIENT = 379893, 394802
URL = r"[^\s/@?#]+/\S{1,250}"
SHA256 = r"[0-9a-fA-F]{64}"
#: The last one: it was there already
SUCCESS = (0, 1641, 3010, 2359302)
NETWORK_LOGON = "access denied, as it is to a network logon; the scheduled task was to run it as SYSTEM"
EXIT_CODES = {
    5: NETWORK_LOGON,
    1602: "cancelled",
    1603: "fatal error",
    1618: "another installation runs and did not end in time",
    5100: "the host does not meet its requirements",
    2147942405: NETWORK_LOGON,
    2147943458: "the service Windows Update (wuauserv) is disabled",
    2149842967: "not applicable, it is for another version of Windows or something that it needs is missing",
}
FOLDER = r"%SystemRoot%\infoprotect-bootstrap"


@dataclass(frozen=True)
class Installer:
    """How a package is installed on the host, and where its log is."""

    title: str
    file: str
    program: str
    arguments: str
    log: str


#: In the order in which they are installed
INSTALLERS = {
    "dotnet": Installer(
        ".NET Framework",
        "dotnet.exe",
        rf"{FOLDER}\dotnet.exe",
        rf"/q /norestart /log {FOLDER}\log-dotnet.html",
        rf"{FOLDER}\log-dotnet*",
    ),
    "wmf": Installer(
        "Windows Management Framework 5.1",
        "wmf.msu",
        r"%SystemRoot%\System32\wusa.exe",
        rf"{FOLDER}\wmf.msu /quiet /norestart",
        r"%SystemRoot%\Logs\CBS\CBS.log",
    ),
}


@dataclass(frozen=True)
class Package:
    """A file of the operator: its address and its SHA-256."""

    url: str = ""
    checksum: str = ""


Packages = Mapping[str, Package]


@dataclass(frozen=True)
class Host:
    """What look.ps1 has found on the host."""

    product: str
    build: int
    server: bool
    powershell: str
    dotnet: int
    exchange: bool
    restart_pending: bool
    running: bool
    free_mb: int

    @property
    def system(self) -> tuple[str, str]:
        """Its name and its package of WMF; empty where there is none for it."""
        return SYSTEMS.get(self.build, ("", "")) if self.server else ("", "")


def packages_of(given: Mapping[str, Mapping[str, Any]]) -> dict[str, Package]:
    """The operator's packages; an empty answer of a survey names none."""
    return {
        name: Package(str(one.get("url") or ""), str(one.get("checksum") or ""))
        for name in PACKAGES
        for one in [given.get(name) or {}]
    }


def wrong_packages(packages: Packages, allow_http: bool) -> list[str]:
    """The packages whose address or checksum cannot be right, as their variables begin."""
    url = re.compile(f"http{'s?' if allow_http else 's'}://{URL}")
    return [
        f"aip_bootstrap_{name}"
        for name, package in packages.items()
        if (package.url or package.checksum)
        and not (url.fullmatch(package.url) and re.fullmatch(SHA256, package.checksum))
    ]


def missing(host: Host, packages: Packages) -> list[str]:
    """What has to be installed on the host. .NET is brought up to what the client needs where there is a package."""
    needed = DOTNET_FOR_CLIENT if packages["dotnet"].url else DOTNET_FOR_WMF
    is_missing = {"dotnet": host.dotnet < needed, "wmf": not at_least(host.powershell, "5.1")}
    return [kind for kind in INSTALLERS if is_missing[kind]]


def package_for(kind: str, host: Host) -> str:
    return host.system[1] if kind == "wmf" else kind


def obstacles(host: Host, packages: Packages, free_mb: int) -> list[str]:
    """Why the host cannot be brought to PowerShell 5.1."""
    found = []
    title, wmf = host.system
    if not wmf:
        found.append(
            f"{host.product} (build {host.build}) is neither Windows Server 2012 nor 2012 R2, for which there is"
            " Windows Management Framework 5.1"
        )
    else:
        has = f"{title}, PowerShell {host.powershell}, .NET release {host.dotnet}"
        found += [
            f"aip_bootstrap_{name}_url is not defined, and the host ({has}) needs {INSTALLERS[kind].title}"
            for kind in missing(host, packages)
            for name in [package_for(kind, host)]
            if not packages[name].url
        ]
    if host.exchange:
        found.append(
            "Exchange Server is installed, where Microsoft supports only the Windows Management Framework that came"
            " with Windows"
        )
    if host.free_mb < free_mb:
        found.append(f"the system drive has {host.free_mb} MB free, aip_bootstrap_free_mb asks for {free_mb}")
    return found


def summary(found: list[str], kinds: list[str]) -> str:
    """What would be done, for check mode and errors."""
    if found:
        return f"The host cannot be brought to PowerShell 5.1: {'; '.join(found)}."
    return f"Would install {', '.join(INSTALLERS[kind].title for kind in kinds)} and restart the host."


def failure(title: str, result: Mapping[str, Any]) -> str:
    """What went wrong in a job, by its result; empty where nothing did."""
    if "error" in result:
        return f"{title} failed: {result['error']}"
    code = int(result.get("code", 0))
    if code in SUCCESS:
        return ""
    lines = [str(line) for line in result.get("log") or []]
    log = f"Last lines of its log: {' | '.join(lines)}" if lines else "It left no log."
    return f"{title} failed with exit code {code} ({EXIT_CODES.get(code, 'unknown')}). {log}"


def script(name: str, job: str = "") -> str:
    """A script of the role. A job is the text of one that put leaves on the host and start starts as SYSTEM."""
    parts = [
        PREAMBLE,
        '$folder = "$env:SystemRoot\\infoprotect-bootstrap"\n',
        f'$file = "$folder\\job-{hashlib.sha1(job.encode()).hexdigest() if job else ""}.ps1"\n',
        "$task = 'infoprotect-aip-bootstrap'\n",
        job if name == "put" else "",
        file_of(ROLE, "task") if name in ("start", "poll", "clean") else "",
        exchange_test() if name == "look" else "",
        file_of(ROLE, name),
    ]
    return shortened("\n".join(parts))


def job_text(name: str, parameters: Mapping[str, Any]) -> str:
    """A job with its parameters, as the value of $job."""
    return f"""$job = {{
$ErrorActionPreference = 'Stop'
$folder = "$env:SystemRoot\\infoprotect-bootstrap"
$p = ConvertFrom-Json -InputObject {quoted(json.dumps(parameters))}
$body = {{
{file_of(ROLE, name)}
}}
{file_of(ROLE, "job")}
}}.ToString()
"""
