"""The settings of the protection service: found, compared, changed one by one, read back, restored."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from conftest import ChangedTenant
from powershell_host import PowerShellHost
from winfleet import directory

Json = dict[str, Any]
ADMIN = {"username": "admin@contoso.test", "password": "Winfleet!tenant"}
GROUP = "10000000-0000-4000-8000-000000000007"
DISTRIBUTION = "10000000-0000-4000-8000-000000000008"
APPLICATION = "20000000-0000-4000-8000-000000000001"
PSEUDO = f"{APPLICATION}@5c6bb73b-1038-4eec-863d-49bded473437.aipservice.na.aadrm.com"
#: Every option with another value than a new tenant has, and what the tenant keeps then
CASES: list[tuple[str, Json, Json]] = [
    ("onboarding", {"onboarding_licensed_only": True}, {"licensed": True, "group": "", "scope": "All"}),
    (
        "onboarding",
        {"onboarding_group": GROUP.upper(), "onboarding_scope": "windows_app"},
        {"licensed": False, "group": GROUP, "scope": "WindowsApp"},
    ),
    ("super_user_feature", {"super_user_feature": True}, "Enabled"),
    ("super_users", {"super_users": ["User@contoso.test"]}, ["User@contoso.test"]),
    ("super_users", {"super_users": [APPLICATION]}, [PSEUDO]),
    ("super_user_group", {"super_user_group": "superusers@contoso.test"}, "superusers@contoso.test"),
    ("document_tracking", {"document_tracking": False}, "Disabled"),
    ("do_not_track_group", {"do_not_track_group": "everyone@contoso.test"}, "everyone@contoso.test"),
    (
        "platforms",
        {"disabled_platforms": ["ios", "windows_phone"], "enabled_platforms": ["web"]},
        directory.NEW_TENANT["platforms"] | {"iOS": False, "WindowsPhone": False},
    ),
    ("license_days", {"max_use_license_days": 7}, 7),
    ("ipcv3", {"ipcv3": False}, "Disabled"),
]


@pytest.fixture(autouse=True)
def _new(changed: ChangedTenant) -> None:
    """A new tenant for each test."""


def content(changed: ChangedTenant) -> Json:
    with changed() as tenant:
        assert tenant["sessions"] == [], "somebody is still signed in"
        return copy.deepcopy({name: value for name, value in tenant.items() if name != "admin_log"})


def service(powershell: PowerShellHost, *, check: bool = False, **options: Any) -> Json:
    return powershell.module("protection_service", ADMIN | options, check=check)


def refused(result: Json, *texts: str) -> None:
    assert result.get("failed") and not result["changed"], result
    assert [text for text in texts if text not in result["msg"]] == [], result["msg"]


@pytest.mark.parametrize(("key", "options", "expected"), CASES, ids=[" ".join(options) for _, options, _ in CASES])
def test_setting(powershell: PowerShellHost, changed: ChangedTenant, key: str, options: Json, expected: Any) -> None:
    """Check mode predicts, the next run changes nothing, the receipt restores."""
    new = content(changed)
    predicted = service(powershell, check=True, **options)
    assert predicted["changed"] and content(changed) == new
    result = service(powershell, **options)
    assert not result.get("failed"), result["msg"]
    assert result["changed"] and result["diff"] == predicted["diff"] and result["changes"] == predicted["changes"]
    assert content(changed) == new | {key: expected}
    again = service(powershell, **options)
    assert not again["changed"] and again["receipt"] is None and again["settings"] == result["settings"]
    # what the tenant is going to be like is what a run is planned by
    assert predicted["tenant"] == result["tenant"] == again["tenant"]
    assert again["tenant"]["onboarding"] == again["settings"]["onboarding"]
    restored = service(powershell, restore="latest")
    assert restored["changed"] and restored["restored"] == result["receipt"]
    assert content(changed)[key] == new[key] or key == "onboarding"
    twice = service(powershell, restore="latest")
    assert not twice["changed"] and content(changed) == content(changed)


def test_empty_tenant_to_everything_in_one_run(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    with changed() as tenant:
        tenant["state"] = "Disabled"
    options: Json = {"activated": True, "ad_rms_deployed": False}
    for _, given, _ in CASES:
        options |= given
    predicted = service(powershell, check=True, **options)
    result = service(powershell, **options)
    assert result["changes"] == predicted["changes"] and len(result["changes"]) == 10
    assert result["tenant"]["activated"] is True and content(changed)["state"] == "Enabled"
    again = service(powershell, **options)
    assert (again["changed"], again["changes"]) == (False, [])
    # each setting is changed by hand; all are found and mended
    with changed() as tenant:
        tenant |= {name: value for name, value in directory.NEW_TENANT.items() if name not in ("state", "accounts")}
    assert service(powershell, **options)["changes"] == result["changes"][1:]
    # the service stays activated, since nobody can open content without it
    restored = service(powershell, restore="first")
    assert restored["not_restored"] == ["activated"] and content(changed)["super_users"] == []
    assert content(changed)["state"] == "Enabled"
    forced = service(powershell, restore="first", force=["deactivation"])
    assert forced["changes"] == ["activated"] and content(changed)["state"] == "Disabled"


def test_activation_is_guarded(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    with changed() as tenant:
        tenant["state"] = "Disabled"
    refused(service(powershell, activated=True, ad_rms_deployed=True), "while AD RMS is deployed", "Migrate from")
    # this host is in no forest that could be asked
    refused(service(powershell, activated=True), "cannot be read", "ad_rms_deployed: false")
    script = "& (Get-Module _ProtectionService) { function script:Test-RightsManagementServer { $%s } }"
    powershell.run(script % "true")
    refused(service(powershell, activated=True, check=True), "the forest has its service connection point")
    assert content(changed)["state"] == "Disabled"
    powershell.run(script % "false")
    assert service(powershell, activated=True)["changes"] == ["activated"]
    refused(service(powershell, activated=False), "users cannot open protected content", "add deactivation to force")
    assert service(powershell, activated=False, force=["deactivation"])["changes"] == ["activated"]
    powershell.run(script % "true")
    assert service(powershell, activated=True, force=["activation"])["changes"] == ["activated"]


def test_super_users_are_added_unless_the_list_is_exact(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    with changed() as tenant:
        tenant["super_users"] = ["mfa@contoso.test", PSEUDO]
    assert not service(powershell, super_users=["MFA@contoso.test", APPLICATION.upper()])["changed"]
    service(powershell, super_users=["user@contoso.test"])
    assert content(changed)["super_users"] == ["mfa@contoso.test", PSEUDO, "user@contoso.test"]
    service(powershell, super_users=["user@contoso.test"], super_users_exact=True)
    assert content(changed)["super_users"] == ["user@contoso.test"]
    service(powershell, super_users=[], super_users_exact=True)
    assert content(changed)["super_users"] == []


def test_two_hundred_super_users(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    names = [f"user{number:03}@contoso.test" for number in range(200)]
    with changed() as tenant:
        tenant["accounts"] += [{"id": f"30000000-0000-4000-8000-{n:012}", "email": e} for n, e in enumerate(names)]
        tenant["super_users"] = names[:195]
    result = service(powershell, super_users=names)
    assert sorted(content(changed)["super_users"]) == names and len(result["settings"]["super_users"]) == 200
    assert not service(powershell, super_users=names, super_users_exact=True)["changed"]


def test_groups_are_cleared_by_name(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    with changed() as tenant:
        tenant |= {"super_user_group": "superusers@contoso.test", "do_not_track_group": "everyone@contoso.test"}
        tenant["onboarding"] = {"licensed": False, "group": GROUP, "scope": "All"}
    names = ("super_user_group", "do_not_track_group", "onboarding_group")
    result = service(powershell, **dict.fromkeys(names, "none"))
    assert result["changes"] == ["onboarding", "super_user_group", "do_not_track_group"]
    assert content(changed)["onboarding"]["group"] == content(changed)["super_user_group"] == ""
    assert not service(powershell, **dict.fromkeys(names, "none"))["changed"]


REFUSED: list[tuple[Json, str]] = [
    ({"super_user_group": "Nobody@contoso.test"}, "super_user_group: The group 'Nobody@contoso.test' was not found"),
    (
        {"do_not_track_group": "RMS Connector Administrators@contoso.test"},
        "do_not_track_group is 'RMS Connector Administrators@contoso.test': expected the address of a mail-enabled",
    ),
    (
        {"super_user_group": "plain@contoso.test"},
        "super_user_group: The group 'plain@contoso.test' is not mail-enabled",
    ),
    ({"onboarding_group": DISTRIBUTION}, f"onboarding: The object {DISTRIBUTION} is not a security group"),
    ({"onboarding_group": APPLICATION}, f"onboarding: The group {APPLICATION} does not exist"),
    ({"onboarding_group": "AIP users"}, "onboarding_group is 'AIP users': expected an id such as"),
    ({"super_users": ["superusers@contoso.test"]}, "super_users: superusers@contoso.test is a group"),
    ({"super_users": ["admin"]}, "super_users has 'admin': expected an address"),
    ({"max_use_license_days": 65536}, "max_use_license_days is 65536: expected 0 to 65535"),
    ({"enabled_platforms": ["web"], "disabled_platforms": ["web"]}, "enabled_platforms and disabled_platforms both"),
    ({"restore": "latest", "ipcv3": True}, "restore is given together with ipcv3"),
    ({"ipcv3": True, "cloud": "AzureUSGovernment"}, "does not take Credential, EnvironmentName together"),
    ({"ipcv3": True, "username": "mfa@contoso.test"}, "requires multi-factor authentication"),
    ({"ipcv3": True, "username": "user@contoso.test"}, "may not administer it"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_is_refused(powershell: PowerShellHost, changed: ChangedTenant, options: Json, message: str) -> None:
    """The message names the setting; nothing was changed, and nobody stays signed in."""
    with changed() as tenant:
        tenant["accounts"].append({"id": "9", "email": "", "name": "plain", "kind": "security"})
    before = content(changed)
    refused(service(powershell, **options), message)
    assert content(changed) == before


def test_tenant_of_another_cloud(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    with changed() as tenant:
        tenant["licensing_url"] = tenant["licensing_url"].replace("aadrm.com", "aadrm.cn")
    refused(service(powershell, ipcv3=False), "belongs to AzureChinaCloud. Set cloud to that")
    assert content(changed)["ipcv3"] == "Enabled"


@pytest.mark.parametrize(
    ("after", "differs", "options", "message"),
    [
        ("Get-AipServiceIPCv3", {"license_days": 14}, {"max_use_license_days": 7}, "from '30' to '14'. Run the task"),
        ("Get-AipServiceIPCv3", {"license_days": 7}, {"max_use_license_days": 7}, ""),
        ("Add-AipServiceSuperUser", {"super_user_group": "x@y.z"}, {"super_user_group": "superusers@contoso.test"}, ""),
    ],
    ids=["to another value", "to the wanted value", "another setting"],
)
def test_somebody_else_changes_a_setting_between_look_and_write(
    powershell: PowerShellHost, changed: ChangedTenant, after: str, differs: Json, options: Json, message: str
) -> None:
    with changed() as tenant:
        tenant["foreign"] = [{"after": after, "set": differs}]
    result = service(powershell, **options)
    if message:
        refused(result, message, "Nothing was changed")
        assert content(changed)["license_days"] == 14
    elif "license_days" in differs:
        assert not result["changed"] and result["notes"] == [
            "max_use_license_days was set by another administrator meanwhile."
        ]
    else:
        assert result["changed"]


def test_failure_in_the_middle_says_what_was_changed(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    options = {"super_user_feature": True, "super_users": ["user@contoso.test", "zzz@contoso.test"], "ipcv3": False}
    result = service(powershell, **options)
    assert result["failed"] and result["changed"] and result["changes"] == ["super_user_feature", "super_users"]
    assert "zzz@contoso.test is not one of the organization's" in result["msg"]
    assert f"Changed: super_user_feature, super_users; the receipt {result['receipt']}" in result["msg"]
    assert content(changed)["super_users"] == ["user@contoso.test"] and content(changed)["ipcv3"] == "Enabled"
    service(powershell, restore=result["receipt"])
    assert content(changed)["super_user_feature"] == "Disabled"


@pytest.mark.parametrize(
    ("calls", "changes"),
    [
        (3, []),
        (11, []),
        (13, ["perhaps super_user_feature"]),
        (14, ["super_user_feature"]),
        (15, ["super_user_feature", "perhaps max_use_license_days"]),
    ],
    ids=["look", "before the first write", "before it is read back", "after the first setting", "second write"],
)
def test_token_that_expires_in_the_middle(
    powershell: PowerShellHost, changed: ChangedTenant, calls: int, changes: list[str]
) -> None:
    with changed() as tenant:
        tenant["calls_left"] = calls
    result = service(powershell, super_user_feature=True, max_use_license_days=7)
    assert result["failed"] and result["changed"] == bool(changes) and result["changes"] == changes
    assert "The access token has expired" in result["msg"]
    with changed() as tenant:
        assert (tenant["super_user_feature"], tenant["sessions"]) == ("Enabled" if changes else "Disabled", [])


def test_service_that_shows_a_change_late(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    powershell.run("& (Get-Module _ProtectionService) { $script:readBackPause = 0 }")
    with changed() as tenant:
        tenant["delay"] = 2
    assert service(powershell, ipcv3=False)["changes"] == ["ipcv3"]
    with changed() as tenant:
        tenant["delay"] = 50
    result = service(powershell, max_use_license_days=7)
    assert result["failed"] and "took '7' and still shows '30'" in result["msg"]
    assert content(changed)["license_days"] == 7


def test_restore_leaves_what_somebody_changed_since(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    service(powershell, max_use_license_days=7, ipcv3=False)
    with changed() as tenant:
        tenant["license_days"] = 60
    result = service(powershell, restore="latest")
    assert result["changes"] == ["ipcv3"] and result["not_restored"] == ["max_use_license_days"]
    assert content(changed)["license_days"] == 60
    forced = service(powershell, restore="latest", force=["restore"])
    assert forced["changes"] == ["max_use_license_days"] and content(changed)["license_days"] == 30


def test_receipt_of_another_tenant(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    service(powershell, ipcv3=False)
    with changed() as tenant:
        tenant["protection_service_id"] = APPLICATION
    refused(service(powershell, restore="latest"), "expected protection_service and the tenant")
    assert not service(powershell, restore="latest", check=True)["changed"]


def test_receipt_that_somebody_has_edited(powershell: PowerShellHost, changed: ChangedTenant) -> None:
    receipt = service(powershell, ipcv3=False)["receipt"]
    file = powershell.disk / receipt[3:].replace("\\", "/")
    text = file.read_text(encoding="utf-8")
    for wrong in (text.replace('"before"', '"first"'), text.replace('"ipcv3": {', '"ipcv3": 1, "x": {')):
        file.write_text(wrong, encoding="utf-8")
        refused(service(powershell, restore="latest"), "has no previous value of ipcv3: expected a receipt")
    file.write_text(text.replace('"settings"', '"values"'), encoding="utf-8")
    refused(service(powershell, restore="latest"), "expected protection_service and the tenant")
    assert content(changed)["ipcv3"] == "Disabled"


def test_older_module_without_a_cmdlet(powershell: PowerShellHost) -> None:
    """What it lacks is a note, and an error only where the setting is managed."""
    service(powershell)
    powershell.run("Remove-Item -Path function:global:Get-AipServiceIPCv3 -ErrorAction Ignore")
    file = powershell.disk / "windows/system32/WindowsPowerShell/v1.0/Modules/AIPService/AIPService.psd1"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("'*-AipService*'", "'*-AipService', '*-AipService[C-HJ-Z]*'"), encoding="utf-8")
    powershell.run("Remove-Module -Name AIPService -ErrorAction Ignore")
    try:
        result = service(powershell, max_use_license_days=30)
        assert not result["changed"] and result["settings"]["ipcv3"] is None
        assert "AIPService 3.0.0.1 does not have the cmdlet Get-AipServiceIPCv3" in " ".join(result["notes"])
        refused(service(powershell, ipcv3=False), "ipcv3 cannot be read: AIPService", "Install a newer version")
    finally:
        file.write_text(text, encoding="utf-8")
        powershell.run("Remove-Module -Name AIPService -ErrorAction Ignore")


def test_no_secret_in_a_result_or_a_receipt(powershell: PowerShellHost) -> None:
    results = [
        service(powershell, ipcv3=False),
        service(powershell, ipcv3=False, password="wrong-password"),
        powershell.module("protection_service", {"access_token": "winfleet.access.token", "ipcv3": True}),
    ]
    receipts = list((powershell.disk / "ProgramData/infoprotect/protection_service").glob("*.json"))
    texts = [str(result) for result in results] + [file.read_text(encoding="utf-8") for file in receipts]
    assert len(receipts) == 2
    assert not [text for text in texts for one in ("Winfleet!tenant", "wrong-pass", "access.token") if one in text]
