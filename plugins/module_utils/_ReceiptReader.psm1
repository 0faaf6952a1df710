# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Reads the receipts that _Receipt.psm1 writes, for what restores them.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace System.IO
using namespace System.Security.Principal

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._Receipt

$notReceipt = 'is no receipt of infoprotect.aip'
# .NET Framework and .NET offer readers of JSON in different places.
$netCore = [Environment]::Version.Major -gt 4

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
    $schema = (Get-ReceiptFormat).Schema
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

    $format = Get-ReceiptFormat
    $opened = Open-Receipt -FolderName $format.FolderName -Name $Name -Force:$Force
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
        Time = if ($head.time -is [datetime]) { $head.time.ToUniversalTime().ToString($format.Time, [cultureinfo]::InvariantCulture) } else { "$($head.time)" }
        Values = @($values)
        NewKeys = @($newKeys)
    }
}

Export-ModuleMember -Function Get-Receipt, Open-Receipt
