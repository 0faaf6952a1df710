# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Microsoft's PowerShell module AIPService: sign-in options, loading the module, signing in and out, and errors without secrets.

$secrets = 'password', 'client_secret', 'access_token'
# Microsoft Entra ID's codes for a second factor that is required, or has to be set up.
$secondFactor = 'AADSTS5007[2469]|AADSTS50158|multi-?factor|\bMFA\b'

# The top of the service's addresses -> the cloud that Connect-AipService signs in to.
$clouds = @{ com = 'AzureCloud'; cn = 'AzureChinaCloud'; us = 'AzureUSGovernment' }

function Get-SignInSpec {
    <#
    .SYNOPSIS
    The options of all modules that sign in to the protection service.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            username = @{ type = 'str' }
            password = @{ type = 'str'; no_log = $true }
            application_id = @{ type = 'str' }
            client_secret = @{ type = 'str'; no_log = $true }
            certificate_thumbprint = @{ type = 'str' }
            access_token = @{ type = 'str'; no_log = $true }
            tenant_id = @{ type = 'str' }
            cloud = @{ type = 'str'; choices = 'AzureCloud', 'AzureChinaCloud', 'AzureUSGovernment'; default = 'AzureCloud' }
        }
        mutually_exclusive = @(
            , @('username', 'application_id', 'access_token')
            , @('client_secret', 'certificate_thumbprint')
        )
        required_one_of = @(, @('username', 'application_id', 'access_token'))
        required_together = @(, @('username', 'password'))
        required_by = @{ client_secret = 'application_id'; certificate_thumbprint = 'application_id'; application_id = 'tenant_id' }
    }
}

function Get-TenantConnection {
    <#
    .SYNOPSIS
    Turns the sign-in options into the parameters of Connect-AipService.

    .PARAMETER Option
    The options of the module.

    .OUTPUTS
    A hashtable to splat. Secrets are in it.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Option
    )

    $parameter = @{}
    if ($Option['tenant_id']) {
        $parameter.TenantId = ConvertTo-Guid -Name tenant_id -Text $Option['tenant_id']
    }
    if ($Option['cloud'] -and $Option['cloud'] -ne 'AzureCloud') {
        $parameter.EnvironmentName = $Option['cloud']
    }
    if ($Option['access_token']) {
        $parameter.AccessToken = $Option['access_token']
        return $parameter
    }
    if ($Option['username']) {
        $parameter.Credential = New-Credential -Name $Option['username'] -Secret $Option['password']
        return $parameter
    }
    if (-not $Option['tenant_id']) {
        throw 'tenant_id is missing: an application signs in to a tenant that has to be named.'
    }
    $application = ConvertTo-Guid -Name application_id -Text $Option['application_id']
    $parameter.ServicePrincipal = $true
    if ($Option['certificate_thumbprint']) {
        $thumbprint = $Option['certificate_thumbprint'] -replace '[\s:\u200e]'
        if ($thumbprint -notmatch '^[0-9a-fA-F]{40}$') {
            throw "certificate_thumbprint is '$($Option['certificate_thumbprint'])': expected 40 hexadecimal digits."
        }
        $parameter.ApplicationId = [string]$application
        $parameter.CertificateThumbprint = $thumbprint
    }
    elseif ($Option['client_secret']) {
        $parameter.Credential = New-Credential -Name ([string]$application) -Secret $Option['client_secret']
    }
    else {
        throw 'application_id is given alone: expected client_secret or certificate_thumbprint with it.'
    }
    $parameter
}

function New-Credential {
    param ([string]$Name, [string]$Secret)

    $secure = (New-Object -TypeName System.Net.NetworkCredential -ArgumentList $Name, $Secret).SecurePassword
    New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $Name, $secure
}

function ConvertTo-Guid {
    <#
    .SYNOPSIS
    An id out of an option, or an error that names the option.
    #>
    [CmdletBinding()]
    [OutputType([guid])]
    param (
        [string]
        $Name,

        [string]
        $Text
    )

    $guid = [guid]::Empty
    if (-not [guid]::TryParse($Text, [ref]$guid)) {
        throw "$Name is '$Text': expected an id such as 5c6bb73b-1038-4eec-863d-49bded473437."
    }
    $guid
}

function Import-AipService {
    <#
    .SYNOPSIS
    Loads the PowerShell module AIPService, or says why it cannot be.

    .OUTPUTS
    The version that was loaded.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param ()

    $found = @(Get-Module -Name AIPService -ListAvailable | Sort-Object -Property Version -Descending)
    $shell = "PowerShell $($PSVersionTable.PSVersion) ($($PSVersionTable.PSEdition))"
    if (-not $found) {
        throw ("The PowerShell module AIPService is not on this host, as far as $shell sees. Install it for all users: " +
            'Install-Module -Name AIPService -Scope AllUsers')
    }
    try {
        # For all utilities: what a module imports is its own otherwise.
        Import-Module -Name AIPService -Global -ErrorAction Stop -WarningAction SilentlyContinue
    }
    catch {
        throw ("The PowerShell module AIPService ($($found[0].Path)) cannot be loaded by $($shell): $($_.Exception.Message) " +
            'Expected is Windows PowerShell with .NET Framework 4.6.2 for version 2, 4.8 for version 3; PowerShell 7 from version 3.1 on.')
    }
    [string](Get-Module -Name AIPService).Version
}

function Connect-Tenant {
    param ([hashtable]$Parameter, [string]$Version)

    $command = Get-Command -Name Connect-AipService
    $fits = $command.ParameterSets | Where-Object -FilterScript {
        $names = $_.Parameters | ForEach-Object -Process { $_.Name }
        @($Parameter.Keys | Where-Object -FilterScript { $names -notcontains $_ }).Count -eq 0
    }
    if (-not $fits) {
        throw ("Connect-AipService of AIPService $Version does not take $(($Parameter.Keys | Sort-Object) -join ', ') together. " +
            'Applications can sign in from version 1.0.0.5 on; a newer version may do.')
    }
    try {
        # .NET Framework without settings may use TLS 1.0
        [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
        $null = Connect-AipService @Parameter -ErrorAction Stop
    }
    catch {
        $reason = $_.Exception.Message
        if ($reason -match $secondFactor) {
            $reason += (' The account requires multi-factor authentication, which an unattended sign-in cannot satisfy. Use an application with a ' +
                'certificate or a secret, or exclude the account from the policy.')
        }
        throw "The sign-in to the protection service failed: $reason"
    }
}

function Get-TenantState {
    <#
    .SYNOPSIS
    The state that the service reports: id, activated, functional_state, url and administrator_ids, each $null when it does not.

    .PARAMETER Note
    Takes the reasons why something cannot be read.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyCollection()]
        [Collections.Generic.List[string]]
        $Note
    )

    $tenant = [ordered]@{ id = $null; activated = $null; functional_state = $null; url = $null; administrator_ids = $null }
    try {
        $configuration = Get-AipServiceConfiguration -ErrorAction Stop
        foreach ($name in 'RightsManagementServiceId', 'AzureInformationProtectionServiceId') {
            if ($configuration.PSObject.Properties[$name]) {
                $tenant.id = [string]$configuration.$name
            }
        }
        if ($configuration.PSObject.Properties['FunctionalState']) {
            $tenant.functional_state = [string]$configuration.FunctionalState
        }
        if ($configuration.PSObject.Properties['LicensingIntranetDistributionPointUrl']) {
            $tenant.url = ([string]$configuration.LicensingIntranetDistributionPointUrl) -replace '/_wmcs/licensing/?$'
        }
        if ($configuration.PSObject.Properties['AdminRoleMembers']) {
            $tenant.administrator_ids = @($configuration.AdminRoleMembers | ForEach-Object -Process { [string]$_ })
        }
    }
    catch {
        $Note.Add("The configuration of the service cannot be read: $($_.Exception.Message)")
    }
    if (-not $tenant.functional_state) {
        try {
            $tenant.functional_state = [string](Get-AipService -ErrorAction Stop)
        }
        catch {
            $Note.Add("Whether the service is activated cannot be read: $($_.Exception.Message)")
        }
    }
    if ($tenant.functional_state) {
        $tenant.activated = $tenant.functional_state -eq 'Enabled'
    }
    $tenant
}

function Assert-Cloud {
    <#
    .SYNOPSIS
    Throws when the tenant is one of another cloud than the task names.

    .PARAMETER Option
    The options of the module.

    .PARAMETER Tenant
    The tenant, of Get-TenantState.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Tenant
    )

    $wanted = if ($Option['cloud']) { $Option['cloud'] } else { 'AzureCloud' }
    if ("$($Tenant.url)" -match '\.aadrm\.(\w+)$' -and $clouds[$Matches[1]] -and $clouds[$Matches[1]] -ne $wanted) {
        throw "cloud is $($wanted): the tenant $($Tenant.url) belongs to $($clouds[$Matches[1]]). Set cloud to that, or sign in to another tenant."
    }
}

function Get-AipFailure {
    <#
    .SYNOPSIS
    Why something failed; of a cmdlet that AIPService lacks, what to do.

    .PARAMETER ErrorRecord
    The failure.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [Management.Automation.ErrorRecord]
        $ErrorRecord
    )

    $exception = $ErrorRecord.Exception
    if ($exception -is [Management.Automation.CommandNotFoundException] -and $exception.CommandName -match '-AipService') {
        $version = (Get-Module -Name AIPService).Version
        return "AIPService $version does not have the cmdlet $($exception.CommandName). Install a newer version of AIPService on this host."
    }
    $exception.Message
}

function Invoke-AipService {
    <#
    .SYNOPSIS
    Signs in to the protection service, runs something, and signs out again whatever happens. No error has a secret of the options.

    .PARAMETER Option
    The options of the module.

    .PARAMETER Action
    What to run. It gets the version of AIPService.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        [scriptblock]
        $Action
    )

    $connection = Get-TenantConnection -Option $Option
    try {
        $version = Import-AipService
        Connect-Tenant -Parameter $connection -Version $version
        try {
            & $Action $version
        }
        finally {
            $null = Disconnect-AipService -ErrorAction SilentlyContinue
        }
    }
    catch {
        $text = Get-AipFailure -ErrorRecord $_
        foreach ($name in $secrets) {
            if ($Option[$name]) {
                $text = $text.Replace($Option[$name], '********')
            }
        }
        throw $text
    }
}

Export-ModuleMember -Function Assert-Cloud, ConvertTo-Guid, Get-AipFailure, Get-SignInSpec, Get-TenantConnection, Get-TenantState, Import-AipService, Invoke-AipService
