"""The stand-ins of Microsoft's installers: they install, upgrade, remove, refuse and fail as told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from winfleet import vendor

from .conftest import Fleet
from .test_life import BOOT_TIME, answers, wait_for

SHARE = r"\\fileserver\packages"
MSIP = r"C:\Program Files (x86)\Microsoft Azure Information Protection"
AIP, PURVIEW = "Microsoft Azure Information Protection", "Microsoft Purview Information Protection"
UL = "{6F8A30BE-992C-4C06-817B-4A222430F2B8}"
RESTART = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending"

#: run NAME ARGUMENT...: the exit code; products: what the 32-bit view of the Uninstall key has; as_system LINES:
#: the exit codes of commands that the system account runs
PRELUDE = r"""
$ErrorActionPreference = 'Stop'
function run($name) {
    $program = if (Test-Path "C:\pkg\$name") { "C:\pkg\$name" } else { $name }
    $process = Start-Process -FilePath $program -ArgumentList @($args) -Wait -PassThru
    [string] $process.ExitCode
}
function uninstall_keys {
    $path = 'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall'
    Get-ChildItem -LiteralPath $path -ErrorAction Ignore | ForEach-Object { Get-ItemProperty -LiteralPath $_.PSPath }
}
function products {
    $text = foreach ($item in uninstall_keys) {
        $kind = if ($item.BundleVersion) { 'bundle' } elseif ($item.SystemComponent) { 'hidden' } else { 'msi' }
        "$($item.DisplayName.Split()[1]) $($item.DisplayVersion) $kind"
    }
    'products: ' + (($text | Sort-Object) -join ', ')
}
function as_system($commands) {
    $text = foreach ($command in $commands) { "start /wait $command", '@echo %errorlevel%>>C:\codes.txt' }
    Set-Content -LiteralPath C:\steps.cmd -Value $text
    schtasks.exe /create /tn T /tr 'cmd.exe /c C:\steps.cmd' /sc ONCE /st 00:00 /ru SYSTEM /f | Out-Null
    schtasks.exe /run /tn T | Out-Null
    while ((schtasks.exe /query /tn T /fo csv /nh) -match 'Running') { Start-Sleep -Milliseconds 200 }
    [IO.File]::ReadAllLines('C:\codes.txt')
}
"""


def lines(fleet: Fleet, host: str, script: str) -> list[str]:
    result = fleet.powershell(host, PRELUDE + script)
    assert result.code == 0, result.out + result.err
    return result.out.split("\r\n")[:-1]


@pytest.fixture(scope="module")
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    """alpha (2019) and bare (2012 with PowerShell 3.0); the packages in C:\\pkg and on a share."""
    one = make_fleet("vendor")
    one.run("up", "alpha", "bare")
    folder = vendor.packages().folder
    for host in ("alpha", "bare"):
        one.run("share", host, SHARE, str(folder))
        lines(one, host, rf"Copy-Item -LiteralPath {SHARE} -Destination C:\pkg -Recurse")
    return one


def test_the_command_places_and_lists_them(fleet: Fleet, tmp_path: Path) -> None:
    said = fleet.run("packages", str(tmp_path)).out.splitlines()
    built = vendor.packages()
    assert said[0] == str(tmp_path)
    assert dict(line.split("  ")[::-1] for line in said[1:]) == {name: built.sha256(name) for name in built}
    assert {file.name for file in tmp_path.iterdir()} == set(built)


def test_signatures_versions_and_properties_are_read_on_the_host(fleet: Fleet) -> None:
    microsoft = "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US"
    script = r"""
        foreach ($name in '.exe', '.msi', '-contoso.exe', '-tampered.exe', '-unsigned.exe') {
            $signature = Get-AuthenticodeSignature -LiteralPath "C:\pkg\AzInfoProtection_UL-2.18.26$name"
            "$($signature.Status) $($signature.SignerCertificate.Subject)"
        }
        $version = [System.Diagnostics.FileVersionInfo]::GetVersionInfo('C:\pkg\PurviewInfoProtection-3.1.310.exe')
        $version.ProductName, $version.ProductVersion, $version.FileVersion, $version.CompanyName -join '|'
        Add-Type -Namespace Winfleet -Name Msi -MemberDefinition '
            [DllImport("msi.dll", CharSet = CharSet.Unicode)]
            public static extern uint MsiOpenDatabaseW(string path, System.IntPtr mode, out uint database);
            [DllImport("msi.dll", CharSet = CharSet.Unicode)]
            public static extern uint MsiDatabaseOpenViewW(uint database, string query, out uint view);
            [DllImport("msi.dll")] public static extern uint MsiViewExecute(uint view, uint record);
            [DllImport("msi.dll")] public static extern uint MsiViewFetch(uint view, out uint record);
            [DllImport("msi.dll", CharSet = CharSet.Unicode)]
            public static extern uint MsiRecordGetStringW(
                uint record, uint field, System.Text.StringBuilder text, ref uint size);
            [DllImport("msi.dll")] public static extern uint MsiCloseAllHandles();'
        [uint32] $database = $view = $record = 0
        $path = 'C:\pkg\AzInfoProtection_UL-2.18.26.msi'
        [Winfleet.Msi]::MsiOpenDatabaseW($path, [IntPtr]::Zero, [ref] $database)
        foreach ($property in 'ProductCode', 'ProductVersion', 'ProductName') {
            $query = "SELECT ``Value`` FROM ``Property`` WHERE ``Property`` = '$property'"
            [void] [Winfleet.Msi]::MsiDatabaseOpenViewW($database, $query, [ref] $view)
            [void] [Winfleet.Msi]::MsiViewExecute($view, 0)
            [void] [Winfleet.Msi]::MsiViewFetch($view, [ref] $record)
            $text = [System.Text.StringBuilder]::new(256)
            [uint32] $size = 256
            [void] [Winfleet.Msi]::MsiRecordGetStringW($record, 1, $text, [ref] $size)
            $text.ToString()
        }
        [void] [Winfleet.Msi]::MsiCloseAllHandles()
    """
    assert lines(fleet, "alpha", script) == [
        f"Valid {microsoft}",
        f"Valid {microsoft}",
        "Valid CN=Contoso Ltd, O=Contoso Ltd, C=US",
        "HashMismatch ",
        "NotSigned ",
        f"{PURVIEW}|3.1.310.0|3.1.310.0|Microsoft Corporation",
        "0",
        UL,
        "2.18.26.0",
        AIP,
    ]


def test_msi_packages_upgrade_in_place_and_go(fleet: Fleet) -> None:
    script = rf"""
        function install($name) {{
            run msiexec.exe /i "C:\pkg\$name.msi" /qn /norestart ENABLETELEMETRY=0 /l*v C:\msi.log
        }}
        install AzInfoProtection-1.54.59; products
        install AzInfoProtection_UL-2.16.73; products
        install AzInfoProtection_UL-2.18.26; products
        install AzInfoProtection_UL-2.18.26; [IO.File]::ReadAllLines('C:\msi.log')[-2]
        (Get-Item -LiteralPath '{MSIP}\MSIP.App.exe').VersionInfo.ProductVersion
        (Get-ChildItem -LiteralPath '{MSIP}\Powershell').Name
        (Get-ItemProperty -LiteralPath HKLM:\SOFTWARE\WOW6432Node\winfleet\client).Telemetry
        install AzInfoProtection_UL-2.16.73; [IO.File]::ReadAllLines('C:\msi.log')[-3]; products
        install PurviewInfoProtection-3.2.57; [IO.File]::ReadAllLines('C:\msi.log')[-3]
        run msiexec.exe /x '{UL}' /qn; products; Test-Path -LiteralPath '{MSIP}'
        install PurviewInfoProtection-3.2.57; install PurviewInfoProtection-3.2.92; products
        run msiexec.exe /i C:\pkg\PurviewInfoProtection-3.2.92.msi /quiet REINSTALL=ALL REINSTALLMODE=vomus; products
        run msiexec.exe /x C:\pkg\PurviewInfoProtection-3.2.92.msi /quiet; products
    """
    said = "MSI (s) Product: {0} -- "
    purview = said.format(PURVIEW)
    aip = said.format(AIP)
    assert lines(fleet, "alpha", script) == [
        *("0", "products: Azure 1.54.59.0 msi"),
        *("0", "products: Azure 2.16.73.0 msi"),
        *("0", "products: Azure 2.18.26.0 msi"),
        *("0", aip + "Installation completed successfully."),
        *("2.18.26.0", "AzureInformationProtection", "0"),
        *("1603", aip + f"A newer version of {AIP} is installed already.", "products: Azure 2.18.26.0 msi"),
        "1603",
        purview + f"{PURVIEW} is not installed beside the Azure Information Protection client. Remove that first.",
        *("0", "products: ", "False"),
        *("0", "1638", "products: Purview 3.2.57.0 msi"),
        *("0", "products: Purview 3.2.92.0 msi"),
        *("0", "products: "),
    ]


def test_what_windows_installer_refuses(fleet: Fleet) -> None:
    script = r"""
        $package = 'C:\pkg\AzInfoProtection_UL-2.18.26.msi'
        [IO.File]::WriteAllBytes('C:\half.msi', [IO.File]::ReadAllBytes($package)[0..3000])
        run msiexec.exe /i $package
        run msiexec.exe /x $package /qn
        run msiexec.exe /i C:\none.msi /qn
        run msiexec.exe /i C:\half.msi /qn
        run msiexec.exe /i C:\pkg\AzInfoProtection_UL-2.18.26-broken.msi /qn /log C:\msi.log
        [IO.File]::ReadAllLines('C:\msi.log')[-3..-2]
        $other = [Threading.Mutex]::new($true, 'Global\_MSIExecute')
        run msiexec.exe /i $package /qn
        run AzInfoProtection_UL-2.18.26.exe /quiet
        $other.ReleaseMutex(); $other.Dispose()
        products
    """
    assert lines(fleet, "alpha", script) == [
        *("1602", "1605", "1619", "1620", "1603"),
        f"MSI (s) Product: {AIP} -- Error 1920. The service of {AIP} could not be started.",
        f"MSI (s) Product: {AIP} -- Installation failed.",
        *("1618", "1618", "products: "),
    ]


def test_bundles_register_upgrade_and_go(fleet: Fleet) -> None:
    script = rf"""
        run AzInfoProtection_UL-2.16.73.exe /quiet /norestart /log C:\bundle.log AllowTelemetry=0 PowerShellOnly=true
        products
        $trace = Get-ItemProperty -LiteralPath HKLM:\SOFTWARE\WOW6432Node\winfleet\client
        "$($trace.Telemetry) $($trace.PowerShellOnly)"
        @([IO.File]::ReadAllLines('C:\bundle.log')[-1] -split '\]')[-1]
        [IO.File]::ReadAllLines('C:\bundle.log_000_MSIP.Setup.Main.msi.log')[-2]
        run AzInfoProtection_UL-2.18.26.exe /quiet; products
        run AzInfoProtection_UL-2.16.73.exe /quiet
        run PurviewInfoProtection-3.1.310.exe /quiet; products
        run AzInfoProtection_UL-2.18.26.exe
        $bundle = uninstall_keys | Where-Object BundleVersion
        $bundle.Publisher, $bundle.BundleVersion, $bundle.BundleUpgradeCode.GetType().Name -join '|'
        $bundle.BundleProviderKey -eq $bundle.PSChildName
        $folder = "C:\ProgramData\Package Cache\$($bundle.PSChildName)"
        $bundle.BundleCachePath -eq "$folder\AzInfoProtection_UL-2.18.26.exe"
        $bundle.QuietUninstallString -eq "`"$($bundle.BundleCachePath)`" /uninstall /quiet"
        run $bundle.BundleCachePath /uninstall /quiet
        products; Test-Path -LiteralPath $folder; Test-Path -LiteralPath '{MSIP}'
        run PurviewInfoProtection-3.2.57.exe /quiet; run PurviewInfoProtection-3.2.92.exe /quiet; products
        run PurviewInfoProtection-3.2.92.exe /uninstall /quiet; products
    """
    assert lines(fleet, "alpha", script) == [
        *("0", "products: Azure 2.16.73.0 bundle, Azure 2.16.73.0 hidden", "0 true"),
        "i399: Apply complete, result: 0x0, restart: None",
        f"MSI (s) Product: {AIP} -- Installation completed successfully.",
        *("0", "products: Azure 2.18.26.0 bundle, Azure 2.18.26.0 hidden"),
        *("1638", "1603", "products: Azure 2.18.26.0 bundle, Azure 2.18.26.0 hidden", "1602"),
        *("Microsoft Corporation|2.18.26.0|String[]", "True", "True", "True"),
        *("0", "products: ", "False", "False"),
        *("0", "0", "products: Purview 3.2.92.0 bundle, Purview 3.2.92.0 hidden"),
        *("0", "products: "),
    ]


def test_installers_fail_as_they_are_told(fleet: Fleet) -> None:
    name = "AzInfoProtection_UL-2.18.26.exe"

    def tell(argument: str, *values: str) -> None:
        fleet.run("fault", "alpha", "clear")
        fleet.run("fault", "alpha", "installer", f"argument={argument}", *values)

    tell(name, "exit_codes=1618,1603")
    script = rf"run {name} /quiet; run {name} /quiet; products; run {name} /uninstall /quiet"
    assert lines(fleet, "alpha", script) == ["1618", "1603", "products: ", "0"]
    tell("any", "die=files")
    script = rf"run {name} /quiet; products; Test-Path -LiteralPath '{MSIP}\MSIP.App.exe'"
    assert lines(fleet, "alpha", script) == ["1067", "products: ", "True"]
    tell(name, "die=msi", "hang=2")
    script = rf"$began = Get-Date; run {name} /quiet; products; (Get-Date) - $began -gt [timespan]::FromSeconds(2)"
    assert lines(fleet, "alpha", script) == ["1067", "products: Azure 2.18.26.0 hidden", "True"]
    tell(name, "exit_code=3010")
    script = rf"run {name} /quiet; products"
    assert lines(fleet, "alpha", script) == ["3010", "products: Azure 2.18.26.0 bundle, Azure 2.18.26.0 hidden"]
    tell("AzInfoProtection_UL-2.18.26.msi", "exit_codes=1618")
    script = r"1, 2 | ForEach-Object { run msiexec.exe /i C:\pkg\AzInfoProtection_UL-2.18.26.msi /qn }"
    assert lines(fleet, "alpha", script) == ["1618", "0"]
    assert fleet.run("fault", "alpha", "installer", "argument=any", "no_such=1", check=False).code == 1
    tell("any", "exit_code=1641")
    before = fleet.powershell("alpha", BOOT_TIME).out
    assert lines(fleet, "alpha", rf"run {name} /uninstall /quiet") == ["1641"]
    wait_for(lambda: not answers(fleet, "alpha"))
    wait_for(lambda: answers(fleet, "alpha"))
    assert fleet.powershell("alpha", BOOT_TIME).out != before
    fleet.run("fault", "alpha", "clear")
    assert lines(fleet, "alpha", "products; Test-Path HKLM:\\SOFTWARE\\winfleet\\installers") == ["products: ", "False"]


def test_a_share_is_there_until_it_is_taken_away(fleet: Fleet) -> None:
    package = rf"{SHARE}\AzInfoProtection_UL-2.18.26.msi"
    script = rf"run msiexec.exe /i {package} /qn; run msiexec.exe /x {package} /qn; Test-Path -LiteralPath {package}"
    assert lines(fleet, "alpha", script) == ["0", "0", "True"]
    fleet.run("share", "alpha", SHARE)
    script = (
        rf"Test-Path -LiteralPath {package}; Test-Path -LiteralPath \\nobody\nothing; run msiexec.exe /i {package} /qn"
    )
    assert lines(fleet, "alpha", script) == ["False", "False", "1619"]


def test_a_share_wants_credentials(fleet: Fleet) -> None:
    share, folder = r"\\nas\it", str(vendor.packages().folder)
    fleet.run("share", "alpha", share, folder, "--user", r"CONTOSO\svc", "--password", "it's secret")
    script = rf"""
        function connect($user, $password) {{
            $credential = [pscredential]::new($user, (ConvertTo-SecureString $password -AsPlainText -Force))
            try {{
                [void] (New-PSDrive -Name P -PSProvider FileSystem -Root {share} -Credential $credential -Scope Script)
                @(Get-ChildItem -LiteralPath P:\).Count
            }} catch {{ $_.Exception.NativeErrorCode }}
        }}
        Test-Path -LiteralPath {share}
        connect CONTOSO\svc wrong
        connect CONTOSO\svc "it's secret"
        Test-Path -LiteralPath {share}
        Remove-PSDrive -Name P
        Test-Path -LiteralPath {share}
    """
    assert lines(fleet, "alpha", script) == ["False", "1326", str(len(vendor.packages())), "True", "False"]


@pytest.mark.full  # the test of aip_bootstrap goes the same way
def test_from_powershell_3_to_5_1(fleet: Fleet) -> None:
    """The way of a bare 2012: .NET and WMF, neither from a network logon, then a restart."""
    script = rf"""
        $msu = 'C:\pkg\W2K12-KB3191565-x64.msu'
        $net = 'C:\pkg\NDP472-KB4054530-x86-x64-AllOS-ENU.exe'
        run NDP472-KB4054530-x86-x64-AllOS-ENU.exe /q /norestart
        run wusa.exe $msu /quiet /norestart
        run msiexec.exe /i C:\pkg\PurviewInfoProtection-3.1.310.msi /qn /log C:\msi.log
        [IO.File]::ReadAllLines('C:\msi.log')[-3]
        Test-Path -LiteralPath '{RESTART}'
        as_system @(
            "wusa.exe $msu /quiet /norestart"
            "$net /q /norestart /log C:\net.log"
            "$net /q /norestart"
            "wusa.exe C:\pkg\Win8.1AndW2K12R2-KB3191564-x64.msu /quiet /norestart"
            "wusa.exe $msu /quiet /norestart"
            "wusa.exe $msu /quiet /norestart"
        )
        Get-Content C:\net.log
        foreach ($view in '', 'WOW6432Node\') {{
            (Get-ItemProperty "HKLM:\SOFTWARE\${{view}}Microsoft\NET Framework Setup\NDP\v4\Full").Release
        }}
        Test-Path -LiteralPath '{RESTART}'
        $PSVersionTable.PSVersion.ToString()
    """
    assert lines(fleet, "bare", script) == [
        *("5", "5", "1603"),
        f"MSI (s) Product: {PURVIEW} -- {PURVIEW} needs Windows build 14393 or later.",
        *("False", "-2145124329", "3010", "5100", "-2145124329", "3010", "2359302"),
        "Final Result: Installation completed successfully with success code: (0x00000BC2)",
        *("461814", "461814", "True", "3.0"),
    ]
    assert fleet.ansible("bare", "-m", "ansible.windows.win_ping").code != 0
    fleet.run("reboot", "bare")
    wait_for(lambda: not answers(fleet, "bare"))
    wait_for(lambda: answers(fleet, "bare"))
    script = rf"$PSVersionTable.PSVersion.ToString(2); Test-Path -LiteralPath '{RESTART}'"
    assert lines(fleet, "bare", script) == ["5.1", "False"]
    result = fleet.ansible("bare", "-m", "ansible.windows.win_ping")
    assert result.code == 0, result.out


def test_packages_are_built_once(tmp_path: Path) -> None:
    name = "AzInfoProtection_UL-2.18.26.exe"
    first = vendor.packages(tmp_path)
    checksum = first.sha256(name)
    again = vendor.packages(tmp_path)
    assert (again.folder, again.sha256(name)) == (first.folder, checksum)
    shutil.rmtree(first.folder)
    assert vendor.packages(tmp_path).sha256(name) != checksum, "every build has keys of its own"
    assert {path.name for path in tmp_path.iterdir()} == {first.folder.name, "packages", ".packages.lock"}
    assert tmp_path.joinpath("packages").resolve() == first.folder.resolve()
