# A stand-in for the module AIPService, as narrow as the modules protection_service* need it, over the one tenant that a fleet
# has (directory.py). Parameters and outputs are those of Microsoft's documentation; the texts of errors and the properties of administrators, which it
# does not have, are ours.
#
# Tests can put into the tenant: calls_left (the token expires after so many calls), delay (so many reads show the old value of a changed setting) and
# foreign (what somebody else changes right after a cmdlet has run: after, set).

Set-StrictMode -Version 2.0

Import-Module -Name "$PSScriptRoot\..\Winfleet\Winfleet.psd1"

$script:session = $null
$script:account = ''
# directory.py has the same
$secondFactor = 'AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, ' +
    'you must use multi-factor authentication to access this resource.'

function New-Failure {
    param([string] $Message, [string] $Id = 'Microsoft.RightsManagementServices.Online.Admin.PowerShell')
    [Management.Automation.ErrorRecord]::new([ApplicationException]::new($Message), $Id, 'NotSpecified', $null)
}

# Runs something with the tenant, for who is connected, and keeps what it changed. What changes the tenant is in its admin log.
function Use-Tenant {
    param([Management.Automation.PSCmdlet] $Cmdlet, [scriptblock] $Action, [switch] $Anybody)
    $name = $Cmdlet.MyInvocation.MyCommand.Name
    try {
        $file = Open-FleetFile -Name tenant
        try {
            $tenant = $file.Data
            if (-not $Anybody) {
                if (-not $script:session) { throw (New-Failure 'There is no connection to the service. Run Connect-AipService first.') }
                if ($null -ne $tenant['calls_left'] -and $name -ne 'Disconnect-AipService') {
                    if ($tenant.calls_left -le 0) { throw (New-Failure 'The access token has expired. Run Connect-AipService again.') }
                    $tenant.calls_left--
                    Save-FleetFile -File $file
                }
            }
            $outcome = 'Passed'
            try { & $Action $tenant }
            catch { $outcome = 'Failed'; throw }
            finally {
                if ($name -notmatch '^(?:Get|New|Export|Connect|Disconnect)-') {
                    $tenant.admin_log = @($tenant.admin_log) + @{ time = [DateTime]::UtcNow; account = $script:account; command = $name; outcome = $outcome }
                    # A failure passes the save below. Actions check everything before they change anything, so only the log is new.
                    if ($outcome -eq 'Failed') { Save-FleetFile -File $file }
                }
            }
            foreach ($change in @($tenant['foreign'] | Where-Object { $_ -and $_.after -eq $name })) {
                foreach ($key in $change.set.Keys) { $tenant[$key] = $change.set[$key] }
                $tenant.foreign = @($tenant.foreign | Where-Object { $_ -ne $change })
            }
            Save-FleetFile -File $file
        } finally {
            Close-FleetFile -File $file
        }
    } catch {
        $Cmdlet.ThrowTerminatingError($_)
    }
}

# A setting as the service shows it, which may be the value before the last change for some reads.
function Read-Setting {
    param([Collections.IDictionary] $Tenant, [string] $Key)
    $stale = $Tenant['stale']
    if ($stale -and $stale[$Key] -and $stale[$Key].reads -gt 0) {
        $stale[$Key].reads--
        return , $stale[$Key].value
    }
    , $Tenant[$Key]
}

function Write-Setting {
    param([Collections.IDictionary] $Tenant, [string] $Key, $Value)
    if ($Tenant['delay']) {
        if (-not $Tenant['stale']) { $Tenant.stale = @{} }
        $Tenant.stale[$Key] = @{ value = $Tenant[$Key]; reads = [int] $Tenant.delay }
    }
    $Tenant[$Key] = $Value
}

# A group that has an address, as the cmdlets that take one want it.
function Assert-MailGroup {
    param([Collections.IDictionary] $Tenant, [string] $Address)
    $found = @($Tenant.accounts | Where-Object { $_['kind'] -in 'security', 'distribution' -and $_['email'] -eq $Address })
    if ($found) { return }
    if (@($Tenant.accounts | Where-Object { $_['kind'] -eq 'security' -and "$($_['name'])@contoso.test" -eq $Address })) {
        throw (New-Failure "The group '$Address' is not mail-enabled.")
    }
    throw (New-Failure "The group '$Address' was not found in the organization.")
}

function Assert-Force {
    param([switch] $Force)
    if (-not $Force) { throw (New-Failure 'Confirmation is needed, and nobody is at the screen.') }
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
        $script:account = if ($account['email']) { $account.email } else { $account['application_id'] }
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
            Keys                                        = @($tenant.keys | ForEach-Object { [guid] $_.id })
            CurrentLicensorCertificateGuid              = [guid] @($tenant.keys | Where-Object { $_.status -eq 'Active' })[0].id
            Templates                                   = @($tenant.templates | ForEach-Object { [guid] $_.id })
            FunctionalState                             = $tenant.state
            SuperUsersEnabled                           = $tenant.super_user_feature
            SuperUsers                                  = @($tenant.super_users)
            # One with a space and one without, as in Microsoft's sample
            AdminRoleMembers                            = @($tenant.roles | ForEach-Object { "$($_.role -replace '^GlobalA', 'Global A') -> $($_.id)" })
            KeyRolloverCount                            = @($tenant.keys).Count - 1
            IPCv3FunctionalState                        = $tenant.ipcv3
            DevicePlatformState                         = @($tenant.platforms.Keys | ForEach-Object { "$_ -> $($tenant.platforms[$_])" })
            FciEnabledForConnectorAuthorization         = $true
            DocumentTrackingFeatureState                = $tenant.document_tracking
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

function Enable-AipService {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant state 'Enabled' }
    'The Azure Information Protection service was successfully enabled.'
}

function Disable-AipService {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant state 'Disabled' }
    'The Azure Information Protection service was successfully disabled.'
}

function Get-AipServiceOnboardingControlPolicy {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet {
        param($tenant)
        $policy = Read-Setting $tenant onboarding
        [pscustomobject] @{
            UseRmsUserLicense     = [bool] $policy.licensed
            SecurityGroupObjectId = if ($policy.group) { [guid] $policy.group } else { $null }
            Scope                 = $policy.scope
        }
    }
}

function Set-AipServiceOnboardingControlPolicy {
    [CmdletBinding()]
    param(
        [switch] $Force, [Parameter(Mandatory)] [bool] $UseRmsUserLicense, [guid] $SecurityGroupObjectId,
        [ValidateSet('All', 'WindowsApp', 'MobileApp')] [string] $Scope = 'All'
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        Assert-Force -Force:$Force
        $group = ''
        if ($bound.ContainsKey('SecurityGroupObjectId')) {
            $group = [string] $SecurityGroupObjectId
            $found = Find-Account $tenant id $group "The group $group does not exist."
            if ($found['kind'] -ne 'security') { throw (New-Failure "The object $group is not a security group.") }
        }
        # Microsoft's sample of a policy that restricts nobody has no scope
        $restricts = $UseRmsUserLicense -or $group
        Write-Setting $tenant onboarding @{ licensed = $UseRmsUserLicense; group = $group; scope = $(if ($restricts) { $Scope } else { '' }) }
    }
}

function Get-AipServiceSuperUserFeature {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Read-Setting $tenant super_user_feature }
}

function Enable-AipServiceSuperUserFeature {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant super_user_feature 'Enabled' }
    'The super user feature is enabled for the Azure Information Protection service.'
}

function Disable-AipServiceSuperUserFeature {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant super_user_feature 'Disabled' }
    'The super user feature is disabled for the Azure Information Protection service.'
}

function Get-AipServiceSuperUser {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Read-Setting $tenant super_users | ForEach-Object { $_ } }
}

function Add-AipServiceSuperUser {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, ParameterSetName = 'EmailAddress')] [string] $EmailAddress,
        [Parameter(Mandatory, ParameterSetName = 'SvcPrincipalId')] [string] $ServicePrincipalId
    )
    Use-Tenant $PSCmdlet {
        param($tenant)
        if ($ServicePrincipalId) {
            $null = Find-Account $tenant application_id $ServicePrincipalId "The service principal '$ServicePrincipalId' does not exist."
            $address = "$ServicePrincipalId@$($tenant.protection_service_id).aipservice.na.aadrm.com"
        } else {
            $found = Find-Account $tenant email $EmailAddress "The email address $EmailAddress is not one of the organization's."
            if ($found['kind'] -in 'security', 'distribution') { throw (New-Failure "$EmailAddress is a group. Use Set-AipServiceSuperUserGroup.") }
            $address = $EmailAddress
        }
        if (@($tenant.super_users) -contains $address) { throw (New-Failure "$address is already a super user.") }
        Write-Setting $tenant super_users (@($tenant.super_users) + $address)
    }
}

function Remove-AipServiceSuperUser {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $EmailAddress)
    Use-Tenant $PSCmdlet {
        param($tenant)
        if (@($tenant.super_users) -notcontains $EmailAddress) { throw (New-Failure "$EmailAddress is not a super user.") }
        Write-Setting $tenant super_users @($tenant.super_users | Where-Object { $_ -ne $EmailAddress })
    }
}

function Get-AipServiceSuperUserGroup {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Read-Setting $tenant super_user_group }
}

function Set-AipServiceSuperUserGroup {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $GroupEmailAddress)
    Use-Tenant $PSCmdlet { param($tenant) Assert-MailGroup $tenant $GroupEmailAddress; Write-Setting $tenant super_user_group $GroupEmailAddress }
}

function Clear-AipServiceSuperUserGroup {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant super_user_group '' }
}

function Get-AipServiceDocumentTrackingFeature {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Read-Setting $tenant document_tracking }
}

function Enable-AipServiceDocumentTrackingFeature {
    [CmdletBinding()]
    param([switch] $Force)
    Use-Tenant $PSCmdlet { param($tenant) Assert-Force -Force:$Force; Write-Setting $tenant document_tracking 'Enabled' }
}

function Disable-AipServiceDocumentTrackingFeature {
    [CmdletBinding()]
    param([switch] $Force)
    Use-Tenant $PSCmdlet { param($tenant) Assert-Force -Force:$Force; Write-Setting $tenant document_tracking 'Disabled' }
}

function Get-AipServiceDoNotTrackUserGroup {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Read-Setting $tenant do_not_track_group }
}

function Set-AipServiceDoNotTrackUserGroup {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $GroupEmailAddress)
    Use-Tenant $PSCmdlet { param($tenant) Assert-MailGroup $tenant $GroupEmailAddress; Write-Setting $tenant do_not_track_group $GroupEmailAddress }
}

function Clear-AipServiceDoNotTrackUserGroup {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant do_not_track_group '' }
}

function Get-PlatformName {
    param([Collections.IDictionary] $Tenant, [hashtable] $Bound)
    $Tenant.platforms.Keys | Where-Object { $Bound['All'] -or $Bound[$_] } | Sort-Object
}

function Get-AipServiceDevicePlatform {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, ParameterSetName = 'AllPlatforms')] [switch] $All, [Parameter(ParameterSetName = 'Platforms')] [switch] $Windows,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $WindowsStore, [Parameter(ParameterSetName = 'Platforms')] [switch] $WindowsPhone,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $Mac, [Parameter(ParameterSetName = 'Platforms')] [switch] $iOS,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $Android, [Parameter(ParameterSetName = 'Platforms')] [switch] $Web
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        $shown = Read-Setting $tenant platforms
        foreach ($name in Get-PlatformName $tenant $bound) {
            [Collections.Generic.KeyValuePair[string, bool]]::new($name, $shown[$name])
        }
    }
}

function Set-Platform {
    param([Collections.IDictionary] $Tenant, [hashtable] $Bound, [bool] $Value)
    $platforms = @{}
    foreach ($name in $Tenant.platforms.Keys) { $platforms[$name] = $Tenant.platforms[$name] }
    foreach ($name in Get-PlatformName $Tenant $Bound) { $platforms[$name] = $Value }
    Write-Setting $Tenant platforms $platforms
}

function Enable-AipServiceDevicePlatform {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, ParameterSetName = 'AllPlatforms')] [switch] $All, [Parameter(ParameterSetName = 'Platforms')] [switch] $Windows,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $WindowsStore, [Parameter(ParameterSetName = 'Platforms')] [switch] $WindowsPhone,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $Mac, [Parameter(ParameterSetName = 'Platforms')] [switch] $iOS,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $Android, [Parameter(ParameterSetName = 'Platforms')] [switch] $Web
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet { param($tenant) Set-Platform $tenant $bound $true }
}

function Disable-AipServiceDevicePlatform {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, ParameterSetName = 'AllPlatforms')] [switch] $All, [Parameter(ParameterSetName = 'Platforms')] [switch] $Windows,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $WindowsStore, [Parameter(ParameterSetName = 'Platforms')] [switch] $WindowsPhone,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $Mac, [Parameter(ParameterSetName = 'Platforms')] [switch] $iOS,
        [Parameter(ParameterSetName = 'Platforms')] [switch] $Android, [Parameter(ParameterSetName = 'Platforms')] [switch] $Web
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet { param($tenant) Set-Platform $tenant $bound $false }
}

function Get-AipServiceMaxUseLicenseValidityTime {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) [uint16] (Read-Setting $tenant license_days) }
}

function Set-AipServiceMaxUseLicenseValidityTime {
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0)] [uint16] $MaxUseLicenseValidityTime, [switch] $Force)
    Use-Tenant $PSCmdlet { param($tenant) Assert-Force -Force:$Force; Write-Setting $tenant license_days ([int] $MaxUseLicenseValidityTime) }
}

function Get-AipServiceIPCv3 {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Read-Setting $tenant ipcv3 }
}

function Enable-AipServiceIPCv3 {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant ipcv3 'Enabled' }
}

function Disable-AipServiceIPCv3 {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet { param($tenant) Write-Setting $tenant ipcv3 'Disabled' }
}

function Get-AipServiceKeys {
    [CmdletBinding()]
    param()
    Use-Tenant $PSCmdlet {
        param($tenant)
        foreach ($key in $tenant.keys) {
            [pscustomobject] @{
                KeyIdentifier = [guid] $key.id; CreationTime = ([datetime] $key.created).ToUniversalTime(); Status = $key.status; KeyType = $key.type
                PublicKey     = $key['public_key']
            }
        }
    }
}

# Microsoft's sample shows names as '1033 -> Confidential' and rights as 'address -> VIEW, EDIT'; scripts of others read Key and Value of names.
class RightsDefinition {
    [string] $Holder
    [string[]] $Granted
    [string] ToString() { return "$($this.Holder) -> $($this.Granted -join ', ')" }
}

function ConvertTo-Pair {
    param([Collections.IDictionary] $Text)
    , @($Text.Keys | Sort-Object { [int] $_ } | ForEach-Object { [Collections.Generic.KeyValuePair[int, string]]::new([int] $_, $Text[$_]) })
}

function Get-AipServiceTemplate {
    [CmdletBinding()]
    param([guid] $TemplateId)
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        $found = @($tenant.templates | Where-Object { -not $bound.ContainsKey('TemplateId') -or $_.id -eq [string] $TemplateId })
        if ($bound.ContainsKey('TemplateId') -and -not $found) { throw (New-Failure "The template $TemplateId does not exist.") }
        foreach ($template in $found) {
            [pscustomobject] @{
                TemplateId              = [guid] $template.id
                Names                   = ConvertTo-Pair $template.names
                Descriptions            = ConvertTo-Pair $template.descriptions
                Status                  = $template.status
                RightsDefinitions       = @($template.rights | ForEach-Object { [RightsDefinition] @{ Holder = $_.holder; Granted = @($_.granted) } })
                ContentExpirationDate   = if ($template['expires']) { ([datetime] $template.expires).ToUniversalTime() } else { [datetime]::MinValue }
                ContentValidityDuration = [int] $template['content_days']
                ContentExpirationOption = $template['expiration']
                LicenseValidityDuration = [int] $template['license_days']
                ReadOnly                = [bool] $template['read_only']
                LastModifiedTimeStamp   = [datetime]::UtcNow
                ScopedIdentities        = @($template['scope'] | Where-Object { $_ })
                EnableInLegacyApps      = [bool] $template['legacy']
                LabelId                 = if ($template['label']) { [guid] $template.label } else { $null }
            }
        }
    }
}

function New-AipServiceRightsDefinition {
    [CmdletBinding()]
    param([string] $EmailAddress, [string] $DomainName, [Parameter(Mandatory)] [Collections.Generic.List[string]] $Rights)
    [RightsDefinition] @{ Holder = "$EmailAddress$DomainName"; Granted = @($Rights | ForEach-Object { $_.ToUpperInvariant() }) }
}

function Set-Template {
    param([Collections.IDictionary] $Template, [hashtable] $Bound)
    if ($Bound.ContainsKey('Names') -or $Bound.ContainsKey('Descriptions')) {
        $names = if ($Bound.ContainsKey('Names')) { $Bound.Names } else { $Template.names }
        $descriptions = if ($Bound.ContainsKey('Descriptions')) { $Bound.Descriptions } else { $Template.descriptions }
        $same = (@($names.Keys | ForEach-Object { "$_" } | Sort-Object) -join ' ') -eq (@($descriptions.Keys | ForEach-Object { "$_" } | Sort-Object) -join ' ')
        if (-not $same -or -not $names.Count) { throw (New-Failure 'The locale identifiers of names and descriptions must match.') }
        if (@($names.Values) + @($descriptions.Values) -contains '') { throw (New-Failure 'A name or description is empty.') }
    }
    foreach ($name in 'Names', 'Descriptions') {
        if ($Bound.ContainsKey($name)) {
            $texts = @{}
            foreach ($locale in $Bound[$name].Keys) { $texts["$locale"] = $Bound[$name][$locale] }
            $Template[$name.ToLowerInvariant()] = $texts
        }
    }
    if ($Bound.ContainsKey('RightsDefinitions')) {
        $Template.rights = @($Bound.RightsDefinitions | ForEach-Object { @{ holder = $_.Holder; granted = @($_.Granted) } })
    }
    $keys = @{
        ContentExpirationOption = 'expiration'; ContentExpirationDate = 'expires'; ContentValidityDuration = 'content_days'
        LicenseValidityDuration = 'license_days'; Status = 'status'; EnableInLegacyApps = 'legacy'
    }
    foreach ($name in $keys.Keys) {
        if ($Bound.ContainsKey($name)) { $Template[$keys[$name]] = if ($Bound[$name] -is [datetime]) { $Bound[$name].ToUniversalTime() } else { $Bound[$name] } }
    }
    if ($Bound.ContainsKey('ScopedIdentities')) { $Template.scope = @($Bound.ScopedIdentities) }
}

function Add-AipServiceTemplate {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [hashtable] $Descriptions, [Parameter(Mandatory)] [hashtable] $Names, [Collections.Generic.List[object]] $RightsDefinitions,
        [ValidateSet('Never', 'OnDate', 'AfterDays')] [string] $ContentExpirationOption = 'Never', [datetime] $ContentExpirationDate,
        [int] $ContentValidityDuration, [int] $LicenseValidityDuration, [ValidateSet('Archived', 'Published')] [string] $Status = 'Archived',
        [Collections.Generic.List[string]] $ScopedIdentities, [bool] $EnableInLegacyApps
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        if (@($tenant.templates | Where-Object { -not $_['read_only'] }).Count -ge 500) { throw (New-Failure 'The tenant has 500 templates, and cannot have more.') }
        $template = @{
            id = [string] [guid]::NewGuid(); names = @{}; descriptions = @{}; rights = @(); status = $Status; expiration = $ContentExpirationOption
            content_days = 0; license_days = -1; scope = @(); legacy = $false; read_only = $false; label = ''
        }
        Set-Template $template $bound
        $tenant.templates = @($tenant.templates) + $template
        [pscustomobject] @{ TemplateId = [guid] $template.id }
    }
}

function Set-AipServiceTemplateProperty {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [guid] $TemplateId, [hashtable] $Descriptions, [hashtable] $Names, [Collections.Generic.List[object]] $RightsDefinitions,
        [ValidateSet('Never', 'OnDate', 'AfterDays')] [string] $ContentExpirationOption, [datetime] $ContentExpirationDate,
        [int] $ContentValidityDuration, [int] $LicenseValidityDuration, [ValidateSet('Archived', 'Published')] [string] $Status,
        [Collections.Generic.List[string]] $ScopedIdentities, [bool] $EnableInLegacyApps
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        $found = @($tenant.templates | Where-Object { $_.id -eq [string] $TemplateId })
        if (-not $found) { throw (New-Failure "The template $TemplateId does not exist.") }
        if ($found[0]['read_only']) { throw (New-Failure 'A default template cannot be changed.') }
        Set-Template $found[0] $bound
    }
}

function Export-AipServiceTemplate {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [guid] $TemplateId, [Parameter(Mandatory)] [string] $Path, [switch] $Force)
    Use-Tenant $PSCmdlet {
        param($tenant)
        $found = @($tenant.templates | Where-Object { $_.id -eq [string] $TemplateId })
        if (-not $found) { throw (New-Failure "The template $TemplateId does not exist.") }
        if ([IO.File]::Exists($Path)) { Assert-Force -Force:$Force }
        [IO.File]::WriteAllText($Path, (ConvertTo-Json -InputObject $found[0] -Depth 5))
    }
}

# Which day of UTC a point in time is in.
function Get-Day {
    param([datetime] $Time)
    $Time.ToUniversalTime().ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture)
}

function Get-AipServiceUserLog {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [string] $Path, [datetime] $FromDate, [datetime] $ToDate, [datetime] $ForDate, [switch] $Force,
        [ValidateRange(1, 32)] [int] $NumberOfThreads = 3
    )
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        if (-not [IO.Directory]::Exists($Path)) { throw (New-Failure "The folder $Path does not exist.") }
        if (-not $bound.ContainsKey('ForDate') -and -not $bound.ContainsKey('FromDate')) { throw (New-Failure 'A date or a range of dates is needed.') }
        $from, $to = if ($bound.ContainsKey('ForDate')) { (Get-Day $ForDate), (Get-Day $ForDate) }
        else { (Get-Day $FromDate), $(if ($bound.ContainsKey('ToDate')) { Get-Day $ToDate } else { Get-Day ([datetime]::UtcNow) }) }
        'Acquiring access to your user log.'
        foreach ($day in $tenant.usage.Keys | Sort-Object | Where-Object { $_ -ge $from -and $_ -le $to -and $_ -lt (Get-Day ([datetime]::UtcNow)) }) {
            $file = [IO.Path]::Combine($Path, "rmslog-$day.log")
            if ([IO.File]::Exists($file)) { Assert-Force -Force:$Force }
            [IO.File]::WriteAllText($file, $tenant.usage[$day])
            "Downloaded the log for $day. The log is available at $file."
        }
    }
}

function Get-AipServiceAdminLog {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Path, [datetime] $FromTime, [datetime] $ToTime, [switch] $Force)
    $bound = $PSBoundParameters
    Use-Tenant $PSCmdlet {
        param($tenant)
        if ([IO.File]::Exists($Path)) { Assert-Force -Force:$Force }
        $lines = foreach ($entry in $tenant.admin_log) {
            $time = ([datetime] $entry.time).ToUniversalTime()
            if ($bound.ContainsKey('FromTime') -and $time -lt $FromTime.ToUniversalTime()) { continue }
            if ($bound.ContainsKey('ToTime') -and $time -gt $ToTime.ToUniversalTime()) { continue }
            $time.ToString('yyyy-MM-ddTHH:mm:ss', [cultureinfo]::InvariantCulture), $entry.account, $entry.command, $entry.outcome, '' -join "`t"
        }
        [IO.File]::WriteAllLines($Path, [string[]] @($lines))
    }
    "The Rights Management administration log was successfully generated and can be found at $Path."
}

Export-ModuleMember -Function *-AipService*
