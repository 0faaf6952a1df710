# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The Rights Management connector: how it is installed and removed, which of that only the operator can do (its setup asks for a
# sign-in), its settings, and its facts on a host.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace System.IO

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Address
#AnsibleRequires -PowerShell ..module_utils._ConnectorHttps
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData

$connectorKey = 'HKLM:\SOFTWARE\Microsoft\AADRM\Connector'
$setupName = 'RMSConnectorSetup.exe'
$firstBuild = 9200
# .NET Framework 4.7.2
$dotnetNeeded = 461808
# Where role rms_connector keeps the URL by which the connector serves, and role rms_pool the lease of the run that works on the host.
$poolKey = 'SOFTWARE\infoprotect.aip'
$leaseKey = 'SOFTWARE\infoprotect.aip\Lease'
# Gone after the next start of Windows, which starts IIS, too.
$writtenKey = 'SOFTWARE\infoprotect.aip.connector'

# https://learn.microsoft.com/azure/information-protection/monitor-rms-connector
$provider = 'Microsoft RMS connector'
$eventStart, $eventStop, $eventList, $eventEmptyList = 1000, 1001, 1004, 2003
# The newest events of a day: the list comes every 15 minutes, and requests that are refused can be many.
$eventHours = 24
$eventCount = 500
# Characters of an event in which there may be a name
$longestPiece = 1000
# Those that tell whether it serves
$eventLife = $eventStart, $eventStop, $eventList, $eventEmptyList
# https://learn.microsoft.com/azure/information-protection/install-configure-rms-connector
$setupRoles = 'global administrator of the tenant, global administrator of Azure Rights Management, or connector administrator of Azure Rights Management'
$rolesNote = 'The module protection_service_administrator and the cmdlet Add-AipServiceRoleBasedAdministrator give the roles of Azure Rights Management.'
# https://learn.microsoft.com/azure/information-protection/requirements-azure-ad, on accounts of the connector
$factorNote = 'The account must not require multi-factor authentication, and neither must the service principal Aadrm_S-1-7-0, which the setup makes: ' +
    'exclude both from Conditional Access policies that require it.'
$onboardingNote = 'Where onboarding controls limit who can protect content, the account must be among those who can. Otherwise the setup reports ' +
    '"The attempt to discover the location of the administration service and organization failed".'
# In plain words; {0} is an account, {1} what the connector itself said. Those with Once are over when a list has come since.
$findings = @{
    2000 = @{ Text = 'A request without a sign-in was let in by IIS and refused by the connector: anonymous authentication has to be off for /_wmcs' }
    2001 = @{ Text = '{0} asked and is not authorized. Where it is a server that shall use the connector, authorize it in the connector administration tool' }
    2002 = @{ Text = 'A request came by HTTP, whose content others on the network can read' }
    2003 = @{ Text = 'No server is authorized: the list of authorized servers is empty. Authorize the servers in the connector administration tool'; Once = $true }
    3000 = @{ Text = 'The connector met an error that it did not expect. Something on the way to Azure that terminates TLS can be the cause. It said: {1}' }
    3001 = @{ Text = 'The list of authorized servers cannot be downloaded: look at name resolution, the firewall, and the proxy. It said: {1}'; Once = $true }
}

function Get-ConnectorSpec {
    <#
    .SYNOPSIS
    The options of the domain connector: a fragment of an argument spec. How an installer is brought is for the module connector alone.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            version = @{ type = 'str' }
            cloud = @{
                type = 'str'
                choices = 'AzureCloud', 'AzureChinaCloud', 'AzureUSGovernment', 'AzureUSGovernment2', 'AzureUSGovernment3'
                default = 'AzureCloud'
            }
            administration_tool = @{ type = 'bool'; default = $false }
            arguments = @{ type = 'list'; elements = 'str'; default = @() }
        }
    }
}

function Get-ConnectorPlan {
    <#
    .SYNOPSIS
    Compares the host with the options of the module connector.

    .PARAMETER Option
    state, version, cloud, administration_tool and arguments of the module.

    .PARAMETER Fact
    fqdn, os, dotnet, roles, products and connector (from Get-HostFact, or objects of the same shape).

    .OUTPUTS
    An object with Steps (Action install, remove, stage or unstage, Product, Before, After, and Attended: $true for what the operator has to do at
    the host), Refused: why they cannot be carried out, AttendedStep: instructions for the operator, or $null, and Notes. Throws when the options
    make no sense.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option,

        [Parameter(Mandatory = $true)]
        $Fact
    )

    $wanted = $null
    if ($Option.version) {
        $wanted = ConvertTo-ProductVersion -Text $Option.version
        if ($null -eq $wanted) {
            throw "connector: version is '$($Option.version)': expected a version such as 3.1.0"
        }
    }
    $product = if ($Option.administration_tool) { 'connector administration tool' } else { 'connector' }
    $found = Get-InstalledConnector -Product $Fact.products
    $staged = if ($Fact.connector) { $Fact.connector.staged_version }
    $attended = -not @($Option.arguments).Where({ $_ }).Count

    $steps = [System.Collections.Generic.List[object]]::new()
    $add = {
        param ($action, $what, $before, $after, $byHand)
        $steps.Add([pscustomobject]@{ Action = $action; Product = $what; Before = $before; After = $after; Attended = [bool]$byHand })
    }
    if ($Option.state -eq 'absent') {
        if ($found) {
            & $add 'remove' $product $found.Version $null $attended
        }
        # The manual step still needs it.
        if ($staged -and -not ($found -and $attended)) {
            & $add 'unstage' 'connector setup' $staged $null $false
        }
    }
    elseif (-not $found -or ($wanted -and (ConvertTo-ProductVersion -Text $found.Version) -lt $wanted)) {
        $after = if ($wanted) { "$($Option.version) or later" } else { 'any version' }
        if ($attended -and (-not $staged -or ($wanted -and (ConvertTo-ProductVersion -Text $staged) -lt $wanted))) {
            & $add 'stage' 'connector setup' $staged $after $false
        }
        & $add 'install' $product $(if ($found) { $found.Version }) $after $attended
        if ($staged -and -not $attended) {
            & $add 'unstage' 'connector setup' $staged $null $false
        }
    }
    elseif ($staged -and (ConvertTo-ProductVersion -Text $staged) -ne (ConvertTo-ProductVersion -Text $found.Version)) {
        # No manual step needs it any more.
        & $add 'unstage' 'connector setup' $staged $null $false
    }
    [pscustomobject]@{
        Steps = $steps
        Refused = @(if ($steps.Where({ $_.Action -eq 'install' }).Count) { Get-ConnectorObstacle -Option $Option -Fact $Fact })
        AttendedStep = if (@($steps).Where({ $_.Attended }).Count) { New-AttendedStep -Option $Option -Fact $Fact -Upgrade ([bool]$found) } else { $null }
        Notes = [string[]]@(Get-ProductNote -Product @($Fact.products | Where-Object -FilterScript { $_.kind -eq 'rms_connector' }))
    }
}

function Get-InstalledConnector {
    # Of those that are installed, the entry with the highest version, or nothing.
    param ($Product)

    $found = @($Product | Where-Object -FilterScript { $_.kind -eq 'rms_connector' -and $_.state -eq 'installed' })
    # Not for nothing: Sort-Object has PowerShell load a module.
    if ($found.Count) {
        $found | Sort-Object -Property { ConvertTo-ProductVersion -Text $_.version } -Descending | Select-Object -First 1
    }
}

function Get-ConnectorObstacle {
    # Why the host cannot have it, whatever the operator wants: texts.
    param ($Option, $Fact)

    if ($Fact.os.build -lt $firstBuild -or $Fact.os.architecture -ne 'AMD64') {
        "the connector needs Windows Server 2012 or later with 64 bits, and this is $($Fact.os.name) ($($Fact.os.architecture))"
    }
    if ($Fact.dotnet.release -lt $dotnetNeeded) {
        $has = if ($Fact.dotnet.version) { ".NET Framework $($Fact.dotnet.version)" } else { 'none' }
        "the connector needs .NET Framework 4.7.2 or later, and this host has $has"
    }
    if (-not $Option.administration_tool) {
        foreach ($role in @{ Name = 'exchange'; Text = 'an Exchange server' }, @{ Name = 'sharepoint'; Text = 'a SharePoint server' }, @{ Name = 'domain_controller'; Text = 'a domain controller' }) {
            if ($Fact.roles.($role.Name).found) {
                "it is $($role.Text), and the connector has to be on a host of its own"
            }
        }
    }
}

function New-AttendedStep {
    # What the operator has to do at the host, in this order.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param ($Option, $Fact, [bool]$Upgrade)

    $signIn = "Sign in to $($Fact.fqdn) as an administrator of the host, at its console or by Remote Desktop."
    # Clients use what serves now; one member of a pool has to stay in service.
    $onlyOne = if (-not $Option.administration_tool -and ($Upgrade -or $Option.state -eq 'absent')) {
        'Unless the playbook waits for you, take this host out of the load balancer first, and do not begin with another one of its pool before it is done.'
    }
    $again = 'Run the playbook again. It goes on from there and verifies what was done.'
    if ($Option.state -eq 'absent') {
        return [ordered]@{
            host = $Fact.fqdn
            file = $null
            account_role = 'an administrator of the host'
            cloud = $null
            steps = [string[]]@(
                $onlyOne
                $signIn
                'Open Programs and Features, choose Microsoft Rights Management connector, and then Uninstall.'
                $again
            )
        }
    }
    $what = if ($Option.administration_tool) { 'the connector administration tool' } else { 'the Microsoft Rights Management connector' }
    $setup = Get-StagedSetup
    [ordered]@{
        host = $Fact.fqdn
        file = $setup
        account_role = $setupRoles
        cloud = $Option.cloud
        steps = [string[]]@(
            $onlyOne
            $signIn
            # The folder admits administrators only, and without elevation User Account Control takes that membership out of an administrator's token.
            "Open Windows PowerShell with 'Run as administrator', and run this command in it: & '$setup'"
            'Explorer, and a prompt that is not elevated, are denied access to that folder.'
            "On the first page choose to install $what on this computer, and accept the license on the next$(if ($Upgrade) { '. It replaces the version that is there' })."
            if (-not $Option.administration_tool) {
                "On the page Authentication choose the cloud $($Option.cloud), choose Sign In, and sign in with an account that is $setupRoles. $rolesNote"
                $factorNote
                $onboardingNote
            }
            'Finish the wizard. On the last page, leave out the administrator console unless the servers are to be authorized at once.'
            $again
        )
    }
}

function Get-StagedSetup {
    <#
    .SYNOPSIS
    Where the setup is staged for the operator: a path, whether it exists or not.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param ()

    [Path]::Combine((Get-OwnFolder -Name connector), $setupName)
}

function Get-StagedVersion {
    <#
    .SYNOPSIS
    The version of the staged setup, or $null. Others than administrators cannot look into the folder: to them there is none.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param ()

    $setup = Get-StagedSetup
    if ([File]::Exists($setup)) { "$([Diagnostics.FileVersionInfo]::GetVersionInfo($setup).ProductVersion)".Trim() } else { $null }
}

function Get-ConnectorSettingSpec {
    <#
    .SYNOPSIS
    The options of the domain connector_settings: a fragment of an argument spec.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
            proxy_address = @{ type = 'str' }
            policy_conflict = Get-PolicyConflictSpec
        }
    }
}

function Get-ConnectorDesiredState {
    <#
    .SYNOPSIS
    Turns the options of the module connector_settings into desired values.

    .PARAMETER Option
    state and proxy_address.

    .OUTPUTS
    An object with Values (for Get-RegistryPlan) and Notes.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [System.Collections.IDictionary]
        $Option
    )

    $proxy = @{ Path = $connectorKey; Name = 'ProxyAddress' }
    $value = if ($Option.state -eq 'absent') {
        New-RegistryValue @proxy -State absent
    }
    else {
        $expected = 'expected http://HOST:PORT or https://HOST:PORT of a proxy that requires no authentication'
        if (-not $Option.proxy_address) {
            throw "connector_settings: proxy_address is missing: $expected"
        }
        $address = ConvertTo-ProxyAddress -Address $Option.proxy_address
        if (-not $address) {
            throw "connector_settings: proxy_address is $(Format-Address -Address $Option.proxy_address): $expected"
        }
        New-RegistryValue @proxy -Type string -Data $address -Fits (New-ProxyTest -Address $address)
    }
    [pscustomobject]@{ Values = @($value); Notes = @() }
}

function ConvertTo-ProxyAddress {
    # The canonical form of a proxy's address, or nothing: scheme and host in lower case, no slash at the end.
    param ([AllowEmptyString()][string]$Address)

    if ($Address -match '^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})/?$' -and [int]$Matches[1] -in 1..65535) {
        $Address.TrimEnd('/').ToLowerInvariant()
    }
}

function New-ProxyTest {
    # Case and a slash at the end mean nothing, so a value that differs only in these is kept as it is.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param ([string]$Address)

    # A closure sees no functions of this module.
    $canonical = ${function:ConvertTo-ProxyAddress}
    {
        param ($current)
        $current -and $current.Kind -eq 1 -and
        (& $canonical -Address ([Text.Encoding]::Unicode.GetString($current.Bytes).TrimEnd([char]0))) -ceq $Address
    }.GetNewClosure()
}

function Set-ConnectorWritten {
    <#
    .SYNOPSIS
    Keeps on the host that values were written that the connector takes when IIS is started the next time.

    .PARAMETER Change
    Changes of the registry, of which some may be of the connector's settings.

    .PARAMETER Reason
    Why the host has to be restarted after the changes. The connector is a .NET program, so it also takes values of .NET and WinHTTP when it starts.
    #>
    [CmdletBinding()]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyCollection()]
        $Change,

        [AllowEmptyCollection()]
        [string[]]
        $Reason = @()
    )

    if (@($Change).Path -notcontains $connectorKey) {
        if ($Reason -notcontains 'tls_dotnet' -and $Reason -notcontains 'tls_winhttp') {
            return
        }
        if (-not (Get-InstalledConnector -Product @(Get-InstalledProduct -Unreadable ([System.Collections.Generic.List[object]]::new())))) {
            return
        }
    }
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    try {
        $key = $base.CreateSubKey($writtenKey, [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree, [Microsoft.Win32.RegistryOptions]::Volatile)
        $key.SetValue('Written', [datetime]::UtcNow.ToFileTimeUtc(), [Microsoft.Win32.RegistryValueKind]::QWord)
        $key.Dispose()
    }
    finally {
        $base.Dispose()
    }
}

function Get-ConnectorState {
    <#
    .SYNOPSIS
    The fact 'connector', or $null when there is neither a connector, nor a staged setup, nor the lease of a run that works on one.

    .PARAMETER Product
    The fact 'products'.

    .PARAMETER Unreadable
    A list, to which is added what cannot be read (what, reason).
    #>
    [CmdletBinding()]
    param (
        $Product,

        [Parameter(Mandatory = $true)]
        $Unreadable
    )

    $found = Get-InstalledConnector -Product $Product
    $staged = Get-StagedVersion
    $run = Get-MachineValue -SubKey $leaseKey -Name Run
    if (-not $found -and -not $staged -and -not $run) {
        return $null
    }
    Read-ConnectorState -Found $found -Staged $staged -Run $run -Unreadable $Unreadable
}

function Get-Lease {
    $lease = [ordered]@{}
    foreach ($name in 'Run', 'Controller', 'Started', 'Expires', 'Stage') {
        $lease[$name.ToLowerInvariant()] = "$(Get-MachineValue -SubKey $leaseKey -Name $name)"
    }
    $format = "yyyy-MM-dd'T'HH:mm:ss'Z'"
    $style = 'AssumeUniversal, AdjustToUniversal'
    # A lease without a valid end has expired.
    $lease.expired = try {
        [datetime]::ParseExact($lease.expires, $format, [Globalization.CultureInfo]::InvariantCulture, $style) -le [datetime]::UtcNow
    }
    catch {
        $true
    }
    $lease
}

function Read-ConnectorState {
    # Apart from Get-ConnectorState: most hosts have none, and PowerShell compiles a function whole before it runs any of it.
    param ($Found, $Staged, $Run, $Unreadable)

    $proxy = Get-MachineValue -SubKey ($connectorKey -replace '^HKLM:\\') -Name ProxyAddress
    $url = Get-MachineValue -SubKey $poolKey -Name ConnectorUrl
    $state = [ordered]@{
        installed = [bool]$Found
        version = if ($Found) { $Found.version } else { $null }
        status = if ($Staged) { 'awaiting_sign_in' } else { $null }
        staged_version = $Staged
        lease = if ($Run) { Get-Lease } else { $null }
        url = if ($url) { "$url" } else { $null }
        url_bindings = [string[]]@()
        https = $null
        proxy_address = if ($proxy) { "$proxy" } else { $null }
        restart_due = $false
        last_list_update = $null
        authorized = [string[]]@()
        events = [object[]]@()
    }
    if (-not $Found) {
        return $state
    }
    $part = {
        param ($what, $read)
        try {
            & $read
        }
        catch {
            $Unreadable.Add([ordered]@{ what = "connector: $what"; reason = Get-InnerMessage -ErrorRecord $_ })
        }
    }
    & $part 'web site' {
        $bindings = @(Get-SiteBinding)
        $state.url_bindings = [string[]]@($bindings | ForEach-Object -Process { $_.Url })
        $state.https = $bindings | Where-Object -FilterScript { $_.Secure } | ForEach-Object -Process { Get-BoundCertificate -Binding $_ } |
            Select-Object -First 1
    }
    $log = & $part 'events' { ConvertFrom-ConnectorEvent -Entry @(Get-RecentEvent) -Since ([Machine]::BootTime()) }
    # No word from it, or none that this account may read, is no sign of life.
    $state.status = if ($log) { $log.Status } else { $null }
    if ($log) {
        $state.last_list_update = $log.LastListUpdate
        $state.authorized = $log.Authorized
        $state.events = $log.Findings
    }
    $web = & $part 'service W3SVC' { if (Get-MachineValue -SubKey 'SYSTEM\CurrentControlSet\Services\W3SVC' -Name Start) { "$((Get-Service -Name W3SVC -ErrorAction Stop).Status)" } else { 'none' } }
    if ($web -and $web -ne 'Running') {
        $state.status = 'stopped'
    }
    $written = Get-MachineValue -SubKey $writtenKey -Name Written
    if ($written) {
        # Where nothing tells that it was started since
        $state.restart_due = $true
        if ($log) {
            & $part 'events' {
                $since = [datetime]::FromFileTimeUtc($written).ToLocalTime()
                $state.restart_due = -not @(Get-ConnectorEvent -Id $eventStart -Since $since -First 1).Count
            }
        }
    }
    $state
}

function Get-RecentEvent {
    # What the connector wrote into the Application log of late, newest first.
    param ()

    $since = [datetime]::Now.AddHours(-$eventHours)
    $newest = @(Get-ConnectorEvent -Id ($eventLife + $findings.Keys | Select-Object -Unique) -Since $since -First $eventCount)
    $newest
    if ($newest.Count -eq $eventCount) {
        # Requests that are refused must not hide that it serves.
        Get-ConnectorEvent -Id $eventLife -Since $since | Where-Object -FilterScript { $_.RecordId -lt $newest[-1].RecordId }
    }
}

function Get-ConnectorEvent {
    # The newest events first: all of them without First.
    param ([int[]]$Id, [datetime]$Since, [int]$First)

    $query = @{
        FilterHashtable = @{ LogName = 'Application'; ProviderName = $provider; Id = $Id; StartTime = $Since }
        ErrorAction = 'Stop'
    }
    if ($First) {
        $query.MaxEvents = $First
    }
    try {
        Get-WinEvent @query
    }
    catch {
        # No event, or none ever, is an error to it.
        if ($_.FullyQualifiedErrorId -notmatch '^NoMatching(?:Events|Providers)Found') {
            throw
        }
    }
}

function ConvertFrom-ConnectorEvent {
    <#
    .SYNOPSIS
    What events of the connector mean, for the fact.

    .PARAMETER Entry
    Objects with Id, TimeCreated and Message, newest first.

    .PARAMETER Since
    When Windows was started, in UTC: what ran before does not run now, also when it could not say that it stops.

    .OUTPUTS
    An object with Status (running, starting or stopped), LastListUpdate, Authorized and Findings.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyCollection()]
        [object[]]
        $Entry,

        [datetime]
        $Since
    )

    # From the oldest on. IIS starts another instance before it stops the old one when it recycles, so that a stop alone does not mean much.
    $running = 0
    $listed = $false
    for ($i = $Entry.Count - 1; $i -ge 0; $i--) {
        if ($Entry[$i].TimeCreated.ToUniversalTime() -lt $Since) {
            continue
        }
        switch ($Entry[$i].Id) {
            $eventStart { $running++; $listed = $false }
            $eventStop { $running = [Math]::Max(0, $running - 1) }
            # Each of these is from one that is alive, also when its start is too long ago to be among them.
            { $_ -in $eventList, $eventEmptyList } { $running = [Math]::Max(1, $running); $listed = $true }
            default { $running = [Math]::Max(1, $running) }
        }
    }
    $first = { param ($id) $Entry | Where-Object -FilterScript { $_.Id -in $id } | Select-Object -First 1 }
    $list = & $first @($eventList, $eventEmptyList)
    $update = & $first $eventList
    [pscustomobject]@{
        Status = if ($Entry.Count -and -not $running) { 'stopped' } elseif ($listed) { 'running' } else { 'starting' }
        LastListUpdate = if ($update) { Format-UniversalTime -Time $update.TimeCreated } else { $null }
        Authorized = [string[]]@(if ($list -and $list.Id -eq $eventList) { Get-AccountName -Message $list.Message })
        Findings = [object[]]@(Get-ConnectorFinding -Entry $Entry -Update $update)
    }
}

function Get-ConnectorFinding {
    # What is wrong, each once with when it was seen last and how often.
    param ([object[]]$Entry, $Update)

    $seen = [ordered]@{}
    foreach ($one in $Entry | Where-Object -FilterScript { $findings.ContainsKey($_.Id) }) {
        $known = $findings[$one.Id]
        if ($known.Once -and $Update -and $Update.TimeCreated -gt $one.TimeCreated) {
            continue
        }
        $account = if ($one.Id -eq 2001) { @(Get-AccountName -Message $one.Message)[0] }
        $said = "$($one.Message)".Trim() -replace '\s+', ' '
        $text = $known.Text -f $(if ($account) { $account } else { 'An account' }), $said.Substring(0, [Math]::Min(300, $said.Length))
        $name = "$($one.Id) $text"
        if (-not $seen.Contains($name)) {
            $seen[$name] = [ordered]@{ id = $one.Id; time = Format-UniversalTime -Time $one.TimeCreated; text = $text; account = $account; count = 0 }
        }
        $seen[$name].count++
    }
    $seen.Values | Select-Object -First 20
}

function Get-AccountName {
    <#
    .SYNOPSIS
    The accounts that an event names. How it does so is not documented: names are taken wherever they stand by themselves.
    #>
    param ([AllowNull()][AllowEmptyString()][string]$Message)

    # Any account of the host may write into the log. A long piece is no name, and the expressions take quadratic time.
    $names = foreach ($piece in @("$Message" -split '[\r\n,;]+').Where({ $_.Length -le $longestPiece })) {
        # What stands before and behind a name: 'Account: CONTOSO\SP01$ (SharePoint)', '- CONTOSO\SP01$.'
        $name = $piece -replace '^.*(?:[:=]\s|\t)' -replace '\s*\([^)]*\)\s*$' -replace '^[\s\-*"'']+' -replace '[\s."'']+$'
        if ($name -match '^[^\\\s/@:]+\\[^\\/@:"<>|]+$' -or $name -match '^[^\s@\\/:]+@[^\s@\\/:]+$' -or $name -match '^S-1-[0-9-]+$') {
            $name
        }
        elseif ($piece -notmatch '\b[A-Za-z]:\\' -and $piece -match '(?<![\\\w.-])([A-Za-z0-9._-]+\\[^\s\\/:"<>|,;]+)') {
            # In the middle of a sentence a name ends at the next space.
            $Matches[1] -replace '[."'')]+$'
        }
    }
    $names | Select-Object -Unique
}

$export = @{
    Function = @(
        'ConvertFrom-ConnectorEvent'
        'Get-ConnectorDesiredState'
        'Get-ConnectorPlan'
        'Get-ConnectorSettingSpec'
        'Get-ConnectorSpec'
        'Get-ConnectorState'
        'Get-StagedSetup'
        'Get-StagedVersion'
        'Set-ConnectorWritten'
    )
}
Export-ModuleMember @export
