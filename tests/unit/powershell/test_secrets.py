"""Secrets among the options of a module are in no result, also where the module refuses another option."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import MODULES, SECRETS, of_module
from powershell_host import PowerShellHost

NAMES = sorted(path.stem for path in MODULES.glob("*.ps1"))
SECRET = "Geheim!1"
#: no_log only where the address that they are given holds a password
SOMETIMES = {"path", "proxy_url"}
#: What ansible-test does to read an argument spec
SPEC = r"""
function Find-Option($options, $place) {
    foreach ($name in $options.Keys) {
        @{ name = "$place$name"; hidden = [bool]$options[$name].no_log }
        if ($options[$name].options) { Find-Option $options[$name].options "$place$name." }
    }
}
[Ansible.Basic.AnsibleModule]::Exit = { param ($code) throw "the module ended with $code" }
[Ansible.Basic.AnsibleModule]::_DebugArgSpec = $true
try {
    $global:complex_args = @{}
    & ([scriptblock]::Create([IO.File]::ReadAllText($case)))
}
catch {
    if (-not $global:ansibleTestArgSpec) { throw }
}
finally {
    [Ansible.Basic.AnsibleModule]::_DebugArgSpec = $false
}
$found = @(Find-Option $global:ansibleTestArgSpec.options '')
$global:ansibleTestArgSpec = $null
, $found
"""


def documented(options: dict[str, Any], place: str = "") -> Iterator[tuple[str, bool]]:
    for name, option in options.items():
        yield f"{place}{name}", option["no_log"]
        yield from documented(option.get("options", {}), f"{place}{name}.")


@pytest.mark.parametrize("module", NAMES)
def test_controller_knows_the_options_and_the_secrets_among_them(powershell: PowerShellHost, module: str) -> None:
    found = powershell.run(SPEC, rf"C:\unit\{module}.ps1") or []
    spec = {one["name"]: one["hidden"] and one["name"] not in SOMETIMES for one in found}
    assert spec == dict(documented(of_module(module)))


def refusals(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For each kind of check an option that does not pass it."""
    yield {"nonsense": 1}
    for name, option in options.items():
        if "choices" in option or option["type"] in ("int", "bool"):
            yield {name: "nonsense"}


@pytest.mark.parametrize("module", [name for name in NAMES if SECRETS & of_module(name).keys()])
def test_secrets_beside_a_refused_option(powershell: PowerShellHost, module: str) -> None:
    """ansible-core hides them itself, since they are options of the module and not of an element."""
    options = of_module(module)
    secrets = dict.fromkeys(sorted(SECRETS & options.keys()), SECRET)
    for refused in refusals(options):
        result = powershell.module(module, {**secrets, **refused}, invocation=True)
        assert result["failed"], refused
        assert set(result["invocation"]["module_args"]) >= secrets.keys()
        assert SECRET not in json.dumps(result), refused
