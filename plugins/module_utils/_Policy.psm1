# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Which registry values Group Policy sets, to what, and will set again: from the policy files that Windows keeps on the host.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace System.IO
using namespace System.Security.AccessControl
using namespace System.Security.Principal

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

# The keys that this collection cares for, in their canonical form.
$ownKeys = '^HKLM:\\(?:SOFTWARE\\(?:Policies\\)?Microsoft\\(?:MSIP|MSIPC|MSDRM|AADRM|\.NETFramework|ExchangeServer\\v1[45]\\IRM|' +
'Windows\\CurrentVersion\\Internet Settings)|SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\SCHANNEL)(?:\\|$)'
$sizeLimit = 16MB
# Far more than the policies of a domain have
$entryLimit = 10000
# Windows writes policy files as the system account, administrators may edit them, and TrustedInstaller may own what came with Windows.
$trustedOwners = @('S-1-5-18', 'S-1-5-32-544', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464') + [WindowsIdentity]::GetCurrent().User.Value

# What a policy does with a value: 'set' it at each refresh, 'create' it where there is none, or 'delete' it. 'clear' deletes all values of a key and
# of those below it.

function ConvertFrom-PolicyFile {
    <#
    .SYNOPSIS
    The values in a file of the format PReg ([MS-GPREG]): key, name, action and raw data. Throws when it is damaged.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyCollection()]
        [byte[]]
        $Bytes
    )

    # The signature 'PReg', the version 1, then entries [key;value;type;size;data], where all is UTF-16 but the two numbers.
    if ($Bytes.Length -lt 8 -or [BitConverter]::ToInt32($Bytes, 0) -ne 0x67655250 -or [BitConverter]::ToInt32($Bytes, 4) -ne 1) {
        throw 'no policy file: expected the signature PReg and version 1'
    }
    $text = [Text.Encoding]::Unicode.GetString($Bytes)
    $damaged = 'the policy file is damaged'
    $at = 4
    $count = 0
    while ($at -lt $text.Length) {
        if (++$count -gt $entryLimit) {
            throw "the policy file has more than $entryLimit entries"
        }
        $keyEnd = $text.IndexOf("`0;", $at, [StringComparison]::Ordinal)
        $nameEnd = if ($keyEnd -lt 0) { -1 } else { $text.IndexOf("`0;", $keyEnd + 2, [StringComparison]::Ordinal) }
        # Behind the name: '\0;', type (2 characters), ';', size (2), ';', data, ']'.
        if ($text[$at] -ne '[' -or $nameEnd -lt 0 -or $nameEnd + 8 -gt $text.Length) {
            throw $damaged
        }
        $size = [BitConverter]::ToInt32($Bytes, 2 * ($nameEnd + 5))
        $end = $nameEnd + 8 + [Math]::Ceiling($size / 2)
        if ($size -lt 0 -or $end -ge $text.Length -or $text[$end] -ne ']') {
            throw $damaged
        }
        $data = [byte[]]::new($size)
        [Array]::Copy($Bytes, 2 * ($nameEnd + 8), $data, 0, $size)
        $value = [RawValue]::new([BitConverter]::ToUInt32($Bytes, 2 * ($nameEnd + 2)), $data)
        ConvertFrom-PolicyEntry -Key $text.Substring($at + 1, $keyEnd - $at - 1) -Name $text.Substring($keyEnd + 2, $nameEnd - $keyEnd - 2) -Value $value
        $at = $end + 1
    }
}

function ConvertFrom-PolicyEntry {
    # An entry whose name begins with ** is an order to the policy engine.
    param ([string]$Key, [string]$Name, [RawValue]$Value)

    switch -Regex ($Name) {
        '^\*\*del\.' { return @{ Key = $Key; Name = $Name.Substring(6); Action = 'delete'; Value = $null } }
        '^\*\*soft\.' { return @{ Key = $Key; Name = $Name.Substring(7); Action = 'create'; Value = $Value } }
        '^\*\*delvals\.?$' { return @{ Key = $Key; Name = ''; Action = 'clear'; Value = $null } }
        '^\*\*(?:deletevalues|deletekeys)$' {
            foreach ($item in @("$(ConvertFrom-RegistryData -Value $Value)".Split(';').Trim()) -ne '') {
                if ($Name -eq '**deletekeys') { @{ Key = "$Key\$item"; Name = ''; Action = 'clear'; Value = $null } }
                else { @{ Key = $Key; Name = $item; Action = 'delete'; Value = $null } }
            }
            return
        }
        '^\*\*' { return }
    }
    @{ Key = $Key; Name = $Name; Action = 'set'; Value = $Value }
}

function ConvertFrom-PreferenceFile {
    <#
    .SYNOPSIS
    The values in a Registry.xml of Group Policy preferences: key, name, action, raw data, and whether item-level targeting may leave the host out.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [byte[]]
        $Bytes
    )

    $settings = [System.Xml.XmlReaderSettings]::new()
    # Nothing outside of the file is read, and nothing in it is expanded.
    $settings.DtdProcessing = 'Prohibit'
    $settings.XmlResolver = $null
    $xml = [xml]::new()
    $xml.XmlResolver = $null
    $reader = [System.Xml.XmlReader]::Create([MemoryStream]::new($Bytes), $settings)
    try {
        $xml.Load($reader)
    }
    finally {
        $reader.Dispose()
    }
    $nodes = $xml.SelectNodes('//Registry[not(ancestor-or-self::*[@disabled="1"])]/Properties[@hive="HKEY_LOCAL_MACHINE"]')
    if ($nodes.Count -gt $entryLimit) {
        throw "the policy file has more than $entryLimit entries"
    }
    foreach ($node in $nodes) {
        # Once applied, such an item is not applied again.
        if ($node.SelectSingleNode('ancestor::*/Filters/FilterRunOnce')) {
            continue
        }
        $name = if ($node.GetAttribute('default') -eq '1') { '' } else { $node.GetAttribute('name') }
        $action = @{ C = 'create'; D = 'delete' }[$node.GetAttribute('action')]
        # Without a name, and not for the default value, it is about the key.
        if (-not $name -and $node.GetAttribute('default') -ne '1') {
            if ($node.GetAttribute('action') -notin 'D', 'R') {
                continue
            }
            $action = 'clear'
        }
        elseif (-not $action) {
            $action = 'set'
        }
        @{
            Key = $node.GetAttribute('key')
            Name = $name
            Action = $action
            Value = if ($action -in 'set', 'create') { ConvertFrom-Preference -Node $node } else { $null }
            Targeted = [bool]$node.SelectSingleNode('ancestor::*/Filters/*')
        }
    }
}

function ConvertFrom-Preference {
    # Type and data of an item. Numbers are hexadecimal.
    param ($Node)

    $data = $Node.GetAttribute('value')
    switch ($Node.GetAttribute('type')) {
        'REG_SZ' { return [RawValue]::new(1, [RawValue]::FromText("$data`0")) }
        'REG_EXPAND_SZ' { return [RawValue]::new(2, [RawValue]::FromText("$data`0")) }
        'REG_MULTI_SZ' {
            $lines = @($Node.SelectNodes('Values/Value') | ForEach-Object -Process { "$($_.InnerText)`0" })
            return [RawValue]::new(7, [RawValue]::FromText(-join $lines + "`0"))
        }
        { $_ -eq 'REG_DWORD' -and $data -match '^[0-9A-Fa-f]{1,8}$' } {
            return [RawValue]::new(4, [BitConverter]::GetBytes([Convert]::ToUInt32($data, 16)))
        }
        { $_ -eq 'REG_QWORD' -and $data -match '^[0-9A-Fa-f]{1,16}$' } {
            return [RawValue]::new(11, [BitConverter]::GetBytes([Convert]::ToUInt64($data, 16)))
        }
        { $_ -eq 'REG_BINARY' -and $data -match '^(?:[0-9A-Fa-f]{2})*$' } { return [RawValue]::new(3, [RawValue]::FromHex($data)) }
    }
    # Of a type that nothing here wants
    [RawValue]::new(0, [RawValue]::FromText($data))
}

function Get-PolicyFile {
    # The machine's policy files that exist, and how to read them. Adds folders that cannot be read to the list of what is unreadable.
    param ($Unreadable)

    $data = [Environment]::GetFolderPath('CommonApplicationData')
    $files = @(
        @{ Path = [Path]::Combine([Environment]::SystemDirectory, 'GroupPolicy\Machine\Registry.pol'); Reader = 'ConvertFrom-PolicyFile' }
        # All policies of the domain, as they were merged for this host.
        @{ Path = [Path]::Combine($data, 'ntuser.pol'); Reader = 'ConvertFrom-PolicyFile' }
    )
    foreach ($file in $files) {
        if ([File]::Exists($file.Path)) {
            $file
        }
    }
    $history = [Path]::Combine($data, 'Microsoft\Group Policy\History')
    if ([Directory]::Exists($history)) {
        try {
            Assert-PolicyOwner -Path $history
            foreach ($path in [Directory]::GetFiles($history, 'Registry.xml', 'AllDirectories')) {
                if ($path -match '\\Machine\\Preferences\\') {
                    @{ Path = $path; Reader = 'ConvertFrom-PreferenceFile' }
                }
            }
        }
        catch {
            $Unreadable.Add(@{ what = $history; reason = Get-InnerMessage -ErrorRecord $_ })
        }
    }
}

function Assert-PolicyOwner {
    # Ordinary users can make files in ProgramData, where Windows keeps policies.
    param ([string]$Path)

    $type = if ([Directory]::Exists($Path)) { [DirectorySecurity] } else { [FileSecurity] }
    $owner = $type::new($Path, [AccessControlSections]::Owner).GetOwner([SecurityIdentifier])
    if ($trustedOwners -notcontains $owner.Value) {
        throw "it belongs to $owner`: expected the system account or the administrators, so it is ignored. Delete it"
    }
}

function Get-PolicyValue {
    <#
    .SYNOPSIS
    The values that Group Policy sets among the keys that this collection cares for.

    .OUTPUTS
    An object with Values (lists of path, view, name, action, value, targeted, source) and Unreadable (what, reason).
    #>
    [CmdletBinding()]
    param ()

    $values = [System.Collections.Generic.List[object]]::new()
    $unreadable = [System.Collections.Generic.List[object]]::new()
    foreach ($file in @(Get-PolicyFile -Unreadable $unreadable)) {
        try {
            Assert-PolicyOwner -Path $file.Path
            if ([FileInfo]::new($file.Path).Length -gt $sizeLimit) {
                throw "the file is larger than $($sizeLimit / 1MB) MB"
            }
            foreach ($entry in & $file.Reader -Bytes ([File]::ReadAllBytes($file.Path))) {
                try {
                    $key = if ($entry.Key.Trim('\')) { Resolve-RegistryPath -Path "HKLM:\$($entry.Key)" }
                }
                catch {
                    # One odd entry must not hide those after it.
                    $unreadable.Add(@{ what = $file.Path; reason = Get-InnerMessage -ErrorRecord $_ })
                    continue
                }
                if ($key -and $key.Path -match $ownKeys) {
                    $values.Add(@{
                            path = $key.Path
                            view = $key.View
                            name = $entry.Name
                            action = $entry.Action
                            value = $entry.Value
                            targeted = [bool]$entry.Targeted
                            source = $file.Path
                        })
                }
            }
        }
        catch {
            $unreadable.Add(@{ what = $file.Path; reason = Get-InnerMessage -ErrorRecord $_ })
        }
    }
    [pscustomobject]@{ Values = $values; Unreadable = $unreadable }
}

function ConvertTo-PolicyFact {
    <#
    .SYNOPSIS
    A value of Get-PolicyValue as the fact 'group_policy' shows it.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Value
    )

    $shown = ConvertTo-ValueResult -Value $Value.value
    [ordered]@{
        path = $Value.path
        view = $Value.view
        name = $Value.name
        action = $Value.action
        type = if ($shown) { $shown.type } else { $null }
        data = if ($shown) { , $shown.data } else { $null }
        targeted = $Value.targeted
        source = $Value.source
    }
}

function Get-PolicyConflictSpec {
    <#
    .SYNOPSIS
    The option policy_conflict of domains with registry values, which Compare-Policy obeys: for an argument spec.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{ type = 'str'; choices = 'report', 'fail'; default = 'report' }
}

function Compare-Policy {
    <#
    .SYNOPSIS
    Compares desired values with those that Group Policy sets.

    .PARAMETER Value
    Desired values, see New-RegistryValue.

    .PARAMETER Policy
    What Get-PolicyValue returns.

    .PARAMETER Option
    The options of the module or domain, with policy_conflict.

    .OUTPUTS
    An object with Notes (what Group Policy will undo at its next refresh, and policies that cannot be read) and Refused (why nothing may be written,
    with policy_conflict: fail).
    #>
    [CmdletBinding()]
    param (
        [AllowEmptyCollection()]
        [object[]]
        $Value,

        [Parameter(Mandatory = $true)]
        $Policy,

        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option
    )

    $conflicts = @(foreach ($item in $Value) {
            foreach ($entry in Select-PolicyValue -Policy $Policy -Value $item) {
                # It keeps a value that is there, whatever it is.
                if ($entry.action -eq 'create' -and $item.Wanted) {
                    continue
                }
                if (-not (Test-RegistryValue -Wanted $item -Current $entry.value)) {
                    $again = if ($entry.targeted) { 'may set it again, where its item-level targeting includes this host' } else { 'sets it again at each refresh' }
                    @{
                        Text = "$(Format-RegistryName -Key $item -Name $item.Name): Group Policy ($($entry.source)) has " +
                        "$(Format-RegistryData -Value $entry.value) and $again; desired is $(Format-RegistryData -Value $item.Wanted). " +
                        'Change the policy, or the desired value'
                        # A policy that may leave this host out stops nothing.
                        Certain = -not $entry.targeted
                    }
                }
            }
        })
    [pscustomobject]@{
        Notes = @(
            $conflicts | ForEach-Object -Process { "$($_.Text)." }
            foreach ($item in $Policy.Unreadable) {
                "What Group Policy sets is not known in full: $($item.what) cannot be read: $($item.reason)"
            }
        )
        Refused = @(if ($Option.policy_conflict -eq 'fail') { $conflicts | Where-Object -FilterScript { $_.Certain } | ForEach-Object -Process { $_.Text } })
    }
}

function Select-PolicyValue {
    # What decides on a value in the end: of each file the last order.
    param ($Policy, $Value)

    $last = [ordered]@{}
    foreach ($entry in $Policy.Values) {
        if ($entry.view -ne $Value.View) {
            continue
        }
        $decides = if ($entry.action -eq 'clear') { "$($Value.Path)\".StartsWith("$($entry.path)\", 'OrdinalIgnoreCase') }
        else { $entry.path -eq $Value.Path -and $entry.name -eq $Value.Name }
        if ($decides) {
            $last[$entry.source] = $entry
        }
    }
    $last.Values
}

Export-ModuleMember -Function Compare-Policy, ConvertTo-PolicyFact, Get-PolicyConflictSpec, Get-PolicyFile, Get-PolicyValue
