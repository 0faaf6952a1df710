"""The supervisors' control sockets: one line of JSON asked, one answered."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NAME = "control"


class ControlError(Exception):
    """The supervisor did not answer, or refused; the message says why."""


def _reach(folder: Path, use: Callable[[str], None]) -> None:
    """Call `use` with a short path of the socket: those of sockets are limited to 108 characters."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        use(f"/proc/self/fd/{descriptor}/{NAME}")
    finally:
        os.close(descriptor)


def serve(folder: Path, answer: Callable[[Mapping[str, Any]], Any]) -> None:
    """Answer requests in threads, until the process ends."""
    (folder / NAME).unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    _reach(folder, server.bind)
    (folder / NAME).chmod(0o600)
    server.listen(16)

    def handle(connection: socket.socket) -> None:
        with connection, connection.makefile("rw") as stream:
            try:
                reply = {"ok": True, "result": answer(json.loads(stream.readline()))}
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is the caller's answer
                reply = {"ok": False, "error": str(error) or type(error).__name__}
            stream.write(json.dumps(reply) + "\n")

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def ask(folder: Path, request: Mapping[str, Any], timeout: float = 60) -> Any:
    """Ask the supervisor whose folder this is.

    Raises:
        ControlError: there is none, or it refuses.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        try:
            _reach(folder, client.connect)
            with client.makefile("rw") as stream:
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                line = stream.readline()
        except OSError as error:
            raise ControlError(f"{folder.name}: not running ({error})") from error
    if not line:
        raise ControlError(f"{folder.name}: its supervisor ended before it answered")
    reply = json.loads(line)
    if not reply["ok"]:
        raise ControlError(f"{folder.name}: {reply['error']}")
    return reply["result"]
