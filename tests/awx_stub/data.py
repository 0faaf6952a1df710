"""Where the objects for AWX and the project are, and the settings of an imaginary operator."""

from __future__ import annotations

from pathlib import Path

from .server import Store

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / "extensions/awx/objects"
PROJECT = ROOT / "extensions/awx/project"
MINE = {
    "aip_awx_project_url": "https://git.corp.example.com/aip.git",
    "aip_awx_image": "registry.corp.example.com/aip-ee:1.0.0",
    "aip_awx_notification_url": "https://chat.corp.example.com/hook",
}


def playbooks() -> list[str]:
    """The playbooks of the project, as AWX lists them."""
    return sorted(str(path.relative_to(PROJECT)) for path in (PROJECT / "playbooks").glob("*.yml"))


def new_awx() -> Store:
    """An AWX that has only its organization."""
    store = Store(playbooks())
    store.add("organizations", name="Default")
    return store
