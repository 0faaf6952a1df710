# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Runs a program as the system account, by a scheduled task that is removed afterwards. The Windows Update agent and the setup of .NET Framework
# refuse a network logon, which is what a WinRM session is (https://support.microsoft.com/help/2773898).

using namespace System.IO

#AnsibleRequires -PowerShell ..module_utils._OwnFolder
#AnsibleRequires -PowerShell ..module_utils._Program

# Seconds in which the scheduler has to start a task that it was told to run.
$startTimeout = 60
# https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-error-and-success-constants
$taskRunning = 0x41301
# has not run yet, queued
$taskWaiting = 0x41303, 0x41325
# What the scheduler leaves as the result where it could not start the program: no such file or folder, access denied, a working folder that is none,
# a request that was refused, and its own errors.
$startFailures = 0x80070002, 0x80070003, 0x80070005, 0x8007010B, 0x800710E0 + 0x80041309..0x80041333

function Invoke-TaskScheduler {
    # schtasks.exe with these arguments: what it prints; throws with that when it fails.
    param ([string]$Argument)

    Invoke-SystemTool -Name schtasks.exe -Argument $Argument
}

function Invoke-SystemTask {
    <#
    .SYNOPSIS
    Runs a program as the system account and waits for its end; returns its exit code.

    .PARAMETER Path
    The program. The path is of this run alone: by it the program is found when it has to be ended.

    .PARAMETER Argument
    The rest of the command line, quoted as for CreateProcess. It must hold no secret: it stands in the task's definition and in the list of processes.

    .PARAMETER Timeout
    Seconds. When they are over, the program is ended with what it has started, and this throws TimeoutException.

    .PARAMETER Id
    Names the task, for Remove-SystemTask.
    #>
    [CmdletBinding()]
    [OutputType([int])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Path,

        [string]
        $Argument,

        [Parameter(Mandatory = $true)]
        [int]
        $Timeout,

        [guid]
        $Id = [guid]::NewGuid()
    )

    $name = "infoprotect-$Id"
    $folder = [Path]::Combine((Initialize-OwnFolder -Name packages), "task-$Id")
    $null = [Directory]::CreateDirectory($folder)
    $gone = $true
    try {
        $definition = [Path]::Combine($folder, 'task.xml')
        [File]::WriteAllText($definition, (New-TaskDefinition -Path $Path -Argument $Argument), [Text.Encoding]::Unicode)
        $null = Invoke-TaskScheduler -Argument "/create /tn $name /xml `"$definition`" /f"
        $gone = $false
        $null = Invoke-TaskScheduler -Argument "/run /tn $name"
        Wait-SystemTask -Name $name -Path $Path -Timeout $Timeout
    }
    finally {
        try {
            if (-not $gone) {
                $null = Invoke-TaskScheduler -Argument "/delete /tn $name /f"
                $gone = $true
            }
        }
        catch {
            # Not worth the result of the program: a later run removes the task, which it finds by the folder.
            Write-Debug -Message $_.Exception.Message
        }
        if ($gone) {
            # A program that was ended just now may still hold a file.
            Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
        }
    }
}

function New-TaskDefinition {
    # As XML: by its options schtasks.exe makes tasks that do not start on batteries and run with less than normal priority.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes a text')]
    param ([string]$Path, [string]$Argument)

    # No trigger: schtasks.exe /run starts it. S-1-5-18 is the system account in every language; priority 4 is normal.
    @"
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>One run of infoprotect.aip</Description>
  </RegistrationInfo>
  <Triggers />
  <Principals>
    <Principal id="Author">
      <UserId>S-1-5-18</UserId>
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>4</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>$([Security.SecurityElement]::Escape($Path))</Command>
      <Arguments>$([Security.SecurityElement]::Escape($Argument))</Arguments>
    </Exec>
  </Actions>
</Task>
"@
}

function Wait-SystemTask {
    # Waits for the end of a task that was told to run; returns the exit code of its program.
    param ([string]$Name, [string]$Path, [int]$Timeout)

    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    # Once the program was seen running, a result is its own, whatever the scheduler would mean by it.
    $started = $false
    while ($true) {
        $state = Get-TaskState -Name $Name
        $started = $started -or $state.Result -eq $taskRunning
        $said = "status '$($state.Status)', last result 0x{0:X}" -f $state.Result
        if ($state.Result -in $taskWaiting) {
            if ($clock.Elapsed.TotalSeconds -gt $startTimeout) {
                throw [TimeoutException]::new("the task scheduler did not start it within $startTimeout seconds ($said)")
            }
        }
        elseif ($state.Result -ne $taskRunning) {
            if ($state.Result -in $startFailures -and -not $started) {
                $why = [System.Runtime.InteropServices.Marshal]::GetExceptionForHR($state.Result).Message
                throw [InvalidOperationException]::new("the task scheduler could not start $Path ($($said): $why)")
            }
            return $state.Result
        }
        elseif ($clock.Elapsed.TotalSeconds -gt $Timeout) {
            # Of a task Windows ends no more than its own process.
            $left = @(
                try { Stop-ProcessTree -Path $Path } catch { $_.Exception.Message }
                try { $null = Invoke-TaskScheduler -Argument "/end /tn $Name" } catch { $_.Exception.Message }
            )
            $ended = if ($left.Count) { "could not be ended: $($left -join '; ')" } else { "was ended$(Get-EndedPart)" }
            throw [TimeoutException]::new("it did not end within $Timeout seconds and $ended")
        }
        Start-Sleep -Milliseconds 500
    }
}

function Get-TaskState {
    # Status, as the scheduler words it, and the last result: of a task that has ended the exit code of its program.
    param ([string]$Name)

    # The order of the columns is the same in every language, their names are not.
    $columns = 'Host', 'Task', 'Next', 'Status', 'Logon', 'Run', 'Result'
    $row = (Invoke-TaskScheduler -Argument "/query /tn $Name /v /fo CSV /nh").Trim() -split '\r?\n' | ConvertFrom-Csv -Header $columns | Select-Object -First 1
    # Written with or without a sign
    [pscustomobject]@{ Status = $row.Status; Result = [BitConverter]::ToInt32([BitConverter]::GetBytes([long]$row.Result), 0) }
}

function Stop-ProcessTree {
    # Ends the programs of a path with what they have started; returns a line for each that could not be ended, and when there is none.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param ([string]$Path)

    $wanted = @{ ClassName = 'Win32_Process'; Property = 'ProcessId', 'ParentProcessId', 'ExecutablePath', 'CreationDate'; ErrorAction = 'Stop' }
    $found = @{}
    do {
        # The oldest first, so that each comes after its parent. A number is given again: a child is younger than its parent.
        $new = foreach ($process in Get-CimInstance @wanted | Sort-Object -Property CreationDate) {
            $parent = $found[$process.ParentProcessId]
            if (-not $found.ContainsKey($process.ProcessId) -and ($process.ExecutablePath -eq $Path -or ($parent -and $process.CreationDate -ge $parent))) {
                $found[$process.ProcessId] = $process.CreationDate
                $process
            }
        }
        foreach ($process in $new) {
            try {
                Stop-Process -Id $process.ProcessId -Force -ErrorAction Stop
            }
            catch [Microsoft.PowerShell.Commands.ProcessCommandException] {
                if ($_.FullyQualifiedErrorId -notlike 'NoProcessFoundForGivenId*') {
                    $_.Exception.Message
                }
            }
        }
    } while ($new)
    if (-not $found.Count) {
        "$Path is not there any more, and what it has started cannot be told"
    }
}

function Clear-SystemTask {
    <#
    .SYNOPSIS
    Removes what tasks left whose run was cut off. One that may still be at work, for a day, is left alone.
    #>
    [CmdletBinding()]
    param ()

    $folder = Get-OwnFolder -Name packages
    if (-not [Directory]::Exists($folder)) {
        return
    }
    $young = [datetime]::UtcNow.AddDays(-1)
    foreach ($old in [Directory]::GetDirectories($folder, 'task-*')) {
        if ([Directory]::GetCreationTimeUtc($old) -gt $young) {
            continue
        }
        $id = [guid]::Empty
        if (-not [guid]::TryParseExact([Path]::GetFileName($old).Substring('task-'.Length), 'D', [ref]$id)) {
            continue
        }
        Remove-SystemTask -Id $id
    }
}

function Remove-SystemTask {
    <#
    .SYNOPSIS
    Removes what the task of one run left, if it left anything.
    #>
    [CmdletBinding()]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Called outside of check mode only')]
    param (
        [Parameter(Mandatory = $true)]
        [guid]
        $Id
    )

    $folder = [Path]::Combine((Get-OwnFolder -Name packages), "task-$Id")
    if (-not [Directory]::Exists($folder)) {
        return
    }
    try {
        $null = Invoke-TaskScheduler -Argument "/delete /tn infoprotect-$Id /f"
    }
    catch {
        # Its run was cut off before it made the task.
        Write-Debug -Message $_.Exception.Message
    }
    Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
}

Export-ModuleMember -Function Clear-SystemTask, Invoke-SystemTask, Remove-SystemTask
