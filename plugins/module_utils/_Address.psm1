# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Addresses that a user writes, in which there may be a secret.

# A name or password before the host (also without a scheme, as proxies are written), or a query: it may hold a signature that opens
# the place.
$secretAddress = '://.*[@?]|^[^/\\]+:[^/\\]*@'

function Protect-Address {
    <#
    .SYNOPSIS
    Has Ansible treat an address with a secret in it as it does the options that are no_log.

    .DESCRIPTION
    To be called before the module is created: Ansible writes what a module was given into its results and into the host's event log, also
    when the module refuses it. An address without a secret stays as it is, so that results and differences can be read.

    .PARAMETER Option
    The options of an argument spec, of which the texts whose value is such an address become no_log. Options with suboptions likewise.

    .PARAMETER Given
    What the module was given ($complex_args).

    .PARAMETER List
    Names of options that are lists of addresses. Ansible cannot hide an item of a list, so a name or password is taken out of it before the
    module reads it: only for options that refuse such an address.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter()]
        [AllowNull()]
        $Given,

        [Parameter()]
        [string[]]
        $List = @()
    )

    if ($Given -isnot [System.Collections.IDictionary]) {
        return
    }
    foreach ($name in @($Option.Keys)) {
        $one = $Option[$name]
        if ($one.Contains('options')) {
            Protect-Address -Option $one.options -Given $Given[$name]
        }
        elseif ($one.type -eq 'str' -and "$($Given[$name])" -match $secretAddress) {
            $one.no_log = $true
        }
    }
    foreach ($name in $List) {
        if ($Given[$name]) {
            $Given[$name] = @($Given[$name]) -replace '^(\w+://)?.*@', '$1***@'
        }
    }
}

function Format-Address {
    <#
    .SYNOPSIS
    An address as an error repeats it: not one with a name or password in it.

    .PARAMETER Address
    What was given.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter()]
        [AllowEmptyString()]
        [string]
        $Address
    )

    if ($Address -match '@') { 'one with a name or password in it' } else { "'$Address'" }
}
