"""The stand-in of the Rights Management connector: setup and wizard, web application, events, certificates."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import spnego
from winfleet import vendor

from .conftest import Fleet, Result
from .test_life import answers, wait_for

STAGED = Path("drive_c/ProgramData/infoprotect/connector/RMSConnectorSetup.exe")
CERTIFICATION = "/_wmcs/certification/servercertification.asmx"
TENANT = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
EXCHANGE = r"CONTOSO\ALPHA$"

PRELUDE = r"""
$ErrorActionPreference = 'Stop'
$appcmd = 'C:\Windows\System32\inetsrv\appcmd.exe'
$setup = 'C:\ProgramData\infoprotect\connector\RMSConnectorSetup.exe'
function run($arguments) { (Start-Process -FilePath $setup -ArgumentList $arguments -Wait -PassThru).ExitCode }
function installed {
    $key = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{41E5EF5C-3B2A-4B9B-AE22-6C4C4A1A3A5B}'
    $found = Get-ItemProperty -LiteralPath $key -ErrorAction Ignore
    "$($found.DisplayName) $($found.DisplayVersion)", (Test-Path HKLM:\SOFTWARE\Microsoft\AADRM\Connector),
        (Test-Path 'C:\Program Files\Microsoft Rights Management connector\Web Service\web.config')
}
function ids($count) {
    $filter = @{ LogName = 'Application'; ProviderName = 'Microsoft RMS connector' }
    (Get-WinEvent -FilterHashtable $filter -MaxEvents $count).Id -join ' '
}
"""


def lines(fleet: Fleet, host: str, script: str) -> list[str]:
    result = fleet.powershell(host, PRELUDE + script)
    assert result.code == 0, result.out + result.err
    return result.out.split("\r\n")[:-1]


def stage(fleet: Fleet, host: str, version: str) -> None:
    target = fleet.state / "hosts" / host / "prefix" / STAGED
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(vendor.packages()[f"RMSConnectorSetup-{version}.exe"].read_bytes())


def ports(fleet: Fleet, host: str) -> list[int]:
    return list((fleet.status(host)["connector"] or {}).get("ports", []))


def connect(fleet: Fleet, host: str, secure: bool = False) -> http.client.HTTPConnection:
    """To the web application; where the fleet is not root's, to the ports that it takes then."""
    (port,) = (port for port in ports(fleet, host) if port % 10000 == (443 if secure else 80))
    if not secure:
        return http.client.HTTPConnection(fleet.address(host), port, timeout=10)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(fleet.address(host), port, timeout=10, context=context)


def ask(
    connection: http.client.HTTPConnection, path: str, token: bytes | None = None, method: str = "GET"
) -> tuple[int, str, bytes]:
    """Status, text and the answering token of one request."""
    connection.request(
        method, path, headers={"Authorization": f"NTLM {base64.b64encode(token).decode()}"} if token else {}
    )
    response = connection.getresponse()
    text = response.read().decode()
    scheme, _, answer = (response.getheader("WWW-Authenticate") or "").partition(" ")
    return response.status, text, base64.b64decode(answer) if scheme == "NTLM" else b""


def sign_on(connection: http.client.HTTPConnection, path: str, user: str, password: str) -> tuple[int, str]:
    client = spnego.client(user, password, protocol="ntlm")
    status, _, challenge = ask(connection, path, client.step())
    assert status == 401
    return ask(connection, path, client.step(challenge))[:2]


@pytest.fixture(scope="module")
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    """alpha (2019) without a connector, rms with one."""
    one = make_fleet("connector")
    one.run("up", "alpha", "rms")
    return one


def authorize(fleet: Fleet, *arguments: str) -> Result:
    return fleet.run("authorize", *arguments, check=False)


def test_setup_waits_for_somebody_at_the_screen(fleet: Fleet) -> None:
    assert "it has to be staged before" in fleet.run("sign-in", "alpha", check=False).err
    assert "no connector is installed" in authorize(fleet, "alpha", f"exchange={EXCHANGE}").err
    stage(fleet, "alpha", "3.0.0")
    script = """
        $signature = Get-AuthenticodeSignature -LiteralPath $setup
        $signature.SignerCertificate.Subject.StartsWith('CN=Microsoft Corporation')
        $version = [Diagnostics.FileVersionInfo]::GetVersionInfo($setup)
        $version.ProductName, $version.ProductVersion
        $process = Start-Process -FilePath $setup -PassThru
        $process.WaitForExit(4000)
        $process.Kill()
        run '/quiet'
        installed
    """
    assert lines(fleet, "alpha", script) == [
        "True", "Microsoft Rights Management connector", "3.0.0.0", "False", "1602", " ", "False", "False",
    ]  # fmt: skip


def test_wizard_installs_upgrades_and_removes(fleet: Fleet) -> None:
    stage(fleet, "alpha", "3.0.0")
    assert "AzureMoonCloud" in fleet.run("sign-in", "alpha", "--cloud", "AzureMoonCloud", check=False).err
    assert "AADSTS50076" in fleet.run("sign-in", "alpha", "--account", "mfa@contoso.test", check=False).err
    fleet.run("sign-in", "alpha")
    there = ["Microsoft Rights Management connector 3.0.0.0", "True", "True"]
    assert lines(fleet, "alpha", "installed; (Get-Service -Name W3SVC).Status") == [*there, "Running"]
    stage(fleet, "alpha", "3.1.0")
    fleet.run("sign-in", "alpha")
    there[0] = "Microsoft Rights Management connector 3.1.0.0"
    assert lines(fleet, "alpha", "installed; run '/quiet', 'SIGNIN=1'") == [*there, "0"]
    stage(fleet, "alpha", "3.0.0")
    assert "1603" in fleet.run("sign-in", "alpha", check=False).err
    fleet.run("sign-in", "alpha", "--remove")
    assert lines(fleet, "alpha", "installed") == [" ", "False", "False"]
    assert fleet.status("alpha")["connector"] is None
    assert "no connector" in fleet.run("sign-in", "alpha", "--remove", check=False).err


def test_setup_does_as_a_fault_says(fleet: Fleet) -> None:
    stage(fleet, "alpha", "3.1.0")
    fleet.run("fault", "alpha", "installer", "argument=RMSConnectorSetup.exe", "exit_codes=1603")
    assert lines(fleet, "alpha", "run '/quiet', 'SIGNIN=1'; installed") == ["1603", " ", "False", "False"]
    script = "run '/quiet', 'SIGNIN=1', '/log', 'C:\\setup.log'; [IO.File]::ReadAllText('C:\\setup.log').Trim()"
    code, text = lines(fleet, "alpha", script)
    assert (code, text.endswith("completed successfully")) == ("0", True)
    assert lines(fleet, "alpha", "run '/uninstall', '/quiet'; installed") == ["0", " ", "False", "False"]


def test_every_connection_proves_who_calls(fleet: Fleet) -> None:
    assert authorize(fleet, "--all", f"exchange={EXCHANGE}").code == 0
    connection = connect(fleet, "rms")
    assert ask(connection, CERTIFICATION)[0] == 401
    status, text = sign_on(connection, CERTIFICATION, EXCHANGE, fleet.password)
    assert status == 200
    assert "ServerCertificationWebService" in text
    assert ask(connection, "/_wmcs/GetRmsoUri.aspx")[:2] == (200, TENANT)
    assert ask(connection, CERTIFICATION, method="POST")[0] == 200
    assert ask(connect(fleet, "rms"), CERTIFICATION)[0] == 401
    assert sign_on(connect(fleet, "rms"), CERTIFICATION, EXCHANGE, "wrong")[0] == 401
    # No event for those whom IIS refused
    assert lines(fleet, "rms", "ids 3") == ["2002 1002 1004"]
    stranger = connect(fleet, "rms")
    assert sign_on(stranger, CERTIFICATION, "Administrator", fleet.password)[0] == 200
    assert ask(stranger, CERTIFICATION, method="POST")[0] == 403
    assert lines(fleet, "rms", "ids 1") == ["2001"]


def test_the_list_is_the_tenants(fleet: Fleet) -> None:
    assert "expected exchange, sharepoint, fci" in authorize(fleet, "rms", "mail=x").err
    assert authorize(fleet, "rms", "sharepoint=sp-farm").code == 0
    script = r"""
        $filter = @{ LogName = 'Application'; ProviderName = 'Microsoft RMS connector'; Id = 1004 }
        (Get-WinEvent -FilterHashtable $filter -MaxEvents 1).Message -split "`r`n" | Select-Object -Skip 1
    """
    assert lines(fleet, "rms", script) == [EXCHANGE, r"CONTOSO\sp-farm"]
    assert authorize(fleet, "--remove", "rms", "sharepoint=sp-farm", f"exchange={EXCHANGE}").code == 0
    assert lines(fleet, "rms", "ids 1") == ["2003"]
    assert authorize(fleet, "--all", f"exchange={EXCHANGE}").code == 0


def test_event_log(fleet: Fleet) -> None:
    script = """
        function failure($filter) { try { Get-WinEvent -FilterHashtable $filter } catch { $_.FullyQualifiedErrorId } }
        $ours = @{ LogName = 'Application'; ProviderName = 'Microsoft RMS connector' }
        failure ($ours + @{ StartTime = (Get-Date).AddMinutes(1) })
        failure @{ LogName = 'Application'; ProviderName = 'Nobody' }
        failure @{ LogName = 'Nothing' }
        $first = Get-WinEvent -FilterHashtable $ours -MaxEvents 1 -Oldest
        $first.Id, $first.LevelDisplayName, $first.ProviderName
        [Math]::Abs(((Get-Date) - $first.TimeCreated).TotalMinutes) -lt 30
    """
    assert lines(fleet, "rms", script) == [
        "NoMatchingEventsFound,Get-WinEvent", "NoMatchingProvidersFound,Get-WinEvent",
        "NoMatchingLogsFound,Get-WinEvent", "1000", "Information", "Microsoft RMS connector", "True",
    ]  # fmt: skip


def test_iisreset_takes_the_proxy(fleet: Fleet) -> None:
    key = r"HKLM:\SOFTWARE\Microsoft\AADRM\Connector"
    set_proxy = f"Set-ItemProperty -LiteralPath {key} -Name ProxyAddress -Value http://{fleet.address('rms')}:9;"
    assert lines(fleet, "rms", set_proxy + "iisreset.exe > $null; $LASTEXITCODE; ids 3") == ["0", "3001 1000 1001"]
    script = f"Remove-ItemProperty -LiteralPath {key} -Name ProxyAddress; iisreset.exe /restart > $null; ids 3"
    assert lines(fleet, "rms", script) == ["1004 1000 1001"]
    assert lines(fleet, "rms", "iisreset.exe /stop > $null; (Get-Service W3SVC).Status") == ["Stopped"]
    assert ports(fleet, "rms") == []
    lines(fleet, "rms", "Start-Service -Name W3SVC")
    wait_for(lambda: bool(ports(fleet, "rms")))


def test_inspected_connections_to_the_tenant(fleet: Fleet) -> None:
    fleet.run("fault", "rms", "tls_inspection")
    wait_for(lambda: lines(fleet, "rms", "ids 1") == ["3000"], 20)
    fleet.run("fault", "rms", "clear")
    wait_for(lambda: lines(fleet, "rms", "ids 1") == ["1004"], 20)


def test_https(fleet: Fleet, tmp_path: Path) -> None:
    key, certificate, pfx = (str(tmp_path / name) for name in ("key.pem", "certificate.pem", "x.pfx"))
    for command in (
        f"req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -subj /CN=connector.contoso.test -days 9",
        f"pkcs12 -export -inkey {key} -in {certificate} -passout pass:secret -out {pfx}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    disk = fleet.state / "hosts/rms/prefix/drive_c"
    (disk / "x.pfx").write_bytes(Path(pfx).read_bytes())
    script = r"""
        function import($text) {
            $password = ConvertTo-SecureString $text -AsPlainText -Force
            Import-PfxCertificate -FilePath C:\x.pfx -Password $password -CertStoreLocation Cert:\LocalMachine\My
        }
        function netsh_add($thumbprint) {
            $id = 'appid={4dc3e181-e14b-4a21-b022-59fc669b0914}'
            $null = netsh.exe http add sslcert ipport=0.0.0.0:443 "certhash=$thumbprint" $id certstorename=MY
            $LASTEXITCODE
        }
        function bind($sign) {
            $change = "/${sign}bindings.[protocol='https',bindingInformation='*:443:']"
            $null = & $appcmd set site '/site.name:Default Web Site' $change
            $LASTEXITCODE
        }
        try { import 'wrong' } catch { 'refused' }
        $certificate = import 'secret'
        $store = [Security.Cryptography.X509Certificates.X509Store]::new('My', 'LocalMachine')
        $store.Open('ReadOnly')
        $store.Certificates.Thumbprint -contains $certificate.Thumbprint
        netsh_add ('0' * 40)
        netsh_add $certificate.Thumbprint
        netsh_add $certificate.Thumbprint
        bind '+'
        bind '+'
        $certificate.Thumbprint
    """
    *codes, thumbprint = lines(fleet, "rms", script)
    assert codes == ["refused", "True", "1", "0", "1", "0", "183"]
    served = connect(fleet, "rms", secure=True)
    assert sign_on(served, CERTIFICATION, EXCHANGE, fleet.password)[0] == 200
    assert isinstance(served.sock, ssl.SSLSocket)
    der = served.sock.getpeercert(binary_form=True)
    assert der is not None
    expected = ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())
    assert der == expected
    stored = r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\SslBindingInfo\0.0.0.0:443"
    assert any(thumbprint in line for line in lines(fleet, "rms", f"reg.exe query {stored} /v SslCertHash"))
    lines(fleet, "rms", "netsh.exe http delete sslcert ipport=0.0.0.0:443 > $null")
    assert [port % 10000 for port in ports(fleet, "rms")] == [80]


def reachable(fleet: Fleet, host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(fleet.address(host), port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.connect()
        return True
    return False


def test_a_host_that_is_not_there_has_no_connector(fleet: Fleet) -> None:
    (port,) = ports(fleet, "rms")
    assert reachable(fleet, "rms", port)
    fleet.run("fault", "rms", "lost_host")
    assert not reachable(fleet, "rms", port)
    fleet.run("fault", "rms", "clear")
    wait_for(lambda: reachable(fleet, "rms", port))
    fleet.run("reboot", "rms")
    wait_for(lambda: not reachable(fleet, "rms", port))
    wait_for(lambda: answers(fleet, "rms") and reachable(fleet, "rms", port))
    assert lines(fleet, "rms", "ids 3") == ["1004 1000 1001"]
    fleet.run("down", "rms")
    assert not reachable(fleet, "rms", port)
    assert json.loads((fleet.state / "connector.json").read_text())["exchange"] == [EXCHANGE]
