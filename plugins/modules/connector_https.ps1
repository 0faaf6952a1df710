#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._ConnectorHttpsSetup
#AnsibleRequires -PowerShell ..module_utils._Option

$spec = @{
    options = @{
        state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
        thumbprint = @{ type = 'str' }
        url = @{ type = 'str' }
        pfx = @{ type = 'str' }
        src = @{ type = 'str' }
        pfx_content = @{ type = 'str'; no_log = $true }
        pfx_password = @{ type = 'str'; no_log = $true }
        port = @{ type = 'int' }
        expiry_warning_days = @{ type = 'int'; default = 30 }
    }
    required_if = @(, @('state', 'present', @('thumbprint')))
    mutually_exclusive = @(, @('pfx', 'pfx_content', 'src'))
    supports_check_mode = $true
}
Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    Invoke-ConnectorHttps -Module $module
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
