# Wine has no event log, and ends the process that asks for one. The supervisor (eventlog.py) writes a file of JSON lines instead.
$folder = 'C:\windows\winfleet\events'
$sources = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog'
$levels = @{ 1 = 'Critical'; 2 = 'Error'; 3 = 'Warning'; 4 = 'Information' }

function Get-Failure {
    param ([string] $Message, [string] $Id, $Target)

    [System.Management.Automation.ErrorRecord]::new(
        [Exception]::new($Message), "$Id,Microsoft.PowerShell.Commands.GetWinEventCommand", 'ObjectNotFound', $Target)
}

function ConvertTo-EventRecord {
    param ([Parameter(ValueFromPipeline)] $Line, [string] $LogName)

    process {
        $data = ConvertFrom-Json -InputObject $Line
        $event = [pscustomobject] @{
            Message          = $data.Message
            Id               = [int] $data.Id
            Level            = [byte] $data.Level
            ProviderName     = $data.ProviderName
            LogName          = $LogName
            RecordId         = [long] 0
            MachineName      = $data.MachineName
            TimeCreated      = [DateTime]::UnixEpoch.AddTicks($data.Ticks).ToLocalTime()
            LevelDisplayName = $levels[[int] $data.Level]
        }
        $event.PSObject.TypeNames.Insert(0, 'System.Diagnostics.Eventing.Reader.EventLogRecord')
        $event
    }
}

function Get-WinEvent {
    [CmdletBinding(DefaultParameterSetName = 'HashQuerySet')]
    param (
        [Parameter(Mandatory, Position = 0, ParameterSetName = 'HashQuerySet')]
        [hashtable]
        $FilterHashtable,

        [Parameter(Mandatory, Position = 0, ParameterSetName = 'GetLogSet')]
        [string]
        $LogName,

        [long]
        $MaxEvents = [long]::MaxValue,

        [switch]
        $Oldest
    )

    $filter = if ($FilterHashtable) { $FilterHashtable } else { @{ LogName = $LogName } }
    $unknown = @($filter.Keys) -notmatch '^(LogName|ProviderName|Id|Level|StartTime|EndTime)$'
    if ($unknown -or -not $filter.LogName) {
        throw "The emulated Get-WinEvent needs LogName, and knows ProviderName, Id, Level, StartTime and EndTime: $unknown"
    }
    $log = "$($filter.LogName)"
    if ($log -notin 'Application', 'System', 'Security') {
        $message = "There is not an event log on the localhost computer that matches ""$log""."
        $PSCmdlet.WriteError((Get-Failure -Message $message -Id 'NoMatchingLogsFound' -Target $log))
        return
    }
    foreach ($provider in $filter.ProviderName) {
        if (-not (Microsoft.PowerShell.Management\Test-Path -LiteralPath "$sources\$log\$provider")) {
            $message = "There is not an event provider on the localhost computer that matches ""$provider""."
            $PSCmdlet.WriteError((Get-Failure -Message $message -Id 'NoMatchingProvidersFound' -Target $provider))
            return
        }
    }
    $file = "$folder\$log.jsonl"
    $lines = @(if ([IO.File]::Exists($file)) { [IO.File]::ReadAllLines($file) })
    if (-not $Oldest) {
        [Array]::Reverse($lines)
    }
    $number = if ($Oldest) { 0 } else { $lines.Count + 1 }
    $left = $MaxEvents
    foreach ($line in $lines) {
        $number += if ($Oldest) { 1 } else { -1 }
        if ($left -le 0) {
            break
        }
        $event = ConvertTo-EventRecord -Line $line -LogName $log
        $event.RecordId = [long] $number
        if (
            ($filter.ProviderName -and $event.ProviderName -notin $filter.ProviderName) -or
            ($filter.Id -and $event.Id -notin $filter.Id) -or
            ($filter.Level -and $event.Level -notin $filter.Level) -or
            ($filter.StartTime -and $event.TimeCreated -lt ([DateTime] $filter.StartTime).ToLocalTime()) -or
            ($filter.EndTime -and $event.TimeCreated -gt ([DateTime] $filter.EndTime).ToLocalTime())
        ) {
            continue
        }
        $left--
        $event
    }
    if ($left -eq $MaxEvents) {
        $message = 'No events were found that match the specified selection criteria.'
        $PSCmdlet.WriteError((Get-Failure -Message $message -Id 'NoMatchingEventsFound' -Target $null))
    }
}

Export-ModuleMember -Function Get-WinEvent
