"""What a resident process keeps of one command (compiled C#, parsed scripts) makes no difference to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import ansible
import pytest
from winfleet.paths import CACHE
from winfleet.prefix import COMPILED

from .conftest import Fleet, Result

ADD_TYPE = Path(ansible.__file__).parent / "module_utils/powershell/Ansible.ModuleUtils.AddType.psm1"
COMPILER = "[Microsoft.CodeAnalysis.CSharp.CSharpCompilation].FullName"
#: Parsed as ansible-core parses a module, which counts in its own scope.
PARSED = """
$text = '$script:count++; $script:count'
$tree = [System.Management.Automation.Language.Parser]::ParseInput($text, 'counts.ps1', [ref]$null, [ref]$null)
New-Module -ScriptBlock $tree.GetScriptBlock() | Import-Module
$module = New-Module -ScriptBlock $tree.GetScriptBlock() -ReturnResult
"$module", $tree.FindAll({ $args[0] -is [System.Management.Automation.Language.VariableExpressionAst] }, $true).Count
"""


def compile_and_run(fleet: Fleet, csharp: str, script: str, *others: str, host: str = "alpha") -> Result:
    """Compile C# texts with Ansible's own function, then run the script."""
    texts = ", ".join(f"@'\n{text}\n'@" for text in (csharp, *others))
    text = f"{ADD_TYPE.read_text()}\nAdd-CSharpType -References {texts} -IgnoreWarnings\n{script}\n"
    text = text.replace("Export-ModuleMember -Function Add-CSharpType", "")
    return fleet.powershell(host, "& ([ScriptBlock]::Create((@($input) -join [Environment]::NewLine)))", text.encode())


def compiled_files() -> set[Path]:
    return set((CACHE / COMPILED).iterdir())


def test_static_fields_are_new_for_each_command(fleet: Fleet) -> None:
    csharp = "public static class Counter { public static int Runs = 40; public static object Last; }"
    script = '[Counter]::Runs++; "$([Counter]::Runs)<$([Counter]::Last)>"; [Counter]::Last = "left"'
    for _ in range(2):
        assert compile_and_run(fleet, csharp, script).out.split() == ["41<>"]


def test_the_order_of_texts_does_not_matter(fleet: Fleet) -> None:
    """Ansible's differs from run to run. A script that was parsed before must meet the types that it met then."""
    texts = ["public class First { public Second Other; }", "//TypeAccelerator -Name OrderOne -TypeName Second\n"]
    texts[1] += "public class Second { }"
    script = "[OrderOne].Assembly.FullName; [OrderOne] -eq [First].GetField('Other').FieldType"
    found = [compile_and_run(fleet, one, script, other).out.splitlines() for one, other in (texts, texts[::-1])]
    assert [same for _name, same in found] == ["True", "True"]
    assert len({name for name, _same in found}) == (1 if fleet.mode == "warm" else 2)


def test_an_error_of_the_compiler_shows_the_line(fleet: Fleet) -> None:
    for _ in range(2):
        failed = compile_and_run(fleet, "public class Broken\n{\n    int Missing() { return nothing; }\n}", "")
        assert failed.code == 1
        assert "CS0103" in failed.err
        assert "int Missing() { return nothing; }" in failed.err


def test_a_parsed_script_starts_anew(fleet: Fleet) -> None:
    for _ in range(2):
        assert fleet.powershell("alpha", PARSED).out.split() == ["1", "2"]


def test_a_script_that_does_not_parse_says_why(fleet: Fleet) -> None:
    script = (
        "$wrong = $null; [void] [Management.Automation.Language.Parser]::ParseInput('if (', [ref]$null, [ref]$wrong)"
    )
    for _ in range(2):
        assert int(fleet.powershell("alpha", f"{script}; $wrong.Count").out) > 0


def test_what_one_host_compiled_serves_the_others_and_damage_is_mended(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet("compiled")
    fleet.run("up", "alpha", "beta")
    csharp = f"public static class Shared {{ public static int Answer = 42; }}  // {uuid4()}"
    before = compiled_files()
    assert compile_and_run(fleet, csharp, "[Shared]::Answer").out.split() == ["42"]
    (file,) = compiled_files() - before
    content = file.read_bytes()
    stored = file.stat().st_mtime_ns
    assert compile_and_run(fleet, csharp, "[Shared]::Answer", host="beta").out.split() == ["42"]
    assert (file.stat().st_mtime_ns, compiled_files() - before) == (stored, {file})
    file.write_bytes(content[:-1])
    fleet.run("down", "beta")
    fleet.run("up", "beta")
    assert compile_and_run(fleet, csharp, "[Shared]::Answer", host="beta").out.split() == ["42"]
    assert file.read_bytes()[36:40] == content[36:40]
    assert len(file.read_bytes()) == len(content)
    file.unlink()


@pytest.mark.parametrize(("mode", "switch"), [("warm", "0"), ("warm", "1"), ("cold", "1")])
def test_the_caches_can_be_switched_off(
    make_fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch, mode: str, switch: str
) -> None:
    monkeypatch.setenv("WINFLEET_CACHE", switch)
    fleet = make_fleet(f"switch-{mode}-{switch}", mode)
    fleet.run("up", "alpha")
    cached = fleet.powershell("alpha", COMPILER).out.strip() == "Winfleet.CachedCompilation"
    assert cached == (mode == "warm" and switch == "1")
