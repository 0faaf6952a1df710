#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Option
#AnsibleRequires -PowerShell ..module_utils._ScannerSetup

$spec = @{
    options = @{
        state = @{ type = 'str'; choices = 'started', 'stopped'; default = 'started' }
        reset = @{ type = 'bool'; default = $false }
        wait = @{ type = 'bool'; default = $false }
        timeout = @{ type = 'int'; default = 3600 }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    Invoke-ScannerScan -Module $module
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
