# Wine keeps a file open whose signature was looked at, so that it can be neither removed nor replaced. Here a copy is looked at, which stays
# open and in the way of nobody.
$original = [System.Management.Automation.CmdletInfo]::new('Get-AuthenticodeSignature', [Microsoft.PowerShell.Commands.GetAuthenticodeSignatureCommand])

function Get-AuthenticodeSignature {
    [CmdletBinding(DefaultParameterSetName = 'ByPath')]
    param (
        [Parameter(Mandatory, Position = 0, ParameterSetName = 'ByPath')]
        [string[]]
        $FilePath,

        [Parameter(Mandatory, ParameterSetName = 'ByLiteralPath')]
        [Alias('PSPath')]
        [string[]]
        $LiteralPath
    )

    $files = if ($LiteralPath) { Convert-Path -LiteralPath $LiteralPath } else { Convert-Path -Path $FilePath }
    foreach ($file in $files) {
        $copy = "C:\windows\winfleet\$([guid]::NewGuid())$([IO.Path]::GetExtension($file))"
        [IO.File]::Copy($file, $copy)
        $signature = & $original -LiteralPath $copy
        Add-Member -InputObject $signature -MemberType NoteProperty -Name Path -Value $file -Force
        $signature
        Microsoft.PowerShell.Management\Remove-Item -LiteralPath $copy -Force -ErrorAction Ignore
    }
}

Export-ModuleMember -Function Get-AuthenticodeSignature
