#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Connector
#AnsibleRequires -PowerShell ..module_utils._Option
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Restart

$spec = @{
    supports_check_mode = $true
}
$complex_args = Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(Get-ConnectorSettingSpec))

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    $wanted = Get-ConnectorDesiredState -Option $module.Params
    $comparison = Compare-Policy -Value $wanted.Values -Policy (Get-PolicyValue) -Option $module.Params
    if ($comparison.Refused) {
        throw "connector_settings: $($comparison.Refused -join '; ')"
    }
    $plan = Get-RegistryPlan -Value $wanted.Values
    # All that is read comes before the writing: once written, the task must not fail.
    $module.Result.notes = [string[]]@($wanted.Notes + $comparison.Notes)
    $module.Result.reboot_required = $false
    Invoke-SettingPlan -Module $module -Plan $plan
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
