"""Who may use the connector: the directory and the connector's list against what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.filter.authorization import FilterModule
from ansible_collections.infoprotect.aip.plugins.plugin_utils.authorization import AuthorizationError, plan, verify

search = FilterModule().filters()["authorization_search"]

BASE = "DC=contoso,DC=test"
UNIVERSAL, GLOBAL, LOCAL, DISTRIBUTION = -2147483640, -2147483646, -2147483644, 8


def entry(name: str, kind: str, place: str = "CN=Users", **more: Any) -> dict[str, Any]:
    """An object as microsoft.ad.object_info returns it."""
    account = f"{name}$" if kind == "computer" else name
    attributes = {"groupType": None, "member": [], "memberOf": [], "sAMAccountName": account, **more}
    return {"DistinguishedName": f"CN={name},{place},{BASE}", "Name": name, "ObjectClass": kind, **attributes}


def dn(name: str, place: str = "CN=Users") -> str:
    return f"CN={name},{place},{BASE}"


EX01, EX02, FS01 = (entry(name, "computer", "CN=Computers") for name in ("EX01", "EX02", "FS01"))
FARM = entry("sp-farm", "user", userPrincipalName="sp-farm@contoso.test")
OBJECTS = [EX01, EX02, FS01, FARM]
WANTED = {
    "exchange": {"group": "RMS Exchange", "members": ["EX01$", r"CONTOSO\EX02$"]},
    "sharepoint": {"group": "RMS SharePoint", "members": ["sp-farm@contoso.test"]},
    "fci": {"group": "RMS FCI", "members": [dn("FS01", "CN=Computers")]},
}


def planned(wanted: dict[str, Any], *objects: dict[str, Any], **options: Any) -> dict[str, Any]:
    given = {"scope": "universal", "exclusive": False, "domain": "", **options}
    return plan(wanted, [{"item": {"server": ""}, "objects": [*OBJECTS, *objects]}], **given)


def test_one_search_finds_all() -> None:
    assert search(WANTED) == [
        {
            "server": "",
            "ldap_filter": "(|(sAMAccountName=RMS Exchange)(sAMAccountName=EX01$)(sAMAccountName=EX02$)"
            "(sAMAccountName=RMS SharePoint)(userPrincipalName=sp-farm@contoso.test)(sAMAccountName=RMS FCI)"
            f"(distinguishedName={dn('FS01', 'CN=Computers')}))",
        }
    ]


def test_names_cannot_change_the_search_and_other_domains_have_their_own() -> None:
    found = search({"fci": {"group": "a)(b*\\c", "members": [{"name": "FS09$", "server": "dc.fabrikam.test"}]}})
    assert found == [
        {"server": "", "ldap_filter": "(|(sAMAccountName=c))"},
        {"server": "dc.fabrikam.test", "ldap_filter": "(|(sAMAccountName=FS09$))"},
    ]
    assert search({"fci": {"group": "a)(b*"}})[0]["ldap_filter"] == r"(|(sAMAccountName=a\29\28b\2a))"


def test_groups_that_are_not_there_are_made_with_all_members() -> None:
    result = planned(WANTED)
    assert result["errors"] == []
    assert [(one["group"], one["dn"], one["differs"], one["add"]) for one in result["groups"]] == [
        ("RMS Exchange", "", True, [dn("EX01", "CN=Computers"), dn("EX02", "CN=Computers")]),
        ("RMS SharePoint", "", True, [dn("sp-farm")]),
        ("RMS FCI", "", True, [dn("FS01", "CN=Computers")]),
    ]
    assert [one["account"] for one in planned(WANTED, domain="CONTOSO")["groups"]] == [
        r"CONTOSO\RMS Exchange",
        r"CONTOSO\RMS SharePoint",
        r"CONTOSO\RMS FCI",
    ]
    assert planned({"fci": {"group": r"fabrikam\X"}}, domain="CONTOSO")["groups"][0]["account"] == r"FABRIKAM\X"
    assert result["groups"][0]["new"] == ["EX01$", r"CONTOSO\EX02$"]


EXCHANGE = entry(
    "RMS Exchange",
    "group",
    groupType=UNIVERSAL,
    member=[dn("ex01", "CN=computers"), dn("EX02", "CN=Computers"), dn("OLD")],
)


@pytest.mark.parametrize(("exclusive", "differs", "remove"), [(False, False, []), ("yes", True, [dn("OLD")])])
def test_members_that_nobody_named(exclusive: Any, differs: bool, remove: list[str]) -> None:
    (group,) = planned({"exchange": WANTED["exchange"]}, EXCHANGE, exclusive=exclusive)["groups"]
    assert (group["differs"], group["add"], group["remove"], group["surplus"]) == (differs, [], remove, ["OLD"])
    (group,) = planned({"exchange": {"group": "RMS Exchange"}}, EXCHANGE, exclusive=exclusive)["groups"]
    assert (group["differs"], group["remove"], group["surplus"]) == (False, [], []), "members are not managed"


@pytest.mark.parametrize(
    ("kind", "scope", "differs"),
    [
        (UNIVERSAL, "universal", False),
        (UNIVERSAL & 0xFFFFFFFF, "universal", False),
        (LOCAL, "domainlocal", False),
        (UNIVERSAL, "domainlocal", True),
        (GLOBAL, "universal", True),
        (DISTRIBUTION, "universal", True),
    ],
)
def test_scope_and_category(kind: int, scope: str, differs: bool) -> None:
    group = entry("RMS FCI", "group", groupType=kind, member=[dn("FS01", "CN=Computers")])
    result = planned({"fci": WANTED["fci"]}, group, scope=scope)
    assert (result["errors"], result["groups"][0]["differs"]) == ([], differs)


EXCHANGE_SERVERS = entry(
    "Exchange Servers",
    "group",
    "OU=Microsoft Exchange Security Groups",
    groupType=UNIVERSAL,
    member=[EX01["DistinguishedName"]],
)
IN_EXCHANGE_SERVERS = entry("EX03", "computer", "CN=Computers", memberOf=[EXCHANGE_SERVERS["DistinguishedName"]])


def test_exchange_servers_is_read_and_never_written() -> None:
    for name in ("Exchange Servers", r"contoso\EXCHANGE SERVERS", EXCHANGE_SERVERS["DistinguishedName"]):
        result = planned({"exchange": {"group": name}}, EXCHANGE_SERVERS, exclusive=True, scope="domainlocal")
        (group,) = result["groups"]
        assert (result["errors"], group["kept_by_exchange"], group["differs"]) == ([], True, False), name
        assert (group["add"], group["remove"]) == ([], [])


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"exchange": {"group": "Exchange Servers", "members": ["EX01$"]}}, "its members are never set"),
        ({"fci": {"group": "Exchange Servers"}}, 'fci: "Exchange Servers" is the group of the Exchange servers'),
        (
            {"exchange": {"group": "G", "members": ["EX01"]}},
            "there is no EX01 in the directory; a computer is called EX01$",
        ),
        ({"sharepoint": {"group": "G", "members": ["nobody"]}}, "sharepoint: there is no nobody in the directory"),
        (
            {"sharepoint": {"group": "G", "members": ["EX01$"]}},
            "EX01$ is a computer; expected a service account or a managed",
        ),
        ({"fci": {"group": "G", "members": ["sp-farm"]}}, "fci: sp-farm is a user; expected a computer"),
        (
            {"fci": {"group": "G", "members": ["Exchange Servers"]}},
            "fci: Exchange Servers is a group; expected a computer",
        ),
        ({"exchange": {"group": "G", "members": ["sp-farm"]}}, "expected a computer or a group of Exchange servers"),
        ({"fci": {"group": "sp-farm"}}, "fci: sp-farm is a user; expected a group"),
        (
            {"exchange": {"group": "A", "members": ["EX01$"]}, "fci": {"group": "B", "members": [r"contoso\ex01$"]}},
            "EX01$ would be in the groups of exchange and of fci",
        ),
        (
            {"exchange": {"group": "Exchange Servers"}, "fci": {"group": "B", "members": ["EX01$"]}},
            "EX01 would be in the groups of exchange and of fci",
        ),
        (
            {"exchange": {"group": "A", "members": ["Exchange Servers"]}, "fci": {"group": "B", "members": ["EX03$"]}},
            "EX03$ would be in the groups of exchange and of fci",
        ),
        ({"exchange": {"group": "A"}, "fci": {"group": "a"}}, "A is the group of exchange and of fci"),
    ],
)
def test_what_is_refused(wanted: dict[str, Any], error: str) -> None:
    errors = planned(wanted, EXCHANGE_SERVERS, IN_EXCHANGE_SERVERS)["errors"]
    assert len(errors) == 1 and error in errors[0], errors


def test_the_group_of_a_role_within_that_of_another_is_refused() -> None:
    wanted = {"exchange": {"group": "A", "members": ["RMS FCI"]}, "fci": {"group": "RMS FCI"}}
    assert planned(wanted, entry("RMS FCI", "group", groupType=UNIVERSAL))["errors"] == [
        "RMS FCI would be in the groups of exchange and of fci; an account may have one role"
    ]


def test_a_member_that_another_role_has_in_the_directory_is_refused_unless_it_is_removed_there() -> None:
    wanted = {"exchange": {"group": "RMS Exchange", "members": ["EX02$"]}, "fci": {"group": "F", "members": ["EX01$"]}}
    assert planned(wanted, EXCHANGE)["errors"] == [
        "ex01 would be in the groups of exchange and of fci; an account may have one role"
    ]
    assert planned(wanted, EXCHANGE, exclusive=True)["errors"] == []
    scope = planned({"fci": {"group": "F"}}, entry("F", "group", groupType=GLOBAL), scope="domainlocal")["errors"]
    assert "make it universal first" in scope[0]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([], "expected a dictionary of roles"),
        ({"exchange": "x"}, "expected a dictionary of roles"),
        ({"exhange": {"group": "x"}}, "the role 'exhange' is none: expected exchange, sharepoint, fci"),
        ({"fci": {"group": "x", "members": "FS01$"}}, "expected a list"),
        ({"fci": {"members": ["FS01$"]}}, "fci: members are given and no group"),
        ({"fci": {"group": " "}}, "expected the name of an account"),
        ({"fci": {"group": "x", "members": [{"nam": "y"}]}}, "expected name, and server"),
    ],
)
def test_what_cannot_be_understood(wanted: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        search(wanted)
    with pytest.raises(AuthorizationError, match="expected universal or domainlocal"):
        plan(WANTED, [], "global", exclusive=False, domain="")


# -- the connector's list ----------------------------------------------------------------------------------------------

GROUPS = [r"CONTOSO\RMS Exchange", r"CONTOSO\RMS FCI"]


def connector(*authorized: str, events: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "installed": True,
        "status": "running",
        "last_list_update": "2026-11-25T10:15:00Z",
        "authorized": list(authorized),
        "events": events or [],
        **more,
    }


def event(number: int, text: str = "", time: str = "2026-11-25T10:00:00Z") -> dict[str, Any]:
    return {"id": number, "time": time, "text": text}


@pytest.mark.parametrize(
    "listed",
    [
        GROUPS,
        [r"contoso\rms exchange", r"contoso.test\RMS FCI"],
        ["RMS Exchange", "RMS FCI@contoso.test"],
        [r"  CONTOSO\RMS Exchange (Exchange Server)", "CONTOSO\\RMS FCI\tFCI", ""],
        [r"CONTOSO\RMS FCI; FCI Server", r"CONTOSO\RMS Exchange, Exchange Server"],
    ],
)
def test_the_list_has_what_is_wanted_however_it_is_written(listed: list[str]) -> None:
    assert verify(connector(*listed), GROUPS) == {
        "status": "verified", "missing": [], "extra": [], "refused": [], "lines": []
    }  # fmt: skip


@pytest.mark.parametrize(
    "listed", [r"FABRIKAM\RMS Exchange", r"CONTOSO\RMS", r"CONTOSO\RMS Exchange 2", r"CONTOSO\RMS Exchange2"]
)
def test_another_account_is_not_taken_for_the_wanted_one(listed: str) -> None:
    found = verify(connector(listed, r"CONTOSO\RMS FCI"), GROUPS)
    assert (found["status"], found["missing"], found["extra"]) == ("differs", [GROUPS[0]], [listed])
    assert found["lines"] == [
        rf"{GROUPS[0]} is not on the connector's list",
        f"{listed} is on the connector's list and nobody asked for it",
    ]


@pytest.mark.parametrize(
    ("fact", "status"),
    [
        (connector(), "unknown"),  # a list that names nobody, in words that are not understood: 2003 is of an empty one
        (connector(*GROUPS, events=[event(2003, time="2026-11-25T10:16:00+00:00")]), "empty"),
        (connector(*GROUPS, events=[event(2003, time="2026-11-25T10:14:00Z")]), "verified"),
        (connector(*GROUPS, events=[event(2003)], last_list_update=None), "empty"),
        (connector(authorized=None), "unknown"),
        (connector(last_list_update=None), "unknown"),
        (connector(last_list_update=None, events=[event(2003)]), "empty"),
        (connector(installed=False, status="awaiting_sign_in", last_list_update=None), "unknown"),
        ({"version": "1.0.0.0"}, "unknown"),
        (None, "unknown"),
        ("garbage", "unknown"),
    ],
)
def test_lists_that_are_empty_or_not_known(fact: Any, status: str) -> None:
    found = verify(fact, GROUPS)
    assert found["status"] == status
    assert found["missing"] == (GROUPS if status == "empty" else [])
    assert bool(found["lines"]) == (status != "verified")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (r"The account CONTOSO\EX09$ is not authorized.", r"CONTOSO\EX09$"),
        (r"User 'CONTOSO\sp-farm.2'. Not allowed", r"CONTOSO\sp-farm.2"),
        ("Access was denied for sp-farm@contoso.test.", "sp-farm@contoso.test"),
        ("Somebody is not authorized.", ""),
    ],
)
def test_who_is_refused_is_named(text: str, name: str) -> None:
    found = verify(connector(*GROUPS, events=[event(2001, text), event(2001, text), event(1004, text)]), GROUPS)
    assert (found["status"], found["refused"]) == ("verified", [name] if name else [])
    assert len(found["lines"]) == 1 and (name or text) in found["lines"][0]
    ignored = verify(connector(*GROUPS, events=[event(2001, text)]), GROUPS, [r"ex09$", "sp-farm.2", "sp-farm"])
    assert (ignored["lines"] == []) == bool(name)


def test_stopped_connector_is_said_to_be() -> None:
    found = verify(connector(*GROUPS, status="stopped"), GROUPS)
    assert (found["status"], found["lines"]) == (
        "verified",
        ["the connector is stopped; its list is the last that it had"],
    )


def test_account_that_the_fact_names_goes_before_the_text() -> None:
    named = event(2001, r"CONTOSO\other asked.") | {"account": r"CONTOSO\EX09$"}
    assert verify(connector(*GROUPS, events=[named]), GROUPS)["refused"] == [r"CONTOSO\EX09$"]


def test_events_of_any_shape_do_no_harm() -> None:
    odd: list[Any] = [None, {}, {"id": "2003", "time": "yesterday"}, {"id": None}, {"id": "2001", "text": None}]
    found = verify(connector(*GROUPS, events=odd), GROUPS)
    assert (found["status"], found["refused"]) == ("verified", [])
