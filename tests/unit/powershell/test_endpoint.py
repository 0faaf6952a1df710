"""endpoint_info's engine, against servers and proxies on the loopback."""

from __future__ import annotations

import datetime
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from powershell_host import PowerShellError, PowerShellHost
from service_endpoints import Address, Authority, Proxy, listen, tls_server

LOOK = "@(Get-EndpointInfo -Option $case)"
CONNECTOR = r"HKLM:\SOFTWARE\Microsoft\AADRM\Connector"
WINHTTP = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections"
COMMERCIAL = ["discover.aadrm.com", "api.aadrm.com", "admin.na.aadrm.com"]
TENANT = "5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"


class Service:
    """The service as it is meant to answer, and a gateway that inspects; the host trusts the roots of both."""

    def __init__(self) -> None:
        self.root = Authority("Contoso Test Root", "Contoso")
        self.authority = Authority("Test TLS Issuing CA 08", "Microsoft Corporation", self.root)
        self.gateway = Authority("Contoso Web Gateway", "Contoso")
        self.stack = ExitStack()
        self.address = self.start(self.authority)

    def start(self, authority: Authority, *hosts: str, days: int = 90) -> Address:
        """One more server, of this authority."""
        context = authority.context(*(hosts or ("localhost", "*.aadrm.com", "*.rms.na.aadrm.com")), days=days)
        return self.stack.enter_context(tls_server(context))

    def serve(self, proxy: Proxy) -> str:
        """A proxy, until the tests end."""
        return "http://{}:{}".format(*self.stack.enter_context(proxy.serve()))

    @property
    def routes(self) -> dict[str, Address]:
        return dict.fromkeys([*COMMERCIAL, TENANT, "api.aadrm.us", "admin.aadrm.us", "api.aadrm.cn"], self.address)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    with service.stack:
        yield service


@pytest.fixture(scope="module")
def powershell(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerShellHost]:
    """A host of its own: a process under Wine takes up new trusted authorities only until it has built a chain."""
    host = PowerShellHost(tmp_path_factory.mktemp("endpoint") / "prefix")
    trust = """
    $store = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
    $store.Open('ReadWrite')
    foreach ($data in $case) {
        $store.Add([Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($data)))
    }
    $store.Close()
    """
    host.run(trust, [authority.base64() for authority in (service.root, service.gateway)])
    yield host
    host.close()


def look(powershell: PowerShellHost, **options: Any) -> list[dict[str, Any]]:
    result = powershell.run(LOOK, {"cloud": "commercial", "timeout": 20, **options})
    return result if isinstance(result, list) else [result]


def at(address: Address, host: str = "localhost") -> list[str]:
    return [f"{host}:{address[1]}"]


def test_the_service_itself(powershell: PowerShellHost, service: Service) -> None:
    (state,) = look(powershell, endpoints=at(service.address))
    leaf, authority, root = state.pop("chain")
    assert re.fullmatch("ECDHE Aes(128|256) .*", state.pop("cipher"))
    assert state == {
        "host": "localhost",
        "port": service.address[1],
        "proxy": None,
        "proxy_source": "none",
        "proxy_schemes": [],
        "reachable": True,
        "protocol": "TLS 1.2",
        "issuer": service.authority.subject,
        "trusted": True,
        "missing_root": None,
        "inspected": False,
        "error": None,
    }
    assert (leaf["subject"], leaf["issuer"]) == ("CN=localhost", service.authority.subject)
    assert (authority["subject"], authority["issuer"]) == (service.authority.subject, service.root.subject)
    assert root == {
        "subject": service.root.subject,
        "issuer": service.root.subject,
        "thumbprint": service.root.certificate.fingerprint(hashes.SHA1()).hex().upper(),
        "expires": f"{service.root.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }


def test_a_missing_root_is_named(powershell: PowerShellHost, service: Service) -> None:
    root = Authority("Another Root", "DigiCert Inc")
    below = Authority("Another CA", "DigiCert Inc", root)
    for authority in (below, root):
        (state,) = look(powershell, endpoints=at(service.start(authority)))
        assert (state["reachable"], state["trusted"], state["inspected"]) == (True, False, False)
        assert (state["issuer"], state["missing_root"]) == (authority.subject, root.subject)
        assert state["error"] == (
            f"this host does not trust the certificate, the authority '{root.subject}' is missing;"
            " expected it among the computer's trusted root authorities"
        )


def test_inspection_is_told_also_where_the_host_trusts_it(powershell: PowerShellHost, service: Service) -> None:
    gateway = service.gateway
    proxy = service.serve(Proxy(routes=service.routes, inspect=gateway.context(*COMMERCIAL)))
    states = look(powershell, proxy=proxy)
    assert [state["host"] for state in states] == COMMERCIAL
    for state in states:
        assert (state["inspected"], state["trusted"], state["issuer"]) == (True, True, gateway.subject)
        assert (state["proxy"], state["proxy_source"]) == (proxy, "explicit")
        assert state["error"].startswith(
            f"somebody ends the TLS connection before {state['host']}: the certificate was issued by"
            f" '{gateway.subject}'; expected an issuer like "
        )
    stranger = Authority("Fabrikam Web Gateway", "Fabrikam")
    proxy = service.serve(Proxy(routes=service.routes, inspect=stranger.context(*COMMERCIAL)))
    (state,) = look(powershell, proxy=proxy, endpoints=["api.aadrm.com"])
    assert (state["inspected"], state["missing_root"]) == (True, stranger.subject)
    assert state["error"].count("; expected") == 2


@pytest.mark.parametrize(
    ("organization", "issuers", "inspected"),
    [
        ("Microsoft Corporation", None, False),
        ("DigiCert Inc", None, False),
        ("Not Microsoft Corporation", None, True),
        ("Microsoft Corporation Ltd", None, True),
        ("Contoso", ["^CN=Authority, o=contoso, C=US$"], False),
        ("Contoso", ["Fabrikam", "CN=Authority"], False),
        ("Microsoft Corporation", ["Fabrikam"], True),
    ],
)
def test_issuers(
    powershell: PowerShellHost, service: Service, organization: str, issuers: list[str] | None, inspected: bool
) -> None:
    address = service.start(Authority("Authority", organization))
    (state,) = look(powershell, endpoints=at(address), issuers=issuers)
    assert state["inspected"] == inspected


@pytest.mark.parametrize(
    ("cloud", "hosts"),
    [
        ("commercial", COMMERCIAL),
        ("us_government", ["api.aadrm.us", "admin.aadrm.us"]),
        ("china", ["api.aadrm.cn", "admin.aadrm.cn"]),
    ],
)
def test_each_cloud_has_its_endpoints(
    powershell: PowerShellHost, service: Service, cloud: str, hosts: list[str]
) -> None:
    proxy = Proxy(schemes=("Negotiate",))
    states = look(powershell, cloud=cloud, proxy=service.serve(proxy))
    assert [(state["host"], state["port"]) for state in states] == [(host, 443) for host in hosts]
    assert [head.splitlines() for head in proxy.asked] == [
        [f"CONNECT {host}:443 HTTP/1.1", f"Host: {host}:443", ""] for host in hosts
    ]


def test_certificates_of_others_and_expired_ones(powershell: PowerShellHost, service: Service) -> None:
    other = service.start(service.authority, "www.contoso.com")
    expired = service.start(service.authority, "localhost", days=-1)
    day = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    ((of_another,), (of_yesterday,)) = (look(powershell, endpoints=at(item)) for item in (other, expired))
    assert not of_another["trusted"] and not of_yesterday["trusted"]
    assert of_another["error"] == "the certificate is that of 'CN=www.contoso.com'; expected one for localhost"
    assert of_yesterday["error"].startswith(
        f"a certificate is expired or not valid yet ('CN=localhost' until {day:%Y-%m-%d}, "
    )
    assert of_yesterday["missing_root"] is None


@pytest.mark.parametrize(
    ("schemes", "expected"),
    [
        (("Negotiate", "NTLM"), ["Negotiate", "NTLM"]),
        (('Basic realm="a, NTLM, b"',), ["Basic"]),
        (('Negotiate, Basic realm="x", charset="UTF-8", Digest nonce="n,m", algorithm=MD5',),
         ["Negotiate", "Basic", "Digest"]),
        (("Negotiate YIIB==", "negotiate"), ["Negotiate", "negotiate"]),
        (("",), ["unknown"]),
    ],
)  # fmt: skip
def test_a_proxy_that_wants_somebody_to_sign_in(
    powershell: PowerShellHost, service: Service, schemes: tuple[str, ...], expected: list[str]
) -> None:
    proxy = service.serve(Proxy(routes=service.routes, schemes=schemes))
    (state,) = look(powershell, proxy=proxy, endpoints=[TENANT])
    assert (state["proxy_schemes"], state["reachable"], state["protocol"]) == (expected, False, None)
    assert state["error"] == (
        f"the proxy {proxy} wants somebody to sign in ({', '.join(expected)}); expected a proxy that asks nobody"
    )


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", r"refused to connect to {}:443 \(403 Forbidden\); expected 200"),
        (b"HTTP/1.0 503\r\nA: b\r\n\r\n", r"refused to connect to {}:443 \(503 \); expected 200"),
        (b"220 mail.contoso.com ready\r\n\r\n", "does not speak HTTP; expected 200 to CONNECT"),
        pytest.param(b"x" * 20000, "does not speak HTTP; expected 200 to CONNECT", id="20000 bytes"),
    ],
)
def test_a_proxy_that_refuses(powershell: PowerShellHost, service: Service, answer: bytes, error: str) -> None:
    proxy = service.serve(Proxy(answer=answer))
    # a busy machine takes long to read a line that never ends
    (state,) = look(powershell, proxy=proxy, endpoints=[TENANT], timeout=120)
    assert re.fullmatch(f"the proxy {proxy.removeprefix('http://')} {error.format(TENANT)}", state["error"])
    assert not state["reachable"]


def test_proxies_that_the_host_is_told_to_use(powershell: PowerShellHost, service: Service) -> None:
    proxy = service.serve(Proxy(routes=service.routes))
    address = proxy.removeprefix("http://")
    set_connector = f"""$null = New-Item -Path '{CONNECTOR}' -Force
    Set-ItemProperty -LiteralPath '{CONNECTOR}' -Name ProxyAddress -Value $case"""
    set_winhttp = f"""$null = New-Item -Path '{WINHTTP}' -Force
    $data = [BitConverter]::GetBytes(0x18) + [BitConverter]::GetBytes(0) + [BitConverter]::GetBytes(3)
    foreach ($text in $case) {{
        $data += [BitConverter]::GetBytes($text.Length) + [Text.Encoding]::ASCII.GetBytes($text)
    }}
    Set-ItemProperty -LiteralPath '{WINHTTP}' -Name WinHttpSettings -Value ([byte[]]$data) -Type Binary"""
    remove = (
        f"Remove-Item -LiteralPath '{CONNECTOR}'; Remove-ItemProperty -LiteralPath '{WINHTTP}' -Name WinHttpSettings"
    )
    local = [f"localhost:{service.address[1]}"]
    for source in ("proxy_address", "winhttp"):
        (state,) = look(powershell, endpoints=local, proxy_source=source)
        assert (state["proxy"], state["proxy_source"], state["protocol"]) == (None, source, "TLS 1.2")
    try:
        powershell.run(set_connector, proxy)
        (state,) = look(powershell, endpoints=[TENANT], proxy_source="proxy_address")
        assert (state["proxy"], state["protocol"], state["reachable"]) == (proxy, "TLS 1.2", True)
        # as in Microsoft's example, and as people write it
        powershell.run(set_connector, f"HTTPS://{address.upper()}/")
        (state,) = look(powershell, endpoints=[TENANT], proxy_source="proxy_address")
        assert (state["proxy"], state["protocol"], state["reachable"]) == (proxy, "TLS 1.2", True)
        powershell.run(set_connector, "ftp://proxy.contoso.com:8080")
        (state,) = look(powershell, endpoints=[TENANT], proxy_source="proxy_address")
        assert (state["proxy"], state["reachable"]) == (None, False)
        assert state["error"] == (
            f"ProxyAddress in {CONNECTOR}: expected http://host:port or https://host:port, "
            "found 'ftp://proxy.contoso.com:8080'"
        )
        for server, bypass, expected in [
            (address, "*.contoso.com", proxy),
            (f"http=nowhere:1;https={address}", "", proxy),
            (address, "*.contoso.com;*.aadrm.com", None),
            (address, "<local>", proxy),
            ("http=nowhere:1", "", None),
        ]:
            powershell.run(set_winhttp, [server, bypass])
            (state,) = look(powershell, endpoints=[TENANT], proxy_source="winhttp", timeout=10)
            assert (state["proxy"], bool(state["protocol"])) == (expected, bool(expected)), (server, bypass)
        powershell.run(set_winhttp, [address, "<local>"])
        (state,) = look(powershell, endpoints=local, proxy_source="winhttp")
        assert (state["proxy"], state["protocol"]) == (None, "TLS 1.2")
    finally:
        powershell.run(remove)


def test_what_is_not_reached_says_why(powershell: PowerShellHost, service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    (refused,) = look(powershell, endpoints=[f"localhost:{nobody}"])
    assert re.match(rf"localhost \(.*\) refused the connection on port {nobody} \(.+\); expected a ", refused["error"])
    (unknown,) = look(powershell, endpoints=["no-such-host.invalid"])
    assert re.match(r"the name no-such-host.invalid cannot be resolved \(.+\); expected an address", unknown["error"])
    (no_proxy,) = look(powershell, proxy=f"localhost:{nobody}", endpoints=[TENANT])
    assert "refused the connection on port" in no_proxy["error"] and TENANT not in no_proxy["error"]
    for state in (refused, unknown, no_proxy):
        assert (state["reachable"], state["protocol"], state["chain"]) == (False, None, [])


def test_what_answers_otherwise_says_so(powershell: PowerShellHost, service: Service) -> None:
    plain = service.stack.enter_context(listen(lambda connection: connection.sendall(b"220 mail.contoso.com\r\n" * 9)))
    (state,) = look(powershell, endpoints=at(plain))
    assert (state["reachable"], state["protocol"], state["trusted"]) == (True, None, False)
    assert re.match(rf"no TLS 1.2 with localhost:{plain[1]} \(.+\); expected a server that speaks it", state["error"])
    ended = service.stack.enter_context(listen(lambda connection: None))
    (state,) = look(powershell, endpoints=at(ended))
    assert (state["reachable"], state["protocol"]) == (True, None)
    assert state["error"].startswith(f"no TLS 1.2 with localhost:{ended[1]} (")


def test_whoever_says_nothing_is_waited_for_no_longer_than_told(powershell: PowerShellHost, service: Service) -> None:
    silent = service.stack.enter_context(listen(lambda connection: bool(connection.recv(99999) and connection.recv(1))))
    started = datetime.datetime.now()
    (state,) = look(powershell, endpoints=at(silent), timeout=2)
    assert state["error"].startswith(f"no TLS 1.2 with localhost:{silent[1]} within 2 seconds; expected")
    (state,) = look(powershell, proxy=f"localhost:{silent[1]}", endpoints=[TENANT], timeout=2)
    assert state["error"] == f"the proxy localhost:{silent[1]} did not answer CONNECT within 2 seconds; expected 200"
    # A full queue of connections: nobody answers at all
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()), ExitStack() as others:
            for _ in range(4):
                other = others.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(full.getsockname())
            (state,) = look(powershell, endpoints=[f"127.0.0.1:{full.getsockname()[1]}"], timeout=2)
            assert "did not answer on port" in state["error"]
    assert (datetime.datetime.now() - started).total_seconds() < 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoints": ["http://api.aadrm.com"]}, "^endpoints: expected a host, host:port or a URL .* 'http://api"),
        ({"endpoints": ["api.aadrm.com/x"]}, "^endpoints: expected a host"),
        ({"endpoints": ["api.aadrm.com:99999"]}, "^endpoints: expected a host"),
        ({"endpoints": ["api.aadrm.com:0"]}, "^endpoints: expected a host"),
        ({"endpoints": ["a\r\nX: y"]}, "^endpoints: expected a host"),
        ({"endpoints": ["user@host"]}, "^endpoints: expected a host"),
        ({"endpoints": [""]}, "^endpoints: expected a host"),
        (
            {"proxy": "ftp://proxy:8080"},
            "^proxy: expected http://host:port or https://host:port, found 'ftp://proxy:8080'",
        ),
        ({"proxy": "http://user:secret@proxy:8080"}, "^proxy: expected http://host:port"),
        ({"proxy": "http://p:1", "proxy_source": "winhttp"}, "^proxy: expected with proxy_source explicit, and only"),
        ({"proxy_source": "explicit"}, "^proxy: expected with proxy_source explicit"),
        ({"issuers": ["(unclosed"]}, r"^issuers: expected regular expressions, found '\(unclosed' \(.+\)"),
        ({"timeout": 0}, "^timeout: expected 1 to 600 seconds, found 0"),
    ],
)
def test_other_options_are_refused(powershell: PowerShellHost, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PowerShellError, match=message) as error:
        look(powershell, **options)
    assert "secret" not in str(error.value)


def test_forms_of_an_endpoint(powershell: PowerShellHost, service: Service) -> None:
    proxy = Proxy(schemes=("NTLM",))
    given = ["API.aadrm.com", "https://api.aadrm.com/_wmcs/licensing", "api.aadrm.com:8443", "[::1]:444", "10.0.0.1"]
    look(powershell, endpoints=given, proxy=service.serve(proxy))
    assert [head.split(" ")[1] for head in proxy.asked] == [
        "api.aadrm.com:443",
        "api.aadrm.com:443",
        "api.aadrm.com:8443",
        "[::1]:444",
        "10.0.0.1:443",
    ]
