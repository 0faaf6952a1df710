# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The PowerShell module AIPService on a host: installed from a package, a folder or a repository, after the older module AADRM was removed.

$name = 'AIPService'
$older = 'AADRM'
# What a package of NuGet has beside the module
$ofPackage = '^(?:_rels/|package/|\[Content_Types\]\.xml$|[^/]+\.nuspec$)'

function Get-ServiceModuleSpec {
    <#
    .SYNOPSIS
    The options of the module protection_service_module.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            version = @{ type = 'str' }
            src = @{ type = 'str' }
            path = @{ type = 'str' }
            checksum = @{ type = 'str' }
            repository = @{ type = 'str' }
            remove_aadrm = @{ type = 'bool'; default = $true }
        }
        mutually_exclusive = @(, @('src', 'path', 'repository'))
        required_by = @{ src = 'checksum'; path = 'checksum'; repository = 'version' }
    }
}

function Get-ModuleFolder {
    # Where modules for all users are.
    [IO.Path]::Combine([Environment]::GetFolderPath('ProgramFiles'), 'WindowsPowerShell', 'Modules')
}

function Find-ServiceModule {
    # The versions of a module on this host, the newest, which is the one that is loaded, first.
    param ([string]$Name)

    Get-Module -Name $Name -ListAvailable | Sort-Object -Property Version -Descending | ForEach-Object -Process {
        [pscustomobject]@{ Version = $_.Version; Folder = $_.ModuleBase }
    }
}

function Get-Sha256 {
    param ([IO.Stream]$Stream)

    $algorithm = [Security.Cryptography.SHA256]::Create()
    try {
        ([BitConverter]::ToString($algorithm.ComputeHash($Stream)) -replace '-').ToLowerInvariant()
    }
    finally {
        $algorithm.Dispose()
    }
}

function Assert-PackageChecksum {
    param ([string]$Path, [string]$Found, [string]$Expected)

    $wanted = $Expected.Trim().ToLowerInvariant() -replace '^sha256:'
    if ($wanted -notmatch '^[0-9a-f]{64}$') {
        throw "checksum is '$Expected': expected SHA-256, 64 hexadecimal digits."
    }
    if ($Found -ne $wanted) {
        throw "$Path has the SHA-256 checksum $($Found): expected $wanted (checksum). Nothing was installed."
    }
}

function Expand-Package {
    # A package of NuGet, verified and unpacked by the same handle.
    param ([string]$Path, [string]$Checksum, [string]$Target)

    Add-Type -AssemblyName System.IO.Compression
    $stream = [IO.FileStream]::new($Path, 'Open', 'Read', 'Read')
    try {
        Assert-PackageChecksum -Path $Path -Found (Get-Sha256 -Stream $stream) -Expected $Checksum
        $stream.Position = 0
        try {
            $archive = [IO.Compression.ZipArchive]::new($stream)
        }
        catch {
            throw "$Path is no package of NuGet: $($_.Exception.GetBaseException().Message)"
        }
        $root = [IO.Path]::GetFullPath($Target) + [IO.Path]::DirectorySeparatorChar
        foreach ($entry in $archive.Entries) {
            $relative = [uri]::UnescapeDataString($entry.FullName.Replace('\', '/'))
            if ($relative.EndsWith('/', [StringComparison]::Ordinal) -or $relative -match $ofPackage) {
                continue
            }
            $file = [IO.Path]::GetFullPath([IO.Path]::Combine($Target, $relative))
            if (-not $file.StartsWith($root, [StringComparison]::OrdinalIgnoreCase)) {
                throw "$Path has the entry '$relative', which leads out of the module's folder. Nothing was installed."
            }
            $null = [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($file))
            $from = $entry.Open()
            $to = [IO.File]::Create($file)
            try {
                $from.CopyTo($to)
            }
            finally {
                $to.Dispose()
                $from.Dispose()
            }
        }
    }
    finally {
        $stream.Dispose()
    }
}

function Copy-ModuleFolder {
    # A folder, copied and then verified, so that the copy is what was verified.
    param ([string]$Path, [string]$Checksum, [string]$Target)

    $root = [IO.Path]::GetFullPath($Path).TrimEnd('\') + '\'
    foreach ($file in [IO.Directory]::GetFiles($root, '*', 'AllDirectories')) {
        $copy = [IO.Path]::Combine($Target, $file.Substring($root.Length))
        $null = [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($copy))
        [IO.File]::Copy($file, $copy)
    }
    Assert-PackageChecksum -Path $Path -Found (Get-FolderChecksum -Path $Target) -Expected $Checksum
}

function Get-FolderChecksum {
    <#
    .SYNOPSIS
    SHA-256 of a list of the files in a folder: 'checksum  path', one a line that ends with a line feed, with / in paths, in the order of their code points.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Path
    )

    $root = [IO.Path]::GetFullPath($Path).TrimEnd('\') + '\'
    $files = [Collections.Generic.List[string]]@([IO.Directory]::GetFiles($root, '*', 'AllDirectories') | ForEach-Object -Process {
            $_.Substring($root.Length).Replace('\', '/')
        })
    $files.Sort([StringComparer]::Ordinal)
    $lines = foreach ($file in $files) {
        $stream = [IO.File]::OpenRead($root + $file.Replace('/', '\'))
        try {
            "$(Get-Sha256 -Stream $stream)  $file`n"
        }
        finally {
            $stream.Dispose()
        }
    }
    Get-Sha256 -Stream ([IO.MemoryStream]::new([Text.Encoding]::UTF8.GetBytes(-join $lines)))
}

function Install-FromPackage {
    # Unpacks beside the place where the module goes, and moves it there when it is the right one.
    param ($Option)

    $path = $Option.path
    $parent = [IO.Path]::Combine((Get-ModuleFolder), $name)
    $draft = [IO.Path]::Combine((Get-ModuleFolder), "$name-$([guid]::NewGuid())")
    $null = [IO.Directory]::CreateDirectory($draft)
    try {
        if ([IO.Directory]::Exists($path)) {
            Copy-ModuleFolder -Path $path -Checksum $Option.checksum -Target $draft
        }
        elseif ([IO.File]::Exists($path)) {
            Expand-Package -Path $path -Checksum $Option.checksum -Target $draft
        }
        else {
            throw "path is '$path': expected a package (nupkg) or a folder on the host."
        }
        $manifest = [IO.Path]::Combine($draft, "$name.psd1")
        if (-not [IO.File]::Exists($manifest)) {
            throw "$path has no $name.psd1: expected the PowerShell module $name. Nothing was installed."
        }
        $version = [version](Import-PowerShellDataFile -LiteralPath $manifest).ModuleVersion
        if ($Option.version -and $version -ne [version]$Option.version) {
            throw "$path has version $version of $($name): expected $($Option.version) (version). Nothing was installed."
        }
        $null = [IO.Directory]::CreateDirectory($parent)
        $target = [IO.Path]::Combine($parent, "$version")
        if ([IO.Directory]::Exists($target)) {
            [IO.Directory]::Delete($target, $true)
        }
        [IO.Directory]::Move($draft, $target)
        $version
    }
    finally {
        if ([IO.Directory]::Exists($draft)) {
            [IO.Directory]::Delete($draft, $true)
        }
    }
}

function Install-FromRepository {
    param ($Option)

    try {
        Install-Module -Name $name -RequiredVersion $Option.version -Repository $Option.repository -Scope AllUsers -Force -AllowClobber -ErrorAction Stop
    }
    catch [Management.Automation.CommandNotFoundException] {
        throw 'repository: this host does not have Install-Module (PowerShellGet). Install from a package with src or path.'
    }
    catch {
        throw "repository is '$($Option.repository)': $($_.Exception.Message)"
    }
    [version]$Option.version
}

function Remove-ServiceModule {
    # Removes a version of a module that is where modules for all users are; another one came with a setup.
    param ([string]$Name, $Module)

    $own = [IO.Path]::Combine((Get-ModuleFolder), $Name)
    $folder = $Module.Folder.TrimEnd('\')
    if ($folder -ne $own -and -not $folder.StartsWith("$own\", [StringComparison]::OrdinalIgnoreCase)) {
        throw "$Name $($Module.Version) is in $($folder): expected it below $own, where it can be removed. Uninstall it by the setup that installed it."
    }
    [IO.Directory]::Delete($folder, $true)
    if ([IO.Directory]::Exists($own) -and -not [IO.Directory]::GetFileSystemEntries($own).Length) {
        [IO.Directory]::Delete($own)
    }
}

function Invoke-ServiceModule {
    <#
    .SYNOPSIS
    Compares the versions of AIPService on the host with the options, and installs and removes. Fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $option = $Module.Params
    $wanted = $null
    if ($option.version -and -not [version]::TryParse($option.version, [ref]$wanted)) {
        throw "version is '$($option.version)': expected a version such as 3.0.0.1."
    }
    if ($option.path -and ($option.path.IndexOfAny([IO.Path]::GetInvalidPathChars()) -ge 0 -or -not [IO.Path]::IsPathRooted($option.path))) {
        throw "path is '$($option.path)': expected the full path of a package (nupkg) or a folder on the host."
    }
    $found = @(Find-ServiceModule -Name $name)
    $old = @(if ($option.remove_aadrm) { Find-ServiceModule -Name $older })
    $present = $option.state -eq 'present'
    $missing = $present -and -not @($found | Where-Object -FilterScript { -not $wanted -or $_.Version -eq $wanted })
    $surplus = @($found | Where-Object -FilterScript { -not $present -or ($wanted -and $_.Version -gt $wanted) })
    $remove = @(
        $old | ForEach-Object -Process { @{ Name = $older; Module = $_ } }
        $surplus | ForEach-Object -Process { @{ Name = $name; Module = $_ } }
    )
    $result = $Module.Result
    $result.removed = [string[]]@($remove | ForEach-Object -Process { "$($_.Name) $($_.Module.Version)" })
    $result.installed = $null
    $result.package_needed = $missing -and [bool]$option.src
    if ($missing -and -not ($option.src -or $option.path -or $option.repository)) {
        $which = if ($wanted) { "$name $wanted" } else { $name }
        throw "$which is not on this host ($(@($found | ForEach-Object -Process { $_.Version }) -join ', ')). Name a package with src or path, or a repository."
    }
    $result.changed = $remove.Count -gt 0 -or $missing
    $texts = { param ($modules) @($modules | ForEach-Object -Process { "$($_.Version)" }) }
    $Module.Diff.before = @{ $name = @(& $texts $found); $older = @(& $texts $old) }
    $after = @($found | Where-Object -FilterScript { $surplus -notcontains $_ } | ForEach-Object -Process { "$($_.Version)" })
    if ($missing) {
        $after = @($(if ($wanted) { "$wanted" } else { 'the version of the package' })) + $after
    }
    $Module.Diff.after = @{ $name = $after; $older = @() }
    $result.versions = [string[]]@(& $texts $found)
    # The controller brings the package over, and then calls again with path.
    if ($Module.CheckMode -or $result.package_needed) {
        return
    }

    # Microsoft: uninstall the older module first.
    foreach ($item in $remove) {
        Remove-ServiceModule -Name $item.Name -Module $item.Module
    }
    if ($missing) {
        $installed = if ($option.path) { Install-FromPackage -Option $option } else { Install-FromRepository -Option $option }
        $result.installed = "$installed"
        $found = @(Find-ServiceModule -Name $name)
        if (@($found | ForEach-Object -Process { $_.Version }) -notcontains $installed) {
            throw "$name $installed was installed, and PowerShell does not find it. Look at PSModulePath of the host: it has to name $(Get-ModuleFolder)."
        }
    }
    $result.versions = [string[]]@(& $texts @(Find-ServiceModule -Name $name))
}

Export-ModuleMember -Function Get-FolderChecksum, Get-ServiceModuleSpec, Invoke-ServiceModule
