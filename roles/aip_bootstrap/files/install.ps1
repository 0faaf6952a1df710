# The job that runs an installer; it waits while another installation runs (1618).
$end = [DateTime]::UtcNow.AddSeconds($p.wait)
do {
    $start = New-Object -TypeName Diagnostics.ProcessStartInfo
    $start.FileName = [Environment]::ExpandEnvironmentVariables($p.program)
    $start.Arguments = [Environment]::ExpandEnvironmentVariables($p.arguments)
    $start.UseShellExecute = $false
    $process = [Diagnostics.Process]::Start($start)
    $process.WaitForExit()
    $code = [BitConverter]::ToUInt32([BitConverter]::GetBytes($process.ExitCode), 0)
    $again = $code -eq 1618 -and [DateTime]::UtcNow -lt $end
    if ($again) { Start-Sleep -Seconds 10 }
} while ($again)
$log = Get-ChildItem -Path ([Environment]::ExpandEnvironmentVariables($p.log)) -ErrorAction SilentlyContinue |
    Sort-Object -Property LastWriteTime | Select-Object -Last 1
@{ code = $code; log = @(if ($log) { Get-Content -LiteralPath $log.FullName -Tail 15 | ForEach-Object { "$_" } }) }
