"""The requirements catalogue, and what hosts do not meet of it."""

from __future__ import annotations

import copy
import datetime
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.infoprotect.aip.plugins.plugin_utils import requirements, statements
from ansible_collections.infoprotect.aip.plugins.plugin_utils.assessment import assess, assess_lines, with_tenant
from ansible_collections.infoprotect.aip.plugins.plugin_utils.catalogue import CATALOGUE, Requirement
from ansible_collections.infoprotect.aip.plugins.plugin_utils.conditions import Subject, evaluate, is_for

ROOT = Path(__file__).resolve().parents[2]

DOCUMENTS = ROOT.parent / "shared/documents"
IDS = [requirement.id for requirement in CATALOGUE]
BY_ID = {requirement.id: requirement for requirement in CATALOGUE}

#: An entry of the list of installed programs that nothing stands behind.
ORPHAN: dict[str, Any] = {
    "kind": "unified_labeling_client",
    "name": "AIP",
    "version": "2.14.90.0",
    "product_code": "{1}",
    "state": "orphaned",
    "problem": "unknown to Windows Installer",
}
#: An endpoint of the service as endpoint_info has it.
REACHED: dict[str, Any] = {
    "proxy": None,
    "proxy_schemes": [],
    "issuer": "CN=CA 08, O=Microsoft Corporation",
    "missing_root": None,
    "inspected": False,
    "error": None,
}
#: A host that meets every requirement, as host_info has it.
FACTS: dict[str, Any] = {
    "name": "SRV01",
    "domain": "contoso.test",
    "domain_role": "member_server",
    "os": {
        "product": "2019",
        "name": "Windows Server 2019 Standard",
        "build": 17763,
        "installation_type": "Server",
        "architecture": "AMD64",
    },
    "disks": [
        {"name": "D:\\", "size_gb": 10.0, "free_gb": 0.1, "system": False},
        {"name": "C:\\", "size_gb": 100.0, "free_gb": 40.0, "system": True},
    ],
    "powershell": {"version": "5.1.17763.5458"},
    "memory_mb": 8191,
    "dotnet": {"release": 461814, "version": "4.7.2", "missing_update": None},
    "reboot": {"required": False, "reasons": ["file_rename", "tls", "tls_dotnet", "tls_winhttp"]},
    "tls": {
        "protocols": [
            {"protocol": "TLS 1.0", "side": "client", "state": "off"},
            {"protocol": "TLS 1.2", "side": "client", "state": "default"},
            {"protocol": "TLS 1.2", "side": "server", "state": "off"},
        ],
        "dotnet": [{"framework": "v4.0.30319", "view": 64, "strong_crypto": None, "system_default": None}],
        "winhttp": [
            {"view": 64, "default_secure_protocols": 0xA00, "tls12": True},
            {"view": 32, "default_secure_protocols": None, "tls12": None},
        ],
    },
    "proxy": {"winhttp": None, "machine": None, "pac": []},
    "ntlm": {"restrict_receiving": None, "restrict_sending": None},
    "msip": [],
    "products": [],
    "connector": None,
    "roles": {
        role: {"found": False, "version": None}
        for role in ("exchange", "sharepoint", "fci", "domain_controller", "ad_rms")
    },
    "redirections": [],
    "remote_desktop": {
        "session_host": False,
        "deletes_roaming_profiles": False,
        "deletes_profiles_after_days": None,
    },
    "office": [],
    "citrix": {"found": False, "version": None, "excluded_processes": [], "hooked_processes": []},
    "unreadable": [],
    "endpoints": [{"host": "api.aadrm.com", **REACHED}, {"host": "discover.aadrm.com", **REACHED}],
}
WINDOWS_8 = {
    "product": "other",
    "name": "Windows 8 Pro",
    "build": 9200,
    "installation_type": "Client",
    "architecture": "x86",
}
WINDOWS_11 = {**WINDOWS_8, "name": "Windows 10 Enterprise", "build": 22631, "architecture": "AMD64"}
PAC = {"source": "machine", "url": "http://pac.contoso.test/proxy.pac"}
USE_DEFAULT = {"name": "UseDefaultCredentialsInProxy", "type": "dword", "data": 1, "view": 32}


def redirection(cloud: bool) -> dict[str, Any]:
    address = "https://x.rms.na.aadrm.com" if cloud else "https://connector.contoso.test"
    return {"path": r"HKLM:\SOFTWARE\Microsoft\MSDRM\ServiceLocation\Activation", "address": address, "cloud": cloud}


def office(name: str, version: str = "16.0.14332.20349", source: str = "click_to_run") -> dict[str, Any]:
    line = version.split(".")[0]
    return {"name": name, "line": line, "version": version, "architecture": "x64", "source": source}


def system(**changes: Any) -> dict[str, Any]:
    return {"os": {**FACTS["os"], **changes}}


def role(name: str, version: str | None = None) -> dict[str, Any]:
    return {"roles": {**FACTS["roles"], name: {"found": True, "version": version}}}


def endpoint(**changes: Any) -> dict[str, Any]:
    """The service, of which the second endpoint is not as it should be."""
    return {"endpoints": [FACTS["endpoints"][0], {**FACTS["endpoints"][1], "error": "wrong", **changes}]}


def remote_desktop(days: int | None = None) -> dict[str, Any]:
    return {
        "remote_desktop": {
            "session_host": True,
            "deletes_roaming_profiles": True,
            "deletes_profiles_after_days": days,
        }
    }


CONNECTOR = {"domains": ["connector"], "groups": ["rms_connectors"], "connectors": ["rms01", "rms02"]}
IRM = {"domains": ["irm_server"], "irm_server": {"connector_url": "https://connector.contoso.test"}}


def connector(**facts: Any) -> dict[str, Any]:
    return {"_": CONNECTOR, **facts}


CLIENTS = [
    {"kind": f"{kind}_client", "name": "AIP", "version": "2.18.26.0"}
    for kind in ("classic", "unified_labeling", "purview")
]
#: Requirement -> the update that it names
UPDATES = {"dotnet_update_2012r2": "KB2919355", "dotnet_update_2012": "KB4019990"}


def old_dotnet(missing: str | None, release: int = 379893) -> dict[str, Any]:
    """A host with this .NET Framework that lacks an update."""
    return {"dotnet": {"release": release, "version": "x", "missing_update": missing}}


def https(certificate: dict[str, Any] | None, *, installed: bool = True, **wanted: Any) -> dict[str, Any]:
    """A connector with this certificate, whose URL is an https one unless `wanted` says otherwise."""
    url = wanted.pop("url", "https://rms.contoso.test")
    return {
        "_": {**CONNECTOR, "connector": {"url": url}, **wanted},
        "connector": {"installed": installed, "https": certificate},
    }


def bound(*obstacles: str, **wanted: Any) -> dict[str, Any]:
    """A host whose connector shall show a certificate, and what stands against it."""
    https = {"obstacles": list(obstacles)} if obstacles else {}
    return {"_": {**CONNECTOR, "domains": ["connector_https"], "connector_https": https, **wanted}}


def served(kept: Any, *, installed: bool = True, **wanted: Any) -> dict[str, Any]:
    """A connector that remembers this URL, and by which it shall be reached."""
    connector = {"url": "https://rms.contoso.test", **wanted}
    return {
        "_": {**CONNECTOR, "connector": connector},
        "connector": {"installed": installed, "url": kept, "https": None},
    }


def asked(**answer: Any) -> dict[str, Any]:
    """What the protection service returned, whether it could be asked or not."""
    return {"_": {**CONNECTOR, "service": answer}}


def subscriptions(*plans: str, status: str = "Enabled") -> dict[str, Any]:
    """What Microsoft Graph returned of a tenant with these service plans."""
    one = {"name": "EMS", "status": status, "plans": dict.fromkeys(plans, "Success"), "usable": list(plans)}
    usable = list(plans) if status == "Enabled" else []
    return {"_": {"service": {"graph": {"subscriptions": [one], "plans": usable, "notes": []}}}}


def onboarding(
    accounts: list[Any] | None = None, *, group: str = "", licensed_only: bool = False, **wanted: Any
) -> dict[str, Any]:
    """The onboarding policy, and of accounts: found, licensed, member_of. None where Microsoft Graph was not asked."""
    policy = {"group": group, "licensed_only": licensed_only, "scope": "all"}
    names = ("account", "found", "licensed", "member_of")
    graph = {} if accounts is None else {"accounts": [dict(zip(names, account, strict=True)) for account in accounts]}
    return {"_": {**CONNECTOR, "service": {"tenant": {"onboarding": policy}, "graph": graph}, **wanted}}


def irm(group: str, **facts: Any) -> dict[str, Any]:
    return {"_": {**IRM, "groups": [group]}, **facts}


def refused(*reasons: str, **wanted: Any) -> dict[str, Any]:
    """A server of which the module irm_server has said why it cannot have what is wanted."""
    return {"_": {**IRM, "irm_server": {**IRM["irm_server"], "refused": list(reasons)}, **wanted}}


def scanner(*reasons: str, **wanted: Any) -> dict[str, Any]:
    """A host of which the module scanner has said why it cannot have what is wanted."""
    return {"_": {"groups": ["aip_scanners"], "domains": ["scanner"], "scanner": {"refused": list(reasons)}, **wanted}}


#: For each requirement, what a host has when it meets it and when it does not, with what was found then. `_` is what is
#: wanted of the host. What has no facts is a statement of the operator.
HOLDS: dict[str, list[dict[str, Any]]] = {
    "powershell": [{}, {"powershell": {"version": "5.1.14409.1005"}}],
    "client_os": [
        *(system(product=name) for name in ("2012", "2012r2", "2016", "2019", "2022", "2025")),
        {"os": WINDOWS_8},
        {"os": WINDOWS_11},
    ],
    "client_os_listed": [{}, {"os": WINDOWS_8}, {"os": WINDOWS_11}],
    "purview_os": [
        {"_": {"client": {"product": "purview"}}},
        {"_": {"client": {"product": "purview"}}, "os": WINDOWS_11},
        {"_": {"client": {"product": "purview"}}, **system(product="2016", build=14393)},
        {"_": {"client": {"product": "unified_labeling"}}, **system(product="2012", build=9200)},
    ],
    "client_architecture": [{}, {"os": WINDOWS_8}],
    "purview_architecture": [
        {"_": {"client": {"product": "purview"}}},
        {"_": {"client": {"product": "unified_labeling"}}, **system(architecture="x86")},
    ],
    "server_installation": [{}, {"os": WINDOWS_11}],
    "dotnet": [{}, {"dotnet": {"release": 394802, "version": "4.6.2", "missing_update": None}}],
    **{
        name: [
            {},
            old_dotnet(None),
            old_dotnet("KB1"),
            old_dotnet(update, 394802),
            {"_": CONNECTOR, **old_dotnet(update, 461808)},
        ]
        for name, update in UPDATES.items()
    },
    "pending_restart": [{}],
    "free_disk": [{"disks": [{"name": "C:\\", "free_gb": 2, "system": True}]}],
    "connector_server": [{"_": {"groups": ["aip_clients"]}}, {"_": {"groups": ["aip_clients", "rms_connectors"]}}],
    "connector_host": [
        {"_": {"groups": ["aip_clients", "exchange_servers"]}},
        {"connector": {"installed": False, "staged_version": "3.1.0"}},
    ],
    "connector_redirection": [{"redirections": [redirection(cloud=True)]}],
    "server_role": [role("fci")],
    "tls": [
        {},
        {"_": {"domains": ["client", "tls"]}, "tls": {"protocols": [], "dotnet": [], "winhttp": []}},
    ],
    "proxy_script": [
        {"proxy": {**FACTS["proxy"], "pac": [PAC]}, "msip": [USE_DEFAULT]},
        {},
        {
            "proxy": {**FACTS["proxy"], "pac": [PAC]},
            "_": {"settings": {"use_default_credentials_in_proxy": True}},
        },
    ],
    "proxy_authentication": [{}],
    "membership": [{}, {"domain_role": "member_workstation"}, {"domain_role": "domain_controller"}],
    "office_edition": [
        {},
        {"office": [office("O365ProPlusRetail"), office("VisioProRetail"), office("O365BusinessEEANoTeamsRetail")]},
        {"office": [office("PROPLUS", "15.0.4569.1506", "msi"), office("PRJPRO", "15.0.4569.1506", "msi")]},
        {"office": [office("ProPlus2019Volume")]},
        {"office": [office("ProPlus2021Retail")]},
        {"office": [office("ProPlus2021Volume"), office("VisioPro2021Volume")]},
        {"office": [office("ProPlus2024Volume")]},
    ],
    "office_version": [
        {"office": [office("PROPLUS", "15.0.4569.1506", "msi")]},
        {"office": [office("O365ProPlusRetail")]},
    ],
    "office_side_by_side": [{"office": [office("O365ProPlusRetail"), office("VisioProRetail")]}],
    "session_host": [{}],
    "profile_deletion": [
        remote_desktop(),
        {"remote_desktop": {**remote_desktop(30)["remote_desktop"], "session_host": False}},
    ],
    "citrix_hooks": [
        {},
        {"citrix": {"found": True, "version": "7.15", "excluded_processes": [], "hooked_processes": []}},
    ],
    "classic_client": [
        {"products": [{"kind": "unified_labeling_client", "name": "x", "version": "2.18.26.0"}]},
        {"products": [{**ORPHAN, "kind": "classic_client"}]},
    ],
    "orphaned_product": [{}, {"products": [{**ORPHAN, "state": "installed"}]}],
    "ad_rms": [{}],
    "exchange_version": [
        irm("exchange_servers", **role("exchange", version))
        for version in ("15.0.775.38", "15.0.1497.2", "15.1.2507.6", "15.2.1544.4")
    ],
    "sharepoint_version": [
        irm("sharepoint_servers", **role("sharepoint", version))
        for version in ("15.0.4420.1017", "16.0.4351.1000", "16.0.10337.12109")
    ],
    "fci_os": [irm("fci_servers", **system(product=product)) for product in ("2012", "2012r2", "2016")],
    "fci_role": [irm("fci_servers", **role("fci"))],
    "connector_count": [connector(), {"_": {**CONNECTOR, "connectors": ["a", "b", "c"]}}],
    "connector_member": [connector()],
    "connector_domain_controller": [connector()],
    "connector_os": [connector(**system(product=product)) for product in ("2012", "2012r2", "2016", "2019")],
    "connector_architecture": [connector()],
    "connector_installation": [connector()],
    "connector_memory": [connector(), connector(memory_mb=1013)],
    "connector_disk": [connector(), connector(disks=[{"size_gb": 58.9}]), connector(disks=[{"size_gb": 30.0}] * 2)],
    "connector_apart": [connector()],
    "connector_client": [
        connector(),
        connector(products=[{"kind": "rms_connector", "name": "x", "version": "1"}]),
        connector(products=[{"kind": "viewer", "name": "x", "version": "2.18.26.0", "state": "installed"}]),
        connector(products=[{**ORPHAN, "state": "incomplete"}]),
        {"_": {**CONNECTOR, "client": {"state": "absent"}}, "products": CLIENTS[:1]},
    ],
    "irm_client": [
        irm("exchange_servers"),
        connector(products=CLIENTS),
        irm("exchange_servers", products=[{**ORPHAN, "state": "incomplete"}]),
    ],
    "connector_dotnet": [
        connector(),
        connector(dotnet={"release": 461808, "version": "4.7.2", "missing_update": None}),
    ],
    "connector_tls": [
        connector(),
        {"_": {**CONNECTOR, "domains": ["connector", "tls"]}, "tls": {"protocols": [], "dotnet": [], "winhttp": []}},
    ],
    "connector_internet": [
        connector(),
        connector(**endpoint(inspected=True)),
        connector(**endpoint(missing_root="CN=Root")),
        connector(**endpoint(proxy_schemes=["NTLM"])),
    ],
    "connector_proxy_authentication": [connector(), connector(**endpoint())],
    "connector_tls_inspection": [connector(), connector(**endpoint())],
    "connector_root_certificate": [connector(), connector(**endpoint(missing_root="CN=Root", inspected=True))],
    "connector_ntlm": [connector(), connector(ntlm={"restrict_receiving": 0, "restrict_sending": 2})],
    "connector_https": [
        https({"names": ["rms.contoso.test"], "days_left": 300}),
        connector(),
        https(None, installed=False),
        https({"names": ["x.test", "*.CONTOSO.test"], "days_left": 300}),
        https(None, url="http://rms.contoso.test"),
        https(None, domains=["connector", "connector_https"]),
    ],
    "connector_https_binding": [
        connector(),
        bound(),
        bound("expired", domains=["connector"]),
        bound("expired", connector={"state": "absent"}),
    ],
    "connector_certificate": [connector(), https(None), https({"names": ["rms.contoso.test"], "days_left": 30})],
    "connector_url_unchanged": [
        connector(),
        served(None),
        served("https://rms.contoso.test"),
        served("HTTPS://RMS.Contoso.test:443/"),
        served("http://rms.contoso.test", installed=False),
        served("http://rms.contoso.test", url=""),
        served("http://rms.contoso.test", state="absent"),
    ],
    "connector_ad_rms": [connector()],
    "protection_service_activated": [
        asked(tenant={"activated": True, "functional_state": "Enabled"}, notes=[]),
        {"_": {**IRM, "service": {"tenant": {"activated": True, "functional_state": "Enabled"}}}},
    ],
    "subscription": [subscriptions("RMS_S_ENTERPRISE", "RMS_S_PREMIUM"), subscriptions("RMS_S_PREMIUM2")],
    "onboarding": [
        onboarding(),
        onboarding([], licensed_only=False),
        onboarding([("a@contoso.test", True, False, ["g-1"])], group="G-1"),
        onboarding([("a", True, True, None), ("b", True, True, [])], licensed_only=True),
        onboarding([("a", True, False, [])], group="g-1", connector={"changes": False}),
    ],
    "irm_connector_apart": [irm("exchange_servers")],
    "irm_server_refused": [irm("exchange_servers"), refused(), refused("too old", domains=["tls"])],
    "scanner": [scanner(), scanner("SQL01 cannot be used", domains=["tls"])],
    "irm_ad_rms": [irm("exchange_servers"), irm("exchange_servers", redirections=[redirection(cloud=False)])],
    "irm_ntlm": [irm("fci_servers"), irm("fci_servers", ntlm={"restrict_receiving": 2, "restrict_sending": 1})],
}
FAILS: dict[str, list[tuple[dict[str, Any], str]]] = {
    "powershell": [({"powershell": {"version": "4.0"}}, "4.0")],
    "client_os": [
        (system(product="other", name="Windows Server 2008 R2", build=7601), "Windows Server 2008 R2 build 7601"),
        ({"os": {**WINDOWS_8, "name": "Windows 7", "build": 7601}}, "Windows 7 build 7601"),
    ],
    "client_os_listed": [
        (system(product=name, name=f"Windows {name}"), f"Windows {name}") for name in ("2022", "2025")
    ],
    "purview_os": [
        (
            {"_": {"client": {"product": "purview"}}, **system(name="Windows Server 2012 R2", build=9600)},
            "Windows Server 2012 R2 build 9600",
        ),
    ],
    "client_architecture": [(system(architecture="ARM64"), "ARM64")],
    "purview_architecture": [({"_": {"client": {"product": "purview"}}, **system(architecture="x86")}, "x86")],
    "server_installation": [(system(installation_type=name), name) for name in ("Server Core", "Nano Server")],
    "dotnet": [
        ({"dotnet": {"release": 379893, "version": "4.5.2", "missing_update": None}}, "4.5.2"),
        ({"dotnet": {"release": None, "version": None, "missing_update": None}}, "none"),
    ],
    "dotnet_update_2012r2": [
        (old_dotnet("KB2919355"), "KB2919355 is not installed"),
        ({"_": CONNECTOR, **old_dotnet("KB2919355")}, "KB2919355 is not installed"),
        # enough for the client, and not for the connector
        ({"_": CONNECTOR, **old_dotnet("KB2919355", 394802)}, "KB2919355 is not installed"),
    ],
    "dotnet_update_2012": [(old_dotnet("KB4019990"), "d3dcompiler_47.dll is not there")],
    "pending_restart": [
        ({"reboot": {"required": True, "reasons": ["file_rename", "windows_update", "tls"]}}, "windows_update")
    ],
    "free_disk": [({"disks": [{"name": "C:\\", "free_gb": 1.9, "system": True}]}, "1.9 GiB free")],
    "connector_server": [
        *(
            ({"_": {"groups": ["aip_clients", group]}}, group)
            for group in ("exchange_servers", "sharepoint_servers", "fci_servers")
        ),
    ],
    "connector_host": [
        ({"_": {"groups": ["aip_clients", "rms_connectors"]}}, "rms_connectors"),
        ({"connector": {"version": "3.2.0.69", "proxy_address": None}}, "the connector is installed"),
    ],
    "connector_redirection": [
        (
            {"redirections": [redirection(cloud=True), redirection(cloud=False)]},
            r"HKLM:\SOFTWARE\Microsoft\MSDRM\ServiceLocation\Activation = https://connector.contoso.test",
        )
    ],
    "server_role": [(role("exchange", "15.1.2507.6"), "Exchange"), (role("sharepoint", "16.0.4351"), "SharePoint")],
    "tls": [
        (
            {
                "tls": {
                    **FACTS["tls"],
                    "protocols": [{"protocol": "TLS 1.2", "side": "client", "state": "off"}],
                }
            },
            "TLS 1.2 off",
        ),
        (
            {"tls": {**FACTS["tls"], "dotnet": [{"framework": "v4.0.30319", "view": 64, "strong_crypto": 0}]}},
            "TLS 1.2 default, weak cryptography in .NET v4.0.30319",
        ),
        (
            {"tls": {**FACTS["tls"], "winhttp": [{"view": 32, "default_secure_protocols": 0xA0, "tls12": False}]}},
            "TLS 1.2 default, WinHTTP without TLS 1.2: DefaultSecureProtocols 160",
        ),
    ],
    "proxy_script": [
        ({"proxy": {**FACTS["proxy"], "pac": [PAC]}}, PAC["url"]),
        ({"proxy": {**FACTS["proxy"], "pac": [PAC]}, "msip": [{**USE_DEFAULT, "view": 64}]}, PAC["url"]),
    ],
    "proxy_authentication": [
        ({"proxy": {"winhttp": {"server": "p:8080", "bypass": ""}, "machine": None, "pac": []}}, "p:8080"),
        ({"proxy": {"winhttp": None, "machine": {"server": "q:80"}, "pac": [PAC]}}, f"q:80, {PAC['url']}"),
    ],
    "membership": [({"domain": None, "domain_role": "standalone_server"}, "standalone_server")],
    "office_edition": [
        ({"office": [office("HomeBusiness2019Retail"), office("VisioProRetail")]}, "HomeBusiness2019Retail"),
        ({"office": [office("STANDARD", "16.0.4266.1001", "msi")]}, "STANDARD"),
        ({"office": [office("Standard2021Volume")]}, "Standard2021Volume"),
    ],
    "office_version": [
        ({"office": [office("PROPLUS", "15.0.4420.1017", "msi")]}, "PROPLUS 15.0.4420.1017"),
        ({"office": [office("PROPLUS", "14.0.7015.1000", "msi")]}, "PROPLUS 14.0.7015.1000"),
    ],
    "office_side_by_side": [
        (
            {"office": [office("PROPLUS", "15.0.4569.1506", "msi"), office("PROPLUS", "16.0.4266.1001", "msi")]},
            "PROPLUS 15.0.4569.1506 msi, PROPLUS 16.0.4266.1001 msi",
        ),
    ],
    "session_host": [
        (
            remote_desktop(30),
            "Remote Desktop Session Host, local copies of roaming profiles are deleted,"
            " unused profiles are deleted by policy",
        )
    ],
    "profile_deletion": [(remote_desktop(30), "after 30 days")],
    "citrix_hooks": [
        (
            {"citrix": {"found": True, "version": "7", "excluded_processes": [], "hooked_processes": ["excel.exe"]}},
            "excel.exe",
        )
    ],
    "classic_client": [
        (
            {"products": [{"kind": "classic_client", "name": "Azure Information Protection", "version": "1.54.59.0"}]},
            "Azure Information Protection 1.54.59.0",
        )
    ],
    "orphaned_product": [({"products": [ORPHAN]}, "AIP 2.14.90.0 ({1}), unknown to Windows Installer")],
    "ad_rms": [(role("ad_rms"), "AD RMS")],
    "exchange_version": [
        (irm("exchange_servers", **role("exchange", version)), version)
        for version in ("14.3.123.4", "15.0.712.24", "15.2.2562.17")
    ]
    + [(irm("exchange_servers"), "no Exchange Server")],
    "sharepoint_version": [
        (irm("sharepoint_servers", **role("sharepoint", version)), version)
        for version in ("14.0.7015", "16.0.14326.20450")
    ]
    + [(irm("sharepoint_servers"), "no SharePoint Server")],
    "fci_os": [(irm("fci_servers"), "Windows Server 2019 Standard")],
    "fci_role": [(irm("fci_servers"), "not installed")],
    "connector_count": [
        ({"_": {**CONNECTOR, "connectors": ["rms01"]}}, "rms01"),
        ({"_": {**CONNECTOR, "connectors": []}}, ""),
    ],
    "connector_member": [(connector(domain_role=name), name) for name in ("standalone_server", "member_workstation")],
    "connector_domain_controller": [
        (connector(domain_role="domain_controller", **role("domain_controller")), "domain controller")
    ],
    "connector_os": [
        (
            connector(**system(product="2022", name="Windows Server 2022", build=20348)),
            "Windows Server 2022 build 20348",
        ),
        (connector(**system(product="other", name="Windows 8", build=9200)), "Windows 8 build 9200"),
    ],
    "connector_architecture": [(connector(**system(architecture="x86")), "x86")],
    "connector_installation": [(connector(**system(installation_type="Server Core")), "Server Core")],
    "connector_memory": [(connector(memory_mb=511), "511 MiB")],
    "connector_disk": [(connector(disks=[{"size_gb": 39.4}, {"size_gb": 10}]), "49.4 GiB on all fixed disks")],
    "connector_apart": [
        (connector(**role("exchange", "15.1.2507.6")), "Exchange"),
        (connector(**role("sharepoint", "16.0.4351")), "SharePoint"),
        (connector(**role("fci")), "File Server Resource Manager"),
        ({"_": {**CONNECTOR, "groups": ["rms_connectors", "fci_servers"]}}, "fci_servers"),
    ],
    "connector_client": [(connector(products=[client]), "AIP 2.18.26.0") for client in CLIENTS],
    "irm_client": [(irm("exchange_servers", products=[client]), "AIP 2.18.26.0") for client in CLIENTS],
    "connector_dotnet": [
        (connector(dotnet={"release": 461310, "version": "4.7.1", "missing_update": None}), "4.7.1"),
        (connector(dotnet={"release": None, "version": None, "missing_update": None}), "none"),
    ],
    "connector_tls": [
        (
            connector(tls={**FACTS["tls"], "protocols": [{"protocol": "TLS 1.2", "side": "client", "state": "off"}]}),
            "TLS 1.2 off",
        ),
        (
            connector(
                tls={**FACTS["tls"], "winhttp": [{"view": 32, "default_secure_protocols": 0xA0, "tls12": False}]}
            ),
            "TLS 1.2 default, WinHTTP without TLS 1.2: DefaultSecureProtocols 160",
        ),
    ],
    "connector_internet": [
        (connector(**endpoint(error="the name cannot be resolved")), "the name cannot be resolved"),
        (connector(endpoints=[]), ""),
    ],
    "connector_proxy_authentication": [
        (
            connector(**endpoint(proxy="http://p:80", proxy_schemes=["Negotiate", "NTLM"])),
            "discover.aadrm.com by http://p:80 Negotiate, NTLM",
        )
    ],
    "connector_tls_inspection": [
        (
            connector(**endpoint(inspected=True, issuer="CN=Gateway")),
            "discover.aadrm.com has a certificate of CN=Gateway",
        )
    ],
    "connector_root_certificate": [
        (connector(**endpoint(missing_root="CN=Root G2")), "discover.aadrm.com needs CN=Root G2")
    ],
    "connector_ntlm": [
        (connector(ntlm={"restrict_receiving": value}), f"RestrictReceivingNTLMTraffic {value}") for value in (1, 2)
    ],
    "connector_https": [
        (https(None), "no https binding with a certificate"),
        (https({"names": ["contoso.test", "*.test"], "days_left": 99}), "a certificate for contoso.test, *.test"),
        (https({"names": ["*.rms.contoso.test"], "days_left": 99}), "a certificate for *.rms.contoso.test"),
    ],
    "connector_https_binding": [(bound("expired", "taken"), "expired; taken")],
    "connector_certificate": [
        (
            https({"names": [], "days_left": days, "expires": "2026-12-01T00:00:00Z"}, url="http://rms.contoso.test"),
            "it expires 2026-12-01T00:00:00Z",
        )
        for days in (29, -3)
    ],
    "connector_url_unchanged": [
        (served(url), f"it was brought into service as {url} and rms_connector_url is https://rms.contoso.test")
        for url in (
            "http://rms.contoso.test",
            "https://rms.contoso.test:444",
            "https://rms.contoso.test/x",
            "text",
            "http://[x",
        )
    ],
    "connector_ad_rms": [(connector(**role("ad_rms")), "AD RMS")],
    "protection_service_activated": [
        (asked(tenant={"activated": False, "functional_state": "Disabled"}, notes=["A note."]), "Disabled")
    ],
    "subscription": [
        (subscriptions("RMS_S_ENTERPRISE"), "EMS (Enabled): RMS_S_ENTERPRISE Success"),
        (subscriptions("RMS_S_PREMIUM", status="Suspended"), "EMS (Suspended): RMS_S_PREMIUM Success"),
        (
            {"_": {"service": {"graph": {"subscriptions": [], "plans": []}}}},
            "no subscription with a plan for Rights Management",
        ),
    ],
    "onboarding": [
        (
            onboarding([("a", True, True, []), ("b", True, True, ["g-1"]), ("c", None, None, None)], group="g-1"),
            "the policy covers members of g-1 only; not among them, as far as the application may see: a",
        ),
        (
            onboarding([("a", True, False, ["g-1"])], group="g-1", licensed_only=True),
            "the policy covers members of g-1 and users with a license only;"
            " not among them, as far as the application may see: a",
        ),
        (
            onboarding([("a", True, False, []), ("b", False, False, [])], licensed_only=True),
            "the policy covers users with a license only; not among them: a",
        ),
    ],
    "irm_connector_apart": [
        (irm("exchange_servers", connector={"version": "3.0.0.0"}), "the connector is installed"),
        (irm("rms_connectors"), "group rms_connectors"),
    ],
    "irm_server_refused": [(refused("MSIPC 1.0.1 is too old", "AD RMS"), "MSIPC 1.0.1 is too old; AD RMS")],
    "scanner": [(scanner("SQL01 cannot be used", "no disk"), "SQL01 cannot be used; no disk")],
    "irm_ad_rms": [
        (
            {"_": {**IRM, "irm_server": {}}, "redirections": [redirection(cloud=False)]},
            "https://connector.contoso.test",
        ),
        (
            irm("fci_servers", redirections=[{"address": "https://rms.fabrikam.test/_wmcs", "cloud": False}]),
            "https://rms.fabrikam.test/_wmcs",
        ),
    ],
    "irm_ntlm": [(irm("fci_servers", ntlm={"restrict_sending": 2}), "RestrictSendingNTLMTraffic 2")],
}
STATED = {"name": "A. Admin", "date": "2025-01-01", "expires": "2099-12-31"}
STATEMENTS = dict.fromkeys(("subscription", "user_licenses", "directory_integration", "tls_inspection"), STATED)
CONNECTOR_STATEMENTS = {
    "onboarding": STATED,
    "protection_service_activated": STATED,
    "directory_synchronization": {**STATED, "tool": "Azure AD Connect 2.1"},
    "domain_trust": STATED,
}


def findings(sample: dict[str, Any], **arguments: Any) -> dict[str, dict[str, Any]]:
    """What is found for the sample host, by requirement; only what differs from FACTS is given."""
    host = copy.deepcopy(FACTS) | {name: value for name, value in sample.items() if name != "_"}
    wanted = {"domains": ["client"], "client": {}, **sample.get("_", {}), **arguments}
    return {item["id"]: item for item in assess(host, **wanted)}


def facts_of(requirement: Requirement, sample: dict[str, Any]) -> set[str]:
    """The names of the facts that the condition reads on the sample host."""
    subject = Subject.of({**sample.get("_", {}), "host": {**FACTS, **sample}})
    if requirement.holds:
        evaluate(requirement.holds, subject)
    return subject.host.read


@pytest.mark.parametrize("requirement", CATALOGUE, ids=IDS)
def test_requirement_is_complete(requirement: Requirement) -> None:
    words = ("id", "text", "document", "section", "severity", "expected", "remedy")
    assert [name for name in words if not getattr(requirement, name).strip()] == []
    assert requirement.severity in ("blocks", "advises")
    for name in ("domains", "groups", "products"):
        assert isinstance(getattr(requirement, name), tuple)
    assert requirement.statement or not (requirement.tool or requirement.told or requirement.measured)
    assert requirement.severity == "advises" or requirement.holds, "what nobody stated advises"
    assert bool(requirement.holds) == bool(requirement.found)
    assert requirement.holds or requirement.statement
    assert re.fullmatch(r"[a-z0-9_]+", requirement.id) and IDS.count(requirement.id) == 1


@pytest.mark.parametrize("requirement", CATALOGUE, ids=IDS)
def test_section_is_a_heading_of_the_document(requirement: Requirement) -> None:
    text = (DOCUMENTS / requirement.document).read_text(encoding="utf-8")
    assert requirement.section in re.findall(r"^#+ (.*?)\s*$", text, re.MULTILINE)


def test_every_condition_has_samples_that_hold_and_that_fail() -> None:
    checked = {requirement.id for requirement in CATALOGUE if requirement.holds}
    assert set(HOLDS) == set(FAILS) == checked


@pytest.mark.parametrize(
    ("name", "sample"), [pytest.param(name, sample, id=name) for name, samples in HOLDS.items() for sample in samples]
)
def test_holds(name: str, sample: dict[str, Any]) -> None:
    assert name not in findings(sample)


@pytest.mark.parametrize(
    ("name", "sample", "found"),
    [pytest.param(name, *sample, id=name) for name, samples in FAILS.items() for sample in samples],
)
def test_fails(name: str, sample: dict[str, Any], found: str) -> None:
    finding = findings(sample)[name]
    requirement = BY_ID[name]
    assert finding == {
        "status": "fails",
        "found": found,
        **{
            key: getattr(requirement, key)
            for key in ("id", "severity", "text", "expected", "remedy", "document", "section")
        },
    }


def test_a_host_that_meets_all_has_no_finding() -> None:
    assert assess(FACTS, groups=["aip_clients"], domains=["client", "tls"], statements=STATEMENTS) == []


def test_a_connector_that_meets_all_has_no_finding() -> None:
    assert assess(FACTS, **CONNECTOR, statements=CONNECTOR_STATEMENTS) == []


@pytest.mark.parametrize(
    ("group", "facts"),
    [
        ("exchange_servers", role("exchange", "15.1.2507.6")),
        ("sharepoint_servers", role("sharepoint", "16.0.4351.1000")),
        ("fci_servers", {**role("fci"), **system(product="2016")}),
    ],
)
def test_a_server_that_meets_all_has_no_finding(group: str, facts: dict[str, Any]) -> None:
    host = {**FACTS, **facts}
    assert assess(host, **IRM, groups=[group], statements=CONNECTOR_STATEMENTS) == []


OF_CONNECTOR = [
    item.id for item in CATALOGUE if "connector" in item.domains and item.holds and "client" not in item.domains
]


@pytest.mark.parametrize("name", OF_CONNECTOR)
def test_of_a_connector_each_violation_alone_is_named(name: str) -> None:
    """One thing is wrong with the host, and one requirement says so, beside those that concern all hosts or a group."""
    for sample, _found in FAILS[name]:
        if sample["_"]["domains"] == ["connector"]:
            found = set(findings(sample, statements=CONNECTOR_STATEMENTS))
            assert found - {"ad_rms", "classic_client", "fci_os", "fci_role"} == {name}


def test_of_a_connector_all_violations_together_are_named() -> None:
    host = {
        **system(product="other", name="Windows 7", installation_type="Server Core", architecture="x86"),
        "domain_role": "standalone_server",
        "memory_mb": 511,
        "disks": [{"size_gb": 32, "free_gb": 1, "system": True}],
        "dotnet": {"release": None, "version": None, "missing_update": None},
        "tls": {"protocols": [], "dotnet": [], "winhttp": []},
        "ntlm": {"restrict_receiving": 2, "restrict_sending": 2},
        "reboot": {"required": True, "reasons": ["windows_update"]},
        "connector": {
            "installed": True,
            "https": {"names": [], "days_left": 1, "expires": "2026-12-01T00:00:00Z"},
            "url": "http://rms.contoso.test",
        },
        "products": FAILS["classic_client"][0][0]["products"],
        "roles": {name: {"found": True, "version": "14.0"} for name in FACTS["roles"]},
        "endpoints": [
            {"host": "a", **REACHED, "error": "no way"},
            {"host": "b", **REACHED, "error": "407", "proxy": "http://p:1", "proxy_schemes": ["Basic"]},
            {"host": "c", **REACHED, "error": "not the service's", "inspected": True},
            {"host": "d", **REACHED, "error": "no root", "missing_root": "CN=Root"},
        ],
    }
    wanted = {"connectors": ["one"], "connector": {"url": "https://rms.contoso.test"}}
    found = findings(host, domains=["connector"], groups=["rms_connectors", "fci_servers"], **wanted)
    stated = set(CONNECTOR_STATEMENTS)
    assert set(OF_CONNECTOR) | stated | {
        "pending_restart",
        "ad_rms",
        "classic_client",
        "connector_url_unchanged",
    } <= set(found)
    assert {name for name in found if found[name]["status"] == "not_stated"} == stated


def test_a_host_without_the_domains_hears_nothing_of_them() -> None:
    worst = {**FACTS, **role("ad_rms"), "memory_mb": 1, "endpoints": [], "ntlm": {"restrict_receiving": 2}}
    for group in ("rms_connectors", "exchange_servers", "aip_admin_hosts"):
        for name in (item["id"] for item in assess(worst, groups=[group], domains=["tls"])):
            assert not name.startswith(("connector_", "irm_")) and name not in CONNECTOR_STATEMENTS


@pytest.mark.parametrize(
    ("arguments", "severity"),
    [
        ({}, "blocks"),
        ({"connector": {"changes": False}}, "advises"),
        ({"connector": {"state": "absent"}}, None),
        ({"connector": {"state": "present", "changes": "yes"}}, "blocks"),
        ({"domains": ["connector", "irm_server"], "connector": {"state": "absent"}}, None),
        ({"connector": {"administration_tool": True}}, None),
        ({"connector": {"administration_tool": "no"}}, "blocks"),
    ],
)
def test_what_is_wanted_of_the_connector_decides(arguments: dict[str, Any], severity: str | None) -> None:
    sample = connector(memory_mb=1)
    assert findings(sample, **arguments).get("connector_memory", {}).get("severity") == severity


def test_the_service_is_asked_for_only_where_a_connector_is_set_up() -> None:
    host = {name: value for name, value in FACTS.items() if name != "endpoints"}
    found = {item["id"]: item for item in assess(host, **CONNECTOR, statements=CONNECTOR_STATEMENTS)}
    assert {name: item["status"] for name, item in found.items()} == {"connector_internet": "unknown"}
    stated = {**CONNECTOR_STATEMENTS, "connector_internet": STATED}
    assert assess(host, **CONNECTOR, statements=stated) == []
    # what the host has measured outranks what somebody states
    silent = findings(connector(**endpoint(error="connection refused")), statements=stated)
    assert (silent["connector_internet"]["status"], silent["connector_internet"]["severity"]) == ("fails", "blocks")
    assert assess(host, **CONNECTOR, connector={"changes": False}, statements=CONNECTOR_STATEMENTS) == []


@pytest.mark.parametrize(
    ("name", "arguments", "severity"),
    [
        ("exchange_version", {}, "blocks"),
        ("exchange_version", {"irm_server": {"changes": False}}, "advises"),
        ("exchange_version", {"irm_server": {"state": "absent"}}, "advises"),
        ("sharepoint_version", {"domains": ["tls"]}, "advises"),
        ("fci_os", {"domains": []}, "advises"),
        ("connector_client", {}, "advises"),
        ("connector_dotnet", {"connector": {"dotnet_package": True}}, "advises"),
        ("irm_client", {"client": {"state": "absent"}}, "advises"),
    ],
)
def test_what_is_in_no_connectors_way_only_advises(name: str, arguments: dict[str, Any], severity: str) -> None:
    assert findings(FAILS[name][0][0], **arguments)[name]["severity"] == severity


@pytest.mark.parametrize(
    "requirement", [item for item in CATALOGUE if item.holds and not item.despite_unreadable], ids=lambda item: item.id
)
def test_facts_that_are_missing_or_odd_are_never_a_pass(requirement: Requirement) -> None:
    """Whatever becomes of a fact that a condition reads, something is found."""
    sample = HOLDS[requirement.id][0]
    for fact in facts_of(requirement, sample):
        of_another_type: list[Any] = ["text", 7, True, {}]
        of_another_type += [[]] if isinstance(FACTS[fact], dict) else []
        of_another_type += [None] if fact != "connector" else []
        # Where nobody looked at the service, one requirement says so for all that are about it.
        speaker = "connector_internet" if fact == "endpoints" else requirement.id
        for odd in of_another_type:
            assert {requirement.id, speaker} & set(findings({**sample, fact: odd})), f"{fact}: {odd!r}"

        host = {**FACTS, **sample}
        del host[fact]
        result = {item["id"]: item for item in assess(host, **{"domains": ["client"], **sample.get("_", {})})}
        assert result[speaker]["status"] == "unknown"
        assert result[speaker]["found"] == f"the fact {fact} is missing"

        denied = findings({**sample, "unreadable": [{"what": f"{fact}: x", "reason": "Access is denied."}]})
        assert denied[requirement.id]["status"] == "unknown"
        assert denied[requirement.id]["found"] == f"{fact}: x cannot be read: Access is denied."


def test_what_was_read_breaks_a_requirement_all_the_same() -> None:
    hidden = [{"what": "products: {2}", "reason": "Access is denied."}]
    classic = FAILS["classic_client"][0][0]
    assert findings({**classic, "unreadable": hidden})["classic_client"]["status"] == "fails"
    assert findings({"unreadable": hidden})["classic_client"]["status"] == "unknown"


def test_nothing_at_all_is_known() -> None:
    asked = Subject.of({"domains": ["client"]})
    # One that reads no fact is about the groups alone.
    every = {
        item.id
        for item in CATALOGUE
        if requirements.concerns(item, asked) and (item.told or not item.holds or facts_of(item, HOLDS[item.id][0]))
    }
    result = assess({}, domains=["client"])
    assert {item["id"] for item in result} == every
    assert {item["status"] for item in result} == {"unknown", "not_stated"}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({}, "no statement"),
        (
            {"msg": "admin: The sign-in failed."},
            "no statement, and the service does not tell: admin: The sign-in failed.",
        ),
        (
            {"tenant": {"activated": None, "functional_state": None}, "notes": ["It cannot be read:", "denied"]},
            "no statement, and the service does not tell: It cannot be read: denied",
        ),
        ({"tenant": {"activated": None, "functional_state": None}, "notes": []}, "no statement"),
        ({"tenant": "text", "notes": 7}, "no statement"),
    ],
)
def test_a_service_that_does_not_tell_leaves_it_to_a_statement(answer: dict[str, Any], found: str) -> None:
    name = "protection_service_activated"
    finding = findings(asked(**answer))[name]
    assert (finding["status"], finding["severity"], finding["found"]) == ("not_stated", "advises", found)
    (line,) = [line for line in assess_lines({"host": [finding]}) if name in line]
    assert (f"Found: {found}" in line) == bool(answer.get("msg") or "denied" in found)
    assert name not in findings(asked(**answer), statements={name: STATED})


@pytest.mark.parametrize("activated", [True, False])
def test_a_service_that_tells_outranks_a_statement(activated: bool) -> None:
    name = "protection_service_activated"
    answer = asked(tenant={"activated": activated, "functional_state": "x"})
    for stated in ({}, {name: STATED}):
        found = findings(answer, statements=stated)
        assert (found[name]["severity"] if name in found else None) == (None if activated else "blocks")
    assert "Enable-AipService" in BY_ID[name].remedy


@pytest.mark.parametrize(
    ("sample", "name", "found"),
    [
        ({"_": {"service": {}}}, "subscription", "no statement"),
        ({"_": {"service": {"graph": {}}}}, "subscription", "no statement"),
        (
            {"_": {"service": {"graph": {"msg": "Microsoft Graph: HTTP 401."}}}},
            "subscription",
            "no statement, and the service does not tell: Microsoft Graph: HTTP 401.",
        ),
        (
            {"_": {"service": {"graph": {"plans": None, "notes": ["HTTP 403.", "Grant it"]}}}},
            "subscription",
            "no statement, and the service does not tell: HTTP 403. Grant it",
        ),
        (asked(msg="unreachable"), "onboarding", "no statement"),
        (asked(tenant={"onboarding": None}, graph={}), "onboarding", "no statement"),
        (
            onboarding(group="g-1"),
            "onboarding",
            "no statement, and the service does not tell: the policy covers members of g-1 only;"
            " no account was looked up",
        ),
        (
            onboarding([("a", True, True, None), ("b", True, True, ["g-1"])], group="g-1"),
            "onboarding",
            "no statement, and the service does not tell: the policy covers members of g-1 only;"
            " not known to be among them: a",
        ),
        (
            # an address, which need not be the user principal name
            onboarding([("a@contoso.test", False, False, [])], group="g-1"),
            "onboarding",
            "no statement, and the service does not tell: the policy covers members of g-1 only;"
            " not known to be among them: a@contoso.test; no user has the user principal name a@contoso.test",
        ),
    ],
)
def test_what_microsoft_graph_does_not_tell_is_left_to_a_statement(
    sample: dict[str, Any], name: str, found: str
) -> None:
    finding = findings(sample)[name]
    assert (finding["status"], finding["severity"], finding["found"]) == ("not_stated", "advises", found)
    assert name not in findings(sample, statements={name: STATED})


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("subscription", subscriptions("RMS_S_PREMIUM"), subscriptions()),
        ("onboarding", onboarding(), onboarding([("a", True, True, [])], group="g-1")),
    ],
)
def test_what_microsoft_graph_tells_outranks_a_statement(name: str, good: dict[str, Any], bad: dict[str, Any]) -> None:
    for stated in ({}, {name: STATED}):
        assert name not in findings(good, statements=stated)
        assert findings(bad, statements=stated)[name]["status"] == "fails"


@pytest.mark.parametrize(
    ("wanted", "severity"),
    [
        ({}, "blocks"),
        # its URL can change although nothing else does, and although the connector itself is not managed
        ({"connector": {"url": "https://rms.contoso.test", "changes": False}}, "blocks"),
        ({"domains": ["connector_https"]}, "blocks"),
        ({"connector": {"url": "https://rms.contoso.test", "url_force": "yes"}}, "advises"),
        ({"connector": {"url": "https://rms.contoso.test", "state": "absent"}}, None),
    ],
)
def test_another_url_is_refused_without_force(wanted: dict[str, Any], severity: str | None) -> None:
    found = findings(served("http://rms.contoso.test"), **wanted)
    assert found.get("connector_url_unchanged", {}).get("severity") == severity


def test_what_cannot_be_read_of_a_connector_is_no_other_url() -> None:
    hidden = [{"what": "connector: events", "reason": "Access is denied."}]
    found = findings({**served("https://rms.contoso.test"), "unreadable": hidden})
    assert "connector_url_unchanged" not in found


CORE = {"os": {**FACTS["os"], "installation_type": "Server Core"}}


@pytest.mark.parametrize(
    ("arguments", "severity"),
    [
        ({}, "blocks"),
        ({"client": {"state": "present", "changes": True}}, "blocks"),
        ({"client": {"changes": "yes"}}, "blocks"),
        ({"client": {"changes": False}}, "advises"),
        ({"client": {"state": "absent"}}, None),
        ({"domains": ["tls"]}, None),
        ({"domains": []}, None),
    ],
)
def test_what_is_wanted_of_the_host_decides(arguments: dict[str, Any], severity: str | None) -> None:
    assert findings(CORE, **arguments).get("server_installation", {}).get("severity") == severity


@pytest.mark.parametrize(
    ("name", "arguments", "severity"),
    [
        ("dotnet", {"client": {"dotnet_package": True}}, "advises"),
        ("dotnet", {"client": {"dotnet_package": False}}, "blocks"),
        ("pending_restart", {"reboot": True}, "advises"),
        ("powershell", {"bootstrap": True}, "advises"),
        ("powershell", {"bootstrap": True, "groups": ["exchange_servers"]}, "blocks"),
        ("powershell", {"client": {"changes": False}}, "blocks"),
        ("powershell", {"domains": []}, "advises"),
    ],
)
def test_what_is_in_nobodys_way_only_advises(name: str, arguments: dict[str, Any], severity: str) -> None:
    assert findings(FAILS[name][0][0], **arguments)[name]["severity"] == severity


def test_what_blocks_comes_first() -> None:
    """The catalogue has this advice before what blocks."""
    result = assess({**FACTS, **system(product="2022", installation_type="Server Core")}, domains=["client"])
    assert [item["id"] for item in result][:2] == ["server_installation", "client_os_listed"]


@pytest.mark.parametrize(("bootstrap", "severity"), [(False, "blocks"), (True, "advises")])
def test_a_host_that_could_not_be_looked_at_has_one_finding(bootstrap: bool, severity: str) -> None:
    (finding,) = assess({}, domains=["client", "tls"], finding="PowerShell 5.1 is needed", bootstrap=bootstrap)
    assert (finding["id"], finding["severity"], finding["found"]) == (
        "powershell",
        severity,
        "PowerShell 5.1 is needed",
    )


def test_statements_take_findings_away() -> None:
    without = findings(FAILS["session_host"][0][0])
    assert {"session_host", "profile_deletion", "subscription"} <= set(without)
    unquoted = {"name": "A", "date": datetime.date.today()}  # as YAML reads it
    stated = {"session_host": unquoted, "subscription": STATED}
    assert set(without) - set(findings(FAILS["session_host"][0][0], statements=stated)) == set(stated)


TODAY = datetime.date(2026, 11, 29)
SESSION_HOST = {**FACTS, **FAILS["session_host"][0][0]}


@pytest.mark.parametrize(("date", "counts"), [("2025-11-29", True), ("2025-11-28", False)])
def test_an_expired_statement_counts_as_missing(monkeypatch: pytest.MonkeyPatch, date: str, counts: bool) -> None:
    """For what only a statement tells, and for what a host shows."""
    monkeypatch.setattr(statements, "today", lambda: TODAY)
    stated = {name: {"name": "A", "date": date} for name in ("session_host", "subscription", "ad_rms")}
    # of the host itself, nothing is wrong
    found = {item["id"]: item for item in assess(SESSION_HOST, domains=["client"], statements=stated)}
    assert (
        not {"session_host", "subscription"} & set(found) if counts else {"session_host", "subscription"} <= set(found)
    )
    assert "ad_rms" not in found
    if not counts:
        expired = "statement of A from 2025-11-28, expired on 2026-11-28"
        assert found["subscription"]["found"] == expired
        assert found["session_host"]["found"].endswith(f"({expired})")
        (line,) = [line for line in assess_lines({"a": found.values()}) if "subscription (advises)" in line]
        assert f"Found: {expired}; expected: a subscription" in line


def test_an_expired_statement_no_longer_keeps_a_host_from_being_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "today", lambda: TODAY)
    host = {**FACTS, "redirections": [redirection(cloud=False)]}
    stated = {"connector_redirection": {"name": "A", "date": "2026-01-01", "expires": "2026-11-28"}}
    (first, *_rest) = assess(host, domains=["client"], statements=stated)
    assert (first["id"], first["severity"]) == ("connector_redirection", "blocks")
    assert first["found"].endswith("(statement of A from 2026-01-01, expired on 2026-11-28)")
    stated["connector_redirection"]["expires"] = "2026-11-29"
    assert "connector_redirection" not in {item["id"] for item in assess(host, domains=["client"], statements=stated)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"subscripton": STATED}, "aip_statements: subscripton cannot be stated: expected one of .*subscription"),
        ({"server_installation": STATED}, "aip_statements: server_installation cannot be stated"),
        ({"subscription": {"name": "A. Admin"}}, "aip_statements: subscription has the date None"),
        ({"subscription": {"name": " ", "date": "2026-11-30"}}, "subscription has no name"),
        ({"subscription": {"name": "A", "date": "30.11.2026"}}, "subscription has the date '30.11.2026'"),
        ({"subscription": True}, "subscription is True: expected a dictionary with name and date"),
        ({"directory_synchronization": STATED}, "directory_synchronization has no tool"),
        ({"directory_synchronization": {**STATED, "tool": " "}}, "directory_synchronization has no tool"),
        (["subscription"], r"aip_statements is \['subscription'\]: expected a dictionary"),
    ],
)
def test_statements_that_say_nothing_are_refused(given: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        findings({}, statements=given)


@pytest.mark.parametrize(
    ("host", "arguments", "message"),
    [
        (None, {}, "host: expected a dictionary, found NoneType"),
        ("text", {}, "host: expected a dictionary, found str"),
        ({}, {"client": "2.x"}, "client: expected a dictionary, found str"),
        ({}, {"settings": [1]}, "settings: expected a dictionary, found list"),
        ({}, {"groups": "aip_clients"}, "groups: expected a list, found str"),
        ({}, {"domains": 7}, "domains: expected a list, found int"),
        ({}, {"connectors": "rms01"}, "connectors: expected a list, found str"),
        ({}, {"connector": "3.0"}, "connector: expected a dictionary, found str"),
        ({}, {"connector": {"url_force": "perhaps"}}, "connector.url_force: expected true or false, found 'perhaps'"),
        ({}, {"service": "Enabled"}, "service: expected a dictionary, found str"),
        ({}, {"irm_server": {"changes": 7}}, "irm_server.changes: expected true or false, found 7"),
        ({}, {"client": {"changes": "perhaps"}}, "client.changes: expected true or false, found 'perhaps'"),
        ({}, {"reboot": "perhaps"}, "reboot: expected true or false"),
    ],
)
def test_other_input_is_refused(host: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        assess(host, **arguments)


def test_unreadable_of_any_shape_is_no_error() -> None:
    for odd in (None, "text", 7, [None], [{}], [{"what": None}], [{"what": "os"}], {"what": "os"}):
        assert isinstance(assess({**FACTS, "unreadable": odd}, domains=["client"]), list)


@pytest.mark.parametrize("url", ["https://[x", "https://[::1", "//", "", pytest.param("x" * 100_000, id="long")])
def test_a_certificate_is_for_no_url_that_is_none(url: str) -> None:
    assert is_for(["rms.contoso.com", "[x"], url) is False


def test_ansibles_own_types_become_pythons() -> None:
    class Text(str):
        pass

    class Number(int):
        pass

    class Lazy(list):
        def __iter__(self) -> Any:
            return iter([Text("templated")])

    result = requirements.plain({Text("a"): Lazy([1]), "b": (Number(1), True, None, 1.5)})
    assert result == {"a": ["templated"], "b": [1, True, None, 1.5]}
    assert [type(item) for item in (*result, result["a"][0], *result["b"])] == [
        str,
        str,
        str,
        int,
        bool,
        type(None),
        float,
    ]


def test_lines_name_every_host_what_is_missing_and_how_it_is_mended() -> None:
    core = assess({**FACTS, **CORE, **role("ad_rms")}, domains=["client"], statements={"tls_inspection": STATED})
    hosts = {"core": core, "fine": [], "lost": "unreachable: no route"}
    text = "\n".join(assess_lines(hosts))
    blocking = assess_lines(hosts, severity="blocks")
    assert blocking == [
        "core:",
        "  server_installation (blocks): The client needs Windows with a desktop, neither Server Core nor Nano Server."
        " Found: Server Core; expected: Server with Desktop Experience, or a workstation. Take the host out of the"
        " group aip_clients, or install Windows Server with Desktop Experience."
        " [aip-requirements-2021.md, Server support]",
        "lost: unreachable: no route",
    ]
    advising = assess_lines(hosts, severity="advises")
    assert [line.split(" ")[2] for line in advising if line.startswith("  ")] == [
        "ad_rms",
        "subscription",
        "user_licenses",
        "directory_integration",
    ]
    assert "Operator statements to make or renew (aip_statements):" in advising and "lost" not in "".join(advising)
    assert all(line in text for line in blocking + advising)
    assert assess_lines({"fine": []}) == []


def test_what_nobody_stated_is_said_once() -> None:
    nothing = assess(FACTS, domains=["client"])
    assert len(assess_lines({"a": nothing, "b": nothing})) == 1 + len(nothing)


def test_a_report_has_the_findings_of_the_plan_where_the_tenant_tells() -> None:
    """A host is inspected before the tenant is read."""
    before = [*findings(connector(), domains=["client", "connector"]).values()]
    told = [*findings({"_": {**CONNECTOR, **subscriptions()["_"], "domains": ["client", "connector"]}}).values()]
    lost = {"unreachable": True, "msg": "no route"}
    old = {"findings": before}
    inspections = {"a": {"findings": before}, "b": {"findings": before}, "old": old, "lost": lost}
    found = with_tenant(inspections, {"findings": {"a": told, "old": [{"id": "powershell"}]}})
    assert {item["id"]: item["status"] for item in found["a"]["findings"]}["subscription"] == "fails"
    assert {item["id"] for item in found["a"]["findings"]} == {item["id"] for item in before}
    # the plan has no finding of a host that lacks nothing
    assert not {"subscription", "onboarding"} & {item["id"] for item in found["b"]["findings"]}
    assert "user_licenses" in {item["id"] for item in found["b"]["findings"]}
    assert (found["old"], found["lost"]) == (old, lost)
    assert with_tenant(inspections, {}) == inspections


def test_lines_of_other_input_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="expected findings by host, found list"):
        assess_lines([])


def test_the_guide_lists_every_requirement() -> None:
    guide = (ROOT / "docs/docsite/rst/guide_requirements.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^   \* - ``(\w+)``\n     - (.*)\n     - (.*)\n     - (\w+)\n     - (.*)$", guide, re.MULTILINE)
    assert rows == [(one.id, _rst(one.text), one.section, one.severity, _rst(one.remedy)) for one in CATALOGUE]


def _rst(text: str) -> str:
    return text.replace("\\", "\\\\")
