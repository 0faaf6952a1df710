"""Prepare a checkout: Debian packages, virtual environments, the link by which Ansible finds the collection.

    python3 tests/setup/environment.py [--for demo|fleet|test|full]

Ends with 0 when all is there (at once when it was there before), 2 when something is missing that only the user can
install, 1 when an installation failed. Standard library only: this is what a fresh machine runs first.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes.util
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
LOG = CACHE / "setup.log"

SUPPORTED_PYTHONS = ((3, 13), (3, 12), (3, 11))
# The ansible-core that .venv gets with a Python; the others are for tests only.
CORE_OF_PYTHON = {(3, 13): "2.21", (3, 12): "2.21", (3, 11): "2.19"}
# The Pythons each supported ansible-core runs on, the one to take first.
PYTHONS_OF_CORE: dict[str, tuple[tuple[int, int], ...]] = {
    "2.16": ((3, 11), (3, 12)),
    "2.18": ((3, 11), (3, 12), (3, 13)),
    "2.19": ((3, 11), (3, 12), (3, 13)),
    "2.20": ((3, 12), (3, 13)),
    "2.21": ((3, 13), (3, 12)),
}
# What the default test run needs beside the oldest and the newest core; --full needs all of them.
DEFAULT_CORES = ("2.19",)
# The collections that are used, out of the hundred that the package `ansible` has for a core.
COLLECTIONS = ("ansible.posix", "ansible.windows", "awx.awx", "microsoft.ad")

# The newest ansible-core whose release of `ansible` has awx.awx, among those that the default test run needs
AWX_FROM = "2.19"

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
COMMANDS["full"] = COMMANDS["test"]
# The tests of the report's page use any of these; setup installs the first, a Debian package. On Ubuntu, which has
# Chromium only as a snap, install Google Chrome.
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
# A library that the driver of the browser needs, and its Debian package.
BROWSER_LIBRARY = ("atomic", "libatomic1")
# Those that need the test tools; full needs every supported ansible-core.
TEST_PURPOSES = ("test", "full")

# pip takes only files that have a hash in the requirements files, and wheels: the tools that build one have no hash.
CHECKED = ("--require-hashes", "--only-binary", ":all:")

# Where a container's image forbids bytecode, each start of pip, for another Python too, would compile all of it.
INHERITED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

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
    result = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**INHERITED, **environment},
        check=False,
    )
    with LOG.open("a") as log:
        log.write(f"\n$ {' '.join(map(str, arguments))}\n{result.stdout}")
    if result.returncode:
        last = "\n".join(f"    {line}" for line in result.stdout.splitlines()[-8:])
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
    if purpose in TEST_PURPOSES:
        library, package = BROWSER_LIBRARY
        missing += [] if any(map(installed, BROWSERS)) else [BROWSERS[0]]
        missing += [] if ctypes.util.find_library(library) else [package]
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


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the requirements files that it is made from, that of its ansible-core first."""

    folder: Path
    python: Python
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.folder.relative_to(ROOT)} ({self.python})"

    @property
    def executable(self) -> Path:
        return self.folder / "bin" / "python"


def digest(name: str) -> str:
    """The digest of a requirements file, for collections-X.txt together with the names of the collections."""
    text = (REQUIREMENTS / name).read_text()
    return hashlib.sha256(f"{text}{COLLECTIONS if name.startswith('collections-') else ''}".encode()).hexdigest()


def stamp_of(folder: Path) -> dict[str, str]:
    """Requirements file -> its digest when it was installed; empty when the environment cannot be used as it is."""
    try:
        stamp = json.loads((folder / "installed.json").read_text())
    except (OSError, ValueError):
        return {}  # never finished
    # scripts of an environment carry its path, and its Python may have been removed since
    moved = stamp.pop("venv", None) != str(folder)
    return {} if moved or not (folder / "bin" / "python").exists() else stamp


def core_of(folder: Path) -> str | None:
    """The ansible-core series that is installed in an environment."""
    cores = [name.removeprefix("core-").removesuffix(".txt") for name in stamp_of(folder) if name.startswith("core-")]
    return cores[0] if cores else None


def is_current(folder: Path, names: Sequence[str]) -> bool:
    stamp = stamp_of(folder)
    return all(stamp.get(name) == digest(name) for name in names)


def files_of_core(core: str, *more: str) -> tuple[str, ...]:
    return (f"core-{core}.txt", f"collections-{core}.txt", *more)


def create(environment: Environment) -> None:
    """Make the folder, unless it has this ansible-core already. Only .venv gets pip, which serves the others."""
    if environment.names[0] in stamp_of(environment.folder):
        return
    if environment.folder.is_symlink():
        environment.folder.unlink()
    else:
        shutil.rmtree(environment.folder, ignore_errors=True)
    options = [] if environment.folder == VENV else ["--without-pip"]
    run([environment.python.executable, "-m", "venv", *options, environment.folder], f"making {environment}")


def install(environment: Environment) -> None:
    """Bring an environment to its requirements. The stamp is written last, so one left half done is made anew."""
    stamp = stamp_of(environment.folder)
    (environment.folder / "installed.json").unlink(missing_ok=True)
    pip: list[str | Path] = [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    collections = [name for name in environment.names if name.startswith("collections-")]
    others = [name for name in environment.names if name not in collections]
    # most modules are never imported; Python compiles the others when they are
    command = [*pip, "--python", environment.executable, "install", "--no-compile", *CHECKED]
    command += [word for name in others for word in ("-r", REQUIREMENTS / name)]
    run(command, f"installing Python packages in {environment}")
    for name in collections:
        unpack_collections(environment, pip, name)
    stamp.update({name: digest(name) for name in environment.names}, venv=str(environment.folder))
    (environment.folder / "installed.json").write_text(json.dumps(stamp, indent=2) + "\n")


def unpack_collections(environment: Environment, pip: Sequence[str | Path], name: str) -> None:
    """Unpack the collections that are used from a package of 20,000 files, to where pip would install them."""
    (packages,) = environment.folder.glob("lib/python3*/site-packages")
    folders = [f"ansible_collections/{collection.replace('.', '/')}/" for collection in COLLECTIONS]
    with tempfile.TemporaryDirectory(dir=CACHE) as download:
        command = [*pip, "download", "--no-deps", *CHECKED, "--dest", download, "-r", REQUIREMENTS / name]
        run(command, f"unpacking collections in {environment}")
        (wheel,) = Path(download).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for folder in folders:
                shutil.rmtree(packages / folder, ignore_errors=True)
                archive.extractall(packages, [member for member in archive.namelist() if member.startswith(folder)])


def make(environments: Sequence[Environment]) -> None:
    """Bring environments up to date, two at a time: one downloads while the other unpacks."""
    pending = [environment for environment in environments if not is_current(environment.folder, environment.names)]
    for environment in pending:
        create(environment)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(install, pending))


def cores(pythons: dict[tuple[int, int], Python]) -> dict[str, Python]:
    """The supported ansible-cores that the Pythons here can run, the oldest first, each with its Python."""
    found = {}
    for core, versions in PYTHONS_OF_CORE.items():
        python = next((pythons[v] for v in versions if v in pythons and pythons[v].complete), None)
        if python:
            found[core] = python
    return found


def main_environment(purpose: str, pythons: dict[tuple[int, int], Python]) -> Environment:
    """.venv: the newest Python with its ansible-core; with the test tools when tests are to be run."""
    python = pythons[max(version for version, python in pythons.items() if python.complete)]
    core = CORE_OF_PYTHON[python.version]
    return Environment(VENV, python, files_of_core(core, *([f"test-{core}.txt"] if purpose in TEST_PURPOSES else [])))


def test_environments(purpose: str, main: Environment, pythons: dict[tuple[int, int], Python]) -> list[Environment]:
    """.cache/venvs: one for each ansible-core that the purpose needs, and one for galaxy-importer.

    The core of .venv is a link to it. The cores that the gates look at have ansible-lint.
    """
    folder = CACHE / "venvs"
    folder.mkdir(exist_ok=True)
    here = cores(pythons)
    oldest = next(iter(here))
    own = main.names[0].removeprefix("core-").removesuffix(".txt")
    environments = []
    for core, versions in PYTHONS_OF_CORE.items():
        place = folder / f"core-{core}"
        if core == own:
            if not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
                place.symlink_to("../../.venv")
        elif core not in here:
            wanted = " or ".join(f"{major}.{minor}" for major, minor in versions)
            say(f"ansible-core {core} is not tested here: it needs Python {wanted}")
        elif purpose == "full" or core == oldest:
            environments.append(Environment(place, here[core], files_of_core(core, "lint.txt")))
        elif core in DEFAULT_CORES:
            environments.append(Environment(place, here[core], files_of_core(core)))
    return [*environments, Environment(folder / "galaxy-importer", main.python, (f"importer-{own}.txt",))]


def is_prepared(purpose: str) -> bool:
    """Whether all is there, without starting any process."""
    if purpose in TEST_PURPOSES or not all(installed(command) for command in COMMANDS[purpose]):
        return False
    if not any((CACHE / "winfleet").glob("engine/*/complete")):
        return False
    core = core_of(VENV)
    return core is not None and is_current(VENV, files_of_core(core))


def link_collection() -> None:
    """.cache/collections/ansible_collections/infoprotect/aip leads to this checkout, so that no copy can be stale."""
    link = CACHE / "collections" / "ansible_collections" / "infoprotect" / "aip"
    if link.is_symlink() and link.resolve() == ROOT:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("../../../..")


def link_awx() -> None:
    """.cache/collections has awx.awx as well, for every ansible-core: later releases of `ansible` do not have it."""
    link = CACHE / "collections" / "ansible_collections" / "awx"
    found = sorted((CACHE / "venvs" / f"core-{AWX_FROM}").glob("lib/python3*/site-packages/ansible_collections/awx"))
    link.unlink(missing_ok=True)
    if found:
        link.symlink_to(os.path.relpath(found[-1], link.parent))


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
        main = main_environment(purpose, pythons)
        make([main, *(test_environments(purpose, main, pythons) if purpose in TEST_PURPOSES else [])])
        if purpose in TEST_PURPOSES:
            link_awx()


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
