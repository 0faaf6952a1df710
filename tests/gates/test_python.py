"""Python: style, likely errors, types."""

from __future__ import annotations

from .tools import ROOT, passes, project_files, shebang_files


def python_files() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in (*project_files("*.py"), *shebang_files(["python"]))]


def test_ruff_check() -> None:
    passes("ruff", "check", "--force-exclude", *python_files())


def test_ruff_format() -> None:
    passes("ruff", "format", "--check", "--diff", *python_files())


def test_mypy() -> None:
    """The types of the commands, the plugins and the gates. tests/winfleet does not pass yet."""
    typed = (
        "bin/",
        "plugins/",
        "tests/gates/",
        "tests/setup/",
        "tests/runner/",
        "tests/unit/runner/",
        "tests/conftest.py",
    )
    passes("mypy", "--scripts-are-modules", *(file for file in python_files() if file.startswith(typed)))
