# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Whether this host reaches the Rights Management service, on which way, and who answers there. Reads only; over the connections goes nothing
# but CONNECT to a proxy and the handshake of TLS.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Handshake
using namespace System.Diagnostics
using namespace System.Net
using namespace System.Net.Security
using namespace System.Net.Sockets
using namespace System.Security.Cryptography.X509Certificates
using namespace System.Text
using namespace System.Text.RegularExpressions

#AnsibleRequires -CSharpUtil ..module_utils._Handshake
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Registry

# The fixed names of the service; a tenant has another one of its own, its licensing URL.
$serviceEndpoints = @{
    commercial = 'discover.aadrm.com', 'api.aadrm.com', 'admin.na.aadrm.com'
    us_government = 'api.aadrm.us', 'admin.aadrm.us'
    china = 'api.aadrm.cn', 'admin.aadrm.cn'
}

# Organizations whose authorities issue the service's certificates, as a part of the issuer's name. The authorities themselves change often.
$serviceIssuers = '(^|, )O=Microsoft Corporation(,|$)', '(^|, )O="?DigiCert,? Inc\.?"?(,|$)'

# Longest answer of a proxy to CONNECT that is read.
$longestAnswer = 16384

function ConvertTo-Endpoint {
    <#
    .SYNOPSIS
    A host and port from 'host', 'host:port' or a URL with https.
    #>
    param ([string]$Text)

    $uri = $null
    $address = if ($Text -match '^https://') { $Text } else { "https://$Text" }
    # A name in the form in which it goes to DNS, to the proxy and into the handshake; no user, and nothing that could end a line.
    if ($Text -match '[^!-~]|[@\\]' -or -not [uri]::TryCreate($address, 'Absolute', [ref]$uri) -or $uri.Port -lt 1 -or
        $uri.HostNameType -notin 'Dns', 'IPv4', 'IPv6' -or ($Text -notmatch '^https://' -and $uri.PathAndQuery -ne '/')) {
        throw "endpoints: expected a host, host:port or a URL that starts with https://, found $(Format-Address -Address $Text)"
    }
    @{ Host = $uri.DnsSafeHost; Port = $uri.Port }
}

function ConvertTo-Proxy {
    <#
    .SYNOPSIS
    Host and port of a proxy from 'http://host:port', 'https://host:port' or 'host:port'.

    .DESCRIPTION
    Microsoft's example of ProxyAddress begins with https. .NET Framework does not speak TLS with a proxy, so neither does this.
    #>
    param ([string]$Text, [string]$What)

    $uri = $null
    $address = if ($Text -match '^\w+://') { $Text } else { "http://$Text" }
    if ($Text -match '[^!-~]|[@\\]' -or -not [uri]::TryCreate($address, 'Absolute', [ref]$uri) -or $uri.Scheme -notin 'http', 'https' -or -not $uri.Host -or $uri.PathAndQuery -ne '/') {
        throw "$($What): expected http://host:port or https://host:port, found $(Format-Address -Address $Text)"
    }
    @{ Host = $uri.DnsSafeHost; Port = $uri.Port }
}

function Test-Bypass {
    # Whether WinHTTP goes around its proxy to reach a host.
    param ([string]$List, [string]$HostName)

    foreach ($item in $List -split '[;\s]+') {
        $pattern = $item -replace '^\w+://' -replace ':\d+$' -replace '[\[\]`]', '`$0'
        if ($pattern -and ($HostName -like $pattern -or ($pattern -eq '<local>' -and $HostName -notmatch '[.:]'))) {
            return $true
        }
    }
    $false
}

function Get-EndpointProxy {
    <#
    .SYNOPSIS
    Host and Port of the proxy on the way to a host, or $null.
    #>
    param ([string]$Source, [string]$Proxy, [string]$HostName)

    switch ($Source) {
        'explicit' {
            return ConvertTo-Proxy -Text $Proxy -What 'proxy'
        }
        'proxy_address' {
            $address = "$(Get-MachineValue -SubKey 'SOFTWARE\Microsoft\AADRM\Connector' -Name 'ProxyAddress')"
            if ($address) {
                return ConvertTo-Proxy -Text $address -What 'ProxyAddress in HKLM:\SOFTWARE\Microsoft\AADRM\Connector'
            }
        }
        'winhttp' {
            $settings = Get-WinHttpSetting
            if ($settings -and -not (Test-Bypass -List $settings.bypass -HostName $HostName)) {
                # One proxy for all protocols, or one for each of them: 'http=a:80;https=b:8080'.
                foreach ($item in $settings.server -split '[;\s]+') {
                    if ($item -and ($item -notmatch '=' -or $item -match '^https=')) {
                        return ConvertTo-Proxy -Text ($item -replace '^https=') -What "the proxy of WinHTTP '$($settings.server)'"
                    }
                }
            }
        }
    }
    $null
}

function Get-Remaining {
    # Milliseconds that are left, at least one.
    param ([Stopwatch]$Watch, [int]$Timeout)

    [int][Math]::Max(1, 1000L * $Timeout - $Watch.ElapsedMilliseconds)
}

function Open-Connection {
    <#
    .SYNOPSIS
    A connected TcpClient; throws with what is in the way, in plain words.
    #>
    param ([string]$HostName, [int]$Port, [Stopwatch]$Watch, [int]$Timeout)

    $addresses = @(try {
            $lookup = [Dns]::GetHostAddressesAsync($HostName)
            if (-not $lookup.Wait((Get-Remaining -Watch $Watch -Timeout $Timeout))) {
                throw [TimeoutException]::new("the name $HostName was not resolved within $Timeout seconds; expected an address from DNS")
            }
            $lookup.Result
        }
        catch [TimeoutException] {
            throw
        }
        catch {
            throw "the name $HostName cannot be resolved ($($_.Exception.GetBaseException().Message)); expected an address from DNS"
        })
    $reason = "the name $HostName has no address; expected one from DNS"
    for ($i = 0; $i -lt $addresses.Count; $i++) {
        $client = [TcpClient]::new($addresses[$i].AddressFamily)
        try {
            # Each address gets its part of the time, or the first one that does not answer would take it all.
            $share = [int]((Get-Remaining -Watch $Watch -Timeout $Timeout) / ($addresses.Count - $i))
            if ($client.ConnectAsync($addresses[$i], $Port).Wait([Math]::Max(1, $share))) {
                return $client
            }
            $reason = "$HostName ($($addresses[$i])) did not answer on port $Port within $Timeout seconds; expected a firewall that lets the connection through"
        }
        catch {
            $cause = $_.Exception.GetBaseException()
            $what = if ($cause -is [SocketException] -and $cause.SocketErrorCode -eq 'ConnectionRefused') { 'refused the connection' } else { 'cannot be reached' }
            $reason = "$HostName ($($addresses[$i])) $what on port $Port ($($cause.Message)); expected a firewall that lets the connection through"
        }
        $client.Dispose()
    }
    throw $reason
}

function Read-ProxyAnswer {
    # The lines of the head of a proxy's answer. Octet by octet: what follows belongs to the server behind the proxy.
    param ([NetworkStream]$Stream, [Stopwatch]$Watch, [int]$Timeout)

    $text = [StringBuilder]::new()
    while ($text.Length -lt $longestAnswer) {
        $Stream.ReadTimeout = Get-Remaining -Watch $Watch -Timeout $Timeout
        if ($Watch.ElapsedMilliseconds -gt 1000L * $Timeout) {
            throw [TimeoutException]::new()
        }
        $octet = $Stream.ReadByte()
        if ($octet -lt 0) {
            break
        }
        $null = $text.Append([char]$octet)
        if ($octet -eq 10 -and $text.ToString() -match '\r?\n\r?\n$') {
            break
        }
    }
    $text.ToString().TrimEnd() -split '\r?\n'
}

function Get-AuthenticationScheme {
    <#
    .SYNOPSIS
    The schemes that the Proxy-Authenticate lines of an answer offer.
    #>
    param ([string[]]$Line)

    $schemes = foreach ($value in $Line -match '^Proxy-Authenticate\s*:' -replace '^[^:]*:' -replace '"(?:\\.|[^"\\])*"', '""') {
        # 'Negotiate, Basic realm=""': a scheme is alone or before a space, its parameters have an equals sign.
        foreach ($part in $value.Split(',')) {
            $word = ($part.Trim() -split '\s+')[0]
            if ($word -match '^[A-Za-z][\w-]*$') {
                $word
            }
        }
    }
    @($schemes | Select-Object -Unique)
}

function Connect-ThroughProxy {
    <#
    .SYNOPSIS
    Has the proxy connect to the host. Returns the schemes that a proxy wants somebody to sign in with, nothing when it has connected.
    #>
    param ([TcpClient]$Client, [hashtable]$Proxy, [hashtable]$Endpoint, [Stopwatch]$Watch, [int]$Timeout)

    $name = "the proxy $($Proxy.Host):$($Proxy.Port)"
    $authority = if ($Endpoint.Host -match ':') { "[$($Endpoint.Host.Trim('[', ']'))]:$($Endpoint.Port)" } else { "$($Endpoint.Host):$($Endpoint.Port)" }
    $request = [Encoding]::ASCII.GetBytes("CONNECT $authority HTTP/1.1`r`nHost: $authority`r`n`r`n")
    $stream = $Client.GetStream()
    try {
        $stream.Write($request, 0, $request.Length)
        $lines = @(Read-ProxyAnswer -Stream $stream -Watch $Watch -Timeout $Timeout)
    }
    catch {
        if ($Watch.ElapsedMilliseconds -ge 1000L * $Timeout) {
            throw "$name did not answer CONNECT within $Timeout seconds; expected 200"
        }
        throw "$name ended the connection ($($_.Exception.GetBaseException().Message)); expected 200 to CONNECT"
    }
    if ($lines[0] -notmatch '^HTTP/1\.[01] (?<code>\d{3})(?: (?<reason>.*))?$') {
        throw "$name does not speak HTTP; expected 200 to CONNECT"
    }
    $code = [int]$Matches['code']
    if ($code -eq 407) {
        # Without a scheme it is refused all the same.
        $schemes = @(Get-AuthenticationScheme -Line $lines)
        return $(if ($schemes) { $schemes } else { 'unknown' })
    }
    if ($code -lt 200 -or $code -gt 299) {
        throw "$name refused to connect to $authority ($code $($Matches['reason'])); expected 200"
    }
}

function Get-ChainProblem {
    # What else is wrong with the certificates as this host sees them, in plain words.
    param ([Handshake]$Handshake, [string]$HostName)

    if ($Handshake.Errors -band [SslPolicyErrors]::RemoteCertificateNameMismatch) {
        "the certificate is that of '$($Handshake.Chain[0].Subject)'; expected one for $HostName"
    }
    $known = [int][X509ChainStatusFlags]'PartialChain, UntrustedRoot, NotTimeValid'
    if ($Handshake.ChainErrors -band [X509ChainStatusFlags]::NotTimeValid) {
        $times = $Handshake.Chain | ForEach-Object -Process { "'$($_.Subject)' until $($_.Expires.ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture))" }
        "a certificate is expired or not valid yet ($($times -join ', ')); expected valid ones, and the right time on this host"
    }
    $other = [X509ChainStatusFlags]([int]$Handshake.ChainErrors -band -bnot $known)
    if ($other -ne 'NoError') {
        "the certificates are not valid here ($other); expected a chain that Windows accepts"
    }
}

function Get-MissingRoot {
    # The name of the authority whose certificate this host would need to trust the server, or nothing.
    param ([Handshake]$Handshake)

    $last = $Handshake.Chain | Select-Object -Last 1
    if ($Handshake.ChainErrors -band [X509ChainStatusFlags]::PartialChain) {
        $last.Issuer
    }
    elseif ($Handshake.ChainErrors -band [X509ChainStatusFlags]::UntrustedRoot) {
        $last.Subject
    }
}

function Get-EndpointState {
    <#
    .SYNOPSIS
    How one endpoint is reached, and who answers there.

    .PARAMETER Endpoint
    Host and Port.

    .PARAMETER Source
    Where the proxy comes from.

    .PARAMETER Proxy
    The explicit one.

    .PARAMETER Issuer
    Regular expressions, one of which the name of the certificate's issuer has to match.

    .PARAMETER Timeout
    Seconds for all of it.
    #>
    param ([hashtable]$Endpoint, [string]$Source, [string]$Proxy, [regex[]]$Issuer, [int]$Timeout)

    $state = [ordered]@{
        host = $Endpoint.Host
        port = $Endpoint.Port
        proxy = $null
        proxy_source = $Source
        proxy_schemes = [object[]]@()
        reachable = $false
        protocol = $null
        cipher = $null
        issuer = $null
        chain = [object[]]@()
        trusted = $false
        missing_root = $null
        inspected = $false
        error = $null
    }
    $watch = [Stopwatch]::StartNew()
    $client = $null
    try {
        $way = Get-EndpointProxy -Source $Source -Proxy $Proxy -HostName $Endpoint.Host
        $next = if ($way) { $way } else { $Endpoint }
        if ($way) {
            $state.proxy = "http://$($way.Host):$($way.Port)"
        }
        $client = Open-Connection -HostName $next.Host -Port $next.Port -Watch $watch -Timeout $Timeout
        if ($way) {
            $state.proxy_schemes = [object[]]@(Connect-ThroughProxy -Client $client -Proxy $way -Endpoint $Endpoint -Watch $watch -Timeout $Timeout)
            if ($state.proxy_schemes) {
                throw "the proxy $($state.proxy) wants somebody to sign in ($($state.proxy_schemes -join ', ')); expected a proxy that asks nobody"
            }
        }
        $state.reachable = $true
        $handshake = try {
            [Handshake]::Perform($client.GetStream(), $Endpoint.Host, (Get-Remaining -Watch $watch -Timeout $Timeout))
        }
        catch {
            $reason = $_.Exception.GetBaseException()
            $late = $reason -is [TimeoutException]
            $why = if ($late) { "within $Timeout seconds" } else { "($($reason.Message))" }
            $hint = if ($late) { '. A host without another way to the internet can take that long to look for a root certificate that it lacks' }
            throw "no TLS 1.2 with $($Endpoint.Host):$($Endpoint.Port) $why; expected a server that speaks it, and nothing on the way that ends it$hint"
        }
        $state.protocol = "$($handshake.Protocol)" -replace '^Tls(\d)(\d)$', 'TLS $1.$2'
        $state.cipher = $handshake.Cipher
        $state.issuer = $handshake.Chain[0].Issuer
        $state.chain = [object[]]@($handshake.Chain | ForEach-Object -Process {
                [ordered]@{
                    subject = $_.Subject
                    issuer = $_.Issuer
                    thumbprint = $_.Thumbprint
                    expires = $_.Expires.ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture)
                }
            })
        $state.trusted = $handshake.Errors -eq 'None' -and $handshake.ChainErrors -eq 'NoError'
        $state.missing_root = Get-MissingRoot -Handshake $handshake
        $state.inspected = -not @($Issuer | Where-Object -FilterScript { $_.IsMatch($state.issuer) })
        $problems = @(
            if ($state.inspected) {
                "somebody ends the TLS connection before $($Endpoint.Host): the certificate was issued by '$($state.issuer)'; " +
                "expected an issuer like $($Issuer -join ' or ')"
            }
            if ($state.missing_root) {
                "this host does not trust the certificate, the authority '$($state.missing_root)' is missing; expected it among the computer's trusted root authorities"
            }
            Get-ChainProblem -Handshake $handshake -HostName $Endpoint.Host
        )
        if ($problems) {
            $state.error = $problems -join '. '
        }
    }
    catch {
        $state.error = $_.Exception.Message
    }
    finally {
        if ($client) {
            $client.Dispose()
        }
    }
    $state
}

function Get-EndpointInfo {
    <#
    .SYNOPSIS
    How this host reaches the endpoints, one after the other.

    .PARAMETER Option
    The options of endpoint_info.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option
    )

    $source = $Option.proxy_source
    if (-not $source) {
        $source = if ($Option.proxy) { 'explicit' } else { 'none' }
    }
    if ([bool]$Option.proxy -ne ($source -eq 'explicit')) {
        throw "proxy: expected with proxy_source explicit, and only with it, found proxy_source $source"
    }
    if ($Option.timeout -lt 1 -or $Option.timeout -gt 600) {
        throw "timeout: expected 1 to 600 seconds, found $($Option.timeout)"
    }
    $issuers = foreach ($pattern in $(if ($Option.issuers.Count) { $Option.issuers } else { $serviceIssuers })) {
        try {
            [regex]::new($pattern, [RegexOptions]'IgnoreCase, CultureInvariant', [timespan]::FromSeconds(5))
        }
        catch {
            throw "issuers: expected regular expressions, found '$pattern' ($($_.Exception.GetBaseException().Message))"
        }
    }
    $endpoints = foreach ($text in $(if ($Option.endpoints.Count) { $Option.endpoints } else { $serviceEndpoints[$Option.cloud] })) {
        ConvertTo-Endpoint -Text $text
    }
    if ($Option.proxy) {
        $null = ConvertTo-Proxy -Text $Option.proxy -What 'proxy'
    }
    # All options are read before the first connection.
    foreach ($endpoint in $endpoints) {
        Get-EndpointState -Endpoint $endpoint -Source $source -Proxy $Option.proxy -Issuer $issuers -Timeout $Option.timeout
    }
}

Export-ModuleMember -Function Get-EndpointInfo
