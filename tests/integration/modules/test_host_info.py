"""host_info and the look: what the host says is what ansible.windows reads, for every kind of host of the fleet."""

from __future__ import annotations

from typing import Any

import pytest
from winfleet.vendor import registration

from ..ansible_runner import AnsiblePlaybook

CURRENT = r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
NDP = r"HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full"

#: The other versions, editions and roles are unit tests of the whole module.
ALWAYS = ("server-2012", "exchange-1")


def on_its_host(host: str, expected: dict[str, Any]) -> object:
    marks = [pytest.mark.hosts(host), *([] if host in ALWAYS else [pytest.mark.full])]
    return pytest.param(host, expected, id=host, marks=marks)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        on_its_host(host, expected)
        for host, expected in {
            "client-2012r2": {"product": "2012r2", "installation_type": "Server", "domain_role": "member_server"},
            "client-2016": {"product": "2016", "installation_type": "Server", "domain_role": "member_server"},
            "client-2019": {"product": "2019", "installation_type": "Server", "domain_role": "member_server"},
            "server-2012": {"product": "2012", "installation_type": "Server", "domain_role": "member_server"},
            "core-2019": {"product": "2019", "installation_type": "Server Core", "domain_role": "member_server"},
            "controller-2019": {"product": "2019", "roles": ["domain_controller"], "domain_role": "domain_controller"},
            "exchange-1": {"product": "2016", "roles": ["exchange"], "domain_role": "member_server"},
        }.items()
    ],
)
def test_facts(playbook: AnsiblePlaybook, host: str, expected: dict[str, Any]) -> None:
    run = playbook.run(
        [
            {
                "name": "facts",
                "hosts": host,
                "gather_facts": False,
                "tasks": [
                    {"name": "facts", "infoprotect.aip.host_info": {}},
                    {"name": "build", "ansible.windows.win_reg_stat": {"path": CURRENT, "name": "CurrentBuildNumber"}},
                    {"name": "name", "ansible.windows.win_reg_stat": {"path": CURRENT, "name": "ProductName"}},
                    {"name": "release", "ansible.windows.win_reg_stat": {"path": NDP, "name": "Release"}},
                    {"name": "computer", "ansible.windows.win_command": {"argv": ["hostname.exe"]}},
                ],
            }
        ]
    )
    facts = run.task("facts", host)
    assert not facts["changed"]
    seen = facts["host"]
    assert seen["os"]["product"] == expected["product"]
    assert seen["os"]["installation_type"] == expected.get("installation_type", "Server")
    assert str(seen["os"]["build"]) == run.task("build", host)["value"]
    assert seen["os"]["name"] == run.task("name", host)["value"]
    assert seen["domain_role"] == expected["domain_role"]
    assert seen["dotnet"]["release"] == run.task("release", host)["value"]
    assert seen["name"].lower() == run.task("computer", host)["stdout"].strip().lower()
    assert seen["powershell"]["version"].startswith("5.1")
    assert seen["memory_mb"] > 1000
    assert any(disk["name"].startswith("C:") and 0 < disk["free_gb"] <= disk["size_gb"] for disk in seen["disks"])
    assert {name for name, role in seen["roles"].items() if role["found"]} == set(expected.get("roles", []))
    assert seen["unreadable"] == []


@pytest.mark.hosts("client-2019")
def test_facts_follow_the_registry(playbook: AnsiblePlaybook) -> None:
    """Pending restart, proxies, MSIP values, products and Group Policy are seen once they are there."""
    host = "client-2019"
    code = "{6F8A30BE-992C-4C06-817B-4A222430F2B8}"
    uninstall = rf"HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\{code}"
    settings = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings"
    values = [
        {
            "path": r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired",
            "name": "x",
        },
        {
            "path": r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending",
            "name": "x",
        },
        {"path": r"HKLM:\SOFTWARE\WOW6432Node\Microsoft\MSIP", "name": "CloudEnvType", "type": "dword", "data": 6},
        {"path": uninstall, "name": "DisplayName", "data": "Microsoft Azure Information Protection"},
        {"path": uninstall, "name": "DisplayVersion", "data": "2.18.26.0"},
        {"path": uninstall, "name": "WindowsInstaller", "type": "dword", "data": 1},
        *[
            {
                "path": rf"HKLM:\{path}",
                "name": name,
                "data": data,
                "type": "dword" if isinstance(data, int) else "string",
            }
            for path, name, data in registration.known(code)
        ],
        {"path": settings, "name": "AutoConfigURL", "data": "http://pac.contoso.com/proxy.pac"},
        {"path": settings, "name": "ProxyEnable", "type": "dword", "data": 1},
        {"path": settings, "name": "ProxyServer", "data": "proxy.contoso.com:8080"},
        {"path": r"HKLM:\SOFTWARE\Microsoft\AADRM\Connector", "name": "ProxyAddress", "data": "http://p:1"},
        {"path": r"HKLM:\SOFTWARE\Microsoft\MSDRM\ServiceLocation\Activation", "name": "", "data": "http://c/_wmcs"},
        {
            "path": r"HKLM:\SYSTEM\CurrentControlSet\Control\Terminal Server",
            "name": "TSAppCompat",
            "type": "dword",
            "data": 1,
        },
        {
            "path": r"HKLM:\SOFTWARE\Microsoft\Office\ClickToRun\Configuration",
            "name": "ProductReleaseIds",
            "data": "O365ProPlusRetail",
        },
        {
            "path": r"HKLM:\SYSTEM\CurrentControlSet\Control\Lsa\MSV1_0",
            "name": "RestrictReceivingNTLMTraffic",
            "type": "dword",
            "data": 2,
        },
        {"path": r"HKLM:\SOFTWARE\Citrix\VirtualDesktopAgent", "name": "ListOfDDCs", "data": "broker.contoso.com"},
        {
            "path": r"HKLM:\SYSTEM\CurrentControlSet\Services\CtxUvi",
            "name": "UviProcessExcludes",
            "data": "winword.exe;excel.exe;",
        },
    ]
    values = [{**value, "data": value.get("data", "1")} for value in values]
    run = playbook.run(
        [
            {
                "name": "facts",
                "hosts": host,
                "gather_facts": False,
                "tasks": [
                    {"name": "before", "infoprotect.aip.host_info": {}},
                    {"name": "set", "infoprotect.aip.registry_values": {"values": values}, "register": "set"},
                    {"name": "facts", "infoprotect.aip.host_info": {}},
                    {"name": "restore", "infoprotect.aip.restore": {"receipt": "{{ set.receipt }}"}},
                    {"name": "after", "infoprotect.aip.host_info": {}},
                ],
            }
        ]
    )
    seen = run.task("facts", host)["host"]
    assert {"windows_update", "component_servicing"} <= set(seen["reboot"]["reasons"])
    assert seen["reboot"]["required"]
    assert {"name": "CloudEnvType", "type": "dword", "data": 6, "view": 32} in seen["msip"]
    assert [(p["kind"], p["version"], p["view"], p["state"]) for p in seen["products"]] == [
        ("unified_labeling_client", "2.18.26.0", 32, "installed")
    ]
    assert {"source": "machine", "url": "http://pac.contoso.com/proxy.pac"} in seen["proxy"]["pac"]
    assert seen["proxy"]["machine"]["server"] == "proxy.contoso.com:8080"
    assert [(item["address"], item["cloud"]) for item in seen["redirections"]] == [("http://c/_wmcs", False)]
    assert seen["remote_desktop"]["session_host"]
    assert seen["ntlm"] == {"restrict_receiving": 2, "restrict_sending": None}
    assert [item["name"] for item in seen["office"]] == ["O365ProPlusRetail"]
    assert seen["citrix"]["excluded_processes"] == ["winword.exe", "excel.exe"]
    assert seen["citrix"]["hooked_processes"] == ["outlook.exe", "powerpnt.exe", "msip.app.exe", "msip.viewer.exe"]
    after, before = run.task("after", host)["host"], run.task("before", host)["host"]
    for fact in ("ntlm", "redirections", "remote_desktop", "office", "citrix"):
        assert after[fact] == before[fact] != seen[fact]
    assert after["msip"] == before["msip"] and after["products"] == before["products"] == []
