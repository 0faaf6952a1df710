"""The examples of each module's documentation are run as they stand, one after the other, and put back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ..ansible_runner import ROOT, AnsiblePlaybook
from ..registry_export import export_task, exported

HOST = "connector-2"
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.yml"))
KEYS = [
    r"HKLM\SOFTWARE\Contoso",
    r"HKLM\SOFTWARE\WOW6432Node\Contoso",
    r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP",
    r"HKLM\SOFTWARE\Microsoft\MSIPC",
    r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols",
]

pytestmark = pytest.mark.xdist_group(HOST)


@pytest.mark.parametrize("module", MODULES)
def test_examples(playbook: AnsiblePlaybook, module: str) -> None:
    documentation = yaml.safe_load(Path(ROOT, f"plugins/modules/{module}.yml").read_text(encoding="utf-8"))
    examples = yaml.safe_load(documentation["EXAMPLES"])
    assert any(f"infoprotect.aip.{module}" in example for example in examples)
    # a restart is somebody else's module, and takes half a minute
    examples = [example for example in examples if "ansible.windows.win_reboot" not in example]
    first = {"name": "first", "infoprotect.aip.registry_values": {"values": [{"path": r"HKLM:\SOFTWARE\Contoso\Base"}]}}
    first["infoprotect.aip.registry_values"]["values"][0]["data"] = "base"
    absent = {"tls": {"state": "absent"}, "client_settings": {"state": "absent"}}
    tasks = [
        {"name": "defaults", "infoprotect.aip.desired_state": absent},
        export_task("before", *KEYS),
        first,
        *examples,
        {"name": "defaults again", "infoprotect.aip.desired_state": absent},
        *(
            {
                "name": f"remove {key}",
                "ansible.windows.win_regedit": {"path": key, "state": "absent", "delete_key": True},
            }
            for key in (
                r"HKLM:\SOFTWARE\Contoso",
                r"HKLM:\SOFTWARE\WOW6432Node\Contoso",
                r"HKLM:\SOFTWARE\Microsoft\MSIPC",
            )
        ),
        export_task("after", *KEYS),
    ]
    run = playbook.run([{"name": module, "hosts": HOST, "gather_facts": False, "tasks": tasks}])
    ran = [name for name, _host, result in run.results if not result.get("skipped")]
    assert {example["name"] for example in examples if "when" not in example} <= set(ran)
    after, before = exported(run.task("after", HOST)), exported(run.task("before", HOST))
    assert {key: values for key, values in after.items() if values} == {k: v for k, v in before.items() if v}
