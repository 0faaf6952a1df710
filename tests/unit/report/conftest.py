"""Contents of report.json that the tests share."""

from __future__ import annotations

from typing import Any

import pytest
import report_fleet


@pytest.fixture(scope="session")
def sample() -> dict[str, Any]:
    return report_fleet.sample()


@pytest.fixture(scope="session")
def hostile() -> dict[str, Any]:
    return report_fleet.content(report_fleet.hostile())
