# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Carries out what _ConnectorHttps.psm1 has planned: netsh gives the address its certificate, appcmd the site its binding.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Handshake
using namespace System.IO
using namespace System.Net
using namespace System.Net.Sockets
using namespace System.Security.Cryptography.X509Certificates

#AnsibleRequires -CSharpUtil ..module_utils._Handshake
#AnsibleRequires -PowerShell ..module_utils._ConnectorHttps
#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._Product
#AnsibleRequires -PowerShell ..module_utils._Program
#AnsibleRequires -PowerShell ..module_utils._Registry

# Seconds for IIS and http.sys to take up a binding, and for one connection to this host
$serveTimeout = 15
$connectTimeout = 5
# Windows Server 2019; others say the same of such a file as of a wrong password.
$firstModernPfx = 17763
$oldPfx = ' (Windows Server 2016 and older cannot open what OpenSSL 3 makes by default: use openssl pkcs12 -export -legacy)'

function Invoke-ConnectorHttps {
    <#
    .SYNOPSIS
    Has the connector's web site show the certificate that the options of the module connector_https name, and fills the module's result.

    .DESCRIPTION
    A PFX that the controller sent is a file only while it is imported. What a killed run has left of one is removed by the next run.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    if ($Module.CheckMode) {
        Set-ConnectorHttps -Module $Module
        return
    }
    Clear-Pfx -Module $Module
    try {
        Set-ConnectorHttps -Module $Module
    }
    finally {
        Clear-Pfx -Module $Module
    }
}

function Set-ConnectorHttps {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'The module knows of check mode')]
    param ($Module)

    $option = $Module.Params
    $result = $Module.Result
    $wish = ConvertTo-HttpsWish -Option $option
    $look = { Get-HttpsState -Wish $wish -Installed ([bool]@(Get-InstalledProduct | Where-Object -FilterScript { $_.Kind -eq 'rms_connector' -and $_.State -eq 'installed' }).Count) }
    $state = & $look
    $plan = Get-HttpsPlan -Wish $wish -State $state
    $needed = @($plan.Steps).Where({ $_.Action -eq 'import' }).Count -gt 0
    $pfx = if ($needed) { Get-Pfx -Module $Module }
    if ($pfx) {
        try {
            $state.Pfx = @(Read-Pfx -Pfx $pfx)
        }
        catch {
            if ([File]::Exists($pfx.Path) -and -not (Test-PfxContentError -ErrorRecord $_)) {
                # A network logon may be refused to look into a PFX, and be allowed to import it.
                $state.PfxHidden = Get-InnerMessage -ErrorRecord $_
            }
            else {
                $state.PfxError = Format-PfxError -Pfx $pfx -ErrorRecord $_
            }
        }
        $plan = Get-HttpsPlan -Wish $wish -State $state
    }
    $result.actions = ConvertTo-StepResult -Step $plan.Steps
    $result.pfx_needed = $needed
    $result.notes = $plan.Notes
    $result.certificate = ConvertTo-CertificateResult -Certificate $plan.Certificate -Now $state.Now
    if ($Module.DiffMode) {
        $binding = @($plan.Steps).Where({ $_.Action -ne 'import' })
        $Module.Diff.before = -join ($binding.Where({ $_.Before }) | ForEach-Object -Process { "$($_.Product) $($_.Before)`n" })
        $Module.Diff.after = -join ($binding.Where({ $_.After }) | ForEach-Object -Process { "$($_.Product) $($_.After)`n" })
    }
    $refused = $plan.Refused + $plan.Awaits
    if ($refused.Count) {
        throw "HTTPS of the connector is left as it is: $($refused -join '; ')"
    }
    if (-not $plan.Steps.Count -or $Module.CheckMode) {
        $result.changed = [bool]$plan.Steps.Count
    }
    elseif ($needed -and -not $pfx) {
        # The action plugin comes again, with pfx_content.
        return
    }
    else {
        Invoke-HttpsPlan -Module $Module -Plan $plan -Wish $wish -State $state -Look $look -Pfx $pfx
    }
    foreach ($note in $result.notes) {
        $Module.Warn($note)
    }
}

function Get-Pfx {
    # The PFX as a file, as far as it is on this host: an object with Path, Name (in messages) and Password.
    param ($Module)

    $option = $Module.Params
    if ($option.pfx) {
        [pscustomobject]@{ Path = $option.pfx; Name = "the PFX $($option.pfx)"; Password = $option.pfx_password }
    }
    elseif ($option.pfx_content -and -not $Module.CheckMode) {
        [pscustomobject]@{ Path = Save-Pfx -Content $option.pfx_content; Name = 'the PFX'; Password = $option.pfx_password }
    }
}

function Save-Pfx {
    # The path of a file with what the controller sent: the cmdlets of the module PKI read nothing else. Clear-Pfx removes it.
    param ([string]$Content)

    try {
        $bytes = [Convert]::FromBase64String($Content)
    }
    catch [FormatException] {
        throw 'pfx_content is no text in base64: expected what src gives, or give src'
    }
    $path = [Path]::Combine((Initialize-OwnFolder -Name pfx), "$([guid]::NewGuid()).pfx")
    [File]::WriteAllBytes($path, $bytes)
    $path
}

function Clear-Pfx {
    # Removes the file of this run, and those of runs that were killed. Ends with a warning at worst: the binding matters more.
    param ($Module)

    $folder = Get-OwnFolder -Name pfx
    if (-not [Directory]::Exists($folder)) {
        return
    }
    try {
        Assert-OwnFolder -Name pfx
        foreach ($file in [Directory]::GetFiles($folder)) {
            [File]::Delete($file)
        }
    }
    catch {
        $Module.Warn("$folder may still hold a PFX with a private key. Delete the folder: $(Get-InnerMessage -ErrorRecord $_)")
    }
}

function Read-Pfx {
    # The certificates in a PFX as Get-CertificateState returns them. Nothing is kept of it.
    param ($Pfx)

    $file = Get-PfxOption -Pfx $Pfx
    $data = Get-PfxData @file
    foreach ($certificate in @($data.EndEntityCertificates) + @($data.OtherCertificates) | Where-Object -FilterScript { $_ }) {
        $state = Get-CertificateState -Certificate $certificate
        # Those are the ones with keys.
        $state.HasKey = $certificate -in $data.EndEntityCertificates
        $state
    }
}

function Test-PfxContentError {
    # Whether what is wrong is the file or its password, and not that this logon may not look into it.
    param ($ErrorRecord)

    $problem = $ErrorRecord.Exception.GetBaseException()
    $code = if ($problem -is [ComponentModel.Win32Exception]) { $problem.NativeErrorCode } else { $problem.HResult }
    # ERROR_INVALID_DATA and ERROR_INVALID_PASSWORD, also as HRESULT, and the errors of CryptoAPI.
    $code -in 13, 86, 0x8007000D, 0x80070056 -or ($code -band 0xFFFF0000) -eq 0x80090000
}

function Format-PfxError {
    param ($Pfx, $ErrorRecord)

    $old = if ([Environment]::OSVersion.Version.Build -lt $firstModernPfx) { $oldPfx }
    "$($Pfx.Name) cannot be opened: $(Get-InnerMessage -ErrorRecord $ErrorRecord)$old"
}

function Invoke-HttpsPlan {
    # Carries the steps out; when one fails, undoes those of the binding, the last first.
    param ($Module, $Plan, $Wish, $State, [scriptblock]$Look, $Pfx)

    $undo = [System.Collections.Generic.Stack[object]]::new()
    $imported = $false
    $Module.Result.changed = $true
    try {
        foreach ($step in $Plan.Steps) {
            switch ($step.Action) {
                'import' {
                    $had = @(Get-StoredThumbprint)
                    $found = @(Import-Pfx -Pfx $Pfx)
                    $imported = $true
                    try {
                        Assert-Imported -Found $found -Wish $Wish -Look $Look
                    }
                    catch {
                        $left = @(Remove-StoredCertificate -Thumbprint @(Get-StoredThumbprint | Where-Object -FilterScript { $_ -notin $had }))
                        $imported = $false
                        throw (@($_.Exception.Message) + $left -join '. ')
                    }
                }
                'unbind' { Remove-HttpsBinding -Wish $Wish -State $State -Undo $undo }
                default { Set-HttpsBinding -Wish $Wish -State $State -Undo $undo }
            }
        }
        $after = & $Look
        $left = Get-HttpsPlan -Wish $Wish -State $after
        if ($left.Steps.Count) {
            throw "IIS and http.sys took it without an error and do not have it. Still to do: $(($left.Steps | ForEach-Object -Process { "$($_.Action) $($_.Product)" }) -join ', ')"
        }
        $had, $has = $State, $after | ForEach-Object -Process { "$($_.Entry.Arguments)" }
        if ($State.Entry -and $after.Entry -and $had -ne $has) {
            throw "netsh took the settings of the address without an error, and http.sys has others: '$has', expected '$had'"
        }
        if ($Wish.State -ne 'absent') {
            $Module.Result.notes = [string[]]@($Plan.Notes) + @(Assert-Served -Wish $Wish -Certificate $after.Stored)
        }
    }
    catch {
        $failure = $_
        $text = @($failure.Exception.Message)
        $undone = $true
        while ($undo.Count) {
            $command, $with = $undo.Pop()
            try {
                & $command @with
            }
            catch {
                $undone = $false
                $text += "It could not be undone: $($_.Exception.Message)"
            }
        }
        if ($undone) {
            $text += "The binding is as it was before$(if ($State.Entry.Lost) { ", but for $($State.Entry.Lost -join ', ')" })."
        }
        if ($imported) {
            $text += 'The certificate stays in the store, for the next run.'
        }
        $Module.Result.changed = $imported -or -not $undone
        throw [InvalidOperationException]::new($text -join "`n", $failure.Exception)
    }
}

function Import-Pfx {
    # Certificate and key for the computer; the key cannot be exported again.
    param ($Pfx)

    $file = Get-PfxOption -Pfx $Pfx
    try {
        Import-PfxCertificate @file -CertStoreLocation Cert:\LocalMachine\My
    }
    catch {
        throw (Format-PfxError -Pfx $Pfx -ErrorRecord $_)
    }
}

function Assert-Imported {
    # Throws unless what was imported is the wanted certificate, and of use. Before the import this logon may not have been able to look into the PFX.
    param ($Found, $Wish, [scriptblock]$Look)

    if (@($Found.Thumbprint) -notcontains $Wish.Thumbprint) {
        throw "the PFX has $(@($Found | ForEach-Object -Process { "$($_.Thumbprint) ($($_.Subject))" }) -join ', '): expected $($Wish.Thumbprint)"
    }
    $refused = (Get-HttpsPlan -Wish $Wish -State (& $Look)).Refused
    if ($refused.Count) {
        throw ($refused -join '; ')
    }
}

function Get-StoredThumbprint {
    # Of the certificates in the store of the computer.
    param ()

    $store = [X509Store]::new('My', 'LocalMachine')
    $store.Open('ReadOnly')
    try {
        $store.Certificates | ForEach-Object -Process { $_.Thumbprint }
    }
    finally {
        $store.Close()
    }
}

function Remove-StoredCertificate {
    # With their keys; returns a text for each key that stays.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([string[]]$Thumbprint)

    $store = [X509Store]::new('My', 'LocalMachine')
    $store.Open('ReadWrite')
    try {
        foreach ($certificate in $store.Certificates | Where-Object -FilterScript { $_.Thumbprint -in $Thumbprint }) {
            if ($certificate.HasPrivateKey) {
                try {
                    Remove-PrivateKey -Certificate $certificate
                }
                catch {
                    "The private key of $($certificate.Thumbprint) stays on the host: $(Get-InnerMessage -ErrorRecord $_)"
                }
            }
            $store.Remove($certificate)
        }
    }
    finally {
        $store.Close()
    }
}

function Remove-PrivateKey {
    # Of a certificate; taking the certificate out of its store leaves it.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([X509Certificate2]$Certificate)

    # The connector needs .NET Framework 4.7.2.
    $key = [RSACertificateExtensions]::GetRSAPrivateKey($Certificate) # check51: ok
    if (-not $key) {
        $key = [ECDsaCertificateExtensions]::GetECDsaPrivateKey($Certificate) # check51: ok
    }
    if ($key -is [System.Security.Cryptography.RSACryptoServiceProvider]) {
        $key.PersistKeyInCsp = $false
        $key.Clear()
    }
    else {
        $key.Key.Delete()
    }
}

function Assert-Served {
    <#
    .SYNOPSIS
    Throws when a client of this host sees another certificate than the wanted one; returns a note where no client could be.

    .DESCRIPTION
    http.sys chooses by address, name and port, with rules that this module need not know all of: a handshake tells.
    #>
    param ($Wish, $Certificate)

    $name = @($Wish.HostName) + @($Certificate.Names -replace '^[*]', 'connector') | Where-Object -FilterScript { $_ } | Select-Object -First 1
    $silent = "Nothing answered by TLS on port $($Wish.Port) of this host, so that what it shows was not verified"
    if ("$((Get-Service -Name W3SVC -ErrorAction SilentlyContinue).Status)" -ne 'Running') {
        return "$silent (IIS is stopped)"
    }
    $clock = [Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        $shown = @([Dns]::GetHostAddresses([Dns]::GetHostName()) | ForEach-Object -Process { Get-ServedCertificate -Address $_ -Port $Wish.Port -Name $name })
        $wrong = @($shown | Where-Object -FilterScript { $_.Thumbprint -ne $Wish.Thumbprint })
        if ($shown.Count -and -not $wrong.Count) {
            return
        }
        if ($clock.Elapsed.TotalSeconds -gt $serveTimeout) {
            break
        }
        Start-Sleep -Seconds 1
    }
    if (-not $wrong.Count) {
        return $silent
    }
    $seen = @($wrong | ForEach-Object -Process { "$($_.Thumbprint) at $($_.Address)" }) -join ', '
    throw "clients that ask port $($Wish.Port) of this host for $name get $($seen): expected $($Wish.Thumbprint). Look at all entries of the port (netsh http show sslcert)"
}

function Get-ServedCertificate {
    # Address and Thumbprint of what a server shows, or nothing where none answers by TLS.
    param ([IPAddress]$Address, [int]$Port, [string]$Name)

    $client = [TcpClient]::new($Address.AddressFamily)
    try {
        if ($client.ConnectAsync($Address, $Port).Wait(1000 * $connectTimeout)) {
            $handshake = [Handshake]::Perform($client.GetStream(), $Name, 1000 * $connectTimeout)
            [pscustomobject]@{ Address = "$Address"; Thumbprint = $handshake.Chain[0].Thumbprint }
        }
    }
    catch {
        # Nothing listens there, or it does not speak TLS.
        Write-Debug -Message $_.Exception.Message
    }
    finally {
        $client.Dispose()
    }
}

function Get-PfxOption {
    # The file, for the cmdlets of the module PKI.
    param ($Pfx)

    $option = @{ FilePath = $Pfx.Path; ErrorAction = 'Stop' }
    if ($Pfx.Password) {
        $option.Password = [Net.NetworkCredential]::new('', $Pfx.Password).SecurePassword
    }
    $option
}

function Set-HttpsBinding {
    # First the certificate of the address, then the binding of the site: it never stands without one.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Wish, $State, $Undo)

    $entry = $State.Entry
    if ($entry) {
        Set-SslEntry -Port $Wish.Port
        $Undo.Push(@('Set-SslEntry', @{ Port = $Wish.Port; Entry = $entry }))
    }
    Set-SslEntry -Port $Wish.Port -Entry (New-OwnEntry -Thumbprint $Wish.Thumbprint -Argument $entry.Arguments)
    $Undo.Push(@('Set-SslEntry', @{ Port = $Wish.Port }))
    if (-not (Get-OwnBinding -Wish $Wish -State $State)) {
        $with = @{ Site = $State.Site; Information = "*:$($Wish.Port):" }
        Set-SiteBinding @with -Sign '+'
        $Undo.Push(@('Set-SiteBinding', ($with + @{ Sign = '-' })))
    }
}

function Remove-HttpsBinding {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ($Wish, $State, $Undo)

    $binding = Get-OwnBinding -Wish $Wish -State $State
    if ($binding) {
        $with = @{ Site = $State.Site; Information = $binding.Information }
        Set-SiteBinding @with -Sign '-'
        $Undo.Push(@('Set-SiteBinding', ($with + @{ Sign = '+' })))
    }
    if ($State.Entry -and (Test-OwnEntry -Entry $State.Entry)) {
        Set-SslEntry -Port $Wish.Port
        $Undo.Push(@('Set-SslEntry', @{ Port = $Wish.Port; Entry = $State.Entry }))
    }
}

function Set-SslEntry {
    # Gives an address its certificate and what else http.sys has for it, or with no entry takes it all away.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([int]$Port, $Entry)

    $argument = if ($Entry) {
        "http add sslcert ipport=0.0.0.0:$Port certhash=$($Entry.Thumbprint) appid=$($Entry.Application.ToString('B')) certstorename=$($Entry.Store) $($Entry.Arguments)".TrimEnd()
    }
    else {
        "http delete sslcert ipport=0.0.0.0:$Port"
    }
    $null = Invoke-SystemTool -Name netsh.exe -Argument $argument
}

function Set-SiteBinding {
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([string]$Site, [string]$Sign, [string]$Information)

    $null = Invoke-SystemTool -Name inetsrv\appcmd.exe -Argument "set site `"/site.name:$Site`" `"/$($Sign)bindings.[protocol='https',bindingInformation='$Information']`""
}

Export-ModuleMember -Function Import-Pfx, Invoke-ConnectorHttps, Read-Pfx, Remove-StoredCertificate, Test-PfxContentError
