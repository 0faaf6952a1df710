# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Between what users write and read and what the registry holds: canonical paths of keys, types and data of values.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native

#AnsibleRequires -CSharpUtil ..module_utils._Native

$hiveNames = @{
    HKLM = 'LocalMachine'
    HKEY_LOCAL_MACHINE = 'LocalMachine'
    HKU = 'Users'
    HKEY_USERS = 'Users'
    HKCR = 'ClassesRoot'
    HKEY_CLASSES_ROOT = 'ClassesRoot'
    HKCU = 'CurrentUser'
    HKEY_CURRENT_USER = 'CurrentUser'
    HKCC = 'CurrentConfig'
    HKEY_CURRENT_CONFIG = 'CurrentConfig'
}
$hiveDrives = @{ LocalMachine = 'HKLM:'; Users = 'HKU:'; ClassesRoot = 'HKCR:'; CurrentUser = 'HKCU:'; CurrentConfig = 'HKCC:' }

# The numbers of winnt.h.
$kinds = @{ none = 0; string = 1; expandstring = 2; binary = 3; dword = 4; multistring = 7; qword = 11 }
$kindNames = @{}
foreach ($name in $kinds.Keys) {
    $kindNames[[uint32]$kinds[$name]] = $name
}

# Where 32-bit programs see a registry of their own: https://learn.microsoft.com/windows/win32/winprog64/shared-registry-keys
$classes = '(?:CLSID|DirectShow|Interface|Media Type|MediaFoundation)(?:\\|$)'
$redirectedKeys = @{
    LocalMachine = "^SOFTWARE(?:\\(?!Classes(?:\\|$))|\\Classes\\$classes|$)"
    ClassesRoot = "^$classes"
    CurrentUser = "^SOFTWARE\\Classes\\$classes"
    Users = "^(?:[^\\]+\\SOFTWARE\\Classes|[^\\]+_Classes)\\$classes"
}
$sharedKeys = '^SOFTWARE\\(?:Clients|Policies|RegisteredApplications|Microsoft\\(?:COM3|CTF\\(?:SystemShared|TIP)|' +
'Cryptography\\(?:Calais\\(?:Current|Readers)|Services)|DFS|Driver Signing|EnterpriseCertificates|EventSystem|MSMQ|' +
'Non-Driver Signing|Notepad\\DefaultFonts|OLE|RAS|RPC|Shared Tools\\MSInfo|SystemCertificates|TermServLicensing|' +
'TransactionServer|Windows\\CurrentVersion\\(?:Control Panel\\Cursors\\Schemes|Explorer\\(?:AutoplayHandlers|DriveIcons|' +
'KindMap)|Group Policy|Policies|PreviewHandlers|Setup|Telephony\\Locations)|Windows NT\\CurrentVersion\\(?:Console|FontDpi|' +
'FontLink|FontMapper|Fonts|FontSubstitutes|Gre_Initialize|Image File Execution Options|LanguagePack|NetworkCards|Perflib|' +
'Ports|Print|ProfileList|Time Zones)))(?:\\|$)'

$resolvedPaths = [System.Collections.Generic.Dictionary[string, object]]::new([StringComparer]::Ordinal)

function Resolve-RegistryPath {
    <#
    .SYNOPSIS
    The canonical form of a key's path: an object with Hive, SubKey, View (64 or 32) and Path (HKLM:\SOFTWARE\...).

    .DESCRIPTION
    Throws when there is no hive or no key below it, and when a part of the path is longer than Windows allows.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string]
        $Path,

        [int]
        $View = 64
    )

    # A key with many values, as the rule is, is asked for many times.
    $asked = "$View $Path"
    if ($resolvedPaths.ContainsKey($asked)) {
        return $resolvedPaths[$asked]
    }
    $text = $Path -replace '^(?:Microsoft\.PowerShell\.Core\\)?Registry::|^Computer\\', ''
    $head, $rest = $text -split '\\', 2
    $hive = $hiveNames[$head.TrimEnd(':')]
    $subKey = "$rest".Trim('\') -replace '\\{2,}', '\'
    if (-not $hive -or -not $subKey -or $subKey.Contains([char]0)) {
        throw "path '$Path' is no registry key: expected a hive (HKLM, HKU, HKCR, HKCU or HKCC) and a key below it, such as HKLM:\SOFTWARE\Contoso"
    }

    # One value must not have two names, or a conflict would go unseen.
    $direct = $subKey -replace '(^|\\)WOW6432Node(?=\\|$)', ''
    $direct = $direct.TrimStart('\')
    if (-not [string]::Equals($direct, $subKey, 'Ordinal') -and $redirectedKeys[$hive] -and $direct -match $redirectedKeys[$hive]) {
        $subKey = $direct
        $View = 32
    }
    if ($hive -eq 'LocalMachine' -and $subKey -match '^SYSTEM\\ControlSet([0-9]{3})(?=\\|$)' -and
        [int]$Matches[1] -eq [Microsoft.Win32.Registry]::GetValue('HKEY_LOCAL_MACHINE\SYSTEM\Select', 'Current', $null)) {
        $subKey = 'SYSTEM\CurrentControlSet' + $subKey.Substring($Matches[0].Length)
    }
    $redirected = $redirectedKeys[$hive] -and $subKey -match $redirectedKeys[$hive] -and -not (
        $hive -eq 'LocalMachine' -and $subKey -match $sharedKeys)
    if (-not $redirected) {
        $View = 64
    }

    foreach ($part in $subKey.Split('\')) {
        if ($part.Length -gt 255) {
            throw "path '$Path' has a key with a name of $($part.Length) characters: expected at most 255"
        }
    }
    $resolved = [pscustomobject]@{ Hive = $hive; SubKey = $subKey; View = $View; Path = "$($hiveDrives[$hive])\$subKey" }
    $resolvedPaths[$asked] = $resolved
    $resolved
}

function Format-RegistryName {
    <#
    .SYNOPSIS
    A key or value as messages name it.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Key,

        [AllowNull()]
        [AllowEmptyString()]
        $Name
    )

    $text = $Key.Path
    if ($PSBoundParameters.ContainsKey('Name')) {
        $text += if ($Name) { "\$Name" } else { '\(default)' }
    }
    if ($Key.View -eq 32) {
        $text += ' (32-bit view)'
    }
    $text
}

function ConvertTo-WholeNumber {
    param ($Data, [int]$Bits)

    $expected = "expected a whole number of $Bits bits, such as 1, -1 or 0x" + ('F' * ($Bits / 4))
    $number = $null
    if ($Data -is [string]) {
        $text = $Data.Trim()
        if ($text -match '^0[xX]([0-9a-fA-F]{1,16})$') {
            $number = [decimal][uint64]::Parse($Matches[1], 'AllowHexSpecifier', [cultureinfo]::InvariantCulture)
        }
        elseif ($text -match '^(?:[+-]?0[0-9]+$|dword:|hex)') {
            # Such as 00000800, which is 2048 in a .reg file and 800 to everything else.
            throw 'expected a whole number, decimal without zeros in front (800) or hexadecimal (0x800): digits as in a .reg file can mean either'
        }
        elseif ($text -match '^[+-]?[0-9]{1,20}$') {
            $number = [decimal]::Parse($text, [cultureinfo]::InvariantCulture)
        }
    }
    elseif ($Data -is [double] -or $Data -is [single]) {
        # Beyond 2^53 a floating-point number no longer says which whole number was meant.
        if ([Math]::Floor($Data) -eq $Data -and [Math]::Abs($Data) -le 9007199254740992) {
            $number = [decimal]$Data
        }
    }
    elseif ($null -ne $Data -and $Data -isnot [bool] -and $Data -isnot [char] -and $Data -is [ValueType] -and $Data -isnot [datetime]) {
        $number = [decimal]$Data
        if ([decimal]::Truncate($number) -ne $number) {
            $number = $null
        }
    }
    if ($null -eq $number) {
        throw $expected
    }

    $least, $most = if ($Bits -eq 64) { [long]::MinValue, [uint64]::MaxValue } else { [int]::MinValue, [uint32]::MaxValue }
    if ($number -lt [decimal]$least -or $number -gt [decimal]$most) {
        throw "$expected, in the range of $least to $most"
    }
    $number
}

function ConvertTo-Text {
    param ($Data, [string]$Expected)

    # A number of JSON with a fraction is a decimal on 5.1, and so is a large whole one.
    if ($Data -is [int] -or $Data -is [long] -or ($Data -is [decimal] -and [decimal]::Truncate($Data) -eq $Data)) {
        return $Data.ToString([cultureinfo]::InvariantCulture)
    }
    if ($Data -isnot [string]) {
        throw "expected $Expected; a truth value, a date or a number with a fraction has to be quoted"
    }
    if ($Data.IndexOf([char]0) -ge 0) {
        throw "expected $Expected without NUL characters"
    }
    $Data
}

function ConvertTo-ByteArray {
    param ($Data)

    if ($Data -is [string]) {
        $digits = $Data -replace '^\s*hex(?:\([0-9a-fA-F]+\))?:', ''
        if ($digits -notmatch '^[\s,:\\-]*(?>(?>0[xX])?(?>(?:[0-9a-fA-F]{2})+)(?>[\s,:\\-]+|$))*$') {
            throw 'expected pairs of hexadecimal digits, such as de,ad,be,ef'
        }
        return , [RawValue]::FromHex(($digits -replace '0[xX]|[\s,:\\-]+', ''))
    }
    if ($Data -isnot [System.Collections.IList]) {
        throw 'expected pairs of hexadecimal digits as text (quoted), or a list of numbers from 0 to 255'
    }

    $bytes = [byte[]]::new($Data.Count)
    for ($i = 0; $i -lt $bytes.Length; $i++) {
        $item = $Data[$i]
        if ($item -is [int] -or $item -is [long]) {
            $number = $item
        }
        elseif ($item -is [string] -and $item -match '^(?:[0-9]{1,3}|0[xX][0-9a-fA-F]{1,2})$') {
            $number = [int]$item
        }
        else {
            $number = -1
        }
        if ($number -lt 0 -or $number -gt 255) {
            throw "expected a list of numbers from 0 to 255; element $($i + 1) is none"
        }
        $bytes[$i] = $number
    }
    , $bytes
}

function ConvertTo-RegistryData {
    <#
    .SYNOPSIS
    A RawValue of what a user wrote. Throws a message that says what was expected, without repeating the data.
    #>
    [CmdletBinding()]
    [OutputType('ansible_collections.infoprotect.aip.plugins.module_utils._Native.RawValue')]
    param (
        [Parameter(Mandatory = $true)]
        [ValidateSet('none', 'string', 'expandstring', 'binary', 'dword', 'multistring', 'qword')]
        [string]
        $Type,

        [AllowNull()]
        $Data
    )

    if ($null -eq $Data -and $Type -ne 'none') {
        throw 'expected data'
    }
    # Most values are such numbers, and a switch with script blocks takes longer than all the rest.
    [byte[]]$bytes = if ($Type -eq 'dword') {
        if ($Data -is [int]) {
            , [BitConverter]::GetBytes($Data)
        }
        else {
            $number = ConvertTo-WholeNumber -Data $Data -Bits 32
            $number = if ($number -lt 0) { $number + 4294967296 } else { $number }
            , [BitConverter]::GetBytes([uint32]$number)
        }
    }
    elseif ($Type -in 'string', 'expandstring') {
        , [RawValue]::FromText((ConvertTo-Text -Data $Data -Expected 'text') + "`0")
    }
    elseif ($Type -eq 'multistring') {
        $list = $Data
        if ($Data -isnot [System.Collections.IList]) {
            $list = , $Data
        }
        $text = [System.Text.StringBuilder]::new()
        foreach ($item in $list) {
            $item = ConvertTo-Text -Data $item -Expected 'a list of texts'
            if (-not $item) {
                # An empty text ends the list for every program that reads it.
                throw 'expected a list of texts, none of them empty'
            }
            $null = $text.Append($item).Append([char]0)
        }
        , [RawValue]::FromText($text.Append([char]0).ToString())
    }
    elseif ($Type -eq 'qword') {
        $number = ConvertTo-WholeNumber -Data $Data -Bits 64
        $number = if ($number -lt 0) { $number + 18446744073709551616 } else { $number }
        , [BitConverter]::GetBytes([uint64]$number)
    }
    else {
        if ($null -eq $Data) {
            $Data = ''
        }
        , (ConvertTo-ByteArray -Data $Data)
    }
    [RawValue]::new($kinds[$Type], $bytes)
}

function ConvertFrom-RegistryData {
    <#
    .SYNOPSIS
    The data of a RawValue as results show it: text, a list of texts, an unsigned number, or hexadecimal digits.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [RawValue]
        $Value
    )

    $bytes = $Value.Bytes
    switch ($Value.Kind) {
        { $_ -in 1, 2 } {
            return [RawValue]::ToText($bytes).TrimEnd([char]0)
        }
        7 {
            $text = [RawValue]::ToText($bytes).TrimEnd([char]0)
            return , [string[]]@(if ($text) { $text.Split([char]0) })
        }
        { $_ -eq 4 -and $bytes.Length -eq 4 } {
            return [BitConverter]::ToUInt32($bytes, 0)
        }
        { $_ -eq 11 -and $bytes.Length -eq 8 } {
            return [BitConverter]::ToUInt64($bytes, 0)
        }
    }
    [BitConverter]::ToString($bytes).Replace('-', '').ToLowerInvariant()
}

function Get-RegistryTypeName {
    param ([RawValue]$Value)

    $name = $kindNames[$Value.Kind]
    if ($name) { $name } else { "type $($Value.Kind)" }
}

function Format-RegistryData {
    <#
    .SYNOPSIS
    Type and data in one line for a diff. Long data is cut, and then told apart by its hash.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [AllowNull()]
        [RawValue]
        $Value
    )

    if ($null -eq $Value) {
        return '(absent)'
    }
    $limit = 1000
    $head = $Value
    $tail = ''
    if ($Value.Bytes.Length -gt $limit) {
        $start = [byte[]]::new($limit)
        [Array]::Copy($Value.Bytes, $start, $limit)
        $head = [RawValue]::new($Value.Kind, $start)
        # SHA256.Create() of .NET Framework throws on hosts that allow validated cryptography only.
        $sha = [System.Security.Cryptography.SHA256CryptoServiceProvider]::new()
        $hash = [BitConverter]::ToString($sha.ComputeHash($Value.Bytes)).Replace('-', '').Substring(0, 16).ToLowerInvariant()
        $sha.Dispose()
        $tail = "... ($($Value.Bytes.Length) bytes, SHA-256 $hash...)"
    }
    $data = ConvertFrom-RegistryData -Value $head
    $text = switch ($Value.Kind) {
        { $_ -in 1, 2 } { "`"$data`"" }
        7 { '[' + ((@($data) | ForEach-Object -Process { "`"$_`"" }) -join ', ') + ']' }
        { $data -is [uint32] } { '0x{0:x8}' -f $data }
        { $data -is [uint64] } { '0x{0:x16}' -f $data }
        default { $data }
    }
    $text = [regex]::Replace($text, '[\p{C}\u2028\u2029-[\uD800-\uDFFF]]', { '\u{0:x4}' -f [int][char]$args[0].Value })
    "$(Get-RegistryTypeName -Value $Value) $text$tail".TrimEnd()
}

function ConvertTo-ValueResult {
    <#
    .SYNOPSIS
    Type and data of a RawValue as modules return them; $null for $null. Without data when sensitive.
    #>
    [CmdletBinding()]
    param (
        [AllowNull()]
        [RawValue]
        $Value,

        [switch]
        $Sensitive
    )

    if ($null -eq $Value) {
        # Nothing at all instead of $null is {} to ConvertTo-Json of 5.1.
        return $null
    }
    $shown = [ordered]@{ type = Get-RegistryTypeName -Value $Value }
    if (-not $Sensitive) {
        $shown.data = ConvertFrom-RegistryData -Value $Value
        if ($Value.Kind -eq 7) {
            # Without the cast, ConvertTo-Json of 5.1 makes an object with 'value' and 'Count' of it.
            $shown.data = [string[]]$shown.data
        }
    }
    $shown
}

$export = @{
    Function = @(
        'ConvertFrom-RegistryData'
        'ConvertTo-RegistryData'
        'ConvertTo-ValueResult'
        'Format-RegistryData'
        'Format-RegistryName'
        'Get-RegistryTypeName'
        'Resolve-RegistryPath'
    )
}
Export-ModuleMember @export
