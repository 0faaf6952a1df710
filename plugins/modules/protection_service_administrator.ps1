#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._AipService
#AnsibleRequires -PowerShell ..module_utils._Option
#AnsibleRequires -PowerShell ..module_utils._ProtectionServiceAdministrator

$spec = @{
    options = @{
        emails = @{ type = 'list'; elements = 'str'; default = @() }
        object_ids = @{ type = 'list'; elements = 'str'; default = @() }
        groups = @{ type = 'list'; elements = 'str'; default = @() }
        role = @{ type = 'str'; choices = 'connector_administrator', 'global_administrator'; default = 'connector_administrator' }
        state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(Get-SignInSpec))

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    Invoke-ProtectionServiceAdministrator -Module $module
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
