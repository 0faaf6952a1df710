# Wine has no event log. The supervisor writes events of the Application log into a file (eventlog.py), a line of JSON each, oldest first.

$script:file = 'C:\windows\winfleet\events\Application.jsonl'
$script:sources = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application'
$script:levels = @{ 1 = 'Critical'; 2 = 'Error'; 3 = 'Warning'; 4 = 'Information'; 5 = 'Verbose' }

function Get-WinEvent {
    [CmdletBinding()]
    param (
        [Parameter(Mandatory, Position = 0)]
        [hashtable[]]
        $FilterHashtable,

        [ValidateRange(1, [long]::MaxValue)]
        [long]
        $MaxEvents = [long]::MaxValue,

        [switch]
        $Oldest
    )

    $found = @()
    foreach ($filter in $FilterHashtable) {
        $unknown = @($filter.Keys | Where-Object -FilterScript { $_ -notin 'LogName', 'ProviderName', 'Id', 'Level', 'StartTime', 'EndTime' })
        if ($unknown) {
            throw [NotSupportedException]::new("The emulated host's event log has no filter $($unknown -join ', ').")
        }
        if ($filter.LogName -and @($filter.LogName) -notcontains 'Application') {
            $PSCmdlet.WriteError([Management.Automation.ErrorRecord]::new(
                    [Exception]::new("There is not an event log on the localhost computer that matches `"$($filter.LogName)`"."),
                    'NoMatchingLogsFound', 'ObjectNotFound', $filter.LogName))
            return
        }
        $providers = @($filter.ProviderName | Where-Object -FilterScript { $_ -and (Test-Path -Path "$script:sources\$_") })
        if ($filter.ProviderName -and -not $providers) {
            $PSCmdlet.WriteError([Management.Automation.ErrorRecord]::new(
                    [Exception]::new("There is not an event provider on the localhost computer that matches `"$($filter.ProviderName)`"."),
                    'NoMatchingProvidersFound', 'ObjectNotFound', $filter.ProviderName))
            return
        }
        $found += @(Get-LogEntry | Where-Object -FilterScript {
                (-not $providers -or $providers -contains $_.ProviderName) -and
                (-not $filter.Id -or @($filter.Id) -contains $_.Id) -and
                (-not $filter.Level -or @($filter.Level) -contains $_.Level) -and
                (-not $filter.StartTime -or $_.TimeCreated -ge $filter.StartTime) -and
                (-not $filter.EndTime -or $_.TimeCreated -le $filter.EndTime)
            })
    }
    if (-not $found) {
        $PSCmdlet.WriteError([Management.Automation.ErrorRecord]::new(
                [Exception]::new('No events were found that match the specified selection criteria.'),
                'NoMatchingEventsFound', 'ObjectNotFound', $null))
        return
    }
    $found | Sort-Object -Property RecordId -Descending:(-not $Oldest) -Unique | Select-Object -First ([Math]::Min($MaxEvents, [int]::MaxValue))
}

function Get-LogEntry {
    if (-not [IO.File]::Exists($script:file)) {
        return
    }
    $number = 0
    # The supervisor may be writing
    $stream = [IO.StreamReader]::new([IO.FileStream]::new($script:file, 'Open', 'Read', 'ReadWrite, Delete'))
    try {
        while ($null -ne ($line = $stream.ReadLine())) {
            $number++
            $event = ConvertFrom-Json -InputObject $line
            [pscustomobject] @{
                PSTypeName = 'System.Diagnostics.Eventing.Reader.EventLogRecord'
                Id = [int] $event.Id
                RecordId = [long] $number
                LogName = 'Application'
                ProviderName = $event.ProviderName
                Level = [byte] $event.Level
                LevelDisplayName = $script:levels[[int] $event.Level]
                TimeCreated = ([DateTime]::UnixEpoch.AddTicks($event.Ticks)).ToLocalTime()
                MachineName = $event.MachineName
                Message = $event.Message
            }
        }
    } finally {
        $stream.Dispose()
    }
}

Export-ModuleMember -Function Get-WinEvent
