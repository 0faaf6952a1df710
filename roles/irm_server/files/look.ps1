# What an Exchange server without Windows PowerShell 5.1 has, for PowerShell 3.0; short, since cmd.exe takes 8191 characters, encoded.
# $values has the values of Exchange 2016, a line of key|name|data each: the key below SOFTWARE\Microsoft, and http://{c} and http://{t} for the URLs of
# connector and tenant. The first $rows[0] are those of 2013. $connector is the wanted one, or '' with $absent; $cloud is a pattern of the cloud's addresses.
# Test-ExchangeServer stands before this text.
$setup = Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\ExchangeServer\v15\Setup' -EA 0
$version = if ($setup.MsiProductMajor -eq 15) { [int]$setup.MsiProductMinor } else { -1 }
$values = $values.Trim() -split '\r?\n'
if ($version -in 0, 1) { $values = $values[0..($rows[$version] - 1)] }
$found = @()
$stale = @()
$differs = $false
foreach ($value in $values) {
    $path, $wanted, $address = $value.Replace('http://{t}', $tenant).Replace('http://{c}', $connector).Split('|')
    $key = Get-Item -LiteralPath "HKLM:\SOFTWARE\Microsoft\$path" -EA 0
    foreach ($name in @($(if ($key) { $key.GetValueNames() }))) {
        $data = "$($key.GetValue($name))"
        $own = $name -eq $wanted -and -not $absent
        # Moving from AD RMS has its addresses lead to the wanted connector
        $kept = $own -or ($connector -and $name -notmatch $cloud -and "$data/".ToLower().StartsWith("$connector/"))
        if ($name -eq $wanted -or ($wanted -and $name -match '^https?://')) {
            $found += $data
            if ($wanted -and -not $kept) { $stale += @{ key = "SOFTWARE\Microsoft\$path"; name = $name } }
        }
    }
    $differs = $differs -or -not $key -or "$($key.GetValue($wanted))" -ne $address
}
$library = "$env:SystemRoot\System32\msdrm.dll"
$file = if (Test-Path -LiteralPath $library) { [Diagnostics.FileVersionInfo]::GetVersionInfo($library) }
# Not all values of a program: Get-ItemProperty ends with an error where one of them is malformed, as some installers write it
$programs = 'SOFTWARE', 'SOFTWARE\WOW6432Node' |
    ForEach-Object { Get-ChildItem -LiteralPath "HKLM:\$_\Microsoft\Windows\CurrentVersion\Uninstall" -EA 0 }
ConvertTo-Json -Compress -InputObject @{
    exchange = if (Test-ExchangeServer v15) { $setup.MsiProductMajor, $setup.MsiProductMinor, $setup.MsiBuildMajor -join '.' } else { 'none' }
    connector = @($programs | Where-Object { "$($_.GetValue('DisplayName'))" -like 'Microsoft Rights Management connector*' }).Count -gt 0
    # Numbers, since the text of a file's version is whatever its maker wrote
    msdrm = if ($file) { $file.FileMajorPart, $file.FileMinorPart, $file.FileBuildPart, $file.FilePrivatePart -join '.' } else { 'none' }
    found = @($found | Sort-Object -Unique)
    stale = $stale
    differs = if ($absent) { $found.Count -gt 0 } else { $differs -or $stale.Count -gt 0 }
}
