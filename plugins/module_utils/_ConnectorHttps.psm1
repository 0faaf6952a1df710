# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# HTTPS of the connector: which certificate its web site shows, and what has to be done to have it show another one. http.sys has the
# certificate of an address, IIS the binding of the site; the two are kept together here.

using namespace System.IO
using namespace System.Security.Cryptography.X509Certificates

#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry

$configuration = [Path]::Combine([Environment]::SystemDirectory, 'inetsrv\config\applicationHost.config')
# Where http.sys keeps the certificates of addresses, of names (SNI) and of ports that IIS' central certificate store serves.
$httpParameters = 'SYSTEM\CurrentControlSet\Services\HTTP\Parameters'
$sslTables = [ordered]@{ address = 'SslBindingInfo'; name = 'SslSniBindingInfo'; store = 'SslCcsBindingInfo' }
# As netsh calls these
$sslSelectors = @{ address = 'ipport'; name = 'hostnameport'; store = 'ccs' }
# By which entries of ours are known, and those of IIS Manager.
$ownApplication = [guid]'6f0bd2a5-5f3a-4d0c-9a68-2f0c3c8f4b71'
$ownEntries = $ownApplication, [guid]'4dc3e181-e14b-4a21-b022-59fc669b0914'
# Of sslFlags: a certificate by name (SNI), or from the central store; the others are about protocols.
$ownSource = 1 -bor 2
# Server authentication, and any use.
$serverUsages = '1.3.6.1.5.5.7.3.1', '2.5.29.37.0'
# What http.sys has for an address besides the certificate, by the names of its registry, and how netsh is told. First the bits
# (https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_ssl_param), of which netsh sets the one for the freshness itself.
$sslCertificate = 'SslCertHash', 'AppId', 'SslCertStoreName', 'HostnamePort'
$freshnessBit = 0x4
$sslBits = @{
    DefaultSslCertCheckMode = @{
        0x1 = 'verifyclientcertrevocation=disable'
        0x2 = 'verifyrevocationwithcachedclientcertonly=enable'
        $freshnessBit = ''
        0x10000 = 'usagecheck=disable'
    }
    DefaultFlags = @{
        0x1 = 'dsmapperusage=enable'
        0x2 = 'clientcertnegotiation=enable'
        0x8 = 'reject=enable'
        0x10 = 'disablehttp2=enable'
        0x20 = 'disablequic=enable'
        0x40 = 'disabletls13=enable'
        0x80 = 'disableocspstapling=enable'
        0x100 = 'enabletokenbinding=enable'
        0x200 = 'logextendedevents=enable'
        0x400 = 'disablelegacytls=enable'
        0x800 = 'enablesessionticket=enable'
        0x1000 = 'disabletls12=enable'
        0x4000 = 'disablesessionid=enable'
    }
}
$sslNumbers = @{
    DefaultSslRevocationFreshnessTime = 'revocationfreshnesstime'
    DefaultSslRevocationUrlRetrievalTimeout = 'urlretrievaltimeout'
}
$sslTexts = @{
    DefaultSslCtlIdentifier = 'sslctlidentifier'
    DefaultSslCtlStoreName = 'sslctlstorename'
}
# Every netsh has these.
$commonArguments = @(
    'verifyclientcertrevocation', 'verifyrevocationwithcachedclientcertonly', 'usagecheck', 'dsmapperusage', 'clientcertnegotiation'
    $sslNumbers.Values
    $sslTexts.Values
)

function Get-ConnectorHttpsSpec {
    <#
    .SYNOPSIS
    The options of the domain connector_https: a fragment of an argument spec. How a PFX is opened is for the module connector_https alone.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            thumbprint = @{ type = 'str' }
            url = @{ type = 'str' }
            src = @{ type = 'str' }
            port = @{ type = 'int' }
            expiry_warning_days = @{ type = 'int'; default = 30 }
        }
        required_if = @(, @('state', 'present', @('thumbprint')))
    }
}

function ConvertTo-HttpsWish {
    <#
    .SYNOPSIS
    The options of the module connector_https, checked. Throws and says what was expected.

    .OUTPUTS
    An object with State, Thumbprint, HostName, Port, HasPfx and WarningDays.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option
    )

    $thumbprint = "$($Option.thumbprint)" -replace '[\s:\u200e]'
    if ($Option.state -ne 'absent' -and $thumbprint -notmatch '^[0-9A-Fa-f]{40}$') {
        throw "connector_https: thumbprint is '$($Option.thumbprint)': expected the SHA-1 thumbprint of a certificate, 40 hexadecimal digits"
    }
    $uri = $null
    if ($Option.url) {
        $isUri = [uri]::TryCreate($Option.url, [UriKind]::Absolute, [ref]$uri)
        if (-not $isUri -or $uri.Scheme -ne 'https' -or -not $uri.Host -or $uri.UserInfo -or $uri.PathAndQuery -ne '/') {
            throw "connector_https: url is $(Format-Address -Address $Option.url): expected https://HOST or https://HOST:PORT"
        }
    }
    if ($null -ne $Option.port -and $Option.port -notin 1..65535) {
        throw "connector_https: port is $($Option.port): expected 1 to 65535"
    }
    if ($uri -and $Option.port -and $Option.port -ne $uri.Port) {
        throw "connector_https: port is $($Option.port), and url has port $($uri.Port): expected the same, or one of them"
    }
    if ($Option.expiry_warning_days -lt 0) {
        throw "connector_https: expiry_warning_days is $($Option.expiry_warning_days): expected 0 or more"
    }
    [pscustomobject]@{
        State = $Option.state
        Thumbprint = $thumbprint.ToUpperInvariant()
        # .NET Framework before 4.6 has no IdnHost.
        HostName = if ($uri.IdnHost) { $uri.IdnHost } elseif ($uri) { $uri.DnsSafeHost } else { $null }
        Port = if ($uri) { $uri.Port } elseif ($Option.port) { $Option.port } else { 443 }
        HasPfx = [bool]($Option.pfx -or $Option.pfx_content -or $Option.src)
        WarningDays = $Option.expiry_warning_days
    }
}

function Get-HttpsState {
    <#
    .SYNOPSIS
    What the host has of what Get-HttpsPlan looks at.

    .PARAMETER Wish
    Of ConvertTo-HttpsWish.

    .PARAMETER Installed
    Whether the connector is.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Wish,

        [Parameter(Mandatory = $true)]
        [bool]
        $Installed
    )

    $bindings = @(Get-SiteBinding -All)
    $entries = @(Get-SslEntry -Port $Wish.Port)
    $entry = $entries | Where-Object -FilterScript { $_.EndPoint -eq "0.0.0.0:$($Wish.Port)" } | Select-Object -First 1
    if ($entry) {
        $unknown = @(Get-UnknownArgument -Argument $entry.Arguments)
        $entry.Lost += $unknown
        $entry.Arguments = [string[]]@($entry.Arguments | Where-Object -FilterScript { $_ -notin $unknown })
    }
    [pscustomobject]@{
        Now = [datetime]::UtcNow
        Installed = $Installed
        Site = ($bindings | Where-Object -FilterScript { $_.Own } | Select-Object -First 1).Site
        Bindings = @($bindings | Where-Object -FilterScript { $_.Secure -and $_.EndPoint -match ":$($Wish.Port)$" })
        Entry = $entry
        Others = @($entries | Where-Object -FilterScript { $_ -ne $entry })
        Stored = if ($Wish.Thumbprint) { Get-StoredCertificate -Thumbprint $Wish.Thumbprint }
        # Certificates, or why it cannot be opened: once it was.
        Pfx = $null
        PfxError = $null
        # Why this logon may not look into it, where that is so
        PfxHidden = $null
    }
}

function Get-HttpsPlan {
    <#
    .SYNOPSIS
    Compares what is wanted with what the host has.

    .OUTPUTS
    An object with Steps (Action import, bind, rebind or unbind, Product, Before, After), Refused: why they cannot be carried out or what is there
    is of no use, Awaits: what they cannot be carried out without, Notes, and Certificate, where it is known.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Wish,

        [Parameter(Mandatory = $true)]
        $State
    )

    $steps = [System.Collections.Generic.List[object]]::new()
    $add = {
        param ($action, $product, $before, $after)
        $steps.Add([pscustomobject]@{ Action = $action; Product = $product; Before = $before; After = $after })
    }
    $product = "https binding *:$($Wish.Port):"
    $entry = $State.Entry
    $shown = if ($entry) { $entry.Thumbprint }
    $binding = Get-OwnBinding -Wish $Wish -State $State
    if ($Wish.State -eq 'absent') {
        if ($binding -or ($entry -and $entry.Application -eq $ownApplication)) {
            & $add 'unbind' $product $(if ($shown) { $shown } else { 'no certificate' }) $null
        }
        $foreign = $steps.Count -and $entry -and -not (Test-OwnEntry -Entry $entry)
        return [pscustomobject]@{
            Steps = $steps
            Refused = [string[]]@(if ($steps.Count) { Get-OtherSite -Wish $Wish -State $State })
            Awaits = [string[]]@()
            Notes = [string[]]@(if ($foreign) { "$(Format-SslEntry -Entry $entry) It belongs to another application and stays" })
            Certificate = $null
        }
    }

    $certificate = $State.Stored
    if (-not $certificate -or -not $certificate.HasKey) {
        & $add 'import' 'certificate' $null $Wish.Thumbprint
        # Of one without its key it is known that it has to be replaced.
        $certificate = $State.Pfx | Where-Object -FilterScript { $_.Thumbprint -eq $Wish.Thumbprint } | Select-Object -First 1
    }
    if (-not $binding -or $shown -ne $Wish.Thumbprint -or $entry.Store -ne 'MY') {
        & $add $(if ($shown) { 'rebind' } else { 'bind' }) $product $shown $Wish.Thumbprint
    }
    [pscustomobject]@{
        Steps = $steps
        Refused = [string[]]@(
            Get-SourceObstacle -Wish $Wish -State $State -Found ([bool]$certificate)
            if ($certificate) {
                Get-CertificateObstacle -Wish $Wish -Certificate $certificate -Now $State.Now
            }
            Get-OtherEntry -Wish $Wish -State $State -Certificate $certificate
            if ($steps.Count) {
                Get-SiteObstacle -Wish $Wish -State $State -Binding $binding
            }
            if ($steps.Where({ $_.Action -eq 'rebind' })) {
                Get-EntryObstacle -State $State
                Get-SettingObstacle -Wish $Wish -State $State
            }
        )
        Awaits = [string[]]@(if ($steps.Count -and -not $State.Installed) { 'the connector is not installed' })
        Notes = [string[]]@(
            if ($certificate) {
                Get-ExpiryNote -Wish $Wish -Certificate $certificate -Now $State.Now
            }
            if ($State.PfxHidden) {
                "The PFX is verified when it is imported, since this logon may not look into it: $($State.PfxHidden)"
            }
        )
        Certificate = $certificate
    }
}

function Get-OwnBinding {
    # The binding of the connector's site that shows the certificate of all addresses, or nothing.
    param ($Wish, $State)

    $State.Bindings | Where-Object -FilterScript {
        $_.Own -and $_.EndPoint -like '0.0.0.0:*' -and -not ($_.Flags -band $ownSource) -and $_.HostName -in '', $Wish.HostName
    } | Select-Object -First 1
}

function Get-OtherSite {
    # Who else shows the certificate of the address: texts.
    param ($Wish, $State)

    foreach ($other in $State.Bindings | Where-Object -FilterScript { -not $_.Own -and $_.EndPoint -like '0.0.0.0:*' -and -not ($_.Flags -band $ownSource) }) {
        "the site '$($other.Site)' has the https binding $($other.Information), which shows the same certificate: give it another port"
    }
}

function Get-SourceObstacle {
    # Why the certificate cannot be had: texts.
    param ($Wish, $State, [bool]$Found)

    if ($State.Stored -and $State.Stored.HasKey) {
        return
    }
    if (-not $Wish.HasPfx) {
        if ($State.Stored) {
            "the certificate $($Wish.Thumbprint) in the store LocalMachine\My has no private key, and no PFX is given"
        }
        else {
            "there is no certificate $($Wish.Thumbprint) in the store LocalMachine\My, and no PFX is given"
        }
    }
    elseif ($State.PfxError) {
        $State.PfxError
    }
    elseif ($null -ne $State.Pfx -and -not $Found) {
        $has = @($State.Pfx | ForEach-Object -Process { "$($_.Thumbprint) ($($_.Subject))" })
        "the PFX has $(if ($has.Count) { $has -join ', ' } else { 'no certificate' }): expected $($Wish.Thumbprint)"
    }
    elseif ($Found -and -not ($State.Pfx | Where-Object -FilterScript { $_.Thumbprint -eq $Wish.Thumbprint }).HasKey) {
        "the PFX has no private key of the certificate $($Wish.Thumbprint)"
    }
}

function Get-CertificateObstacle {
    # Why a certificate is of no use for the connector: texts.
    param ($Wish, $Certificate, [datetime]$Now)

    if ($Certificate.NotAfter -le $Now) {
        "the certificate $($Wish.Thumbprint) expired at $(Format-UniversalTime -Time $Certificate.NotAfter)"
    }
    if ($Certificate.NotBefore -gt $Now) {
        "the certificate $($Wish.Thumbprint) is valid from $(Format-UniversalTime -Time $Certificate.NotBefore) on only"
    }
    if (-not $Certificate.Server) {
        "the certificate $($Wish.Thumbprint) is not for server authentication (enhanced key usage)"
    }
    if ($Wish.HostName -and -not (Test-CertificateName -HostName $Wish.HostName -Name $Certificate.Names)) {
        $names = if ($Certificate.Names.Count) { $Certificate.Names -join ', ' } else { 'nothing' }
        "the certificate $($Wish.Thumbprint) is for $($names): expected $($Wish.HostName), the name in url"
    }
}

function Get-SiteObstacle {
    # Why the site cannot have the binding: texts.
    param ($Wish, $State, $Binding)

    if ($State.Installed -and -not $State.Site) {
        'IIS has no site of the connector'
    }
    foreach ($other in $State.Bindings | Where-Object -FilterScript { $_.Own -and ($_.Flags -band $ownSource -or $_.EndPoint -notlike '0.0.0.0:*') }) {
        "the site has the https binding $($other.Information), which has a certificate of its own: remove it, or do without this module"
    }
    Get-OtherSite -Wish $Wish -State $State
}

function Format-SslEntry {
    # An entry of http.sys, and how netsh takes it away: a text.
    param ($Entry)

    $what = if ($Entry.Thumbprint) { "the certificate $($Entry.Thumbprint)" } else { 'the central certificate store' }
    $who = if ($Entry.Application -eq [guid]::Empty) { 'an application that is not named' } else { "the application $($Entry.Application.ToString('B'))" }
    "http.sys has $what at $($Entry.EndPoint) for $who (netsh http delete sslcert $($sslSelectors[$Entry.Kind])=$($Entry.EndPoint))."
}

function Get-EntryObstacle {
    # Whether the certificate of all addresses is another application's, such as Remote Desktop Gateway or Reporting Services: a text.
    param ($State)

    if (-not (Test-OwnEntry -Entry $State.Entry)) {
        "$(Format-SslEntry -Entry $State.Entry) It is not the connector's or IIS': give one of them another port, or remove it where nothing needs it"
    }
}

function Get-OtherEntry {
    # Entries of http.sys that win over the one for all addresses, and with which clients see another certificate: texts.
    # The order is that of an address, a name, the central certificate store, all addresses.
    param ($Wish, $State, $Certificate)

    foreach ($entry in $State.Others) {
        $where = $entry.EndPoint -replace ':[0-9]+$'
        $counts = switch ($entry.Kind) {
            # No client comes by these.
            'address' { $where -notin '127.0.0.1', '[::1]' }
            'name' {
                # Without a URL the names that clients use are those that the certificate is for.
                $names = if ($Wish.HostName) { $Wish.HostName } else { @($Certificate.Names) -notlike '[*]*' }
                @($names | Where-Object -FilterScript { $_ -and (Test-CertificateName -HostName $_ -Name $where) }).Count -gt 0
            }
            'store' { $true }
        }
        if ($counts -and $entry.Thumbprint -ne $Wish.Thumbprint) {
            "$(Format-SslEntry -Entry $entry) It wins over 0.0.0.0:$($Wish.Port), so that clients do not see $($Wish.Thumbprint): remove it, or have it show the same"
        }
    }
}

function Get-SettingObstacle {
    # Which settings the address would lose with another certificate: a text.
    param ($Wish, $State)

    if ($State.Entry.Lost) {
        "http.sys has settings for 0.0.0.0:$($Wish.Port) that netsh of this host cannot give back with another certificate: $($State.Entry.Lost -join ', '). " +
        'Remove them, or change the certificate by hand'
    }
}

function Get-ExpiryNote {
    param ($Wish, $Certificate, [datetime]$Now)

    $days = Get-DayCount -Until $Certificate.NotAfter -Now $Now
    if ($Certificate.NotAfter -gt $Now -and $days -lt $Wish.WarningDays) {
        "The certificate $($Wish.Thumbprint) of the connector expires in $days days, at $(Format-UniversalTime -Time $Certificate.NotAfter): renew it"
    }
}

function Test-CertificateName {
    <#
    .SYNOPSIS
    Whether a certificate with these names is for a host. A * stands for one whole label, the first, and not for one right below a top-level domain.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $HostName,

        [AllowNull()]
        [AllowEmptyCollection()]
        [AllowEmptyString()]
        [string[]]
        $Name
    )

    $wanted = $HostName.TrimEnd('.')
    $parent = $wanted -replace '^[^.]+\.'
    foreach ($one in $Name | ForEach-Object -Process { "$_".TrimEnd('.') }) {
        if ($one -eq $wanted -or ($one -eq "*.$parent" -and $parent -ne $wanted -and $parent.Contains('.'))) {
            return $true
        }
    }
    $false
}

function Get-ConnectorHttpsPlan {
    <#
    .SYNOPSIS
    What the module connector_https would do, for desired_state. A PFX is not opened.

    .PARAMETER Option
    state, thumbprint, url, src (whether a PFX is at hand), port and expiry_warning_days of the module.

    .PARAMETER Installed
    Whether the connector is.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        [bool]
        $Installed
    )

    $wish = ConvertTo-HttpsWish -Option $Option
    try {
        $state = Get-HttpsState -Wish $wish -Installed $Installed
    }
    catch {
        # To others than administrators. What cannot be compared is not taken for what is wanted.
        return [pscustomobject]@{
            Steps = @()
            Refused = [string[]]@("the web site cannot be compared: $(Get-InnerMessage -ErrorRecord $_)")
            Awaits = [string[]]@()
            Notes = [string[]]@()
        }
    }
    Get-HttpsPlan -Wish $wish -State $state
}

function New-OwnEntry {
    <#
    .SYNOPSIS
    The entry of http.sys by which the collection has a port show a certificate.

    .PARAMETER Argument
    What else http.sys has for the port: arguments of netsh.
    #>
    [CmdletBinding()]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Thumbprint,

        [string[]]
        $Argument
    )

    [pscustomobject]@{ Thumbprint = $Thumbprint; Application = $ownApplication; Store = 'MY'; Arguments = $Argument }
}

function Test-OwnEntry {
    <#
    .SYNOPSIS
    Whether an entry of http.sys was made by the collection or by IIS, so that it may be replaced and removed.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        $Entry
    )

    $Entry.Application -in $ownEntries
}

function Get-SiteBinding {
    <#
    .SYNOPSIS
    By which addresses the connector's web site is reached: objects with Url, EndPoint (address:port) and Secure.

    .DESCRIPTION
    Read from IIS' own file: the module WebAdministration takes seconds to load.

    .PARAMETER Path
    Of applicationHost.config.

    .PARAMETER All
    Also those of the other sites.
    #>
    [CmdletBinding()]
    param (
        [string]
        $Path = $configuration,

        [switch]
        $All
    )

    if (-not [Directory]::Exists([Path]::GetDirectoryName($Path))) {
        # No IIS.
        return
    }
    $xml = [xml]::new()
    # Nothing outside of the file is read.
    $xml.XmlResolver = $null
    $xml.Load([MemoryStream]::new([File]::ReadAllBytes($Path)))
    $sites = @($xml.SelectNodes('/configuration/system.applicationHost/sites/site'))
    $own = $sites | Where-Object -FilterScript { $_.SelectSingleNode('application[starts-with(@path, "/_wmcs")]') } | Select-Object -First 1
    if (-not $own) {
        $own = $sites | Where-Object -FilterScript { $_.GetAttribute('name') -eq 'Default Web Site' } | Select-Object -First 1
    }
    foreach ($node in $sites | Where-Object -FilterScript { $All -or $_ -eq $own } | ForEach-Object -Process { $_.SelectNodes('bindings/binding') }) {
        # address:port:host, where the address can be * or [IPv6]
        if ($node.GetAttribute('protocol') -in 'http', 'https' -and $node.GetAttribute('bindingInformation') -match '^(.*):([0-9]+):([^:]*)$') {
            $address, $port, $name = $Matches[1], $Matches[2], $Matches[3]
            $protocol = $node.GetAttribute('protocol')
            $flags = 0
            $null = [int]::TryParse($node.GetAttribute('sslFlags'), [ref]$flags)
            [pscustomobject]@{
                Site = $node.ParentNode.ParentNode.GetAttribute('name')
                Own = $node.ParentNode.ParentNode -eq $own
                Information = $node.GetAttribute('bindingInformation')
                HostName = $name
                Flags = $flags
                Url = "$($protocol)://$(if ($name) { $name } elseif ($address) { $address } else { '*' }):$port"
                EndPoint = "$(if ($address -in '', '*') { '0.0.0.0' } else { $address }):$port"
                Secure = $protocol -eq 'https'
            }
        }
    }
}

function Get-BoundCertificate {
    <#
    .SYNOPSIS
    The certificate that Windows shows at an address, as the fact has it, or nothing.

    .PARAMETER Binding
    Of Get-SiteBinding.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Binding
    )

    $port = $Binding.EndPoint -replace '^.*:'
    # One by name (SNI) has an entry of its own; otherwise the address counts, and then all addresses.
    $wanted = if ($Binding.Flags -band 1) { @("$($Binding.HostName):$port") } else { $Binding.EndPoint, "0.0.0.0:$port" }
    $entries = @(Get-SslEntry -Port $port)
    $entry = $wanted | ForEach-Object -Process { $name = $_; $entries | Where-Object -FilterScript { $_.Thumbprint -and $_.EndPoint -eq $name } } |
        Select-Object -First 1
    if (-not $entry) {
        return
    }
    $certificate = Get-StoredCertificate -Thumbprint $entry.Thumbprint -Store $entry.Store
    if ($certificate) {
        ConvertTo-CertificateResult -Certificate $certificate -Now ([datetime]::UtcNow)
    }
    else {
        [ordered]@{ thumbprint = $entry.Thumbprint; subject = $null; names = [string[]]@(); expires = $null; days_left = $null }
    }
}

function ConvertTo-CertificateResult {
    # As facts and results have it; $null for none.
    param ($Certificate, [datetime]$Now)

    if (-not $Certificate) {
        return $null
    }
    [ordered]@{
        thumbprint = $Certificate.Thumbprint
        subject = $Certificate.Subject
        names = $Certificate.Names
        expires = Format-UniversalTime -Time $Certificate.NotAfter
        days_left = Get-DayCount -Until $Certificate.NotAfter -Now $Now
    }
}

function Get-SslEntry {
    # What http.sys has for a port, or for all of them. netsh shows it in the language of Windows, so the values are read.
    param ([int]$Port)

    $wanted = if ($Port) { $Port } else { '[0-9]+' }

    foreach ($kind in $sslTables.Keys) {
        $table = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = "$httpParameters\$($sslTables[$kind])"; View = 64 }
        if (-not $table) {
            continue
        }
        try {
            foreach ($name in $table.GetSubKeyNames()) {
                $value = @{}
                $key = $table.OpenSubKey($name)
                try {
                    foreach ($item in $key.GetValueNames()) {
                        $value[$item] = $key.GetValue($item)
                    }
                }
                finally {
                    $key.Dispose()
                }
                $entry = ConvertTo-SslEntry -Kind $kind -Name $name -Value $value
                if ($entry.EndPoint -match "(?:^|:)$wanted$" -and ($entry.Thumbprint -or $kind -eq 'store')) {
                    $entry
                }
            }
        }
        finally {
            $table.Dispose()
        }
    }
}

function ConvertTo-SslEntry {
    # An entry out of its key's name and values.
    param ([string]$Kind, [string]$Name, [hashtable]$Value)

    $application = [byte[]]$Value.AppId
    $setting = ConvertTo-SslSetting -Value $Value
    [pscustomobject]@{
        Kind = $Kind
        # The key of a name is called by a number; the name and its port are in a value.
        EndPoint = if ($Value.HostnamePort -is [byte[]]) {
            [Text.Encoding]::Unicode.GetString($Value.HostnamePort).TrimEnd([char]0)
        }
        elseif ($Value.HostnamePort) {
            "$($Value.HostnamePort)"
        }
        else {
            $Name
        }
        Thumbprint = if ($Value.SslCertHash) { [BitConverter]::ToString($Value.SslCertHash) -replace '-' } else { '' }
        Application = if ($application.Count -eq 16) { [guid]::new($application) } else { [guid]::Empty }
        Store = if ($Value.SslCertStoreName) { "$($Value.SslCertStoreName)" } else { 'MY' }
        Arguments = $setting.Arguments
        Lost = $setting.Lost
    }
}

function ConvertTo-SslSetting {
    <#
    .SYNOPSIS
    What http.sys has for an address besides the certificate.

    .PARAMETER Value
    The values of its key, by name.

    .OUTPUTS
    An object with Arguments, which make netsh set them again, and Lost: those that no argument sets.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Value
    )

    $arguments = [System.Collections.Generic.List[string]]::new()
    $lost = [System.Collections.Generic.List[string]]::new()
    foreach ($name in $Value.Keys | Where-Object -FilterScript { $_ -notin $sslCertificate } | Sort-Object) {
        $data = $Value[$name]
        if ($null -eq $data -or $data -in 0, '') {
            # The default, which some netsh refuse to be told.
            continue
        }
        if ($sslBits.ContainsKey($name) -and $data -is [int]) {
            # Without a sign
            $left = $data -band 0xFFFFFFFFL
            foreach ($bit in $sslBits[$name].Keys | Where-Object -FilterScript { $left -band $_ } | Sort-Object) {
                $left -= $bit
                $arguments.Add($sslBits[$name][$bit])
            }
            if ($left) {
                $lost.Add(('{0} 0x{1:x}' -f $name, $left))
            }
        }
        elseif ($sslNumbers.ContainsKey($name) -and $data -is [int]) {
            $arguments.Add("$($sslNumbers[$name])=$($data -band 0xFFFFFFFFL)")
        }
        elseif ($sslTexts.ContainsKey($name) -and $data -is [string] -and -not $data.Contains('"') -and -not $data.EndsWith('\', 'Ordinal')) {
            $arguments.Add("$($sslTexts[$name])=`"$data`"")
        }
        else {
            $lost.Add($name)
        }
    }
    if ((($Value.DefaultSslCertCheckMode -as [int]) -band $freshnessBit) -and -not $Value.DefaultSslRevocationFreshnessTime) {
        $lost.Add('DefaultSslRevocationFreshnessTime')
    }
    [pscustomobject]@{ Arguments = [string[]]@($arguments | Where-Object -FilterScript { $_ }); Lost = [string[]]@($lost) }
}

function Get-UnknownArgument {
    # Which arguments the netsh of this Windows does not have: it ends with success then and has bound nothing.
    param ([string[]]$Argument)

    $newer = @($Argument | Where-Object -FilterScript { ($_ -split '=')[0] -notin $commonArguments })
    if ($newer.Count) {
        # The names of arguments are the same in every language.
        $usage = (& ([Path]::Combine([Environment]::SystemDirectory, 'netsh.exe')) http add sslcert help) -join "`n"
        $newer | Where-Object -FilterScript { $usage -notmatch "\b$(($_ -split '=')[0])=" }
    }
}

function Get-StoredCertificate {
    # A certificate of the computer as Get-CertificateState returns it, or nothing.
    param ([string]$Thumbprint, [string]$Store = 'MY')

    $certificates = [X509Store]::new($Store, 'LocalMachine')
    try {
        $certificates.Open('ReadOnly, OpenExistingOnly')
        $certificates.Certificates.Find('FindByThumbprint', $Thumbprint, $false) | Select-Object -First 1 | ForEach-Object -Process { Get-CertificateState -Certificate $_ }
    }
    catch [System.Security.Cryptography.CryptographicException] {
        # There is no such store.
        if ($_.Exception.GetBaseException().HResult -ne 0x80070002) {
            throw
        }
    }
    finally {
        $certificates.Close()
    }
}

function Get-CertificateState {
    # What matters of a certificate.
    param ([X509Certificate2]$Certificate)

    $usage = $Certificate.Extensions | Where-Object -FilterScript { $_ -is [X509EnhancedKeyUsageExtension] } | Select-Object -First 1
    [pscustomobject]@{
        Thumbprint = $Certificate.Thumbprint
        Subject = $Certificate.Subject
        Names = [string[]]@(Get-CertificateName -Certificate $Certificate)
        NotBefore = $Certificate.NotBefore.ToUniversalTime()
        NotAfter = $Certificate.NotAfter.ToUniversalTime()
        HasKey = $Certificate.HasPrivateKey
        # Without the extension it is good for everything.
        Server = -not $usage -or [bool]@($usage.EnhancedKeyUsages | Where-Object -FilterScript { $_.Value -in $serverUsages }).Count
    }
}

function Get-DayCount {
    # Whole days, negative when it is over.
    param ([datetime]$Until, [datetime]$Now)

    [int][Math]::Floor(($Until - $Now).TotalDays)
}

function Format-UniversalTime {
    param ([datetime]$Time)

    $Time.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture)
}

function Get-CertificateName {
    <#
    .SYNOPSIS
    The DNS names that a certificate is for: those of the extension, and the common name only where it has none, as clients do.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [X509Certificate2]
        $Certificate
    )

    $extension = $Certificate.Extensions | Where-Object -FilterScript { $_.Oid.Value -eq '2.5.29.17' } | Select-Object -First 1
    if (-not $extension) {
        $Certificate.GetNameInfo('SimpleName', $false)
        return
    }
    # SEQUENCE of tag, length, data; tag 0x82 is a DNS name. .NET Framework only has a text of it, in the language of Windows.
    $data = $extension.RawData
    $at = 0
    $inside = $false
    while ($at + 2 -le $data.Length) {
        $tag, $length = $data[$at], [int]$data[$at + 1]
        $at += 2
        if ($length -gt 0x80) {
            $digits = $length - 0x80
            $length = 0
            for ($i = 0; $i -lt $digits -and $at -lt $data.Length; $i++) {
                $length = 256 * $length + $data[$at++]
            }
        }
        if (-not $inside) {
            $inside = $true
            continue
        }
        if ($at + $length -gt $data.Length) {
            break
        }
        if ($tag -eq 0x82) {
            [Text.Encoding]::ASCII.GetString($data, $at, $length)
        }
        $at += $length
    }
}

$export = @{
    Function = @(
        'ConvertTo-CertificateResult'
        'ConvertTo-HttpsWish'
        'Format-UniversalTime'
        'Get-BoundCertificate'
        'Get-CertificateState'
        'Get-ConnectorHttpsPlan'
        'Get-ConnectorHttpsSpec'
        'Get-HttpsPlan'
        'Get-HttpsState'
        'Get-OwnBinding'
        'Get-SiteBinding'
        'Get-SslEntry'
        'New-OwnEntry'
        'Test-OwnEntry'
    )
}
Export-ModuleMember @export
