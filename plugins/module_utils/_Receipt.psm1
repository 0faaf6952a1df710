# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Receipts: what registry values, or settings of a tenant, were before a module wrote them, and what it wrote. One JSON file each, in a folder that
# only administrators and the system account can open, since restoring a receipt writes what it says.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace System.IO
using namespace System.Security.AccessControl
using namespace System.Security.Principal

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._RegistryData

$schema = 1
$folderName = 'receipts'
$newestKept = 50
$notReceipt = 'is no receipt of infoprotect.aip'
$timeFormat = 'yyyy-MM-ddTHH:mm:ssZ'
# The module selftest removes its own receipts. They are not part of the history, and no receipt is removed for them.
$testSource = 'selftest'
$fileName = "^[0-9]{6,}-[0-9]{8}T[0-9]{6}Z-(?!$testSource\.)[a-z_]+\.json`$"
# A receipt has this name until it is written in full, which takes seconds. An older one was left by a run that was killed.
$unfinishedName = '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$'
$unfinishedHours = 24
$administrators = [SecurityIdentifier]'S-1-5-32-544'
# .NET Framework and .NET offer access control lists in different places.
$netCore = [Environment]::Version.Major -gt 4

function Get-HostIdentity {
    <#
    .SYNOPSIS
    What tells this host from others: a dictionary of machine_guid and name.
    #>
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    try {
        $read = {
            param ($path, $name)
            $key = $base.OpenSubKey($path)
            if ($key) {
                "$($key.GetValue($name))"
                $key.Dispose()
            }
        }
        @{
            machine_guid = "$(& $read 'SOFTWARE\Microsoft\Cryptography' 'MachineGuid')"
            name = "$(& $read 'SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName' 'ComputerName')"
        }
    }
    finally {
        $base.Dispose()
    }
}

function Get-ReceiptFile {
    # Names of all receipts, oldest first. They start with a number, so a clock set back does no harm.
    param ([string]$FolderName)

    $folder = Get-OwnFolder -Name $FolderName
    if ([Directory]::Exists($folder)) {
        Assert-OwnFolder -Name $FolderName
        [Directory]::GetFiles($folder, '*.json') | Where-Object -FilterScript { [Path]::GetFileName($_) -match $fileName } |
            Sort-Object -Property { [long]([Path]::GetFileName($_) -replace '-.*', '') }
    }
}

function Protect-Byte {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSAvoidUsingPositionalParameters', '', Justification = 'None are used')]
    param ([byte[]]$Bytes, [switch]$Undo)

    if (-not ('System.Security.Cryptography.ProtectedData' -as [type])) {
        Add-Type -AssemblyName System.Security
    }
    $method = if ($Undo) { 'Unprotect' } else { 'Protect' }
    , [System.Security.Cryptography.ProtectedData]::$method($Bytes, $null, 'LocalMachine')
}

function ConvertTo-ReceiptValue {
    param ($Value, [bool]$Sensitive)

    if ($null -eq $Value) {
        return $null
    }
    if ($Sensitive) {
        return [ordered]@{ kind = $Value.Kind; protected = [Convert]::ToBase64String((Protect-Byte -Bytes $Value.Bytes)) }
    }
    [ordered]@{
        kind = $Value.Kind
        bytes = [Convert]::ToBase64String($Value.Bytes)
        text = Format-RegistryData -Value $Value
    }
}

function ConvertFrom-ReceiptValue {
    param ($Value)

    if ($null -eq $Value) {
        return $null
    }
    $bytes = if ($Value.ContainsKey('protected')) { Protect-Byte -Bytes ([Convert]::FromBase64String($Value.protected)) -Undo }
    else { , [Convert]::FromBase64String($Value.bytes) }
    [RawValue]::new($Value.kind, $bytes)
}

function ConvertFrom-ReceiptText {
    param ([string]$Text)

    # ConvertFrom-Json of 5.1 stops at 2 MB, which Ansible's own does not; under .NET that one returns another kind of object.
    if ($netCore) {
        ConvertFrom-Json -InputObject $Text -AsHashtable # check51: ok
    }
    else {
        [Ansible.Basic.AnsibleModule]::FromJson($Text)
    }
}

function Read-TrustedFile {
    # The bytes of a file that is checked and read by the same handle.
    param ([string]$Path)

    $stream = Open-TrustedFile -Path $Path
    try {
        $memory = [MemoryStream]::new()
        $stream.CopyTo($memory)
        , $memory.ToArray()
    }
    finally {
        $stream.Dispose()
    }
}

function Write-WholeFile {
    # A new file with all of the bytes on the disk, or none.
    param ([string]$Path, [byte[]]$Bytes)

    try {
        $stream = [FileStream]::new($Path, 'CreateNew', 'Write', 'None')
        try {
            $stream.Write($Bytes, 0, $Bytes.Length)
            $stream.Flush($true)
        }
        finally {
            $stream.Dispose()
        }
    }
    catch {
        $failure = $_.Exception
        try { [File]::Delete($Path) } catch { Write-Debug -Message $_.Exception.Message }
        $reason = $failure.GetBaseException().Message
        throw [IOException]::new("The receipt of the previous values cannot be written, so no value was: $reason. Expected space and access in $([Path]::GetDirectoryName($Path))", $failure)
    }
}

function Format-Time {
    # Whatever the account's region says: Thai years are others, and Finnish times have dots.
    param ([datetime]$Time, [string]$Format)

    $Time.ToString($Format, [cultureinfo]::InvariantCulture)
}

function New-Receipt {
    <#
    .SYNOPSIS
    Writes a receipt and returns its path. Removes old ones: the first and the newest 50 stay.

    .PARAMETER Change
    Changes of a plan.

    .PARAMETER NewKey
    Keys that do not exist yet.

    .PARAMETER Source
    The module.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param (
        [Parameter(Mandatory = $true)]
        [object[]]
        $Change,

        [AllowEmptyCollection()]
        [object[]]
        $NewKey,

        [Parameter(Mandatory = $true)]
        [string]
        $Source
    )

    $now = [datetime]::UtcNow
    $head = [ordered]@{
        schema = $schema
        collection = 'infoprotect.aip'
        module = $Source
        time = Format-Time -Time $now -Format $timeFormat
        # Whose HKEY_CURRENT_USER is meant.
        account = [WindowsIdentity]::GetCurrent().User.Value
        # The job of AWX, or empty (plugin_utils/awx_job.py).
        job = "$env:INFOPROTECT_AIP_JOB"
        host = Get-HostIdentity
    }
    $values = foreach ($item in $Change) {
        $record = [ordered]@{
            path = $item.Path
            view = $item.View
            name = $item.Name
            # The name that counts: UTF-8 cannot hold half a surrogate pair, and some readers of JSON take a text for a date.
            name_utf16 = [Convert]::ToBase64String([RawValue]::FromText($item.Name))
            before = ConvertTo-ReceiptValue -Value $item.Before -Sensitive $item.Sensitive
            after = ConvertTo-ReceiptValue -Value $item.After -Sensitive $item.Sensitive
            sensitive = $item.Sensitive
        }
        ConvertTo-Json -InputObject $record -Depth 4 -Compress
    }
    $keys = foreach ($item in $NewKey) {
        ConvertTo-Json -InputObject ([ordered]@{ path = $item.Path; view = $item.View }) -Compress
    }
    # One line a record: readable, and nothing for ConvertTo-Json of 5.1 to get wrong about lists.
    $text = "{`"receipt`": $(ConvertTo-Json -InputObject $head -Depth 3 -Compress),`n`"new_keys`": [`n$(@($keys) -join ",`n")`n],`n`"values`": [`n$(@($values) -join ",`n")`n]}`n"

    Save-Receipt -FolderName $folderName -Source $Source -Time $now -Text $text
}

function Save-Receipt {
    <#
    .SYNOPSIS
    Writes the text of a receipt and returns its path. Removes old ones: the first and the newest 50 stay. Removes what killed runs left unfinished.

    .PARAMETER FolderName
    The collection's own folder that it belongs to.

    .PARAMETER Source
    The module.

    .PARAMETER Time
    When it was made, UTC.

    .PARAMETER Text
    What is in it, JSON.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $FolderName,

        [Parameter(Mandatory = $true)]
        [string]
        $Source,

        [Parameter(Mandatory = $true)]
        [datetime]
        $Time,

        [Parameter(Mandatory = $true)]
        [string]
        $Text
    )

    $folder = Initialize-OwnFolder -Name $FolderName
    $temporary = [Path]::Combine($folder, "$([guid]::NewGuid()).tmp")
    Write-WholeFile -Path $temporary -Bytes ([Text.UTF8Encoding]::new($false).GetBytes($Text))
    try {
        $security = [FileSecurity]::new()
        $security.SetOwner($administrators)
        $info = [FileInfo]$temporary
        $null = if ($netCore) { [FileSystemAclExtensions]::SetAccessControl($info, $security) } else { $info.SetAccessControl($security) } # check51: ok

        $files = @(Get-ReceiptFile -FolderName $FolderName)
        $number = if ($files.Count) { 1 + [long]([Path]::GetFileName($files[-1]) -replace '-.*', '') } else { 1 }
        while ($true) {
            $path = [Path]::Combine($folder, ('{0:d6}-{1}-{2}.json' -f $number, (Format-Time -Time $Time -Format "yyyyMMdd'T'HHmmss'Z'"), $Source))
            if (-not [Directory]::GetFiles($folder, ('{0:d6}-*.json' -f $number)).Length) {
                [File]::Move($temporary, $path)
                break
            }
            $number++
        }
    }
    catch {
        [File]::Delete($temporary)
        throw
    }

    foreach ($file in [Directory]::GetFiles($folder, '*.tmp')) {
        if ([Path]::GetFileName($file) -match $unfinishedName -and [File]::GetLastWriteTimeUtc($file) -lt [datetime]::UtcNow.AddHours(-$unfinishedHours)) {
            Remove-Item -LiteralPath $file -Force -ErrorAction SilentlyContinue
        }
    }
    # The first one stays; with the new one there are one more than listed.
    for ($i = 1; $Source -ne $testSource -and $i -le $files.Count - $newestKept; $i++) {
        Remove-Item -LiteralPath $files[$i] -Force -ErrorAction SilentlyContinue
    }
    $path
}

function Open-Receipt {
    <#
    .SYNOPSIS
    Reads the file of a receipt: an object with Path and Content; nothing for latest and first when there is none.

    .DESCRIPTION
    Throws when a named one does not exist, and when it is not trusted, is no receipt or has an unknown version.

    .PARAMETER FolderName
    The collection's own folder that it belongs to.

    .PARAMETER Name
    latest, first, a path, or a file name in the folder.

    .PARAMETER Force
    Accept a file outside of the folder.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $FolderName,

        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string]
        $Name,

        [switch]
        $Force
    )

    if (-not $Name.Trim()) {
        throw 'receipt is empty: expected latest, first, or the name or path of a receipt. A task that wrote nothing returns no receipt: skip this one then.'
    }
    $folder = Get-OwnFolder -Name $FolderName
    if ($Name -in 'latest', 'first') {
        $files = @(Get-ReceiptFile -FolderName $FolderName)
        if ($Name -eq 'latest') {
            # Restoring the latest twice must not undo the restoring.
            $files = @($files | Where-Object -FilterScript { $_ -notlike '*-restore.json' })
        }
        if (-not $files.Count) {
            return
        }
        $path = if ($Name -eq 'first') { $files[0] } else { $files[-1] }
    }
    else {
        $path = try { [Path]::GetFullPath([Path]::Combine($folder, $Name)) } catch { throw "receipt is '$Name': expected a path, 'latest' or 'first' ($($_.Exception.GetBaseException().Message))" }
    }
    if ($path -match '^[\\/]{2}') {
        throw "$path is on another computer: expected a receipt on a disk of this host"
    }
    if (-not [File]::Exists($path)) {
        throw "There is no receipt $path`: expected a file, 'latest' or 'first'"
    }
    if (-not [string]::Equals([Path]::GetDirectoryName($path), $folder, 'OrdinalIgnoreCase')) {
        # Who can write a folder above the file can put another one in its place.
        if (-not $Force) {
            throw "$path is outside of the receipts' own folder: expected a file in $folder. Copy it there as an administrator, or use force if you trust " +
            'everybody who can write its folder'
        }
    }
    else {
        Assert-OwnFolder -Name $FolderName
    }

    $problem = "$path $notReceipt"
    $bytes = Read-TrustedFile -Path $path
    try {
        $content = ConvertFrom-ReceiptText -Text ([Text.Encoding]::UTF8.GetString($bytes))
    }
    catch {
        throw "$problem`: it is not JSON: $($_.Exception.GetBaseException().Message)"
    }
    if ($content -isnot [System.Collections.IDictionary] -or $content.receipt -isnot [System.Collections.IDictionary] -or
        $content.receipt.collection -ne 'infoprotect.aip') {
        throw $problem
    }
    $head = $content.receipt
    if ($head.schema -ne $schema) {
        throw "$path has version '$($head.schema)': expected version $schema, which this version of the collection reads"
    }
    [pscustomobject]@{ Path = $path; Content = $content }
}

function Get-Receipt {
    <#
    .SYNOPSIS
    Reads a receipt: an object with Path, Module, Time, NewKeys (path, view) and Values (path, view, name, before, after as RawValue or
    $null, sensitive).

    .DESCRIPTION
    Throws when a named one does not exist, and when it is not trusted, is no receipt, has an unknown version or belongs to another host.

    .PARAMETER Name
    latest (but for those of restore itself) or first, both nothing when there is none; or a path, or a file name in the folder of receipts.

    .PARAMETER Force
    Accept a file outside of the folder of receipts, and that the host had another name when the receipt was written.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string]
        $Name,

        [switch]
        $Force
    )

    $opened = Open-Receipt -FolderName $folderName -Name $Name -Force:$Force
    if (-not $opened) {
        return
    }
    $path = $opened.Path
    $content = $opened.Content
    $head = $content.receipt
    $here = Get-HostIdentity
    $there = $head.host
    if ($there -isnot [System.Collections.IDictionary] -or $there.machine_guid -ne $here.machine_guid) {
        throw "$path belongs to another host ('$($there.name)'): expected one of this host ('$($here.name)')"
    }
    if ($there.name -ne $here.name -and -not $Force) {
        throw "$path belongs to '$($there.name)': expected '$($here.name)'. If the host was renamed since, restore with force"
    }

    $account = [WindowsIdentity]::GetCurrent().User.Value
    if ($head.account -ne $account -and @(@($content.values) + @($content.new_keys) | Where-Object -FilterScript { "$($_.path)" -match '^HK(?:CU|EY_CURRENT_USER)\b' }).Count) {
        throw "$path has values below HKCU of the account '$($head.account)': expected to run as that account, not as '$account'"
    }

    try {
        $values = foreach ($record in $content.values) {
            if ($record.path -isnot [string] -or $record.name_utf16 -isnot [string] -or $record.view -notin 32, 64) {
                throw 'a record has no path, name or view'
            }
            [pscustomobject]@{
                Path = $record.path
                View = $record.view
                Name = [RawValue]::ToText([Convert]::FromBase64String($record.name_utf16))
                Before = ConvertFrom-ReceiptValue -Value $record.before
                After = ConvertFrom-ReceiptValue -Value $record.after
                Sensitive = [bool]$record.sensitive
            }
        }
        $newKeys = foreach ($record in $content.new_keys) {
            if ($record.path -isnot [string] -or $record.view -notin 32, 64) {
                throw 'a new key has no path or view'
            }
            [pscustomobject]@{ Path = $record.path; View = $record.view }
        }
    }
    catch {
        throw "$path $notReceipt`: $($_.Exception.GetBaseException().Message)"
    }
    [pscustomobject]@{
        Path = $path
        Module = "$($head.module)"
        Time = if ($head.time -is [datetime]) { Format-Time -Time $head.time.ToUniversalTime() -Format $timeFormat } else { "$($head.time)" }
        Values = @($values)
        NewKeys = @($newKeys)
    }
}

Export-ModuleMember -Function Get-Receipt, New-Receipt, Open-Receipt, Save-Receipt
