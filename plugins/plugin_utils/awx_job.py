# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The job of AWX that a run belongs to: it stands in leases, receipts and the report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

#: AWX sets these extra variables, and these variables of the environment.
VARIABLES, ENVIRONMENT = ("awx_job_id", "tower_job_id"), ("AWX_JOB_ID", "JOB_ID")
#: By this name modules on a host find the job (module_utils/_Receipt.psm1).
ON_HOST = "INFOPROTECT_AIP_JOB"


def awx_job(variables: Mapping[str, Any]) -> str:
    """The id of the job; empty outside of AWX."""
    found = [variables.get(name) for name in VARIABLES] + [os.environ.get(name) for name in ENVIRONMENT]
    return next((str(job) for job in found if job), "")


def on_host(environment: list[Any] | None, variables: Mapping[str, Any]) -> list[Any] | None:
    """The environment of a task, with the job for the module on the host."""
    job = awx_job(variables)
    return [*(environment or []), {ON_HOST: job}] if job else environment
