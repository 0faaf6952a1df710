"""Whatever text an option is given, the module takes it or refuses it by the option's name, not in PowerShell's words.

All runs are in check mode: no installer is started, and nothing is signed in to or written.
"""

from __future__ import annotations

import copy
import re
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from module_cycle import Json
from powershell_host import PowerShellError, PowerShellHost

ROOT = Path(__file__).resolve().parents[3]
MODULES = ROOT / "plugins/modules"
FRAGMENTS = runpy.run_path(str(ROOT / "plugins/doc_fragments/windows.py"))["ModuleDocFragment"]
EMPTY = ["", " "]
ODD = ["x" * 5000, "é[]'\"`$()", "http://[", "a\0b"]
#: How the engine words its own failures; an operator cannot tell from them which option is meant.
ENGINE = re.compile(
    "Cannot (bind|validate|process) argument|Cannot (convert|index|find an overload|overwrite)|null-valued expression"
    "|Exception calling|Exception setting|is not recognized as|A parameter cannot be found|Missing an argument"
    "|Method invocation failed|cannot be found on this object|Unable to find type|Object reference not set|out of range"
)
NAMES = {"product": "unified_labeling"}
SOURCE = {"src": "setup.exe"}
#: The options that belong together. The file does not exist, and the port refuses a connection at once.
INSTALLER = {
    "path": r"C:\no such folder\setup.exe",
    "share_username": "user",
    "share_password": "secret-1",
    "url_username": "user",
    "url_password": "secret-2",
    "proxy_username": "user",
    "proxy_password": "secret-3",
}
URLS = {"connector_url": "https://rms.contoso.test", "tenant_url": "https://id.rms.na.aadrm.com"}
THUMBPRINT = "A" * 40
LOG = {"path": r"C:\logs", "from": "2026-11-01", "to": "2026-11-02", "kinds": ["usage"]}
#: Suboptions that are in none of them are put in one by one
TEMPLATE: Json = {
    "names": {"1033": "A"},
    "descriptions": {"1033": "a"},
    "rights": [{"email": "a@contoso.test", "rights": ["VIEW"]}],
    "scoped_identities": ["a@contoso.test"],
    "expiration": "on_date",
    "expiration_date": "2027-12-31",
}
TENANT = "0b4b5b3e-2f6c-4f0d-9a55-3b8b3b6c1f10"
WHO = {"emails": ["a@contoso.test"]}
PASSWORD = {"username": "admin@contoso.test", "password": "Winfleet!tenant"}
APPLICATION = WHO | {"application_id": TENANT, "tenant_id": TENANT}
KEY = r"HKLM:\SOFTWARE\Unit"
SCANNER = {
    "cluster": "EU",
    "sql_instance": "SQL01",
    "service_account": r"CONTOSO\scanner",
    "application_id": TENANT,
    "tenant_id": TENANT,
    "delegated_user": "scanner@contoso.test",
    "configuration": "offline",
    "repositories": [{"path": r"\\files\finance"}],
}
#: Module -> valid options. Of several, the first with the option in question counts; without one, the first.
VALID: dict[str, list[Json]] = {
    "client": [NAMES | INSTALLER, NAMES | SOURCE],
    "client_settings": [{"cloud_environment": "gcc"}, {"state": "absent", "names": ["cloud_environment"]}],
    "connector": [INSTALLER, SOURCE],
    "connector_https": [{"thumbprint": THUMBPRINT, "pfx": r"C:\no.pfx"}, {"thumbprint": THUMBPRINT, "src": "no.pfx"}],
    "connector_settings": [{"proxy_address": "http://proxy.contoso.test:8080"}],
    "desired_state": [
        {"client": NAMES},
        {"client_settings": {"cloud_environment": "gcc"}},
        {"connector": {}},
        {"connector_https": {"thumbprint": THUMBPRINT}},
        {"connector_settings": {"proxy_address": "http://proxy.contoso.test:8080"}},
        {"irm_server": {"product": "exchange", **URLS}},
        {"scanner": SCANNER},
        {"tls": {}},
    ],
    "dotnet_framework": [{"version": "4.8"} | INSTALLER, {"version": "4.8"} | SOURCE],
    "endpoint_info": [
        {"endpoints": ["127.0.0.1:1"], "timeout": 1},
        {"endpoints": ["127.0.0.1:1"], "timeout": 1, "proxy": "http://127.0.0.1:1"},
    ],
    "exchange_irm": [
        {"tenant_url": URLS["tenant_url"], "sender": "a@contoso.test", "username": "user", "password": "secret-1"}
        | {"transport_decryption": "optional"}
    ],
    "host_info": [{}],
    "irm_server": [{"product": "exchange", **URLS}],
    "protection_service": [
        PASSWORD | {"super_users": ["user@contoso.test"], "super_user_group": "superusers@contoso.test"},
        PASSWORD | {"onboarding_group": "none", "onboarding_scope": "all", "do_not_track_group": "none"},
        PASSWORD | {"enabled_platforms": ["web"]},
        PASSWORD | {"disabled_platforms": ["web"], "force": ["restore"]},
        PASSWORD | {"restore": "latest"},
        {"application_id": TENANT, "tenant_id": TENANT, "client_secret": "secret-2"},
        {"application_id": TENANT, "tenant_id": TENANT, "certificate_thumbprint": THUMBPRINT},
        {"access_token": "secret-3"},
    ],
    "protection_service_info": [
        PASSWORD,
        {"application_id": TENANT, "tenant_id": TENANT, "client_secret": "secret-2"},
        {"application_id": TENANT, "tenant_id": TENANT, "certificate_thumbprint": THUMBPRINT},
        {"access_token": "secret-3"},
    ],
    "protection_service_log": [
        PASSWORD | LOG,
        LOG | {"application_id": TENANT, "tenant_id": TENANT, "client_secret": "secret-2"},
        LOG | {"application_id": TENANT, "tenant_id": TENANT, "certificate_thumbprint": THUMBPRINT},
        LOG | {"access_token": "secret-3"},
    ],
    "protection_service_module": [
        {"version": "3.0.0.1", "path": r"C:\no such folder", "checksum": "0" * 64},
        {"version": "3.0.0.1", "src": "a.nupkg", "checksum": "0" * 64},
        {"version": "3.0.0.1", "repository": "Contoso"},
    ],
    "protection_service_template": [
        PASSWORD | {"templates": [TEMPLATE]},
        {"application_id": TENANT, "tenant_id": TENANT, "client_secret": "secret-2"},
        {"application_id": TENANT, "tenant_id": TENANT, "certificate_thumbprint": THUMBPRINT},
        {"access_token": "secret-3"},
    ],
    "registry_values": [
        {"values": [{"path": KEY, "name": "a", "data": "1"}]},
        {"purge": [{"path": KEY, "match": "^b", "keep": ["a"]}]},
    ],
    "restore": [{}],
    "scanner": [SCANNER | {"service_account_password": "secret-4", "client_secret": "secret-5"}],
    "scanner_info": [{"errors": 0}],
    "scanner_scan": [{}],
    "selftest": [{}],
    "sharepoint_irm": [{"connector_url": URLS["connector_url"]}],
    "protection_service_administrator": [
        WHO | PASSWORD,
        APPLICATION | {"client_secret": "secret-2"},
        APPLICATION | {"certificate_thumbprint": THUMBPRINT},
        WHO | {"access_token": "secret-3"},
    ],
    "tls": [{}],
}


@dataclass(frozen=True)
class Option:
    """An option that takes texts.

    Attributes:
        path: its name, after those of the options that it is in.
        many: it takes a list of texts.
        of_installer: every module with an installer has it.
    """

    path: tuple[str, ...]
    many: bool
    of_installer: bool
    choices: bool
    description: str

    @property
    def name(self) -> str:
        return self.path[-1]

    def put(self, valid: Json, text: str) -> Json:
        """Valid options, but for a text in this one."""
        changed = copy.deepcopy(valid)
        owner = changed
        for name in self.path[:-1]:
            owner = owner[name][0] if isinstance(owner[name], list) else owner[name]
        owner[self.name] = [text] if self.many else text
        return changed


def options_of(module: str) -> list[Option]:
    """All options of a module that take texts, as its documentation has them."""
    documentation = yaml.safe_load((MODULES / f"{module}.yml").read_text(encoding="utf-8"))["DOCUMENTATION"]
    found = list(_texts(documentation.get("options") or {}))
    for fragment in documentation["extends_documentation_fragment"]:
        part = fragment.removeprefix("infoprotect.aip.windows").removeprefix(".").upper() or "DOCUMENTATION"
        found += _texts(yaml.safe_load(getattr(FRAGMENTS, part)).get("options") or {}, of_installer=True)
    return found


def _texts(options: Mapping[str, Any], place: tuple[str, ...] = (), of_installer: bool = False) -> Iterator[Option]:
    for name, spec in options.items():
        path = (*place, name)
        if spec.get("suboptions"):
            yield from _texts(spec["suboptions"], path)
        elif "str" in (spec["type"], spec.get("elements")):
            description = " ".join(spec["description"])
            yield Option(path, spec["type"] == "list", of_installer, bool(spec.get("choices")), description)


def test_every_module_of_powershell_is_here() -> None:
    assert set(VALID) == {path.stem for path in MODULES.glob("*.ps1")}


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize("module", VALID)
def test_any_text_is_taken_or_refused_by_the_options_name(powershell: PowerShellHost, module: str) -> None:
    known: dict[int, str] = {}

    def message(options: Json, secret: str = "") -> str:
        # Ansible replaces a secret wherever it stands, and one of blanks stands between all words.
        result = powershell.module(module, options, check=True)
        text = str(result["msg"]) if result.get("failed") else ""
        return text.replace("********", secret) if secret else text

    for option in options_of(module):
        position = next((i for i, one in enumerate(VALID[module]) if option.path[0] in one), 0)
        valid = VALID[module][position]
        if position not in known:
            known[position] = message(valid)
        # The choices are Ansible's, and the installer's options are the same code in each module.
        texts = EMPTY[:1] if option.choices else EMPTY if option.of_installer and module != "client" else EMPTY + ODD
        for text in texts:
            found = message(option.put(valid, text), " " if text == " " else "")
            case = f"{module}: {'.'.join(option.path)} = {text[:20]!r}: {found}"
            assert not ENGINE.search(found), case
            if found != known[position]:
                assert option.name in found.lower(), case
            elif text in EMPTY:
                assert re.search("empty", option.description, re.IGNORECASE), f"taken, and not documented: {case}"


def test_every_empty_text_is_named_with_its_place(powershell: PowerShellHost) -> None:
    options: Json = {
        "checksum": "",
        "data": None,
        "emails": ["a", "\t "],
        "timeout": 0,
        "reboot": False,
        "irm_server": {"tenant_url": " ", "connector_url": "https://c"},
        "values": [{"path": "a"}, {"path": ""}],
    }
    with pytest.raises(PowerShellError) as error:
        powershell.run("Assert-OptionText -Option $case", options)
    said, expected = str(error.value).split(": ", 1)
    assert said == "checksum, emails[1], irm_server.tenant_url, values[1].path are empty"
    assert expected.startswith("expected text. Set a value, or leave the option out")
    powershell.run("Assert-OptionText -Option $case", {"thumbprint": "a", "empty": [], "none": None, "nested": {}})


@pytest.mark.parametrize("text", ODD, ids=lambda text: repr(text[:12]))
def test_installer_of_any_name_is_refused_by_its_option(powershell: PowerShellHost, text: str) -> None:
    """Beyond check mode: where it comes from, and where its log goes."""
    scripts = {
        "path": "Get-InstallerPackage -Option @{ path = $case; validate_signature = $true } -Module @{}",
        "log_path": "Get-LogPath -Wanted $case -Name client",
    }
    for option, script in scripts.items():
        with pytest.raises(PowerShellError, match=rf"^{option} is ") as error:
            powershell.run(script, text)
        assert "expected" in str(error.value) and not ENGINE.search(str(error.value))
