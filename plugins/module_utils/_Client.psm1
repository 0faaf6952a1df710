# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# What is known of the Azure Information Protection client: its settings for the whole host.

#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

# The client is a 32-bit product.
$clientKey = @{ Path = 'HKLM:\SOFTWARE\Microsoft\MSIP'; View = 32 }

$settings = [ordered]@{
    use_default_credentials_in_proxy = @{ Name = 'UseDefaultCredentialsInProxy'; Data = @{ $true = 1; $false = 0 } }
    cloud_environment = @{
        Name = 'CloudEnvType'
        Data = @{ commercial = 0; gcc = 1; gcc_high = 2; dod = 3; usnat = 4; ussec = 5; china = 6; germany = 7 }
    }
}

function Get-ClientDesiredState {
    <#
    .SYNOPSIS
    Turns the options of the module client_settings into desired values.

    .PARAMETER Option
    state, names, and the settings.

    .OUTPUTS
    An object with Values (for Get-RegistryPlan) and Notes.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option
    )

    $values = if ($Option.state -eq 'absent') {
        foreach ($setting in $settings.Keys) {
            if ($null -eq $Option.names -or $setting -in $Option.names) {
                New-RegistryValue @clientKey -Name $settings[$setting].Name -State absent
            }
        }
    }
    else {
        if ($null -ne $Option.names) {
            throw 'client_settings: names is given with state present: expected it with state absent only'
        }
        foreach ($setting in $settings.Keys) {
            if ($null -ne $Option[$setting]) {
                New-RegistryValue @clientKey -Name $settings[$setting].Name -Type dword -Data $settings[$setting].Data[$Option[$setting]]
            }
        }
    }
    if (-not $values) {
        throw "client_settings: no setting is given: expected at least one of $($settings.Keys -join ' and ')"
    }
    [pscustomobject]@{ Values = @($values); Notes = @() }
}

function Get-ClientState {
    <#
    .SYNOPSIS
    All values of the client's key, in both views: the fact 'msip'.
    #>
    [CmdletBinding()]
    param ()

    foreach ($view in 32, 64) {
        $key = Open-RegistryKey -Key (Resolve-RegistryPath -Path $clientKey.Path -View $view)
        if (-not $key) {
            continue
        }
        $names = $key.GetValueNames()
        $key.Dispose()
        foreach ($name in $names | Sort-Object) {
            $value = Read-RegistryValue -Path $clientKey.Path -View $view -Name $name
            $shown = ConvertTo-ValueResult -Value $value
            [ordered]@{ name = $name; type = $shown.type; data = $shown.data; view = $view }
        }
    }
}

Export-ModuleMember -Function Get-ClientDesiredState, Get-ClientState
