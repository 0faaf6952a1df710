# What an Exchange server without Windows PowerShell 5.1 has, for PowerShell 3.0. The values come in $values and $absent.
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
ConvertTo-Json -Compress -InputObject @{
    exchange = $setup.MsiProductMajor, $setup.MsiProductMinor, $setup.MsiBuildMajor -join '.'
    connector = Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\AADRM\Connector'
    found = @($found | Sort-Object -Unique)
    differs = if ($absent) { $found.Count -gt 0 } else { $differing.Count -gt 0 }
}
