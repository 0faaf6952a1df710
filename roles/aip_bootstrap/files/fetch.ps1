# The job that fetches the packages: each lands whole and as it should be, or not at all.
function Get-Sha256 ($Path) {
    if (-not [IO.File]::Exists($Path)) { return }
    $stream = [IO.File]::OpenRead($Path)
    $sha256 = New-Object -TypeName Security.Cryptography.SHA256CryptoServiceProvider # allowed in FIPS mode
    try { [BitConverter]::ToString($sha256.ComputeHash($stream)).Replace('-', '') } finally { $stream.Dispose() }
}

[Net.ServicePointManager]::SecurityProtocol = 3072 # TLS 1.2
foreach ($package in $p.packages) {
    $file = "$folder\$($package.file)"
    if ((Get-Sha256 $file) -eq $package.checksum) { continue } # an interrupted run had it
    $shown = $package.url -replace '\?.*' # a query may hold a token
    $client = New-Object -TypeName Net.WebClient
    $client.Proxy = $null
    try { $client.DownloadFile($package.url, "$file.part") }
    catch { throw "$shown cannot be fetched: $($_.Exception.GetBaseException().Message)" }
    $found = Get-Sha256 "$file.part"
    if ($found -ne $package.checksum) {
        $size = (Get-Item -LiteralPath "$file.part").Length
        throw "$shown has the SHA-256 $found ($size bytes), expected $($package.checksum)."
    }
    [IO.File]::Delete($file)
    [IO.File]::Move("$file.part", $file)
}
@{}
