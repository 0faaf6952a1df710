"""tls over Ansible: the registry tables of TLS 1.2, read back by reg.exe.

All of them, equality by meaning, removal and refusals are unit tests of the whole module.
"""

from __future__ import annotations

import pytest
from tls_cases import CASES, KEYS, Case

from ..ansible_runner import AnsiblePlaybook
from .cycle import run_cycle

#: Every part, a role that the host finds by itself, and each option
ALWAYS = ("server-2012-default", "exchange-1-Exchange", "exchange-1-Exchange opted in for one part")


def on_its_host(case: Case) -> object:
    marks = [pytest.mark.hosts(case.host), *([] if str(case) in ALWAYS else [pytest.mark.full])]
    if str(case) == "server-2012-default":
        marks.append(pytest.mark.cold)
    return pytest.param(case, id=str(case), marks=marks)


@pytest.mark.parametrize("case", [on_its_host(case) for case in CASES])
def test_what_is_written(playbook: AnsiblePlaybook, case: Case) -> None:
    case.verify(run_cycle(playbook, case.host, "tls", case.options, KEYS))
