"""What plugins load. Ansible imports them again in the process of each task and host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "ansible_collections.infoprotect.aip.plugins"
COLLECTIONS = Path(__file__).resolve().parents[2] / ".cache/collections"
LOADER = "from ansible.plugins.loader import init_plugin_loader; import sys; init_plugin_loader(sys.argv[1:2])"
LISTS = f"{LOADER}; import importlib; importlib.import_module(sys.argv[2]); print(*sys.modules)"


@pytest.mark.parametrize("name", ["plugin_utils.requirements", "action.plan", "action.inspect", "action.report"])
def test_packages_for_other_services_are_loaded_only_where_they_are_asked(name: str) -> None:
    """requests and cryptography take as long to load as all the rest."""
    done = subprocess.run(
        [sys.executable, "-c", LISTS, str(COLLECTIONS), f"{PACKAGE}.{name}"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert f"{PACKAGE}.{name}" in loaded and loaded.isdisjoint({"requests", "requests_ntlm"})
