"""HTTPS of the connector: which names a certificate is for, what has to be done, and why it cannot be done."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from powershell_host import PowerShellError, PowerShellHost

CONFIGURATION = """<?xml version="1.0" encoding="UTF-8"?>
<configuration><system.applicationHost><sites>
  <site name="Other" id="2">
    <application path="/"/><bindings><binding protocol="http" bindingInformation="*:81:"/></bindings>
  </site>
  <site name="{site}" id="1">
    <application path="/"/>{application}
    <bindings>
      <binding protocol="http" bindingInformation="*:80:" />
      <binding protocol="https" bindingInformation="*:443:" sslFlags="0" />
      <binding protocol="https" bindingInformation="[::1]:8443:rms.contoso.test" />
      <binding protocol="net.tcp" bindingInformation="808:*" />
    </bindings>
  </site>
</sites></system.applicationHost></configuration>
"""
BINDINGS = """& (Get-Module _ConnectorHttps) {
    , [string[]]@(Get-SiteBinding -Path $args[0] | ForEach-Object { "$($_.Url) $($_.EndPoint) $($_.Secure)" })
} $case"""


@pytest.mark.parametrize(
    ("site", "application", "found"),
    [
        ("Default Web Site", "", True),
        ("Somewhere", '<application path="/_wmcs/licensing" />', True),
        ("Somewhere", "", False),
    ],
)
def test_bindings(powershell: PowerShellHost, site: str, application: str, found: bool) -> None:
    file = powershell.disk / "unit" / "applicationHost.config"
    file.write_text(CONFIGURATION.format(site=site, application=application), encoding="utf-8")
    expected = [
        "http://*:80 0.0.0.0:80 False",
        "https://*:443 0.0.0.0:443 True",
        "https://rms.contoso.test:8443 [::1]:8443 True",
    ]
    assert powershell.run(BINDINGS, r"C:\unit\applicationHost.config") == (expected if found else [])


def test_host_without_iis_has_no_bindings(powershell: PowerShellHost) -> None:
    assert powershell.run(BINDINGS, r"C:\unit\none\applicationHost.config") == []


def certificate(names: list[x509.GeneralName]) -> bytes:
    """A certificate with CN=common.test and these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "common.test")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=30))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


CERTIFICATE = """
$certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($case))
& (Get-Module _ConnectorHttps) { , [string[]]@(Get-CertificateName -Certificate $args[0]) } $certificate
"""


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ["common.test"]),
        (["rms.contoso.test"], ["rms.contoso.test"]),
        (["rms.contoso.test", "*.contoso.test"], ["rms.contoso.test", "*.contoso.test"]),
        # lengths of two bytes
        ([f"{'x' * 60}.{number:03}.contoso.test" for number in range(9)], None),
    ],
)
def test_names_of_a_certificate(powershell: PowerShellHost, names: list[str], expected: list[str] | None) -> None:
    others = (
        [x509.RFC822Name("a@contoso.test"), x509.UniformResourceIdentifier("http://contoso.test/")] if names else []
    )
    data = certificate([*others, *(x509.DNSName(name) for name in names)])
    assert powershell.run(CERTIFICATE, base64.b64encode(data).decode()) == (names if expected is None else expected)


MATCHES = """
& (Get-Module _ConnectorHttps) {
    , [bool[]]@($args[0] | ForEach-Object { Test-CertificateName -HostName $_[0] -Name $_[1] })
} $case
"""
# host, names of the certificate, whether it is for the host
NAMES: list[tuple[str, list[str], bool]] = [
    ("rms.contoso.com", ["rms.contoso.com"], True),
    ("RMS.contoso.com", ["rms.Contoso.com."], True),
    ("rms.contoso.com", ["other.contoso.com", "rms.contoso.com"], True),
    ("rms.contoso.com", ["*.contoso.com"], True),
    ("rms.contoso.com.", ["*.CONTOSO.com"], True),
    ("rms.contoso.com", [], False),
    ("rms.contoso.com", [""], False),
    ("rms.contoso.com", ["contoso.com", "rms.contoso.org", "xrms.contoso.com"], False),
    ("contoso.com", ["*.contoso.com"], False),
    ("a.rms.contoso.com", ["*.contoso.com"], False),
    ("rms.contoso.com", ["r*.contoso.com", "*", "*.com", "*.*.com", "rms.*.com"], False),
    ("contoso.com", ["*.com"], False),
    ("rms", ["*", "*.rms"], False),
    ("rms", ["rms"], True),
    ("rmsXcontoso.com", ["rms.contoso.com"], False),
]


def test_names_that_a_certificate_is_for(powershell: PowerShellHost) -> None:
    found = powershell.run(MATCHES, [[host, names] for host, names, _matches in NAMES])
    assert [(host, names, is_for) for (host, names, _), is_for in zip(NAMES, found, strict=True)] == NAMES


WANTED, OTHER = "A" * 40, "B" * 40
OURS, IIS, FOREIGN = (
    "6f0bd2a5-5f3a-4d0c-9a68-2f0c3c8f4b71",
    "4dc3e181-e14b-4a21-b022-59fc669b0914",
    "11111111-2222-3333-4444-555555555555",
)
HOST = "rms.contoso.com"
URL = f"https://{HOST}"
PLAN = """
$make = {
    param ($text)
    if ($text) {
        $now = [datetime]::new(2026, 6, 1, 0, 0, 0, [DateTimeKind]::Utc)
        $one = [ordered]@{
            Thumbprint = $text.thumbprint; Subject = 'CN=x'; Names = [string[]]$text.names
            HasKey = $text.key; Server = $text.server
            NotBefore = $now.AddDays(-$text.since); NotAfter = $now.AddDays($text.days)
        }
        [pscustomobject]$one
    }
}
& (Get-Module _ConnectorHttps) {
    param ($cases, $make)
    $all = foreach ($case in $cases) {
        $wish = ConvertTo-HttpsWish -Option $case.option
        $state = [pscustomobject]@{
            Now = [datetime]::new(2026, 6, 1, 0, 0, 0, [DateTimeKind]::Utc)
            Installed = $case.installed
            Site = $case.site
            Bindings = @($case.bindings | ForEach-Object { [pscustomobject]$_ })
            Entry = if ($case.entry) {
                $thumbprint, $application = $case.entry
                [pscustomobject]@{
                    Kind = 'address'; EndPoint = "0.0.0.0:$($wish.Port)"
                    Thumbprint = $thumbprint; Application = [guid]$application; Store = 'MY'; Lost = $case.lost
                }
            }
            Others = @($case.others | ForEach-Object {
                $kind, $where, $thumbprint, $application = $_
                [pscustomobject]@{
                    Kind = $kind; EndPoint = $where; Thumbprint = $thumbprint; Application = [guid]$application
                }
            })
            Stored = & $make $case.stored
            Pfx = if ($null -ne $case.pfx) { , @($case.pfx | ForEach-Object { & $make $_ }) }
            PfxError = $case.error
            PfxHidden = $case.hidden
        }
        $plan = Get-HttpsPlan -Wish $wish -State $state
        $lines = @($plan.Steps | ForEach-Object { "$($_.Action) $($_.Product) [$($_.Before)] [$($_.After)]" })
        $lines += @($plan.Refused | ForEach-Object { "refused: $_" })
        $lines += @($plan.Awaits | ForEach-Object { "awaits: $_" })
        $lines += @($plan.Notes | ForEach-Object { "note: $_" })
        , [string[]]$lines
    }
    , @($all)
} $case $make
"""


def cert(thumbprint: str = WANTED, **changed: Any) -> dict[str, Any]:
    """A certificate of which nothing is wrong, but for what is changed."""
    sound = {"names": ["*.contoso.com"], "key": True, "server": True, "since": 1, "days": 300}
    return {"thumbprint": thumbprint, **sound, **changed}


def bound(port: int = 443, *, own: bool = True, name: str = "", flags: int = 0, address: str = "*") -> dict[str, Any]:
    shown = "0.0.0.0" if address == "*" else address
    return {
        "Site": "Default Web Site" if own else "Shop",
        "Own": own,
        "Information": f"{address}:{port}:{name}",
        "HostName": name,
        "Flags": flags,
        "EndPoint": f"{shown}:{port}",
        "Secure": True,
    }


def case(**changed: Any) -> dict[str, Any]:
    """A connector without a binding that has the certificate, but for what is changed."""
    option = {"state": "present", "thumbprint": WANTED, "url": URL, "expiry_warning_days": 30}
    option |= changed.pop("option", {})
    plain = {
        "installed": True,
        "site": "Default Web Site",
        "bindings": [],
        "entry": None,
        "stored": cert(),
        "pfx": None,
    }
    return {**plain, "lost": [], "others": [], "error": None, "hidden": None, **changed, "option": option}


PFX = {"src": "x.pfx"}
IMPORT = f"import certificate [] [{WANTED}]"
BIND = f"bind https binding *:443: [] [{WANTED}]"
REBIND = f"rebind https binding *:443: [{OTHER}] [{WANTED}]"
DONE = {"bindings": [bound()], "entry": [WANTED, OURS]}
NONE = f"refused: there is no certificate {WANTED} in the store LocalMachine\\My, and no PFX is given"
OWN = "which has a certificate of its own: remove it, or do without this module"
SHOP = "refused: the site 'Shop' has the https binding *:443:, which shows the same certificate: give it another port"
AT_ALL = (
    f"http.sys has the certificate %s at 0.0.0.0:443 for the application {{{FOREIGN}}} "
    "(netsh http delete sslcert ipport=0.0.0.0:443)."
)
TAKEN = (
    f"refused: {AT_ALL} It is not the connector's or IIS': give one of them another port, or remove it where nothing "
    "needs it"
)
STAYS = f"note: {AT_ALL} It belongs to another application and stays"
WINS = (
    f"refused: http.sys has %s for the application {{{FOREIGN}}} (netsh http delete sslcert %s). It wins over "
    f"0.0.0.0:443, so that clients do not see {WANTED}: remove it, or have it show the same"
)
SSRS, NAMED, STORE = (
    ["address", "10.0.0.5:443", OTHER, FOREIGN],
    ["name", f"{HOST}:443", OTHER, FOREIGN],
    ["store", "443", "", FOREIGN],
)
WON = {
    SSRS[1]: WINS % (f"the certificate {OTHER} at 10.0.0.5:443", "ipport=10.0.0.5:443"),
    NAMED[1]: WINS % (f"the certificate {OTHER} at {HOST}:443", f"hostnameport={HOST}:443"),
    STORE[1]: WINS % ("the central certificate store at 443", "ccs=443"),
}
HIDDEN = "note: The PFX is verified when it is imported, since this logon may not look into it: Access is denied"
SOON = f"note: The certificate {WANTED} of the connector expires in 29 days, at 2026-06-30T12:00:00Z: renew it"
AWAY = {"state": "absent"}
UNBIND = "unbind https binding *:443: [%s] []"
PLANS: list[tuple[dict[str, Any], list[str]]] = [
    # To have it
    (case(), [BIND]),
    (case(stored=None, option=PFX), [IMPORT, BIND]),
    (case(stored=None, option=PFX, pfx=[cert(OTHER, key=False), cert()]), [IMPORT, BIND]),
    (case(stored=cert(key=False), option=PFX, pfx=[cert()]), [IMPORT, BIND]),
    (case(option={"port": 8443, "url": None}), [f"bind https binding *:8443: [] [{WANTED}]"]),
    (case(option={"url": f"{URL}:8443"}), [f"bind https binding *:8443: [] [{WANTED}]"]),
    # It has it
    (case(**DONE), []),
    (case(bindings=[bound()], entry=[WANTED, FOREIGN]), []),
    (case(bindings=[bound(name="rms.contoso.com")], entry=[WANTED, IIS]), []),
    (case(bindings=[bound(), bound(own=False, name="shop.contoso.com", flags=1)], entry=[WANTED, IIS]), []),
    # Half of it, or something else
    (case(bindings=[bound()]), [BIND]),
    (case(entry=[WANTED, OURS]), [f"rebind https binding *:443: [{WANTED}] [{WANTED}]"]),
    (case(bindings=[bound()], entry=[OTHER, IIS]), [REBIND]),
    (case(entry=[OTHER, IIS]), [REBIND]),
    (case(entry=[OTHER, OURS], stored=None, option=PFX), [IMPORT, REBIND]),
    # It cannot have it
    (case(stored=None), [IMPORT, BIND, NONE]),
    (
        case(stored=cert(key=False)),
        [
            IMPORT,
            BIND,
            f"refused: the certificate {WANTED} in the store LocalMachine\\My has no private key, and no PFX is given",
        ],
    ),
    (
        case(stored=None, option=PFX, pfx=[cert(OTHER)]),
        [IMPORT, BIND, f"refused: the PFX has {OTHER} (CN=x): expected {WANTED}"],
    ),
    (case(stored=None, option=PFX, error="cannot be opened"), [IMPORT, BIND, "refused: cannot be opened"]),
    (
        case(stored=None, option=PFX, pfx=[cert(key=False)]),
        [IMPORT, BIND, f"refused: the PFX has no private key of the certificate {WANTED}"],
    ),
    (case(stored=cert(days=-1), **DONE), [f"refused: the certificate {WANTED} expired at 2026-05-31T00:00:00Z"]),
    (
        case(stored=cert(since=-2)),
        [BIND, f"refused: the certificate {WANTED} is valid from 2026-06-03T00:00:00Z on only"],
    ),
    (
        case(stored=cert(server=False)),
        [BIND, f"refused: the certificate {WANTED} is not for server authentication (enhanced key usage)"],
    ),
    (
        case(stored=cert(names=["x.contoso.com", "y.test"])),
        [
            BIND,
            f"refused: the certificate {WANTED} is for x.contoso.com, y.test: expected {HOST}, the name in url",
        ],
    ),
    (case(stored=cert(names=["x.contoso.com"]), option={"url": None}), [BIND]),
    (case(installed=False), [BIND, "awaits: the connector is not installed"]),
    (case(site=None), [BIND, "refused: IIS has no site of the connector"]),
    (
        case(bindings=[bound(name="rms.contoso.com", flags=1)]),
        [BIND, f"refused: the site has the https binding *:443:rms.contoso.com, {OWN}"],
    ),
    (
        case(bindings=[bound(address="10.0.0.5")]),
        [BIND, f"refused: the site has the https binding 10.0.0.5:443:, {OWN}"],
    ),
    (case(bindings=[bound(own=False)], entry=[OTHER, IIS]), [REBIND, SHOP]),
    # Nobody takes what another application has, whether the site has a binding there or not
    (case(entry=[OTHER, FOREIGN]), [REBIND, TAKEN % OTHER]),
    (case(bindings=[bound()], entry=[OTHER, FOREIGN]), [REBIND, TAKEN % OTHER]),
    (case(entry=[WANTED, FOREIGN]), [f"rebind https binding *:443: [{WANTED}] [{WANTED}]", TAKEN % WANTED]),
    (case(bindings=[bound()], entry=[WANTED, FOREIGN], stored=None, option=PFX), [IMPORT]),
    # What wins over the entry of all addresses, where it shows something else
    *((case(**DONE, others=[one]), [WON[one[1]]]) for one in (SSRS, NAMED, STORE)),
    (case(others=[SSRS, NAMED, STORE]), [BIND, *WON.values()]),
    (case(**DONE, others=[[*SSRS[:2], WANTED, FOREIGN], [*NAMED[:2], WANTED, IIS]]), []),
    (case(**DONE, others=[["name", "shop.contoso.com:443", OTHER, FOREIGN]]), []),
    (
        case(**DONE, others=[["name", "*.contoso.com:443", OTHER, FOREIGN]]),
        [WINS % (f"the certificate {OTHER} at *.contoso.com:443", "hostnameport=*.contoso.com:443")],
    ),
    (case(**DONE, others=[["address", "127.0.0.1:443", OTHER, FOREIGN], ["address", "[::1]:443", OTHER, IIS]]), []),
    (
        case(**DONE, others=[["address", "[::]:443", OTHER, FOREIGN]]),
        [WINS % (f"the certificate {OTHER} at [::]:443", "ipport=[::]:443")],
    ),
    # Without a URL the names of the certificate count
    (case(**DONE, others=[NAMED], stored=cert(names=[HOST]), option={"url": None}), [WON[NAMED[1]]]),
    (case(**DONE, others=[NAMED], stored=cert(names=["x.contoso.com"]), option={"url": None}), []),
    # A PFX that this logon may not look into is imported unseen
    (case(stored=None, option=PFX, hidden="Access is denied"), [IMPORT, BIND, HIDDEN]),
    # Settings of the address that its next certificate could not have matter only where it gets one
    (
        case(bindings=[bound()], entry=[OTHER, OURS], lost=["DefaultFlags 0x4"]),
        [
            REBIND,
            "refused: http.sys has settings for 0.0.0.0:443 that netsh of this host cannot give back with another "
            "certificate: DefaultFlags 0x4. Remove them, or change the certificate by hand",
        ],
    ),
    (case(**DONE, lost=["DefaultFlags 0x4"]), []),
    (case(**DONE, lost=["DefaultFlags 0x4"], option=AWAY), [UNBIND % WANTED]),
    # All of it at once
    (
        case(installed=False, stored=cert(days=-1, server=False), entry=[OTHER, FOREIGN]),
        [
            REBIND,
            f"refused: the certificate {WANTED} expired at 2026-05-31T00:00:00Z",
            f"refused: the certificate {WANTED} is not for server authentication (enhanced key usage)",
            TAKEN % OTHER,
            "awaits: the connector is not installed",
        ],
    ),
    # It expires
    (case(stored=cert(days=29.5), **DONE), [SOON]),
    (case(stored=cert(days=30), **DONE), []),
    (case(stored=cert(days=29.5), **DONE, option={"expiry_warning_days": 29}), []),
    # To be without it
    (case(option=AWAY), []),
    (case(option=AWAY, installed=False, site=None, stored=None), []),
    (case(option=AWAY, **DONE), [UNBIND % WANTED]),
    (case(option=AWAY, bindings=[bound()], entry=[OTHER, FOREIGN]), [UNBIND % OTHER, STAYS % OTHER]),
    (case(option=AWAY, **DONE, others=[SSRS, NAMED, STORE]), [UNBIND % WANTED]),
    (case(option=AWAY, bindings=[bound()]), [UNBIND % "no certificate"]),
    (case(option=AWAY, entry=[OTHER, OURS]), [UNBIND % OTHER]),
    (case(option=AWAY, entry=[OTHER, FOREIGN]), []),
    (case(option=AWAY, bindings=[bound(), bound(own=False)], entry=[WANTED, IIS]), [UNBIND % WANTED, SHOP]),
]


def test_plans(powershell: PowerShellHost) -> None:
    found = powershell.run(PLAN, [one for one, _lines in PLANS])
    for (one, expected), lines in zip(PLANS, found, strict=True):
        assert lines == expected, one


SETTINGS = r"""
& (Get-Module _ConnectorHttps) {
    $all = foreach ($one in $args[0]) {
        $value = @{ SslCertHash = [byte[]](1, 2); AppId = [byte[]]@(0) * 16; SslCertStoreName = 'MY' }
        $one.Keys | ForEach-Object { $value[$_] = if ($one[$_] -is [long]) { [int]$one[$_] } else { $one[$_] } }
        $setting = ConvertTo-SslSetting -Value $value
        , @($setting.Arguments, $setting.Lost)
    }
    , @($all)
} $case
"""
CHECK, FLAGS, TIME = "DefaultSslCertCheckMode", "DefaultFlags", "DefaultSslRevocationFreshnessTime"
CTL, CTL_STORE, RETRIEVAL = (
    "DefaultSslCtlIdentifier",
    "DefaultSslCtlStoreName",
    "DefaultSslRevocationUrlRetrievalTimeout",
)
#: values of http.sys, what netsh is told, and what it cannot be told
KEPT: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({}, [], []),
    ({CHECK: 0, FLAGS: 0, TIME: 0, RETRIEVAL: 0, CTL: "", CTL_STORE: ""}, [], []),
    ({FLAGS: 2}, ["clientcertnegotiation=enable"], []),
    ({FLAGS: 1, CHECK: 1}, ["dsmapperusage=enable", "verifyclientcertrevocation=disable"], []),
    (
        {CHECK: 0x10007, TIME: 3600},
        [
            "verifyclientcertrevocation=disable",
            "verifyrevocationwithcachedclientcertonly=enable",
            "usagecheck=disable",
            "revocationfreshnesstime=3600",
        ],
        [],
    ),
    ({RETRIEVAL: 5000}, ["urlretrievaltimeout=5000"], []),
    ({CTL: "Our CTL", CTL_STORE: "Issuers"}, ['sslctlidentifier="Our CTL"', 'sslctlstorename="Issuers"'], []),
    ({CTL_STORE: "AdfsTrustedDevices"}, ['sslctlstorename="AdfsTrustedDevices"'], []),
    ({FLAGS: 0x410}, ["disablehttp2=enable", "disablelegacytls=enable"], []),
    # a bit that netsh has no name for, the sign's, one that nobody knows
    ({FLAGS: 6}, ["clientcertnegotiation=enable"], ["DefaultFlags 0x4"]),
    ({FLAGS: -0x80000000}, [], ["DefaultFlags 0x80000000"]),
    ({CHECK: 0x100}, [], ["DefaultSslCertCheckMode 0x100"]),
    # netsh sets the bit with the time
    ({CHECK: 4}, [], [TIME]),
    ({TIME: 60}, ["revocationfreshnesstime=60"], []),
    # what cannot be a command line's, of another type, unknown
    ({CTL: 'a "b"'}, [], [CTL]),
    ({CTL: "a\\"}, [], [CTL]),
    ({FLAGS: "2", TIME: "x", CHECK: "4"}, [], [FLAGS, CHECK, TIME]),
    ({"PropertyOfTomorrow": 1, "Unused": 0}, [], ["PropertyOfTomorrow"]),
]


def test_settings_of_an_address(powershell: PowerShellHost) -> None:
    found = powershell.run(SETTINGS, [values for values, _arguments, _lost in KEPT])
    for (values, arguments, lost), one in zip(KEPT, found, strict=True):
        assert one == [arguments, lost], values


TABLES = r"""
$root = 'SYSTEM\CurrentControlSet\Services\HTTP\Parameters'
foreach ($item in $case) {
    $key = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey("$root\$($item[0])")
    foreach ($name in $item[1].Keys) {
        if ($item[1][$name] -is [array]) { $key.SetValue($name, [byte[]]$item[1][$name]) }
        else { $key.SetValue($name, $item[1][$name]) }
    }
    $key.Dispose()
}
try {
    & (Get-Module _ConnectorHttps) {
        , [string[]]@(Get-SslEntry -Port 443 | ForEach-Object {
            "$($_.Kind) $($_.EndPoint) $($_.Thumbprint) $($_.Application) $($_.Store)"
        })
    }
}
finally {
    [Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($root)
}
"""
HASH, APPLICATION = [0xAB] * 20, list(uuid.UUID(FOREIGN).bytes_le)


def test_entries_of_a_port(powershell: PowerShellHost) -> None:
    """All tables, and of each what belongs to the port; the key of a name is called by a number."""
    sound = {"SslCertHash": HASH, "AppId": APPLICATION, "SslCertStoreName": "WebHosting"}
    tables = [
        (r"SslBindingInfo\0.0.0.0:443", sound),
        (r"SslBindingInfo\10.0.0.5:443", {"SslCertHash": HASH}),
        (r"SslBindingInfo\[::]:443", sound),
        (r"SslBindingInfo\0.0.0.0:8443", sound),
        (r"SslBindingInfo\0.0.0.0:1443", sound),
        (r"SslSniBindingInfo\{1}", {**sound, "HostnamePort": f"{HOST}:443"}),
        (r"SslSniBindingInfo\{2}", {**sound, "HostnamePort": list("x.test:443\0".encode("utf-16-le"))}),
        (r"SslSniBindingInfo\{3}", {**sound, "HostnamePort": f"{HOST}:8443"}),
        (r"SslSniBindingInfo\shop.test:443", sound),
        (r"SslCcsBindingInfo\443", {"AppId": APPLICATION}),
    ]
    shown = f"{'AB' * 20} {FOREIGN} WebHosting"
    assert sorted(powershell.run(TABLES, tables)) == sorted(
        [
            f"address 0.0.0.0:443 {shown}",
            f"address 10.0.0.5:443 {'AB' * 20} 00000000-0000-0000-0000-000000000000 MY",
            f"address [::]:443 {shown}",
            f"name {HOST}:443 {shown}",
            f"name x.test:443 {shown}",
            f"name shop.test:443 {shown}",
            f"store 443  {FOREIGN} MY",
        ]
    )


WISH = """
& (Get-Module _ConnectorHttps) {
    $wish = ConvertTo-HttpsWish -Option $args[0]
    "$($wish.Thumbprint) $($wish.HostName) $($wish.Port)"
} $case
"""


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"thumbprint": "\u200eaa:" * 2 + "AA " * 18}, f"{WANTED}  443"),
        ({"url": "https://RMS.contoso.com/"}, f"{WANTED} rms.contoso.com 443"),
        ({"url": f"{URL}:8443", "port": 8443}, f"{WANTED} rms.contoso.com 8443"),
        ({"port": 9443}, f"{WANTED}  9443"),
    ],
)
def test_options(powershell: PowerShellHost, option: dict[str, Any], expected: str) -> None:
    plain = {"state": "present", "thumbprint": WANTED, "expiry_warning_days": 30}
    assert powershell.run(WISH, plain | option) == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"thumbprint": "A" * 39}, "expected the SHA-1 thumbprint of a certificate, 40 hexadecimal digits"),
        ({"thumbprint": "G" * 40}, "expected the SHA-1 thumbprint of a certificate, 40 hexadecimal digits"),
        ({"url": "http://rms.contoso.com"}, "url is 'http://rms.contoso.com': expected https://HOST"),
        ({"url": "rms.contoso.com"}, "expected https://HOST or https://HOST:PORT"),
        ({"url": f"{URL}/_wmcs"}, "expected https://HOST or https://HOST:PORT"),
        (
            {"url": "https://me:secret@rms.contoso.com"},
            "url is one with a name or password in it: expected https://HOST",
        ),
        ({"port": 0}, "port is 0: expected 1 to 65535"),
        ({"url": URL, "port": 8443}, "port is 8443, and url has port 443: expected the same"),
        ({"expiry_warning_days": -1}, "expiry_warning_days is -1: expected 0 or more"),
    ],
)
def test_options_that_make_no_sense(powershell: PowerShellHost, option: dict[str, Any], message: str) -> None:
    plain = {"state": "present", "thumbprint": WANTED, "expiry_warning_days": 30}
    with pytest.raises(PowerShellError) as caught:
        powershell.run(WISH, plain | option)
    assert message in str(caught.value)


UNREADABLE = """
$plan = Get-ConnectorHttpsPlan -Option $case -Installed $true
"$($plan.Steps.Count) $($plan.Refused)"
"""


def test_a_web_site_that_cannot_be_read_is_not_taken_for_bound(powershell: PowerShellHost) -> None:
    file = powershell.disk / "windows/system32/inetsrv/config/applicationHost.config"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("<configuration>", encoding="utf-8")
    try:
        found = powershell.run(UNREADABLE, {"state": "present", "thumbprint": WANTED, "expiry_warning_days": 30})
    finally:
        file.unlink()
        file.parent.rmdir()
    assert found.startswith("0 the web site cannot be compared: ")


SERVED = """
& (Get-Module _ConnectorHttpsSetup) {
    param ($case)
    $script:turn = 0
    function Get-Service { @{ Status = $case.service } }
    function Start-Sleep { $script:turn++ }
    function Get-ServedCertificate {
        param ($Address, $Port, $Name)
        $shown = $case.shown[[Math]::Min($script:turn, $case.shown.Count - 1)]
        if ($shown) { [pscustomobject]@{ Address = '10.0.0.5'; Thumbprint = $shown }; $script:asked = "$Name $Port" }
    }
    $serveTimeout = if ($case.shown.Count -eq 1) { 0 } else { 15 }
    $wish = [pscustomobject]@{ HostName = $case.name; Port = 443; Thumbprint = $case.wanted }
    $script:asked = ''
    $note = Assert-Served -Wish $wish -Certificate ([pscustomobject]@{ Names = $case.names })
    "$note|$script:asked"
} $case
"""


def test_what_is_served_is_proved_by_a_handshake(powershell: PowerShellHost) -> None:
    plain = {"service": "Running", "name": HOST, "names": ["*.contoso.com"], "wanted": WANTED}

    def ask(shown: list[str], **changed: Any) -> str:
        found: str = powershell.run(SERVED, {**plain, "shown": shown, **changed})
        return found

    assert ask([WANTED]) == f"|{HOST} 443"
    # IIS takes its time
    assert ask(["", OTHER, WANTED]) == f"|{HOST} 443"
    assert ask([WANTED], name=None) == "|connector.contoso.com 443"
    silent = "Nothing answered by TLS on port 443 of this host, so that what it shows was not verified"
    assert ask([""]) == f"{silent}|"
    assert ask([WANTED], service="Stopped") == f"{silent} (IIS is stopped)|"
    with pytest.raises(PowerShellError, match=f"for {HOST} get {OTHER} at 10.0.0.5.*expected {WANTED}. Look at all"):
        ask([OTHER])


CONTENT = base64.b64encode(bytes(range(256)) * 8).decode()
PFX_FOLDER = r"C:\ProgramData\infoprotect\pfx"
#: Get-PfxData notes what it was given, and that it was given a wrong password
WATCHED = r"""
$global:pfxSeen = @()
function global:Get-PfxData {
    [CmdletBinding()]
    param ($FilePath, $Password)
    $global:pfxSeen += , @($FilePath, [Convert]::ToBase64String([IO.File]::ReadAllBytes($FilePath)))
    throw [ComponentModel.Win32Exception]::new(86, 'The specified network password is not correct.')
}
"""
FOREIGN_ACCESS = rf"""
& (Get-Module _OwnFolder) {{ @(Get-ForeignAccess -Security (Get-PathSecurity -Path '{PFX_FOLDER}')).Count }}
"""
LEFT = rf"$null = Initialize-OwnFolder -Name pfx; [IO.File]::WriteAllText('{PFX_FOLDER}\old.pfx', 'a key')"


def with_content(powershell: PowerShellHost, *, check: bool = False, **options: Any) -> dict[str, Any]:
    given = {"thumbprint": WANTED, "pfx_password": "pfx-Passwort", **options}
    return powershell.module("connector_https", given, check=check, invocation=True)


def in_the_folder(powershell: PowerShellHost) -> list[str]:
    folder = powershell.disk / "ProgramData/infoprotect/pfx"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.fixture
def watched(powershell: PowerShellHost) -> Iterator[None]:
    powershell.run(WATCHED)
    yield
    powershell.run("Remove-Item -LiteralPath Function:\\Get-PfxData")


@pytest.mark.usefixtures("watched")
def test_a_pfx_from_the_controller_is_a_file_of_administrators_until_it_is_read(powershell: PowerShellHost) -> None:
    result = with_content(powershell, pfx_content=CONTENT)
    assert "the PFX cannot be opened: The specified network password is not correct." in result["msg"]
    ((path, content),) = powershell.run(", $pfxSeen")
    assert path.startswith(f"{PFX_FOLDER}\\") and content == CONTENT
    assert in_the_folder(powershell) == [] and powershell.run(FOREIGN_ACCESS) == 0
    assert not result.get("warnings")
    shown = str(result)
    assert CONTENT not in shown and "pfx-Passwort" not in shown
    assert result["invocation"]["module_args"]["pfx_content"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("options", [{}, {"state": "absent"}, {"pfx_content": CONTENT}])
def test_what_a_killed_run_has_left_is_removed(powershell: PowerShellHost, options: dict[str, Any]) -> None:
    powershell.run(LEFT)
    with_content(powershell, check=True, **options)
    assert in_the_folder(powershell) == ["old.pfx"] and powershell.run(", $pfxSeen") == []
    with_content(powershell, **options)
    assert in_the_folder(powershell) == []


def test_what_cannot_be_removed_is_a_warning(powershell: PowerShellHost) -> None:
    powershell.run(rf"{LEFT}; $global:held = [IO.File]::Open('{PFX_FOLDER}\old.pfx', 'Open', 'Read', 'None')")
    try:
        result = with_content(powershell, state="absent")
    finally:
        powershell.run("$held.Dispose()")
    assert not result.get("failed")
    assert result["warnings"][0].startswith(
        f"{PFX_FOLDER} may still hold a PFX with a private key. Delete the folder: "
    )
    with_content(powershell, state="absent")
    assert in_the_folder(powershell) == []


def test_content_that_is_no_base64(powershell: PowerShellHost) -> None:
    result = with_content(powershell, pfx_content="no base64!")
    assert "pfx_content is no text in base64" in result["msg"] and in_the_folder(powershell) == []
    assert "no base64!" not in str(result)
