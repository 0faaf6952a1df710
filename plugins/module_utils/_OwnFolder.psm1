# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The collection's own folders on a host, below %ProgramData%\infoprotect. Users can make folders in ProgramData: what is in these is
# trusted (receipts are written to the registry, installers are run), so only administrators and the system account may open them.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace System.IO
using namespace System.Security.AccessControl
using namespace System.Security.Principal

#AnsibleRequires -CSharpUtil ..module_utils._Native

$writeRights = [FileSystemRights]'WriteData, AppendData, Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership'
$administrators = [SecurityIdentifier]'S-1-5-32-544'
$system = [SecurityIdentifier]'S-1-5-18'
# .NET Framework and .NET offer access control lists in different places.
$netCore = [Environment]::Version.Major -gt 4

function Get-OwnFolder {
    <#
    .SYNOPSIS
    The path of one of the folders, which need not exist.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [ValidateSet('receipts', 'packages', 'logs', 'connector', 'pfx', 'selftest', 'protection_service')]
        [string]
        $Name
    )

    # Not the environment variable: a task can set that.
    [Path]::Combine([Environment]::GetFolderPath('CommonApplicationData'), 'infoprotect', $Name)
}

function Assert-TrustedItem {
    <#
    .SYNOPSIS
    Throws unless a file or folder is a real one and belongs to somebody who may write the registry anyway.
    #>
    param ([string]$Path)

    if ([File]::GetAttributes($Path) -band [FileAttributes]::ReparsePoint) {
        throw "$Path is a link or junction: expected a real file or folder, since others could point it elsewhere. Delete the link"
    }
    Assert-TrustedOwner -Path $Path -Security (Get-PathSecurity -Path $Path)
}

function Get-PathSecurity {
    # Owner and access of a file or folder.
    param ([string]$Path)

    $type = if ([Directory]::Exists($Path)) { [DirectorySecurity] } else { [FileSecurity] }
    $type::new($Path, [AccessControlSections]'Owner, Access')
}

function Get-TrustedAccount {
    $administrators, $system, [WindowsIdentity]::GetCurrent().User
}

function Assert-TrustedOwner {
    # The message never suggests taking ownership: that would trust content that an ordinary user may have made.
    param ([string]$Path, $Security)

    $owner = $Security.GetOwner([SecurityIdentifier])
    if (@(Get-TrustedAccount) -notcontains $owner) {
        throw "$Path belongs to $(Format-Account -Account $owner): expected the administrators, the system account or this account, since its content is trusted. " +
        'Delete it. The next run makes what it needs'
    }
}

function Format-Account {
    # With the name, where the host can tell it.
    param ([SecurityIdentifier]$Account)

    try {
        "$($Account.Translate([NTAccount])) ($Account)"
    }
    catch [IdentityNotMappedException] {
        "$Account"
    }
}

function Get-ForeignAccess {
    # What others than administrators, the system and this account are allowed on a file or folder: rules.
    param ($Security, [switch]$Write)

    $trusted = @(Get-TrustedAccount)
    foreach ($rule in $Security.GetAccessRules($true, $true, [SecurityIdentifier])) {
        if ($rule.AccessControlType -eq 'Allow' -and $trusted -notcontains $rule.IdentityReference -and
            (-not $Write -or $rule.FileSystemRights -band $writeRights)) {
            $rule
        }
    }
}

function Assert-NotWritable {
    <#
    .SYNOPSIS
    Throws when others may write a file or folder.
    #>
    param ([string]$Path, $Security)

    foreach ($rule in Get-ForeignAccess -Security $Security -Write) {
        throw "$Path lets $(Format-Account -Account $rule.IdentityReference) write: expected a file or folder for administrators and the system account only"
    }
}

function Open-TrustedFile {
    <#
    .SYNOPSIS
    Opens a file once, for reading. Throws unless it is a real file of an account that may write the registry anyway, and no other account can write
    it. Returns a stream to dispose of. Until then the file cannot be replaced.
    #>
    [CmdletBinding()]
    [OutputType([System.IO.FileStream])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Path
    )

    try {
        $stream = [OpenFile]::Read($Path)
    }
    catch {
        throw [IOException]::new("$Path cannot be opened: $($_.Exception.GetBaseException().Message)", $_.Exception)
    }
    try {
        $security = if ($netCore) { [FileSystemAclExtensions]::GetAccessControl($stream) } else { $stream.GetAccessControl() } # check51: ok
        Assert-TrustedOwner -Path $Path -Security $security
        Assert-NotWritable -Path $Path -Security $security
        $stream
    }
    catch {
        $stream.Dispose()
        throw
    }
}

function New-OwnSecurity {
    <#
    .SYNOPSIS
    Owner and access of the folders.
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param ()

    $security = [DirectorySecurity]::new()
    # Windows may take this very account, which need not stay an administrator.
    $security.SetOwner($administrators)
    $security.SetAccessRuleProtection($true, $false)
    foreach ($account in $administrators, $system) {
        $security.AddAccessRule([FileSystemAccessRule]::new($account, 'FullControl', 'ContainerInherit, ObjectInherit', 'None', 'Allow'))
    }
    $security
}

function Initialize-OwnFolder {
    <#
    .SYNOPSIS
    Makes one of the folders, protected, or makes sure that it is; returns its path.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Name
    )

    $folder = Get-OwnFolder -Name $Name
    foreach ($path in [Path]::GetDirectoryName($folder), $folder) {
        # A new one each time: once written, .NET takes it for unchanged.
        $security = New-OwnSecurity
        if (-not [Directory]::Exists($path)) {
            $null = if ($netCore) { [FileSystemAclExtensions]::CreateDirectory($security, $path) } else { [Directory]::CreateDirectory($path, $security) } # check51: ok
        }
        Assert-TrustedItem -Path $path
        if (Get-ForeignAccess -Security (Get-PathSecurity -Path $path)) {
            $security = New-OwnSecurity
            $info = [DirectoryInfo]$path
            $null = if ($netCore) { [FileSystemAclExtensions]::SetAccessControl($info, $security) } else { $info.SetAccessControl($security) } # check51: ok
            Assert-NotWritable -Path $path -Security (Get-PathSecurity -Path $path)
        }
    }
    $folder
}

function Assert-OwnFolder {
    <#
    .SYNOPSIS
    Throws when one of the folders, which exists, is not the collection's own.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Name
    )

    $folder = Get-OwnFolder -Name $Name
    foreach ($path in [Path]::GetDirectoryName($folder), $folder) {
        Assert-TrustedItem -Path $path
        Assert-NotWritable -Path $path -Security (Get-PathSecurity -Path $path)
    }
}

function Lock-OwnFile {
    <#
    .SYNOPSIS
    Opens a file in one of the folders for this process alone. Returns a stream to dispose of, or nothing when another process keeps the file open.

    .DESCRIPTION
    An ordinary user could hold a mutex for ever, and cannot enter these folders. Windows closes the file when the process ends.

    .PARAMETER Timeout
    Seconds to wait for the other process.
    #>
    [CmdletBinding()]
    [OutputType([System.IO.FileStream])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Folder,

        [Parameter(Mandatory = $true)]
        [string]
        $Name,

        [Parameter(Mandatory = $true)]
        [int]
        $Timeout
    )

    $path = [Path]::Combine((Initialize-OwnFolder -Name $Folder), $Name)
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        try {
            return [FileStream]::new($path, 'OpenOrCreate', 'ReadWrite', 'None')
        }
        catch [IOException] {
            # 32: another process has the file open (ERROR_SHARING_VIOLATION).
            if (($_.Exception.GetBaseException().HResult -band 0xFFFF) -ne 32) {
                throw
            }
        }
        if ($clock.Elapsed.TotalSeconds -ge $Timeout) {
            return
        }
        Start-Sleep -Milliseconds 200
    }
}

Export-ModuleMember -Function Assert-OwnFolder, Get-OwnFolder, Initialize-OwnFolder, Lock-OwnFile, Open-TrustedFile
