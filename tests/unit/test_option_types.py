"""Texts that YAML reads as numbers, truth values and dates are refused with 'quote it'."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.infoprotect.aip.plugins.plugin_utils._text_action import check_texts
from ansible_collections.infoprotect.aip.plugins.plugin_utils.option_types import MODULES, mistyped, of_module
from ansible_collections.infoprotect.aip.plugins.plugin_utils.role_variables import described_by

DIGITS = "0123456789" * 4
NUMBER = "Quote it, since YAML reads 3.10 as 3.1 and 0123 as 83"
SPECS: dict[str, Any] = {
    "version": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "port": {"type": "int"},
    "minimum": {"type": "str", "choices": ["1.2"]},
    "names": {"type": "list", "elements": "str"},
    "data": {"type": "raw"},
    "client": {"type": "dict", "suboptions": {"version": {"type": "str"}}},
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
        ("tenant_administrator", {"certificate_thumbprint": int(f"1{DIGITS}")}, "certificate_thumbprint"),
        ("tenant_administrator", {"groups": ["a", 0o17]}, "groups"),
    ],
)
def test_options_of_modules(module: str, arguments: dict[str, Any], place: str) -> None:
    with pytest.raises(AnsibleActionFail, match=rf"^{place} is a number"):
        check_texts(f"infoprotect.aip.{module}", arguments)


@pytest.mark.parametrize("module", ["client", "connector", "connector_https", "desired_state", "tenant_administrator"])
def test_modules_with_versions_thumbprints_and_secrets_check_them(module: str) -> None:
    """Which of their options the rule is for, so that none is missed when a type changes."""
    assert (MODULES.parent / "action" / f"{module}.py").exists()
    probe = {name: 3.1 for name, spec in of_module(module).items() if spec["type"] == "str" and "choices" not in spec}
    assert len(list(mistyped(of_module(module), probe))) == len(probe)


@pytest.mark.parametrize(
    ("role", "variable"),
    [
        ("aip_client", "aip_client_version"),
        ("rms_connector", "rms_connector_version"),
        ("rms_connector", "rms_connector_certificate_thumbprint"),
        ("rms_authorization", "rms_authorization_tenant_certificate_thumbprint"),
    ],
)
def test_variables_of_roles(role: str, variable: str) -> None:
    (error,) = mistyped(described_by(role), {variable: 3.1})
    assert error.startswith(f"{variable} is a number")
