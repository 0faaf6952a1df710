"""The actions prepare, inspect, plan and apply: what they make of variables, and of what hosts answer."""

from __future__ import annotations

import base64
import copy
import datetime
import hashlib
from pathlib import Path
from typing import Any

import pytest
from actions import load_action
from ansible.errors import AnsibleActionFail
from ansible_collections.infoprotect.aip.plugins.action import apply, prepare
from ansible_collections.infoprotect.aip.plugins.plugin_utils import awx_job, inspecting, statements
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import HostVariables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_filters_any_input import ODD, places, replaced

Json = dict[str, Any]
FACTS = {"powershell": {"version": "5.1.17763.5458"}}
COMPLIES: Json = {
    "compliant": True,
    "domains": {"tls": {"compliant": True, "changes": []}},
    "host": FACTS,
    "reboot_required": False,
}
COMPLIES |= {"reboot_reasons": [], "changed": True, "diff": {"a": 1}}
TOO_OLD = {"failed": True, "msg": "This module requires PowerShell v5.1"}
INSTALL = {"action": "install", "product": "client", "before": None, "after": "any version"}
CLIENT = {"compliant": False, "changes": [INSTALL], "reboot_required": False}
STAGE = {"compliant": False, "changes": [{**INSTALL, "action": "stage", "product": "connector"}]}
CONNECTOR_URL = "https://rms.contoso.test"
ACCOUNT = {"irm_server_discovery_username": "CONTOSO\\reader", "irm_server_discovery_password": "Secret!1"}


class Fleet:
    """Hosts with their groups and variables; `answers` of modules, and what each was asked."""

    def __init__(self, **hosts: Json) -> None:
        self.hostvars: dict[str, Json] = {
            name: {"inventory_hostname": name, "group_names": ["aip_clients"], **variables}
            for name, variables in hosts.items()
        }
        self.answers: dict[str, Json] = {"desired_state": dict(COMPLIES)}
        self.asked: list[tuple[str, Json]] = []
        self.check_mode = False

    def run(self, action: str, host: str = "", /, variables: Json | None = None, **options: Any) -> Json:
        host = host or next(iter(self.hostvars))
        groups: dict[str, list[str]] = {"all": list(self.hostvars)}
        for one, its in self.hostvars.items():
            for group in its["group_names"]:
                groups.setdefault(group, []).append(one)
        play = {"ansible_play_hosts": list(self.hostvars), "ansible_play_hosts_all": list(self.hostvars)}
        known = {**self.hostvars[host], **play, **(variables or {}), "hostvars": self.hostvars, "groups": groups}
        plugin = load_action(action, options, check_mode=self.check_mode, variables=known)
        plugin._execute_module = self._module
        plugin._find_needle = lambda _kind, source: source
        return dict(plugin.run(task_vars=known))

    def _module(self, module_name: str, module_args: Json, task_vars: object) -> Json:
        name = module_name.rpartition(".")[2]
        self.asked.append((name, dict(module_args)))
        module_args["_ansible_check_mode"] = True
        return dict(self.answers[name])

    def inspect(self) -> None:
        """Register the inspection of each host, as a play does."""
        for name, variables in self.hostvars.items():
            variables["aip_apply_inspection"] = self.run("inspect", name)


def test_everything_that_is_wrong_is_reported_together_with_the_hosts_that_have_it() -> None:
    fleet = Fleet(
        a={"aip_client_prodcut": "purview"},
        b={"aip_client_prodcut": "purview", "aip_reboot": "perhaps"},
        c={},
    )
    tags = {"ansible_run_tags": ["tsl"], "ansible_skip_tags": []}
    with pytest.raises(AnsibleActionFail) as error:
        fleet.run("prepare", variables=tags, by_tags=True)
    lines = str(error.value).splitlines()
    assert lines[0] == "No host was contacted. Correct these variables and tags:"
    assert "--tags, --skip-tags: tsl is not a tag of this collection. Did you mean tls?" in lines
    assert "a, b: aip_client_prodcut is not a variable of this collection. Did you mean aip_client_product?" in lines
    assert any(line.startswith("b: ") and "aip_reboot" in line for line in lines)
    assert fleet.asked == []
    # tags of other playbooks are not checked
    assert Fleet(a={}).run("prepare", variables=tags) == {
        "tenants": {},
        "asks_service": False,
        "service_answered": False,
    }


def test_operator_statements_are_checked_before_a_host_is_contacted() -> None:
    """All of them, with everything else that is wrong."""
    fleet = Fleet(
        a={"aip_statements": {"subscripton": {"name": "A"}, "subscription": {"name": "A"}}},
        b={"aip_statements": {"tls_inspection": {"name": "A", "date": "2026-01-01", "expires": "2025-01-01"}}},
    )
    with pytest.raises(AnsibleActionFail) as error:
        fleet.run("prepare")
    wrong = str(error.value)
    assert "a: aip_statements: subscripton cannot be stated: expected one of" in wrong
    assert "a: aip_statements: subscription has the date None: expected a day" in wrong
    assert "b: aip_statements: tls_inspection expires on 2025-01-01, before its date 2026-01-01" in wrong
    assert fleet.asked == []


def test_a_statement_that_expires_soon_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "today", lambda: datetime.date(2026, 11, 29))
    stated = {
        "tls_inspection": {"name": "A", "date": "2025-12-14"},
        "subscription": {"name": "A", "date": "2026-01-01"},
    }
    fleet = Fleet(a={"aip_statements": stated}, b={"aip_statements": stated}, c={})
    (warning,) = fleet.run("prepare")["warnings"]
    assert warning.startswith("aip_statements: tls_inspection: statement of A from 2025-12-14, expires on 2026-12-14.")
    assert "warnings" not in Fleet(c={}).run("prepare")
    # the report has them from the inspection
    found = fleet.run("inspect")["statements"]
    assert found["subscription"] == {"name": "A", "date": "2026-01-01", "expires": "2027-01-01"}


def test_a_variable_of_the_play_counts_for_all_hosts() -> None:
    fleet = Fleet(a={}, b={})
    with pytest.raises(AnsibleActionFail, match=r"a, b: .*aip_domains"):
        fleet.run("prepare", variables={"aip_domains": ["tsl"]})
    assert fleet.run("prepare", variables={"aip_domains": ["tls"], "aip_reboot": "yes"})["tenants"] == {}


def test_each_connector_is_asked_once_for_its_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def ask(*arguments: Any) -> str:
        asked.append(arguments)
        return "https://tenant.rms.na.aadrm.com"

    monkeypatch.setattr(prepare, "ask", ask)
    server = {"group_names": ["exchange_servers"], "irm_server_connector_url": CONNECTOR_URL}
    fleet = Fleet(a=server | ACCOUNT, b=server | ACCOUNT, c=server | {"irm_server_tenant_url": "https://x"})
    prepared = fleet.run("prepare")
    assert prepared["tenants"] == {CONNECTOR_URL: "https://tenant.rms.na.aadrm.com"}
    assert asked == [(CONNECTOR_URL, "CONTOSO\\reader", "Secret!1", None)]
    fleet.run("inspect", "a", variables={"aip_apply_prepared": prepared})
    (_name, options) = fleet.asked[0]
    assert options["irm_server"]["tenant_url"] == "https://tenant.rms.na.aadrm.com"


def test_without_an_account_the_service_is_asked_or_nothing_goes_on() -> None:
    server = {"group_names": ["exchange_servers"], "irm_server_connector_url": CONNECTOR_URL}
    signed = {"rms_authorization_tenant_username": "admin@contoso.test"}
    assert Fleet(a=server | signed).run("prepare")["asks_service"]
    with pytest.raises(AnsibleActionFail, match=r"a: the URL of the tenant is not known\. Set irm_server_tenant_url"):
        Fleet(a=server).run("prepare")


def test_variables_become_the_question() -> None:
    fleet = Fleet(a={"aip_tls_disable_older": "auto", "aip_client_product": "purview", "aip_client_version": ""})
    found = fleet.run("inspect")
    assert fleet.asked == [("desired_state", {"client": {"product": "purview"}, "tls": {"disable_older": "auto"}})]
    assert found["looked_for"] == fleet.asked[0][1] and not found["changed"] and "diff" not in found
    assert (found["steps"], found["stop"]) == ([], "run")


def test_tags_narrow_the_question() -> None:
    fleet = Fleet(a={"aip_client_product": "purview"})
    fleet.run("inspect", variables={"ansible_run_tags": ["tls"], "ansible_skip_tags": []}, by_tags=True)
    assert fleet.asked == [("desired_state", {"tls": {}})]
    tags = {"ansible_run_tags": ["authorization"], "ansible_skip_tags": []}
    assert fleet.run("inspect", variables=tags, by_tags=True)["skipped"]
    assert len(fleet.asked) == 1


def test_a_domain_that_waits_for_its_tenant() -> None:
    fleet = Fleet(a={"group_names": ["fci_servers"], "irm_server_connector_url": CONNECTOR_URL})
    found = fleet.run(
        "inspect", variables={"aip_apply_prepared": {"tenants": {CONNECTOR_URL: ""}, "asks_service": False}}
    )
    assert fleet.asked == [("desired_state", {"tls": {}})]
    assert not found["compliant"] and "does not tell the URL of the tenant yet" in found["waiting"]["irm_server"]
    assert found["domains"]["irm_server"]["refused"] == [found["waiting"]["irm_server"]]


def test_a_host_whose_powershell_is_too_old() -> None:
    fleet = Fleet(a={})
    fleet.answers["desired_state"] = dict(TOO_OLD)
    found = fleet.run("inspect")
    assert not found.get("failed") and not found["compliant"] and found["host"] == {} and found["steps"] == []
    assert "install Windows Management Framework 5.1" in found["finding"]
    assert [item["id"] for item in found["findings"]] == ["powershell"]
    stopped = fleet.run("inspect", stop=True)
    assert stopped["failed"] and "PowerShell 5.1 is needed" in stopped["msg"]


def test_an_inspection_that_fails_repeats_nothing_of_the_question() -> None:
    fleet = Fleet(a={})
    fleet.answers["desired_state"] = {"failed": True, "msg": "no such registry"}
    found = fleet.run("inspect")
    assert found["failed"] and "looked_for" not in found


#: A host that differs everywhere, with all that a run reads of the result
DIFFERS: Json = {
    "compliant": False,
    "domains": {
        "client": CLIENT | {"obstacles": ["no .NET"], "notes": ["a note"]},
        "connector": STAGE | {"refused": ["no"]},
        "connector_https": {"compliant": False, "changes": [{**INSTALL, "action": "bind"}], "obstacles": ["old"]},
        "tls": {
            "compliant": False,
            "changes": [{"path": "HKLM:\\X", "name": "A", "view": 64, "before": None, "after": None}],
            "unreadable": [{"what": "HKLM:\\Y", "reason": "denied"}],
        },
    },
    "host": {
        **FACTS,
        "connector": {"installed": True, "version": "3.0", "status": "stopped", "lease": None, "restart_due": True},
        "dotnet": {"release": 1, "version": "4.5"},
        "products": [{"kind": "rms_connector", "state": "installed"}],
        "reboot": {"required": True, "reasons": ["tls"]},
    },
    "reboot_required": True,
    "reboot_reasons": ["tls"],
}
CONNECTOR_HOST = {
    "group_names": ["rms_connectors", "aip_clients"],
    "rms_connector_state": "present",
    "rms_connector_url": CONNECTOR_URL,
    "rms_connector_certificate_thumbprint": "A" * 40,
    "aip_client_product": "purview",
    "aip_client_dotnet_path": "C:\\net.exe",
    "aip_endpoints": [],
}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_host_that_answers_nonsense_is_lost_and_takes_no_other_with_it(data: st.DataObject) -> None:
    fleet = Fleet(a={}, b=CONNECTOR_HOST)
    fleet.inspect()
    path = data.draw(st.sampled_from([path for path in places(DIFFERS) if path]))
    fleet.answers["desired_state"] = replaced(DIFFERS, path, data.draw(ODD), drop=data.draw(st.booleans()))
    found = fleet.hostvars["b"]["aip_apply_inspection"] = fleet.run("inspect", "b")
    variables = {"aip_audit_fail_on_drift": True, "aip_audit_fail_on_restart": True}
    plan = fleet.run("plan", variables=variables, report_only=True)
    assert plan["complies"] == ["a"] and any(line.startswith("b  ") for line in plan["lines"])
    if found.get("failed"):
        assert "The host returned a result that is not one of infoprotect.aip.desired_state: " in found["msg"]
        assert list(plan["lost"]) == ["b"]
        assert any(line.startswith("b  failed: The host returned a result") for line in plan["lines"])


@pytest.mark.parametrize(
    ("path", "other", "said"),
    [
        ((), {}, "domains is missing"),
        (("domains",), [], "domains is a list, expected a dictionary"),
        (("domains", "tls", "compliant"), "yes", "domains.tls.compliant is text, expected true or false"),
        (("domains", "client", "notes"), [1], "domains.client.notes[0] is a int, expected text"),
        (("host",), None, "host is null, expected a dictionary"),
        (("host", "reboot"), "x", "host.reboot is text, expected a dictionary or null"),
        (("host", "reboot", "reasons"), [{}], "host.reboot.reasons[0] is a dictionary, expected text"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(path: tuple[str, ...], other: object, said: str) -> None:
    fleet = Fleet(a=CONNECTOR_HOST)
    fleet.answers["desired_state"] = replaced(copy.deepcopy(DIFFERS), path, other, drop=False)
    found = fleet.run("inspect")
    assert found["failed"] and not found["changed"]
    assert f"desired_state: {said}. Run this again with -vvv" in found["msg"]


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"tenant": None}, {"tenant": "x"}, {"tenant": {"url": None}}])
def test_a_service_that_answers_nonsense_has_told_nothing(answer: object) -> None:
    server = {"group_names": ["fci_servers"], "irm_server_connector_url": CONNECTOR_URL}
    fleet = Fleet(a=server, admin={"rms_authorization_service": answer})
    known = {"aip_apply_prepared": {"asks_service": True}}
    found = fleet.run("inspect", variables=known)
    assert "the protection service does not tell the URL of the tenant" in found["waiting"]["irm_server"]


def test_only_a_server_without_a_tenant_reads_the_variables_of_other_hosts() -> None:
    """Otherwise the cost of each host would grow with the fleet."""
    read: list[str] = []

    class Watched(dict[str, Json]):
        def __getitem__(self, name: str) -> Json:
            read.append(name)
            return super().__getitem__(name)

    server = {"group_names": ["fci_servers"], "irm_server_connector_url": CONNECTOR_URL}
    fleet = Fleet(a=server, b={}, c={"group_names": ["rms_connectors"]})
    fleet.hostvars = Watched(fleet.hostvars)

    def others_read_by(host: str) -> set[str]:
        read.clear()
        fleet.run("inspect", host, variables={"aip_apply_prepared": {"asks_service": True}})
        return {*read} - {host}

    assert [others_read_by(host) for host in "abc"] == [{"b", "c"}, set(), set()]


def test_iis_is_restarted_for_what_a_connector_reads_at_its_start() -> None:
    """Also for values of .NET and WinHTTP alone, and where an earlier run has written them."""
    fleet = Fleet(a={"group_names": ["rms_connectors"]})
    due = {"installed": True, "restart_due": True, "status": "running"}
    fleet.answers["desired_state"] = COMPLIES | {"host": {**FACTS, "connector": due}}
    assert fleet.run("inspect")["steps"] == ["restart_iis"]
    fleet.answers["desired_state"] = COMPLIES | {"host": {**FACTS, "connector": {**due, "restart_due": False}}}
    assert fleet.run("inspect")["steps"] == []


def test_a_new_connector_has_to_reach_the_service() -> None:
    variables = {"group_names": ["rms_connectors"], "rms_connector_state": "present"}
    fleet = Fleet(a={**variables, "rms_connector_proxy_address": "http://proxy:8080"})
    fleet.answers["desired_state"] = COMPLIES | {"compliant": False, "domains": {"connector": STAGE}}
    fleet.answers["endpoint_info"] = {"endpoints": [{"host": "api.aadrm.com"}]}
    found = fleet.run("inspect")
    assert [name for name, _options in fleet.asked] == ["desired_state", "endpoint_info"]
    assert fleet.asked[1][1] == {
        "cloud": "commercial",
        "proxy": "http://proxy:8080",
        "proxy_source": "explicit",
    }
    assert found["host"]["endpoints"] == [{"host": "api.aadrm.com"}]
    fleet.hostvars["a"]["aip_endpoints"] = []
    fleet.asked.clear()
    fleet.run("inspect")
    assert [name for name, _options in fleet.asked] == ["desired_state"]


def needs_client(**variables: Any) -> Fleet:
    fleet = Fleet(
        a={"aip_client_product": "purview", **variables}, b={"aip_client_product": "purview", **variables}, c={}
    )
    fleet.inspect()
    differs = COMPLIES | {"compliant": False, "domains": {"client": CLIENT}}
    for name in ("a", "b"):
        fleet.answers["desired_state"] = differs
        fleet.hostvars[name]["aip_apply_inspection"] = fleet.run("inspect", name) | {"findings": []}
    return fleet


def test_a_plan() -> None:
    fleet = needs_client(aip_client_path="\\\\share\\a.exe")
    plan = fleet.run("plan", variables={"aip_waves": "1,100%"})
    assert (plan["batches"], plan["complies"], plan["blocked"], plan["ends"]) == ([["a"], ["b"]], ["c"], [], False)
    assert plan["turns"] == ["a", "b"]
    assert plan["lines"][-1].startswith("3 hosts: 1 comply")


def test_a_plan_names_the_servers_through_which_irm_is_switched_on() -> None:
    of = {"group_names": ["exchange_servers"], "irm_configuration_state": "present"}
    fleet = Fleet(ex1=of, ex2=of, ex3=of | {"irm_configuration_organization": "fabrikam"}, ex4={})
    fleet.inspect()
    line = "IRM of the Exchange organization: through ex1 (2 servers)"
    assert [one for one in fleet.run("plan")["lines"] if "IRM" in one] == [
        line,
        "IRM of the Exchange organization fabrikam: through ex3 (1 server)",
    ]
    differs = fleet.hostvars["ex2"]["aip_apply_inspection"]
    differs["domains"] = {"irm_server": {"compliant": False, "changes": []}}
    fleet.hostvars["ex2"]["irm_configuration_from_ad_rms"] = True
    assert line.replace("2 servers", "2 servers, away from AD RMS first") in fleet.run("plan")["lines"]
    tags = {"ansible_run_tags": ["tls"], "ansible_skip_tags": []}
    assert not any("IRM" in one for one in fleet.run("plan", variables=tags)["lines"])


def test_the_plan_has_what_the_report_shows_of_irm_and_of_the_tenant() -> None:
    of = {"group_names": ["exchange_servers"], "irm_configuration_state": "absent"}
    admin = {"group_names": ["aip_admin_hosts"], "protection_service_activated": True}
    answer = {"settings": {"activated": False}, "changes": ["activated"], "invocation": {"module_args": {}}}
    fleet = Fleet(ex1=of, adm1=admin | {"protection_service_inspection": answer})
    fleet.inspect()
    plan = fleet.run("plan")
    (unit,) = plan["irm"]
    assert (unit["product"], unit["asked"], unit["servers"], unit["wanted"]) == ("exchange", "ex1", ["ex1"], "absent")
    assert plan["service"] == {"settings": {"activated": False}, "changes": ["activated"], "host": "adm1"}
    del fleet.hostvars["adm1"]["protection_service_inspection"]
    assert fleet.run("plan")["service"] == {}


def test_a_missing_installer_ends_the_run_before_anything_is_changed(tmp_path: Path) -> None:
    page = tmp_path / "client.exe"
    page.write_text("<html>not found</html>")
    for source, said in ((str(tmp_path / "none.exe"), "expected a file"), (str(page), "is no installer")):
        plan = needs_client(aip_client_src=source).run("plan")
        assert plan["failed"] and plan["msg"].startswith("Nothing was changed.\na, b: ") and said in plan["msg"]
        assert not needs_client(aip_client_src=source).run("plan", report_only=True).get("failed")
    page.write_bytes(b"MZ and more")
    assert not needs_client(aip_client_src=str(page)).run("plan").get("failed")
    wrong = needs_client(aip_client_src=str(page), aip_client_checksum="0" * 64).run("plan")
    assert "has the SHA-256 checksum" in wrong["msg"]


def test_a_blocked_host_ends_the_run_or_only_itself() -> None:
    fleet = Fleet(a={}, b={})
    fleet.answers["desired_state"] = dict(TOO_OLD)
    fleet.inspect()
    plan = fleet.run("plan")
    assert plan["failed"] and "Blocked, 2 of 2 hosts: a, b" in plan["msg"]
    fleet.hostvars["a"]["aip_stop"] = fleet.hostvars["b"]["aip_stop"] = "host"
    fleet.inspect()
    plan = fleet.run("plan")
    assert not plan.get("failed") and set(plan["stopped"]) == {"a", "b"}


def test_a_lost_host_is_named() -> None:
    fleet = Fleet(a={}, b={})
    fleet.inspect()
    fleet.hostvars["b"]["aip_apply_inspection"] = {"unreachable": True, "msg": "timed out"}
    plan = fleet.run("plan")
    assert plan["lost"] == {"b": "unreachable: timed out"} and plan["complies"] == ["a"]
    assert "b  unreachable: timed out" in plan["lines"]


LEASE = {"run": "5f3a", "controller": "awx-2", "started": "2026-11-29T09:12:00Z", "expires": "2026-11-29T10:42:00Z"}
STEP = {"host": "a.contoso.test", "account_role": "an administrator", "steps": ["Sign in."]}


def connectors(**facts: Json) -> Fleet:
    """Connectors that differ in a setting, each with more facts."""
    fleet = Fleet(**{name: {"group_names": ["rms_connectors"], "aip_endpoints": []} for name in facts})
    for name, more in facts.items():
        fact = {"installed": True, "status": "running", "lease": None, **more}
        tls = {"compliant": False, "changes": [], "reboot_required": False}
        found = COMPLIES | {"compliant": False, "domains": {"tls": tls}, "host": FACTS | {"connector": fact}}
        fleet.hostvars[name]["aip_apply_inspection"] = {
            **found, "findings": [], "steps": ["settings"], "stop": "run", "changes_url": False, "looked_for": {}
        }  # fmt: skip
    return fleet


def test_a_lease_of_another_run_is_shown_before_anything_is_changed() -> None:
    fleet = connectors(a={}, b={"lease": {**LEASE, "expired": False}})
    plan = fleet.run("plan")
    busy = "another run works on it: run 5f3a on awx-2, since 2026-11-29T09:12:00Z, until 2026-11-29T10:42:00Z"
    assert plan["failed"] and plan["msg"].startswith("Nothing was changed.\nThe rollout stops before b: " + busy)
    audit = fleet.run("plan", report_only=True)
    assert not audit.get("failed") and any(busy in line for line in audit["lines"])
    fleet.check_mode = True
    assert not fleet.run("plan").get("failed") and any(busy in line for line in fleet.run("plan")["lines"])
    fleet.check_mode = False
    for variables in fleet.hostvars.values():
        variables["rms_pool_take_over"] = True
    assert not fleet.run("plan").get("failed")
    assert not connectors(a={}, b={"lease": {**LEASE, "expired": True}}).run("plan").get("failed")


def test_a_lone_connector_is_named_before_anything_is_changed() -> None:
    fleet = connectors(a={})
    plan = fleet.run("plan")
    assert plan["failed"] and "rms_connector_pool is not set, and a is the only host" in plan["msg"]
    fleet.hostvars["a"]["rms_connector_pool"] = [{"members": ["a"]}]
    plan = fleet.run("plan")
    (pool,) = plan["pools"]
    assert pool == {"members": ["a"], "minimum_in_service": 0, "turns": ["a"], "authorized": []}
    assert not plan.get("failed") and "connectors, one at a time: a (of 1 in the pool" in plan["lines"][-2]


def test_the_plan_has_the_wanted_list_and_the_manual_steps() -> None:
    fleet = connectors(a={"authorized": [], "events": [], "last_list_update": "2026-11-29T08:45:00Z"}, b={})
    for variables in fleet.hostvars.values():
        variables |= {"rms_authorization_exchange_group": "RMS-Exchange", "rms_authorization_domain": "CONTOSO"}
    fleet.hostvars["b"]["aip_apply_inspection"]["domains"]["connector"] = {"compliant": False, "attended_step": STEP}
    plan = fleet.run("plan")
    assert plan["pools"][0]["authorized"] == ["CONTOSO\\RMS-Exchange"]
    setup = {**STEP, "host": "b", "title": "Complete the setup of the connector"}
    assert plan["manual_steps"] == [setup]
    # an audit does not ask the role rms_authorization
    first, second = fleet.run("plan", report_only=True)["manual_steps"]
    assert first == setup and (second["host"], second["title"][:9]) == ("a", "Authorize")


def test_waves_that_make_no_sense_end_the_run() -> None:
    fleet = Fleet(a={})
    fleet.inspect()
    with pytest.raises(AnsibleActionFail, match="aip_waves is ring_pilto: expected"):
        fleet.run("plan", variables={"aip_waves": "ring_pilto"})


def test_the_service_is_asked_only_for_a_new_connector() -> None:
    signed = {"rms_authorization_tenant_username": "admin@contoso.test", "aip_endpoints": []}
    fleet = Fleet(a={"group_names": ["rms_connectors"], "rms_connector_state": "present", **signed})
    fleet.answers["desired_state"] = COMPLIES | {"domains": {"connector": {"compliant": True, "changes": []}}}
    fleet.inspect()
    assert fleet.run("plan", report_only=True)["tenant"] == []
    fleet.answers["desired_state"] = COMPLIES | {"compliant": False, "domains": {"connector": STAGE}}
    fleet.inspect()
    planned = fleet.run("plan", report_only=True)
    assert planned["asks_service"] and planned["tenant"] == ["a"]


def test_microsoft_graph_is_read_once_where_a_requirement_needs_it() -> None:
    signed = {"protection_service_graph_access_token": "a-token"}
    fleet = Fleet(a={"aip_client_product": "purview", **signed})
    fleet.inspect()
    planned = fleet.run("plan", report_only=True)
    assert planned["graph"] == planned["tenant"] == ["a"] and "subscription (advises)" in "\n".join(planned["advice"])
    answer = {"plans": ["RMS_S_PREMIUM"], "subscriptions": [], "accounts": [], "notes": ["POST: HTTP 403"]}
    fleet.hostvars["a"]["protection_service_graph_result"] = answer
    again = fleet.run("plan", report_only=True)
    assert again["graph"] == again["tenant"] == [] and "subscription (advises)" not in "\n".join(again["advice"])
    assert "Microsoft Graph: POST: HTTP 403" in again["lines"]
    fleet.hostvars["a"]["protection_service_graph_result"] = {"failed": True, "msg": "Microsoft Graph: HTTP 401."}
    failed = fleet.run("plan", report_only=True)
    assert "Microsoft Graph: HTTP 401." in failed["lines"] and "HTTP 401." in "\n".join(failed["advice"])
    # nothing is read for hosts without a client or a connector
    tls = Fleet(a={"group_names": ["exchange_servers"], "aip_domains": ["tls"], **signed})
    tls.inspect()
    assert tls.run("plan", report_only=True)["graph"] == []


def test_a_plan_with_the_tenant_fails_whatever_the_tenant_answered(tmp_path: Path) -> None:
    """Otherwise a blocked run would begin where nothing was registered of Microsoft Graph."""
    fleet = needs_client(aip_client_src=str(tmp_path / "none.exe"), protection_service_graph_access_token="a-token")
    first = fleet.run("plan")
    assert first["graph"] == first["tenant"] == ["a"] and not first.get("failed")
    assert fleet.run("plan", tenant_was_read=True)["failed"]
    again = fleet.run("plan", tenant_was_read=True, report_only=True)
    assert again["graph"] == again["tenant"] == [] and not again["asks_service"]


def test_check_mode_installs_nothing_that_lacks_dotnet() -> None:
    fleet = Fleet(a={"aip_client_product": "purview"})
    fleet.check_mode = True
    inspection = {"steps": ["client_dotnet", "client"], "host": {}, "domains": {}, "looked_for": {}}
    done = fleet.run("apply", step="client", inspection=inspection)
    assert done["changed"] and "once .NET Framework is there" in done["msg"] and fleet.asked == []


UPGRADED: Json = {"compliant": False, "changes": [{"action": "install", "product": "purview"}]}
REPLACED: Json = {
    "compliant": False,
    "changes": [{"action": "remove", "product": "unified_labeling"}, *UPGRADED["changes"]],
}
FINE: Json = {"compliant": True, "changes": []}


@pytest.mark.parametrize(
    ("client", "scanner", "installed", "expected"),
    [
        (FINE, FINE, True, []),
        (FINE, UPGRADED, True, ["scanner"]),
        (UPGRADED, UPGRADED, False, ["client", "scanner"]),
        # of an upgraded client also a scanner that complies, whose database has to follow
        (UPGRADED, FINE, True, ["scanner_release", "client", "scanner"]),
        (REPLACED, FINE, True, ["scanner_release", "client", "scanner"]),
    ],
)
def test_a_scanner_lets_go_of_a_client_that_changes(
    client: Json, scanner: Json, installed: bool, expected: list[str]
) -> None:
    found = {
        "domains": {"client": client, "scanner": scanner},
        "host": {"scanner": {"installed": installed}},
        "looked_for": {"client": {}, "scanner": {}},
    }
    assert inspecting.steps(found, HostVariables.of("a", ["aip_scanners"], {})) == expected


@pytest.mark.parametrize(
    ("client", "expected"), [(UPGRADED, {"service_state": "stopped"}), (REPLACED, {"state": "absent"})]
)
def test_the_service_goes_only_with_a_client_of_another_line(client: Json, expected: Json) -> None:
    host = HostVariables.of("a", ["aip_scanners"], {"aip_scanner_stop_scan": True})
    found = {"domains": {"client": client}}
    assert inspecting.release_options(found, host) == expected | {"stop_scan": True}


SCANNER_COMPLIES = COMPLIES | {"domains": {**COMPLIES["domains"], "scanner": FINE}}
NODE = {"group_names": ["aip_scanners"], "aip_scanner_cluster": "EU", "aip_scanner_sql_instance": "SQL01"}


def test_the_first_node_of_a_cluster_sets_what_its_nodes_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "EU.json"
    file.write_text("{}")
    fleet = Fleet(
        client={},
        a={**NODE, "aip_scanner_configuration_file": str(file)},
        b={**NODE, "aip_scanner_cluster": "eu"},
        other={**NODE, "aip_scanner_cluster": "US"},
    )
    fleet.answers["desired_state"] = SCANNER_COMPLIES
    fleet.inspect()
    asked = [options.get("scanner", {}) for _module, options in fleet.asked]
    assert [one.get("first_node") for one in asked] == [None, True, False, True]
    assert asked[1]["configuration_checksum"] == hashlib.sha256(b"{}").hexdigest()
    inspections = {name: variables["aip_apply_inspection"] for name, variables in fleet.hostvars.items()}
    assert [inspections[name]["first_node"] for name in ("client", "a", "b", "other")] == ["", "a", "a", "other"]

    # in a play that has only the hosts that differ, the choice stays, and a first node that failed is missed
    done: list[Json] = []
    monkeypatch.setattr(apply, "run_action", lambda _action, _name, options, _known: done.append(options) or {})
    inspection = {**inspections["b"], "steps": ["scanner"]}
    play = {"ansible_play_hosts": ["b"], "ansible_play_hosts_all": ["b"]}
    fleet.run("apply", "b", play, step="scanner", inspection=inspection)
    assert (done[0]["cluster"], done[0]["first_node"]) == ("eu", False)
    play["ansible_play_hosts_all"] = ["a", "b"]
    for step in ("scanner_release", "scanner"):
        with pytest.raises(AnsibleActionFail, match=r"^a, the first node of the cluster, failed, is blocked or was"):
            fleet.run("apply", "b", play, step=step, inspection=inspection)

    # an operator says otherwise
    fleet.hostvars["b"]["aip_scanner_first_node"] = True
    fleet.inspect()
    assert fleet.hostvars["a"]["aip_apply_inspection"]["joins"]
    assert not fleet.hostvars["b"]["aip_apply_inspection"]["joins"]


@pytest.mark.parametrize(
    ("plan", "steps", "said"),
    [
        ({"stopped": {"a": ["unreachable: timed out"]}}, None, "failed, is blocked or was lost"),
        ({"stopped": {"a": ["TLS 1.2 is off"]}}, ["scanner"], "failed, is blocked or was lost"),
        ({"waits": ["a"]}, ["scanner"], "is in none of the rings"),
        ({"waits": ["a"]}, ["settings"], ""),
        ({"complies": ["a"]}, [], ""),
    ],
)
def test_nodes_wait_for_a_first_node_that_has_no_turn(
    monkeypatch: pytest.MonkeyPatch, plan: Json, steps: list[str] | None, said: str
) -> None:
    done: list[str] = []
    monkeypatch.setattr(apply, "run_action", lambda _action, name, _options, _known: done.append(name) or {})
    fleet = Fleet(a=dict(NODE), b=dict(NODE))
    fleet.answers["desired_state"] = SCANNER_COMPLIES
    fleet.inspect()
    if steps is None:
        fleet.hostvars["a"]["aip_apply_inspection"] = {"unreachable": True, "msg": "timed out"}
    else:
        fleet.hostvars["a"]["aip_apply_inspection"]["steps"] = steps
    known = {"ansible_play_hosts": ["b"], "ansible_play_hosts_all": ["b"], "aip_plan": plan}
    inspection = fleet.hostvars["b"]["aip_apply_inspection"]
    if not said:
        fleet.run("apply", "b", known, step="scanner", inspection=inspection)
        assert done == ["infoprotect.aip.scanner"]
        return
    with pytest.raises(AnsibleActionFail, match=rf"^a, the first node of the cluster, {said}.* make another node"):
        fleet.run("apply", "b", known, step="scanner", inspection=inspection)
    assert not done


def test_an_upgrade_does_not_begin_while_a_node_outside_of_the_run_is_online() -> None:
    nodes = [{"name": f"{name}.contoso.test", "status": "idle"} for name in ("A", "B")]
    fleet = Fleet(a=dict(NODE), b=dict(NODE))

    def inspect(**client: Json) -> None:
        for name in fleet.hostvars:
            domains = {"client": client.get(name, FINE), "scanner": FINE}
            scanner = {"installed": True, "nodes": nodes}
            facts = {**FACTS, "name": name.upper(), "scanner": scanner}
            fleet.answers["desired_state"] = COMPLIES | {"compliant": False, "domains": domains, "host": facts}
            fleet.hostvars[name]["aip_apply_inspection"] = fleet.run("inspect", name)
            fleet.hostvars[name]["aip_apply_inspection"]["findings"] = []

    inspect(a=CLIENT)
    refused = fleet.run("plan")
    assert refused["failed"] and "This run does not stop B.contoso.test. Run it for all nodes" in refused["msg"]
    inspect(a=CLIENT, b=CLIENT)
    found = fleet.run("plan")
    assert not found["obstacles"] and found["batches"] == [["a", "b"]]
    # a node without a turn is not stopped: it is in none of the rings, or blocked by itself
    fleet.hostvars["a"]["group_names"] = ["aip_scanners", "ring_pilot"]
    assert "does not stop B.contoso.test" in fleet.run("plan", variables={"aip_waves": "ring_pilot"})["msg"]
    blocking = dict.fromkeys(("document", "expected", "remedy", "section", "text", "found"), "disk space")
    blocking |= {"id": "disk_space", "severity": "blocks", "status": "failed"}
    fleet.hostvars["b"]["aip_apply_inspection"] |= {"findings": [blocking], "stop": "host"}
    assert "does not stop B.contoso.test" in fleet.run("plan")["msg"]
    nodes[1]["status"] = "offline"
    inspect(a=CLIENT)
    assert not fleet.run("plan")["obstacles"]


def test_a_cluster_that_the_play_names_is_that_of_all_its_hosts() -> None:
    fleet = Fleet(a={"group_names": []}, b={"group_names": []})
    fleet.answers["desired_state"] = SCANNER_COMPLIES
    play = {name: value for name, value in NODE.items() if name != "group_names"}
    found = fleet.run("inspect", "b", {**play, "aip_domains": ["scanner"]})
    assert (found["first_node"], found["joins"]) == ("a", True)


@pytest.mark.parametrize(
    ("content", "checksum", "said"),
    [
        (None, "", "cannot be found|is not there"),
        ("<xml/>", "", "is no JSON: expected the file that the portal exported"),
        ("{}", "0" * 64, "has the SHA-256 checksum"),
        (f'"{"x" * 1_000_000}"', "", "expected at most 1000000"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_before_the_host_is_contacted(
    tmp_path: Path, content: str | None, checksum: str, said: str
) -> None:
    file = tmp_path / "EU.json"
    if content is not None:
        file.write_text(content)
    wanted = {"aip_scanner_configuration_file": str(file), "aip_scanner_configuration_checksum": checksum}
    fleet = Fleet(a={**NODE, **wanted})
    with pytest.raises(AnsibleActionFail, match=f"aip_scanner_configuration_file: .*({said})"):
        fleet.run("inspect")
    assert fleet.asked == []


def test_the_module_gets_the_content_of_the_exported_file(tmp_path: Path) -> None:
    file = tmp_path / "EU.json"
    file.write_bytes(b"\xef\xbb\xbf{}")
    action = load_action("scanner", {"configuration_file": str(file)})
    action._find_needle = lambda _kind, source: source
    asked: Json = {}

    def module(**_named: object) -> Json:
        asked.update(action._task.args)
        return {"failed": True, "invocation": {"module_args": dict(asked)}}

    action._execute_module = module
    result = action.run(task_vars={})
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()
    assert base64.b64decode(asked["configuration_content"]) == file.read_bytes()
    assert asked["configuration_checksum"] == checksum
    # neither the result nor the task, which callbacks get, keeps so much
    kept = {"configuration_file": str(file)}
    assert result["invocation"]["module_args"] == {**kept, "configuration_checksum": checksum}
    assert action._task.args == kept


def test_a_host_that_was_lost_is_lost_again_at_the_end() -> None:
    """Ansible ends a run when all hosts of a play are lost, so the task that inspects them ignores it."""
    fleet = Fleet(one={})
    earlier = {"unreachable": True, "msg": "timed out", "changed": False}
    ended = fleet.run("inspect", earlier=earlier)
    assert ended["unreachable"] and ended["msg"] == "timed out" and not ended["failed"] and fleet.asked == []


def test_lost_hosts_are_stopped_and_fail() -> None:
    fleet = Fleet(one={}, two={})
    fleet.inspect()
    fleet.hostvars["two"]["aip_apply_inspection"] = {"unreachable": True, "msg": "timed out"}
    plan = fleet.run("plan")
    assert plan["stopped"] == plan["failing"] == {"two": ["unreachable: timed out"]}


def test_modules_are_told_the_job_of_awx() -> None:
    assert awx_job.on_host(None, {}) is None
    assert awx_job.on_host([{"a": "b"}], {"awx_job_id": 7}) == [{"a": "b"}, {"INFOPROTECT_AIP_JOB": "7"}]
