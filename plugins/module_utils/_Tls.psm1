# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# What is known of TLS on Windows: which values turn it on and off, in which parts, and what they mean.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Policy
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

# First builds of Windows Server: 2012 has TLS 1.2 on by default, 2012 R2 also in WinHTTP. 2019 has a Windows Internal Database that knows TLS 1.2.
$build2012 = 9200
$build2012R2 = 9600
$build2019 = 17763

# Servers that have a published dependency on older protocols, by the fact 'roles'. guide_tls.rst has the sources.
$dependencies = [ordered]@{
    exchange = @{ Text = 'an Exchange server' }
    sharepoint = @{ Text = 'a SharePoint server' }
    domain_controller = @{ Text = 'a domain controller' }
    rd_connection_broker = @{
        Text = 'a Remote Desktop Connection Broker with Windows Internal Database, which fails without TLS 1.0 (KB4036954)'
        When = { param ($role, $build) $role.internal_database -and $build -lt $build2019 }
    }
    sql_server = @{
        Text = 'a SQL Server that does not support TLS 1.2, or whose version cannot be read (KB3135244)'
        When = { param ($role) @($role.instances | Where-Object -FilterScript { $_.tls12 -ne $true }).Count }
    }
}
# SQL Server with TLS 1.2, by its version and then the first build and the one that no longer has it: a service pack starts without the update of
# the one before. https://learn.microsoft.com/troubleshoot/sql/database-engine/connect/tls-1-2-support-microsoft-sql-server
$sqlServerBuilds = @{
    '10.0' = @(, @(6547, 10000))
    '10.50' = @(, @(6542, 10000))
    '11.0' = @(@(5352, 5532), @(5644, 6020), @(6216, 10000))
    '12.0' = @(@(2271, 2342), @(2564, 4050), @(4219, 4416), @(4439, 10000))
}

# Why Windows has to be restarted, by the key that was written. .NET and WinHTTP take their values when a program starts.
$restartReasons = [ordered]@{
    tls = $schannel
    tls_dotnet = $frameworkPath
    tls_winhttp = $winHttpPath
}

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

function Get-TlsValue {
    # All values that turn TLS 1.2 on, then all that turn older protocols off.
    param ([string[]]$Part, [int]$Build, [bool]$DisableOlder, [bool]$Explicit)

    $present = $Build -ge $build2012 -and -not $Explicit
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
            $current = $null
            $readable = $true
            try {
                $current = (Read-RegistryValue -Path $winHttpPath -View $view -Name 'DefaultSecureProtocols').Number
            }
            catch {
                # The plan reports that the key cannot be read.
                $readable = $false
            }
            # From Windows Server 2012 R2 on, WinHTTP uses TLS 1.2 unless a value says otherwise.
            if ($Build -ge $build2012R2 -and $readable -and $null -eq $current) {
                continue
            }
            if ($DisableOlder) {
                @{ Path = $winHttpPath; View = $view; Name = 'DefaultSecureProtocols'; Data = $winHttpTls12; Meaning = 'WinHttp12Only' }
            }
            else {
                $data = if ($null -eq $current) { $winHttpAll } else { $current -bor $winHttpTls12 }
                @{ Path = $winHttpPath; View = $view; Name = 'DefaultSecureProtocols'; Data = $data; Meaning = 'WinHttp12' }
            }
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

function Get-TlsSpec {
    <#
    .SYNOPSIS
    The options of the domain tls: a fragment of an argument spec.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            parts = @{ type = 'list'; elements = 'str'; choices = 'schannel_client', 'schannel_server', 'dotnet', 'winhttp' }
            disable_older = @{ type = 'str'; choices = 'auto', 'always', 'never'; default = 'never' }
            explicit = @{ type = 'bool'; default = $false }
            policy_conflict = Get-PolicyConflictSpec
        }
    }
}

function Get-TlsDesiredState {
    <#
    .SYNOPSIS
    Turns the options of the module tls into desired values.

    .PARAMETER Option
    state, parts, disable_older, explicit.

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
        $parts = @($sides.Keys) + 'dotnet', 'winhttp'
    }
    elseif (-not $parts.Count) {
        throw 'tls: parts is empty: expected at least one of schannel_client, schannel_server, dotnet and winhttp, or no parts for all of them'
    }

    # What turns older protocols off goes with absent, whoever wrote it: then the defaults of Windows apply.
    $disableOlder = $Option.state -eq 'absent' -or $Option.disable_older -in 'auto', 'always'
    if ($Option.state -ne 'absent' -and $Option.disable_older -eq 'auto') {
        $found = @(foreach ($name in $dependencies.Keys) {
                if ($Role[$name].found -and (-not $dependencies[$name].When -or (& $dependencies[$name].When $Role[$name] $Build))) {
                    $dependencies[$name].Text
                }
            })
        if ($found.Count) {
            $disableOlder = $false
            $notes += "Protocols older than TLS 1.2 are left as they are, since this host is $($found -join ' and '). disable_older: always turns them off."
        }
    }
    if ('winhttp' -in $parts -and $Option.state -eq 'present' -and $Build -lt $build2012R2) {
        $notes += 'WinHTTP of Windows Server 2012 reads DefaultSecureProtocols only with update KB3140245 or a later rollup.'
    }

    $values = @(Get-TlsValue -Part $parts -Build $Build -DisableOlder $disableOlder -Explicit ([bool]$Option.explicit))
    if ($Option.state -eq 'absent') {
        # Here, too, what turns protocols on comes before what turns them off.
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

function Test-SqlServerTls {
    <#
    .SYNOPSIS
    Whether a SQL Server of this version and build supports TLS 1.2.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        [version]
        $Version
    )

    if ($Version.Major -ge 13) {
        return $true
    }
    # The registry counts the service pack in the minor number, as in 10.53 or 12.2.
    $minor = if ($Version.Major -eq 10 -and $Version.Minor -ge 50) { 50 } else { 0 }
    foreach ($builds in $sqlServerBuilds["$($Version.Major).$minor"]) {
        if ($Version.Build -ge $builds[0] -and $Version.Build -lt $builds[1]) {
            return $true
        }
    }
    $false
}

function Get-TlsRestartReason {
    <#
    .SYNOPSIS
    Why Windows has to be restarted after these changes: 'tls', 'tls_dotnet', 'tls_winhttp'.

    .PARAMETER Change
    Changes of a plan.
    #>
    [CmdletBinding()]
    param (
        [AllowEmptyCollection()]
        [object[]]
        $Change
    )

    foreach ($reason in $restartReasons.Keys) {
        $key = $restartReasons[$reason]
        foreach ($item in $Change) {
            if ("$($item.Path)\".StartsWith("$key\", [StringComparison]::OrdinalIgnoreCase)) {
                $reason
                break
            }
        }
    }
}

function Get-TlsWatchedKey {
    <#
    .SYNOPSIS
    The keys of SCHANNEL that exist: canonical paths. SCHANNEL reads them when Windows starts, so a younger one is not in effect.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param ()

    $root = Open-RegistryKey -Key (Resolve-RegistryPath -Path $schannel)
    if ($root) {
        $schannel
        foreach ($protocol in $root.GetSubKeyNames()) {
            "$schannel\$protocol"
            "$schannel\$protocol\Client"
            "$schannel\$protocol\Server"
        }
        $root.Dispose()
    }
}

function Get-TlsState {
    <#
    .SYNOPSIS
    The fact 'tls'.
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
        $number = (Read-RegistryValue -Path $winHttpPath -View $view -Name 'DefaultSecureProtocols').Number
        [ordered]@{
            view = $view
            default_secure_protocols = $number
            # Where there is no value, the version of Windows decides.
            tls12 = if ($null -eq $number) { $null } else { [bool]($number -band $winHttpTls12) }
        }
    }
    [ordered]@{
        protocols = @($protocols)
        dotnet = @($dotnet)
        winhttp = @($winHttp)
    }
}

Export-ModuleMember -Function Get-TlsDesiredState, Get-TlsRestartReason, Get-TlsSpec, Get-TlsState, Get-TlsWatchedKey, Test-SqlServerTls
