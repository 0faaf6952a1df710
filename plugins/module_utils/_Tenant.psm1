# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The administrators of the protection service, as Microsoft's PowerShell module AIPService gives, takes and lists them.

$roles = @{ connector_administrator = 'ConnectorAdministrator'; global_administrator = 'GlobalAdministrator' }
# How an administrator can be named: option -> what the cmdlets call it, and what it is called in RoleMember.
$namings = [ordered]@{
    emails = @{ Parameter = 'EmailAddress'; Key = 'Email'; Property = 'mail' }
    object_ids = @{ Parameter = 'ObjectId'; Key = 'Id'; Property = 'id$' }
    groups = @{ Parameter = 'SecurityGroupDisplayName'; Key = 'Name'; Property = 'name$' }
}
$secrets = 'password', 'client_secret', 'access_token'
# Microsoft Entra ID's codes for a second factor that is due, or has to be set up.
$secondFactor = 'AADSTS5007[2469]|AADSTS50158|multi-?factor|\bMFA\b'

function Get-TenantConnection {
    <#
    .SYNOPSIS
    Turns the options that say who signs in into the parameters of Connect-AipService.

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
    param ([string]$Name, [string]$Text)

    $guid = [guid]::Empty
    if (-not [guid]::TryParse($Text, [ref]$guid)) {
        throw "$Name is '$Text': expected an id such as 5c6bb73b-1038-4eec-863d-49bded473437."
    }
    $guid
}

function ConvertTo-RoleMember {
    <#
    .SYNOPSIS
    Makes the best of what Get-AipServiceRoleBasedAdministrator returns, whose properties Microsoft does not document.

    .PARAMETER InputObject
    An administrator: a text, or an object of whatever properties.

    .OUTPUTS
    An object with Email, Id and Name ('' when there is none), and Known: those of the three that the object tells.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true, ValueFromPipeline = $true)]
        $InputObject
    )

    process {
        $member = @{ Email = ''; Id = ''; Name = '' }
        $known = @{}
        $values = if ($InputObject -is [string] -or $InputObject -is [guid]) {
            @{ Name = ''; Text = [string]$InputObject }
        }
        else {
            foreach ($property in $InputObject.PSObject.Properties) {
                foreach ($item in $namings.Values) {
                    if ($property.Name -match $item.Property) {
                        $known[$item.Key] = $true
                    }
                }
                foreach ($one in $property.Value) {
                    @{ Name = $property.Name; Text = [string]$one }
                }
            }
        }
        foreach ($value in $values) {
            $guid = [guid]::Empty
            $key = if ($value.Text -match '^[^@\s]+@[^@\s]+$') {
                'Email'
            }
            elseif ([guid]::TryParse($value.Text, [ref]$guid)) {
                'Id'
            }
            elseif ($value.Name -match $namings.groups.Property) {
                'Name'
            }
            # of several ids that of the object counts, not that of its tenant
            if ($key -and $value.Text -and (-not $member[$key] -or $value.Name -match '^object')) {
                $member[$key] = if ($key -eq 'Id') { [string]$guid } else { $value.Text }
                $known[$key] = $true
            }
        }
        [pscustomobject]@{ Email = $member.Email; Id = $member.Id; Name = $member.Name; Known = @($known.Keys | Sort-Object) }
    }
}

function Get-RolePlan {
    <#
    .SYNOPSIS
    Says of each wanted administrator whether it has the role.

    .PARAMETER Option
    emails, object_ids, groups and state of the module.

    .PARAMETER Member
    Who has the role (from ConvertTo-RoleMember).

    .PARAMETER Id
    The object ids of those who have the role, as the configuration of the service tells them; $null when it does not.

    .OUTPUTS
    For each one an object with Parameter and Value for the cmdlets, Text for people, Held ($true, $false, or $null when it cannot be told) and Act:
    whether there is something to do.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Option,

        [AllowEmptyCollection()]
        [object[]]
        $Member = @(),

        [AllowNull()]
        [string[]]
        $Id
    )

    $comparison = [StringComparison]::OrdinalIgnoreCase
    $seen = @{}
    foreach ($naming in $namings.Keys) {
        $item = $namings[$naming]
        foreach ($given in $Option[$naming]) {
            $text = $given.Trim()
            if ($naming -eq 'emails' -and $text -notmatch '^[^@\s]+@[^@\s]+$') {
                throw "emails has '$text': expected an address such as name@example.com."
            }
            if ($naming -eq 'object_ids') {
                $text = [string](ConvertTo-Guid -Name object_ids -Text $text)
            }
            if ($seen.ContainsKey("$naming $text")) {
                continue
            }
            $seen["$naming $text"] = $true
            $key = $item.Key
            $held = @($Member | Where-Object -FilterScript { [string]::Equals($_.$key, $text, $comparison) }).Count -gt 0
            if ($naming -eq 'object_ids' -and -not $held -and $null -ne $Id) {
                $held = $Id -contains $text
            }
            elseif (-not $held -and @($Member | Where-Object -FilterScript { $_.Known -notcontains $key }).Count -gt 0) {
                $held = $null
            }
            [pscustomobject]@{
                Parameter = $item.Parameter
                Value = $text
                Text = $text
                Held = $held
                Act = $held -ne ($Option['state'] -ne 'absent')
            }
        }
    }
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
        Import-Module -Name AIPService -ErrorAction Stop -WarningAction SilentlyContinue
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
        # a host whose .NET Framework is told nothing may speak TLS 1.0
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
    # What the service tells of itself; an account that may not ask gets notes instead.
    param ([Collections.Generic.List[string]]$Note)

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

function Get-RoleHolder {
    # Who has a role, and their ids as the configuration has them.
    param ([string]$Role, [object[]]$AdministratorId)

    @{
        Members = @(Get-AipServiceRoleBasedAdministrator -Role $Role -ErrorAction Stop | ConvertTo-RoleMember)
        Ids = ConvertFrom-AdminRoleMember -Role $Role -Text $AdministratorId
    }
}

function ConvertFrom-AdminRoleMember {
    <#
    .SYNOPSIS
    The ids of the holders of a role, out of AdminRoleMembers; $null when that does not tell.

    .DESCRIPTION
    Microsoft's sample has 'Global Administrator -> id' beside 'ConnectorAdministrator -> id', so spaces in the name of a role mean nothing. An entry of
    another form leaves it open whose it is.

    .PARAMETER Role
    The role, as the cmdlets call it.

    .PARAMETER Text
    The entries, or $null.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Role,

        [AllowNull()]
        [AllowEmptyCollection()]
        [object[]]
        $Text
    )

    if ($null -eq $Text) {
        return $null
    }
    $guid = [guid]::Empty
    $ids = [System.Collections.Generic.List[string]]::new()
    foreach ($entry in $Text) {
        if ("$entry" -notmatch '^\s*(\w[\w ]*?)\s*->\s*(\S+)\s*$' -or -not [guid]::TryParse($Matches[2], [ref]$guid)) {
            return $null
        }
        if ([string]::Equals($Matches[1].Replace(' ', ''), $Role, 'OrdinalIgnoreCase')) {
            $ids.Add([string]$guid)
        }
    }
    , $ids.ToArray()
}

function Get-MemberText {
    param ($Member)

    $Member.Email, $Member.Name, $Member.Id | Where-Object -FilterScript { $_ } | Select-Object -First 1
}

function Invoke-TenantAdministrator {
    <#
    .SYNOPSIS
    Signs in to the protection service, gives or takes a role, and signs out again. Fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $option = $Module.Params
    # what is wrong with the options is said before anything else is done
    $null = Get-RolePlan -Option $option
    $connection = Get-TenantConnection -Option $option
    try {
        $version = Import-AipService
        Connect-Tenant -Parameter $connection -Version $version
        try {
            Set-TenantAdministrator -Module $Module -Version $version
        }
        finally {
            $null = Disconnect-AipService -ErrorAction SilentlyContinue
        }
    }
    catch {
        $text = $_.Exception.Message
        foreach ($name in $secrets) {
            if ($option[$name]) {
                $text = $text.Replace($option[$name], '********')
            }
        }
        throw $text
    }
}

function Set-TenantAdministrator {
    # The work between sign-in and sign-out.
    param ($Module, [string]$Version)

    $option = $Module.Params
    $role = $roles[$option.role]
    $notes = New-Object -TypeName 'System.Collections.Generic.List[string]'
    $tenant = Get-TenantState -Note $notes
    $before = Get-RoleHolder -Role $role -AdministratorId $tenant.administrator_ids
    $plan = @(Get-RolePlan -Option $option -Member $before.Members -Id $before.Ids)
    $act = @($plan | Where-Object -FilterScript { $_.Act })
    $unknown = @($plan | Where-Object -FilterScript { $null -eq $_.Held } | ForEach-Object -Process { $_.Text })
    $beforeText = @($before.Members | ForEach-Object -Process { Get-MemberText -Member $_ } | Sort-Object)

    $Module.Result.tenant = @{
        id = $tenant.id
        activated = $tenant.activated
        functional_state = $tenant.functional_state
        url = $tenant.url
        module_version = $Version
    }
    $after = $before
    if (-not $Module.CheckMode) {
        foreach ($one in $act) {
            $parameter = @{ Role = $role; ErrorAction = 'Stop'; $one.Parameter = $one.Value }
            if ($option.state -eq 'present') {
                $null = Add-AipServiceRoleBasedAdministrator @parameter
            }
            else {
                $null = Remove-AipServiceRoleBasedAdministrator @parameter
            }
            # also when a later one fails
            $Module.Result.changed = $Module.Result.changed -or $null -ne $one.Held
        }
        if ($act) {
            $configuration = Get-TenantState -Note (New-Object -TypeName 'System.Collections.Generic.List[string]')
            $after = Get-RoleHolder -Role $role -AdministratorId $configuration.administrator_ids
            $wrong = @(Get-RolePlan -Option $option -Member $after.Members -Id $after.Ids | Where-Object -FilterScript { $_.Act -and $null -ne $_.Held })
            if ($wrong) {
                throw "The service took the change and does not show it: $role, $(($wrong | ForEach-Object -Process { $_.Text }) -join ', ')"
            }
        }
        $afterText = @($after.Members | ForEach-Object -Process { Get-MemberText -Member $_ } | Sort-Object)
        $Module.Result.changed = $Module.Result.changed -or ($beforeText -join "`n") -ne ($afterText -join "`n")
    }
    else {
        # A difference is only what is known to be one: the run adds or removes the others, and sees then whether that changed anything.
        $names = @($act | Where-Object -FilterScript { $null -ne $_.Held } | ForEach-Object -Process { $_.Text })
        $afterText = if ($option.state -eq 'present') {
            @($beforeText + $names | Sort-Object -Unique)
        }
        else {
            @($beforeText | Where-Object -FilterScript { $names -notcontains $_ })
        }
        $Module.Result.changed = $names.Count -gt 0
    }
    if ($unknown) {
        $notes.Add("The service does not tell whether these had the role: $($unknown -join ', ').")
    }
    $Module.Result.administrators = @($after.Members | ForEach-Object -Process { @{ email = $_.Email; object_id = $_.Id; name = $_.Name } })
    $Module.Result.notes = @($notes)
    $Module.Diff.before = @{ $role = $beforeText }
    $Module.Diff.after = @{ $role = @($afterText) }
}

Export-ModuleMember -Function Get-TenantConnection, ConvertTo-RoleMember, Get-RolePlan, Import-AipService, Invoke-TenantAdministrator
