#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._IrmServer
#AnsibleRequires -PowerShell ..module_utils._Option
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Restart

$spec = @{
    supports_check_mode = $true
}
$complex_args = Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(Get-IrmServerSpec))

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    $policy = Get-PolicyValue
    $facts = Get-HostFact -Policy $policy
    $wanted = Get-IrmServerDesiredState -Option $module.Params -Fact $facts
    $comparison = Compare-Policy -Value $wanted.Values -Policy $policy -Option $module.Params
    $refused = @($wanted.Refused) + $comparison.Refused
    if ($refused.Count) {
        throw "irm_server: $($refused -join '; ')"
    }
    $plan = Get-RegistryPlan -Value $wanted.Values -Purge $wanted.Purge
    # All that is read comes before the writing: once written, the task must not fail.
    $module.Result.version = $facts.roles[$module.Params.product].line
    $module.Result.notes = [string[]]@($wanted.Notes + $comparison.Notes)
    $module.Result.reboot_reasons = [string[]]@(Get-RestartReason -Change $plan.Changes -Pending $facts.reboot.reasons -Domain irm_server)
    $module.Result.reboot_required = $module.Result.reboot_reasons.Count -gt 0
    Invoke-SettingPlan -Module $module -Plan $plan
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
