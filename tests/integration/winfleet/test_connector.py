"""The stand-in of the Rights Management connector: setup, sign-in, requests, events, proxy, HTTPS, removal."""

from __future__ import annotations

import base64
import datetime
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from requests_ntlm import HttpNtlmAuth
from winfleet import vendor

from .conftest import PASSWORD, Fleet
from .test_life import answers, wait_for

STAGED = Path("prefix/drive_c/ProgramData/infoprotect/connector/RMSConnectorSetup.exe")
EXCHANGE = r"CONTOSO\EXCHANGE-9$"
PAGE = "/_wmcs/certification/servercertification.asmx"
EVENTS = """
    $filter = @{ LogName = 'Application'; ProviderName = 'Microsoft RMS connector' }
    (Get-WinEvent -FilterHashtable $filter | ForEach-Object { $_.Id }) -join ' '
"""


@pytest.fixture(scope="module")
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    one = make_fleet("connector")
    one.run("up", "alpha")
    return one


def stage(fleet: Fleet, version: str) -> None:
    file = fleet.state / "hosts/alpha" / STAGED
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(vendor.packages()[f"RMSConnectorSetup-{version}.exe"], file)


def powershell(fleet: Fleet, script: str) -> str:
    result = fleet.powershell("alpha", script)
    assert result.code == 0, result.out + result.err
    return result.out.strip()


def events(fleet: Fleet) -> list[int]:
    """The numbers of the events, newest first."""
    return [int(number) for number in powershell(fleet, EVENTS).split()]


def request(fleet: Fleet, path: str = PAGE, user: str = "", password: str = PASSWORD, **options: object):
    auth = HttpNtlmAuth(user, password) if user else None
    url = f"{options.pop('scheme', 'http')}://{fleet.address('alpha')}{path}"
    method = str(options.pop("method", "GET"))
    return requests.request(method, url, auth=auth, timeout=20, **options)  # type: ignore[arg-type]


def test_the_wizard_waits_for_an_operator_who_has_something_to_start(fleet: Fleet) -> None:
    refused = fleet.run("sign-in", "alpha", check=False)
    assert refused.code == 1
    assert "has to be staged" in refused.err
    stage(fleet, "3.0.0")
    script = r"""
        $setup = 'C:\ProgramData\infoprotect\connector\RMSConnectorSetup.exe'
        $process = Start-Process -FilePath $setup -PassThru
        $process.WaitForExit(3000)
        $process.Kill()
        (Start-Process -FilePath $setup -ArgumentList '/quiet' -PassThru -Wait).ExitCode
        $filter = @{ LogName = 'Application'; ProviderName = 'Microsoft RMS connector' }
        try { Get-WinEvent -FilterHashtable $filter -ErrorAction Stop }
        catch { $_.FullyQualifiedErrorId.Split(',')[0] }
        [IO.File]::Exists('C:\Windows\System32\iisreset.exe')
    """
    assert powershell(fleet, script).split() == ["False", "1602", "NoMatchingProvidersFound", "False"]


def test_signed_in_it_runs(fleet: Fleet) -> None:
    fleet.run("sign-in", "alpha")
    script = r"""
        $key = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{41E5EF5C-3B2A-4B9B-AE22-6C4C4A1A3A5B}'
        (Get-ItemProperty -LiteralPath $key).DisplayVersion
        (Get-Service -Name W3SVC).Status
        Test-Path -LiteralPath HKLM:\SOFTWARE\Microsoft\AADRM\Connector
        Test-Path -LiteralPath 'C:\Program Files\Microsoft Rights Management connector\Web Service\web.config'
        (Get-ChildItem -Path "$env:LOCALAPPDATA\Temp\Microsoft Rights Management connector_*.log").Count -gt 0
    """
    assert powershell(fleet, script).split() == ["3.0.0.0", "Running", "True", "True", "True"]
    assert events(fleet) == [2003, 1000]


def test_who_is_let_in(fleet: Fleet) -> None:
    anonymous = request(fleet)
    assert anonymous.status_code == 401
    assert "NTLM" in anonymous.headers["WWW-Authenticate"]
    assert request(fleet, user=r"CONTOSO\Administrator", password="wrong").status_code == 401
    assert events(fleet) == [2003, 1000]  # IIS answered, the connector has not seen them
    stranger = request(fleet, user=r"CONTOSO\Administrator")
    assert stranger.status_code == 200
    assert "ServerCertificationWebService" in stranger.text
    assert request(fleet, user=r"CONTOSO\Administrator", method="POST").status_code == 403
    assert events(fleet)[0] == 2001
    fleet.run("authorize", "alpha", f"exchange={EXCHANGE}", "fci=FS01$")
    script = """
        $filter = @{ LogName = 'Application'; ProviderName = 'Microsoft RMS connector'; Id = 1004 }
        $event = Get-WinEvent -FilterHashtable $filter -MaxEvents 1
        $event.Message.Split("`n").Trim() -match '\\\\'
        $event.LevelDisplayName
    """
    assert powershell(fleet, script).split() == [EXCHANGE, r"CONTOSO\FS01$", "Information"]
    assert request(fleet, user=EXCHANGE, method="POST").status_code == 200
    assert events(fleet)[:2] == [2002, 1002]
    answer = request(fleet, "/_wmcs/GetRmsoUri.aspx", user=EXCHANGE)
    assert answer.text == "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
    assert request(fleet, "/_wmcs/none.asmx", user=EXCHANGE).status_code == 403
    assert request(fleet, "/none").status_code == 404


def test_each_connection_proves_who_calls(fleet: Fleet) -> None:
    with requests.Session() as session:
        session.auth = HttpNtlmAuth(EXCHANGE, PASSWORD)
        url = f"http://{fleet.address('alpha')}{PAGE}"
        assert session.get(url, timeout=20).status_code == 200
        session.auth = None
        assert session.get(url, timeout=20).status_code == 200  # the same connection
    assert requests.get(url, timeout=20).status_code == 401


def test_iisreset_and_the_service_stop_and_start_it(fleet: Fleet) -> None:
    assert fleet.command("alpha", "iisreset.exe /noforce").code == 0
    assert events(fleet)[:3] == [1004, 1000, 1001]
    powershell(fleet, "Stop-Service -Name W3SVC")
    wait_for(lambda: events(fleet)[0] == 1001, 20)
    with pytest.raises(requests.ConnectionError):
        request(fleet)
    powershell(fleet, "Start-Service -Name W3SVC")
    wait_for(lambda: events(fleet)[0] == 1004, 20)
    assert request(fleet).status_code == 401


def test_a_proxy_where_nobody_listens(fleet: Fleet) -> None:
    key = r"HKLM:\SOFTWARE\Microsoft\AADRM\Connector"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"Set-ItemProperty -LiteralPath {key} -Name ProxyAddress -Value http://127.0.0.1:"
        powershell(fleet, f"{script}{port}; iisreset.exe | Out-Null")
        assert events(fleet)[:3] == [1004, 1000, 1001]
    powershell(fleet, "iisreset.exe | Out-Null")
    assert events(fleet)[:3] == [3001, 1000, 1001]
    powershell(fleet, f"Remove-ItemProperty -LiteralPath {key} -Name ProxyAddress; iisreset.exe | Out-Null")
    assert events(fleet)[:2] == [1004, 1000]


def test_https_with_an_imported_certificate(fleet: Fleet, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "connector.contoso.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    pfx = pkcs12.serialize_key_and_certificates(
        b"connector", key, certificate, None, serialization.BestAvailableEncryption(b"Pfx!secret")
    )
    thumbprint = certificate.fingerprint(hashes.SHA1()).hex().upper()
    bind = "netsh.exe http add sslcert ipport=0.0.0.0:443 certhash=" + thumbprint
    bind += " '{}' certstorename=MY | Out-Null; $LASTEXITCODE".format("appid={4dc3e181-e14b-4a21-b022-59fc669b0914}")
    script = rf"""
        [IO.File]::WriteAllBytes('C:\c.pfx', [Convert]::FromBase64String('{base64.b64encode(pfx).decode()}'))
        {bind}
        $import = @{{ FilePath = 'C:\c.pfx'; CertStoreLocation = 'Cert:\LocalMachine\My' }}
        foreach ($word in 'wrong', 'Pfx!secret') {{
            $password = ConvertTo-SecureString -String $word -AsPlainText -Force
            try {{ (Import-PfxCertificate @import -Password $password).Thumbprint }}
            catch {{ $_.Exception.NativeErrorCode }}
        }}
        $store = [Security.Cryptography.X509Certificates.X509Store]::new('My', 'LocalMachine')
        $store.Open('ReadOnly')
        $store.Certificates.Thumbprint
        {bind}
        $binding = "/+bindings.[protocol='https',bindingInformation='*:443:']"
        C:\Windows\System32\inetsrv\appcmd.exe set site '/site.name:Default Web Site' $binding | Out-Null
        $LASTEXITCODE
        $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\HTTP\Parameters\SslBindingInfo\0.0.0.0:443'
        [BitConverter]::ToString((Get-ItemProperty -LiteralPath $key).SslCertHash).Replace('-', '')
    """
    expected = ["1", "86", thumbprint, thumbprint, "0", "0", thumbprint]
    assert powershell(fleet, script).split() == expected
    der = subprocess.run(
        ["openssl", "s_client", "-connect", f"{fleet.address('alpha')}:443"],
        input=b"",
        capture_output=True,
        check=False,
    ).stdout
    assert b"connector.contoso.test" in der
    requests.packages.urllib3.disable_warnings()
    assert request(fleet, user=EXCHANGE, scheme="https", verify=False).status_code == 200
    assert 1002 in events(fleet)[:2]


def test_an_upgrade_a_restart_and_the_removal(fleet: Fleet) -> None:
    stage(fleet, "3.1.0")
    fleet.run("sign-in", "alpha")
    stage(fleet, "3.0.0")
    older = fleet.run("sign-in", "alpha", check=False)
    assert "1603" in older.err
    fleet.run("reboot", "alpha")
    wait_for(lambda: not answers(fleet, "alpha"))
    wait_for(lambda: fleet.status("alpha")["phase"] == "up")
    wait_for(lambda: events(fleet)[:3] == [1004, 1000, 1001], 20)
    fleet.run("sign-in", "alpha", "--remove")
    wait_for(lambda: events(fleet)[0] == 1001, 20)
    time.sleep(0.5)
    with pytest.raises(requests.ConnectionError):
        request(fleet)
    script = r"""
        Test-Path -LiteralPath HKLM:\SOFTWARE\Microsoft\AADRM\Connector
        Test-Path -LiteralPath 'C:\Program Files\Microsoft Rights Management connector'
    """
    assert powershell(fleet, script).split() == ["False", "False"]
    assert fleet.run("authorize", "alpha", "fci=FS01$", check=False).code == 1
