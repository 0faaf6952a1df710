"""Serves the stand-ins of Microsoft's packages on a port of the loopback, for hosts to fetch.

serve.py start FILE    leaves the variables of aip_bootstrap in FILE
serve.py stop FILE     ends the server that did
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from winfleet import vendor

FILES = {
    "dotnet": "NDP472-KB4054530-x86-x64-AllOS-ENU.exe",
    "wmf_2012": "W2K12-KB3191565-x64.msu",
    "wmf_2012r2": "Win8.1AndW2K12R2-KB3191564-x64.msu",
}


def start(file: Path) -> None:
    packages = vendor.packages()
    handler = partial(SimpleHTTPRequestHandler, directory=str(packages.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        process = os.fork()
        if process:
            variables: dict[str, str | int] = {"server_process": process}
            for kind, name in FILES.items():
                variables[f"aip_bootstrap_{kind}_url"] = f"http://127.0.0.1:{server.server_port}/{name}"
                variables[f"aip_bootstrap_{kind}_checksum"] = packages.sha256(name)
            file.write_text(json.dumps(variables), encoding="utf-8")
            return
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        server.serve_forever()


def stop(file: Path) -> None:
    if not file.exists():
        return
    process = json.loads(file.read_text(encoding="utf-8"))["server_process"]
    command = Path(f"/proc/{process}/cmdline")
    # the number may be another process's by now
    if command.exists() and str(file).encode() in command.read_bytes():
        os.kill(process, signal.SIGTERM)
    file.unlink()


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]](Path(sys.argv[2]))
