# Starts the job in $file as SYSTEM, by a task without a trigger: installers of Windows refuse a network logon. Busy: another job runs.
$busy = Test-Running
if (-not $busy) {
    [IO.File]::Delete("$folder\result")
    # no -File: a policy may want scripts to be signed
    $arguments = "-NoProfile -NonInteractive -Command [ScriptBlock]::Create([IO.File]::ReadAllText('$file')).Invoke()"
    # As XML: by its options schtasks.exe makes tasks that do not start on batteries and run with less than normal priority. 4 is normal.
    $definition = @"
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
<Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>
<Settings>
<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
<Priority>4</Priority>
</Settings>
<Actions Context="Author"><Exec>
<Command>$([Security.SecurityElement]::Escape("$env:SystemRoot\System32\WindowsPowerShell\v1.0\powershell.exe"))</Command>
<Arguments>$([Security.SecurityElement]::Escape($arguments))</Arguments>
</Exec></Actions>
</Task>
"@
    [IO.File]::WriteAllText("$folder\task.xml", $definition, [Text.Encoding]::Unicode)
    $null = Invoke-Schtasks /Create /F /TN $task /XML "$folder\task.xml"
    $end = [DateTime]::UtcNow.AddSeconds(60)
    for ($turn = 0; -not ([IO.File]::Exists("$folder\running") -or [IO.File]::Exists("$folder\result")); $turn++) {
        if ([DateTime]::UtcNow -gt $end) {
            $state = try { Invoke-Schtasks /Query /TN $task /V /FO CSV /NH } catch { "$_" }
            throw "The scheduled task $task was told to run and did not start within 60 s. $why The task scheduler shows: $state"
        }
        # told again: it is not heard while the process of the job before has yet to end, and means nothing once this one runs
        if ($turn % 25 -eq 0) { try { $null = Invoke-Schtasks /Run /TN $task } catch { $why = "$_" } }
        Start-Sleep -Milliseconds 200
    }
}
ConvertTo-Json -Compress -InputObject @{ busy = $busy }
