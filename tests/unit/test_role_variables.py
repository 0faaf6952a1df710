"""Flat variables, argument specs and module options say the same. Specs in PowerShell: powershell/test_specs.py."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import DOMAINS, GROUPS, Domain
from ansible_collections.infoprotect.aip.plugins.plugin_utils.variables import known_names

ROOT = Path(__file__).resolve().parents[2]


ROLES = ("aip_tls", "aip_client", "aip_scanner", "rms_connector", "irm_server")
#: Restarts are one variable for all; an installation logs where the collection logs.
NO_VARIABLES = {"reboot", "reboot_timeout", "log_path", "timeout", "busy_timeout", "arguments", "publisher"}
NO_VARIABLES |= {"url_timeout", "validate_certs", "use_proxy", "proxy_username", "proxy_password"}
#: Variables that are an option of no module, or of more than one
OF_THE_ROLE = {
    "aip_reboot",
    "irm_server_discovery_ca_path",
    "irm_server_discovery_password",
    "irm_server_discovery_username",
    "irm_server_use_reg",
    "rms_connector_pool",
    "rms_connector_sign_in",
    "rms_connector_sign_in_timeout",
    "rms_connector_url_force",
    "rms_connector_verify_timeout",
}


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def specs(role: str) -> dict[str, Any]:
    return load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def options(domain: str) -> dict[str, Any]:
    return load(f"plugins/modules/{domain}.yml")["DOCUMENTATION"]["options"]


def installer_options() -> dict[str, Any]:
    fragments = runpy.run_path(str(ROOT / "plugins/doc_fragments/windows.py"))["ModuleDocFragment"]
    return yaml.safe_load(fragments.INSTALLER)["options"]


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return all(found.get(key) == expected.get(key) for key in ("type", "elements", "choices"))


def tables(domain: Domain) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The modules that a domain's variables are options of, and which is which."""
    yield domain.name, domain.options
    for setup in (domain.setup, domain.dotnet):
        if setup:
            yield setup.module, setup.options


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=list(DOMAINS))
def test_every_option_has_a_variable(domain: Domain) -> None:
    """Those of the module that sets the domain; desired_state has the same, but for what only installs."""
    variables = specs(domain.role)
    known = set(domain.options) | set(domain.setup.options if domain.setup else ())
    own = options(domain.name)
    assert own.keys() - known <= {"pfx", "pfx_content", "configuration_content"}, "the controller fills it in"
    suboptions = options("desired_state")[domain.name]["suboptions"]
    assert domain.options.keys() == suboptions.keys()
    for option, name in domain.options.items():
        assert name in variables and same(variables[name], suboptions[option]), name


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_an_option_of_a_module(role: str) -> None:
    known = {}
    for domain in DOMAINS.values():
        for module, table in tables(domain):
            described = installer_options() | options(module)
            known |= {name: described[option] for option, name in table.items() if domain.role == role}
    for name, spec in specs(role).items():
        if name not in OF_THE_ROLE:
            assert name in known, name
            # a role may take less: the connector needs a newer .NET Framework than the module knows
            choices = known[name].get("choices")
            taken = {**known[name], "choices": spec.get("choices")} if choices else known[name]
            assert same(spec, taken) and set(spec.get("choices") or ()) <= set(choices or ()), name


def test_the_options_of_installers_are_variables() -> None:
    for domain in DOMAINS.values():
        for setup in (domain.setup, domain.dotnet):
            if setup and setup.module not in ("connector_https", "scanner"):
                assert set(installer_options()) - set(setup.options) <= NO_VARIABLES, setup.module


@pytest.mark.parametrize("role", sorted(path.parent.name for path in (ROOT / "roles").glob("*/README.md")))
def test_readme_names_only_variables_that_exist(role: str) -> None:
    """All of them are in the argument specs, which ansible-doc shows. Rows of a README begin with names."""
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| (`.*?`) \|", text)
    named = {name for row in rows for name in re.findall(r"`((?:aip|rms|irm)_\w+)`", row)}
    assert sorted(named - known_names()) == []
    assert f"ansible-doc -t role infoprotect.aip.{role}" in text


@pytest.mark.parametrize("inventory", ["example", "emulated"])
def test_inventories_have_every_group(inventory: str) -> None:
    assert set(load(f"inventories/{inventory}/hosts.yml")) == set(GROUPS)
