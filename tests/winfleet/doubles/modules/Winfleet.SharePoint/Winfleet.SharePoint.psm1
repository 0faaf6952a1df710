# A stand-in for the snap-in Microsoft.SharePoint.PowerShell, over the one farm that a fleet has (products.py). Parameters are those that Microsoft documents,
# the properties of SPIrmSettings are those of SharePoint's class library; the texts of errors are ours. The engine has no snap-ins.

Set-StrictMode -Version 2.0

Import-Module -Name "$PSScriptRoot\..\Winfleet\Winfleet.psd1"
Add-Type -LiteralPath C:\windows\winfleet\Winfleet.Directory.dll

$script:unreachable = 'The local farm is not accessible. Cmdlets with FeatureDependencyId are not registered.'

function Add-PSSnapin {
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0)] [string[]] $Name)
    foreach ($one in $Name) {
        $extensions = 'SOFTWARE\Microsoft\Shared Tools\Web Server Extensions'
        $here = foreach ($line in '15.0', '16.0') { [Microsoft.Win32.Registry]::GetValue("HKEY_LOCAL_MACHINE\$extensions\$line", 'SharePoint', $null) }
        if ($one -ne 'Microsoft.SharePoint.PowerShell' -or 'Installed' -notin $here) {
            $failure = [Management.Automation.PSArgumentException]::new("The Windows PowerShell snap-in '$one' is not installed on this computer.")
            $PSCmdlet.WriteError([Management.Automation.ErrorRecord]::new($failure, 'AddPSSnapInRead', 'InvalidArgument', $one))
            continue
        }
        if ((Use-FleetFile farm { param($farm) $farm.database }) -ne 'local' -and $env:WINFLEET_LOGON -eq 'network') { Write-Warning $script:unreachable }
        $double = $ExecutionContext.SessionState.Module
        [Microsoft.SharePoint.Administration.SPWebService]::Reader = {
            & $double { if (Test-Farm) { Use-FleetFile farm { param($farm) $farm } } }
        }.GetNewClosure()
        New-Module -Name Microsoft.SharePoint.PowerShell -ArgumentList $double -ScriptBlock {
            param($double)
            foreach ($command in 'Get-SPFarm', 'Get-SPIRMSettings', 'Set-SPIRMSettings') {
                Set-Item -LiteralPath "Function:$command" -Value (& $double { param($command) (Get-Item -LiteralPath "Function:$command").ScriptBlock } $command)
            }
        } | Import-Module -Global -DisableNameChecking
    }
}

# A session of WinRM cannot sign in to a database on another server.
function Test-Farm {
    (Use-FleetFile farm { param($farm) $farm.database }) -eq 'local' -or $env:WINFLEET_LOGON -ne 'network'
}

function Assert-Farm {
    param([Management.Automation.PSCmdlet] $Cmdlet)
    if (-not (Test-Farm)) {
        $Cmdlet.ThrowTerminatingError([Management.Automation.ErrorRecord]::new([InvalidOperationException]::new($script:unreachable), 'FarmNotAccessible', 'InvalidOperation', $null))
    }
}

function Get-SPFarm {
    [CmdletBinding()]
    param()
    Assert-Farm $PSCmdlet
    [pscustomobject] @{ Name = 'SharePoint_Config'; Status = 'Online' }
}

function Get-SPIRMSettings {
    [CmdletBinding()]
    param()
    Assert-Farm $PSCmdlet
    [Microsoft.SharePoint.Administration.SPWebService]::ContentService.IrmSettings
}

function Set-SPIRMSettings {
    [CmdletBinding(SupportsShouldProcess)]
    param(
        [Parameter(Mandatory)] [switch] $IrmEnabled,
        [Parameter(Mandatory, ParameterSetName = 'Server')] [uri] $CertificateServerUrl,
        [Parameter(ParameterSetName = 'Directory')] [switch] $UseActiveDirectoryDiscovery,
        [switch] $SubscriptionScopeSettingsEnabled, [switch] $UseOauth, [securestring] $CertificatePassword,
        [Security.Cryptography.X509Certificates.X509Certificate2] $ServiceAuthenticationCertificate
    )
    Assert-Farm $PSCmdlet
    if ($CertificateServerUrl -and -not $CertificateServerUrl.IsAbsoluteUri) { throw "$CertificateServerUrl is no URL." }
    Use-FleetFile farm {
        param($farm)
        $farm.IrmRMSEnabled = [bool] $IrmEnabled
        $farm.IrmRMSUseAD = [bool] $UseActiveDirectoryDiscovery
        $farm.IrmRMSCertServer = if ($CertificateServerUrl) { $CertificateServerUrl.OriginalString } else { '' }
        $farm.IrmSubscriptionScopeSettingsEnabled = [bool] $SubscriptionScopeSettingsEnabled
    }
}

Export-ModuleMember -Function Add-PSSnapin
