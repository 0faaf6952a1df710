"""The filters that put a host's differences into words."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

FILE = Path(__file__).resolve().parents[2] / "plugins" / "filter" / "drift.py"
spec = importlib.util.spec_from_file_location("drift", FILE)
assert spec is not None and spec.loader is not None
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
FILTERS = module.FilterModule().filters()
drift, drift_summary = FILTERS["drift"], FILTERS["drift_summary"]


def change(name: str, before: dict[str, Any] | None, after: dict[str, Any] | None, view: int = 64) -> dict[str, Any]:
    return {"path": r"HKLM:\SOFTWARE\X", "name": name, "view": view, "before": before, "after": after}


def look(reboot_required: bool = False, **domains: dict[str, Any]) -> dict[str, Any]:
    return {"domains": domains, "reboot_required": reboot_required}


ONE = {"type": "dword", "data": 1}
DIFFERENT = look(
    True,
    tls={"changes": [change("B", {"type": "dword", "data": 0}, ONE), change("", ONE, None)], "unreadable": []},
    client_settings={
        "changes": [change("A", None, ONE, view=32)],
        "unreadable": [{"what": r"HKLM:\SOFTWARE\Y", "reason": "Access is denied."}],
    },
)


def test_drift_has_one_line_for_each_value() -> None:
    assert drift(DIFFERENT) == [
        r"client_settings: HKLM:\SOFTWARE\X (32-bit view) A: (absent) -> dword 1",
        r"client_settings: cannot read HKLM:\SOFTWARE\Y: Access is denied.",
        r"tls: HKLM:\SOFTWARE\X B: dword 0 -> dword 1",
        r"tls: HKLM:\SOFTWARE\X (default): dword 1 -> (absent)",
    ]


def test_summary_counts_by_domain() -> None:
    assert (
        drift_summary(DIFFERENT)
        == "differs in 3 values (client_settings 1, tls 2), 1 item cannot be read, a restart is needed"
    )


@pytest.mark.parametrize(
    ("result", "arguments", "expected"),
    [
        (look(tls={"changes": []}), {}, "complies"),
        (look(), {}, "complies"),
        (look(True, tls={"changes": []}), {}, "complies, a restart is needed"),
        (
            {**look(True, tls={"changes": []}), "reboot_reasons": ["tls", "tls_dotnet"]},
            {},
            "complies, a restart is needed (tls, tls_dotnet)",
        ),
        (look(True, tls={"changes": []}), {"restarted": True}, "complies, restarted"),
        (look(tls={"changes": [change("A", None, ONE)]}), {"verb": "set"}, "set 1 value (tls 1)"),
        ({"finding": "too old", "domains": {}, "reboot_required": False}, {}, "too old"),
        ({"unreachable": True, "msg": "no route"}, {}, "unreachable: no route"),
        ({"failed": True, "msg": "broken"}, {}, "failed: broken"),
        ({}, {}, "failed: the host was not inspected"),
    ],
)
def test_summary(result: dict[str, Any], arguments: dict[str, Any], expected: str) -> None:
    assert drift_summary(result, **arguments) == expected


@pytest.mark.parametrize(
    ("due", "pending", "expected"),
    [
        (["tls"], [], "a restart will be needed (tls)"),
        (["tls"], ["file_rename"], "a restart will be needed (tls)"),
        (["tls"], ["tls", "file_rename"], "a restart is pending (tls)"),
        (["tls", "tls_dotnet"], ["tls_dotnet"], "a restart is pending (tls_dotnet), a restart will be needed (tls)"),
    ],
)
def test_a_restart_that_is_pending_is_told_from_one_that_will_be_needed(
    due: list[str], pending: list[str], expected: str
) -> None:
    result = look(True, tls={"changes": [change("A", None, ONE)]}) | {"reboot_reasons": due}
    result["host"] = {"reboot": {"required": bool(pending), "reasons": pending}}
    assert drift_summary(result) == f"differs in 1 value (tls 1), {expected}"


def test_a_host_that_is_not_known_is_drift() -> None:
    assert drift({"unreachable": True, "msg": "no route"}) == ["unreachable: no route"]


def test_other_input_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"expected the result .* found list"):
        drift([])


def test_a_domain_that_the_host_cannot_have_is_named() -> None:
    result = look(irm_server={"changes": [], "unreadable": [], "refused": ["no Exchange", "the connector"]})
    assert drift(result) == ["irm_server: refused: no Exchange", "irm_server: refused: the connector"]
    assert drift_summary(result) == "irm_server refused: no Exchange; the connector"


def test_what_somebody_has_to_do_and_how_the_connector_is() -> None:
    step = {"action": "install", "product": "connector", "before": None, "after": "3.1.0 or later"}
    stage = step | {"action": "stage", "product": "connector setup"}
    result = look(connector={"changes": [stage, step | {"attended": True}]})
    assert drift(result)[1] == "connector: install connector: (absent) -> 3.1.0 or later, by an operator at the host"
    waits = "waits for an operator at the host (connector)"
    assert drift_summary(result, verb="set") == f"set 1 installation (connector 1), {waits}"
    assert drift_summary(look(connector={"changes": [step | {"attended": True}]})) == waits
    runs = look(connector={"changes": []}) | {"host": {"connector": {"installed": True, "status": "stopped"}}}
    assert drift_summary(runs) == "complies, connector stopped"
    runs["host"]["connector"]["status"] = "running"
    assert drift_summary(runs) == "complies"
