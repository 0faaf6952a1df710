"""The fleet: starts, stops, resets and shows the supervisors of the hosts of an inventory."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from winfleet import connector, control, directory, network, passwords, prefix, products, scanner
from winfleet.engine import prepare_engine
from winfleet.identity import Identity
from winfleet.paths import BESIDE, CACHE, PACKAGE, ROOT, state_directory
from winfleet.shares import Share
from winfleet.vendor import packages

DEFAULT_INVENTORY = ROOT / "inventories" / "emulated"
START_TIMEOUT = 120.0


class FleetError(Exception):
    """Something the caller asked for cannot be done; the message says why."""


class Fleet:
    """The emulated hosts of one state folder.

    Args:
        inventories: where the hosts are described; none: inventories/emulated.
        say: takes lines of progress.
        state: the folder; none: where the environment says.
    """

    def __init__(
        self, inventories: Sequence[Path] = (), say: Callable[[str], None] = print, state: Path | None = None
    ) -> None:
        self.state = state or state_directory()
        self.inventories = list(inventories) or [DEFAULT_INVENTORY]
        self.say = say

    # -- commands ----------------------------------------------------------------------------------------------------

    def up(self, names: Sequence[str] = (), mode: str = "") -> None:
        """Start hosts; those that run are left alone, unless they are described differently now."""
        began = time.monotonic()
        mode = mode or os.environ.get("WINFLEET_MODE", "warm")
        if mode not in ("warm", "cold"):
            raise FleetError(f"mode is {mode!r}; expected warm or cold")
        with self._exclusive():
            template = prefix.prepare_template(CACHE, prepare_engine(CACHE))
            packages()  # inventories name them
            secrets = passwords.prepare(self.state)
            if os.geteuid() == 0:
                file = self.state / passwords.FILE
                print(
                    f"warning: the fleet runs as root. Keep {file} secret: whoever knows a password in it can run "
                    "commands as root through WinRM.",
                    file=sys.stderr,
                    flush=True,
                )
            variables = {name: secrets | values for name, values in self._variables.items()}
            hosts = {name: Identity.from_inventory(name, values) for name, values in variables.items()}
            chosen = self._choose(hosts, names)
            number, lock = network.take(
                self.state, self._recorded_network(), [identity.address for identity in hosts.values()]
            )
            try:
                described = [self._settings(hosts[name], number, template, mode) for name in chosen]
                self._record_network(number, hosts)
                self._tell_names(hosts, number)
                users = {user for values in variables.values() for user in values.get("winfleet_users", [])}
                directory.prepare(self.state, hosts.values(), sorted(users))
                products.prepare(self.state)
                scanner.prepare(self.state)
                self._each(described, lambda settings: self._start(settings, lock))
            finally:
                os.close(lock)
        self.say(f"{len(chosen)} hosts up after {time.monotonic() - began:.0f} s")

    def down(self, names: Sequence[str] = ()) -> None:
        """Stop hosts, whatever state they are in; their disks and registries stay. All: also of the fleets beside."""
        for state in [] if names else sorted((self.state / BESIDE).glob("*/")):
            Fleet(self.inventories, self.say, state).down()
        with self._exclusive():
            folders = self._left_by(names)
            self._each(folders, self._stop)
            if not any(self._alive(folder) for folder in self._folders(())):
                self._network_file.unlink(missing_ok=True)
        self.say(f"{len(names or folders)} hosts down")

    def reset(self, names: Sequence[str] = (), mode: str = "") -> None:
        """Give hosts back the state they had when they were new; what ran and is in the inventory runs again."""
        with self._exclusive():
            folders = self._left_by(names)
            running = [folder.name for folder in folders if self._alive(folder)]
            modes = {
                json.loads((folder / "host.json").read_text())["mode"] for folder in folders if folder.name in running
            }
            if running:  # the inventory says how they are started again
                described = self._variables
                running = self._choose(described, running) if names else [name for name in running if name in described]

            def wipe(folder: Path) -> None:
                self._stop(folder, quiet=True)
                shutil.rmtree(folder, ignore_errors=True)

            self._each(folders, wipe)
            if not names:
                directory.forget(self.state)
                products.forget(self.state)
                scanner.forget(self.state)
                (self.state / connector.LIST).unlink(missing_ok=True)
        if running:
            self.up(running, mode or next(iter(modes)))
        self.say(f"{len(names or folders)} hosts reset")

    def reboot(self, names: Sequence[str]) -> None:
        """Restart hosts as a user of theirs would."""
        for folder in self._running(names):
            control.ask(folder, {"do": "reboot"})
            self.say(f"{folder.name}: restarting")

    def fault(self, name: str, fault: str, arguments: dict[str, str]) -> None:
        """Switch a fault on for a host, or all off (`fault` is "clear")."""
        (folder,) = self._running([name])
        if fault == "clear":
            control.ask(folder, {"do": "clear"})
        else:
            control.ask(folder, {"do": "fault", "name": fault, "arguments": arguments})

    def share(self, name: str, share: str, what: Share | None) -> None:
        r"""Let a host find a folder of this machine as \\SERVER\SHARE; None: take that away."""
        (folder,) = self._running([name])
        control.ask(folder, {"do": "share", "name": share, "share": asdict(what) if what else None})

    def sign_in(self, name: str, account: str, cloud: str, *, remove: bool, filtered: bool) -> None:
        """Go through the wizard of the connector's setup on a host, as its operator would."""
        (folder,) = self._running([name])
        request = {"account": account, "cloud": cloud, "remove": remove, "filtered": filtered}
        control.ask(folder, {"do": "sign_in", **request}, timeout=300)
        self.say(f"{name}: {'removed' if remove else 'signed in'}")

    def authorize(self, name: str, accounts: Sequence[tuple[str, str]], *, remove: bool) -> None:
        """Add accounts (role and name) to the tenant's list by the administration tool of a host, or of any ("")."""
        if name:
            (folder,) = self._running([name])
        else:
            tools = [state["name"] for state in self.status() if state.get("connector")]
            if not tools:
                raise FleetError("no host that is up has a connector, and so none has the administration tool")
            folder = self._folder(tools[0])
        control.ask(folder, {"do": "authorize", "accounts": list(accounts), "remove": remove})

    def wire(self, name: str, path: Path | None) -> None:
        """Record a host's requests in a file, one line of JSON each; None: stop that."""
        (folder,) = self._running([name])
        control.ask(folder, {"do": "wire", "path": str(path) if path else None})

    def status(self, names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return what each host known here says of itself."""
        result = []
        for folder in self._folders(names):
            try:
                state = control.ask(folder, {"do": "status"}, timeout=10)
            except control.ControlError:
                state = {"phase": "failed" if self._alive(folder) else "down"}
            result.append({"name": folder.name, **state})
        return result

    # -- hosts and folders -------------------------------------------------------------------------------------------

    @functools.cached_property
    def _variables(self) -> dict[str, dict[str, Any]]:
        """The variables of every host of the inventories; ansible-inventory takes a second."""
        program = Path(sys.executable).with_name("ansible-inventory")
        if not program.exists():
            raise FleetError(f"{program} is missing; run python3 tests/setup/environment.py first")
        done = subprocess.run(
            [program, *(f"--inventory={inventory}" for inventory in self.inventories), "--list"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        )
        if done.returncode:
            raise FleetError(f"{' and '.join(map(str, self.inventories))} cannot be read: {done.stderr.strip()}")
        variables: dict[str, dict[str, Any]] = json.loads(done.stdout).get("_meta", {}).get("hostvars", {})
        if not variables:
            raise FleetError(f"{' and '.join(map(str, self.inventories))}: no hosts in there")
        return variables

    @staticmethod
    def _choose(hosts: Collection[str], names: Sequence[str]) -> list[str]:
        if unknown := sorted(set(names) - set(hosts)):
            raise FleetError(f"no host {', '.join(unknown)} in the inventory; it has {', '.join(hosts)}")
        return list(names) or list(hosts)

    def _folder(self, name: str) -> Path:
        return self.state / "hosts" / name

    def _known(self) -> dict[str, Path]:
        return {path.parent.name: path.parent for path in sorted(self.state.glob("hosts/*/host.json"))}

    def _left_by(self, names: Sequence[str]) -> list[Path]:
        """The folders of hosts, for what can be done twice: one of the inventory that has never been up has none."""
        known = self._known()
        if unknown := set(names) - set(known):
            self._choose(self._variables, sorted(unknown))
        return [known[name] for name in (names or known) if name in known]

    def _folders(self, names: Sequence[str]) -> list[Path]:
        known = self._known()
        if unknown := sorted(set(names) - set(known)):
            raise FleetError(f"no host {', '.join(unknown)} has been up here; known are {', '.join(known) or 'none'}")
        return [known[name] for name in (names or known)]

    def _running(self, names: Sequence[str]) -> list[Path]:
        folders = self._folders(names)
        if dead := [folder.name for folder in folders if not self._alive(folder)]:
            raise FleetError(f"not running: {', '.join(dead)}")
        return folders

    def _settings(self, identity: Identity, number: int, template: Path, mode: str) -> dict[str, Any]:
        values = asdict(identity)
        values["address"] = network.address_in(identity.address, number)
        values["roles"] = list(identity.roles)  # as JSON gives it back, since the two are compared
        return {"identity": values, "template": str(template), "mode": mode}

    # -- one host ----------------------------------------------------------------------------------------------------

    def _start(self, settings: dict[str, Any], lock: int) -> None:
        began = time.monotonic()
        folder = self._folder(settings["identity"]["name"])
        file = folder / "host.json"
        current = json.loads(file.read_text()) if file.exists() else None
        if self._alive(folder):
            if current == settings and self._phase(folder) in ("up", "booting", "restarting", "lost"):
                return
            self._stop(folder, quiet=True)
        else:
            self._stop(folder, quiet=True)  # what a killed supervisor left
        if current and any(current[key] != settings[key] for key in ("identity", "template")):
            shutil.rmtree(folder)  # the disk and registry would not fit
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(settings))
        try:
            self._boot(folder, lock)
        except FleetError as error:
            # Wine fails to start now and then, on a machine that is busy
            self.say(f"{error}; once more")
            self._boot(folder, lock)
        self.say(f"{folder.name}: up on {settings['identity']['address']} after {time.monotonic() - began:.1f} s")

    def _boot(self, folder: Path, lock: int) -> None:
        """Start the supervisor of a host and wait until the host is up."""
        (folder / "error").unlink(missing_ok=True)
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "winfleet.host", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock],
                env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONUNBUFFERED": "1"},
                cwd=folder,
            )
        (folder / "pid").write_text(f"{process.pid} {_started(process.pid)}")
        deadline = time.monotonic() + START_TIMEOUT
        while self._phase(folder) != "up":
            if process.poll() is not None or time.monotonic() > deadline:
                error = folder / "error"
                reason = error.read_text() if error.exists() else f"see {folder / 'log'}"
                self._stop(folder, quiet=True)
                raise FleetError(f"{folder.name} did not start: {reason}")
            time.sleep(0.1)

    @staticmethod
    def _phase(folder: Path) -> str:
        with contextlib.suppress(control.ControlError):
            return str(control.ask(folder, {"do": "status"}, timeout=10)["phase"])
        return ""

    def _stop(self, folder: Path, quiet: bool = False) -> None:
        pid = self._alive(folder)
        if pid:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 30
            while self._alive(folder) and time.monotonic() < deadline:
                time.sleep(0.05)
            if self._alive(folder):
                os.kill(pid, signal.SIGKILL)
        # After a killed supervisor, or none at all: whatever still runs in the prefix
        prefix.stop(folder / "prefix")
        (folder / "pid").unlink(missing_ok=True)
        (folder / control.NAME).unlink(missing_ok=True)
        if pid and not quiet:
            self.say(f"{folder.name}: down")

    @staticmethod
    def _alive(folder: Path) -> int:
        """Return the supervisor's process id, 0 when it does not run.

        A process id that was given again does not count.
        """
        try:
            pid, started = (folder / "pid").read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if _started(int(pid)) == started else 0

    # -- the fleet's own files ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One command at a time changes a fleet."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / ".fleet.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def _network_file(self) -> Path:
        return self.state / "network"

    def _recorded_network(self) -> int:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return int(json.loads(self._network_file.read_text())["network"])
        return 0

    def _record_network(self, number: int, hosts: dict[str, Identity]) -> None:
        addresses = {}
        if self._recorded_network() == number:
            with contextlib.suppress(OSError, ValueError, KeyError):
                addresses = json.loads(self._network_file.read_text())["addresses"]  # hosts of other inventories
        addresses |= {name: network.address_in(identity.address, number) for name, identity in hosts.items()}
        draft = self._network_file.with_suffix(".new")
        draft.write_text(json.dumps({"network": number, "addresses": addresses}))
        draft.rename(self._network_file)

    def _tell_names(self, hosts: dict[str, Identity], number: int) -> None:
        """Write what the hosts know of each other's names, as /etc/hosts has it; running hosts see it at once."""
        file = self.state / "names"
        known = {line.split()[0]: line for line in (file.read_text().splitlines() if file.exists() else ())}
        known["127.0.0.1"] = "127.0.0.1 localhost"
        for identity in hosts.values():
            short = identity.computer_name.lower()
            full = f"{short}.{identity.domain} {short}" if identity.domain else short
            address = network.address_in(identity.address, number)
            known[address] = f"{address} {full}"
        file.write_text("\n".join(known.values()) + "\n")  # in place: it is mounted into running hosts

    @staticmethod
    def _each(items: Sequence[Any], action: Callable[[Any], None]) -> None:
        """Do it for all at once; the errors of all are told."""
        errors = []
        with ThreadPoolExecutor(max_workers=8) as pool:
            for future in [pool.submit(action, item) for item in items]:
                try:
                    future.result()
                except (
                    FleetError,
                    control.ControlError,
                    prefix.PrefixError,
                    OSError,
                    subprocess.SubprocessError,
                ) as error:
                    errors.append(str(error))
        if errors:
            raise FleetError("\n".join(errors))


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; "" when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
