"""Flat variables, argument specs and module options say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# role -> its domain of desired_state, the prefix of its variables, and names that differ from prefix + option
ROLES = {
    "aip_tls": ("tls", "aip_tls_", {}),
    "aip_client": ("client_settings", "aip_client_", {"state": "settings_state", "names": "settings_names"}),
}
COMMON = {"aip_reboot"}


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def specs(role: str) -> dict[str, Any]:
    return load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def options(domain: str) -> dict[str, Any]:
    return load(f"plugins/modules/{domain}.yml")["DOCUMENTATION"]["options"]


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_a_variable_of_the_role(role: str) -> None:
    domain, prefix, renamed = ROLES[role]
    expected = {prefix + renamed.get(option, option): spec for option, spec in options(domain).items()}
    found = {name: spec for name, spec in specs(role).items() if name not in COMMON}
    assert found.keys() == expected.keys()
    for name, spec in found.items():
        for key in ("type", "elements", "choices"):
            assert spec.get(key) == expected[name].get(key), f"{name}: {key}"


@pytest.mark.parametrize("role", ROLES)
def test_desired_state_and_the_role_pass_every_variable_on(role: str) -> None:
    domain, prefix, renamed = ROLES[role]
    wanted = {option: prefix + renamed.get(option, option) for option in options(domain)}
    tasks = load(f"roles/{role}/tasks/main.yml")[0]["block"]
    passed = next(task[f"infoprotect.aip.{domain}"] for task in tasks if f"infoprotect.aip.{domain}" in task)
    for where in (load("roles/aip_inspect/vars/main.yml")["aip_inspect_variables"][domain], passed):
        assert {option: re.findall(r"\baip_\w+", text)[0] for option, text in where.items()} == wanted


@pytest.mark.parametrize("domain", [domain for domain, _prefix, _renamed in ROLES.values()])
def test_desired_state_has_the_options_of_the_domains_module(domain: str) -> None:
    suboptions = options("desired_state")[domain]["suboptions"]
    for name, spec in options(domain).items():
        for key in ("type", "elements", "choices", "default"):
            assert suboptions[name].get(key) == spec.get(key), f"{domain}.{name}: {key}"


@pytest.mark.parametrize("role", ["aip_inspect", "aip_settings", *ROLES])
def test_readme_names_every_variable(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert [name for name in specs(role) if f"`{name}`" not in text] == []


def test_every_group_of_the_playbooks_has_its_domains() -> None:
    groups = load("roles/aip_inspect/vars/main.yml")["aip_inspect_domains_of_group"]
    for playbook in ("site", "audit", "restore"):
        assert set(load(f"playbooks/{playbook}.yml")[0]["hosts"]) == set(groups), playbook
    for inventory in ("example", "emulated"):
        assert set(load(f"inventories/{inventory}/hosts.yml")) == set(groups), inventory
