# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Information Rights Management of an Exchange organization: one configuration, which any of its servers reads and sets in an Exchange management session.

#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._IrmServer
#AnsibleRequires -PowerShell ..module_utils._Program
#AnsibleRequires -PowerShell ..module_utils._Registry

# Options that are a property of the configuration as it stands.
$settings = [ordered]@{
    external_licensing = 'ExternalLicensingEnabled'
    search = 'SearchEnabled'
    journal_report_decryption = 'JournalReportDecryptionEnabled'
    ediscovery_super_user = 'EDiscoverySuperUserEnabled'
    transport_decryption = 'TransportDecryptionSetting'
}
$commands = 'Get-IRMConfiguration', 'Set-IRMConfiguration', 'Test-IRMConfiguration'
$redirections = 'SOFTWARE\Microsoft\ExchangeServer\v15\IRM\LicenseServerRedirection'
# Seconds: for iisreset.exe, and until IIS serves the Exchange management session again.
$restartTimeout = 300
$sessionTimeout = 180

function Get-IrmExchangeSpec {
    <#
    .SYNOPSIS
    The options of the module exchange_irm.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            state = @{ type = 'str'; choices = 'present', 'detached', 'absent'; default = 'present' }
            tenant_url = @{ type = 'str' }
            sender = @{ type = 'str' }
            verify = @{ type = 'str'; choices = 'changed', 'always'; default = 'changed' }
            external_licensing = @{ type = 'bool' }
            search = @{ type = 'bool' }
            journal_report_decryption = @{ type = 'bool' }
            ediscovery_super_user = @{ type = 'bool' }
            transport_decryption = @{ type = 'str'; choices = 'disabled', 'optional', 'mandatory' }
            username = @{ type = 'str' }
            password = @{ type = 'str'; no_log = $true }
        }
        required_if = @(
            , @('state', 'present', @('tenant_url', 'sender'))
            , @('state', 'detached', @('tenant_url'))
        )
        required_together = @(, @('username', 'password'))
    }
}

function Get-IrmExchangePlan {
    <#
    .SYNOPSIS
    What has to be set to bring the organization to the desired state: a list of steps, each the parameters of one Set-IRMConfiguration.

    .DESCRIPTION
    The order is Microsoft's. On: the licensing location, which IIS has to read at a restart, then the licensing. From AD RMS or another connector: the
    licensing location, both kinds of licensing off, then the certificates that the servers have from there.

    .PARAMETER Option
    The options of the module.

    .PARAMETER Tenant
    The URL of the tenant, '' where the state needs none.

    .PARAMETER Current
    What Get-IRMConfiguration returns.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Option,

        [AllowEmptyString()]
        [string]
        $Tenant,

        [Parameter(Mandatory = $true)]
        $Current
    )

    $steps = [System.Collections.Generic.List[object]]::new()
    if ($Tenant) {
        $location = "$Tenant/_wmcs/licensing"
        $known = @($Current.LicensingLocation | Where-Object -FilterScript { $_ } | ForEach-Object -Process { [string]$_ })
        # Microsoft's page of the cmdlet: the URL of Azure RMS comes first, or encryption does not work properly.
        $others = @($known | Where-Object -FilterScript { $_.TrimEnd('/') -ne $location })
        if (-not $known.Count -or $known[0].TrimEnd('/') -ne $location -or $known.Count -ne 1 + $others.Count) {
            $steps.Add(@{ LicensingLocation = [string[]](@($location) + $others) })
        }
    }
    $licensing = [ordered]@{ InternalLicensingEnabled = $Option.state -eq 'present'; ClientAccessServerEnabled = $Option.state -eq 'present' }
    if ($Option.state -eq 'present') {
        $step = @{}
        foreach ($name in $settings.Keys) {
            if ($null -ne $Option[$name] -and "$($Current.($settings[$name]))" -ne "$($Option[$name])") {
                $step[$settings[$name]] = $Option[$name]
            }
        }
        foreach ($name in $licensing.Keys) {
            if ([bool]$Current.$name -ne $licensing[$name]) {
                $step[$name] = $licensing[$name]
            }
        }
        if ($step.Count) {
            $steps.Add($step)
        }
    }
    else {
        foreach ($name in $licensing.Keys) {
            if ([bool]$Current.$name -ne $licensing[$name]) {
                $steps.Add(@{ $name = $licensing[$name] })
            }
        }
        if ($Option.state -eq 'detached' -and $steps.Count) {
            $steps.Add(@{ RefreshServerCertificates = $true })
        }
    }
    , $steps
}

function Get-IrmVerdict {
    <#
    .SYNOPSIS
    What Test-IRMConfiguration found: an object with Passed, and Lines, those of its text.

    .DESCRIPTION
    The text has a line for each check, which begins with '- PASS', '- WARNING' or '- FAIL', and the overall result. A text without an overall result proves
    nothing.

    .PARAMETER Result
    What the cmdlet returns.
    #>
    [CmdletBinding()]
    param (
        [AllowNull()]
        $Result
    )

    $text = @($Result | ForEach-Object -Process { if ($null -ne $_ -and $_.PSObject.Properties['Results']) { $_.Results } else { $_ } }) -join "`n"
    $lines = @($text -split '\r?\n' | ForEach-Object -Process { $_.Trim() } | Where-Object -FilterScript { $_ })
    $overall = @($lines | Where-Object -FilterScript { $_ -match '^OVERALL RESULT\s*:' } | Select-Object -Last 1)
    [pscustomobject]@{
        Passed = [bool]($overall.Count -and $overall[0] -match ':\s*PASS\b' -and -not @($lines -match '^-\s*FAIL\b').Count)
        Lines = [string[]]$lines
    }
}

function Open-IrmExchangeSession {
    # The Exchange management session on this server, as this account or another: the session, and its commands by name.
    param ([Collections.IDictionary]$Option, [int]$Patience = 0)

    $address = "http://$(Get-Fqdn)/PowerShell/"
    $parameter = @{ ConfigurationName = 'Microsoft.Exchange'; ConnectionUri = $address; Authentication = 'Kerberos'; ErrorAction = 'Stop' }
    $account = if ($Option['username']) { $Option['username'] } else { 'the account of the connection' }
    if ($Option['username']) {
        $secret = (New-Object -TypeName System.Net.NetworkCredential -ArgumentList '', $Option['password']).SecurePassword
        $parameter.Credential = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $Option['username'], $secret
    }
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        try {
            $session = New-PSSession @parameter
            break
        }
        catch {
            if ($clock.Elapsed.TotalSeconds -ge $Patience) {
                $remedy = if ($Option['username']) {
                    'Expected an account of the domain, with its password, that may use remote PowerShell in Exchange'
                }
                else {
                    'A session of WinRM cannot sign in to another service (double hop). Set username and password, or connect with CredSSP or with Kerberos ' +
                    'and delegation'
                }
                throw "$account cannot open the Exchange management session at $($address): $($_.Exception.Message) $remedy"
            }
            Start-Sleep -Seconds 2
        }
    }
    try {
        $imported = Import-PSSession -Session $session -CommandName $commands -DisableNameChecking -AllowClobber -ErrorAction Stop -WarningAction SilentlyContinue
        $found = @{ Session = $session; Module = $imported; Commands = $imported.ExportedCommands }
        $missing = @($commands | Where-Object -FilterScript { -not $found.Commands.ContainsKey($_) })
        if ($missing.Count) {
            throw "the session has no $($missing -join ', ')"
        }
        $found
    }
    catch {
        Remove-PSSession -Session $session -ErrorAction SilentlyContinue
        throw ("$account is not authorized to configure IRM in Exchange: $($_.Exception.Message). Expected a member of the role group Organization Management, " +
            'or of another one with the role Information Rights Management')
    }
}

function Close-IrmExchangeSession {
    param ($Exchange)

    Remove-Module -ModuleInfo $Exchange.Module -Force -ErrorAction SilentlyContinue
    Remove-PSSession -Session $Exchange.Session -ErrorAction SilentlyContinue
}

function Get-IrmExchangeState {
    # The configuration as the result and the difference show it.
    param ($Current)

    $state = [ordered]@{
        internal_licensing = [bool]$Current.InternalLicensingEnabled
        client_access = [bool]$Current.ClientAccessServerEnabled
        licensing_location = [string[]]@($Current.LicensingLocation | Where-Object -FilterScript { $_ } | ForEach-Object -Process { [string]$_ })
    }
    foreach ($name in $settings.Keys) {
        $value = $Current.($settings[$name])
        $state[$name] = if ($name -eq 'transport_decryption') { "$value".ToLowerInvariant() } else { [bool]$value }
    }
    $state
}

function Get-PredictedState {
    # The state once the steps are done.
    param ([Collections.IDictionary]$State, [object[]]$Step)

    $names = @{ InternalLicensingEnabled = 'internal_licensing'; ClientAccessServerEnabled = 'client_access'; LicensingLocation = 'licensing_location' }
    foreach ($name in $settings.Keys) {
        $names[$settings[$name]] = $name
    }
    $predicted = [ordered]@{}
    foreach ($name in $State.Keys) {
        $predicted[$name] = $State[$name]
    }
    foreach ($one in $Step) {
        foreach ($parameter in @($one.Keys | Where-Object -FilterScript { $names.ContainsKey($_) })) {
            $predicted[$names[$parameter]] = $one[$parameter]
        }
    }
    $predicted
}

function Restart-ExchangeWebServer {
    # IIS ends the management session with everything else; a new one has to wait until the application pools have started.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Exchange, [Collections.IDictionary]$Option)

    Close-IrmExchangeSession -Exchange $Exchange
    $program = [System.IO.Path]::Combine([Environment]::SystemDirectory, 'iisreset.exe')
    $code = Invoke-Program -Path $program -Argument '/restart' -Timeout $restartTimeout
    if ($code) {
        throw "iisreset.exe ended with exit code $($code): expected 0. See the System event log of this server"
    }
    Open-IrmExchangeSession -Option $Option -Patience $sessionTimeout
}

function Undo-IrmExchangeStep {
    # Sets back what steps have set; returns what could not be.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Exchange, [object[]]$Step, $Before)

    [array]::Reverse($Step)
    foreach ($one in $Step) {
        $back = @{}
        foreach ($name in $one.Keys | Where-Object -FilterScript { $_ -ne 'RefreshServerCertificates' }) {
            $back[$name] = $Before.$name
        }
        if ($one.ContainsKey('LicensingLocation')) {
            $locations = @($Before.LicensingLocation | Where-Object -FilterScript { $_ } | ForEach-Object -Process { [string]$_ })
            $back.LicensingLocation = if ($locations.Count) { [string[]]$locations } else { $null }
        }
        if ($back.Count) {
            try {
                & $Exchange.Commands['Set-IRMConfiguration'] @back -Force -ErrorAction Stop
            }
            catch {
                "$(($back.Keys | Sort-Object) -join ', '): $($_.Exception.Message)"
            }
        }
    }
}

function Set-IrmExchange {
    # Does the steps, reads back, and proves it; sets back what it has set when one of these fails. Returns the configuration and the lines of the proof.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Module, $Context, [object[]]$Step, [string]$Tenant, $Before)

    $option = $Module.Params
    $done = [System.Collections.Generic.List[object]]::new()
    $lines = @()
    $after = $Before
    try {
        foreach ($one in $Step) {
            $done.Add($one)
            & $Context.Exchange.Commands['Set-IRMConfiguration'] @one -Force -ErrorAction Stop
            if ($one.ContainsKey('LicensingLocation') -and $option.state -eq 'present') {
                $Context.Exchange = Restart-ExchangeWebServer -Exchange $Context.Exchange -Option $option
                $Module.Result.iis_restarted = $true
            }
        }
        if ($Step.Count) {
            $after = & $Context.Exchange.Commands['Get-IRMConfiguration'] -ErrorAction Stop
            $left = @(Get-IrmExchangePlan -Option $option -Tenant $Tenant -Current $after)[0]
            if ($left.Count) {
                throw "Exchange took the change and does not show it: $((@($left | ForEach-Object -Process { $_.Keys }) | Sort-Object -Unique) -join ', ')"
            }
        }
        if ($option.state -eq 'present' -and ($Step.Count -or $option.verify -eq 'always')) {
            $verdict = Get-IrmVerdict -Result (& $Context.Exchange.Commands['Test-IRMConfiguration'] -Sender $option.sender -ErrorAction Stop)
            $lines = $verdict.Lines
            if (-not $verdict.Passed) {
                throw ("Test-IRMConfiguration does not pass: $($verdict.Lines -join ' '). Expected OVERALL RESULT: PASS. Check that the connector authorizes the " +
                    "servers of the organization, that it serves, that sender is a mailbox, and that tenant_url ($Tenant) is that of the connector's tenant")
            }
        }
    }
    catch {
        $reason = $_.Exception.Message
        if ($done.Count) {
            $failed = try { @(Undo-IrmExchangeStep -Exchange $Context.Exchange -Step $done.ToArray() -Before $Before) } catch { @($_.Exception.Message) }
            $Module.Result.changed = $failed.Count -gt 0
            $reason += if ($failed.Count) { ". Could not be set back: $($failed -join '; ')" } else { '. What this task had set was set back' }
        }
        throw $reason
    }
    [pscustomobject]@{ After = $after; Lines = $lines }
}

function Invoke-IrmExchange {
    <#
    .SYNOPSIS
    Brings Information Rights Management of the organization to the desired state, and fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $option = $Module.Params
    $tenant = if ($option.state -ne 'absent') { Resolve-TenantUrl -Url $option.tenant_url -Module exchange_irm } else { '' }
    if ($option.sender -and $option.sender -notmatch '^[^@\s]+@[^@\s]+$') {
        throw "exchange_irm: sender is '$($option.sender)': expected the address of a mailbox, such as administrator@contoso.com"
    }
    $server = (Get-ServerRole).exchange
    if (-not $server.found) {
        throw 'exchange_irm: Exchange Server is not installed on this host: expected a server of the organization'
    }
    $notes = [System.Collections.Generic.List[string]]::new()
    if ($option.state -eq 'present' -and -not (Get-MachineValue -SubKey $redirections -Name $tenant)) {
        $missing = "this server has no redirection of $tenant to a connector (HKLM:\$redirections)"
        if (-not $Module.CheckMode) {
            throw "exchange_irm: $missing. Run infoprotect.aip.irm_server on every server of the organization first"
        }
        $notes.Add("In check mode $missing yet.")
    }
    $context = @{ Exchange = $null }
    try {
        $context.Exchange = Open-IrmExchangeSession -Option $option
        $before = & $context.Exchange.Commands['Get-IRMConfiguration'] -ErrorAction Stop
        $steps = @(Get-IrmExchangePlan -Option $option -Tenant $tenant -Current $before)[0].ToArray()
        $state = Get-IrmExchangeState -Current $before
        $Module.Diff.before = $state
        $Module.Diff.after = Get-PredictedState -State $state -Step $steps
        $Module.Result.changed = $steps.Count -gt 0
        $Module.Result.version = $server.version
        $Module.Result.iis_restarted = $false
        $Module.Result.location_changed = @($steps | Where-Object -FilterScript { $_.ContainsKey('LicensingLocation') }).Count -gt 0
        $Module.Result.verification = [string[]]@()
        $Module.Result.notes = [string[]]$notes
        $after = $before
        if (-not $Module.CheckMode) {
            $done = Set-IrmExchange -Module $Module -Context $context -Step $steps -Tenant $tenant -Before $before
            $after = $done.After
            $Module.Result.verification = [string[]]$done.Lines
        }
        $Module.Result.configuration = if ($Module.CheckMode) { $Module.Diff.after } else { Get-IrmExchangeState -Current $after }
    }
    catch {
        $text = $_.Exception.Message
        if ($option.password) {
            $text = $text.Replace($option.password, '********')
        }
        throw "exchange_irm: $text"
    }
    finally {
        if ($context.Exchange) {
            Close-IrmExchangeSession -Exchange $context.Exchange
        }
    }
}

Export-ModuleMember -Function Get-IrmExchangePlan, Get-IrmExchangeSpec, Get-IrmVerdict, Invoke-IrmExchange
