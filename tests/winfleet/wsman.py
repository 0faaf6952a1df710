"""WS-Management envelopes: reading requests within bounds, writing responses and the faults that Windows gives.

Nothing here knows sockets, shells or accounts. A request that cannot be read or served raises `WSManFault`, which
carries the code that clients look at; `fault_envelope` makes the answer of it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

MAX_ENVELOPE_SIZE = (
    512_000  #: bytes of SOAP in one message (MaxEnvelopeSizekb = 500, the default since Windows Server 2012)
)
MAX_OPERATION_TIMEOUT = 60.0  #: seconds (MaxTimeoutms); a client that asked for more simply polls again
_MAX_DEPTH = 64
_MAX_ELEMENTS = 10_000

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "cfg": "http://schemas.microsoft.com/wbem/wsman/1/config",
    "pwsh": "http://schemas.microsoft.com/powershell",
}
_DECLARATIONS = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items() if prefix != "pwsh")
_ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
_FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_FAULT_NAMESPACE = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
_WMI_ERROR_NAMESPACE = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"
_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,4})D)?(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)


class WSManFault(Exception):  # noqa: N818 - a fault is what the protocol calls it
    """A request that is answered with a SOAP fault (HTTP 500).

    Attributes:
        code: the Windows error code, as in wsmerror.h or winerror.h.
        subcode: the SOAP subcode as a qualified name (prefix w or a), None for an error of the server itself.
        message: the text that the client shows.
        wmi_error: True when Windows reports the code as MSFT_WmiError too (quotas; ansible looks there).
    """

    def __init__(self, code: int, subcode: str | None, message: str, *, wmi_error: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.subcode = subcode
        self.message = message
        self.wmi_error = wmi_error


def operation_timed_out() -> WSManFault:
    """The fault after which clients silently ask again."""
    return WSManFault(
        0x80338029,
        "w:TimedOut",
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  ",
    )


def shell_not_found(shell_id: str) -> WSManFault:
    return WSManFault(
        0x8033805B,
        "w:InvalidSelectors",
        f"The request for the Windows Remote Shell with ShellId {shell_id} failed because the shell was not found on "
        "the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the "
        "server. Provide the correct ShellId or create a new shell and retry the operation. ",
    )


def command_not_found(command_id: str) -> WSManFault:
    return WSManFault(
        0x8033805B,
        "w:InvalidSelectors",
        f"The request for the Windows Remote Shell command with CommandId {command_id} failed because the command was "
        "not found on the server. Possible causes are: the specified CommandId is incorrect or the command no longer "
        "exists on the server. ",
    )


def schema_violation(what: str) -> WSManFault:
    return WSManFault(
        0x80338041,
        "w:SchemaValidationError",
        f"The SOAP XML in the message does not match the corresponding XML schema definition: {what}",
    )


def resource_not_found(resource_uri: str) -> WSManFault:
    return WSManFault(
        0x80338000,
        "a:DestinationUnreachable",
        f"The WS-Management service cannot process the request. The resource URI ({resource_uri}) was not found in the "
        "WS-Management catalog.",
    )


def action_not_supported(action: str) -> WSManFault:
    return WSManFault(
        0x80338001,
        "a:ActionNotSupported",
        f"The WS-Management service cannot process the request. The action {action} is not supported for this "
        "resource.",
    )


def envelope_too_large(limit: int = MAX_ENVELOPE_SIZE) -> WSManFault:
    return WSManFault(
        0x80338035,
        "w:EncodingLimit",
        f"The WS-Management service cannot process the request because it exceeds the MaxEnvelopeSize of {limit} "
        "bytes.",
    )


def already_exists(what: str) -> WSManFault:
    return WSManFault(0x80338063, "w:AlreadyExists", f"The WS-Management service cannot create {what}: it exists.")


def too_many_shells(limit: int) -> WSManFault:
    return WSManFault(
        0x803381A5,
        "w:QuotaLimit",
        "The WS-Management service cannot process the request. This user is allowed a maximum number of "
        f"{limit} concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user. ",
        wmi_error=True,
    )


def too_many_operations(limit: int) -> WSManFault:
    return WSManFault(
        0x803381A6,
        "w:QuotaLimit",
        "The WS-Management service cannot process the request. The maximum number of concurrent operations for "
        f"this user has been exceeded. Close existing operations for this user or raise the quota ({limit}). ",
        wmi_error=True,
    )


def input_closed() -> WSManFault:
    return WSManFault(0xE8, None, "The pipe is being closed. ")  # ERROR_NO_DATA


def internal_error(message: str) -> WSManFault:
    return WSManFault(0x8007054F, None, message)  # ERROR_INTERNAL_ERROR


@dataclass(frozen=True)
class Request:
    """One request as read from its envelope. Identifiers are as the client wrote them; texts are never None."""

    action: str
    message_id: str
    resource_uri: str
    body: ElementTree.Element
    selectors: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    operation_timeout: float = MAX_OPERATION_TIMEOUT  #: seconds
    max_envelope_size: int = MAX_ENVELOPE_SIZE  #: bytes that the client takes

    @property
    def operation(self) -> str:
        """The action's last word: Create, Command, Send, Receive, Signal, Delete ..."""
        return self.action.rpartition("/")[2]

    @property
    def shell_id(self) -> str:
        """The selected shell, in upper case.

        Raises:
            WSManFault: when the request selects none.
        """
        shell_id = self.selectors.get("ShellId")
        if not shell_id:
            raise shell_not_found("(none)")
        return shell_id.upper()

    def element(self, path: str) -> ElementTree.Element:
        """Return the body's element at `path` (with the prefixes of NAMESPACES).

        Raises:
            WSManFault: when it is missing.
        """
        found = self.body.find(path, NAMESPACES)
        if found is None:
            raise schema_violation(f"the element {path} is missing")
        return found


def parse_request(envelope: bytes) -> Request:
    """Read a SOAP envelope.

    Raises:
        WSManFault: too large, not XML, with a document type, too deep, not a SOAP envelope, or without the headers
            that each request needs.
    """
    if len(envelope) > MAX_ENVELOPE_SIZE:
        raise envelope_too_large()
    root = _parse_xml(envelope)
    if root.tag != _qualified("s:Envelope"):
        raise schema_violation("the root element is not a SOAP 1.2 Envelope")
    header, body = root.find("s:Header", NAMESPACES), root.find("s:Body", NAMESPACES)
    if header is None or body is None:
        raise schema_violation("the envelope needs a Header and a Body")

    def text(path: str, required: bool = False) -> str:
        found = header.find(path, NAMESPACES)
        value = (found.text or "").strip() if found is not None else ""
        if required and not value:
            raise schema_violation(f"the header {path} is missing")
        if len(value) > 1024:
            raise schema_violation(f"the header {path} is longer than 1024 characters")
        return value

    timeout = text("w:OperationTimeout")
    return Request(
        action=text("a:Action", required=True),
        message_id=text("a:MessageID", required=True),
        resource_uri=text("w:ResourceURI", required=True),
        body=body,
        selectors=dict(_named(header.iterfind("w:SelectorSet/w:Selector", NAMESPACES))),
        options=dict(_named(header.iterfind("w:OptionSet/w:Option", NAMESPACES))),
        operation_timeout=min(parse_duration(timeout), MAX_OPERATION_TIMEOUT) if timeout else MAX_OPERATION_TIMEOUT,
        max_envelope_size=_envelope_limit(text("w:MaxEnvelopeSize")),
    )


def parse_duration(text: str) -> float:
    """Return the seconds of an XML Schema duration such as PT20S or PT1H2M3.5S.

    Raises:
        WSManFault: when it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise schema_violation(f"{text[:64]!r} is not a duration such as PT20S")
    parts = {unit: float(amount) for unit, amount in match.groupdict(default="0").items()}
    return ((parts["days"] * 24 + parts["hours"]) * 60 + parts["minutes"]) * 60 + parts["seconds"]


def is_true(value: str | None) -> bool:
    """Read a boolean option or attribute as Windows does: case does not matter, absent is false."""
    return (value or "").strip().lower() in ("true", "1")


def response_envelope(request: Request, body: str) -> bytes:
    """Return the response to `request`; `body` is XML that uses the prefixes of NAMESPACES."""
    return _envelope(request.action + "Response", request.message_id, body)


def fault_envelope(fault: WSManFault, relates_to: str = "", machine: str = "winfleet") -> bytes:
    """Return the SOAP fault for `fault`, in answer to the message `relates_to` ("" when that could not be read)."""
    subcode = f"<s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode>" if fault.subcode else ""
    message = escape(_printable(fault.message))
    detail = (
        f'<f:WSManFault xmlns:f="{_FAULT_NAMESPACE}" Code="{fault.code}" Machine={quoteattr(machine)}>'
        f"<f:Message>{message}</f:Message></f:WSManFault>"
    )
    if fault.wmi_error:
        detail = (
            f'<e:MSFT_WmiError xmlns:e="{_WMI_ERROR_NAMESPACE}"><e:error_Code>{fault.code}</e:error_Code>'
            f"<e:Message>{message}</e:Message></e:MSFT_WmiError>" + detail
        )
    blame = "s:Sender" if fault.subcode and fault.subcode != "w:TimedOut" else "s:Receiver"
    return _envelope(
        _FAULT_ACTION,
        relates_to,
        f"<s:Fault><s:Code><s:Value>{blame}</s:Value>{subcode}</s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{message}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>',
    )


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    relation = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {_DECLARATIONS} xml:lang="en-US">'
        f"<s:Header><a:Action>{escape(action)}</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:To>{_ANONYMOUS}</a:To>{relation}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _envelope_limit(text: str) -> int:
    """The size that the client takes, within what the server sends at all."""
    if not text:
        return MAX_ENVELOPE_SIZE
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise schema_violation(f"MaxEnvelopeSize {text[:64]!r} is not a number of bytes")
    return min(max(int(text), 8192), MAX_ENVELOPE_SIZE)  # 8192: WS-Management's own minimum


def _named(elements: Iterator[ElementTree.Element]) -> Iterator[tuple[str, str]]:
    for element in elements:
        yield element.get("Name", ""), element.text or ""


def _qualified(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _printable(text: str) -> str:
    """Leave out what XML 1.0 cannot hold: messages quote what clients and commands wrote."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def _parse_xml(data: bytes) -> ElementTree.Element:
    """Parse XML from a client: no document type (so no entities), bounded depth and number of elements."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = count = 0

    def clark(name: str) -> str:
        return "{" + name if "}" in name else name

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > _MAX_DEPTH or count > _MAX_ELEMENTS:
            raise schema_violation("the message is nested too deeply or has too many elements")
        builder.start(clark(name), {clark(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(clark(name))

    def refuse_document_type(*_: object) -> None:
        raise schema_violation("a document type declaration is not allowed")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse_document_type
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise schema_violation(f"the message is not well-formed XML ({error})") from error
