# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The information protection scanner: its cmdlets in the client 2.x and 3.x, what they return, the prerequisites of a host, and the steps to the desired
# state. Nothing is changed here; _ScannerSetup.psm1 does that.

#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._ScannerSql

# The lines of the client: their PowerShell modules, and the cmdlets by what they do.
# https://learn.microsoft.com/powershell/module/azureinformationprotection and .../purviewinformationprotection
$lines = [ordered]@{
    3 = @{
        Module = 'PurviewInformationProtection'
        # Microsoft documents the display name of the service only.
        Service = 'Microsoft Purview Information Protection Scanner'
        Command = @{
            Install = 'Install-Scanner'; Uninstall = 'Uninstall-Scanner'; Move = 'Set-ScannerDatabase'; Update = 'Update-ScannerDatabase'
            Authenticate = 'Set-Authentication'; GetConfiguration = 'Get-ScannerConfiguration'; SetConfiguration = 'Set-ScannerConfiguration'
            GetJob = 'Get-ScannerContentScan'; SetJob = 'Set-ScannerContentScan'; GetRepository = 'Get-ScannerRepository'
            AddRepository = 'Add-ScannerRepository'; SetRepository = 'Set-ScannerRepository'; RemoveRepository = 'Remove-ScannerRepository'
            GetStatus = 'Get-ScanStatus'; StartScan = 'Start-Scan'; StopScan = 'Stop-Scan'; Import = 'Import-ScannerConfiguration'
        }
    }
    2 = @{
        Module = 'AzureInformationProtection'
        Service = 'Azure Information Protection Scanner'
        Command = @{
            Install = 'Install-AIPScanner'; Uninstall = 'Uninstall-AIPScanner'; Move = 'Set-AIPScanner'; Update = 'Update-AIPScanner'
            Authenticate = 'Set-AIPAuthentication'; GetConfiguration = 'Get-AIPScannerConfiguration'; SetConfiguration = 'Set-AIPScannerConfiguration'
            GetJob = 'Get-AIPScannerContentScanJob'; SetJob = 'Set-AIPScannerContentScanJob'; GetRepository = 'Get-AIPScannerRepository'
            AddRepository = 'Add-AIPScannerRepository'; SetRepository = 'Set-AIPScannerRepository'; RemoveRepository = 'Remove-AIPScannerRepository'
            GetStatus = 'Get-AIPScannerStatus'; StartScan = 'Start-AIPScan'; StopScan = 'Stop-AIPScan'; Import = 'Import-AIPScannerConfiguration'
        }
    }
}

$onOff = @{ $true = 'On'; $false = 'Off' }
# The settings of the content scan job, most of which a repository can have for itself: option -> property and parameter of the cmdlets.
$settings = [ordered]@{
    schedule = @{ Name = 'Schedule'; Choices = 'manual', 'always'; Text = @{ manual = 'Manual'; always = 'Always' }; JobOnly = $true }
    discover = @{ Name = 'DiscoverInformationTypes'; Choices = 'policy_only', 'all'; Text = @{ policy_only = 'PolicyOnly'; all = 'All' }; JobOnly = $true }
    recommended_as_automatic = @{ Name = 'RecommendedAsAutomatic'; Text = $onOff; JobOnly = $true }
    enable_dlp = @{ Name = 'EnableDlp'; Text = $onOff }
    enforce = @{ Name = 'Enforce'; Text = $onOff }
    label_by_content = @{ Name = 'LabelFilesByContent'; Text = $onOff }
    relabel = @{ Name = 'RelabelFiles'; Text = $onOff }
    allow_downgrade = @{ Name = 'AllowLabelDowngrade'; Text = $onOff }
    enforce_default_label = @{ Name = 'EnforceDefaultLabel'; Text = $onOff }
    default_label_type = @{
        Name = 'DefaultLabelType'
        Choices = 'none', 'policy_default', 'custom'
        Text = @{ none = 'None'; policy_default = 'PolicyDefault'; custom = 'Custom' }
    }
    default_label_id = @{ Name = 'DefaultLabelId' }
    default_owner = @{ Name = 'DefaultOwner' }
    repository_owner = @{ Name = 'RepositoryOwner' }
    preserve_file_details = @{ Name = 'PreserveFileDetails'; Text = $onOff }
    include_file_types = @{ Name = 'IncludeFileTypes'; List = $true }
    exclude_file_types = @{ Name = 'ExcludeFileTypes'; List = $true }
}
$configurations = @{ online = 'On'; offline = 'Off' }
$levels = @{ off = 'Off'; debug = 'Debug'; info = 'Info'; error = 'Error' }

# What Microsoft asks of the computer. Firmware keeps some of 8 GB of memory for itself.
$cores = 4
$memoryMegabytes = 7600
$diskGigabytes = 10
$windows = @{ 2 = '2012r2', '2016', '2019'; 3 = '2012r2', '2016', '2019', '2022' }
# What the cmdlets do not report is kept here: the credentials that the scanner has a token for, the client that the database was updated for, and the file
# that was imported into it.
$recordKey = 'SOFTWARE\infoprotect.aip\Scanner'

function Get-ScannerSpec {
    <#
    .SYNOPSIS
    The options of the domain scanner: a fragment of an argument spec. Secrets are for the module scanner alone.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    $job = @{}
    $own = @{ path = @{ type = 'str'; required = $true } }
    foreach ($name in $settings.Keys) {
        $setting = $settings[$name]
        $job[$name] = if ($setting.List) { @{ type = 'list'; elements = 'str' } }
        elseif (-not $setting.Text) { @{ type = 'str' } }
        elseif ($setting.Text -eq $onOff) { @{ type = 'bool' } }
        else { @{ type = 'str'; choices = [object[]]$setting.Choices } }
        if (-not $setting.JobOnly) {
            $own[$name] = $job[$name]
        }
    }
    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            cluster = @{ type = 'str' }
            first_node = @{ type = 'bool'; default = $true }
            sql_instance = @{ type = 'str' }
            service_account = @{ type = 'str' }
            application_id = @{ type = 'str' }
            tenant_id = @{ type = 'str' }
            delegated_user = @{ type = 'str' }
            authentication_id = @{ type = 'str' }
            configuration = @{ type = 'str'; choices = 'online', 'offline' }
            configuration_file = @{ type = 'str' }
            configuration_checksum = @{ type = 'str' }
            report_level = @{ type = 'str'; choices = 'off', 'debug', 'info', 'error' }
            enforce_confirm = @{ type = 'bool'; default = $false }
            repositories = @{ type = 'list'; elements = 'dict'; options = $own }
            repositories_exact = @{ type = 'bool'; default = $false }
            service_state = @{ type = 'str'; choices = 'started', 'stopped'; default = 'started' }
            stop_scan = @{ type = 'bool'; default = $false }
            evaluation = @{ type = 'bool'; default = $false }
            powershell_only = @{ type = 'bool'; default = $false }
        } + $job
        required_together = @(
            , @('cluster', 'sql_instance', 'service_account')
            , @('application_id', 'tenant_id', 'delegated_user')
        )
    }
}

function Get-ScannerState {
    <#
    .SYNOPSIS
    Reads the scanner: its service, and what its cmdlets tell.

    .OUTPUTS
    An object with Line (2, 3 or $null), Version and Command of the client's module; Service (Name, Title, Line, Account, Status) or $null; Configuration, Job,
    Repositories and Status as the cmdlets return them, $null where they do not tell; Problem: why not. Outdated: whether the database was not updated for
    this client as far as this host knows; Unreadable: why the cmdlets cannot read it then, '' where they can.
    #>
    [CmdletBinding()]
    param ()

    $state = [pscustomobject]@{
        Line = $null; Version = ''; Command = @{}; Service = Get-ScannerService; Configuration = $null; Job = $null; Repositories = $null; Status = $null
        Problem = ''; Outdated = $false; Unreadable = 'it was not read'
    }
    foreach ($line in $lines.Keys) {
        $module = @(Get-Module -Name $lines[[object]$line].Module -ListAvailable -ErrorAction Ignore | Sort-Object -Property Version -Descending)
        if ($module.Count) {
            $state.Line = $line
            $state.Version = [string]$module[0].Version
            $state.Command = $lines[[object]$line].Command
            break
        }
    }
    if (-not $state.Line -or -not $state.Service -or $state.Service.Line -ne $state.Line) {
        return $state
    }
    try {
        $state.Outdated = (Get-ScannerRecord).DatabaseVersion -ne $state.Version
        Import-ScannerModule -State $state
        $state.Configuration = & $state.Command.GetConfiguration -ErrorAction Stop
        $state.Status = Read-ScanStatus -Command $state.Command.GetStatus
        Read-ScannerJob -State $state
    }
    catch {
        $state.Problem = $_.Exception.Message
    }
    $state
}

function Read-ScanStatus {
    # Only -Verbose returns counts; its verbose messages are not needed. Where it fails, the status is enough to manage the scanner.
    param ($Command)

    try {
        & $Command -Verbose -ErrorAction Stop 4>$null
    }
    catch {
        & $Command -ErrorAction Stop
    }
}

function Read-ScannerJob {
    # The content scan job and its repositories. The cmdlets of a newer client cannot read the database of an older one, which then is no problem by itself.
    param ($State)

    try {
        $job = & $State.Command.GetJob -ErrorAction Stop
        $State.Repositories = @(& $State.Command.GetRepository -ErrorAction Stop)
        $State.Job = $job
        $State.Unreadable = ''
    }
    catch {
        if (-not $State.Outdated) {
            throw
        }
        $State.Unreadable = $_.Exception.Message.TrimEnd('.')
    }
}

function Import-ScannerModule {
    <#
    .SYNOPSIS
    Loads the client's PowerShell module, or says why it cannot be.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $State
    )

    $name = $lines[[object]$State.Line].Module
    try {
        Import-Module -Name $name -Global -ErrorAction Stop -WarningAction SilentlyContinue
    }
    catch {
        throw "The client's PowerShell module $name $($State.Version) cannot be loaded: $($_.Exception.Message)"
    }
}

function Get-ScannerService {
    <#
    .SYNOPSIS
    The Windows service of the scanner, found by its display name; nothing without one.
    #>
    [CmdletBinding()]
    param ()

    foreach ($line in $lines.Keys) {
        $service = @(Get-Service -DisplayName $lines[[object]$line].Service -ErrorAction Ignore)
        if ($service.Count) {
            return [pscustomobject]@{
                Name = $service[0].Name
                Title = $service[0].DisplayName
                Line = $line
                Account = [string](Get-MachineValue -SubKey "SYSTEM\CurrentControlSet\Services\$($service[0].Name)" -Name ObjectName)
                Status = [string]$service[0].Status
            }
        }
    }
}

function Get-ScannerRecord {
    <#
    .SYNOPSIS
    What this collection keeps of the scanner: Authentication, DatabaseVersion and Import, '' where nothing is kept.
    #>
    [CmdletBinding()]
    param ()

    [pscustomobject]@{
        Authentication = [string](Get-MachineValue -SubKey $recordKey -Name Authentication)
        DatabaseVersion = [string](Get-MachineValue -SubKey $recordKey -Name DatabaseVersion)
        Import = [string](Get-MachineValue -SubKey $recordKey -Name Import)
    }
}

function Set-ScannerRecord {
    <#
    .SYNOPSIS
    Keeps a value for Get-ScannerRecord; an empty one removes it.
    #>
    [CmdletBinding()]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param (
        [Parameter(Mandatory = $true)]
        [ValidateSet('Authentication', 'DatabaseVersion', 'Import')]
        [string]
        $Name,

        [AllowEmptyString()]
        [string]
        $Value
    )

    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    try {
        $key = $base.CreateSubKey($recordKey)
        if ($Value) {
            $key.SetValue($Name, $Value)
        }
        else {
            $key.DeleteValue($Name, $false)
        }
        $key.Dispose()
    }
    finally {
        $base.Dispose()
    }
}

function ConvertTo-ScannerFact {
    <#
    .SYNOPSIS
    The fact 'scanner', of what Get-ScannerState returned.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $State
    )

    $status = $State.Status
    [ordered]@{
        installed = [bool]$State.Service
        client_version = if ($State.Version) { $State.Version } else { $null }
        service = if ($State.Service) {
            [ordered]@{ name = $State.Service.Name; account = $State.Service.Account; state = $State.Service.Status.ToLowerInvariant() }
        }
        cluster = if ($State.Configuration) { [string]$State.Configuration.Cluster }
        sql_instance = if ($State.Configuration) { [string]$State.Configuration.SqlInstance }
        database = if ($State.Configuration) { [string]$State.Configuration.DatabaseName }
        configuration = if ($State.Configuration) { if ("$($State.Configuration.OnlineConfiguration)" -eq 'On') { 'online' } else { 'offline' } }
        enforce = if ($State.Job -and "$($State.Job.Enforce)") { "$($State.Job.Enforce)" -eq 'On' }
        repositories = if ($null -ne $State.Repositories) { $State.Repositories.Count }
        status = if ($status) { "$($status.ClusterStatus)".ToLowerInvariant() }
        scan_started = if ($status -and $status.StartTime) { ConvertTo-ScannerTime -Value $status.StartTime }
        nodes = [object[]]@(if ($status) { foreach ($node in $status.NodesInfo) { [ordered]@{ name = "$($node.NodeName)"; status = "$($node.Status)".ToLowerInvariant() } } })
        problem = if ($State.Problem) { $State.Problem }
        scan = if ($status -and $status.PSObject.Properties['ScannedFiles']) {
            [ordered]@{
                scanned_files = $status.ScannedFiles
                failed_files = $status.CurrentScanSummary.FailedFiles
                classified = $status.CurrentScanSummary.Classified
                labeled = $status.CurrentScanSummary.Labeled
            }
        }
    }
}

function Get-ScannerError {
    <#
    .SYNOPSIS
    The latest errors of the scanner's own event log, whose name is the service's, the newest first.

    .PARAMETER Unreadable
    Takes why the log cannot be read.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $State,

        [int]
        $Most = 5,

        [Parameter(Mandatory = $true)]
        [AllowEmptyCollection()]
        [System.Collections.Generic.List[string]]
        $Unreadable
    )

    if ($Most -lt 1 -or -not $State.Service) {
        return
    }
    $title = $State.Service.Title
    try {
        Get-WinEvent -FilterHashtable @{ LogName = $title; Level = 2 } -MaxEvents $Most -ErrorAction Stop | ForEach-Object -Process {
            [ordered]@{ time = ConvertTo-ScannerTime -Value $_.TimeCreated.ToUniversalTime(); id = $_.Id; text = "$($_.Message)" }
        }
    }
    catch {
        # A log without errors is one, too.
        if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') {
            $Unreadable.Add("the event log $title cannot be read: $($_.Exception.Message)")
        }
    }
}

function ConvertTo-ScannerTime {
    # The cmdlets tell UTC, as a time or as a text.
    param ($Value)

    if ($Value -is [datetime]) { $Value.ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture) } else { "$Value" }
}

function Get-ScannerPlan {
    <#
    .SYNOPSIS
    Compares the scanner with the options of the module scanner.

    .PARAMETER Option
    The options of Get-ScannerSpec.

    .PARAMETER Fact
    os, processors, memory_mb and disks of the host.

    .PARAMETER State
    What Get-ScannerState returned.

    .OUTPUTS
    An object with Steps (Action, Product, Before and After for people; Do, Key and Value for _ScannerSetup), Refused: why they cannot be carried out, Awaits:
    what has to be there first, and Notes. Throws when the options make no sense.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        $Fact,

        [Parameter(Mandatory = $true)]
        $State
    )

    Assert-ScannerOption -Option $Option
    $plan = [pscustomobject]@{
        Steps = [System.Collections.Generic.List[object]]::new()
        Refused = [System.Collections.Generic.List[string]]::new()
        Awaits = [System.Collections.Generic.List[string]]::new()
        Notes = [System.Collections.Generic.List[string]]::new()
    }
    if ($State.Service -and -not $State.Line) {
        $plan.Refused.Add("the service '$($State.Service.Title)' is there without the client's cmdlets. Install the client again (aip_client_product), then run this again")
        return $plan
    }
    if ($State.Service -and $State.Service.Line -ne $State.Line) {
        $plan.Refused.Add("the service '$($State.Service.Title)' of the client $($State.Service.Line).x is left over, and the client is $($State.Version). " +
            "Its own cmdlets are gone with the older client: remove the service with 'sc.exe delete $($State.Service.Name)', restart the host, and run this again")
        return $plan
    }
    if ($Option.state -eq 'absent') {
        if ($State.Service) {
            Add-Step -Plan $plan -Do uninstall -Action remove -Product scanner -Before $State.Version -After $null
            Add-ScanObstacle -Plan $plan -Option $Option -State $State -What 'the scanner is removed'
        }
        return $plan
    }
    if ($Option.powershell_only) {
        $plan.Refused.Add('the client on this host is only its PowerShell module (aip_client_powershell_only is true). The scanner needs the full client')
    }
    if ($State.Problem -and $Option.first_node -and (Test-UpdateHelp -Option $Option -State $State)) {
        Add-Step -Plan $plan -Do update -Action update -Product database -Before 'cannot be read' -After $State.Version
        $plan.Notes.Add("Everything else is compared after the update of the database. Before it, the cmdlets say: $($State.Problem)")
        return $plan
    }
    if ($State.Problem) {
        $plan.Refused.Add("the scanner's configuration cannot be read: $($State.Problem.TrimEnd('.')). Check that SQL Server $(if ($Option.sql_instance) { "$($Option.sql_instance) " })" +
            'runs and is reachable from this host, and that this account has the role db_owner in the database')
        return $plan
    }
    if ($State.Service) {
        Add-MoveStep -Plan $plan -Option $Option -State $State
    }
    elseif ($Option.cluster) {
        Add-InstallStep -Plan $plan -Option $Option -Fact $Fact -State $State
    }
    else {
        $plan.Refused.Add('the scanner is not installed: expected cluster, sql_instance and service_account')
        return $plan
    }
    Add-AuthenticationStep -Plan $plan -Option $Option -State $State
    Add-ConfigurationStep -Plan $plan -Option $Option -State $State
    $update = @($plan.Steps | Where-Object -FilterScript { $_.Do -eq 'update' }).Count
    if ($State.Service -and $update) {
        $plan.Notes.Add('The content scan job and the repositories are compared after the update of the database.')
    }
    elseif ($Option.first_node) {
        Add-ImportStep -Plan $plan -Option $Option -State $State
        Add-JobStep -Plan $plan -Option $Option -State $State
    }
    elseif ($State.Service -and $State.Unreadable) {
        $plan.Awaits.Add("this client cannot read the database ($($State.Unreadable)). The first node of the cluster updates it (aip_scanner_first_node)")
    }
    Add-ServiceStep -Plan $plan -Option $Option -State $State
    $plan
}

function Test-UpdateHelp {
    # Whether SQL Server is in order, so that it is the database of an older client that the cmdlets cannot read.
    param ($Option, $State)

    if (-not $State.Outdated -or -not $Option.cluster) {
        return $false
    }
    $sql = Get-ScannerSqlFact -Instance $Option.sql_instance -Database "AIPScannerUL_$($Option.cluster)" -Account $Option.service_account
    $sql.Exists -and -not $sql.Refused.Count
}

function Add-Step {
    # Do: what _ScannerSetup carries out. Key and Value: of a setting; Key alone: of a repository.
    param ($Plan, [string]$Do, [string]$Action, [string]$Product, $Before, $After, $Key, $Value)

    $Plan.Steps.Add([pscustomobject]@{ Action = $Action; Product = $Product; Before = $Before; After = $After; Do = $Do; Key = $Key; Value = $Value })
}

function Assert-ScannerOption {
    # What no scanner could have. All of it together.
    param ($Option)

    $wrong = [System.Collections.Generic.List[string]]::new()
    $guid = [guid]::Empty
    foreach ($name in 'application_id', 'tenant_id') {
        if ($Option[$name] -and -not [guid]::TryParse($Option[$name], [ref]$guid)) {
            $wrong.Add("$name is '$($Option[$name])': expected an id such as 5c6bb73b-1038-4eec-863d-49bded473437")
        }
    }
    if ($Option.service_account -and $Option.service_account -notmatch '^[^\\/@\s]+\\[^\\/@]+$') {
        $wrong.Add("service_account is '$($Option.service_account)': expected DOMAIN\name of an Active Directory account")
    }
    if ($Option.cluster -and $Option.cluster -notmatch '^[\w.-]+$') {
        $wrong.Add("cluster is '$($Option.cluster)': expected letters, digits, '_', '-' and '.', since it is part of the database's name")
    }
    if ($Option.configuration_file) {
        if ("$($Option.configuration_checksum)" -notmatch '^(?:sha256:)?[0-9a-fA-F]{64}$') {
            $wrong.Add("configuration_checksum is '$($Option.configuration_checksum)': expected the SHA-256 checksum of configuration_file")
        }
        if ($Option.configuration -eq 'online') {
            $wrong.Add('configuration_file is given, and configuration is online: an import sets the scanner offline. Leave one of them out')
        }
        if ((Get-WantedSetting -Of $Option).Count -or $null -ne $Option.repositories) {
            $wrong.Add('configuration_file is given with settings of the content scan job or repositories: the file replaces them. Leave the file or the settings out')
        }
    }
    if ($Option.repositories_exact -and $null -eq $Option.repositories) {
        $wrong.Add('repositories_exact is true without repositories: expected the list of all repositories')
    }
    $seen = [System.Collections.Generic.HashSet[string]]::new([StringComparer]::OrdinalIgnoreCase)
    foreach ($repository in $Option.repositories) {
        $path = $repository.path
        if ($path -notmatch '^(?:[a-zA-Z]:\\|\\\\[^\\]+\\[^\\]+|https?://[^/]+)' -or $path -match '[*?]') {
            $wrong.Add("repositories: path is '$path': expected \\server\share\folder, C:\folder or http://sharepoint/..., without wildcards")
        }
        if (-not $seen.Add((Format-RepositoryPath -Path $path))) {
            $wrong.Add("repositories: path '$path' is there twice: expected each path once")
        }
    }
    foreach ($one in @(@{ Name = ''; Of = $Option }) + @($Option.repositories | Where-Object -FilterScript { $_ } | ForEach-Object -Process { @{ Name = " of repository '$($_.path)'"; Of = $_ } })) {
        $of = $one.Of
        if ($of.default_label_id -and -not [guid]::TryParse($of.default_label_id, [ref]$guid)) {
            $wrong.Add("default_label_id$($one.Name) is '$($of.default_label_id)': expected the id of a label")
        }
        if ($of.default_label_type -eq 'custom' -and -not $of.default_label_id) {
            $wrong.Add("default_label_type$($one.Name) is custom without default_label_id: expected the id of a label")
        }
        if ($of.include_file_types.Count -and $of.exclude_file_types.Count) {
            $wrong.Add("include_file_types and exclude_file_types$($one.Name) are both given: expected one of them")
        }
    }
    if ($wrong.Count) {
        throw "scanner: $($wrong -join '; ')"
    }
}

function Add-InstallStep {
    # The scanner is not there: everything that Microsoft asks of the host and of SQL Server.
    param ($Plan, $Option, $Fact, $State)

    Add-Step -Plan $Plan -Do install -Action install -Product scanner -Before $null -After "cluster $($Option.cluster) on $($Option.sql_instance) as $($Option.service_account)"
    if (-not $State.Line) {
        $Plan.Awaits.Add('the scanner is installed once the full client 2.x or 3.x is (aip_client_product)')
    }
    foreach ($reason in Get-HostObstacle -Fact $Fact -Line $State.Line) {
        if ($Option.evaluation) {
            $Plan.Notes.Add("For evaluation only: $reason.")
        }
        else {
            $Plan.Refused.Add("$reason. Take another host, or set aip_scanner_evaluation for a test")
        }
    }
    $sql = Get-ScannerSqlFact -Instance $Option.sql_instance -Database "AIPScannerUL_$($Option.cluster)" -Account $Option.service_account
    foreach ($reason in $sql.Refused) {
        $Plan.Refused.Add($reason)
    }
    foreach ($note in $sql.Notes) {
        $Plan.Notes.Add($note)
    }
    $Plan.Steps[-1].Value = $sql.Exists
    if ($sql.Exists -and $Option.first_node) {
        # It may be of an older client, or made by hand, which the update does not mind. A cluster that runs needs none: only the cmdlets tell, once installed.
        Add-Step -Plan $Plan -Do update -Action update -Product database -Before 'of an unknown version' -After $State.Version
    }
}

function Get-HostObstacle {
    # What the computer lacks.
    param ($Fact, $Line)

    $supported = if ($Line) { $windows[[int]$Line] } else { $windows[3] }
    if ($Fact.os.product -notin $supported -or $Fact.os.architecture -ne 'AMD64') {
        "the scanner needs 64-bit Windows Server $($supported -join ', '), and this is $($Fact.os.name) ($($Fact.os.architecture))"
    }
    if ($Fact.processors -lt $cores) {
        "the scanner needs $cores processor cores, and this host has $($Fact.processors)"
    }
    if ($Fact.memory_mb -lt $memoryMegabytes) {
        "the scanner needs 8 GB of memory, and this host has $($Fact.memory_mb) MB"
    }
    $disk = @($Fact.disks | Where-Object -FilterScript { $_.system })[0]
    if ($null -eq $disk -or $disk.free_gb -lt $diskGigabytes) {
        "the scanner needs $diskGigabytes GB free on the system disk for temporary files, and this host has $($disk.free_gb) GB"
    }
}

function Add-MoveStep {
    # The account, the server and the cluster of an installed scanner, and the version of its database.
    param ($Plan, $Option, $State)

    if ($Option.cluster) {
        $before = "cluster $($State.Configuration.Cluster) on $($State.Configuration.SqlInstance) as $($State.Service.Account)"
        $after = "cluster $($Option.cluster) on $($Option.sql_instance) as $($Option.service_account)"
        if (-not [string]::Equals($before, $after, [StringComparison]::OrdinalIgnoreCase)) {
            Add-Step -Plan $Plan -Do move -Action set -Product scanner -Before $before -After $after
            $sql = Get-ScannerSqlFact -Instance $Option.sql_instance -Database "AIPScannerUL_$($Option.cluster)" -Account $Option.service_account
            foreach ($reason in $sql.Refused) {
                $Plan.Refused.Add($reason)
            }
        }
    }
    if (Test-UpdateDue -Option $Option -State $State) {
        $known = (Get-ScannerRecord).DatabaseVersion
        Add-Step -Plan $Plan -Do update -Action update -Product database -Before $(if ($known) { $known } else { 'of an unknown version' }) -After $State.Version
        $online = @(Get-OnlineNode -State $State)
        if ($online.Count) {
            $Plan.Refused.Add("the database is updated while all nodes of the cluster are offline, and these are not: $($online -join ', '). Stop their scanners (aip_scanner_service_state: stopped)")
        }
    }
    if ($Plan.Steps.Count) {
        Add-ScanObstacle -Plan $Plan -Option $Option -State $State -What 'its service is stopped'
    }
}

function Test-UpdateDue {
    # Whether this node updates the database.
    param ($Option, $State)

    if (-not $State.Outdated -or -not $Option.first_node) {
        return $false
    }
    # Of a database that other nodes work with, and this client can read, only this host has not heard: it has joined the cluster, or was set up by hand.
    (Get-ScannerRecord).DatabaseVersion -or $State.Unreadable -or -not @(Get-OnlineNode -State $State).Count
}

function Get-OnlineNode {
    # The other nodes of the cluster that are not offline.
    param ($State)

    foreach ($node in $State.Status.NodesInfo) {
        if ($node.NodeName -and "$($node.NodeName)".Split('.')[0] -ne $env:COMPUTERNAME -and "$($node.Status)" -ne 'Offline') {
            "$($node.NodeName)"
        }
    }
}

function Add-ScanObstacle {
    # A scan that would be cut off.
    param ($Plan, $Option, $State, [string]$What)

    if ($State.Status -and "$($State.Status.ClusterStatus)" -eq 'Scanning' -and -not $Option.stop_scan) {
        $Plan.Refused.Add("a scan runs since $(ConvertTo-ScannerTime -Value $State.Status.StartTime), and would be cut off when $What. Wait for its end, or set aip_scanner_stop_scan")
    }
}

function Add-AuthenticationStep {
    param ($Plan, $Option, $State)

    if ($Option.application_id) {
        $account = if ($Option.service_account) { $Option.service_account } else { $State.Service.Account }
        $wanted = Get-AuthenticationText -Option $Option -Account $account -Line $State.Line
        if (-not [string]::Equals((Get-ScannerRecord).Authentication, $wanted, [StringComparison]::OrdinalIgnoreCase)) {
            Add-Step -Plan $Plan -Do authenticate -Action authenticate -Product scanner -Before $null -Value $wanted -After "application $($Option.application_id) for $($Option.delegated_user)"
        }
    }
}

function Get-AuthenticationText {
    # What a token depends on. None of it is secret.
    param ($Option, [string]$Account, $Line)

    "client $Line.x; account $Account; tenant $($Option.tenant_id); application $($Option.application_id); user $($Option.delegated_user); id $($Option.authentication_id)"
}

function Add-ConfigurationStep {
    param ($Plan, $Option, $State)

    # The import sets the first node offline.
    $configuration = if (-not $Option.configuration_file) { $Option.configuration } elseif (-not $Option.first_node) { 'offline' }
    foreach ($one in @(
            @{ Wanted = $configuration; Name = 'OnlineConfiguration'; Text = $configurations; Title = 'online configuration'; Default = 'On' }
            @{ Wanted = $Option.report_level; Name = 'ReportLevel'; Text = $levels; Title = 'report level'; Default = 'Info' }
        )) {
        if ($one.Wanted) {
            $before = if ($State.Configuration) { "$($State.Configuration.($one.Name))" } else { $one.Default }
            $after = $one.Text[$one.Wanted]
            if ($before -ne $after) {
                Add-Step -Plan $Plan -Do configure -Action set -Product $one.Title -Before $before -After $after -Key $one.Name -Value $after
            }
        }
    }
}

function Add-ImportStep {
    # The file that the portal has exported. Microsoft documents no way to read back what was imported: the host keeps the checksum.
    param ($Plan, $Option, $State)

    if (-not $Option.configuration_file) {
        return
    }
    $checksum = $Option.configuration_checksum.ToLowerInvariant() -replace '^sha256:'
    $cluster = if ($Option.cluster) { $Option.cluster } else { [string]$State.Configuration.Cluster }
    $instance = if ($Option.sql_instance) { $Option.sql_instance } else { [string]$State.Configuration.SqlInstance }
    $wanted = "sha256:$checksum; cluster $cluster on $instance"
    $record = (Get-ScannerRecord).Import
    $known = [string]::Equals($record, $wanted, [StringComparison]::OrdinalIgnoreCase)
    if ($known -and $State.Configuration -and "$($State.Configuration.OnlineConfiguration)" -eq 'Off') {
        return
    }
    $before = if ($known) { 'online' } elseif ($record) { $record.Split(';')[0] }
    Add-Step -Plan $Plan -Do import -Action import -Product 'configuration file' -Before $before -After "sha256:$checksum" -Value $wanted
    if (-not $known -and -not $Option.enforce_confirm) {
        $Plan.Refused.Add('the content scan job of configuration_file may enforce: the scanner then labels and protects files, and no cmdlet shows the settings of an ' +
            'imported job. Check in the portal what was exported, and set aip_scanner_enforce_confirm to true')
    }
    Add-ScanNote -Plan $Plan -State $State
}

function Add-ScanNote {
    # Changes do not reach a scan that runs.
    param ($Plan, $State)

    if ($State.Status -and "$($State.Status.ClusterStatus)" -eq 'Scanning') {
        $Plan.Notes.Add("A scan runs since $(ConvertTo-ScannerTime -Value $State.Status.StartTime). It goes on with the settings that it was started with; the changes apply to the next one.")
    }
}

function Add-JobStep {
    # The content scan job and its repositories.
    param ($Plan, $Option, $State)

    $wanted = Get-WantedSetting -Of $Option
    $repositories = @($Option.repositories | Where-Object -FilterScript { $_ })
    if (-not $wanted.Count -and $null -eq $Option.repositories) {
        return
    }
    $online = if ($Option.configuration) { $Option.configuration -eq 'online' } else { -not $State.Configuration -or "$($State.Configuration.OnlineConfiguration)" -ne 'Off' }
    if ($online) {
        $Plan.Refused.Add('the content scan job and its repositories are managed in the portal while the configuration is online: expected configuration offline, or no settings of the job')
        return
    }
    $before = Get-FoundSetting -Of $State.Job
    foreach ($name in $wanted.Keys) {
        if (-not (Test-SameSetting -Name $name -One $before[$name] -Other $wanted[$name])) {
            Add-Step -Plan $Plan -Do job -Action set -Product "content scan job: $name" -Before $before[$name] -After $wanted[$name] -Key $name -Value $wanted[$name]
        }
    }
    $enforcing = [System.Collections.Generic.List[string]]::new()
    if ($wanted.enforce -eq 'On' -and $before.enforce -ne 'On') {
        $enforcing.Add('the content scan job')
    }
    Add-RepositoryStep -Plan $Plan -Option $Option -State $State -Repository $repositories -Enforcing $enforcing
    if ($enforcing.Count) {
        $what = "enforcement is turned on for $($enforcing -join ' and '): the scanner then labels and protects files"
        if (-not $State.Status -or -not $State.Status.StartTime) {
            $Plan.Refused.Add("$what. No discovery scan has run yet: run one with aip_scanner_enforce false, and read its reports")
        }
        elseif (-not $Option.enforce_confirm) {
            $Plan.Refused.Add("$what. Read the reports of the discovery scan, and set aip_scanner_enforce_confirm to true")
        }
    }
    if (@($Plan.Steps | Where-Object -FilterScript { $_.Do -in 'configure', 'job', 'add', 'set', 'drop' }).Count) {
        Add-ScanNote -Plan $Plan -State $State
    }
}

function Add-RepositoryStep {
    param ($Plan, $Option, $State, $Repository, $Enforcing)

    $known = @{}
    foreach ($found in $State.Repositories) {
        $known[(Format-RepositoryPath -Path $found.Path).ToLowerInvariant()] = $found
    }
    $listed = @{}
    foreach ($one in $Repository) {
        $key = (Format-RepositoryPath -Path $one.path).ToLowerInvariant()
        $listed[$key] = $true
        $found = $known[$key]
        $wanted = Get-WantedSetting -Of $one -Repository
        # Settings of its own take the place of the job's.
        $override = if ($wanted.Count) { 'On' } else { 'Off' }
        $value = @{ Path = if ($found) { $found.Path } else { $one.path }; Override = $override; Settings = $wanted }
        $before = if ($found) { Get-FoundSetting -Of $found } else { @{} }
        $before.override = if ($found) { "$($found.OverrideContentScanJob)" } else { '' }
        if (-not $found) {
            Add-Step -Plan $Plan -Do add -Action add -Product "repository $($one.path)" -Before $null -After (Format-Setting -Override $override -Setting $wanted) -Key $one.path -Value $value
        }
        else {
            $differs = @($wanted.Keys | Where-Object -FilterScript { -not (Test-SameSetting -Name $_ -One $before[$_] -Other $wanted[$_]) })
            if ($differs.Count -or $before.override -ne $override) {
                $shown = [ordered]@{}
                foreach ($name in $differs) {
                    $shown[$name] = $before[$name]
                }
                $step = @{
                    Before = Format-Setting -Override $before.override -Setting $shown
                    After = Format-Setting -Override $override -Setting $wanted
                    Key = $one.path
                    Value = $value
                }
                Add-Step -Plan $Plan -Do set -Action set -Product "repository $($found.Path)" @step
            }
        }
        if ($wanted.enforce -eq 'On' -and -not ($before.override -eq 'On' -and $before.enforce -eq 'On')) {
            $Enforcing.Add("repository $($one.path)")
        }
    }
    if ($Option.repositories_exact) {
        foreach ($key in @($known.Keys | Sort-Object | Where-Object -FilterScript { -not $listed.ContainsKey($_) })) {
            Add-Step -Plan $Plan -Do drop -Action remove -Product "repository $($known[$key].Path)" -Before 'present' -After $null -Key $known[$key].Path
        }
    }
}

function Add-ServiceStep {
    param ($Plan, $Option, $State)

    $running = [bool]($State.Service -and $State.Service.Status -eq 'Running')
    if ($Option.service_state -eq 'started' -and -not $running) {
        Add-Step -Plan $Plan -Do start -Action start -Product service -Before 'stopped' -After 'started'
    }
    elseif ($Option.service_state -eq 'stopped' -and $running) {
        Add-Step -Plan $Plan -Do stop -Action stop -Product service -Before 'started' -After 'stopped'
        Add-ScanObstacle -Plan $Plan -Option $Option -State $State -What 'its service is stopped'
    }
}

function Get-WantedSetting {
    # The settings that options ask for, as the cmdlets take them: option -> text.
    param ($Of, [switch]$Repository)

    $wanted = [ordered]@{}
    foreach ($name in $settings.Keys) {
        if ($Repository -and $settings[$name].JobOnly) {
            continue
        }
        $given = $Of[$name]
        if ($null -eq $given) {
            continue
        }
        $setting = $settings[$name]
        $wanted[$name] = if ($setting.List) { ($given | ForEach-Object -Process { ".$($_.Trim().TrimStart('*').TrimStart('.'))" }) -join ',' }
        elseif ($setting.Text) { $setting.Text[$given] }
        else { $given }
    }
    # Microsoft: whoever defines one of the two lists defines the other as empty.
    if ($wanted.include_file_types -and -not $wanted.Contains('exclude_file_types')) {
        $wanted.exclude_file_types = ''
    }
    elseif ($wanted.exclude_file_types -and -not $wanted.Contains('include_file_types')) {
        $wanted.include_file_types = ''
    }
    $wanted
}

function Get-FoundSetting {
    # The settings that an object of the cmdlets has, as texts; '' for those that it does not tell.
    param ($Of)

    $found = @{}
    foreach ($name in $settings.Keys) {
        $property = if ($null -ne $Of) { $Of.PSObject.Properties[$settings[$name].Name] }
        $text = if ($property) { "$($property.Value)" } else { '' }
        # The cmdlets return one of them as True and False.
        $found[$name] = if ($settings[$name].Text -eq $onOff -and $text -in 'True', 'False') { $onOff[$text -eq 'True'] } else { $text }
    }
    $found
}

function Test-SameSetting {
    # Lists without regard to their order.
    param ([string]$Name, [string]$One, [string]$Other)

    if ($settings[$Name].List) {
        $One, $Other = foreach ($text in $One, $Other) {
            ($text.ToLowerInvariant().Split(',').Trim().Where({ $_ }) | Sort-Object -Unique) -join ','
        }
    }
    [string]::Equals($One, $Other, [StringComparison]::OrdinalIgnoreCase)
}

function Format-RepositoryPath {
    # One spelling: without the separator at the end.
    param ([string]$Path)

    if ($Path -match '^[a-zA-Z]:\\$') { $Path } else { $Path.TrimEnd('\', '/') }
}

function Format-Setting {
    param ([string]$Override, $Setting)

    if ($Override -ne 'On') {
        return 'settings of the content scan job'
    }
    "own settings$(if ($Setting.Count) { ': ' })" + (@($Setting.Keys | ForEach-Object -Process { "$_ $($Setting[$_])" }) -join ', ')
}

function ConvertTo-SettingParameter {
    <#
    .SYNOPSIS
    The parameters of the cmdlets for settings, by their options.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Setting
    )

    $parameter = @{}
    foreach ($name in $Setting.Keys) {
        $parameter[$settings[$name].Name] = $Setting[$name]
    }
    $parameter
}

Export-ModuleMember -Function ConvertTo-ScannerFact, ConvertTo-SettingParameter, ConvertTo-ScannerTime, Get-FoundSetting, Get-ScannerError, Get-ScannerPlan, Get-ScannerRecord, Get-ScannerService, Get-ScannerSpec, Get-ScannerState, Get-WantedSetting, Import-ScannerModule, Set-ScannerRecord, Test-SameSetting
