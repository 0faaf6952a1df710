"""endpoint_info on a host of the fleet: the ways to the service, read back with ansible.windows where it can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from service_endpoints import Authority, Proxy, tls_server

from ..ansible_runner import AnsiblePlaybook, Run, reset_hosts

pytestmark = pytest.mark.hosts("connector-1")
HOST = "connector-1"
NAMES = ["discover.aadrm.com", "api.aadrm.com", "admin.na.aadrm.com"]
CONNECTOR = r"HKLM:\SOFTWARE\Microsoft\AADRM\Connector"
TRUST = """
$store = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'LocalMachine')
$store.Open('ReadWrite')
$store.{verb}([Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String('{data}')))
$store.Close()
"""


@pytest.fixture(scope="module")
def ways() -> Iterator[dict[str, Any]]:
    """Proxies to the service: one that lets through, one that inspects, one that wants somebody to sign in."""
    root = Authority("Contoso Test Root", "Contoso")
    gateway = Authority("Contoso Web Gateway", "Contoso")
    with ExitStack() as stack:
        authority = Authority("Test TLS Issuing CA 08", "Microsoft Corporation", root)
        server = stack.enter_context(tls_server(authority.context("*.aadrm.com", "*.na.aadrm.com")))
        routes = dict.fromkeys(NAMES, server)
        proxies = {
            "open": Proxy(routes),
            "inspecting": Proxy(routes, inspect=gateway.context("*.aadrm.com", "*.na.aadrm.com")),
            "closed": Proxy(routes, schemes=("Negotiate", "NTLM", 'Basic realm="proxy"')),
        }
        addresses = {
            name: "http://{}:{}".format(*stack.enter_context(proxy.serve())) for name, proxy in proxies.items()
        }
        yield {"root": root, "authority": authority, "gateway": gateway, **addresses}


def play(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "endpoints", "hosts": HOST, "gather_facts": False, "tasks": list(tasks)}]


def look(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "infoprotect.aip.endpoint_info": {"timeout": 60, **options}}


def errors(run: Run, name: str) -> list[str]:
    return [item["error"] for item in run.task(name, HOST)["endpoints"]]


def test_ways(playbook: AnsiblePlaybook, ways: dict[str, Any]) -> None:
    # A process under Wine takes up new trusted authorities only until it has built a chain: no process of another test.
    reset_hosts(HOST)
    connector = {"path": CONNECTOR, "name": "ProxyAddress", "data": ways["open"], "type": "string"}
    trust = {verb: TRUST.format(verb=verb, data=ways["root"].base64()) for verb in ("Add", "Remove")}
    run = playbook.run(
        play(
            {"name": "trust", "ansible.windows.win_command": {"argv": shell(trust["Add"])}},
            {"name": "proxy", "ansible.windows.win_regedit": connector},
            look("connector", proxy_source="proxy_address"),
            {**look("checked", proxy_source="proxy_address"), "check_mode": True},
            look("inspecting", proxy=ways["inspecting"]),
            look("closed", proxy=ways["closed"], endpoints=["https://api.aadrm.com/"]),
            look("of others", proxy=ways["open"], endpoints=["api.aadrm.com"], issuers=["Fabrikam"]),
            look("nowhere", endpoints=["no-such-host.invalid"]),
            look("another cloud", proxy=ways["open"], cloud="china"),
            {"name": "no proxy", "ansible.windows.win_regedit": {**connector, "state": "absent"}},
            {"name": "no trust", "ansible.windows.win_command": {"argv": shell(trust["Remove"])}},
        )
    )
    connector_way = run.task("connector", HOST)
    assert run.task("checked", HOST)["endpoints"] == connector_way["endpoints"]
    assert not connector_way["changed"]
    assert (connector_way["ok"], connector_way["inspected"]) == (True, False), errors(run, "connector")
    assert [item["host"] for item in connector_way["endpoints"]] == NAMES
    for item in connector_way["endpoints"]:
        assert (item["protocol"], item["issuer"], item["trusted"]) == ("TLS 1.2", ways["authority"].subject, True)
        assert (item["proxy"], item["proxy_source"], item["proxy_schemes"]) == (ways["open"], "proxy_address", [])
        assert [certificate["issuer"] for certificate in item["chain"]] == [
            ways["authority"].subject,
            ways["root"].subject,
            ways["root"].subject,
        ]
    inspecting = run.task("inspecting", HOST)
    assert (inspecting["ok"], inspecting["inspected"]) == (False, True)
    assert {item["missing_root"] for item in inspecting["endpoints"]} == {ways["gateway"].subject}
    (closed,) = run.task("closed", HOST)["endpoints"]
    assert (closed["proxy_schemes"], closed["reachable"], closed["chain"]) == (
        ["Negotiate", "NTLM", "Basic"],
        False,
        [],
    )
    assert run.task("of others", HOST)["inspected"]
    assert errors(run, "nowhere")[0].startswith("the name no-such-host.invalid cannot be resolved")
    assert all("502 Bad Gateway" in error for error in errors(run, "another cloud"))


def shell(script: str) -> list[str]:
    return ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script.replace("\n", ";")]


def test_other_options_are_refused(playbook: AnsiblePlaybook) -> None:
    refused = {
        "proxy: expected with proxy_source explicit": {"proxy_source": "explicit"},
        "endpoints: expected a host, host:port or a URL that starts with": {"endpoints": ["http://api.aadrm.com"]},
        "issuers: expected regular expressions, found '('": {"issuers": ["("]},
    }
    run = playbook.run(play(*({**look(name, **options), "ignore_errors": True} for name, options in refused.items())))
    for message in refused:
        assert message in run.task(message, HOST)["msg"]
