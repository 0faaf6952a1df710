"""Files on the controller that are brought to hosts: the plan and the modules judge them alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from actions import load_action
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.infoprotect.aip.plugins.plugin_utils.local_files import LocalFileError, find

CONTENT = b"MZ and more"
DIGEST, ZEROS = hashlib.sha256(CONTENT).hexdigest(), "0" * 64


def by_find(source: str, checksum: str) -> None:
    def needle(_kind: str, name: str) -> str:
        if name.startswith("nowhere"):
            raise AnsibleError("Could not find or access")
        return name

    find(needle, source, checksum, installer=False)


def by_module(source: str, checksum: str) -> None:
    arguments = {"product": "purview", "src": source, **({"checksum": checksum} if checksum else {})}
    action = load_action("client", arguments, check_mode=True)
    action._execute_module = lambda **_named: {"installer_needed": True, "changed": True}
    action.run(task_vars={})


@pytest.fixture
def installer(tmp_path: Path) -> Path:
    file = tmp_path / "client.exe"
    file.write_bytes(CONTENT)
    return file


@pytest.mark.parametrize("judge", [by_find, by_module])
@pytest.mark.parametrize(
    ("name", "checksum", "said"),
    [
        ("nowhere.exe", "", "nowhere.exe cannot be found on the controller: expected a file"),
        ("FOLDER", "", "FOLDER is not there, or a folder: expected a file"),
        ("FOLDER/client.exe", ZEROS, f"FOLDER/client.exe has the SHA-256 checksum {DIGEST}: expected {ZEROS}"),
        ("FOLDER/client.exe", "x" * 100_000, f"has the SHA-256 checksum {DIGEST}: expected x"),
    ],
    ids=["missing", "folder", "other", "long checksum"],
)
def test_a_file_that_is_not_what_was_asked_for(
    installer: Path, judge: Callable[[str, str], Any], name: str, checksum: str, said: str
) -> None:
    with pytest.raises((LocalFileError, AnsibleActionFail)) as error:
        judge(name.replace("FOLDER", str(installer.parent)), checksum)
    assert said.replace("FOLDER", str(installer.parent)) in str(error.value)


@pytest.mark.parametrize("judge", [by_find, by_module])
@pytest.mark.parametrize("checksum", ["", DIGEST, DIGEST.upper(), f"sha256:{DIGEST}", f"SHA256:{DIGEST}"])
def test_a_file_that_is(installer: Path, judge: Callable[[str, str], Any], checksum: str) -> None:
    judge(str(installer), checksum)
