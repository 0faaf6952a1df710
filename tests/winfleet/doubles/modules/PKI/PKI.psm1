# Import-PfxCertificate: Wine can keep no private keys. The supervisor keeps it (certificates.py), the certificate goes to the store.
$calls = 'C:\windows\winfleet\calls'

function Import-PfxCertificate {
    [CmdletBinding(SupportsShouldProcess)]
    param (
        [Parameter(Mandatory, Position = 0)]
        [string]
        $FilePath,

        [Parameter(Position = 1)]
        [string]
        $CertStoreLocation = 'Cert:\LocalMachine\My',

        [SecureString]
        $Password,

        [switch]
        $Exportable
    )

    if ($CertStoreLocation -notmatch '^Cert:\\LocalMachine\\My\\?$') {
        throw "The emulated Import-PfxCertificate knows Cert:\LocalMachine\My only, not $CertStoreLocation"
    }
    $path = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($FilePath)
    if (-not [IO.File]::Exists($path)) {
        $PSCmdlet.ThrowTerminatingError([System.Management.Automation.ErrorRecord]::new(
                [IO.FileNotFoundException]::new('The PFX file could not be found.'),
                'System.IO.FileNotFoundException,Microsoft.CertificateServices.Commands.ImportPfxCertificate', 'ObjectNotFound', $path))
    }
    if (-not $PSCmdlet.ShouldProcess($path, 'Import')) {
        return
    }
    $plain = if ($Password) { [Net.NetworkCredential]::new('', $Password).Password } else { '' }
    $call = "$calls\pfx-$PID-$([guid]::NewGuid())"
    $request = "import-pfx`n`n" + (ConvertTo-Json -InputObject @([Convert]::ToBase64String([IO.File]::ReadAllBytes($path)), $plain) -Compress)
    [IO.File]::WriteAllText("$call.new", $request, [Text.UnicodeEncoding]::new($false, $false))
    [IO.File]::Move("$call.new", "$call.call")
    while (-not [IO.File]::Exists("$call.answer")) {
        [Threading.Thread]::Sleep(50)
    }
    $answer = [IO.File]::ReadAllBytes("$call.answer")
    [IO.File]::Delete("$call.answer")
    $code = [BitConverter]::ToInt32($answer, 0)
    $text = [Text.Encoding]::ASCII.GetString($answer, 4, $answer.Length - 4)
    if ($code) {
        $exception = [ComponentModel.Win32Exception]::new($code, $text)
        $PSCmdlet.ThrowTerminatingError([System.Management.Automation.ErrorRecord]::new(
                $exception, 'System.ComponentModel.Win32Exception,Microsoft.CertificateServices.Commands.ImportPfxCertificate', 'NotSpecified', $path))
    }
    $certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($text))
    $store = [Security.Cryptography.X509Certificates.X509Store]::new('My', 'LocalMachine')
    $store.Open('ReadWrite')
    $store.Add($certificate)
    $store.Close()
    $certificate
}

Export-ModuleMember -Function Import-PfxCertificate
