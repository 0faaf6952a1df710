"""Serves a folder over HTTP on the loopback, where the emulated hosts find it too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class PackageServer(ThreadingHTTPServer):
    """`asked` has the paths that were asked for.

    Below /truncated a file ends after half of what was announced, below /huge a petabyte is announced.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.folder = folder
        self.asked: list[str] = []

    def url(self, file: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{file}"


class _Handler(SimpleHTTPRequestHandler):
    server: PackageServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path.removeprefix("/"))
        _, folder, *rest = self.path.split("/")
        if folder not in ("truncated", "huge"):
            super().do_GET()
            return
        data = self.server.folder.joinpath(*rest).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(10**15 if folder == "huge" else len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[PackageServer]:
    """A server that runs until the block ends."""
    server = PackageServer(folder)
    # shutdown() waits for the next poll, by default half a second
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
