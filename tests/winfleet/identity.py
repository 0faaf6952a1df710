"""Who an emulated host is.

Windows version, edition, domain, PowerShell, .NET and roles, as Windows keeps them in its registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from winfleet import passwords
from winfleet.registry import Data, Expand, Qword
from winfleet.vendor.packages import CONNECTOR_KEY, CONNECTOR_TITLE, CONNECTORS

Keys = dict[str, dict[str, Data | Expand | Qword]]

NT = r"Software\Microsoft\Windows NT\CurrentVersion"
SERVERMANAGER = r"Software\Microsoft\Windows\CurrentVersion\ServerManager\ServicingStorage\ServerComponentCache"
SERVICES = r"System\CurrentControlSet\Services"
ROLES = (
    "exchange",
    "exchange_tools",
    "sharepoint",
    "fci",
    "ad_rms",
    "domain_controller",
    "connector",
    "aip_admin",
    "rd_connection_broker",
)
#: PowerShell modules that only hosts with one of these roles have.
MODULES = {
    "ActiveDirectory": {"domain_controller", "aip_admin"},
    "AIPService": {"aip_admin"},
    "Winfleet.Exchange": {"exchange"},
    "Winfleet.SharePoint": {"sharepoint"},
}
EDITIONS = ("desktop", "core")
POWERSHELLS = ("3.0", "4.0", "5.1")
#: Exchange and SharePoint of these years: the versions that their setups leave in the registry.
EXCHANGES = {"2013": (15, 0, 1497, 48), "2016": (15, 1, 2507, 6), "2019": (15, 2, 1544, 4)}
SHAREPOINTS = {"2013": ("15.0", "15.0.0.5571"), "2016": ("16.0", "16.0.0.4351"), "2019": ("16.0", "16.0.0.10337")}
#: What .NET Framework 4.7.2 needs on Windows Server 2012 R2, as component based servicing keeps it
_UPDATES_2012R2: Keys = {
    r"Software\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages"
    r"\Package_for_KB2919355~31bf3856ad364e35~amd64~~6.3.1.14": {"CurrentState": 0x70}
}


class IdentityError(ValueError):
    """A host variable of the inventory that winfleet does not understand."""


@dataclass(frozen=True)
class OperatingSystem:
    """A Windows Server version, with what its first release shipped."""

    title: str
    version: tuple[int, int]
    build: int
    revision: int
    release: str
    dotnet: int
    dotnet_version: str

    @property
    def number(self) -> str:
        return f"{self.version[0]}.{self.version[1]}.{self.build}"


SYSTEMS = {
    # 2012 and 2012 R2 have Windows PowerShell 5.1 by WMF 5.1, which wants .NET 4.5.2
    "2012": OperatingSystem("Windows Server 2012 Standard", (6, 2), 9200, 25073, "", 379893, "4.5.51209"),
    "2012r2": OperatingSystem("Windows Server 2012 R2 Standard", (6, 3), 9600, 21620, "", 379893, "4.5.51209"),
    "2016": OperatingSystem("Windows Server 2016 Standard", (10, 0), 14393, 6796, "1607", 394802, "4.6.01586"),
    "2019": OperatingSystem("Windows Server 2019 Standard", (10, 0), 17763, 5458, "1809", 461814, "4.7.03190"),
}


@dataclass(frozen=True)
class Identity:
    """One emulated host.

    Attributes:
        name: its name in the inventory; the computer name is made of it.
        address: its loopback address.
        os: a key of `SYSTEMS`.
        edition: "desktop" or "core".
        roles: some of `ROLES`.
        product: the year of Exchange and SharePoint, a key of `EXCHANGES`.
        powershell: the version of Windows PowerShell it reports.
        domain: its Active Directory domain, or "" in a workgroup.
        dns_suffix: the DNS suffix of its name; "" for that of the domain. Another one makes the namespace disjoint.
        dotnet: the release number of .NET Framework, 0 for what the OS shipped.
        allow_unencrypted: WinRM's AllowUnencrypted: Basic and unencrypted messages over HTTP.
    """

    name: str
    address: str
    os: str = "2019"
    edition: str = "desktop"
    roles: tuple[str, ...] = ()
    product: str = "2016"
    powershell: str = "5.1"
    domain: str = "contoso.test"
    dns_suffix: str = ""
    dotnet: int = 0
    allow_unencrypted: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_inventory(cls, name: str, variables: Mapping[str, Any]) -> Identity:
        """Read a host's variables.

        Raises:
            IdentityError: naming the variable and what was expected.
        """
        address = str(variables.get("ansible_host", ""))
        if not address.startswith("127."):
            raise IdentityError(
                f"{name}: ansible_host is {address!r}; an emulated host needs a loopback address (127.20.0.x)"
            )

        def choice(variable: str, choices: Any, default: str) -> str:
            value = str(variables.get(variable, default))
            if value not in choices:
                raise IdentityError(f"{name}: {variable} is {value!r}; expected one of {', '.join(choices)}")
            return value

        roles = variables.get("winfleet_roles", [])
        unknown = sorted(set(roles) - set(ROLES)) if isinstance(roles, list) else [str(roles)]
        if unknown:
            raise IdentityError(
                f"{name}: winfleet_roles has {', '.join(unknown)}; expected a list of {', '.join(ROLES)}"
            )
        allow_unencrypted = variables.get("winfleet_allow_unencrypted", False)
        if not isinstance(allow_unencrypted, bool):
            raise IdentityError(f"{name}: winfleet_allow_unencrypted is {allow_unencrypted!r}; expected true or false")
        user = str(variables.get("ansible_user", "Administrator"))
        password = str(variables[passwords.ADMINISTRATOR])
        return cls(
            name=name,
            address=address,
            os=choice("winfleet_os", SYSTEMS, "2019"),
            edition=choice("winfleet_edition", EDITIONS, "desktop"),
            roles=tuple(roles),
            product=choice("winfleet_product", EXCHANGES, "2016"),
            powershell=choice("winfleet_powershell", POWERSHELLS, "5.1"),
            domain=str(variables.get("winfleet_domain", "contoso.test") or ""),
            dns_suffix=str(variables.get("winfleet_dns_suffix", "") or ""),
            dotnet=int(variables.get("winfleet_dotnet", 0)),
            allow_unencrypted=allow_unencrypted,
            accounts={"Administrator": password, user: password, "reader": str(variables[passwords.READER])},
        )

    @property
    def computer_name(self) -> str:
        """The NetBIOS name: at most 15 characters."""
        return self.name.upper()[:15].rstrip("-")

    @property
    def missing_modules(self) -> list[str]:
        """The PowerShell modules of `MODULES` that the host does not have."""
        return [name for name, roles in MODULES.items() if not roles & set(self.roles)]

    @property
    def system(self) -> OperatingSystem:
        return SYSTEMS[self.os]

    @property
    def powershell_version(self) -> str:
        """The full version that $PSVersionTable and the registry say."""
        if self.powershell == "5.1":
            return f"5.1.{self.system.build}.{self.system.revision}"
        return self.powershell

    def registry(self) -> Keys:
        """Return what Windows would have in HKEY_LOCAL_MACHINE."""
        return {
            **self._system(),
            **self._network(),
            **self.powershell_keys(),
            **self._dotnet(),
            **{path: values for role in self.roles for path, values in self._role(role).items()},
        }

    def _role(self, role: str) -> Keys:
        return _PRODUCTS[role](self.product) if role in _PRODUCTS else _ROLES[role]()

    def _system(self) -> Keys:
        system = self.system
        core = self.edition == "core"
        current: dict[str, Data | Expand | Qword] = {
            # Windows keeps 6.3 here from 2016 on, but Wine takes the version from it
            "CurrentVersion": f"{system.version[0]}.{system.version[1]}",
            "CurrentBuild": str(system.build),
            "CurrentBuildNumber": str(system.build),
            "ProductName": system.title,
            "EditionID": "ServerStandard",
            "InstallationType": "Server Core" if core else "Server",
            "BuildLabEx": f"{system.build}.{system.revision}.amd64fre.winfleet",
            "CSDVersion": "",
            "UBR": system.revision,
        }
        if system.version[0] >= 10:
            current |= {"CurrentMajorVersionNumber": 10, "CurrentMinorVersionNumber": 0, "ReleaseId": system.release}
        levels: dict[str, Data | Expand | Qword] = {"ServerCore": 1}
        if not core:
            levels |= {"Server-Gui-Mgmt": 1, "Server-Gui-Shell": 1}
        return {
            NT: current,
            NT + r"\Server\ServerLevels": levels,
            r"Software\Microsoft\Windows\CurrentVersion\Component Based Servicing": {"EnableLog": 1},
            **(_UPDATES_2012R2 if system.build == 9600 else {}),
            r"System\CurrentControlSet\Control\ProductOptions": {
                "ProductType": "LanmanNT" if "domain_controller" in self.roles else "ServerNT",
                "ProductSuite": ["Terminal Server"],
            },
            r"System\CurrentControlSet\Control\Windows": {"CSDVersion": 0},
        }

    def _network(self) -> Keys:
        lower = self.computer_name.lower()
        keys: Keys = {
            r"System\CurrentControlSet\Control\ComputerName\ComputerName": {"ComputerName": self.computer_name},
            SERVICES + r"\Tcpip\Parameters": {
                "Hostname": lower,
                "NV Hostname": lower,
                "Domain": self.dns_suffix or self.domain,
                "NV Domain": self.dns_suffix or self.domain,
            },
        }
        if self.domain:
            netbios = self.domain.split(".")[0].upper()
            keys |= {
                r"Software\Microsoft\Windows\CurrentVersion\Group Policy\DataStore\Machine\0": {
                    "DNName": f"CN={self.computer_name}"
                },
                r"Software\Microsoft\Windows\CurrentVersion\Group Policy\History": {
                    "MachineDomain": self.domain,
                    "NetworkName": self.domain,
                },
                SERVICES + r"\Netlogon\Parameters": {"DomainName": netbios},
                SERVICES + r"\Netlogon": _service("Netlogon", r"%SystemRoot%\system32\lsass.exe", start=2, shared=True),
            }
        return keys

    def powershell_keys(self) -> Keys:
        """Return what Windows PowerShell has in HKEY_LOCAL_MACHINE."""
        engine = r"Software\Microsoft\PowerShell"
        version = self.powershell_version
        keys: Keys = {
            engine + r"\1": {"Install": 1},
            engine + r"\1\PowerShellEngine": {"PowerShellVersion": "2.0", "RuntimeVersion": "v2.0.50727"},
            engine + r"\3": {"Install": 1},
            engine + r"\3\PowerShellEngine": {
                "PowerShellVersion": version,
                "PSCompatibleVersion": "1.0, 2.0, 3.0"
                + {"3.0": "", "4.0": ", 4.0"}.get(self.powershell, ", 4.0, 5.0, 5.1"),
                "RuntimeVersion": "v4.0.30319",
                "ApplicationBase": r"C:\Windows\System32\WindowsPowerShell\v1.0",
            },
        }
        return keys

    def _dotnet(self) -> Keys:
        release = self.dotnet or self.system.dotnet
        version = self.system.dotnet_version if not self.dotnet else f"4.8.{self.dotnet}"
        keys: Keys = {}
        for software, framework in (("Software", "Framework64"), (r"Software\Wow6432Node", "Framework")):
            folder = f"C:\\Windows\\Microsoft.NET\\{framework}\\v4.0.30319\\"
            for profile in ("Client", "Full"):
                keys[software + r"\Microsoft\NET Framework Setup\NDP\v4" + f"\\{profile}"] = {
                    "Install": 1,
                    "InstallPath": folder,
                    "Release": release,
                    "Servicing": 0,
                    "TargetVersion": "4.0.0",
                    "Version": version,
                }
        return keys


def _service(title: str, image: str, *, start: int = 2, shared: bool = False) -> dict[str, Data | Expand | Qword]:
    return {
        "DisplayName": title,
        "ErrorControl": 1,
        "ImagePath": Expand(image),
        "ObjectName": "LocalSystem",
        "Start": start,
        "Type": 0x20 if shared else 0x10,
    }


#: A program that Wine has and that runs as a service: the services of a role are started by it, so that they can be
#: stopped and read.
_STAND_IN = r"C:\windows\system32\spoolsv.exe"


def _exchange_tools(product: str) -> Keys:
    """The management tools alone: what setup of any Exchange leaves."""
    major, minor, build, revision = EXCHANGES[product]
    return {
        r"Software\Microsoft\ExchangeServer\v15\Setup": {
            "MsiProductMajor": major,
            "MsiProductMinor": minor,
            "MsiBuildMajor": build,
            "MsiBuildMinor": revision,
            "MsiInstallPath": "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\",
        }
    }


def _exchange(product: str) -> Keys:
    major, minor, build, revision = EXCHANGES[product]
    return {
        **_exchange_tools(product),
        r"Software\Microsoft\ExchangeServer\v15\MailboxRole": {
            "ConfiguredVersion": f"{major}.{minor}.{build}.{revision}"
        },
        SERVICES + r"\MSExchangeADTopology": _service(
            "Microsoft Exchange Active Directory Topology", _STAND_IN, start=3
        ),
        SERVICES + r"\MSExchangeTransport": _service("Microsoft Exchange Transport", _STAND_IN, start=3),
        SERVICES + r"\MSExchangeIS": _service("Microsoft Exchange Information Store", _STAND_IN, start=3),
    }


def _sharepoint(product: str) -> Keys:
    line, version = SHAREPOINTS[product]
    extensions = rf"Software\Microsoft\Shared Tools\Web Server Extensions\{line}"
    return {
        extensions: {
            "Location": f"C:\\Program Files\\Common Files\\microsoft shared\\Web Server Extensions\\{line[:2]}\\",
            "SharePoint": "Installed",
            "Version": version,
        },
        # the Rights Management client 2.1, which SharePoint's prerequisites bring
        r"Software\Microsoft\MSIPC\CurrentVersion": {"": "1.0.3889.619"},
        SERVICES + r"\SPTimerV4": _service("SharePoint Timer Service", _STAND_IN, start=3),
    }


def _fci() -> Keys:
    return {
        SERVICES + r"\SrmSvc": _service("File Server Resource Manager", _STAND_IN, start=3),
        SERVICES + r"\SrmReports": _service("File Server Storage Reports Manager", _STAND_IN, start=3),
        SERVERMANAGER + r"\FS-Resource-Manager": {"InstallState": 1},
    }


def _ad_rms() -> Keys:
    return {
        r"Software\Microsoft\DRMS": {"GICURL": "https://rms.contoso.test/_wmcs/certification"},
        SERVICES + r"\ADRMSLoggingService": _service("AD RMS Logging Service", _STAND_IN, start=3),
    }


def _domain_controller() -> Keys:
    return {
        SERVICES + r"\NTDS": _service(
            "Active Directory Domain Services", r"%SystemRoot%\System32\lsass.exe", shared=True
        ),
        SERVICES + r"\NTDS\Parameters": {"DSA Database file": r"C:\Windows\NTDS\ntds.dit"},
    }


def _connector() -> Keys:
    folder = f"C:\\Program Files\\{CONNECTOR_TITLE}\\"
    return {
        r"Software\Microsoft\AADRM\Connector": {},
        r"Software\Microsoft\Windows\CurrentVersion\Uninstall" + f"\\{CONNECTOR_KEY}": {
            "DisplayName": CONNECTOR_TITLE,
            "DisplayVersion": CONNECTORS[-1],
            "Publisher": "Microsoft Corporation",
            "InstallLocation": folder,
            "UninstallString": f'"C:\\ProgramData\\Package Cache\\{CONNECTOR_KEY}\\RMSConnectorSetup.exe" /uninstall',
        },
        SERVICES + r"\EventLog\Application\Microsoft RMS connector": {
            "EventMessageFile": folder + r"Web Service\bin\Events.dll",
            "TypesSupported": 7,
        },
        SERVICES + r"\W3SVC": _service("World Wide Web Publishing Service", _STAND_IN + " -k iissvcs"),
    }


def _rd_connection_broker() -> Keys:
    """A broker that is not highly available: it keeps its data in Windows Internal Database."""
    return {
        SERVICES + r"\Tssdis": _service("Remote Desktop Connection Broker", _STAND_IN, start=3),
        SERVICES + r"\RDMS": _service("Remote Desktop Management", _STAND_IN, start=3),
        SERVICES + r"\MSSQL$MICROSOFT##WID": _service("Windows Internal Database", _STAND_IN, start=3),
    }


#: Roles that there are in several versions.
_PRODUCTS = {"exchange": _exchange, "exchange_tools": _exchange_tools, "sharepoint": _sharepoint}

_ROLES = {
    "fci": _fci,
    "ad_rms": _ad_rms,
    "domain_controller": _domain_controller,
    "connector": _connector,
    "aip_admin": dict,
    "rd_connection_broker": _rd_connection_broker,
}
