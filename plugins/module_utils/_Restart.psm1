# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Why a host has to be restarted after registry values were written: what the changes of a plan say, and what is still pending. The domains know
# their keys; here is the one place that asks them and that keeps the answer on the host until the next start of Windows.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Connector
#AnsibleRequires -PowerShell ..module_utils._IrmServer
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData
#AnsibleRequires -PowerShell ..module_utils._Tls

# Reasons that registry values can give, by the domain that has the values.
$reasonsOfDomain = @{
    irm_server = @('irm_server')
    tls = @('tls', 'tls_dotnet', 'tls_winhttp')
}

function Get-RestartReason {
    <#
    .SYNOPSIS
    Why the host has to be restarted: for the changes of a plan, and for earlier ones that are still pending. Names in order.

    .PARAMETER Change
    Changes of a plan, carried out or not.

    .PARAMETER Pending
    Reasons that are pending on the host: the fact reboot.reasons, or what Get-PendingRestartReason returns.

    .PARAMETER Domain
    The domains whose pending reasons count. All of them by default. Installers report their restarts themselves.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [AllowNull()]
        [AllowEmptyCollection()]
        [object[]]
        $Change,

        [AllowNull()]
        [AllowEmptyCollection()]
        [string[]]
        $Pending,

        [string[]]
        $Domain = @($reasonsOfDomain.Keys)
    )

    $own = @($Domain | ForEach-Object -Process { $reasonsOfDomain[$_] })
    [System.Collections.Generic.SortedSet[string]][string[]]@(
        if ($Change) {
            Get-TlsRestartReason -Change $Change
            Get-IrmServerRestartReason -Change $Change
        }
        $Pending | Where-Object -FilterScript { $_ -and $_ -in $own }
    )
}

function Get-PendingRestartReason {
    <#
    .SYNOPSIS
    Why the host has to be restarted since values were written after it was started, by this collection or by anyone else.

    .DESCRIPTION
    Group Policy writes its values again at each refresh, and with them the time of their keys. Of such a key only counts what this collection wrote.

    .PARAMETER PolicyValue
    The values that Group Policy sets, from Get-PolicyValue.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [AllowNull()]
        [AllowEmptyCollection()]
        [object[]]
        $PolicyValue
    )

    $kept = @(Get-RestartDue)
    $kept
    $watched = [ordered]@{ tls = { Get-TlsWatchedKey }; irm_server = { Get-IrmServerWatchedKey } }
    foreach ($reason in $watched.Keys) {
        try {
            if ($reason -notin $kept -and (Test-WrittenSinceStart -Path @(& $watched[$reason]) -PolicyValue $PolicyValue)) {
                $reason
            }
        }
        catch [System.Security.SecurityException] {
            # The fact or the plan that needs the key reports that it cannot be read.
            continue
        }
    }
}

function Test-WrittenSinceStart {
    # Whether one of the keys is younger than the last start of Windows, other than by Group Policy.
    param ([string[]]$Path, $PolicyValue)

    $boot = [Machine]::BootTime()
    foreach ($item in $Path) {
        $key = Open-RegistryKey -Key (Resolve-RegistryPath -Path $item)
        if (-not $key) {
            continue
        }
        $time = [RawRegistry]::LastWrite($key.Handle)
        $key.Dispose()
        # A policy that makes a key also writes those above it.
        if ($time -gt $boot -and -not @($PolicyValue | Where-Object -FilterScript { "$($_.path)\".StartsWith("$item\", 'OrdinalIgnoreCase') }).Count) {
            return $true
        }
    }
    $false
}

function Invoke-SettingPlan {
    <#
    .SYNOPSIS
    Invoke-RegistryPlan for values of the domains: keeps on the host what has to be restarted for them. Returns what Invoke-RegistryPlan returns.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module,

        [Parameter(Mandatory = $true)]
        $Plan
    )

    $marked = @()
    $failure = $null
    if (-not $Module.CheckMode -and -not $Plan.Unreadable.Count -and $Plan.Changes.Count) {
        # Before the writing, or a run that dies right after it would leave no mark.
        try {
            $reasons = @(Get-RestartReason -Change $Plan.Changes)
            $marked = @($reasons | Where-Object -FilterScript { $_ -notin @(Get-RestartDue) })
            $marked | ForEach-Object -Process { Set-RestartDue -Name $_ }
            Set-ConnectorWritten -Change $Plan.Changes -Reason $reasons
        }
        catch {
            # Who may not write here may not write the values either, and that is reported by the plan.
            $failure = $_
        }
    }
    try {
        Invoke-RegistryPlan -Module $Module -Plan $Plan
    }
    catch {
        if (-not $Module.Result.changed) {
            $marked | ForEach-Object -Process { Clear-RestartDue -Name $_ }
        }
        throw
    }
    if ($failure) {
        $Module.Warn("The pending restart could not be kept on the host: $(Get-InnerMessage -ErrorRecord $failure)")
    }
}

Export-ModuleMember -Function Get-PendingRestartReason, Get-RestartReason, Invoke-SettingPlan
