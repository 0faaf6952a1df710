# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Which registry values Group Policy sets, and will set again: from the policy files that Windows keeps on the host.

using namespace System.IO

#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

# The keys that this collection cares for, in their canonical form.
$ownKeys = '^HKLM:\\(?:SOFTWARE\\(?:Policies\\)?Microsoft\\(?:MSIP|MSIPC|MSDRM|AADRM|\.NETFramework|ExchangeServer\\v1[45]\\IRM|' +
'Windows\\CurrentVersion\\Internet Settings)|SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\SCHANNEL)(?:\\|$)'
$sizeLimit = 16MB

function ConvertFrom-PolicyFile {
    <#
    .SYNOPSIS
    Key and name of each value in a file of the format PReg ([MS-GPREG]). Throws when it is damaged.
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
    while ($at -lt $text.Length) {
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
        @{ Key = $text.Substring($at + 1, $keyEnd - $at - 1); Name = $text.Substring($keyEnd + 2, $nameEnd - $keyEnd - 2) }
        $at = $end + 1
    }
}

function ConvertFrom-PreferenceFile {
    <#
    .SYNOPSIS
    Key and name of each value in a Registry.xml of Group Policy preferences.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [byte[]]
        $Bytes
    )

    $xml = [xml]::new()
    # Nothing outside of the file is read.
    $xml.XmlResolver = $null
    $xml.Load([MemoryStream]::new($Bytes))
    foreach ($node in $xml.SelectNodes('//Registry/Properties[@hive="HKEY_LOCAL_MACHINE"]')) {
        $name = if ($node.GetAttribute('default') -eq '1') { '' } else { $node.GetAttribute('name') }
        @{ Key = $node.GetAttribute('key'); Name = $name }
    }
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

function Get-PolicyValue {
    <#
    .SYNOPSIS
    The values that Group Policy sets among the keys that this collection cares for.

    .OUTPUTS
    An object with Values (lists of path, view, name, source) and Unreadable (what, reason).
    #>
    [CmdletBinding()]
    param ()

    $values = [System.Collections.Generic.List[object]]::new()
    $unreadable = [System.Collections.Generic.List[object]]::new()
    foreach ($file in @(Get-PolicyFile -Unreadable $unreadable)) {
        try {
            if ([FileInfo]::new($file.Path).Length -gt $sizeLimit) {
                throw "the file is larger than $($sizeLimit / 1MB) MB"
            }
            foreach ($entry in & $file.Reader -Bytes ([File]::ReadAllBytes($file.Path))) {
                # A name such as **del.X or **delvals is an order to the policy engine.
                $name = $entry.Name -replace '^\*\*(?:del|soft)\.', ''
                try {
                    $key = if ($entry.Key.Trim('\')) { Resolve-RegistryPath -Path "HKLM:\$($entry.Key)" }
                }
                catch {
                    # One odd entry must not hide those after it.
                    $unreadable.Add(@{ what = $file.Path; reason = Get-InnerMessage -ErrorRecord $_ })
                    continue
                }
                if ($key -and $key.Path -match $ownKeys) {
                    $values.Add([ordered]@{ path = $key.Path; view = $key.View; name = $name; source = $file.Path })
                }
            }
        }
        catch {
            $unreadable.Add(@{ what = $file.Path; reason = Get-InnerMessage -ErrorRecord $_ })
        }
    }
    [pscustomobject]@{ Values = $values; Unreadable = $unreadable }
}

function Get-PolicyNote {
    <#
    .SYNOPSIS
    A line for each desired value that Group Policy sets as well, and so will set again, and for each policy that cannot be read.

    .PARAMETER Value
    Desired values, see New-RegistryValue.

    .PARAMETER Policy
    What Get-PolicyValue returns.
    #>
    [CmdletBinding()]
    param (
        [AllowEmptyCollection()]
        [object[]]
        $Value,

        [Parameter(Mandatory = $true)]
        $Policy
    )

    foreach ($item in $Value) {
        foreach ($owner in $Policy.Values) {
            if ($owner.path -eq $item.Path -and $owner.view -eq $item.View -and $owner.name -eq $item.Name) {
                "$(Format-RegistryName -Key $item -Name $item.Name) is set by Group Policy ($($owner.source)), which sets it again."
            }
        }
    }
    foreach ($item in $Policy.Unreadable) {
        "What Group Policy sets is not known in full: $($item.what) cannot be read: $($item.reason)"
    }
}

Export-ModuleMember -Function Get-PolicyNote, Get-PolicyValue
