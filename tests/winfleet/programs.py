"""Programs of Windows that Wine lacks, played by a host's supervisor: shutdown.exe, schtasks.exe, wusa.exe, IIS's.

In the prefix each is the same small program (doubles/programs/call.nsi): it leaves a file with its command line in
C:\\windows\\winfleet\\calls and waits for the answer. msiexec.exe stands before Wine's own.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree

from winfleet import commandline
from winfleet.arrivals import Arrivals
from winfleet.execution import Execution, ExecutionError
from winfleet.paths import PACKAGE
from winfleet.shares import Shares
from winfleet.wusa import Wusa

log = logging.getLogger("winfleet")


@dataclass(frozen=True)
class Double:
    """A program of doubles/programs.

    Attributes:
        source: what it is made of.
        console: it is of the console subsystem, not of the graphical one: shells wait for its end.
    """

    source: str
    console: bool


PROGRAMS = {
    "shutdown.exe": Double("call.nsi", console=True),
    "schtasks.exe": Double("call.nsi", console=True),
    "wusa.exe": Double("call.nsi", console=False),
    "netsh.exe": Double("call.nsi", console=True),
    "inetsrv/iissetup.exe": Double("call.nsi", console=True),
    "msiexec.exe": Double("msiexec.nsi", console=False),
}
CALLS = Path("drive_c/windows/winfleet/calls")
#: How long a call stays after its answer, in seconds.
RENAMING = 0.5
NO_SHUTDOWN = 1116
#: Of the last result of a task: SCHED_S_TASK_HAS_NOT_RUN, SCHED_S_TASK_QUEUED, HRESULT of ERROR_FILE_NOT_FOUND
NOT_RUN_YET, QUEUED, NO_SUCH_FILE = 267011, 267045, -2147024894
TASK_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
TASK_ELEMENTS = ("Command", "Arguments", "UserId", "DisallowStartIfOnBatteries")
#: What schtasks.exe /query /v lists, in the order of Windows
COLUMNS = (
    *("HostName", "TaskName", "Next Run Time", "Status", "Logon Mode", "Last Run Time", "Last Result", "Author"),
    *("Task To Run", "Start In", "Comment", "Scheduled Task State", "Idle Time", "Power Management", "Run As User"),
    *("Delete Task If Not Rescheduled", "Stop Task If Runs X Hours and X Mins", "Schedule", "Schedule Type"),
    *("Start Time", "Start Date", "End Date", "Days", "Months", "Repeat: Every", "Repeat: Until: Time"),
    *("Repeat: Until: Duration", "Repeat: Stop If Still Running"),
)
ALREADY_SCHEDULED = 1190


@dataclass(frozen=True)
class Answer:
    """What a program prints, and its exit code."""

    exit_code: int = 0
    output: str = ""


class Machine(Protocol):
    """What the programs need of their host."""

    def reboot(self, delay: float, *, off: bool) -> bool:
        """Shut down after `delay` seconds; False when that is under way already."""

    def cancel_reboot(self) -> bool:
        """Call off a shutdown that is waiting; False when there is none."""

    def scheduler_fault(self) -> str:
        """What keeps the next scheduled task from starting, "" for nothing."""

    def run_as_system(self, line: str) -> Execution:
        """Start a command line as the system account."""

    def run_script(self, script: str) -> str:
        """Run a PowerShell script of our own and return the text that it printed."""

    def install_management_framework(self) -> None:
        """Have Windows PowerShell 5.1 from the next boot on."""

    @property
    def boot_is_prepared(self) -> bool:
        """The next boot will bring something."""


class WebServer(Protocol):
    """The programs of IIS, and the keys of certificates that it serves with."""

    def __contains__(self, program: str) -> bool:
        """Whether a program is one of these."""

    def __call__(self, program: str, arguments: list[str]) -> tuple[int, str]:
        """Run one; returns its exit code and what it prints."""

    def import_pfx(self, content: str, password: str, *, keep: bool = True) -> tuple[int, str]:
        """Keep the key in a PFX file (base64); returns an error code and the certificates, or why it is refused."""


class Programs:
    """Answers the calls from one host.

    Args:
        prefix: the host's prefix.
        state: a file that keeps the scheduled tasks across restarts.
    """

    def __init__(self, prefix: Path, state: Path, machine: Machine, shares: Shares, web_server: WebServer) -> None:
        self._calls = prefix / CALLS
        self._shares = shares
        self._machine = machine
        self._web_server = web_server
        self._tasks = Tasks(state, machine.run_as_system, prefix / "drive_c", machine.scheduler_fault)
        self._wusa = Wusa(
            machine.run_script,
            machine.install_management_framework,
            lambda: machine.boot_is_prepared,
            lambda: machine.reboot(1, off=False),
        )
        self._arrivals: Arrivals | None = None

    def serve(self) -> None:
        """Answer calls until `stop`."""
        self._calls.mkdir(parents=True, exist_ok=True)
        for old in self._calls.iterdir():
            old.unlink()
        self._arrivals = Arrivals(self._calls)
        threading.Thread(target=self._loop, args=(self._arrivals,), name="programs", daemon=True).start()

    def stop(self) -> None:
        arrivals, self._arrivals = self._arrivals, None
        if arrivals is not None:
            arrivals.end()

    def _loop(self, arrivals: Arrivals) -> None:
        taken: set[Path] = set()
        while arrivals.wait():
            calls = set(self._calls.glob("*.call"))
            for call in calls - taken:
                threading.Thread(target=self._take, args=(call,), daemon=True).start()
            taken = calls

    def _take(self, call: Path) -> None:
        program, logon, line = call.read_bytes().decode("utf-16-le").split("\n", 2)
        self._handle(call, program, logon, line)
        # Wine looks at the file that it has renamed, and fails when it is gone.
        time.sleep(RENAMING)
        call.unlink(missing_ok=True)

    def _handle(self, call: Path, program: str, logon: str, line: str) -> None:
        name = program.rpartition("\\")[2].lower()
        if name in ("connect", "disconnect"):  # not a program: agent/Startup/Shares.cs
            connection = self._shares.connect if name == "connect" else self._shares.disconnect
            self._reply(call, Answer(connection(*json.loads(line))))
            return
        if name in ("import-pfx", "read-pfx"):  # doubles/modules/PKI
            self._reply(call, Answer(*self._web_server.import_pfx(*json.loads(line), keep=name == "import-pfx")))
            return
        arguments = commandline.split(line)[1:]
        log.info("%s %s", name, " ".join(arguments))
        try:
            if name == "shutdown.exe":
                answer = self.shutdown(arguments)
            elif name in self._web_server:
                answer = Answer(*self._web_server(name, arguments))
            elif name == "wusa.exe":
                answer = Answer(self._wusa(arguments, logon))
            else:
                answer = self._tasks.run(arguments)
        except (UsageError, ExecutionError) as error:
            answer = Answer(1, f"ERROR: {error}\r\n")
        self._reply(call, answer)

    @staticmethod
    def _reply(call: Path, answer: Answer) -> None:
        draft = call.with_suffix(".draft")
        draft.write_bytes(struct.pack("<I", answer.exit_code & 0xFFFFFFFF) + answer.output.encode("cp437", "replace"))
        draft.rename(call.with_suffix(".answer"))

    def shutdown(self, arguments: list[str]) -> Answer:
        """shutdown.exe /r | /s | /a [/t seconds] [/c comment] [/f] [/d reason]."""
        options = Options(arguments, values={"t", "c", "d", "m"})
        if "a" in options:
            return (
                Answer()
                if self._machine.cancel_reboot()
                else Answer(
                    NO_SHUTDOWN, "Unable to abort the system shutdown because no shutdown was in progress.(1116)\r\n"
                )
            )
        if "r" not in options and "s" not in options:
            raise UsageError("expected /r, /s or /a")
        text = options.get("t", "30")
        if not text.isdigit():
            raise UsageError(f"/t is {text!r}, expected seconds")
        if not self._machine.reboot(float(text), off="s" in options):
            return Answer(ALREADY_SCHEDULED, "A system shutdown has already been scheduled.(1190)\r\n")
        return Answer()


class UsageError(Exception):
    """A program was called in a way that is not emulated or is wrong."""


class Options:
    """Options of a Windows program: /name or -name, some followed by a value."""

    def __init__(self, arguments: list[str], values: set[str]) -> None:
        self._found: dict[str, str] = {}
        rest = list(arguments)
        while rest:
            option = rest.pop(0)
            if option[:1] not in "/-" or len(option) < 2:
                raise UsageError(f"Invalid argument/option - '{option}'.")
            name = option[1:].lower()
            if name in values:
                if not rest:
                    raise UsageError(f"Value expected for '{option}'.")
                self._found[name] = rest.pop(0)
            else:
                self._found[name] = ""

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def get(self, name: str, default: str = "") -> str:
        return self._found.get(name, default)


@dataclass
class Task:
    """A scheduled task, as far as it is emulated: it runs when told to.

    Attributes:
        on_batteries: it is started on a host without mains, too; by its options schtasks.exe makes tasks that are not.
    """

    name: str
    line: str
    account: str
    on_batteries: bool = False
    last_run: float = 0.0
    last_result: int = NOT_RUN_YET


class Tasks:
    """schtasks.exe: /create, /run, /query, /end, /delete.

    Args:
        state: where the tasks are kept; its folder has the host's name.
        start: runs a command line.
        disk: drive C.
        fault: what keeps the scheduler from starting the next task: `stuck`, `battery` or `missing`; "": nothing.
    """

    def __init__(
        self, state: Path, start: Callable[[str], Execution], disk: Path, fault: Callable[[], str] = lambda: ""
    ) -> None:
        self._state = state
        self._start = start
        self._disk = disk
        self._fault = fault
        self._lock = threading.RLock()
        self._running: dict[str, Execution] = {}
        stored = json.loads(state.read_text()) if state.exists() else []
        self._tasks = {item["name"].lower(): Task(**item) for item in stored}

    def _save(self) -> None:
        draft = self._state.with_suffix(".new")
        draft.write_text(json.dumps([asdict(task) for task in self._tasks.values()]))
        draft.rename(self._state)

    def run(self, arguments: list[str]) -> Answer:
        """Do what the command line says.

        Raises:
            UsageError: it is wrong, or more than is emulated.
        """
        options = Options(
            arguments, {"tn", "tr", "sc", "st", "sd", "ru", "rp", "rl", "mo", "d", "m", "fo", "delay", "ec", "i", "xml"}
        )
        for verb in ("create", "run", "query", "end", "delete"):
            if verb in options:
                with self._lock:
                    action: Callable[[Options], Answer] = getattr(self, f"_{verb}")
                    return action(options)
        raise UsageError("Invalid syntax. Expected /create, /run, /query, /end or /delete.")

    def _find(self, options: Options) -> Task:
        name = "\\" + options.get("tn").lstrip("\\")
        if (task := self._tasks.get(name.lower())) is None:
            raise UsageError("The system cannot find the file specified.")
        return task

    def _create(self, options: Options) -> Answer:
        if "xml" in options and "tn" in options:
            return self._create_from_definition(options)
        if "tn" not in options or "tr" not in options or "sc" not in options:
            raise UsageError("Invalid syntax. /create needs /tn, and /tr and /sc or /xml.")
        name = "\\" + options.get("tn").lstrip("\\")
        account = options.get("ru", "SYSTEM")
        if account.upper().rpartition("\\")[2] != "SYSTEM":
            raise UsageError(f"the emulated host runs tasks as SYSTEM only, not as {account}.")
        if len(options.get("tr")) > 261:
            raise UsageError("Value for '/TR' option cannot be more than 261 character(s).")
        return self._add(Task(name, options.get("tr"), "SYSTEM"), options)

    def _create_from_definition(self, options: Options) -> Answer:
        """Of the definition count program, arguments, account and whether it runs on batteries."""
        file = self._disk / options.get("xml")[3:].replace("\\", "/")
        try:
            # Windows wants the encoding that the first line names.
            root = ElementTree.fromstring(file.read_bytes())
        except OSError as error:
            raise UsageError("The system cannot find the file specified.") from error
        except ElementTree.ParseError as error:
            raise UsageError(f"The task XML is malformed. {error}") from error
        found = {name: root.findtext(f".//{{{TASK_NAMESPACE}}}{name}") for name in TASK_ELEMENTS}
        if root.tag != f"{{{TASK_NAMESPACE}}}Task" or not found["Command"]:
            raise UsageError("The task XML contains an unexpected node.")
        if found["UserId"] != "S-1-5-18":
            raise UsageError(f"the emulated host runs tasks as SYSTEM only, not as {found['UserId']}.")
        line = f'"{found["Command"]}" {found["Arguments"] or ""}'.rstrip()
        name = "\\" + options.get("tn").lstrip("\\")
        return self._add(Task(name, line, "SYSTEM", found["DisallowStartIfOnBatteries"] == "false"), options)

    def _add(self, task: Task, options: Options) -> Answer:
        if task.name.lower() in self._tasks and "f" not in options:
            raise UsageError(f'the task name "{task.name[1:]}" already exists; /f replaces it.')
        self._tasks[task.name.lower()] = task
        self._save()
        return Answer(0, f'SUCCESS: The scheduled task "{task.name[1:]}" has successfully been created.\r\n')

    def _run(self, options: Options) -> Answer:
        task = self._find(options)
        fault = self._fault()
        if fault == "missing":
            task.last_result = NO_SUCH_FILE
        elif fault == "stuck" or (fault == "battery" and not task.on_batteries):
            task.last_result = QUEUED
        elif task.name.lower() not in self._running:
            execution = self._start(task.line)
            execution.close_input()
            self._running[task.name.lower()] = execution
            task.last_run, task.last_result = time.time(), 267009  # SCHED_S_TASK_RUNNING
            threading.Thread(target=self._follow, args=(task, execution), daemon=True).start()
        return Answer(0, f'SUCCESS: Attempted to run the scheduled task "{task.name[1:]}".\r\n')

    def _follow(self, task: Task, execution: Execution) -> None:
        while execution.exit_code is None:
            execution.read(1.0)  # a task has no console: its output is lost
        with self._lock:
            self._running.pop(task.name.lower(), None)
            task.last_result = execution.exit_code
            self._save()

    def _end(self, options: Options) -> Answer:
        task = self._find(options)
        if execution := self._running.get(task.name.lower()):
            execution.terminate()
        return Answer(0, f'SUCCESS: The scheduled task "{task.name[1:]}" has been terminated successfully.\r\n')

    def _delete(self, options: Options) -> Answer:
        task = self._find(options)
        if "f" not in options:
            raise UsageError("/delete asks for confirmation; use /f.")
        del self._tasks[task.name.lower()]
        self._save()
        return Answer(0, f'SUCCESS: The scheduled task "{task.name[1:]}" was successfully deleted.\r\n')

    def _query(self, options: Options) -> Answer:
        tasks = [self._find(options)] if "tn" in options else list(self._tasks.values())
        rows = [self._row(task) for task in tasks]
        kind = options.get("fo", "TABLE").upper()
        columns = list(COLUMNS) if "v" in options else ["TaskName", "Next Run Time", "Status"]
        if kind == "LIST":
            return Answer(
                0,
                "".join(
                    "\r\n" + "".join(f"{c + ':':<38}{row[c]}\r\n" for c in dict.fromkeys(["HostName", *columns]))
                    for row in rows
                ),
            )
        if kind == "CSV":
            lines = [] if "nh" in options else [",".join(f'"{c}"' for c in columns)]
            lines += [",".join('"' + row[c].replace('"', '""') + '"' for c in columns) for row in rows]
            return Answer(0, "".join(f"{line}\r\n" for line in lines))
        lines = (
            []
            if "nh" in options
            else [
                "",
                "Folder: \\",
                f"{'TaskName':<40} {'Next Run Time':<22} {'Status':<15}",
                "=" * 40 + " " + "=" * 22 + " " + "=" * 15,
            ]
        )
        lines += [f"{row['TaskName'][1:]:<40} {row['Next Run Time']:<22} {row['Status']:<15}" for row in rows]
        return Answer(0, "".join(f"{line}\r\n" for line in lines))

    def _row(self, task: Task) -> dict[str, str]:
        ran = (
            time.strftime("%m/%d/%Y %I:%M:%S %p", time.localtime(task.last_run))
            if task.last_run
            else "11/30/1999 12:00:00 AM"
        )
        running = task.name.lower() in self._running
        return dict.fromkeys(COLUMNS, "N/A") | {
            "HostName": self._state.parent.name.upper(),
            "TaskName": task.name,
            "Status": "Running" if running else "Queued" if task.last_result == QUEUED else "Ready",
            "Logon Mode": "Interactive/Background",
            "Last Run Time": ran,
            "Last Result": str(task.last_result),
            "Task To Run": task.line,
            "Run As User": task.account,
        }


def build(double: Double, target: Path) -> None:
    """Compile a program.

    Raises:
        OSError: makensis is not there or fails.
    """
    source = PACKAGE / "doubles" / "programs" / double.source
    done = subprocess.run(
        ["makensis", "-V1", f"-DOUTPUT={target}", str(source)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    if done.returncode:
        raise OSError(f"makensis failed: {done.stdout}{done.stderr}")
    if not double.console:
        return
    data = bytearray(target.read_bytes())
    header = struct.unpack_from("<i", data, 0x3C)[0]
    struct.pack_into("<H", data, header + 0x5C, 3)
    target.write_bytes(data)
