# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# What brings registry values back to what a receipt has kept.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace System.Collections.Generic

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

function Get-RestorePlan {
    <#
    .SYNOPSIS
    A plan that brings back what a receipt has kept, as Get-RegistryPlan, newest write first.

    .DESCRIPTION
    Its EmptyKeys are those that were made for the receipt's values and will be empty. It has also Foreign (path, view, name, reason):
    values that were changed since, none with -Force; and Kept: keys that will not be empty.

    .PARAMETER Receipt
    What Get-Receipt returns.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Receipt,

        [switch]
        $Force
    )

    $ignoreCase = [StringComparer]::OrdinalIgnoreCase
    $after = [Dictionary[string, object]]::new($ignoreCase)
    $records = @($Receipt.Values)
    [Array]::Reverse($records)
    $wanted = foreach ($record in $records) {
        $value = New-RegistryValue -Path $record.Path -View $record.View -Name $record.Name -Raw $record.Before -Sensitive:$record.Sensitive
        $after["$(Get-KeyId -Key $value)`0$($value.Name)"] = $record
        $value
    }
    $plan = Get-RegistryPlan -Value $wanted
    $plan | Add-Member -NotePropertyMembers @{ Foreign = @(); Kept = @() }

    $gone = [HashSet[string]]::new($ignoreCase)
    foreach ($change in $plan.Changes) {
        $id = "$(Get-KeyId -Key $change)`0$($change.Name)"
        if ($null -eq $change.After) {
            $null = $gone.Add($id)
        }
        if (-not $Force -and -not [RawValue]::Same($change.Before, $after[$id].After)) {
            $plan.Foreign += [ordered]@{ path = $change.Path; view = $change.View; name = $change.Name; reason = 'changed since the receipt was written' }
        }
    }

    $newKeys = @($Receipt.NewKeys | ForEach-Object -Process { Resolve-RegistryPath -Path $_.Path -View $_.View } |
            Sort-Object -Property { $_.SubKey.Length } -Descending)
    foreach ($key in $newKeys) {
        $id = Get-KeyId -Key $key
        $open = Open-RegistryKey -Key $key
        if (-not $open) {
            continue
        }
        $left = @($open.GetValueNames() | Where-Object -FilterScript { -not $gone.Contains("$id`0$_") }).Count +
        @($open.GetSubKeyNames() | Where-Object -FilterScript { -not $gone.Contains("$id\$_") }).Count
        $open.Dispose()
        if ($left) {
            $plan.Kept += [ordered]@{ path = $key.Path; view = $key.View; name = $null; reason = 'the key is not empty' }
        }
        else {
            $null = $gone.Add($id)
            $plan.EmptyKeys.Add($key)
        }
    }
    $plan
}

Export-ModuleMember -Function Get-RestorePlan
