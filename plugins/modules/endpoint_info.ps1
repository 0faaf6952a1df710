#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Endpoint
#AnsibleRequires -PowerShell ..module_utils._Option

$spec = @{
    options = @{
        cloud = @{ type = 'str'; choices = 'commercial', 'us_government', 'china'; default = 'commercial' }
        endpoints = @{ type = 'list'; elements = 'str' }
        proxy_source = @{ type = 'str'; choices = 'none', 'explicit', 'proxy_address', 'winhttp' }
        proxy = @{ type = 'str' }
        issuers = @{ type = 'list'; elements = 'str' }
        timeout = @{ type = 'int'; default = 60 }
    }
    supports_check_mode = $true
}
$complex_args = Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    $endpoints = @(Get-EndpointInfo -Option $module.Params)
    $module.Result.endpoints = [object[]]$endpoints
    $module.Result.ok = -not @($endpoints | Where-Object -FilterScript { $_.error })
    $module.Result.inspected = [bool]@($endpoints | Where-Object -FilterScript { $_.inspected })
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
