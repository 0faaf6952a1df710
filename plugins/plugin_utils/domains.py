# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Internal to infoprotect.aip, may change in any release.
"""The domains: which group of hosts has which, and which variable is which option. Nothing else knows that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CLIENTS, SCANNERS, CONNECTORS, ADMIN_HOSTS = "aip_clients", "aip_scanners", "rms_connectors", "aip_admin_hosts"
#: The groups of the servers that use a connector, and the product that each one names.
EXCHANGE_SERVERS, SHAREPOINT_SERVERS, FCI_SERVERS = "exchange_servers", "sharepoint_servers", "fci_servers"
PRODUCTS = {EXCHANGE_SERVERS: "exchange", SHAREPOINT_SERVERS: "sharepoint", FCI_SERVERS: "fci"}
#: All groups that the playbooks manage, in their order. Domain controllers are only inspected.
GROUPS = (CLIENTS, SCANNERS, CONNECTORS, *PRODUCTS, ADMIN_HOSTS, "domain_controllers")
#: The groups of each playbook that is about some of them
OF_PLAYBOOKS = {
    "clients": (CLIENTS,),
    "connectors": (CONNECTORS,),
    "irm_servers": tuple(PRODUCTS),
    "scan": (SCANNERS,),
}
#: A survey sends an empty field as an empty text: it asks for nothing.
NOTHING = ("", None)

#: The options that every installing module takes beside those of its domain, each a variable with the role's prefix.
INSTALLER = (
    "src",
    "path",
    "checksum",
    "validate_signature",
    "share_username",
    "share_password",
    "url_username",
    "url_password",
    "proxy_url",
)


@dataclass(frozen=True)
class HostVariables:
    """What the inventory says of a host.

    Attributes:
        name: the host's.
        groups: that it is in.
        values: the variables of the collection that are given, by their names, in the types that they are
            documented with (variables.py). Empty values are left out.
    """

    name: str
    groups: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, groups: Iterable[str], values: Mapping[str, Any]) -> HostVariables:
        given = {variable: value for variable, value in values.items() if value not in NOTHING}
        return cls(name, frozenset(groups), given)


@dataclass(frozen=True)
class Setup:
    """A module that installs something before the settings of a domain can be applied.

    Attributes:
        module: its name.
        options: option -> variable, beside those of the domain.
        defaults: of options whose variable is not given.
    """

    module: str
    options: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Domain:
    """Settings or software that one part of desired_state brings about.

    Attributes:
        role: the one that the variables belong to.
        groups: whose hosts have the domain.
        options: option of desired_state -> variable.
        asked_by: the domain is managed where one of these variables is given; by default any of those of `options`.
        always: whether it is managed without any variable.
        values: what takes the place of a host's variables.
        setup: how software is installed.
        dotnet: how the .NET Framework that it needs is installed.
    """

    name: str
    role: str
    groups: tuple[str, ...]
    options: Mapping[str, str]
    asked_by: tuple[str, ...] = ()
    always: bool = False
    values: Callable[[HostVariables], Mapping[str, Any]] = lambda host: {}
    setup: Setup | None = None
    dotnet: Setup | None = None

    def wanted(self, host: HostVariables) -> dict[str, Any] | None:
        """The options of desired_state; None where nothing asks for the domain."""
        asked = any(variable in host.values for variable in self.asked_by or self.options.values())
        if not (asked or self.always):
            return None
        return self._given(self.options, host)

    def arguments(self, setup: Setup, host: HostVariables) -> dict[str, Any]:
        """The options of a module that installs; those of the domain only where it is the domain's own module."""
        own = self.options if setup is self.setup else {}
        return {**setup.defaults, **self._given({**own, **setup.options}, host)}

    def _given(self, options: Mapping[str, str], host: HostVariables) -> dict[str, Any]:
        values = {**host.values, **self.values(host)}
        return {option: values[name] for option, name in options.items() if values.get(name) not in NOTHING}


def _named(prefix: str, *options: str) -> dict[str, str]:
    return {option: prefix + option for option in options}


def _dotnet(role: str, default: str) -> Setup:
    """Microsoft's installer of .NET Framework has variables of its own; accounts and proxy are those of the role."""
    own = {option: f"{role}_dotnet_{option}" for option in ("version", "src", "path", "checksum")}
    shared = {option: f"{role}_{option}" for option in INSTALLER if option not in own}
    return Setup("dotnet_framework", {**own, **shared, "reboot": "aip_reboot"}, {"version": default})


def _of_tls(host: HostVariables) -> Mapping[str, Any]:
    # Microsoft's documents ask for it of connectors only
    older = host.values.get("aip_tls_disable_older") or ("auto" if CONNECTORS in host.groups else "")
    return {"aip_tls_disable_older": older}


def _of_connector_https(host: HostVariables) -> Mapping[str, Any]:
    # with an http URL, the certificate is for a URL to come
    url = str(host.values.get("rms_connector_url") or "")
    return {"rms_connector_url": url if url.startswith("https:") else ""}


def _of_irm_server(host: HostVariables) -> Mapping[str, Any]:
    # one that is in two groups is refused by the module, which names what it takes
    products = " and ".join(product for group, product in PRODUCTS.items() if group in host.groups)
    return {"irm_server_product": host.values.get("irm_server_product") or products}


DOMAINS = {
    domain.name: domain
    for domain in (
        Domain(
            "client",
            "aip_client",
            (CLIENTS, SCANNERS),
            _named("aip_client_", "product", "state", "version", "exact", "allow_downgrade"),
            setup=Setup(
                "client",
                {
                    **_named(
                        "aip_client_",
                        *INSTALLER,
                        "powershell_only",
                        "telemetry",
                        "publisher",
                        "arguments",
                        "timeout",
                        "busy_timeout",
                    ),
                    "reboot": "aip_reboot",
                },
            ),
            dotnet=_dotnet("aip_client", "4.6.2"),
        ),
        Domain(
            "client_settings",
            "aip_client",
            (CLIENTS, SCANNERS),
            {
                "state": "aip_client_settings_state",
                "names": "aip_client_settings_names",
                **_named("aip_client_", "use_default_credentials_in_proxy", "cloud_environment", "policy_conflict"),
            },
            asked_by=(
                "aip_client_settings_state",
                "aip_client_settings_names",
                "aip_client_use_default_credentials_in_proxy",
                "aip_client_cloud_environment",
            ),
        ),
        Domain(
            "connector",
            "rms_connector",
            (CONNECTORS, ADMIN_HOSTS),
            _named("rms_connector_", "state", "version", "cloud", "administration_tool", "arguments"),
            asked_by=("rms_connector_state", "rms_connector_version", "rms_connector_administration_tool"),
            setup=Setup(
                "connector",
                {
                    **_named("rms_connector_", *INSTALLER, "publisher", "timeout", "busy_timeout"),
                    "reboot": "aip_reboot",
                },
            ),
            dotnet=_dotnet("rms_connector", "4.7.2"),
        ),
        Domain(
            "connector_https",
            "rms_connector",
            (CONNECTORS,),
            {
                "state": "rms_connector_certificate_state",
                "thumbprint": "rms_connector_certificate_thumbprint",
                "url": "rms_connector_url",
                "src": "rms_connector_certificate_pfx",
                "port": "rms_connector_certificate_port",
                "expiry_warning_days": "rms_connector_certificate_warning_days",
            },
            asked_by=("rms_connector_certificate_state", "rms_connector_certificate_thumbprint"),
            values=_of_connector_https,
            setup=Setup("connector_https", {"pfx_password": "rms_connector_certificate_password"}),
        ),
        Domain(
            "connector_settings",
            "rms_connector",
            (CONNECTORS,),
            {
                "state": "rms_connector_settings_state",
                **_named("rms_connector_", "proxy_address", "policy_conflict"),
            },
            asked_by=("rms_connector_settings_state", "rms_connector_proxy_address"),
        ),
        Domain(
            "irm_server",
            "irm_server",
            tuple(PRODUCTS),
            _named("irm_server_", "product", "state", "connector_url", "tenant_url", "force", "policy_conflict"),
            asked_by=("irm_server_connector_url", "irm_server_state"),
            values=_of_irm_server,
        ),
        Domain(
            "scanner",
            "aip_scanner",
            (SCANNERS,),
            {
                **_named(
                    "aip_scanner_",
                    "state",
                    "cluster",
                    "first_node",
                    "sql_instance",
                    "service_account",
                    "application_id",
                    "tenant_id",
                    "delegated_user",
                    "authentication_id",
                    "configuration",
                    "configuration_file",
                    "configuration_checksum",
                    "report_level",
                    "schedule",
                    "discover",
                    "recommended_as_automatic",
                    "enable_dlp",
                    "enforce",
                    "label_by_content",
                    "relabel",
                    "allow_downgrade",
                    "enforce_default_label",
                    "default_label_type",
                    "default_label_id",
                    "default_owner",
                    "repository_owner",
                    "preserve_file_details",
                    "include_file_types",
                    "exclude_file_types",
                    "enforce_confirm",
                    "repositories",
                    "repositories_exact",
                    "service_state",
                    "stop_scan",
                    "evaluation",
                ),
                "powershell_only": "aip_client_powershell_only",
            },
            asked_by=("aip_scanner_state", "aip_scanner_cluster"),
            setup=Setup("scanner", _named("aip_scanner_", "service_account_password", "client_secret")),
        ),
        Domain(
            "tls",
            "aip_tls",
            (CLIENTS, SCANNERS, CONNECTORS, *PRODUCTS, ADMIN_HOSTS),
            _named("aip_tls_", "state", "parts", "disable_older", "explicit", "policy_conflict"),
            always=True,
            values=_of_tls,
        ),
    )
}

#: Tags of tasks that belong to no domain
OTHER_TAGS = ("authorization", "bootstrap", "irm_configuration", "protection_service")
_SPECIAL_TAGS = ("all", "tagged", "untagged", "always", "never")
# Molecule skips these
_MOLECULE_TAGS = ("notest", "molecule-notest", "molecule-idempotence-notest")
TAGS = (*DOMAINS, *OTHER_TAGS)


def domains_of(host: HostVariables) -> list[str]:
    """What is managed on the host: what it says itself (aip_domains), else what its groups have."""
    if "aip_domains" in host.values:
        return list(host.values["aip_domains"])
    names = [name for name, domain in DOMAINS.items() if not host.groups.isdisjoint(domain.groups)]
    # an admin host gets only the administration tool of the connector, and only on request
    if CONNECTORS not in host.groups and not host.values.get("rms_connector_administration_tool"):
        names = [name for name in names if name != "connector"]
    return names


def selected(run_tags: Iterable[str], skip_tags: Iterable[str]) -> list[str]:
    """The domains that --tags and --skip-tags leave."""
    run, skip = set(run_tags), set(skip_tags)
    return [name for name in DOMAINS if has_tag(name, run, skip)]


def has_tag(name: str, run_tags: Iterable[str], skip_tags: Iterable[str]) -> bool:
    """Whether --tags and --skip-tags leave the tasks with a tag."""
    return not set(run_tags).isdisjoint(("all", "tagged", name)) and name not in set(skip_tags)


def unknown_tags(*tags: Iterable[str]) -> list[str]:
    """Tags that no task of the playbooks has."""
    known = {*TAGS, *_SPECIAL_TAGS, *_MOLECULE_TAGS}
    return sorted({tag for some in tags for tag in some} - known)


def wanted_of(host: HostVariables, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The options of desired_state, domain by domain."""
    found = {name: DOMAINS[name].wanted(host) for name in names}
    return {name: options for name, options in found.items() if options is not None}
