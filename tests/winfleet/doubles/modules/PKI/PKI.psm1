# Import-PfxCertificate, into Cert:\LocalMachine\My only. The supervisor keeps the key (certificates.py), the host's store the certificate.

Set-StrictMode -Version 2.0

$script:calls = 'C:\windows\winfleet\calls'

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
    $plain = if ($Password) { [Net.NetworkCredential]::new('', $Password).Password } else { '' }
    $answer = Send-ImportCall -Content ([Convert]::ToBase64String([IO.File]::ReadAllBytes($path))) -Plain $plain
    if ($answer.Code) {
        $exception = [ComponentModel.Win32Exception]::new([int] $answer.Code, $answer.Text)
        $PSCmdlet.ThrowTerminatingError([Management.Automation.ErrorRecord]::new($exception, 'ImportPfxCertificate', 'InvalidData', $path))
    }
    $certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($answer.Text))
    $store = [Security.Cryptography.X509Certificates.X509Store]::new('My', 'LocalMachine')
    $store.Open('ReadWrite')
    try {
        $store.Add($certificate)
    } finally {
        $store.Dispose()
    }
    $certificate
}

function Send-ImportCall {
    param ([string] $Content, [string] $Plain)
    $call = "$script:calls\pfx-$([guid]::NewGuid())"
    $text = "import-pfx`n`n$(ConvertTo-Json -InputObject @($Content, $Plain) -Compress)"
    [IO.File]::WriteAllText("$call.new", $text, [Text.UnicodeEncoding]::new($false, $false))
    [IO.File]::Move("$call.new", "$call.call")
    for ($i = 0; $i -lt 200 -and -not [IO.File]::Exists("$call.answer"); $i++) {
        Start-Sleep -Milliseconds 50
    }
    $bytes = [IO.File]::ReadAllBytes("$call.answer")
    [IO.File]::Delete("$call.answer")
    @{ Code = [BitConverter]::ToInt32($bytes, 0); Text = [Text.Encoding]::ASCII.GetString($bytes, 4, $bytes.Length - 4) }
}

Export-ModuleMember -Function Import-PfxCertificate
