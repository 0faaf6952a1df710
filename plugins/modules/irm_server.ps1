#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._IrmServer
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry

$spec = @{
    options = @{
        product = @{ type = 'str'; choices = 'exchange', 'sharepoint', 'fci'; required = $true }
        state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
        connector_url = @{ type = 'str' }
        tenant_url = @{ type = 'str' }
        force = @{ type = 'bool'; default = $false }
    }
    required_if = @(, @('state', 'present', @('connector_url', 'tenant_url')))
    supports_check_mode = $true
}
Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$failure = $null
try {
    $facts = Get-HostFact
    $wanted = Get-IrmServerDesiredState -Option $module.Params -Fact $facts
    if ($wanted.Refused) {
        throw "irm_server: $($wanted.Refused -join '; ')"
    }
    $plan = Get-RegistryPlan -Value $wanted.Values -Purge $wanted.Purge
    # All that is read comes before the writing: once written, the task must not fail.
    $module.Result.version = $facts.roles[$module.Params.product].line
    $module.Result.notes = $wanted.Notes + @(Get-PolicyNote -Value $wanted.Values -Policy (Get-PolicyValue))
    $module.Result.reboot_required = Test-IrmServerRestartRequired -Plan $plan -Wanted $wanted -Due $facts.reboot.reasons
    Invoke-RegistryPlan -Module $module -Plan $plan
    if ($module.Result.changed -and $module.Result.reboot_required -and -not $module.CheckMode) {
        Set-RestartDue -Name 'irm_server'
    }
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
