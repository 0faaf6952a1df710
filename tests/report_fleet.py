"""A fleet for the report: inspections, plan and results in the shape of the collection's modules. No chance: a seed."""

from __future__ import annotations

import datetime
import random
from typing import Any

from ansible_collections.infoprotect.aip.plugins.plugin_utils.report import model
from ansible_collections.infoprotect.aip.plugins.plugin_utils.report.inputs import from_inspections

Data = dict[str, Any]
NOW = datetime.datetime(2026, 11, 29, 9, 30, tzinfo=datetime.UTC)
PROTOCOLS = r"HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols"
LOCATION = r"HKLM:\SOFTWARE\Microsoft\MSIPC\ServiceLocation\EnterpriseCertification"
RECEIPT = r"C:\ProgramData\infoprotect\receipts\000007-20261129T091500Z-desired_state.json"
DOCUMENT = "aip-requirements-2021.md"
WANTED = ["CONTOSO\\RMS-Exchange", "CONTOSO\\RMS-SharePoint"]
WINDOWS = {
    "2012r2": ("Windows Server 2012 R2 Standard", 9600),
    "2016": ("Windows Server 2016 Standard", 14393),
    "2019": ("Windows Server 2019 Standard", 17763),
}
#: requirement -> severity, text, expected, remedy, section
REQUIREMENTS = {
    "server_installation": (
        "blocks",
        "The client needs Windows with a desktop, neither Server Core nor Nano Server.",
        "Server with Desktop Experience, or a workstation",
        "Take the host out of the group aip_clients, or install Windows Server with Desktop Experience.",
        "Server support",
    ),
    "exchange_version": (
        "blocks",
        "The connector serves Exchange Server 2013 with Cumulative Update 3 or later, 2016 and 2019.",
        "Exchange Server 2013 CU3 or later, 2016 or 2019",
        "Take the host out of the group exchange_servers, or update Exchange.",
        "Supported on-premises servers for Azure Rights Management data protection",
    ),
    "session_host": (
        "advises",
        "Where profiles of Remote Desktop users are deleted, %Appdata%\\Microsoft\\Protect has to be kept.",
        "a profile cleanup that keeps the folder",
        "Leave the folder out of what cleans up profiles, and state that it is done.",
        "Server support",
    ),
    "connector_certificate": (
        "advises",
        "The certificate that the connector shows has to be renewed before it expires.",
        "30 days or more",
        "Renew it, and bind the new one (rms_connector_certificate_thumbprint).",
        "Steps to deploy the RMS connector",
    ),
    "subscription": (
        "advises",
        "Labeling and protecting need an Azure Information Protection plan for the users.",
        "a plan for all users",
        "Ask the team that licenses Microsoft 365, and state the answer.",
        "Subscription for Azure Information Protection",
    ),
    "domain_trust": (
        "advises",
        "The connector's domain has to trust the forests of the Exchange and SharePoint servers that use it.",
        "a trust",
        "Ask the team that runs Active Directory, and state the answer.",
        "Prerequisites for the RMS connector",
    ),
}
STATEMENTS = {
    "directory_integration": {"name": "A. Lovelace", "date": "2026-09-02"},
    "directory_synchronization": {"name": "G. Hopper", "tool": "Entra Connect", "date": "2025-12-14"},
    "tls_inspection": {"name": "R. Perlman", "date": "2026-03-30", "expires": "2026-10-31"},
}
STATED = {
    "directory_integration": "Users of Active Directory are in Azure Active Directory.",
    "directory_synchronization": "All forests are synchronized with Azure Active Directory.",
    "tls_inspection": "No device ends TLS connections between clients and the service.",
    "subscription": "All users have an Azure Information Protection plan.",
}


def finding(name: str, found: str, status: str = "fails") -> Data:
    severity, text, expected, remedy, section = REQUIREMENTS[name]
    source = {"document": DOCUMENT, "section": section}
    return {
        "id": name, "severity": severity, "status": status, "text": text, "found": found, "expected": expected,
        "remedy": remedy, **source,
    }  # fmt: skip


def value(path: str, name: str, before: int | None, after: int | str, view: int = 64) -> Data:
    kind = "string" if isinstance(after, str) else "dword"
    old = None if before is None else {"type": kind, "data": before}
    return {"path": path, "name": name, "view": view, "before": old, "after": {"type": kind, "data": after}}


def tls_changes() -> list[Data]:
    changes = []
    for protocol, enabled in (("TLS 1.0", 0), ("TLS 1.1", 0), ("TLS 1.2", 1)):
        for side in ("Client", "Server"):
            key = rf"{PROTOCOLS}\{protocol}\{side}"
            changes += [
                value(key, "Enabled", None, enabled),
                value(key, "DisabledByDefault", None, 1 - enabled),
            ]
    for view in (64, 32):
        key = r"HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319"
        changes += [value(key, name, 0, 1, view) for name in ("SchUseStrongCrypto", "SystemDefaultTlsVersions")]
    return changes


def proxy_change() -> Data:
    return value(r"HKLM:\SOFTWARE\Microsoft\MSIP", "UseDefaultCredentialsInProxy", None, 1, 32)


def domain(changes: list[Data] | None = None, **more: Any) -> Data:
    changes = changes or []
    compliant = not (changes or more.get("refused") or more.get("unreadable"))
    return {"compliant": compliant, "changes": changes, "notes": [], "reboot_required": False, **more}


def facts(name: str, windows: str = "2019", **more: Any) -> Data:
    title, build = WINDOWS[windows]
    return {
        "name": name.upper(),
        "fqdn": f"{name}.contoso.com",
        "domain": "contoso.com",
        "os": {"product": windows, "name": title, "build": build},
        "powershell": {"version": f"5.1.{build}.1"},
        "dotnet": {"release": 528049, "version": "4.8"},
        "boot_time": "2026-11-20T06:01:12Z",
        "reboot": {"required": False, "reasons": []},
        "connector": None,
        **more,
    }


def inspection(host: Data, domains: dict[str, Data], findings: list[Data] | None = None, **more: Any) -> Data:
    return {
        "changed": False,
        "compliant": all(state["compliant"] for state in domains.values()),
        "domains": domains,
        "host": host,
        "reboot_required": False,
        "reboot_reasons": [],
        "findings": [finding("subscription", "no statement", "not_stated"), *(findings or [])],
        "statements": STATEMENTS,
        **more,
    }


def client(name: str, windows: str = "2019", *, differs: bool = False, **more: Any) -> Data:
    """A host of aip_clients."""
    install = {"action": "install", "product": "unified_labeling", "before": "2.14.90.0", "after": "2.18.26 or later"}
    domains = {
        "client": domain([install] if differs else None),
        "client_settings": domain([proxy_change()] if differs else None),
        "tls": domain(tls_changes() if differs else None),
    }
    return inspection(facts(name, windows, **more.pop("facts", {})), domains, reboot_required=differs, **more)


def connector(name: str, fact: Data, domains: dict[str, Data] | None = None, **more: Any) -> Data:
    own = {"connector": domain(), "connector_https": domain(), "connector_settings": domain(), "tls": domain()}
    return inspection(facts(name, connector=fact), {**own, **(domains or {})}, **more)


def connector_fact(version: str, **more: Any) -> Data:
    return {
        "installed": True,
        "version": version,
        "status": "running",
        "url": "https://rms.contoso.com",
        "https": {
            "thumbprint": "9F2C0B4B7C0E3A2E6B1D5C7A8E9F0A1B2C3D4E5F",
            "subject": "CN=rms.contoso.com",
            "expires": "2027-11-20T06:01:12Z",
            "days_left": 355,
        },
        "lease": None,
        "restart_due": False,
        "last_list_update": "2026-11-29T08:45:00Z",
        "authorized": list(WANTED),
        "events": [],
        **more,
    }


SETUP = {
    "host": "rmsc03.contoso.com",
    "file": r"C:\ProgramData\infoprotect\connector\RMSConnectorSetup.exe",
    "account_role": "Global administrator or connector administrator of Azure Rights Management",
    "cloud": "AzureCloud",
    "steps": [
        "Sign in to rmsc03.contoso.com and open Windows PowerShell with 'Run as administrator'.",
        r"Run: & 'C:\ProgramData\infoprotect\connector\RMSConnectorSetup.exe'",
        "Choose the cloud AzureCloud, and sign in with the account.",
        "Run the playbook again: it verifies the connector.",
    ],
}
LEASE = {
    "run": "5f3a9c01", "controller": "awx-2, AWX job 4711", "started": "2026-11-29T09:12:00Z",
    "expires": "2026-11-29T10:42:00Z", "stage": "out_of_service", "expired": False,
}  # fmt: skip
REFUSED = {
    "id": 2001, "time": "2026-11-29T08:51:00Z", "text": "CONTOSO\\SP02$ asked and is not authorized.",
    "account": "CONTOSO\\SP02$", "count": 14,
}  # fmt: skip


ORGANIZATION = {
    "product": "exchange", "title": "Exchange organization", "name": "", "asked": "ex02", "servers": ["ex02"],
    "wanted": "present", "line": "",
}  # fmt: skip
FARM = {**ORGANIZATION, "product": "sharepoint", "title": "SharePoint farm", "asked": "sp01", "servers": ["sp01"]}
IRM_IS_ON = {
    "changed": False,
    "configuration": {
        "internal_licensing": True,
        "client_access": True,
        "licensing_location": ["https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com/_wmcs/licensing"],
    },
    "verification": ["Results : Checking Exchange Server ...", "OVERALL RESULT: PASS"],
    "location_changed": False,
    "version": "15.1.2507.6",
}
SERVICE_RECEIPT = r"C:\ProgramData\infoprotect\protection_service\000001-20261129T091000Z-protection_service.json"


def settings(**other: Any) -> Data:
    """What the module protection_service reads of a tenant."""
    found = {
        "activated": True,
        "onboarding": {"licensed_only": False, "group": "10000000-0000-4000-8000-000000000007", "scope": "all"},
        "super_user_feature": False,
        "super_users": [f"legal{number}@contoso.com" for number in range(1, 7)],
        "super_user_group": "",
        "document_tracking": True,
        "do_not_track_group": "",
        "device_platforms": {"android": True, "ios": True, "windows": True, "windows_phone": False},
        "max_use_license_days": 30,
        "ipcv3": None,
    }
    return {**found, **other}


def service(**other: Any) -> Data:
    """The answer of the protection service before the run, as the plan keeps it."""
    answer = {
        "host": "adm01",
        "tenant": {
            "activated": True, "functional_state": "Enabled", "id": "5c6bb73b-1038-4eec-863d-49bded473437",
            "url": "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com", "module_version": "3.0.0.1",
        },
        "settings": settings(),
        "changes": ["super_user_feature", "super_user_group"],
        "diff": {
            "before": {"super_user_feature": False, "super_user_group": ""},
            "after": {"super_user_feature": True, "super_user_group": "superusers@contoso.com"},
        },
        "notes": ["ipcv3 cannot be read: Access denied."],
        "tenant_keys": [
            {"id": "28168524-29c3-44f1-9e11-ea6c60bb6428", "status": "Archived", "type": "Microsoft-managed",
             "created": "2014-01-30T21:01:31Z", "age_days": 4686},
            {"id": "c46b5d49-1c4c-4a79-83d1-ec12a25f3134", "status": "Active", "type": "Customer-managed (BYOK)",
             "created": "2024-05-02T10:00:00Z", "age_days": 941},
        ],
        "administrators": [
            {"role": "GlobalAdministrator", "email": "admin@contoso.com", "object_id": "10", "name": "Admin"},
            {"role": "ConnectorAdministrator", "email": "", "object_id": "10000000-0000-4000-8000-000000000004"},
        ],
        "templates": [
            {"id": "1", "names": {"1031": "Vertraulich", "1033": "Confidential"}, "state": "published",
             "default": True, "label_id": None},
            {"id": "2", "names": {"1031": "Projekt"}, "state": "archived", "default": False, "label_id": "3"},
        ],
    }  # fmt: skip
    return {**answer, **other}


def scanner_fact(**other: Any) -> Data:
    """The fact scanner of a host."""
    fact = {
        "installed": True,
        "client_version": "3.1.310.0",
        "service": {"name": "MIPScanner", "account": r"CONTOSO\svc-scanner", "state": "running"},
        "cluster": "EU",
        "sql_instance": r"SQL01\AIP",
        "database": "AIPScannerUL_EU",
        "configuration": "offline",
        "enforce": False,
        "repositories": 12,
        "status": "scanning",
        "scan_started": "2026-11-29T04:00:00Z",
        "nodes": [{"name": "app01", "status": "scanning"}, {"name": "app03", "status": "offline"}],
        "problem": None,
        "scan": {"scanned_files": 228043, "failed_files": 17, "classified": 4110, "labeled": 0},
        "errors": [],
    }
    return {**fact, **other}


def showcase() -> Data:
    """Arguments of from_inspections: one host of each kind, a pool, a run that changed something, an earlier report."""
    waits = {"action": "install", "product": "connector", "before": "", "after": "3.1.0 or later", "attended": True}
    certificate = {
        "thumbprint": "AA",
        "subject": "CN=rms.contoso.com",
        "expires": "2026-12-17T06:01:12Z",
        "days_left": 18,
    }
    inspections: dict[str, Data] = {
        "rmsc01": connector("rmsc01", connector_fact("3.1.0.0", events=[REFUSED])),
        "rmsc02": connector(
            "rmsc02",
            connector_fact(
                "3.0.0.0",
                https=certificate,
                authorized=WANTED[:1],
                lease=LEASE,
                restart_due=True,
            ),
            {"tls": domain(tls_changes())},
            findings=[finding("connector_certificate", "18 days")],
        ),
        "rmsc03": connector(
            "rmsc03",
            {"installed": False, "status": "awaiting_sign_in", "staged_version": "3.1.0.0", "events": []},
            {"connector": domain([waits], attended_step=SETUP)},
        ),
        "ex01": inspection(
            facts("ex01", "2016"),
            {"irm_server": domain(refused=["Exchange Server 2010 cannot use the connector"]), "tls": domain()},
            [finding("exchange_version", "14.3.513.0")],
        ),
        "ex02": inspection(facts("ex02", "2019"), {"irm_server": domain(), "tls": domain()}),
        "sp01": inspection(
            facts("sp01", "2016", reboot={"required": True, "reasons": ["windows_update"]}),
            {"irm_server": domain([value(LOCATION, "", None, "https://rms.contoso.com/_wmcs/certification")])},
        ),
        "fs01": client("fs01", "2012r2", differs=True),
        "fs02": client("fs02", "2016", differs=True),
        "fs03": client("fs03", "2019"),
        "ts01": client("ts01", "2019", findings=[finding("session_host", "profiles are deleted after 30 days")]),
        "ts02": client("ts02", "2019", facts={"reboot": {"required": True, "reasons": ["tls", "tls_dotnet"]}}),
        "core01": client("core01", "2019", findings=[finding("server_installation", "Server Core")], differs=True),
        "app01": client("app01", "2016"),
        "app02": client("app02", "2019"),
        "app03": client("app03", "2019"),
    }
    inspections["app03"]["domains"]["tls"] = domain(
        unreadable=[{"what": PROTOCOLS, "reason": "Requested registry access is not allowed."}]
    )
    stopped = {"name": "MIPScanner", "account": r"CONTOSO\svc-scanner", "state": "stopped"}
    error = {"time": "2026-11-29T03:58:12Z", "id": 103, "text": r"The repository \\files\hr is not reachable."}
    for name, fact in ("app01", scanner_fact()), ("app03", scanner_fact(service=stopped, errors=[error])):
        inspections[name]["host"]["scanner"] = fact
        inspections[name]["domains"]["scanner"] = domain()
    start = {"action": "start", "product": "service", "before": "stopped", "after": "started"}
    inspections["app03"]["domains"]["scanner"] = domain([start])
    inspections["ex02"]["host"]["roles"] = {"exchange": {"version": "15.1.2507.6"}}
    applied = {
        "adm01": [
            {"changed": True, "changes": ["super_user_feature"], "notes": [], "receipt": SERVICE_RECEIPT,
             "settings": settings(super_user_feature=True)},
            {"changed": True, "templates": service()["templates"], "changes": [
                {"name": "Projekt", "id": "2", "action": "change", "properties": ["state"], "backup": None}]},
        ],
        "ex02": [IRM_IS_ON],
        "fs02": [
            {"domain": "client", "changed": True, "rebooted": False, "actions": [
                {"action": "install", "product": "unified_labeling", "before": "2.14.90.0", "after": "2.18.26"}]},
            {"changed": True, "receipt": RECEIPT, "reboot_required": True, "reboot_reasons": ["tls"],
             "domains": {"client_settings": domain([proxy_change()]), "tls": domain(tls_changes())}},
        ],
    }  # fmt: skip
    return {
        "inspections": inspections,
        "plan": {
            "pools": [
                {
                    "name": "https://rms.contoso.com",
                    "members": ["rmsc01", "rmsc02", "rmsc03"],
                    "minimum_in_service": 2,
                    "turns": ["rmsc03", "rmsc02"],
                    "authorized": WANTED,
                }
            ],
            "service": service(),
            "irm": [ORGANIZATION, FARM],
        },
        "applied": applied,
        "unreachable": {"app09": "ssl: HTTPSConnectionPool(host='app09', port=5986): connection timed out"},
    }


def fleet(count: int, seed: int = 15) -> Data:
    """Many hosts: 10 % drifted, 2 % unreachable, 1 % blocked, 3 % with a pending restart."""
    chance = random.Random(seed)
    inspections, unreachable = {}, {}
    for number in range(1, count + 1):
        name, windows = f"srv{number:04}", chance.choice(list(WINDOWS))
        roll = chance.random()
        if roll < 0.02:
            unreachable[name] = "the connection timed out"
            continue
        more: Data = {"findings": [finding("server_installation", "Server Core")]} if roll < 0.03 else {}
        if chance.random() < 0.03:
            more["facts"] = {"reboot": {"required": True, "reasons": ["windows_update"]}}
        inspections[name] = client(name, windows, differs=0.03 <= roll < 0.13, **more)
    return {"inspections": inspections, "unreachable": unreachable}


def content(given: Data, previous: Data | None = None, now: datetime.datetime = NOW) -> Data:
    """The content of report.json."""
    texts = {name: {"statement": text} for name, text in STATED.items()}
    given = {"run": model.Run("site", False, "1.0.0"), **given}
    return from_inspections(**given, now=now, requirements=texts, previous=previous).as_dict()


def before_showcase() -> Data:
    """The report of the showcase's fleet a day earlier: without one host, and with more differences."""
    given = showcase()
    inspections = given["inspections"]
    del inspections["app02"]
    inspections["fs03"] = client("fs03", differs=True)
    inspections["ts02"] = client("ts02")
    inspections["old01"] = client("old01")
    return content({**given, "applied": {}}, now=NOW - datetime.timedelta(days=1))


def sample() -> Data:
    """The showcase with what changed since the day before: the fleet of the screenshots."""
    return content(showcase(), before_showcase())


#: What careless code takes for markup, a formula, an escape sequence, or the end of something.
HOSTILE = (
    "<script>window.attacked=1</script>",
    "</script><img src=x onerror=window.attacked=1>",
    "<!--<script>",
    '"><svg onload=window.attacked=1>',
    "javascript:window.attacked=1",
    "{{ 7 * 7 }}{% raw %}",
    '=HYPERLINK("http://x")',
    "@here [x](http://x) ![](http://x) `code` | a \\| b",
    "\x1b[31mred\x1b[0m\x00\x07",
    "\u202eevil\u202c\u2028\ufeff",
    "\ud800 lone",
    "]]>&amp;&#60;",
    "n" * 5000,
)


def hostile() -> Data:
    """Every text of a host is one of HOSTILE in turn."""
    inspections: dict[str, Data] = {}
    for number, text in enumerate(HOSTILE):
        change = {"path": text, "name": text, "view": 64, "before": {"type": text, "data": text}, "after": None}
        step = {"action": text, "product": text, "before": text, "after": text}
        own = finding("session_host", text)
        fact = connector_fact(text, status=text, url=text, lease=dict.fromkeys(LEASE, text), authorized=[text, *WANTED])
        fact |= {"https": {"subject": text, "thumbprint": text, "expires": text, "days_left": 3}}
        fact |= {"events": [{"id": 2001, "time": text, "text": text, "account": text, "count": 2}]}
        state = domain(
            [change, step], notes=[text], refused=[text], unreadable=[{"what": text, "reason": text}],
            attended_step={"host": text, "file": text, "account_role": text, "cloud": text, "steps": [text]},
        )  # fmt: skip
        restart = {"required": True, "reasons": [text]}
        host = facts("h", fqdn=text, domain=text, os={"name": text, "build": text}, boot_time=text, reboot=restart)
        host["scanner"] = hostile_of(scanner_fact(errors=[{"time": text, "id": 1, "text": text}], problem=text), text)
        host["roles"] = {"exchange": {"version": text}}
        inspections[f"{number}{text}"] = inspection(
            {**host, "connector": fact},
            {"tls": state, text: domain([change]), "scanner": domain([step])},
            [own],
            statements={"x": {"name": text, "date": "2026-11-01"}},
        )
    applied: Data = {
        name: [{"changed": True, "receipt": name, "msg": name, "failed": True}, *hostile_results(name)]
        for name in inspections
    }
    answer = service(settings={text: text for text in HOSTILE}, notes=list(HOSTILE), msg=HOSTILE[0])
    for part in ("tenant_keys", "administrators", "templates"):
        answer[part] = [hostile_of(answer[part][0], text) for text in HOSTILE]
    answer |= {"diff": {"after": dict.fromkeys(HOSTILE, HOSTILE)}, "tenant": hostile_of(answer["tenant"], HOSTILE[0])}
    units = [{**ORGANIZATION, "name": name, "asked": name, "servers": [name]} for name in inspections]
    plan = {"service": answer, "irm": units}
    return {"inspections": inspections, "applied": applied, "plan": plan, "unreachable": {HOSTILE[0]: HOSTILE[1]}}


def hostile_results(text: str) -> list[Data]:
    """Results about the tenant and about IRM."""
    change = {"name": text, "action": text, "properties": [text]}
    configuration = {"internal_licensing": True, text: text, "licensing_location": [text]}
    return [
        {"changed": True, "changes": [text], "settings": dict.fromkeys(HOSTILE, text), "receipt": text},
        {"changed": True, "changes": [change], "templates": [{"id": text, "names": {"1033": text}}]},
        {"changed": True, "configuration": configuration, "verification": [text]},
    ]


def hostile_of(value: Any, text: str) -> Any:
    """The value with this text in the place of every text."""
    if isinstance(value, dict):
        return {name: hostile_of(item, text) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile_of(item, text) for item in value]
    return text if isinstance(value, str) else value
