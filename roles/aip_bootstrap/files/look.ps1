# What the bootstrap depends on. These scripts are for PowerShell 3.0, and short: cmd.exe takes 8191 characters, encoded. Test-ExchangeServer
# stands before this one.
function Read-Key ($Path) { Get-ItemProperty -LiteralPath "HKLM:\$Path" -ErrorAction SilentlyContinue }

$windows = Read-Key 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$exchange = @('v14', 'v15' | Where-Object { Test-ExchangeServer $_ })
# PendingFileRenameOperations does not count: many programs leave one, and it delays no installation.
$pending = @('Component Based Servicing\RebootPending', 'WindowsUpdate\Auto Update\RebootRequired' |
    Where-Object { Test-Path -LiteralPath "HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\$_" })
ConvertTo-Json -Compress -InputObject @{
    product = "$($windows.ProductName)"
    build = [int]$windows.CurrentBuild
    server = (Read-Key 'SYSTEM\CurrentControlSet\Control\ProductOptions').ProductType -ne 'WinNT'
    powershell = "$($PSVersionTable.PSVersion)"
    dotnet = [int](Read-Key 'SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full').Release
    exchange = $exchange.Count -gt 0
    restart_pending = $pending.Count -gt 0
    running = [IO.File]::Exists("$folder\running")
    free_mb = [int]((New-Object -TypeName IO.DriveInfo -ArgumentList $env:SystemDrive).AvailableFreeSpace / 1MB)
}
