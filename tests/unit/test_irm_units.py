"""Which servers share a configuration of IRM, which one changes it, and when IRM has to wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.infoprotect.aip.plugins.filter import irm_configuration as filters
from ansible_collections.infoprotect.aip.plugins.plugin_utils.irm_configuration import Server

ROLE = Path(__file__).resolve().parents[2] / "roles/irm_configuration"
Json = dict[str, Any]
ON: Json = {"irm_configuration_state": "present"}


def inspected(version: str = "", *, compliant: bool = True, product: str = "exchange", **more: Any) -> Json:
    return {
        "aip_apply_inspection": {
            "host": {"roles": {product: {"version": version}}},
            "domains": {"irm_server": {"compliant": compliant}},
            **more,
        },
        "aip_plan": {"stopped": {}},
    }


def units(hostvars: Json, turn: list[str] | None = None, **groups: list[str]) -> list[Json]:
    groups = groups or {"exchange_servers": list(hostvars)}
    return filters.irm_units(hostvars, list(hostvars) if turn is None else turn, groups)


def test_newest_server_is_asked() -> None:
    """Of an organization of several versions; without an inspection the first one."""
    known = {
        "ex13": ON | inspected("15.0.1497.48"),
        "ex19": ON | inspected("15.2.1544.4"),
        "ex16": ON | inspected("15.1.2507.6"),
    }
    (unit,) = units(known)
    assert (unit["asked"], unit["servers"]) == ("ex19", ["ex13", "ex19", "ex16"])
    assert units({"ex1": ON, "ex2": ON})[0]["asked"] == "ex1"
    old = {"ex1": ON | {"aip_apply_inspection": {"finding": "PowerShell 5.1 is needed"}}, "ex2": ON}
    assert units(old)[0]["asked"] == "ex2", "which can run modules"
    assert units({"ex1": old["ex1"]})[0]["asked"] == ""


def test_connectors_whose_list_is_not_verified_are_named() -> None:
    verdicts = {"c1": "verified", "c2": "differs"}
    known = {name: {"rms_authorization_verdict": {"status": status}} for name, status in verdicts.items()}
    known |= {"ex1": ON, "c3": {"rms_authorization_verdict": {"skipped": True}}, "c4": {}}
    (unit,) = units(known, ["ex1"], exchange_servers=["ex1"], rms_connectors=["c1", "c2", "c3", "c4"])
    assert unit["unlisted"] == ["c2"]


def test_each_organization_and_farm_is_asked() -> None:
    known = {
        "ex1": ON,
        "ex2": ON | {"irm_configuration_organization": "fabrikam"},
        "sp1": ON,
        "sp2": ON,
        "fs1": ON,
    }
    found = units(known, exchange_servers=["ex1", "ex2"], sharepoint_servers=["sp1", "sp2"], fci_servers=["fs1"])
    assert [(unit["product"], unit["name"], unit["asked"]) for unit in found] == [
        ("exchange", "", "ex1"),
        ("exchange", "fabrikam", "ex2"),
        ("sharepoint", "", "sp1"),
        ("fci", "", ""),
    ]


def test_servers_that_are_not_there() -> None:
    """Left out by --limit, lost, and failed after the plan."""
    plan = {"aip_plan": {"lost": {"ex2": "timed out"}, "stopped": {}}}
    known = {"ex1": ON | plan, "ex2": ON | plan, "ex3": ON, "ex4": ON | inspected() | plan}
    (unit,) = units(known, ["ex1"])
    assert (unit["unready"], unit["absent"]) == (["ex2", "ex4"], ["ex3"])


def test_who_leaves_ad_rms() -> None:
    leaving = ON | {"irm_configuration_from_ad_rms": True}
    differs, waits = inspected(compliant=False), inspected(compliant=False, waiting={"irm_server": "no tenant"})
    known = {"ex1": leaving | differs, "ex2": leaving | inspected(), "ex3": ON | differs, "ex4": leaving | waits}
    groups = {"exchange_servers": list(known)}
    assert filters.irm_configuring(known, groups, leaving=True) == ["ex1"]
    assert filters.irm_configuring(known, groups) == ["ex1", "ex2", "ex3"]
    (unit,) = units(known)
    assert (unit["leaving"], unit["detaches"]) == (["ex1"], False), "the organization has left already"
    (unit,) = units({"ex1": known["ex1"]})
    assert unit["detaches"] is True


def test_where_nothing_is_defined() -> None:
    known: Json = {"ex1": {}, "ex2": {"irm_configuration_state": ""}}
    assert filters.irm_configuring(known, {"exchange_servers": ["ex1", "ex2"]}) == ["!all"]
    assert filters.irm_configuring({}, {}) == ["!all"]
    # the role is called with variables of a play, which other hosts do not have
    assert units(known, ["ex1"])[0]["servers"] == ["ex1"]


@pytest.mark.parametrize(("text", "numbers"), [("15.2.1544.4", [15, 2, 1544, 4]), ("", []), ("x", [])])
def test_versions_are_compared_as_numbers(text: str, numbers: list[int]) -> None:
    assert Server("a", "exchange", version=text).numbers == numbers


def test_farm_is_configured_with_a_logon_of_its_own() -> None:
    """Its cmdlets sign in to a database from their own process. No emulated host can run become."""
    found = []
    for file in ("main.yml", "detach.yml"):
        (block,) = yaml.safe_load((ROLE / "tasks" / file).read_text(encoding="utf-8"))
        assert block["tags"] == ["irm_configuration"]
        found += [task for task in block["block"] if "infoprotect.aip.sharepoint_irm" in task]
    assert len(found) == 2
    for task in found:
        assert task["become"] == "{{ irm_configuration_username | default('', true) | length > 0 }}"
        assert task["become_method"] == "ansible.builtin.runas" and "irm_configuration_username" in task["become_user"]
        assert "irm_configuration_password" in task["vars"]["ansible_become_password"]
