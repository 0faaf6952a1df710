"""What the WinRM listener and the emulated host say to each other about a running command.

The listener turns a request into a `Command` and hands it to the host's `Executor`; the `Execution` that it gets back
is the running command: bytes go in, tagged chunks of bytes come out, and an exit code stands at the end. Nothing here
knows WinRM or Wine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

#: One piece of output: the stream's name and its data. "stdout" and "stderr" are those of a command line, or a
#: pipeline's text for its client's screen, in UTF-8. A PSRP pipeline has also, one CLIXML document in UTF-8 a chunk:
#: "clixml-output", "clixml-error", "clixml-failure" (the error that ended the script), and "clixml-warning",
#: "clixml-verbose" and "clixml-debug" (messages).
Chunk = tuple[str, bytes]


class ExecutionError(Exception):
    """A command could not be started; the message is fit for the client's fault."""


@dataclass(frozen=True)
class Command:
    """What a client asked to run: a command line (WinRS), or a script as a pipeline (PSRP, then `line` is empty)."""

    line: str
    script: str | None = None
    session: str | None = None  # the runspace pool, which keeps variables from one pipeline to the next
    local_scope: bool = False  # the pipeline's variables are its own
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    skip_cmd: bool = False
    codepage: int = 437  # WINRS_CODEPAGE of the shell: the console's encoding


class Execution(Protocol):
    """A running command. Every method may be called from any thread."""

    @property
    def exit_code(self) -> int | None:
        """None until the command has ended and all of its output has been read."""

    def write(self, data: bytes) -> None:
        """Give the command standard input (a PSRP pipeline: one object, its text or a CLIXML document `<Objs...`)."""

    def close_input(self) -> None:
        """Say that no more input follows."""

    def read(self, timeout: float) -> list[Chunk]:
        """Return the output that is there, after at most `timeout` seconds; [] when there is none."""

    def terminate(self) -> None:
        """End the command, if it still runs, and free all that it holds. Harmless when repeated."""


class Executor(Protocol):
    """Starts commands on one host."""

    def start(self, command: Command) -> Execution:
        """Start the command.

        Raises:
            ExecutionError: when it cannot be started.
        """

    def end_session(self, session: str) -> None:
        """The runspace pool is closed: free what it holds. Harmless when it has run nothing, or is repeated."""
