# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The requirements catalogue: what Azure Information Protection asks of a host, each with its document and section.

A condition is a function of a Subject (conditions.py). Only True and False are answers: missing facts, and facts of
another type than expected, never count as a requirement that is met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .conditions import Condition, Subject, View, at_least, column, is_for, rows, same_url, some, without, words
from .domains import CONNECTORS, EXCHANGE_SERVERS, FCI_SERVERS, PRODUCTS, SHAREPOINT_SERVERS
from .service_plans import INFORMATION_PROTECTION

BLOCKS, ADVISES = "blocks", "advises"
REQUIREMENTS_PAGE, CONNECTOR_PAGE = "aip-requirements-2021.md", "deploy-rms-connector-2021.md"
ROADMAP_PAGE = "aip-deployment-roadmap-2020.md"

#: Windows Server as the documents list it for the client and the connector
LISTED_SERVERS = ("2012", "2012r2", "2016", "2019")
#: Ours: the installer, its log and the files it unpacks are below 500 MB; .NET beforehand takes as much again. The rest
#: is room for Windows.
FREE_GB = 2
#: .NET Framework 4.6.2 as the registry counts it
DOTNET_RELEASE = 394802
#: 4.7.2 on all Windows versions; Windows Server 2019 and others have a higher number
CONNECTOR_DOTNET_RELEASE = 461808
#: 1 GB and 64 GB as machines report them: firmware keeps some memory, a disk of 64 GB has 59.6 GiB, of which Windows
#: takes partitions
CONNECTOR_MEMORY_MB = 900
CONNECTOR_DISK_GB = 58
#: Days before the connector's certificate expires
CERTIFICATE_DAYS = 30
#: Editions of Office that protect, as Click-to-Run and Windows Installer name them
OFFICE_PROTECTING = (
    "O365ProPlus*Retail",  # Microsoft 365 Apps for enterprise
    "O365Business*Retail",  # Microsoft 365 Apps for business
    "ProPlusR",
    "ProPlus",
    "ProPlusRetail",
    "ProPlusVolume",
    "ProPlus2019Retail",
    "ProPlus2019Volume",
    # Later than the documents of 2021: Microsoft's page for Office apps names Office 2021. That LTSC 2021 and 2024
    # protect too is inferred.
    "ProPlus2021Retail",
    "ProPlus2021Volume",  # Office LTSC Professional Plus 2021
    "ProPlus2024Retail",
    "ProPlus2024Volume",  # Office LTSC Professional Plus 2024
)
#: Programs that are not of Word, Excel, PowerPoint and Outlook
OFFICE_NOT_LABELING = (
    *("Visio*", "Vis*", "Project*", "Prj*", "Access*", "Publisher*", "OneNote*", "Skype*", "Lync*", "InfoPath*"),
    *("SharePointDesigner*", "Groove*", "SPD*"),
)


@dataclass(frozen=True)
class Requirement:
    """A requirement of a host.

    Attributes:
        id: never changes: statements of operators name it.
        text: the requirement, in words of our own.
        document, section: a file of the documents, and a heading in it that asks for this or that this serves.
        domains, groups, products: whom it concerns: hosts with any of these domains managed, in any of these groups,
            with any of these products wanted. The domains client, connector and irm_server stand for what has to be
            there, not for what has to go. Without any of them it concerns every host.
        where: only hosts for which this is true, beside those.
        severity: BLOCKS: the host cannot be served. ADVISES: it can, and the operator has to know. What blocks an
            installation only advises where nothing has to be installed or changed (client, connector, irm_server).
        holds: true when the requirement is met. Without it, the requirement has only a statement.
        found: what the host has, for people.
        expected, remedy: what it has to have, and what to do.
        unless: true when it only advises, since the run itself does what is needed or has nothing to do on the host.
        statement: what an operator can state with name and date where no interface tells. It takes the finding away.
            What has only a statement concerns the organization and advises where no operator states it.
        told: true when an interface told whether what can be stated is so. Then `holds` counts and no statement;
            without it, the requirement has only a statement, and `found` says why there is no more.
        measured: true when the host was inspected for it. Then no statement counts; without it, the statement stands
            for the inspection.
        tool: whether a statement also has to name the tool that does it.
        despite_unreadable: whether it is met even if not all of the facts that it reads could be read.
    """

    id: str
    text: str
    document: str
    section: str
    severity: str
    expected: str
    remedy: str
    domains: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    where: Condition | None = None
    holds: Condition | None = None
    found: Condition | None = None
    unless: Condition | None = None
    statement: str = ""
    told: Condition | None = None
    measured: Condition | None = None
    tool: bool = False
    despite_unreadable: bool = False


def _has_dotnet(s: Subject) -> bool:
    """Whether the host has the .NET Framework that its domains need."""
    needed = CONNECTOR_DOTNET_RELEASE if "connector" in s.domains else DOTNET_RELEASE
    return bool((s.host.dotnet.release or 0) >= needed)


def _restart_reasons(s: Subject) -> list[str]:
    """file_rename alone is no reason to restart, and no installer waits for the settings of TLS."""
    return [
        reason for reason in rows(s.host.reboot.reasons) if reason != "file_rename" and not reason.startswith("tls")
    ]


def _free_gb(s: Subject) -> Any:
    return next(disk.free_gb for disk in rows(s.host.disks) if disk.system)


def _server_groups(s: Subject) -> list[str]:
    """The groups of servers that use a connector."""
    return [group for group in s.groups if group in PRODUCTS]


def _roles_of_servers(s: Subject) -> list[str]:
    """The products that use a connector."""
    names = {"exchange": "Exchange", "sharepoint": "SharePoint", "fci": "File Server Resource Manager"}
    return [title for name, title in names.items() if getattr(s.host.roles, name).found is not False]


def _connector(s: Subject) -> View | None:
    """The connector on the host; None where there is none."""
    return None if s.host.connector is None else View(s.host.connector.values)


def _has_connector(s: Subject) -> bool:
    connector = _connector(s)
    return connector is not None and connector.installed is not False


def _redirections(s: Subject) -> list[Any]:
    """The redirections of Rights Management that do not lead to the cloud."""
    return [one for one in rows(s.host.redirections) if not one.cloud]


def _other_services(s: Subject) -> list[str]:
    """The addresses of services other than the wanted connector."""
    return without(column(_redirections(s), "address"), [f"{s.irm_server.connector_url or 'none:'}*"])


def _tls12(s: Subject) -> list[Any]:
    return [one for one in rows(s.host.tls.protocols) if one.protocol == "TLS 1.2" and one.side == "client"]


def _speaks_tls12(s: Subject) -> bool:
    """Whether clients on the host speak TLS 1.2, or will since the collection manages TLS there."""
    on = any(one.state in ("on", "default") for one in _tls12(s))
    weak = any(one.strong_crypto == 0 for one in rows(s.host.tls.dotnet))
    off = any(one.tls12 is False for one in rows(s.host.tls.winhttp))
    return "tls" in s.domains or (on and not weak and not off)


def _tls(s: Subject) -> list[str]:
    return [
        *(words("TLS 1.2", one.state) for one in _tls12(s)),
        *(
            words("weak cryptography in .NET", one.framework)
            for one in rows(s.host.tls.dotnet)
            if one.strong_crypto == 0
        ),
        *(
            words("WinHTTP without TLS 1.2: DefaultSecureProtocols", one.default_secure_protocols)
            for one in rows(s.host.tls.winhttp)
            if one.tls12 is False
        ),
    ]


def _serves_proxy_scripts(s: Subject) -> bool:
    """Whether the client signs in to the proxy, or will, where a script names the proxy."""
    name, scripts = "UseDefaultCredentialsInProxy", s.host.proxy.pac
    signs_in = any(one.name == name and one.view == 32 and one.data == 1 for one in rows(s.host.msip))
    return len(scripts) == 0 or signs_in or bool(s.settings.use_default_credentials_in_proxy)


def _office_classifying_only(s: Subject) -> list[str]:
    return without(without(column(s.host.office, "name"), OFFICE_NOT_LABELING), OFFICE_PROTECTING)


def _office_before_2013_sp1(s: Subject) -> list[Any]:
    return [one for one in rows(s.host.office) if not at_least(one.version, "15.0.4569")]


def _products(s: Subject, *kinds: str) -> list[Any]:
    """The installed products of these kinds. A product without a state counts as installed."""
    return [one for one in rows(s.host.products) if one.kind in kinds and one.state not in ("orphaned", "incomplete")]


def _clients(s: Subject) -> list[Any]:
    return _products(s, "classic_client", "unified_labeling_client", "purview_client")


def _orphans(s: Subject) -> list[Any]:
    return [one for one in rows(s.host.products) if one.state == "orphaned"]


def _between(version: str, first: str, next_one: str) -> bool:
    return at_least(version, first) and not at_least(version, next_one)


def _not_redirected(s: Subject) -> bool:
    """Whether the run leaves the server as it is."""
    return "irm_server" not in s.domains or s.irm_server.changes is False


def _looked(s: Subject) -> bool:
    """Whether the host was asked for its way to the service (endpoint_info)."""
    return bool(s.connector.changes) and isinstance(s.host.endpoints, list)


def _asking_proxies(s: Subject) -> list[Any]:
    return [one for one in rows(s.host.endpoints) if len(one.proxy_schemes) > 0]


def _untrusted(s: Subject) -> list[Any]:
    """Endpoints whose authority is missing. One that inspects is named by another requirement."""
    return [one for one in rows(s.host.endpoints) if one.missing_root and not one.inspected]


def _unreached(s: Subject) -> list[Any]:
    """Endpoints that fail for none of the reasons that have a requirement of their own."""
    return [
        one
        for one in rows(s.host.endpoints)
        if one.error and len(one.proxy_schemes) == 0 and not one.inspected and not one.missing_root
    ]


def _shows_certificate_for_url(s: Subject) -> Any:
    connector = _connector(s)
    if connector is None or connector.installed is False:
        return True
    return connector.installed and connector.https is not None and is_for(connector.https.names, s.connector.url)


def _certificate(s: Subject) -> str:
    https = s.host.connector.https
    return f"a certificate for {', '.join(https.names)}" if https else "no https binding with a certificate"


def _certificate_lasts(s: Subject) -> Any:
    connector = _connector(s)
    if connector is None or connector.installed is False:
        return True
    return connector.installed and (connector.https is None or connector.https.days_left >= CERTIFICATE_DAYS)


def _answer_of_service(s: Subject) -> Any:
    """What the protection service, or the attempt to ask it, has reported."""
    state = getattr(s.service.tenant, "functional_state", None)
    return state or s.service.msg or (s.service.notes and " ".join(s.service.notes))


def _answer_of_graph(s: Subject) -> Any:
    """Why Microsoft Graph does not tell; None where it was not asked."""
    return s.service.graph.msg or (s.service.graph.notes and " ".join(s.service.graph.notes))


def _subscriptions(s: Subject) -> list[str] | str:
    """The subscriptions for Rights Management, with their service plans."""
    return [
        words(one.name, f"({one.status}):", ", ".join(f"{plan} {state}" for plan, state in one.plans.values.items()))
        for one in rows(s.service.graph.subscriptions)
    ] or "no subscription with a plan for Rights Management"


def _accounts(s: Subject) -> list[Any]:
    """The accounts that Microsoft Graph was asked about."""
    accounts = getattr(s.service.graph, "accounts", None)
    return accounts if isinstance(accounts, list) else []


def _covers(policy: Any, account: Any) -> bool | None:
    """Whether the onboarding policy covers an account; None where that is not known."""
    if not account.found:
        # the account may have a user principal name that differs from the known address
        return None
    known: list[bool | None] = [True]
    if policy.group:
        known.append(None if account.member_of is None else policy.group.lower() in account.member_of)
    if policy.licensed_only:
        known.append(account.licensed)
    return False if False in known else None if None in known else True


def _covered(s: Subject) -> bool | None:
    """Whether the onboarding policy covers all accounts of the setup; None where that is not known."""
    policy = s.service.tenant.onboarding
    if policy.licensed_only is False and policy.group == "":
        return True
    known = [_covers(policy, account) for account in _accounts(s)]
    return False if False in known else None if None in known or not known else True


def _uncovered(s: Subject) -> str:
    """The policy, and the accounts that it does not cover or of which that is not known."""
    policy = s.service.tenant.onboarding
    covers = some(policy.group and f"members of {policy.group}", policy.licensed_only and "users with a license")
    names = [one.account for one in _accounts(s) if _covers(policy, one) is not True]
    who = f"not known to be among them: {', '.join(names)}" if names else "no account was looked up"
    if missing := [one.account for one in _accounts(s) if one.found is False]:
        who += f"; no user has the user principal name {' or '.join(missing)}"
    if _covered(s) is False:
        missing = [one.account for one in _accounts(s) if _covers(policy, one) is False]
        # Microsoft Graph leaves out groups with hidden members, without an error
        seen = ", as far as the application may see" if policy.group else ""
        who = f"not among them{seen}: {', '.join(missing)}"
    return f"the policy covers {' and '.join(covers)} only; {who}"


CATALOGUE: tuple[Requirement, ...] = (
    Requirement(
        id="powershell",
        text="The modules of this collection need Windows PowerShell 5.1. The client's own cmdlets need 4.0.",
        document=REQUIREMENTS_PAGE,
        section="Additional requirements per client",
        severity=BLOCKS,
        holds=lambda s: at_least(s.host.powershell.version, "5.1"),
        found=lambda s: s.host.powershell.version,
        expected="Windows PowerShell 5.1",
        remedy=(
            "Install Windows Management Framework 5.1, or give the role aip_bootstrap the packages "
            "(aip_bootstrap_wmf_2012_url). Exchange servers keep the PowerShell they came with."
        ),
        unless=lambda s: (s.bootstrap and EXCHANGE_SERVERS not in s.groups) or not s.domains,
    ),
    Requirement(
        id="client_os",
        text="The client runs on Windows Server 2012 and later, and on Windows 8 and later.",
        document=REQUIREMENTS_PAGE,
        section="Supported operating systems for client devices",
        domains=("client",),
        severity=BLOCKS,
        holds=lambda s: (
            s.host.os.product in (*LISTED_SERVERS, "2022", "2025")
            or (s.host.os.installation_type == "Client" and s.host.os.build >= 9200)
        ),
        found=lambda s: words(s.host.os.name, "build", s.host.os.build),
        expected="Windows Server 2012, 2012 R2, 2016 or 2019; Windows 8, 8.1, 10 or 11",
        remedy="Take the host out of the group aip_clients, or move its users to a supported version of Windows.",
    ),
    # Advice and no block: the documents say of what does not work that it is not supported (ARM64, Server
    # Core), and of these versions nothing
    # at all. Nothing on the host keeps the client from running; what is missing is Microsoft's word, which is
    # the operator's risk to take.
    Requirement(
        id="client_os_listed",
        text="Windows Server 2022 and 2025 are not among the versions that the documents list for the client.",
        document=REQUIREMENTS_PAGE,
        section="Supported operating systems for client devices",
        domains=("client",),
        severity=ADVISES,
        holds=lambda s: s.host.os.product in LISTED_SERVERS or s.host.os.installation_type == "Client",
        found=lambda s: s.host.os.name,
        expected="Windows Server 2012, 2012 R2, 2016 or 2019",
        remedy="Ask Microsoft whether the client is supported there, and state the answer.",
        statement="Microsoft supports the client on the Windows versions that this organization has.",
    ),
    # The documents are older than the 3.x client; its own list begins with Windows 10 and Windows Server 2016.
    Requirement(
        id="purview_os",
        text=(
            "The 3.x client (Microsoft Purview Information Protection) needs Windows 10, Windows Server 2016 or later."
        ),
        document=REQUIREMENTS_PAGE,
        section="Supported operating systems for client devices",
        domains=("client",),
        products=("purview",),
        severity=BLOCKS,
        holds=lambda s: s.host.os.build >= 14393,
        found=lambda s: words(s.host.os.name, "build", s.host.os.build),
        expected="Windows 10 or 11, Windows Server 2016 or later",
        remedy="Give this host the 2.x client (aip_client_product: unified_labeling).",
    ),
    Requirement(
        id="client_architecture",
        text="The client runs on x86 and x64 processors, not on ARM64.",
        document=REQUIREMENTS_PAGE,
        section="ARM64",
        domains=("client",),
        severity=BLOCKS,
        holds=lambda s: s.host.os.architecture in ("AMD64", "x86"),
        found=lambda s: s.host.os.architecture,
        expected="AMD64 (x64) or x86",
        remedy="Take the host out of the group aip_clients.",
    ),
    # The documents are older than the 3.x client; Microsoft's page for it lists Windows 10 (x64).
    Requirement(
        id="purview_architecture",
        text="The 3.x client (Microsoft Purview Information Protection) needs an x64 processor and 64-bit Windows.",
        document=REQUIREMENTS_PAGE,
        section="Supported operating systems for client devices",
        domains=("client",),
        products=("purview",),
        severity=BLOCKS,
        holds=lambda s: s.host.os.architecture == "AMD64",
        found=lambda s: s.host.os.architecture,
        expected="AMD64 (x64)",
        remedy="Give this host the 2.x client (aip_client_product: unified_labeling).",
    ),
    Requirement(
        id="server_installation",
        text="The client needs Windows with a desktop, neither Server Core nor Nano Server.",
        document=REQUIREMENTS_PAGE,
        section="Server support",
        domains=("client",),
        severity=BLOCKS,
        holds=lambda s: s.host.os.installation_type in ("Server", "Client"),
        found=lambda s: s.host.os.installation_type,
        expected="Server with Desktop Experience, or a workstation",
        remedy="Take the host out of the group aip_clients, or install Windows Server with Desktop Experience.",
    ),
    Requirement(
        id="dotnet",
        text="The client needs .NET Framework 4.6.2 or later, and its silent installation does not bring it.",
        document=REQUIREMENTS_PAGE,
        section="Additional requirements per client",
        domains=("client",),
        severity=BLOCKS,
        holds=lambda s: (s.host.dotnet.release or 0) >= DOTNET_RELEASE,
        found=lambda s: s.host.dotnet.version or "none",
        expected="4.6.2 or later",
        remedy="Install .NET Framework 4.7.2 or 4.8, or name its offline package in aip_client_dotnet_src.",
        unless=lambda s: s.client.dotnet_package,
    ),
    # Of the packages that this collection offers, the offline packages of 4.7.2 and 4.8. Microsoft's setup
    # stops without this update.
    Requirement(
        id="dotnet_update_2012r2",
        text="On Windows Server 2012 R2 the setup of .NET Framework 4.7.2 and 4.8 needs the update KB2919355.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("client", "connector"),
        severity=BLOCKS,
        holds=lambda s: _has_dotnet(s) or s.host.dotnet.missing_update != "KB2919355",
        found=lambda s: "KB2919355 is not installed",
        expected="KB2919355 (Windows Server 2012 R2 Update) is installed",
        remedy="Install KB2919442 and then KB2919355, restart the host, and run again.",
    ),
    # Microsoft's setup has brought this component along since 4.7.1, so its absence alone stops nothing.
    Requirement(
        id="dotnet_update_2012",
        text="On Windows Server 2012 .NET Framework 4.7.2 and 4.8 need the component d3dcompiler_47.dll (KB4019990).",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("client", "connector"),
        severity=ADVISES,
        holds=lambda s: _has_dotnet(s) or s.host.dotnet.missing_update != "KB4019990",
        found=lambda s: "d3dcompiler_47.dll is not there",
        expected="d3dcompiler_47.dll in the system folder",
        remedy="Install KB4019990.",
    ),
    Requirement(
        id="pending_restart",
        text="A restart that Windows waits for has to come before an installation.",
        document=REQUIREMENTS_PAGE,
        section="Azure Information Protection requirements",
        domains=("client", "connector"),
        severity=BLOCKS,
        holds=lambda s: not _restart_reasons(s),
        found=_restart_reasons,
        expected="no restart pending",
        remedy="Restart the host, or allow restarts (aip_reboot: true).",
        unless=lambda s: s.reboot,
    ),
    Requirement(
        id="free_disk",
        text="An installation needs free space on the drive of Windows.",
        document=REQUIREMENTS_PAGE,
        section="Azure Information Protection requirements",
        domains=("client",),
        severity=BLOCKS,
        holds=lambda s: _free_gb(s) >= FREE_GB,
        found=lambda s: words(_free_gb(s), "GiB free"),
        expected="2 GiB free",
        remedy="Make room on the drive.",
    ),
    # The page of step 5, on servers that use the connector: client applications belong on separate computers
    # that do not use it.
    Requirement(
        id="connector_server",
        text=(
            "A server that uses the Rights Management connector must not have the client, which would use the "
            "connector, too. That is not supported."
        ),
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        domains=("client",),
        severity=BLOCKS,
        holds=lambda s: not _server_groups(s),
        found=_server_groups,
        expected="none of the groups exchange_servers, sharepoint_servers, fci_servers",
        remedy="Take the host out of aip_clients (or client out of its aip_domains), or out of the other group.",
    ),
    # Inferred: no document speaks of the client on the connector's own host.
    Requirement(
        id="connector_host",
        text=(
            "Microsoft's documents do not mention the client on the connector's own host. Keep the two apart, so "
            "that a change of one does not touch the other."
        ),
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("client",),
        severity=ADVISES,
        holds=lambda s: CONNECTORS not in s.groups and not _has_connector(s),
        found=lambda s: some(CONNECTORS in s.groups and CONNECTORS, _has_connector(s) and "the connector is installed"),
        expected="not the group rms_connectors, and no connector on the host",
        remedy="Give the connector a host of its own, or accept the combination.",
    ),
    Requirement(
        id="connector_redirection",
        text="A host whose Rights Management is redirected to a connector must not have the client.",
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        domains=("client",),
        severity=BLOCKS,
        holds=lambda s: not _redirections(s),
        found=lambda s: [words(one.path, "=", one.address) for one in _redirections(s)],
        expected="no address of a connector",
        remedy=(
            "Take the host out of aip_clients, or remove the redirection. Where it leads to AD RMS and not to a "
            "connector, state that."
        ),
        statement="The redirections of Rights Management on these hosts lead to AD RMS and not to a connector.",
    ),
    Requirement(
        id="server_role",
        text=(
            "Exchange and SharePoint servers protect by way of the connector, and must not have the client when "
            "they do."
        ),
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        domains=("client",),
        severity=ADVISES,
        holds=lambda s: s.host.roles.exchange.found is False and s.host.roles.sharepoint.found is False,
        found=lambda s: some(
            s.host.roles.exchange.found and "Exchange", s.host.roles.sharepoint.found and "SharePoint"
        ),
        expected="neither Exchange nor SharePoint",
        remedy="Put the host in the group exchange_servers or sharepoint_servers instead of aip_clients.",
    ),
    Requirement(
        id="tls",
        text="The client speaks TLS 1.2 or later with the service.",
        document=REQUIREMENTS_PAGE,
        section="Firewalls and network infrastructure",
        domains=("client",),
        severity=BLOCKS,
        holds=_speaks_tls12,
        found=_tls,
        expected=(
            "TLS 1.2 on for clients and in WinHTTP, and strong cryptography in .NET, or TLS managed by this collection"
        ),
        remedy="Let this collection manage TLS on the host (tls in its aip_domains, and in the tags of the run).",
    ),
    Requirement(
        id="proxy_script",
        text=(
            "Where a proxy configuration script (Proxy.pac) is used, the client has to be told to sign in to the proxy."
        ),
        document=REQUIREMENTS_PAGE,
        section="Firewalls and network infrastructure",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=_serves_proxy_scripts,
        found=lambda s: column(s.host.proxy.pac, "url"),
        expected="UseDefaultCredentialsInProxy 1 in the 32-bit view",
        remedy="Set aip_client_use_default_credentials_in_proxy: true.",
    ),
    Requirement(
        id="proxy_authentication",
        text="A proxy that asks users to sign in has to accept integrated Windows authentication.",
        document=REQUIREMENTS_PAGE,
        section="Firewalls and network infrastructure",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: s.host.proxy.winhttp is None and s.host.proxy.machine is None and len(s.host.proxy.pac) == 0,
        found=lambda s: some(
            *(proxy.server for proxy in (s.host.proxy.winhttp, s.host.proxy.machine) if proxy),
            column(s.host.proxy.pac, "url"),
        ),
        expected="no proxy, or one with integrated Windows authentication",
        remedy="Ask the administrators of the proxy, and state the answer.",
        statement="The proxies accept integrated Windows authentication, or require no authentication.",
    ),
    Requirement(
        id="membership",
        text=(
            "Users of a directory of their own sign in by way of Azure Active Directory; a host outside of any "
            "domain has none of them."
        ),
        document=REQUIREMENTS_PAGE,
        section="Azure Active Directory",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: s.host.domain_role in ("member_server", "member_workstation", "domain_controller"),
        found=lambda s: s.host.domain_role,
        expected="member of a domain",
        remedy="Join the host to a domain, or have its users sign in with accounts of Azure Active Directory.",
    ),
    Requirement(
        id="office_edition",
        text=(
            "Only some editions of Office protect documents and mails; in the others the client offers no label "
            "that protects."
        ),
        document=REQUIREMENTS_PAGE,
        section="Applications",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: not _office_classifying_only(s),
        found=_office_classifying_only,
        expected="Microsoft 365 Apps, or Office Professional Plus 2013, 2016, 2019, 2021 or 2024 (LTSC too)",
        remedy="Install one of these editions where users protect content; the others classify only.",
    ),
    Requirement(
        id="office_version",
        text="Office has to be 2013 with Service Pack 1 or later.",
        document=REQUIREMENTS_PAGE,
        section="Applications",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: not _office_before_2013_sp1(s),
        found=lambda s: [words(one.name, one.version) for one in _office_before_2013_sp1(s)],
        expected="15.0.4569 (Office 2013 SP1) or later",
        remedy="Install Service Pack 1, or a later Office.",
    ),
    Requirement(
        id="office_side_by_side",
        text="Several versions of Office on one computer are not supported.",
        document=REQUIREMENTS_PAGE,
        section="Office features and capabilities not supported",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: len({(one.line, one.source) for one in rows(s.host.office)}) < 2,
        found=lambda s: [words(one.name, one.version, one.source) for one in rows(s.host.office)],
        expected="one version of Office, installed in one way",
        remedy="Remove all versions but one.",
    ),
    Requirement(
        id="session_host",
        text=(
            "Where profiles of Remote Desktop users are deleted, their folder %Appdata%\\Microsoft\\Protect has "
            "to be kept."
        ),
        document=REQUIREMENTS_PAGE,
        section="Server support",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: s.host.remote_desktop.session_host is False,
        found=lambda s: some(
            "Remote Desktop Session Host",
            s.host.remote_desktop.deletes_roaming_profiles and "local copies of roaming profiles are deleted",
            s.host.remote_desktop.deletes_profiles_after_days and "unused profiles are deleted by policy",
        ),
        expected="nothing that deletes %Appdata%\\Microsoft\\Protect",
        remedy=(
            "Look at what cleans up profiles (policies, scripts, profile tools), leave the folder out, and state "
            "that it is done."
        ),
        statement="What cleans up profiles on these Remote Desktop Session Hosts keeps %Appdata%\\Microsoft\\Protect.",
    ),
    Requirement(
        id="profile_deletion",
        text="The policy that deletes profiles that are not used deletes %Appdata%\\Microsoft\\Protect with them.",
        document=REQUIREMENTS_PAGE,
        section="Server support",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: (
            s.host.remote_desktop.session_host is False or (s.host.remote_desktop.deletes_profiles_after_days or 0) == 0
        ),
        found=lambda s: words("after", s.host.remote_desktop.deletes_profiles_after_days, "days"),
        expected="no such policy on a Remote Desktop Session Host",
        remedy=(
            'Switch off the policy "Delete user profiles older than a specified number of days on system restart".'
        ),
    ),
    Requirement(
        id="citrix_hooks",
        text="Citrix hooks can keep Office and the client from working; their programs may have to be left out.",
        document=REQUIREMENTS_PAGE,
        section="Virtual machines",
        domains=("client", "client_settings"),
        severity=ADVISES,
        holds=lambda s: s.host.citrix.found is False or len(s.host.citrix.hooked_processes) == 0,
        found=lambda s: s.host.citrix.hooked_processes,
        expected="no hooks in winword.exe, excel.exe, outlook.exe, powerpnt.exe, msip.app.exe, msip.viewer.exe",
        remedy=(
            "Add them to UviProcessExcludes (before version 7.9 of the agent to ExcludedImageNames), and restart "
            "the host."
        ),
    ),
    Requirement(
        id="classic_client",
        text="The classic client (1.x) is retired and works no longer.",
        document=REQUIREMENTS_PAGE,
        section="Azure Information Protection requirements",
        severity=ADVISES,
        holds=lambda s: not _products(s, "classic_client"),
        found=lambda s: [words(one.name, one.version) for one in _products(s, "classic_client")],
        expected="no client 1.x",
        remedy="Have the 2.x client installed, which replaces it, or remove it.",
    ),
    # Ours: an installer that Windows asks to remove such a product fails with 1605.
    Requirement(
        id="orphaned_product",
        text="The list of installed programs has entries of the client or the connector that nothing stands behind.",
        document=REQUIREMENTS_PAGE,
        section="Azure Information Protection requirements",
        domains=("client", "connector", "irm_server"),
        severity=ADVISES,
        holds=lambda s: not _orphans(s),
        found=lambda s: [f"{one.name} {one.version} ({one.product_code}), {one.problem}" for one in _orphans(s)],
        expected="no orphaned entry",
        remedy=(
            "Delete the entry's key below Uninstall, or remove it with Microsoft's Program Install and Uninstall "
            "troubleshooter. It does not count as installed."
        ),
    ),
    Requirement(
        id="ad_rms",
        text=(
            "AD RMS beside Azure Rights Management for the same users is supported for HYOK and while one is "
            "migrated to the other only."
        ),
        document=REQUIREMENTS_PAGE,
        section="Coexistence of AD RMS with Azure RMS",
        severity=ADVISES,
        holds=lambda s: s.host.roles.ad_rms.found is False,
        found=lambda s: s.host.roles.ad_rms.found and "AD RMS",
        expected="no AD RMS",
        remedy="Plan its migration, or see to it that each user is protected by one of both only, and state that.",
        statement="Each user protects with either AD RMS or Azure Rights Management (HYOK and migrations apart).",
    ),
    # The cumulative update is that of Microsoft's later pages: 15.0.775.
    Requirement(
        id="exchange_version",
        text="The connector serves Exchange Server 2013 with Cumulative Update 3 or later, 2016 and 2019.",
        document=REQUIREMENTS_PAGE,
        section="Supported on-premises servers for Azure Rights Management data protection",
        groups=(EXCHANGE_SERVERS,),
        severity=BLOCKS,
        holds=lambda s: (
            s.host.roles.exchange.found and _between(s.host.roles.exchange.version, "15.0.775", "15.2.2562")
        ),
        found=lambda s: s.host.roles.exchange.version or "no Exchange Server",
        expected="version 15.0 (from 15.0.775), 15.1 or 15.2 of Exchange Server 2013, 2016 or 2019",
        remedy=(
            "Take the host out of the group exchange_servers, update Exchange, or move its mailboxes to a listed "
            "version."
        ),
        unless=_not_redirected,
    ),
    Requirement(
        id="sharepoint_version",
        text="The connector serves SharePoint Server 2013, 2016 and 2019.",
        document=REQUIREMENTS_PAGE,
        section="Supported on-premises servers for Azure Rights Management data protection",
        groups=(SHAREPOINT_SERVERS,),
        severity=BLOCKS,
        holds=lambda s: (
            s.host.roles.sharepoint.found and _between(s.host.roles.sharepoint.version, "15.0", "16.0.14326")
        ),
        found=lambda s: s.host.roles.sharepoint.version or "no SharePoint Server",
        expected="version 15.0, or 16.0 before the Subscription Edition (16.0.14326)",
        remedy="Take the host out of the group sharepoint_servers, or move the farm to a listed version.",
        unless=_not_redirected,
    ),
    Requirement(
        id="fci_os",
        text="The connector serves file servers with Windows Server 2012, 2012 R2 and 2016.",
        document=REQUIREMENTS_PAGE,
        section="Supported on-premises servers for Azure Rights Management data protection",
        groups=(FCI_SERVERS,),
        severity=BLOCKS,
        holds=lambda s: s.host.os.product in ("2012", "2012r2", "2016"),
        found=lambda s: s.host.os.name,
        expected="Windows Server 2012, 2012 R2 or 2016",
        remedy="Take the host out of the group fci_servers, or move the shares to a listed version.",
        unless=_not_redirected,
    ),
    Requirement(
        id="fci_role",
        text="File classification needs the role service File Server Resource Manager.",
        document=REQUIREMENTS_PAGE,
        section="Supported on-premises servers for Azure Rights Management data protection",
        groups=(FCI_SERVERS,),
        severity=BLOCKS,
        holds=lambda s: s.host.roles.fci.found,
        found=lambda s: s.host.roles.fci.found or "not installed",
        expected="File Server Resource Manager",
        remedy="Install the role service (FS-Resource-Manager).",
        unless=_not_redirected,
    ),
    Requirement(
        id="subscription",
        text="Labeling and protecting need a subscription with an Azure Information Protection plan.",
        document=REQUIREMENTS_PAGE,
        section="Subscription for Azure Information Protection",
        domains=("client",),
        severity=ADVISES,
        holds=lambda s: any(plan in INFORMATION_PROTECTION for plan in s.service.graph.plans),
        found=lambda s: _subscriptions(s) if s.service.graph.plans is not None else _answer_of_graph(s),
        expected=f"a subscription in use with {' or '.join(INFORMATION_PROTECTION)}",
        remedy=(
            "Ask the administrators of the licenses of Microsoft 365. Where no variables protection_service_graph_* "
            "let the run read it, state the answer."
        ),
        told=lambda s: isinstance(s.service.graph.plans, list),
        statement="The tenant has a subscription with an Azure Information Protection plan.",
    ),
    Requirement(
        id="user_licenses",
        text="Each user who labels or protects needs a license from this subscription.",
        document=ROADMAP_PAGE,
        section="Confirm your subscription and assign user licenses",
        domains=("client",),
        severity=ADVISES,
        expected="a license with an Azure Information Protection plan for every user of the client",
        remedy="Ask the administrators of the licenses of Microsoft 365, and state the answer.",
        statement="The users of the client have licenses with an Azure Information Protection plan.",
    ),
    Requirement(
        id="directory_integration",
        text="Users of Active Directory need directory integration with Azure Active Directory.",
        document=REQUIREMENTS_PAGE,
        section="Azure Active Directory",
        domains=("client",),
        severity=ADVISES,
        expected="directory integration",
        remedy="Ask the administrators of Azure Active Directory, and state the answer.",
        statement="Active Directory is integrated with Azure Active Directory.",
    ),
    Requirement(
        id="tls_inspection",
        text="No device between clients and the service may end TLS connections to it (inspect them).",
        document=REQUIREMENTS_PAGE,
        section="Firewalls and network infrastructure",
        domains=("client",),
        severity=ADVISES,
        expected="no TLS inspection of aadrm.com",
        remedy="Ask the administrators of firewalls and proxies, and state the answer.",
        statement="No device inspects TLS connections to Azure Rights Management (aadrm.com).",
    ),
    # Of the connector's prerequisites one is not here: a network interface. Whoever answered has one.
    Requirement(
        id="connector_count",
        text="A minimum of two computers has to have the connector, so that one can fail.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: len(s.connectors) >= 2,
        found=lambda s: s.connectors,
        expected="two hosts of the pool (rms_connector_pool) or of the group rms_connectors",
        remedy="Add a host, or state that one is enough.",
        statement=(
            "One connector is enough here, in a test for instance; when it is down, protected content cannot be opened."
        ),
    ),
    # A domain controller has a requirement of its own.
    Requirement(
        id="connector_member",
        text="The connector's computer has to be a server that is a member of a domain.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: s.host.domain_role in ("member_server", "domain_controller"),
        found=lambda s: s.host.domain_role,
        expected="member_server",
        remedy="Join the server to a domain that trusts those of the servers that use the connector.",
    ),
    Requirement(
        id="connector_domain_controller",
        text="The connector must not be on a domain controller.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: s.host.roles.domain_controller.found is False,
        found=lambda s: s.host.roles.domain_controller.found and "domain controller",
        expected="no domain controller",
        remedy="Give the connector another server, and take this one out of the group rms_connectors.",
    ),
    Requirement(
        id="connector_os",
        text="The connector runs on Windows Server 2012, 2012 R2, 2016 and 2019.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: s.host.os.product in LISTED_SERVERS,
        found=lambda s: words(s.host.os.name, "build", s.host.os.build),
        expected="Windows Server 2012, 2012 R2, 2016 or 2019",
        remedy="Give the connector a server with a listed version of Windows.",
    ),
    Requirement(
        id="connector_architecture",
        text="The connector needs 64-bit Windows.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: s.host.os.architecture == "AMD64",
        found=lambda s: s.host.os.architecture,
        expected="AMD64 (x64)",
        remedy="Give the connector a 64-bit server.",
    ),
    # Advice and no block: the documents say it of the client only. That the connector, whose setup is a wizard,
    # is no better off is inferred.
    Requirement(
        id="connector_installation",
        text=(
            "Server Core and Nano Server are not supported for the client; the connector's setup is a wizard, "
            "which needs a desktop."
        ),
        document=REQUIREMENTS_PAGE,
        section="Server support",
        domains=("connector",),
        severity=ADVISES,
        holds=lambda s: s.host.os.installation_type == "Server",
        found=lambda s: s.host.os.installation_type,
        expected="Server with Desktop Experience",
        remedy="Give the connector a server with Desktop Experience.",
    ),
    Requirement(
        id="connector_memory",
        text="The connector needs 1 GB of memory.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: float(s.host.memory_mb) >= CONNECTOR_MEMORY_MB,
        found=lambda s: words(s.host.memory_mb, "MiB"),
        expected="1 GB (at least 900 MiB that Windows can use)",
        remedy="Give the computer more memory.",
    ),
    Requirement(
        id="connector_disk",
        text="The connector's computer needs 64 GB of disk space.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: sum(column(s.host.disks, "size_gb")) >= CONNECTOR_DISK_GB,
        found=lambda s: words(sum(column(s.host.disks, "size_gb")), "GiB on all fixed disks"),
        expected="64 GB (at least 58 GiB as Windows counts them)",
        remedy="Give the computer a larger disk.",
    ),
    Requirement(
        id="connector_apart",
        text=(
            "The connector must not be on a server that uses it, with Exchange, SharePoint or File Classification "
            "Infrastructure."
        ),
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: not _roles_of_servers(s) and not _server_groups(s),
        found=lambda s: [*_roles_of_servers(s), *_server_groups(s)],
        expected="none of these products, and none of the groups exchange_servers, sharepoint_servers, fci_servers",
        remedy="Give the connector another server, and take this one out of one of the groups.",
    ),
    # Inferred, as connector_host.
    Requirement(
        id="connector_client",
        text=(
            "Microsoft's documents do not mention the client on the connector's own host. Keep the two apart, so "
            "that a change of one does not touch the other."
        ),
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        where=lambda s: s.client.state != "absent",
        severity=ADVISES,
        holds=lambda s: not _clients(s),
        found=lambda s: [words(one.name, one.version) for one in _clients(s)],
        expected="no client",
        remedy="Remove the client (aip_client_state: absent), or accept the combination.",
    ),
    Requirement(
        id="connector_dotnet",
        text="The connector needs .NET Framework 4.7.2 or later.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: (s.host.dotnet.release or 0) >= CONNECTOR_DOTNET_RELEASE,
        found=lambda s: s.host.dotnet.version or "none",
        expected="4.7.2 or later",
        remedy="Install .NET Framework 4.7.2 or 4.8, with the module dotnet_framework for instance.",
        unless=lambda s: s.connector.dotnet_package,
    ),
    Requirement(
        id="connector_tls",
        text="The connector speaks TLS 1.2 with the service.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=_speaks_tls12,
        found=_tls,
        expected=(
            "TLS 1.2 on for clients and in WinHTTP, and strong cryptography in .NET, or TLS managed by this collection"
        ),
        remedy="Let this collection manage TLS on the host (tls in its aip_domains, and in the tags of the run).",
    ),
    # What endpoint_info found is sorted into four requirements. Where the host was not inspected for it, this one says
    # so and the other three are silent.
    Requirement(
        id="connector_internet",
        text="The connector needs access to the service on the internet.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        where=lambda s: s.connector.changes,
        severity=BLOCKS,
        holds=lambda s: len(s.host.endpoints) > 0 and not _unreached(s),
        found=lambda s: column(_unreached(s), "error"),
        expected="TLS 1.2 with every endpoint of the service",
        remedy=(
            "Let the host through firewalls and proxies to the service (aadrm.com, port 443), or name its proxy "
            "in rms_connector_proxy_address."
        ),
        measured=lambda s: isinstance(s.host.endpoints, list),
        statement=(
            "The connectors reach the service (aadrm.com, port 443) by a way that nothing inspects and where no "
            "proxy asks them to sign in."
        ),
    ),
    Requirement(
        id="connector_proxy_authentication",
        text="The proxy on the connector's way to the internet must not require authentication.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        where=_looked,
        severity=BLOCKS,
        holds=lambda s: not _asking_proxies(s),
        found=lambda s: [words(one.host, "by", one.proxy, ", ".join(one.proxy_schemes)) for one in _asking_proxies(s)],
        expected="a proxy without authentication",
        remedy="Have the proxy let the connectors through without authentication.",
    ),
    Requirement(
        id="connector_tls_inspection",
        text="Nothing between the connector and the service may end TLS connections to it (inspect them).",
        document=REQUIREMENTS_PAGE,
        section="Firewalls and network infrastructure",
        domains=("connector",),
        where=_looked,
        severity=BLOCKS,
        holds=lambda s: not any(one.inspected for one in rows(s.host.endpoints)),
        found=lambda s: [
            words(one.host, "has a certificate of", one.issuer) for one in rows(s.host.endpoints) if one.inspected
        ],
        expected="a certificate that the service's own authorities issued",
        remedy="Have firewalls and proxies leave out the service, or name its issuers in aip_issuers.",
    ),
    Requirement(
        id="connector_root_certificate",
        text="The connector has to trust the authorities that issue the service's certificates.",
        document=REQUIREMENTS_PAGE,
        section="Firewalls and network infrastructure",
        domains=("connector",),
        where=_looked,
        severity=BLOCKS,
        holds=lambda s: not _untrusted(s),
        found=lambda s: [words(one.host, "needs", one.missing_root) for one in _untrusted(s)],
        expected="no authority missing",
        remedy=(
            "Import the certificate into the computer's trusted root authorities, or let Windows update its roots."
        ),
    ),
    # Inferred: the documents say nothing of NTLM. The connector's web application uses Windows authentication.
    Requirement(
        id="connector_ntlm",
        text="Servers sign in to the connector by NTLM, which its computer must not restrict.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: (s.host.ntlm.restrict_receiving or 0) == 0,
        found=lambda s: words("RestrictReceivingNTLMTraffic", s.host.ntlm.restrict_receiving),
        expected="RestrictReceivingNTLMTraffic 0 or absent",
        remedy='Allow all in the policy "Network security: Restrict NTLM: Incoming NTLM traffic" for the connectors.',
    ),
    # HTTPS is optional. Where the collection manages it, this is found before a connector is taken out of
    # service for it.
    Requirement(
        id="connector_https_binding",
        text=(
            "What shows the connector's certificate has to be there, and the certificate has to be one that "
            "servers accept."
        ),
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        domains=("connector_https",),
        where=lambda s: s.connector.state != "absent",
        severity=BLOCKS,
        holds=lambda s: len(s.connector_https.obstacles) == 0,
        found=lambda s: "; ".join(s.connector_https.obstacles),
        expected="nothing that the module connector_https refuses",
        remedy=(
            "Mend that, or leave HTTPS to yourself (without rms_connector_certificate_thumbprint and "
            "rms_connector_certificate_state)."
        ),
    ),
    Requirement(
        id="connector_https",
        text=(
            "Where servers reach the connector by HTTPS, its web site needs the binding and a certificate for the "
            "name in the URL."
        ),
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        domains=("connector",),
        where=lambda s: (s.connector.url or "").startswith("https:") and "connector_https" not in s.domains,
        severity=ADVISES,
        holds=_shows_certificate_for_url,
        found=_certificate,
        expected="a certificate for the name in rms_connector_url",
        remedy=(
            "Bind such a certificate, or give rms_connector_certificate_thumbprint and "
            "rms_connector_certificate_pfx and this collection binds it."
        ),
    ),
    Requirement(
        id="connector_certificate",
        text="The certificate that the connector shows has to be renewed before it expires.",
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        domains=("connector",),
        severity=ADVISES,
        holds=_certificate_lasts,
        found=lambda s: words("it expires", s.host.connector.https.expires),
        expected="30 days or more",
        remedy="Renew it, and bind the new one (rms_connector_certificate_thumbprint).",
    ),
    # Only what is remembered counts: what else of the connector could not be read is no sign of another URL.
    # The connector needs no change for its URL to be
    # another one, so that no domain spares it.
    Requirement(
        id="connector_url_unchanged",
        text=(
            "A connector keeps its URL, http or https with it, while servers use it; what they have got by one "
            "URL they do not use with another."
        ),
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        where=lambda s: (
            s.connector.url
            and s.connector.state != "absent"
            and s.host.connector.installed
            and isinstance(s.host.connector.url, str)
        ),
        severity=BLOCKS,
        holds=lambda s: same_url(s.host.connector.url, s.connector.url),
        found=lambda s: words(
            "it was brought into service as", s.host.connector.url, "and rms_connector_url is", s.connector.url
        ),
        expected="the same URL; a slash at its end, the scheme's own port and the case of its host mean nothing",
        remedy=(
            "Clear the IRM configuration of the servers that use the old URL, then run once with "
            "rms_connector_url_force=true, and have the servers led to the new one (irm_server_connector_url, "
            "irm_server_force)."
        ),
        unless=lambda s: s.connector.url_force,
        despite_unreadable=True,
    ),
    # Inferred: both answer below /_wmcs of the same web server.
    Requirement(
        id="connector_ad_rms",
        text=(
            "AD RMS and the connector answer at the same addresses (/_wmcs) of the web server and cannot share a "
            "computer."
        ),
        document=REQUIREMENTS_PAGE,
        section="Coexistence of AD RMS with Azure RMS",
        domains=("connector",),
        severity=BLOCKS,
        holds=lambda s: s.host.roles.ad_rms.found is False,
        found=lambda s: s.host.roles.ad_rms.found and "AD RMS",
        expected="no AD RMS",
        remedy="Give the connector another server.",
    ),
    Requirement(
        id="scanner",
        text=(
            "The scanner needs what Microsoft asks of its host, its SQL Server and its accounts. It discovers before "
            "it labels."
        ),
        document=ROADMAP_PAGE,
        section="Configure and deploy classification and labeling",
        domains=("scanner",),
        severity=BLOCKS,
        holds=lambda s: len(s.scanner.refused) == 0,
        found=lambda s: "; ".join(s.scanner.refused),
        expected="nothing that the module scanner refuses",
        remedy="Mend that, or take the host out of the group aip_scanners.",
    ),
    Requirement(
        id="irm_connector_apart",
        text="A server that uses the connector must not run it.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("irm_server",),
        severity=BLOCKS,
        holds=lambda s: not _has_connector(s) and CONNECTORS not in s.groups,
        found=lambda s: some(
            _has_connector(s) and "the connector is installed", CONNECTORS in s.groups and f"group {CONNECTORS}"
        ),
        expected="no connector on the host, and not the group rms_connectors",
        remedy="Give the connector another server, and take this one out of one of the groups.",
    ),
    # As connector_server.
    Requirement(
        id="irm_client",
        text=(
            "A server that uses the connector must not have the client, which would use the connector, too. That "
            "is not supported."
        ),
        document=CONNECTOR_PAGE,
        section="Steps to deploy the RMS connector",
        domains=("irm_server",),
        severity=BLOCKS,
        holds=lambda s: not _clients(s),
        found=lambda s: [words(one.name, one.version) for one in _clients(s)],
        expected="no client",
        remedy="Remove the client (aip_client_state: absent).",
        unless=lambda s: s.client.state == "absent",
    ),
    # Found before the first change, and not by the one host among many that fails then.
    Requirement(
        id="irm_server_refused",
        text=(
            "A server can be led to the connector when its product and version are among those that can use it, "
            "and when it uses no other."
        ),
        document=CONNECTOR_PAGE,
        section="On-premises servers supported",
        domains=("irm_server",),
        severity=BLOCKS,
        holds=lambda s: len(s.irm_server.refused) == 0,
        found=lambda s: "; ".join(s.irm_server.refused),
        expected="nothing that the module irm_server refuses",
        remedy="Mend that, or leave the server out.",
    ),
    Requirement(
        id="irm_ad_rms",
        text=(
            "Content that a server protects with AD RMS stays there; Rights Management on the host must be moved "
            "to the connector knowingly."
        ),
        document=REQUIREMENTS_PAGE,
        section="Coexistence of AD RMS with Azure RMS",
        domains=("irm_server",),
        severity=ADVISES,
        holds=lambda s: not _other_services(s),
        found=_other_services,
        expected="no address of another service",
        remedy="Plan the migration from AD RMS (or from the other connector), and state that it is under way.",
        statement=(
            "The servers that are directed to AD RMS or to another connector are being migrated to this connector."
        ),
    ),
    # Inferred, as connector_ntlm is.
    Requirement(
        id="irm_ntlm",
        text="Servers sign in to the connector by NTLM, which they must not be kept from.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("irm_server",),
        severity=ADVISES,
        holds=lambda s: (s.host.ntlm.restrict_sending or 0) < 2,
        found=lambda s: words("RestrictSendingNTLMTraffic", s.host.ntlm.restrict_sending),
        expected="RestrictSendingNTLMTraffic 0, 1 or absent",
        remedy=(
            'Name the connector in the policy "Add remote server exceptions for NTLM authentication", and state that.'
        ),
        statement="The connector is an exception of the policy that keeps these servers from NTLM.",
    ),
    Requirement(
        id="protection_service_activated",
        text="The protection service has to be activated for the tenant.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector", "irm_server"),
        severity=BLOCKS,
        holds=lambda s: s.service.tenant.activated,
        found=_answer_of_service,
        expected="an activated protection service (Enabled)",
        remedy=(
            "Sign in with Connect-AipService as a global administrator, and check with Get-AipService; "
            "Enable-AipService activates the service. Where no variables of rms_authorization let the run ask for "
            "it, state that."
        ),
        told=lambda s: isinstance(s.service.tenant.activated, bool),
        statement="The protection service (Azure Rights Management) is activated for the tenant.",
    ),
    # Advice and no block: the account that signs in may be another one than those that are known.
    Requirement(
        id="onboarding",
        text="The onboarding policy has to cover the account that signs in during the connector's setup.",
        document=ROADMAP_PAGE,
        section="Prepare for data protection",
        domains=("connector",),
        where=lambda s: s.connector.changes,
        severity=ADVISES,
        holds=_covered,
        found=_uncovered,
        expected="a policy for all users; or an account that is in its group, and has a license where it asks for one",
        remedy=(
            "Add the account to the group of the policy (protection_service_onboarding_group). Name the account in "
            "protection_service_graph_accounts, and give the run variables protection_service_graph_* to verify it, or "
            "state that it is covered."
        ),
        told=lambda s: isinstance(_covered(s), bool),
        statement="The onboarding policy covers the account that signs in during the connector's setup.",
    ),
    Requirement(
        id="directory_synchronization",
        text="The forests of Active Directory have to be synchronized with Azure Active Directory, also for a test.",
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector", "irm_server"),
        severity=ADVISES,
        expected="accounts synchronized by a tool; accounts or passwords kept the same by hand are not enough",
        remedy="Ask the administrators of the synchronization, and state the answer and the tool.",
        statement=(
            "The forests of the connectors and of the servers that use them are synchronized with Azure Active "
            "Directory."
        ),
        tool=True,
    ),
    Requirement(
        id="domain_trust",
        text=("The connector's domain has to trust the forests of the Exchange and SharePoint servers that use it."),
        document=CONNECTOR_PAGE,
        section="Prerequisites for the RMS connector",
        domains=("connector",),
        severity=ADVISES,
        expected="a trust, or connectors in the other forest",
        remedy=(
            "Ask the administrators of Active Directory, and state the answer. Forests without a trust get connectors"
            " (a pool) of their own."
        ),
        statement="The domain of the connectors trusts all forests with servers that use them.",
    ),
)
