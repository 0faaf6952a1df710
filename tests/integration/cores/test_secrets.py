"""Secrets at -vvv on the oldest and the newest ansible-core: beside options that are refused, and in a PFX."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from ..ansible_runner import Json, ansible_of, reset_hosts
from ..certificates import NAME, PASSWORD, make_certificate, served
from ..secrets_watch import no_secret_shows

HOST = "connector-3"
SECRET = "Beside-Geheim-4711"
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
VAULT = "vault-Passwort-0815"
#: A variable, as users have it
GIVEN = "{{ secret }}"
VALUE: Json = {"path": r"HKLM:\SOFTWARE\infoprotect-secrets", "name": "x", "data": GIVEN, "sensitive": True}
INSTALLER: Json = dict.fromkeys(("share_password", "url_password", "proxy_password"), GIVEN)
TENANT: Json = dict.fromkeys(("password", "client_secret", "access_token"), GIVEN)
#: module: options with all of its secrets, options with which it does not refuse them
MODULES: dict[str, tuple[Json, Json]] = {
    "registry_values": ({"values": [VALUE]}, {}),
    "client": (INSTALLER, {"product": "purview"}),
    "connector": (INSTALLER, {}),
    "dotnet_framework": (INSTALLER, {"version": "4.8"}),
    "connector_https": ({"pfx_password": GIVEN, "pfx_content": GIVEN}, {"thumbprint": "A" * 40}),
    "protection_service": (TENANT, {"ipcv3": True}),
    "protection_service_info": (TENANT, {}),
    "protection_service_log": (TENANT, {"path": r"C:\logs", "from": "2026-11-01"}),
    "protection_service_template": (TENANT, {"templates": []}),
    "exchange_irm": ({"password": GIVEN}, {"state": "absent", "username": "a@contoso.com"}),
    "protection_service_administrator": (TENANT, {"emails": ["a@contoso.com"]}),
}
#: What the controller refuses: name, module, options beside the secrets
REFUSED: list[tuple[str, str, Json]] = [
    *((f"unknown, {module}", module, {**sound, "nonsense": 1}) for module, (_secrets, sound) in MODULES.items()),
    *(
        (f"misspelled, {module}", module, {**sound, f"{next(iter(secrets))}s": GIVEN})
        for module, (secrets, sound) in MODULES.items()
    ),
    *(
        (f"another type, {module}", module, {**sound, next(iter(secrets)): [{"a": GIVEN}]})
        for module, (secrets, sound) in MODULES.items()
    ),
    ("choice, value", "registry_values", {"values": [VALUE, VALUE | {"state": "gone"}]}),
    ("choice, value before", "registry_values", {"values": [{"path": "x", "type": "gone"}, VALUE]}),
    ("sensitive itself", "registry_values", {"values": [VALUE | {"sensitive": "perhaps"}]}),
    ("no path", "registry_values", {"values": [VALUE, {"name": "y", "data": GIVEN, "sensitive": True}]}),
    ("purge", "registry_values", {"purge": [{"path": "x", "kept": []}]}),
    ("choice, client", "client", {"product": "nonsense"}),
    ("type, connector", "connector", {"reboot": "perhaps"}),
    ("choice, dotnet_framework", "dotnet_framework", {"version": "4.9"}),
    ("type, connector_https", "connector_https", {"port": "nonsense"}),
    ("choice, protection_service_administrator", "protection_service_administrator", {"cloud": "nonsense"}),
]
#: What only the module refuses
BY_THE_MODULE: list[tuple[str, str, Json]] = [
    ("data", "registry_values", {"values": [VALUE, VALUE | {"name": "y", "type": "dword"}]}),
    ("together", "client", MODULES["client"][1]),
    ("exclusive", "connector_https", {**MODULES["connector_https"][1], "src": "x.pfx"}),
    ("one of", "protection_service_administrator", MODULES["protection_service_administrator"][1]),
]

pytestmark = pytest.mark.hosts(HOST)


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(fleet: None) -> Iterator[None]:
    reset_hosts(HOST)
    yield
    reset_hosts(HOST)


# the oldest is where Ansible itself shows most
@pytest.mark.parametrize("core", ["2.16", pytest.param("2.21", marks=pytest.mark.full)])
def test_secrets_show_nowhere(tmp_path: Path, core: str) -> None:
    """Neither in results and output, nor in a process, nor on the host, also the content of a PFX that is bound."""
    made = make_certificate(tmp_path, f"core-{core}")
    content = made.file.read_bytes()
    made.file.write_bytes(VaultLib([("default", VaultSecret(VAULT.encode()))]).encrypt(content))
    vault = tmp_path / "vault"
    vault.write_text(VAULT, encoding="utf-8")
    tasks: list[Json] = [
        {"name": name, f"infoprotect.aip.{module}": {**MODULES[module][0], **options}, "ignore_errors": True}
        for name, module, options in REFUSED + BY_THE_MODULE
    ]
    pfx = {"thumbprint": made.thumbprint, "url": f"https://{NAME}", "src": str(made.file), "pfx_password": PASSWORD}
    tasks.append({"name": "bind", "infoprotect.aip.connector_https": pfx})
    play = {"name": "secrets", "hosts": HOST, "gather_facts": False, "tasks": tasks}
    text = base64.b64encode(content).decode()
    with no_secret_shows(HOST, SECRET, PASSWORD, VAULT, text, content):
        arguments = ("-vvv", "--diff", f"--vault-password-file={vault}")
        run = ansible_of(core).run([play], *arguments, extra_vars={"secret": SECRET})
    for secret in (SECRET, PASSWORD, VAULT, text):
        assert [name for name, _host, result in run.results if secret in str(result)] == []
        assert secret not in run.stdout + run.stderr
    refused, by_the_module = (
        {name: run.task(name, HOST) for name, *_task in cases} for cases in (REFUSED, BY_THE_MODULE)
    )
    assert [name for name, result in (refused | by_the_module).items() if not result.get("failed")] == []
    assert [name for name, result in refused.items() if "invocation" in result] == [], "the host was asked"
    assert [name for name, result in by_the_module.items() if HIDDEN not in str(result["invocation"])] == []

    bound = run.task("bind", HOST)
    assert "import" in [step["action"] for step in bound["actions"]] and bound["changed"]
    assert bound["invocation"]["module_args"]["pfx_content"] == HIDDEN
    assert served(HOST) == made.thumbprint
