# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all filters of the collection share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jinja2 import Undefined


def of_defined(*filters: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The filters by name. Each fails on an undefined operand with Jinja's own error, which names the variable.

    ansible-core 2.19 and later never call a filter with an undefined operand; earlier releases do.
    """
    return {function.__name__: _of_defined(function) for function in filters}


def _of_defined(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*operands: Any, **options: Any) -> Any:
        for value in (*operands, *options.values()):
            if isinstance(value, Undefined):
                str(value)  # raises the error
        return function(*operands, **options)

    return call
