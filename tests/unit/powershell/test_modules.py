"""Whole modules in one process: options, check mode, changes, restore and refusals, without a controller or WinRM.

Each is run over Ansible, too (tests/integration/modules). What differs from host to host and from option to option is
here, because a run takes milliseconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import tls_cases
from module_cycle import Cycle, Json
from powershell_host import PowerShellHost, placed
from tls_cases import PROTOCOLS, long
from winfleet.vendor.packages import CONNECTOR_TITLE

KEYS = [r"HKLM\SOFTWARE\Unit", r"HKLM\SOFTWARE\WOW6432Node\Unit"]
LONG, LONG32 = map(long, KEYS)
PATH = r"HKLM:\SOFTWARE\Unit"
MSIP = r"HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIP"
NO_RECEIPTS = r"Remove-Item -Recurse -LiteralPath C:\ProgramData\infoprotect\receipts -ErrorAction Ignore"


def run_cycle(powershell: PowerShellHost, module: str, options: Json, keys: Sequence[str]) -> Cycle:
    """The cycle of a module on the host as it is; verified."""
    before = powershell.registry(*keys)
    check = powershell.module(module, options, check=True)
    after_check = powershell.registry(*keys)
    applied = powershell.module(module, options)
    assert not applied.get("failed"), applied["msg"]
    after, again = powershell.registry(*keys), powershell.module(module, options)
    restore: list[Any] = []
    if applied["changed"]:
        receipt = {"receipt": applied["receipt"]}
        restore = [
            powershell.module("restore", receipt, check=True),
            powershell.module("restore", receipt),
            powershell.registry(*keys),
            powershell.module("restore", receipt),
        ]
    cycle = Cycle(before, check, after_check, applied, after, again, *restore)
    cycle.verify()
    return cycle


def values(*names: str, data: str = "1") -> Json:
    return {"values": [{"path": PATH, "name": name, "data": data} for name in names]}


def set_values(powershell: PowerShellHost, **data: str) -> None:
    """Write by .NET, as another program does."""
    script = "foreach ($one in $case) { [Microsoft.Win32.Registry]::SetValue($one[0], $one[1], $one[2]) }"
    powershell.run(script, [[LONG, *one] for one in data.items()])


def refused(result: Json, *texts: str) -> None:
    """The module failed without a change, and its message has the texts."""
    assert result.get("failed") and not result["changed"], result
    missing = [text for text in texts if text not in result["msg"]]
    assert not missing, result["msg"]


@pytest.fixture
def without_tls(powershell: PowerShellHost) -> Iterator[None]:
    """Windows has its defaults before and afterwards, whatever a test left."""
    powershell.module("tls", {"state": "absent"})
    yield
    powershell.module("tls", {"state": "absent"})


@pytest.mark.usefixtures("without_tls")
@pytest.mark.parametrize("case", tls_cases.CASES + tls_cases.OTHER_CASES, ids=str)
def test_tls(powershell: PowerShellHost, case: tls_cases.Case) -> None:
    with powershell.identity(**case.identity):
        case.verify(run_cycle(powershell, "tls", case.options, tls_cases.KEYS))


@pytest.mark.usefixtures("without_tls")
def test_tls_that_is_equal_by_meaning(powershell: PowerShellHost) -> None:
    """0xFFFFFFFF is on; TLS 1.2 that was turned off is turned on, before the older protocols are turned off."""
    both = PROTOCOLS.replace("HKLM", "HKLM:")
    given = [
        (rf"{both}\TLS 1.2\Server", "Enabled", 0xFFFFFFFF),
        (rf"{both}\TLS 1.2\Client", "Enabled", 0),
        (rf"{both}\TLS 1.2\Client", "DisabledByDefault", 1),
    ]
    base = [{"path": path, "name": name, "type": "dword", "data": data} for path, name, data in given]
    assert powershell.module("registry_values", {"values": base})["changed"]
    options = {"parts": ["schannel_client", "schannel_server"], "disable_older": "always"}
    cycle = run_cycle(powershell, "tls", options, tls_cases.KEYS)
    on = {"Enabled": ("dword", 1), "DisabledByDefault": ("dword", 0)}
    assert cycle.after[long(rf"{PROTOCOLS}\TLS 1.2\Client")] == on
    assert cycle.after[long(rf"{PROTOCOLS}\TLS 1.2\Server")] == {"Enabled": ("dword", 0xFFFFFFFF)}
    assert ["TLS 1.2" in change["path"] for change in cycle.applied["changes"]] == [True] * 2 + [False] * 15


@pytest.mark.usefixtures("without_tls")
def test_tls_absent(powershell: PowerShellHost) -> None:
    """Removes what the module manages, except the value that Windows ships."""
    powershell.module("tls", {"disable_older": "always"})
    cycle = run_cycle(powershell, "tls", {"state": "absent"}, tls_cases.KEYS)
    left = {key: names for key, names in cycle.after.items() if "SCHANNEL" in key and names}
    assert left == {long(rf"{PROTOCOLS}\SSL 2.0\Client"): {"DisabledByDefault": ("dword", 1)}}
    assert not any(tls_cases.STRONG.keys() & names for key, names in cycle.after.items() if ".NETFramework" in key)


SETTINGS: list[tuple[Json, Json]] = [
    ({"use_default_credentials_in_proxy": True}, {"UseDefaultCredentialsInProxy": 1}),
    ({"use_default_credentials_in_proxy": False}, {"UseDefaultCredentialsInProxy": 0}),
    ({"cloud_environment": "commercial"}, {"CloudEnvType": 0}),
    ({"cloud_environment": "gcc"}, {"CloudEnvType": 1}),
    ({"cloud_environment": "gcc_high"}, {"CloudEnvType": 2}),
    ({"cloud_environment": "china"}, {"CloudEnvType": 6}),
    (
        {"use_default_credentials_in_proxy": True, "cloud_environment": "china"},
        {"UseDefaultCredentialsInProxy": 1, "CloudEnvType": 6},
    ),
]


@pytest.mark.parametrize(("options", "expected"), SETTINGS)
def test_client_settings(powershell: PowerShellHost, options: Json, expected: Json) -> None:
    cycle = run_cycle(powershell, "client_settings", options, [MSIP])
    assert cycle.after == {long(MSIP): {name: ("dword", data) for name, data in expected.items()}}


def test_client_settings_absent(powershell: PowerShellHost) -> None:
    """Removes what is named, without names all but the cloud, and never a value of another program."""
    everything = {"use_default_credentials_in_proxy": True, "cloud_environment": "gcc"}
    powershell.module("client_settings", everything)
    other = {"path": MSIP.replace("HKLM", "HKLM:"), "name": "SomebodyElses", "data": "kept"}
    powershell.module("registry_values", {"values": [other]})
    kept: Json = {"SomebodyElses": ("string", "kept")}
    one = run_cycle(powershell, "client_settings", {"state": "absent", "names": ["cloud_environment"]}, [MSIP])
    assert one.after == {long(MSIP): kept | {"UseDefaultCredentialsInProxy": ("dword", 1)}}
    cloud: Json = {"CloudEnvType": ("dword", 1)}
    assert run_cycle(powershell, "client_settings", {"state": "absent"}, [MSIP]).after == {long(MSIP): kept | cloud}
    powershell.run(r"[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree('SOFTWARE\WOW6432Node\Microsoft\MSIP')")


BAD_VALUES: list[tuple[list[Json], list[str]]] = [
    ([{"path": PATH, "name": "x", "type": "float", "data": 1}], ["type", "float", "dword"]),
    ([{"path": PATH, "name": "wrong", "type": "dword", "data": "many"}], [PATH, "wrong", "many", "dword"]),
    (
        [{"path": PATH, "name": "big", "type": "dword", "data": 2**32}],
        [PATH, "big", "4294967296", "dword", "in the range of"],
    ),
    ([{"path": PATH, "name": "hex", "type": "binary", "data": "0xZZ"}], [PATH, "hex", "0xZZ", "binary"]),
    ([{"path": r"SOFTWARE\no hive", "name": "x", "data": "1"}], [r"SOFTWARE\no hive", "HKLM"]),
    ([{"path": "HKLM:", "name": "x", "data": "1"}], ["HKLM:"]),
    (
        [{"path": PATH, "name": "Twice", "data": "1"}, {"path": PATH.lower(), "name": "TWICE", "data": "2"}],
        ["TWICE", "wanted twice"],
    ),
    (
        [
            {"path": PATH, "name": "same", "view": "32", "data": "1"},
            {"path": r"HKLM:\SOFTWARE\WOW6432Node\Unit", "name": "same", "data": "2"},
        ],
        ["same", "wanted twice"],
    ),
    ([{"path": PATH, "name": "nothing", "type": "dword"}], [PATH, "nothing", "data"]),
    ([{"path": PATH, "name": "x" * 16384, "data": "1"}], ["16383"]),
    ([{"path": PATH + "\\" + "k" * 256, "name": "x", "data": "1"}], ["255"]),
    ([{"path": PATH, "data": "1", "state": "gone"}], ["state", "gone", "absent"]),
    ([{"name": "x", "data": "1"}], ["path"]),
]


@pytest.mark.parametrize(("bad", "expected"), BAD_VALUES)
def test_bad_registry_values(powershell: PowerShellHost, key: str, bad: list[Json], expected: list[str]) -> None:
    """The module names the bad value and writes none, not even those before it in the list."""
    refused(powershell.module("registry_values", {"values": [*values("fine")["values"], *bad]}), *expected)
    assert powershell.registry(*KEYS) == {}


def test_registry_values_without_options(powershell: PowerShellHost) -> None:
    refused(powershell.module("registry_values"), "one of the following is required: values, purge")


def test_a_key_that_cannot_be_written(powershell: PowerShellHost, key: str) -> None:
    """Check mode predicts the change all the same; the module names the key before anything is written."""
    set_values(powershell, old="before")
    powershell.module("registry_values", {"values": [{"path": rf"{PATH}\locked", "name": "a", "data": "before"}]})
    before = powershell.registry(*KEYS)
    options = values("old", data="changed")
    options["values"].append({"path": rf"{PATH}\locked", "name": "a", "data": "changed"})
    with powershell.denied(r"SOFTWARE\Unit\locked", "SetValue, CreateSubKey, Delete"):
        assert powershell.module("registry_values", options, check=True)["changed"]
        refused(powershell.module("registry_values", options), rf"{PATH}\locked", "so nothing was written")
        assert powershell.registry(*KEYS) == before
    assert powershell.module("registry_values", options)["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_a_key_that_cannot_be_read(powershell: PowerShellHost, key: str, check: bool) -> None:
    set_values(powershell, old="before")
    with powershell.denied(r"SOFTWARE\Unit", "QueryValues"):
        refused(powershell.module("registry_values", values("old"), check=check), PATH, "so nothing was written")
    assert powershell.registry(*KEYS) == {LONG: {"old": ("string", "before")}}


def test_purge_of_the_32_bit_view(powershell: PowerShellHost, key: str) -> None:
    """The purge keeps the values in keep, and shows no data of a sensitive rule; the 64-bit view stays as it is."""
    names = ("Keep", "wanted", "secret-1", "other")
    given = [
        {"path": PATH, "view": view, "name": name, "data": f"data of {name}"} for view in ("64", "32") for name in names
    ]
    powershell.module("registry_values", {"values": given})
    options = {
        "values": [{"path": PATH, "view": "32", "name": "Wanted", "data": "data of wanted"}],
        "purge": [
            {"path": PATH, "view": "32", "match": "^secret", "sensitive": True},
            {"path": PATH, "view": "32", "keep": ["keep", "no such"]},
        ],
    }
    cycle = run_cycle(powershell, "registry_values", options, KEYS)
    assert cycle.after[LONG32] == {"Keep": ("string", "data of Keep"), "wanted": ("string", "data of wanted")}
    assert cycle.after[LONG] == cycle.before[LONG]
    assert "data of secret-1" not in str(cycle.applied)
    assert "data of other" in str(cycle.applied)


def test_sensitive_data_is_in_no_result(powershell: PowerShellHost, key: str) -> None:
    set_values(powershell, secret="s3cr3t-é")
    options = {"values": [{"path": PATH, "name": "secret", "data": "other-s3cr3t", "sensitive": True}]}
    cycle = run_cycle(powershell, "registry_values", options, KEYS)
    results = [cycle.check, cycle.applied, cycle.again, cycle.restore_check, cycle.restored, cycle.restored_again]
    assert "s3cr3t" not in str([{**result, "invocation": None} for result in results])


def test_restore_of_a_changed_value(powershell: PowerShellHost, key: str) -> None:
    """Refused, and the other values stay; with force it is overwritten, as check mode has said."""
    receipt: Json = {"receipt": powershell.module("registry_values", values("mine", "theirs"))["receipt"]}
    set_values(powershell, theirs="changed")
    result = powershell.module("restore", receipt)
    refused(result, "theirs", "force")
    assert [one["name"] for one in result["not_restored"]] == ["theirs"]
    assert powershell.registry(*KEYS) == {LONG: {"mine": ("string", "1"), "theirs": ("string", "changed")}}
    forced = receipt | {"force": True}
    check, done = (powershell.module("restore", forced, check=check) for check in (True, False))
    assert check["diff"] == done["diff"] and done["changed"]
    assert powershell.registry(*KEYS) == {}
    assert not powershell.module("restore", forced)["changed"]


def test_restore_leaves_a_key_that_others_use(powershell: PowerShellHost, key: str) -> None:
    receipt = powershell.module("registry_values", values("mine"))["receipt"]
    set_values(powershell, theirs="new")
    check, result, again = (
        powershell.module("restore", {"receipt": receipt}, check=check) for check in (True, False, False)
    )
    assert powershell.registry(*KEYS) == {LONG: {"theirs": ("string", "new")}}
    for one in check, result, again:
        assert [(kept["name"], kept["reason"]) for kept in one["not_restored"]] == [(None, "the key is not empty")]
    assert check["diff"] == result["diff"]
    assert [one["changed"] for one in (check, result, again)] == [True, True, False]


def test_restore_by_latest_first_and_name(powershell: PowerShellHost, key: str) -> None:
    """`latest` ignores receipts written by a restore, which can be undone by its own receipt all the same."""
    powershell.run(NO_RECEIPTS)
    one = powershell.module("registry_values", values("a", "b"))
    two = powershell.module("registry_values", values("b", "c", data="2"))
    latest = powershell.module("restore")
    assert latest["restored"] == {
        "path": two["receipt"],
        "module": "registry_values",
        "time": latest["restored"]["time"],
    }
    assert powershell.registry(*KEYS) == {LONG: {"a": ("string", "1"), "b": ("string", "1")}}
    assert not powershell.module("restore")["changed"], "latest is never one of restore itself"
    assert powershell.module("restore", {"receipt": latest["receipt"]})["changed"]
    assert powershell.registry(*KEYS)[LONG]["b"] == ("string", "2")
    assert powershell.module("restore", {"receipt": two["receipt"].rpartition("\\")[2]})["changed"]
    assert powershell.module("restore", {"receipt": "first"})["restored"]["path"] == one["receipt"]
    assert powershell.registry(*KEYS) == {}


def test_restore_without_receipts(powershell: PowerShellHost) -> None:
    powershell.run(NO_RECEIPTS)
    for name in ("latest", "first"):
        result = powershell.module("restore", {"receipt": name})
        assert not result.get("failed"), result["msg"]
        assert (result["changed"], result["restored"]) == (False, None)
    refused(powershell.module("restore", {"receipt": "000001-x.json"}), "000001-x.json")
    refused(powershell.module("restore", {"receipt": ""}), "receipt is empty", "latest")


def test_restore_on_another_host(powershell: PowerShellHost, key: str) -> None:
    """A receipt of a cloned host is refused, also with force."""
    receipt = powershell.module("registry_values", values("a"))["receipt"]
    machine = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Cryptography"
    guid = powershell.run("[Microsoft.Win32.Registry]::GetValue($case, 'MachineGuid', $null)", machine)
    name_it = "[Microsoft.Win32.Registry]::SetValue($case[0], 'MachineGuid', $case[1])"
    powershell.run(name_it, [machine, "another-machine"])
    try:
        refused(powershell.module("restore", {"receipt": receipt, "force": True}), "belongs to another host")
    finally:
        powershell.run(name_it, [machine, guid])
    assert powershell.module("restore", {"receipt": receipt})["changed"]


@pytest.mark.parametrize("content", ["no receipt at all", '{"some": "json"}', "", None])
def test_restore_of_what_is_no_receipt(powershell: PowerShellHost, key: str, content: str | None) -> None:
    """The message names the file and says what was expected. None: there is no such file."""
    folder = powershell.disk / "ProgramData/infoprotect/receipts"
    powershell.module("registry_values", values("a"))
    file = folder / "999999-not-one.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    for name in (file.name, rf"C:\ProgramData\infoprotect\receipts\{file.name}"):
        refused(powershell.module("restore", {"receipt": name}), file.name, "receipt")
    file.unlink(missing_ok=True)
    assert powershell.registry(*KEYS) == {LONG: {"a": ("string", "1")}}


BAD_DOMAINS: list[tuple[Json, list[str]]] = [
    ({"tls": {"disable_older": "1.1"}}, ["disable_older", "1.1", "auto"]),
    ({"tls": {"parts": ["schannel", "dotnet"]}}, ["parts", "schannel"]),
    ({"tls": {"versoin": "1.2"}}, ["versoin"]),
    ({"client_settings": {}}, ["client_settings"]),
    ({"client_settings": {"cloud_environment": "mars"}}, ["cloud_environment", "mars"]),
    ({"connector_settings": {"proxy_address": "proxy"}}, ["proxy_address"]),
    ({"irm_server": {"product": "fci"}}, ["connector_url", "tenant_url"]),
]


@pytest.mark.parametrize(("options", "expected"), BAD_DOMAINS)
def test_bad_options_of_desired_state(powershell: PowerShellHost, options: Json, expected: list[str]) -> None:
    before = powershell.registry(*tls_cases.KEYS, MSIP)
    refused(powershell.module("desired_state", {"tls": {}} | options), *expected)
    assert powershell.registry(*tls_cases.KEYS, MSIP) == before


@pytest.mark.parametrize(
    "differs",
    [
        {"os": "2012"},
        {"os": "2012r2", "roles": ("exchange",), "product": "2013"},
        {"os": "2016", "roles": ("exchange",)},
        {"os": "2019", "roles": ("exchange",), "product": "2019"},
        {"os": "2019", "edition": "core"},
        {"os": "2019", "roles": ("domain_controller",)},
        {"os": "2012", "roles": ("sharepoint",), "product": "2013"},
        {"os": "2016", "roles": ("sharepoint",)},
        {"os": "2019", "roles": ("sharepoint",), "product": "2019"},
        {"os": "2016", "roles": ("fci",)},
    ],
    ids=lambda differs: " ".join([differs["os"], differs.get("edition", ""), *differs.get("roles", ())]),
)
def test_host_info(powershell: PowerShellHost, differs: Json) -> None:
    with powershell.identity(**differs):
        host = powershell.module("host_info")["host"]
    roles = differs.get("roles", ())
    assert host["os"]["product"] == differs["os"]
    assert host["os"]["installation_type"] == ("Server Core" if "edition" in differs else "Server")
    assert {name for name, role in host["roles"].items() if role["found"]} == set(roles)
    for role in {"exchange", "sharepoint"}.intersection(roles):
        assert host["roles"][role]["line"] == differs.get("product", "2016")
    assert host["domain_role"] == ("domain_controller" if "domain_controller" in roles else "member_server")
    assert host["unreadable"] == []


def test_host_with_exchanges_tools_alone_is_no_exchange_server(powershell: PowerShellHost) -> None:
    with powershell.identity(roles=("exchange_tools",)):
        host = powershell.module("host_info")["host"]
    assert host["roles"]["exchange"] == {"found": False, "version": None, "line": None}


def test_domain_of_a_host_in_a_disjoint_namespace(powershell: PowerShellHost) -> None:
    with powershell.identity(domain="ad.contoso.test", dns_suffix="hosts.fabrikam.test"):
        host = powershell.module("host_info")["host"]
    assert host["domain"] == "ad.contoso.test"
    assert host["fqdn"].endswith(".hosts.fabrikam.test")


NET4 = r"SOFTWARE\Microsoft\.NETFramework\v4.0.30319"
POLICY_OFF = f"""<?xml version="1.0" encoding="utf-8"?>
<RegistrySettings><Registry><Properties action="U" hive="HKEY_LOCAL_MACHINE" default="0" key="{NET4}"
 name="SchUseStrongCrypto" type="REG_DWORD" value="00000000"/></Registry></RegistrySettings>"""


@pytest.fixture
def policy_against_strong_crypto(powershell: PowerShellHost) -> Iterator[None]:
    """Group Policy turns off what TLS 1.2 needs."""
    history = powershell.disk / "ProgramData/Microsoft/Group Policy/History"
    folder = history / "{31B2F340-016D-11D2-945F-00C04FB984F9}/Machine/Preferences/Registry"
    folder.mkdir(parents=True)
    (folder / "Registry.xml").write_text(POLICY_OFF, encoding="utf-8")
    yield
    shutil.rmtree(history)


@pytest.mark.usefixtures("without_tls", "policy_against_strong_crypto")
def test_policy_conflict_is_noted_or_stops_before_anything_is_written(powershell: PowerShellHost) -> None:
    """What is refused names the value, the policy file, and the data of both."""
    texts = rf"HKLM:\{NET4}\SchUseStrongCrypto", "Registry.xml", "dword 0x00000000", "dword 0x00000001"
    before = powershell.registry(*tls_cases.KEYS)
    fail: Json = {"policy_conflict": "fail"}
    for check in (True, False):
        refused(powershell.module("tls", fail, check=check), *texts)
    refused(powershell.module("desired_state", {"tls": fail}), *texts)
    look = powershell.module("desired_state", {"tls": fail}, check=True)
    assert not look["compliant"] and not look["domains"]["tls"]["compliant"]
    assert all(text in look["domains"]["tls"]["refused"][0] for text in texts)
    assert powershell.registry(*tls_cases.KEYS) == before
    result = powershell.module("tls", {})
    assert result["changed"] and all(text in result["notes"][0] for text in texts)
    assert powershell.module("tls", {"parts": ["schannel_client"], **fail})["notes"] == [], "another part"


#: Module -> its options, and the value that Group Policy sets to something else
SETTINGS: dict[str, tuple[Json, str, str]] = {
    "client_settings": (
        {"use_default_credentials_in_proxy": True},
        r"SOFTWARE\WOW6432Node\Microsoft\MSIP",
        "UseDefaultCredentialsInProxy",
    ),
    "connector_settings": (
        {"proxy_address": "http://proxy:8080"},
        r"SOFTWARE\Microsoft\AADRM\Connector",
        "ProxyAddress",
    ),
    "irm_server": (
        {
            "product": "exchange",
            "connector_url": "https://rms.contoso.test",
            "tenant_url": "https://5c6bb73b-1038-4eec-863d-49bded473437.rms.na.aadrm.com",
        },
        r"SOFTWARE\Microsoft\MSIPC\ServiceLocation\EnterprisePublishing",
        "",
    ),
}


@pytest.mark.parametrize("module", SETTINGS)
def test_every_domain_stops_before_a_policy_conflict(powershell: PowerShellHost, module: str) -> None:
    options, key, name = SETTINGS[module]
    folder = powershell.disk / "ProgramData/Microsoft/Group Policy/History/{1}/Machine/Preferences/Registry"
    folder.mkdir(parents=True)
    default = f'default="{int(not name)}" key="{key}" name="{name}" type="REG_SZ" value="http://other"'
    item = f'<Registry><Properties action="U" hive="HKEY_LOCAL_MACHINE" {default}/></Registry>'
    (folder / "Registry.xml").write_text(f"<RegistrySettings>{item}</RegistrySettings>", encoding="utf-8")
    keys = ["HKLM\\" + one for _options, one, _name in SETTINGS.values()]
    try:
        with powershell.identity(roles=("exchange",)):
            before = powershell.registry(*keys)
            fail = {**options, "policy_conflict": "fail"}
            for result in (powershell.module(module, fail), powershell.module("desired_state", {module: fail})):
                refused(result, "Group Policy (", "Registry.xml", "http://other")
            assert powershell.registry(*keys) == before
            (note,) = powershell.module(module, options, check=True)["notes"]
            assert "http://other" in note and "sets it again at each refresh" in note
    finally:
        shutil.rmtree(powershell.disk / "ProgramData/Microsoft/Group Policy/History")


CONNECTOR_MARK = r"HKLM\SOFTWARE\infoprotect.aip.connector"
RESTART_MARK = r"HKLM\SOFTWARE\infoprotect.aip.restart"


@pytest.fixture
def unmarked(powershell: PowerShellHost) -> Iterator[None]:
    """No run has kept anything on the host, as after a start of Windows."""
    forget = "foreach ($key in $case) { [Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($key, $false) }"
    marks = [mark.removeprefix("HKLM\\") for mark in (CONNECTOR_MARK, RESTART_MARK)]
    powershell.run(forget, marks)
    yield
    powershell.run(forget, marks)


@pytest.mark.usefixtures("without_tls", "unmarked")
@pytest.mark.parametrize(
    ("roles", "parts", "marked"),
    [
        (("connector",), ["dotnet"], True),
        (("connector",), ["schannel_server"], False),
        ((), ["dotnet"], False),
    ],
)
def test_connector_takes_values_of_dotnet_when_iis_starts(
    powershell: PowerShellHost, roles: tuple[str, ...], parts: list[str], marked: bool
) -> None:
    """A run that writes them, and one that restores them, keep on the host that IIS has to be restarted."""
    program = powershell.disk / "Program Files" / CONNECTOR_TITLE / "Web Service" / "web.config"
    with powershell.identity(roles=roles), placed(program) if roles else nullcontext():
        assert not powershell.registry(CONNECTOR_MARK)
        options = {"parts": parts, "disable_older": "always"}
        assert not powershell.module("tls", options, check=True).get("failed")
        assert not powershell.registry(CONNECTOR_MARK), "check mode"
        receipt = powershell.module("tls", options)["receipt"]
        assert bool(powershell.registry(CONNECTOR_MARK)) is marked
        powershell.run("[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($case, $false)", CONNECTOR_MARK[5:])
        assert powershell.module("restore", {"receipt": receipt})["changed"]
        assert bool(powershell.registry(CONNECTOR_MARK)) is marked


@pytest.mark.usefixtures("without_tls", "unmarked")
def test_restart_is_kept_until_the_next_start(powershell: PowerShellHost) -> None:
    """Also of values that were restored since: programs that run may have read either."""
    result = powershell.module("tls", {"parts": ["dotnet"]})
    assert result["reboot_required"] and "tls_dotnet" in result["reboot_reasons"]
    again = powershell.module("tls", {"parts": ["dotnet"]}, check=True)
    assert not again["changed"] and again["reboot_required"]
    assert "tls_dotnet" in powershell.module("host_info")["host"]["reboot"]["reasons"]
    nothing = powershell.module("restore", {"receipt": result["receipt"]}, check=True)
    assert nothing["reboot_required"] and "tls_dotnet" in nothing["reboot_reasons"]
    assert "tls_dotnet" in powershell.module("desired_state", {"tls": {}}, check=True)["reboot_reasons"]


@pytest.mark.usefixtures("without_tls", "unmarked")
def test_failed_run_keeps_no_restart(powershell: PowerShellHost) -> None:
    with powershell.denied(NET4, "SetValue"):
        assert powershell.module("tls", {"parts": ["dotnet"]})["failed"]
    assert "tls_dotnet" not in powershell.module("host_info")["host"]["reboot"]["reasons"]
