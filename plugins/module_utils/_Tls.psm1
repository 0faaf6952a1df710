# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# What is known of TLS on Windows: which values turn it on and off, in which parts, and what they mean.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

$schannel = 'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols'
$sides = [ordered]@{ schannel_client = 'Client'; schannel_server = 'Server' }
$olderProtocols = 'SSL 2.0', 'SSL 3.0', 'TLS 1.0', 'TLS 1.1'
$frameworks = 'v4.0.30319', 'v2.0.50727'
$frameworkPath = 'HKLM:\SOFTWARE\Microsoft\.NETFramework'
$winHttpPath = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\WinHttp'
$views = 64, 32

# Bits of DefaultSecureProtocols: https://support.microsoft.com/kb/3140245
$winHttpTls12 = 0x800
$winHttpOlder = 0x8 -bor 0x20 -bor 0x80 -bor 0x200
# SSL 3.0 to TLS 1.1, which WinHTTP would use by itself, and TLS 1.2.
$winHttpAll = 0xAA0

# First builds of Windows Server: 2012 has TLS 1.2 on by default, 2012 R2 also in WinHTTP.
$build2012 = 9200
$build2012R2 = 9600

# Servers with a matrix of their own of what may be turned off.
$enableOnlyRoles = [ordered]@{ exchange = 'an Exchange server'; sharepoint = 'a SharePoint server'; domain_controller = 'a domain controller' }

# Equality by meaning: what on a host will do for what is wanted. SCHANNEL and .NET ignore what is no number.
$meanings = @{
    On = { param ($current) $current.Number -gt 0 }
    OnByDefault = { param ($current) $null -eq $current -or $current.Number -gt 0 }
    Zero = { param ($current) $current.Number -eq 0 }
    ZeroByDefault = { param ($current) $null -eq $current -or $current.Number -eq 0 }
    WinHttp12 = { param ($current) [bool]($current.Number -band $winHttpTls12) }
    WinHttp12Only = {
        param ($current)
        $number = $current.Number
        ($number -band $winHttpTls12) -and -not ($number -band $winHttpOlder)
    }
}

function Get-TlsPart {
    # The parts of Windows that need values, by the version of Windows.
    param ([int]$Build)

    $sides.Keys
    'dotnet'
    if ($Build -lt $build2012R2) {
        'winhttp'
    }
}

function Get-TlsValue {
    # All values that turn TLS 1.2 on, then all that turn older protocols off.
    param ([string[]]$Part, [int]$Build, [bool]$DisableOlder)

    $present = $Build -ge $build2012
    $enabled = if ($present) { 'OnByDefault' } else { 'On' }
    $disabled = if ($present) { 'ZeroByDefault' } else { 'Zero' }
    foreach ($side in $sides.Keys) {
        if ($side -in $Part) {
            @{ Path = "$schannel\TLS 1.2\$($sides[$side])"; Name = 'Enabled'; Data = 1; Meaning = $enabled }
            @{ Path = "$schannel\TLS 1.2\$($sides[$side])"; Name = 'DisabledByDefault'; Data = 0; Meaning = $disabled }
        }
    }
    if ('dotnet' -in $Part) {
        foreach ($framework in $frameworks) {
            foreach ($view in $views) {
                @{ Path = "$frameworkPath\$framework"; View = $view; Name = 'SchUseStrongCrypto'; Data = 1; Meaning = 'On' }
                @{ Path = "$frameworkPath\$framework"; View = $view; Name = 'SystemDefaultTlsVersions'; Data = 1; Meaning = 'On' }
            }
        }
    }
    if ('winhttp' -in $Part) {
        foreach ($view in $views) {
            $value = @{ Path = $winHttpPath; View = $view; Name = 'DefaultSecureProtocols'; Data = $winHttpTls12; Meaning = 'WinHttp12Only' }
            if (-not $DisableOlder) {
                $current = try {
                    (Read-RegistryValue -Path $winHttpPath -View $view -Name 'DefaultSecureProtocols').Number
                }
                catch {
                    # The plan reports that the key cannot be read.
                    $null
                }
                $value.Meaning = 'WinHttp12'
                $value.Data = if ($null -eq $current) { $winHttpAll } else { $current -bor $winHttpTls12 }
            }
            $value
        }
    }
    if ($DisableOlder) {
        foreach ($protocol in $olderProtocols) {
            foreach ($side in $sides.Keys) {
                if ($side -in $Part) {
                    @{ Path = "$schannel\$protocol\$($sides[$side])"; Name = 'Enabled'; Data = 0; Meaning = 'Zero' }
                    $value = @{ Path = "$schannel\$protocol\$($sides[$side])"; Name = 'DisabledByDefault'; Data = 1; Meaning = 'On' }
                    # The only one that Windows itself comes with.
                    $value.Shipped = $protocol -eq 'SSL 2.0' -and $side -eq 'schannel_client'
                    $value
                }
            }
        }
    }
}

function Get-TlsDesiredState {
    <#
    .SYNOPSIS
    Turns the options of the module tls into desired values.

    .PARAMETER Option
    state, minimum, parts, disable_older.

    .PARAMETER Build
    The host's build number.

    .PARAMETER Role
    The host's roles: a dictionary of dictionaries with found.

    .OUTPUTS
    An object with Values (for Get-RegistryPlan), Parts and Notes.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        [int]
        $Build,

        [Parameter(Mandatory = $true)]
        [AllowNull()]
        [System.Collections.IDictionary]
        $Role
    )

    if (-not $Build -or $null -eq $Role) {
        throw 'tls: the version or the roles of this Windows could not be read, and they decide which values are right'
    }
    $notes = @()
    $parts = @($Option.parts)
    if ($null -eq $Option.parts) {
        $parts = @(Get-TlsPart -Build $Build)
    }
    elseif (-not $parts.Count) {
        throw 'tls: parts is empty: expected at least one of schannel_client, schannel_server, dotnet and winhttp, or no parts for all that the host needs'
    }

    $disableOlder = $Option.disable_older -ne 'never'
    if ($Option.disable_older -eq 'auto') {
        $found = @(foreach ($name in $enableOnlyRoles.Keys) {
                if ($Role[$name].found) {
                    $enableOnlyRoles[$name]
                }
            })
        if ($found.Count) {
            $disableOlder = $false
            $notes += "Protocols older than TLS 1.2 are left as they are, since this host is $($found -join ' and '). disable_older: always turns them off."
        }
    }
    if ('winhttp' -in $parts -and $Option.state -eq 'present') {
        $notes += if ($Build -lt $build2012R2) {
            'WinHTTP of Windows Server 2012 reads DefaultSecureProtocols only with update KB3140245 or a later rollup.'
        }
        else {
            'WinHTTP of this version of Windows uses TLS 1.2 by itself; winhttp would not be needed in parts.'
        }
    }

    $values = @(Get-TlsValue -Part $parts -Build $Build -DisableOlder $disableOlder)
    if ($Option.state -eq 'absent') {
        # On first, off last holds here too.
        [Array]::Reverse($values)
    }
    [pscustomobject]@{
        Parts = $parts
        Notes = $notes
        Values = @(foreach ($value in $values) {
                $wanted = @{ Path = $value.Path; Name = $value.Name }
                if ($value.View) {
                    $wanted.View = $value.View
                }
                if ($Option.state -eq 'absent' -and -not $value.Shipped) {
                    New-RegistryValue @wanted -State absent
                }
                else {
                    New-RegistryValue @wanted -Type dword -Data $value.Data -Fits $meanings[$value.Meaning]
                }
            })
    }
}

function Test-TlsRestartDue {
    <#
    .SYNOPSIS
    Whether keys of SCHANNEL were written after Windows was started. SCHANNEL reads them when it starts.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param ()

    $boot = [Machine]::BootTime()
    $root = Open-RegistryKey -Key (Resolve-RegistryPath -Path $schannel)
    if (-not $root) {
        return $false
    }
    try {
        if ([RawRegistry]::LastWrite($root.Handle) -gt $boot) {
            return $true
        }
        foreach ($protocol in $root.GetSubKeyNames()) {
            foreach ($name in $protocol, "$protocol\Client", "$protocol\Server") {
                $key = $root.OpenSubKey($name)
                if ($key) {
                    $time = [RawRegistry]::LastWrite($key.Handle)
                    $key.Dispose()
                    if ($time -gt $boot) {
                        return $true
                    }
                }
            }
        }
    }
    finally {
        $root.Dispose()
    }
    $false
}

function Test-TlsRestartRequired {
    <#
    .SYNOPSIS
    Whether the host has to be restarted once the plan is carried out, or anyway.

    .PARAMETER Due
    What Test-TlsRestartDue says.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        $Plan,

        [AllowNull()]
        $Due
    )

    foreach ($change in $Plan.Changes) {
        if ($change.Path.StartsWith($schannel, [StringComparison]::OrdinalIgnoreCase)) {
            return $true
        }
    }
    [bool]$Due
}

function Get-TlsState {
    <#
    .SYNOPSIS
    What the registry says of TLS: the fact 'tls'.
    #>
    [CmdletBinding()]
    param ()

    $protocols = foreach ($protocol in $olderProtocols + 'TLS 1.2', 'TLS 1.3') {
        foreach ($side in 'Client', 'Server') {
            $enabled, $disabled = Read-RegistryValue -Path "$schannel\$protocol\$side" -Name 'Enabled', 'DisabledByDefault'
            $off = $enabled.Number -eq 0 -or $disabled.Number -gt 0
            [ordered]@{
                protocol = $protocol
                side = $side.ToLowerInvariant()
                state = if ($null -eq $enabled.Number -and $null -eq $disabled.Number) { 'default' } elseif ($off) { 'off' } else { 'on' }
                enabled = $enabled.Number
                disabled_by_default = $disabled.Number
            }
        }
    }
    $dotnet = foreach ($framework in $frameworks) {
        foreach ($view in $views) {
            $strong, $default = Read-RegistryValue -Path "$frameworkPath\$framework" -View $view -Name 'SchUseStrongCrypto', 'SystemDefaultTlsVersions'
            [ordered]@{ framework = $framework; view = $view; strong_crypto = $strong.Number; system_default = $default.Number }
        }
    }
    $winHttp = foreach ($view in $views) {
        [ordered]@{
            view = $view
            default_secure_protocols = (Read-RegistryValue -Path $winHttpPath -View $view -Name 'DefaultSecureProtocols').Number
        }
    }
    [ordered]@{
        protocols = @($protocols)
        dotnet = @($dotnet)
        winhttp = @($winHttp)
        restart_due = Test-TlsRestartDue
    }
}

Export-ModuleMember -Function Get-TlsDesiredState, Get-TlsState, Test-TlsRestartDue, Test-TlsRestartRequired
