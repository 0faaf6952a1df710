"""What holds for every filter of the collection."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import StrictUndefined, UndefinedError

FOLDER = Path(__file__).resolve().parents[2] / "plugins" / "filter"


def filters() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for file in sorted(FOLDER.glob("*.py")):
        plugin = importlib.import_module(f"ansible_collections.infoprotect.aip.plugins.filter.{file.stem}")
        found |= plugin.FilterModule().filters()
    return found


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.yml")))
def test_an_undefined_operand_is_named(name: str) -> None:
    """In every position. ansible-core before 2.19 calls filters with it, and so does ansible-lint there."""
    function = filters()[name]
    parameters = [parameter for parameter in inspect.signature(function).parameters if parameter != "self"]
    for undefined in parameters:
        operands = {parameter: {} for parameter in parameters} | {undefined: StrictUndefined(name="some_variable")}
        with pytest.raises(UndefinedError, match="'some_variable' is undefined"):
            function(**operands)
