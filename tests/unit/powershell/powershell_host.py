"""One PowerShell process on one emulated host, with the collection's module utilities loaded."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from module_cycle import Registry
from winfleet import prefix, registry
from winfleet.engine import prepare_engine
from winfleet.identity import Identity
from winfleet.paths import state_directory

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(__file__).resolve().parent
IDENTITY = Identity(name="unit-2019", address="127.0.0.1")

#: Runs a module as ansible-core's wrapper does; it ends by an exception instead of the process.
_MODULE = r"""
$global:complex_args = $case.parameters
[Ansible.Basic.AnsibleModule]::WriteLine = { param ($line) $global:moduleResult = $line }
[Ansible.Basic.AnsibleModule]::Exit = { param ($code) throw "the module ended with $code" }
$global:moduleResult = $null
try {
    & ([scriptblock]::Create([IO.File]::ReadAllText($case.file)))
}
catch {
    if (-not $moduleResult) { throw }
}
$moduleResult
"""

_REGISTRY = r"""
$found = [Collections.Generic.List[object]]::new()
function Read-Key($path) {
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey($path)
    if (-not $key) { return }
    $values = @(foreach ($name in $key.GetValueNames()) {
        $data = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
        , @($name, "$($key.GetValueKind($name))", $data)
    })
    $found.Add(@("HKEY_LOCAL_MACHINE\$path", $values))
    foreach ($name in $key.GetSubKeyNames()) { Read-Key "$path\$name" }
    $key.Dispose()
}
foreach ($path in $case) { Read-Key $path }
, $found
"""
#: Values below HKLM: key, name and data, without data they are removed
_SET = r"""
foreach ($one in $case) {
    $key = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey($one[0])
    if ($null -eq $one[2]) { $key.DeleteValue($one[1], $false) }
    elseif ($one[2] -is [string]) { $key.SetValue($one[1], $one[2]) }
    else { $key.SetValue($one[1], [int]$one[2]) }
    $key.Dispose()
}
"""
_REMOVE = "foreach ($one in $case) { [Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($one, $false) }"
_DENY = r"""
$rights = [System.Security.AccessControl.RegistryRights]'ReadPermissions, ChangePermissions'
$check = [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree
$key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey($case.key, $check, $rights)
$security = $key.GetAccessControl('Access')
$everyone = [System.Security.Principal.SecurityIdentifier]'S-1-1-0'
$rule = [System.Security.AccessControl.RegistryAccessRule]::new($everyone, $case.rights, 'Deny')
if ($case.undo) { $null = $security.RemoveAccessRule($rule) } else { $security.AddAccessRule($rule) }
$key.SetAccessControl($security)
$key.Dispose()
"""
_KINDS = {
    "String": "string",
    "ExpandString": "expandstring",
    "MultiString": "multistring",
    "DWord": "dword",
    "QWord": "qword",
    "Binary": "binary",
    "None": "none",
}


def _data(kind: str, data: Any) -> Any:
    """Numbers without sign, bytes as such: what `registry_export` has, too."""
    if kind in ("DWord", "QWord"):
        return data % (1 << (32 if kind == "DWord" else 64))
    return bytes(data) if kind in ("Binary", "None") else data


class PowerShellError(Exception):
    """What a script threw; the trace is for whoever reads the failed test."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


class PowerShellHost:
    """A host of its own, cloned from the fleet's template and thrown away afterwards; no listener, no agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "drive_c"
        state = state_directory()
        prefix.clone(prefix.prepare_template(state, prepare_engine(state)), folder)
        registry.append(folder / "system.reg", IDENTITY.registry())
        # As the fleet does, or Wine overwrites the computer's name
        registry.append(folder / "user.reg", {r"Software\Wine\Network": {"UseDnsComputerName": "N"}})
        self.place = self.disk / "unit"
        self.place.mkdir()
        specification = importlib.util.find_spec("ansible")
        assert specification and specification.submodule_search_locations
        ansible = Path(specification.submodule_search_locations[0])
        core = ansible / "module_utils"
        for file in (
            FOLDER / "driver.ps1",
            core / "csharp/Ansible.Basic.cs",
            core / "powershell/Ansible.ModuleUtils.AddType.psm1",
            ansible.parent / "ansible_collections/ansible/windows/plugins/module_utils/WebRequest.psm1",
            *(ROOT / "plugins/module_utils").glob("_*.*"),
            *(ROOT / "plugins/modules").glob("*.ps1"),
        ):
            shutil.copy(file, self.place)
        basic = (self.place / "Ansible.Basic.cs").read_text(encoding="utf-8")
        self._invocation_is_an_option = "inject_invocation" in basic
        #: every request with its answer, for replay.py
        self.exchanges: list[dict[str, Any]] = []
        self._pty, terminal = os.openpty()
        self._said = bytearray()
        self._process = subprocess.Popen(
            ["wine", prefix.POWERSHELL, *prefix.SHELL_ARGUMENTS, "-File", r"C:\unit\driver.ps1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=prefix.environment(folder) | prefix.RESIDENT,
            cwd=folder,
        )
        os.close(terminal)
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._line(240) == "ready", self._said.decode(errors="replace")

    def _listen(self) -> None:
        """Keep what the process says on standard error, so that it never waits for a reader."""
        while True:
            try:
                data = os.read(self._pty, 65536)
            except OSError:
                return
            if not data:
                return
            self._said += data

    def _line(self, timeout: float) -> str:
        assert self._process.stdout
        until = time.monotonic() + timeout
        line = bytearray()
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, until - time.monotonic()))
            data = os.read(self._process.stdout.fileno(), 1 << 20) if ready else b""
            if not data:
                raise TimeoutError(f"PowerShell does not answer: {self._said.decode(errors='replace')[-2000:]}")
            line += data
        return line.decode().strip().splitlines()[-1]

    def run(self, script: str, case: Any = None, timeout: float = 240) -> Any:
        """Run a script; `$case` is the case as hashtables and lists. Its output as JSON has it, one object bare.

        Raises:
            PowerShellError: when the script throws.
        """
        request = {"script": "param($case)\n" + script, "case": case}
        answer = self.answer(request, timeout)
        self.exchanges.append({"request": request, "answer": answer})
        if "error" in answer:
            raise PowerShellError(answer["error"], answer["trace"])
        return answer.get("value")

    def answer(self, request: Mapping[str, Any], timeout: float = 240) -> dict[str, Any]:
        """What driver.ps1 answers: the value, or the error and its trace."""
        assert self._process.stdin
        self._process.stdin.write(base64.b64encode(json.dumps(request).encode()) + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(base64.b64decode(self._line(timeout)))
        return answer

    def save(self, folder: Path) -> None:
        """Write what replay.py needs: the scripts that the process was started with, and the exchanges so far."""
        shutil.copytree(self.place, folder, dirs_exist_ok=True)
        (folder / "exchanges.json").write_text(json.dumps(self.exchanges, indent=1) + "\n", encoding="utf-8")

    def each(self, script: str, cases: list[Any]) -> list[Any]:
        """Run a script for each case in one call: its output, or the text of what it threw."""
        loop = """foreach ($one in $case) {
            $result = try { & { param($case)\n%s\n} $one } catch { $_.Exception.Message }
            , @(, $result)
        }"""
        results = self.run("$all = @(" + loop % script + "); , $all", cases)
        assert len(results) == len(cases)
        return [result[0] for result in results]

    def module(
        self, name: str, options: Mapping[str, Any] | None = None, *, check: bool = False, invocation: bool = False
    ) -> dict[str, Any]:
        """The result of a whole module, with the parameters that Ansible would give it, also of one that fails.

        invocation: the result has the options; with ansible-core before 2.21 it always does.
        """
        parameters = {"_ansible_module_name": f"infoprotect.aip.{name}", "_ansible_check_mode": check}
        if invocation and self._invocation_is_an_option:
            parameters["_ansible_inject_invocation"] = True
        case = {"file": rf"C:\unit\{name}.ps1", "parameters": {**(options or {}), **parameters, "_ansible_diff": True}}
        result: dict[str, Any] = json.loads(self.run(_MODULE, case))
        return result

    def registry(self, *paths: str) -> Registry:
        """Keys (HKLM\\...) with all below, as .NET reads them, which owes nothing to the collection."""
        found = self.run(_REGISTRY, [path.partition("\\")[2] for path in paths]) or []
        return {key: {name: (_KINDS[kind], _data(kind, data)) for name, kind, data in values} for key, values in found}

    @contextmanager
    def identity(self, **differs: Any) -> Iterator[None]:
        """The host is another one (attributes of winfleet's Identity), as far as that is in the registry."""
        ours = IDENTITY.registry()
        others = replace(IDENTITY, **differs).registry()
        other = {
            (key, name): data
            for key, values in others.items()
            for name, data in values.items()
            if isinstance(data, (str, int)) and ours.get(key, {}).get(name) != data
        }
        back = [[key, name, ours.get(key, {}).get(name)] for key, name in other]
        self.run(_SET, [[key, name, data] for (key, name), data in other.items()])
        try:
            yield
        finally:
            self.run(_SET, back)
            self.run(_REMOVE, [key for key in others if key not in ours])

    @contextmanager
    def denied(self, key: str, rights: str) -> Iterator[None]:
        """Deny everyone these rights on a key below HKLM."""
        case = {"key": key, "rights": rights}
        self.run(_DENY, case)
        try:
            yield
        finally:
            self.run(_DENY, case | {"undo": True})

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
        prefix.stop(self.folder)
        os.close(self._pty)


@contextmanager
def placed(file: Path) -> Iterator[None]:
    """A file that is there within a block; its folders go with it."""
    made = next(path for path in reversed([file, *file.parents]) if not path.exists())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    try:
        yield
    finally:
        file.unlink()
        for path in file.parents:
            if path.is_relative_to(made):
                path.rmdir()
