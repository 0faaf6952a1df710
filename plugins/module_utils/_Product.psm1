# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Installed software: which products of interest the list of installed programs has, in both views, and how versions compare.

#AnsibleRequires -PowerShell ..module_utils._Registry

$uninstall = 'SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall'
# Gone after the next start of Windows, as everything in it that says that one is due.
$restartKey = 'SOFTWARE\infoprotect.aip.restart'

# Names in the list of installed programs. The first that matches decides.
$productKinds = [ordered]@{
    '^Microsoft Rights Management connector' = { 'rms_connector' }
    '^Microsoft Purview Information Protection' = { 'purview_client' }
    # Versions 1 and 2 may share a name.
    '^(?:Microsoft )?Azure Information Protection' = {
        param ($version)
        switch -Regex ($version) {
            '^1\.' { 'classic_client' }
            '^2\.' { 'unified_labeling_client' }
            '^3\.' { 'purview_client' }
            default { 'other' }
        }
    }
    'Rights Management Services? Client' = { 'rms_client' }
    'Rights Management|Information Protection' = { 'other' }
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
    The products of interest in the list of installed programs.

    .PARAMETER Unreadable
    A list, to which entries that cannot be read are added (what, reason). Without it they are an error.

    .OUTPUTS
    An object each: Name, Version, ProductCode (the key's name), View, Kind, Installer (msi, bundle or exe), Uninstall (the
    command line that removes it without questions, where it has one) and AttendedUninstall (the one that may ask).
    #>
    [CmdletBinding()]
    param (
        $Unreadable
    )

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
                foreach ($name in 'DisplayName', 'DisplayVersion', 'WindowsInstaller', 'BundleVersion', 'QuietUninstallString', 'UninstallString') {
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
                    Uninstall = $value.QuietUninstallString
                    AttendedUninstall = $value.UninstallString
                }
            }
        }
        $root.Dispose()
    }
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
    }
}

function ConvertTo-StepResult {
    <#
    .SYNOPSIS
    What has to be done, as modules return it: a list of action, product, before and after, with attended where somebody has to do it at the host.

    .PARAMETER Step
    Objects with Action (install, remove, stage or unstage), Product, Before and After (texts, $null for none), maybe Attended.
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

Export-ModuleMember -Function Clear-RestartDue, ConvertTo-ProductFact, ConvertTo-ProductVersion, ConvertTo-StepResult, Get-InstalledProduct, Get-ProductKind, Get-RestartDue, Set-RestartDue
