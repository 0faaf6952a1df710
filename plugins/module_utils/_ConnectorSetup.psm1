# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Carries out what _Connector.psm1 has planned: stages the connector's setup for the operator, or runs it with the arguments that the operator
# has tested. Microsoft documents no arguments, so setup never runs without them.

using namespace System.IO

#AnsibleRequires -PowerShell ..module_utils._Connector
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Installer
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Setup

function Invoke-ConnectorSetup {
    <#
    .SYNOPSIS
    Brings the connector on the host to the state that the options of the module connector ask for, except for manual steps, and fills the module's
    result.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $setup = @{
        Name = 'connector'
        Plan = {
            param ($option)
            $products = @(Get-InstalledProduct | ForEach-Object -Process { ConvertTo-ProductFact -Product $_ })
            $fact = @{
                fqdn = Get-Fqdn
                os = Get-OperatingSystem
                dotnet = Get-DotNetFramework
                roles = Get-ServerRole
                products = $products
                connector = @{ staged_version = Get-StagedVersion }
            }
            Get-ConnectorPlan -Option $option -Fact $fact
        }
        Look = { Get-InstalledProduct | Where-Object -FilterScript { $_.Kind -eq 'rms_connector' } | ForEach-Object -Process { ConvertTo-ProductFact -Product $_ } }
        Check = { param ($package, $option) Assert-ConnectorPackage -Package $package -Option $option }
        Carry = { param ($module, $plan, $package) Invoke-ConnectorPlan -Module $module -Plan $plan -Package $package }
    }
    Invoke-Setup -Module $Module -Setup $setup
    $left = (& $setup.Plan $Module.Params).AttendedStep
    $Module.Result.attended_step = $left
    $Module.Result.status = if (-not $left) {
        $Module.Params.state
    }
    elseif ($Module.Params.state -eq 'absent') {
        'awaiting_removal'
    }
    else {
        'awaiting_sign_in'
    }
}

function Assert-ConnectorPackage {
    # Throws unless the installer is the connector's, and new enough.
    param ($Package, $Option)

    $what = "The installer $([Path]::GetFileName($Package.Path)) is $($Package.Name) $($Package.Version)"
    $version = ConvertTo-ProductVersion -Text $Package.Version
    if ($Package.Type -ne 'exe' -or -not $version -or (Get-ProductKind -Name $Package.Name -Version $Package.Version) -ne 'rms_connector') {
        throw "$($what): expected Microsoft's RMSConnectorSetup.exe"
    }
    if ($Option.version -and $version -lt (ConvertTo-ProductVersion -Text $Option.version)) {
        throw "$($what): expected version $($Option.version) or later"
    }
}

function Invoke-ConnectorPlan {
    param ($Module, $Plan, $Package)

    foreach ($step in $Plan.Steps | Where-Object -FilterScript { -not $_.Attended }) {
        switch ($step.Action) {
            'stage' { Add-StagedSetup -Module $Module -Package $Package }
            'unstage' {
                $Module.Result.changed = $true
                [File]::Delete((Get-StagedSetup))
            }
            'install' { Install-Connector -Module $Module -Package $Package }
            'remove' { Remove-Connector -Module $Module }
        }
    }
}

function Add-StagedSetup {
    # The whole file or none, in a folder that only administrators can write.
    param ($Module, $Package)

    $null = Initialize-OwnFolder -Name connector
    $setup = Get-StagedSetup
    $part = "$setup.part"
    [File]::Copy($Package.Path, $part, $true)
    $Module.Result.changed = $true
    [File]::Delete($setup)
    [File]::Move($part, $setup)
}

function Install-Connector {
    param ($Module, $Package)

    $log = Get-LogPath -Wanted $Module.Params.log_path -Name 'connector-install'
    $call = @{ What = "installing $($Package.Name) $($Package.Version)"; Path = $Package.Path; Argument = Format-Argument -Argument $Module.Params.arguments -LogPath $log; LogPath = $log }
    Invoke-SetupStep -Module $Module -Name connector -Call $call
}

function Remove-Connector {
    # By the program that the list of installed programs names for it, or by Windows Installer. One removal may take other entries with it.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Module)

    $look = { Get-InstalledProduct | Where-Object -FilterScript { $_.Kind -eq 'rms_connector' -and (Test-Registered -Product $_) } }
    foreach ($entry in & $look | Sort-Object -Property { $_.Installer -eq 'msi' }) {
        if (@(& $look).ProductCode -notcontains $entry.ProductCode) {
            continue
        }
        $what = "removing $($entry.Name) $($entry.Version)"
        $log = Get-LogPath -Wanted $Module.Params.log_path -Name 'connector-remove'
        $call = if ($entry.Installer -eq 'msi') {
            # The operator's arguments are those of the setup.
            @{
                Path = [Path]::Combine([Environment]::SystemDirectory, 'msiexec.exe')
                Argument = Get-MsiArgument -Action remove -Target $entry.ProductCode -LogPath $log
                AlsoSuccess = 1605
            }
        }
        else {
            @{ Path = Get-Uninstaller -Entry $entry -What $what; Argument = Format-Argument -Argument $Module.Params.arguments -LogPath $log }
        }
        Invoke-SetupStep -Module $Module -Name connector -Call ($call + @{ What = $what; LogPath = $log })
    }
}

function Get-Uninstaller {
    # The program that an entry names; throws when it is not there.
    param ($Entry, [string]$What)

    $program = (Split-CommandLine -Text $Entry.AttendedUninstall)[0]
    if (-not $program) {
        throw "$What failed: it does not say how it is removed (UninstallString of $($Entry.ProductCode))"
    }
    if (-not [File]::Exists($program)) {
        throw "$What failed: its own setup, $program, is gone. Put it back, or remove the program by hand"
    }
    $program
}

function Format-Argument {
    # The operator's arguments as they stand; {log} is the path of the log.
    param ([string[]]$Argument, [string]$LogPath)

    ($Argument -join ' ').Replace('{log}', "`"$LogPath`"")
}

Export-ModuleMember -Function Invoke-ConnectorSetup
