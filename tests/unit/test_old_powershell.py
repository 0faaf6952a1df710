"""Hosts without Windows PowerShell 5.1: what is decided about them, and the scripts that become command lines."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import load_action
from ansible_collections.infoprotect.aip.plugins.plugin_utils import bootstrap, irm_server_raw, old_powershell
from ansible_collections.infoprotect.aip.plugins.plugin_utils.bootstrap import Host, Package

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SHA256 = "0" * 64
PACKAGES = {name: Package(f"https://files.contoso.test/{name}", SHA256) for name in bootstrap.PACKAGES}
NO_PACKAGES = {name: Package() for name in bootstrap.PACKAGES}
R2 = Host("Windows Server 2012 R2 Standard", 9600, True, "4.0", 378675, False, False, False, 40000)
TENANT = "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com"
CONNECTOR = "https://rms.contoso.test"


def script(command: str) -> str:
    """The script in a command line of PowerShell."""
    assert len(command) <= old_powershell.COMMAND_LINE
    return base64.b64decode(command.rsplit(" ", 1)[1]).decode("utf-16-le")


class Server:
    """A host that answers scripts by what they contain."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.check_mode = False

    def run(self, action: str, variables: Json | None = None, **options: Any) -> Json:
        known = {"inventory_hostname": "h", "group_names": ["exchange_servers"], "hostvars": {}, "groups": {}}
        known |= variables or {}
        plugin = load_action(action, options, check_mode=self.check_mode, variables=known, transport="winrm")
        plugin._low_level_execute_command = self._execute
        return dict(plugin.run(task_vars=known))

    def _execute(self, command: str) -> Json:
        # cores before 2.19 leave the encoding to the connection
        text = script(command) if command.startswith(old_powershell.POWERSHELL) else command
        kind = next(name for name in self.answers if KINDS[name] in text)
        self.asked.append(kind)
        answer = self.answers[kind]
        answer = answer.pop(0) if isinstance(answer, list) else answer
        if isinstance(answer, str):
            return {"rc": 1, "stdout": "", "stderr": answer}
        return {"rc": 0, "stdout": json.dumps(answer).replace(",", ",\r\n"), "stderr": ""}


#: What only one of the scripts has in it
KINDS = {
    "look": "free_mb =",
    "put": "WriteAllText($file, $job)",
    "start": "@{ busy = $busy }",
    "poll": "AddSeconds(20)",
    "clean": "Delete($folder, $true)",
    "server": "msdrm.dll",
    "import": "reg.exe import",
}
FACTS = {"server": True, "product": R2.product, "build": 9600, "powershell": "4.0", "dotnet": 378675, "exchange": False}
FACTS |= {"restart_pending": False, "running": False, "free_mb": 40000}


def test_what_a_host_lacks() -> None:
    assert bootstrap.missing(R2, PACKAGES) == ["dotnet", "wmf"]
    # 4.5.2 is enough for WMF where the operator has no package of .NET
    assert bootstrap.missing(replace(R2, dotnet=379893), NO_PACKAGES) == ["wmf"]
    assert bootstrap.missing(replace(R2, dotnet=379893), PACKAGES) == ["dotnet", "wmf"]
    assert bootstrap.missing(replace(R2, powershell="5.1.14409.1005", dotnet=394802), PACKAGES) == []
    assert bootstrap.package_for("wmf", R2) == "wmf_2012r2"


@pytest.mark.parametrize(
    ("changes", "packages", "expected"),
    [
        ({}, PACKAGES, []),
        (
            {"build": 17763, "product": "Windows Server 2019"},
            PACKAGES,
            ["Windows Server 2019 (build 17763) is neither"],
        ),
        ({"server": False, "product": "Windows 8.1"}, PACKAGES, ["Windows 8.1 (build 9600) is neither"]),
        ({"exchange": True}, PACKAGES, ["Exchange Server is installed"]),
        ({"free_mb": 10}, PACKAGES, ["the system drive has 10 MB free, aip_bootstrap_free_mb asks for 5000"]),
        (
            {},
            NO_PACKAGES,
            [
                "aip_bootstrap_dotnet_url is not defined, and the host (Windows Server 2012 R2, PowerShell 4.0, .NET",
                "aip_bootstrap_wmf_2012r2_url is not defined",
            ],
        ),
    ],
)
def test_what_is_in_the_way(changes: Json, packages: bootstrap.Packages, expected: list[str]) -> None:
    found = bootstrap.obstacles(replace(R2, **changes), packages, 5000)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("url", "checksum", "allow_http", "wrong"),
    [
        ("https://h/f", SHA256, False, False),
        ("https://h/f?token=1", "A" * 64, False, False),
        ("http://h/f", SHA256, False, True),
        ("http://h/f", SHA256, True, False),
        ("https://user:secret@h/f", SHA256, True, True),
        ("https://h/", SHA256, False, True),
        ("https://h/" + "x" * 251, SHA256, False, True),
        ("https://h/f\n", SHA256, False, True),
        ("https://h/f", "0" * 63, False, True),
        ("https://h/f", "", False, True),
        ("", SHA256, False, True),
        ("", "", False, False),
    ],
)
def test_packages_that_cannot_be_right(url: str, checksum: str, allow_http: bool, wrong: bool) -> None:
    packages = bootstrap.packages_of({"dotnet": {"url": url, "checksum": checksum}, "wmf_2012": None})  # type: ignore[dict-item]
    assert bootstrap.wrong_packages(packages, allow_http) == (["aip_bootstrap_dotnet"] if wrong else [])


@pytest.mark.parametrize("name", ["put", "start", "poll", "clean", "look"])
def test_scripts_of_the_bootstrap_fit_into_a_command_line(name: str) -> None:
    files = [{"url": "https://packages.contoso.test/" + "x" * 250, "checksum": SHA256, "file": "dotnet.exe"}] * 2
    job = bootstrap.job_text("fetch", {"packages": files, "text": "it's"})
    text = script(old_powershell.encoded(bootstrap.script(name, job)))
    assert (name == "start") == ('\n"@\n' in text), "a here-string ends at the beginning of a line"
    assert ("function Test-ExchangeServer" in text) == (name == "look")
    assert ("it''s" in text) == (name == "put")
    assert not re.search(r"(?m)^\s*#", text), "comments take room"


def test_a_job_keeps_its_name_while_it_stays_the_same() -> None:
    """An interrupted run finds its own job."""
    names = [
        re.search(r"job-(\w{40})", bootstrap.script(step, bootstrap.job_text("fetch", {"packages": packages})))
        for step, packages in (("put", []), ("start", []), ("start", [1]))
    ]
    put, start, other = (found[1] if found else "" for found in names)
    assert put == start != other


def test_a_look_says_what_would_be_done() -> None:
    server = Server(look=FACTS)
    server.check_mode = True
    given = {name: {"url": one.url, "checksum": one.checksum} for name, one in PACKAGES.items()}
    found = server.run("bootstrap", step="look", packages=given)
    assert (found["missing"], found["obstacles"]) == (["dotnet", "wmf"], [])
    assert [file["file"] for file in found["files"]] == ["dotnet.exe", "wmf.msu"]
    assert found["files"][1]["url"].endswith("/wmf_2012r2")
    assert found["summary"] == ("Would install .NET Framework, Windows Management Framework 5.1 and restart the host.")
    nothing = server.run("bootstrap", step="look")
    assert nothing["files"] == [] and "aip_bootstrap_wmf_2012r2_url is not defined" in nothing["summary"]
    wrong = server.run("bootstrap", step="look", packages={"dotnet": {"url": "ftp://h/f"}})
    assert wrong["failed"] and "aip_bootstrap_dotnet: _url has to be" in wrong["msg"]
    assert server.asked == ["look", "look"], "wrong variables contact no host"
    assert server.run("bootstrap", step="clean")["skipped"]


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_delay")
def test_an_installation_waits_for_another_job_and_for_its_own_end() -> None:
    done = {"running": False, "result": {"code": 3010, "log": []}}
    server = Server(put={}, start=[{"busy": True}, {"busy": False}], poll=[{"running": True, "result": {}}, done])
    found = server.run("bootstrap", step="install", package="dotnet")
    assert (found["changed"], found["restart"], found["result"]["code"]) == (True, True, 3010)
    assert server.asked == ["put", "start", "start", "poll", "poll"]
    at_once = {"running": False, "result": {"code": 0, "log": []}}
    quiet = Server(put={}, start={"busy": False}, poll=at_once)
    assert not quiet.run("bootstrap", step="install", package="dotnet")["restart"]
    assert quiet.run("bootstrap", step="install", package="wmf")["restart"], "whatever its exit code"


@pytest.mark.usefixtures("no_delay")
def test_the_result_of_the_job_before_is_not_that_of_an_installation() -> None:
    before = {"running": False, "result": {}}
    done = {"running": False, "result": {"code": 0, "log": []}}
    server = Server(put={}, start={"busy": False}, poll=[before, done])
    assert server.run("bootstrap", step="install", package="dotnet")["result"]["code"] == 0
    assert server.asked == ["put", "start", "poll", "start", "poll"]
    never = Server(put={}, start={"busy": False}, poll=before)
    found = never.run("bootstrap", step="install", package="dotnet")
    assert found["failed"] and "ended without a result of its own" in found["msg"]


@pytest.mark.usefixtures("no_delay")
@pytest.mark.parametrize(
    ("poll", "message"),
    [
        (
            {"running": False, "result": {"code": 1603, "log": ["a", "b"]}},
            "Installing .NET Framework failed with exit code 1603 (fatal error). Last lines of its log: a | b",
        ),
        (
            {"running": False, "result": {"code": 7, "log": []}},
            "Installing .NET Framework failed with exit code 7 (unknown). It left no log.",
        ),
        ({"running": False, "result": {"error": "killed"}}, "Installing .NET Framework failed: killed"),
        ({"running": True, "result": {}}, "a job runs on the host and did not end within 20 s"),
        ("no space", "Installing .NET Framework failed: no space"),
    ],
)
def test_what_stops_an_installation(poll: Any, message: str) -> None:
    server = Server(put={}, start={"busy": False}, poll=poll)
    found = server.run("bootstrap", step="install", package="dotnet", timeout=20)
    assert found["failed"] and message in found["msg"]


def test_an_answer_without_json_is_an_error() -> None:
    with pytest.raises(old_powershell.OldPowerShellError, match="expected an object of JSON"):
        old_powershell.answer_of("'schtasks' is not recognized")


# -- Exchange servers that keep their PowerShell -----------------------------------------------------------------------

EXCHANGE = {"exchange": "15.1.2507", "connector": False, "msdrm": "6.3.9600.0", "values": []}


def test_the_look_at_an_exchange_server_fits_into_a_command_line() -> None:
    text = script(old_powershell.encoded(irm_server_raw.look([r"SOFTWARE\Microsoft\MSIPC\ServiceLocation\X"] * 8)))
    assert "function Test-ExchangeServer" in text and r"$keys = 'SOFTWARE\Microsoft\MSIPC\ServiceLocation\X'" in text
    assert "#" not in text, "comments take room"


@pytest.mark.parametrize(
    ("changes", "product"),
    [
        ({"exchange": "none"}, "exchange"),
        ({"exchange": "15.0.774"}, "exchange"),
        ({"exchange": "15.2.1"}, "exchange"),
        ({"connector": True}, "exchange"),
        ({"msdrm": "none"}, "exchange"),
        ({"msdrm": "6.1.7600.16385"}, "exchange"),
        ({}, "sharepoint"),
        ({}, "exchange and fci"),
    ],
)
def test_servers_that_cannot_be_led_to_a_connector(changes: Json, product: str) -> None:
    server = irm_server_raw.Server(**{**EXCHANGE, **changes})
    assert "this can only be Exchange 2013 with Cumulative Update 3" in irm_server_raw.refusal(server, product)


@pytest.mark.parametrize("changes", [{}, {"exchange": "15.0.775"}, {"msdrm": "0.0.0.0"}])
def test_servers_that_can(changes: Json) -> None:
    assert irm_server_raw.refusal(irm_server_raw.Server(**{**EXCHANGE, **changes}), "exchange") == ""


def lead(server: Server, **options: Any) -> Json:
    given = {"connector_url": CONNECTOR, "tenant_url": TENANT, **options}
    return server.run("irm_server_import", **given)


def test_a_server_is_led_to_the_connector_and_then_complies() -> None:
    imported: list[str] = []
    server = Server(server=EXCHANGE, **{"import": {}})
    execute: Callable[[str], Json] = server._execute

    def keep(command: str) -> Json:
        imported.append(script(command) if command.startswith(old_powershell.POWERSHELL) else command)
        return execute(command)

    server._execute = keep  # type: ignore[method-assign]
    found = lead(server)
    assert (found["changed"], found["reboot_required"]) == (True, False)
    text = imported[1].replace("\r\n", "\n")
    assert "$text = @'\nWindows Registry Editor Version 5.00\n" in text and "\n\n'@\n" in text
    values = [
        {"key": key, "name": name.replace('\\"', '"').strip('"@'), "data": data}
        for key, name, data in re.findall(r'\[HKEY_LOCAL_MACHINE\\([^\]]+)\]\n(@|".*?")="(.*?)"', text)
    ]
    assert len(values) > 3
    again = lead(Server(server={**EXCHANGE, "values": values}))
    assert not again["changed"]


def test_example() -> None:
    """That of the module's documentation."""
    documentation = yaml.safe_load((ROOT / "plugins/modules/irm_server_import.yml").read_text(encoding="utf-8"))
    (example,) = yaml.safe_load(documentation["EXAMPLES"])
    assert lead(Server(server=EXCHANGE, **{"import": {}}), **example["infoprotect.aip.irm_server_import"])["changed"]


def test_a_server_of_another_connector_is_moved_only_by_force() -> None:
    key = r"SOFTWARE\Microsoft\MSIPC\ServiceLocation\EnterprisePublishing"
    other = {**EXCHANGE, "values": [{"key": key, "name": "", "data": "https://rms-old.contoso.test/_wmcs/licensing"}]}
    server = Server(server=other, **{"import": {}})
    refused = lead(server)
    assert refused["failed"] and "is set to use https://rms-old.contoso.test/_wmcs/licensing" in refused["msg"]
    assert server.asked == ["server"]
    moved = lead(server, force=True)
    assert (moved["changed"], moved["reboot_required"]) == (True, True)
    server.check_mode = True
    assert lead(server, force=True)["changed"] and server.asked.count("import") == 1


def test_the_tenant_is_the_one_that_was_asked_for() -> None:
    prepared = {"aip_apply_prepared": {"tenants": {CONNECTOR: TENANT}, "asks_service": False}}
    server = Server(server=EXCHANGE, **{"import": {}})
    assert server.run("irm_server_import", prepared, connector_url=CONNECTOR)["changed"]
    unknown = server.run("irm_server_import", connector_url=CONNECTOR)
    assert unknown["failed"] and "tenant_url is ''" in unknown["msg"]


def test_exchange_is_judged_in_one_place() -> None:
    """The key Setup alone is no evidence: nothing but the util looks for a server by it."""
    places = [
        path.relative_to(ROOT).as_posix()
        for folder in ("plugins", "roles", "playbooks")
        for path in (ROOT / folder).rglob("*.*")
        if path.is_file() and b"ExchangeServer\\" in path.read_bytes() and b"Setup" in path.read_bytes()
        for text in [path.read_text(encoding="utf-8")]
        if "Test-ExchangeServer" not in text
    ]
    assert places == []
