"""Protection templates: created, changed property by property, never default ones or those of labels."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ChangedTenant
from powershell_host import PowerShellHost

Json = dict[str, Any]
ADMIN = {"username": "admin@contoso.test", "password": "Winfleet!tenant"}
TEMPLATE: Json = {
    "names": {"1033": "New Launch", "1034": "Nuevo Lanzamiento"},
    "descriptions": {"1033": "Confidential", "1034": "Confidencial"},
    "rights": [
        {"email": "marketing@contoso.test", "rights": ["VIEW", "EXPORT"]},
        {"domain": "contoso.test", "rights": ["VIEW"]},
    ],
    "state": "published",
    "expiration": "on_date",
    "expiration_date": "2027-12-31",
    "offline_days": 5,
    "scoped_identities": ["marketing@contoso.test"],
    "show_in_legacy_apps": True,
}
#: A property with another value, and what the tenant keeps then
CHANGES: list[tuple[Json, str, Any]] = [
    ({"names": {"1033": "Launch"}, "descriptions": {"1033": "x"}}, "names", {"1033": "Launch"}),
    ({"state": "archived"}, "status", "Archived"),
    ({"rights": [{"email": "a@b.c", "rights": ["OWNER"]}]}, "rights", [{"holder": "a@b.c", "granted": ["OWNER"]}]),
    ({"expiration": "never", "expiration_date": None}, "expiration", "Never"),
    ({"expiration": "after_days", "expiration_date": None, "expiration_days": 9}, "content_days", 9),
    ({"expiration_date": "2028-01-01"}, "expires", "2028-01-01T00:00:00Z"),
    ({"offline_days": -1}, "license_days", -1),
    ({"scoped_identities": []}, "scope", []),
    ({"show_in_legacy_apps": False}, "legacy", False),
]


def own(powershell: PowerShellHost, *templates: Json, check: bool = False) -> Json:
    return powershell.module("protection_service_template", ADMIN | {"templates": list(templates)}, check=check)


def kept(changed: ChangedTenant) -> list[Json]:
    with changed() as tenant:
        assert tenant["sessions"] == []
        return [template for template in tenant["templates"] if not template["read_only"] and not template["label"]]


def test_create_change_and_nothing_again(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    predicted = own(powershell, TEMPLATE, check=True)
    assert predicted["changed"] and kept(changed) == []
    result = own(powershell, TEMPLATE)
    assert not result.get("failed"), result["msg"]
    assert result["diff"] == predicted["diff"] and [one["action"] for one in result["changes"]] == ["create"]
    (template,) = kept(changed)
    assert (template["status"], template["expires"]) == ("Published", "2027-12-31T00:00:00Z")
    assert template["rights"] == [
        {"holder": "marketing@contoso.test", "granted": ["EXPORT", "VIEW"]},
        {"holder": "contoso.test", "granted": ["VIEW"]},
    ]
    assert not own(powershell, TEMPLATE)["changed"]
    assert len(own(powershell)["templates"]) == 4


@pytest.mark.parametrize(("differs", "key", "expected"), CHANGES, ids=[" ".join(one) for one, *_ in CHANGES])
def test_property(powershell: PowerShellHost, changed: ChangedTenant, differs: Json, key: str, expected: Any) -> None:
    """Only what is named is changed; the template was exported before."""
    own(powershell, TEMPLATE)
    (before,) = kept(changed)
    wanted = {name: value for name, value in (TEMPLATE | {"id": before["id"]} | differs).items() if value is not None}
    result = own(powershell, wanted)
    assert not result.get("failed"), result["msg"]
    (after,) = kept(changed)
    assert after[key] == expected and after["id"] == before["id"]
    assert before[key] != expected
    assert result["changes"][0]["backup"].startswith(r"C:\ProgramData\infoprotect\protection_service\template-")
    assert not own(powershell, wanted)["changed"]


def test_property_that_is_not_given_stays(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    own(powershell, TEMPLATE)
    (before,) = kept(changed)
    result = own(powershell, {"id": before["id"], "state": "archived"})
    assert result["changes"][0]["properties"] == ["state"] and kept(changed) == [before | {"status": "Archived"}]


def test_rights_of_the_portal_and_of_everybody_are_no_difference(
    powershell: PowerShellHost, changed: ChangedTenant
) -> None:
    own(powershell, TEMPLATE)
    with changed() as tenant:
        tenant["templates"][-1]["rights"] = [
            {"holder": "Marketing@contoso.test", "granted": ["VIEW", "VIEWRIGHTSDATA", "EXPORT"]},
            {"holder": "AllStaff-7184AB3F-CCD1-46F3-8233-3E09E9CF0E66@contoso.test", "granted": ["VIEW"]},
        ]
    assert not own(powershell, TEMPLATE)["changed"]


NAMES = {"names": {"1033": "A"}, "descriptions": {"1033": "a"}}
REFUSED: list[tuple[list[Json], str]] = [
    ([{"names": {"1033": "Confidential"}, "state": "archived"}], "'Confidential' is a default template"),
    ([{"id": "c46b5d49-1c4c-4a79-83d1-ec12a25f3134", "state": "archived"}], "is a default template"),
    ([{"names": {"1033": "project"}, "state": "archived"}], "belongs to the label 28168524-29c3"),
    ([{"id": "20000000-0000-4000-8000-000000000001", "state": "archived"}], "has no template with the id"),
    ([{"id": "x", "state": "archived"}], "id is 'x': expected an id"),
    ([{"names": {"1033": "A"}}], "names for the locales '1033', and descriptions for ''"),
    ([{"names": {"1033": "A"}, "descriptions": {"1031": "B"}}], "expected the same locales"),
    ([{"names": {"en": "A"}, "descriptions": {"en": "B"}}], "has the locale 'en': expected a number"),
    ([{"names": {"1033": "R&D"}, "descriptions": {"1033": "B"}}], "names has 'R&D': expected a name without"),
    ([NAMES | {"expiration": "on_date"}], "expiration_date is '': expected a date"),
    ([NAMES | {"expiration": "on_date", "expiration_date": "31.12.2027"}], "expiration_date is '31.12.2027'"),
    ([NAMES | {"expiration_date": "2027-12-31"}], "expected it with expiration: on_date only"),
    ([NAMES | {"expiration": "after_days"}], "expected together with expiration: after_days"),
    ([NAMES | {"offline_days": 10000}], "offline_days of the template 'A' is 10000: expected -1"),
]


@pytest.mark.parametrize(("templates", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_what_is_refused(
    powershell: PowerShellHost, changed: ChangedTenant, templates: list[Json], message: str
) -> None:
    with changed() as tenant:
        before = tenant["templates"]
    result = own(powershell, *templates)
    assert result["failed"] and message in result["msg"] and not result["changed"], result["msg"]
    with changed() as tenant:
        assert tenant["templates"] == before and tenant["sessions"] == []


def test_limit_and_names_that_two_have(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    own(powershell, NAMES)
    with changed() as tenant:
        (template,) = (one for one in tenant["templates"] if one["names"] == NAMES["names"])
        identifier = "30000000-0000-4000-8000-{:012}".format
        tenant["templates"] += [template | {"id": identifier(n), "names": {"1033": f"n{n}"}} for n in range(498)]
    other = {"names": {"1033": "B"}, "descriptions": {"1033": "b"}}
    assert "500 templates, and this task adds 1" in own(powershell, other)["msg"]
    with changed() as tenant:
        tenant["templates"][-1]["names"] = NAMES["names"]
    assert "has 2 templates with the name 'A'" in own(powershell, NAMES | {"state": "published"})["msg"]


def test_somebody_else_changes_a_template_between_look_and_write(
    powershell: PowerShellHost, changed: ChangedTenant
) -> None:
    own(powershell, NAMES)
    with changed() as tenant:
        templates = [one | ({"legacy": True} if one["names"] == NAMES["names"] else {}) for one in tenant["templates"]]
        tenant["foreign"] = [{"after": "Get-AipServiceTemplate", "set": {"templates": templates}}]
    result = own(powershell, NAMES | {"state": "published"})
    assert result["failed"] and "another administrator has just changed show_in_legacy_apps of it" in result["msg"]
    assert [one["status"] for one in kept(changed)] == ["Archived"]


def test_everything_that_the_service_tells(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    with changed() as tenant:
        tenant["roles"] = [{"id": "10000000-0000-4000-8000-000000000004", "role": "ConnectorAdministrator"}]
        tenant["super_users"] = ["user@contoso.test"]
        tenant["keys"].append(
            {"id": "28168524-29c3-44f1-9e11-ea6c60bb6428", "created": "2020-01-01T00:00:00Z", "status": "Archived"}
            | {"type": "Customer-managed (BYOK)", "public_key": "AQAB"}
        )
    result = powershell.module("protection_service_info", ADMIN)
    assert not result.get("failed") and not result["changed"] and result["notes"] == []
    assert (result["tenant"]["activated"], result["settings"]["super_users"]) == (True, ["user@contoso.test"])
    assert [(key["status"], key["type"]) for key in result["tenant_keys"]] == [
        ("Active", "Microsoft-managed"),
        ("Archived", "Customer-managed (BYOK)"),
    ]
    assert result["tenant_keys"][0]["created"] == "2014-01-30T21:01:31Z" and result["tenant_keys"][0]["age_days"] > 4000
    (administrator,) = result["administrators"]
    assert (administrator["role"], administrator["email"]) == ("ConnectorAdministrator", "connector@contoso.test")
    assert [(one["default"], one["label_id"] is not None) for one in result["templates"]] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert result["templates"][0]["names"] == {"1033": "Confidential"}
    details = powershell.module("protection_service", ADMIN | {"details": True}, check=True)
    parts = ("tenant_keys", "administrators", "templates")
    assert all(details[part] == result[part] for part in parts), "in the same sign-in"
    assert not any(part in powershell.module("protection_service", ADMIN, check=True) for part in parts)


def test_part_that_the_account_may_not_read_is_a_note(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    with changed() as tenant:
        tenant["calls_left"] = 12
    result = powershell.module("protection_service_info", ADMIN)
    assert not result.get("failed") and len(result["tenant_keys"]) == 1 and result["templates"] is None
    assert [note.partition(":")[0] for note in result["notes"]] == [
        "administrators cannot be read",
        "templates cannot be read",
    ]
