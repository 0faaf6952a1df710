# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Receipts: what registry values, or settings of a tenant, were before a module wrote them, and what it wrote. One JSON file each, in a folder that
# only administrators and the system account can open, since restoring a receipt writes what it says. _ReceiptReader.psm1 reads them: an inspection,
# which sends this file to the host, does not.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace System.IO
using namespace System.Security.AccessControl
using namespace System.Security.Principal

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._RegistryData

$schema = 1
$folderName = 'receipts'
$newestKept = 50
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

function Get-ReceiptFormat {
    <#
    .SYNOPSIS
    What a receipt of registry values has: its schema's version, the name of its folder, and the format of its time.
    #>
    @{ Schema = $schema; FolderName = $folderName; Time = $timeFormat }
}

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
    <#
    .SYNOPSIS
    Names of all receipts, oldest first. They start with a number, so a clock set back does no harm.
    #>
    param ([string]$FolderName)

    $folder = Get-OwnFolder -Name $FolderName
    if ([Directory]::Exists($folder)) {
        Assert-OwnFolder -Name $FolderName
        [Directory]::GetFiles($folder, '*.json') | Where-Object -FilterScript { [Path]::GetFileName($_) -match $fileName } |
            Sort-Object -Property { [long]([Path]::GetFileName($_) -replace '-.*', '') }
    }
}

function Protect-Byte {
    <#
    .SYNOPSIS
    Bytes that only this host can read, or with Undo what they were.
    #>
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

Export-ModuleMember -Function Get-HostIdentity, Get-ReceiptFile, Get-ReceiptFormat, New-Receipt, Protect-Byte, Save-Receipt
