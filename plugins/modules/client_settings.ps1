#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Client
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Registry

$spec = @{
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(Get-ClientSettingSpec))

$failure = $null
try {
    $wanted = Get-ClientDesiredState -Option $module.Params
    $comparison = Compare-Policy -Value $wanted.Values -Policy (Get-PolicyValue) -Option $module.Params
    if ($comparison.Refused) {
        throw "client_settings: $($comparison.Refused -join '; ')"
    }
    $plan = Get-RegistryPlan -Value $wanted.Values
    # All that is read comes before the writing: once written, the task must not fail.
    $module.Result.notes = [string[]]@($wanted.Notes + $comparison.Notes)
    $module.Result.reboot_required = $false
    Invoke-RegistryPlan -Module $module -Plan $plan
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
