"""Wine prefixes: a template that is booted once, and the hosts' own, cloned from it by hard links."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from winfleet import programs, registry
from winfleet.paths import CACHE, PACKAGE

POWERSHELL = r"C:\windows\system32\WindowsPowerShell\v1.0\powershell.exe"
HOME_ON_HOST = r"C:\windows\winfleet"
SHELL_ARGUMENTS = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass"]
#: Kinds of files that nothing writes into; everything else of a prefix is copied, not linked.
LINKED = {".acm", ".ax", ".cpl", ".dll", ".drv", ".exe", ".msc", ".nls", ".ocx", ".sys", ".tlb", ".ttf", ".xml"}
ENVIRONMENT_KEY = r"System\CurrentControlSet\Control\Session Manager\Environment"
#: Where the setup of a client puts its PowerShell module
CLIENT_MODULES = r"C:\Program Files (x86)\Microsoft Azure Information Protection\Powershell"
#: As Windows has it; the engine adds folders of its own
MODULE_PATH = r"C:\Program Files\WindowsPowerShell\Modules;C:\windows\system32\WindowsPowerShell\v1.0\Modules"
PATH = r"C:\windows\system32;C:\windows;C:\windows\system32\wbem;C:\windows\system32\WindowsPowerShell\v1.0"
#: For a process that runs many scripts. .NET would compile most of them twice, quickly and then well, which took half
#: of a host's CPU time; a process that runs one script is quicker without.
RESIDENT = {"DOTNET_TieredCompilation": "0"}
#: The folder of compiled C# in the cache, and the link to it on a host.
COMPILED = "compiled"
#: Turns off what agent/Agent/CompileCache.cs and ParseCache.cs keep.
NO_CACHE = {"WINFLEET_CACHE": "0"}
#: Wine prefers its own program of a name. In the registry this would be lost once HKCU\\Software has a Wow6432Node.
#: Without winedbg a process that crashes ends at once; the debugger takes minutes to describe it.
OVERRIDES = ",".join(sorted(Path(name).name for name in programs.PROGRAMS)) + "=n;winedbg.exe="


@dataclass(frozen=True)
class Nested:
    """What a built-in module of the engine loads, too.

    It stands in its manifest, since a function from elsewhere would only be found as long as the module itself is not
    loaded.

    Attributes:
        scripts: beside the manifest.
        functions: those of the scripts that take the place of a cmdlet.
    """

    scripts: tuple[str, ...]
    functions: tuple[str, ...] = ()


NESTED = {
    "Microsoft.PowerShell.Diagnostics": Nested(("Events.psm1",), ("Get-WinEvent",)),
    "Microsoft.PowerShell.Security": Nested(("Acl.psm1", "Signature.psm1"), ("Get-AuthenticodeSignature",)),
}


#: Cmdlets that the engine's module loses to doubles/modules/Winfleet.Computer. Not nested, since every script loads it.
MANAGEMENT = "Microsoft.PowerShell.Management"
REPLACED = ("Restart-Computer", "Stop-Computer")


class PrefixError(Exception):
    """Wine could not make or start a prefix; the message says what failed."""


def environment(prefix: Path) -> dict[str, str]:
    """Return the only variables that Wine is started with: Linux' own would show up on the host."""
    return {
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "USER": "Administrator",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": OVERRIDES,
        "WINEPREFIX": str(prefix),
    }


def wine_version() -> str:
    wine = shutil.which("wine")
    if wine is None:
        raise PrefixError(
            "wine is not installed; on Debian and Ubuntu: apt-get install --no-install-recommends wine wine64"
        )
    done = subprocess.run(
        [wine, "--version"], capture_output=True, text=True, env=environment(Path("/nonexistent")), check=False
    )
    return done.stdout.strip()


def template_path(cache: Path, engine: Path) -> Path:
    """Return where the template is kept; the name changes with whatever it is made of."""
    digest = hashlib.sha256(f"{engine.parent.name} {wine_version()}".encode())
    for file in sorted(
        [Path(__file__), *(p for folder in ("agent", "doubles") for p in (PACKAGE / folder).rglob("*") if p.is_file())]
    ):
        digest.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes())
    return cache / f"template-{digest.hexdigest()[:12]}"


def prepare_template(cache: Path, engine: Path) -> Path:
    """Return the booted template, making it first when there is none (20 s).

    Raises:
        PrefixError: when Wine or PowerShell fails.
    """
    cache.mkdir(parents=True, exist_ok=True)
    target = template_path(cache, engine)
    with (cache / ".template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        print("template: booting Wine once (about 20 s)", file=sys.stderr, flush=True)
        for old in (*cache.glob("template-*"), cache / COMPILED):
            shutil.rmtree(old, ignore_errors=True)
        draft = cache / "template-draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            _boot_template(draft, engine)
        finally:
            stop(draft)
        (draft / "wineserver").unlink(missing_ok=True)
        draft.rename(target)
    return target


def _boot_template(prefix: Path, engine: Path) -> None:
    _run(prefix, ["wineboot", "-i"], "wineboot", 180)
    stop(prefix)
    # Only the emulated host's own disk: no way out to the machine's files or devices
    for device in (prefix / "dosdevices").iterdir():
        if device.name != "c:":
            device.unlink()
    shell = prefix / "drive_c/windows/system32/WindowsPowerShell/v1.0"
    shutil.rmtree(shell, ignore_errors=True)
    shutil.copytree(engine, shell, copy_function=_link_or_copy)
    (shell / "pwsh.exe").unlink()  # Windows has only powershell.exe
    for module in (PACKAGE / "doubles" / "modules").iterdir():
        shutil.copytree(module, shell / "Modules" / module.name, dirs_exist_ok=True)
    for name, nested in NESTED.items():
        _nest(shell / "Modules" / name / f"{name}.psd1", nested)
    management = shell / "Modules" / MANAGEMENT / f"{MANAGEMENT}.psd1"
    _edit(management, [(rf"['\"]{cmdlet}['\"]\s*,", "") for cmdlet in REPLACED])
    _place_programs(prefix)
    own = prefix / "drive_c/windows/winfleet"
    own.mkdir(exist_ok=True)
    shutil.copytree(PACKAGE / "agent", own / "source")
    (own / "source/agent.ps1").rename(own / "agent.ps1")
    registry.append(
        prefix / "system.reg",
        {
            ENVIRONMENT_KEY: {
                "PATH": PATH,
                "PSModulePath": f"{MODULE_PATH};{CLIENT_MODULES}",
                "PATHEXT": ".COM;.EXE;.BAT;.CMD;.VBS;.JS;.WS;.MSC",
                "NO_COLOR": "1",
                "POWERSHELL_TELEMETRY_OPTOUT": "1",
                "POWERSHELL_UPDATECHECK": "Off",
            },
        },
    )
    _run(
        prefix,
        [
            POWERSHELL,
            *SHELL_ARGUMENTS,
            "-File",
            HOME_ON_HOST + r"\source\compile.ps1",
            HOME_ON_HOST + r"\source",
            HOME_ON_HOST,
        ],
        "compiling the agent",
        120,
    )
    # Only now: the hook must exist before a process looks for it
    stop(prefix)
    registry.append(
        prefix / "system.reg", {ENVIRONMENT_KEY: {"DOTNET_STARTUP_HOOKS": HOME_ON_HOST + r"\Winfleet.Startup.dll"}}
    )
    missing = [
        name
        for name in ("Winfleet.Agent.dll", "Winfleet.Startup.dll", "Winfleet.Directory.dll", "Winfleet.Sql.dll")
        if not (own / name).exists()
    ]
    if missing:
        raise PrefixError(f"compiling the agent left no {', '.join(missing)}")
    shutil.rmtree(own / "source")


def _place_programs(prefix: Path) -> None:
    if shutil.which("makensis") is None:
        raise PrefixError(
            "makensis is not installed; on Debian and Ubuntu: apt-get install --no-install-recommends nsis"
        )
    (prefix / programs.CALLS).mkdir(parents=True)
    system = prefix / "drive_c/windows/system32"
    # Wine's own, which ours starts
    (system / "msiexec.exe").rename(prefix / "drive_c/windows/winfleet/installer.exe")
    for name, double in programs.PROGRAMS.items():
        (system / name).unlink(missing_ok=True)
        (system / name).parent.mkdir(exist_ok=True)
        programs.build(double, system / name)


def _nest(manifest: Path, nested: Nested) -> None:
    scripts = ", ".join(f"'{script}'" for script in nested.scripts)
    changes = [
        (r"(NestedModules\s*=\s*)@?\(?\s*(['\"][\w.]+['\"])\s*\)?", rf"\g<1>@(\g<2>, {scripts})\n"),
        *((rf",\s*['\"]{function}['\"]", "") for function in nested.functions),
    ]
    if nested.functions:
        functions = ", ".join(f"'{function}'" for function in nested.functions)
        changes.append((r"FunctionsToExport\s*=\s*@\(\s*\)", f"FunctionsToExport = @({functions})"))
    _edit(manifest, changes)


def _edit(manifest: Path, changes: Iterable[tuple[str, str]]) -> None:
    text = manifest.read_text(encoding="utf-8-sig")
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, count=1)
        if not count:
            raise PrefixError(f"{manifest.name} of the engine is not as expected: nothing in it is like {pattern}")
    manifest.unlink()  # it is a link to the engine's
    manifest.write_text(text, encoding="utf-8")


def _run(prefix: Path, command: list[str], what: str, timeout: float) -> None:
    """Run a Windows program to its end; its standard error is a pty, which PowerShell needs."""
    pty, terminal = os.openpty()
    try:
        process = subprocess.Popen(
            ["wine", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=environment(prefix),
            cwd=prefix,
        )
        os.close(terminal)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise PrefixError(f"{what} did not end within {timeout:.0f} s") from None
        if process.returncode:
            said = output.decode(errors="replace")
            os.set_blocking(pty, False)
            with contextlib.suppress(OSError):
                said += os.read(pty, 65536).decode(errors="replace")
            raise PrefixError(f"{what} failed with {process.returncode}: {said.strip()[-2000:]}")
    finally:
        os.close(pty)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def clone(template: Path, target: Path) -> None:
    """Make a host's prefix: programs and libraries are hard links, everything that may be written into is a copy."""
    draft = target.with_name(target.name + "-draft")
    shutil.rmtree(draft, ignore_errors=True)
    windows = template / "drive_c" / "windows"

    def take(source: str, destination: str) -> None:
        path = Path(source)
        if path.suffix.lower() in LINKED and path.is_relative_to(windows):
            _link_or_copy(source, destination)
        else:
            shutil.copy2(source, destination)

    shutil.copytree(template, draft, symlinks=True, copy_function=take)
    draft.rename(target)


def remove_modules(prefix: Path, names: Iterable[str]) -> None:
    """Take PowerShell modules away that this host does not have."""
    for name in names:
        shutil.rmtree(prefix / "drive_c/windows/system32/WindowsPowerShell/v1.0/Modules" / name)


def share_state(prefix: Path, state: Path) -> None:
    """Let a host find what the fleet shares (`winfleet.directory`), and what any host has compiled."""
    compiled = CACHE / COMPILED
    compiled.mkdir(parents=True, exist_ok=True)
    for name, target in {"shared": state / "shared", COMPILED: compiled}.items():
        link = prefix / "drive_c/windows/winfleet" / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def stop(prefix: Path, timeout: float = 20) -> None:
    """End everything that runs in a prefix, saving its registry; harmless when nothing runs."""
    if not (prefix / "drive_c").exists():
        return
    subprocess.run(["wineserver", "-k"], env=environment(prefix), check=False, capture_output=True, timeout=timeout)
    try:
        subprocess.run(["wineserver", "-w"], env=environment(prefix), check=False, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        subprocess.run(
            ["wineserver", "-k9"], env=environment(prefix), check=False, capture_output=True, timeout=timeout
        )
        time.sleep(0.2)
