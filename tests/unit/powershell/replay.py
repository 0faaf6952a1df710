"""Replay on real Windows what the tests asked the fleet's PowerShell, and compare the answers.

    pytest tests/unit/powershell -m replayed --save-exchanges FOLDER      on Linux, with the fleet's PowerShell 7
    python tests/unit/powershell/replay.py FOLDER                         on Windows, with Windows PowerShell 5.1

Copies FOLDER to C:\\unit, the folder that the tests name. Ends with 1 when an answer differs. Standard library only.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PLACE = Path(r"C:\unit")
COMMAND = ("powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File")
Answer = Mapping[str, Any]


class Shell:
    """A process that runs driver.ps1; options are those of subprocess.Popen."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        if (first := self._line()) != "ready":
            raise RuntimeError(f"{command[0]} did not load the utilities: {first!r}")

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().decode().strip()

    def answer(self, request: Answer) -> Answer:
        assert self._process.stdin
        self._process.stdin.write(base64.b64encode(json.dumps(request).encode()) + b"\n")
        self._process.stdin.flush()
        found: Answer = json.loads(base64.b64decode(self._line()))
        return found

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def comparable(answer: Answer) -> Answer:
    """An error without its trace, which has the lines of PowerShell's own scripts."""
    return {name: value for name, value in answer.items() if name != "trace"}


def differences(exchanges: Iterable[Mapping[str, Answer]], answer: Callable[[Answer], Answer]) -> list[str]:
    found = []
    for number, exchange in enumerate(exchanges, 1):
        wanted, got = comparable(exchange["answer"]), comparable(answer(exchange["request"]))
        if got != wanted:
            case = json.dumps(exchange["request"]["case"])[:500]
            script = exchange["request"]["script"]
            found.append(f"{number}. {script}\n  case:     {case}\n  expected: {wanted}\n  answered: {got}")
    return found


def main(folder: Path) -> int:
    shutil.copytree(folder, PLACE, dirs_exist_ok=True)
    exchanges = json.loads((folder / "exchanges.json").read_text(encoding="utf-8"))
    shell = Shell([*COMMAND, str(PLACE / "driver.ps1")])
    found = differences(exchanges, shell.answer)
    shell.close()
    print("\n\n".join(found))
    print(f"{len(exchanges) - len(found)} passed, {len(found)} failed")
    return 1 if found or not exchanges else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
