# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Installed software: the products of interest in the list of installed programs, whether evidence confirms that they are installed, and how
# versions compare.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Msi
using namespace System.IO

#AnsibleRequires -CSharpUtil ..module_utils._Msi
#AnsibleRequires -PowerShell ..module_utils._Registry

$uninstall = 'SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall'
# Gone after the next start of Windows, as everything in it that says that one is due.
$restartKey = 'SOFTWARE\infoprotect.aip.restart'

# Names in the list of installed programs. The first that matches decides.
$productKinds = [ordered]@{
    # The stand-alone program has the name of the client in front of its own.
    '^(?:Microsoft )?(?:Azure |Purview )?Information Protection Viewer' = { 'viewer' }
    # Microsoft documents the name, and not whether its setup or the list puts anything behind it.
    '^Microsoft Rights Management connector(?: Setup| \([^)]*\)| [0-9][0-9.]*)?$' = { 'rms_connector' }
    '^Microsoft Purview Information Protection(?: Client)?$' = { 'purview_client' }
    # Versions 1 and 2 may share a name.
    '^(?:Microsoft )?Azure Information Protection(?: Client)?$' = {
        param ($version)
        switch -Regex ($version) {
            '^1\.' { 'classic_client' }
            '^2\.' { 'unified_labeling_client' }
            '^3\.' { 'purview_client' }
            default { 'other' }
        }
    }
    '^(?:Microsoft )?(?:Active Directory )?Rights Management Services? Client(?: [0-9.]+)?$' = { 'rms_client' }
    'Rights Management|Information Protection' = { 'other' }
}
$clientKinds = 'classic_client', 'unified_labeling_client', 'purview_client'
$clientProgram = 'MSIP.App.exe'

# INSTALLSTATE of msi.h, other than INSTALLSTATE_DEFAULT: https://learn.microsoft.com/windows/win32/msi/productstate
$installed = 5
$installerProblems = @{
    1 = 'Windows Installer has it advertised and not installed'
    2 = 'Windows Installer has it installed for another user only'
    -6 = 'the data that Windows Installer keeps of it is corrupt'
}

function Get-ProductKind {
    <#
    .SYNOPSIS
    What kind of product a name and a version belong to; nothing for a product that is of no interest.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [AllowEmptyString()]
        [AllowNull()]
        [string]
        $Name,

        [AllowEmptyString()]
        [AllowNull()]
        [string]
        $Version
    )

    foreach ($pattern in $productKinds.Keys) {
        if ($Name -match $pattern) {
            return & $productKinds[$pattern] $Version
        }
    }
}

function Get-InstalledProduct {
    <#
    .SYNOPSIS
    The products of interest in the list of installed programs, each with what evidence says of it. Only those with the State 'installed' are.

    .PARAMETER Unreadable
    A list, to which entries that cannot be read are added (what, reason). Without it they are an error.

    .OUTPUTS
    An object each: Name, Version, ProductCode (the key's name), View, Kind, Installer (msi, bundle, exe, or none for files without an entry),
    State, Problem (why it does not count as installed, or $null), Uninstall (the command line that removes it without questions, where it has
    one) and AttendedUninstall (the one that may ask). State is one of
    - installed
    - orphaned: an entry that nothing stands behind. Neither can it be removed by an installer nor is there anything to repair.
    - incomplete: installed in part. Installing the same version again repairs it.
    #>
    [CmdletBinding()]
    param (
        $Unreadable
    )

    $products = @(Get-ProductEntry -Unreadable $Unreadable)
    # What a bundle stands for is decided by the MSI that it has brought.
    foreach ($product in @($products).Where({ $_.Installer -eq 'msi' }) + @($products).Where({ $_.Installer -ne 'msi' })) {
        $product.State, $product.Problem = Get-ProductState -Product $product -All $products
    }
    $products
    if (-not @($products | Where-Object -FilterScript { $_.Kind -in $clientKinds -and $_.State -ne 'orphaned' }).Count) {
        Get-UnregisteredClient
    }
}

function Get-ProductEntry {
    # The entries of the list, not yet judged.
    param ($Unreadable)

    # A 32-bit Windows has one view only.
    foreach ($view in @(64) + @(if ([Environment]::Is64BitOperatingSystem) { 32 })) {
        $root = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = $uninstall; View = $view }
        if (-not $root) {
            continue
        }
        foreach ($code in $root.GetSubKeyNames()) {
            try {
                $key = $root.OpenSubKey($code)
                if (-not $key) {
                    # Uninstalled just now.
                    continue
                }
                $value = @{}
                foreach ($name in 'DisplayName', 'DisplayVersion', 'WindowsInstaller', 'BundleVersion', 'BundleCachePath', 'QuietUninstallString', 'UninstallString') {
                    $value[$name] = $key.GetValue($name)
                }
                $key.Dispose()
            }
            catch {
                if ($null -eq $Unreadable) {
                    throw
                }
                $Unreadable.Add([ordered]@{ what = "products: $code"; reason = Get-InnerMessage -ErrorRecord $_ })
                continue
            }
            $kind = Get-ProductKind -Name $value.DisplayName -Version $value.DisplayVersion
            if ($kind) {
                [pscustomobject]@{
                    Name = "$($value.DisplayName)"
                    Version = "$($value.DisplayVersion)"
                    ProductCode = $code
                    View = $view
                    Kind = $kind
                    Installer = if ($value.WindowsInstaller -eq 1) { 'msi' } elseif ($value.BundleVersion) { 'bundle' } else { 'exe' }
                    State = $null
                    Problem = $null
                    Setup = if ($value.BundleCachePath) { "$($value.BundleCachePath)" } else { (Split-CommandLine -Text $value.UninstallString)[0] }
                    Uninstall = $value.QuietUninstallString
                    AttendedUninstall = $value.UninstallString
                }
            }
        }
        $root.Dispose()
    }
}

function Get-ProductState {
    # State and Problem of a product; those of MSIs are known already when it is none.
    param ($Product, $All)

    if ($Product.Installer -eq 'msi') {
        $state = [Product]::State($Product.ProductCode)
        if ($state -ne $installed) {
            $problem = if ($installerProblems.ContainsKey($state)) { $installerProblems[$state] } else { 'Windows Installer does not know it' }
            return 'orphaned', $problem
        }
        $missing = @(if ($Product.Kind -in $clientKinds) { [Product]::MissingPrograms($Product.ProductCode, '^(?i:MSIP\.\w+\.exe)$') })
        if ($missing.Count) {
            return 'incomplete', "its program is gone ($($missing -join ', '))"
        }
        return 'installed', $null
    }
    if ($Product.Kind -notin $clientKinds -and $Product.Kind -ne 'rms_connector') {
        return 'installed', $null
    }
    $part = @($All | Where-Object -FilterScript { $_.Installer -eq 'msi' -and $_.Kind -eq $Product.Kind -and $_.State -ne 'orphaned' })
    if ($part.Count) {
        $whole = @($part | Where-Object -FilterScript { $_.State -eq 'installed' })
        return $(if ($whole.Count) { 'installed', $null } else { 'incomplete', $part[0].Problem })
    }
    if (@(Get-ProgramFile -Kind $Product.Kind).Count) {
        return 'installed', $null
    }
    if (-not $Product.Setup -or -not [File]::Exists($Product.Setup)) {
        return 'orphaned', "neither its own setup$(if ($Product.Setup) { " ($($Product.Setup))" }) nor its program is there"
    }
    if ($Product.Kind -in $clientKinds) {
        return 'incomplete', 'the MSI that it installs is not there'
    }
    # The administration tool alone has no web service.
    'installed', $null
}

function Get-ProgramFile {
    # The programs of a kind of product that are where Microsoft's installers put them: paths.
    param ([string]$Kind)

    $files = if ($Kind -eq 'rms_connector') {
        # https://learn.microsoft.com/azure/information-protection/monitor-rms-connector
        [Path]::Combine([Environment]::GetFolderPath('ProgramFiles'), 'Microsoft Rights Management connector', 'Web Service', 'web.config')
    }
    else {
        $root = [Environment]::GetFolderPath('ProgramFilesX86')
        if (-not $root) {
            $root = [Environment]::GetFolderPath('ProgramFiles')
        }
        foreach ($folder in 'Microsoft Azure Information Protection', 'Microsoft Purview Information Protection') {
            [Path]::Combine($root, $folder, $clientProgram)
        }
    }
    $files | Where-Object -FilterScript { [File]::Exists($_) }
}

function Get-UnregisteredClient {
    # The program of a client that no entry stands for: left by an installation or a removal that was cut off.
    foreach ($file in Get-ProgramFile -Kind $clientKinds[0]) {
        $information = [Diagnostics.FileVersionInfo]::GetVersionInfo($file)
        $version = "$($information.ProductVersion)".Trim()
        $name = if ($information.ProductName) { $information.ProductName } else { [Path]::GetFileName([Path]::GetDirectoryName($file)) }
        $kind = Get-ProductKind -Name $name -Version $version
        [pscustomobject]@{
            Name = $name
            Version = $version
            ProductCode = $null
            View = 32
            Kind = if ($kind) { $kind } else { 'other' }
            Installer = 'none'
            State = 'incomplete'
            Problem = "$file is there, and the list of installed programs has no entry for it"
            Setup = $null
            Uninstall = $null
            AttendedUninstall = $null
        }
    }
}

function Split-CommandLine {
    <#
    .SYNOPSIS
    The program and the rest of a command line from the list of installed programs: two texts, empty for none.
    #>
    [CmdletBinding()]
    param (
        [AllowEmptyString()]
        [AllowNull()]
        [string]
        $Text
    )

    if ($Text -match '^\s*(?:"([^"]+)"|(\S+))\s*(.*)$') {
        return "$($Matches[1])$($Matches[2])", $Matches[3]
    }
    '', ''
}

function Test-Registered {
    <#
    .SYNOPSIS
    Whether an installer can remove or repair a product (among the facts, or as Get-InstalledProduct has it): it is installed, in whole or in part.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        $Product
    )

    $Product.State -ne 'orphaned' -and $Product.Installer -ne 'none'
}

function ConvertTo-ProductFact {
    <#
    .SYNOPSIS
    A product as modules return it.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Product
    )

    [ordered]@{
        name = $Product.Name
        version = $Product.Version
        product_code = $Product.ProductCode
        view = $Product.View
        kind = $Product.Kind
        installer = $Product.Installer
        state = $Product.State
        problem = $Product.Problem
    }
}

function Get-ProductNote {
    <#
    .SYNOPSIS
    What to know of products that are not installed as a whole and that no installer puts right: what it is, what it means and what to do, as texts.

    .PARAMETER Product
    Products among the facts.
    #>
    [CmdletBinding()]
    param (
        [AllowEmptyCollection()]
        [AllowNull()]
        [object[]]
        $Product
    )

    foreach ($one in $Product | Where-Object -FilterScript { $_ }) {
        $what = "$($one.name) $($one.version)"
        if ($one.state -eq 'orphaned') {
            $wow = if ($one.view -eq 32 -and [Environment]::Is64BitOperatingSystem) { '\WOW6432Node' }
            $key = "HKLM:\SOFTWARE$wow\$($uninstall.Substring('SOFTWARE\'.Length))\$($one.product_code)"
            "The list of installed programs has an orphaned entry, $what ($key): $($one.problem). It does not count as installed, and no installer can " +
            "remove it. Delete that key, or remove the entry with Microsoft's Program Install and Uninstall troubleshooter"
        }
        elseif ($one.installer -eq 'none') {
            "Files of $what are left without an installation: $($one.problem). Install the client again, or delete its folder"
        }
    }
}

function ConvertTo-StepResult {
    <#
    .SYNOPSIS
    What has to be done, as modules return it: a list of action, product, before and after, with attended where the operator has to do it at the host.

    .PARAMETER Step
    Objects with Action (install, repair, remove, stage or unstage), Product, Before and After (texts, $null for none), maybe Attended.
    #>
    [CmdletBinding()]
    param (
        [AllowEmptyCollection()]
        [object[]]
        $Step
    )

    $results = [System.Collections.Generic.List[object]]::new()
    foreach ($item in $Step) {
        $result = [ordered]@{ action = $item.Action; product = $item.Product; before = $item.Before; after = $item.After }
        if ($item.Attended) {
            $result.attended = $true
        }
        $results.Add($result)
    }
    , $results
}

function ConvertTo-ProductVersion {
    <#
    .SYNOPSIS
    A version that compares with others: missing parts count as 0, so that 2.18.26 equals 2.18.26.0. $null for what is no version.
    #>
    [CmdletBinding()]
    [OutputType([version])]
    param (
        [AllowEmptyString()]
        [AllowNull()]
        [string]
        $Text
    )

    if ("$Text" -notmatch '^\s*([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?\s*$') {
        return $null
    }
    [version]::new([int]$Matches[1], [int]$Matches[2], [int]$Matches[3], [int]$Matches[4])
}

function Set-RestartDue {
    <#
    .SYNOPSIS
    Keeps on the host, until it is restarted, that what was installed, removed or written needs a restart. Installers say that by their exit code only.

    .PARAMETER Name
    What needs it, such as 'client': the reason among the facts.
    #>
    [CmdletBinding()]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Name
    )

    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    try {
        $key = $base.CreateSubKey($restartKey, [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree, [Microsoft.Win32.RegistryOptions]::Volatile)
        $key.SetValue($Name, 1)
        $key.Dispose()
    }
    finally {
        $base.Dispose()
    }
}

function Clear-RestartDue {
    <#
    .SYNOPSIS
    Removes what Set-RestartDue has kept, since nothing was changed after all.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Name
    )

    $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = $restartKey; View = 64 } -Writable
    if ($key) {
        $key.DeleteValue($Name, $false)
        $key.Dispose()
    }
}

function Get-RestartDue {
    <#
    .SYNOPSIS
    What Set-RestartDue has kept since Windows was started: names.
    #>
    [CmdletBinding()]
    param ()

    $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = $restartKey; View = 64 }
    if ($key) {
        $names = $key.GetValueNames()
        $key.Dispose()
        [Array]::Sort($names, [StringComparer]::OrdinalIgnoreCase)
        $names
    }
}

$export = @{
    Function = @(
        'Clear-RestartDue'
        'ConvertTo-ProductFact'
        'ConvertTo-ProductVersion'
        'ConvertTo-StepResult'
        'Get-InstalledProduct'
        'Get-ProductKind'
        'Get-ProductNote'
        'Get-ProgramFile'
        'Get-RestartDue'
        'Set-RestartDue'
        'Split-CommandLine'
        'Test-Registered'
    )
}
Export-ModuleMember @export
