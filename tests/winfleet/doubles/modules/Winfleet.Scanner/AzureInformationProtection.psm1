# The scanner's cmdlets of the client 2.x: what 3.x has, by their older names and for the older service.

. "$PSScriptRoot\Scanner.ps1" 2

$names = @{
    'Install-AIPScanner' = 'Install-Scanner'
    'Uninstall-AIPScanner' = 'Uninstall-Scanner'
    'Set-AIPScanner' = 'Set-ScannerDatabase'
    'Update-AIPScanner' = 'Update-ScannerDatabase'
    'Set-AIPAuthentication' = 'Set-Authentication'
    'Clear-AIPAuthentication' = 'Clear-Authentication'
    'Get-AIPScannerConfiguration' = 'Get-ScannerConfiguration'
    'Set-AIPScannerConfiguration' = 'Set-ScannerConfiguration'
    'Import-AIPScannerConfiguration' = 'Import-ScannerConfiguration'
    'Get-AIPScannerContentScanJob' = 'Get-ScannerContentScan'
    'Set-AIPScannerContentScanJob' = 'Set-ScannerContentScan'
    'Remove-AIPScannerContentScanJob' = 'Remove-ScannerContentScan'
    'Get-AIPScannerRepository' = 'Get-ScannerRepository'
    'Add-AIPScannerRepository' = 'Add-ScannerRepository'
    'Set-AIPScannerRepository' = 'Set-ScannerRepository'
    'Remove-AIPScannerRepository' = 'Remove-ScannerRepository'
    'Get-AIPScannerStatus' = 'Get-ScanStatus'
    'Start-AIPScan' = 'Start-Scan'
    'Stop-AIPScan' = 'Stop-Scan'
}
foreach ($name in $names.Keys) { Set-Item -LiteralPath "function:$name" -Value (Get-Item -LiteralPath "function:$($names[$name])").ScriptBlock }

Export-ModuleMember -Function @($names.Keys)
