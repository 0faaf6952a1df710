# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""Writes the report's files, and reads what a saved report has."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import formats, html, markdown, model

#: Format -> name of the file, and what makes its text of the content of report.json.
FORMATS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "html": ("report.html", html.as_html),
    "json": ("report.json", formats.as_json),
    "csv": ("report.csv", formats.as_csv),
    "junit": ("junit.xml", formats.as_junit),
    "sarif": ("sarif.json", formats.as_sarif),
    "md": ("report.md", markdown.as_markdown),
}


def render(content: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The wanted formats, each with the name of its file and its text."""
    chosen = set(wanted)
    return {name: (file, make(content)) for name, (file, make) in FORMATS.items() if name in chosen}


def save(rendered: Mapping[str, tuple[str, str]], folder: Path) -> dict[str, str]:
    """Write what `render` returned. Each file is complete, or as it was before.

    Returns:
        format -> path.

    Raises:
        ReportError: the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise model.ReportError(f"{folder} is a file: expected a folder, or a path that does not exist")
    try:
        # What a report has of a fleet is not for everybody on the controller.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, text in rendered.values():
            _replace(folder / file, text)
    except OSError as error:
        raise model.ReportError(f"{folder} cannot be written: {error.strerror or error}") from error
    return {name: str(folder / file) for name, (file, _text) in rendered.items()}


def _replace(path: Path, text: str) -> None:
    """Write a file of its own and rename it. It is the owner's alone, unless the operator has set another mode."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            if not path.is_symlink():
                Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: Path) -> dict[str, Any]:
    """The content of a JSON file.

    Raises:
        ReportError: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise model.ReportError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise model.ReportError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise model.ReportError(f"{path} has a {type(content).__name__}: expected an object")
    return content
