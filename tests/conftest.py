"""Options and markers of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from runner import plan
from runner.recorder import Recorder, part_of, path_of


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run all parts: also the tests marked `full`")
    parser.addoption("--part", choices=list(plan.PARTS), default=plan.DEFAULT, help="run this part (bin/test --help)")
    parser.addoption("--record", type=Path, help="write what is collected and how each test ends to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "full(part): left out of the default run (bin/test --full); the part defaults to the folder's"
    )
    config.addinivalue_line("markers", "cold: a module test that the default run repeats on a cold host")
    config.addinivalue_line("markers", "replayed: uses no host's state, so that replay.py repeats it on real Windows")
    config.addinivalue_line("markers", "hosts(name, ...): the emulated hosts that the test uses")
    if record := config.getoption("--record"):
        config.pluginmanager.register(Recorder(record))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    part = config.getoption("--part")
    selected: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        try:
            runs = plan.selects(part, path_of(item), part_of(item))
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
        (selected if runs else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = selected
