"""What the report makes of inspections, and of what a run applied."""

from __future__ import annotations

import copy
import datetime
import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import report_fleet
from ansible.parsing.splitter import parse_kv
from ansible_collections.infoprotect.aip.plugins.plugin_utils import authorization
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import difference, files, model, service, terminal
from hypothesis import example, given, settings
from hypothesis import strategies as st
from report_fleet import NOW, client, connector, connector_fact, content, domain, finding, tls_changes

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "docs/report.schema.json").read_text(encoding="utf-8"))
Data = dict[str, Any]


def report(inspections: Data, **more: Any) -> Data:
    return content({"inspections": inspections, **more})


def host(inspection: Any, applied: Any = None) -> Data:
    given = {"srv": applied} if applied is not None else {}
    return report({"srv": inspection}, applied=given)["hosts"][0]  # type: ignore[no-any-return]


# -- the schema -------------------------------------------------------------------------------------------------------


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", ["sample", "hostile"])
def test_reports_match_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    jsonschema.validate(request.getfixturevalue(name), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_a_report_without_hosts_matches_the_schema() -> None:
    empty = report({})
    jsonschema.validate(empty, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert empty["summary"]["hosts"] == 0 and empty["previous"] is None


def test_the_schema_has_every_key_that_a_report_has() -> None:
    """additionalProperties is false everywhere, so a new key has to be described."""
    changed = copy.deepcopy(report({"srv": client("srv")}))
    changed["hosts"][0]["colour"] = "red"
    with pytest.raises(jsonschema.ValidationError, match="colour"):
        jsonschema.validate(changed, SCHEMA, cls=jsonschema.Draft202012Validator)


# -- hosts ------------------------------------------------------------------------------------------------------------


def test_status_of_each_host(sample: Data) -> None:
    status = {one["name"]: one["status"] for one in sample["hosts"]}
    assert {name for name, value in status.items() if value == "blocked"} == {"core01", "ex01"}
    assert {name for name, value in status.items() if value == "unreachable"} == {"app09"}
    assert {name for name, value in status.items() if value == "drifted"} == {
        "app03", "fs01", "rmsc02", "rmsc03", "sp01",
    }  # fmt: skip
    assert status["fs02"] == "compliant", "this run set what differed"
    counts = sample["summary"]
    assert counts["hosts"] == len(status) == sum(counts[name] for name in model.STATUSES)
    assert counts["restart_pending"] == 3


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (domain(), "compliant"),
        (domain(tls_changes()), "drifted"),
        (domain(refused=["no"]), "refused"),
        (domain(unreadable=[{"what": "x", "reason": "y"}]), "unreadable"),
        (domain(report_fleet.showcase()["inspections"]["rmsc03"]["domains"]["connector"]["changes"]), "manual"),
        ({**domain(), "compliant": False}, "drifted"),
    ],
)
def test_state_of_a_domain(state: Data, expected: str) -> None:
    inspection = {**client("srv"), "domains": {"tls": state}}
    assert host(inspection)["domains"]["tls"]["state"] == expected


@pytest.mark.parametrize(
    ("result", "status", "message"),
    [
        ({"failed": True, "msg": "no such key"}, "failed", "no such key"),
        ({"unreachable": True, "msg": "timed out"}, "unreachable", "timed out"),
        ({"finding": "PowerShell 5.1 is needed", "domains": {}}, "blocked", "PowerShell 5.1 is needed"),
        ({"domains": {"tls": 5}, "reboot_required": False}, "failed", "domains.tls is a int"),
        ({}, "failed", "The host was not inspected."),
        (None, "failed", "The host was not inspected."),
    ],
)
def test_a_host_of_which_nothing_is_known(result: Any, status: str, message: str) -> None:
    found = host(result)
    assert found["status"] == status and message in found["message"] and found["domains"] == {}


def test_a_skipped_inspection_is_no_host() -> None:
    assert report({"srv": {"skipped": True}})["hosts"] == []


def test_unreachable_counts_more_than_an_earlier_inspection() -> None:
    (found,) = report({"srv": client("srv")}, unreachable={"srv": {"msg": "timed out"}})["hosts"]
    assert (found["status"], found["message"]) == ("unreachable", "timed out")


def test_advice_does_not_block() -> None:
    assert host(client("srv", findings=[finding("session_host", "x")]))["status"] == "compliant"
    assert host(client("srv", findings=[finding("server_installation", "x")]))["status"] == "blocked"


# -- restarts ---------------------------------------------------------------------------------------------------------


def test_a_pending_restart_is_told_from_one_that_changes_need() -> None:
    assert host(client("srv", differs=True))["restart"] == {"pending": False, "reasons": [], "after_changes": True}
    pending = {"reboot": {"required": True, "reasons": ["tls"]}}
    assert host(client("srv", facts=pending))["restart"] == {
        "pending": True, "reasons": ["tls"], "after_changes": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("applied", "pending", "reasons"),
    [
        ([{"changed": True, "reboot_required": True, "reboot_reasons": ["tls"]}], True, ["windows_update", "tls"]),
        ([{"changed": True, "rebooted": True}], False, []),
        ([{"changed": True, "reboot_required": True, "rebooted": True}], False, []),
        ([{"rebooted": True}, {"changed": True, "reboot_required": True, "reboot_reasons": ["tls"]}], True, ["tls"]),
    ],
)
def test_restarts_of_this_run(applied: Any, pending: bool, reasons: list[str]) -> None:
    inspection = client("srv", differs=True, facts={"reboot": {"required": True, "reasons": ["windows_update"]}})
    restart = host(inspection, applied)["restart"]
    assert (restart["pending"], restart["reasons"], restart["after_changes"]) == (pending, reasons, False)


# -- what this run changed --------------------------------------------------------------------------------------------


def test_a_change_has_its_receipt_and_the_command_that_undoes_it(sample: Data) -> None:
    settings, template, installed, written = sample["changes"]
    assert (settings["settings"], template["settings"]) == (["super_user_feature"], ["change template Projekt: state"])
    assert template["installations"] == template["values"] == [], "which are those of hosts"
    assert settings["undo"] == (
        "ansible adm01 -i INVENTORY -m ansible.builtin.include_role"
        " -a 'name=infoprotect.aip.protection_service tasks_from=restore'"
        " -e protection_service_restore=000001-20261129T091000Z-protection_service.json"
    )
    assert installed["domains"] == ["client"] and installed["receipt"] == installed["undo"] == ""
    assert installed["installations"][0]["product"] == "unified_labeling"
    assert written["domains"] == ["client_settings", "tls"] and len(written["values"]) == len(tls_changes()) + 1
    assert written["undo"] == (
        "ansible-playbook -i INVENTORY infoprotect.aip.restore --limit fs02"
        " -e aip_restore_receipt=000007-20261129T091500Z-desired_state.json"
    )


def test_ansible_reads_the_command_as_the_report_means_it(sample: Data) -> None:
    """In name=value, it takes a backslash and a letter for one character."""
    commands = [shlex.split(change["undo"]) for change in sample["changes"] if change["undo"]]
    names = [parse_kv(command[-1]) for command in commands]
    role = parse_kv(commands[0][commands[0].index("-a") + 1])
    tasks = ROOT / "roles" / role["name"].removeprefix("infoprotect.aip.") / "tasks" / f"{role['tasks_from']}.yml"
    ((variable, receipt),) = names[0].items()
    assert variable in tasks.read_text(encoding="utf-8")
    assert receipt == report_fleet.SERVICE_RECEIPT.rpartition("\\")[2]
    assert names[-1] == {"aip_restore_receipt": report_fleet.RECEIPT.rpartition("\\")[2]}


def test_a_shell_takes_the_command_as_it_is() -> None:
    result = {"changed": True, "receipt": "C:\\a$b", "changes": []}
    (change,) = report({"h": client("h")}, applied={"h; reboot": [result]})["changes"]
    assert change["undo"].endswith("--limit 'h; reboot' -e 'aip_restore_receipt=a$b'")


@pytest.mark.parametrize(
    "receipt", ["C:\\a'b; reboot", "C:\\{{ lookup('pipe', 'id') }}", "C:\\a aip_reboot=true", "@x"]
)
@pytest.mark.parametrize("more", [{}, {"settings": {}}])
def test_a_receipt_in_which_ansible_would_read_more_has_no_command(receipt: str, more: Data) -> None:
    result = {"changed": True, "receipt": receipt, "changes": [], **more}
    (change,) = report({"h": client("h")}, applied={"h": [result]})["changes"]
    assert change["receipt"] == receipt and change["undo"] == ""


def test_a_change_that_failed_leaves_the_host_failed() -> None:
    found = host(client("srv", differs=True), {"failed": True, "changed": False, "msg": "access denied"})
    assert (found["status"], found["message"]) == ("failed", "access denied")
    assert found["domains"]["tls"]["state"] == "drifted"


def test_a_domain_that_was_not_applied_still_differs() -> None:
    found = host(client("srv", differs=True), [{"changed": True, "domains": {"tls": domain(tls_changes())}}])
    states = {name: state["state"] for name, state in found["domains"].items()}
    assert states == {"client": "drifted", "client_settings": "drifted", "tls": "changed"}
    assert found["status"] == "drifted"


# -- prerequisites, statements, pools, manual steps -------------------------------------------------------------------


def test_a_finding_refers_to_its_prerequisite(sample: Data) -> None:
    for one in sample["hosts"]:
        for item in one["findings"]:
            entry = sample["prerequisites"][item["id"]]
            assert entry["document"] and entry["section"] and entry["remedy"]


def test_statements_that_need_action_come_first(sample: Data) -> None:
    lines = [(line["id"], line["state"]) for line in sample["statements"]]
    assert lines == [
        ("subscription", "missing"),
        ("tls_inspection", "expired"),
        ("directory_synchronization", "expires_soon"),
        ("directory_integration", "valid"),
    ]
    missing, expired, soon, valid = sample["statements"]
    assert missing["hosts"] == 15 and missing["text"] == report_fleet.STATED["subscription"]
    assert (expired["days_left"], soon["days_left"], soon["tool"]) == (-29, 15, "Entra Connect")
    assert (valid["age_days"], valid["expires"]) == (88, "2027-09-02")


def test_members_of_a_pool(sample: Data) -> None:
    (pool,) = sample["pools"]
    assert (pool["minimum_in_service"], pool["wanted"]) == (2, report_fleet.WANTED)
    first, second, third = pool["members"]
    assert first["authorization"]["status"] == "verified" and first["events"][0]["count"] == 14
    assert first["authorization"]["refused"] == ["CONTOSO\\SP02$"]
    assert second["authorization"] == {
        "status": "differs", "missing": ["CONTOSO\\RMS-SharePoint"], "extra": [], "refused": [],
    }  # fmt: skip
    assert second["lease"] == report_fleet.LEASE and first["lease"] is None and second["restart_due"]
    assert second["certificate"]["days_left"] == 18
    assert (third["health"], third["version"], third["certificate"]) == ("awaiting_sign_in", "", None)


def test_connectors_without_a_plan_are_one_pool() -> None:
    pools = report({"b": connector("b", connector_fact("3.1")), "a": connector("a", connector_fact("3.1"))})["pools"]
    assert [(pool["name"], [member["host"] for member in pool["members"]]) for pool in pools] == [
        ("https://rms.contoso.com", ["a", "b"])
    ]
    assert pools[0]["members"][0]["authorization"] is None, "without wanted accounts nothing is compared"
    assert report({"srv": client("srv")})["pools"] == []


def test_a_member_that_was_not_inspected_is_still_one() -> None:
    plan = {"pools": [{"members": ["gone"], "authorized": ["A"]}]}
    (member,) = report({"srv": client("srv")}, plan=plan)["pools"][0]["members"]
    assert (member["host"], member["health"], member["authorization"]) == ("gone", "", None)


def test_manual_steps_of_hosts_and_of_the_plan() -> None:
    step = {"host": "rmsc03", "title": "Authorize the servers", "steps": ["Open the administration tool"]}
    plan = {"manual_steps": [step, step]}
    inspections = {"rmsc03": report_fleet.showcase()["inspections"]["rmsc03"]}
    steps = report(inspections, plan=plan)["manual_steps"]
    assert [(one["host"], one["title"]) for one in steps] == [
        ("rmsc03", "Authorize the servers"),
        ("rmsc03", "Complete the setup of the connector"),
    ]
    assert steps[1]["steps"] == report_fleet.SETUP["steps"] and steps[1]["account"].startswith("Global")


# -- since the previous report ----------------------------------------------------------------------------------------


def test_what_changed_since_the_previous_report(sample: Data) -> None:
    previous = sample["previous"]
    assert (previous["added"], previous["removed"]) == (["app02"], ["old01"])
    changed = {change["name"]: change for change in previous["hosts"]}
    assert set(changed) == {"fs02", "fs03", "ts02"}
    assert (changed["fs03"]["before"], changed["fs03"]["after"]) == ("drifted", "compliant")
    assert len(changed["fs03"]["resolved"]) == len(tls_changes()) + 2 and not changed["fs03"]["new"]
    assert changed["ts02"]["new"] == ["pending restart"]


def test_nothing_changed() -> None:
    first = content(report_fleet.showcase())
    again = content(report_fleet.showcase(), first)["previous"]
    assert again == {"generated": first["generated"], "added": [], "removed": [], "hosts": []}


def test_an_unreachable_host_has_resolved_nothing() -> None:
    first = report({"srv": client("srv", differs=True)})
    second = content({"inspections": {}, "unreachable": {"srv": "timed out"}}, first)
    assert second["previous"]["hosts"] == [
        {"name": "srv", "before": "drifted", "after": "unreachable", "new": [], "resolved": []}
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "x"}, "expected a report of this collection"),
        ({"version": 2}, "its version is 2: expected 1"),
        ({"hosts": [5]}, "its hosts are damaged"),
        ({"hosts": [{"name": "srv"}]}, "it is damaged"),
    ],
)
def test_a_previous_report_that_cannot_be_compared(change: Data, message: str) -> None:
    now = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)
    first = report({"srv": client("srv")})
    made = report_fleet.from_inspections({"srv": client("srv")}, now=now)
    with pytest.raises(model.ReportError, match=message):
        difference.since(made, {**first, **change})


# -- the protection service, scanners and IRM ------------------------------------------------------------------------


def tenant(answer: Data | None = None, *applied: Data) -> Data:
    plan = {"service": answer} if answer is not None else {}
    return report({}, plan=plan, applied={"adm01": list(applied)})["service"]  # type: ignore[no-any-return]


def states(found: Data) -> dict[str, str]:
    return {setting["name"]: setting["state"] for setting in found["settings"]}


def test_a_service_that_nobody_asked_says_how_to_have_it_asked() -> None:
    for found in (tenant(), tenant({})):
        assert found["state"] == "not_asked" and found["settings"] == []
        assert "protection_service_activated" in found["message"] and "aip_admin_hosts" in found["message"]


def test_the_tenant_of_an_audit() -> None:
    found = tenant(report_fleet.service())
    drifted = {name for name, state in states(found).items() if state == "drifted"}
    assert drifted == {"super_user_feature", "super_user_group"} and states(found)["ipcv3"] == "unreadable"
    values = {setting["name"]: (setting["value"], setting["wanted"]) for setting in found["settings"]}
    assert values["super_user_group"] == ([], ["superusers@contoso.com"]) and values["activated"] == (["yes"], None)
    assert values["onboarding"][0] == [
        "licensed_only: no", "group: 10000000-0000-4000-8000-000000000007", "scope: all",
    ]  # fmt: skip
    assert (found["activated"], found["host"], found["keys"][1]["age_days"]) == (True, "adm01", 941)
    assert [one["name"] for one in found["templates"]] == ["Confidential", "Projekt"]


def test_what_would_be_activated_is_not_activated_yet() -> None:
    """The tenant of a comparison is the one after the change, since connectors are planned with it."""
    answer = report_fleet.service(settings=report_fleet.settings(activated=False), changes=["activated"])
    assert tenant(answer)["activated"] is False
    assert tenant({"tenant": {"activated": True, "id": "1"}})["activated"] is True, "only asked whether it is"


def test_the_tenant_after_the_run() -> None:
    done = {
        "changed": True,
        "changes": ["super_user_feature"],
        "settings": report_fleet.settings(super_user_feature=True),
    }
    found = tenant(report_fleet.service(), {**done, "notes": ["x"]})
    assert states(found)["super_user_feature"] == "changed" and states(found)["super_user_group"] == "drifted"
    (feature,) = [one for one in found["settings"] if one["name"] == "super_user_feature"]
    assert (feature["value"], feature["before"]) == (["yes"], ["no"]) and found["notes"][-1] == "x"
    audited = {**done, "changed": False}
    assert states(tenant(report_fleet.service(), audited))["super_user_feature"] == "drifted", "an audit sets nothing"


@pytest.mark.parametrize(
    ("answer", "state", "message"),
    [
        ({"msg": "AADSTS50126: wrong password"}, "failed", "AADSTS50126: wrong password"),
        ({"unreachable": True}, "failed", "The host that asks it is unreachable."),
        ({"settings": {"activated": False}, "msg": "AD RMS is deployed"}, "answered", "AD RMS is deployed"),
    ],
)
def test_a_service_that_did_not_answer(answer: Data, state: str, message: str) -> None:
    found = tenant(answer)
    assert (found["state"], found["message"]) == (state, message)


def test_the_host_that_asks_the_service_is_no_host_of_the_fleet_unless_it_fails() -> None:
    """A run of the tenant alone, by its tag, inspects no host."""
    done = {"changed": True, "changes": ["ipcv3"], "settings": report_fleet.settings()}
    assert report({}, applied={"adm01": done})["hosts"] == []
    (found,) = report({}, applied={"adm01": {**done, "failed": True, "msg": "denied"}})["hosts"]
    assert (found["name"], found["status"], found["message"]) == ("adm01", "failed", "denied")


def test_the_plan_keeps_little_of_the_answer() -> None:
    template = {"id": "1", "names": {"1033": "x"}, "descriptions": {"1033": "y"}, "rights": {"a": ["VIEW"]}}
    answer = {**report_fleet.service(), "templates": [template], "invocation": {"module_args": {"password": "secret"}}}
    kept = service.kept(answer, "adm01")
    assert kept["templates"] == [{"id": "1", "names": {"1033": "x"}, "state": None, "default": None, "label_id": None}]
    assert "invocation" not in kept and kept["host"] == "adm01" and service.kept({}, "adm01") == {}


def scanner(fact: Data, *applied: Data) -> Data:
    host = client("app01", facts={"scanner": fact})
    host["domains"]["scanner"] = domain([{"action": "start", "product": "service", "before": "a", "after": "b"}])
    (found,) = report({"app01": host}, applied={"app01": list(applied)})["scanners"]
    return found  # type: ignore[no-any-return]


def test_scanners_are_those_after_the_run() -> None:
    errors = [{"time": "2026-11-29T03:58:12Z", "id": 103, "text": "no"}]
    before = report_fleet.scanner_fact(service={"state": "stopped"}, errors=errors)
    found = scanner(before)
    assert (found["service"], found["state"], found["scan"]["failed_files"]) == ("stopped", "drifted", 17)
    assert found["enforce"] is False
    started = {"domain": "scanner", "changed": True, "actions": [], "scanner": report_fleet.scanner_fact(enforce=True)}
    del started["scanner"]["errors"]
    found = scanner(before, started)
    assert (found["service"], found["state"], found["enforce"]) == ("running", "changed", True)
    assert [event["id"] for event in found["errors"]] == [103], "which only the inspection reads"
    assert scanner({"installed": False})["service"] == "not_installed"
    assert report({"a": client("a")})["scanners"] == []


def test_nodes_are_told_once_for_each_cluster() -> None:
    """As many scanners have as many nodes, and each of them tells all."""
    nodes = [{"name": f"app{number:02}", "status": "idle"} for number in range(20)]
    other = report_fleet.scanner_fact(sql_instance="SQL02", cluster="eu", nodes=nodes[:1])
    facts = {node["name"]: report_fleet.scanner_fact(nodes=nodes) for node in nodes} | {"app00": {"installed": False}}
    inspections = {name: client(name, facts={"scanner": fact}) for name, fact in {**facts, "app99": other}.items()}
    found = report(inspections)
    assert [one["sql_instance"] for one in found["scanner_clusters"]] == [facts["app01"]["sql_instance"], "SQL02"]
    assert [len(one["nodes"]) for one in found["scanner_clusters"]] == [20, 1] and len(found["scanners"]) == 21
    assert json.dumps(found["scanners"]).count("app07") == 1
    later = [{**node, "status": "scanning"} for node in nodes]
    started = {"changed": True, "scanner": report_fleet.scanner_fact(nodes=later)}
    (first, _other) = report(inspections, applied={"app07": [started]})["scanner_clusters"]
    assert first["nodes"] == later, "as they are after the run"


def test_irm_is_known_where_the_run_asked() -> None:
    servers = {"ex02": client("ex02", facts={"roles": {"exchange": {"version": "15.1"}}})}
    plan = {"irm": [report_fleet.ORGANIZATION, report_fleet.FARM]}

    def found(**applied: Data) -> list[Data]:
        return report(servers, plan=plan, applied=applied)["irm"]  # type: ignore[no-any-return]

    exchange, farm = found()
    assert (exchange["state"], exchange["wanted"], farm["state"]) == ("", "on", "")
    assert exchange["servers"] == [{"host": "ex02", "version": "15.1", "state": ""}]
    (exchange, farm) = found(ex02=report_fleet.IRM_IS_ON)
    assert (exchange["state"], farm["state"]) == ("on", "") and exchange["configuration"]["client_access"] == ["yes"]
    failed = {"failed": True, "changed": False, "msg": "exchange_irm: the mailbox does not exist"}
    (exchange, _farm) = found(ex02=failed)
    assert (exchange["state"], exchange["message"]) == ("", "exchange_irm: the mailbox does not exist")
    off = {"changed": True, "configuration": {"enabled": False, "active_directory": False}}
    made = report(servers, plan=plan, applied={"sp01": off})
    assert made["irm"][1]["state"] == "off"
    assert made["changes"][0]["settings"] == ["Information Rights Management: off"]


# -- any input --------------------------------------------------------------------------------------------------------


def test_time_is_utc() -> None:
    east = datetime.timezone(datetime.timedelta(hours=9))
    assert report_fleet.from_inspections({}, now=NOW.astimezone(east)).generated == "2026-11-29T09:30:00Z"


def test_texts_are_cut_and_can_be_encoded(hostile: Data) -> None:
    text = json.dumps(hostile, ensure_ascii=False)
    text.encode()
    assert "n" * 4000 + "… (5000 characters)" in text and "n" * 4001 not in text


@pytest.mark.parametrize("odd", [None, 5, "text", [], {}, [None], {"x": None}, {"x": 5}, {"x": []}])
def test_odd_shapes_do_not_take_the_report_of_others_with_them(odd: Any) -> None:
    bad = {**client("bad"), "findings": odd, "statements": odd, "host": odd}
    given = {"inspections": {"bad": bad, "worse": odd, "good": client("good")}, "applied": {"bad": odd, "good": odd}}
    found = content({**given, "plan": {"pools": odd, "manual_steps": odd}})
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert [one["status"] for one in found["hosts"] if one["name"] == "good"] == ["compliant"]


#: Keys that the report reads, so that chance reaches the code behind them.
KEYS = [
    "domains", "host", "findings", "statements", "msg", "failed", "unreachable", "finding", "reboot_required",
    "reboot_reasons", "tls", "connector", "changes", "path", "name", "view", "before", "after", "type", "data",
    "action", "product", "attended", "unreadable", "what", "reason", "refused", "notes", "attended_step", "steps",
    "compliant", "id", "severity", "status", "text", "document", "section", "expected", "remedy", "found", "date",
    "expires", "tool", "https", "days_left", "lease", "expired", "stage",
    "run", "controller", "events", "authorized", "members", "pools",
    "manual_steps", "title", "minimum_in_service", "os", "reboot", "required", "reasons", "receipt", "changed",
    "rebooted", "actions", "domain", "url", "version", "count", "time",
    "service", "settings", "diff", "tenant", "tenant_keys", "administrators", "templates", "names", "properties",
    "scanner", "scan", "errors", "nodes", "enforce", "irm", "asked", "servers", "configuration", "internal_licensing",
    "active_directory", "verification", "roles", "package_needed", "installed", "removed", "activated",
]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=60,
)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.text(max_size=4), ANYTHING, max_size=3),
    st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=3),
    st.dictionaries(st.text(max_size=4), ANYTHING, max_size=2),
)
@example(inspections={"a": {}}, plan={}, applied={"a": {"domains": None, "run": []}})
def test_any_input_gives_a_report(inspections: Data, plan: Data, applied: Data) -> None:
    real = copy.deepcopy(report_fleet.showcase()["inspections"]["rmsc03"])
    mixed = {name: {**real, **value} if isinstance(value, dict) else value for name, value in inspections.items()}
    made = report(mixed, plan=plan, applied=applied, unreachable=applied)
    jsonschema.validate(made, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert all(text for _file, text in files.render(made, files.FORMATS).values())
    assert terminal.table(made) and terminal.artifact(made) and content({"inspections": mixed}, made)["previous"]


def test_a_pool_is_reported_as_it_is_after_the_run() -> None:
    """By the newest facts, and without the run's own lease."""
    own = {"run": "abcd", "controller": "me", "started": "a", "expires": "b", "stage": "returning", "expired": False}
    upgraded = {"changed": False, "host": {"connector": connector_fact("3.1.0.0", lease=own)}}
    plan = {"pools": [{"members": ["a", "b", "c"], "minimum_in_service": 2, "turns": ["b"]}], "manual_steps": []}
    inspections = {name: connector(name, connector_fact("3.0.0.0", lease=None)) for name in ("a", "b")}
    applied = {"b": [{"domain": "connector", "changed": True}, upgraded, {"run": "abcd"}]}
    (pool,) = report(inspections, plan=plan, applied=applied)["pools"]
    assert [(member["host"], member["version"]) for member in pool["members"]] == [
        ("a", "3.0.0.0"), ("b", "3.1.0.0"), ("c", ""),
    ]  # fmt: skip
    assert pool["turns"] == ["b"] and not any(member["lease"] for member in pool["members"])
    del applied["b"][2]
    (pool,) = report(inspections, plan=plan, applied=applied)["pools"]
    assert pool["members"][1]["lease"]["run"] == "abcd", "a turn that has not ended"


def test_manual_steps_are_those_that_are_left_after_the_run() -> None:
    waits = {"installed": True, "version": "3.0.0.0", "staged_version": "3.1.0.0"}
    setup = {"domain": "connector", "changed": True, "status": "awaiting_sign_in", "attended_step": report_fleet.SETUP}
    inspections = {"a": connector("a", waits, {"connector": domain([], attended_step=report_fleet.SETUP)})}

    def left(*results: Data, **plan: Any) -> list[tuple[str, str]]:
        steps = report(inspections, applied={"a": list(results)}, plan=plan)["manual_steps"]
        return [(step["host"], step["title"]) for step in steps]

    title = "Complete the setup of the connector"
    assert left() == left(setup) == [("a", title)]
    assert left(setup, {"host": {"connector": waits}}) == [("a", title)]
    assert left(setup, {"host": {"connector": {**waits, "staged_version": None}}}) == []
    assert left({"domain": "connector", "changed": True}) == [], "an operator's arguments made it automatic"
    assert left({**setup, "failed": True}) == [("a", title)]
    removal = {**setup, "status": "awaiting_removal"}
    assert left(removal, {"host": {"connector": waits}}) == [("a", title)]
    assert left(removal, {"host": {"connector": None}}) == []
    listed = authorization.LIST_TITLE
    authorize = {"host": "a", "title": listed, "account_role": "x", "accounts": {"FCI Server": "b"}, "steps": ["y"]}
    verdict = {"status": "differs", "attended_step": authorize}
    assert left(setup, verdict) == [("a", title), ("a", listed)]
    assert left(manual_steps=[authorize]) == [("a", listed), ("a", title)]
    same = {**verdict, "attended_step": {**authorize, "host": "b"}}
    assert left(setup, verdict, same) == [("a", title), ("a", listed)], "one list is one step"
    assert left({"status": "verified", "attended_step": None}, manual_steps=[authorize]) == [("a", title)]


def test_check_mode_has_set_nothing() -> None:
    inspections = {"a": report_fleet.client("a", differs=True)}
    applied = {"a": {"changed": True, "domains": {"tls": domain(report_fleet.tls_changes())}}}
    made = report(inspections, applied=applied, run=model.Run("site", check_mode=True))
    assert made["changes"] == [] and made["hosts"][0]["domains"]["tls"]["state"] == "drifted"


@pytest.mark.parametrize(
    ("results", "pending"),
    [
        ([], ["windows_update"]),
        ([{"rebooted": True}], []),
        ([{"rebooted": True}, {"reboot_required": True, "reboot_reasons": ["connector"]}], ["connector"]),
        ([{"host": {"reboot": {"required": True, "reasons": ["tls"]}}}, {"rebooted": True}], []),
        ([{"rebooted": True}, {"host": {"reboot": {"required": True, "reasons": ["tls"]}}}], ["tls"]),
        ([{"host": {"connector": None}}], ["windows_update"]),
    ],
)
def test_a_pending_restart_is_that_after_the_run(results: list[Data], pending: list[str]) -> None:
    waits = client("srv", facts={"reboot": {"required": True, "reasons": ["windows_update"]}})
    restart = host(waits, results)["restart"]
    assert (restart["pending"], restart["reasons"]) == (bool(pending), pending)
