"""An unchanged ansible-core talks to the listener by both of its Windows connections."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONNECTIONS = {
    "winrm-ntlm": "ansible_connection=winrm ansible_winrm_transport=ntlm ansible_port={http} ansible_winrm_scheme=http",
    "winrm-basic": "ansible_connection=winrm ansible_winrm_transport=basic ansible_port={https} "
    "ansible_winrm_scheme=https "
    "ansible_winrm_server_cert_validation=ignore",
    "psrp": "ansible_connection=psrp ansible_psrp_auth=negotiate ansible_psrp_protocol=http ansible_port={http} "
    "ansible_psrp_ignore_proxy=true",
}


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_raw(fleet, tmp_path, connection):
    variables = CONNECTIONS[connection].format(http=fleet.listener.http_port, https=fleet.listener.https_port)
    inventory = tmp_path / "hosts"
    inventory.write_text(
        "host ansible_host=127.0.0.1 ansible_user=reader ansible_password='Winfleet!reader' "
        f"ansible_shell_type=powershell {variables}\n"
    )
    (tmp_path / "ansible.cfg").touch()  # none of the project's settings
    ansible = Path(sys.executable).with_name("ansible")
    result = subprocess.run(
        [ansible, "-i", inventory, "host", "-m", "ansible.builtin.raw", "-a", "echo größe; exit 3"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_HOME": str(tmp_path),
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        },
    )
    assert "rc=3" in result.stdout, result.stdout + result.stderr
    assert "größe" in result.stdout
    assert fleet.listener.shell_count == 0
