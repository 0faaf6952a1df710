# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Installers: brought into a folder that only administrators can write, checked there, and run there, so that nobody can change what was
# checked. What their exit codes mean, and what their logs say when they fail.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Msi
using namespace System.Diagnostics
using namespace System.IO

#AnsibleRequires -CSharpUtil ..module_utils._Msi
#AnsibleRequires -PowerShell ansible_collections.ansible.windows.plugins.module_utils.WebRequest
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._Program
#AnsibleRequires -PowerShell ..module_utils._SystemTask

# Windows Installer: https://learn.microsoft.com/windows/win32/msi/error-codes. Bundles (WiX Burn) end with these, with other errors of Windows, or with
# either as HRESULT. .NET Framework: https://learn.microsoft.com/dotnet/framework/deployment/deployment-guide-for-developers
$busy = 1618
$restartStarted = 1641
$restartDue = 3010, 3011
$successes = @{
    0 = 'success'
    $restartStarted = 'success, the installer restarts the host'
    3010 = 'success, the host has to be restarted'
    3011 = 'success, the host has to be restarted'
}
# Remedies, and meanings with a remedy, of several codes
$newPackage = 'Download the installer from Microsoft again'
$askPolicy = 'Look at the Windows Installer policies of the host and at its software restriction and AppLocker rules'
$arguments = 'Look at the arguments given to the installer'
$readPackage = 'Check that the file exists and that the system account can read it'
$updateWindows = 'Install the updates of Windows'
$theirs = 'Report it to Microsoft with the log: the package makes the error'
$cancelled = 'it was cancelled, or it had a question that no argument answers', 'Look at the log for the question, and answer it by arguments'
$remote = 'Allow it in the Windows Installer policies, or run it at the console'
$restartFirst = 'Restart the host (reboot: true), then run this again'
# Code -> meaning, remedy
$failures = @{
    2 = 'a file that it needs does not exist', $newPackage
    3 = 'a folder that it needs does not exist', 'Look at log_path and at the drive of Windows'
    5 = 'access was denied, as Windows does to a program that installs updates from a network logon', 'Run it as an administrator of the host; where the log names an update of Windows, install that update first'
    13 = 'its data is not valid', $newPackage
    87 = 'one of its arguments is not valid', $arguments
    112 = 'the disk is full', 'Make room on the drive of Windows'
    120 = 'a custom action of the package calls what it must not call', $theirs
    350 = 'a restart of the host is pending, and the setup does nothing before', $restartFirst
    1223 = $cancelled
    1259 = 'Windows takes the product for incompatible with this version of Windows', 'Use a version of the product that supports this version of Windows'
    1392 = 'a file or folder on the disk is damaged', 'Check the drive with chkdsk'
    1601 = 'the Windows Installer service cannot be reached', 'Enable the service msiserver, register it again (msiexec /unregister, msiexec /regserver), and restart the host'
    1602 = $cancelled
    1603 = 'a fatal error during the installation', 'Look at the log for the action that failed, and for files in use, a full disk, or rights that SYSTEM lacks'
    1604 = 'the installation is suspended, the product incomplete', $restartFirst
    1605 = 'the product is not installed', 'Look for an orphaned entry in the list of installed programs'
    1606 = 'the package names a feature that is not registered', $theirs
    1607 = 'the package names a component that is not registered', $theirs
    1608 = 'the package names a property that does not exist', $theirs
    1609 = 'a handle is in a state that is not valid', $theirs
    1610 = 'the data that Windows Installer keeps of the product is corrupt', "Remove the product with Microsoft's Program Install and Uninstall troubleshooter, then run this again"
    1611 = 'the package names a component qualifier that does not exist', $theirs
    1612 = 'the package that the product was installed from is gone, and it is needed', "Put that package back where it was, or remove the product with Microsoft's Program Install and Uninstall troubleshooter"
    1613 = 'the package needs a newer Windows Installer', $updateWindows
    1614 = 'the product is uninstalled', 'Run this again'
    1615 = 'a query in the package is not valid', $theirs
    1616 = 'the package names a field that does not exist', $theirs
    1618 = 'another installation is running on the host', 'Wait until it has ended, or raise busy_timeout'
    1619 = 'the package cannot be opened', $readPackage
    1620 = 'the package is damaged', $newPackage
    1621 = 'its user interface cannot be started', 'Give it the argument for a silent installation'
    1622 = 'the log cannot be written', 'Look at log_path: its folder must exist, and SYSTEM must be able to write there'
    1623 = 'the package does not support the language of Windows', 'Use the installer in another language'
    1624 = 'a transform cannot be applied', 'Look at the paths in TRANSFORMS among the arguments'
    1625 = 'a policy of the system forbids it', $askPolicy
    1626 = 'a function could not be executed', $theirs
    1627 = 'a function failed', $theirs
    1628 = 'the package names a table that is not valid', $theirs
    1629 = 'data in the package has the wrong type', $theirs
    1630 = 'data in the package has a type that is not supported', $theirs
    1631 = 'the Windows Installer service cannot be started', 'Look at the service msiserver and at the System log of the host, restart the host'
    1632 = 'the temporary folder is full or cannot be written', 'Make room on its drive, and look at the variables TEMP and TMP'
    1633 = 'the package is not for this kind of processor', 'Use the installer for the processor of the host'
    1634 = 'a component is not used on this host', $theirs
    1635 = 'the patch cannot be opened', $readPackage
    1636 = 'the patch is damaged', $newPackage
    1637 = 'the patch needs a newer Windows Installer', $updateWindows
    1638 = 'another version of the product is installed already', 'Use an installer that is newer than what is installed, or remove the product first (allow_downgrade: true)'
    1639 = 'the command line is not valid', "$arguments. A property of an MSI is NAME=value, and quotation marks enclose a value with spaces"
    1640 = 'a policy of the system forbids it in a remote session', $remote
    1642 = 'the patch is for another product or version', 'Look which version is installed, and use its patch'
    1643 = 'a policy of the system forbids the patch', $askPolicy
    1644 = 'a policy of the system forbids a transform', $askPolicy
    1645 = 'Windows Installer does not allow it from a Remote Desktop connection', $remote
    1646 = 'the patch cannot be removed', 'Remove the whole product'
    1647 = 'the patch is not applied to the product', 'Look which patches are installed'
    1648 = 'there is no valid order for the patches', $theirs
    1649 = 'a policy of the system forbids to remove the patch', $askPolicy
    1650 = 'the XML of the patch is not valid', $theirs
    1651 = 'the product is advertised only, and cannot be patched', 'Install the product first'
    1652 = 'Windows is in safe mode, where Windows Installer does not run', 'Restart the host normally'
    1653 = 'rollback is switched off, without which several packages cannot be installed together', 'Remove the policy DisableRollback'
    1654 = 'Windows on ARM does not run a package that Microsoft has not signed', 'Use a host with an x64 processor'
    3017 = 'it failed, and the host has to be restarted before it is tried again', $restartFirst
    3018 = 'it failed, and the installer restarts the host', 'Run this again after the restart'
    5100 = 'the host does not meet the requirements', 'Look at the log, which names what is missing: the version of Windows, its updates, or its edition'
}

# Two letters at least: one is a drive.
$urlStart = '^[A-Za-z][A-Za-z0-9+.-]+://'
$plainHttp = 'Anybody on the network can replace an installer that comes by http: expected a checksum, validate_signature, or a URL that starts with https://'
# Newest logs that are kept, each with those that its installer wrote beside it
$newestLogs = 20
# Held open by the run that installs
$lockName = 'installation.lock'

function Get-InstallerSpec {
    <#
    .SYNOPSIS
    The options that every module with an installer has: a fragment of an argument spec.

    .PARAMETER Given
    The arguments that the module was given. An address among them that may hold a secret is hidden in results and logs.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param (
        [AllowNull()]
        [System.Collections.IDictionary]
        $Given
    )

    $spec = @{
        options = @{
            src = @{ type = 'str' }
            path = @{ type = 'str' }
            checksum = @{ type = 'str' }
            validate_signature = @{ type = 'bool'; default = $true }
            publisher = @{ type = 'str'; default = 'Microsoft Corporation' }
            arguments = @{ type = 'list'; elements = 'str'; default = @() }
            log_path = @{ type = 'str' }
            timeout = @{ type = 'int'; default = 3600 }
            busy_timeout = @{ type = 'int'; default = 600 }
            share_username = @{ type = 'str' }
            share_password = @{ type = 'str'; no_log = $true }
            url_username = @{ type = 'str' }
            url_password = @{ type = 'str'; no_log = $true }
            url_timeout = @{ type = 'int'; default = 30 }
            validate_certs = @{ type = 'bool'; default = $true }
            use_proxy = @{ type = 'bool'; default = $true }
            proxy_url = @{ type = 'str' }
            proxy_username = @{ type = 'str' }
            proxy_password = @{ type = 'str'; no_log = $true }
            reboot = @{ type = 'bool'; default = $false }
            reboot_timeout = @{ type = 'int'; default = 600 }
        }
        mutually_exclusive = , @('src', 'path')
        required_together = @(
            @('share_username', 'share_password'),
            @('url_username', 'url_password'),
            @('proxy_username', 'proxy_password')
        )
    }
    foreach ($name in 'path', 'proxy_url') {
        # A query may hold a signature that grants access.
        if ($Given -and ((Test-AddressAccount -Address $Given.$name) -or $Given.$name -match '://.*\?')) {
            $spec.options[$name].no_log = $true
        }
    }
    $spec
}

function Get-InstallerPackage {
    <#
    .SYNOPSIS
    Brings an installer into a folder of its own, checks it, and says what it is. Remove-InstallerPackage removes it.

    .PARAMETER Option
    path (on the host, \\server\share or http(s)://), checksum, validate_signature, publisher, share_username, share_password.

    .PARAMETER Module
    The module, for its options url_* and proxy_*, which Get-AnsibleWindowsWebRequest reads.

    .OUTPUTS
    An object with Path, Folder, Type (msi or exe), Name (of the product), Version (text, or $null) and ProductCode (of an MSI).
    Throws when it cannot be had or is not what was expected, and then leaves nothing behind.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        $Module
    )

    $source = $Option.path
    if (Test-AddressAccount -Address $source) {
        # The text is not repeated: it holds a password.
        throw 'path is a URL with a name or password in it: expected them in url_username and url_password'
    }
    $isUrl = $source -match $urlStart
    $uri = ConvertTo-SourceUrl -Source $source
    # What is shown of it
    $shown = if ($isUrl) { $source -replace '\?.*' } else { $source }
    if ($isUrl -and (-not $uri -or $uri.Scheme -notin 'http', 'https')) {
        throw "path is $($shown): expected a path on the host, a share, or a URL that starts with http:// or https://"
    }
    $name = Get-InstallerName -Source $source
    # Not by [Path], for which a name may have characters that are illegal.
    if ($name -notmatch '\.(msi|exe)$') {
        throw "path is $($shown): expected a file whose name ends with .msi or .exe"
    }
    $type = $Matches[1].ToLowerInvariant()

    if ($uri -and $uri.Scheme -eq 'http' -and -not $Option.validate_signature -and -not $Option.checksum) {
        throw "path is $($shown). $plainHttp"
    }

    $folder = [Path]::Combine((Initialize-OwnFolder -Name packages), [guid]::NewGuid().ToString())
    $null = [Directory]::CreateDirectory($folder)
    try {
        # A name that every program can cope with.
        $path = [Path]::Combine($folder, $(if ($name -match '^[A-Za-z0-9][\w .+-]*$') { $name } else { "installer.$type" }))
        if ($uri) {
            Save-Download -Uri $uri -Path $path -Module $Module -Secure (-not $Option.validate_signature -and -not $Option.checksum)
        }
        else {
            Copy-Installer -Source $source -Path $path -Option $Option
        }
        if ($Option.checksum) {
            Assert-Checksum -Path $path -Source $shown -Expected $Option.checksum
        }
        if ($Option.validate_signature) {
            Assert-Signature -Path $path -Source $shown -Publisher $Option.publisher
        }
        Get-PackageInformation -Path $path -Source $shown -Folder $folder -Type $type
    }
    catch {
        Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
        throw
    }
}

function Get-InstallerName {
    <#
    .SYNOPSIS
    The name of an installer's file: of a path on the host or the controller, or of a URL with or without a query.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string]
        $Source
    )

    $uri = ConvertTo-SourceUrl -Source $Source
    $path = if ($uri) { [uri]::UnescapeDataString($uri.AbsolutePath) } else { $Source }
    # Not by [Path], for which a name on the controller may have characters that are illegal.
    $path -replace '^.*[\\/:]'
}

function ConvertTo-SourceUrl {
    # The URL that a source is; $null for a path, and for a URL that is none.
    param ([string]$Source)

    $uri = $null
    if ($Source -match $urlStart -and [uri]::TryCreate($Source, 'Absolute', [ref]$uri)) { $uri } else { $null }
}

function Clear-InstallerPackage {
    <#
    .SYNOPSIS
    Removes installers that runs left behind which were cut off. To be called with the lock, so that no other run needs them.
    #>
    [CmdletBinding()]
    param ()

    $folder = Get-OwnFolder -Name packages
    if ([Directory]::Exists($folder)) {
        $null = Initialize-OwnFolder -Name packages
        Clear-SystemTask
        foreach ($old in [Directory]::GetDirectories($folder).Where({ -not [Path]::GetFileName($_).StartsWith('task-', 'Ordinal') })) {
            Remove-Item -LiteralPath $old -Recurse -Force -ErrorAction SilentlyContinue
        }
    }
}

function Remove-InstallerPackage {
    <#
    .SYNOPSIS
    Removes what Get-InstallerPackage brought. What is still in use stays; that is no error.
    #>
    [CmdletBinding()]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param (
        [AllowNull()]
        $Package
    )

    if ($Package) {
        Remove-Item -LiteralPath $Package.Folder -Recurse -Force -ErrorAction SilentlyContinue
    }
}

function Assert-FreeSpace {
    <#
    .SYNOPSIS
    Throws unless the drive of a path has so many bytes free.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Path,

        [Parameter(Mandatory = $true)]
        [long]
        $Bytes
    )

    $drive = [DriveInfo]::new([Path]::GetPathRoot($Path))
    if ($drive.AvailableFreeSpace -lt $Bytes) {
        throw "the drive $($drive.Name) has $([Math]::Floor($drive.AvailableFreeSpace / 1MB)) MB free: expected $([Math]::Ceiling($Bytes / 1MB)) MB or more"
    }
}

function Get-SpaceNeeded {
    # The installer, what it unpacks and what it installs: bytes, by its size.
    param ([long]$Size)

    3 * $Size + 100MB
}

function Save-Download {
    # The whole file or none: it appears under its name only when all of it is there. Secure: by https also where the server redirects.
    param ([uri]$Uri, [string]$Path, $Module, [bool]$Secure)

    $part = "$Path.part"
    $expected = -1
    $response = $null
    try {
        $request = Get-AnsibleWindowsWebRequest -Uri $Uri -Module $Module
        $response = $request.GetResponse()
        if ($Secure -and $response.ResponseUri.Scheme -ne 'https') {
            throw "the server redirects to $($response.ResponseUri.GetLeftPart([UriPartial]::Path)). $plainHttp"
        }
        $expected = $response.ContentLength
        if ($expected -gt 0) {
            Assert-FreeSpace -Path $Path -Bytes (Get-SpaceNeeded -Size $expected)
        }
        $stream = $response.GetResponseStream()
        $file = [FileStream]::new($part, 'CreateNew', 'Write', 'None')
        try {
            $stream.CopyTo($file)
        }
        finally {
            $file.Dispose()
            $stream.Dispose()
        }
    }
    catch {
        $reason = $_.Exception.GetBaseException().Message
        throw [IOException]::new("$($Uri.GetLeftPart([UriPartial]::Path)) cannot be downloaded: $reason", $_.Exception)
    }
    finally {
        if ($response) {
            $response.Close()
        }
    }
    $length = [FileInfo]::new($part).Length
    if ($expected -ge 0 -and $length -ne $expected) {
        throw "$($Uri.GetLeftPart([UriPartial]::Path)) cannot be downloaded: the server announced $expected bytes and sent $length"
    }
    [File]::Move($part, $Path)
}

function Copy-Installer {
    # From the host itself or a share.
    param ([string]$Source, [string]$Path, [System.Collections.IDictionary]$Option)

    $drive = $null
    try {
        if ($Option.share_username) {
            if ($Source -notmatch '^(\\\\[^\\]+\\[^\\]+)\\.') {
                throw "path is $($Source): expected a share (\\server\share\file), since share_username is given"
            }
            $secret = ConvertTo-SecureString -String $Option.share_password -AsPlainText -Force
            $connection = @{
                Name = "infoprotect$([guid]::NewGuid().ToString('n'))"
                PSProvider = 'FileSystem'
                Root = $Matches[1]
                Credential = [pscredential]::new($Option.share_username, $secret)
                ErrorAction = 'Stop'
            }
            try {
                $drive = New-PSDrive @connection
            }
            catch {
                throw "the share $($connection.Root) cannot be opened as $($Option.share_username): $($_.Exception.Message)"
            }
        }
        if (-not [File]::Exists($Source)) {
            $hint = if ($Source.StartsWith('\\', 'Ordinal') -and -not $Option.share_username) { ', by this session, which cannot sign in to other hosts: see share_username' }
            throw "$Source does not exist or cannot be read$hint"
        }
        Assert-FreeSpace -Path $Path -Bytes (Get-SpaceNeeded -Size ([FileInfo]::new($Source).Length))
        try {
            [File]::Copy($Source, $Path)
        }
        catch {
            throw [IOException]::new("$Source cannot be copied: $($_.Exception.GetBaseException().Message)", $_.Exception)
        }
    }
    finally {
        if ($drive) {
            Remove-PSDrive -Name $drive.Name -Force
        }
    }
}

function Assert-Checksum {
    # SHA-256, as hexadecimal digits, with or without 'sha256:' before them.
    param ([string]$Path, [string]$Source, [string]$Expected)

    $wanted = $Expected -replace '^sha256:'
    if ($wanted -notmatch '^[0-9a-fA-F]{64}$') {
        throw "checksum is '$Expected': expected SHA-256, 64 hexadecimal digits"
    }
    $found = (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash
    if ($found -ne $wanted) {
        throw "$Source has the SHA-256 checksum $($found.ToLowerInvariant()): expected $($wanted.ToLowerInvariant())"
    }
}

function Assert-Signature {
    # Signed, unchanged, and by the publisher.
    param ([string]$Path, [string]$Source, [string]$Publisher)

    $signature = Get-AuthenticodeSignature -LiteralPath $Path
    if ($signature.Status -ne 'Valid') {
        $issuer = if ($signature.SignerCertificate) { " (signed by $($signature.SignerCertificate.Subject), issued by $($signature.SignerCertificate.Issuer))" }
        throw "the signature of $Source is not valid: $($signature.Status), $("$($signature.StatusMessage)".Trim())$issuer. A host without " +
        "internet access may lack the root certificate of the issuer"
    }
    $found = $signature.SignerCertificate.GetNameInfo('SimpleName', $false)
    if (-not [string]::Equals($found, $Publisher, 'Ordinal')) {
        throw "$Source is signed by '$found': expected '$Publisher' ($($signature.SignerCertificate.Subject))"
    }
}

function Get-PackageInformation {
    # What an installer says of itself.
    param ([string]$Path, [string]$Source, [string]$Folder, [string]$Type)

    $package = [pscustomobject]@{ Path = $Path; Folder = $Folder; Type = $Type; Name = $null; Version = $null; ProductCode = $null }
    if ($Type -eq 'msi') {
        try {
            $properties = [Package]::Properties($Path)
        }
        catch {
            throw [InvalidDataException]::new("$Source is no Windows Installer package: $($_.Exception.GetBaseException().Message)", $_.Exception)
        }
        $package.Name = $properties['ProductName']
        $package.Version = $properties['ProductVersion']
        $package.ProductCode = $properties['ProductCode']
    }
    else {
        $information = [FileVersionInfo]::GetVersionInfo($Path)
        $package.Name = $information.ProductName
        $package.Version = if ($information.ProductVersion) { "$($information.ProductVersion)".Trim() } else { $null }
    }
    $package
}

function Get-MsiArgument {
    <#
    .SYNOPSIS
    The command line of msiexec.exe without questions and without a restart.

    .PARAMETER Target
    A package to install, or a product code to remove.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [ValidateSet('install', 'remove')]
        [string]
        $Action,

        [Parameter(Mandatory = $true)]
        [string]
        $Target,

        [Parameter(Mandatory = $true)]
        [string]
        $LogPath,

        [string[]]
        $Argument
    )

    $verb = if ($Action -eq 'install') { '/i' } else { '/x' }
    (@("$verb `"$Target`"", '/qn', '/norestart', "/l*v `"$LogPath`"", 'REBOOT=ReallySuppress') + $Argument) -join ' '
}

function Get-LogPath {
    <#
    .SYNOPSIS
    Where an installer's log is kept: where the operator wants it, or a new file in the collection's own folder of logs.

    .DESCRIPTION
    A new file takes the place of the oldest logs in that folder. To be called with the lock, so that no other run is writing there.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [AllowEmptyString()]
        [AllowNull()]
        [string]
        $Wanted,

        [Parameter(Mandatory = $true)]
        [string]
        $Name,

        [string]
        $Extension = 'log'
    )

    if ($Wanted) {
        # .NET Framework throws on characters that no path can have, and on a path that is too long.
        $folder = try { if ([Path]::IsPathRooted($Wanted)) { [Path]::GetDirectoryName($Wanted) } } catch { $null }
        if (-not [Directory]::Exists($folder)) {
            throw "log_path is $($Wanted): expected an absolute path in a folder that exists"
        }
        return $Wanted
    }
    $folder = Initialize-OwnFolder -Name logs
    Clear-Log -Folder $folder
    $time = [datetime]::UtcNow.ToString('yyyyMMddTHHmmssfffZ', [cultureinfo]::InvariantCulture)
    [Path]::Combine($folder, "$time-$Name.$Extension")
}

function Clear-Log {
    # Leaves room for one more log. Bundles and .NET Framework write further logs beside theirs, whose names begin with the same time.
    param ([string]$Folder)

    [Directory]::GetFiles($Folder).Where({ [Path]::GetFileName($_) -match '^[0-9]{8}T[0-9]{9}Z-' }) |
        Group-Object -Property { ([Path]::GetFileName($_) -split '-')[0] } |
        Sort-Object -Property Name -Descending |
        Select-Object -Skip ($newestLogs - 1) |
        # A service that works for an installer may still have its log open.
        ForEach-Object -Process { Remove-Item -LiteralPath $_.Group -Force -ErrorAction SilentlyContinue }
}

function Get-LogTail {
    <#
    .SYNOPSIS
    The lines of an installer's log that say why it failed, as one text; empty when there is no log.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Path
    )

    $count = 10
    # 'Action ended 10:15:00: InstallFinalize. Return value 3.', whatever the language: a time, the name of the action, and a text that ends with 3.
    $failedAction = '\d[:.]\d\d[:.]\d\d\s*[:\uff1a]\s*[\w.{}-]+?\s*[.\u3002]\s*\D+3\s*[.\u3002]?\s*$'
    if (-not [File]::Exists($Path)) {
        return ''
    }
    $lines = [System.Collections.Generic.List[string]]::new()
    # Windows Installer writes UTF-16, bundles write UTF-8, and either may still have the file open.
    $stream = [FileStream]::new($Path, 'Open', 'Read', 'ReadWrite')
    $reader = [StreamReader]::new($stream, [Text.Encoding]::UTF8, $true)
    try {
        $failed = -1
        while ($null -ne ($line = $reader.ReadLine())) {
            # Windows Installer ends a log with all its properties, and says long before that which action failed.
            if ($line.Trim() -and $line -notmatch '^Property\([SCN]\):') {
                $lines.Add($line.Trim())
                # A line of that form is short, and the expression takes quadratic time.
                if ($failed -lt 0 -and $line.Length -lt 1000 -and $line -match $failedAction) {
                    $failed = $lines.Count
                }
            }
        }
    }
    finally {
        $reader.Dispose()
    }
    $end = if ($failed -ge 0) { $failed } else { $lines.Count }
    $first = [Math]::Max(0, $end - $count)
    $tail = $lines.GetRange($first, $end - $first) | ForEach-Object -Process { $_.Substring(0, [Math]::Min($_.Length, 300)) }
    $tail -join "`n"
}

function Invoke-Installer {
    <#
    .SYNOPSIS
    Runs an installer to its end. While another installation is running, it waits and tries again.

    .PARAMETER What
    What it does, for errors, such as 'installing the Purview client'.

    .PARAMETER Timeout
    Seconds for one try.

    .PARAMETER BusyTimeout
    Seconds to wait for another installation to end.

    .PARAMETER AsSystem
    Run it as the system account, since it refuses a network logon.

    .OUTPUTS
    An object with ExitCode, Meaning and RestartRequired. Throws with the exit code, what it means and the log's last lines when it fails.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $What,

        [Parameter(Mandatory = $true)]
        [string]
        $Path,

        [string]
        $Argument,

        [Parameter(Mandatory = $true)]
        [string]
        $LogPath,

        [Parameter(Mandatory = $true)]
        [int]
        $Timeout,

        [int]
        $BusyTimeout = 0,

        [int[]]
        $AlsoSuccess = @(),

        [switch]
        $AsSystem
    )

    $deadline = [datetime]::UtcNow.AddSeconds($BusyTimeout)
    while ($true) {
        try {
            $raw = if ($AsSystem) {
                Invoke-SystemTask -Path $Path -Argument $Argument -Timeout $Timeout
            }
            else {
                Invoke-Program -Path $Path -Argument $Argument -Timeout $Timeout
            }
        }
        catch [TimeoutException] {
            throw [TimeoutException]::new("$What failed: $($_.Exception.Message). $(Format-LogTail -Path $LogPath)", $_.Exception)
        }
        catch [InvalidOperationException] {
            throw [InvalidOperationException]::new("$What failed: $($_.Exception.Message)", $_.Exception)
        }
        $code = ConvertTo-ExitCode -Raw $raw
        if ($code -ne $busy -or [datetime]::UtcNow -ge $deadline) {
            break
        }
        Start-Sleep -Seconds ([Math]::Min(10, [Math]::Max(1, [int]($deadline - [datetime]::UtcNow).TotalSeconds)))
    }
    $meaning, $remedy = Get-ExitCodeText -Code $code
    if (-not $successes.ContainsKey($code) -and $code -notin $AlsoSuccess) {
        $waited = if ($code -eq $busy) { ", also after $BusyTimeout seconds" }
        throw "$What failed: the installer ended with $raw ($meaning$waited). $remedy. $(Format-LogTail -Path $LogPath)"
    }
    $restart = $code -eq $restartStarted -or $code -in $restartDue
    [pscustomobject]@{ ExitCode = $raw; Meaning = $meaning; RestartRequired = $restart; RestartStarted = $code -eq $restartStarted }
}

function Get-ExitCodeText {
    <#
    .SYNOPSIS
    What an exit code means, and what to do about it where it is a failure: one text or two.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [int]
        $Code
    )

    if ($successes.ContainsKey($Code)) {
        $successes[$Code]
    }
    elseif ($failures.ContainsKey($Code)) {
        $failures[$Code]
    }
    else {
        'a code that this collection does not know'
        'Look at the log, and for the code in the documentation of the installer'
    }
}

function ConvertTo-ExitCode {
    # Bundles may end with an error of Windows wrapped as HRESULT, 0x8007nnnn.
    param ([int]$Raw)

    if (($Raw -band 0xFFFF0000) -eq 0x80070000) { $Raw -band 0xFFFF } else { $Raw }
}

function Format-LogTail {
    param ([string]$Path)

    # A bundle keeps the log of the MSI within it beside its own, as name_000_package.log, and that one says why.
    $pattern = "$([Path]::GetFileNameWithoutExtension($Path))_???_*.log"
    $folder = [Path]::GetDirectoryName($Path)
    $inner = if ([Directory]::Exists($folder)) { [Directory]::GetFiles($folder, $pattern) | Sort-Object | Select-Object -Last 1 }
    $log = if ($inner) { $inner } else { $Path }
    $tail = Get-LogTail -Path $log
    if ($tail) { "The log $log on the host says:`n$tail" } else { "It left no log ($log)." }
}

function Lock-Installation {
    <#
    .SYNOPSIS
    Waits until no other run of this collection installs anything on the host; returns what Unlock-Installation takes.

    .DESCRIPTION
    Windows releases the lock when the run dies, and what that run left is looked at anew.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [int]
        $Timeout
    )

    $lock = Lock-OwnFile -Folder packages -Name $lockName -Timeout $Timeout
    if (-not $lock) {
        throw "another run of infoprotect.aip is installing on this host, also after $Timeout seconds. Wait for its end, or give this one a longer busy_timeout"
    }
    $lock
}

function Unlock-Installation {
    <#
    .SYNOPSIS
    Lets other runs install again.
    #>
    [CmdletBinding()]
    param (
        [AllowNull()]
        $Lock
    )

    if ($Lock) {
        $Lock.Dispose()
    }
}

$export = @{
    Function = @(
        'Assert-FreeSpace'
        'Clear-InstallerPackage'
        'Get-ExitCodeText'
        'Get-InstallerSpec'
        'Get-InstallerName'
        'Get-LogPath'
        'Get-LogTail'
        'Get-MsiArgument'
        'Get-InstallerPackage'
        'Invoke-Installer'
        'Lock-Installation'
        'Remove-InstallerPackage'
        'Unlock-Installation'
    )
}
Export-ModuleMember @export
