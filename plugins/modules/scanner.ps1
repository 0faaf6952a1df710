#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Option
#AnsibleRequires -PowerShell ..module_utils._Scanner
#AnsibleRequires -PowerShell ..module_utils._ScannerSetup

$spec = @{
    options = @{
        configuration_content = @{ type = 'str' }
        service_account_password = @{ type = 'str'; no_log = $true }
        client_secret = @{ type = 'str'; no_log = $true }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(, (Get-ScannerSpec)))

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    Invoke-ScannerSetup -Module $module
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
