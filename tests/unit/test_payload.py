"""What an inspection sends to a host: each 200,000 bytes cost a request of the connection plugin winrm."""

from __future__ import annotations

from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import module_loader
from ansible.template import Templar

#: Of one Send in Ansible's plugin
PART = 200_000
#: What a host's variables and Ansible's own options add
OPTIONS = 2_000


def test_an_inspection_is_sent_in_three_parts() -> None:
    """With the five requests around them (shell, command, output, signal, end) a host that complies costs eight."""
    found = module_loader.find_plugin_with_context("infoprotect.aip.desired_state", mod_type=".ps1")
    built = modify_module(
        module_name=found.resolved_fqcn,
        module_path=found.plugin_resolved_path,
        module_args={"tls": {}},
        templar=Templar(loader=DataLoader()),
        task_vars={},
    )
    assert len(built.b_module_data) + OPTIONS <= 3 * PART
