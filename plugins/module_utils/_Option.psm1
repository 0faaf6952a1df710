# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The rule for texts in a module's options: an empty one is an error, and leaves nothing to guess.

function Assert-OptionText {
    <#
    .SYNOPSIS
    Throws when a text in a module's options is empty or blank, and names all of them.

    .DESCRIPTION
    An empty text mostly comes from a template without a value. Each use would take it for something else: no checksum to compare, a pattern that
    everything matches, a parameter that PowerShell refuses to bind.

    .PARAMETER Option
    The options of the module, with those of dictionaries and the elements of lists.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option
    )

    $empty = @(Get-EmptyOption -Value $Option)
    if ($empty.Count) {
        $verb = if ($empty.Count -eq 1) { 'is' } else { 'are' }
        throw "$($empty -join ', ') $verb empty: expected text. Set a value, or leave the option out, in a template with default(omit, true)"
    }
}

function Get-EmptyOption {
    # The place of each empty text, such as irm_server.tenant_url or emails[0].
    param ($Value, [string]$Place)

    if ($Value -is [string]) {
        if (-not $Value.Trim()) {
            $Place
        }
    }
    elseif ($Value -is [System.Collections.IDictionary]) {
        foreach ($name in $Value.Keys | Sort-Object) {
            Get-EmptyOption -Value $Value[$name] -Place $(if ($Place) { "$Place.$name" } else { $name })
        }
    }
    elseif ($Value -is [System.Collections.IList]) {
        for ($i = 0; $i -lt $Value.Count; $i++) {
            Get-EmptyOption -Value $Value[$i] -Place "$Place[$i]"
        }
    }
}

Export-ModuleMember -Function Assert-OptionText
