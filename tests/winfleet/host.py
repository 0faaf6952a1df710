"""The supervisor of one emulated host: its prefix, its processes, its listener, its restarts and faults.

    python -m winfleet.host FOLDER     (started by `winfleet.fleet`; FOLDER has host.json)

It runs until SIGTERM, and then leaves nothing behind. When it is killed, the Windows processes see the end of their
input and go too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import stat
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from winfleet import control, directory, iis, namespaces, prefix, registry
from winfleet.agent import CLIXML, AgentProcess
from winfleet.certificates import Store, create_certificate
from winfleet.connector import LIST, AuthorizationList, Connector, Site
from winfleet.execution import Command, Execution, ExecutionError
from winfleet.executor import HostExecutor
from winfleet.faults import Fault, Faults
from winfleet.identity import NT, Identity
from winfleet.listener import ListenerOptions, WinRMListener
from winfleet.programs import Programs
from winfleet.shares import Share, Shares
from winfleet.vendor.packages import CONNECTOR_KEY, CONNECTOR_TITLE, CONNECTORS, connector_setup, packages
from winfleet.wine import Wine
from winfleet.wusa import quoted

log = logging.getLogger("winfleet")

HOST_FAULTS = {
    "kill_process": "the next command is started, and its process killed after `seconds`",
    "scheduler": "the scheduler does not start the next `count` tasks: `argument` is stuck, battery or missing",
    "deny_key": "nobody can write the registry key `argument` (HKLM:\\...), until the fault is cleared",
    "tls_inspection": "somebody opens the connector's TLS connections to the tenant, until the fault is cleared",
    "lost_host": "the host is gone: connections are refused and its commands die, until the fault is cleared",
}
#: What an installer can be told: values of the registry that it reads; see doubles/programs/installer.nsh.
INSTALLERS = r"HKLM:\SOFTWARE\winfleet\installers"
INSTALLER_FAULTS = {"exit_codes", "exit_code", "hang", "die"}
STAGED_SETUP = r"C:\ProgramData\infoprotect\connector\RMSConnectorSetup.exe"
CLOUDS = ("AzureCloud", "AzureChinaCloud", "AzureUSGovernment", "AzureUSGovernment2", "AzureUSGovernment3")


class Host:
    """One emulated Windows host."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "host.json").read_text())
        self.folder = folder
        self.prefix = folder / "prefix"
        self.template = Path(settings["template"])
        self.identity = Identity(**{**settings["identity"], "roles": tuple(settings["identity"]["roles"])})
        self._next_boot = folder / "next-boot.json"  # values for the registry
        self.phase = "starting"
        self.booted = 0.0
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._denied: set[str] = set()
        self._shutdown: threading.Event | None = None
        self._clock = namespaces.BootClock()
        self.truthful = {
            "host name": namespaces.take_host_name(self.identity.computer_name, folder.parents[1] / "names"),
            "uptime": False,
        }
        self.faults = Faults(HOST_FAULTS)
        self._mode = settings["mode"]
        self.executor = HostExecutor(self._spawn, self._mode, self._variables)
        self.shares = Shares(self.prefix, folder / "shares.json")
        self.wine = Wine(self.prefix)
        certificates = Store(folder / "certificates")
        self.authorization = AuthorizationList(folder.parents[1] / LIST)
        self.connector = Connector(self.wine, self._site(), self.authorization, certificates, self._inspected)
        web_server = iis.Commands(self.wine, self.connector.service, self.connector.follow, certificates)
        self.programs = Programs(self.prefix, folder / "tasks.json", self, self.shares, web_server)
        self._certificate = create_certificate(folder, self.identity.computer_name.lower(), self.identity.address)
        self.listener = WinRMListener(
            self.identity.address,
            self,
            self.identity.accounts,
            self.faults,
            self._certificate,
            hostname=self.identity.computer_name,
            domains=[self.identity.domain, self.identity.domain.split(".")[0]] if self.identity.domain else [],
            options=ListenerOptions(allow_unencrypted=self.identity.allow_unencrypted),
        )

    # -- life --------------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Boot, making the prefix first when there is none; at the end the listener answers."""
        with self._lock:
            self.phase = "booting"
            if not self.prefix.exists():
                prefix.clone(self.template, self.prefix)
                prefix.remove_modules(self.prefix, self.identity.missing_modules)
                registry.append(self.prefix / "system.reg", self.identity.registry())
                # Wine would take this machine's name otherwise
                registry.append(self.prefix / "user.reg", {r"Software\Wine\Network": {"UseDnsComputerName": "N"}})
                if "connector" in self.identity.roles:
                    self._place_connector()
                if "exchange" in self.identity.roles:
                    iis.place(self.prefix)
            if self._next_boot.exists():
                registry.append(self.prefix / "system.reg", json.loads(self._next_boot.read_text()))
                self._next_boot.unlink()
            # What a boot of Windows makes anew; win_reboot waits for it
            registry.append(self.prefix / "system.reg", {NT + r"\Winlogon\AutoLogonChecked": {}})
            prefix.share_state(self.prefix, self.folder.parents[1])
            self.truthful["uptime"] = self._clock.restart()
            self.shares.begin()
            self.programs.serve()
            self.executor.begin()
            self.booted = time.time()
            for path in self._denied:
                self._deny(path, deny=True)
            self.listener.start()
            self.connector.begin()
            self.phase = "up"

    def power_off(self) -> None:
        with self._lock:
            self.phase = "down"
            self.listener.stop()
            self.connector.end()
            self.executor.end()
            self.programs.stop()
            prefix.stop(self.prefix)
            self._clock.stop()

    def reboot(self, delay: float = 0, *, off: bool = False) -> bool:
        """Restart after `delay` seconds, in the background.

        With `off` stay off. False when that is under way already.
        """
        with self._lock:
            if self._shutdown is not None or self.phase != "up":
                return False
            cancelled = self._shutdown = threading.Event()

        def run() -> None:
            if cancelled.wait(delay):
                return
            log.info("shutting down" if off else "restarting")
            self.power_off()
            self._shutdown = None
            if off:
                self.phase = "off"
                return
            self.phase = "restarting"
            # No machine is back at once; clients must see it gone
            if self._stopping.wait(3):
                return
            try:
                self.power_on()
            except ExecutionError:
                # Wine fails to start now and then, on a machine that is busy
                log.exception("the host did not come up; once more")
                self.power_off()
                self.power_on()

        threading.Thread(target=run, name="reboot", daemon=True).start()
        return True

    def cancel_reboot(self) -> bool:
        """Call off a shutdown that is waiting; False when there is none."""
        with self._lock:
            cancelled, self._shutdown = self._shutdown, None
        if cancelled is not None:
            cancelled.set()
        return cancelled is not None

    def run(self) -> None:
        """Serve until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        control.serve(self.folder, self.answer)
        try:
            self.power_on()
            self._stopping.wait()
        finally:
            self._stopping.set()
            self.power_off()
            (self.folder / control.NAME).unlink(missing_ok=True)

    # -- commands ----------------------------------------------------------------------------------------------------

    def start(self, command: Command) -> Execution:
        """See `winfleet.execution.Executor`."""
        execution = self.executor.start(command)
        if fault := self.faults.take("kill_process"):
            timer = threading.Timer(fault.seconds, self.executor.kill)
            timer.daemon = True
            timer.start()
        return execution

    def end_session(self, session: str) -> None:
        """See `winfleet.execution.Executor`."""
        self.executor.end_session(session)

    def scheduler_fault(self) -> str:
        """See `winfleet.programs.Machine`."""
        fault = self.faults.take("scheduler")
        return fault.argument or "stuck" if fault else ""

    def run_as_system(self, line: str) -> Execution:
        """Start a command line as the system account, as the task scheduler does."""
        return self.executor.start(Command(line=line, user="SYSTEM", skip_cmd=True), cold=True)

    def install_management_framework(self) -> None:
        """See `winfleet.programs.Machine`."""
        self._next_boot.write_text(json.dumps(replace(self.identity, powershell="5.1").powershell_keys()))

    @property
    def boot_is_prepared(self) -> bool:
        """See `winfleet.programs.Machine`."""
        return self._next_boot.exists()

    def _spawn(self) -> AgentProcess:
        command = [
            *self._clock.prefix,
            "wine",
            prefix.POWERSHELL,
            *prefix.SHELL_ARGUMENTS,
            "-File",
            prefix.HOME_ON_HOST + r"\agent.ps1",
        ]
        variables = prefix.environment(self.prefix) | (prefix.RESIDENT if self._mode == "warm" else prefix.NO_CACHE)
        if os.environ.get("WINFLEET_CACHE") == "0":
            variables |= prefix.NO_CACHE
        windows = self.prefix / "drive_c/windows"
        return AgentProcess(command, variables, windows, self.folder / "agent.log", windows / "winfleet/crash.log")

    def _variables(self, user: str) -> Mapping[str, str]:
        name = self.identity.computer_name
        account = user.rpartition("\\")[2].partition("@")[0] or "Administrator"
        if account == "SYSTEM":
            return {
                "COMPUTERNAME": name,
                "USERDOMAIN": self.identity.domain.split(".")[0].upper(),
                "USERNAME": f"{name}$",
                "WINFLEET_LOGON": "service",
            }
        return {"COMPUTERNAME": name, "USERDOMAIN": name, "USERNAME": account, "WINFLEET_LOGON": "network"}

    def run_script(self, script: str) -> str:
        """Run a PowerShell script of our own on the host and return the text that it printed.

        Raises:
            ExecutionError: when it fails.
        """
        execution = self.executor.start(Command(line="", script=script))
        execution.close_input()
        output: dict[str, str] = {}
        while execution.exit_code is None:
            for stream, data in execution.read(1):
                output[stream] = output.get(stream, "") + data.decode()
        for stream in ("clixml-failure", "clixml-error", "stderr"):
            if stream in output:
                raise ExecutionError(output[stream])
        if execution.exit_code:
            raise ExecutionError(f"exit code {execution.exit_code}")
        strings = ElementTree.fromstring(f"<all>{output.get('clixml-output', '')}</all>").iter(f"{{{CLIXML}}}S")
        text = "\n".join(string.text or "" for string in strings)
        return re.sub("_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)

    # -- connector ---------------------------------------------------------------------------------------------------

    def _site(self) -> Site:
        who = self.identity
        netbios = who.domain.split(".")[0].upper()
        return Site(
            address=who.address,
            domain=netbios or who.computer_name,
            domains=(who.domain, netbios) if netbios else (),
            computer=who.computer_name,
            passwords=who.accounts,
            password=who.accounts["Administrator"],
            computers=self._computers,
        )

    def _computers(self) -> list[str]:
        """The fleet's computer accounts."""
        names = (self.folder.parents[1] / "names").read_text().splitlines()
        return [f"{line.split()[-1].upper()}$" for line in names if not line.endswith("localhost")]

    def _inspected(self) -> bool:
        return any(fault["name"] == "tls_inspection" for fault in self.faults.active())

    def _place_connector(self) -> None:
        """What the connector's setup leaves on a disk; the registry has the rest (identity.py)."""
        drive = self.prefix / "drive_c"
        service = drive / "Program Files" / CONNECTOR_TITLE / "Web Service"
        service.mkdir(parents=True)
        (service / "web.config").write_text("<configuration />\n")
        cache = drive / "ProgramData/Package Cache" / CONNECTOR_KEY
        cache.mkdir(parents=True)
        shutil.copy2(packages()[connector_setup(CONNECTORS[-1])], cache / "RMSConnectorSetup.exe")
        iis.place(self.prefix)
        for path in ("/_wmcs", "/_wmcs/certification", "/_wmcs/licensing"):
            folder = f"C:\\Program Files\\{CONNECTOR_TITLE}\\Web Service"
            iis.Configuration(self.prefix).add_application(iis.SITE, path, folder)

    def sign_in(self, account: str, cloud: str, *, remove: bool, filtered: bool = False) -> None:
        """Go through the wizard of the connector's setup, as an operator at the screen.

        Raises:
            ValueError: there is no setup, the account may not sign in to it, or it fails.
        """
        cached = f"C:\\ProgramData\\Package Cache\\{CONNECTOR_KEY}\\RMSConnectorSetup.exe"
        program = cached if remove else STAGED_SETUP
        if not (self.prefix / "drive_c" / program[3:].replace("\\", "/")).exists():
            raise ValueError(f"there is no {program}: " + ("no connector" if remove else "it has to be staged before"))
        folder = (self.prefix / "drive_c" / program[3:].replace("\\", "/")).parent
        # A filtered token has no rights as an administrator: what it can open is open to others, too.
        if filtered and not folder.stat().st_mode & stat.S_IXOTH:
            raise ValueError(f"{program}: Access is denied.")
        if cloud not in CLOUDS or "@" not in account:
            raise ValueError(f"{account} ({cloud}): expected name@domain, and one of {', '.join(CLOUDS)}")
        if not remove:
            directory.sign_in_to_setup(self.folder.parents[1], account)
        variables = {
            **self._variables("Administrator"),
            "WINFLEET_LOGON": "interactive",
            "WINFLEET_WIZARD": "remove" if remove else "install",
            "WINFLEET_ACCOUNT": account,
            "WINFLEET_CLOUD": cloud,
        }
        code, _ = self.wine.run(program, variables=variables)
        # A process of Linux ends with the last eight bits of it
        known = {number & 0xFF: number for number in (1067, 1602, 1603, 1618, 1641, 3010)}
        if known.get(code, code) not in (0, 1641, 3010):
            raise ValueError(f"the setup ended with {known.get(code, code)}")
        self.connector.follow()

    def authorize(self, accounts: list[tuple[str, str]], *, remove: bool) -> None:
        """Use the connector's administration tool, which comes with it.

        Raises:
            ValueError: there is no connector, or the accounts are not as expected.
        """
        if self.connector.status() is None:
            raise ValueError("no connector is installed, and so no administration tool")
        domain = self._site().domain
        full = [(role, name if "\\" in name else f"{domain}\\{name}") for role, name in accounts]
        self.authorization.change(full, remove=remove)
        self.connector.refresh()

    # -- faults ------------------------------------------------------------------------------------------------------

    def set_fault(self, name: str, arguments: Mapping[str, Any]) -> None:
        if name == "installer":
            self._tell_installer(arguments)
            return
        values: dict[str, Any] = {"seconds": 0.5} if name == "kill_process" else {}
        for key, convert in {"count": int, "skip": int, "seconds": float, "action": str, "argument": str}.items():
            if key in arguments:
                values[key] = convert(arguments[key])
        unknown = set(arguments) - {"count", "skip", "seconds", "action", "argument"}
        if unknown:
            raise ValueError(
                f"a fault has no {', '.join(sorted(unknown))}; it has count, skip, seconds, action, argument"
            )
        fault = Fault(name, **values)
        if name == "deny_key" and not fault.argument:
            raise ValueError("deny_key needs the key: argument=HKLM:\\SOFTWARE\\...")
        self.faults.set(fault)
        if name == "deny_key":
            self._deny(fault.argument or "", deny=True)
            self._denied.add(fault.argument or "")
        elif name == "lost_host":
            self.phase = "lost"
            self.listener.stop()
            self.connector.end(gracefully=False)
            self.executor.kill()

    def _tell_installer(self, arguments: Mapping[str, Any]) -> None:
        values = {key: str(value) for key, value in arguments.items() if key != "argument"}
        if not values or set(values) - INSTALLER_FAULTS or not arguments.get("argument"):
            raise ValueError(
                f"installer needs argument=FILE (a name, or any) and some of {', '.join(sorted(INSTALLER_FAULTS))}"
            )
        key = quoted(f"{INSTALLERS}\\{arguments['argument']}")
        script = f"[void] (New-Item -Path {key} -Force)\n"
        for name, value in values.items():
            script += f"Set-ItemProperty -LiteralPath {key} -Name {name} -Value {quoted(value)}\n"
        self.run_script(script)

    def clear_faults(self) -> None:
        self.faults.clear()
        self.run_script(f"if (Test-Path {INSTALLERS}) {{ Remove-Item {INSTALLERS} -Recurse -Force }}")
        for path in sorted(self._denied):
            self._deny(path, deny=False)
        self._denied.clear()
        if self.phase == "lost":
            self.listener.start()
            self.connector.begin()
            self.phase = "up"

    def _deny(self, path: str, *, deny: bool) -> None:
        self.run_script(
            (Path(__file__).parent / "agent" / "deny.ps1").read_text()
            + f"\nSet-KeyDenied -Path {quoted(path)} -Denied ${str(deny).lower()}\n"
        )

    # -- control -----------------------------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any]) -> Any:
        what = request.get("do")
        if what == "status":
            return {
                "phase": self.phase,
                "address": self.identity.address,
                "os": self.identity.os,
                "booted": self.booted,
                "truthful": self.truthful,
                "shells": self.listener.shell_count,
                "counters": dict(self.listener.counters),
                "faults": self.faults.active(),
                "connector": self.connector.status(),
                **self.executor.status(),
            }
        if what == "reboot":
            self.reboot(float(request.get("delay", 0)))
        elif what == "fault":
            self.set_fault(str(request["name"]), request.get("arguments", {}))
        elif what == "clear":
            self.clear_faults()
        elif what == "share":
            self.shares.set(str(request["name"]), Share(**request["share"]) if request["share"] else None)
        elif what == "sign_in":
            wizard = {name: bool(request[name]) for name in ("remove", "filtered")}
            self.sign_in(str(request["account"]), str(request["cloud"]), **wizard)
        elif what == "authorize":
            accounts = [(str(role), str(account)) for role, account in request["accounts"]]
            self.authorize(accounts, remove=bool(request["remove"]))
        elif what == "wire":
            path = request.get("path")
            self.listener.options = replace(self.listener.options, wire_log=Path(path) if path else None)
        else:
            raise ValueError(f"unknown request {what!r}")
        return None


def main() -> None:
    folder = Path(sys.argv[1])
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        Host(folder).run()
    except Exception as error:
        log.exception("the host failed")
        (folder / "error").write_text(str(error))
        with contextlib.suppress(Exception):
            prefix.stop(folder / "prefix")
        os._exit(1)
    os._exit(0)  # threads that wait for a client must not hold the process


if __name__ == "__main__":
    main()
