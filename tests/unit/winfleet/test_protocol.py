"""Malformed HTTP and SOAP, hostile sizes and slowness: always a fault or a 4xx, never a traceback."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from xml.etree import ElementTree

import pytest
import requests
from conftest import ACCOUNTS, ADDRESS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from winfleet import wsman
from winfleet.listener import MAX_BODY, ListenerOptions
from winfleet.wsman import NAMESPACES, WSManFault, parse_duration, parse_request

CREATE, CMD = (
    "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
    "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd",
)
SHELL_ACTION = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/"
DECLARATIONS = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


def envelope(
    action: str = CREATE, resource: str = CMD, header: str = "", body: str = "<rsp:Shell/>", message_id: str = "uuid:1"
) -> str:
    return (
        f"<s:Envelope {DECLARATIONS}><s:Header><a:Action>{action}</a:Action><a:MessageID>{message_id}</a:MessageID>"
        f"<w:ResourceURI>{resource}</w:ResourceURI>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


@pytest.fixture
def post(fleet):
    with requests.Session() as session:
        session.trust_env = False
        session.auth = ("Administrator", ACCOUNTS["Administrator"].encode())
        session.verify = str(fleet.certificate)

        def send(content: str | bytes, **arguments: object) -> requests.Response:
            data = content.encode() if isinstance(content, str) else content
            headers = {"Content-Type": "application/soap+xml;charset=UTF-8"}
            return session.post(fleet.https, data=data, **{"headers": headers, "timeout": 10, **arguments})

        yield send


def fault(answer: requests.Response) -> tuple[int, str | None, str | None]:
    """Code, subcode and the related message of a fault."""
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("application/soap+xml")
    assert b"Traceback" not in answer.content
    root = ElementTree.fromstring(answer.content)
    detail = root.find(".//{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}WSManFault")
    return (
        int(detail.get("Code")),
        root.findtext(".//s:Subcode/s:Value", None, NAMESPACES),
        root.findtext(".//a:RelatesTo", None, NAMESPACES),
    )


def test_a_well_formed_request_is_served(post):
    answer = post(envelope())
    assert answer.status_code == 200
    assert ElementTree.fromstring(answer.content).findtext(".//a:RelatesTo", None, NAMESPACES) == "uuid:1"


SCHEMA, ACTION, RESOURCE, NOT_FOUND, LIMIT = 2150858817, 2150858753, 2150858752, 2150858843, 2150858805


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("no XML", SCHEMA),
        ("<s:Envelope", SCHEMA),
        (b"\xff\xfe\x00", SCHEMA),
        ("<x/>", SCHEMA),
        (f"<s:Envelope {DECLARATIONS}/>", SCHEMA),
        (envelope().replace("a:MessageID", "a:Other"), SCHEMA),
        ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>' + envelope(message_id="&a;"), SCHEMA),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', SCHEMA),
        ("<x>" * 100 + "</x>" * 100, SCHEMA),
        (envelope(body="<rsp:Shell/>" * 11_000), SCHEMA),
        (envelope(action="http://example.com/Nonsense"), ACTION),
        (envelope(action=SHELL_ACTION + "Enumerate"), ACTION),
        (envelope(action="http://example.com/Command"), ACTION),
        (envelope(resource="http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service"), RESOURCE),
        (envelope(resource="http://schemas.microsoft.com/powershell/Elsewhere"), RESOURCE),
        (envelope(action=SHELL_ACTION + "Command"), NOT_FOUND),
        (envelope(header='<w:OperationTimeout>soon</w:OperationTimeout>'), SCHEMA),
        (envelope(header='<w:MaxEnvelopeSize>-1</w:MaxEnvelopeSize>'), SCHEMA),
        (envelope(body='<rsp:Shell ShellId="../../etc"/>'), SCHEMA),
        (envelope(body="<rsp:Shell><rsp:IdleTimeOut>never</rsp:IdleTimeOut></rsp:Shell>"), SCHEMA),
        (envelope(body=""), SCHEMA),
        (envelope(body="<rsp:Shell>" + "x" * 512_000 + "</rsp:Shell>"), LIMIT),
        (envelope(resource="http://schemas.microsoft.com/powershell/Microsoft.PowerShell"), SCHEMA),
        (envelope(resource="http://schemas.microsoft.com/powershell/Microsoft.PowerShell",
                  body="<rsp:Shell><pwsh:creationXml>!!!!</pwsh:creationXml></rsp:Shell>"), SCHEMA),
        (envelope(resource="http://schemas.microsoft.com/powershell/Microsoft.PowerShell",
                  body="<rsp:Shell><pwsh:creationXml>AAAAAAAA</pwsh:creationXml></rsp:Shell>"), SCHEMA),
    ],
    ids=lambda value: str(value)[-40:] if isinstance(value, str | bytes) else None,
)  # fmt: skip
def test_malformed_messages_get_a_fault(post, content, code):
    assert fault(post(content))[0] == code
    assert post(envelope()).status_code == 200, "the connection goes on"


def test_the_fault_names_the_message_and_escapes_what_it_quotes(post):
    code, subcode, relates_to = fault(
        post(envelope(action="http://example.com/&lt;evil&gt;", message_id="uuid:&lt;&amp;&gt;"))
    )
    assert (code, subcode, relates_to) == (ACTION, "a:ActionNotSupported", "uuid:<&>")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('<rsp:Send><rsp:Stream Name="stdin" CommandId="{0}">not base64!</rsp:Stream></rsp:Send>', SCHEMA),
        ('<rsp:Send><rsp:Stream Name="stdin">AAAA</rsp:Stream></rsp:Send>', NOT_FOUND),
        ("<rsp:Send/>", SCHEMA),
    ],
)
def test_malformed_input(fleet, post, body, code):
    protocol = fleet.protocol("basic")
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "cat", console_mode_stdin=False)
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
    assert fault(post(envelope(SHELL_ACTION + "Send", header=selector, body=body.format(command))))[0] == code
    protocol.close_shell(shell)


def test_a_shell_of_one_kind_is_not_one_of_the_other(fleet, post):
    shell = fleet.protocol("basic").open_shell()
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
    powershell = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
    assert fault(post(envelope(SHELL_ACTION + "Receive", powershell, selector, "<rsp:Receive/>")))[0] == NOT_FOUND


def test_a_lost_answer_is_given_again_to_the_same_message(fleet, post):
    protocol = fleet.protocol("basic")
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "echo once")
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
    receive = envelope(
        SHELL_ACTION + "Receive",
        CMD,
        selector,
        f'<rsp:Receive><rsp:DesiredStream CommandId="{command}">stdout</rsp:DesiredStream></rsp:Receive>',
    )
    answers = [ElementTree.fromstring(post(receive).content).find("s:Body", NAMESPACES) for _ in range(2)]
    assert ElementTree.tostring(answers[0]) == ElementTree.tostring(answers[1])
    assert answers[0].findtext(".//rsp:Stream", None, NAMESPACES) == "b25jZQo="


def raw(port: int, data: bytes, timeout: float = 5.0) -> bytes:
    """Send bytes over plain HTTP and return all that comes back until the connection ends."""
    with socket.create_connection((ADDRESS, port), timeout=timeout) as connection:
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /wsman HTTP/1.1\r\nHost: x\r\n\r\n", 411),
        (b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\n", 400),
        (b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        (b"POST /wsman HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /wsman HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"BREW /wsman HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /wsman HTTP/9.9\r\n\r\n", 505),
        (b"POST /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST /wsman HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
    ids=lambda value: None if isinstance(value, int) else repr(value[:40]),
)
def test_malformed_http(fleet, request_, status):
    answer = raw(fleet.listener.http_port, request_)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.endswith(b"Content-Length: 0\r\nConnection: close\r\n\r\n"), "no body, least of all a traceback"


def test_a_body_that_is_shorter_than_it_says(make_fleet):
    fleet = make_fleet(request_timeout=0.5)
    head = b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    assert raw(fleet.listener.http_port, head + b"short").startswith(b"HTTP/1.1 408 ")


def test_too_large_a_body_is_refused_unread(fleet):
    head = f"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n".encode()
    assert raw(fleet.listener.http_port, head + b"x" * (MAX_BODY + 1)).startswith(b"HTTP/1.1 413 ")


def test_an_unauthenticated_body_is_read_and_the_connection_goes_on(fleet):
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(2):
            assert session.post(fleet.http, data=b"x" * 400_000, timeout=5).status_code == 401
    assert fleet.listener.counters["refused"] == 2


def test_a_client_that_drips_is_dropped(make_fleet):
    fleet = make_fleet(request_timeout=0.6)
    started = time.monotonic()
    address = (ADDRESS, fleet.listener.http_port)
    with socket.create_connection(address, timeout=5) as connection, pytest.raises(OSError):
        for byte in b"POST /wsman HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
    assert time.monotonic() - started < 4


def test_idle_and_silent_connections_are_dropped(make_fleet):
    fleet = make_fleet(keep_alive=0.3, request_timeout=0.3)
    for port in (fleet.listener.http_port, fleet.listener.https_port):
        with socket.create_connection((ADDRESS, port), timeout=5) as connection:
            assert connection.recv(1) == b""


def test_a_silent_tls_client_keeps_nobody_waiting(fleet):
    with socket.create_connection((ADDRESS, fleet.listener.https_port)):
        protocol = fleet.protocol("basic")
        protocol.close_shell(protocol.open_shell())


def test_the_number_of_connections_is_bounded(make_fleet):
    fleet = make_fleet(max_connections=3)
    held = [socket.create_connection((ADDRESS, fleet.listener.http_port)) for _ in range(3)]
    # in the order of their coming, so that this one is the fourth
    assert raw(fleet.listener.http_port, b"") == b""
    for connection in held:
        connection.close()
    answer = b""
    deadline = time.monotonic() + 5
    while not answer and time.monotonic() < deadline:  # until the listener has seen the others go
        with contextlib.suppress(ConnectionError):
            answer = raw(fleet.listener.http_port, b"GET / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(fleet):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((ADDRESS, fleet.listener.https_port), timeout=5) as connection,
        pytest.raises(OSError),
    ):
        context.wrap_socket(connection)


def test_stop_closes_everything_at_once_and_start_listens_again(fleet):
    protocol = fleet.protocol()
    protocol.run_command(protocol.open_shell(), "sleep 60")
    port = fleet.listener.http_port
    idle = socket.create_connection((ADDRESS, port), timeout=5)
    # An answer shows that the listener has taken the connection; one that still waits in the backlog ends by a reset.
    idle.sendall(b"POST /wsman HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    answer = idle.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += idle.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")
    started = time.monotonic()
    fleet.listener.stop()
    assert time.monotonic() - started < 1
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((ADDRESS, port), timeout=1)
    assert (fleet.host.running, fleet.listener.shell_count) == (0, 0)
    fleet.listener.start()
    protocol = fleet.protocol()
    protocol.close_shell(protocol.open_shell())


def test_an_occupied_port_leaves_nothing_listening(make_fleet, fleet):
    other = make_fleet()
    other.listener.stop()
    other.listener.options = ListenerOptions(http_port=0, https_port=fleet.listener.https_port)
    with pytest.raises(OSError, match="in use"):
        other.listener.start()
    with pytest.raises(ConnectionRefusedError):
        raw(other.listener.http_port, b"")


def test_the_wire_log_and_the_counters(make_fleet, tmp_path):
    fleet = make_fleet(wire_log=tmp_path / "wire.jsonl")
    protocol = fleet.protocol()
    protocol.close_shell(protocol.open_shell())
    deadline = time.monotonic() + 2
    while fleet.listener.counters["requests"] < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    entries = [json.loads(line) for line in (tmp_path / "wire.jsonl").read_text().splitlines()]
    assert [(entry["status"], entry["action"]) for entry in entries] == [
        (401, None), (401, None), (200, None), (200, "Create"), (200, "Delete")
    ]  # fmt: skip
    assert {entry["user"] for entry in entries[2:]} == {"Administrator"}
    assert sum(entry["bytes_out"] for entry in entries) == fleet.listener.counters["bytes_out"] > 1000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode), st.builds(
    lambda text, start, end: envelope().encode()[:start] + text + envelope().encode()[end:],
    st.binary(max_size=30), st.integers(0, 1200), st.integers(0, 1200),
)))  # fmt: skip
def test_no_envelope_raises_anything_but_a_fault(data):
    try:
        request = parse_request(data)
    except WSManFault as error:
        ElementTree.fromstring(wsman.fault_envelope(error, "uuid:1"))
    else:
        ElementTree.fromstring(wsman.response_envelope(request, ""))


@given(st.text())
def test_a_fault_of_any_text_is_xml(text):
    ElementTree.fromstring(
        wsman.fault_envelope(WSManFault(5, None, text), text.encode("utf-8", "ignore").decode() and "uuid:1")
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT20S", 20), ("PT20.000S", 20), ("PT1M", 60), ("P1DT1H1M1.5S", 90061.5), ("PT0.5S", 0.5), ("P0DT0H0M0S", 0)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "20", "PT20", "PT-1S", "PT\uff11S", "PTS", "P1Y"])
def test_what_is_no_duration(text):
    with pytest.raises(WSManFault):
        parse_duration(text)
