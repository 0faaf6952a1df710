# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Several domains as one: each of them is compared with the host, and what is registry is written together with one receipt.

#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData
#AnsibleRequires -PowerShell ..module_utils._Restart

function Invoke-DesiredState {
    <#
    .SYNOPSIS
    Compares the host with the domains that the module was given, writes what differs unless in check mode, and fills the result.

    .PARAMETER Domain
    By name, in the order of writing. Wanted: a script block that turns options and facts into an object with Values, Notes and maybe Parts,
    Purge and Refused (why this host cannot have what is wanted, which stops everything outside of check mode).
    Or, for installed software: Plan, one that turns them into an object with Steps, Refused and maybe Awaits (what is to be there first) and Notes,
    and Needs, the facts without which it cannot.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module,

        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Domain
    )

    $policy = Get-PolicyValue
    $facts = Get-HostFact -Policy $policy
    $all = Get-RegistryPlan
    $results = [ordered]@{}
    foreach ($name in $Domain.Keys) {
        $option = $Module.Params[$name]
        if ($null -eq $option) {
            continue
        }
        if ($Domain[$name].Plan) {
            $results[$name] = Get-SoftwareResult -Name $name -Domain $Domain[$name] -Option $option -Fact $facts
            continue
        }
        $wanted = & $Domain[$name].Wanted $option $facts
        $comparison = Compare-Policy -Value $wanted.Values -Policy $policy -Option $option
        # Most domains refuse nothing, and have no such member.
        $refused = @($wanted.Refused | Where-Object -FilterScript { $_ }) + $comparison.Refused
        if ($refused.Count -and -not $Module.CheckMode) {
            throw "$($name): $($refused -join '; ')"
        }
        $plan = Get-RegistryPlan -Value $wanted.Values -Purge $wanted.Purge
        $all.Changes.AddRange($plan.Changes)
        if (-not $Module.CheckMode) {
            $all.Unreadable.AddRange($plan.Unreadable)
        }
        # Before the writing: once written, the task must not fail, and what it writes stands in the plan.
        $reasons = [string[]]@(Get-RestartReason -Change $plan.Changes -Pending $facts.reboot.reasons -Domain $name)
        $results[$name] = [ordered]@{
            compliant = -not ($plan.Changes.Count -or $plan.Unreadable.Count -or $refused.Count)
            changes = ConvertTo-ChangeResult -Change $plan.Changes
            notes = [string[]]@($wanted.Notes + $comparison.Notes)
            reboot_required = $reasons.Count -gt 0
            reboot_reasons = $reasons
            unreadable = $plan.Unreadable
        }
        if ($refused.Count) {
            $results[$name].refused = [string[]]$refused
        }
        if ($null -ne $wanted.Parts) {
            $results[$name].parts = [string[]]$wanted.Parts
        }
    }

    $null = Invoke-SettingPlan -Module $Module -Plan $all
    # The changes stand with their domains.
    $null = $Module.Result.Remove('changes')
    if ($Module.Result.changed -and -not $Module.CheckMode) {
        try {
            $facts = Get-HostFact -Policy $policy
        }
        catch {
            $facts.unreadable.Add([ordered]@{ what = 'the facts after the writing'; reason = Get-InnerMessage -ErrorRecord $_ })
        }
    }
    $Module.Result.compliant = -not @($results.Values | Where-Object -FilterScript { -not $_.compliant }).Count
    $Module.Result.domains = $results
    $Module.Result.host = $facts
    $Module.Result.reboot_reasons = [string[]]@([System.Collections.Generic.SortedSet[string]][string[]]@($results.Values | ForEach-Object -Process { $_.reboot_reasons }))
    $Module.Result.reboot_required = $Module.Result.reboot_reasons.Count -gt 0
}

function Get-SoftwareResult {
    # The result of a domain of installed software. Nothing is installed or removed here.
    param ($Name, $Domain, $Option, $Fact)

    $unknown = @($Fact.unreadable | Where-Object -FilterScript { $Domain.Needs -contains ($_.what -replace ':.*') })
    $plan = if (-not $unknown.Count) { & $Domain.Plan $Option $Fact }
    # Without a step, the only thing that says how the host differs.
    $refused = [string[]]@(if ($plan -and -not $plan.Steps.Count) { $plan.Refused })
    $obstacles = [string[]]@(if ($plan -and $plan.Steps.Count) { $plan.Refused })
    $result = [ordered]@{
        compliant = [bool]($plan -and -not $plan.Steps.Count -and -not $refused.Count)
        changes = ConvertTo-StepResult -Step $plan.Steps
        notes = [string[]]@(@($obstacles; if ($plan) { $plan.Awaits; $plan.Notes }) | Where-Object -FilterScript { $_ })
        reboot_required = $Fact.reboot.reasons -contains $Name
        reboot_reasons = [string[]]@($Fact.reboot.reasons | Where-Object -FilterScript { $_ -eq $Name })
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
