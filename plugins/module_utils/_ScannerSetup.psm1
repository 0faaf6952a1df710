# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Carries out what _Scanner.psm1 has planned, and looks at the scanner again; starts and stops scans; reads results.

using namespace System.IO

#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Scanner

$secrets = 'service_account_password', 'client_secret'
# A step may show what the next look has to compare: the installation the database, its update the job and the repositories.
$rounds = 4

function Invoke-ScannerSetup {
    <#
    .SYNOPSIS
    Brings the scanner to the state that the options of the module scanner say, and fills the module's result.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $option = $Module.Params
    $done = [System.Collections.Generic.List[object]]::new()
    $fact = Get-Hardware
    $state = Get-ScannerState
    try {
        $plan = Get-ScannerPlan -Option $option -Fact $fact -State $state
        $Module.Result.actions = ConvertTo-StepResult -Step $plan.Steps
        $Module.Result.notes = [string[]]$plan.Notes
        $Module.Result.scanner = ConvertTo-ScannerFact -State $state
        $Module.Result.reboot_required = @(Get-RestartDue) -contains 'scanner'
        Set-ScannerDiff -Module $Module -Step $plan.Steps
        Assert-ScannerPlan -Plan $plan -CheckMode $Module.CheckMode
        if ($Module.CheckMode) {
            $Module.Result.changed = $plan.Steps.Count -gt 0
            return
        }
        for ($round = 1; $plan.Steps.Count; $round++) {
            if ($round -gt $rounds) {
                $left = @($plan.Steps | ForEach-Object -Process { "$($_.Product): $($_.Before) instead of $($_.After)" })
                throw "The cmdlets ended with success, and the scanner still is not as it was asked for: $($left -join '; ')"
            }
            $carried = Invoke-ScannerPlan -Module $Module -Plan $plan -State $state
            $done.AddRange([object[]]@($carried))
            $state = Get-ScannerState
            $plan = Get-ScannerPlan -Option $option -Fact $fact -State $state
            Assert-ScannerPlan -Plan $plan
            foreach ($note in $plan.Notes) {
                $Module.Result.notes = [string[]]@(@($Module.Result.notes) + $note | Select-Object -Unique)
            }
        }
        $Module.Result.actions = ConvertTo-StepResult -Step $done
        if ($state.Outdated -and -not $state.Unreadable) {
            # Another node has updated the database, or works with it. Should this one become the first, it does not do so again.
            Set-ScannerRecord -Name DatabaseVersion -Value $state.Version
        }
    }
    catch {
        $text = $_.Exception.Message
        if ($done.Count) {
            $text = "$($text.TrimEnd('.')). Done before: $(@($done | ForEach-Object -Process { "$($_.Action) $($_.Product)" }) -join ', '). Running this again goes on from there."
        }
        throw (Hide-ScannerSecret -Text $text -Option $option)
    }
    finally {
        $Module.Result.scanner = ConvertTo-ScannerFact -State $state
        $Module.Result.reboot_required = @(Get-RestartDue) -contains 'scanner'
    }
}

function Assert-ScannerPlan {
    # Throws where the plan cannot be carried out. In check mode, what has to be there first may come with the same run.
    param ($Plan, [bool]$CheckMode)

    if ($Plan.Refused.Count) {
        throw "The scanner cannot be brought to this state: $($Plan.Refused -join '; ')"
    }
    if ($Plan.Awaits.Count -and -not $CheckMode) {
        throw "The scanner cannot be brought to this state yet: $($Plan.Awaits -join '; ')"
    }
}

function Set-ScannerDiff {
    param ($Module, $Step)

    if ($Module.DiffMode) {
        $Module.Diff.before = -join ($Step | Where-Object -FilterScript { $_.Before } | ForEach-Object -Process { "$($_.Product): $($_.Before)`n" })
        $Module.Diff.after = -join ($Step | Where-Object -FilterScript { $_.After } | ForEach-Object -Process { "$($_.Product): $($_.After)`n" })
    }
}

function Hide-ScannerSecret {
    # What a cmdlet says may repeat what it was given.
    param ([string]$Text, $Option)

    foreach ($name in $secrets) {
        if ($Option[$name]) {
            $Text = $Text.Replace($Option[$name], '********')
        }
    }
    $Text
}

function Invoke-ScannerPlan {
    # Carries out what can be before the scanner has to be looked at again; returns those steps.
    param ($Module, $Plan, $State)

    Import-ScannerModule -State $State
    $steps = @($Plan.Steps)
    $first = @($steps | Where-Object -FilterScript { $_.Do -in 'uninstall', 'install', 'move', 'update' })
    if ($first.Do -contains 'install') {
        # The next look tells whether the database has to be updated.
        $first = @($first | Where-Object -FilterScript { $_.Do -eq 'install' })
    }
    if ($first.Count) {
        Invoke-DatabaseStep -Module $Module -Step $first -State $State
        return $first
    }
    foreach ($do in 'authenticate', 'configure', 'import', 'job', 'add', 'set', 'drop', 'start', 'stop') {
        $due = @($steps | Where-Object -FilterScript { $_.Do -eq $do })
        if ($due.Count) {
            Invoke-SettingStep -Module $Module -Do $do -Step $due -State $State
        }
    }
    $steps
}

function Invoke-DatabaseStep {
    # The service and its database. The next round starts the service again where it is to run.
    param ($Module, $Step, $State)

    $option = $Module.Params
    $command = $State.Command
    if ($State.Service -and $State.Service.Status -ne 'Stopped') {
        $Module.Result.changed = $true
        Set-ScannerService -Name $State.Service.Name -State stopped
    }
    foreach ($one in $Step) {
        switch ($one.Do) {
            'uninstall' {
                Invoke-ScannerCommand -Module $Module -Name $command.Uninstall
                Set-ScannerRecord -Name Authentication -Value ''
                Set-ScannerRecord -Name DatabaseVersion -Value ''
                # Microsoft: restart the computer after running the command to complete the removal process.
                Set-RestartDue -Name scanner
                return
            }
            'install' {
                $parameter = @{ ServiceUserCredentials = Get-ScannerCredential -Option $option; SqlServerInstance = $option.sql_instance; Cluster = $option.cluster }
                Invoke-ScannerCommand -Module $Module -Name $command.Install -Parameter $parameter
                if (-not (Get-ScannerService)) {
                    throw "$($command.Install) ended with success, and the service is not there"
                }
                if (-not $one.Value) {
                    # It has made the database.
                    Set-ScannerRecord -Name DatabaseVersion -Value $State.Version
                }
            }
            'move' {
                $parameter = @{
                    ServiceUserCredentials = Get-ScannerCredential -Option $option
                    SqlServerInstance = $option.sql_instance
                    Cluster = $option.cluster
                    Force = $true
                }
                Invoke-ScannerCommand -Module $Module -Name $command.Move -Parameter $parameter
            }
            'update' {
                $service = Get-ScannerService
                if ($service.Status -ne 'Stopped') {
                    Set-ScannerService -Name $service.Name -State stopped
                }
                $cluster = if ($option.cluster) { $option.cluster } else { [string]$State.Configuration.Cluster }
                Invoke-ScannerCommand -Module $Module -Name $command.Update -Parameter @{ Cluster = $cluster; Force = $true } -NoWarning
                Set-ScannerRecord -Name DatabaseVersion -Value $State.Version
            }
        }
    }
}

function Invoke-SettingStep {
    # Steps of one kind.
    param ($Module, [string]$Do, $Step, $State)

    $option = $Module.Params
    $command = $State.Command
    switch ($Do) {
        'authenticate' {
            if (-not $option.client_secret) {
                throw 'client_secret (aip_scanner_client_secret) is missing: the scanner has no token for this application yet'
            }
            $parameter = @{
                AppId = [guid]$option.application_id
                AppSecret = $option.client_secret
                TenantId = $option.tenant_id
                DelegatedUser = $option.delegated_user
                OnBehalfOf = Get-ScannerCredential -Option $option -Account $State.Service.Account
            }
            Invoke-ScannerCommand -Module $Module -Name $command.Authenticate -Parameter $parameter
            Set-ScannerRecord -Name Authentication -Value $Step[0].Value
        }
        'configure' {
            $parameter = @{}
            foreach ($one in $Step) {
                $parameter[$one.Key] = $one.Value
            }
            Invoke-ScannerCommand -Module $Module -Name $command.SetConfiguration -Parameter $parameter
        }
        'import' {
            Import-ScannerFile -Module $Module -Command $command.Import
            Set-ScannerRecord -Name Import -Value $Step[0].Value
        }
        'job' {
            # Microsoft does not document what happens to settings that are left out, so all desired settings are passed.
            Invoke-ScannerCommand -Module $Module -Name $command.SetJob -Parameter (ConvertTo-SettingParameter -Setting (Get-WantedSetting -Of $option))
            Add-SideEffect -Module $Module -Before $State.Job -After (& $command.GetJob -ErrorAction Stop) -Wanted (Get-WantedSetting -Of $option)
        }
        'drop' {
            foreach ($one in $Step) {
                # -Path takes patterns: what it finds is compared.
                $found = @(& $command.GetRepository -ErrorAction Stop | Where-Object -FilterScript { $_.Path -eq $one.Key })
                if ($found.Count) {
                    Invoke-ScannerCommand -Module $Module -Name $command.RemoveRepository -Parameter @{ Repositories = $found }
                }
            }
        }
        { $_ -in 'add', 'set' } {
            foreach ($one in $Step) {
                $parameter = ConvertTo-SettingParameter -Setting $one.Value.Settings
                $parameter.Path = $one.Value.Path
                $parameter.OverrideContentScanJob = $one.Value.Override
                Invoke-ScannerCommand -Module $Module -Name $(if ($Do -eq 'add') { $command.AddRepository } else { $command.SetRepository }) -Parameter $parameter
            }
        }
        default {
            $Module.Result.changed = $true
            Set-ScannerService -Name $State.Service.Name -State $(if ($Do -eq 'start') { 'started' } else { 'stopped' })
        }
    }
}

function Import-ScannerFile {
    # The content comes within the module's options, and is a file as long as the cmdlet reads it.
    param ($Module, [string]$Command)

    if (-not $Module.Params.configuration_content) {
        throw 'configuration_content is missing: the controller gives it with configuration_file'
    }
    try {
        $content = [Convert]::FromBase64String($Module.Params.configuration_content)
    }
    catch [System.FormatException] {
        throw 'configuration_content is no text in base64: expected what configuration_file gives'
    }
    $file = [Path]::Combine($Module.Tmpdir, 'scanner.json')
    [File]::WriteAllBytes($file, $content)
    try {
        Invoke-ScannerCommand -Module $Module -Name $Command -Parameter @{ FileName = $file }
    }
    finally {
        [File]::Delete($file)
    }
}

function Add-SideEffect {
    # Settings that the cmdlet has changed without being asked to.
    param ($Module, $Before, $After, $Wanted)

    $was = Get-FoundSetting -Of $Before
    $is = Get-FoundSetting -Of $After
    # A job that there was not has no settings to lose.
    if (-not $was.enforce) {
        return
    }
    foreach ($name in $is.Keys | Sort-Object) {
        if (-not $Wanted.Contains($name) -and -not (Test-SameSetting -Name $name -One $was[$name] -Other $is[$name])) {
            $Module.Result.notes = [string[]]@(@($Module.Result.notes) + "The cmdlet also changed $name of the content scan job, from '$($was[$name])' to '$($is[$name])'. Set it to keep its value.")
        }
    }
}

function Get-ScannerCredential {
    # The account of the service. The password comes in the module's session and goes to the cmdlet as an object.
    param ($Option, [string]$Account)

    $name = if ($Option.service_account) { $Option.service_account } else { $Account }
    if (-not $Option.service_account_password) {
        throw "service_account_password (aip_scanner_service_account_password) is missing: the scanner's cmdlets need the password of $name"
    }
    $secure = (New-Object -TypeName System.Net.NetworkCredential -ArgumentList '', $Option.service_account_password).SecurePassword
    New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $name, $secure
}

function Invoke-ScannerCommand {
    # Runs a cmdlet that changes something. What it says is for the screen.
    param ($Module, [string]$Name, [hashtable]$Parameter = @{}, [switch]$NoWarning)

    $Module.Result.changed = $true
    $common = @{ ErrorAction = 'Stop'; WarningAction = 'SilentlyContinue'; WarningVariable = 'warnings' }
    $known = Get-Command -Name $Name
    if ($known.Parameters.ContainsKey('Confirm')) {
        $common.Confirm = $false
    }
    $warnings = @()
    try {
        $null = & $Name @Parameter @common
    }
    catch {
        throw "$Name failed: $($_.Exception.Message)"
    }
    if ($NoWarning -and $warnings.Count) {
        throw "$Name did nothing: $($warnings -join ' ')"
    }
}

function Set-ScannerService {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([string]$Name, [string]$State)

    try {
        if ($State -eq 'started') {
            Start-Service -Name $Name -ErrorAction Stop -WarningAction SilentlyContinue
        }
        else {
            Stop-Service -Name $Name -Force -ErrorAction Stop -WarningAction SilentlyContinue
        }
    }
    catch {
        $what = if ($State -eq 'started') { 'started' } else { 'stopped' }
        throw "The service $Name cannot be ${what}: $($_.Exception.Message) See the scanner's event log on the host"
    }
}

function Invoke-ScannerScan {
    <#
    .SYNOPSIS
    Starts or stops a scan of the cluster, waits for its end if asked to, and fills the module's result.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $option = $Module.Params
    $state = Get-ScannerState
    if (-not $state.Service -or $state.Service.Line -ne $state.Line) {
        throw 'The scanner is not installed on this host. Install it with the module scanner'
    }
    if ($state.Problem) {
        throw "The scanner cannot be asked: $($state.Problem)"
    }
    $status = "$($state.Status.ClusterStatus)"
    $Module.Result.status_before = $status.ToLowerInvariant()
    $scanning = $status -eq 'Scanning'
    if ($option.state -eq 'started') {
        if ($state.Service.Status -ne 'Running') {
            throw "The service $($state.Service.Name) is $($state.Service.Status.ToLowerInvariant()): a scan needs it running. Set service_state of the module scanner to started"
        }
        if ($state.Job -and "$($state.Job.Schedule)" -eq 'Always' -and -not $scanning) {
            throw 'The schedule is always: the scanner starts scans itself, and ignores this. Set schedule to manual, or look at its event log for why it does not scan'
        }
        if ($scanning -and $option.reset) {
            throw 'A scan runs: one of all files (reset) can be started once it has ended. Stop it first, or wait'
        }
    }
    $due = ($option.state -eq 'started') -ne $scanning
    $Module.Result.changed = $due
    if ($Module.CheckMode) {
        $Module.Result.scanner = ConvertTo-ScannerFact -State $state
        return
    }
    if ($due) {
        if ($option.state -eq 'started') {
            $parameter = @{ Force = $true }
            if ($option.reset) {
                $parameter.Reset = $true
            }
            Invoke-ScannerCommand -Module $Module -Name $state.Command.StartScan -Parameter $parameter
        }
        else {
            Invoke-ScannerCommand -Module $Module -Name $state.Command.StopScan
        }
    }
    if ($option.wait) {
        Wait-ScannerScan -Module $Module -Command $state.Command
    }
    $Module.Result.scanner = ConvertTo-ScannerFact -State (Get-ScannerState)
}

function Wait-ScannerScan {
    # Until the cluster does not scan any more. Microsoft: a command to stop may take five minutes to reach all scanners.
    param ($Module, $Command)

    $until = [datetime]::UtcNow.AddSeconds($Module.Params.timeout)
    do {
        $status = & $Command.GetStatus -ErrorAction Stop
        if ("$($status.ClusterStatus)" -eq 'Error') {
            throw "The scanner reports an error instead of a scan. See its event log on the host, and that SQL Server is reachable"
        }
        if ("$($status.ClusterStatus)" -ne 'Scanning') {
            return
        }
        Start-Sleep -Milliseconds ([Math]::Min(5000, 250 * $Module.Params.timeout))
    } while ([datetime]::UtcNow -lt $until)
    throw "The scan has not ended within $($Module.Params.timeout) seconds. Raise timeout, or ask again later with scanner_info"
}

function Get-ScannerInfo {
    <#
    .SYNOPSIS
    The fact 'scanner' with the counts of the last scan, its repositories, its job, the latest errors and the reports.

    .PARAMETER ReportFolder
    Where the reports are; by default in the profile of the service account.

    .PARAMETER Errors
    How many of the latest errors in the event log are returned.
    #>
    [CmdletBinding()]
    param (
        [string]
        $ReportFolder,

        [int]
        $Errors = 10
    )

    $state = Get-ScannerState
    $info = ConvertTo-ScannerFact -State $state
    $info.unreadable = [System.Collections.Generic.List[object]]::new()
    $info.repository_states = [object[]]@($state.Status.RepositoriesStatus | Where-Object -FilterScript { $_ } | ForEach-Object -Process { [ordered]@{ path = "$($_.Path)"; status = "$($_.Status)".ToLowerInvariant() } })
    $info.job = if ($state.Job) { Get-FoundSetting -Of $state.Job }
    $info.paths = [object[]]@($state.Repositories | Where-Object -FilterScript { $_ } | ForEach-Object -Process { "$($_.Path)" })
    $unreadable = [System.Collections.Generic.List[string]]::new()
    $info.errors = [object[]]@(Get-ScannerError -State $state -Most $Errors -Unreadable $unreadable)
    foreach ($reason in $unreadable) {
        $info.unreadable.Add([ordered]@{ what = 'errors'; reason = $reason })
    }
    $folder = $ReportFolder
    if (-not $folder -and $state.Service) {
        $folder = Get-ScannerReportFolder -Account $state.Service.Account -Unreadable $info.unreadable
    }
    $info.reports_folder = if ($folder) { $folder }
    $info.reports = [object[]]@(if ($folder -and [Directory]::Exists($folder)) { Get-ScannerReport -Folder $folder })
    $info
}

function Get-ScannerReportFolder {
    # In the local application data of the account that runs the service.
    param ([string]$Account, $Unreadable)

    try {
        $sid = (New-Object -TypeName System.Security.Principal.NTAccount -ArgumentList $Account).Translate([System.Security.Principal.SecurityIdentifier])
        $place = Get-MachineValue -SubKey "SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\$sid" -Name ProfileImagePath
        if ($place) {
            return [Path]::Combine([Environment]::ExpandEnvironmentVariables($place), 'AppData\Local\Microsoft\MSIP\Scanner\Reports')
        }
        $Unreadable.Add([ordered]@{ what = 'reports'; reason = "$Account has no profile on this host yet" })
    }
    catch {
        $Unreadable.Add([ordered]@{ what = 'reports'; reason = "The profile of $Account cannot be found: $($_.Exception.Message)" })
    }
}

function Get-ScannerReport {
    # The newest first.
    param ([string]$Folder)

    foreach ($file in [DirectoryInfo]::new($Folder).GetFiles() | Sort-Object -Property LastWriteTimeUtc, Name -Descending) {
        [ordered]@{ path = $file.FullName; size = $file.Length; written = $file.LastWriteTimeUtc.ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture) }
    }
}

Export-ModuleMember -Function Get-ScannerInfo, Invoke-ScannerScan, Invoke-ScannerSetup
