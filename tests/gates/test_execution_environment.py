"""What the collection needs in an execution environment: ansible-builder finds it and accepts the definition."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setup.environment import PYTHONS_OF_CORE
from setup.lock import pins

from .tools import IMPORTER, ROOT, passes, project_files

FOLDER = ROOT / "extensions" / "execution_environment"
DEFINITION = yaml.safe_load((FOLDER / "execution-environment.yml").read_text())
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
#: what ansible-core itself depends on, and the collections
OF_ANSIBLE = {"ansible", "ansible_collections", "jinja2", "yaml"}
#: the package of an import that has another name
PACKAGES = {"requests_ntlm": "requests-ntlm"}
#: what the connection plugins need
CONNECTIONS = {"pypsrp", "pywinrm"}
#: what the guide of the report uses: jp.py
COMMANDS = {"jmespath"}


@pytest.fixture(scope="module")
def introspected(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """What ansible-builder finds in the collection as it is built: its Python and system packages."""
    folder = tmp_path_factory.mktemp("image")
    collection = folder / "ansible_collections" / "infoprotect" / "aip"
    collection.mkdir(parents=True)
    passes("tar", "--extract", f"--file={archive}", f"--directory={collection}")
    output = passes("ansible-builder", "introspect", folder, tools=IMPORTER)
    found: Mapping[str, list[str]] = yaml.safe_load(output)
    return found


def python_packages(introspected: Mapping[str, list[str]]) -> list[Requirement]:
    """The Python packages, without the comment that says which collection wants them."""
    return [Requirement(line.partition("#")[0]) for line in introspected["python"]]


def third_party_imports() -> set[str]:
    """The packages that the plugins import, at the top or in a function."""
    found = set()
    for path in project_files("plugins/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return {PACKAGES.get(name, name) for name in found - sys.stdlib_module_names - OF_ANSIBLE}


def test_every_import_is_required_and_nothing_else(introspected: Mapping[str, list[str]]) -> None:
    required = {canonicalize_name(requirement.name) for requirement in python_packages(introspected)}
    assert required - CONNECTIONS - COMMANDS == third_party_imports()
    assert required >= CONNECTIONS | COMMANDS


def test_bounds_are_lower_bounds_that_the_tested_versions_meet(introspected: Mapping[str, list[str]]) -> None:
    """Certification permits lower bounds only, and no ansible-core."""
    for requirement in python_packages(introspected):
        assert {clause.operator for clause in requirement.specifier} <= {">="}, str(requirement)
        assert not requirement.name.startswith("ansible")
        for core in PYTHONS_OF_CORE:
            assert requirement.specifier.contains(pins(f"core-{core}.txt")[canonicalize_name(requirement.name)])


def test_kerberos_can_be_built(introspected: Mapping[str, list[str]]) -> None:
    assert {"krb5-devel", "krb5-workstation", "libkrb5-dev"} <= {line.split()[0] for line in introspected["system"]}


def test_definition_is_accepted(tmp_path: Path) -> None:
    """ansible-builder makes the build context, with the collection by the tag of this version."""
    definition = FOLDER / "execution-environment.yml"
    passes("ansible-builder", "create", "--file", definition, "--context", tmp_path, tools=IMPORTER)
    (collection,) = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text())["collections"]
    assert collection == {"name": f"{GALAXY['repository']}.git", "type": "git", "version": f"v{GALAXY['version']}"}
    containerfile = next(path for name in ("Containerfile", "Dockerfile") if (path := tmp_path / name).exists())
    assert DEFINITION["images"]["base_image"]["name"] in containerfile.read_text()


def test_core_is_a_supported_one() -> None:
    oldest, *_others, newest = (tuple(map(int, core.split("."))) for core in PYTHONS_OF_CORE)
    bounds = f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
    assert DEFINITION["dependencies"]["ansible_core"]["package_pip"] == f"ansible-core{bounds}"


def test_navigator_uses_the_image_of_the_guide() -> None:
    navigator = yaml.safe_load((FOLDER / "ansible-navigator.yml").read_text())["ansible-navigator"]
    image = navigator["execution-environment"]["image"]
    assert image == f"aip-ee:{GALAXY['version']}"
    guide = (ROOT / "docs" / "docsite" / "rst" / "guide_execution_environment.rst").read_text()
    for text in (guide, (FOLDER / "execution-environment.yml").read_text()):
        assert f"--tag {image}" in text
