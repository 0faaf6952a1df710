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
            }
            required_if = @(, @('state', 'present', @('connector_url', 'tenant_url')))
        }
        tls = @{
            type = 'dict'
            options = @{
                state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
                minimum = @{ type = 'str'; choices = @('1.2'); default = '1.2' }
                parts = @{ type = 'list'; elements = 'str'; choices = 'schannel_client', 'schannel_server', 'dotnet', 'winhttp' }
                disable_older = @{ type = 'str'; choices = 'auto', 'always', 'never'; default = 'auto' }
            }
        }
    }
    supports_check_mode = $true
}
Hide-AddressAccount -Given $complex_args
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

# In the order in which they are written.
$domains = [ordered]@{
    # Installers are left to the module client.
    client = @{
        Plan = { param ($option, $facts) Get-ClientPlan -Option $option -Fact $facts }
        Needs = 'os', 'dotnet', 'products'
        Restart = { param ($plan, $facts) $facts.reboot.reasons -contains 'client' }
    }
    client_settings = @{
        Wanted = { param ($option) Get-ClientDesiredState -Option $option }
        Restart = { $false }
    }
    # As far as that needs nobody at the host, it is left to the module connector.
    connector = @{
        Plan = { param ($option, $facts) Get-ConnectorPlan -Option $option -Fact $facts }
        Needs = 'os', 'dotnet', 'products', 'roles'
        Restart = { param ($plan, $facts) $facts.reboot.reasons -contains 'connector' }
    }
    # Left to the module of this name, once there is a connector.
    connector_https = @{
        Plan = { param ($option, $facts) Get-ConnectorHttpsPlan -Option $option -Installed ([bool]($facts.connector -and $facts.connector.installed)) }
        Needs = 'products'
        Restart = { $false }
    }
    connector_settings = @{
        Wanted = { param ($option) Get-ConnectorDesiredState -Option $option }
        Written = { param ($change) Set-ConnectorWritten -Change $change }
        # IIS has to be, which is among the facts.
        Restart = { $false }
    }
    irm_server = @{
        Wanted = { param ($option, $facts) Get-IrmServerDesiredState -Option $option -Fact $facts }
        Restart = { param ($plan, $facts, $wanted) Test-IrmServerRestartRequired -Plan $plan -Wanted $wanted -Due $facts.reboot.reasons }
        Keep = $true
    }
    tls = @{
        Wanted = { param ($option, $facts) Get-TlsDesiredState -Option $option -Build $facts.os.build -Role $facts.roles }
        Restart = { param ($plan, $facts) Test-TlsRestartRequired -Plan $plan -Due $facts.tls.restart_due }
    }
}

$failure = $null
try {
    Invoke-DesiredState -Module $module -Domain $domains
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
