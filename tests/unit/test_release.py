"""What a release is made of, and when none is made; the bill of materials has every locked package, by its schema."""

from __future__ import annotations

import json
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from setup import release
from setup.lock import locks, pins
from setup.sbom import bill


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "galaxy.yml").write_text("version: 1.2.3\n")
    (tmp_path / "changelogs" / "fragments").mkdir(parents=True)
    write(tmp_path, {"1.2.3": {"fragments": ["a.yml", "b.yml"], "changes": {"bugfixes": ["One  thing.", "Another."]}}})
    (tmp_path / "changelogs" / "fragments" / "a.yml").write_text("bugfixes: [Another.]\n")
    (tmp_path / "changelogs" / "fragments" / "b.yml").write_text("bugfixes:\n  - >-\n    One\n    thing.\n")
    return tmp_path


def write(checkout: Path, releases: dict[str, Any]) -> None:
    (checkout / "changelogs" / "changelog.yaml").write_text(yaml.safe_dump({"releases": releases}))


def test_a_checkout_that_is_what_the_tag_says(checkout: Path) -> None:
    assert release.problems("v1.2.3", checkout) == []


def test_fragments_of_a_tagged_version_may_be_gone(checkout: Path) -> None:
    for path in (checkout / "changelogs" / "fragments").iterdir():
        path.unlink()
    assert release.problems("v1.2.3", checkout) == []


def test_a_release_without_an_entry(checkout: Path) -> None:
    write(checkout, {})
    assert [text.split(":")[0] for text in release.problems("v1.2.4", checkout)] == [
        "the tag is v1.2.4, but galaxy.yml has the version 1.2.3",
        "changelogs/changelog.yaml has no entry for 1.2.3",
    ]


def test_fragments_that_came_later_or_changed(checkout: Path) -> None:
    (checkout / "changelogs" / "fragments" / "a.yml").write_text("bugfixes: [Another one.]\n")
    (checkout / "changelogs" / "fragments" / "new.yml").write_text("minor_changes: [New.]\n")
    assert [text.split(":")[0] for text in release.problems("v1.2.3", checkout)] == [
        "changelogs/fragments/new.yml is in no release",
        "bugfixes of 1.2.3 differs from its fragments",
    ]


def test_nothing_is_made_for_another_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main("v0.0.1", tmp_path / "dist") == 1
    assert "the tag is v0.0.1" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_the_files_of_a_release(tmp_path: Path) -> None:
    release.make(tmp_path)
    (archive,) = tmp_path.glob("infoprotect-aip-*.tar.gz")
    with tarfile.open(archive) as tar:
        assert {"MANIFEST.json", "CHANGELOG.rst", "requirements.txt", "bindep.txt"} <= set(tar.getnames())
    assert json.loads((tmp_path / "sbom.cdx.json").read_text()) == bill()


def test_bill_of_materials_fits_the_schema() -> None:
    folder = files("cyclonedx") / "schema" / "_res"
    names = ("bom-1.6", "spdx", "jsf-0.82")
    schemas = [json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text()) for name in names]
    registry: Registry = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in schemas)
    assert [error.message for error in Draft7Validator(schemas[0], registry=registry).iter_errors(bill())] == []


def test_bill_of_materials_has_every_package() -> None:
    components = {component["purl"]: component for component in bill()["components"]}
    wanted: dict[str, set[str]] = {}
    for lock in locks():
        for name, version in pins(lock.name).items():
            wanted.setdefault(f"pkg:pypi/{name}@{version}", set()).add(f"requirements/{lock.name}")
    found = {purl: {one["value"] for one in component["properties"]} for purl, component in components.items()}
    assert found == wanted
    assert all(component["hashes"] for component in components.values())


def test_bill_of_materials_has_what_needs_what() -> None:
    names = {row["ref"].partition("@")[0]: row["dependsOn"] for row in bill()["dependencies"]}
    assert {need.partition("@")[0] for need in names["pkg:pypi/pywinrm"]} >= {"pkg:pypi/requests-ntlm"}
    assert any(need.startswith("pkg:pypi/ansible-core@") for need in names["pkg:pypi/ansible"])
