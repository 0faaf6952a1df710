# A stand-in for the scanner's cmdlets, over the SQL Servers that a fleet has (scanner.py), by the names of the client 3.x. Parameters and outputs are
# those of Microsoft's documentation; the texts of errors that it does not have are ours.
param([int] $Generation)

Set-StrictMode -Version 2.0

Import-Module -Name "$PSScriptRoot\..\Winfleet\Winfleet.psd1"

enum OnOffEnum { On; Off }
enum OnlineConfiguration { On; Off }
enum ReportLevel { Off; Debug; Info; Error }
enum Schedule { Manual; Always }
enum DiscoverInformationTypes { PolicyOnly; All }
enum DefaultLabelType { None; PolicyDefault; Custom }

$script:services = @{
    2 = @{ Name = 'AIPScanner'; Title = 'Azure Information Protection Scanner' }
    3 = @{ Name = 'MIPScanner'; Title = 'Microsoft Purview Information Protection Scanner' }
}
$script:generation = $Generation
$script:own = 'HKLM:\SOFTWARE\winfleet\scanner'
$script:network = 'A network-related or instance-specific error occurred while establishing a connection to SQL Server. The server was not found or was not accessible.'
$script:excluded = '.lnk,.exe,.com,.cmd,.bat,.dll,.ini,.sca,.drm,.sys,.cpl,.inf,.drv,.dat,.tmp,.msp,.msi,.pdb,.jar,.ocx,.rtf,.rar,.msg'
$script:settings = [ordered]@{
    EnableDlp = 'Off'; Enforce = 'On'; LabelFilesByContent = 'On'; RelabelFiles = 'Off'; AllowLabelDowngrade = 'Off'; EnforceDefaultLabel = 'Off'
    DefaultLabelType = 'PolicyDefault'; DefaultLabelId = ''; DefaultOwner = 'Scanner'; RepositoryOwner = ''; PreserveFileDetails = 'On'
    IncludeFileTypes = ''; ExcludeFileTypes = $script:excluded
}
$script:jobOnly = [ordered]@{ Schedule = 'Manual'; DiscoverInformationTypes = 'PolicyOnly'; RecommendedAsAutomatic = 'False' }

function New-Failure {
    param([string] $Message)
    [Management.Automation.ErrorRecord]::new([ApplicationException]::new($Message), 'AIP', 'NotSpecified', $null)
}

function Get-ScannerService {
    Get-Service -Name $script:services[$script:generation].Name -ErrorAction Ignore
}

function Get-Own {
    # What the host itself knows of its scanner.
    if (-not (Get-ScannerService)) { throw (New-Failure 'The scanner is not installed on this computer.') }
    Get-ItemProperty -LiteralPath $script:own
}

function Get-Login { "$([Environment]::UserDomainName)\$([Environment]::UserName)" }

function Find-Key {
    param([Collections.IDictionary] $From, [string] $Name)
    @($From.Keys | Where-Object { $_ -eq $Name })[0]
}

function Find-Server {
    param([Collections.IDictionary] $Fleet, [string] $Instance)
    $key = Find-Key $Fleet.servers $Instance
    if (-not $key -or -not $Fleet.servers[$key].reachable) { throw (New-Failure $script:network) }
    $Fleet.servers[$key]
}

function Test-Sysadmin {
    param([Collections.IDictionary] $Server)
    $login = Find-Key $Server.logins (Get-Login)
    if (-not $login) { $login = '*' }
    $Server.logins.Contains($login) -and $Server.logins[$login].sysadmin
}

function Find-Database {
    param([Collections.IDictionary] $Fleet, [string] $Instance, [string] $Cluster, [switch] $Create)
    $server = Find-Server $Fleet $Instance
    $name = "AIPScannerUL_$Cluster"
    $key = Find-Key $server.databases $name
    if ($key) {
        $user = Find-Key $server.databases[$key].users (Get-Login)
        if (-not (Test-Sysadmin $server) -and -not ($user -and $server.databases[$key].users[$user] -contains 'db_owner')) {
            throw (New-Failure "Cannot open database `"$name`" requested by the login. The login failed.")
        }
    } elseif (-not $Create) {
        throw (New-Failure "Cannot open database `"$name`" requested by the login. The login failed.")
    } else {
        if (-not (Test-Sysadmin $server)) { throw (New-Failure "CREATE DATABASE permission denied in database 'master'.") }
        $server.databases[$name] = @{ collation = $server.collation; users = @{} }
        $key = $name
    }
    $database = $server.databases[$key]
    foreach ($part in @{ schema = $script:generation; job = $null; imported = ''; updates = 0; repositories = @(); nodes = @{}; scan = $null }.GetEnumerator()) {
        if (-not $database.Contains($part.Key)) { $database[$part.Key] = $part.Value }
    }
    # The service of a node writes there that it is online
    $here = [Environment]::MachineName
    $service = Get-ScannerService
    if ($database.nodes.Contains($here)) { $database.nodes[$here] = @{ online = [bool] ($service -and $service.Status -eq 'Running') } }
    $database
}

function Use-Database {
    param([Management.Automation.PSCmdlet] $Cmdlet, [scriptblock] $Work, [switch] $AnySchema)
    Use-FleetFile scanner -Cmdlet $Cmdlet {
        param($fleet)
        $own = Get-Own
        $database = Find-Database $fleet $own.SqlInstance $own.Cluster
        if (-not $AnySchema -and $database.schema -lt $script:generation) {
            throw (New-Failure "DB schema is not up to date. Run $(if ($script:generation -eq 3) { 'Update-ScannerDatabase' } else { 'Update-AIPScanner' }) command to update the DB schema")
        }
        & $Work $database $own
    }
}

function Assert-Account {
    param([Collections.IDictionary] $Fleet, [pscredential] $Credential)
    if ($Credential.UserName -notmatch '^[^\\]+\\[^\\]+$') { throw (New-Failure "The user name $($Credential.UserName) is not valid. Use the syntax Domain\Username.") }
    $key = Find-Key $Fleet.accounts $Credential.UserName
    if (-not $key -or $Fleet.accounts[$key] -cne $Credential.GetNetworkCredential().Password) { throw (New-Failure 'The user name or password is incorrect.') }
}

function Set-Node {
    param([Collections.IDictionary] $Fleet, [string] $Instance, [string] $Cluster, [pscredential] $Credential)
    $database = Find-Database $Fleet $Instance $Cluster -Create
    $database.users[$Credential.UserName] = @('db_owner')
    $database.nodes[[Environment]::MachineName] = @{ online = $false }
    if (-not (Test-Path -LiteralPath $script:own)) { $null = New-Item -Path $script:own -Force }
    Set-ItemProperty -LiteralPath $script:own -Name SqlInstance -Value $Instance
    Set-ItemProperty -LiteralPath $script:own -Name Cluster -Value $Cluster
    Set-ItemProperty -LiteralPath "HKLM:\SYSTEM\CurrentControlSet\Services\$($script:services[$script:generation].Name)" -Name ObjectName -Value $Credential.UserName
}

function Install-Scanner {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, Position = 0)] [pscredential] $ServiceUserCredentials, [pscredential] $StandardDomainsUserAccount, [pscredential] $ShareAdminUserAccount,
        [Parameter(Mandatory, Position = 2)] [string] $SqlServerInstance, [Parameter(Mandatory)] [Alias('Profile')] [string] $Cluster
    )
    $cmdlet = $PSCmdlet
    Use-FleetFile scanner -Cmdlet $PSCmdlet {
        param($fleet)
        if (Get-ScannerService) { throw (New-Failure 'The specified service already exists.') }
        Assert-Account $fleet $ServiceUserCredentials
        # As a transaction, nothing is left of one that fails
        $null = Find-Database $fleet $SqlServerInstance $Cluster -Create
        if (-not $cmdlet.ShouldProcess($Cluster)) { return }
        $service = $script:services[$script:generation]
        $null = New-Service -Name $service.Name -DisplayName $service.Title -BinaryPathName 'C:\windows\system32\spoolsv.exe -k scanner' -StartupType Automatic
        Set-Node $fleet $SqlServerInstance $Cluster $ServiceUserCredentials
        Set-ItemProperty -LiteralPath $script:own -Name OnlineConfiguration -Value On
        Set-ItemProperty -LiteralPath $script:own -Name ReportLevel -Value Info
        'The Install phase completed successfully, and the Commit phase is beginning.'
        'The transacted install has completed.'
    }
}

function Uninstall-Scanner {
    [CmdletBinding()]
    param()
    Use-FleetFile scanner -Cmdlet $PSCmdlet {
        param($fleet)
        $own = Get-Own
        $name = (Get-ScannerService).Name
        Stop-Service -Name $name
        Remove-Service -Name $name
        Remove-Item -LiteralPath $script:own -Recurse
        # The database stays, and is not needed for this
        $key = Find-Key $fleet.servers $own.SqlInstance
        if ($key -and $fleet.servers[$key].reachable) {
            $database = Find-Key $fleet.servers[$key].databases "AIPScannerUL_$($own.Cluster)"
            if ($database) { $fleet.servers[$key].databases[$database].nodes.Remove([Environment]::MachineName) }
        }
        'The uninstall has completed.'
    }
}

function Set-ScannerDatabase {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, Position = 0)] [pscredential] $ServiceUserCredentials, [Parameter(Position = 1)] [string] $SqlServerInstance,
        [pscredential] $StandardDomainsUserAccount, [pscredential] $ShareAdminUserAccount, [Parameter(Mandatory)] [Alias('Profile')] [string] $Cluster, [switch] $Force
    )
    if (-not $Force) { $PSCmdlet.ThrowTerminatingError((New-Failure 'The command asks for confirmation, and nobody is at the screen.')) }
    Use-FleetFile scanner -Cmdlet $PSCmdlet {
        param($fleet)
        $own = Get-Own
        Assert-Account $fleet $ServiceUserCredentials
        Set-Node $fleet $(if ($SqlServerInstance) { $SqlServerInstance } else { $own.SqlInstance }) $Cluster $ServiceUserCredentials
        'Microsoft Purview Information Protection Scanner service configuration change completed successfully.'
    }
}

function Update-ScannerDatabase {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [Alias('Profile')] [string] $Cluster, [switch] $Force)
    if (-not $Force) { $PSCmdlet.ThrowTerminatingError((New-Failure 'The command asks for confirmation, and nobody is at the screen.')) }
    $cmdlet = $PSCmdlet
    Use-Database $PSCmdlet -AnySchema {
        param($database, $own)
        $online = @($database.nodes.Keys | Where-Object { $database.nodes[$_].online })
        if ($online) {
            $cmdlet.WriteWarning("These nodes of the cluster are online: $($online -join ', ')")
            return
        }
        if ($own.Cluster -ne $Cluster) { throw (New-Failure "The cluster of this scanner is $($own.Cluster).") }
        $database.schema = $script:generation
        $database.updates = [int] $database.updates + 1
        'The scanner database was updated successfully.'
    }
}

function Set-Authentication {
    [CmdletBinding()]
    param([guid] $AppId, [string] $AppSecret, [string] $TenantId, [string] $DelegatedUser, [pscredential] $OnBehalfOf)
    if (-not $AppId) { $PSCmdlet.ThrowTerminatingError((New-Failure 'Somebody has to sign in, and nobody is at the screen.')) }
    Use-FleetFile scanner -Cmdlet $PSCmdlet {
        param($fleet)
        if ($OnBehalfOf) { Assert-Account $fleet $OnBehalfOf }
        $application = $fleet.applications[[string] $AppId]
        if (-not $application) { throw (New-Failure "AADSTS700016: Application with identifier '$AppId' was not found in the directory '$TenantId'.") }
        if ($application.tenant -ne $TenantId) { throw (New-Failure "AADSTS90002: Tenant '$TenantId' not found.") }
        if ($application.secret -cne $AppSecret) { throw (New-Failure 'AADSTS7000215: Invalid client secret provided.') }
        $fleet.tokens["$([Environment]::MachineName) $(if ($OnBehalfOf) { $OnBehalfOf.UserName } else { Get-Login })"] = "$AppId $DelegatedUser"
        if ($OnBehalfOf) { "Acquired application access token on behalf of $($OnBehalfOf.UserName)." } else { 'Acquired application access token.' }
    }
}

function Clear-Authentication {
    [CmdletBinding()]
    param()
    Use-FleetFile scanner -Cmdlet $PSCmdlet { param($fleet) $fleet.tokens.Remove("$([Environment]::MachineName) $(Get-Login)") }
}

function Get-ScannerConfiguration {
    [CmdletBinding()]
    param()
    Use-Database $PSCmdlet -AnySchema {
        param($database, $own)
        [pscustomobject] @{
            OnlineConfiguration = [OnlineConfiguration] $own.OnlineConfiguration
            ReportLevel         = [ReportLevel] $own.ReportLevel
            LogLevel            = 'Trace'
            Cluster             = $own.Cluster
            SqlInstance         = $own.SqlInstance
            DatabaseName        = "AIPScannerUL_$($own.Cluster)"
            Cloud               = 'Commercial'
        }
    }
}

function Set-ScannerConfiguration {
    [CmdletBinding()]
    param([ReportLevel] $ReportLevel, [OnlineConfiguration] $OnlineConfiguration)
    $bound = $PSBoundParameters
    Use-Database $PSCmdlet {
        foreach ($name in 'ReportLevel', 'OnlineConfiguration') {
            if ($bound.ContainsKey($name)) { Set-ItemProperty -LiteralPath $script:own -Name $name -Value ([string] $bound[$name]) }
        }
        'Configuration was set successfully.'
    }
}

function Import-ScannerConfiguration {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $FileName)
    Use-Database $PSCmdlet {
        param($database)
        if (-not (Test-Path -LiteralPath $FileName -PathType Leaf)) { throw (New-Failure "Could not find file '$FileName'.") }
        $text = Get-Content -LiteralPath $FileName -Raw
        try { $null = ConvertFrom-Json -InputObject $text } catch { throw (New-Failure "The file '$FileName' is not a valid scanner configuration.") }
        # Microsoft does not document the format: what it says is not looked at
        $database.imported = $text
        $database.job = $null
        $database.repositories = @()
        Set-ItemProperty -LiteralPath $script:own -Name OnlineConfiguration -Value Off
        'Configuration was imported successfully.'
    }
}

function ConvertTo-Kept {
    # Parameters as the database keeps them.
    param([Collections.IDictionary] $Bound, [Collections.IDictionary] $Default)
    $kept = @{}
    foreach ($name in $Default.Keys) {
        if ($Bound.ContainsKey($name)) { $kept[$name] = if ($name -eq 'RecommendedAsAutomatic') { "$($Bound[$name] -eq 'On')" } else { [string] $Bound[$name] } }
    }
    if ($kept['DefaultLabelType'] -eq 'Custom' -and -not $kept['DefaultLabelId']) { throw (New-Failure 'DefaultLabelId is mandatory when DefaultLabelType is Custom.') }
    if ($kept['IncludeFileTypes'] -and (-not $kept.Contains('ExcludeFileTypes') -or $kept['ExcludeFileTypes'])) { throw (New-Failure 'IncludeFileTypes and ExcludeFileTypes cannot both be set.') }
    $kept
}

function Set-ScannerContentScan {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Schedule] $Schedule, [DiscoverInformationTypes] $DiscoverInformationTypes, [OnOffEnum] $RecommendedAsAutomatic, [OnOffEnum] $EnableDlp, [OnOffEnum] $Enforce,
        [OnOffEnum] $LabelFilesByContent, [OnOffEnum] $RelabelFiles, [OnOffEnum] $AllowLabelDowngrade, [OnOffEnum] $EnforceDefaultLabel,
        [DefaultLabelType] $DefaultLabelType, [guid] $DefaultLabelId, [string] $DefaultOwner, [string] $RepositoryOwner, [OnOffEnum] $PreserveFileDetails,
        [string] $IncludeFileTypes, [string] $ExcludeFileTypes
    )
    $bound = $PSBoundParameters
    Use-Database $PSCmdlet {
        param($database)
        $default = [ordered]@{}
        foreach ($one in $script:jobOnly, $script:settings) { foreach ($name in $one.Keys) { $default[$name] = $one[$name] } }
        if (-not $database.job) { $database.job = @{} + $default }
        $kept = ConvertTo-Kept $bound $default
        foreach ($name in $kept.Keys) { $database.job[$name] = $kept[$name] }
    }
}

function Get-ScannerContentScan {
    [CmdletBinding()]
    param()
    Use-Database $PSCmdlet {
        param($database)
        # One that the portal or a file has made tells nothing of itself
        $job = [ordered]@{}
        foreach ($one in $script:jobOnly, $script:settings) {
            foreach ($name in $one.Keys) { $job[$name] = if ($database.job) { $database.job[$name] } elseif ($script:jobOnly.Contains($name)) { $one[$name] } else { '' } }
        }
        $job.Repositories = [string[]] @($database.repositories | ForEach-Object { $_.Path })
        [pscustomobject] $job
    }
}

function Remove-ScannerContentScan {
    [CmdletBinding(SupportsShouldProcess)]
    param()
    Use-Database $PSCmdlet { param($database) $database.job = $null }
}

function Save-Repository {
    param([Collections.IDictionary] $Database, [Collections.IDictionary] $Bound, [bool] $New)
    $known = @($Database.repositories | Where-Object { $_.Path -eq $Bound.Path })
    if ($Bound.Path -match '[*?]') { throw (New-Failure "The path $($Bound.Path) is not valid: wildcards are not supported.") }
    if ($New -and $known) { throw (New-Failure "The repository $($Bound.Path) already exists in the content scan job.") }
    if (-not $New -and -not $known) { throw (New-Failure "The repository $($Bound.Path) does not exist in the content scan job.") }
    $default = [ordered]@{ Path = ''; OverrideContentScanJob = 'Off' }
    foreach ($name in $script:settings.Keys) { $default[$name] = if ($Database.job) { $Database.job[$name] } else { $script:settings[$name] } }
    $repository = if ($known) { $known[0] } else { @{} + $default }
    $kept = ConvertTo-Kept $Bound $default
    foreach ($name in $kept.Keys) { $repository[$name] = $kept[$name] }
    if (-not $known) { $Database.repositories = @($Database.repositories) + $repository }
}

function Add-ScannerRepository {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory)] [string] $Path, [OnOffEnum] $OverrideContentScanJob, [OnOffEnum] $EnableDlp, [OnOffEnum] $Enforce, [OnOffEnum] $LabelFilesByContent,
        [OnOffEnum] $RelabelFiles, [OnOffEnum] $AllowLabelDowngrade, [OnOffEnum] $EnforceDefaultLabel, [DefaultLabelType] $DefaultLabelType, [guid] $DefaultLabelId,
        [string] $DefaultOwner, [string] $RepositoryOwner, [OnOffEnum] $PreserveFileDetails, [string] $IncludeFileTypes, [string] $ExcludeFileTypes
    )
    $bound = $PSBoundParameters
    Use-Database $PSCmdlet { param($database) Save-Repository $database $bound $true }
}

function Set-ScannerRepository {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory)] [string] $Path, [OnOffEnum] $OverrideContentScanJob, [OnOffEnum] $EnableDlp, [OnOffEnum] $Enforce, [OnOffEnum] $LabelFilesByContent,
        [OnOffEnum] $RelabelFiles, [OnOffEnum] $AllowLabelDowngrade, [OnOffEnum] $EnforceDefaultLabel, [DefaultLabelType] $DefaultLabelType, [guid] $DefaultLabelId,
        [string] $DefaultOwner, [string] $RepositoryOwner, [OnOffEnum] $PreserveFileDetails, [string] $IncludeFileTypes, [string] $ExcludeFileTypes
    )
    $bound = $PSBoundParameters
    Use-Database $PSCmdlet { param($database) Save-Repository $database $bound $false }
}

function Get-ScannerRepository {
    [CmdletBinding()]
    param([string] $Path = '*')
    Use-Database $PSCmdlet {
        param($database)
        foreach ($repository in $database.repositories | Where-Object { $_.Path -like $Path }) {
            $shown = [ordered]@{ Path = $repository.Path; OverrideContentScanJob = $repository.OverrideContentScanJob }
            foreach ($name in $script:settings.Keys) {
                # Without an override, those of the job apply
                $shown[$name] = if ($repository.OverrideContentScanJob -ne 'On' -and $database.job) { $database.job[$name] } else { $repository[$name] }
            }
            [pscustomobject] $shown
        }
    }
}

function Remove-ScannerRepository {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory, Position = 0, ValueFromPipeline)] [object[]] $Repositories)
    process {
        $paths = @($Repositories | ForEach-Object { $_.Path })
        Use-Database $PSCmdlet { param($database) $database.repositories = @($database.repositories | Where-Object { $paths -notcontains $_.Path }) }
    }
}

function Get-Scanning {
    # Whether the cluster scans: for as long as a scan lasts, or all the time.
    param([Collections.IDictionary] $Database)
    if ((Get-ScannerService).Status -ne 'Running' -or -not ($Database.job -or $Database.imported)) { return $false }
    if ($Database.job -and $Database.job.Schedule -eq 'Always') {
        if (-not $Database.scan) { $Database.scan = @{ start = [DateTime]::UtcNow.ToString('o'); seconds = 0; enforce = $Database.job.Enforce } }
        return $true
    }
    [bool] ($Database.scan -and [DateTime]::UtcNow -lt ([DateTime] $Database.scan.start).ToUniversalTime().AddSeconds($Database.scan.seconds))
}

function Get-ScanStatus {
    [CmdletBinding()]
    param()
    $verbose = $PSBoundParameters.ContainsKey('Verbose') -and $PSBoundParameters.Verbose
    Use-FleetFile scanner -Cmdlet $PSCmdlet {
        param($fleet)
        $own = Get-Own
        $running = (Get-ScannerService).Status -eq 'Running'
        try {
            $database = Find-Database $fleet $own.SqlInstance $own.Cluster
        } catch {
            if (-not $running) { throw }
            [pscustomobject] @{ Cluster = $own.Cluster; ClusterStatus = 'Error'; StartTime = $null; TimeFromStart = $null; NodesInfo = @() }
            return
        }
        $scanning = Get-Scanning $database
        $status = if (-not $running) { 'Offline' } elseif ($scanning) { 'Scanning' } else { 'Idle' }
        $start = if ($database.scan) { ([DateTime] $database.scan.start).ToUniversalTime() }
        $files = if ($database.scan) { 2280 } else { 0 }
        $summary = { param($id) [pscustomobject] @{ ScannerID = $id; ScannedFiles = $files; FailedFiles = 0; ScannedBytes = 34420 * $files; Classified = 0; Labeled = 0 } }
        $found = [ordered]@{
            Cluster       = $own.Cluster
            ClusterStatus = $status
            StartTime     = $start
            TimeFromStart = if ($start) { [DateTime]::UtcNow - $start }
            NodesInfo     = @(foreach ($node in $database.nodes.Keys) {
                    $here = $node -eq [Environment]::MachineName
                    $state = if ($here) { $status } elseif ($database.nodes[$node].online) { 'Idle' } else { 'Offline' }
                    [pscustomobject] @{ NodeName = $node; Status = $state; IsScanning = $here -and $scanning; Summary = & $summary $node }
                })
        }
        if ($verbose) {
            $found.ScannedFiles = $files
            $found.MBScanned = 34420 * $files
            $found.CurrentScanSummary = & $summary ''
            $found.RepositoriesStatus = @($database.repositories | ForEach-Object { [pscustomobject] @{ Path = $_.Path; Status = $(if ($scanning) { 'Scanning' } elseif ($start) { 'Finished' } else { 'Pending' }) } })
        }
        [pscustomobject] $found
    }
}

function Start-Scan {
    [CmdletBinding()]
    param([switch] $Reset, [switch] $Force)
    if (-not $Force) { $PSCmdlet.ThrowTerminatingError((New-Failure 'The command asks for confirmation, and nobody is at the screen.')) }
    Use-FleetFile scanner -Cmdlet $PSCmdlet {
        param($fleet)
        $own = Get-Own
        $database = Find-Database $fleet $own.SqlInstance $own.Cluster
        if ((Get-ScannerService).Status -ne 'Running') { throw (New-Failure 'The scanner service is not running.') }
        if (-not ($database.job -or $database.imported) -or ($database.job -and $database.job.Schedule -eq 'Always')) { return }
        $database.scan = @{ start = [DateTime]::UtcNow.ToString('o'); seconds = $fleet.scan_seconds; enforce = $(if ($database.job) { $database.job.Enforce } else { '' }) }
    }
}

function Stop-Scan {
    [CmdletBinding()]
    param()
    Use-FleetFile scanner -Cmdlet $PSCmdlet {
        param($fleet)
        $own = Get-Own
        $database = Find-Database $fleet $own.SqlInstance $own.Cluster
        # The scanners get the command with a delay
        if ($database.scan) { $database.scan.seconds = ([DateTime]::UtcNow - ([DateTime] $database.scan.start).ToUniversalTime()).TotalSeconds + $fleet.stop_seconds }
    }
}
