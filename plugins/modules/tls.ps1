#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Restart
#AnsibleRequires -PowerShell ..module_utils._Tls

$spec = @{
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(Get-TlsSpec))

$failure = $null
try {
    $wanted = Get-TlsDesiredState -Option $module.Params -Build (Get-OperatingSystem).build -Role (Get-ServerRole)
    $policy = Get-PolicyValue
    $comparison = Compare-Policy -Value $wanted.Values -Policy $policy -Option $module.Params
    if ($comparison.Refused) {
        throw "tls: $($comparison.Refused -join '; ')"
    }
    $plan = Get-RegistryPlan -Value $wanted.Values
    # All that is read comes before the writing: once written, the task must not fail.
    $module.Result.parts = $wanted.Parts
    $module.Result.notes = [string[]]@($wanted.Notes + $comparison.Notes)
    $pending = @(Get-PendingRestartReason -PolicyValue $policy.Values)
    $module.Result.reboot_reasons = [string[]]@(Get-RestartReason -Change $plan.Changes -Pending $pending -Domain tls)
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
