"""drift_info: what the variables come to, before a host is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.plugins.loader import action_loader
from ansible.template import Templar

DOMAINS = {
    "tls": {"minimum": "aip_tls_minimum", "parts": "aip_tls_parts"},
    "client": {"product": "aip_client_product", "version": "aip_client_version"},
}
COMPLIES = {"compliant": True, "domains": {"tls": {"compliant": True}}, "host": {}, "changed": True, "diff": {"a": 1}}
TOO_OLD = "This module requires PowerShell v5.1"


@dataclass
class Host:
    """Answers the module; `asked` is what it was asked for."""

    answer: dict[str, Any] = field(default_factory=lambda: dict(COMPLIES))
    asked: list[dict[str, Any]] = field(default_factory=list)

    def look(self, variables: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        arguments = {"domains": DOMAINS, "unconditional": ["tls"], **options}
        task = Task.load({"infoprotect.aip.drift_info": arguments}, loader=DataLoader())
        task.args = arguments
        action = action_loader.get(
            "infoprotect.aip.drift_info",
            task=task,
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
            play_context=SimpleNamespace(),
            loader=DataLoader(),
            templar=Templar(loader=DataLoader(), variables=variables or {}),
            shared_loader_obj=None,
        )

        def execute_module(module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
            assert (module_name, task.check_mode) == ("infoprotect.aip.desired_state", True)
            self.asked.append(dict(module_args))
            module_args["_ansible_check_mode"] = True
            return dict(self.answer)

        action._execute_module = execute_module
        return dict(action.run(task_vars=variables or {}))


def test_variables_become_options() -> None:
    host = Host()
    variables = {"aip_tls_minimum": "1.2", "aip_client_product": "purview", "aip_client_version": ""}
    look = host.look(variables)
    assert host.asked == [{"tls": {"minimum": "1.2"}, "client": {"product": "purview"}}] == [look["looked_for"]]
    assert look["compliant"] and look["looked"] and not look["changed"] and "diff" not in look


def test_what_is_not_defined_is_left_out() -> None:
    host = Host()
    host.look({"aip_client_product": None})
    assert host.asked == [{"tls": {}}]


def test_what_was_looked_for_is_not_looked_for_again() -> None:
    host = Host()
    first = host.look()
    again = host.look(previous=first)
    assert len(host.asked) == 1 and not again["looked"] and again == {**first, "looked": False}
    assert host.look({"aip_tls_minimum": "1.2"}, previous=first)["looked"]


def test_a_domain_that_waits() -> None:
    host = Host()
    waiting = {"client": "somebody is asked", "irm_server": "not among the domains"}
    look = host.look({"aip_client_product": "purview"}, waiting=waiting)
    assert host.asked == [{"tls": {}}] and look["waiting"] == {"client": "somebody is asked"}
    assert not look["compliant"] and look["domains"]["client"]["refused"] == ["somebody is asked"]
    # without variables nobody waits for it
    assert host.look(waiting=waiting)["compliant"]


def test_a_host_whose_powershell_is_too_old() -> None:
    look = Host({"failed": True, "msg": TOO_OLD}).look()
    assert not look.get("failed") and not look["compliant"] and look["host"] == {}
    assert "install Windows Management Framework 5.1" in look["finding"] and TOO_OLD in look["finding"]


def test_a_look_that_fails() -> None:
    """It is made again when it is asked for again."""
    look = Host({"failed": True, "msg": "no such registry"}).look()
    assert look["failed"] and look["msg"] == "no such registry"
    assert "looked_for" not in look, "which may hold what was refused"
    assert Host().look(previous=look)["looked"]


@pytest.mark.parametrize(
    ("role", "name", "value"),
    [
        ("rms_connector", "rms_connector_url", "http://me:Secret!1@rms.contoso.com"),
        ("rms_connector", "rms_connector_proxy_address", "me:Secret!1@proxy:3128"),
        ("irm_server", "irm_server_connector_url", "http://me:Secret!1@rms.contoso.com"),
        ("aip_client", "aip_client_path", "https://me:Secret!1@packages.contoso.com/x.msi"),
    ],
)
def test_addresses_with_a_password_are_refused_and_not_repeated(role: str, name: str, value: str) -> None:
    host = Host()
    with pytest.raises(AnsibleActionFail, match=f"{name} is one with a name or password in it") as error:
        host.look({name: value}, roles=[role])
    assert "Secret" not in str(error.value) and host.asked == []
    # a password may look like an address
    assert host.look({"rms_connector_certificate_password": value}, roles=["rms_connector"])["compliant"]


@pytest.mark.parametrize(
    ("role", "variables", "expected"),
    [
        ("aip_tls", {"aip_tls_minimum": "1.1"}, ["aip_tls_minimum", "1.1", "1.2"]),
        ("aip_tls", {"aip_tls_minimum": 1.1}, ["aip_tls_minimum", "1.1", "1.2"]),
        ("aip_tls", {"aip_tls_parts": ["everything"]}, ["aip_tls_parts", "everything"]),
        (
            "aip_client",
            {"aip_client_use_default_credentials_in_proxy": "perhaps"},
            ["aip_client_use_default_credentials_in_proxy"],
        ),
        ("aip_inspect", {"aip_domains": ["tsl"]}, ["aip_domains", "tsl", "tls"]),
    ],
)
def test_bad_variables_are_named_before_the_host_is_asked(
    role: str, variables: dict[str, Any], expected: list[str]
) -> None:
    host = Host()
    with pytest.raises(AnsibleActionFail, match="Validation of arguments failed") as error:
        host.look(variables, roles=[role])
    assert all(text in str(error.value) for text in expected) and host.asked == []


def test_bad_options_of_the_look() -> None:
    host = Host()
    with pytest.raises(AnsibleActionFail, match="roles has nobody"):
        host.look(roles=["nobody"])
    with pytest.raises(AnsibleActionFail, match="domains"):
        host.look(domains=None)
    assert host.asked == []


def test_a_version_that_yaml_made_a_number_of() -> None:
    host = Host()
    with pytest.raises(AnsibleActionFail, match=r"aip_client_version is a number \(3\.1\): expected text\. Quote it"):
        host.look({"aip_client_product": "purview", "aip_client_version": 3.10}, roles=["aip_client"])
    assert not host.asked
