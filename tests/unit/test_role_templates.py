"""Variables that roles work out: what is managed where, and command lines for hosts without Windows PowerShell 5.1."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROOT = Path(__file__).resolve().parents[2]
#: What cmd.exe takes at most, by which WinRM starts a program.
COMMAND_LINE = 8191


def template(role: str, name: str, **variables: Any) -> Any:
    """Return the value of a role's variable on a host that has these variables."""
    folder = ROOT / "roles" / role
    known = {"role_path": str(folder), "ansible_search_path": [str(folder)], "group_names": [], "ansible_version": {}}
    for file in ("defaults/main.yml", "vars/main.yml"):
        if (folder / file).exists():
            known |= DataLoader().load_from_file(str(folder / file), trusted_as_template=True)
    templar = Templar(loader=DataLoader(), variables=known | {"ansible_version": {"full": "2.19.0"}} | variables)
    return templar.template(known[name])


def script(command: str) -> str:
    """The script in a command line of PowerShell."""
    assert len(command) <= COMMAND_LINE
    return base64.b64decode(command.rsplit(" ", 1)[1]).decode("utf-16-le")


def test_look_of_the_bootstrap_fits_into_a_command_line() -> None:
    look = template("aip_bootstrap", "aip_bootstrap_command", aip_bootstrap_script="look")
    assert "function Test-ExchangeServer" in script(look)


@pytest.mark.parametrize("name", ["put", "start", "poll", "clean"])
def test_job_of_the_bootstrap_fits_into_a_command_line(name: str) -> None:
    packages = [{"url": "https://packages.contoso.test/" + "x" * 250, "checksum": "0" * 64, "file": "dotnet.exe"}] * 2
    job = {"aip_bootstrap_job": "fetch", "aip_bootstrap_parameters": {"packages": packages}}
    text = script(template("aip_bootstrap", "aip_bootstrap_command", aip_bootstrap_script=name, **job))
    assert (name == "start") == ('\n"@\n' in text), "a here-string ends at the beginning of a line"


def test_look_at_an_exchange_server_fits_into_a_command_line() -> None:
    look = template("irm_server", "irm_server_raw_command", irm_server_raw_script="look")
    text = script(look)
    assert "function Test-ExchangeServer" in text
    assert r"SOFTWARE\Microsoft\MSIPC\ServiceLocation\LicensingRedirection" in text
    assert "#" not in text, "comments take room"


def test_exchange_is_judged_in_one_place() -> None:
    """The key Setup alone is no evidence: nothing but the util looks for a server by it."""
    places = [
        path.relative_to(ROOT).as_posix()
        for folder in ("plugins", "roles", "playbooks")
        for path in (ROOT / folder).rglob("*.*")
        if path.is_file() and b"ExchangeServer\\" in path.read_bytes() and b"Setup" in path.read_bytes()
        for text in [path.read_text(encoding="utf-8")]
        if "Test-ExchangeServer" not in text
    ]
    assert places == []
