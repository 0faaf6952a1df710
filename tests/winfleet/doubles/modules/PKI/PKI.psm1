# Import-PfxCertificate, into Cert:\LocalMachine\My only, and Get-PfxData. The supervisor keeps the key (certificates.py), the host's store the
# certificate, with the note that it has a key.

Set-StrictMode -Version 2.0

$script:calls = 'C:\windows\winfleet\calls'
$script:source = @'
using System;
using System.Runtime.InteropServices;

namespace Winfleet
{
    [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
    public struct KeyInfo
    {
        public string Container;
        public string Provider;
        public int Type;
        public int Flags;
        public int Count;
        public IntPtr Parameters;
        public int Spec;
    }

    public static class Certificates
    {
        [DllImport("crypt32", SetLastError = true)]
        public static extern bool CertSetCertificateContextProperty(IntPtr context, int id, int flags, ref KeyInfo info);
    }
}
'@

function Import-PfxCertificate {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([Security.Cryptography.X509Certificates.X509Certificate2])]
    param (
        [Parameter(Mandatory, Position = 0)]
        [string]
        $FilePath,

        [Parameter(Position = 1)]
        [string]
        $CertStoreLocation = 'Cert:\LocalMachine\My',

        [securestring]
        $Password,

        [switch]
        $Exportable
    )

    if ($CertStoreLocation.TrimEnd('\') -ne 'Cert:\LocalMachine\My') {
        throw [NotSupportedException]::new("The emulated host imports into Cert:\LocalMachine\My only, not into $CertStoreLocation.")
    }
    $path = Convert-Path -LiteralPath $FilePath -ErrorAction Stop
    if (-not $PSCmdlet.ShouldProcess($path, 'Import certificate')) {
        return
    }
    try {
        $certificate = @(Send-PfxCall -Name import-pfx -Path $path -Password $Password)[0]
    } catch {
        $PSCmdlet.ThrowTerminatingError([Management.Automation.ErrorRecord]::new($_.Exception, 'ImportPfxCertificate', 'InvalidData', $path))
    }
    if (-not ('Winfleet.KeyInfo' -as [type])) {
        Add-Type -TypeDefinition $script:source
    }
    $info = [Winfleet.KeyInfo]@{ Container = $certificate.Thumbprint; Provider = 'Microsoft Software Key Storage Provider'; Flags = 0x20 }
    $null = [Winfleet.Certificates]::CertSetCertificateContextProperty($certificate.Handle, 2, 0, [ref] $info)
    # Wine does not replace one that was there without a key.
    [Microsoft.Win32.Registry]::LocalMachine.DeleteSubKeyTree("SOFTWARE\Microsoft\SystemCertificates\MY\Certificates\$($certificate.Thumbprint)", $false)
    $store = [Security.Cryptography.X509Certificates.X509Store]::new('My', 'LocalMachine')
    $store.Open('ReadWrite')
    try {
        $store.Add($certificate)
    } finally {
        $store.Dispose()
    }
    $certificate
}

function Get-PfxData {
    [CmdletBinding()]
    param (
        [Parameter(Mandatory, Position = 0)]
        [string]
        $FilePath,

        [securestring]
        $Password
    )

    $path = Convert-Path -LiteralPath $FilePath -ErrorAction Stop
    try {
        # Where Windows has it so, a network logon is refused to look into a file, and not to import it.
        $refuses = [Microsoft.Win32.Registry]::GetValue('HKEY_LOCAL_MACHINE\SOFTWARE\winfleet\pki', 'RefuseNetworkLogon', '')
        if ($refuses -and $env:WINFLEET_LOGON -eq 'network') {
            throw [ComponentModel.Win32Exception]::new(5, 'Access is denied.')
        }
        $certificates = @(Send-PfxCall -Name read-pfx -Path $path -Password $Password)
    } catch {
        $PSCmdlet.ThrowTerminatingError([Management.Automation.ErrorRecord]::new($_.Exception, 'GetPfxData', 'InvalidData', $path))
    }
    [pscustomobject]@{ EndEntityCertificates = @($certificates[0]); OtherCertificates = @($certificates | Select-Object -Skip 1) }
}

function Send-PfxCall {
    # The certificates in a file, the one with the key first.
    param ([string] $Name, [string] $Path, [securestring] $Password)
    $plain = if ($Password) { [Net.NetworkCredential]::new('', $Password).Password } else { '' }
    $content = [Convert]::ToBase64String([IO.File]::ReadAllBytes($Path))
    $call = "$script:calls\pfx-$([guid]::NewGuid())"
    $text = "$Name`n`n$(ConvertTo-Json -InputObject @($content, $plain) -Compress)"
    [IO.File]::WriteAllText("$call.new", $text, [Text.UnicodeEncoding]::new($false, $false))
    [IO.File]::Move("$call.new", "$call.call")
    for ($i = 0; $i -lt 200 -and -not [IO.File]::Exists("$call.answer"); $i++) {
        Start-Sleep -Milliseconds 50
    }
    $bytes = [IO.File]::ReadAllBytes("$call.answer")
    [IO.File]::Delete("$call.answer")
    $code = [BitConverter]::ToInt32($bytes, 0)
    $answer = [Text.Encoding]::ASCII.GetString($bytes, 4, $bytes.Length - 4)
    if ($code) {
        throw [ComponentModel.Win32Exception]::new($code, $answer)
    }
    foreach ($line in $answer -split "`n") {
        [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($line))
    }
}

Export-ModuleMember -Function Get-PfxData, Import-PfxCertificate
