# Waits for the end of the job, for 20 seconds; then says what its result is.
$end = [DateTime]::UtcNow.AddSeconds(20)
while (($running = Test-Running) -and [DateTime]::UtcNow -lt $end) { Start-Sleep -Milliseconds 500 }
$result = '{"error": "The job on the host ended without a result: it was killed, or the host was restarted."}'
if (-not $running -and [IO.File]::Exists("$folder\result")) { $result = [IO.File]::ReadAllText("$folder\result") }
'{"running": ' + "$running".ToLowerInvariant() + ', "result": ' + $result + '}'
