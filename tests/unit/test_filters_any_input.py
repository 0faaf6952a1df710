"""Whatever filters are given, they return a result or raise Ansible's own error, in linear time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import filter_loader
from ansible_collections.infoprotect.aip.plugins.plugin_utils import assessment, authorization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PREFIX = "infoprotect.aip."
FILTERS = Path(__file__).resolve().parents[2] / "plugins/filter"
TENANT = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
CONNECTOR = "https://rmsconnector.contoso.com"
CHANGE = {
    "path": r"HKLM:\SOFTWARE\X",
    "name": "A",
    "view": 64,
    "before": None,
    "after": {"type": "dword", "data": 1},
}
STEP = {"action": "install", "product": "connector", "before": None, "after": "3.1.0", "attended": True}
RESULT = {
    "domains": {
        "tls": {"changes": [CHANGE], "unreadable": [{"what": "HKLM:\\Y", "reason": "denied"}], "refused": ["no"]},
        "connector": {"changes": [STEP]},
    },
    "host": {"connector": {"status": "stopped", "restart_due": True}},
    "reboot_required": True,
}
FINDING = {
    name: name for name in ("id", "severity", "status", "text", "found", "expected", "remedy", "document", "section")
}
GROUPS = {"exchange": {"group": "RMS Exchange", "members": ["EX01$", {"name": "EX02$", "server": "dc.other.test"}]}}
FOUND = [
    {
        "item": {"server": ""},
        "objects": [
            {
                "DistinguishedName": "CN=EX01,DC=contoso,DC=test",
                "ObjectClass": ["top", "computer"],
                "sAMAccountName": "EX01$",
                "memberOf": ["CN=a,DC=contoso,DC=test"],
                "groupType": 8,
            }
        ],
    }
]
FACT = {
    "installed": True,
    "status": "running",
    "last_list_update": "2026-11-26T10:15:00Z",
    "authorized": [r"CONTOSO\EX01$ (Exchange)"],
    "events": [{"id": 2001, "time": "2026-11-26T10:15:00Z", "text": r"CONTOSO\SP01$ asked", "account": None}],
}
SELFTEST = {
    "checks": [{"id": "one", "verdict": "holds", "expected": "It is.", "found": "it is", "reason": None}],
    "host": {"os": {"name": "Windows"}, "names": ["HOST"], "administrator": True},
    "shapes": {"nothing": None, "no_step": []},
    "left": ["a key"],
}
#: Filter -> its operands, as they should be.
CONNECTORS = {"all": ["c-1", "c-2"], "rms_connectors": ["c-1"]}
HOSTVARS: dict[str, dict[str, Any]] = {
    "c-1": {
        "aip_apply_inspection": {"host": {"connector": {"installed": True, "authorized": [r"CONTOSO\EX01$"]}}},
        "aip_plan": {"batches": [["c-2"]], "connectors": ["c-1"], "stopped": {}},
        "rms_authorization_fci_group": "RMS FCI",
        "rms_authorization_verdict": {"status": "differs"},
    },
    "c-2": {},
}
SERVERS = {"exchange_servers": ["ex-1", "ex-2"]}
SERVERVARS: dict[str, dict[str, Any]] = {
    "ex-1": {
        "irm_configuration_state": "present",
        "irm_configuration_from_ad_rms": True,
        "aip_apply_inspection": {
            "host": {"roles": {"exchange": {"version": "15.1.2507.6"}}},
            "domains": {"irm_server": {"compliant": False}},
            "waiting": {"irm_server": ""},
        },
        "aip_plan": {"lost": {"ex-2": "timed out"}, "stopped": {}},
    },
    "ex-2": {"irm_configuration_state": "present", "irm_configuration_organization": "fabrikam"},
}
OPERANDS: dict[str, list[Any]] = {
    "answer": ["1, 2", [], "list"],
    "assess": [{"name": "h", "os": {"build": 1}}, ["aip_clients"], ["tls"], {"product": "purview"}],
    "assess_lines": [{"host": [FINDING]}, "blocks"],
    "plan_groups": [GROUPS, FOUND, "universal", True, "CONTOSO"],
    "verify_list": [FACT, [r"CONTOSO\EX01$"], ["probe"]],
    "authorization_search": [GROUPS],
    "drift": [RESULT],
    "drift_summary": [RESULT, "set", False],
    "irm_configuring": [SERVERVARS, SERVERS, True],
    "irm_units": [SERVERVARS, ["ex-1"], SERVERS],
    "irm_server_difference": [
        [{"key": r"SOFTWARE\Microsoft\MSIPC\ServiceLocation\EnterprisePublishing", "name": "", "data": CONNECTOR}],
        "exchange",
        "2016",
        CONNECTOR,
        TENANT,
    ],
    "irm_server_reg": ["exchange", "2016", CONNECTOR, TENANT, "present", True],
    "irm_server_values": ["fci", "2016", CONNECTOR, TENANT],
    "authorization_wanted": [{"exchange": {"group": "Exchange Servers", "members": None}, "fci": {"group": ""}}],
    "authorized_accounts": [HOSTVARS, CONNECTORS],
    "authorizing": [HOSTVARS, CONNECTORS],
    "connector_is_done": [{"host": {"connector": {"installed": True, "version": "3.0.0.0"}}}, "present", "3.0"],
    "managed_groups": [CONNECTORS, "connectors"],
    "manual_step": [{"host": "c-1", "account_role": "ConnectorAdministrator", "steps": ["Sign in."]}],
    "planned": [HOSTVARS, "batches", CONNECTORS],
    "protection_service_log_summary": [["#Fields: date time request-type user-id result c-ip\n"]],
    "registered": [HOSTVARS, "aip_apply_inspection", ["c-1", "c-2"]],
    "scan_nodes": [{"s-1": {"aip_scanner_cluster": "EU"}, "s-2": {}}, ["s-1", "s-2"]],
    "serial_of": [["1", "50%"]],
    "without_empty": [{"ipcv3": False, "super_user_group": ""}],
    "unverified_lists": [HOSTVARS, ["c-1", "c-2"]],
    "rollout_pool": [
        "c-1",
        [{"members": ["c-1", "c-2"], "minimum_in_service": 1}, {"members": ["c-3"]}],
        {"rms_connectors": ["c-1", "c-2", "c-3"]},
    ],
    "selftest_report": [SELFTEST, {"ansible-core": "2.21.5"}, ["h"], False],
}
#: No filters, but they take what hosts and operators report all the same
INTERNAL: dict[str, Callable[..., Any]] = {
    "assess": assessment.assess,
    "assess_lines": assessment.assess_lines,
    "plan_groups": authorization.plan,
    "verify_list": authorization.verify,
}
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def filter_of(name: str) -> Callable[..., Any]:
    return INTERNAL.get(name) or filter_loader.get(PREFIX + name).j2_function


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value, as the path to it."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], other: Any, *, drop: bool) -> Any:
    """A copy with something else at a place, or without what is there."""
    if not path:
        return other
    value = copy.deepcopy(value)
    owner = value
    for key in path[:-1]:
        owner = owner[key]
    if drop:
        del owner[path[-1]]
    else:
        owner[path[-1]] = other
    return value


def test_every_filter_is_here() -> None:
    assert set(OPERANDS) - set(INTERNAL) == {path.stem for path in FILTERS.glob("*.yml")}


@pytest.mark.parametrize("name", OPERANDS)
def test_the_operands_are_understood_as_they_should_be(name: str) -> None:
    filter_of(name)(*copy.deepcopy(OPERANDS[name]))


@pytest.mark.parametrize("name", OPERANDS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_thing_that_is_wrong_is_a_result_or_an_error_of_ansible(name: str, data: st.DataObject) -> None:
    operands = OPERANDS[name]
    # the argument specs of the actions check the types of their options
    outermost = 2 if name in ("plan_groups", "verify_list") else 1
    path = data.draw(st.sampled_from([path for path in places(operands) if len(path) >= outermost]))
    changed = replaced(operands, path, data.draw(ODD), drop=len(path) > 1 and data.draw(st.booleans()))
    try:
        filter_of(name)(*changed)
    except (AnsibleError, authorization.AuthorizationError) as error:
        assert str(error).strip()


@pytest.mark.parametrize(
    "unit", ["a", "a@", "\\", "a\\", " ", ":", "://", ".", "a.", "(", "=,", "\r\n", "ß", "9", "9.", "["]
)
@pytest.mark.timeout(60)
def test_long_texts_take_linear_time(unit: str) -> None:
    """Quadratic time would be minutes."""
    text = unit * (200_000 // len(unit))
    fact = FACT | {"events": [{"id": 2001, "text": text}], "authorized": [text]}
    authorization.verify(fact, [r"CONTOSO\EX01$"])
    for name, operands in {
        "authorization_search": [{"exchange": {"group": text, "members": [text]}}],
        "irm_server_values": ["fci", "2016", text, TENANT],
        "irm_server_reg": ["fci", "2016", CONNECTOR, f"https://{text}"],
        "drift": [RESULT | {"msg": text}],
        "managed_groups": [{"all": [text], text: [text]}, text],
        "serial_of": [text],
        "assess": [
            {
                "name": text,
                "os": {"build": text, "name": text, "product": text},
                "powershell": {"version": text},
                "dotnet": {"release": text, "version": text},
                "redirections": [{"cloud": False, "address": text, "path": text}],
                "office": [{"name": text, "version": text, "line": text, "source": text}],
                "connector": {"installed": True, "url": text, "https": {"names": [text], "days_left": 1}},
                "roles": {name: {"found": True, "version": text} for name in ("exchange", "sharepoint", "fci")},
            },
            ["aip_clients", "exchange_servers", "rms_connectors"],
            ["client", "connector", "irm_server"],
        ],
        "connector_is_done": [{"host": {"connector": {"installed": True, "version": text}}}, "present", text],
        "rollout_pool": [
            text,
            [{"members": [text, "c-2"], "minimum_in_service": text}],
            {"rms_connectors": [text, "c-2"]},
        ],
    }.items():
        try:
            filter_of(name)(*operands)
        except AnsibleError:
            continue


@pytest.mark.parametrize("tenant", [f"{TENANT}\n[HKEY_LOCAL_MACHINE", f"{TENANT}\r\n", f"{TENANT}\t", "https://a\0b"])
@pytest.mark.parametrize("where", [2, 3])
def test_no_control_character_reaches_a_reg_file(tenant: str, where: int) -> None:
    operands = copy.deepcopy(OPERANDS["irm_server_reg"])
    operands[where] = tenant
    try:
        text = filter_of("irm_server_reg")(*operands)
    except AnsibleError:
        return
    assert text.replace("\r\n", "").removeprefix("\ufeff").isprintable()
    assert text.count("[") == text.count("\r\n[")


@pytest.mark.parametrize(
    ("connector", "tenant", "message"),
    [
        (CONNECTOR, "https://rms.contoso.com", "tenant_url is .* no address of Azure Rights Management"),
        (TENANT, TENANT, "connector_url is .* an address of Azure Rights Management"),
        (CONNECTOR, "https://evil.example/?.rms.na.aadrm.com", "expected http:// or https:// and a name"),
        ("https://rms connector", TENANT, "expected http:// or https:// and a name"),
        ("https://host:99999", TENANT, "expected http:// or https:// and a name"),
    ],
)
def test_addresses_are_judged_by_the_rule_of_the_module(connector: str, tenant: str, message: str) -> None:
    for name in ("irm_server_reg", "irm_server_values"):
        with pytest.raises(AnsibleError, match=message):
            filter_of(name)("exchange", "2016", connector, tenant)


def test_a_result_that_is_none_is_a_finding_of_that_host() -> None:
    broken = replaced(RESULT, ("domains", "tls", "changes", 0, "path"), None, drop=True)
    text = "failed: the host returned a result that is not one of infoprotect.aip.desired_state: "
    expected = f"{text}domains.tls.changes[0].path is missing"
    assert filter_of("drift_summary")(broken) == expected
    assert filter_of("drift")(broken) == [expected]
