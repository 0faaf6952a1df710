"""The selftest: each check can hold and can fail, nothing is left on the host, and the guide has the same ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.infoprotect.aip.plugins.plugin_utils import selftest
from powershell_host import PowerShellHost, placed
from winfleet.vendor import registration
from winfleet.vendor.packages import CONNECTOR_TITLE

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs/docsite/rst/guide_assumptions.rst"
ROW = re.compile(r"^   \* - ``(\w+)``\n     - .+?\n     - (.+?)$", re.MULTILINE | re.DOTALL)
#: The programs that the fleet's supervisor plays are not there in this process.
TOOLS = {
    "Invoke-SystemTool": 'param ($Name, $Argument) throw "$Name ended with exit code 1"',
    "Invoke-SystemTask": "param ($Path, $Argument, $Timeout, $Id) [int]($Argument -replace '^.* ')",
    "Remove-SystemTask": "param ($Id)",
}
WITH_TOOLS = "\n".join(f"function {name} {{ {body} }}" for name, body in TOOLS.items())
RUN = """
$run = Start-Run
$run.Administrator = $true
try { Invoke-Check -Id $case.id -Run $run } finally { Stop-Run -Run $run | ForEach-Object { throw $_ } }
"""
Value = tuple[str, str, int | str]
CODE = "{6F8A30BE-992C-4C06-817B-4A222430F2B8}"
CERTIFICATE, OTHER = "A" * 40, "B" * 40


@pytest.fixture(autouse=True)
def leaves_nothing(powershell: PowerShellHost) -> Iterator[None]:
    """Whatever a test does, the host has afterwards what it had before. Only of a killed run empty folders stay."""
    for name in ("selftest", "receipts"):
        powershell.run("$null = Initialize-OwnFolder -Name $case", name)
    before = traces(powershell)
    yield
    assert traces(powershell) == before


def traces(powershell: PowerShellHost) -> list[str]:
    """Where a selftest can leave something: its keys, and what is in the folders of the collection."""
    keys = r"""foreach ($view in 'Registry64', 'Registry32') {
        $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', $view)
        $base.OpenSubKey('SOFTWARE').GetSubKeyNames() -like '*selftest*'
    }"""
    own = powershell.disk / "ProgramData/infoprotect"
    return [*powershell.run(f", @({keys})"), *sorted(str(path.relative_to(own)) for path in own.rglob("*"))]


def inside(body: str) -> str:
    """A script that sees the functions of the util, and defines others for those that it calls."""
    return f"& (Get-Module _SelfTest) {{ param ($case)\n{body}\n}} $case"


@contextmanager
def replaced(powershell: PowerShellHost, name: str, body: str) -> Iterator[None]:
    """A function of the util that is another one for a whole module."""
    powershell.run(inside(f"$script:kept = ${{function:{name}}}; function script:{name} {{ {body} }}"))
    try:
        yield
    finally:
        powershell.run(inside(f"Set-Item -Path Function:script:{name} -Value $script:kept"))


@pytest.fixture
def tools(powershell: PowerShellHost) -> Iterator[None]:
    """Programs that the supervisor plays, for a whole module."""
    powershell.run(inside(WITH_TOOLS.replace("function ", "function script:")))
    yield
    # what was imported has these names again
    powershell.run(inside("$case | ForEach-Object { Remove-Item -Path Function:$_ }"), list(TOOLS))


def check(powershell: PowerShellHost, name: str, script: str = "", **case: Any) -> dict[str, Any]:
    """One check; `script` defines functions that answer something else."""
    result: dict[str, Any] = powershell.run(inside(f"{WITH_TOOLS}\n{script}\n{RUN}"), {"id": name, **case})
    assert result["id"] == name
    return result


@contextmanager
def values(powershell: PowerShellHost, *given: Value, tree: str = "") -> Iterator[None]:
    """Values below HKLM; their keys, or the key `tree`, are removed afterwards."""
    # Numbers of JSON are longer ones.
    write = r"""foreach ($one in $case) {
        $data = if ($one[2] -is [long]) { [int]$one[2] } else { $one[2] }
        [Microsoft.Win32.Registry]::SetValue("HKEY_LOCAL_MACHINE\$($one[0])", $one[1], $data)
    }"""
    powershell.run(write, [list(value) for value in given])
    try:
        yield
    finally:
        remove = "[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($one, $false)"
        keys = [tree] if tree else [key for key, _name, _data in given]
        powershell.run(f"foreach ($one in $case) {{ {remove} }}", keys)


def guide() -> dict[str, str]:
    """The ids of the page, and how each is checked."""
    rows = ROW.findall(GUIDE.read_text(encoding="utf-8"))
    ids = [name for name, _how in rows]
    assert len(ids) == len(set(ids)) == GUIDE.read_text(encoding="utf-8").count("   * - ``")
    return dict(rows)


@pytest.mark.usefixtures("tools")
def test_the_guide_has_the_ids_of_the_selftest(powershell: PowerShellHost) -> None:
    result = powershell.module("selftest", check=True)
    checked = [item["id"] for item in result["checks"]] + list(selftest.SHAPES)
    assert len(checked) == len(set(checked))
    assert {name for name, how in guide().items() if how.startswith("``selftest``")} == set(checked)
    by_hand = {name: how for name, how in guide().items() if name not in checked}
    assert by_hand and all(how.startswith("By hand: ") for how in by_hand.values())


@pytest.mark.usefixtures("tools")
def test_check_mode_writes_nothing(powershell: PowerShellHost) -> None:
    result = powershell.module("selftest", check=True)
    assert not result.get("failed"), result["msg"]
    assert not result["changed"] and result["left"] == []
    reasons = {item["id"]: item["reason"] for item in result["checks"]}
    writing = {"own_folder", "registry_values", "registry_time", "receipt_restore", "pfx_error", "private_key"}
    writing |= {"task_result", "open_file", "open_link"}
    assert {name for name, reason in reasons.items() if reason == "Check mode writes nothing."} == writing


@pytest.mark.usefixtures("tools")
def test_the_whole_selftest_twice(powershell: PowerShellHost) -> None:
    for _ in range(2):
        result = powershell.module("selftest")
        assert not result["changed"] and result["left"] == [] and not result.get("warnings")
        verdicts = {item["id"]: (item["verdict"], item["found"], item["reason"]) for item in result["checks"]}
        assert not {name: seen for name, seen in verdicts.items() if seen[0] == "fails"}
        for name in ("own_folder", "registry_values", "registry_time", "receipt_restore", "job_object", "task_result"):
            assert verdicts[name][0] == "holds", verdicts[name]
        assert {verdict for verdict, _, _ in verdicts.values()} == {"holds", "skipped"}
        report = selftest.report(result, {}, [], show_names=False)
        assert report["failed"] == []


@pytest.mark.usefixtures("tools")
def test_folders_that_were_not_there_are_gone_again(powershell: PowerShellHost) -> None:
    own = powershell.disk / "ProgramData/infoprotect"
    own.rename(own.with_name("kept"))
    try:
        assert powershell.module("selftest")["left"] == []
        assert not own.exists()
    finally:
        own.with_name("kept").rename(own)


@pytest.mark.usefixtures("tools")
def test_an_account_that_is_no_administrator(powershell: PowerShellHost) -> None:
    with replaced(powershell, "Test-Administrator", "$false"):
        result = powershell.module("selftest")
    seen = {item["id"]: item for item in result["checks"]}
    assert seen["domain_account"]["verdict"] == "holds"
    assert seen["registry_values"]["reason"] == seen["ssl_entries"]["reason"] == "This account is not an administrator."


#: Functions that answer as a host does on which the assumption does not hold.
TAMPER = """
function Write-RegistryPlan {
    param ($Plan, $Source)
    & (Get-Module _Registry) { Write-RegistryPlan -Plan $args[0] -Source $args[1] } $Plan $Source
    [Microsoft.Win32.Registry]::SetValue((Get-TestKey -Id $run.Id).Replace('HKLM:', 'HKEY_LOCAL_MACHINE'), 'dword', 5)
}"""
SHOW = """
function New-RegistryValue {
    param ($Path, $Name, $Data, [switch]$Sensitive)
    & (Get-Module _Registry) { New-RegistryValue -Path $args[0] -Name $args[1] -Data $args[2] } $Path $Name $Data
}"""
SHARED = """
function Open-TestFile { param ($Path) [IO.FileStream]::new($Path, 'Open', 'Read', 'ReadWrite, Delete') }"""
FOREIGN_POLICY = r"""
function Get-PolicyFile { @{ Path = 'C:\x.pol' } }
function Get-PolicyValue {
    @{ Unreadable = @(@{ what = 'C:\x.pol'; reason = 'it belongs to S-1-5-21-1-2-3-1001' }) }
}"""
#: id -> the functions, and what is found
FAILING: dict[str, tuple[str, str]] = {
    "registry_values": (TAMPER, "dword in the 64-bit view: DWord 5"),
    "registry_time": ("function Get-WriteTime { , @(1, 1, 1) }", "other data does not renew it"),
    "receipt_restore": (SHOW, "sensitive data shown, key removed"),
    "boot_time": (
        "function Get-CimFact { @{ LastBootUpTime = [datetime]::Now.AddDays(-3) } }",
        "seconds apart",
    ),
    "job_object": ("function Get-JobProblem { 'Access is denied' }", "Access is denied"),
    "domain_role": ("function Get-CimFact { @{ DomainRole = 5 } }", "3, and 5 by CIM"),
    "domain_account": (
        "function Test-Administrator { $false }; function Get-DomainRole { throw 'Access is denied' }",
        "Access is denied",
    ),
    "policy_owner": (FOREIGN_POLICY, r"C:\x.pol: it belongs to S-1-5-21-1-2-3-1001"),
    "task_result": ("function Invoke-SystemTask { 0 }", "0"),
    "open_file": (SHARED, "it could be deleted"),
}


@pytest.mark.parametrize("name", FAILING)
def test_an_assumption_that_does_not_hold(powershell: PowerShellHost, name: str) -> None:
    script, found = FAILING[name]
    result = check(powershell, name, script)
    assert (result["verdict"], result["reason"]) == ("fails", None), result
    assert found in result["found"]


def test_a_restore_that_leaves_a_key(powershell: PowerShellHost) -> None:
    script = "function Get-RestorePlan { Get-RegistryPlan -Value @() }"
    result = check(powershell, "receipt_restore", script)
    assert result["verdict"] == "fails" and result["found"] == "2 values read, sensitive data protected, key left"


def test_a_folder_that_admits_others(powershell: PowerShellHost) -> None:
    folder = powershell.disk / "unit/open"
    folder.mkdir()
    folder.chmod(0o777)
    result = powershell.run(inside(r"Invoke-Check -Id own_folder -Run @{ Folder = 'C:\unit\open\x' }"))
    folder.rmdir()
    assert result["verdict"] == "fails" and "S-1-1-0" in result["found"]


def msi(code: str, *, known: bool) -> list[Value]:
    entries = registration.entry(code, "Contoso", "1.0")
    return [*entries, *(registration.known(code) if known else [])]


@pytest.mark.parametrize(("known", "verdict"), [(True, "holds"), (False, "fails")])
def test_state_of_an_msi(powershell: PowerShellHost, known: bool, verdict: str) -> None:
    given = msi(CODE, known=known)
    with values(powershell, *given):
        result = check(powershell, "msi_state")
    assert (result["verdict"], result["found"]) == (verdict, f"{int(known)} of 1 listed are 5, an unknown one is -1")


@pytest.mark.parametrize(
    ("title", "verdict"),
    [(CONNECTOR_TITLE, "holds"), ("Microsoft Rights Management Konnektor", "fails"), ("", "fails")],
)
def test_name_of_the_connector(powershell: PowerShellHost, title: str, verdict: str) -> None:
    key = rf"{registration.UNINSTALL}\Connector"
    given: list[Value] = [(key, "DisplayName", title), (key, "DisplayVersion", "3.1.0")] if title else [(key, "x", "")]
    program = powershell.disk / "Program Files" / CONNECTOR_TITLE / "Web Service" / "web.config"
    with values(powershell, *given), placed(program):
        result = check(powershell, "connector_name")
    found = f"{title} 3.1.0" if title else "no entry that names Rights Management"
    assert (result["verdict"], result["found"]) == (verdict, found)


@pytest.mark.parametrize(
    ("data", "verdict"), [(0, ("holds", "dword 0 in the 64-bit view")), ("0", ("fails", "string 0 in the 64-bit view"))]
)
def test_telemetry_of_the_client(powershell: PowerShellHost, data: int | str, verdict: tuple[str, str]) -> None:
    client = "function Get-InstalledProduct { 'one' }; function Test-Client { $true }"
    assert check(powershell, "client_telemetry")["reason"].startswith("The client is not installed")
    assert "without a choice of telemetry" in check(powershell, "client_telemetry", client)["reason"]
    key = r"SOFTWARE\Microsoft\MSIP"
    with values(powershell, (key, "EnableTelemetry", data)):
        result = check(powershell, "client_telemetry", client)
    assert (result["verdict"], result["found"]) == verdict


SERVICES = r"SYSTEM\CurrentControlSet\Services"


def exchange(powershell: PowerShellHost, role: str) -> AbstractContextManager[None]:
    return powershell.identity(roles=(role,), product="2016")


@pytest.mark.parametrize(
    ("role", "service", "verdict", "found"),
    [
        ("exchange", "", "holds", "services MSExchangeTransport, counted as a server"),
        ("exchange_tools", "", "holds", "no transport service, not counted as a server"),
        ("exchange_tools", "MSExchangeTransport", "fails", "services MSExchangeTransport, not counted as a server"),
    ],
)
def test_setup_of_exchange(powershell: PowerShellHost, role: str, service: str, verdict: str, found: str) -> None:
    key = rf"{SERVICES}\{service}"
    with exchange(powershell, role), values(powershell, (key, "x", 1)) if service else nullcontext():
        result = check(powershell, "exchange_setup")
    assert (result["verdict"], result["found"]) == (verdict, found)


@pytest.mark.parametrize(
    ("service", "verdict"), [("MSSQL$MICROSOFT##WID", "holds"), ("MSSQL$MICROSOFT##SSEE", "fails")]
)
def test_windows_internal_database(powershell: PowerShellHost, service: str, verdict: str) -> None:
    key = rf"{SERVICES}\{service}"
    with values(powershell, (key, "x", 1)), placed(powershell.disk / "windows/WID/Binn/sqlservr.exe"):
        result = check(powershell, "internal_database")
    assert (result["verdict"], result["found"]) == (verdict, service)


@pytest.mark.parametrize(("listed", "verdict"), [("PAYROLL", "holds"), ("OTHER", "fails")])
def test_instances_of_sql_server(powershell: PowerShellHost, listed: str, verdict: str) -> None:
    service, names = rf"{SERVICES}\MSSQL$PAYROLL", r"SOFTWARE\Microsoft\Microsoft SQL Server"
    with (
        values(powershell, (service, "x", 1)),
        values(powershell, (rf"{names}\Instance Names\SQL", listed, "MSSQL15.X"), tree=names),
    ):
        result = check(powershell, "sql_instances")
    assert (result["verdict"], result["found"]) == (verdict, f"services of PAYROLL; listed {listed}")


NETSH = """
function Invoke-SystemTool {
    param ($Name, $Argument)
    if ($Argument -ne 'http show sslcert') { throw 'exit code 1' }
    $case.text
}
function Get-SslEntry {
    $case.entries | ForEach-Object { [pscustomobject]@{ EndPoint = $_[0]; Thumbprint = $_[1] } }
}"""
#: As Windows in German shows it
SHOWN = f"""
SSL-Zertifikatsbindungen:
-------------------------

    IP:Port                      : 0.0.0.0:443
    Zertifikathash               : {CERTIFICATE.lower()}
    Anwendungs-ID                : {{4dc3e181-e14b-4a21-b022-59fc669b0914}}
    Zertifikatspeichername       : MY

    Hostname:Port                : rms.contoso.com:8443
    Zertifikathash               : {OTHER.lower()}
    Anwendungs-ID                : {{4dc3e181-e14b-4a21-b022-59fc669b0914}}
"""


@pytest.mark.parametrize(
    ("entries", "verdict", "found"),
    [
        ([["0.0.0.0:443", CERTIFICATE], ["RMS.contoso.com:8443", OTHER]], "holds", "2 certificates"),
        ([["0.0.0.0:443", CERTIFICATE]], "fails", f"only by netsh: rms.contoso.com:8443 {OTHER}"),
        (
            [["0.0.0.0:443", OTHER], ["rms.contoso.com:8443", OTHER]],
            "fails",
            f"only in the registry: 0.0.0.0:443 {OTHER}; only by netsh: 0.0.0.0:443 {CERTIFICATE}",
        ),
    ],
)
def test_certificates_of_netsh(powershell: PowerShellHost, entries: list[Any], verdict: str, found: str) -> None:
    result = check(powershell, "ssl_entries", NETSH, text=SHOWN, entries=entries)
    assert (result["verdict"], result["found"]) == (verdict, found)


def test_certificates_where_there_are_none(powershell: PowerShellHost) -> None:
    """Then netsh may end with an error; where the registry has some, that is a failure."""
    none = check(powershell, "ssl_entries", "function Get-SslEntry { }")
    assert none["reason"] == "No certificate is bound to an address or a name on this host."
    one = f"function Get-SslEntry {{ @{{ EndPoint = '0.0.0.0:443'; Thumbprint = '{CERTIFICATE}' }} }}"
    result = check(powershell, "ssl_entries", one)
    assert (result["verdict"], result["found"]) == ("fails", "netsh.exe ended with exit code 1")


def test_every_port_of_http_sys_is_read(powershell: PowerShellHost) -> None:
    tree = r"SYSTEM\CurrentControlSet\Services\HTTP\Parameters\SslBindingInfo"
    script = "foreach ($one in $case) { $key = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey($one);"
    script += "$key.SetValue('SslCertHash', [byte[]](, 10 * 20)); $key.Dispose() }"
    powershell.run(script, [rf"{tree}\0.0.0.0:443", rf"{tree}\[::]:8443"])
    try:
        found = powershell.run(", [string[]]@(Get-SslEntry | ForEach-Object { $_.EndPoint } | Sort-Object)")
        one = powershell.run(", [string[]]@(Get-SslEntry -Port 443 | ForEach-Object { $_.EndPoint })")
    finally:
        powershell.run("[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($case)", tree)
    assert (found, one) == (["[::]:8443", "0.0.0.0:443"], ["0.0.0.0:443"])


#: The cmdlets of the module PKI, which the functions of the util call
PFX = r"""
function New-TestPfx { @{ Path = 'C:\x.pfx'; Password = 'right'; Thumbprint = 'T' } }
$global:pfxCase = $case
function global:Get-PfxData { [CmdletBinding()] param ($FilePath, $Password)
    if ($FilePath -ne 'C:\x.pfx') { throw "no PFX: $FilePath" }
    $text = [Net.NetworkCredential]::new('', $Password).Password
    $code = $pfxCase.$(if ($text -eq 'right') { 'right' } else { 'wrong' })
    if ($code) { throw [ComponentModel.Win32Exception]::new([int]$code) }
}"""


@pytest.fixture
def pki(powershell: PowerShellHost) -> Iterator[None]:
    """What a test defines in the place of these cmdlets is gone afterwards."""
    yield
    powershell.run("Get-Item Function:Get-PfxData, Function:Import-PfxCertificate -ErrorAction Ignore | Remove-Item")


@pytest.mark.usefixtures("pki")
@pytest.mark.parametrize(
    ("right", "wrong", "verdict"),
    [
        (0, 86, "holds"),
        # ERROR_ACCESS_DENIED, before anybody looked at the password
        (5, 5, "holds"),
        (5, 86, "holds"),
        # refused by the error of a wrong password
        (86, 86, "fails"),
        (0, 5, "fails"),
        (0, 0, "fails"),
        (5, 0, "fails"),
    ],
)
def test_errors_of_a_pfx(powershell: PowerShellHost, right: int, wrong: int, verdict: str) -> None:
    result = check(powershell, "pfx_error", PFX, right=right, wrong=wrong)
    assert result["verdict"] == verdict, result


KEYS = r"""
function global:Import-PfxCertificate { [CmdletBinding()] param ($FilePath, $Password, $CertStoreLocation)
    if ($FilePath -ne 'C:\x.pfx') { throw "no PFX: $FilePath" }
    $folder = [IO.Directory]::CreateDirectory('C:\ProgramData\Microsoft\Crypto\Keys').FullName
    [IO.File]::WriteAllText("$folder\key", 'key')
}
function Remove-StoredCertificate { param ($Thumbprint)
    if ($case.removes) { [IO.File]::Delete('C:\ProgramData\Microsoft\Crypto\Keys\key') }
    if ($case.problem) { $case.problem }
}"""


@pytest.mark.usefixtures("pki")
@pytest.mark.parametrize(
    ("removes", "problem", "verdict", "found"),
    [
        (True, "", "holds", "1 files of keys made, 0 left"),
        (False, "", "fails", "1 files of keys made, 1 left"),
        (True, "The private key stays", "fails", "1 files of keys made, 0 left; The private key stays"),
    ],
)
def test_key_of_a_removed_certificate(
    powershell: PowerShellHost, removes: bool, problem: str, verdict: str, found: str
) -> None:
    result = check(powershell, "private_key", PFX + KEYS, right=0, wrong=86, removes=removes, problem=problem)
    (powershell.disk / "ProgramData/Microsoft/Crypto/Keys/key").unlink(missing_ok=True)
    assert (result["verdict"], result["found"]) == (verdict, found)


@pytest.mark.parametrize("name", ["pfx_error", "private_key"])
def test_where_no_certificate_can_be_made(powershell: PowerShellHost, name: str) -> None:
    reason = check(powershell, name, "function New-TestPfx { throw 'no provider' }")["reason"]
    assert reason == "No certificate can be made on this host: no provider"


PACKAGES = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages"
HOTFIX = "function Get-CimFact { @{ HotFixID = 'KB2919355' } }"


@pytest.mark.parametrize(
    ("package", "verdict"),
    [("Package_for_KB2919355~31bf3856ad364e35~amd64~~6.3.1.14", "holds"), ("Package_for_KB1", "fails")],
)
def test_package_of_an_update(powershell: PowerShellHost, package: str, verdict: str) -> None:
    key = rf"{PACKAGES}\{package}"
    with powershell.identity(os="2012r2"):
        script = "[Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree($case, $false)"
        powershell.run(script, PACKAGES)
        with values(powershell, (key, "CurrentState", 0x70), tree=PACKAGES):
            result = check(powershell, "update_packages", HOTFIX)
        assert check(powershell, "update_packages", "function Get-CimFact { }")["reason"].startswith("KB2919355 is not")
    assert result["verdict"] == verdict
    assert check(powershell, "update_packages")["reason"] == "Only Windows Server 2012 R2 needs KB2919355."


LINK = """
function Invoke-SystemTool { param ($Name, $Argument)
    if ($Argument -match 'mklink "([^"]+)"') { & $make $Matches[1] } else { throw 'exit code 1' }
}
$make = { %s }"""


def test_a_link(powershell: PowerShellHost) -> None:
    none = check(powershell, "open_link", LINK % "")
    assert none["reason"] == "No symbolic link can be made: mklink made none."
    denied = check(powershell, "open_link", LINK % "throw 'You do not have sufficient privilege'")
    assert denied["reason"] == "No symbolic link can be made: You do not have sufficient privilege"
    followed = check(powershell, "open_link", LINK % "[IO.File]::WriteAllText($args[0], 'the target')")
    assert (followed["verdict"], followed["found"]) == ("fails", "it was opened")


KILLED = r"""
$run = Start-Run
$null = Test-ReceiptRestore -Run $run
$null = Test-RegistryType -Run $run
[IO.File]::WriteAllText("$($run.Folder)\file", 'x')
# The process is gone, and its handle with it.
$run.Lock.Dispose()
$next = Start-Run
@{ left = @(Stop-Run -Run $next); earlier = @($next.Left | Where-Object { $_ }) }
"""


def test_what_a_killed_run_left_is_removed_by_the_next(powershell: PowerShellHost) -> None:
    """The fixture of this file sees that nothing is there."""
    result = powershell.run(inside(WITH_TOOLS + KILLED))
    assert result == {"left": [], "earlier": []}


BUSY = """
$run = Start-Run
try { Start-Run } catch { $_.Exception.Message } finally { $null = Stop-Run -Run $run }
"""


def test_one_at_a_time(powershell: PowerShellHost) -> None:
    message = powershell.run(inside(WITH_TOOLS + BUSY))
    assert message.startswith("Another selftest is running on this host (C:\\ProgramData\\infoprotect\\selftest\\")


@pytest.mark.usefixtures("tools")
def test_what_cannot_be_removed_is_reported_and_tried_again(powershell: PowerShellHost) -> None:
    with replaced(powershell, "Remove-TestReceipt", "throw 'Access is denied'"):
        result = powershell.module("selftest")
    expected = (
        "The selftest could not remove the receipts *-selftest.json: Access is denied. The next selftest tries again"
    )
    assert result["changed"] and result["left"] == result["warnings"] == [expected]
    again = powershell.module("selftest")
    assert not again["changed"] and again["left"] == []


@pytest.mark.parametrize("name", ["latest", "first"])
def test_its_receipts_are_none_of_the_history(powershell: PowerShellHost, key: str, name: str) -> None:
    script = """
$write = { param ($source, $data)
    $value = New-RegistryValue -Path $case.key -Name a -Data $data
    (Write-RegistryPlan -Plan (Get-RegistryPlan -Value $value) -Source $source).Receipt
}
$files = @((& $write selftest 1), (& $write tls 2), (& $write selftest 3))
(Get-Receipt -Name $case.name).Module
(Get-Receipt -Name $files[2]).Module
$files | ForEach-Object { [IO.File]::Delete($_) }"""
    folder = powershell.disk / "ProgramData/infoprotect/receipts"
    moved = [path.rename(powershell.disk / "unit" / path.name) for path in sorted(folder.iterdir())]
    try:
        assert powershell.run(script, {"key": key, "name": name}) == ["tls", "selftest"]
    finally:
        for path in moved:
            path.rename(folder / path.name)
