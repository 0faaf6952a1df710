"""connector_https on the controller: a PFX goes from the file into the options of the module, and nowhere else."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from actions import load_action
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret

CONTENT = bytes(range(256)) * 10
SECRETS = [("default", VaultSecret(b"vault-Passwort"))]
THUMBPRINT = "A" * 40


@dataclass
class Host:
    """Answers the module; `asked` is what it was asked for. Whoever makes a file for it fails."""

    monkeypatch: pytest.MonkeyPatch
    secrets: list[tuple[str, VaultSecret]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def bind(self, *, needed: bool = True, check: bool = False, **options: Any) -> dict[str, Any]:
        loader = DataLoader()
        loader.set_vault_secrets(self.secrets)
        arguments = {"thumbprint": THUMBPRINT, "pfx_password": "pfx-Passwort", **options}
        action = load_action("connector_https", arguments, check_mode=check, loader=loader)

        def execute_module(module_name: str, module_args: dict[str, Any], task_vars: object) -> dict[str, Any]:
            self.asked.append(dict(module_args))
            module_args["_ansible_check_mode"] = check
            return {"pfx_needed": needed, "changed": "pfx_content" in module_args}

        def no_file(*_arguments: object, **_named: object) -> None:
            raise AssertionError("a file is made of the PFX")

        action._execute_module = execute_module
        for owner, name in (
            (action, "_make_tmp_path"),
            (action, "_transfer_file"),
            (loader, "_create_content_tempfile"),
        ):
            self.monkeypatch.setattr(owner, name, no_file)
        result = dict(action.run(task_vars={}))
        assert not loader._tempfiles
        return result


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_module_gets_the_content(host: Host, tmp_path: Path, encrypted: bool) -> None:
    file = tmp_path / "rms.pfx"
    file.write_bytes(VaultLib(SECRETS).encrypt(CONTENT) if encrypted else CONTENT)
    host.secrets = SECRETS
    assert host.bind(src=str(file))["changed"]
    look, bind = host.asked
    assert look["src"] == str(file) and "pfx_content" not in look
    assert base64.b64decode(bind["pfx_content"]) == CONTENT and "src" not in bind
    assert (bind["thumbprint"], bind["pfx_password"]) == (THUMBPRINT, "pfx-Passwort")


@pytest.mark.parametrize("options", [{"needed": False}, {"check": True}])
def test_a_host_that_does_not_need_it_gets_nothing(host: Host, tmp_path: Path, options: dict[str, bool]) -> None:
    file = tmp_path / "rms.pfx"
    file.write_bytes(CONTENT)
    host.bind(src=str(file), **options)
    assert len(host.asked) == 1 and "pfx_content" not in host.asked[0]


@pytest.mark.parametrize("size", [0, 1_000_001])
def test_what_is_no_pfx_by_its_size(host: Host, tmp_path: Path, size: int) -> None:
    file = tmp_path / "backup.pfx"
    file.write_bytes(bytes(size))
    with pytest.raises(AnsibleActionFail, match=f"has {size} bytes: expected a PFX file, with 1 to 1000000 bytes"):
        host.bind(src=str(file))
    assert len(host.asked) == 1


def test_a_vault_that_cannot_be_opened(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "rms.pfx"
    file.write_bytes(VaultLib(SECRETS).encrypt(CONTENT))
    host.secrets = [("default", VaultSecret(b"another"))]
    with pytest.raises(AnsibleActionFail, match=f"src {file} cannot be read: .*[Dd]ecrypt"):
        host.bind(src=str(file))
