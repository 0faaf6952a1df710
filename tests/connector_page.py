"""The connector's page with the tenant's URL, from a web server that wants NTLM on each connection."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from winfleet.authentication import Accounts, AuthenticationError, Negotiation

TENANT = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
ACCOUNTS = Accounts({"reader": "Secret!1"}, "connector-1", ["CONTOSO"])
PAGE = "/_wmcs/GetRmsoUri.aspx"
PAGES = {
    PAGE: f"{TENANT}\r\n",
    f"/other{PAGE}": "<html>It works</html>",
    f"/adrms{PAGE}": "https://rms.contoso.com",
    f"/plain{PAGE}": TENANT.replace("https", "http"),
}
#: A page that leads elsewhere, to the same page of this server.
MOVED = f"/moved{PAGE}"


class Connector(BaseHTTPRequestHandler):
    """One connection: NTLM, then pages."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.negotiation = Negotiation(ACCOUNTS)

    def do_GET(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        challenge = "NTLM"
        if token:
            try:
                challenge = self.negotiation.step(scheme, token)
            except AuthenticationError:
                challenge = "NTLM"
        if not self.negotiation.user:
            self.answer(401, "", challenge)
        elif self.path == MOVED:
            self.answer(302, "", location=f"http://localhost:{self.server.server_port}{PAGE}")  # type: ignore[attr-defined]
        elif self.path in PAGES:
            self.answer(200, PAGES[self.path])
        else:
            self.answer(404, "not found")

    def answer(self, status: int, text: str, challenge: str = "", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """The URL of a connector on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Connector)
    # shutdown() waits for the next poll, by default half a second
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
