"""The playbook awx, with the modules of awx.awx, against the stub. tests/unit/awx has the same in one process."""

from __future__ import annotations

from pathlib import Path

import pytest
from awx_stub.data import MINE, ROOT, new_awx
from awx_stub.server import TOKEN, serve

from ..ansible_runner import ansible_of

AWX = ROOT / "playbooks/awx.yml"


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("core", ["2.19", "2.21"])
def test_the_second_run_writes_nothing(core: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ansible, store = ansible_of(core, []), new_awx()
    with serve(store) as address:
        monkeypatch.setenv("CONTROLLER_HOST", address)
        monkeypatch.setenv("CONTROLLER_OAUTH_TOKEN", TOKEN)
        first = ansible.run(AWX, extra_vars=MINE)
        assert len(first.task("Apply the objects", "localhost")["objects"]) > 40
        store.requests.clear()
        second = ansible.run(AWX, extra_vars=MINE)
        assert second.stats["localhost"]["changed"] == 0 and store.requests and store.writes == []
        assert second.task("Show what was changed", "localhost")["msg"] == ["Nothing was changed."]
        template = next(item for item in store.objects["job_templates"].values() if item["name"] == "AIP | Report")
        template["description"] = "somebody changed it"
        store.requests.clear()
        checked = ansible.run(AWX, "--check", extra_vars=MINE)
        assert checked.task("Apply the objects", "localhost")["objects"] == ["job template AIP | Report"]
        assert store.writes == []
        third = ansible.run(AWX, extra_vars=MINE)
        assert third.task("Apply the objects", "localhost")["objects"] == ["job template AIP | Report"]
        assert store.writes == [("PATCH", f"/api/v2/job_templates/{template['id']}/")]


@pytest.mark.full
def test_a_required_setting_is_missing(tmp_path: Path) -> None:
    refused = ansible_of("2.19", []).run(AWX, extra_vars={}, expect=2)
    assert "aip_awx_project_url, aip_awx_image, aip_awx_notification_url: expected a value" in refused.stdout
