"""The scanner as whole modules: from nothing to discovery to enforcement, upgrades, and what is in the way."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from module_cycle import Json
from powershell_host import ROOT, PowerShellHost
from winfleet import scanner as fleet
from winfleet.directory import opened
from winfleet.prefix import CLIENT_MODULES
from winfleet.vendor.packages import CMDLETS

ACCOUNT, OTHER_ACCOUNT = r"CONTOSO\svc-scanner", r"CONTOSO\svc-other"
DATABASE = "AIPScannerUL_EU"
HOST: Json = {"cluster": "EU", "sql_instance": fleet.SERVER, "service_account": ACCOUNT, "evaluation": True}
PASSWORDS: Json = {"service_account_password": "Winfleet!scanner", "client_secret": "Winfleet!application"}
SIGN_IN: Json = {
    "application_id": fleet.APPLICATION,
    "tenant_id": fleet.TENANT_ID,
    "delegated_user": "scanner@contoso.test",
}
DISCOVERY: Json = {
    **HOST,
    **SIGN_IN,
    "configuration": "offline",
    "schedule": "manual",
    "discover": "all",
    "enforce": False,
    "repositories": [
        {"path": r"\\files\finance"},
        {"path": r"C:\scans", "relabel": True, "exclude_file_types": [".msg"]},
    ],
    "service_state": "started",
}
CLIENTS = {"2.18.26.0": "AzureInformationProtection", "3.1.310.0": "PurviewInformationProtection"}
REMOVE = r"""
foreach ($name in 'AIPScanner', 'MIPScanner') {
    $service = Get-Service -Name $name -ErrorAction Ignore
    if ($service) { Stop-Service -Name $name; Remove-Service -Name $name }
}
foreach ($key in 'winfleet\scanner', 'infoprotect.aip\Scanner', 'infoprotect.aip.restart') {
    Remove-Item -LiteralPath "HKLM:\SOFTWARE\$key" -Recurse -ErrorAction Ignore
}
"""
UNLOAD = "Remove-Module -Name AzureInformationProtection, PurviewInformationProtection -Force -ErrorAction Ignore"


class Host:
    """A host for scanners, as the tests change it."""

    def __init__(self, powershell: PowerShellHost) -> None:
        self.powershell = powershell
        self.state = powershell.disk / "windows/winfleet"

    def client(self, version: str | None) -> None:
        """The client of this version is installed alone, as far as its PowerShell module."""
        self.powershell.run(UNLOAD)
        for installed, module in CLIENTS.items():
            folder = self.powershell.disk / CLIENT_MODULES.removeprefix("C:\\").replace("\\", "/") / module
            manifest = folder / f"{module}.psd1"
            if installed == version:
                folder.mkdir(parents=True, exist_ok=True)
                root = rf"{CMDLETS}\{module}.psm1"
                manifest.write_text(
                    f"@{{ ModuleVersion = '{version}'; RootModule = '{root}'; FunctionsToExport = @('*') }}"
                )
            else:
                manifest.unlink(missing_ok=True)

    @contextmanager
    def fleet(self) -> Iterator[Json]:
        with opened(self.state, fleet.SCANNER, fleet.NEW) as data:
            yield data

    def database(self) -> Json:
        with self.fleet() as data:
            found: Json = data["servers"][fleet.SERVER]["databases"][DATABASE]
            return found

    def set(self, options: Json, *, check: bool = False, secrets: Json = PASSWORDS) -> Json:
        result = self.powershell.module("scanner", {**options, **secrets}, check=check)
        for secret in PASSWORDS.values():
            assert secret not in json.dumps({**result, "invocation": None})
        return result

    def ok(self, options: Json, **how: Any) -> Json:
        result = self.set(options, **how)
        assert not result.get("failed"), result["msg"]
        return result

    def scan(self, **options: Any) -> Json:
        return self.powershell.module("scanner_scan", options)


@pytest.fixture
def host(powershell: PowerShellHost) -> Iterator[Host]:
    one = Host(powershell)
    fleet.forget(one.state)
    fleet.prepare(one.state)
    one.client("2.18.26.0")
    yield one
    powershell.run(REMOVE)
    one.client(None)
    fleet.forget(one.state)


def actions(result: Json) -> list[str]:
    return [f"{one['action']} {one['product']}" for one in result["actions"]]


def test_from_nothing_to_discovery_and_enforcement(host: Host) -> None:
    predicted = host.ok(DISCOVERY, check=True)
    assert predicted["changed"] and not predicted["scanner"]["installed"]
    with host.fleet() as data:
        assert data["servers"][fleet.SERVER]["databases"] == {}
    done = host.ok(DISCOVERY)
    assert done["changed"] and set(actions(predicted)) >= set(actions(done))
    assert done["scanner"] | {"client_version": "", "nodes": []} == {
        "installed": True,
        "client_version": "",
        "service": {"name": "AIPScanner", "account": ACCOUNT, "state": "running"},
        "cluster": "EU",
        "sql_instance": fleet.SERVER,
        "database": DATABASE,
        "configuration": "offline",
        "enforce": False,
        "repositories": 2,
        "status": "idle",
        "scan_started": None,
        "nodes": [],
        "problem": None,
        "scan": {"scanned_files": 0, "failed_files": 0, "classified": 0, "labeled": 0},
    }
    database = host.database()
    assert (database["job"]["Enforce"], database["job"]["DiscoverInformationTypes"]) == ("Off", "All")
    first, second = database["repositories"]
    assert (first["Path"], first["OverrideContentScanJob"]) == (r"\\files\finance", "Off")
    assert (second["RelabelFiles"], second["ExcludeFileTypes"]) == ("On", ".msg")
    again = host.ok(DISCOVERY, secrets={})
    assert (again["changed"], again["actions"]) == (False, []), "without secrets, since there is nothing to do"

    enforcing = {**DISCOVERY, "enforce": True, "schedule": "always"}
    refused = host.set(enforcing)
    assert "No discovery scan has run yet" in refused["msg"] and host.database()["job"]["Enforce"] == "Off"
    assert host.scan(wait=True, timeout=60)["changed"]
    refused = host.set(enforcing)
    assert "set aip_scanner_enforce_confirm to true" in refused["msg"] and host.database()["job"]["Enforce"] == "Off"
    done = host.ok({**enforcing, "enforce_confirm": True})
    assert actions(done) == ["set content scan job: schedule", "set content scan job: enforce"]
    assert host.ok(enforcing)["changed"] is False, "no confirmation once it is on"
    assert host.database()["job"]["Enforce"] == "On"


@pytest.mark.full("modules")
def test_each_setting_changed_by_hand_is_found_and_mended(host: Host) -> None:
    host.ok(DISCOVERY)
    with host.fleet() as data:
        database = data["servers"][fleet.SERVER]["databases"][DATABASE]
        database["job"] |= {"Schedule": "Always", "RecommendedAsAutomatic": "True"}
        database["repositories"][0]["OverrideContentScanJob"] = "On"
        database["repositories"][1]["RelabelFiles"] = "Off"
    host.powershell.run(
        r"Set-ItemProperty -LiteralPath HKLM:\SOFTWARE\winfleet\scanner -Name OnlineConfiguration -Value On"
    )
    wanted = {**DISCOVERY, "recommended_as_automatic": False, "report_level": "debug", "service_state": "stopped"}
    expected = [
        "set online configuration",
        "set report level",
        "set content scan job: schedule",
        "set content scan job: recommended_as_automatic",
        r"set repository \\files\finance",
        r"set repository C:\scans",
        "stop service",
    ]
    # the schedule has started a scan, which stopping the service would cut off
    assert "a scan runs since" in host.set(wanted)["msg"]
    wanted["stop_scan"] = True
    predicted = host.ok(wanted, check=True)
    assert sorted(actions(predicted)) == sorted(expected)
    assert sorted(actions(host.ok(wanted, secrets={}))) == sorted(expected)
    database = host.database()
    assert (database["job"]["Schedule"], database["job"]["RecommendedAsAutomatic"]) == ("Manual", "False")
    assert [one["OverrideContentScanJob"] for one in database["repositories"]] == ["Off", "On"]
    assert host.ok(wanted)["changed"] is False


@pytest.mark.full("modules")
def test_repositories_are_added_and_removed_only_on_request(host: Host) -> None:
    host.ok(DISCOVERY)
    fewer = {**DISCOVERY, "repositories": [{"path": "\\\\FILES\\finance\\"}, {"path": "http://sp2016/Documents"}]}
    assert actions(host.ok(fewer)) == ["add repository http://sp2016/Documents"], "the other path is another spelling"
    assert len(host.database()["repositories"]) == 3
    exact = {**fewer, "repositories_exact": True}
    assert actions(host.ok(exact, check=True)) == [r"remove repository C:\scans"]
    assert actions(host.ok(exact)) == [r"remove repository C:\scans"]
    assert [one["Path"] for one in host.database()["repositories"]] == [r"\\files\finance", "http://sp2016/Documents"]
    assert host.ok(exact)["changed"] is False
    refused = host.set({**exact, "repositories": [{"path": r"\\files\finance", "enforce": True}]})
    assert r"enforcement is turned on for repository \\files\finance" in refused["msg"]


def test_an_upgrade_to_3_takes_the_database_along(host: Host) -> None:
    host.ok(DISCOVERY)
    # what the role does before the client of another line
    assert host.ok({"state": "absent"}, secrets={})["reboot_required"]
    host.client("3.1.310.0")
    assert host.database()["schema"] == 2
    predicted = host.ok(DISCOVERY, check=True)
    assert actions(predicted)[:2] == ["install scanner", "update database"]
    done = host.ok(DISCOVERY)
    assert done["scanner"]["service"]["name"] == "MIPScanner"
    assert host.database()["schema"] == 3
    assert [one["Path"] for one in host.database()["repositories"]] == [r"\\files\finance", r"C:\scans"]
    assert host.ok(DISCOVERY)["changed"] is False


@pytest.mark.full("modules")
def test_an_upgrade_within_a_line_updates_the_database_while_all_nodes_are_offline(host: Host) -> None:
    host.ok(DISCOVERY)
    host.powershell.run(
        r"Set-ItemProperty -LiteralPath HKLM:\SOFTWARE\infoprotect.aip\Scanner -Name DatabaseVersion -Value 2.16.73.0"
    )
    with host.fleet() as data:
        data["servers"][fleet.SERVER]["databases"][DATABASE]["nodes"]["SCAN02"] = {"online": True}
    refused = host.set(DISCOVERY, secrets={})
    assert "these are not: SCAN02" in refused["msg"] and refused["scanner"]["service"]["state"] == "running"
    with host.fleet() as data:
        data["servers"][fleet.SERVER]["databases"][DATABASE]["nodes"]["SCAN02"] = {"online": False}
    done = host.ok(DISCOVERY, secrets={})
    assert actions(done) == ["update database", "start service"]
    assert done["actions"][0]["before"] == "2.16.73.0"
    assert host.ok(DISCOVERY, secrets={})["changed"] is False


JSON = b'{"name": "EU"}'


def exported(content: bytes = JSON, **options: Any) -> Json:
    """The options with a file that the portal has exported, as the controller gives them."""
    file = {
        "configuration_file": "files/EU.json",
        "configuration_checksum": hashlib.sha256(content).hexdigest(),
        "configuration_content": base64.b64encode(content).decode(),
    }
    return {**HOST, **SIGN_IN, "service_state": "started", **file, **options}


def test_a_file_that_was_exported_from_the_portal_is_imported_once(host: Host) -> None:
    assert "may enforce" in host.set(exported())["msg"]
    wanted = exported(enforce_confirm=True)
    predicted = host.ok(wanted, check=True)
    assert actions(predicted)[-2:] == ["import configuration file", "start service"]
    done = host.ok(wanted)
    assert "import configuration file" in actions(done) and done["scanner"]["configuration"] == "offline"
    assert host.database()["imported"] == JSON.decode() and done["scanner"]["enforce"] is None
    again = host.ok(exported(), secrets={})
    assert (again["changed"], again["actions"]) == (False, []), "not even a confirmation is needed"

    # set online by hand
    host.powershell.run(
        r"Set-ItemProperty -LiteralPath HKLM:\SOFTWARE\winfleet\scanner -Name OnlineConfiguration -Value On"
    )
    assert actions(host.ok(exported(), secrets={})) == ["import configuration file"]
    changed = exported(b"[]")
    assert "may enforce" in host.set(changed)["msg"] and host.database()["imported"] == JSON.decode()
    done = host.ok({**changed, "enforce_confirm": True}, secrets={})
    assert done["actions"][0]["after"] == f"sha256:{changed['configuration_checksum']}"
    assert host.database()["imported"] == "[]" and host.ok(changed, secrets={})["changed"] is False
    # a job that was imported can be scanned
    assert host.scan(wait=True, timeout=60)["changed"]
    moved = {**changed, "cluster": "US", "enforce_confirm": True}
    assert "import configuration file" in actions(host.ok(moved))


SECOND: Json = {**DISCOVERY, "first_node": False}
SCAN_NODE = "SCAN01"


def other_node(host: Host, **state: Any) -> None:
    """What another node of the cluster has done, and whether its service runs."""
    with host.fleet() as data:
        database = data["servers"][fleet.SERVER]["databases"].setdefault(DATABASE, {})
        database.update(collation="Latin1_General_CI_AS", users={ACCOUNT: ["db_owner"]}, **state)
        database.setdefault("nodes", {})[SCAN_NODE] = {"online": True}


def test_a_second_node_joins_and_leaves_what_the_first_has_set(host: Host) -> None:
    shared: Json = {"schema": 2, "job": {"Enforce": "On", "Schedule": "Manual"}, "repositories": []}
    shared["repositories"].append({"Path": r"C:\first", "OverrideContentScanJob": "Off"})
    other_node(host, **shared)
    predicted = host.ok(SECOND, check=True)
    done = host.ok(SECOND)
    expected = ["install scanner", "authenticate scanner", "set online configuration", "start service"]
    assert actions(done) == actions(predicted) == expected
    assert {name: host.database()[name] for name in shared} == shared and not host.database()["updates"]
    assert [node["status"] for node in done["scanner"]["nodes"]] == ["idle", "idle"]
    assert host.ok(SECOND, secrets={})["changed"] is False
    # as the first one, it does not update a database that other nodes work with
    done = host.ok({**HOST, **SIGN_IN}, secrets={})
    assert done["changed"] is False and not host.database()["updates"]


@pytest.mark.full("modules")
def test_a_file_is_imported_once_for_a_cluster(host: Host) -> None:
    other_node(host, schema=2, imported="first")
    done = host.ok(exported(first_node=False))
    assert "set online configuration" in actions(done) and "import configuration file" not in actions(done)
    assert host.database()["imported"] == "first" and done["scanner"]["configuration"] == "offline"
    assert host.ok(exported(first_node=False), secrets={})["changed"] is False


def test_the_first_node_updates_the_database_and_the_second_waits_for_it(host: Host) -> None:
    """Both have the new client, and all nodes are offline, as Microsoft asks."""
    host.client("3.1.310.0")
    other_node(host, schema=2)
    with host.fleet() as data:
        data["servers"][fleet.SERVER]["databases"][DATABASE]["nodes"][SCAN_NODE]["online"] = False
    refused = host.set(SECOND)
    assert (
        "(DB schema is not up to date." in refused["msg"]
        and "The first node of the cluster updates it" in refused["msg"]
        and host.database()["schema"] == 2
    )
    assert refused["scanner"]["service"]["state"] == "stopped"
    assert host.ok(SECOND, check=True)["changed"], "which may come with the same run"
    with host.fleet() as data:
        data["servers"][fleet.SERVER]["databases"][DATABASE] |= {"schema": 3, "updates": 1}
    done = host.ok(SECOND)
    assert "start service" in actions(done) and "update database" not in actions(done)
    assert host.database()["updates"] == 1
    # once it is the first one, it knows that this was done
    assert host.ok({**HOST, **SIGN_IN}, secrets={})["changed"] is False
    assert host.database()["updates"] == 1


@pytest.mark.full("modules")
def test_the_first_node_updates_once(host: Host) -> None:
    host.client("3.1.310.0")
    other_node(host, schema=2)
    refused = host.set(DISCOVERY)
    assert f"these are not: {SCAN_NODE}" in refused["msg"] and not host.database()["updates"]
    with host.fleet() as data:
        data["servers"][fleet.SERVER]["databases"][DATABASE]["nodes"][SCAN_NODE]["online"] = False
    done = host.ok(DISCOVERY)
    assert actions(done)[0] == "update database" and host.database()["updates"] == 1
    assert host.ok(DISCOVERY)["changed"] is False


def server(**differs: Any) -> Json:
    found: Json = {**fleet.NEW["servers"][fleet.SERVER], **differs}
    return found


MADE = {"collation": "Latin1_General_CI_AS", "users": {ACCOUNT: ["db_owner"]}}
NOBODY = {"logins": {"*": {"sysadmin": False}}}
#: What is wrong with SQL Server, or with the options, and what the module says
MISSING: dict[str, tuple[Json, Json, str]] = {
    "unreachable": (server(reachable=False), {}, "Check the name, that the instance runs"),
    "unknown": (server(), {"sql_instance": "SQL99"}, "SQL Server SQL99 cannot be used"),
    "no login": (server(logins={}), {}, "Give this account a login"),
    "too old": (server(version="12.0.6024.0"), {}, "expected SQL Server 2016 (13.0) or later"),
    "collation": (server(collation="Latin1_General_CS_AS"), {}, "expected one that ignores case (_CI)"),
    "binary": (server(collation="Latin1_General_BIN2"), {}, "expected one that ignores case (_CI)"),
    "not sysadmin": (server(**NOBODY), {}, "is not sysadmin on"),
    "no access": (server(**NOBODY, databases={DATABASE: MADE}), {}, "has no access to the database"),
    "database": (
        server(databases={DATABASE: {**MADE, "collation": "Latin1_General_CS_AS"}}),
        {},
        f"database {DATABASE} on {fleet.SERVER} has the collation",
    ),
    "powershell only": (server(), {"powershell_only": True}, "The scanner needs the full client"),
    "host": (server(), {"evaluation": False}, "Take another host, or set aip_scanner_evaluation"),
    "account": (server(), {"service_account": "svc@contoso.test"}, "expected DOMAIN\\name of an Active Directory"),
    "cluster": (server(), {"cluster": "EU]; DROP"}, "expected letters, digits"),
    "path": (server(), {"repositories": [{"path": "files"}]}, "expected \\\\server\\share\\folder"),
    "wildcard": (server(), {"repositories": [{"path": r"C:\a*"}]}, "without wildcards"),
    "twice": (server(), {"repositories": [{"path": "C:\\a"}, {"path": "c:\\A\\"}]}, "twice"),
    "label": (server(), {"default_label_type": "custom"}, "without default_label_id"),
    "types": (server(), {"include_file_types": ["a"], "exclude_file_types": ["b"]}, "expected one of them"),
    "exact": (server(), {"repositories": None, "repositories_exact": True}, "expected the list of all repositories"),
    "online": (server(), {"configuration": "online"}, "are managed in the portal"),
    "no checksum": (server(), {"configuration_file": "a.json"}, "expected the SHA-256 checksum of configuration_file"),
    "online file": (
        server(),
        exported(configuration="online", repositories=None),
        "an import sets the scanner offline",
    ),
    "file and job": (server(), exported(), "the file replaces them"),
    "application": (server(), {"application_id": "x"}, "application_id is 'x': expected an id"),
}


def test_every_prerequisite_is_named_before_anything_is_changed(host: Host) -> None:
    for name, (one, options, message) in MISSING.items():
        with host.fleet() as data:
            data["servers"][fleet.SERVER] = one
        for check in (True, False):
            result = host.set({**DISCOVERY, **options}, check=check)
            assert result.get("failed") and not result.get("changed"), (name, result)
            assert message in result["msg"], name
        with host.fleet() as data:
            assert data["servers"][fleet.SERVER] == one and data["tokens"] == {}, name
    assert host.powershell.run("[bool](Get-Service -Name AIPScanner -ErrorAction Ignore)") is False


@pytest.mark.full("modules")
def test_a_database_that_was_made_before_needs_no_sysadmin(host: Host) -> None:
    login = host.powershell.run(r'"$([Environment]::UserDomainName)\$([Environment]::UserName)"')
    users = {login: ["db_owner"], OTHER_ACCOUNT: []}
    with host.fleet() as data:
        data["servers"][fleet.SERVER] = server(**NOBODY, databases={DATABASE: {**MADE, "users": users}})
    refused = host.set({**DISCOVERY, "service_account": OTHER_ACCOUNT})
    assert rf"the service account {OTHER_ACCOUNT} is not db_owner" in refused["msg"]
    users[ACCOUNT] = ["db_owner"]
    with host.fleet() as data:
        data["servers"][fleet.SERVER] = server(**NOBODY, databases={DATABASE: {**MADE, "users": users}})
    done = host.ok(DISCOVERY)
    assert any("Full Control on" in note for note in done["notes"])
    assert host.ok(DISCOVERY)["changed"] is False


PLAN = r"""
$state = [pscustomobject]@{
    Line = $case.line; Version = '2.18.26.0'; Service = $null; Configuration = $null; Job = $null; Repositories = $null
    Status = $null; Problem = ''
}
$option = @{ state = 'present'; cluster = 'EU'; sql_instance = 'SQL01\AIP'; service_account = 'CONTOSO\svc-scanner' }
$option += @{ service_state = 'started'; first_node = $true }
(Get-ScannerPlan -Option $option -Fact $case.fact -State $state).Refused -join '; '
"""
FIT: Json = {
    "os": {"product": "2019", "name": "Windows Server 2019", "architecture": "AMD64"},
    "processors": 4,
    "memory_mb": 8191,
    "disks": [{"name": "C:\\", "free_gb": 10.5, "system": True}],
}


def test_what_microsoft_asks_of_a_host(host: Host) -> None:
    windows_2022 = {**FIT["os"], "product": "2022", "name": "Windows Server 2022"}
    cases: list[tuple[int, Json, str]] = [
        (2, {}, ""),
        (3, {"os": windows_2022}, ""),
        (
            2,
            {"os": windows_2022},
            "the scanner needs 64-bit Windows Server 2012r2, 2016, 2019, and this is Windows Server 2022",
        ),
        (2, {"os": {**FIT["os"], "product": "other", "name": "Windows 10"}}, "and this is Windows 10"),
        (2, {"processors": 3}, "the scanner needs 4 processor cores, and this host has 3"),
        (2, {"memory_mb": 4095}, "the scanner needs 8 GB of memory, and this host has 4095 MB"),
        (
            2,
            {"disks": [{"free_gb": 9.9, "system": True}, {"free_gb": 99, "system": False}]},
            "and this host has 9.9 GB",
        ),
    ]
    found = host.powershell.each(PLAN, [{"line": line, "fact": {**FIT, **differs}} for line, differs, _ in cases])
    for (_line, differs, expected), text in zip(cases, found, strict=True):
        assert expected in text if expected else text == "", differs


UNREADABLE = r"""
$service = [pscustomobject]@{
    Name = 'AIPScanner'; Title = ''; Line = 2; Account = 'CONTOSO\svc-scanner'; Status = 'Stopped'
}
$state = [pscustomobject]@{
    Line = 2; Version = '2.18.26.0'; Service = $service; Configuration = $null; Job = $null; Repositories = $null
    Status = $null; Problem = 'No such column.'; Outdated = $case.outdated; Unreadable = 'it was not read'
}
$option = @{ state = 'present'; cluster = 'EU'; sql_instance = 'SQL01\AIP'; service_account = 'CONTOSO\svc-scanner' }
$option.first_node = $case.first
$plan = Get-ScannerPlan -Option $option -Fact @{} -State $state
"$($plan.Steps.Do) $($plan.Refused)"
"""


def test_a_database_that_a_newer_client_cannot_read_is_updated(host: Host) -> None:
    with host.fleet() as data:
        data["servers"][fleet.SERVER] = server(databases={DATABASE: MADE})
    cannot = "cannot be read: No such column."
    assert host.powershell.run(UNREADABLE, {"outdated": True, "first": True}).strip() == "update"
    assert cannot in host.powershell.run(UNREADABLE, {"outdated": True, "first": False})
    assert cannot in host.powershell.run(UNREADABLE, {"outdated": False, "first": True})
    with host.fleet() as data:
        data["servers"][fleet.SERVER]["reachable"] = False
    assert cannot in host.powershell.run(UNREADABLE, {"outdated": True, "first": True})


def test_the_client_may_come_with_the_same_run(host: Host) -> None:
    host.client(None)
    result = host.ok(DISCOVERY, check=True)
    assert result["changed"] and not result["scanner"]["client_version"]
    refused = host.set(DISCOVERY)
    assert "once the full client 2.x or 3.x is (aip_client_product)" in refused["msg"] and not refused["changed"]


@pytest.mark.full("modules")
def test_a_sql_server_that_is_gone_is_named_and_nothing_is_changed(host: Host) -> None:
    host.ok(DISCOVERY)
    with host.fleet() as data:
        data["servers"][fleet.SERVER]["reachable"] = False
    for check in (True, False):
        result = host.set({**DISCOVERY, "schedule": "always"}, check=check)
        assert "the scanner's configuration cannot be read: A network-related" in result["msg"]
        assert not result["changed"] and "Check that SQL Server SQL01\\AIP runs" in result["msg"]
    assert "cannot be asked" in host.scan()["msg"]
    info = host.powershell.module("scanner_info")["scanner"]
    assert (info["problem"][:17], info["cluster"], info["service"]["state"]) == ("A network-related", None, "running")
    removed = host.ok({"state": "absent"})
    assert actions(removed) == ["remove scanner"], "which needs no server"


@pytest.mark.full("modules")
def test_a_scanner_without_counts_is_managed_all_the_same(host: Host) -> None:
    host.powershell.run(
        """function global:Get-StatusOnly {
            [CmdletBinding()] param ()
            if ($PSBoundParameters['Verbose']) { throw 'No counts.' }
            AzureInformationProtection\\Get-AIPScannerStatus
        }
        # before the function of the module, which is loaded again and again
        Set-Alias -Name Get-AIPScannerStatus -Value Get-StatusOnly -Scope Global"""
    )
    try:
        host.ok(DISCOVERY)
        assert host.ok({**DISCOVERY, "schedule": "always"})["changed"]
        info = host.powershell.module("scanner_info")["scanner"]
    finally:
        host.powershell.run("Remove-Item -LiteralPath Alias:\\Get-AIPScannerStatus, Function:\\Get-StatusOnly")
    assert (info["problem"], info["cluster"], info["scan"]) == (None, "EU", None)
    assert info["status"] and info["repository_states"] == []


@pytest.mark.full("modules")
def test_a_running_scan_goes_on_with_its_settings(host: Host) -> None:
    with host.fleet() as data:
        data["scan_seconds"] = 600
    host.ok(DISCOVERY)
    assert host.scan()["changed"] and host.scan()["changed"] is False
    assert "A scan runs" in host.scan(reset=True)["msg"]
    changed = host.ok({**DISCOVERY, "label_by_content": False})
    assert changed["changed"] and "It goes on with the settings" in changed["notes"][0]
    for options in ({"state": "absent"}, {**DISCOVERY, "service_state": "stopped"}, {**DISCOVERY, "cluster": "US"}):
        refused = host.set(options)
        assert "set aip_scanner_stop_scan" in refused["msg"] and not refused["changed"], options
    assert "has not ended within 1 seconds" in host.scan(wait=True, timeout=1)["msg"]
    assert host.scan(state="stopped", wait=True, timeout=60)["scanner"]["status"] == "idle"
    assert host.ok({"state": "absent"})["changed"]


FAILS: dict[str, tuple[Json, Json, str]] = {
    "password": (
        {},
        {"service_account_password": "wrong"},
        "Install-AIPScanner failed: The user name or password is incorrect",
    ),
    "no password": ({}, {"service_account_password": None}, "aip_scanner_service_account_password"),
    "secret": ({}, {"client_secret": "wrong"}, "AADSTS7000215"),
    "no secret": ({}, {"client_secret": None}, "aip_scanner_client_secret"),
    "application": ({"application_id": fleet.TENANT_ID}, {}, "AADSTS700016"),
    "tenant": ({"tenant_id": fleet.APPLICATION}, {}, "AADSTS90002"),
}


@pytest.mark.full("modules")
@pytest.mark.parametrize("name", FAILS)
def test_what_fails_half_way_is_named_and_the_next_run_goes_on(host: Host, name: str) -> None:
    options, secrets, message = FAILS[name]
    result = host.set({**DISCOVERY, **options}, secrets={**PASSWORDS, **secrets})
    assert result["failed"] and message in result["msg"]
    if "password" not in name:
        assert "Done before: install scanner. Running this again goes on from there." in result["msg"]
    assert host.ok(DISCOVERY)["changed"] and host.ok(DISCOVERY)["changed"] is False


@pytest.mark.full("modules")
def test_a_renewed_secret_and_another_account_or_cluster(host: Host) -> None:
    host.ok(DISCOVERY)
    renewed = {**DISCOVERY, "authentication_id": "secret of 2027"}
    assert actions(host.ok(renewed)) == ["authenticate scanner"] and host.ok(renewed, secrets={})["changed"] is False
    moved = {**renewed, "service_account": OTHER_ACCOUNT, "cluster": "US"}
    done = host.ok(moved, secrets={**PASSWORDS, "service_account_password": "Winfleet!other"})
    assert {"set scanner", "authenticate scanner", r"add repository \\files\finance"} <= set(actions(done))
    assert (done["scanner"]["cluster"], done["scanner"]["service"]["account"]) == ("US", OTHER_ACCOUNT)
    assert host.ok(moved, secrets={})["changed"] is False


@pytest.mark.full("modules")
def test_facts_and_reports(host: Host) -> None:
    nothing = host.powershell.module("scanner_info")["scanner"]
    assert (nothing["installed"], nothing["client_version"], nothing["reports"]) == (False, "2.18.26.0", [])
    host.ok(DISCOVERY)
    host.scan(wait=True, timeout=60)
    folder = host.powershell.disk / "reports"
    folder.mkdir()
    (folder / "Summary_1.txt").write_text("one")
    info = host.powershell.module("scanner_info", {"reports_folder": r"C:\reports"})["scanner"]
    assert (info["scan"]["scanned_files"], info["scan"]["failed_files"]) == (2280, 0)
    assert info["scan_started"].startswith("20")
    assert info["job"]["enforce"] == "Off" and info["paths"] == [r"\\files\finance", r"C:\scans"]
    assert {one["status"] for one in info["repository_states"]} == {"finished"}
    assert [(one["path"], one["size"]) for one in info["reports"]] == [(r"C:\reports\Summary_1.txt", 3)]
    # no emulated host has this event log, or a profile of the account
    default = host.powershell.module("scanner_info")["scanner"]
    assert default["reports"] == [] and any(one["what"] == "reports" for one in default["unreadable"])


VAULT = {"{{ vault_scanner_password }}": "Winfleet!scanner", "{{ vault_scanner_secret }}": "Winfleet!application"}


def examples(module: str) -> list[Json]:
    """The options of each example of a module's documentation."""
    text = (ROOT / f"plugins/modules/{module}.yml").read_text(encoding="utf-8")
    tasks = yaml.safe_load(yaml.safe_load(text)["EXAMPLES"])
    name = f"infoprotect.aip.{module}"
    return [task[name] or {} for task in tasks if name in task]


@pytest.mark.full("modules")
def test_examples(host: Host) -> None:
    """As they stand, in their order, but for what an emulated host lacks."""
    install, enforce, imported, join, remove = examples("scanner")
    start, stop = examples("scanner_scan")
    (look,) = examples("scanner_info")
    install = {name: VAULT.get(value, value) if isinstance(value, str) else value for name, value in install.items()}
    assert host.ok({**install, "evaluation": True}, secrets={})["changed"]
    assert host.scan(**start)["changed"]
    assert host.scan(**stop)["scanner"]["status"] == "idle"
    assert host.powershell.module("scanner_info", look)["scanner"]["scan_started"]
    assert host.ok(enforce, secrets={})["scanner"]["enforce"] is True
    content = {name: exported()[name] for name in ("configuration_checksum", "configuration_content")}
    assert actions(host.ok({**imported, **content, "stop_scan": True}, secrets={})) == ["import configuration file"]
    join = {name: VAULT.get(value, value) if isinstance(value, str) else value for name, value in join.items()}
    assert host.ok(join, secrets={})["changed"] is False, "this node has joined"
    assert host.ok({**remove, "stop_scan": True}, secrets={})["scanner"]["installed"] is False


@pytest.mark.full("modules")
def test_desired_state_says_what_the_module_does(host: Host) -> None:
    found = host.powershell.module("desired_state", {"scanner": DISCOVERY}, check=True)
    assert found["domains"]["scanner"]["compliant"] is False and found["host"]["scanner"]["installed"] is False
    predicted = host.ok(DISCOVERY, check=True)
    assert found["domains"]["scanner"]["changes"] == predicted["actions"]
    host.ok(DISCOVERY)
    found = host.powershell.module("desired_state", {"scanner": DISCOVERY}, check=True)
    assert found["compliant"] and found["host"]["scanner"]["cluster"] == "EU"
    # what the report shows of it: no emulated host has this event log
    assert found["host"]["scanner"]["scan"]["scanned_files"] == 0 and found["host"]["scanner"]["errors"] == []
    assert "event log" in found["domains"]["scanner"]["notes"][-1]
    refused = host.powershell.module("desired_state", {"scanner": {**DISCOVERY, "enforce": True}}, check=True)
    assert "No discovery scan has run yet" in refused["domains"]["scanner"]["obstacles"][0]
