"""Prepare a checkout: Debian packages, virtual environments, the link by which Ansible finds the collection.

    python3 tests/setup/environment.py [--for demo|fleet|test]

Ends with 0 when all is there (at once when it was there before), 2 when something is missing that only the user can
install, 1 when an installation failed. Standard library only: this is what a fresh machine runs first.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
REQUIREMENTS = ROOT / "requirements"
LOG = CACHE / "setup.log"

SUPPORTED_PYTHONS = ((3, 13), (3, 12), (3, 11))
# The ansible-core that .venv gets with a Python; the others are for tests only.
CORE_OF_PYTHON = {(3, 13): "2.21", (3, 12): "2.21", (3, 11): "2.19"}
# The Pythons each ansible-core runs on, the one to take first.
PYTHONS_OF_CORE: dict[str, tuple[tuple[int, int], ...]] = {
    "2.16": ((3, 11), (3, 12)),
    "2.19": ((3, 11), (3, 12), (3, 13)),
    "2.21": ((3, 13), (3, 12)),
}

# Commands and the Debian (and Ubuntu) packages that bring them.
FLEET_COMMANDS: dict[str, tuple[str, ...]] = {
    "wine": ("wine64", "wine"),
    "makensis": ("nsis",),
    "wixl": ("wixl",),
    "osslsigncode": ("osslsigncode",),
}
# the load balancer before the connectors, and what its hooks speak to it with
BALANCER_COMMANDS: dict[str, tuple[str, ...]] = {"haproxy": ("haproxy",), "socat": ("socat",)}
COMMANDS: dict[str, dict[str, tuple[str, ...]]] = {
    "demo": {**FLEET_COMMANDS, **BALANCER_COMMANDS},
    "fleet": FLEET_COMMANDS,
    # git and shellcheck: the gates
    "test": {**FLEET_COMMANDS, **BALANCER_COMMANDS, "git": ("git",), "shellcheck": ("shellcheck",)},
}

# winfleet's engine and paths modules are of the standard library only, as this one is
sys.path.insert(0, str(ROOT / "tests"))

PROBE = """
import sys
try:
    import ensurepip, venv
    complete = True
except ImportError:
    complete = False
print(sys.version_info[0], sys.version_info[1], complete, sys._base_executable)
"""


class SetupError(Exception):
    """Something is missing or failed; the text says what and what to do."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Python:
    """A Python interpreter that runs. complete: it can make virtual environments (Debian packages that apart)."""

    def __init__(self, version: tuple[int, int], complete: bool, executable: Path) -> None:
        self.version = version
        self.complete = complete
        self.executable = executable

    def __str__(self) -> str:
        return f"Python {self.version[0]}.{self.version[1]}"


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def run(arguments: Sequence[str | Path], what: str, **environment: str) -> None:
    """Run a command with its output in the log; its last lines are in the error."""
    started = time.monotonic()
    say(f"{what} ...")
    with LOG.open("a") as log:
        log.write(f"\n$ {' '.join(map(str, arguments))}\n")
        log.flush()
        result = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}, check=False
        )
    if result.returncode:
        last = "\n".join(f"    {line}" for line in LOG.read_text(errors="replace").splitlines()[-8:])
        raise SetupError(f"{what}: failed ({result.returncode}), see {LOG.relative_to(ROOT)}:\n{last}")
    say(f"{what}: {time.monotonic() - started:.0f} s")


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Two commands started at once prepare one after the other."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that prepares this checkout")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# ---- Pythons


def find_pythons() -> dict[tuple[int, int], Python]:
    """The supported Pythons that really run (a pyenv shim may not), those on PATH before pyenv's own."""
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED_PYTHONS]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [Path(found) for name in (*names, "python3") if (found := shutil.which(name))]
    candidates += [path for name in names for path in sorted(pyenv.glob(f"3.*/bin/{name}"), reverse=True)]
    pythons: dict[tuple[int, int], Python] = {}
    for candidate in candidates:
        answer = subprocess.run(
            [candidate, "-c", PROBE], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if answer.returncode:
            continue
        major, minor, complete, executable = answer.stdout.split(maxsplit=3)
        python = Python((int(major), int(minor)), complete == "True", Path(executable.strip()))
        known = pythons.get(python.version)
        if python.version in SUPPORTED_PYTHONS and (known is None or (python.complete and not known.complete)):
            pythons[python.version] = python
    return pythons


# ---- Debian packages


def installed(command: str) -> bool:
    """Whether there is such a program, also where only the PATH of root leads."""
    return shutil.which(command, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin") is not None


def missing_packages(purpose: str, pythons: dict[tuple[int, int], Python]) -> list[str]:
    missing = [name for command, names in COMMANDS[purpose].items() if not installed(command) for name in names]
    if not pythons:
        # Ubuntu 22.04 has 3.10 by default and 3.11 beside it
        missing += ["python3.11", "python3.11-venv"]
    elif not any(python.complete for python in pythons.values()):
        newest = pythons[max(pythons)]
        missing.append(f"python{newest.version[0]}.{newest.version[1]}-venv")
    return missing


def install_packages(packages: list[str]) -> None:
    """Install Debian packages as root; without root say which are missing."""
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        raise SetupError(f"not found here, please install what Debian calls: {' '.join(packages)}", 2)
    if os.geteuid() != 0:
        raise SetupError(f"these packages are missing; install them and start again:\n    sudo {' '.join(command)}", 2)
    try:
        run(command, f"installing {' '.join(packages)}", DEBIAN_FRONTEND="noninteractive")
    except SetupError:  # package lists that are absent or old are the usual reason
        run(["apt-get", "update"], "updating the package lists", DEBIAN_FRONTEND="noninteractive")
        run(command, f"installing {' '.join(packages)}", DEBIAN_FRONTEND="noninteractive")


# ---- the PowerShell engine of the emulated hosts


def prepare_engine() -> None:
    """Find, check and unpack the engine; where one is looked for is winfleet's matter."""
    from winfleet import engine, paths

    try:
        engine.prepare_engine(paths.CACHE)
    except engine.EngineError as error:
        raise SetupError(str(error), 2) from error


# ---- virtual environments


def digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def stamp_of(venv: Path) -> dict[str, str]:
    """Requirements file -> its digest when it was installed; empty when the environment cannot be used as it is."""
    try:
        stamp = json.loads((venv / "installed.json").read_text())
    except (OSError, ValueError):
        return {}  # never finished
    # scripts of an environment carry its path, and its Python may have been removed since
    moved = stamp.pop("venv", None) != str(venv)
    return {} if moved or not (venv / "bin" / "python").exists() else stamp


def core_of(venv: Path) -> str | None:
    """The ansible-core series that is installed in an environment."""
    cores = [name.removeprefix("core-").removesuffix(".txt") for name in stamp_of(venv) if name.startswith("core-")]
    return cores[0] if cores else None


def is_current(venv: Path, names: Sequence[str]) -> bool:
    stamp = stamp_of(venv)
    return all(stamp.get(name) == digest(REQUIREMENTS / name) for name in names)


def make_venv(venv: Path, python: Python, names: Sequence[str]) -> None:
    """Bring an environment to the given requirements. The stamp is written last, so one left half done is made anew."""
    if is_current(venv, names):
        return
    stamp = stamp_of(venv)
    label = f"{venv.relative_to(ROOT)} ({python})"
    if names[0] in stamp:  # complete for this ansible-core: pip brings it up to date in place
        (venv / "installed.json").unlink()
    else:
        stamp = {}
        if venv.is_symlink():
            venv.unlink()
        elif venv.exists():
            shutil.rmtree(venv)
        run([python.executable, "-m", "venv", venv], f"making {label}")
    files: list[str | Path] = [argument for name in names for argument in ("-r", REQUIREMENTS / name)]
    pip: list[str | Path] = [
        venv / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        # most modules are never imported, Python compiles those that are
        "--no-compile",
    ]
    run([*pip, *files], f"installing Python packages in {label}")
    stamp.update({name: digest(REQUIREMENTS / name) for name in names}, venv=str(venv))
    (venv / "installed.json").write_text(json.dumps(stamp, indent=2) + "\n")


def main_venv(purpose: str, pythons: dict[tuple[int, int], Python]) -> None:
    """.venv: the newest Python with its ansible-core; with the test tools when tests are to be run."""
    venv = ROOT / ".venv"
    python = pythons[max(version for version, python in pythons.items() if python.complete)]
    core = CORE_OF_PYTHON[python.version]
    make_venv(venv, python, [f"core-{core}.txt", *([f"test-{core}.txt"] if purpose == "test" else [])])
    if purpose == "test":
        make_venv(CACHE / "venvs" / "galaxy-importer", python, [f"importer-{core}.txt"])


def core_venvs(pythons: dict[tuple[int, int], Python]) -> None:
    """.cache/venvs/core-X: every ansible-core that the Pythons here can run; that of .venv is a link to it."""
    folder = CACHE / "venvs"
    own = core_of(ROOT / ".venv")
    for core, versions in PYTHONS_OF_CORE.items():
        venv = folder / f"core-{core}"
        python = next((pythons[v] for v in versions if v in pythons and pythons[v].complete), None)
        if core == own:
            if not venv.is_symlink():
                shutil.rmtree(venv, ignore_errors=True)
                venv.symlink_to("../../.venv")
        elif python:
            if venv.is_symlink():
                venv.unlink()
            make_venv(venv, python, [f"core-{core}.txt"])
        else:
            wanted = " or ".join(f"{major}.{minor}" for major, minor in versions)
            say(f"ansible-core {core} is not tested here: it needs Python {wanted}")


def is_prepared(purpose: str) -> bool:
    """Whether all is there, without starting any process."""
    if purpose == "test" or not all(installed(command) for command in COMMANDS[purpose]):
        return False
    if not any((CACHE / "winfleet").glob("engine/*/complete")):
        return False
    core = core_of(ROOT / ".venv")
    return core is not None and is_current(ROOT / ".venv", [f"core-{core}.txt"])


def link_collection() -> None:
    """.cache/collections/ansible_collections/infoprotect/aip leads to this checkout, so that no copy can be stale."""
    link = CACHE / "collections" / "ansible_collections" / "infoprotect" / "aip"
    if link.is_symlink() and link.resolve() == ROOT:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("../../../..")


def prepare(purpose: str) -> None:
    CACHE.mkdir(exist_ok=True)
    link_collection()
    if is_prepared(purpose):
        return
    with lock():
        pythons = find_pythons()
        if packages := missing_packages(purpose, pythons):
            install_packages(packages)
            pythons = find_pythons()
            if still := missing_packages(purpose, pythons):
                raise SetupError(f"still missing after their installation: {' '.join(still)}", 2)
        prepare_engine()
        (CACHE / "venvs").mkdir(exist_ok=True)
        main_venv(purpose, pythons)
        if purpose == "test":
            core_venvs(pythons)


def main() -> int:
    parser = argparse.ArgumentParser(description="Prepare this checkout: packages, virtual environments, the engine.")
    parser.add_argument("--for", dest="purpose", choices=sorted(COMMANDS), default="demo", help="what it is to run")
    try:
        prepare(parser.parse_args().purpose)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
