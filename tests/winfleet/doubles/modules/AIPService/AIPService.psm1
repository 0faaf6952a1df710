# A stand-in for the module AIPService, as narrow as infoprotect.aip.tenant_administrator needs it, over the one tenant that a fleet has (directory.py).
# Parameters are those of Microsoft's documentation; the texts of errors and the properties of administrators, which it does not have, are ours.

Set-StrictMode -Version 2.0

Import-Module -Name "$PSScriptRoot\..\Winfleet\Winfleet.psd1"

$script:session = $null
# directory.py has the same
$secondFactor = 'AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, ' +
    'you must use multi-factor authentication to access this resource.'

function New-Failure {
    param([string] $Message, [string] $Id = 'Microsoft.RightsManagementServices.Online.Admin.PowerShell')
    [Management.Automation.ErrorRecord]::new([ApplicationException]::new($Message), $Id, 'NotSpecified', $null)
}

# Runs something with the tenant, for who is connected, and keeps what it changed.
function Use-Tenant {
    param([Management.Automation.PSCmdlet] $Cmdlet, [scriptblock] $Action, [switch] $Anybody)
    try {
        $file = Open-FleetFile -Name tenant
        try {
            if (-not $Anybody -and -not $script:session) { throw (New-Failure 'There is no connection to the service. Run Connect-AipService first.') }
            & $Action $file.Data
            Save-FleetFile -File $file
        } finally {
            Close-FleetFile -File $file
        }
    } catch {
        $Cmdlet.ThrowTerminatingError($_)
    }
}

function Find-Account {
    param([Collections.IDictionary] $Tenant, [string] $Key, [string] $Value, [string] $Failure)
    $found = @($Tenant.accounts | Where-Object { $Value -and $_.Contains($Key) -and $_[$Key] -eq $Value })
    if (-not $found) { throw (New-Failure $Failure) }
    $found[0]
}

function Connect-AipService {
    [CmdletBinding(DefaultParameterSetName = 'Credential')]
    param(
        [Parameter(ParameterSetName = 'Credential')] [pscredential] $Credential,
        [Parameter(ParameterSetName = 'AccessToken')] [string] $AccessToken,
        [Parameter(ParameterSetName = 'Certificate')] [string] $CertificateThumbprint,
        [Parameter(ParameterSetName = 'Certificate')] [string] $ApplicationId,
        [Parameter(ParameterSetName = 'Credential')] [Parameter(ParameterSetName = 'AccessToken')] [Parameter(ParameterSetName = 'Certificate')] [guid] $TenantId,
        [Parameter(ParameterSetName = 'Credential')] [Parameter(ParameterSetName = 'Certificate')] [switch] $ServicePrincipal,
        [Parameter(ParameterSetName = 'Environment')] [ValidateSet('AzureCloud', 'AzureChinaCloud', 'AzureUSGovernment')] [string] $EnvironmentName
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet -Anybody {
        param($tenant)
        if ($bound.ContainsKey('TenantId') -and [string] $TenantId -ne $tenant.tenant_id) { throw (New-Failure "AADSTS90002: Tenant '$TenantId' not found.") }
        $account = if ($AccessToken) {
            Find-Account $tenant token $AccessToken 'The access token is not valid.'
        } elseif ($CertificateThumbprint) {
            $found = Find-Account $tenant application_id $ApplicationId "AADSTS700016: Application with identifier '$ApplicationId' was not found in the directory."
            if ($found.certificate -ne $CertificateThumbprint) { throw (New-Failure 'AADSTS700027: Client assertion contains an invalid signature.') }
            $found
        } elseif ($Credential) {
            $key = if ($ServicePrincipal) { 'application_id' } else { 'email' }
            $wrong = if ($ServicePrincipal) { 'AADSTS7000215: Invalid client secret provided.' } else { 'AADSTS50126: Error validating credentials due to invalid username or password.' }
            $found = Find-Account $tenant $key $Credential.UserName $wrong
            if ($found['password'] -cne $Credential.GetNetworkCredential().Password) { throw (New-Failure $wrong) }
            $found
        } else {
            throw (New-Failure 'Somebody has to sign in, and nobody is at the screen.')
        }
        if ($account['mfa']) { throw (New-Failure $secondFactor) }
        $held = @($tenant.roles | Where-Object { $_.id -eq $account.id -and $_.role -eq 'GlobalAdministrator' })
        if (-not $account['administrator'] -and -not $held) { throw (New-Failure 'The attempt to connect to the service failed: the account may not administer it.') }
        $script:session = [string] [guid]::NewGuid()
        $tenant.sessions = @($tenant.sessions) + $script:session
    }
    'A connection to the Azure Information Protection service was opened.'
}

function Disconnect-AipService {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet {
        param($tenant)
        $tenant.sessions = @($tenant.sessions | Where-Object { $_ -ne $script:session })
        $script:session = $null
    }
    'The connection to the Azure Information Protection service was closed.'
}

function Get-AipService {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) $tenant.state }
}

function Get-AipServiceConfiguration {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet {
        param($tenant)
        [pscustomobject] @{
            BPOSId                                      = $tenant.tenant_id
            RightsManagementServiceId                   = $tenant.protection_service_id
            LicensingIntranetDistributionPointUrl       = $tenant.licensing_url
            LicensingExtranetDistributionPointUrl       = $tenant.licensing_url
            CertificationIntranetDistributionPointUrl   = $tenant.certification_url
            CertificationExtranetDistributionPointUrl   = $tenant.certification_url
            FunctionalState                             = $tenant.state
            SuperUsersEnabled                           = 'Disabled'
            # One with a space and one without, as in Microsoft's sample
            AdminRoleMembers                            = @($tenant.roles | ForEach-Object { "$($_.role -replace '^GlobalA', 'Global A') -> $($_.id)" })
        }
    }
}

function Get-AipServiceRoleBasedAdministrator {
    [CmdletBinding()]
    param([ValidateSet('GlobalAdministrator', 'ConnectorAdministrator')] [string] $Role)
    Use-Tenant $PSCmdlet {
        param($tenant)
        foreach ($held in $tenant.roles | Where-Object { -not $Role -or $_.role -eq $Role }) {
            $account = Find-Account $tenant id $held.id 'An administrator is gone.'
            [pscustomobject] @{ EmailAddress = $account['email']; ObjectId = [guid] $account.id; DisplayName = $account['name']; Role = $held.role }
        }
    }
}

function Find-Wanted {
    param([Collections.IDictionary] $Tenant, [hashtable] $Bound)
    if ($Bound.ContainsKey('EmailAddress')) { Find-Account $Tenant email $Bound.EmailAddress "The email address $($Bound.EmailAddress) is not one of the organization's." }
    elseif ($Bound.ContainsKey('ObjectId')) { Find-Account $Tenant id $Bound.ObjectId "The object $($Bound.ObjectId) does not exist." }
    else { Find-Account $Tenant name $Bound['SecurityGroupDisplayName'] "The group $($Bound['SecurityGroupDisplayName']) does not exist." }
}

function Add-AipServiceRoleBasedAdministrator {
    [CmdletBinding()]
    param(
        [Parameter(ParameterSetName = 'EmailAddress')] [string] $EmailAddress, [Parameter(ParameterSetName = 'ObjectId')] [guid] $ObjectId,
        [Parameter(ParameterSetName = 'DisplayName')] [string] $SecurityGroupDisplayName,
        [ValidateSet('GlobalAdministrator', 'ConnectorAdministrator')] [string] $Role = 'GlobalAdministrator'
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        $account = Find-Wanted $tenant $bound
        if (-not ($tenant.roles | Where-Object { $_.id -eq $account.id -and $_.role -eq $Role })) { $tenant.roles = @($tenant.roles) + @{ id = $account.id; role = $Role } }
    }
}

function Remove-AipServiceRoleBasedAdministrator {
    [CmdletBinding()]
    param(
        [Parameter(ParameterSetName = 'EmailAddress')] [string] $EmailAddress, [Parameter(ParameterSetName = 'ObjectId')] [guid] $ObjectId,
        [Parameter(ParameterSetName = 'DisplayName')] [string] $SecurityGroupDisplayName,
        [ValidateSet('GlobalAdministrator', 'ConnectorAdministrator')] [string] $Role = 'GlobalAdministrator'
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        $account = Find-Wanted $tenant $bound
        $rest = @($tenant.roles | Where-Object { $_.id -ne $account.id -or $_.role -ne $Role })
        if ($rest.Count -eq @($tenant.roles).Count) { throw (New-Failure 'The account does not have the role.') }
        $tenant.roles = $rest
    }
}

Export-ModuleMember -Function *-AipService*
