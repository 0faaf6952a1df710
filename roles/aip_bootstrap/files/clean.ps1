# Leaves nothing behind, but for a job that still runs.
$running = Test-Running
if (-not $running) {
    try { Invoke-Schtasks /Query /TN $task; $known = $true } catch { $known = $false }
    if ($known) { Invoke-Schtasks /Delete /F /TN $task }
    if ([IO.Directory]::Exists($folder)) { [IO.Directory]::Delete($folder, $true) }
}
ConvertTo-Json -Compress -InputObject @{ running = $running }
