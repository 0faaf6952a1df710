"""Internet Information Services on one host, as far as the connector needs it.

The configuration is the file that IIS has (applicationHost.config), the service W3SVC one of Wine's, and iissetup.exe,
appcmd.exe, iisreset.exe and netsh.exe are played here. Only connector.py serves requests.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from winfleet.certificates import Store
from winfleet.wine import Wine

log = logging.getLogger("winfleet")

SYSTEM = Path("drive_c/windows/system32")
CONFIGURATION = SYSTEM / "inetsrv/config/applicationHost.config"
SITE = "Default Web Site"
SERVICE = "W3SVC"
SERVICE_TITLE = "World Wide Web Publishing Service"
#: Wine's print spooler is a service that starts and stops; the arguments tell this one from it.
SERVICE_IMAGE = r"C:\windows\system32\spoolsv.exe -k iissvcs"
#: How long it may take to start or to stop, in seconds.
SERVICE_TIMEOUT = 10.0
HTTP = r"SYSTEM\CurrentControlSet\Services\HTTP\Parameters"
SSL_BINDINGS = HTTP + r"\SslBindingInfo"
#: By names; each key is called by a number and has the name in a value
SNI_BINDINGS = HTTP + r"\SslSniBindingInfo"
#: Options of `netsh http add sslcert`: the bit of DefaultSslCertCheckMode, and the word that sets it
SSL_CHECKS = {
    "verifyclientcertrevocation": (0x1, "disable"),
    "verifyrevocationwithcachedclientcertonly": (0x2, "enable"),
    "usagecheck": (0x10000, "disable"),
}
FRESHNESS_GIVEN = 0x4
#: The bit of DefaultFlags, set by enable
SSL_FLAGS = {"dsmapperusage": 0x1, "clientcertnegotiation": 0x2}
NEWER_SSL_FLAGS = {"reject": 0x8, "disablehttp2": 0x10, "disablequic": 0x20, "disablelegacytls": 0x400}
#: A value of its own, and its type
SSL_VALUES = {
    "revocationfreshnesstime": ("DefaultSslRevocationFreshnessTime", "REG_DWORD"),
    "urlretrievaltimeout": ("DefaultSslRevocationUrlRetrievalTimeout", "REG_DWORD"),
    "sslctlidentifier": ("DefaultSslCtlIdentifier", "REG_SZ"),
    "sslctlstorename": ("DefaultSslCtlStoreName", "REG_SZ"),
}
WINDOWS_2016 = 14393
ALREADY_EXISTS = 183
NOT_FOUND = 1168

_TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<configuration>
    <system.applicationHost>
        <applicationPools>
            <add name="DefaultAppPool" managedRuntimeVersion="v4.0" />
        </applicationPools>
        <sites>
            <site name="Default Web Site" id="1" serverAutoStart="true">
                <application path="/">
                    <virtualDirectory path="/" physicalPath="%SystemDrive%\\inetpub\\wwwroot" />
                </application>
                <bindings>
                    <binding protocol="http" bindingInformation="*:80:" />
                </bindings>
            </site>
        </sites>
    </system.applicationHost>
    <system.webServer>
        <security>
            <authentication>
                <anonymousAuthentication enabled="true" userName="IUSR" />
                <windowsAuthentication enabled="false" />
            </authentication>
        </security>
    </system.webServer>
</configuration>
"""


class Configuration:
    """A host's applicationHost.config. Each method reads the file, those that change something write it."""

    def __init__(self, prefix: Path) -> None:
        self.file = prefix / CONFIGURATION

    def create(self) -> None:
        """Write what a new IIS has, unless there is one."""
        if not self.file.exists():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(_TEMPLATE)

    @property
    def stamp(self) -> int:
        """Changes with the file; 0 when there is none."""
        with contextlib.suppress(OSError):
            return self.file.stat().st_mtime_ns
        return 0

    def bindings(self) -> list[tuple[str, str]]:
        """Return protocol and information of the Default Web Site's bindings."""
        site = self._site(self._read(), SITE)
        if site is None:
            return []
        return [(str(item.get("protocol")), str(item.get("bindingInformation"))) for item in site.iter("binding")]

    def has_application(self, prefix: str) -> bool:
        """Whether the Default Web Site has an application whose path starts so."""
        site = self._site(self._read(), SITE)
        return site is not None and any(str(item.get("path")).startswith(prefix) for item in site.iter("application"))

    def lets_anonymous_in(self, location: str) -> bool:
        """Whether anonymous authentication is on, for a location or above it."""
        root = self._read()
        parts = location.split("/")
        for count in range(len(parts), -1, -1):
            name = "/".join(parts[:count])
            scopes = [item for item in root.findall("location") if item.get("path") == name] if name else [root]
            for scope in scopes:
                found = scope.find("system.webServer/security/authentication/anonymousAuthentication")
                if found is not None:
                    return found.get("enabled") == "true"
        return False

    # -- what appcmd.exe does ------------------------------------------------------------------------------------------

    def add_application(self, site_name: str, path: str, folder: str) -> int:
        root = self._read()
        site = self._site(root, site_name)
        if site is None:
            return NOT_FOUND
        if any(item.get("path") == path for item in site.iter("application")):
            return ALREADY_EXISTS
        application = ElementTree.Element("application", {"path": path, "applicationPool": "DefaultAppPool"})
        ElementTree.SubElement(application, "virtualDirectory", {"path": "/", "physicalPath": folder})
        site.insert(len(site.findall("application")), application)
        location = ElementTree.SubElement(root, "location", {"path": site_name + path})
        element = location
        for name in ("system.webServer", "security", "authentication"):
            element = ElementTree.SubElement(element, name)
        ElementTree.SubElement(element, "anonymousAuthentication", {"enabled": "false"})
        ElementTree.SubElement(element, "windowsAuthentication", {"enabled": "true"})
        self._write(root)
        return 0

    def delete_application(self, site_name: str, path: str) -> int:
        root = self._read()
        site = self._site(root, site_name)
        found = [] if site is None else [item for item in site.findall("application") if item.get("path") == path]
        if site is None or not found:
            return NOT_FOUND
        site.remove(found[0])
        for location in root.findall("location"):
            if location.get("path") == site_name + path:
                root.remove(location)
        self._write(root)
        return 0

    def add_binding(self, site_name: str, protocol: str, information: str) -> int:
        root = self._read()
        site = self._site(root, site_name)
        if site is None:
            return NOT_FOUND
        if self._binding(site, protocol, information) is not None:
            return ALREADY_EXISTS
        bindings = site.find("bindings")
        if bindings is None:
            bindings = ElementTree.SubElement(site, "bindings")
        ElementTree.SubElement(bindings, "binding", {"protocol": protocol, "bindingInformation": information})
        self._write(root)
        return 0

    def delete_binding(self, site_name: str, protocol: str, information: str) -> int:
        root = self._read()
        site = self._site(root, site_name)
        binding = None if site is None else self._binding(site, protocol, information)
        if site is None or binding is None:
            return NOT_FOUND
        site.find("bindings").remove(binding)  # type: ignore[union-attr]  # it holds the binding
        self._write(root)
        return 0

    def sites(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """Return name, id and bindings of the sites."""
        return [
            (
                str(site.get("name")),
                str(site.get("id")),
                [(str(item.get("protocol")), str(item.get("bindingInformation"))) for item in site.iter("binding")],
            )
            for site in self._read().iter("site")
        ]

    def _read(self) -> ElementTree.Element:
        try:
            return ElementTree.fromstring(self.file.read_bytes())
        except (OSError, ElementTree.ParseError):  # not there, or somebody is writing it
            return ElementTree.Element("configuration")

    def _write(self, root: ElementTree.Element) -> None:
        ElementTree.indent(root, "    ")
        draft = self.file.with_suffix(".new")
        draft.write_bytes(b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root) + b"\n")
        draft.rename(self.file)

    @staticmethod
    def _site(root: ElementTree.Element, name: str) -> ElementTree.Element | None:
        return next((site for site in root.iter("site") if str(site.get("name")).lower() == name.lower()), None)

    @staticmethod
    def _binding(site: ElementTree.Element, protocol: str, information: str) -> ElementTree.Element | None:
        wanted = (protocol.lower(), information.lower())
        for item in site.iter("binding"):
            if (str(item.get("protocol")).lower(), str(item.get("bindingInformation")).lower()) == wanted:
                return item
        return None


class Service:
    """The service W3SVC of one host."""

    def __init__(self, wine: Wine) -> None:
        self._wine = wine
        self._pid = 0

    def create(self) -> None:
        options = ("binPath=", SERVICE_IMAGE, "DisplayName=", SERVICE_TITLE, "start=", "auto")
        self._wine.run("sc", "create", SERVICE, *options)

    def start(self) -> None:
        self._wine.run("sc", "start", SERVICE)
        self._wait(lambda: self.process != 0)

    def stop(self) -> None:
        self._wine.run("sc", "stop", SERVICE)
        self._wait(lambda: self.process == 0)

    @staticmethod
    def _wait(done: Callable[[], bool]) -> None:
        """sc.exe returns before the process has started or ended."""
        deadline = time.monotonic() + SERVICE_TIMEOUT
        while not done() and time.monotonic() < deadline:
            time.sleep(0.05)

    @property
    def process(self) -> int:
        """The id of its process, 0 when it is stopped; another one after a restart."""
        if self._pid and self._is_it(self._pid):
            return self._pid
        self._pid = next((int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._is_it(int(entry.name))), 0)
        return self._pid

    def _is_it(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip()
            if command.lower().endswith(SERVICE_IMAGE.lower().encode()):
                return f"WINEPREFIX={self._wine.prefix}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        return False


def place(prefix: Path) -> None:
    """Put IIS's files into a prefix: the configuration and its programs."""
    Configuration(prefix).create()
    # shutdown.exe is the program that has the supervisor answer, whatever its name
    for name in ("iisreset.exe", "inetsrv/appcmd.exe"):
        target = prefix / SYSTEM / name
        if not target.exists():
            os.link(prefix / SYSTEM / "shutdown.exe", target)


@dataclass(frozen=True)
class SslEntry:
    """What http.sys has for an address or a name, and a port.

    Attributes:
        where: address:port, or name:port in lower case.
        named: it is for a name (SNI).
    """

    where: str
    named: bool
    thumbprint: str
    application: uuid.UUID
    store: str


def ssl_entries(wine: Wine) -> list[SslEntry]:
    """Return the entries with a certificate, those of addresses first."""
    found: list[SslEntry] = []
    for table in (SSL_BINDINGS, SNI_BINDINGS):
        code, output = wine.run("reg", "query", f"HKLM\\{table}", "/s")
        for block in re.split(r"(?m)^HKEY_LOCAL_MACHINE\\", output if code == 0 else "")[1:]:
            key, *lines = block.splitlines()
            values = {
                match[1]: match[2]
                for line in lines
                if (match := re.match(r"^\s+(\w+)\s+REG_\w+\s+(.*?)\s*$", line)) is not None
            }
            where = values.get("HostnamePort", key.strip().rpartition("\\")[2]).lower()
            if "SslCertHash" in values:
                application = uuid.UUID(bytes_le=bytes.fromhex(values.get("AppId", "00" * 16)))
                thumbprint, store = values["SslCertHash"].upper(), values.get("SslCertStoreName", "MY")
                found.append(SslEntry(where, table == SNI_BINDINGS, thumbprint, application, store))
    return found


def ssl_settings(named: dict[str, str]) -> list[tuple[str, str, str]] | None:
    """What http.sys keeps for the options of `netsh http add sslcert`: name, type, data; None when one is wrong."""
    checks = flags = 0
    found: list[tuple[str, str, str]] = []
    bits = SSL_FLAGS | NEWER_SSL_FLAGS
    for option, data in named.items():
        if option in SSL_VALUES:
            name, kind = SSL_VALUES[option]
            # A number of 0 is refused, although it is the default
            if kind == "REG_DWORD" and (not data.isdecimal() or int(data) == 0):
                return None
            checks |= FRESHNESS_GIVEN if option == "revocationfreshnesstime" else 0
            found.append((name, kind, data))
        elif option in SSL_CHECKS or option in bits:
            if data not in ("enable", "disable"):
                return None
            bit, word = SSL_CHECKS.get(option, (0, ""))
            checks |= bit if data == word else 0
            flags |= bits.get(option, 0) if data == "enable" else 0
    return [
        ("DefaultSslCertCheckMode", "REG_DWORD", str(checks)),
        ("DefaultFlags", "REG_DWORD", str(flags)),
        *found,
    ]


class Commands:
    """The programs of IIS on one host.

    Args:
        follow: called when the service or its bindings have changed.
        certificates: those whose keys the host has.
    """

    def __init__(self, wine: Wine, service: Service, follow: Callable[[], None], certificates: Store) -> None:
        self._wine = wine
        self._service = service
        self._follow = follow
        self._certificates = certificates
        self.import_pfx = certificates.import_pfx
        self._configuration = Configuration(wine.prefix)
        self._lock = threading.Lock()
        self._programs = {
            "iissetup.exe": self.iissetup,
            "iisreset.exe": self.iisreset,
            "appcmd.exe": self.appcmd,
            "netsh.exe": self.netsh,
        }

    def __contains__(self, program: str) -> bool:
        return program in self._programs

    def __call__(self, program: str, arguments: list[str]) -> tuple[int, str]:
        """Run one; returns its exit code and what it prints."""
        with self._lock:
            code, lines = self._programs[program](arguments)
        return code, "".join(f"{line}\r\n" for line in lines)

    def iissetup(self, arguments: list[str]) -> tuple[int, list[str]]:
        """iissetup.exe /install: have IIS, as the connector's setup does."""
        if [text.lower() for text in arguments] != ["/install"]:
            return 87, ["expected /install"]
        if not self._configuration.file.exists():
            place(self._wine.prefix)
            self._service.create()
        return 0, []

    def iisreset(self, arguments: list[str]) -> tuple[int, list[str]]:
        """iisreset.exe [/restart | /stop | /start] [/noforce] [/timeout:SECONDS]."""
        options = {text.lower().lstrip("/-") for text in arguments}
        verbs = options & {"restart", "stop", "start"}
        if len(verbs) > 1 or [text for text in options - verbs if not re.fullmatch(r"noforce|timeout:\d+", text)]:
            return 87, ["The parameter is incorrect."]
        verb = next(iter(verbs), "restart")
        said = [] if verb != "restart" else ["", "Attempting stop..."]
        if verb in ("restart", "stop"):
            self._service.stop()
            self._follow()
            said.append("Internet services successfully stopped")
        if verb in ("restart", "start"):
            said += ["Attempting start..."] if verb == "restart" else []
            self._service.start()
            self._follow()
            said.append("Internet services successfully " + ("restarted" if verb == "restart" else "started"))
        return 0, said

    def appcmd(self, arguments: list[str]) -> tuple[int, list[str]]:
        """appcmd.exe: list sites, set site (+bindings, -bindings), add app, delete app."""
        verb = " ".join(text.lower() for text in arguments[:2])
        named = dict(
            text[1:].split(":", 1) for text in arguments[2:] if re.match(r"/[\w.]+:", text) and "bindings." not in text
        )
        plain = next((text for text in arguments[2:] if not text.startswith("/")), "")
        changes = [text for text in arguments[2:] if re.match(r"/[+-]bindings\.", text)]
        if verb in ("list site", "list sites"):
            return 0, [
                f'SITE "{name}" (id:{number},bindings:{",".join(map("/".join, found))},state:Started)'
                for name, number, found in self._configuration.sites()
                if plain.lower() in ("", name.lower())
            ]
        if verb == "add app":
            name, path = named.get("site.name", ""), named.get("path", "")
            code = self._configuration.add_application(name, path, named.get("physicalPath", ""))
            return self._said(code, f'APP object "{name}{path}" added')
        if verb == "delete app":
            name, _, path = (named.get("app.name") or plain).partition("/")
            return self._said(
                self._configuration.delete_application(name, f"/{path}"), f'APP object "{name}/{path}" deleted'
            )
        if verb == "set site" and changes:
            name = named.get("site.name") or plain
            for change in changes:
                found = re.fullmatch(r"/([+-])bindings\.\[protocol='([^']*)',\s*bindingInformation='([^']*)'\]", change)
                if found is None:
                    return 87, [f'ERROR ( message:Cannot process "{change}" )']
                action = self._configuration.add_binding if found[1] == "+" else self._configuration.delete_binding
                if code := action(name, found[2], found[3]):
                    return self._said(code, "")
            self._follow()
            return 0, [f'SITE object "{name}" changed']
        return 87, [f"ERROR ( message:The emulated appcmd has no {' '.join(arguments)} )"]

    @staticmethod
    def _said(code: int, success: str) -> tuple[int, list[str]]:
        if code == ALREADY_EXISTS:
            return code, ["ERROR ( message:New object cannot be added, there is one with the same key. )"]
        return code, [f"ERROR ( message:There is no such object, {code}. )" if code else success]

    def netsh(self, arguments: list[str]) -> tuple[int, list[str]]:
        """netsh.exe http add | delete | show sslcert, http add sslcert help."""
        verb = [text.lower() for text in arguments[:3]]
        named = {name.lower(): value for name, _, value in (text.partition("=") for text in arguments[3:])}
        if verb[:1] != ["http"]:
            # Wine's own says nothing
            return 0, []
        name = named.get("hostnameport", "").lower()
        address = named.get("ipport", "")
        key = f"{SNI_BINDINGS}\\{{{uuid.uuid5(uuid.NAMESPACE_DNS, name)}}}" if name else f"{SSL_BINDINGS}\\{address}"
        if verb == ["http", "add", "sslcert"]:
            if "help" in named:
                return 0, ["Usage: add sslcert", *(f"      [[{name}=]<value>]" for name in self._certificate_options())]
            return self._add_certificate(key, named)
        if verb == ["http", "delete", "sslcert"]:
            if self._wine.run("reg", "delete", f"HKLM\\{key}", "/f")[0]:
                return 1, ["SSL Certificate deletion failed, Error: 2", "The system cannot find the file specified."]
            self._follow()
            return 0, ["SSL Certificate successfully deleted"]
        if verb == ["http", "show", "sslcert"]:
            wanted = name or address.lower()
            found = [entry for entry in ssl_entries(self._wine) if wanted in ("", entry.where)]
            if not found:
                return 1, ["The system cannot find the file specified."]
            lines = ["", "SSL Certificate bindings:", "-------------------------"]
            for entry in found:
                lines += [
                    "",
                    f"    {'Hostname:port' if entry.named else 'IP:port':<29}: {entry.where}",
                    f"    Certificate Hash             : {entry.thumbprint.lower()}",
                    f"    Application ID               : {{{entry.application}}}",
                    f"    Certificate Store Name       : {entry.store}",
                ]
            return 0, lines
        return 1, [f"The following command was not found: {' '.join(arguments)}."]

    def _certificate_options(self) -> list[str]:
        """What `add sslcert` takes on this Windows."""
        build = int(self._wine.value(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion", "CurrentBuildNumber") or 0)
        newer = NEWER_SSL_FLAGS if build >= WINDOWS_2016 else {}
        return [
            "ipport",
            "hostnameport",
            "certhash",
            "appid",
            "certstorename",
            *SSL_CHECKS,
            *SSL_FLAGS,
            *newer,
            *SSL_VALUES,
        ]

    def _add_certificate(self, key: str, named: dict[str, str]) -> tuple[int, list[str]]:
        thumbprint = named.get("certhash", "").upper()
        try:
            application = uuid.UUID(named.get("appid", ""))
        except ValueError:
            return 1, ["The parameter is incorrect: appid is not a GUID in braces."]
        address, name = named.get("ipport", ""), named.get("hostnameport", "").lower()
        sound = re.fullmatch(r"([\d.]+|\[[\da-f:]+\]):\d+", address) is not None and not name
        sound = sound or (re.fullmatch(r"[*\w.-]+:\d+", name) is not None and not address)
        if not sound or re.fullmatch("[0-9A-F]{40}", thumbprint) is None:
            return 1, [
                "The parameter is incorrect: expected ipport=ADDRESS:PORT or hostnameport=NAME:PORT, and certhash."
            ]
        if self._wine.value(key, "SslCertHash") is not None:
            return 1, [
                "SSL Certificate add failed, Error: 183",
                "Cannot create a file when that file already exists.",
            ]
        if not self._certificates.has_key(thumbprint):
            return 1, [
                "SSL Certificate add failed, Error: 1312",
                "A specified logon session does not exist. It may already have been terminated.",
            ]
        if not named.keys() <= set(self._certificate_options()):
            # As the real one does
            return 0, ["Usage: add sslcert"]
        settings = ssl_settings(named)
        if settings is None:
            return 1, ["SSL Certificate add failed, Error: 87", "The parameter is incorrect."]
        for value, kind, data in (
            ("SslCertHash", "REG_BINARY", thumbprint),
            ("AppId", "REG_BINARY", application.bytes_le.hex()),
            ("SslCertStoreName", "REG_SZ", named.get("certstorename", "MY")),
            *([("HostnamePort", "REG_SZ", name)] if name else []),
            *settings,
        ):
            self._wine.run("reg", "add", f"HKLM\\{key}", "/v", value, "/t", kind, "/d", data, "/f")
        self._follow()
        return 0, ["SSL Certificate successfully added"]
