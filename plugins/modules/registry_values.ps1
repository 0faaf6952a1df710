#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Registry

$spec = @{
    options = @{
        values = @{
            type = 'list'
            elements = 'dict'
            options = @{
                path = @{ type = 'str'; required = $true }
                name = @{ type = 'str'; default = '' }
                type = @{
                    type = 'str'
                    choices = 'string', 'expandstring', 'multistring', 'dword', 'qword', 'binary', 'none'
                    default = 'string'
                }
                data = @{ type = 'raw' }
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                view = @{ type = 'str'; choices = '64', '32'; default = '64' }
                sensitive = @{ type = 'bool'; default = $false }
            }
        }
        purge = @{
            type = 'list'
            elements = 'dict'
            options = @{
                path = @{ type = 'str'; required = $true }
                view = @{ type = 'str'; choices = '64', '32'; default = '64' }
                match = @{ type = 'str'; default = '' }
                keep = @{ type = 'list'; elements = 'str'; default = @() }
                sensitive = @{ type = 'bool'; default = $false }
            }
        }
    }
    required_one_of = @(, @('values', 'purge'))
    # The event log would get every value, and a warning in the result when they are many.
    no_log = $true
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$values = @(foreach ($option in $module.Params.values) { [hashtable]::new($option) })
# Ansible returns what a module was given.
foreach ($given in $module.Params.values, $module.Result.invocation.module_args.values) {
    foreach ($option in $given) {
        if ($option.sensitive -and $null -ne $option.data) {
            $option.data = 'VALUE_SPECIFIED_IN_NO_LOG_PARAMETER'
        }
    }
}

$failure = $null
try {
    $wanted = foreach ($option in $values) {
        New-RegistryValue @option
    }
    $plan = Get-RegistryPlan -Value $wanted -Purge $module.Params.purge
    $module.Result.compared = $plan.Count
    Invoke-RegistryPlan -Module $module -Plan $plan
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
