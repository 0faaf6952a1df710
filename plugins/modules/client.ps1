#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._ClientSetup
#AnsibleRequires -PowerShell ..module_utils._Installer
#AnsibleRequires -PowerShell ..module_utils._Option

$spec = @{
    options = @{
        product = @{ type = 'str'; choices = 'unified_labeling', 'purview', 'classic'; required = $true }
        state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
        version = @{ type = 'str' }
        exact = @{ type = 'bool'; default = $false }
        allow_downgrade = @{ type = 'bool'; default = $false }
        powershell_only = @{ type = 'bool' }
        telemetry = @{ type = 'bool' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(Get-InstallerSpec))

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    Invoke-ClientSetup -Module $module
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
