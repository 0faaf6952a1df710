"""What modules would refuse is refused on the controller; texts that YAML reads as something else with 'quote it'."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.infoprotect.aip.plugins.plugin_utils._checked_action import check_options
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import (
    MODULES,
    SECRETS,
    mistyped,
    of_module,
)
from ansible_collections.infoprotect.aip.plugins.plugin_utils.variables import specs

DIGITS = "0123456789" * 4
NUMBER = "Quote it, since YAML reads 3.10 as 3.1 and 0123 as 83"
SPECS: dict[str, Any] = {
    "version": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "port": {"type": "int"},
    "minimum": {"type": "str", "choices": ["1.2"]},
    "names": {"type": "list", "elements": "str"},
    "data": {"type": "raw"},
    "client": {"type": "dict", "options": {"version": {"type": "str"}}},
    "values": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}}},
}


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("version: 3.10", [f"version is a number (3.1): expected text. {NUMBER}"]),
        ("version: 3", [f"version is a number (3): expected text. {NUMBER}"]),
        (f"version: 1{DIGITS}", [f"version is a number (1{DIGITS}): expected text. {NUMBER}"]),
        ("version: 0123", [f"version is a number (83): expected text. {NUMBER}"]),
        (
            "version: no",
            ["version is a truth value (false): expected text. Quote it, since YAML reads yes, no, on and"],
        ),
        ("version: 2026-11-30", ["version is a date (2026-11-30): expected text. Quote it, since YAML reads"]),
        ("secret: 0123", ["secret is a number: expected text."]),
        ("names: [FS01$, 0123]", ["names is a number (83): expected text."]),
        ("names: 12", ["names is a number (12): expected text."]),
        ("client: {version: 3.10}", ["client.version is a number (3.1): expected text."]),
        ("values: [{name: a}, {name: on}]", ["values.name is a truth value (true): expected text."]),
        ("version: [3.1]", ["version is a list: expected text"]),
        ("secret: {a: b}", ["secret is a dictionary: expected text"]),
        ("names: [[a], {b: c}]", ["names is a list: expected text", "names is a dictionary: expected text"]),
        ("values: [5, null]", ["values has a value that is no dictionary: expected options and their values"] * 2),
        ("version: '3.10'", []),
        ("version: 3.1.310", []),
        ("version:", []),
        # what has choices is compared with them, and these are no texts
        ("{minimum: 1.2, port: 8080, data: 3.10, names: [a], client: {version: '3.10'}, values: [], other: 1}", []),
    ],
)
def test_texts(text: str, errors: list[str]) -> None:
    found = list(mistyped(SPECS, yaml.safe_load(text)))
    assert len(found) == len(errors)
    for one, expected in zip(found, errors, strict=True):
        assert one.startswith(expected)


@pytest.mark.parametrize(
    ("module", "arguments", "place"),
    [
        ("client", {"product": "purview", "version": 3.1}, "version"),
        ("connector", {"version": 3.1}, "version"),
        ("connector_https", {"thumbprint": int(f"1{DIGITS}")}, "thumbprint"),
        ("desired_state", {"client": {"product": "purview", "version": 3.1}}, "client.version"),
        ("protection_service_administrator", {"certificate_thumbprint": int(f"1{DIGITS}")}, "certificate_thumbprint"),
        ("protection_service_administrator", {"groups": ["a", 0o17]}, "groups"),
        ("registry_values", {"values": [{"path": "HKLM:\\SOFTWARE\\Unit", "name": 12}]}, "values.name"),
        # of a fragment
        ("client", {"product": "purview", "checksum": int(f"1{DIGITS}")}, "checksum"),
    ],
)
def test_options_of_modules(module: str, arguments: dict[str, Any], place: str) -> None:
    with pytest.raises(AnsibleActionFail, match=rf"^{place} is a number"):
        check_options(f"infoprotect.aip.{module}", arguments)


@pytest.mark.parametrize(
    "module", ["client", "connector", "connector_https", "desired_state", "protection_service_administrator"]
)
def test_modules_with_versions_thumbprints_and_secrets_check_them(module: str) -> None:
    """Which of their options the rule is for, so that none is missed when a type changes."""
    assert (MODULES.parent / "action" / f"{module}.py").exists()
    probe = {name: 3.1 for name, spec in of_module(module).items() if spec["type"] == "str" and "choices" not in spec}
    assert len(list(mistyped(of_module(module), probe))) == len(probe)


@pytest.mark.parametrize(
    "variable",
    [
        "aip_client_version",
        "rms_connector_version",
        "rms_connector_certificate_thumbprint",
        "rms_authorization_tenant_certificate_thumbprint",
    ],
)
def test_variables_of_roles(variable: str) -> None:
    (error,) = mistyped(specs(), {variable: 3.1})
    assert error.startswith(f"{variable} is a number")


VALUE = {"path": "HKLM:\\SOFTWARE\\Unit", "name": "x", "data": "Geheim!1", "sensitive": True}


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("registry_values", {"values": [VALUE | {"state": "gone"}]}, "value of state must be one of: present, absent"),
        ("registry_values", {"values": [VALUE | {"sensitive": "perhaps"}]}, "unable to convert to bool"),
        ("registry_values", {"values": [VALUE, {"name": "y"}]}, "missing required arguments: path"),
        (
            "registry_values",
            {"values": [VALUE], "purge": [{"path": "x", "kept": []}]},
            "Unsupported parameters: .*kept",
        ),
        ("registry_values", {"values": [VALUE], "dta": 1}, "Unsupported parameters: dta. Supported .*purge, values"),
        ("registry_values", {"values": VALUE}, "unable to convert to list"),
        ("registry_values", {"values": [VALUE, "Geheim!1"]}, "unable to convert to dict"),
        ("registry_values", {"values": [VALUE, {1: 2}]}, "Unsupported parameters: values.1"),
        ("protection_service_administrator", {"client_secrte": "Geheim!1"}, "Unsupported parameters: client_secrte"),
        (
            "protection_service_administrator",
            {"client_secret": "Geheim!1", "cloud": "x"},
            "value of cloud must be one of",
        ),
        ("connector_https", {"pfx_password": "Geheim!1", "port": "x"}, "argument 'port'"),
        ("client", {"url_password": "Geheim!1"}, "missing required arguments: product"),
        ("client", {"product": "purview", "url_password": "Geheim!1", "reboot": "x"}, "argument 'reboot'"),
    ],
)
def test_options_that_a_module_would_refuse(module: str, arguments: dict[str, Any], message: str) -> None:
    """Its result would have all of them, on ansible-core 2.16 with sensitive data."""
    with pytest.raises(AnsibleActionFail, match=message) as caught:
        check_options(f"infoprotect.aip.{module}", arguments)
    assert "Geheim" not in str(caught.value)


@pytest.mark.parametrize("value", [4711, ["Geheim!1"], {"a": "Geheim!1"}])
def test_a_secret_of_another_type_is_not_repeated(value: object) -> None:
    with pytest.raises(AnsibleActionFail, match=r"^pfx_password is a") as caught:
        check_options("infoprotect.aip.connector_https", {"pfx_password": value})
    assert str(value) not in str(caught.value) and "Geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("registry_values", {"values": [VALUE, {"path": "HKLM:\\X", "data": 5, "view": 64}], "purge": None}),
        ("registry_values", {"values": ["path=HKLM:\\X name=y"]}),
        ("connector_https", {"state": None, "port": "8443", "pfx_password": None}),
        ("desired_state", {"tls": {"explicit": "yes", "parts": "dotnet,winhttp"}, "client": None}),
        ("client", {"product": "purview", "reboot": "yes", "arguments": ["/quiet"], "timeout": "60"}),
        # of ansible-core, when the task is tried again
        ("connector_https", {"_ansible_check_mode": False, "_ansible_verbosity": 3}),
    ],
)
def test_options_that_a_module_takes(module: str, arguments: dict[str, Any]) -> None:
    check_options(f"infoprotect.aip.{module}", arguments)


@pytest.mark.parametrize("module", sorted(path.stem for path in MODULES.glob("*.ps1")))
def test_modules_with_secrets_have_their_options_checked(module: str) -> None:
    options = of_module(module)
    action = MODULES.parent / "action" / f"{module}.py"
    if SECRETS & options.keys() or any("sensitive" in spec.get("options", {}) for spec in options.values()):
        assert any(base in action.read_text(encoding="utf-8") for base in ("(CheckedAction)", "(InstallerAction)"))
