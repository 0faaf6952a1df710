# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Carries out what _Client.psm1 has planned: removes and installs the client, and looks at the host again.

using namespace System.IO

#AnsibleRequires -PowerShell ..module_utils._Client
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Installer
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Setup

# How each type of installer takes the choices of the operator.
$choices = @{
    exe = @{
        powershell_only = @{ $true = 'PowerShellOnly=true' }
        telemetry = @{ $true = 'AllowTelemetry=1'; $false = 'AllowTelemetry=0' }
    }
    msi = @{
        telemetry = @{ $true = 'ENABLETELEMETRY=1'; $false = 'ENABLETELEMETRY=0' }
    }
}

function Invoke-ClientSetup {
    <#
    .SYNOPSIS
    Brings the client on the host to the state that the options of the module client say, and fills the module's result.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $setup = @{
        Name = 'client'
        Plan = {
            param ($option)
            $fact = @{
                os = Get-OperatingSystem
                dotnet = Get-DotNetFramework
                products = @(Get-InstalledProduct)
                reboot = @{ reasons = @(Get-RestartDue) }
            }
            $plan = Get-ClientPlan -Option $option -Fact $fact
            Add-BundleRemoval -Plan $plan -Option $option -Product $fact.products
            $plan
        }
        Look = { Get-InstalledProduct | Where-Object -FilterScript { Test-Client -Product $_ } | ForEach-Object -Process { ConvertTo-ProductFact -Product $_ } }
        Check = { param ($package, $option) Assert-ClientPackage -Package $package -Option $option }
        Carry = { param ($module, $plan, $package) Invoke-ClientPlan -Module $module -Plan $plan -Package $package }
    }
    Invoke-Setup -Module $Module -Setup $setup
}

function Add-BundleRemoval {
    # An MSI would replace the one within a bundle and leave the bundle behind, which then belongs to nothing: the bundle goes first.
    param ($Plan, $Option, $Product)

    $install = $Plan.Steps | Where-Object -FilterScript { $_.Action -eq 'install' }
    $source = if ($Option.path) { $Option.path } else { "$($Option.src)" }
    if (-not $install -or (Get-InstallerName -Source $source) -notlike '*.msi') {
        return
    }
    # Version 2 replaces version 1 in place, too.
    foreach ($name in @(if ($install.Before) { $install.Product }) + @(if ($install.Product -eq 'unified_labeling') { 'classic' })) {
        $kind = Get-ClientKind -Product $name
        $bundle = @($Product | Where-Object -FilterScript { $_.Installer -eq 'bundle' -and $_.Kind -eq $kind })
        if ($bundle.Count) {
            $Plan.Steps.Insert($Plan.Steps.IndexOf($install), [pscustomobject]@{ Action = 'remove'; Product = $name; Before = $bundle[0].Version; After = $null })
            if ($name -eq $install.Product) {
                $install.Before = $null
            }
        }
    }
}

function Assert-ClientPackage {
    # Throws unless the installer is one of the wanted product and version.
    param ($Package, $Option)

    $what = "The installer $([Path]::GetFileName($Package.Path)) is $($Package.Name) $($Package.Version)"
    $version = ConvertTo-ProductVersion -Text $Package.Version
    $kind = if ($version) { Get-ProductKind -Name $Package.Name -Version $Package.Version }
    $wanted = Get-ClientKind -Product $Option.product
    if ($kind -ne $wanted) {
        throw "$($what): expected one of the product $($Option.product)"
    }
    if ($Option.version) {
        $required = ConvertTo-ProductVersion -Text $Option.version
        # Bundles may show fewer parts of the version.
        if ($version -lt $required -or ($Option.exact -and $version -ne $required)) {
            throw "$($what): expected version $($Option.version)$(if (-not $Option.exact) { ' or later' })"
        }
    }
    foreach ($name in 'powershell_only', 'telemetry') {
        if ($null -ne $Option[$name] -and -not $choices[$Package.Type][$name] -and $Option[$name]) {
            throw "$name is true: expected an installer of type exe, since the $($Package.Type) has no such choice"
        }
    }
}

function Invoke-ClientPlan {
    # Removes and installs.
    param ($Module, $Plan, $Package)

    foreach ($step in $Plan.Steps) {
        if ($step.Action -eq 'remove') {
            $kind = Get-ClientKind -Product $step.Product
            # The bundle takes its MSI along; only then is there an MSI left that was installed by itself.
            Remove-Client -Module $Module -Bundle @(Get-InstalledProduct | Where-Object -FilterScript { $_.Kind -eq $kind -and $_.Installer -ne 'msi' })
            foreach ($entry in Get-InstalledProduct | Where-Object -FilterScript { $_.Kind -eq $kind -and $_.Installer -eq 'msi' }) {
                $log = Get-LogPath -Wanted $null -Name 'client-remove'
                $call = @{
                    What = "removing $($entry.Name) $($entry.Version)"
                    Path = [Path]::Combine([Environment]::SystemDirectory, 'msiexec.exe')
                    Argument = Get-MsiArgument -Action remove -Target $entry.ProductCode -LogPath $log
                    LogPath = $log
                    AlsoSuccess = 1605
                }
                Invoke-SetupStep -Module $Module -Name client -Call $call
            }
        }
        else {
            Install-Client -Module $Module -Package $Package
        }
    }
}

function Remove-Client {
    # Programs that brought their own way to be removed.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Module, [object[]]$Bundle)

    foreach ($entry in $Bundle) {
        $what = "removing $($entry.Name) $($entry.Version)"
        if ("$($entry.Uninstall)" -notmatch '^\s*(?:"([^"]+)"|(\S+))\s*(.*)$') {
            throw "$what failed: it does not say how it is removed without questions (QuietUninstallString of $($entry.ProductCode))"
        }
        $program, $argument = @("$($Matches[1])$($Matches[2])", $Matches[3])
        if (-not [File]::Exists($program)) {
            throw "$what failed: its own setup, $program, is gone. Put it back, or remove the program by hand"
        }
        $log = Get-LogPath -Wanted $null -Name 'client-remove'
        $call = @{ What = $what; Path = $program; Argument = "$argument /norestart /log `"$log`""; LogPath = $log }
        Invoke-SetupStep -Module $Module -Name client -Call $call
    }
}

function Install-Client {
    param ($Module, $Package)

    $option = $Module.Params
    $extra = @(foreach ($name in 'powershell_only', 'telemetry') {
            if ($null -ne $option[$name] -and $choices[$Package.Type][$name]) {
                $choices[$Package.Type][$name][$option[$name]]
            }
        }) + @($option.arguments)
    $log = Get-LogPath -Wanted $option.log_path -Name 'client-install'
    $call = @{ What = "installing $($Package.Name) $($Package.Version)"; LogPath = $log }
    if ($Package.Type -eq 'msi') {
        if (Get-InstalledProduct | Where-Object -FilterScript { $_.ProductCode -eq $Package.ProductCode }) {
            # A minor upgrade keeps the product code, and Windows Installer wants to be told.
            $extra = @('REINSTALL=ALL', 'REINSTALLMODE=vomus') + $extra
        }
        $call.Path = [Path]::Combine([Environment]::SystemDirectory, 'msiexec.exe')
        $call.Argument = Get-MsiArgument -Action install -Target $Package.Path -LogPath $log -Argument $extra
    }
    else {
        $call.Path = $Package.Path
        $call.Argument = (@('/quiet', '/norestart', "/log `"$log`"") + $extra) -join ' '
    }
    Invoke-SetupStep -Module $Module -Name client -Call $call
}

Export-ModuleMember -Function Invoke-ClientSetup
