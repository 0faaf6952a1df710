"""The table of domains, and variables: what they come to, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.infoprotect.aip.plugins.plugin_utils import domains, variables
from ansible_collections.infoprotect.aip.plugins.plugin_utils.domains import DOMAINS, HostVariables


def host(*groups: str, **values: Any) -> HostVariables:
    return HostVariables.of("host", groups, values)


def wanted(one: HostVariables) -> dict[str, dict[str, Any]]:
    return domains.wanted_of(one, domains.domains_of(one))


def errors(*groups: str, **values: Any) -> list[str]:
    return variables.read("host", groups, values, values.__getitem__)[1]


@pytest.mark.parametrize(
    ("groups", "values", "expected"),
    [
        (["aip_clients"], {}, ["client", "client_settings", "tls"]),
        (["aip_scanners"], {}, ["client", "client_settings", "scanner", "tls"]),
        (["rms_connectors"], {}, ["connector", "connector_https", "connector_settings", "tls"]),
        (
            ["exchange_servers", "rms_connectors"],
            {},
            ["connector", "connector_https", "connector_settings", "irm_server", "tls"],
        ),
        (["aip_admin_hosts"], {}, ["tls"]),
        (["aip_admin_hosts"], {"rms_connector_administration_tool": True}, ["connector", "tls"]),
        (["aip_admin_hosts"], {"rms_connector_administration_tool": False}, ["tls"]),
        (["domain_controllers"], {}, []),
        (["aip_clients"], {"aip_domains": ["tls"]}, ["tls"]),
        (["web_servers"], {}, []),
    ],
)
def test_groups_decide_unless_the_host_says_it(groups: list[str], values: dict[str, Any], expected: list[str]) -> None:
    assert domains.domains_of(host(*groups, **values)) == expected


@pytest.mark.parametrize(
    ("group", "variable", "expected"),
    [
        ("rms_connectors", None, "auto"),
        ("rms_connectors", "", "auto"),
        ("rms_connectors", "never", "never"),
        ("aip_clients", None, None),
        ("exchange_servers", "", None),
        ("aip_clients", "always", "always"),
    ],
)
def test_older_protocols_go_off_by_default_on_connectors_only(
    group: str, variable: str | None, expected: str | None
) -> None:
    one = host(group, aip_tls_disable_older=variable)
    assert wanted(one)["tls"].get("disable_older") == expected


def test_what_is_not_given_is_not_managed() -> None:
    assert wanted(host("aip_clients")) == {"tls": {}}
    assert wanted(host("aip_clients", aip_client_product=None, aip_client_version="")) == {"tls": {}}


@pytest.mark.parametrize(
    ("group", "values", "domain", "expected"),
    [
        # what only says how, asks for nothing
        ("aip_clients", {"aip_client_policy_conflict": "fail"}, "client_settings", None),
        ("rms_connectors", {"rms_connector_cloud": "AzureCloud"}, "connector", None),
        ("rms_connectors", {"rms_connector_url": "https://a.example"}, "connector_https", None),
        ("rms_connectors", {"rms_connector_policy_conflict": "fail"}, "connector_settings", None),
        ("exchange_servers", {"irm_server_force": True}, "irm_server", None),
        (
            "rms_connectors",
            {"rms_connector_certificate_thumbprint": "AB", "rms_connector_url": "http://a.example"},
            "connector_https",
            {"thumbprint": "AB"},
        ),
        (
            "rms_connectors",
            {"rms_connector_certificate_thumbprint": "AB", "rms_connector_url": "https://a.example"},
            "connector_https",
            {"thumbprint": "AB", "url": "https://a.example"},
        ),
        (
            "sharepoint_servers",
            {"irm_server_connector_url": "https://c.example"},
            "irm_server",
            {"product": "sharepoint", "connector_url": "https://c.example"},
        ),
        (
            "sharepoint_servers",
            {"irm_server_connector_url": "https://c.example", "irm_server_product": "fci"},
            "irm_server",
            {"product": "fci", "connector_url": "https://c.example"},
        ),
    ],
)
def test_variables_become_options(
    group: str, values: dict[str, Any], domain: str, expected: dict[str, Any] | None
) -> None:
    assert wanted(host(group, **values)).get(domain) == expected


def test_an_installing_module_gets_the_options_of_its_domain_and_its_own() -> None:
    one = host("aip_clients", aip_client_product="purview", aip_client_src="a.exe", aip_reboot=True)
    client = DOMAINS["client"]
    assert client.setup and client.dotnet
    assert client.arguments(client.setup, one) == {"product": "purview", "src": "a.exe", "reboot": True}
    assert client.arguments(client.dotnet, one) == {"version": "4.6.2", "reboot": True}


@pytest.mark.parametrize(
    ("run", "skip", "expected"),
    [
        (["all"], [], list(DOMAINS)),
        (["tls"], [], ["tls"]),
        (["all"], ["tls"], [name for name in DOMAINS if name != "tls"]),
        (["client", "client_settings"], ["client"], ["client_settings"]),
        (["authorization"], [], []),
    ],
)
def test_tags_narrow_the_domains(run: list[str], skip: list[str], expected: list[str]) -> None:
    assert domains.selected(run, skip) == expected


def test_a_wrong_tag_is_an_error_with_the_nearest_one() -> None:
    assert variables.wrong_tags(["tsl"], ["irm_servers"]) == [
        "irm_servers is not a tag of this collection. Did you mean irm_server?",
        "tsl is not a tag of this collection. Did you mean tls?",
    ]
    assert variables.wrong_tags(["all"], list(DOMAINS)) == []


def test_a_misspelt_variable_is_an_error_with_the_nearest_one() -> None:
    found = errors(
        "aip_clients", aip_client_prodcut="purview", aip_tls_disable_oldr="never", my_own="x", rms_nothing_like=1
    )
    assert found == [
        "aip_client_prodcut is not a variable of this collection. Did you mean aip_client_product?",
        "aip_tls_disable_oldr is not a variable of this collection. Did you mean aip_tls_disable_older?",
        "rms_nothing_like is not a variable of this collection",
    ]


def test_what_roles_and_playbooks_make_for_themselves_is_known() -> None:
    assert {
        "aip_apply_inspection",
        "aip_plan",
        "aip_apply_prepared",
        "aip_apply_result",
        "aip_site_playbook",
    } <= variables.known_names()


def test_all_wrong_variables_of_all_roles_are_named() -> None:
    found = errors(
        "aip_clients",
        aip_tls_disable_older="sometimes",
        aip_reboot="perhaps",
        aip_client_version=3.10,
        rms_connector_sign_in="later",
    )
    text = "\n".join(found)
    for name in ("aip_tls_disable_older", "aip_reboot", "aip_client_version", "rms_connector_sign_in"):
        assert name in text
    assert "aip_client_version is a number (3.1): expected text. Quote it" in text


@pytest.mark.parametrize("name", sorted(variables.specs()))
def test_an_empty_answer_of_a_survey_counts_as_not_given(name: str) -> None:
    one, wrong = variables.read("host", [], [name], {name: ""}.__getitem__)
    assert (dict(one.values), wrong) == ({}, [])


def test_answers_of_a_survey_are_texts() -> None:
    values = {
        "aip_reboot": "true",
        "aip_tls_parts": "dotnet,winhttp",
        "aip_client_timeout": "900",
        "aip_waves": "1,50%",
    }
    one, wrong = variables.read("host", [], values, values.__getitem__)
    assert wrong == []
    assert one.values == {
        "aip_reboot": True,
        "aip_tls_parts": ["dotnet", "winhttp"],
        "aip_client_timeout": 900,
        "aip_waves": "1,50%",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rms_connector_url", "http://me:Secret!1@rms.contoso.com"),
        ("rms_connector_proxy_address", "me:Secret!1@proxy:3128"),
        ("irm_server_connector_url", "http://me:Secret!1@rms.contoso.com"),
        ("aip_client_path", "https://me:Secret!1@packages.contoso.com/x.msi"),
    ],
)
def test_addresses_with_a_password_are_refused_and_not_repeated(name: str, value: str) -> None:
    (error,) = errors(**{name: value})
    assert error.startswith(f"{name} is one with a name or password in it") and "Secret" not in error
    # a password may look like an address
    assert errors(rms_connector_certificate_password=value) == []


def test_a_variable_that_cannot_be_worked_out_is_one_error_among_others() -> None:
    def value_of(name: str) -> Any:
        if name == "aip_client_src":
            raise AnsibleError("'share' is undefined")
        return "1.1"

    _host, wrong = variables.read("host", [], ["aip_client_src", "aip_tls_disable_older"], value_of)
    assert wrong[0] == "aip_client_src cannot be evaluated: 'share' is undefined"
    assert "aip_tls_disable_older" in wrong[1]


def test_every_variable_of_the_table_is_documented() -> None:
    named = {
        name
        for domain in DOMAINS.values()
        for table in (domain.options, *(setup.options for setup in (domain.setup, domain.dotnet) if setup))
        for name in table.values()
    }
    assert named - set(variables.specs()) == set()
