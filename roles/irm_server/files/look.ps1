# What an Exchange server without Windows PowerShell 5.1 has, for PowerShell 3.0. The values come in $values and $absent, and
# Test-ExchangeServer stands before this text.
$setup = Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\ExchangeServer\v15\Setup' -ErrorAction SilentlyContinue
$found = @()
foreach ($value in $values) {
    $key = Get-Item -LiteralPath "HKLM:\$($value.key)" -ErrorAction SilentlyContinue
    foreach ($name in @($(if ($key) { $key.GetValueNames() }))) {
        if ($name -eq $value.name -or ($value.name -and $name -match '^https?://')) {
            $found += "$($key.GetValue($name))"
        }
    }
}
$differing = @(foreach ($value in $values) {
        $key = Get-Item -LiteralPath "HKLM:\$($value.key)" -ErrorAction SilentlyContinue
        if (-not $key -or "$($key.GetValue($value.name))" -ne $value.data) { $value.key }
    })
$library = "$env:SystemRoot\System32\msdrm.dll"
$file = if (Test-Path -LiteralPath $library) { [Diagnostics.FileVersionInfo]::GetVersionInfo($library) }
# Not all values of a program: Get-ItemProperty ends with an error where one of them is malformed, as some installers write it
$programs = 'SOFTWARE', 'SOFTWARE\WOW6432Node' |
    ForEach-Object { Get-ChildItem -LiteralPath "HKLM:\$_\Microsoft\Windows\CurrentVersion\Uninstall" -ErrorAction SilentlyContinue }
ConvertTo-Json -Compress -InputObject @{
    exchange = if (Test-ExchangeServer v15) { $setup.MsiProductMajor, $setup.MsiProductMinor, $setup.MsiBuildMajor -join '.' } else { 'none' }
    connector = @($programs | Where-Object { "$($_.GetValue('DisplayName'))" -like 'Microsoft Rights Management connector*' }).Count -gt 0
    # Numbers, since the text of a file's version is whatever its maker wrote
    msdrm = if ($file) { $file.FileMajorPart, $file.FileMinorPart, $file.FileBuildPart, $file.FilePrivatePart -join '.' } else { 'none' }
    found = @($found | Sort-Object -Unique)
    differs = if ($absent) { $found.Count -gt 0 } else { $differing.Count -gt 0 }
}
