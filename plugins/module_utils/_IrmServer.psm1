# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# What is known of servers that use the Rights Management connector: which values lead Exchange, SharePoint and file servers to it, and which
# servers can use it at all.

#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

# All values, as REG_SZ below HKLM\SOFTWARE\Microsoft, for the versions of the product that have them. The filter irm_server_reg reads this text,
# too, so that a file for regedit cannot say anything else.
# https://learn.microsoft.com/azure/information-protection/rms-connector-registry-settings prints the name of LicensingRedirection of Exchange
# without the tenant's URL; a redirection without the address that is redirected means nothing, so it is the one of SharePoint here.
$table = @'
product,versions,key,name,data
exchange,2013 2016 2019,MSDRM\ServiceLocation\Activation,,{tenant}/_wmcs/certification
exchange,2013 2016 2019,MSDRM\ServiceLocation\EnterprisePublishing,,{tenant}/_wmcs/licensing
exchange,2013 2016 2019,ExchangeServer\v15\IRM\CertificationServerRedirection,{tenant},{connector}
exchange,2013 2016 2019,ExchangeServer\v15\IRM\LicenseServerRedirection,{tenant},{connector}
exchange,2016 2019,MSIPC\ServiceLocation\EnterpriseCertification,,{connector}/_wmcs/certification
exchange,2016 2019,MSIPC\ServiceLocation\EnterprisePublishing,,{connector}/_wmcs/licensing
exchange,2016 2019,MSIPC\ServiceLocation\LicensingRedirection,{tenant}/_wmcs/licensing,{connector}/_wmcs/licensing
sharepoint,2013 2016 2019,MSIPC\ServiceLocation\EnterpriseCertification,,{connector}/_wmcs/certification
sharepoint,2013 2016 2019,MSIPC\ServiceLocation\EnterprisePublishing,,{connector}/_wmcs/licensing
sharepoint,2013 2016 2019,MSIPC\ServiceLocation\LicensingRedirection,{tenant}/_wmcs/licensing,{connector}/_wmcs/licensing
fci,2012 2012r2 2016,MSDRM\ServiceLocation\Activation,,{connector}/_wmcs/certification
fci,2012 2012r2 2016,MSDRM\ServiceLocation\EnterprisePublishing,,{connector}/_wmcs/licensing
'@

$products = @{
    exchange = @{
        Title = 'Exchange Server'
        Expected = 'Exchange Server 2013 with Cumulative Update 3 (15.0.775) or later, 2016 or 2019'
        Minimum = [version]'15.0.775'
        Client = 'msdrm'
    }
    sharepoint = @{ Title = 'SharePoint Server'; Expected = 'SharePoint Server 2013, 2016 or 2019'; Client = 'msipc' }
    fci = @{ Title = 'File Server Resource Manager'; Expected = 'Windows Server 2012, 2012 R2 or 2016'; Client = 'msdrm' }
}

# The client of Rights Management that a product works with.
$clients = @{
    msdrm = @{ Title = 'msdrm.dll'; Minimum = [version]'6.1.7600.17000' }
    msipc = @{ Title = 'the Rights Management client 2.1 (MSIPC)'; Minimum = [version]'1.0.2004.0' }
}

# The cloud's addresses; any other address of a licensing server is that of a connector or of AD RMS.
$cloudHosts = '\.(?:aadrm|azurerms)\.(?:com|us|cn)$|\.informationprotection\.azure\.(?:com|us|cn)$'
# Names of redirections are addresses.
$addressed = '^https?://'
$fileServerKeys = 'HKLM:\SOFTWARE\Microsoft\MSDRM\ServiceLocation\Activation', 'HKLM:\SOFTWARE\Microsoft\MSDRM\ServiceLocation\EnterprisePublishing'
$irmKeys = '^HKLM:\\SOFTWARE\\Microsoft\\(?:(?:MSDRM|MSIPC)\\ServiceLocation|ExchangeServer\\v1[45]\\IRM)\\'

function Get-AddressBase {
    # Scheme, host and port of an address, in lower case; the text itself when it is none.
    param ([string]$Address)

    $uri = $null
    if ([uri]::TryCreate($Address, 'Absolute', [ref]$uri) -and $uri.Host) { $uri.GetLeftPart('Authority').ToLowerInvariant() } else { $Address }
}

function Test-CloudAddress {
    <#
    .SYNOPSIS
    Whether an address is one of Azure Rights Management. Any other one leads to a connector or to AD RMS.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string]
        $Address
    )

    $uri = $null
    [uri]::TryCreate($Address, 'Absolute', [ref]$uri) -and $uri.Host -match $cloudHosts
}

function Resolve-BaseUrl {
    <#
    .SYNOPSIS
    An option that is a URL without a path, in its canonical form.

    .PARAMETER Option
    Its name.

    .PARAMETER Tail
    A path that may stand at its end.

    .PARAMETER Module
    Which module or domain an error names.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Option,

        [AllowEmptyString()]
        [string]
        $Url,

        [string]
        $Tail = '',

        [string]
        $Module = 'irm_server'
    )

    $uri = $null
    $known = [uri]::TryCreate($Url.Trim(), 'Absolute', [ref]$uri) -and $uri.Scheme -in 'http', 'https' -and $uri.Host
    $path = if ($known) { $uri.AbsolutePath.TrimEnd('/') }
    if (-not $known -or $uri.UserInfo -or $uri.Query -or $uri.Fragment -or ($path -and $path -ne $Tail)) {
        throw "$($Module): $Option is $(Format-Address -Address $Url): expected http:// or https:// and a name, without a path, such as https://rmsconnector.contoso.com"
    }
    $uri.GetLeftPart('Authority').ToLowerInvariant()
}

function Resolve-TenantUrl {
    <#
    .SYNOPSIS
    The option tenant_url in its canonical form, given as Get-AipServiceConfiguration shows it or without a path.

    .PARAMETER Module
    Which module or domain an error names.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [AllowEmptyString()]
        [string]
        $Url,

        [string]
        $Module = 'irm_server'
    )

    $tenant = Resolve-BaseUrl -Option tenant_url -Url $Url -Tail '/_wmcs/licensing' -Module $Module
    if (-not (Test-CloudAddress -Address $tenant)) {
        throw "$($Module): tenant_url is $tenant, no address of Azure Rights Management: expected one such as https://ID.rms.na.aadrm.com"
    }
    $tenant
}

function Get-ExchangeLine {
    <#
    .SYNOPSIS
    2013, 2016 or 2019, by the version of Exchange Server; $null for any other.
    #>
    [CmdletBinding()]
    param ([AllowNull()] [string]$Version)

    $number = ConvertTo-ProductVersion -Text $Version
    # 15.2.2562 is the Subscription Edition.
    if (-not $number -or $number.Major -ne 15 -or $number -ge [version]'15.2.2562') {
        return $null
    }
    @{ 0 = '2013'; 1 = '2016'; 2 = '2019' }[$number.Minor]
}

function Get-SharePointLine {
    <#
    .SYNOPSIS
    2013, 2016 or 2019, by the version of SharePoint Server; $null for any other.
    #>
    [CmdletBinding()]
    param ([AllowNull()] [string]$Version)

    $number = ConvertTo-ProductVersion -Text $Version
    if (-not $number) {
        return $null
    }
    # The registry has 16.0.0.10337 where the farm has 16.0.10337.12109.
    $build = if ($number.Build) { $number.Build } else { $number.Revision }
    switch ($number.Major) {
        15 { '2013' }
        # 2019 begins at 16.0.10000, and at 16.0.14326 the Subscription Edition.
        16 { if ($build -lt 10000) { '2016' } elseif ($build -lt 14326) { '2019' } else { $null } }
        default { $null }
    }
}

function Get-RightsManagementClient {
    <#
    .SYNOPSIS
    The fact 'rms_clients': which clients of Rights Management the host has.
    #>
    [CmdletBinding()]
    param ()

    $library = [IO.Path]::Combine([Environment]::SystemDirectory, 'msdrm.dll')
    $found = [IO.File]::Exists($library)
    $version = $null
    if ($found) {
        $file = [Diagnostics.FileVersionInfo]::GetVersionInfo($library)
        # Numbers, since the text of a file's version is whatever its maker wrote.
        $number = $file.FileMajorPart, $file.FileMinorPart, $file.FileBuildPart, $file.FilePrivatePart -join '.'
        $version = if ($number -ne '0.0.0.0') { $number } else { $null }
    }
    $installed = "$(Get-MachineValue -SubKey 'SOFTWARE\Microsoft\MSIPC\CurrentVersion' -Name '')"
    [ordered]@{
        msdrm = [ordered]@{ found = $found; version = $version }
        msipc = [ordered]@{ found = [bool]$installed; version = if ($installed) { $installed } else { $null } }
    }
}

function Get-ValueRow {
    # The rows of the table for a product. Read when asked for: ConvertFrom-Csv has PowerShell load a module that most hosts need for nothing else.
    param ([string]$Name)

    $table | ConvertFrom-Csv | Where-Object -FilterScript { $_.product -eq $Name }
}

function Get-Obstacle {
    # Why this host must not be set to use a connector, apart from the one that it uses already.
    param ([string]$Name, $Fact)

    if (@($Fact.products | Where-Object -FilterScript { $_.kind -eq 'rms_connector' -and $_.state -eq 'installed' }).Count) {
        'this host runs the connector itself: expected a server that uses it, on another host'
    }
    $product = $products[$Name]
    $role = $Fact.roles[$Name]
    if (-not $role.found) {
        "$($product.Title) is not installed on this host"
        return
    }
    $what = if ($Name -eq 'fci') { $Fact.os.name } else { "$($product.Title) $($role.version)" }
    $versions = @(Get-ValueRow -Name $Name | ForEach-Object -Process { $_.versions.Split(' ') })
    if ($role.line -notin $versions -or ($product.Minimum -and (ConvertTo-ProductVersion -Text $role.version) -lt $product.Minimum)) {
        "$what is not supported with the connector: expected $($product.Expected)"
    }
    $client = $clients[$product.Client]
    $installed = $Fact.rms_clients[$product.Client]
    $version = ConvertTo-ProductVersion -Text $installed.version
    if (-not $installed.found) {
        "$($client.Title) is not installed on this host: expected $($client.Minimum) or later"
    }
    elseif ($version -and $version -lt $client.Minimum) {
        "$($client.Title) has version $($installed.version): expected $($client.Minimum) or later"
    }
}

function Get-IrmServerSpec {
    <#
    .SYNOPSIS
    The options of the domain irm_server: a fragment of an argument spec.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            product = @{ type = 'str'; choices = 'exchange', 'sharepoint', 'fci'; required = $true }
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            connector_url = @{ type = 'str' }
            tenant_url = @{ type = 'str' }
            force = @{ type = 'bool'; default = $false }
            policy_conflict = Get-PolicyConflictSpec
        }
        required_if = @(, @('state', 'present', @('connector_url', 'tenant_url')))
    }
}

function Get-IrmServerDesiredState {
    <#
    .SYNOPSIS
    Turns the options of the module irm_server into desired values.

    .PARAMETER Option
    product, state, connector_url, tenant_url, force.

    .PARAMETER Fact
    os, products, roles, rms_clients and redirections (from Get-HostFact, or objects of the same shape).

    .OUTPUTS
    An object with Values and Purge (for Get-RegistryPlan), Notes, and Refused (why this host cannot be served). Throws when the options make no
    sense.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Fact
    )

    $name = $Option.product
    $wanted = [pscustomobject]@{ Values = @(); Purge = @(); Notes = @(); Refused = @() }
    $urls = @{ connector = ''; tenant = '' }
    $present = $Option.state -ne 'absent'
    if ($present) {
        $urls.connector = Resolve-BaseUrl -Option 'connector_url' -Url $Option.connector_url
        $urls.tenant = Resolve-TenantUrl -Url $Option.tenant_url
        if (Test-CloudAddress -Address $urls.connector) {
            throw "irm_server: connector_url is $($urls.connector), an address of Azure Rights Management: expected that of the connector"
        }
    }

    $unknown = @('os', 'products', 'roles', 'rms_clients', 'redirections' | Where-Object -FilterScript { $null -eq $Fact[$_] })
    if ($unknown.Count) {
        $wanted.Refused = @("what decides whether this host can be served could not be read: $($unknown -join ', ')")
        return $wanted
    }
    $line = $Fact.roles[$name].line
    $rows = @(Get-ValueRow -Name $name | Where-Object -FilterScript { $line -in $_.versions.Split(' ') -or -not ($present -or $line) })
    $keys = @($rows | ForEach-Object -Process { "HKLM:\SOFTWARE\Microsoft\$($_.key)" })
    $current = @($Fact.redirections | Where-Object -FilterScript { $_.view -eq 64 -and $_.path -in $keys })
    $others = @($current | Where-Object -FilterScript { -not $_.cloud -and (Get-AddressBase -Address $_.address) -ne $urls.connector } |
            ForEach-Object -Process { Get-AddressBase -Address $_.address } | Sort-Object -Unique)
    if ($present) {
        $wanted.Refused = @(
            Get-Obstacle -Name $name -Fact $Fact
            if ($others.Count -and -not $Option.force) {
                "this host is set to use $($others -join ' and '), and connector_url is $($urls.connector). What the server has got from the one it does not " +
                'accept from the other: clear its IRM configuration first, as the guide says, and then use force'
            }
        )
        if ($wanted.Refused.Count) {
            return $wanted
        }
    }
    if ($others.Count -and $present) {
        $wanted.Notes = @("This host was set to use $($others -join ' and ').")
    }

    foreach ($row in $rows) {
        $value = @{ Path = "HKLM:\SOFTWARE\Microsoft\$($row.key)" }
        if ($row.name) {
            # A name that leads to the wanted connector from elsewhere than the cloud is what moving from AD RMS asks for.
            $wanted.Purge += @{
                path = $value.Path
                view = 64
                match = $addressed
                keep = @($current | Where-Object -FilterScript {
                        $present -and $_.path -eq $value.Path -and (Get-AddressBase -Address $_.address) -eq $urls.connector -and
                        -not (Test-CloudAddress -Address $_.name)
                    } | ForEach-Object -Process { $_.name })
            }
            $value.Name = $row.name.Replace('{tenant}', $urls.tenant)
        }
        if ($present) {
            $data = $row.data.Replace('{tenant}', $urls.tenant).Replace('{connector}', $urls.connector)
            $wanted.Values += New-RegistryValue @value -Data $data -Fits (New-AddressTest -Data $data)
        }
        elseif (-not $row.name) {
            $wanted.Values += New-RegistryValue @value -State absent
        }
    }
    $wanted
}

function New-AddressTest {
    # Addresses of hosts and paths of IIS know no case, and the documents write both.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param ([string]$Data)

    {
        param ($current)
        $current -and $current.Kind -eq 1 -and
        [string]::Equals([Text.Encoding]::Unicode.GetString($current.Bytes).TrimEnd([char]0), $Data, 'OrdinalIgnoreCase')
    }.GetNewClosure()
}

function Test-FileServer {
    $service = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = 'SYSTEM\CurrentControlSet\Services\SrmSvc'; View = 64 }
    if ($service) {
        $service.Dispose()
    }
    [bool]$service
}

function Get-IrmServerWatchedKey {
    <#
    .SYNOPSIS
    The keys that a file server reads when Windows starts: canonical paths, none on another server.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param ()

    if (Test-FileServer) {
        $fileServerKeys
    }
}

function Get-IrmServerRestartReason {
    <#
    .SYNOPSIS
    'irm_server' when Windows has to be restarted after these changes.

    .DESCRIPTION
    A file server always has to be restarted. Exchange and SharePoint keep what they got from AD RMS or from another connector, until they are
    restarted.

    .PARAMETER Change
    Changes of a plan.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [AllowEmptyCollection()]
        [object[]]
        $Change
    )

    $addresses = @($Change | Where-Object -FilterScript { "$($_.Path)\" -match $irmKeys })
    if (@($addresses | Where-Object -FilterScript { $_.Path -in $fileServerKeys }).Count -and (Test-FileServer)) {
        return 'irm_server'
    }
    foreach ($item in $addresses) {
        $before, $after = foreach ($value in $item.Before, $item.After) {
            if ($value -and $value.Kind -eq 1) { "$(ConvertFrom-RegistryData -Value $value)" } else { '' }
        }
        if ($before -and -not (Test-CloudAddress -Address $before) -and (Get-AddressBase -Address $before) -ne (Get-AddressBase -Address $after)) {
            return 'irm_server'
        }
    }
}

$export = @{
    Function = @(
        'Get-ExchangeLine'
        'Get-IrmServerDesiredState'
        'Get-IrmServerRestartReason'
        'Get-IrmServerSpec'
        'Get-IrmServerWatchedKey'
        'Get-RightsManagementClient'
        'Get-SharePointLine'
        'Resolve-BaseUrl'
        'Resolve-TenantUrl'
        'Test-CloudAddress'
    )
}
Export-ModuleMember @export
