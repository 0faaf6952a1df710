"""The role protection_service: its variables are options of its modules, and one admin host has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.infoprotect.aip.plugins.plugin_utils import domains, fleet, variables
from ansible_collections.infoprotect.aip.plugins.plugin_utils._checked_action import check_options
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import of_module

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/protection_service"
SPECS: dict[str, Any] = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"][
    "options"
]
OMIT = "__omitted__"
#: Prefix of variables -> module
MODULES = {
    "protection_service_graph_": "protection_service_graph_info",
    "protection_service_log_": "protection_service_log",
    "protection_service_module_": "protection_service_module",
    "protection_service_": "protection_service",
}
#: Options without a variable: what a run would keep doing, what a playbook says itself, and what the service tells
NO_VARIABLE = {"details", "groups", "restore", "state"}


def owner(variable: str) -> tuple[str, str]:
    """The module and the option of a variable."""
    prefix = next(prefix for prefix in MODULES if variable.startswith(prefix))
    return MODULES[prefix], variable.removeprefix(prefix)


def facts(spec: dict[str, Any]) -> dict[str, Any]:
    found = {key: spec.get(key) for key in ("type", "elements", "choices")}
    return found | {name: facts(option) for name, option in (spec.get("options") or {}).items()}


@pytest.mark.parametrize("variable", SPECS)
def test_variable_is_an_option(variable: str) -> None:
    module, option = owner(variable)
    if variable == "protection_service_templates":
        module = "protection_service_template"
    assert facts(SPECS[variable]) == facts(of_module(module)[option])
    assert f"`{variable}`" in (ROLE / "README.md").read_text(encoding="utf-8")


def test_every_option_has_a_variable() -> None:
    sign_in = of_module("protection_service_info")
    for prefix, module in MODULES.items():
        own = {"force"} if module == "protection_service_log" else set()
        names = {option for option in of_module(module) if module == "protection_service" or option not in sign_in}
        assert {option for option in names if prefix + option not in SPECS} <= NO_VARIABLE | own, module


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"protection_service_activated": False}, ["admin-1"]),
        ({"protection_service_super_users": []}, ["admin-1"]),
        ({"protection_service_templates": [{"id": "x"}]}, ["admin-1"]),
        ({"protection_service_activated": "", "protection_service_username": "a"}, []),
        ({"protection_service_inspection": {"changed": True}}, []),
        ({"protection_service_restore": "latest"}, []),
        ({"protection_service_graph_application_id": "x", "protection_service_graph_accounts": ["a"]}, []),
        ({}, []),
    ],
)
def test_first_admin_host_sets_the_service_where_something_is_asked(
    values: dict[str, Any], expected: list[str]
) -> None:
    known = {
        "groups": {domains.ADMIN_HOSTS: ["admin-0", "admin-1", "admin-2"]},
        "hostvars": {"admin-1": values, "admin-2": {"protection_service_activated": True}},
    }
    assert fleet.protecting(known, ["client-1", "admin-1", "admin-2"]) == expected
    assert fleet.protecting(known | {"ansible_run_tags": ["tls"]}, ["admin-1"]) == []
    assert fleet.protecting(known | {"ansible_skip_tags": ["protection_service"]}, ["admin-1"]) == []


@pytest.mark.parametrize(
    ("admin", "own", "expected"),
    [
        ({"protection_service_graph_application_id": "x"}, {}, ["admin-1"]),
        ({"protection_service_graph_access_token": "x"}, {"protection_service_graph_access_token": "y"}, ["admin-1"]),
        ({}, {"protection_service_graph_access_token": "y"}, ["client-1"]),
        ({"protection_service_graph_application_id": ""}, {"protection_service_graph_accounts": ["a"]}, []),
        ({"protection_service_application_id": "x"}, {}, []),
    ],
)
def test_microsoft_graph_is_read_with_the_variables_of_one_host(
    admin: dict[str, Any], own: dict[str, Any], expected: list[str]
) -> None:
    known = {
        "groups": {domains.ADMIN_HOSTS: ["admin-0", "admin-1"]},
        "hostvars": {"admin-0": {"protection_service_graph_application_id": "x"}, "admin-1": admin, "client-1": own},
        "inventory_hostname": "client-1",
    }
    assert fleet.graph_reader(known, ["client-1", "client-2", "admin-1"]) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"protection_service_graph_tenant_id": "a.test", "protection_service_tenant_id": "guid"}, "a.test"),
        ({"protection_service_tenant_id": "guid"}, "guid"),
        ({"protection_service_graph_tenant_id": "", "rms_authorization_tenant_id": "guid"}, "guid"),
    ],
)
def test_microsoft_graph_may_have_the_tenant_by_another_name(given: dict[str, str], expected: str) -> None:
    loader = DataLoader()
    known = loader.load_from_file(str(ROLE / "vars/main.yml"), trusted_as_template=True) | given
    (task,) = loader.load_from_file(str(ROLE / "tasks/graph.yml"), trusted_as_template=True)
    template = task["infoprotect.aip.protection_service_graph_info"]["tenant_id"]
    assert Templar(loader=loader, variables=known).template(template) == expected


@pytest.mark.parametrize(
    "sign_in",
    [
        {"protection_service_username": "admin@contoso.test", "protection_service_password": "x"},
        {"protection_service_application_id": "id", "protection_service_client_secret": "x"},
        {"protection_service_access_token": "x"},
        {"rms_authorization_tenant_application_id": "id", "rms_authorization_tenant_certificate_thumbprint": "AB"},
    ],
)
def test_settings_are_restored_with_any_sign_in(sign_in: dict[str, str]) -> None:
    loader = DataLoader()
    known = loader.load_from_file(str(ROLE / "vars/main.yml"), trusted_as_template=True)
    (task,) = loader.load_from_file(str(ROLE / "tasks/restore.yml"), trusted_as_template=True)
    templar = Templar(loader=loader, variables=known | sign_in | {"protection_service_restore": "latest", "omit": OMIT})
    options = {name: templar.template(value) for name, value in task["infoprotect.aip.protection_service"].items()}
    given = {name: value for name, value in options.items() if value != OMIT}
    check_options("infoprotect.aip.protection_service", given)
    assert given.pop("restore") == "latest" and given.pop("cloud") == "AzureCloud"
    assert list(given.values()) == list(sign_in.values())


def test_misspelled_variable_is_an_error() -> None:
    (error,) = variables.unknown_names(["protection_service_super_user"])
    assert "Did you mean protection_service_super_users" in error
