# Leaves nothing behind, but for a job that still runs.
$running = Test-Running
if (-not $running) {
    if ((Invoke-Schtasks /Query /FO CSV /NH).Contains($task)) { $null = Invoke-Schtasks /Delete /F /TN $task }
    if ([IO.Directory]::Exists($folder)) { [IO.Directory]::Delete($folder, $true) }
}
ConvertTo-Json -Compress -InputObject @{ running = $running }
