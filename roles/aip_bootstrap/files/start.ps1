# Starts the job in $file as SYSTEM, by a task that is never due: installers of Windows refuse a network logon. Busy: another job runs.
$busy = Test-Running
if (-not $busy) {
    [IO.File]::Delete("$folder\result")
    # no -File: a policy may want scripts to be signed
    $line = "$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -NonInteractive " +
        "-Command [ScriptBlock]::Create([IO.File]::ReadAllText('$file')).Invoke()"
    $null = Invoke-Schtasks /Create /F /TN $task /RU SYSTEM /SC ONCE /ST 00:00 /TR $line
    $end = [DateTime]::UtcNow.AddSeconds(60)
    for ($turn = 0; -not ([IO.File]::Exists("$folder\running") -or [IO.File]::Exists("$folder\result")); $turn++) {
        if ([DateTime]::UtcNow -gt $end) { throw "The scheduled task $task was told to run and did not start within 60 s. $why" }
        # told again: it is not heard while the process of the job before has yet to end, and means nothing once this one runs
        if ($turn % 25 -eq 0) { try { $null = Invoke-Schtasks /Run /TN $task } catch { $why = "$_" } }
        Start-Sleep -Milliseconds 200
    }
}
ConvertTo-Json -Compress -InputObject @{ busy = $busy }
