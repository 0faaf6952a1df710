"""The report of a selftest: what arrived as JSON, what is masked, and what an issue shows of it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.filter.selftest import selftest_report
from ansible_collections.infoprotect.aip.plugins.plugin_utils import selftest

SHAPES: dict[str, Any] = {
    name: data for members in selftest.SHAPES.values() for name, data in members.items() if name != "unpaired"
} | {"unpaired": "a\ufffdb"}


def item(name: str, verdict: str, found: str | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"id": name, "verdict": verdict, "expected": f"{name} it is.", "found": found, "reason": reason}


RESULT: dict[str, Any] = {
    "checks": [item("one", "holds", "as expected"), item("two", "skipped", reason="no SQL Server")],
    "host": {
        "os": {"name": "Windows Server 2019", "version": "10.0.17763.1", "installation_type": "Server"},
        "powershell": "5.1.17763.1",
        "dotnet": "4.8",
        "language": "de-DE",
        "administrator": True,
        "names": ["SRV01", "srv01.contoso.com", "contoso.com", "CONTOSO"],
    },
    "shapes": SHAPES,
    "left": [],
}


def changed(**parts: Any) -> dict[str, Any]:
    return copy.deepcopy(RESULT) | parts


def test_all_that_holds() -> None:
    report = selftest_report(RESULT, {"ansible-core": "2.21.5"})
    assert (report["summary"], report["failed"]) == ("0 fail, 5 hold, 1 skipped", [])
    data = json.loads(report["json"])
    assert [check["id"] for check in data["checks"]] == ["one", "two", *selftest.SHAPES]
    assert data["about"]["Language"] == "de-DE" and data["about"]["ansible-core"] == "2.21.5"
    assert "| `two` | skipped | `two it is.` | `no SQL Server` |" in report["markdown"].splitlines()


@pytest.mark.parametrize(
    ("name", "data", "check"),
    [
        ("no_step", None, "json_lists"),
        ("no_step", {}, "json_lists"),
        ("one_step", SHAPES["one_step"][0], "json_lists"),
        ("one_text", {"value": ["one"], "Count": 1}, "json_lists"),
        ("one_text", "one", "json_lists"),
        ("nothing", {}, "json_numbers"),
        ("truth", 1, "json_numbers"),
        ("dword", -1, "json_numbers"),
        ("qword", 1.8446744073709552e19 * 2, "json_numbers"),
        ("date", "/Date(1767323045000)/", "json_texts"),
        ("characters", SHAPES["characters"].replace("\u00e9", "?"), "json_texts"),
        ("long", "x" * 69999, "json_texts"),
        ("unpaired", "a", "json_unpaired"),
        ("unpaired", None, "json_unpaired"),
    ],
)
def test_what_arrives_as_something_else(name: str, data: Any, check: str) -> None:
    """As ConvertTo-Json and the serializer of Windows PowerShell 5.1 are known to give some of it."""
    report = selftest_report(changed(shapes=SHAPES | {name: data}))
    (line,) = report["failed"]
    assert line.startswith(f"{check}: ") and f"{name}: " in line
    assert len(line) < 300


def test_a_shape_that_is_missing() -> None:
    shapes = {name: data for name, data in SHAPES.items() if name != "nothing"}
    (line,) = selftest_report(changed(shapes=shapes))["failed"]
    assert line.startswith("json_numbers")


FOUND = "SRV01 (srv01.contoso.com) of contoso\\bob S-1-5-21-1-2-3-1104, not MYSRV01X; test-host"


def test_names_are_masked() -> None:
    result = changed(checks=[item("owner", "fails", FOUND)], left=["on SRV01"])
    report = selftest_report(result, {"Host key": "srv01"}, names=["test-host"])
    for text in (report["json"], report["markdown"], *report["failed"]):
        assert "contoso" not in text.lower() and "1-2-3" not in text and "test-host" not in text
    (check, *_) = json.loads(report["json"])["checks"]
    assert check["found"] == "HOST (HOST) of HOST\\bob S-1-5-21-MASKED, not MYSRV01X; HOST"
    assert report["markdown"].endswith("Left on the host:\n\n- `on HOST`\n")


def test_names_are_shown_when_asked_for() -> None:
    report = selftest_report(changed(checks=[item("owner", "fails", FOUND)]), show_names=True)
    (check, *_) = json.loads(report["json"])["checks"]
    assert check["found"] == FOUND
    assert "| Host | `SRV01, srv01.contoso.com, contoso.com, CONTOSO` |" in report["markdown"]


def test_text_of_a_host_is_no_markup() -> None:
    found = "a|b `<script>` @someone\r\n## head\x1b[31m\ud800 " + "x" * 1000
    report = selftest_report(changed(checks=[item("text", "fails", found)]))
    (row,) = [line for line in report["markdown"].splitlines() if line.startswith("| `text`")]
    shown = row.split(" | ", 3)[3]
    assert shown.startswith("`a\\|b '<script>' @someone ## head\\u001b[31m\\ud800 xxx")
    assert shown.endswith("x...` |") and len(shown) < 350
    assert report["markdown"].encode() and report["json"].isascii()


def test_failures_come_first() -> None:
    checks = [item("a", "skipped", reason="r"), item("b", "holds", "f"), item("c", "fails", "f")]
    lines = selftest_report(changed(checks=checks))["markdown"].splitlines()
    verdicts = [line.split(" | ")[1] for line in lines if " | " in line and line.split(" | ")[1] in selftest.VERDICTS]
    assert verdicts == sorted(verdicts, key=list(selftest.VERDICTS).index) and verdicts[0] == "fails"


@pytest.mark.parametrize(
    "result",
    [
        None,
        {"failed": True, "msg": "unreachable"},
        changed(host=None),
        changed(checks=None),
        changed(checks=[{"id": "one"}]),
        changed(checks=[item("one", "maybe")]),
        changed(checks=[item("one", "holds") | {"found": 7}]),
        changed(shapes=[]),
        changed(left="x"),
    ],
)
def test_what_is_no_result(result: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"expected the result of infoprotect\.aip\.selftest"):
        selftest_report(result)


def test_version_of_a_checkout() -> None:
    assert selftest.version().endswith(" (checkout)")
