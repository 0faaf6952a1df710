# A stand-in for the Exchange Management session that an Exchange server offers at http://SERVER/PowerShell/, over the one organization that a fleet has
# (products.py). Parameters of the cmdlets are those that Microsoft documents for Exchange on premises; the texts of errors and the lines of
# Test-IRMConfiguration are ours, in the layout that Microsoft shows for Exchange Online. StartupHook.cs has scripts find these instead of the engine's own.

Set-StrictMode -Version 2.0

Import-Module -Name "$PSScriptRoot\..\Winfleet\Winfleet.psd1"

$script:booleans = 'ClientAccessServerEnabled', 'EDiscoverySuperUserEnabled', 'ExternalLicensingEnabled', 'InternalLicensingEnabled',
'JournalReportDecryptionEnabled', 'SearchEnabled'
$script:commands = 'Get-IRMConfiguration', 'Set-IRMConfiguration', 'Test-IRMConfiguration'

function New-Failure {
    param([string] $Message, [string] $Id, [string] $Category = 'NotSpecified')
    [Management.Automation.ErrorRecord]::new([InvalidOperationException]::new($Message), $Id, $Category, $null)
}

function Get-Setting {
    param([string] $Key, [string] $Name)
    [Microsoft.Win32.Registry]::GetValue("HKEY_LOCAL_MACHINE\$Key", $Name, $null)
}

function New-PSSession {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [string] $ConfigurationName, [Parameter(Mandatory)] [uri] $ConnectionUri,
        [ValidateSet('Default', 'Basic', 'Negotiate', 'Credssp', 'Digest', 'Kerberos')] [string] $Authentication = 'Default', [pscredential] $Credential
    )
    $failed = "Connecting to remote server $($ConnectionUri.Host) failed with the following error message : "
    $network = 'SYSTEM\CurrentControlSet\Services\Tcpip\Parameters'
    $server = (@(Get-Setting $network Hostname) + @('Domain', 'NV Domain' | ForEach-Object { Get-Setting $network $_ } | Where-Object { $_ } | Select-Object -First 1)) -join '.'
    $isServer = $null -ne (Get-Setting SOFTWARE\Microsoft\ExchangeServer\v15\MailboxRole ConfiguredVersion)
    $why = if (-not $isServer -or $ConfigurationName -ne 'Microsoft.Exchange' -or "$ConnectionUri" -notin "http://$server/PowerShell/", "http://$server/PowerShell") {
        'WinRM cannot complete the operation. Verify that the specified computer name is valid, that the computer is accessible over the network.'
    } elseif ($Authentication -ne 'Kerberos') {
        'Access is denied.'
    } elseif (-not $Credential -and $env:WINFLEET_LOGON -eq 'network') {
        'WinRM cannot process the request. The following error with errorcode 0x8009030e occurred while using Kerberos authentication: A specified logon ' +
        'session does not exist. It may already have been terminated.'
    }
    $name = $env:USERNAME
    if ($Credential) {
        $name = $Credential.UserName -replace '^.*\\|@.*$'
        $known = Use-FleetFile directory -Cmdlet $PSCmdlet {
            param($directory)
            $account = $directory.accounts.Keys | Where-Object { $_ -eq $name } | Select-Object -First 1
            $account -and $directory.accounts[$account] -ceq $Credential.GetNetworkCredential().Password
        }
        if (-not $why -and -not $known) { $why = 'Access is denied.' }
    }
    if ($why) { $PSCmdlet.ThrowTerminatingError((New-Failure "$failed$why For more information, see the about_Remote_Troubleshooting Help topic." PSSessionOpenFailed OpenError)) }
    $session = [pscustomobject] @{ Id = [string] [guid]::NewGuid(); State = 'Opened'; ConfigurationName = $ConfigurationName; Account = $name }
    Use-FleetFile organization -Cmdlet $PSCmdlet { param($organization) $organization.sessions = @($organization.sessions) + $session.Id }
    $session
}

function Remove-PSSession {
    [CmdletBinding()]
    param([Parameter(Mandatory)] $Session)
    Use-FleetFile organization -Cmdlet $PSCmdlet { param($organization) $organization.sessions = @($organization.sessions | Where-Object { $_ -ne $Session.Id }) }
}

# An account has the cmdlets that its roles give it, and no others.
function Import-PSSession {
    [CmdletBinding()]
    param([Parameter(Mandatory)] $Session, [Parameter(Mandatory)] [string[]] $CommandName, [switch] $DisableNameChecking, [switch] $AllowClobber)
    $names = @($script:commands | Where-Object { $_ -in $CommandName })
    Use-FleetFile organization -Cmdlet $PSCmdlet {
        param($organization)
        Assert-Session $organization $Session
        if ($Session.Account -notin $organization.administrators) {
            throw (New-Failure 'No command proxies have been created, because the remote session has none of the requested commands.' ErrorNoCommandsImportedBecauseOfSkipping)
        }
    }
    New-Module -Name "tmp_$($Session.Id)" -ArgumentList $Session, $names, $ExecutionContext.SessionState.Module -ScriptBlock {
        param($session, $names, $double)
        # as over the wire: what comes back is a copy
        function Invoke-There {
            param([string] $Command, [object[]] $Given)
            $found = & $double { param($command, $session, $bound) & $command $session @bound } $Command $session (ConvertTo-Bound $Given)
            if ($null -ne $found) { [Management.Automation.PSSerializer]::Deserialize([Management.Automation.PSSerializer]::Serialize($found, 2)) }
        }
        function Get-IRMConfiguration { Invoke-There Invoke-GetIRMConfiguration $args }
        function Set-IRMConfiguration { Invoke-There Invoke-SetIRMConfiguration $args }
        function Test-IRMConfiguration { Invoke-There Invoke-TestIRMConfiguration $args }
        # Arguments of a proxy: -Name value, -Name:value, and switches.
        function ConvertTo-Bound {
            param($Given)
            $bound = @{}
            for ($i = 0; $i -lt $Given.Count; $i++) {
                $name = "$($Given[$i])".TrimStart('-').TrimEnd(':')
                $isSwitch = $i + 1 -ge $Given.Count -or ($Given[$i + 1] -is [string] -and $Given[$i + 1] -match '^-[A-Za-z]+:?$')
                $bound[$name] = if ($isSwitch) { $true } else { $i++; $Given[$i] }
            }
            $bound
        }
        Export-ModuleMember -Function $names
    }
}

function Assert-Session {
    param([Collections.IDictionary] $Organization, $Session)
    if ($Session.Id -notin $Organization.sessions) { throw (New-Failure 'The session state is Broken: the WinRM client received an HTTP status code of 503.' PSSessionBroken OpenError) }
}

function Invoke-GetIRMConfiguration {
    [CmdletBinding()]
    param([Parameter(Position = 0)] $Session, [string] $DomainController)
    Use-FleetFile organization -Cmdlet $PSCmdlet {
        param($organization)
        Assert-Session $organization $Session
        [pscustomobject] $organization.irm
    }
}

function Invoke-SetIRMConfiguration {
    [CmdletBinding()]
    param(
        [Parameter(Position = 0)] $Session, [bool] $ClientAccessServerEnabled, [bool] $EDiscoverySuperUserEnabled, [bool] $ExternalLicensingEnabled,
        [bool] $InternalLicensingEnabled, [bool] $JournalReportDecryptionEnabled, [bool] $SearchEnabled, [AllowNull()] [AllowEmptyCollection()] [uri[]] $LicensingLocation,
        [ValidateSet('Disabled', 'Optional', 'Mandatory')] [string] $TransportDecryptionSetting, [switch] $RefreshServerCertificates, [switch] $Force,
        [string] $DomainController
    )
    $bound = $PSBoundParameters
    Use-FleetFile organization -Cmdlet $PSCmdlet {
        param($organization)
        Assert-Session $organization $Session
        if ($bound.ContainsKey('InternalLicensingEnabled') -and -not $Force) {
            throw (New-Failure 'A command that prompts the user failed because the host program or the command type does not support user interaction.' ConfirmationRefused)
        }
        if (@($LicensingLocation | Where-Object { $_ -and -not $_.IsAbsoluteUri })) { throw (New-Failure "The licensing location '$LicensingLocation' is no URL." InvalidLocation) }
        foreach ($name in $script:booleans + 'TransportDecryptionSetting') { if ($bound.ContainsKey($name)) { $organization.irm[$name] = $bound[$name] } }
        if ($bound.ContainsKey('LicensingLocation')) { $organization.irm.LicensingLocation = @($LicensingLocation | Where-Object { $_ } | ForEach-Object { [string] $_ }) }
        $said = foreach ($name in $bound.Keys | Where-Object { $_ -notin 'Session', 'Force', 'ErrorAction' } | Sort-Object) { "$name=$($bound[$name] -join ' ')" }
        $organization.calls = @($organization.calls) + "$said"
    }
}

function Invoke-TestIRMConfiguration {
    [CmdletBinding()]
    param([Parameter(Position = 0)] $Session, [Parameter(Mandatory)] [string] $Sender, [string[]] $Recipient, [string] $DomainController)
    $licensing = Use-FleetFile tenant -Cmdlet $PSCmdlet { param($tenant) $tenant.licensing_url }
    Use-FleetFile organization -Cmdlet $PSCmdlet {
        param($organization)
        Assert-Session $organization $Session
        $organization.calls = @($organization.calls) + "Test Sender=$Sender"
        $led = Get-Setting SOFTWARE\Microsoft\ExchangeServer\v15\IRM\LicenseServerRedirection ($licensing -replace '/_wmcs/licensing$')
        $checks = [ordered] @{
            'Checking the sender' = $(if ($Sender -notin $organization.mailboxes) { "$Sender is no mailbox of the organization." })
            'Verifying that IRM is enabled' = $(if (-not $organization.irm.InternalLicensingEnabled) { 'Internal licensing is disabled.' })
            'Retrieving the licensing location' = $(if ($licensing -notin $organization.irm.LicensingLocation) { "No use licence from $($organization.irm.LicensingLocation -join ', ')." })
            'Connecting to the Rights Management server' = $(
                if (-not $led) { 'The server is not led to a Rights Management server of the tenant.' } elseif (-not $organization.authorized) { "Failed to get a server certificate from $($led): (403) Forbidden." }
            )
        }
        $failed = $false
        $lines = foreach ($name in $checks.Keys) {
            "$name ..."
            if ($checks[$name]) { $failed = $true; "    - FAIL: $($checks[$name])" } else { '    - PASS: done.' }
        }
        [pscustomobject] @{ Results = (@($lines) + '' + "OVERALL RESULT: $(if ($failed) { 'FAIL' } else { 'PASS' })") -join "`r`n" }
    }
}

Export-ModuleMember -Function New-PSSession, Import-PSSession, Remove-PSSession
