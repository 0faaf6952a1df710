"""The collection is imported as Ansible imports it, from this checkout."""

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".cache/collections")])
