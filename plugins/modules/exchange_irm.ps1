#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._IrmExchange
#AnsibleRequires -PowerShell ..module_utils._Option

$spec = @{
    supports_check_mode = $true
}
$complex_args = Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec, @(Get-IrmExchangeSpec))

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    Invoke-IrmExchange -Module $module
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
