"""Options are declared once, in PowerShell. Documentation and roles, which have to repeat them, say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from ansible_collections.infoprotect.aip.plugins.doc_fragments.windows import ModuleDocFragment
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import DOMAINS
from powershell_host import ROOT, PowerShellHost

pytestmark = pytest.mark.replayed

MODULES = sorted(file.stem for file in (ROOT / "plugins/modules").glob("*.ps1"))
SECRET = re.compile(r"(?:password|secret|token|pfx_content)$")

# The whole spec of a module, as the test validate-modules of ansible-test has it (ps_argspec.ps1).
SPECS = r"""
$global:complex_args = @{}
[Ansible.Basic.AnsibleModule]::Exit = { param ($code) throw "the module ended with $code" }
[Ansible.Basic.AnsibleModule]::_DebugArgSpec = $true
$specs = @{}
try {
    foreach ($name in $case) {
        $global:ansibleTestArgSpec = $null
        try {
            & ([scriptblock]::Create([IO.File]::ReadAllText("C:\unit\$name.ps1")))
        }
        catch {
            if (-not $ansibleTestArgSpec) { throw }
        }
        $specs[$name] = $ansibleTestArgSpec
    }
}
finally {
    [Ansible.Basic.AnsibleModule]::_DebugArgSpec = $false
}
$specs
"""
Options = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def specs(powershell: PowerShellHost) -> dict[str, Any]:
    found: dict[str, Any] = powershell.run(SPECS, MODULES)
    return found


def described(module: str) -> Options:
    """The options in the sidecar of a module and in its fragments."""
    text = (ROOT / f"plugins/modules/{module}.yml").read_text(encoding="utf-8")
    documentation = yaml.safe_load(text)["DOCUMENTATION"]
    options: Options = {}
    for fragment in documentation.get("extends_documentation_fragment", []):
        name = fragment.removeprefix("infoprotect.aip.windows").removeprefix(".").upper() or "DOCUMENTATION"
        options |= yaml.safe_load(getattr(ModuleDocFragment, name)).get("options") or {}
    return options | (documentation.get("options") or {})


def facts(options: Mapping[str, Any] | None, nested: str) -> Options:
    """What a declaration says of each option, suboptions included."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "choices": option.get("choices"),
            "default": option.get("default"),
            "required": bool(option.get("required")),
            "options": facts(option.get(nested), nested),
        }
        for name, option in (options or {}).items()
    }


@pytest.mark.parametrize("module", MODULES)
def test_sidecars_say_what_the_utilities_declare(specs: dict[str, Any], module: str) -> None:
    assert facts(described(module), "suboptions") == facts(specs[module]["options"], "options")


@pytest.mark.parametrize("module", MODULES)
def test_secrets_are_hidden(specs: dict[str, Any], module: str) -> None:
    options = specs[module]["options"]
    declared = [options, *(option["options"] for option in options.values() if option.get("options"))]
    hidden = {name for one in declared for name, option in one.items() if option.get("no_log")}
    assert hidden == {name for one in declared for name in one if SECRET.search(name)}


@pytest.mark.parametrize("module", MODULES)
def test_what_others_depend_on_has_a_value(specs: dict[str, Any], module: str) -> None:
    """ansible-core 2.16 fails with a null reference where the option that required_if names has none."""
    for spec in (specs[module], *specs[module]["options"].values()):
        for name, *_rest in spec.get("required_if") or []:
            assert "default" in spec["options"][name] or spec["options"][name].get("required"), name


def test_secrets_of_roles_are_hidden() -> None:
    shown = [
        f"{file.parents[1].name}: {name}"
        for file in (ROOT / "roles").glob("*/meta/argument_specs.yml")
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"].values()
        for name, option in (entry.get("options") or {}).items()
        if SECRET.search(name) and not option.get("no_log")
    ]
    assert shown == []


def variables_of_domains() -> list[tuple[str, str, str, str]]:
    """Domain, option, role and variable of the operator, by the table of domains."""
    return [
        (domain.name, option, domain.role, variable)
        for domain in DOMAINS.values()
        for option, variable in domain.options.items()
    ]


def test_variables_are_of_the_types_of_their_options(specs: dict[str, Any]) -> None:
    """Every option of desired_state has its variable. Without a value the module's default applies."""
    domains = specs["desired_state"]["options"]
    table = variables_of_domains()
    assert {(domain, option) for domain, option, *_variable in table} == {
        (domain, option) for domain, spec in domains.items() for option in spec["options"]
    }
    for domain, option, role, variable in table:
        text = (ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8")
        of_role = yaml.safe_load(text)["argument_specs"]["main"]["options"]
        found = facts({variable: of_role[variable]}, "options")[variable]
        wanted = facts(domains[domain]["options"], "options")[option]
        assert found == wanted | {"default": None, "required": False}, variable
