# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Information Rights Management of a SharePoint farm: one configuration, which any of its servers reads and sets.

#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._IrmServer

function Get-IrmSharePointSpec {
    <#
    .SYNOPSIS
    The options of the module sharepoint_irm.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            connector_url = @{ type = 'str' }
            subscription_scope = @{ type = 'bool' }
        }
        required_if = @(, @('state', 'present', @('connector_url')))
    }
}

function Open-SharePointFarm {
    # The snap-in of the SharePoint Management Shell, with a farm behind it.
    try {
        if (-not (Get-Command -Name Set-SPIRMSettings -ErrorAction SilentlyContinue)) {
            Add-PSSnapin -Name Microsoft.SharePoint.PowerShell -ErrorAction Stop -WarningAction SilentlyContinue
        }
    }
    catch {
        throw "sharepoint_irm: the snap-in Microsoft.SharePoint.PowerShell cannot be loaded: $($_.Exception.Message)"
    }
    try {
        $null = Get-SPFarm -ErrorAction Stop
    }
    catch {
        throw ("sharepoint_irm: the farm cannot be reached from this session: $($_.Exception.Message) Expected an account with access to the farm (Add-SPShellAdmin), " +
            'in a session that can sign in to the database server: a session of WinRM cannot (double hop). Use become with runas, CredSSP, or Kerberos and delegation')
    }
}

function Get-SharePointIrm {
    # As SharePoint's class library documents it (SPIrmSettings); the output of Get-SPIRMSettings is not documented.
    $service = [Microsoft.SharePoint.Administration.SPWebService]::ContentService
    if (-not $service) {
        throw 'sharepoint_irm: the farm has no content service: expected a server that was joined to the farm'
    }
    $settings = $service.IrmSettings
    [ordered]@{
        enabled = [bool]$settings.IrmRMSEnabled
        active_directory = [bool]$settings.IrmRMSUseAD
        connector_url = [string]$settings.IrmRMSCertServer
        subscription_scope = [bool]$settings.IrmSubscriptionScopeSettingsEnabled
    }
}

function Get-IrmSharePointPlan {
    <#
    .SYNOPSIS
    The parameters of Set-SPIRMSettings that bring the farm to the desired state; $null when the farm is compliant.

    .PARAMETER Option
    The options of the module; connector_url in its canonical form.

    .PARAMETER Current
    enabled, active_directory, connector_url and subscription_scope of the farm.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Current
    )

    $differs = if ($Option.state -eq 'absent') {
        $Current.enabled
    }
    else {
        -not $Current.enabled -or $Current.active_directory -or $Current.connector_url.TrimEnd('/') -ne $Option.connector_url -or
        ($null -ne $Option.subscription_scope -and $Current.subscription_scope -ne $Option.subscription_scope)
    }
    if (-not $differs) {
        return $null
    }
    if ($Option.state -eq 'absent') {
        return @{ IrmEnabled = $false }
    }
    # Always given, since what the cmdlet makes of a missing switch is not documented.
    $scope = if ($null -ne $Option.subscription_scope) { $Option.subscription_scope } else { $Current.subscription_scope }
    $parameter = @{ IrmEnabled = $true; CertificateServerUrl = $Option.connector_url; SubscriptionScopeSettingsEnabled = [bool]$scope }
    $parameter
}

function Invoke-IrmSharePoint {
    <#
    .SYNOPSIS
    Brings Information Rights Management of the farm to the desired state, and fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $option = @{ state = $Module.Params.state; subscription_scope = $Module.Params.subscription_scope; connector_url = '' }
    if ($option.state -eq 'present') {
        $option.connector_url = Resolve-BaseUrl -Option connector_url -Url $Module.Params.connector_url -Module sharepoint_irm
        if (Test-CloudAddress -Address $option.connector_url) {
            throw "sharepoint_irm: connector_url is $($option.connector_url), an address of Azure Rights Management: expected that of the connector"
        }
    }
    $server = (Get-ServerRole).sharepoint
    if (-not $server.found) {
        throw 'sharepoint_irm: SharePoint Server is not installed on this host: expected a server of the farm'
    }
    Open-SharePointFarm
    $before = Get-SharePointIrm
    $parameter = Get-IrmSharePointPlan -Option $option -Current $before
    $after = [ordered]@{
        enabled = $option.state -eq 'present'
        active_directory = $false
        connector_url = $option.connector_url
        subscription_scope = [bool]($parameter -and $parameter['SubscriptionScopeSettingsEnabled'])
    }
    $Module.Result.changed = [bool]$parameter
    $Module.Result.version = $server.version
    if (-not $parameter) {
        $after = $before
    }
    elseif (-not $Module.CheckMode) {
        try {
            Set-SPIRMSettings @parameter -Confirm:$false -ErrorAction Stop
        }
        catch {
            throw "sharepoint_irm: Set-SPIRMSettings failed: $($_.Exception.Message) Expected a member of the group Farm Administrators"
        }
        $after = Get-SharePointIrm
        if (Get-IrmSharePointPlan -Option $option -Current $after) {
            throw "sharepoint_irm: SharePoint took the change and does not show it: IRM is $(if ($after.enabled) { 'on' } else { 'off' }), the server '$($after.connector_url)'"
        }
    }
    $Module.Result.configuration = $after
    $Module.Diff.before = $before
    $Module.Diff.after = $after
}

Export-ModuleMember -Function Get-IrmSharePointPlan, Get-IrmSharePointSpec, Invoke-IrmSharePoint
