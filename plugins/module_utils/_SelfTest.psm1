# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Checks on a real host what the emulated fleet cannot prove. guide_assumptions.rst lists the same ids. What a check makes belongs to its run (a key, a
# task, a certificate, a folder, receipts) and is removed by it, or by the next run where it was killed.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Msi
using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Process
using namespace Microsoft.Win32
using namespace System.IO
using namespace System.Security.AccessControl
using namespace System.Security.Cryptography
using namespace System.Security.Cryptography.X509Certificates
using namespace System.Security.Principal

#AnsibleRequires -CSharpUtil ..module_utils._Msi
#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -CSharpUtil ..module_utils._Process
#AnsibleRequires -PowerShell ..module_utils._Client
#AnsibleRequires -PowerShell ..module_utils._ConnectorHttps
#AnsibleRequires -PowerShell ..module_utils._ConnectorHttpsSetup
#AnsibleRequires -PowerShell ..module_utils._ExchangeServer
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Program
#AnsibleRequires -PowerShell ..module_utils._ReceiptReader
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData
#AnsibleRequires -PowerShell ..module_utils._Restore
#AnsibleRequires -PowerShell ..module_utils._SystemTask

# Receipts of this source are not part of the host's history: _Receipt.psm1.
$source = 'selftest'
$services = 'SYSTEM\CurrentControlSet\Services'
$uninstall = 'SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall'
$shell = [Path]::Combine([Environment]::SystemDirectory, 'cmd.exe')
# A failure of Windows Installer as HRESULT: negative, and no code of the scheduler itself.
$exitCode = -2147023293
# An unpaired surrogate, and two characters that comparisons by culture ignore
$oddText = "a$([char]0xD800)b$([char]0xAD)$([char]0x200E)"
# Longer than what ConvertFrom-Json of 5.1 reads
$longReceipt = 3MB
$updateBuild = 9600
$updateName = 'KB2919355'

# Needs: 'write' of a check that makes something on the host for a moment, 'administrator' of one that reads what only administrators can.
$checks = [ordered]@{
    own_folder = @{
        Expected = 'The folders of the collection admit the administrators and the system account only.'
        Needs = 'write'
        Test = { param ($Run) Test-FolderAccess -Run $Run }
    }
    registry_values = @{
        Expected = 'Values of every type and in both views read back as they were written.'
        Needs = 'write'
        Test = { param ($Run) Test-RegistryType -Run $Run }
    }
    registry_time = @{
        Expected = 'A changed value renews the time of the last write of its key.'
        Needs = 'write'
        Test = { param ($Run) Test-LastWrite -Run $Run }
    }
    receipt_restore = @{
        Expected = 'A receipt of more than 2 MB is read, its sensitive data is protected, and restoring it leaves nothing behind.'
        Needs = 'write'
        Test = { param ($Run) Test-ReceiptRestore -Run $Run }
    }
    boot_time = @{
        Expected = 'NtQuerySystemInformation and CIM agree on the time of the last start.'
        Test = { Test-BootTime }
    }
    job_object = @{
        Expected = 'A program that a WinRM session starts can be put into a job object.'
        Test = { Test-JobObject }
    }
    msi_state = @{
        Expected = 'MsiQueryProductState is 5 for an installed MSI and -1 for an unknown product code.'
        Test = { Test-MsiState }
    }
    connector_name = @{
        Expected = 'The connector is in the list of installed programs by a name that the collection knows.'
        Test = { Test-ConnectorName }
    }
    client_telemetry = @{
        Expected = 'EnableTelemetry is a number in HKLM\SOFTWARE\Microsoft\MSIP, in either view.'
        Test = { Test-ClientTelemetry }
    }
    exchange_setup = @{
        Expected = 'Only the setup of an Exchange server leaves the value Services or the key of a role.'
        Test = { Test-ExchangeSetup }
    }
    internal_database = @{
        Expected = 'Windows Internal Database is the service MSSQL$MICROSOFT##WID.'
        Test = { Test-InternalDatabase }
    }
    sql_instances = @{
        Expected = 'Every database engine of SQL Server is listed below Instance Names\SQL.'
        Test = { Test-SqlInstance }
    }
    domain_role = @{
        Expected = 'DsRoleGetPrimaryDomainInformation and CIM agree on the role in the domain.'
        Test = { Test-DomainRole }
    }
    domain_account = @{
        Expected = 'An account that is not an administrator may call DsRoleGetPrimaryDomainInformation.'
        Test = { Test-DomainAccount }
    }
    policy_owner = @{
        Expected = 'The files of policies belong to the administrators, the system account or TrustedInstaller.'
        Test = { Test-PolicyOwner }
    }
    ssl_entries = @{
        Expected = 'The registry has the same certificates of addresses and names as netsh http show sslcert.'
        Needs = 'administrator'
        Test = { Test-SslEntry }
    }
    pfx_error = @{
        Expected = 'Windows reports a wrong password of a PFX by another error than a logon that may not open it.'
        Needs = 'write'
        Test = { param ($Run) Test-PfxError -Run $Run }
    }
    private_key = @{
        Expected = 'The private key of a removed certificate is deleted with it.'
        Needs = 'write'
        Test = { param ($Run) Test-PrivateKey -Run $Run }
    }
    task_result = @{
        Expected = "The seventh column of schtasks /query /v /fo csv has the exit code of a task, $exitCode."
        Needs = 'write'
        Test = { param ($Run) Test-TaskResult -Run $Run }
    }
    update_packages = @{
        Expected = "$updateName is among the packages of component based servicing where Windows lists it."
        Test = { Test-UpdatePackage }
    }
    open_file = @{
        Expected = 'A file that is open for reading can be neither deleted, moved nor replaced.'
        Needs = 'write'
        Test = { param ($Run) Test-OpenFile -Run $Run }
    }
    open_link = @{
        Expected = 'Opening a symbolic link opens the link itself, which is refused.'
        Needs = 'write'
        Test = { param ($Run) Test-OpenLink -Run $Run }
    }
}

function Invoke-SelfTest {
    <#
    .SYNOPSIS
    Runs all checks and fills the module's result.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $administrator = Test-Administrator
    $run = if ($Module.CheckMode) { @{ ReadOnly = 'Check mode writes nothing.' } }
    elseif (-not $administrator) { @{ ReadOnly = 'This account is not an administrator.' } }
    else { Start-Run }
    $run.Administrator = $administrator
    $left = @($run.Left)
    try {
        $results = foreach ($id in $checks.Keys) {
            Invoke-Check -Id $id -Run $run
        }
    }
    finally {
        $left += @(if ($run.Lock) { Stop-Run -Run $run })
    }
    $Module.Result.checks = [object[]]@($results)
    $Module.Result.host = Get-TestHost -Administrator $administrator
    $Module.Result.shapes = Get-JsonShape
    $Module.Result.left = [string[]]@($left | Where-Object -FilterScript { $_ })
    $Module.Result.changed = $Module.Result.left.Count -gt 0
    foreach ($text in $Module.Result.left) {
        $Module.Warn($text)
    }
}

function Invoke-Check {
    # One check as the module returns it. What it throws is what it found.
    param ([string]$Id, $Run)

    $check = $checks[$Id]
    $finding = if ($check.Needs -eq 'write' -and -not $Run.Folder) {
        New-Skip -Reason $Run.ReadOnly
    }
    elseif ($check.Needs -eq 'administrator' -and -not $Run.Administrator) {
        New-Skip -Reason 'This account is not an administrator.'
    }
    else {
        try {
            & $check.Test $Run
        }
        catch {
            New-Finding -Found (Get-InnerMessage -ErrorRecord $_)
        }
    }
    [ordered]@{
        id = $Id
        verdict = $finding.Verdict
        expected = $check.Expected
        found = $finding.Found
        reason = $finding.Reason
    }
}

function New-Finding {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param ([bool]$Holds, [string]$Found)

    @{ Verdict = if ($Holds) { 'holds' } else { 'fails' }; Found = $Found; Reason = $null }
}

function New-Skip {
    # Of what this host or this run cannot show.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param ([string]$Reason)

    @{ Verdict = 'skipped'; Found = $null; Reason = $Reason }
}

function Test-Administrator {
    [WindowsPrincipal]::new([WindowsIdentity]::GetCurrent()).IsInRole([WindowsBuiltInRole]::Administrator)
}

function Start-Run {
    <#
    .SYNOPSIS
    Begins a run that may write: Id, Key (of the registry), Folder, Lock (a file that is open as long as it lasts), NewFolder and Left.

    .DESCRIPTION
    Removes what killed runs left. Throws while another run is at work.
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ()

    # In this order the folders can be removed.
    $folders = @('selftest', 'packages', 'receipts' | ForEach-Object -Process { Get-OwnFolder -Name $_ })
    $folders += [Path]::GetDirectoryName($folders[0])
    $new = @($folders | Where-Object -FilterScript { -not [Directory]::Exists($_) })
    $parent = Initialize-OwnFolder -Name selftest
    $id = [guid]::NewGuid()
    $run = @{
        Id = $id
        Key = Get-TestKey -Id $id
        Folder = [Path]::Combine($parent, "$id")
        Lock = [FileStream]::new([Path]::Combine($parent, "$id.run"), 'CreateNew', 'Write', 'None')
        NewFolder = $new
        Left = @()
    }
    try {
        foreach ($file in [Directory]::GetFiles($parent, '*.run') | Where-Object -FilterScript { $_ -ne $run.Lock.Name }) {
            try {
                [FileStream]::new($file, 'Open', 'Write', 'None').Dispose()
            }
            catch [IOException] {
                throw "Another selftest is running on this host ($file is open): expected one at a time. Wait for its end"
            }
            $run.Left += Complete-Run -Id ([Path]::GetFileNameWithoutExtension($file))
        }
        $null = [Directory]::CreateDirectory($run.Folder)
    }
    catch {
        $null = Stop-Run -Run $run
        throw
    }
    $run
}

function Stop-Run {
    # Ends a run; returns a text for each thing that it leaves.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Run)

    $Run.Lock.Dispose()
    Complete-Run -Id $Run.Id
    foreach ($folder in $Run.NewFolder | Where-Object -FilterScript { [Directory]::Exists($_) }) {
        try {
            [Directory]::Delete($folder)
        }
        catch [IOException] {
            # Something else has come to use it.
            Write-Debug -Message $_.Exception.Message
        }
    }
}

function Complete-Run {
    # Removes what a run has made, and then the file by which the next run would find it; returns a text for each thing that stays.
    param ([guid]$Id)

    $parent = Get-OwnFolder -Name selftest
    $steps = [ordered]@{
        "the scheduled task infoprotect-$Id" = { Remove-TestTask -Id $Id }
        "the key $(Get-TestKey -Id $Id)" = { Remove-TestKey -Id $Id }
        "the certificate $(Get-TestSubject -Id $Id)" = { Remove-TestCertificate -Id $Id }
        "the receipts *-$source.json" = { Remove-TestReceipt }
        "the folder $parent\$Id" = { Remove-TestFolder -Path ([Path]::Combine($parent, "$Id")) }
    }
    $left = @(foreach ($what in $steps.Keys) {
            try {
                & $steps[$what]
            }
            catch {
                "The selftest could not remove $($what): $(Get-InnerMessage -ErrorRecord $_). The next selftest tries again"
            }
        })
    if (-not $left.Count) {
        [File]::Delete([Path]::Combine($parent, "$Id.run"))
    }
    $left
}

function Get-TestKey {
    param ([guid]$Id)

    "HKLM:\SOFTWARE\infoprotect.aip.selftest-$Id"
}

function Get-TestSubject {
    param ([guid]$Id)

    "CN=infoprotect-selftest-$Id"
}

function Remove-TestTask {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([guid]$Id)

    Remove-SystemTask -Id $Id
    try {
        $null = Invoke-SystemTool -Name schtasks.exe -Argument "/query /tn infoprotect-$Id"
    }
    catch {
        # There is none, as it has to be.
        return
    }
    throw 'the task scheduler still has it'
}

function Remove-TestKey {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([guid]$Id)

    foreach ($view in 64, 32) {
        $key = Resolve-RegistryPath -Path (Get-TestKey -Id $Id) -View $view
        $base = [RegistryKey]::OpenBaseKey($key.Hive, "Registry$view")
        try {
            $base.DeleteSubKeyTree($key.SubKey, $false)
        }
        finally {
            $base.Dispose()
        }
    }
}

function Remove-TestCertificate {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([guid]$Id)

    $store = [X509Store]::new('My', 'LocalMachine')
    try {
        $store.Open('ReadOnly, OpenExistingOnly')
        $thumbprints = @($store.Certificates | Where-Object -FilterScript { $_.Subject -eq (Get-TestSubject -Id $Id) } | ForEach-Object -Process { $_.Thumbprint })
    }
    catch [CryptographicException] {
        # There is no such store.
        if ($_.Exception.GetBaseException().HResult -ne 0x80070002) {
            throw
        }
        return
    }
    finally {
        $store.Close()
    }
    $left = @(if ($thumbprints.Count) { Remove-StoredCertificate -Thumbprint $thumbprints })
    if ($left.Count) {
        throw ($left -join '; ')
    }
}

function Remove-TestReceipt {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ()

    $folder = Get-OwnFolder -Name receipts
    if ([Directory]::Exists($folder)) {
        [Directory]::GetFiles($folder, "*-$source.json") | ForEach-Object -Process { [File]::Delete($_) }
    }
}

function Remove-TestFolder {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([string]$Path)

    # A program that has just ended may still hold its file, as may a virus scanner.
    for ($try = 1; [Directory]::Exists($Path); $try++) {
        try {
            Remove-Item -LiteralPath $Path -Recurse -Force -ErrorAction Stop
        }
        catch {
            if ($try -eq 5) {
                throw
            }
            Start-Sleep -Milliseconds 500
        }
    }
}

function Test-FolderAccess {
    param ($Run)

    $trusted = 'S-1-5-18', 'S-1-5-32-544', [WindowsIdentity]::GetCurrent().User.Value
    $security = [DirectorySecurity]::new([Path]::GetDirectoryName($Run.Folder), [AccessControlSections]'Owner, Access')
    $owner = $security.GetOwner([SecurityIdentifier]).Value
    $admitted = @($security.GetAccessRules($true, $true, [SecurityIdentifier]) | Where-Object -FilterScript { $_.AccessControlType -eq 'Allow' } |
            ForEach-Object -Process { $_.IdentityReference.Value } | Select-Object -Unique)
    $foreign = @(@($owner) + $admitted | Where-Object -FilterScript { $_ -notin $trusted })
    New-Finding -Holds (-not $foreign.Count) -Found "owner $owner, access for $($admitted -join ', ')"
}

function Test-RegistryType {
    param ($Run)

    # Name, type, data as the collection is given it, and as .NET reads it
    $cases = @(
        , @('', 'string', 'default', 'String default')
        , @($oddText, 'string', $oddText, "String $oddText")
        , @('expand', 'expandstring', '%SystemRoot%\x', 'ExpandString %SystemRoot%\x')
        , @('multi', 'multistring', @('one', 'two'), 'MultiString one|two')
        , @('dword', 'dword', 4294967295, 'DWord -1')
        , @('qword', 'qword', '0xFFFFFFFFFFFFFFFF', 'QWord -1')
        , @('binary', 'binary', 'de,ad,be,ef', 'Binary DE-AD-BE-EF')
        , @('none', 'none', '01', 'None 01')
    )
    $values = foreach ($view in 64, 32) {
        New-RegistryValue -Path $Run.Key -View $view -Name view -Data "$view"
        foreach ($case in $cases) {
            New-RegistryValue -Path $Run.Key -View $view -Name $case[0] -Type $case[1] -Data $case[2]
        }
    }
    $null = Write-RegistryPlan -Plan (Get-RegistryPlan -Value $values) -Source $source
    $wrong = @(foreach ($view in 64, 32) {
            foreach ($case in @(, @('view', 'string', '', "String $view")) + $cases) {
                $read = Read-DotNetValue -Key (Resolve-RegistryPath -Path $Run.Key -View $view) -Name $case[0]
                if (-not [string]::Equals($read, $case[3], 'Ordinal')) {
                    "$($case[1]) in the $view-bit view: $read"
                }
            }
        })
    New-Finding -Holds (-not $wrong.Count) -Found $(if ($wrong.Count) { $wrong -join '; ' } else { "$(@($values).Count) values" })
}

function Read-DotNetValue {
    # Type and data of a value as .NET has them, which owes nothing to the engine.
    param ($Key, [string]$Name)

    $open = Open-RegistryKey -Key $Key
    try {
        $data = $open.GetValue($Name, $null, 'DoNotExpandEnvironmentNames')
        $text = if ($data -is [byte[]]) { [BitConverter]::ToString($data) } else { @($data) -join '|' }
        "$($open.GetValueKind($Name)) $text"
    }
    finally {
        $open.Dispose()
    }
}

function Get-WriteTime {
    # When a key was last written, after one value, another, and the same again.
    param ($Run)

    $place = Resolve-RegistryPath -Path "$($Run.Key)\time"
    $base = [RegistryKey]::OpenBaseKey($place.Hive, 'Registry64')
    $key = $base.CreateSubKey($place.SubKey)
    try {
        foreach ($data in 1, 2, 2) {
            $key.SetValue('x', $data)
            [RawRegistry]::LastWrite($key.Handle)
            # More than a tick of the clock
            Start-Sleep -Milliseconds 50
        }
    }
    finally {
        $key.Dispose()
        $base.Dispose()
    }
}

function Test-LastWrite {
    param ($Run)

    $first, $changed, $same = Get-WriteTime -Run $Run
    $effect = @{ $true = 'renews it'; $false = 'does not renew it' }
    New-Finding -Holds ($changed -gt $first) -Found "other data $($effect[$changed -gt $first]), the same data again $($effect[$same -gt $changed])"
}

function Test-ReceiptRestore {
    param ($Run)

    $secret = "$([guid]::NewGuid())"
    $path = "$($Run.Key)\receipt"
    $values = @(
        New-RegistryValue -Path $path -Name $oddText -Data $oddText
        New-RegistryValue -Path $path -Name secret -Data $secret -Sensitive
    )
    $receipt = (Write-RegistryPlan -Plan (Get-RegistryPlan -Value $values) -Source $source).Receipt
    $shown = [File]::ReadAllText($receipt).Contains($secret)
    [File]::AppendAllText($receipt, ' ' * $longReceipt)
    $read = Get-Receipt -Name $receipt
    $kept = (Write-RegistryPlan -Plan (Get-RestorePlan -Receipt $read) -Source $source).Kept
    $open = Open-RegistryKey -Key (Resolve-RegistryPath -Path $path)
    if ($open) {
        $open.Dispose()
    }
    $found = "$(@($read.Values).Count) values read, sensitive data $(if ($shown) { 'shown' } else { 'protected' }), key $(if ($open) { 'left' } else { 'removed' })"
    New-Finding -Holds (-not $shown -and -not $open -and -not @($kept).Count) -Found $found
}

function Get-CimFact {
    # One instance of a class, or a text that says why there is none.
    param ([string]$Class, [string]$Filter)

    $wanted = @{ ClassName = $Class; ErrorAction = 'Stop' }
    if ($Filter) {
        $wanted.Filter = $Filter
    }
    try {
        Get-CimInstance @wanted | Select-Object -First 1
    }
    catch {
        "CIM does not answer: $(Get-InnerMessage -ErrorRecord $_)"
    }
}

function Test-BootTime {
    $system = Get-CimFact -Class Win32_OperatingSystem
    if ($system -is [string]) {
        return New-Skip -Reason $system
    }
    # CIM takes it from the clock, which may have been set since.
    $difference = [Math]::Abs(([Machine]::BootTime() - $system.LastBootUpTime.ToUniversalTime()).TotalSeconds)
    New-Finding -Holds ($difference -lt 300) -Found "$([int]$difference) seconds apart"
}

function Get-JobProblem {
    # Why a program cannot be put into a job object, or nothing.
    $tree = [ProcessTree]::new($shell, '/c exit 0', [Environment]::SystemDirectory)
    try {
        $null = $tree.Wait(60000)
        $tree.Alone
    }
    finally {
        $tree.Dispose()
    }
}

function Test-JobObject {
    $problem = Get-JobProblem
    New-Finding -Holds (-not $problem) -Found $(if ($problem) { $problem } else { 'Windows took it' })
}

function Test-MsiState {
    $states = @(foreach ($view in 64, 32) {
            $root = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = $uninstall; View = $view }
            foreach ($code in $(if ($root) { $root.GetSubKeyNames() -match '^\{[0-9A-Fa-f-]{36}\}$' })) {
                if ((Get-MachineValue -SubKey "$uninstall\$code" -Name WindowsInstaller -View $view) -eq 1) {
                    [Product]::State($code)
                }
            }
            if ($root) {
                $root.Dispose()
            }
        })
    $unknown = [Product]::State([guid]::NewGuid().ToString('B').ToUpperInvariant())
    if (-not $states.Count -and $unknown -eq -1) {
        return New-Skip -Reason 'No MSI is installed on this host.'
    }
    $installed = @($states -eq 5).Count
    New-Finding -Holds ($installed -and $unknown -eq -1) -Found "$installed of $($states.Count) listed are 5, an unknown one is $unknown"
}

function Test-ConnectorName {
    if (-not (Get-ProgramFile -Kind rms_connector)) {
        return New-Skip -Reason 'The Rights Management connector is not installed on this host.'
    }
    $products = @(Get-InstalledProduct)
    $names = @($products | ForEach-Object -Process { "$($_.Name) $($_.Version)" })
    $found = if ($names.Count) { $names -join ', ' } else { 'no entry that names Rights Management' }
    New-Finding -Holds ('rms_connector' -in $products.Kind) -Found $found
}

function Test-ClientTelemetry {
    if (-not @(Get-InstalledProduct | Where-Object -FilterScript { Test-Client -Product $_ }).Count) {
        return New-Skip -Reason 'The client is not installed on this host.'
    }
    $values = @(Get-ClientState | Where-Object -FilterScript { $_.name -eq 'EnableTelemetry' })
    if (-not $values.Count) {
        return New-Skip -Reason 'The client was installed without a choice of telemetry. Install it with the option telemetry of the module client, and repeat.'
    }
    $wrong = @($values | Where-Object -FilterScript { $_.type -ne 'dword' })
    New-Finding -Holds (-not $wrong.Count) -Found (@($values | ForEach-Object -Process { "$($_.type) $($_.data) in the $($_.view)-bit view" }) -join ', ')
}

function Get-ServiceName {
    param ([string]$Pattern)

    $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = $services; View = 64 }
    $key.GetSubKeyNames() -match $Pattern
    $key.Dispose()
}

function Test-ExchangeSetup {
    $lines = @('v15', 'v14' | Where-Object -FilterScript {
            $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "SOFTWARE\Microsoft\ExchangeServer\$_\Setup"; View = 64 }
            if ($key) {
                $key.Dispose()
            }
            $null -ne $key
        })
    if (-not $lines.Count) {
        return New-Skip -Reason 'Neither Exchange nor its management tools are installed on this host.'
    }
    # A server of any role has one of these, the management tools have none.
    $transport = @(Get-ServiceName -Pattern '^MSExchange(?:FrontEnd)?Transport$')
    $server = @($lines | Where-Object -FilterScript { Test-ExchangeServer -Line $_ })
    $found = "$(if ($transport.Count) { "services $($transport -join ', ')" } else { 'no transport service' }), $(if ($server.Count) { '' } else { 'not ' })counted as a server"
    New-Finding -Holds ([bool]$transport.Count -eq [bool]$server.Count) -Found $found
}

function Test-InternalDatabase {
    $program = [Path]::Combine([Environment]::GetFolderPath('Windows'), 'WID\Binn\sqlservr.exe')
    if (-not [File]::Exists($program)) {
        return New-Skip -Reason 'Windows Internal Database is not installed on this host.'
    }
    $names = @(Get-ServiceName -Pattern '^MSSQL\$MICROSOFT##')
    New-Finding -Holds ('MSSQL$MICROSOFT##WID' -in $names) -Found $(if ($names.Count) { $names -join ', ' } else { 'no service MSSQL$MICROSOFT##...' })
}

function Test-SqlInstance {
    $instances = @(Get-ServiceName -Pattern '^MSSQL(?:SERVER|\$(?!MICROSOFT##).+)$' | ForEach-Object -Process { $_ -replace '^MSSQL\$' })
    if (-not $instances.Count) {
        return New-Skip -Reason 'No database engine of SQL Server is installed on this host.'
    }
    $listed = @((Get-ServerRole).sql_server.instances | ForEach-Object -Process { $_.name })
    $missing = @($instances | Where-Object -FilterScript { $_ -notin $listed })
    New-Finding -Holds (-not $missing.Count) -Found "services of $($instances -join ', '); listed $($listed -join ', ')"
}

function Get-DomainRole {
    # DSROLE_MACHINE_ROLE, whose numbers are those of CIM.
    [Membership]::Read().Role
}

function Test-DomainRole {
    $system = Get-CimFact -Class Win32_ComputerSystem
    if ($system -is [string]) {
        return New-Skip -Reason $system
    }
    $role = Get-DomainRole
    New-Finding -Holds ($role -eq $system.DomainRole) -Found "$role, and $($system.DomainRole) by CIM"
}

function Test-DomainAccount {
    if (Test-Administrator) {
        return New-Skip -Reason 'This account is an administrator. Repeat with an account that is none, see guide_reader.'
    }
    New-Finding -Holds $true -Found "role $(Get-DomainRole)"
}

function Test-PolicyOwner {
    $unreadable = [System.Collections.Generic.List[object]]::new()
    $files = @(Get-PolicyFile -Unreadable $unreadable)
    if (-not $files.Count -and -not $unreadable.Count) {
        return New-Skip -Reason 'Windows keeps no file of a policy on this host.'
    }
    $refused = @((Get-PolicyValue).Unreadable | ForEach-Object -Process { "$($_.what): $($_.reason)" })
    New-Finding -Holds (-not $refused.Count) -Found $(if ($refused.Count) { $refused -join '; ' } else { "$($files.Count) files" })
}

function Test-SslEntry {
    $listed = @(Get-SslEntry | Where-Object -FilterScript { $_.Thumbprint } | ForEach-Object -Process { "$($_.EndPoint) $($_.Thumbprint)" })
    try {
        $shown = @(Get-NetshEntry -Text (Invoke-SystemTool -Name netsh.exe -Argument 'http show sslcert'))
    }
    catch {
        if ($listed.Count) {
            throw
        }
        # It may end with an error where there are none.
        $shown = @()
    }
    if (-not $listed.Count -and -not $shown.Count) {
        return New-Skip -Reason 'No certificate is bound to an address or a name on this host.'
    }
    $different = @($listed | Where-Object -FilterScript { $_ -notin $shown } | ForEach-Object -Process { "only in the registry: $_" }) +
    @($shown | Where-Object -FilterScript { $_ -notin $listed } | ForEach-Object -Process { "only by netsh: $_" })
    New-Finding -Holds (-not $different.Count) -Found $(if ($different.Count) { $different -join '; ' } else { "$($listed.Count) certificates" })
}

function Get-NetshEntry {
    # Endpoint and thumbprint of each certificate. Labels differ from language to language; the order of the lines does not.
    param ([string]$Text)

    $endPoint = $null
    foreach ($line in $Text -split '\r?\n') {
        if ($line -match '\s:\s(\S+:[0-9]+)\s*$') {
            $endPoint = $Matches[1]
        }
        elseif ($endPoint -and $line -match '\s:\s([0-9A-Fa-f]{40})\s*$') {
            "$endPoint $($Matches[1].ToUpperInvariant())"
            $endPoint = $null
        }
    }
}

function New-TestPfx {
    # A certificate of the run as a PFX: Path, Password and Thumbprint. Nothing of it gets into a store.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Run)

    # HTTPS of the connector, too, needs .NET Framework 4.7.2.
    $key = [RSA]::Create(2048) # check51: ok
    try {
        $request = [CertificateRequest]::new((Get-TestSubject -Id $Run.Id), $key, [HashAlgorithmName]::SHA256, [RSASignaturePadding]::Pkcs1) # check51: ok
        $now = [DateTimeOffset]::UtcNow
        $certificate = $request.CreateSelfSigned($now.AddHours(-1), $now.AddHours(1)) # check51: ok
        $pfx = @{ Path = [Path]::Combine($Run.Folder, 'test.pfx'); Password = "$([guid]::NewGuid())"; Thumbprint = $certificate.Thumbprint }
        [File]::WriteAllBytes($pfx.Path, $certificate.Export('Pfx', $pfx.Password))
        $certificate.Dispose()
        $pfx
    }
    finally {
        $key.Dispose()
    }
}

function Get-PfxOutcome {
    # The outcome of opening a PFX: 'opened', 'content' (the error of a wrong file or password) or 'refused', and the error's text.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSAvoidUsingPlainTextForPassword', '', Justification = 'Of a file that is made for this check')]
    param ([string]$Path, [string]$Password)

    try {
        $null = Read-Pfx -Pfx @{ Path = $Path; Name = 'the PFX'; Password = $Password }
        @{ Kind = 'opened'; Text = 'opened' }
    }
    catch {
        $kind = if (Test-PfxContentError -ErrorRecord $_) { 'content' } else { 'refused' }
        @{ Kind = $kind; Text = "0x{0:X8} {1}" -f $_.Exception.GetBaseException().HResult, (Get-InnerMessage -ErrorRecord $_) }
    }
}

function Test-PfxError {
    param ($Run)

    try {
        $pfx = New-TestPfx -Run $Run
    }
    catch {
        return New-Skip -Reason "No certificate can be made on this host: $(Get-InnerMessage -ErrorRecord $_)"
    }
    $right = Get-PfxOutcome -Path $pfx.Path -Password $pfx.Password
    $wrong = Get-PfxOutcome -Path $pfx.Path -Password 'wrong'
    # A logon that is refused does not come as far as the password.
    $holds = ($right.Kind -eq 'opened' -and $wrong.Kind -eq 'content') -or ($right.Kind -eq 'refused' -and $wrong.Kind -ne 'opened')
    New-Finding -Holds $holds -Found "right password: $($right.Text); wrong password: $($wrong.Text)"
}

function Get-KeyFile {
    # Where Windows keeps the private keys of the computer, by either of its interfaces.
    $root = [Path]::Combine([Environment]::GetFolderPath('CommonApplicationData'), 'Microsoft\Crypto')
    foreach ($folder in 'Keys', 'RSA\MachineKeys') {
        $path = [Path]::Combine($root, $folder)
        if ([Directory]::Exists($path)) {
            [Directory]::GetFiles($path)
        }
    }
}

function Test-PrivateKey {
    param ($Run)

    try {
        $pfx = New-TestPfx -Run $Run
    }
    catch {
        return New-Skip -Reason "No certificate can be made on this host: $(Get-InnerMessage -ErrorRecord $_)"
    }
    $before = @(Get-KeyFile)
    $null = Import-Pfx -Pfx @{ Path = $pfx.Path; Name = 'the PFX'; Password = $pfx.Password }
    $made = @(Get-KeyFile | Where-Object -FilterScript { $_ -notin $before })
    $problem = @(Remove-StoredCertificate -Thumbprint $pfx.Thumbprint)
    $kept = @($made | Where-Object -FilterScript { [File]::Exists($_) })
    $found = @("$($made.Count) files of keys made, $($kept.Count) left") + $problem -join '; '
    New-Finding -Holds ($made.Count -and -not $kept.Count -and -not $problem.Count) -Found $found
}

function Test-TaskResult {
    param ($Run)

    # A copy: programs of the task's path are ended when the time is over.
    $program = [Path]::Combine($Run.Folder, 'cmd.exe')
    [File]::Copy($shell, $program, $true)
    $code = Invoke-SystemTask -Path $program -Argument "/c exit $exitCode" -Timeout 60 -Id $Run.Id
    New-Finding -Holds ($code -eq $exitCode) -Found "$code"
}

function Test-UpdatePackage {
    if ((Get-OperatingSystem).build -ne $updateBuild) {
        return New-Skip -Reason "Only Windows Server 2012 R2 needs $updateName."
    }
    $update = Get-CimFact -Class Win32_QuickFixEngineering -Filter "HotFixID='$updateName'"
    if ($update -is [string]) {
        return New-Skip -Reason $update
    }
    if (-not $update) {
        return New-Skip -Reason "$updateName is not installed on this host."
    }
    $missing = (Get-DotNetFramework).missing_update -eq $updateName
    New-Finding -Holds (-not $missing) -Found $(if ($missing) { 'not among the packages' } else { 'among the packages' })
}

function Open-TestFile {
    # As receipts and installers are opened.
    param ([string]$Path)

    [OpenFile]::Read($Path)
}

function Test-OpenFile {
    param ($Run)

    $path, $other = 'open', 'other' | ForEach-Object -Process { [Path]::Combine($Run.Folder, $_) }
    [File]::WriteAllText($path, 'as it was')
    [File]::WriteAllText($other, 'another')
    $attempts = [ordered]@{
        deleted = { [File]::Delete($path) }
        moved = { [File]::Move($path, "$path.moved") }
        replaced = { [File]::Replace($other, $path, [NullString]::Value) }
    }
    $stream = Open-TestFile -Path $path
    try {
        $done = @(foreach ($attempt in $attempts.Keys) {
                try {
                    & $attempts[$attempt]
                    $attempt
                }
                catch {
                    # As it has to be.
                    Write-Debug -Message $_.Exception.Message
                }
            })
    }
    finally {
        $stream.Dispose()
    }
    New-Finding -Holds (-not $done.Count) -Found $(if ($done.Count) { "it could be $($done -join ', ')" } else { 'all were refused' })
}

function Test-OpenLink {
    param ($Run)

    $target, $link = 'target', 'link' | ForEach-Object -Process { [Path]::Combine($Run.Folder, $_) }
    [File]::WriteAllText($target, 'the target')
    try {
        $null = Invoke-SystemTool -Name cmd.exe -Argument "/c mklink `"$link`" `"$target`""
    }
    catch {
        return New-Skip -Reason "No symbolic link can be made: $(Get-InnerMessage -ErrorRecord $_)"
    }
    if (-not [File]::Exists($link)) {
        return New-Skip -Reason 'No symbolic link can be made: mklink made none.'
    }
    try {
        (Open-TestFile -Path $link).Dispose()
    }
    catch [IOException] {
        return New-Finding -Holds $true -Found (Get-InnerMessage -ErrorRecord $_)
    }
    New-Finding -Found 'it was opened'
}

function Get-TestHost {
    # What a reader of the report has to know of the host. By 'names' the report masks it.
    param ([bool]$Administrator)

    $os = Get-OperatingSystem
    $names = @([Environment]::MachineName; Get-Fqdn; try { $domain = [Membership]::Read(); $domain.DnsName; $domain.FlatName } catch { Write-Debug -Message $_.Exception.Message })
    [ordered]@{
        os = [ordered]@{
            name = $os.name
            version = "$($os.version).$($os.build).$($os.revision)"
            installation_type = $os.installation_type
            architecture = $os.architecture
        }
        powershell = "$($PSVersionTable.PSVersion)"
        dotnet = (Get-DotNetFramework).version
        language = [cultureinfo]::InstalledUICulture.Name
        administrator = $Administrator
        names = [string[]]@($names | Where-Object -FilterScript { $_ } | Select-Object -Unique)
    }
}

function Get-JsonShape {
    # One of each shape that results have, made as results are made. plugin_utils/selftest.py compares them with what they have to be.
    $list = { param ([string[]]$data) (ConvertTo-ValueResult -Value (ConvertTo-RegistryData -Type multistring -Data $data)).data }
    $step = [pscustomobject]@{ Action = 'install'; Product = 'client'; Before = $null; After = '3.1' }
    [ordered]@{
        no_step = ConvertTo-StepResult -Step @()
        one_step = ConvertTo-StepResult -Step @($step)
        no_text = [string[]]@(& $list @())
        one_text = [string[]]@(& $list @('one'))
        nothing = ConvertTo-ValueResult -Value $null
        truth = $true
        dword = ConvertFrom-RegistryData -Value (ConvertTo-RegistryData -Type dword -Data -1)
        qword = ConvertFrom-RegistryData -Value (ConvertTo-RegistryData -Type qword -Data -1)
        date = Format-UniversalTime -Time ([datetime]::new(2026, 1, 2, 3, 4, 5, [DateTimeKind]::Utc))
        characters = "`"'\/<>&`t`r`n$([char]0xE9)$([char]0x2028)$([char]::ConvertFromUtf32(0x1F600))"
        long = 'x' * 70000
        unpaired = "a$([char]0xD800)b"
    }
}

Export-ModuleMember -Function Invoke-SelfTest
