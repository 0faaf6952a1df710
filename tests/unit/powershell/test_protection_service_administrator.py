"""Administrators of the protection service: who signs in, what undocumented answers mean, what there is to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from powershell_host import PowerShellError, PowerShellHost

ID = "10000000-0000-4000-8000-000000000004"
OTHER = "10000000-0000-4000-8000-000000000005"
APPLICATION = "20000000-0000-4000-8000-000000000001"
TENANT = "0b4b5b3e-2f6c-4f0d-9a55-3b8b3b6c1f10"
THUMBPRINT = "00112233445566778899aabbccddeeff00112233"

CONNECTION = """
$found = Get-TenantConnection -Option $case
$text = foreach ($name in $found.Keys | Sort-Object) {
    $value = $found[$name]
    if ($value -is [pscredential]) { $value = "$($value.UserName)/$($value.GetNetworkCredential().Password)" }
    "$name=$value"
}
$text -join ' '
"""


def test_who_signs_in(powershell: PowerShellHost) -> None:
    application = {"application_id": APPLICATION, "tenant_id": TENANT}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"username": "a@contoso.test", "password": 'p"$(x)'}, 'Credential=a@contoso.test/p"$(x)'),
        ({"username": "a", "password": "p", "tenant_id": TENANT}, f"Credential=a/p TenantId={TENANT}"),
        ({"access_token": "t.o.k", "cloud": "AzureCloud"}, "AccessToken=t.o.k"),
        ({"access_token": "t", "cloud": "AzureUSGovernment"}, "AccessToken=t EnvironmentName=AzureUSGovernment"),
        (application | {"client_secret": "s"}, f"Credential={APPLICATION}/s ServicePrincipal=True TenantId={TENANT}"),
        (
            application | {"certificate_thumbprint": f"\u200e{THUMBPRINT[:2]} {THUMBPRINT[2:]}"},
            f"ApplicationId={APPLICATION} CertificateThumbprint={THUMBPRINT} ServicePrincipal=True TenantId={TENANT}",
        ),
        ({"application_id": APPLICATION, "client_secret": "s"}, "tenant_id is missing"),
        (application, "application_id is given alone: expected client_secret or certificate_thumbprint"),
        (application | {"certificate_thumbprint": "12"}, "certificate_thumbprint is '12': expected 40 hexadecimal"),
        (application | {"tenant_id": "contoso"}, "tenant_id is 'contoso': expected an id such as"),
        (application | {"application_id": "x", "client_secret": "s"}, "application_id is 'x': expected an id"),
    ]
    found = powershell.each(CONNECTION, [case for case, _ in cases])
    for (case, expected), text in zip(cases, found, strict=True):
        assert text.startswith(expected) if "expected" in text or "missing" in text else text == expected, case


MEMBERS = "ConvertTo-RoleMember -InputObject $(if ($case -is [string]) { $case } else { [pscustomobject]$case })"


def test_administrators_of_whatever_shape(powershell: PowerShellHost) -> None:
    """As text, and as objects with properties that nobody documented."""
    cases: list[tuple[Any, tuple[str, str, str, list[str]]]] = [
        ("a@contoso.test", ("a@contoso.test", "", "", ["Email"])),
        (ID.upper(), ("", ID, "", ["Id"])),
        ("something else", ("", "", "", [])),
        ({"EmailAddress": "a@contoso.test", "Role": "X"}, ("a@contoso.test", "", "", ["Email"])),
        (
            {"TenantId": OTHER, "ObjectId": ID, "DisplayName": "Admins", "EmailAddress": ""},
            ("", ID, "Admins", ["Email", "Id", "Name"]),
        ),
        ({"ObjectId": ID, "TenantId": OTHER}, ("", ID, "", ["Id"])),
        ({"Member": ["a@contoso.test", ID]}, ("a@contoso.test", ID, "", ["Email", "Id"])),
        ({"Mail": None, "Name": None}, ("", "", "", ["Email", "Name"])),
    ]
    for (case, expected), found in zip(cases, powershell.each(MEMBERS, [case for case, _ in cases]), strict=True):
        assert (found["Email"], found["Id"], found["Name"], found["Known"]) == expected, case


PLAN = """
$texts = @($case.members | Where-Object { $_ -is [string] })
$objects = @($case.members | Where-Object { $_ -isnot [string] } | ForEach-Object { [pscustomobject]$_ })
$option = @{ emails = @(); object_ids = @(); groups = @(); state = 'present' }
foreach ($name in $case.option.Keys) { $option[$name] = $case.option[$name] }
$plan = @{ Option = $option; Member = @($texts + $objects | ConvertTo-RoleMember) }
if ($case.Contains('ids')) { $plan.Id = $case.ids }
$lines = foreach ($one in Get-RolePlan @plan) {
    $held = if ($null -eq $one.Held) { 'unknown' } else { $one.Held }
    "$($one.Parameter) $($one.Value) $held $($one.Act)"
}
$lines -join '; '
"""
FULL = {"EmailAddress": "a@contoso.test", "ObjectId": ID, "DisplayName": ""}
GROUP = {"EmailAddress": "", "ObjectId": OTHER, "DisplayName": "Admins"}


def test_what_there_is_to_do(powershell: PowerShellHost) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"members": [], "option": {"emails": ["a@contoso.test"]}}, "EmailAddress a@contoso.test False True"),
        ({"members": [FULL], "option": {"emails": [" A@Contoso.test"]}}, "EmailAddress A@Contoso.test True False"),
        (
            {"members": [FULL, GROUP], "option": {"emails": ["b@contoso.test"], "groups": ["admins", "Other"]}},
            "EmailAddress b@contoso.test False True; SecurityGroupDisplayName admins True False; "
            "SecurityGroupDisplayName Other False True",
        ),
        (
            {"members": [FULL], "option": {"state": "absent", "object_ids": [ID.upper(), OTHER]}},
            f"ObjectId {ID} True True; ObjectId {OTHER} False False",
        ),
        # the list tells addresses only: ids come from the configuration, names cannot be told
        (
            {"members": ["a@contoso.test"], "ids": [ID], "option": {"object_ids": [ID, OTHER], "groups": ["Admins"]}},
            f"ObjectId {ID} True False; ObjectId {OTHER} False True; SecurityGroupDisplayName Admins unknown True",
        ),
        (
            {"members": ["a@contoso.test"], "option": {"object_ids": [ID], "state": "absent"}},
            f"ObjectId {ID} unknown True",
        ),
        ({"members": [], "ids": [], "option": {"object_ids": [ID, ID]}}, f"ObjectId {ID} False True"),
        ({"members": [], "option": {"emails": ["admin"]}}, "emails has 'admin': expected an address such as name@"),
        ({"members": [], "option": {"object_ids": ["x"]}}, "object_ids is 'x': expected an id"),
    ]
    found = powershell.each(PLAN, [case for case, _ in cases])
    for (case, expected), text in zip(cases, found, strict=True):
        assert text.startswith(expected) if "expected" in expected else text == expected, case


HOLDERS = "ConvertFrom-AdminRoleMember -Role $case[0] -Text $case[1]"
#: Microsoft's sample of Get-AipServiceConfiguration
SAMPLE = [f"Global Administrator -> {ID}", f"ConnectorAdministrator -> {OTHER}"]


@pytest.mark.parametrize(
    ("role", "text", "expected"),
    [
        ("GlobalAdministrator", SAMPLE, [ID]),
        ("ConnectorAdministrator", SAMPLE, [OTHER]),
        ("ConnectorAdministrator", [f" connector administrator->{ID.upper()} "], [ID]),
        ("ConnectorAdministrator", [], []),
        ("ConnectorAdministrator", SAMPLE[:1], []),
        # a longer role that ends with the name of this one
        ("GlobalAdministrator", [f"Not Global Administrator -> {ID}"], []),
        ("GlobalAdministrator", None, None),
        ("GlobalAdministrator", [*SAMPLE, "a@contoso.test"], None),
        ("GlobalAdministrator", ["Global Administrator -> a@contoso.test"], None),
    ],
)
def test_holders_in_the_configuration(
    powershell: PowerShellHost, role: str, text: list[str] | None, expected: list[str] | None
) -> None:
    script = f"& (Get-Module _ProtectionServiceAdministrator) {{ param ($case) , ({HOLDERS}) }} $case"
    assert powershell.run(script, [role, text]) == expected


WORK = """
$global:held = @($case.members)
$global:told = $case
function global:Get-AipServiceConfiguration {
    [pscustomobject]@{ FunctionalState = 'Enabled'; AdminRoleMembers = $told.configured }
}
function global:Get-AipServiceRoleBasedAdministrator { $held }
function global:Add-AipServiceRoleBasedAdministrator { if ($told.new) { $global:held += $told.new } }
& (Get-Module _ProtectionServiceAdministrator) {
    param ($case)
    $option = @{ state = 'present'; role = 'global_administrator'; emails = @(); object_ids = @(); groups = @() }
    foreach ($name in $case.option.Keys) { $option[$name] = $case.option[$name] }
    $result = @{ changed = $false }
    $module = [pscustomobject]@{ Params = $option; CheckMode = $case.check; Result = $result; Diff = @{} }
    Set-ProtectionServiceAdministrator -Module $module -Version 3.0
    @{ changed = $result.changed; notes = $result.notes; before = $module.Diff.before; after = $module.Diff.after }
} $case
Remove-Item -Path function:Get-AipServiceConfiguration, function:*-AipServiceRoleBasedAdministrator
"""


@pytest.mark.parametrize("check", [True, False])
def test_holder_that_the_service_does_not_tell_is_no_change(powershell: PowerShellHost, check: bool) -> None:
    unknown = {"members": ["a@contoso.test"], "configured": SAMPLE, "check": check, "new": ""}
    found = powershell.run(WORK, unknown | {"option": {"groups": ["Admins"]}})
    assert found["changed"] is False and found["before"] == found["after"]
    assert found["notes"] == ["The service does not tell whether these had the role: Admins."]
    known = powershell.run(WORK, unknown | {"option": {"object_ids": [ID]}})
    assert (known["changed"], known["notes"]) == (False, []), "the configuration names that id"
    new = powershell.run(WORK, unknown | {"option": {"emails": ["b@contoso.test"]}, "new": "b@contoso.test"})
    assert new["changed"] is True and new["after"]["GlobalAdministrator"] == ["a@contoso.test", "b@contoso.test"]


SECOND_FACTOR = (
    "AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, "
    "you must use multi-factor authentication to access 'https://api.aadrm.com'."
)
SIGN_IN = """
& (Get-Module _AipService) {
    param ($text)
    function Connect-AipService { [CmdletBinding()] param ([pscredential]$Credential) throw $text }
    Connect-Tenant -Parameter @{ Credential = New-Credential -Name a@contoso.test -Secret p } -Version 3.0
} $case
"""


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        (SECOND_FACTOR, True),
        ("AADSTS50079: The user must enroll for multifactor authentication.", True),
        ("AADSTS50126: Error validating credentials due to invalid username or password.", False),
    ],
)
def test_sign_in_that_needs_a_second_factor_names_the_remedy(
    powershell: PowerShellHost, text: str, advised: bool
) -> None:
    with pytest.raises(PowerShellError) as error:
        powershell.run(SIGN_IN, text)
    assert str(error.value).startswith(f"The sign-in to the protection service failed: {text}")
    assert ("Use an application with a certificate or a secret, or exclude the account" in str(error.value)) is advised


@pytest.mark.usefixtures("tenant")
def test_account_of_the_tenant_that_needs_a_second_factor_is_refused_with_the_remedy(
    powershell: PowerShellHost,
) -> None:
    options = {"emails": ["a@contoso.test"], "username": "mfa@contoso.test", "password": "Winfleet!tenant"}
    result = powershell.module("protection_service_administrator", options)
    assert result["failed"] and not result["changed"]
    assert "AADSTS50076" in result["msg"] and "exclude the account from the policy" in result["msg"]


@pytest.fixture
def manifest(powershell: PowerShellHost) -> Iterator[Path]:
    """The manifest of the module AIPService, as it was afterwards."""
    (found,) = (powershell.disk / "windows/system32/WindowsPowerShell/v1.0/Modules/AIPService").glob("*.psd1")
    text = found.read_text(encoding="utf-8")
    yield found
    found.write_text(text, encoding="utf-8")


def test_module_that_cannot_be_loaded(powershell: PowerShellHost, manifest: Path) -> None:
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("@{", "@{ PowerShellVersion = '9.0'", 1), encoding="utf-8")
    with pytest.raises(
        PowerShellError, match=r"AIPService \(.*psd1\) cannot be loaded by PowerShell 5\.1.*Expected is"
    ):
        powershell.run("Import-AipService")
    script = manifest.with_suffix(".psm1")  # which would be a module, too
    manifest.unlink()
    script.rename(script.with_suffix(".hidden"))
    with pytest.raises(PowerShellError, match=r"AIPService is not on this host.*Install-Module -Name AIPService"):
        powershell.run("Import-AipService")
    script.with_suffix(".hidden").rename(script)
    manifest.write_text(text, encoding="utf-8")
    assert powershell.run("Import-AipService") == "3.0.0.1"
