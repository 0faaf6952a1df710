#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Client
#AnsibleRequires -PowerShell ..module_utils._Connector
#AnsibleRequires -PowerShell ..module_utils._ConnectorHttps
#AnsibleRequires -PowerShell ..module_utils._DesiredState
#AnsibleRequires -PowerShell ..module_utils._IrmServer
#AnsibleRequires -PowerShell ..module_utils._Option
#AnsibleRequires -PowerShell ..module_utils._Scanner
#AnsibleRequires -PowerShell ..module_utils._Tls

$spec = @{
    options = @{
        client = @{ type = 'dict' } + (Get-ClientSpec)
        client_settings = @{ type = 'dict' } + (Get-ClientSettingSpec)
        connector = @{ type = 'dict' } + (Get-ConnectorSpec)
        connector_https = @{ type = 'dict' } + (Get-ConnectorHttpsSpec)
        connector_settings = @{ type = 'dict' } + (Get-ConnectorSettingSpec)
        irm_server = @{ type = 'dict' } + (Get-IrmServerSpec)
        scanner = @{ type = 'dict' } + (Get-ScannerSpec)
        tls = @{ type = 'dict' } + (Get-TlsSpec)
    }
    supports_check_mode = $true
}
$complex_args = Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

# In the order in which they are written. What needs an installer or a handshake is left to the modules of these domains.
$domains = [ordered]@{
    client = @{
        Plan = { param ($option, $facts) Get-ClientPlan -Option $option -Fact $facts }
        Needs = 'os', 'dotnet', 'products'
    }
    client_settings = @{ Wanted = { param ($option) Get-ClientDesiredState -Option $option } }
    connector = @{
        Plan = { param ($option, $facts) Get-ConnectorPlan -Option $option -Fact $facts }
        Needs = 'os', 'dotnet', 'products', 'roles'
    }
    connector_https = @{
        Plan = { param ($option, $facts) Get-ConnectorHttpsPlan -Option $option -Installed ([bool]($facts.connector -and $facts.connector.installed)) }
        Needs = 'products'
    }
    connector_settings = @{ Wanted = { param ($option) Get-ConnectorDesiredState -Option $option } }
    irm_server = @{ Wanted = { param ($option, $facts) Get-IrmServerDesiredState -Option $option -Fact $facts } }
    scanner = @{
        Plan = {
            param ($option, $facts)
            $state = Get-ScannerState
            $facts.scanner = ConvertTo-ScannerFact -State $state
            $plan = Get-ScannerPlan -Option $option -Fact $facts -State $state
            $facts.scanner.errors = [object[]]@(Get-ScannerError -State $state -Unreadable $plan.Notes)
            $plan
        }
        Needs = 'os', 'processors', 'memory_mb', 'disks'
    }
    tls = @{ Wanted = { param ($option, $facts) Get-TlsDesiredState -Option $option -Build $facts.os.build -Role $facts.roles } }
}

$failure = $null
try {
    Assert-OptionText -Option $module.Params
    Invoke-DesiredState -Module $module -Domain $domains
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
