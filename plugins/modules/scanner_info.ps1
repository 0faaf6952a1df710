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
        reports_folder = @{ type = 'str' }
        errors = @{ type = 'int'; default = 10 }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    $module.Result.scanner = Get-ScannerInfo -ReportFolder $module.Params.reports_folder -Errors $module.Params.errors
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
