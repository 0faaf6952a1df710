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
        # Documented until August 2020, and since then: none of them says for which versions.
        telemetry = @{ $true = 'ENABLETELEMETRY=1 AllowTelemetry=1'; $false = 'ENABLETELEMETRY=0 AllowTelemetry=0' }
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
                products = @(Get-InstalledProduct | ForEach-Object -Process { ConvertTo-ProductFact -Product $_ })
                reboot = @{ reasons = @(Get-RestartDue) }
            }
            $plan = Get-ClientPlan -Option $option -Fact $fact
            Add-BundleRemoval -Plan $plan -Option $option -Product $fact.products
            $plan
        }
        Look = { Get-InstalledProduct | Where-Object -FilterScript { Test-Client -Product $_ } | ForEach-Object -Process { ConvertTo-ProductFact -Product $_ } }
        Check = { param ($package, $option, $plan) Assert-ClientPackage -Package $package -Option $option -Plan $plan }
        Carry = { param ($module, $plan, $package) Invoke-ClientPlan -Module $module -Plan $plan -Package $package }
    }
    try {
        Invoke-Setup -Module $Module -Setup $setup
    }
    finally {
        if ($Module.Result.installers.what -match '^(?:installing|repairing) ') {
            $Module.Result.notes = [string[]]@(@($Module.Result.notes; Get-TelemetryNote -Wanted $Module.Params.telemetry) | Where-Object -FilterScript { $_ })
        }
    }
}

function Get-TelemetryNote {
    # What the installer has made of the choice, as the registry has it. Microsoft documents the value EnableTelemetry, and not in which of the
    # client's keys it is.
    param ($Wanted)

    if ($null -eq $Wanted) {
        return
    }
    $found = @(Get-ClientState | Where-Object -FilterScript { $_.name -eq 'EnableTelemetry' })
    if (-not $found.Count) {
        'The installer left no value EnableTelemetry in the registry of the host, so that the choice of telemetry cannot be verified'
    }
    foreach ($value in $found | Where-Object -FilterScript { [bool]$_.data -ne $Wanted }) {
        "EnableTelemetry is $($value.data) in HKLM:\SOFTWARE\Microsoft\MSIP ($($value.view)-bit view): expected $([int]$Wanted). " +
        'Set it with the module registry_values'
    }
}

function Add-BundleRemoval {
    # An MSI would replace the one within a bundle and leave the bundle behind, which then belongs to nothing: the bundle goes first.
    param ($Plan, $Option, $Product)

    $install = $Plan.Steps | Where-Object -FilterScript { $_.Action -in 'install', 'repair' }
    $source = if ($Option.path) { $Option.path } else { "$($Option.src)" }
    if (-not $install -or (Get-InstallerName -Source $source) -notlike '*.msi') {
        return
    }
    # Version 2 replaces version 1 in place, too.
    foreach ($name in @(if ($install.Before) { $install.Product }) + @(if ($install.Product -eq 'unified_labeling') { 'classic' })) {
        $kind = Get-ClientKind -Product $name
        $bundle = @($Product | Where-Object -FilterScript { $_.Installer -eq 'bundle' -and $_.Kind -eq $kind -and (Test-Registered -Product $_) })
        if ($bundle.Count) {
            $Plan.Steps.Insert($Plan.Steps.IndexOf($install), [pscustomobject]@{ Action = 'remove'; Product = $name; Before = $bundle[0].Version; After = $null })
            if ($name -eq $install.Product) {
                $install.Action = 'install'
                $install.Before = $null
            }
        }
    }
}

function Assert-ClientPackage {
    # Throws unless the installer is one of the wanted product and version.
    param ($Package, $Option, $Plan)

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
    $repair = $Plan.Steps | Where-Object -FilterScript { $_.Action -eq 'repair' }
    if ($repair -and $version -lt (ConvertTo-ProductVersion -Text $repair.Before)) {
        throw "$($what): expected version $($repair.Before) or later, which is installed in part and has to be repaired"
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
            $look = { Get-InstalledProduct | Where-Object -FilterScript { $_.Kind -eq $kind -and (Test-Registered -Product $_) } }
            # The bundle takes its MSI along; only then is there an MSI left that was installed by itself.
            Remove-Client -Module $Module -Entry @(& $look)
            foreach ($entry in & $look | Where-Object -FilterScript { $_.Installer -eq 'msi' }) {
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
            Install-Client -Module $Module -Package $Package -Step $step
        }
    }
}

function Remove-Client {
    # Of these entries those that brought their own way to be removed. One whose setup is gone goes with its MSI; what is left of it is an orphaned entry.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Module, [object[]]$Entry)

    $package = @($Entry).Where({ $_.Installer -eq 'msi' })
    foreach ($one in @($Entry).Where({ $_.Installer -ne 'msi' })) {
        $what = "removing $($one.Name) $($one.Version)"
        $program, $argument = Split-CommandLine -Text $one.Uninstall
        if ($package.Count -and -not [File]::Exists($program)) {
            continue
        }
        if (-not $program) {
            throw "$what failed: it does not say how it is removed without questions (QuietUninstallString of $($one.ProductCode))"
        }
        if (-not [File]::Exists($program)) {
            throw "$what failed: its own setup, $program, is gone. Put it back, or remove the program by hand"
        }
        $log = Get-LogPath -Wanted $null -Name 'client-remove'
        $call = @{ What = $what; Path = $program; Argument = "$argument /norestart /log `"$log`""; LogPath = $log }
        Invoke-SetupStep -Module $Module -Name client -Call $call
    }
}

function Install-Client {
    param ($Module, $Package, $Step)

    $option = $Module.Params
    $same = (ConvertTo-ProductVersion -Text $Package.Version) -eq (ConvertTo-ProductVersion -Text $Step.Before)
    $extra = @(foreach ($name in 'powershell_only', 'telemetry') {
            if ($null -ne $option[$name] -and $choices[$Package.Type][$name]) {
                $choices[$Package.Type][$name][$option[$name]]
            }
        }) + @($option.arguments)
    $log = Get-LogPath -Wanted $option.log_path -Name 'client-install'
    $repair = $Step.Action -eq 'repair' -and $same
    $call = @{ What = "$(if ($repair) { 'repairing' } else { 'installing' }) $($Package.Name) $($Package.Version)"; LogPath = $log }
    if ($Package.Type -eq 'msi') {
        if (Get-InstalledProduct | Where-Object -FilterScript { $_.ProductCode -eq $Package.ProductCode -and (Test-Registered -Product $_) }) {
            # A repair and a minor upgrade keep the product code, and Windows Installer wants to be told.
            $extra = @('REINSTALL=ALL', 'REINSTALLMODE=vomus') + $extra
        }
        $call.Path = [Path]::Combine([Environment]::SystemDirectory, 'msiexec.exe')
        $call.Argument = Get-MsiArgument -Action install -Target $Package.Path -LogPath $log -Argument $extra
    }
    else {
        $call.Path = $Package.Path
        # An option of every bundle of WiX; without it, a bundle leaves alone what is registered.
        $call.Argument = (@(if ($repair) { '/repair' }) + @('/quiet', '/norestart', "/log `"$log`"") + $extra) -join ' '
    }
    Invoke-SetupStep -Module $Module -Name client -Call $call
}

Export-ModuleMember -Function Invoke-ClientSetup
