# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# What modules that install software do alike: plan, check everything that can be checked, carry out, look again, and say what the host has
# when it failed half-way.

#AnsibleRequires -PowerShell ..module_utils._Installer
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Program

function Invoke-Setup {
    <#
    .SYNOPSIS
    Brings software on the host to the state that a module's options say, and fills the module's result.

    .DESCRIPTION
    Without an installer at hand (option src, before the action plugin has brought it over) it only plans. Throws when it cannot be done or
    failed; the result then has what was done until then and what the host has now. Steps with Attended are for the operator: they are among the
    actions, and are neither carried out nor expected to be done in the end.

    .PARAMETER Setup
    Name: of the reason for a restart. Script blocks: Plan (option -> object with Steps and Refused), Look (-> what is installed, as facts),
    Check (package, option, plan; throws unless it is the right installer), Carry (module, plan, package; does it).
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module,

        [Parameter(Mandatory = $true)]
        [hashtable]
        $Setup
    )

    $option = $Module.Params
    $result = $Module.Result
    $plan = & $Setup.Plan $option
    $result.actions = ConvertTo-StepResult -Step $plan.Steps
    if ($null -ne $plan.Notes) {
        $result.notes = $plan.Notes
    }
    $result.installers = [System.Collections.Generic.List[object]]::new()
    $result.installer_needed = Test-InstallerNeeded -Plan $plan
    $result.before = $result.after = ConvertTo-List -Item (& $Setup.Look)
    $result.reboot_required = @(Get-RestartDue) -contains $Setup.Name
    $due = @(Get-OwnStep -Plan $plan)
    if ($Module.DiffMode) {
        $Module.Diff.before = Format-Step -Step $due -Side Before
        $Module.Diff.after = Format-Step -Step $due -Side After
    }
    if (-not $plan.Steps.Count) {
        return
    }
    if ($plan.Refused.Count) {
        throw "This host cannot have it: $($plan.Refused -join '; ')"
    }
    if (-not $due.Count) {
        return
    }
    if ($result.installer_needed -and -not $option.src -and -not $option.path) {
        throw "An installer is needed ($($due[-1].Action) $($due[-1].Product)): expected src or path"
    }
    if ($Module.CheckMode) {
        $result.changed = $true
        return
    }
    if ($result.installer_needed -and $option.src) {
        # The action plugin brings it over and comes again, with path.
        return
    }

    $lock = Lock-Installation -Timeout $option.busy_timeout
    $package = $null
    try {
        Clear-InstallerPackage
        # Another run may have done it meanwhile.
        $plan = & $Setup.Plan $option
        $result.actions = ConvertTo-StepResult -Step $plan.Steps
        if (Test-InstallerNeeded -Plan $plan) {
            $package = Get-InstallerPackage -Option $option -Module $Module
            & $Setup.Check $package $option $plan
        }
        & $Setup.Carry $Module $plan $package
        $end = & $Setup.Plan $option
        if ($null -ne $end.Notes) {
            $result.notes = $end.Notes
        }
        $left = @(Get-OwnStep -Plan $end)
        # What Windows installs itself may count only after the restart.
        if ($left.Count -and @(Get-RestartDue) -notcontains $Setup.Name) {
            $what = ($left | ForEach-Object -Process { "$($_.Action) $($_.Product)" }) -join ', '
            throw "The installers ended with success, and the host still does not have what was asked for. Still to do: $what"
        }
    }
    catch {
        $has = @(& $Setup.Look | ForEach-Object -Process { "$($_.name) $($_.version)" } | Select-Object -Unique)
        $text = if ($has.Count) { $has -join ', ' } else { 'none of it' }
        throw [InvalidOperationException]::new("$($_.Exception.Message)`nOn the host is now: $text. Running this again goes on from there.", $_.Exception)
    }
    finally {
        Remove-InstallerPackage -Package $package
        Unlock-Installation -Lock $lock
        $result.after = ConvertTo-List -Item (& $Setup.Look)
        $result.reboot_required = @(Get-RestartDue) -contains $Setup.Name
    }
}

function Invoke-SetupStep {
    <#
    .SYNOPSIS
    Runs one installer with what it needs of the module's options; what it did goes into the module's result.

    .PARAMETER Name
    Of the reason for a restart.

    .PARAMETER Call
    Parameters of Invoke-Installer.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module,

        [Parameter(Mandatory = $true)]
        [string]
        $Name,

        [Parameter(Mandatory = $true)]
        [hashtable]
        $Call
    )

    $option = $Module.Params
    # From here on something may be different on the host, also when it fails.
    $Module.Result.changed = $true
    $done = Invoke-Installer @Call -Timeout $option.timeout -BusyTimeout $option.busy_timeout
    $Module.Result.installers.Add([ordered]@{ what = $Call.What; exit_code = $done.ExitCode; meaning = $done.Meaning; log = $Call.LogPath })
    if ($done.RestartRequired) {
        Set-RestartDue -Name $Name
    }
    if ($done.RestartStarted) {
        # It was told not to. The restart is called off, to come when the operator wants it; when that fails, it is under way.
        $null = Invoke-Program -Path ([IO.Path]::Combine([Environment]::SystemDirectory, 'shutdown.exe')) -Argument '/a' -Timeout 30
    }
}

function Get-OwnStep {
    # The steps that are not manual.
    param ($Plan)

    $Plan.Steps | Where-Object -FilterScript { -not $_.Attended }
}

function Test-InstallerNeeded {
    param ($Plan)

    [bool]@(Get-OwnStep -Plan $Plan | Where-Object -FilterScript { $_.Action -in 'install', 'repair', 'stage' }).Count
}

function ConvertTo-List {
    # A list whatever there is, also of one or nothing.
    param ($Item)

    $list = [System.Collections.Generic.List[object]]::new()
    foreach ($one in $Item) {
        $list.Add($one)
    }
    , $list
}

function Format-Step {
    # One side of the diff: a line for each product.
    param ($Step, [string]$Side)

    -join ($Step | Where-Object -FilterScript { $_.$Side } | ForEach-Object -Process { "$($_.Product) $($_.$Side)`n" })
}

Export-ModuleMember -Function Invoke-Setup, Invoke-SetupStep
