# A stand-in for CIM, as narrow as ansible.windows and infoprotect.aip need it: a few classes of root/cimv2, read from the registry and .NET.

Set-StrictMode -Version 2.0

$script:currentVersion = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'

function Get-RegistryValue {
    param([string] $Path, [string] $Name, $Default = $null)
    $key = Get-Item -LiteralPath $Path -ErrorAction Ignore
    if ($key) { $key.GetValue($Name, $Default) } else { $Default }
}

$script:classes = @{
    Win32_OperatingSystem = {
        $version = [Environment]::OSVersion.Version
        $caption = 'Microsoft {0}' -f (Get-RegistryValue $script:currentVersion ProductName)
        $memory = [GC]::GetGCMemoryInfo()
        $type = Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions' ProductType
        @{
            Caption                 = $caption
            Name                    = "$caption|C:\Windows|\Device\Harddisk0\Partition2"
            Version                 = '{0}.{1}.{2}' -f $version.Major, $version.Minor, $version.Build
            BuildNumber             = [string] $version.Build
            OSArchitecture          = '64-bit'
            CSName                  = [Environment]::MachineName
            LastBootUpTime          = [Diagnostics.Process]::GetProcessesByName('services')[0].StartTime
            LocalDateTime           = [DateTime]::Now
            InstallDate             = [DateTime]::new(2020, 1, 1)
            ProductType             = [uint32] $(if ($type -eq 'LanmanNT') { 2 } else { 3 })
            OperatingSystemSKU      = [uint32] 7
            SerialNumber            = '00429-00000-00001-AA000'
            RegisteredUser          = ''
            Organization            = ''
            SystemDirectory         = 'C:\Windows\system32'
            WindowsDirectory        = 'C:\Windows'
            TotalVisibleMemorySize  = [uint64] ($memory.TotalAvailableMemoryBytes / 1KB)
            FreePhysicalMemory      = [uint64] (($memory.TotalAvailableMemoryBytes - $memory.MemoryLoadBytes) / 1KB)
            FreeSpaceInPagingFiles  = [uint64] 0
            SizeStoredInPagingFiles = [uint64] 0
        }
    }
    Win32_ComputerSystem = {
        $tcpip = 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters'
        # Not the DNS suffix, which is another name.
        $domain = Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\History' MachineDomain ''
        $controller = (Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\ProductOptions' ProductType) -eq 'LanmanNT'
        @{
            Name                      = [Environment]::MachineName
            DNSHostName               = Get-RegistryValue $tcpip Hostname
            Domain                    = $(if ($domain) { $domain } else { 'WORKGROUP' })
            PartOfDomain              = [bool] $domain
            Workgroup                 = $(if ($domain) { $null } else { 'WORKGROUP' })
            DomainRole                = [uint16] $(if ($controller) { 5 } elseif ($domain) { 3 } else { 2 })
            Manufacturer              = 'winfleet'
            Model                     = 'Emulated Windows host'
            SystemType                = 'x64-based PC'
            PrimaryOwnerName          = ''
            PrimaryOwnerContact       = $null
            NumberOfProcessors        = [uint32] 1
            NumberOfLogicalProcessors = [uint32] [Environment]::ProcessorCount
            TotalPhysicalMemory       = [uint64] [GC]::GetGCMemoryInfo().TotalAvailableMemoryBytes
            AutomaticManagedPagefile  = $true
            UserName                  = $null
        }
    }
    Win32_BIOS = {
        @{ ReleaseDate = [DateTime]::new(2020, 1, 1); SMBIOSBIOSVersion = 'winfleet'; SerialNumber = "WF-$([Environment]::MachineName)"; Manufacturer = 'winfleet' }
    }
    Win32_ComputerSystemProduct = {
        $hash = [Security.Cryptography.MD5]::Create().ComputeHash([Text.Encoding]::ASCII.GetBytes([Environment]::MachineName))
        @{ UUID = [guid]::new($hash).ToString().ToUpperInvariant(); Vendor = 'winfleet'; Name = 'Emulated Windows host'; IdentifyingNumber = "WF-$([Environment]::MachineName)" }
    }
    Win32_Processor = {
        $count = [uint32] [Environment]::ProcessorCount
        @{
            Name = 'Emulated processor'; Manufacturer = 'winfleet'; DeviceID = 'CPU0'; SocketDesignation = 'CPU 0'; MaxClockSpeed = [uint32] 2000
            NumberOfCores = $count; NumberOfLogicalProcessors = $count; ThreadCount = $count; AddressWidth = [uint16] 64; Architecture = [uint16] 9
        }
    }
    Win32_LogicalDisk = {
        foreach ($drive in [IO.DriveInfo]::GetDrives()) {
            @{
                DeviceID = $drive.Name.TrimEnd('\'); Name = $drive.Name.TrimEnd('\'); DriveType = [uint32] $drive.DriveType; FileSystem = 'NTFS'
                Size = [uint64] $drive.TotalSize; FreeSpace = [uint64] $drive.AvailableFreeSpace; VolumeName = ''
            }
        }
    }
    Win32_Service = {
        foreach ($service in Get-Service) {
            $key = "HKLM:\SYSTEM\CurrentControlSet\Services\$($service.Name)"
            @{
                Name = $service.Name; DisplayName = $service.DisplayName; State = [string] $service.Status; Started = $service.Status -eq 'Running'
                StartMode = ([string] $service.StartType -replace 'Automatic', 'Auto'); PathName = Get-RegistryValue $key ImagePath
                StartName = Get-RegistryValue $key ObjectName; Description = Get-RegistryValue $key Description
            }
        }
    }
    Win32_Process = {
        foreach ($process in [Diagnostics.Process]::GetProcesses()) {
            $parent = $process.Parent # nothing when it has ended
            @{
                ProcessId = [uint32] $process.Id; Name = "$($process.ProcessName).exe"; Handle = [string] $process.Id
                ParentProcessId = [uint32] $(if ($parent) { $parent.Id }); ExecutablePath = $process.Path; CreationDate = $process.StartTime
            }
        }
    }
    Win32_Share = { }
    Win32_QuickFixEngineering = { }
    Win32_ProcessStartup = { }
    SoftwareLicensingService = { @{ OA3xOriginalProductKey = ''; Version = [Environment]::OSVersion.Version.ToString() } }
    SoftwareLicensingProduct = {
        @{ ApplicationId = '55c92734-d682-4d71-983e-d6ec3f16059f'; Name = 'Windows(R), ServerStandard edition'; PartialProductKey = '00000'; LicenseStatus = [uint32] 1; ProductKeyID = '00429-00000-00001-AA000' }
    }
}

function ConvertTo-Instance {
    param([string] $ClassName, [hashtable] $Properties)
    $instance = [pscustomobject] $Properties
    $instance.PSObject.TypeNames.Insert(0, "Microsoft.Management.Infrastructure.CimInstance#root/cimv2/$ClassName")
    $instance | Add-Member -NotePropertyName CimClass -NotePropertyValue ([pscustomobject] @{ CimClassName = $ClassName }) -PassThru
}

function Get-Failure {
    param([string] $Message, [string] $Id, [string] $Category, $Target)
    [System.Management.Automation.ErrorRecord]::new([InvalidOperationException]::new($Message), $Id, $Category, $Target)
}

# Conditions of WQL that modules use: Property = 'value', <>, and these joined by AND or OR.
function ConvertFrom-Wql {
    param([string] $Filter)
    $pattern = '(?<name>\w+)\s*(?<operator>=|<>|!=|LIKE)\s*(?<value>''[^'']*''|"[^"]*"|\S+)(?:\s+(?<and>AND|OR)\s+)?'
    $rest = $Filter.Trim()
    while ($rest) {
        if ($rest -notmatch "^$pattern") { throw "Invalid query: $Filter" }
        $value = $Matches.value.Trim('''"') -replace '\\\\', '\'
        [pscustomobject] @{ Name = $Matches.name; Operator = $Matches.operator; Value = $value; Join = "$($Matches['and'])" }
        $rest = $rest.Substring($Matches[0].Length).Trim()
    }
}

function Test-Condition {
    param([hashtable] $Properties, [object[]] $Conditions)
    $result = $true
    $join = 'AND'
    foreach ($condition in $Conditions) {
        $value = [string] $Properties[$condition.Name]
        $holds = switch ($condition.Operator) {
            '=' { $value -eq $condition.Value }
            'LIKE' { $value -like ($condition.Value -replace '%', '*') }
            default { $value -ne $condition.Value }
        }
        $result = if ($join -eq 'OR') { $result -or $holds } else { $result -and $holds }
        $join = $condition.Join
    }
    $result
}

function Get-CimInstance {
    [CmdletBinding(DefaultParameterSetName = 'ClassName')]
    param(
        [Parameter(Mandatory, Position = 0, ParameterSetName = 'ClassName')] [string] $ClassName,
        [Parameter(Mandatory, ParameterSetName = 'Query')] [string] $Query,
        [Parameter(ParameterSetName = 'ClassName')] [string] $Filter,
        [Parameter(ParameterSetName = 'ClassName')] [string[]] $Property,
        [string] $Namespace = 'root/cimv2',
        [string[]] $ComputerName,
        $CimSession,
        [string] $QueryDialect,
        [uint32] $OperationTimeoutSec,
        [switch] $KeyOnly
    )
    if ($Query) {
        if ($Query -notmatch '^\s*SELECT\s+.+?\s+FROM\s+(\w+)(?:\s+WHERE\s+(.+))?$') { $PSCmdlet.ThrowTerminatingError((Get-Failure 'Invalid query ' 'HRESULT 0x80041017,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand' InvalidArgument $Query)) }
        $ClassName = $Matches[1]
        $Filter = "$($Matches[2])"
    }
    $class = $script:classes[$ClassName]
    if ($Namespace -notmatch '^root[\\/]cimv2$' -or -not $class) {
        $PSCmdlet.WriteError((Get-Failure 'Invalid class ' 'HRESULT 0x80041010,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand' MetadataError $ClassName))
        return
    }
    $conditions = @(if ($Filter) { ConvertFrom-Wql $Filter })
    foreach ($properties in & $class) {
        if (Test-Condition $properties $conditions) { ConvertTo-Instance $ClassName $properties }
    }
}

function Get-CimClass {
    [CmdletBinding()]
    param([Parameter(Position = 0)] [string] $ClassName = '*', [string] $Namespace = 'root/cimv2')
    foreach ($name in $script:classes.Keys -like $ClassName | Sort-Object) { [pscustomobject] @{ CimClassName = $name } }
}

function New-CimInstance {
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0)] [string] $ClassName, [Parameter(Position = 1)] [Collections.IDictionary] $Property = @{}, [string] $Namespace, [switch] $ClientOnly)
    if (-not $ClientOnly) { $PSCmdlet.ThrowTerminatingError((Get-Failure 'Not supported ' 'NotSupported' NotImplemented $ClassName)) }
    ConvertTo-Instance $ClassName ([hashtable] $Property)
}

function Invoke-CimMethod {
    [CmdletBinding()]
    param(
        [Parameter(Position = 0)] [string] $ClassName,
        [Parameter(Mandatory, Position = 1)] [Alias('Name')] [string] $MethodName,
        [Parameter(Position = 2)] [Collections.IDictionary] $Arguments = @{},
        [Parameter(ValueFromPipeline)] $InputObject,
        [string] $Namespace
    )
    if ("$ClassName.$MethodName" -ne 'Win32_Process.Create') {
        $PSCmdlet.ThrowTerminatingError((Get-Failure 'Invalid method ' 'HRESULT 0x8004102e,Microsoft.Management.Infrastructure.CimCmdlets.InvokeCimMethodCommand' NotSpecified $MethodName))
    }
    $program, $rest = if ($Arguments.CommandLine -match '^\s*"([^"]+)"\s*(.*)$|^\s*(\S+)\s*(.*)$') { ($Matches[1], $Matches[2]), ($Matches[3], $Matches[4]) | Where-Object { $_[0] } | Select-Object -First 1 }
    $start = [Diagnostics.ProcessStartInfo]::new($program, $rest)
    $start.CreateNoWindow = $true
    $start.UseShellExecute = $false
    if ($Arguments.Contains('CurrentDirectory') -and $Arguments.CurrentDirectory) { $start.WorkingDirectory = $Arguments.CurrentDirectory }
    try {
        $process = [Diagnostics.Process]::Start($start)
        [pscustomobject] @{ ProcessId = [uint32] $process.Id; ReturnValue = [uint32] 0; PSComputerName = $null }
    } catch {
        [pscustomobject] @{ ProcessId = $null; ReturnValue = [uint32] 9; PSComputerName = $null }
    }
}

function New-CimSession { [CmdletBinding()] param([string[]] $ComputerName, $SessionOption, [uint32] $OperationTimeoutSec) [pscustomobject] @{ ComputerName = 'localhost' } }
function Remove-CimSession { [CmdletBinding()] param([Parameter(ValueFromPipeline)] $CimSession) process { } }

Export-ModuleMember -Function Get-CimInstance, Get-CimClass, New-CimInstance, Invoke-CimMethod, New-CimSession, Remove-CimSession
