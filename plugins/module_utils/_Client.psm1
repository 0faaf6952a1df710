# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# What is known of the Azure Information Protection client: its products, what has to be installed and removed to get from one to another, and
# its settings for the whole host.

#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

# The client is a 32-bit product.
$clientKey = @{ Path = 'HKLM:\SOFTWARE\Microsoft\MSIP'; View = 32 }

$settings = [ordered]@{
    use_default_credentials_in_proxy = @{ Name = 'UseDefaultCredentialsInProxy'; Data = @{ $true = 1; $false = 0 } }
    cloud_environment = @{
        Name = 'CloudEnvType'
        # What Microsoft documents
        Data = @{ commercial = 0; gcc = 1; gcc_high = 2; china = 6 }
        # Microsoft: not to be deleted after the client was uninstalled.
        Keep = 'The client takes a host without CloudEnvType for one of the commercial cloud, and Microsoft says not to delete it after the client was uninstalled'
    }
}

# The products in the order of their lines. A newer line replaces an older one in place, where it does not say that the older one has to go first.
$clients = [ordered]@{
    classic = @{ Kind = 'classic_client'; Name = 'the classic client'; Major = 1 }
    unified_labeling = @{
        Kind = 'unified_labeling_client'
        Name = 'the unified labeling client'
        Major = 2
        FirstBuild = 9200
        Windows = 'Windows Server 2012 and Windows 8'
        RemoveFirst = @()
    }
    purview = @{
        Kind = 'purview_client'
        Name = 'the Purview Information Protection client'
        Major = 3
        # https://learn.microsoft.com/purview/information-protection-client: Windows 10 (x64)
        FirstBuild = 14393
        Architecture = 'AMD64'
        Windows = 'Windows Server 2016 and Windows 10'
        RemoveFirst = 'classic', 'unified_labeling'
    }
}
# .NET Framework 4.6.2. An installation without a user does not bring it along.
$dotnetNeeded = 394802

function Get-ClientSpec {
    <#
    .SYNOPSIS
    The options of the domain client: a fragment of an argument spec. How an installer is brought and run is for the module client alone.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            product = @{ type = 'str'; choices = 'unified_labeling', 'purview', 'classic'; required = $true }
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            version = @{ type = 'str' }
            exact = @{ type = 'bool'; default = $false }
            allow_downgrade = @{ type = 'bool'; default = $false }
        }
    }
}

function Get-ClientPlan {
    <#
    .SYNOPSIS
    Compares the installed products with the options of the module client.

    .PARAMETER Option
    product, state, version, exact and allow_downgrade of the module.

    .PARAMETER Fact
    os, dotnet, products and reboot (from Get-HostFact, or objects of the same shape).

    .OUTPUTS
    An object with Steps (Action install, repair or remove, Product, Before and After: versions as text, $null for none), Refused: why they cannot
    be carried out on this host, and Notes: what no installer puts right. Throws when the options make no sense.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        $Fact
    )

    $product = $Option.product
    $client = $clients[$product]
    $wanted = Get-WantedVersion -Option $Option
    $installed = Get-InstalledClient -Product $Fact.products

    $steps = [System.Collections.Generic.List[object]]::new()
    $refused = [System.Collections.Generic.List[string]]::new()
    $notes = [string[]]@(Get-ProductNote -Product @($Fact.products | Where-Object -FilterScript { Test-Client -Product $_ }))
    $remove = { param ($name) $steps.Add([pscustomobject]@{ Action = 'remove'; Product = $name; Before = $installed[$name].Text; After = $null }) }
    if ($Option.state -eq 'absent') {
        if ($installed[$product]) {
            & $remove $product
        }
        return [pscustomobject]@{ Steps = $steps; Refused = $refused; Notes = $notes }
    }

    $newer = @($clients.Keys | Where-Object -FilterScript { $installed[$_] -and $clients[$_].Major -gt $client.Major })
    $found = $installed[$product]
    $downgrade = [bool]($found -and $wanted -and $Option.exact -and $found.Version -gt $wanted)
    $stays = $found -and -not $downgrade -and (-not $wanted -or $found.Version -ge $wanted)
    foreach ($name in $client.RemoveFirst | Where-Object -FilterScript { $installed[$_] }) {
        & $remove $name
    }
    foreach ($name in $newer) {
        & $remove $name
    }
    if ($downgrade) {
        & $remove $product
    }
    if (-not $stays) {
        $after = if (-not $wanted) { 'any version' } elseif ($Option.exact) { $Option.version } else { "$($Option.version) or later" }
        $before = if ($found -and -not $downgrade) { $found.Text } else { $null }
        $steps.Add([pscustomobject]@{ Action = 'install'; Product = $product; Before = $before; After = $after })
    }
    elseif ($found.State -eq 'incomplete') {
        $steps.Add([pscustomobject]@{ Action = 'repair'; Product = $product; Before = $found.Text; After = $found.Text })
    }
    if ($steps.Count) {
        foreach ($name in @($newer) + @(if ($downgrade) { $product })) {
            if (-not $Option.allow_downgrade) {
                $refused.Add("$($clients[$name].Name) $($installed[$name].Text) is installed, which is newer: expected allow_downgrade to be true if it shall be removed for that")
            }
        }
        foreach ($reason in Get-ClientObstacle -Product $product -Fact $Fact) {
            $refused.Add($reason)
        }
    }
    [pscustomobject]@{ Steps = $steps; Refused = $refused; Notes = $notes }
}

function Get-WantedVersion {
    # The wanted version, or $null for any. Throws when the options make no sense.
    param ($Option)

    $client = $clients[$Option.product]
    if ($Option.state -eq 'present' -and $Option.product -eq 'classic') {
        throw 'client: the classic client is retired and cannot be installed: expected state absent, or another product'
    }
    if (-not $Option.version) {
        if ($Option.exact) {
            throw 'client: exact is true without a version: expected a version'
        }
        return $null
    }
    $wanted = ConvertTo-ProductVersion -Text $Option.version
    if ($null -eq $wanted) {
        throw "client: version is '$($Option.version)': expected a version such as $($client.Major).0.1"
    }
    if ($wanted.Major -ne $client.Major) {
        throw "client: version is $($Option.version): expected one of $($client.Name), $($client.Major).x"
    }
    $wanted
}

function Get-InstalledClient {
    # By product: the highest version that is installed of it, in whole or in part (Version, Text as the list of installed programs has it, State).
    param ($Product)

    $installed = @{}
    foreach ($name in $clients.Keys) {
        foreach ($entry in $Product | Where-Object -FilterScript { $_.Kind -eq $clients[$name].Kind -and (Test-Registered -Product $_) }) {
            $version = ConvertTo-ProductVersion -Text $entry.Version
            $known = $installed[$name]
            if (-not $known -or $version -gt $known.Version -or ($version -eq $known.Version -and $entry.State -eq 'installed')) {
                $installed[$name] = @{ Version = $version; Text = $entry.Version; State = $entry.State }
            }
        }
    }
    $installed
}

function Get-ClientObstacle {
    # Why a product cannot be installed on the host, whatever the operator wants: texts.
    param ($Product, $Fact)

    $client = $clients[$Product]
    if ($Fact.os.build -lt $client.FirstBuild) {
        "$($client.Name) needs $($client.Windows) or later, and this is $($Fact.os.name)"
    }
    if ($Fact.os.architecture -eq 'ARM64') {
        'the client does not run on ARM64'
    }
    elseif ($client.Architecture -and $Fact.os.architecture -ne $client.Architecture) {
        "$($client.Name) needs an x64 processor and 64-bit Windows, and this is $($Fact.os.architecture)"
    }
    if ($Fact.dotnet.release -lt $dotnetNeeded) {
        $found = if ($Fact.dotnet.version) { ".NET Framework $($Fact.dotnet.version)" } else { 'none' }
        $due = if ($Fact.reboot.reasons -contains 'dotnet') { '. What was installed counts after a restart of the host' }
        "the client needs .NET Framework 4.6.2 or later, and this host has $found$due"
    }
}

function Get-ClientKind {
    <#
    .SYNOPSIS
    The kind of a product among the facts, for the name that it has in options.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Product
    )

    $clients[$Product].Kind
}

function Test-Client {
    <#
    .SYNOPSIS
    Whether a product (among the facts, or as Get-InstalledProduct has it) is one of the clients.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        $Product
    )

    @($clients.Values | ForEach-Object -Process { $_.Kind }) -contains $Product.Kind
}

function Get-ClientSettingSpec {
    <#
    .SYNOPSIS
    The options of the domain client_settings: a fragment of an argument spec.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            use_default_credentials_in_proxy = @{ type = 'bool' }
            cloud_environment = @{ type = 'str'; choices = 'commercial', 'gcc', 'gcc_high', 'china' }
            names = @{ type = 'list'; elements = 'str'; choices = 'use_default_credentials_in_proxy', 'cloud_environment' }
            policy_conflict = Get-PolicyConflictSpec
        }
    }
}

function Get-ClientDesiredState {
    <#
    .SYNOPSIS
    Turns the options of the module client_settings into desired values.

    .PARAMETER Option
    state, names, and the settings.

    .OUTPUTS
    An object with Values (for Get-RegistryPlan) and Notes.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option
    )

    $values = if ($Option.state -eq 'absent') {
        foreach ($setting in $settings.Keys) {
            if ($setting -in $Option.names -or ($null -eq $Option.names -and -not $settings[$setting].Keep)) {
                New-RegistryValue @clientKey -Name $settings[$setting].Name -State absent
            }
        }
    }
    else {
        if ($null -ne $Option.names) {
            throw 'client_settings: names is given with state present: expected it with state absent only'
        }
        foreach ($setting in $settings.Keys) {
            if ($null -ne $Option[$setting]) {
                New-RegistryValue @clientKey -Name $settings[$setting].Name -Type dword -Data $settings[$setting].Data[$Option[$setting]]
            }
        }
    }
    if (-not $values) {
        throw "client_settings: no setting is given: expected at least one of $($settings.Keys -join ' and ')"
    }
    $notes = @(if ($Option.state -eq 'absent') { @($Option.names) | Where-Object -FilterScript { $_ } | ForEach-Object -Process { $settings[$_].Keep } })
    [pscustomobject]@{ Values = @($values); Notes = @($notes | Where-Object -FilterScript { $_ }) }
}

function Get-ClientState {
    <#
    .SYNOPSIS
    All values of the client's key, in both views: the fact 'msip'.
    #>
    [CmdletBinding()]
    param ()

    foreach ($view in 32, 64) {
        $key = Open-RegistryKey -Key (Resolve-RegistryPath -Path $clientKey.Path -View $view)
        if (-not $key) {
            continue
        }
        $names = $key.GetValueNames()
        $key.Dispose()
        [Array]::Sort($names, [StringComparer]::OrdinalIgnoreCase)
        foreach ($name in $names) {
            $value = Read-RegistryValue -Path $clientKey.Path -View $view -Name $name
            $shown = ConvertTo-ValueResult -Value $value
            [ordered]@{ name = $name; type = $shown.type; data = $shown.data; view = $view }
        }
    }
}

Export-ModuleMember -Function Get-ClientDesiredState, Get-ClientKind, Get-ClientPlan, Get-ClientSettingSpec, Get-ClientSpec, Get-ClientState, Test-Client
