"""The collection as its users get it: changelog, documentation, the archive that ansible-galaxy builds."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
import yaml
from packaging.version import Version
from setup.changelog import changed
from setup.environment import COLLECTIONS, PYTHONS_OF_CORE

from .tools import IMPORTER, NEWEST, OLDEST, ROOT, passes, project_files, tools_of

#: Ansible finds the checkout there as infoprotect.aip (tests/setup/environment.py makes the link)
COLLECTION = ROOT / ".cache" / "collections" / "ansible_collections" / "infoprotect" / "aip"


def test_changelog() -> None:
    passes("antsibull-changelog", "lint")
    passes("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")


def test_changelog_is_generated(tmp_path: Path) -> None:
    """CHANGELOG.rst is what changelogs/changelog.yaml says."""
    passes("antsibull-changelog", "generate", "--output", tmp_path / "CHANGELOG.rst")
    assert (ROOT / "CHANGELOG.rst").read_text() == (tmp_path / "CHANGELOG.rst").read_text()


def test_releases_list_what_exists() -> None:
    """Run tests/setup/changelog.py after a fragment was edited, or a module or plugin added."""
    releases = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]
    assert changed(releases[yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]]) == []
    listed: dict[str, set[str]] = {"modules": set(), "filter": set(), "lookup": set()}
    for entry in releases.values():
        for kind, plugins in {"modules": entry.get("modules", []), **entry.get("plugins", {})}.items():
            listed[kind] |= {plugin["name"] for plugin in plugins}
    documented = {"modules": "*.yml", "filter": "*.yml", "lookup": "*.py"}
    plugins_of = {kind: (ROOT / "plugins" / kind).glob(pattern) for kind, pattern in documented.items()}
    assert listed == {kind: {path.stem for path in paths} for kind, paths in plugins_of.items()}


def test_documentation() -> None:
    """Schema, markup and references of every module, plugin, role and guide; Sphinx reads the RST made of them."""
    references = ("--validate-collection-refs=all", "--disallow-unknown-collection-refs", "--check-extra-docs-refs")
    passes("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", *references, COLLECTION)


@pytest.mark.full
def test_docsite(tmp_path: Path) -> None:
    """The documentation as HTML. Only labels of other collections and of Ansible's own pages are unknown offline."""
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections")}
    theme = ("--sphinx-theme", "alabaster", "--lenient", "--squash-hierarchy", "--use-current")
    passes("antsibull-docs", "sphinx-init", *theme, "--dest-dir", tmp_path, "infoprotect.aip", env=environment)
    # without the indexes of other sites, which are on the internet
    settings = tmp_path / "conf.py"
    settings.write_text(f"{settings.read_text()}\nintersphinx_mapping = {{}}\n")
    output = passes("bash", tmp_path / "build.sh", env=environment)
    assert (tmp_path / "build" / "html" / "docsite" / "guide_fleet.html").exists()
    assert own_warnings(output) == []


def own_warnings(output: str) -> list[str]:
    """The warnings of Sphinx that are not about a label elsewhere."""
    elsewhere = re.compile(r"undefined label: '(?!ansible_collections\.infoprotect\.aip\.)[\w.]+'")
    return [line for line in output.splitlines() if re.search("WARNING|ERROR", line) and not elsewhere.search(line)]


def test_own_warnings() -> None:
    label, elsewhere = (
        "x.rst:1: WARNING: undefined label: '{}' [ref.ref]",
        "ansible_collections.ansible.builtin.raw_module",
    )
    mine = [label.format("ansible_collections.infoprotect.aip.docsite.none"), "x.rst:2: ERROR: Unexpected indentation."]
    assert own_warnings("\n".join([label.format(elsewhere), *mine, "build succeeded"])) == mine


def test_build(archive: Path) -> None:
    """The archive holds the collection, and nothing that only serves its development."""
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    top = {name.split("/")[0] for name in names}
    assert {"plugins", "roles", "playbooks", "meta", "README.md", "LICENSE", "MANIFEST.json"} <= top
    assert not {".cache", ".venv", ".git", "bin", "requirements"} & top
    # what ansible-test has to ignore is part of the collection
    assert {name for name in names if name.startswith("tests/")} == {
        "tests/sanity",
        *(f"tests/sanity/{file.name}" for file in (ROOT / "tests" / "sanity").iterdir()),
    }
    assert not [name for name in names if "__pycache__" in name]


def test_ignored_by_sanity() -> None:
    """ansible-core 2.17 is not tested; its ansible-test judges action plugins as 2.16 does."""
    sanity = ROOT / "tests" / "sanity"
    assert (sanity / "ignore-2.17.txt").read_text() == (sanity / "ignore-2.16.txt").read_text()


def options_of(module: str) -> tuple[set[str], set[str]]:
    """The names of a module's own options, and the documentation fragments that it has more from."""
    documentation = yaml.safe_load((ROOT / "plugins" / "modules" / f"{module}.yml").read_text())["DOCUMENTATION"]
    return set(documentation.get("options", {})), set(documentation.get("extends_documentation_fragment", []))


def test_action_groups() -> None:
    """A group has every module with the options that it is for, and no other."""
    modules = {path.stem: options_of(path.stem) for path in (ROOT / "plugins" / "modules").glob("*.yml")}
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    installers = {name for name, (_own, more) in modules.items() if "infoprotect.aip.windows.installer" in more}
    policies = {name for name, (own, _more) in modules.items() if "policy_conflict" in own}
    tenant = {name for name, (_own, more) in modules.items() if "infoprotect.aip.windows.sign_in" in more}
    wanted = {"installers": installers, "policies": policies, "tenant": tenant}
    assert {name: set(members) for name, members in groups.items()} == wanted and all(wanted.values())


def test_supported_cores() -> None:
    """The collection demands the oldest ansible-core that is tested, and the README names all of them."""
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    oldest, *_others, newest = PYTHONS_OF_CORE
    assert runtime["requires_ansible"] == f">={oldest}.0"
    row = f"| ansible-core | {oldest} to {newest} (tested: {', '.join(PYTHONS_OF_CORE)}) |"
    assert row in (ROOT / "README.md").read_text().splitlines()
    for core in PYTHONS_OF_CORE:
        pins = (ROOT / "requirements" / f"core-{core}.txt").read_text()
        assert f"\nansible-core=={core}." in pins, f"requirements/core-{core}.txt pins another ansible-core"


def test_supported_collections() -> None:
    """galaxy.yml admits the tested versions, and no untested major version. README and guide name the same bounds."""
    dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]
    assert dependencies.keys() <= set(COLLECTIONS)
    readme = (ROOT / "README.md").read_text().splitlines()
    guide = (ROOT / "docs" / "docsite" / "rst" / "guide_fleet.rst").read_text()
    for name, bounds in dependencies.items():
        oldest, newest = (installed_version(name, core) for core in (OLDEST, NEWEST))
        least = re.fullmatch(rf">=(\d+\.\d+\.\d+),<{newest.major + 1}\.0\.0", bounds)
        assert least, f"galaxy.yml has {name} {bounds}; tested with ansible-core {NEWEST} is {newest}"
        assert Version(least[1]) <= oldest
        supported = f"{least[1]} to {newest.major}.x"
        assert f"| `{name}` | {supported} |" in readme
        assert f"``{name}`` {supported}" in guide


def installed_version(collection: str, core: str) -> Version:
    (packages,) = tools_of(core).parent.glob("lib/python3*/site-packages")
    manifest = packages / "ansible_collections" / collection.replace(".", "/") / "MANIFEST.json"
    return Version(json.loads(manifest.read_text())["collection_info"]["version"])


#: The sections of the template for certified collections, in its order. Others may stand between them.
SECTIONS = (
    "Description",
    "Requirements",
    "Installation",
    "Use cases",
    "Testing",
    "Contributing",
    "Support",
    "Release notes and roadmap",
    "Related information",
    "License information",
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_readme_follows_the_template() -> None:
    text = (ROOT / "README.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    assert "pip install ansible" not in text, "users of execution environments do not install ansible-core"


def test_readme_names_everything_that_users_can_call_or_read() -> None:
    text = (ROOT / "README.md").read_text()
    called = [*ROOT.glob("plugins/modules/*.yml"), *ROOT.glob("playbooks/*.yml")]
    named = [f"`infoprotect.aip.{path.stem}`" for path in called]
    named += [f"/roles/{path.parent.name}/README.md" for path in ROOT.glob("roles/*/README.md")]
    named += [f"/rst/{path.name}" for path in ROOT.glob("docs/docsite/rst/*.rst")]
    assert [name for name in named if name not in text] == []


def test_readmes_have_full_links() -> None:
    """Automation Hub and Galaxy show the READMEs of the collection and its roles outside the repository."""
    readmes = project_files("README.md", "roles/*/README.md")
    assert len(readmes) > 5
    for path in readmes:
        relative = [link for link in LINK.findall(path.read_text()) if not link.startswith(("https://", "#"))]
        assert relative == [], path.relative_to(ROOT)


def test_links_lead_somewhere() -> None:
    """A link into the repository names a file of it, and a link within a page one of its headings."""
    repository = yaml.safe_load((ROOT / "galaxy.yml").read_text())["repository"]
    broken = []
    for path in project_files("*.md", "*.rst", ".github/*.yml"):
        text = path.read_text()
        files = re.findall(rf"{re.escape(repository)}/(?:blob|tree|raw)/main/([^)#\s>]+)", text)
        broken += [f"{path.name}: {file}" for file in files if not (ROOT / file).exists()]
        if path.suffix == ".md":
            links = [link for link in LINK.findall(text) if not link.startswith(("https://", "http://"))]
            anchors = {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
            broken += [f"{path.name}: {link}" for link in links if link.startswith("#") and link[1:] not in anchors]
            others = [link.partition("#")[0] for link in links if not link.startswith("#")]
            broken += [f"{path.name}: {link}" for link in others if not (path.parent / link).exists()]
    assert broken == []


def test_certification_names_its_gates() -> None:
    """Every test that docs/certification.md names exists."""
    named = set(re.findall(r"`(test_\w+)(?:\.py)?`", (ROOT / "docs" / "certification.md").read_text()))
    tests = project_files("tests/*.py")
    exist = {path.stem for path in tests} | {
        name for path in tests for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named and named - exist == set()


def anchor_of(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_installed_from_a_tag() -> None:
    """The README and the guides install the tag of the version in galaxy.yml from the repository in galaxy.yml."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    command = f"collection install git+{galaxy['repository']}.git,v{galaxy['version']}"
    installs = [
        (path.name, line.strip())
        for path in project_files("*.md", "*.rst")
        for line in path.read_text().splitlines()
        if "collection install git" in line or line.strip().startswith("version: v")
    ]
    assert {"README.md", "guide_fleet.rst"} <= {name for name, _line in installs}
    for name, line in installs:
        assert line.endswith(command) or line == f"version: v{galaxy['version']}", f"{name}: {line}"


#: What the importer warns of although nothing is wrong: the entries in tests/sanity, which certification permits; its
#: flake8, which takes PowerShell and YAML for Python; its ansible-lint, which has no other collection, and this one not
#: by its name, by which extensions/awx/project imports its playbooks.
HARMLESS = (
    r"Ignore files skip ansible-test sanity tests, found ignore-[\d.]+\.txt with \d+ statement\(s\)",
    r"\S+\.(?:ps1|psm1|yml):\d+:\d+: E999 .*",
    r"\S+: syntax-check\[unknown-module\]: couldn't resolve module/action '(?:ansible\.windows|microsoft\.ad)\..*",
    r"ERROR    Failed to (?:find infoprotect\.aip\.\w+ playbook|load site\.yml playbook due to failing syntax check)\.",
)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("linters", [False, pytest.param(True, marks=pytest.mark.full)], ids=["checks", "linters"])
def test_galaxy_importer(archive: Path, tmp_path: Path, linters: bool) -> None:
    """What Automation Hub and Galaxy look at in a release; a warning, which they would accept, fails here.

    The default run goes without the importer's linters, since ruff and ansible-lint are gates of their own.
    """
    settings = tmp_path / "importer.cfg"
    settings.write_text(
        f"[galaxy-importer]\nCHECK_REQUIRED_TAGS = True\nCHECK_CHANGELOG = True\nRUN_FLAKE8 = {linters}\n"
        f"RUN_ANSIBLE_LINT = {linters}\nRUN_ANSIBLE_DOC = True\nRUN_ANSIBLE_TEST = False\n"
    )
    environment = {"GALAXY_IMPORTER_CONFIG": str(settings)}
    command = ("python", "-m", "galaxy_importer.main", archive)
    output = passes(*command, cwd=tmp_path, env=environment, tools=IMPORTER)
    assert "Importer processing completed successfully" in output, output
    output = re.sub(rf"^WARNING: (?:{'|'.join(HARMLESS)})$", "", output, flags=re.MULTILINE)
    assert not re.search(r"^(ERROR|WARNING|Traceback)|\b(ERROR|WARNING):", output, re.MULTILINE), output
