"""The examples of each module's documentation run as they stand, one after the other, and are undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from winfleet import vendor

from ..ansible_runner import ROOT, AnsiblePlaybook, Json, reset_hosts
from ..certificates import PASSWORD, Certificate, make_certificate
from ..conftest import bin_fleet
from ..installed_clients import prepare_task, share_packages
from ..registry_export import export_task, exported

HOST = "connector-2"
# Those that have what a module is for; the .NET Framework of client-2016 is older than the one of the example.
HOSTS = {
    "connector_https": "connector-3",
    "connector_settings": "connector-3",
    "dotnet_framework": "client-2016",
    "exchange_irm": "exchange-1",
    "irm_server": "exchange-1",
    **dict.fromkeys(
        (
            "protection_service",
            "protection_service_info",
            "protection_service_log",
            "protection_service_module",
            "protection_service_template",
            "protection_service_administrator",
        ),
        "admin-2019",
    ),
    "rms_connector_health": "connector-3",
    "rms_pool_turn": "connector-3",
    "sharepoint_irm": "sharepoint-2016",
}
SERVER = r"exchange=CONTOSO\EX-01$"  # a connector serves only with an authorized account
# What examples take from a vault: secrets of the fleet's tenant
VARIABLES = {"vault_tenant_password": "Winfleet!tenant", "vault_tenant_token": "winfleet.access.token"}
VARIABLES |= {"vault_connector_pfx_password": PASSWORD, "vault_exchange_password": "{{ winfleet_password }}"}
# the host has this version, so no package is brought over
VARIABLES |= {"aipservice_checksum": "0" * 64, "sha256_of_wmf_2012r2": "0" * 64}
# Those whose examples need something else than a host of this fleet, and the unit tests that run them
ELSEWHERE = {
    "awx_objects": "awx/test_objects.py",
    "irm_server_import": "test_old_powershell.py",
    "protection_service_graph_info": "test_graph.py",
    **dict.fromkeys(("scanner", "scanner_info", "scanner_scan"), "powershell/test_scanner.py"),
}
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.yml") if path.stem not in ELSEWHERE)
MODULES_BY_HOST: dict[str, list[str]] = {}
# the health check runs before other examples stop the connector
for module in sorted(MODULES, key=lambda module: module != "rms_connector_health"):
    MODULES_BY_HOST.setdefault(HOSTS.get(module, HOST), []).append(module)
# The files that the examples name, beside the playbook and on a share -> stand-ins of them
INSTALLERS = {
    "AzInfoProtection_UL.exe": "AzInfoProtection_UL-2.18.26.exe",
    "PurviewInfoProtection.exe": "PurviewInfoProtection-3.1.310.exe",
    "RMSConnectorSetup.exe": "RMSConnectorSetup-3.0.0.exe",
    "NDP472-KB4054530-x86-x64-AllOS-ENU.exe": "NDP472-KB4054530-x86-x64-AllOS-ENU.exe",
}
KEYS = [
    r"HKLM\SOFTWARE\Contoso",
    r"HKLM\SOFTWARE\WOW6432Node\Contoso",
    r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP",
    r"HKLM\SOFTWARE\Microsoft\MSIPC",
    r"HKLM\SOFTWARE\Microsoft\MSDRM",
    r"HKLM\SOFTWARE\Microsoft\AADRM\Connector",
    r"HKLM\SOFTWARE\Microsoft\ExchangeServer\v15\IRM",
    r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols",
]

# Keys of which the defaults do not know, or which they leave behind empty
REMOVE_KEYS = r"""
foreach ($key in 'Contoso', 'WOW6432Node\Contoso', 'Microsoft\MSIPC') {
    $path = Join-Path -Path HKLM:\SOFTWARE -ChildPath $key
    if (Test-Path -LiteralPath $path) { Remove-Item -LiteralPath $path -Recurse }
}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A playbook's folder of files, which the hosts have as a share, too."""
    folder = tmp_path_factory.mktemp("playbook") / "files"
    folder.mkdir()
    for name, installer in INSTALLERS.items():
        (folder / name).symlink_to(vendor.packages()[installer])
    return folder


@pytest.fixture(scope="module")
def certificate(files: Path) -> Certificate:
    """rmsconnector.pfx among the files."""
    return make_certificate(files, "rmsconnector")


#: Their modules are tested one by one in the default run, by whole files of tests or by unit tests
FULL = ("admin-2019", "exchange-1", "sharepoint-2016")


@pytest.mark.parametrize(
    "host",
    [
        # connector-3 has the administration tool
        pytest.param(
            host, marks=[pytest.mark.hosts(host, "connector-3"), *([pytest.mark.full] if host in FULL else [])]
        )
        for host in MODULES_BY_HOST
    ],
)
def test_examples(playbook: AnsiblePlaybook, files: Path, certificate: Certificate, host: str) -> None:
    """What a module did is undone once, after the examples of all modules of a host."""
    share_packages([host], files)
    first: dict[str, Any] = {"path": r"HKLM:\SOFTWARE\Contoso\Base", "data": "base"}
    absent = {"tls": {"state": "absent"}, "client_settings": {"state": "absent"}}
    as_new = [
        {"name": "defaults", "infoprotect.aip.desired_state": absent},
        {"name": "no keys", "ansible.windows.win_powershell": {"script": REMOVE_KEYS}},
    ]
    examples = [example for module in MODULES_BY_HOST[host] for example in (*examples_of(module), *as_new)]
    tasks = [
        prepare_task("no client yet", None),
        *as_new,
        export_task("before", *KEYS),
        {"name": "first", "infoprotect.aip.registry_values": {"values": [first]}},
        *examples,
        prepare_task("no client", None),
        export_task("after", *KEYS),
    ]
    variables = VARIABLES | {"connector_thumbprint": certificate.thumbprint}
    play = {"name": host, "hosts": host, "gather_facts": False, "vars": variables, "tasks": tasks}
    file = files.parent / f"{host}.yml"
    file.write_text(yaml.safe_dump([play], allow_unicode=True, sort_keys=False), encoding="utf-8")
    bin_fleet("authorize", "--all", SERVER)
    try:
        run = playbook.run(file)
    finally:
        bin_fleet("authorize", "--all", "--remove", SERVER)
    ran = [name for name, _host, result in run.results if not result.get("skipped")]
    assert {example["name"] for example in examples if "when" not in example} <= set(ran)
    after, before = exported(run.task("after", host)), exported(run.task("before", host))
    assert {key: values for key, values in after.items() if values} == {k: v for k, v in before.items() if v}
    if host != HOST:
        reset_hosts(host)  # of the restart that is due then


def examples_of(module: str) -> list[Json]:
    """The tasks of a module's documentation, without restarts and long waits, which are not the module's."""
    documentation = yaml.safe_load(Path(ROOT, f"plugins/modules/{module}.yml").read_text(encoding="utf-8"))
    examples = [
        example for example in yaml.safe_load(documentation["EXAMPLES"]) if "ansible.windows.win_reboot" not in example
    ]
    name = f"infoprotect.aip.{module}"
    assert any(name in example for example in examples)
    for options in (example.get(name) or {} for example in examples):
        options.pop("reboot", None)
        if "patience" in options:
            options["patience"] = 10
    return examples
