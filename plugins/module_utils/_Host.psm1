# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Facts of a host, from the registry and from files: fast, and open to accounts that are not administrators, unlike CIM. Each fact has
# a reader of its own; what a reader cannot read is reported and does not keep the others from being read.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace Microsoft.Win32
using namespace System.IO

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Client
#AnsibleRequires -PowerShell ..module_utils._Connector
#AnsibleRequires -PowerShell ..module_utils._ExchangeServer
#AnsibleRequires -PowerShell ..module_utils._IrmServer
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Restart
#AnsibleRequires -PowerShell ..module_utils._Tls

$windows = 'SOFTWARE\Microsoft\Windows\CurrentVersion'
$control = 'SYSTEM\CurrentControlSet\Control'
$services = 'SYSTEM\CurrentControlSet\Services'

# First builds, see https://learn.microsoft.com/windows/release-health/windows-server-release-info
$products = @{ 9200 = '2012'; 9600 = '2012r2'; 14393 = '2016'; 17763 = '2019'; 20348 = '2022'; 26100 = '2025' }

# https://learn.microsoft.com/dotnet/framework/migration-guide/how-to-determine-which-versions-are-installed
$dotnetReleases = [ordered]@{
    533320 = '4.8.1'
    528040 = '4.8'
    461808 = '4.7.2'
    461308 = '4.7.1'
    460798 = '4.7'
    394802 = '4.6.2'
    394254 = '4.6.1'
    393295 = '4.6'
    379893 = '4.5.2'
    378675 = '4.5.1'
    378389 = '4.5'
}

# The programs of Office and of the client, as the documents name them where they speak of Citrix.
$labelingPrograms = 'winword.exe', 'excel.exe', 'outlook.exe', 'powerpnt.exe', 'msip.app.exe', 'msip.viewer.exe'

function Test-MachineKey {
    param ([string]$SubKey)

    $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = $SubKey; View = 64 }
    if ($key) {
        $key.Dispose()
    }
    [bool]$key
}

function Format-Time {
    param ([datetime]$Time)

    $Time.ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture)
}

function Get-OperatingSystem {
    <#
    .SYNOPSIS
    The fact 'os'.
    #>
    [CmdletBinding()]
    param ()

    $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'; View = 64 }
    $build = [int]$key.GetValue('CurrentBuildNumber')
    $server = (Get-MachineValue -SubKey "$control\ProductOptions" -Name 'ProductType') -ne 'WinNT'
    # CurrentVersion stays at 6.3 since Windows 10.
    $major = $key.GetValue('CurrentMajorVersionNumber')
    $os = [ordered]@{
        product = if ($server -and $products.ContainsKey($build)) { $products[$build] } else { 'other' }
        name = "$($key.GetValue('ProductName'))"
        edition = "$($key.GetValue('EditionID'))"
        version = if ($null -ne $major) { "$major.$($key.GetValue('CurrentMinorVersionNumber'))" } else { "$($key.GetValue('CurrentVersion'))" }
        build = $build
        revision = $key.GetValue('UBR')
        installation_type = "$($key.GetValue('InstallationType'))"
        architecture = "$(Get-MachineValue -SubKey "$control\Session Manager\Environment" -Name 'PROCESSOR_ARCHITECTURE')"
    }
    $key.Dispose()
    $os
}

function Get-ServerRole {
    <#
    .SYNOPSIS
    The fact 'roles': what servers of interest the host is.
    #>
    [CmdletBinding()]
    param ()

    $exchange = foreach ($line in 'v15', 'v14') {
        if (Test-ExchangeServer -Line $line) {
            'MsiProductMajor', 'MsiProductMinor', 'MsiBuildMajor', 'MsiBuildMinor' | ForEach-Object -Process {
                Get-MachineValue -SubKey "SOFTWARE\Microsoft\ExchangeServer\$line\Setup" -Name $_
            }
            break
        }
    }
    $sharepoint = foreach ($line in '16.0', '15.0', '14.0') {
        $subKey = "SOFTWARE\Microsoft\Shared Tools\Web Server Extensions\$line"
        if ((Get-MachineValue -SubKey $subKey -Name 'SharePoint') -eq 'Installed') {
            "$(Get-MachineValue -SubKey $subKey -Name 'Version')"
            break
        }
    }
    $role = {
        param ($found, $version, $line)
        [ordered]@{ found = [bool]$found; version = if ($version) { $version } else { $null }; line = if ($found) { $line } else { $null } }
    }
    [ordered]@{
        exchange = & $role ($null -ne $exchange) ($exchange -join '.') (Get-ExchangeLine -Version ($exchange -join '.'))
        sharepoint = & $role ($null -ne $sharepoint) $sharepoint (Get-SharePointLine -Version $sharepoint)
        fci = & $role (Test-MachineKey -SubKey "$services\SrmSvc") $null (Get-OperatingSystem).product
        domain_controller = & $role ((Get-MachineValue -SubKey "$control\ProductOptions" -Name 'ProductType') -eq 'LanmanNT')
        ad_rms = & $role (Test-MachineKey -SubKey 'SOFTWARE\Microsoft\DRMS')
        rd_connection_broker = & {
            # The services of the broker and of its management; a broker that is highly available keeps its data in a SQL Server.
            $broker = & $role ((Test-MachineKey -SubKey "$services\Tssdis") -or (Test-MachineKey -SubKey "$services\RDMS"))
            $broker.internal_database = $broker.found -and (Test-MachineKey -SubKey "$services\MSSQL`$MICROSOFT##WID")
            $broker
        }
        sql_server = & {
            $instances = @(Get-SqlServer)
            $sql = & $role $instances.Count
            $sql.instances = [object[]]$instances
            $sql
        }
    }
}

function Get-SqlServer {
    # Database engines: name, version, and whether the build supports TLS 1.2.
    foreach ($view in @(64) + @(if ([Environment]::Is64BitOperatingSystem) { 32 })) {
        $root = 'SOFTWARE\Microsoft\Microsoft SQL Server'
        $names = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "$root\Instance Names\SQL"; View = $view }
        foreach ($name in $(if ($names) { $names.GetValueNames() })) {
            # Windows Internal Database belongs to the role that uses it.
            if ($name -like 'MICROSOFT##*') {
                continue
            }
            $setup = "$root\$($names.GetValue($name))\Setup"
            $version = "$(Get-MachineValue -SubKey $setup -Name 'PatchLevel' -View $view)"
            if (-not $version) {
                $version = "$(Get-MachineValue -SubKey $setup -Name 'Version' -View $view)"
            }
            $number = ConvertTo-ProductVersion -Text $version
            [ordered]@{
                name = $name
                version = if ($version) { $version } else { $null }
                tls12 = if ($number) { Test-SqlServerTls -Version $number } else { $null }
            }
        }
        if ($names) {
            $names.Dispose()
        }
    }
}

function Get-Membership {
    <#
    .SYNOPSIS
    The domain, by its DNS name where it has one, and the role of this computer in it.
    #>
    $kinds = 'standalone_workstation', 'member_workstation', 'standalone_server', 'member_server', 'domain_controller', 'domain_controller'
    # Not the DNS suffix of the computer, which is another one in a disjoint namespace.
    $domain = [Membership]::Read()
    $joined = $domain.Role -notin 0, 2
    @{
        Domain = if (-not $joined) { $null } elseif ($domain.DnsName) { $domain.DnsName } else { $domain.FlatName }
        Role = $kinds[$domain.Role]
    }
}

function Get-ComputerName {
    $name = Get-MachineValue -SubKey "$control\ComputerName\ActiveComputerName" -Name 'ComputerName'
    if (-not $name) {
        $name = Get-MachineValue -SubKey "$control\ComputerName\ComputerName" -Name 'ComputerName'
    }
    "$name"
}

function Get-Fqdn {
    <#
    .SYNOPSIS
    The fact 'fqdn'.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param ()

    $name = "$(Get-MachineValue -SubKey "$services\Tcpip\Parameters" -Name 'Hostname')"
    if (-not $name) {
        $name = (Get-ComputerName).ToLowerInvariant()
    }
    $suffix = "$(Get-MachineValue -SubKey "$services\Tcpip\Parameters" -Name 'Domain')"
    if (-not $suffix) {
        $suffix = "$(Get-MachineValue -SubKey "$services\Tcpip\Parameters" -Name 'NV Domain')"
    }
    if ($suffix) { "$name.$suffix" } else { $name }
}

function Get-FixedDisk {
    $system = [Path]::GetPathRoot([Environment]::SystemDirectory)
    foreach ($drive in [DriveInfo]::GetDrives()) {
        if ($drive.DriveType -eq 'Fixed' -and $drive.IsReady) {
            [ordered]@{
                name = $drive.Name
                size_gb = [Math]::Round($drive.TotalSize / 1GB, 1)
                free_gb = [Math]::Round($drive.AvailableFreeSpace / 1GB, 1)
                system = $drive.Name -eq $system
            }
        }
    }
}

function Get-Hardware {
    <#
    .SYNOPSIS
    The facts 'os', 'processors', 'memory_mb' and 'disks' alone.
    #>
    [CmdletBinding()]
    param ()

    @{ os = Get-OperatingSystem; processors = [Environment]::ProcessorCount; memory_mb = [int]([Machine]::Memory() / 1MB); disks = @(Get-FixedDisk) }
}

function Get-DotNetFramework {
    <#
    .SYNOPSIS
    The fact 'dotnet'.
    #>
    [CmdletBinding()]
    param ()

    $release = Get-MachineValue -SubKey 'SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full' -Name 'Release'
    $version = $null
    foreach ($minimum in $dotnetReleases.Keys) {
        if ($release -ge $minimum) {
            $version = $dotnetReleases[[object]$minimum]
            break
        }
    }
    [ordered]@{ release = $release; version = $version; missing_update = Get-MissingDotNetUpdate }
}

function Get-MissingDotNetUpdate {
    # The update that the setup of .NET Framework 4.7.2 and 4.8 needs on this Windows, where it is missing; else $null.
    param ()

    $build = [int](Get-MachineValue -SubKey 'SOFTWARE\Microsoft\Windows NT\CurrentVersion' -Name CurrentBuildNumber)
    # Of KB4019990 the component counts, whichever package brought it.
    if ($build -eq 9200 -and -not [File]::Exists([Path]::Combine([Environment]::SystemDirectory, 'd3dcompiler_47.dll'))) {
        return 'KB4019990'
    }
    if ($build -eq 9600 -and -not (Test-WindowsUpdate -Name 'KB2919355')) {
        return 'KB2919355'
    }
    $null
}

function Test-WindowsUpdate {
    # Whether an update is installed, as component based servicing has it; the class Win32_QuickFixEngineering takes seconds.
    param ([string]$Name)

    $packages = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "$windows\Component Based Servicing\Packages"; View = 64 }
    if (-not $packages) {
        return $false
    }
    try {
        foreach ($package in $packages.GetSubKeyNames() -like "Package*_for_$Name~*") {
            $key = $packages.OpenSubKey($package)
            try {
                # 0x50 superseded, 0x70 installed, 0x80 permanent; with any other state it is not in effect.
                if ($key -and $key.GetValue('CurrentState') -in 0x50, 0x70, 0x80) {
                    return $true
                }
            }
            finally {
                if ($key) {
                    $key.Dispose()
                }
            }
        }
    }
    finally {
        $packages.Dispose()
    }
    $false
}

function Get-PendingRestart {
    # Whether a restart is pending, and every reason that can be told without an administrator's rights.
    param ($PolicyValue)

    $reasons = @(
        if (Test-MachineKey -SubKey "$windows\Component Based Servicing\RebootPending") { 'component_servicing' }
        if (Test-MachineKey -SubKey "$windows\WindowsUpdate\Auto Update\RebootRequired") { 'windows_update' }
        if (Get-MachineValue -SubKey "$control\Session Manager" -Name 'PendingFileRenameOperations') { 'file_rename' }
        $active = Get-MachineValue -SubKey "$control\ComputerName\ActiveComputerName" -Name 'ComputerName'
        if ($active -and $active -ne (Get-MachineValue -SubKey "$control\ComputerName\ComputerName" -Name 'ComputerName')) { 'computer_rename' }
        foreach ($name in 'JoinDomain', 'AvoidSpnSet') {
            if ((Test-MachineKey -SubKey "$services\Netlogon\$name") -or $null -ne (Get-MachineValue -SubKey "$services\Netlogon" -Name $name)) {
                'domain_join'
                break
            }
        }
        if (Test-MachineKey -SubKey 'SOFTWARE\Microsoft\ServerManager\CurrentRebootAttempts') { 'server_manager' }
        Get-PendingRestartReason -PolicyValue $PolicyValue
    )
    [ordered]@{
        # Installers leave renames behind all the time; alone they are no reason to restart.
        required = [bool](@($reasons) -ne 'file_rename')
        reasons = $reasons
    }
}

function Get-WinHttpSetting {
    # The binary value that 'netsh winhttp set proxy' writes: version, counter, flags, then two texts, each after its length.
    $data = Get-MachineValue -SubKey "$windows\Internet Settings\Connections" -Name 'WinHttpSettings'
    $named = 2
    if ($data -isnot [byte[]] -or $data.Length -lt 16 -or -not ([BitConverter]::ToInt32($data, 8) -band $named)) {
        return $null
    }
    $offset = 12
    $server, $bypass = foreach ($i in 1, 2) {
        $length = if ($offset + 4 -le $data.Length) { [BitConverter]::ToInt32($data, $offset) } else { 0 }
        if ($length -lt 0 -or $offset + 4 + $length -gt $data.Length) {
            throw 'WinHttpSettings is damaged'
        }
        [Text.Encoding]::ASCII.GetString($data, [Math]::Min($offset + 4, $data.Length), $length)
        $offset += 4 + $length
    }
    [ordered]@{ server = $server; bypass = $bypass }
}

function Get-Proxy {
    # The fact 'proxy'.
    $machine = $null
    if ((Get-MachineValue -SubKey "$windows\Internet Settings" -Name 'ProxyEnable') -eq 1) {
        $machine = [ordered]@{
            server = "$(Get-MachineValue -SubKey "$windows\Internet Settings" -Name 'ProxyServer')"
            bypass = "$(Get-MachineValue -SubKey "$windows\Internet Settings" -Name 'ProxyOverride')"
        }
    }
    $places = [ordered]@{
        policy = @{ Hive = 'LocalMachine'; SubKey = 'SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings' }
        machine = @{ Hive = 'LocalMachine'; SubKey = "$windows\Internet Settings" }
        system = @{ Hive = 'Users'; SubKey = "S-1-5-18\$windows\Internet Settings" }
        user = @{ Hive = 'CurrentUser'; SubKey = "$windows\Internet Settings" }
    }
    $pac = foreach ($source in $places.Keys) {
        try {
            $key = Open-RegistryKey -Key (@{ View = 64 } + $places[$source])
        }
        catch [System.Security.SecurityException] {
            # Only administrators can open the system account's settings.
            continue
        }
        if ($key) {
            $url = $key.GetValue('AutoConfigURL')
            $key.Dispose()
            if ($url) {
                [ordered]@{ source = $source; url = "$url" }
            }
        }
    }
    [ordered]@{ winhttp = Get-WinHttpSetting; machine = $machine; pac = @($pac) }
}

function Get-NtlmRestriction {
    # The fact 'ntlm': what policies keep the host from accepting and from using it.
    $policy = "$control\Lsa\MSV1_0"
    [ordered]@{
        restrict_receiving = Get-MachineValue -SubKey $policy -Name 'RestrictReceivingNTLMTraffic'
        restrict_sending = Get-MachineValue -SubKey $policy -Name 'RestrictSendingNTLMTraffic'
    }
}

function Get-Office {
    <#
    .SYNOPSIS
    The fact 'office': what is installed of Office, by Click-to-Run or as MSI.
    #>
    [CmdletBinding()]
    param ()

    # Office 2013 has a line of its own.
    foreach ($subKey in 'SOFTWARE\Microsoft\Office\ClickToRun\Configuration', 'SOFTWARE\Microsoft\Office\15.0\ClickToRun\Configuration') {
        $version = "$(Get-MachineValue -SubKey $subKey -Name 'VersionToReport')"
        $architecture = "$(Get-MachineValue -SubKey $subKey -Name 'Platform')"
        foreach ($product in "$(Get-MachineValue -SubKey $subKey -Name 'ProductReleaseIds')".Split(',')) {
            if ($product.Trim()) {
                $line = if ($version) { $version.Split('.')[0] } elseif ($subKey -like '*15.0*') { '15' } else { '16' }
                [ordered]@{ name = $product.Trim(); line = $line; version = $version; architecture = $architecture; source = 'click_to_run' }
            }
        }
    }
    foreach ($view in 64, 32) {
        $root = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "$windows\Uninstall"; View = $view }
        if (-not $root) {
            continue
        }
        # A suite as MSI has one entry of this name; languages and proofing tools have a further dot or end with KIT.
        foreach ($code in $root.GetSubKeyNames() -match '^Office1[4-6]\.\w+(?<!KIT)$') {
            $line, $edition = $code.Substring('Office'.Length).Split('.')
            $version = "$(Get-MachineValue -SubKey "$windows\Uninstall\$code" -Name 'DisplayVersion' -View $view)"
            $architecture = if ($view -eq 64 -and [Environment]::Is64BitOperatingSystem) { 'x64' } else { 'x86' }
            [ordered]@{ name = $edition; line = $line; version = $version; architecture = $architecture; source = 'msi' }
        }
        $root.Dispose()
        if (-not [Environment]::Is64BitOperatingSystem) {
            break
        }
    }
}

function Get-RemoteDesktop {
    # The fact 'remote_desktop'.
    $policies = 'SOFTWARE\Policies\Microsoft\Windows\System'
    $winlogon = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon'
    [ordered]@{
        # Inferred: setup of the role RD Session Host sets it, administration by Remote Desktop leaves it at 0.
        session_host = (Get-MachineValue -SubKey "$control\Terminal Server" -Name 'TSAppCompat') -eq 1
        deletes_roaming_profiles = 1 -in @($policies, $winlogon | ForEach-Object -Process { Get-MachineValue -SubKey $_ -Name 'DeleteRoamingCache' })
        deletes_profiles_after_days = Get-MachineValue -SubKey $policies -Name 'CleanupProfiles'
    }
}

function Get-Citrix {
    # The fact 'citrix': whether sessions of Citrix reach the host, and into which programs its hooks are not loaded.
    $found = Test-MachineKey -SubKey 'SOFTWARE\Citrix\VirtualDesktopAgent'
    $excluded = @(if ($found) { Get-CitrixExclusion })
    [ordered]@{
        found = $found
        version = if ($found) { Get-CitrixVersion } else { $null }
        excluded_processes = [object[]]$excluded
        hooked_processes = [object[]]@(if ($found) { $labelingPrograms | Where-Object -FilterScript { $_ -notin $excluded } })
    }
}

function Get-CitrixExclusion {
    # Since 7.9 one list for all hooks, apart by semicolons, of which the driver knows 14 characters of a name.
    $one = "$(Get-MachineValue -SubKey "$services\CtxUvi" -Name 'UviProcessExcludes')".Split(';').Trim()
    # Before, a list for each kind of hook, apart by commas; a program has to be in all that there are.
    $places = @{ Name = 'CtxHook'; View = 64 }, @{ Name = 'CtxHook'; View = 32 }, @{ Name = 'CtxHook64'; View = 32 }
    $lists = @(foreach ($place in $places) {
            $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "SOFTWARE\Citrix\$($place.Name)"; View = $place.View }
            if ($key) {
                , "$($key.GetValue('ExcludedImageNames'))".Split(',').Trim()
                $key.Dispose()
            }
        })
    $labelingPrograms | Where-Object -FilterScript {
        $program = $_
        $short = $program.Substring(0, [Math]::Min(14, $program.Length))
        $program -in $one -or $short -in $one -or ($lists.Count -and -not @($lists | Where-Object -FilterScript { $program -notin $_ }).Count)
    }
}

function Get-CitrixVersion {
    foreach ($view in 64, 32) {
        $root = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "$windows\Uninstall"; View = $view }
        foreach ($code in $(if ($root) { $root.GetSubKeyNames() })) {
            $subKey = "$windows\Uninstall\$code"
            # Its name holds the release, which changes: 'Citrix 7.15 LTSR - Virtual Delivery Agent', for instance.
            if ("$(Get-MachineValue -SubKey $subKey -Name 'DisplayName' -View $view)" -like 'Citrix*Virtual Delivery Agent*') {
                $root.Dispose()
                return "$(Get-MachineValue -SubKey $subKey -Name 'DisplayVersion' -View $view)"
            }
        }
        if ($root) {
            $root.Dispose()
        }
    }
    $null
}

function Get-Redirection {
    <#
    .SYNOPSIS
    The fact 'redirections': where Rights Management is told to find its service, other than by asking Azure.
    .DESCRIPTION
    What the connector's documentation has Exchange, SharePoint and file servers set. AD RMS uses the same keys.
    #>
    [CmdletBinding()]
    param ()

    $keys = @(
        'MSDRM\ServiceLocation\Activation', 'MSDRM\ServiceLocation\EnterprisePublishing'
        'MSIPC\ServiceLocation\EnterpriseCertification', 'MSIPC\ServiceLocation\EnterprisePublishing', 'MSIPC\ServiceLocation\LicensingRedirection'
        foreach ($line in 'v14', 'v15') {
            "ExchangeServer\$line\IRM\CertificationServerRedirection", "ExchangeServer\$line\IRM\LicenseServerRedirection"
        }
    )
    foreach ($view in 64, 32) {
        foreach ($item in $keys) {
            $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "SOFTWARE\Microsoft\$item"; View = $view }
            foreach ($name in $(if ($key) { $key.GetValueNames() })) {
                $address = "$($key.GetValue($name))"
                if ($address) {
                    [ordered]@{
                        path = "HKLM:\SOFTWARE\Microsoft\$item"
                        view = $view
                        name = $name
                        address = $address
                        cloud = Test-CloudAddress -Address $address
                    }
                }
            }
            if ($key) {
                $key.Dispose()
            }
        }
        if (-not [Environment]::Is64BitOperatingSystem) {
            break
        }
    }
}

# The facts in the order in which they are read. A reader is given those before it, the list of what is unreadable, and what Group Policy sets.
$readers = [ordered]@{
    name = { Get-ComputerName }
    fqdn = { Get-Fqdn }
    domain = { (Get-Membership).Domain }
    domain_role = { (Get-Membership).Role }
    os = { Get-OperatingSystem }
    processors = { [Environment]::ProcessorCount }
    memory_mb = { [int]([Machine]::Memory() / 1MB) }
    disks = { , @(Get-FixedDisk) }
    powershell = { [ordered]@{ version = Get-MachineValue -SubKey 'SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine' -Name 'PowerShellVersion' } }
    dotnet = { Get-DotNetFramework }
    boot_time = { Format-Time -Time ([Machine]::BootTime()) }
    tls = { Get-TlsState }
    reboot = { param ($facts, $unreadable, $policy) Get-PendingRestart -PolicyValue $policy.Values }
    proxy = { Get-Proxy }
    ntlm = { Get-NtlmRestriction }
    msip = { , @(Get-ClientState) }
    products = { param ($facts, $unreadable) , @(Get-InstalledProduct -Unreadable $unreadable | ForEach-Object -Process { ConvertTo-ProductFact -Product $_ }) }
    connector = { param ($facts, $unreadable) Get-ConnectorState -Product $facts.products -Unreadable $unreadable }
    roles = { Get-ServerRole }
    redirections = { , @(Get-Redirection) }
    rms_clients = { Get-RightsManagementClient }
    remote_desktop = { Get-RemoteDesktop }
    office = { , @(Get-Office) }
    citrix = { Get-Citrix }
}

function Get-HostFact {
    <#
    .SYNOPSIS
    All facts: an ordered dictionary, with what could not be read in 'unreadable' (a list of what and reason).

    .PARAMETER Policy
    What Get-PolicyValue returns.
    #>
    [CmdletBinding()]
    param (
        $Policy = (Get-PolicyValue)
    )

    $facts = [ordered]@{}
    $unreadable = [System.Collections.Generic.List[object]]::new()
    foreach ($name in $readers.Keys) {
        try {
            $fact = & $readers[$name] $facts $unreadable $Policy
            # Without the cast, ConvertTo-Json of 5.1 makes an object with 'value' and 'Count' of a list, and one of nothing at all.
            $facts[$name] = if ($fact -is [array]) { , [object[]]$fact } elseif ($null -eq $fact) { $null } else { $fact }
        }
        catch {
            $facts[$name] = $null
            $unreadable.Add([ordered]@{ what = $name; reason = Get-InnerMessage -ErrorRecord $_ })
        }
    }
    $facts.group_policy = [object[]]@($Policy.Values | ForEach-Object -Process { ConvertTo-PolicyFact -Value $_ })
    foreach ($item in $Policy.Unreadable) {
        $unreadable.Add([ordered]@{ what = "group_policy: $($item.what)"; reason = $item.reason })
    }
    $facts.unreadable = $unreadable
    $facts
}

Export-ModuleMember -Function Get-DotNetFramework, Get-Fqdn, Get-Hardware, Get-HostFact, Get-OperatingSystem, Get-ServerRole, Get-WinHttpSetting
