"""The installers: which there are, and how they are built and kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from winfleet import wusa
from winfleet.paths import CACHE, PACKAGE
from winfleet.vendor.signing import CONTOSO, MICROSOFT, Authority, Publisher

SOURCES = Path(__file__).parent / "sources"
SHARED = PACKAGE / "doubles" / "programs"
#: GUIDs of our own are made of names in this one, so that they are the same on every machine.
NAMESPACE = uuid.UUID("5d0c1d7e-54f8-4e0b-9a11-76f0a2a2b6d3")


class VendorError(Exception):
    """The packages cannot be built; the message says why."""


def _guid(name: str) -> str:
    return "{" + str(uuid.uuid5(NAMESPACE, name)).upper() + "}"


#: The stand-ins of what the modules of the clients have (doubles/modules/Winfleet.Scanner)
CMDLETS = r"C:\windows\system32\WindowsPowerShell\v1.0\Modules\Winfleet.Scanner"


@dataclass(frozen=True)
class Line:
    """A line of client versions that upgrade each other in place."""

    title: str
    upgrade_code: str
    module: str
    refuses: str  # the upgrade code of another line that has to be removed before
    minimum_build: int  # of Windows
    source: str = "client.wxs"
    program: str = "MSIP.App.exe"


AIP = Line("Microsoft Azure Information Protection", _guid("aip"), "AzureInformationProtection", _guid("none"), 9200)
PURVIEW = Line(
    "Microsoft Purview Information Protection",
    "{5D9EC71D-960E-4E58-ADA1-C43B094DAE72}",
    "PurviewInformationProtection",
    AIP.upgrade_code,
    14393,
)
#: The stand-alone Viewer, which is not a client.
VIEWER = Line(
    "Microsoft Azure Information Protection Viewer",
    _guid("viewer"),
    "",
    _guid("none"),
    9200,
    "viewer.wxs",
    "MSIP.Viewer.exe",
)
PURVIEW_VIEWER = replace(
    VIEWER, title="Microsoft Purview Information Protection Viewer", upgrade_code=_guid("purview viewer")
)


@dataclass(frozen=True)
class Client:
    """One version of a client, as MSI and as EXE.

    Attributes:
        name: of the files, without extension.
        version: four numbers.
    """

    name: str
    line: Line
    version: str
    product_code: str
    bundle_code: str = ""

    @property
    def bundle(self) -> str:
        """The GUID of the EXE's bundle."""
        return self.bundle_code or _guid(f"bundle {self.name}")


def _client(prefix: str, line: Line, version: str, product_code: str = "") -> Client:
    name = f"{prefix}-{'.'.join(version.split('.')[:3])}"
    return Client(name, line, version, product_code or _guid(f"product {name}"))


CLIENTS = (
    _client("AzInfoProtection", AIP, "1.54.59.0"),
    _client("AzInfoProtection_UL", AIP, "2.16.73.0"),
    _client("AzInfoProtection_UL", AIP, "2.18.26.0", "{6F8A30BE-992C-4C06-817B-4A222430F2B8}"),
    _client("PurviewInfoProtection", PURVIEW, "3.1.310.0", "{727593C8-CEA1-4CE2-840D-6B26CA874C76}"),
    # A product code stands for a whole minor line
    _client("PurviewInfoProtection", PURVIEW, "3.2.57.0", "{3CDA8FE2-209A-42F3-9C03-8026026D0849}"),
    _client("PurviewInfoProtection", PURVIEW, "3.2.92.0", "{3CDA8FE2-209A-42F3-9C03-8026026D0849}"),
)
VIEWERS = (
    replace(
        _client("AzInfoProtectionViewer", VIEWER, "2.18.26.0"), bundle_code="{63b95d0d-6aa3-42e8-90c2-b6383d2195be}"
    ),
    _client("PurviewInfoProtectionViewer", PURVIEW_VIEWER, "3.1.310.0"),
)
#: Which of them has the variants that a signature check or an installation fails with.
CURRENT = "AzInfoProtection_UL-2.18.26"


@dataclass(frozen=True)
class Framework:
    """An offline installer of .NET Framework.

    Attributes:
        file: its name.
        version: of the file, four numbers.
        release, product: what it registers.
        builds: the Windows builds it is for.
    """

    file: str
    title: str
    version: str
    release: int
    product: str
    builds: tuple[int, ...]


FRAMEWORKS = (
    Framework(
        "NDP472-KB4054530-x86-x64-AllOS-ENU.exe",
        "Microsoft .NET Framework 4.7.2",
        "4.7.3081.0",
        461814,
        "4.7.03062",
        (9200, 9600, 14393),
    ),
    Framework(
        "ndp48-x86-x64-allos-enu.exe",
        "Microsoft .NET Framework 4.8",
        "4.8.4115.0",
        528049,
        "4.8.03761",
        (9200, 9600, 14393, 17763),
    ),
)
#: The Rights Management connector: versions, and the key below Uninstall that they all have.
CONNECTORS = tuple(f"3.{minor}.0.0" for minor in range(6))
CONNECTOR_TITLE = "Microsoft Rights Management connector"
CONNECTOR_KEY = "{41E5EF5C-3B2A-4B9B-AE22-6C4C4A1A3A5B}"
#: Windows Management Framework 5.1: file, knowledge base article, the Windows build it is for.
UPDATES = (
    ("W2K12-KB3191565-x64.msu", "KB3191565", 9200),
    ("Win8.1AndW2K12R2-KB3191564-x64.msu", "KB3191564", 9600),
)


def connector_setup(version: str) -> str:
    """Return the file name of a connector's setup."""
    return f"RMSConnectorSetup-{version.removesuffix('.0')}.exe"


class Packages(Mapping[str, Path]):
    """The built installers: paths by file name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {file.name: file for file in sorted(folder.iterdir())}

    def __getitem__(self, name: str) -> Path:
        return self._files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def sha256(self, name: str) -> str:
        """The file's SHA-256, in lower case; it is another one after every build."""
        return hashlib.sha256(self[name].read_bytes()).hexdigest()

    def place(self, folder: Path) -> None:
        """Put them all into a folder: links where that is possible, as they are not written into."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in self.items():
            target = folder / name
            target.unlink(missing_ok=True)
            try:
                os.link(file, target)
            except OSError:
                shutil.copy2(file, target)


def packages(cache: Path = CACHE) -> Packages:
    """Return the installers, building them first when their sources have changed.

    The folder has a second name, `cache`/packages, which stays when it is built anew.

    Raises:
        VendorError: a program is missing or fails.
    """
    digest = hashlib.sha256()
    for file in sorted([*Path(__file__).parent.rglob("*"), SHARED / "installer.nsh", PACKAGE / "wusa.py"]):
        if file.is_file() and file.suffix in (".py", ".nsi", ".nsh", ".wxs"):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    target = cache / f"packages-{digest.hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            print("packages: building the stand-ins of installers", file=sys.stderr, flush=True)
            for old in cache.glob("packages-*"):
                shutil.rmtree(old, ignore_errors=True)
            draft = cache / "packages-draft"  # removed with the old ones, should it ever be left
            draft.mkdir()
            try:
                with tempfile.TemporaryDirectory(prefix="packages-work-", dir=cache) as work:
                    Builder(draft, Path(work)).build()
            except OSError as error:
                raise VendorError(str(error)) from error
            draft.rename(target)
        # A name that stays, for inventories
        link = cache / "packages"
        if not link.is_symlink() or link.readlink() != Path(target.name):
            link.unlink(missing_ok=True)
            link.symlink_to(target.name)
    return Packages(target)


class Builder:
    """Builds all into a folder, with another one for what is only needed meanwhile."""

    def __init__(self, folder: Path, work: Path) -> None:
        for program in ("wixl", "makensis", "osslsigncode"):
            if shutil.which(program) is None:
                raise OSError(
                    f"{program} is not installed; on Debian and Ubuntu: "
                    "apt-get install --no-install-recommends wixl nsis osslsigncode"
                )
        self._folder = folder
        self._work = work

    def build(self) -> None:
        authority = Authority()
        microsoft = authority.publisher(MICROSOFT, self._work)
        contoso = authority.publisher(CONTOSO, self._work)
        for client in CLIENTS + VIEWERS:
            self._msi(client, microsoft)
            self._bundle(client)
            if client.name == CURRENT:
                self._variants(client, microsoft, contoso)
            microsoft.sign(self._folder / f"{client.name}.exe", client.line.title)
        for framework in FRAMEWORKS:
            file = self._framework(framework)
            microsoft.sign(file, framework.title)
        for version in CONNECTORS:
            file = self._folder / connector_setup(version)
            _nsis("connector.nsi", file, VERSION=version, KEY=CONNECTOR_KEY)
            microsoft.sign(file, CONNECTOR_TITLE)
        for name, article, build in UPDATES:
            (self._folder / name).write_bytes(wusa.package(article, build))

    def _variants(self, client: Client, microsoft: Publisher, contoso: Publisher) -> None:
        """What must not be installed, or does not install; the client's EXE is not signed yet."""
        title = client.line.title
        unsigned = self._folder / f"{client.name}.exe"
        shutil.copy2(unsigned, self._folder / f"{client.name}-unsigned.exe")
        other = self._folder / f"{client.name}-contoso.exe"
        shutil.copy2(unsigned, other)
        contoso.sign(other, title)
        tampered = self._folder / f"{client.name}-tampered.exe"
        shutil.copy2(unsigned, tampered)
        microsoft.sign(tampered, title)
        data = bytearray(tampered.read_bytes())
        data[0x40] ^= 1  # within the stub for DOS: it still runs
        tampered.write_bytes(data)
        self._msi(client, microsoft, broken=True)

    def _msi(self, client: Client, publisher: Publisher, *, broken: bool = False) -> None:
        line = client.line
        app = self._app(client)
        manifest = self._work / f"{client.name}.psd1"
        manifest.write_text(
            f"@{{\n    ModuleVersion = '{client.version}'\n    GUID = '{_guid(line.module)[1:-1]}'\n"
            f"    Author = 'Microsoft Corporation'\n    RootModule = '{CMDLETS}\\{line.module}.psm1'\n"
            "    FunctionsToExport = @('*')\n}\n"
        )
        values = {
            "Title": line.title,
            "Version": client.version,
            "ProductCode": client.product_code,
            "UpgradeCode": line.upgrade_code,
            "App": app.name,
            "AppGuid": _guid(f"app {client.name}"),
            "Module": line.module,
            "ModuleGuid": _guid(f"module {client.name}"),
            "Manifest": manifest.name,
            "Refuses": line.refuses,
            "MinimumBuild": line.minimum_build,
            "Broken": "yes" if broken else "no",
        }
        file = self._folder / f"{client.name}{'-broken' if broken else ''}.msi"
        definitions = [argument for name, value in values.items() for argument in ("-D", f"{name}={value}")]
        # Files are looked for beside the source only
        source = self._work / line.source
        shutil.copy2(SOURCES / source.name, source)
        _run(["wixl", "--arch", "x86", "--output", str(file), *definitions, str(source)])
        publisher.sign(file, line.title)

    def _app(self, client: Client) -> Path:
        file = self._work / f"{client.name}-{client.line.program}"
        if not file.exists():
            _nsis("app.nsi", file, TITLE=client.line.title, VERSION=client.version)
        return file

    def _bundle(self, client: Client) -> None:
        file = self._folder / f"{client.name}.exe"
        upgrade = _guid(f"bundles of {client.line.title}")
        parts = client.version.split(".")
        _nsis(
            "bundle.nsi",
            file,
            TITLE=client.line.title,
            VERSION=client.version,
            FILE=file.name,
            BUNDLE=client.bundle,
            UPGRADE=upgrade,
            UPGRADE_HEX=",".join(f"{byte:02x}" for byte in f"{upgrade}\0\0".encode("utf-16-le")),
            MSI=str(self._folder / f"{client.name}.msi"),
            APP=str(self._app(client)),
            PRODUCT=client.product_code,
            MAJOR=parts[0],
            MINOR=parts[1],
        )

    def _framework(self, framework: Framework) -> Path:
        file = self._folder / framework.file
        _nsis(
            "dotnet.nsi",
            file,
            TITLE=framework.title,
            VERSION=framework.version,
            RELEASE=str(framework.release),
            PRODUCT=framework.product,
            BUILDS=f",{','.join(map(str, framework.builds))},",
        )
        return file


def _nsis(source: str, target: Path, **definitions: str) -> None:
    options = [f"-D{name}={value}" for name, value in {"OUTPUT": target, **definitions}.items()]
    _run(["makensis", "-V2", "-WX", *options, f"-X!addincludedir {SHARED}", str(SOURCES / source)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
