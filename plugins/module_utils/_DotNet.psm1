# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# .NET Framework, which the client and the connector need and do not bring along: found by its release number, installed by Microsoft's offline
# package, whose setup refuses a network logon and so is run as the system account.

using namespace System.IO

#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Installer
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Setup

# Versions a host can be asked for. https://learn.microsoft.com/dotnet/framework/migration-guide/how-to-determine-which-versions-are-installed
$releases = @{ '4.6.2' = 394802; '4.7' = 460798; '4.7.1' = 461308; '4.7.2' = 461808; '4.8' = 528040 }

function Invoke-DotNetSetup {
    <#
    .SYNOPSIS
    Brings .NET Framework to the version that the options of the module dotnet_framework ask for, and fills the module's result.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $setup = @{
        Name = 'dotnet'
        Plan = { param ($option) Get-DotNetPlan -Wanted $option.version -Fact @{ dotnet = Get-DotNetFramework; roles = Get-ServerRole; due = @(Get-RestartDue) } }
        Look = {
            $found = Get-DotNetFramework
            if ($found.release) {
                [ordered]@{ name = '.NET Framework'; version = $found.version; release = $found.release }
            }
        }
        Check = {
            param ($package, $option)
            # Microsoft names them ".NET Framework" or "Microsoft .NET Framework 4.7.2", and versions them as the release that they bring.
            if ($package.Type -ne 'exe' -or $package.Name -notmatch '\.NET Framework') {
                throw "The installer $([Path]::GetFileName($package.Path)) is $($package.Name) $($package.Version): expected Microsoft's offline installer of .NET Framework"
            }
        }
        Carry = {
            param ($module, $plan, $package)
            if ($plan.Steps.Count) {
                # Its setup writes HTML into a file of any other name.
                $log = Get-LogPath -Wanted $module.Params.log_path -Name dotnet -Extension txt
                $call = @{
                    What = "installing $($package.Name)"
                    Path = $package.Path
                    Argument = (@('/q', '/norestart', "/log `"$log`"") + $module.Params.arguments) -join ' '
                    LogPath = $log
                    AsSystem = $true
                }
                Invoke-SetupStep -Module $module -Name dotnet -Call $call
            }
        }
    }
    Invoke-Setup -Module $Module -Setup $setup
}

function Get-DotNetPlan {
    <#
    .SYNOPSIS
    What has to be done for a version of .NET Framework: an object with Steps and Refused, as Invoke-Setup takes them.

    .PARAMETER Wanted
    A version of the table, the least that the host shall have.

    .PARAMETER Fact
    dotnet and roles of the host, and due: what Get-RestartDue says. Windows may count a .NET Framework only after the restart.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Wanted,

        [Parameter(Mandatory = $true)]
        $Fact
    )

    $steps = [System.Collections.Generic.List[object]]::new()
    $refused = [System.Collections.Generic.List[string]]::new()
    if ($Fact.dotnet.release -lt $releases[$Wanted] -and $Fact.due -notcontains 'dotnet') {
        $steps.Add([pscustomobject]@{ Action = 'install'; Product = '.NET Framework'; Before = $Fact.dotnet.version; After = "$Wanted or later" })
        if ($Fact.roles.exchange.found) {
            $refused.Add("it is an Exchange server ($($Fact.roles.exchange.version)), whose cumulative update decides which .NET Framework it may have: see Microsoft's supportability matrix")
        }
    }
    [pscustomobject]@{ Steps = $steps; Refused = $refused }
}

Export-ModuleMember -Function Get-DotNetPlan, Invoke-DotNetSetup
