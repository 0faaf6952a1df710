"""desired_state: look and plan in one run, one receipt for all domains, the plan of the domains' own modules."""

from __future__ import annotations

import pytest
import tls_cases

from ..ansible_runner import AnsiblePlaybook
from ..registry_export import export_task, exported

HOST = "connector-2"
MSIP = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP"
KEYS = [*tls_cases.KEYS, MSIP]

pytestmark = pytest.mark.hosts(HOST)

BOTH = {"client_settings": {"use_default_credentials_in_proxy": True}, "tls": {"disable_older": "always"}}


def test_look_apply_again_restore(playbook: AnsiblePlaybook) -> None:
    name = "infoprotect.aip.desired_state"
    run = playbook.run(
        [
            {
                "name": "desired state",
                "hosts": HOST,
                "gather_facts": False,
                "tasks": [
                    export_task("before", *KEYS),
                    {"name": "check", name: BOTH, "check_mode": True, "diff": True},
                    export_task("after check", *KEYS),
                    {"name": "tls check", "infoprotect.aip.tls": BOTH["tls"], "check_mode": True, "diff": True},
                    {
                        "name": "client check",
                        "infoprotect.aip.client_settings": BOTH["client_settings"],
                        "check_mode": True,
                        "diff": True,
                    },
                    {"name": "apply", name: BOTH, "diff": True, "register": "apply"},
                    export_task("after", *KEYS),
                    {"name": "again", name: BOTH, "check_mode": True},
                    {"name": "tls again", "infoprotect.aip.tls": BOTH["tls"]},
                    {"name": "no domain", name: {}, "check_mode": True},
                    {"name": "restore", "infoprotect.aip.restore": {"receipt": "{{ apply.receipt }}"}},
                    export_task("restored", *KEYS),
                ],
            }
        ]
    )
    before, after = exported(run.task("before", HOST)), exported(run.task("after", HOST))
    check, applied, again = (run.task(task, HOST) for task in ("check", "apply", "again"))
    assert exported(run.task("after check", HOST)) == before
    assert check["changed"] and applied["changed"] and not check["compliant"]
    assert check["diff"] == applied["diff"]
    for domain, own in (("tls", "tls check"), ("client_settings", "client check")):
        assert check["domains"][domain]["changes"] == applied["domains"][domain]["changes"]
        assert check["domains"][domain]["changes"] == run.task(own, HOST)["changes"], (
            "the plan disagrees with the module"
        )
        assert not check["domains"][domain]["compliant"]
        assert again["domains"][domain]["compliant"]
    assert after[tls_cases.long(MSIP)] == {"UseDefaultCredentialsInProxy": ("dword", 1)}
    written = {key: after[key] for key in tls_cases.BOTH}
    assert written == tls_cases.BOTH
    assert applied["receipt"] and check["receipt"] is None
    assert again["compliant"] and not again["changed"]
    for result in (check, applied, again):
        assert result["reboot_required"]
        assert {"tls", "tls_dotnet"} <= set(result["reboot_reasons"])
    assert set(again["reboot_reasons"]) <= set(again["host"]["reboot"]["reasons"])
    assert not run.task("tls again", HOST)["changed"]
    assert run.task("no domain", HOST)["compliant"]
    assert run.task("no domain", HOST)["host"]["os"]["product"] == "2019"
    assert exported(run.task("restored", HOST)) == before
