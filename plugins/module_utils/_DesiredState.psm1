# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Several domains as one: each says what it wants, they are compared one by one, and what is registry is written together with one receipt.

#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

function Invoke-DesiredState {
    <#
    .SYNOPSIS
    Compares the host with the domains that the module was given, writes what differs unless in check mode, and fills the result.

    .PARAMETER Domain
    By name, in the order of writing. Wanted: a script block that turns options and facts into an object with Values, Notes and maybe Parts,
    Purge and Refused (why this host cannot have what is wanted, which stops everything outside of check mode). Written: one that is run before
    values of the domain are written, with all changes.
    Or, for installed software: Plan, one that turns them into an object with Steps, Refused and maybe Awaits (what is to be there first) and Notes,
    and Needs, the facts without which it cannot.
    Restart: one that says of a plan, facts and what is wanted whether the host has to be restarted. Keep: that is kept until it was.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module,

        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Domain
    )

    $facts = Get-HostFact
    $policy = [pscustomobject]@{
        Values = $facts.group_policy
        Unreadable = @($facts.unreadable | Where-Object -FilterScript { $_.what -like 'group_policy: *' } |
                ForEach-Object -Process { @{ what = $_.what -replace '^group_policy: '; reason = $_.reason } })
    }
    $all = Get-RegistryPlan
    $results = [ordered]@{}
    foreach ($name in $Domain.Keys) {
        $option = $Module.Params[$name]
        if ($null -eq $option) {
            continue
        }
        if ($Domain[$name].Plan) {
            $results[$name] = Get-SoftwareResult -Domain $Domain[$name] -Option $option -Fact $facts
            continue
        }
        $wanted = & $Domain[$name].Wanted $option $facts
        if ($wanted.Refused -and -not $Module.CheckMode) {
            throw "$($name): $($wanted.Refused -join '; ')"
        }
        $plan = Get-RegistryPlan -Value $wanted.Values -Purge $wanted.Purge
        $all.Changes.AddRange($plan.Changes)
        if (-not $Module.CheckMode) {
            $all.Unreadable.AddRange($plan.Unreadable)
        }
        $results[$name] = [ordered]@{
            compliant = -not ($plan.Changes.Count -or $plan.Unreadable.Count -or $wanted.Refused)
            changes = ConvertTo-ChangeResult -Change $plan.Changes
            notes = [string[]]@($wanted.Notes + @(Get-PolicyNote -Value $wanted.Values -Policy $policy))
            # Before the writing: once written, the task must not fail, and what it writes stands in the plan.
            reboot_required = [bool](& $Domain[$name].Restart $plan $facts $wanted)
            unreadable = $plan.Unreadable
        }
        if ($wanted.Refused) {
            $results[$name].refused = [string[]]$wanted.Refused
        }
        if ($null -ne $wanted.Parts) {
            $results[$name].parts = [string[]]$wanted.Parts
        }
    }

    if (-not $Module.CheckMode) {
        foreach ($name in @($results.Keys).Where({ $Domain[$_].Written -and $results[$_].changes.Count })) {
            & $Domain[$name].Written $all.Changes
        }
    }
    $null = Invoke-RegistryPlan -Module $Module -Plan $all
    # The changes stand with their domains.
    $null = $Module.Result.Remove('changes')
    if ($Module.Result.changed -and -not $Module.CheckMode) {
        try {
            foreach ($name in $results.Keys) {
                if ($Domain[$name].Keep -and $results[$name].changes.Count -and $results[$name].reboot_required) {
                    Set-RestartDue -Name $name
                }
            }
            $facts = Get-HostFact
        }
        catch {
            $facts.unreadable.Add([ordered]@{ what = 'the facts after the writing'; reason = Get-InnerMessage -ErrorRecord $_ })
        }
    }
    $Module.Result.compliant = -not @($results.Values | Where-Object -FilterScript { -not $_.compliant }).Count
    $Module.Result.domains = $results
    $Module.Result.host = $facts
    $Module.Result.reboot_required = [bool]@($results.Values | Where-Object -FilterScript { $_.reboot_required }).Count
}

function Get-SoftwareResult {
    # What a domain of installed software has to say. Nothing is installed or removed here.
    param ($Domain, $Option, $Fact)

    $unknown = @($Fact.unreadable | Where-Object -FilterScript { $Domain.Needs -contains ($_.what -replace ':.*') })
    $plan = if (-not $unknown.Count) { & $Domain.Plan $Option $Fact }
    # Without a step, the only thing that says how the host differs.
    $refused = [string[]]@(if ($plan -and -not $plan.Steps.Count) { $plan.Refused })
    $obstacles = [string[]]@(if ($plan -and $plan.Steps.Count) { $plan.Refused })
    $result = [ordered]@{
        compliant = [bool]($plan -and -not $plan.Steps.Count -and -not $refused.Count)
        changes = ConvertTo-StepResult -Step $plan.Steps
        notes = [string[]]@(@($obstacles; if ($plan) { $plan.Awaits; $plan.Notes }) | Where-Object -FilterScript { $_ })
        reboot_required = [bool](& $Domain.Restart $plan $Fact)
        unreadable = $unknown
    }
    if ($refused.Count) {
        $result.refused = $refused
    }
    if ($obstacles.Count) {
        $result.obstacles = $obstacles
    }
    if ($plan.AttendedStep) {
        $result.attended_step = $plan.AttendedStep
    }
    $result
}

Export-ModuleMember -Function Invoke-DesiredState
