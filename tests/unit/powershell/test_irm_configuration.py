"""Information Rights Management of an Exchange organization and a SharePoint farm, whole modules over the doubles."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from module_cycle import Json
from powershell_host import IDENTITY, PowerShellHost
from winfleet import directory, products

PASSWORD = "Winfleet!exchange"
TENANT = directory.NEW_TENANT["licensing_url"].removesuffix("/_wmcs/licensing")
OTHER = "https://00000000-0000-4000-8000-000000000001.rms.na.aadrm.com"
CONNECTOR = "https://rmsconnector.contoso.test"
LOCATION = f"{TENANT}/_wmcs/licensing"
AD_RMS = "https://adrms.contoso.test/_wmcs/licensing"
ON = {"tenant_url": TENANT, "sender": "admin@contoso.test"}
SERVER = {"product": "exchange", "connector_url": CONNECTOR, "tenant_url": TENANT}
#: iisreset.exe, which no supervisor plays here: it ends the management sessions, as IIS does
RESTART = r"""
& (Get-Module -Name _IrmExchange) {
    function script:Invoke-Program {
        param ($Path, $Argument, $Timeout)
        $file = 'C:\windows\winfleet\shared\organization.json'
        $data = [IO.File]::ReadAllText($file) | ConvertFrom-Json -AsHashtable
        $data.sessions = @()
        $data.calls = @($data.calls) + "$([IO.Path]::GetFileName($Path)) $Argument"
        [IO.File]::WriteAllText($file, (ConvertTo-Json -InputObject $data -Depth 10))
        0
    }
}
"""
CLEAN = r"""
& (Get-Module -Name _IrmExchange) { Remove-Item -LiteralPath Function:\Invoke-Program -ErrorAction Ignore }
foreach ($name in 'MSDRM', 'MSIPC', 'ExchangeServer\v15\IRM') {
    [Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree("SOFTWARE\Microsoft\$name", $false)
}
Remove-Module -Name Microsoft.SharePoint.PowerShell -ErrorAction Ignore
$env:WINFLEET_LOGON = ''
Clear-RestartDue -Name irm_server
"""
Changed = Callable[[str], contextlib.AbstractContextManager[Json]]


@pytest.fixture
def shared(powershell: PowerShellHost, tenant: None) -> Iterator[Changed]:
    """The organization and the farm, new, to read and to change as somebody else does."""
    state = powershell.disk / "windows/winfleet"
    identity = replace(IDENTITY, roles=("exchange",), accounts={"Administrator": PASSWORD, "reader": "Winfleet!reader"})
    directory.prepare(state, [identity])
    products.prepare(state)
    powershell.run(RESTART)
    yield lambda name: directory.opened(state, name)
    products.forget(state)
    powershell.run(CLEAN)


@pytest.fixture
def exchange(powershell: PowerShellHost, shared: Changed) -> Iterator[Changed]:
    """The host is a server of the organization that is led to the connector."""
    with powershell.identity(roles=("exchange",), product="2016"):
        led = powershell.module("irm_server", SERVER)
        assert led["changed"], led
        yield shared


def organization(shared: Changed) -> Json:
    with shared(products.ORGANIZATION) as found:
        return copy.deepcopy(found)


def refused(result: Json, *texts: str) -> None:
    assert result.get("failed"), result
    assert [text for text in texts if text not in result["msg"]] == [], result["msg"]


def test_from_registry_to_irm_on(powershell: PowerShellHost, exchange: Changed) -> None:
    """Microsoft's order: licensing location, restart of IIS, licensing, proof. Check mode before predicts it."""
    check = powershell.module("exchange_irm", ON, check=True)
    assert check["changed"], check
    assert organization(exchange)["calls"] == []
    done = powershell.module("exchange_irm", ON)
    assert not done.get("failed"), done
    assert done["diff"]["after"] == check["diff"]["after"] == done["configuration"] == check["configuration"]
    assert done["diff"]["before"]["internal_licensing"] is False and done["diff"]["before"]["licensing_location"] == []
    assert done["configuration"]["internal_licensing"] and done["configuration"]["licensing_location"] == [LOCATION]
    found = organization(exchange)
    assert found["calls"] == [
        f"LicensingLocation={LOCATION}",
        "iisreset.exe /restart",
        "InternalLicensingEnabled=True",
        "Test Sender=admin@contoso.test",
    ]
    assert found["sessions"] == [], "a session is left open"
    assert done["iis_restarted"] and done["location_changed"] and done["verification"][-1] == "OVERALL RESULT: PASS"
    again = powershell.module("exchange_irm", ON)
    assert not again["changed"] and again["diff"]["before"] == again["diff"]["after"]
    assert organization(exchange)["calls"] == found["calls"], "an unchanged organization is not tested again"
    always = powershell.module("exchange_irm", ON | {"verify": "always"})
    assert not always["changed"] and always["verification"][-1] == "OVERALL RESULT: PASS"


def test_second_server_changes_nothing(powershell: PowerShellHost, exchange: Changed) -> None:
    """Also one of another version: the configuration is the organization's."""
    assert powershell.module("exchange_irm", ON)["changed"]
    with powershell.identity(roles=("exchange",), product="2019"):
        second = powershell.module("exchange_irm", ON)
    assert second["changed"] is False and second["version"].startswith("15.2.")


def test_other_order_from_ad_rms(powershell: PowerShellHost, exchange: Changed) -> None:
    with exchange(products.ORGANIZATION) as found:
        found["irm"] |= {"InternalLicensingEnabled": True, "LicensingLocation": [AD_RMS]}
    detach = {"state": "detached", "tenant_url": LOCATION}
    check = powershell.module("exchange_irm", detach, check=True)
    detached = powershell.module("exchange_irm", detach)
    assert check["changed"] and detached["changed"] and check["configuration"] == detached["configuration"]
    assert organization(exchange)["calls"] == [
        f"LicensingLocation={LOCATION} {AD_RMS}",
        "InternalLicensingEnabled=False",
        "ClientAccessServerEnabled=False",
        "RefreshServerCertificates=True",
    ]
    assert not powershell.module("exchange_irm", detach)["changed"]
    on = powershell.module("exchange_irm", ON)
    assert on["configuration"]["licensing_location"] == [LOCATION, AD_RMS], "what AD RMS protected is still licensed"
    assert organization(exchange)["calls"][4:] == [
        "ClientAccessServerEnabled=True InternalLicensingEnabled=True",
        "Test Sender=admin@contoso.test",
    ]


def test_location_of_azure_comes_first_and_once(powershell: PowerShellHost, exchange: Changed) -> None:
    with exchange(products.ORGANIZATION) as found:
        found["irm"]["LicensingLocation"] = [AD_RMS, f"{LOCATION}/", LOCATION]
    done = powershell.module("exchange_irm", ON)
    assert done["configuration"]["licensing_location"] == [LOCATION, AD_RMS]


def test_off_and_other_settings(powershell: PowerShellHost, exchange: Changed) -> None:
    wanted = {"transport_decryption": "mandatory", "search": False, "external_licensing": True}
    on = powershell.module("exchange_irm", ON | wanted)
    assert {name: on["configuration"][name] for name in wanted} == wanted
    assert not powershell.module("exchange_irm", ON | wanted)["changed"]
    assert not powershell.module("exchange_irm", ON)["changed"], "what is not given is not managed"
    with exchange(products.ORGANIZATION) as found:
        found["irm"]["SearchEnabled"] = True
    drift = powershell.module("exchange_irm", ON | wanted)
    assert drift["changed"] and not drift["iis_restarted"] and not drift["configuration"]["search"]
    off = powershell.module("exchange_irm", {"state": "absent"})
    assert (
        off["changed"] and not off["configuration"]["internal_licensing"] and not off["configuration"]["client_access"]
    )
    assert off["configuration"]["licensing_location"] == [LOCATION] and off["verification"] == []
    assert not powershell.module("exchange_irm", {"state": "absent"})["changed"]


def test_redirections_of_ad_rms_are_kept(powershell: PowerShellHost, exchange: Changed) -> None:
    """One for each imported trusted publishing domain, by hand or by registry_values."""
    key = r"HKLM:\SOFTWARE\Microsoft\ExchangeServer\v15\IRM\LicenseServerRedirection"
    value = {"path": key, "name": AD_RMS, "data": f"{CONNECTOR}/_wmcs/licensing"}
    assert powershell.module("registry_values", {"values": [value]})["changed"]
    assert powershell.module("exchange_irm", ON)["changed"]
    assert not powershell.module("irm_server", SERVER)["changed"]
    (values,) = powershell.registry(key.replace("HKLM:", "HKLM")).values()
    assert values[AD_RMS] == ("string", f"{CONNECTOR}/_wmcs/licensing")


@pytest.mark.parametrize(
    ("changes", "options", "texts"),
    [
        ({"authorized": False}, {}, ("(403) Forbidden", "the connector authorizes the servers")),
        ({}, {"sender": "nobody@contoso.test"}, ("nobody@contoso.test is no mailbox", "sender is a mailbox")),
    ],
    ids=["not authorized in the connector", "no mailbox"],
)
def test_proof_that_fails_sets_back(
    powershell: PowerShellHost, exchange: Changed, changes: Json, options: Json, texts: tuple[str, ...]
) -> None:
    with exchange(products.ORGANIZATION) as found:
        found |= changes
    before = organization(exchange)["irm"]
    result = powershell.module("exchange_irm", ON | options)
    refused(result, "Test-IRMConfiguration does not pass", "OVERALL RESULT: FAIL", "was set back", *texts)
    assert organization(exchange)["irm"] == before and organization(exchange)["sessions"] == []
    assert result["changed"] is False, "all of it was set back"


def test_wrong_tenant(powershell: PowerShellHost, exchange: Changed) -> None:
    """Another tenant than the server is led to, one that is none, and one whose connector serves another."""
    refused(powershell.module("exchange_irm", ON | {"tenant_url": OTHER}), f"no redirection of {OTHER}", "irm_server")
    check = powershell.module("exchange_irm", ON | {"tenant_url": OTHER}, check=True)
    assert check["changed"] and f"no redirection of {OTHER}" in check["notes"][0], "the registry step comes before"
    refused(powershell.module("exchange_irm", ON | {"tenant_url": CONNECTOR}), "no address of Azure Rights Management")
    refused(powershell.module("exchange_irm", ON | {"tenant_url": f"{TENANT}/x"}), "without a path")
    assert organization(exchange)["calls"] == []
    led = powershell.module("irm_server", SERVER | {"tenant_url": OTHER})
    assert led["changed"], led
    result = powershell.module("exchange_irm", ON | {"tenant_url": OTHER})
    refused(result, "Test-IRMConfiguration does not pass", f"tenant_url ({OTHER}) is that of the connector's tenant")
    assert organization(exchange)["irm"]["LicensingLocation"] == []


def test_double_hop(powershell: PowerShellHost, exchange: Changed) -> None:
    """From a session of WinRM only a credential opens the management session."""
    powershell.run("$env:WINFLEET_LOGON = 'network'")
    refused(powershell.module("exchange_irm", ON), "0x8009030e", "double hop", "Set username and password")
    account = {"username": r"CONTOSO\Administrator", "password": PASSWORD}
    assert powershell.module("exchange_irm", ON | account)["changed"]
    wrong = powershell.module("exchange_irm", ON | account | {"password": "wrong-password"})
    refused(wrong, r"CONTOSO\Administrator cannot open the Exchange management session", "Access is denied")
    assert "wrong-password" not in str({name: value for name, value in wrong.items() if name != "invocation"})


def test_account_without_the_role(powershell: PowerShellHost, exchange: Changed) -> None:
    account = {"username": "reader@contoso.test", "password": "Winfleet!reader"}
    result = powershell.module("exchange_irm", ON | account)
    refused(result, "reader@contoso.test is not authorized to configure IRM", "Organization Management")
    assert organization(exchange)["calls"] == organization(exchange)["sessions"] == []


def test_change_that_does_not_show(powershell: PowerShellHost, exchange: Changed) -> None:
    """Somebody sets it back between write and read."""
    script = r"""
    & (Get-Module -Name _IrmExchange) {
        function script:Get-IrmExchangePlan { , [Collections.Generic.List[object]]@(@{ SearchEnabled = $true }) }
    }
    """
    original = "(Get-Command -Name Get-IrmExchangePlan).ScriptBlock.ToString()"
    text = powershell.run(original)
    powershell.run(script)
    try:
        refused(
            powershell.module("exchange_irm", ON), "took the change and does not show it: SearchEnabled", "set back"
        )
    finally:
        put_back = (
            "param($case) & (Get-Module -Name _IrmExchange) { param($text) Set-Item Function:script:Get-IrmExchangePlan"
        )
        powershell.run(f"& {{ {put_back} ([scriptblock]::Create($text)) }} $case }} $case", text)


VERDICTS: list[tuple[Any, bool]] = [
    ("a ...\r\n    - PASS: b\r\n\r\nOVERALL RESULT: PASS", True),
    ("a ...\n    - WARNING: b\n\nOVERALL RESULT: PASS with warnings on disabled features", True),
    ("a ...\n    - FAIL: b\n\nOVERALL RESULT: FAIL", False),
    # a failure is one, whatever the last line says
    ("a ...\n    - FAIL: b\n\nOVERALL RESULT: PASS", False),
    ("a ...\n    - PASS: b", False),
    ("", False),
    (None, False),
    ("OVERALL RESULT: PASSABLE", False),
]


def test_what_proves(powershell: PowerShellHost) -> None:
    script = "(Get-IrmVerdict -Result $(if ($case.text) { [pscustomobject]@{ Results = $case.text } })).Passed"
    found = powershell.each(script, [{"text": text} for text, _passed in VERDICTS])
    assert found == [passed for _text, passed in VERDICTS]


def test_not_an_exchange_or_sharepoint_server(powershell: PowerShellHost, shared: Changed) -> None:
    refused(powershell.module("exchange_irm", ON), "Exchange Server is not installed on this host")
    refused(powershell.module("sharepoint_irm", {"connector_url": CONNECTOR}), "SharePoint Server is not installed")
    refused(powershell.module("exchange_irm", {"tenant_url": TENANT}), "sender")
    refused(powershell.module("exchange_irm", ON | {"sender": "nobody"}), "expected the address of a mailbox")


@pytest.fixture
def sharepoint(powershell: PowerShellHost, shared: Changed) -> Iterator[Changed]:
    with powershell.identity(roles=("sharepoint",), product="2019"):
        yield shared


FARM = {"connector_url": f"{CONNECTOR}/"}


def farm(shared: Changed) -> Json:
    with shared(products.FARM) as found:
        return copy.deepcopy(found)


def test_farm_on_and_off(powershell: PowerShellHost, sharepoint: Changed) -> None:
    check = powershell.module("sharepoint_irm", FARM, check=True)
    assert check["changed"], check
    assert not farm(sharepoint)["IrmRMSEnabled"]
    on = powershell.module("sharepoint_irm", FARM)
    assert on["changed"], on
    assert on["diff"]["after"] == check["diff"]["after"] == on["configuration"]
    assert (farm(sharepoint)["IrmRMSEnabled"], farm(sharepoint)["IrmRMSCertServer"]) == (True, CONNECTOR)
    assert not powershell.module("sharepoint_irm", FARM)["changed"]
    off = powershell.module("sharepoint_irm", {"state": "absent"})
    assert off["changed"], off
    assert not farm(sharepoint)["IrmRMSEnabled"]
    assert not powershell.module("sharepoint_irm", {"state": "absent"})["changed"]
    with powershell.identity(roles=("sharepoint",), product="2016"):
        other = powershell.module("sharepoint_irm", {"state": "absent"})
    assert other["changed"] is False and other["version"].startswith("16.0."), "another server of the farm"


@pytest.mark.parametrize(
    ("found", "options"),
    [
        ({"IrmRMSEnabled": True, "IrmRMSUseAD": True}, FARM),
        ({"IrmRMSEnabled": True, "IrmRMSCertServer": "http://rmsconnector.contoso.test"}, FARM),
        ({"IrmRMSEnabled": True, "IrmRMSCertServer": CONNECTOR}, FARM | {"subscription_scope": True}),
    ],
    ids=["AD RMS by discovery", "http", "scope"],
)
def test_farm_set_otherwise(powershell: PowerShellHost, sharepoint: Changed, found: Json, options: Json) -> None:
    with sharepoint(products.FARM) as data:
        data |= found
    assert powershell.module("sharepoint_irm", options)["changed"]
    assert (farm(sharepoint)["IrmRMSUseAD"], farm(sharepoint)["IrmRMSCertServer"]) == (False, CONNECTOR)
    assert not powershell.module("sharepoint_irm", options)["changed"]


def test_scope_that_is_not_managed_stays(powershell: PowerShellHost, sharepoint: Changed) -> None:
    with sharepoint(products.FARM) as data:
        data["IrmSubscriptionScopeSettingsEnabled"] = True
    on = powershell.module("sharepoint_irm", FARM)
    assert on["configuration"]["subscription_scope"] and farm(sharepoint)["IrmSubscriptionScopeSettingsEnabled"]
    no = powershell.module("sharepoint_irm", FARM | {"subscription_scope": False})
    assert no["changed"] and not farm(sharepoint)["IrmSubscriptionScopeSettingsEnabled"]


def test_database_on_another_server(powershell: PowerShellHost, sharepoint: Changed) -> None:
    with sharepoint(products.FARM) as data:
        data["database"] = "remote"
    powershell.run("$env:WINFLEET_LOGON = 'network'")
    refused(powershell.module("sharepoint_irm", FARM), "farm cannot be reached", "double hop", "become with runas")
    powershell.run("$env:WINFLEET_LOGON = 'service'")
    assert powershell.module("sharepoint_irm", FARM)["changed"]


def test_farm_with_a_wrong_url(powershell: PowerShellHost, sharepoint: Changed) -> None:
    refused(powershell.module("sharepoint_irm", {"connector_url": TENANT}), "an address of Azure Rights Management")
    refused(powershell.module("sharepoint_irm", {"connector_url": f"{CONNECTOR}/_wmcs"}), "without a path")
    refused(powershell.module("sharepoint_irm", {}), "connector_url")
