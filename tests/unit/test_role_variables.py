"""Flat variables, argument specs and module options say the same. Specs in PowerShell: powershell/test_specs.py."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Domain:
    """A domain of desired_state and the role that has its variables.

    Attributes:
        renamed: option -> variable without the prefix, where that is not the option's name.
        file: of the role's tasks, the one that calls the domain's module.
    """

    role: str
    prefix: str
    renamed: dict[str, str] = field(default_factory=dict)
    file: str = "main"

    def variable(self, option: str) -> str:
        return self.prefix + self.renamed.get(option, option)


DOMAINS = {
    "tls": Domain("aip_tls", "aip_tls_"),
    "client": Domain("aip_client", "aip_client_", file="install"),
    "irm_server": Domain("irm_server", "irm_server_"),
    "connector": Domain("rms_connector", "rms_connector_", file="install"),
    "connector_https": Domain(
        "rms_connector",
        "rms_connector_",
        {
            "state": "certificate_state",
            "thumbprint": "certificate_thumbprint",
            "src": "certificate_pfx",
            "pfx": "certificate_pfx",
            "pfx_content": "certificate_pfx",
            "pfx_password": "certificate_password",
            "port": "certificate_port",
            "expiry_warning_days": "certificate_warning_days",
        },
        file="https",
    ),
    "connector_settings": Domain("rms_connector", "rms_connector_", {"state": "settings_state"}),
    "client_settings": Domain("aip_client", "aip_client_", {"state": "settings_state", "names": "settings_names"}),
}
ROLES = ("aip_tls", "aip_client")
# what an installation has beside the options of the domain: module -> prefix of the role's variables
INSTALLERS = {"client": "aip_client_", "dotnet_framework": "aip_client_dotnet_"}
INSTALLER_MODULES = {*INSTALLERS, "connector"}
# restarts are one variable for all; an installation of the role logs where the collection logs
NO_VARIABLES = {"reboot", "reboot_timeout", "log_path", "timeout", "busy_timeout", "arguments", "publisher"}
NO_VARIABLES |= {"url_timeout", "validate_certs", "use_proxy", "proxy_username", "proxy_password"}
COMMON = {"aip_reboot"}


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


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_option_is_a_variable_of_the_role(domain: str) -> None:
    variables = specs(DOMAINS[domain].role)
    for option, spec in options(domain).items():
        name = DOMAINS[domain].variable(option)
        assert name in variables and same(variables[name], spec), name


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_an_option_of_a_module(role: str) -> None:
    known = {
        domain.variable(option): spec
        for name, domain in DOMAINS.items()
        if domain.role == role
        for option, spec in options(name).items()
    }
    for module, prefix in INSTALLERS.items():
        known |= {prefix + option: spec for option, spec in (options(module) | installer_options()).items()}
    for name, spec in specs(role).items():
        if name not in COMMON:
            assert name in known and same(spec, known[name]), name


@pytest.mark.parametrize("domain", DOMAINS)
def test_desired_state_and_the_role_pass_every_variable_on(domain: str) -> None:
    place = DOMAINS[domain]
    wanted = {option: place.variable(option) for option in options(domain)}
    tasks = load(f"roles/{place.role}/tasks/{place.file}.yml")[0]["block"]
    passed = next(task[f"infoprotect.aip.{domain}"] for task in tasks if f"infoprotect.aip.{domain}" in task)
    names = load("roles/aip_inspect/vars/main.yml")
    # a name of the role's own stands for what it is made of
    asked = {option: names.get(name, name) for option, name in names["aip_inspect_variables"][domain].items()}
    if domain in ("client", "connector"):
        # how it is installed means nothing to the look
        assert asked.keys() == options("desired_state")[domain]["suboptions"].keys()
        wanted |= {
            option: place.prefix + option
            for option in installer_options()
            if place.prefix + option in specs(place.role)
        }
    elif domain == "connector_https":
        # the look opens no PFX, and the role has it on the controller
        assert asked.keys() == options("desired_state")[domain]["suboptions"].keys()
        del wanted["pfx"], wanted["pfx_content"]
    else:
        assert asked.keys() == wanted.keys()
    for option, variable in wanted.items():
        for where in (asked, passed):
            if option in where:
                assert re.findall(r"\b(?:aip|irm_server|rms_connector)_\w+", where[option])[0] == variable
        assert option in passed


@pytest.mark.parametrize("module", INSTALLERS)
def test_the_role_passes_the_options_of_installers_on(module: str) -> None:
    tasks = load("roles/aip_client/tasks/install.yml")[0]["block"]
    passed = next(task[f"infoprotect.aip.{module}"] for task in tasks if f"infoprotect.aip.{module}" in task)
    left_out = set(installer_options()) - set(passed)
    assert left_out <= NO_VARIABLES, f"{module}: the role does not pass on {left_out}"


@pytest.mark.parametrize("role", ["aip_inspect", "aip_settings", "irm_server", "rms_authorization", *ROLES])
def test_readme_names_every_variable(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert [name for name in specs(role) if f"`{name}`" not in text] == []


def test_every_group_of_the_playbooks_has_its_domains() -> None:
    groups = load("roles/aip_inspect/vars/main.yml")["aip_inspect_domains_of_group"]
    assert set(load("playbooks/restore.yml")[0]["hosts"]) == set(groups)
    for playbook in ("audit", "site"):
        assert set(load(f"playbooks/{playbook}.yml")[0]["vars"][f"aip_{playbook}_groups"]) == set(groups), playbook
    for inventory in ("example", "emulated"):
        assert set(load(f"inventories/{inventory}/hosts.yml")) == set(groups), inventory


def test_empty_variable_leaves_its_option_out() -> None:
    """As an unanswered question of a survey does: the modules refuse empty texts."""
    checked = 0
    for file in sorted((ROOT / "roles").glob("*/tasks/*.yml")):
        for module, arguments in module_calls(yaml.safe_load(file.read_text(encoding="utf-8"))):
            known = options(module) | (installer_options() if module in INSTALLER_MODULES else {})
            for name, value in arguments.items():
                if known[name]["type"] == "str" and re.fullmatch(
                    r"\{\{ \w+ \| default\(omit(, \w+)?\) \}\}", str(value)
                ):
                    assert "default(omit, true)" in value, f"{file.relative_to(ROOT)}: {module}.{name}"
                    checked += 1
    assert checked > 50


def module_calls(tasks: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The modules of PowerShell that tasks call, also those within blocks, with their arguments."""
    for task in tasks:
        for key, value in task.items():
            module = key.removeprefix("infoprotect.aip.")
            if key in ("block", "rescue", "always"):
                yield from module_calls(value)
            elif module != key and (ROOT / f"plugins/modules/{module}.ps1").exists():
                yield module, value or {}
