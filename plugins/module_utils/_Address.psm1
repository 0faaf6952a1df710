# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Addresses that a user writes, in which there may be a password. Ansible puts what a module was given into its results and into the host's
# event log, also when the module refuses it: what must not stand there has to go before the module is created.

# Options that refuse an address with a name or password in it, whatever module has them
$addresses = 'connector_url', 'endpoints', 'proxy', 'proxy_address', 'tenant_url', 'url'
# A name or password before the host, also with a / in it, and without a scheme; not the @ of \\server@SSL\share, of a file's name or in a
# URL's path. plugin_utils/addresses.py has the same.
$account = '://[^/?#]*(?:@|:[^0-9/?#][^@]*@)|^(?![\\/]|[A-Za-z]:[\\/]|[A-Za-z][\w+.-]*://).*:.*@'

function Hide-AddressAccount {
    <#
    .SYNOPSIS
    The arguments of a module without the names and passwords in addresses that the module refuses anyway. What is left of such an address shows
    that there was one.

    .DESCRIPTION
    Returns a copy. Everything else stays as it is, so that results and differences can be read.

    .PARAMETER Given
    The arguments that the module was given, with suboptions.
    #>
    [CmdletBinding()]
    param (
        [Parameter()]
        [AllowNull()]
        $Given
    )

    if ($Given -isnot [System.Collections.IDictionary]) {
        return $Given
    }
    # A clone finds names as the original does: whatever their case or not.
    $copy = if ($Given -is [hashtable]) { $Given.Clone() } else { [hashtable]::new($Given) }
    foreach ($name in $Given.Keys) {
        $value = $Given[$name]
        if ($value -is [System.Collections.IDictionary]) {
            $copy[$name] = Hide-AddressAccount -Given $value
        }
        elseif ($value -and $name -in $addresses) {
            $copy[$name] = $value -replace '^(https?:/*)?.*@', '$1***@'
        }
    }
    $copy
}

function Test-AddressAccount {
    <#
    .SYNOPSIS
    Whether there is a name or password in an address.

    .PARAMETER Address
    An address, or the path of a file.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter()]
        [AllowEmptyString()]
        [string]
        $Address
    )

    # A match ends with an @. Without the rest, the expression takes linear time.
    $Address.Substring(0, $Address.LastIndexOf([char]'@') + 1) -match $account
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
