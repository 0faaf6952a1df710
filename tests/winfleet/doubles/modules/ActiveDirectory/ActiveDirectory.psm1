# A stand-in for the module ActiveDirectory, as narrow as microsoft.ad.group and microsoft.ad.object_info need it: groups of the one domain that a
# fleet has (directory.py), and what can be a member of them.

Set-StrictMode -Version 2.0

Import-Module -Name "$PSScriptRoot\..\Winfleet\Winfleet.psd1"
Add-Type -LiteralPath C:\windows\winfleet\Winfleet.Directory.dll

# Extended names of the module -> attributes
$script:attributes = @{ HomePage = 'wWWHomePage'; SamAccountName = 'sAMAccountName'; Description = 'description'; DisplayName = 'displayName'; ManagedBy = 'managedBy' }
$script:multiple = 'member', 'memberOf', 'wellKnownObjects'
$script:scopeBits = @{ Global = 2; DomainLocal = 4; Universal = 8 }

function New-Failure {
    param([string] $Type, [string] $Message, [string] $Category = 'NotSpecified', $Target = $null)
    [Management.Automation.ErrorRecord]::new((New-Object -TypeName $Type -ArgumentList $Message), "ActiveDirectoryServer:0,$Type", $Category, $Target)
}

function New-AdFailure {
    param([string] $Message, [string] $Kind = 'ADException')
    New-Failure "Microsoft.ActiveDirectory.Management.$Kind" $Message
}

# Runs something with the directory, for an account that may do it. A session of WinRM cannot sign in elsewhere: off a domain controller it takes a credential.
function Use-Directory {
    param([Management.Automation.PSCmdlet] $Cmdlet, [hashtable] $Bound, [scriptblock] $Action, [switch] $Write)
    $server, $credential = $Bound['Server'], $Bound['Credential']
    Use-FleetFile directory -Cmdlet $Cmdlet {
        param($directory)
        $known = @($directory.domain, $directory.netbios) + @($directory.controllers) + @($directory.controllers | ForEach-Object { "$_.$($directory.domain)" })
        $type = [Microsoft.Win32.Registry]::GetValue('HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\ProductOptions', 'ProductType', '')
        if (($Server -and $Server -notin $known) -or (-not $Credential -and $type -ne 'LanmanNT')) {
            throw (New-AdFailure ('Unable to contact the server. This may be because this server does not exist, it is currently down, or it does not have the ' +
                    'Active Directory Web Services running.') ADServerDownException)
        }
        $name = $env:USERNAME
        if ($Credential) {
            $domain, $name = if ($Credential.UserName -match '^(.+)\\(.+)$') { $Matches[1], $Matches[2] }
            elseif ($Credential.UserName -match '^(.+)@(.+)$') { $Matches[2], $Matches[1] }
            else { $directory.domain, $Credential.UserName }
            $account = $directory.accounts.Keys | Where-Object { $_ -eq $name } | Select-Object -First 1
            if ($domain -notin $directory.domain, $directory.netbios -or -not $account -or $directory.accounts[$account] -cne $Credential.GetNetworkCredential().Password) {
                throw (New-Failure System.Security.Authentication.AuthenticationException 'The server has rejected the client credentials.' SecurityError)
            }
        }
        if ($Write -and $name -eq 'reader') { throw (New-AdFailure 'Insufficient access rights to perform the operation') }
        & $Action $directory
    }
}

function Find-Entry {
    param([Collections.IDictionary] $Directory, $Identity, [switch] $BySam)
    $text = if ($Identity -is [Microsoft.ActiveDirectory.Management.ADObject]) { $Identity.DistinguishedName } else { [string] $Identity }
    $found = @($Directory.objects | Where-Object {
            $_.dn -eq $text -or $_.guid -eq $text -or ($BySam -and ($_.sid -eq $text -or $_.attributes['sAMAccountName'] -eq $text))
        })
    if (-not $found) {
        throw (New-AdFailure "Cannot find an object with identity: '$text' under: '$($Directory.base)'." ADIdentityNotFoundException)
    }
    $found[0]
}

# Every value of an attribute, by its name in the directory or in the module.
function Get-EntryValue {
    param([Collections.IDictionary] $Directory, [Collections.IDictionary] $Entry, [string] $Name)
    $type = if ($Entry.class -eq 'group') { $Entry.attributes['groupType'] } else { 0 }
    switch ($Name) {
        distinguishedName { return $Entry.dn }
        name { return ($Entry.dn -split '(?<!\\),', 2)[0].Substring(3) -replace '\\,', ',' }
        objectClass { return $Entry.class }
        objectGUID { return [guid] $Entry.guid }
        { $_ -in 'objectSid', 'SID' } { if ($Entry.sid) { return [Security.Principal.SecurityIdentifier] $Entry.sid } else { return } }
        memberOf { return $Directory.objects | Where-Object { $_.attributes.Contains('member') -and $Entry.dn -in $_.attributes.member } | ForEach-Object { $_.dn } }
        GroupCategory { return [Microsoft.ActiveDirectory.Management.ADGroupCategory] $(if ($type -lt 0) { 1 } else { 0 }) }
        GroupScope { return [Microsoft.ActiveDirectory.Management.ADGroupScope] $($script:scopeBits.Keys | Where-Object { $type -band $script:scopeBits[$_] }) }
        ProtectedFromAccidentalDeletion { return [bool] $Entry.attributes['protected'] }
    }
    if ($script:attributes.Contains($Name)) { $Name = $script:attributes[$Name] }
    $Entry.attributes[$Name]
}

function ConvertTo-AdObject {
    param([Collections.IDictionary] $Directory, [Collections.IDictionary] $Entry, [string[]] $Properties, [switch] $Group)
    $object = if ($Group) { [Microsoft.ActiveDirectory.Management.ADGroup]::new() } else { [Microsoft.ActiveDirectory.Management.ADObject]::new() }
    $names = @('DistinguishedName', 'Name', 'ObjectClass', 'ObjectGUID')
    if ($Group) { $names += 'GroupCategory', 'GroupScope', 'SamAccountName', 'SID' }
    foreach ($name in @($names) + @($Properties | Where-Object { $_ -and $_ -notin $names })) {
        $values = @(Get-EntryValue $Directory $Entry $name | Where-Object { $null -ne $_ })
        if ($values.Count -eq 0 -and $name -notin $script:multiple) { continue }
        $object.Set($name, $values)
        if ($name -in $names) { $object.$name = $values[0] }
        else { Add-Member -InputObject $object -NotePropertyName $name -NotePropertyValue $(if ($name -in $script:multiple) { , $object[$name] } else { $values[0] }) }
    }
    $object
}

# (attribute=value), (attribute=*), and &, | and ! of these.
function ConvertFrom-LdapFilter {
    param([string] $Text, [ref] $At)
    $failure = New-AdFailure "The search filter cannot be recognized: $Text"
    if ($At.Value -ge $Text.Length -or $Text[$At.Value] -ne '(') { throw $failure }
    $At.Value++
    if ([string] $Text[$At.Value] -in '&', '|', '!') {
        $node = @{ Operator = [string] $Text[$At.Value]; Items = @() }
        $At.Value++
        while ($At.Value -lt $Text.Length -and $Text[$At.Value] -eq '(') { $node.Items += ConvertFrom-LdapFilter $Text $At }
    } else {
        $end = $Text.IndexOf(')', $At.Value)
        if ($end -lt 0 -or $Text.Substring($At.Value, $end - $At.Value) -notmatch '^(?<name>[\w-]+)=(?<value>[^*]+|\*)$') { throw $failure }
        $node = @{ Operator = '='; Name = $Matches.name; Value = $Matches.value }
        $At.Value = $end
    }
    if ($At.Value -ge $Text.Length -or $Text[$At.Value] -ne ')') { throw $failure }
    $At.Value++
    $node
}

function Test-LdapFilter {
    param([Collections.IDictionary] $Node, [Collections.IDictionary] $Directory, [Collections.IDictionary] $Entry)
    switch ($Node.Operator) {
        '&' { return @($Node.Items | Where-Object { -not (Test-LdapFilter $_ $Directory $Entry) }).Count -eq 0 }
        '|' { return @($Node.Items | Where-Object { Test-LdapFilter $_ $Directory $Entry }).Count -gt 0 }
        '!' { return -not (Test-LdapFilter $Node.Items[0] $Directory $Entry) }
    }
    $values = @(Get-EntryValue $Directory $Entry $Node.Name | ForEach-Object {
            if ($_ -is [Security.Principal.SecurityIdentifier]) {
                $bytes = [byte[]]::new($_.BinaryLength)
                $_.GetBinaryForm($bytes, 0)
                -join ($bytes | ForEach-Object { [string] [char] $_ })
            } else { [string] $_ }
        })
    $wanted = [regex]::Replace($Node.Value, '\\([0-9a-fA-F]{2})', { param($found) [string] [char] [Convert]::ToInt32($found.Groups[1].Value, 16) })
    if ($Node.Value -eq '*') { $values.Count -gt 0 } else { $wanted -in $values }
}

function Search-Directory {
    param([Collections.IDictionary] $Directory, [string] $Filter, [string] $LDAPFilter, [string] $SearchBase, [string] $SearchScope)
    if ($Filter -and $Filter -ne '*') { throw (New-AdFailure "winfleet knows no other -Filter than *, found $Filter") }
    $base = if ($SearchBase) { (Find-Entry $Directory $SearchBase).dn } else { $Directory.base }
    $at = 0
    $node = if ($LDAPFilter) { ConvertFrom-LdapFilter $LDAPFilter ([ref] $at) } else { $null }
    $Directory.objects | Where-Object {
        $entry = $_
        $inside = switch ($SearchScope) {
            Base { $entry.dn -eq $base }
            OneLevel { ($entry.dn -split '(?<!\\),', 2)[-1] -eq $base }
            default { $entry.dn -eq $base -or $entry.dn.EndsWith(",$base", 'OrdinalIgnoreCase') }
        }
        $inside -and (-not $node -or (Test-LdapFilter $node $Directory $entry))
    }
}

# What all the cmdlets that read do.
function Read-Directory {
    param([Management.Automation.PSCmdlet] $Cmdlet, [hashtable] $Bound, [switch] $Group)
    Use-Directory $Cmdlet $Bound {
        param($directory)
        $entries = if ($Bound.ContainsKey('Identity')) { Find-Entry $directory $Bound.Identity -BySam:$Group }
        else {
            $search = @{}
            foreach ($name in 'Filter', 'LDAPFilter', 'SearchBase', 'SearchScope') { if ($Bound.ContainsKey($name)) { $search[$name] = $Bound[$name] } }
            Search-Directory $directory @search
        }
        foreach ($entry in $entries) {
            if ($Group -and $entry.class -ne 'group') { continue }
            ConvertTo-AdObject $directory $entry $Bound['Properties'] -Group:$Group
        }
    }
}

function Get-ADRootDSE {
    [CmdletBinding()]
    param([string] $Server, [pscredential] $Credential, [string[]] $Properties)
    Use-Directory $PSCmdlet $PSBoundParameters {
        param($directory)
        [pscustomobject] @{ defaultNamingContext = $directory.base; dnsHostName = "$($directory.controllers | Select-Object -First 1).$($directory.domain)" }
    }
}

function Get-ADObject {
    [CmdletBinding(DefaultParameterSetName = 'Identity')]
    param(
        [Parameter(Mandatory, ValueFromPipeline, Position = 0, ParameterSetName = 'Identity')] $Identity,
        [Parameter(Mandatory, ParameterSetName = 'LdapFilter')] [string] $LDAPFilter,
        [Parameter(Mandatory, ParameterSetName = 'Filter')] [string] $Filter,
        [string] $SearchBase, [Microsoft.ActiveDirectory.Management.ADSearchScope] $SearchScope,
        [string[]] $Properties, [string] $Server, [pscredential] $Credential, [switch] $IncludeDeletedObjects
    )
    process { Read-Directory $PSCmdlet $PSBoundParameters }
}

function Get-ADGroup {
    [CmdletBinding(DefaultParameterSetName = 'Identity')]
    param(
        [Parameter(Mandatory, ValueFromPipeline, Position = 0, ParameterSetName = 'Identity')] $Identity,
        [Parameter(Mandatory, ParameterSetName = 'LdapFilter')] [string] $LDAPFilter,
        [Parameter(Mandatory, ParameterSetName = 'Filter')] [string] $Filter,
        [string] $SearchBase, [string[]] $Properties, [string] $Server, [pscredential] $Credential
    )
    process { Read-Directory $PSCmdlet $PSBoundParameters -Group }
}

function Set-GroupType {
    param([Collections.IDictionary] $Entry, $Scope, $Category)
    $type = if ($Entry.attributes.Contains('groupType')) { $Entry.attributes.groupType } else { 0 }
    $before = $script:scopeBits.Keys | Where-Object { $type -band $script:scopeBits[$_] }
    if ($null -ne $Scope) {
        if ($before -and [string] $Scope -ne $before -and 'Universal' -notin $before, [string] $Scope) { throw (New-AdFailure 'The server is unwilling to process the request') }
        $type = ($type -band -15) -bor $script:scopeBits[[string] $Scope]
    }
    if ($null -ne $Category) {
        $type = if ([string] $Category -eq 'Security') { $type -bor [int]::MinValue } else { $type -band [int]::MaxValue }
    }
    $Entry.attributes.groupType = $type
}

function Set-EntryValue {
    param([Collections.IDictionary] $Directory, [Collections.IDictionary] $Entry, [hashtable] $Bound)
    foreach ($name in $script:attributes.Keys | Where-Object { $Bound.ContainsKey($_) }) {
        $value = $Bound[$name]
        if ($null -eq $value) { $Entry.attributes.Remove($script:attributes[$name]) } else { $Entry.attributes[$script:attributes[$name]] = [string] $value }
    }
    foreach ($what in 'OtherAttributes', 'Replace', 'Add', 'Remove' | Where-Object { $Bound.ContainsKey($_) }) {
        foreach ($name in $Bound[$what].Keys) {
            $values = @($Bound[$what][$name])
            $before = @(if ($Entry.attributes.Contains($name)) { $Entry.attributes[$name] })
            if ($name -eq 'member' -and $what -ne 'Remove') {
                foreach ($value in $values) {
                    $member = Find-Entry $Directory $value
                    $both = @(Get-EntryValue $Directory $Entry GroupScope; if ($member.class -eq 'group') { Get-EntryValue $Directory $member GroupScope })
                    if ($both.Count -eq 2 -and 'DomainLocal' -eq $both[1] -and $both[0] -ne 'DomainLocal') { throw (New-AdFailure 'A universal group cannot have a local group as a member.') }
                }
            }
            $present = @($values | Where-Object { $_ -in $before })
            if ($what -eq 'Add' -and $present.Count) { throw (New-AdFailure 'The specified account name is already a member of the group') }
            if ($what -eq 'Remove' -and $present.Count -lt $values.Count) { throw (New-AdFailure 'The specified account name is not a member of the group') }
            $after = @(switch ($what) {
                    Add { $before + $values }
                    Remove { $before | Where-Object { $_ -notin $values } }
                    default { $values }
                })
            if ($name -in $script:multiple) { $Entry.attributes[$name] = $after } else { $Entry.attributes[$name] = $after[0] }
        }
    }
    foreach ($name in @(if ($Bound.ContainsKey('Clear')) { $Bound.Clear })) { $Entry.attributes.Remove($name) }
    if ($Bound.ContainsKey('ProtectedFromAccidentalDeletion')) { $Entry.attributes.protected = [bool] $Bound.ProtectedFromAccidentalDeletion }
}

# What all the cmdlets that write do: the change is given the directory and the entry, and may return another one.
function Edit-Directory {
    param([Management.Automation.PSCmdlet] $Cmdlet, [hashtable] $Bound, [scriptblock] $Change, [switch] $New)
    Use-Directory $Cmdlet $Bound -Write {
        param($directory)
        $entry = if ($New) { $null } else { Find-Entry $directory $Bound.Identity -BySam }
        if (-not $Cmdlet.ShouldProcess($(if ($New) { $Bound.Name } else { $entry.dn }))) { return }
        $entry = & $Change $directory $entry
        if ($Bound['PassThru'] -and $entry) { ConvertTo-AdObject $directory $entry -Group:($entry.class -eq 'group') }
    }
}

function New-ADGroup {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory)] [string] $Name, [Parameter(Mandatory)] [Microsoft.ActiveDirectory.Management.ADGroupScope] $GroupScope,
        [Microsoft.ActiveDirectory.Management.ADGroupCategory] $GroupCategory = 'Security', [string] $Path, [string] $SamAccountName, [string] $Description,
        [string] $DisplayName, $ManagedBy, [string] $HomePage, [hashtable] $OtherAttributes, [string] $Server, [pscredential] $Credential, [switch] $PassThru
    )
    $bound = $PSBoundParameters
    Edit-Directory $PSCmdlet $bound -New -Change {
        param($directory)
        $parent = if ($bound.ContainsKey('Path')) { (Find-Entry $directory $bound.Path).dn } else { "CN=Users,$($directory.base)" }
        $account = if ($bound.ContainsKey('SamAccountName')) { $bound.SamAccountName } else { $bound.Name }
        $dn = "CN=$($bound.Name -replace ',', '\,'),$parent"
        if ($directory.objects | Where-Object { $_.dn -eq $dn -or $_.attributes['sAMAccountName'] -eq $account }) {
            throw (New-AdFailure 'The specified group already exists' ADIdentityAlreadyExistsException)
        }
        $entry = @{ dn = $dn; guid = [string] [guid]::NewGuid(); sid = "$($directory.sid)-$($directory.next_rid)"; class = 'group'; attributes = @{ sAMAccountName = $account } }
        $directory.next_rid++
        Set-GroupType $entry $bound.GroupScope $(if ($bound.ContainsKey('GroupCategory')) { $bound.GroupCategory } else { 'Security' })
        Set-EntryValue $directory $entry $bound
        $directory.objects = @($directory.objects) + $entry
        $entry
    }
}

function Set-ADGroup {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, ValueFromPipeline)] $Identity, [Microsoft.ActiveDirectory.Management.ADGroupScope] $GroupScope,
        [Microsoft.ActiveDirectory.Management.ADGroupCategory] $GroupCategory, [string] $SamAccountName, [string] $Description, [string] $DisplayName, $ManagedBy,
        [string] $HomePage, [hashtable] $Add, [hashtable] $Remove, [hashtable] $Replace, [string[]] $Clear, [string] $Server, [pscredential] $Credential, [switch] $PassThru
    )
    process {
        $bound = $PSBoundParameters
        Edit-Directory $PSCmdlet $bound -Change {
            param($directory, $entry)
            Set-GroupType $entry $bound['GroupScope'] $bound['GroupCategory']
            Set-EntryValue $directory $entry $bound
            $entry
        }
    }
}

function Set-ADObject {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory, ValueFromPipeline)] $Identity, [bool] $ProtectedFromAccidentalDeletion, [hashtable] $Add, [hashtable] $Remove, [hashtable] $Replace,
        [string[]] $Clear, [string] $Server, [pscredential] $Credential, [switch] $PassThru
    )
    process {
        $bound = $PSBoundParameters
        Edit-Directory $PSCmdlet $bound -Change {
            param($directory, $entry)
            Set-EntryValue $directory $entry $bound
            $entry
        }
    }
}

function Remove-ADObject {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory, ValueFromPipeline)] $Identity, [string] $Server, [pscredential] $Credential)
    process {
        Edit-Directory $PSCmdlet $PSBoundParameters -Change {
            param($directory, $entry)
            if ($entry.attributes['protected']) { throw (New-AdFailure 'Access is denied') }
            $directory.objects = @($directory.objects | Where-Object { $_.guid -ne $entry.guid })
            foreach ($group in $directory.objects | Where-Object { $_.attributes.Contains('member') }) { $group.attributes.member = @($group.attributes.member | Where-Object { $_ -ne $entry.dn }) }
        }
    }
}

# Another name or place: what refers to it follows.
function Move-Entry {
    param([Collections.IDictionary] $Directory, [Collections.IDictionary] $Entry, [string] $To)
    $before = $Entry.dn
    $Entry.dn = $To
    foreach ($group in $Directory.objects | Where-Object { $_.attributes.Contains('member') }) {
        $group.attributes.member = @($group.attributes.member | ForEach-Object { if ($_ -eq $before) { $To } else { $_ } })
    }
    $Entry
}

function Rename-ADObject {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory, ValueFromPipeline)] $Identity, [Parameter(Mandatory)] [string] $NewName, [string] $Server, [pscredential] $Credential, [switch] $PassThru)
    process {
        $bound = $PSBoundParameters
        Edit-Directory $PSCmdlet $bound -Change {
            param($directory, $entry)
            Move-Entry $directory $entry "CN=$($bound.NewName -replace ',', '\,'),$(($entry.dn -split '(?<!\\),', 2)[1])"
        }
    }
}

function Move-ADObject {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory, ValueFromPipeline)] $Identity, [Parameter(Mandatory)] [string] $TargetPath, [string] $Server, [pscredential] $Credential, [switch] $PassThru)
    process {
        $bound = $PSBoundParameters
        Edit-Directory $PSCmdlet $bound -Change {
            param($directory, $entry)
            Move-Entry $directory $entry "$(($entry.dn -split '(?<!\\),', 2)[0]),$((Find-Entry $directory $bound.TargetPath).dn)"
        }
    }
}

Export-ModuleMember -Function Get-ADRootDSE, Get-ADObject, Set-ADObject, Remove-ADObject, Rename-ADObject, Move-ADObject, Get-ADGroup, New-ADGroup, Set-ADGroup
