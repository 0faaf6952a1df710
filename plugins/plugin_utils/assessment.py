# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""What hosts do not meet of the requirements of Azure Information Protection, and lines that say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from . import statements as operator_statements
from .domains import HostVariables
from .requirements import BLOCKS, NO_STATEMENT, NOT_STATED, WANTED, Finding, load, plain

Findings = Iterable[Mapping[str, Any]]
#: The names of the clouds in the setup of the connector -> those of endpoint_info
CLOUDS = {
    "AzureCloud": "commercial",
    "AzureChinaCloud": "china",
    "AzureUSGovernment": "us_government",
    "AzureUSGovernment2": "us_government",
    "AzureUSGovernment3": "us_government",
}


def assess(
    host: Mapping[str, Any],
    groups: Iterable[str] = (),
    domains: Iterable[str] = (),
    client: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    reboot: bool = False,
    bootstrap: bool = False,
    statements: Mapping[str, Any] | None = None,
    finding: str = "",
    connector: Mapping[str, Any] | None = None,
    connector_https: Mapping[str, Any] | None = None,
    irm_server: Mapping[str, Any] | None = None,
    connectors: Iterable[str] = (),
    service: Mapping[str, Any] | None = None,
    scanner: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The findings of one host, what blocks first.

    host: the facts of desired_state.
    client, connector, irm_server: the desired options, with `changes`, whether something has to be changed, and
        `dotnet_package`, whether the .NET Framework comes along; of the connector also `url` and `url_force`.
    finding: why the host could not be inspected; then only its PowerShell is assessed.
    service: the result of protection_service_info or protection_service, and in `graph` that of Microsoft Graph.
    scanner: `refused`, why the module scanner cannot reach the desired state.
    statements: as in the variable aip_statements.
    """
    mappings = {
        "host": host,
        "client": client or {},
        "settings": settings or {},
        "connector": connector or {},
        "connector_https": connector_https or {},
        "irm_server": irm_server or {},
        "service": service or {},
        "scanner": scanner or {},
    }
    for name, mapping in mappings.items():
        if not isinstance(mapping, Mapping):
            raise AnsibleFilterError(f"{name}: expected a dictionary, found {type(mapping).__name__}")
    groups, domains, connectors = (
        _names(name, values)
        for name, values in {"groups": groups, "domains": domains, "connectors": connectors}.items()
    )
    subject = {name: plain(mapping) for name, mapping in mappings.items()}
    subject["connector_https"].setdefault("obstacles", [])
    subject["irm_server"].setdefault("refused", [])
    subject["scanner"].setdefault("refused", [])
    for name in WANTED:
        # If it is not known whether something will be installed, assume that it will.
        for flag, default in {"changes": True, "dotnet_package": False}.items():
            subject[name][flag] = _flag(f"{name}.{flag}", subject[name].get(flag, default))
    for flag in ("url_force", "administration_tool"):
        subject["connector"][flag] = _flag(f"connector.{flag}", subject["connector"].get(flag, False))
    if subject["connector"]["administration_tool"]:
        # by itself it asks of its computer next to nothing of what the connector does
        domains = [name for name in domains if name != "connector"]
    proxy = "use_default_credentials_in_proxy"
    if proxy in subject["settings"]:
        subject["settings"][proxy] = _flag(f"settings.{proxy}", subject["settings"][proxy])
    subject |= {
        "groups": groups,
        "domains": [name for name in domains if name not in WANTED or subject[name].get("state") != "absent"],
        "connectors": connectors,
        "reboot": _flag("reboot", reboot),
        "bootstrap": _flag("bootstrap", bootstrap),
    }
    today = operator_statements.today()
    stated, errors = load().read_statements(plain(statements or {}), today)
    if errors:
        raise AnsibleFilterError("\n".join(errors))
    return [asdict(item) for item in load().assess(subject, stated, today, str(finding or ""))]


def assess_host(
    host: HostVariables, inspection: Mapping[str, Any], connectors: Iterable[str], service: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The findings of a host by its variables and its inspection.

    connectors: the members of the pool that the host is in.
    """
    given, looked_for, domains = host.values, inspection["looked_for"], inspection["domains"]

    def wanted(name: str, package: str = "") -> dict[str, Any]:
        if name not in looked_for:
            return {}
        flags: dict[str, Any] = {"changes": not domains.get(name, {}).get("compliant", False)}
        if package:
            flags["dotnet_package"] = f"{package}_src" in given or f"{package}_path" in given
        return {**looked_for[name], **flags}

    client = wanted("client", "aip_client_dotnet") or {
        "changes": True,
        "dotnet_package": "aip_client_dotnet_src" in given or "aip_client_dotnet_path" in given,
    }
    connector = wanted("connector", "rms_connector_dotnet")
    if not looked_for.keys().isdisjoint(("connector", "connector_https", "connector_settings")):
        url = {"url": given.get("rms_connector_url", ""), "url_force": given.get("rms_connector_url_force", False)}
        connector = {**connector, **url}
    irm_server = wanted("irm_server")
    if irm_server:
        irm_server["refused"] = domains.get("irm_server", {}).get("refused") or []
    https = domains.get("connector_https", {})
    scanner = domains.get("scanner", {})
    return assess(
        inspection["host"],
        groups=sorted(host.groups),
        domains=list(looked_for),
        client=client,
        settings=looked_for.get("client_settings", {}),
        reboot=given.get("aip_reboot", False),
        bootstrap="aip_bootstrap_wmf_2012_url" in given or "aip_bootstrap_wmf_2012r2_url" in given,
        statements=given.get("aip_statements", {}),
        finding=inspection.get("finding", ""),
        connector=connector,
        connector_https={"obstacles": [*(https.get("obstacles") or []), *(https.get("refused") or [])]},
        irm_server=irm_server,
        connectors=connectors,
        service=service,
        scanner={"refused": [*(scanner.get("obstacles") or []), *(scanner.get("refused") or [])]},
    )


def with_tenant(inspections: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    """The inspections of hosts, with the plan's findings of what the tenant tells.

    Hosts are inspected before the tenant is read, and the plan is made again after that.
    """
    planned = plan.get("findings")
    if not isinstance(planned, Mapping):
        return dict(inspections)
    told = {requirement.id for requirement in load().requirements if requirement.told}

    def name_of(finding: Any) -> Any:
        return finding.get("id") if isinstance(finding, Mapping) else None

    def findings(name: str, found: Any) -> Any:
        own, of_plan = found.get("findings") if isinstance(found, Mapping) else None, planned.get(name, [])
        # a host whose PowerShell was too old when the run was planned has been inspected since
        if not isinstance(own, list) or not isinstance(of_plan, list) or "powershell" in map(name_of, of_plan):
            return found
        kept = [item for item in own if name_of(item) not in told]
        return {**found, "findings": [*kept, *(item for item in of_plan if name_of(item) in told)]}

    return {name: findings(name, found) for name, found in inspections.items()}


def sets_up_connector(inspection: Mapping[str, Any]) -> bool:
    """Whether a connector has to be installed: only then its host has to reach the service."""
    wanted = inspection["looked_for"].get("connector")
    return (
        wanted is not None
        and wanted.get("state", "present") == "present"
        and "finding" not in inspection
        and not inspection["domains"].get("connector", {}).get("compliant", False)
    )


def endpoint_options(host: HostVariables) -> dict[str, Any] | None:
    """The options of endpoint_info; None if the operator turned the check off."""
    given = host.values
    if "aip_endpoints" in given and not given["aip_endpoints"]:
        return None
    proxy = given.get("rms_connector_proxy_address")
    options = {
        "cloud": CLOUDS.get(given.get("rms_connector_cloud", ""), "commercial"),
        "proxy_source": "explicit" if proxy else "proxy_address",
        "proxy": proxy,
        "endpoints": given.get("aip_endpoints"),
        "issuers": given.get("aip_issuers"),
        "timeout": given.get("aip_endpoint_timeout"),
    }
    return {name: value for name, value in options.items() if value is not None}


def blocks(findings: Findings) -> bool:
    """Whether one of the findings keeps the host from being served."""
    return any(item["severity"] == BLOCKS for item in findings)


def assess_lines(hosts: Mapping[str, Findings | str], severity: str = "") -> list[str]:
    """Lines for people, host after host: what is missing, what is expected and how it is mended.

    hosts: the findings of each host, or a text where it could not be assessed.
    severity: only findings of this one; texts belong to what blocks.
    """
    if not isinstance(hosts, Mapping):
        raise AnsibleFilterError(f"expected findings by host, found {type(hosts).__name__}")
    lines = []
    general: dict[str, None] = {}
    for name, findings in hosts.items():
        if isinstance(findings, str):
            if severity != "advises":
                lines.append(f"{name}: {findings}")
            continue
        wanted = [item for item in _checked(name, findings) if severity in ("", item["severity"])]
        own = [item for item in wanted if item["status"] != NOT_STATED]
        # once for all hosts
        general |= dict.fromkeys(_line(item) for item in wanted if item["status"] == NOT_STATED)
        if own:
            lines.append(f"{name}:")
            lines += [f"  {_line(item)}" for item in own]
    if general:
        lines.append("Operator statements to make or renew (aip_statements):")
        lines += [f"  {line}" for line in general]
    return lines


def _names(name: str, values: Any) -> list[str]:
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise AnsibleFilterError(f"{name}: expected a list, found {type(values).__name__}")
    found = list(plain(list(values)))
    if odd := [value for value in found if not isinstance(value, str)]:
        raise AnsibleFilterError(f"{name}: expected a list of names, found {odd[0]!r} in it")
    return found


def _checked(host: Any, findings: Any) -> list[Mapping[str, Any]]:
    """The findings of a host, as `assess` returns them."""
    if isinstance(findings, Mapping) or not isinstance(findings, Iterable):
        raise AnsibleFilterError(f"{host}: expected a list of findings, found {type(findings).__name__}")
    checked = list(findings)
    names = {field.name for field in fields(Finding)}
    for item in checked:
        missing = sorted(names - set(item)) if isinstance(item, Mapping) else sorted(names)
        if missing:
            raise AnsibleFilterError(
                f"{host}: a finding lacks {', '.join(missing)}; expected one of a host's assessment"
            )
    return checked


def _line(finding: Mapping[str, Any]) -> str:
    source = f"{finding['document']}, {finding['section']}"
    found = "" if finding["found"] == NO_STATEMENT else f" Found: {finding['found']}; expected: {finding['expected']}."
    return f"{finding['id']} ({finding['severity']}): {finding['text']}{found} {finding['remedy']} [{source}]"


def _flag(name: str, value: Any) -> bool:
    try:
        return bool(boolean(value))
    except TypeError as error:
        raise AnsibleFilterError(f"{name}: expected true or false, found {value!r}") from error
