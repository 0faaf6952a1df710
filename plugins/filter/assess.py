# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts do not meet of the requirements of Azure Information Protection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.infoprotect.aip.plugins.plugin_utils.filters import of_defined
from ansible_collections.infoprotect.aip.plugins.plugin_utils.requirements import (
    NO_STATEMENT,
    NOT_STATED,
    WANTED,
    Finding,
    load,
    plain,
)

Findings = Iterable[Mapping[str, Any]]


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
) -> list[dict[str, Any]]:
    """The findings of one host, what blocks first; assess.yml says what the arguments are."""
    mappings = {
        "host": host,
        "client": client or {},
        "settings": settings or {},
        "connector": connector or {},
        "connector_https": connector_https or {},
        "irm_server": irm_server or {},
        "service": service or {},
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
    for name in WANTED:
        # Whoever does not say whether something will be installed is told what would stop it.
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
    findings = load().assess(subject, plain(statements), str(finding or ""))
    # What hosts say is in them: before 2.19, Ansible would take such text for a template where set_fact has stored it.
    return list(wrap_var([asdict(item) for item in findings]))


def assess_lines(hosts: Mapping[str, Findings | str], severity: str = "") -> list[str]:
    """Lines for people, host after host: what is missing, what is expected and how it is mended.

    hosts: the findings of each host, or a text where it could not be assessed.
    severity: only findings of this one; texts belong to what blocks.
    """
    if not isinstance(hosts, Mapping):
        raise AnsibleFilterError(f"expected findings by host, found {type(hosts).__name__}")
    lines = []
    general: dict[str, str] = {}
    for name, findings in hosts.items():
        if isinstance(findings, str):
            if severity != "advises":
                lines.append(f"{name}: {findings}")
            continue
        wanted = [item for item in _checked(name, findings) if severity in ("", item["severity"])]
        own = [item for item in wanted if item["status"] != NOT_STATED]
        general |= {item["id"]: _line(item) for item in wanted if item["status"] == NOT_STATED}
        if own:
            lines.append(f"{name}:")
            lines += [f"  {_line(item)}" for item in own]
    if general:
        lines.append("Not stated by anybody (aip_preflight_statements):")
        lines += [f"  {line}" for line in general.values()]
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
            raise AnsibleFilterError(f"{host}: a finding lacks {', '.join(missing)}; expected one of the filter assess")
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


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        return of_defined(assess, assess_lines)
