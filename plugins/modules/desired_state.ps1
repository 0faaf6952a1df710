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
#AnsibleRequires -PowerShell ..module_utils._Tls

$spec = @{
    options = @{
        client = @{
            type = 'dict'
            options = @{
                product = @{ type = 'str'; choices = 'unified_labeling', 'purview', 'classic'; required = $true }
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                version = @{ type = 'str' }
                exact = @{ type = 'bool'; default = $false }
                allow_downgrade = @{ type = 'bool'; default = $false }
            }
        }
        client_settings = @{
            type = 'dict'
            options = @{
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                use_default_credentials_in_proxy = @{ type = 'bool' }
                cloud_environment = @{
                    type = 'str'
                    choices = 'commercial', 'gcc', 'gcc_high', 'china'
                }
                names = @{ type = 'list'; elements = 'str'; choices = 'use_default_credentials_in_proxy', 'cloud_environment' }
                policy_conflict = @{ type = 'str'; choices = 'report', 'fail'; default = 'report' }
            }
        }
        connector = @{
            type = 'dict'
            options = @{
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                version = @{ type = 'str' }
                cloud = @{
                    type = 'str'
                    choices = 'AzureCloud', 'AzureChinaCloud', 'AzureUSGovernment', 'AzureUSGovernment2', 'AzureUSGovernment3'
                    default = 'AzureCloud'
                }
                administration_tool = @{ type = 'bool'; default = $false }
                arguments = @{ type = 'list'; elements = 'str'; default = @() }
            }
        }
        connector_https = @{
            type = 'dict'
            options = @{
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                thumbprint = @{ type = 'str' }
                url = @{ type = 'str' }
                src = @{ type = 'str' }
                port = @{ type = 'int' }
                expiry_warning_days = @{ type = 'int'; default = 30 }
            }
            required_if = @(, @('state', 'present', @('thumbprint')))
        }
        connector_settings = @{
            type = 'dict'
            options = @{
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                proxy_address = @{ type = 'str' }
                policy_conflict = @{ type = 'str'; choices = 'report', 'fail'; default = 'report' }
            }
        }
        irm_server = @{
            type = 'dict'
            options = @{
                product = @{ type = 'str'; choices = 'exchange', 'sharepoint', 'fci'; required = $true }
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                connector_url = @{ type = 'str' }
                tenant_url = @{ type = 'str' }
                force = @{ type = 'bool'; default = $false }
                policy_conflict = @{ type = 'str'; choices = 'report', 'fail'; default = 'report' }
            }
            required_if = @(, @('state', 'present', @('connector_url', 'tenant_url')))
        }
        tls = @{
            type = 'dict'
            options = @{
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                minimum = @{ type = 'str'; choices = @('1.2'); default = '1.2' }
                parts = @{ type = 'list'; elements = 'str'; choices = 'schannel_client', 'schannel_server', 'dotnet', 'winhttp' }
                disable_older = @{ type = 'str'; choices = 'auto', 'always', 'never'; default = 'never' }
                explicit = @{ type = 'bool'; default = $false }
                policy_conflict = @{ type = 'str'; choices = 'report', 'fail'; default = 'report' }
            }
        }
    }
    supports_check_mode = $true
}
Hide-AddressAccount -Given $complex_args
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
