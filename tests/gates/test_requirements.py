"""The requirements files: every package has a version and hashes, and each file is what its inputs come to."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setup.environment import PYTHONS_OF_CORE, REQUIREMENTS
from setup.lock import Lock, locks, pins

PINNED = re.compile(r"[a-z0-9-]+==[\w.!+]+( +--hash=sha256:[0-9a-f]{64})+")
LOCKS = locks()
EACH_LOCK = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)


def lines(name: str) -> Iterator[str]:
    """What a requirements file has, without comments, each entry on one line."""
    text = (REQUIREMENTS / name).read_text().replace("\\\n", " ")
    yield from filter(None, (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()))


def wanted(name: str) -> dict[str, Requirement]:
    """The requirements of an input, and of those that it includes, by their names."""
    found: dict[str, Requirement] = {}
    for line in lines(name):
        if line.startswith("-r "):
            found |= wanted(line.removeprefix("-r ").strip())
        else:
            requirement = Requirement(line)
            found[canonicalize_name(requirement.name)] = requirement
    return found


def test_no_other_files() -> None:
    """No file is written by hand that pip would read."""
    assert {file.name for file in REQUIREMENTS.glob("*.txt")} == {lock.name for lock in LOCKS}


@EACH_LOCK
def test_every_package_has_a_version_and_hashes(lock: Lock) -> None:
    assert [line for line in lines(lock.name) if not PINNED.fullmatch(line)] == []
    assert pins(lock.name)


@EACH_LOCK
def test_a_lock_is_what_its_inputs_come_to(lock: Lock) -> None:
    """Run tests/setup/lock.py after each change of an input."""
    asked = {name: requirement for file in lock.inputs for name, requirement in wanted(file).items()}
    own, beside = pins(lock.name), pins(lock.beside) if lock.beside else {}
    assert not own.keys() & beside.keys()
    for name, requirement in asked.items():
        version = {**beside, **own}.get(name)
        assert version and requirement.specifier.contains(version), (
            f"{requirement} is required, but {version} is locked"
        )
    # a lock says of each package what it is for, and so which ones its inputs name
    entries = re.split(r"^(?=\S+==)", (REQUIREMENTS / lock.name).read_text(), flags=re.MULTILINE)[1:]
    named = {entry.partition("==")[0] for entry in entries if "-r requirements/" in entry}
    assert named == asked.keys() - beside.keys()


@pytest.mark.parametrize("core", PYTHONS_OF_CORE)
def test_a_core_brings_what_the_lock_of_ansible_lint_leaves_out(core: str) -> None:
    """lint.txt is made beside the oldest core and installed beside each."""
    oldest = next(iter(PYTHONS_OF_CORE))
    assert pins(f"core-{core}.txt").keys() == pins(f"core-{oldest}.txt").keys()
