# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The administrators of the protection service, as Microsoft's PowerShell module AIPService gives, takes and lists them.

#AnsibleRequires -PowerShell ..module_utils._AipService

$roles = @{ connector_administrator = 'ConnectorAdministrator'; global_administrator = 'GlobalAdministrator' }
# How an administrator can be named: option -> what the cmdlets call it, and what it is called in RoleMember.
$namings = [ordered]@{
    emails = @{ Parameter = 'EmailAddress'; Key = 'Email'; Property = 'mail' }
    object_ids = @{ Parameter = 'ObjectId'; Key = 'Id'; Property = 'id$' }
    groups = @{ Parameter = 'SecurityGroupDisplayName'; Key = 'Name'; Property = 'name$' }
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

function Invoke-ProtectionServiceAdministrator {
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

    # what is wrong with the options is said before anything else is done
    $null = Get-RolePlan -Option $Module.Params
    Invoke-AipService -Option $Module.Params -Action { param ($version) Set-ProtectionServiceAdministrator -Module $Module -Version $version }
}

function Set-ProtectionServiceAdministrator {
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

Export-ModuleMember -Function ConvertFrom-AdminRoleMember, ConvertTo-RoleMember, Get-RoleHolder, Get-RolePlan, Invoke-ProtectionServiceAdministrator
