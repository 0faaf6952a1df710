# The scanner's cmdlets of the client 3.x.

. "$PSScriptRoot\Scanner.ps1" 3

Export-ModuleMember -Function @(
    'Install-Scanner'
    'Uninstall-Scanner'
    'Set-ScannerDatabase'
    'Update-ScannerDatabase'
    'Set-Authentication'
    'Clear-Authentication'
    'Get-ScannerConfiguration'
    'Set-ScannerConfiguration'
    'Import-ScannerConfiguration'
    'Get-ScannerContentScan'
    'Set-ScannerContentScan'
    'Remove-ScannerContentScan'
    'Get-ScannerRepository'
    'Add-ScannerRepository'
    'Set-ScannerRepository'
    'Remove-ScannerRepository'
    'Get-ScanStatus'
    'Start-Scan'
    'Stop-Scan'
)
