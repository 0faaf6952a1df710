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

function Invoke-TaskScheduler {
    # schtasks.exe with these arguments; throws when it fails. What it says is in the language of Windows, so its exit code has to do.
    param ([string]$Argument)

    $code = Invoke-Program -Path ([Path]::Combine([Environment]::SystemDirectory, 'schtasks.exe')) -Argument $Argument -Timeout 60
    if ($code) {
        throw "schtasks.exe $Argument ended with $code"
    }
}

function Invoke-SystemTask {
    <#
    .SYNOPSIS
    Runs a command line as the system account and waits for its end; returns its exit code.

    .PARAMETER CommandLine
    Program and arguments, quoted as for CreateProcess. It must hold no secret: it stands in a file and in the list of processes. The program's path,
    in quotation marks, is of this run alone: by it the program is found when it has to be ended.

    .PARAMETER Timeout
    Seconds. When they are over, the program is ended with what it has started, and this throws TimeoutException.
    #>
    [CmdletBinding()]
    [OutputType([int])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $CommandLine,

        [Parameter(Mandatory = $true)]
        [int]
        $Timeout
    )

    $id = [guid]::NewGuid()
    $name = "infoprotect-$id"
    $folder = [Path]::Combine((Initialize-OwnFolder -Name packages), "task-$id")
    $null = [Directory]::CreateDirectory($folder)
    $script = [Path]::Combine($folder, 'run.cmd')
    $result = [Path]::Combine($folder, 'exit')
    try {
        # The exit code appears whole, by a rename. A percent sign in a command file is written twice.
        $lines = @(
            '@echo off'
            'chcp 65001 >nul'
            $CommandLine.Replace('%', '%%')
            ">`"$result.new`" echo %ERRORLEVEL%"
            "move /y `"$result.new`" `"$result`" >nul"
        )
        [File]::WriteAllLines($script, [string[]]$lines, [Text.UTF8Encoding]::new($false))
        $shell = [Path]::Combine([Environment]::SystemDirectory, 'cmd.exe')
        # It is started by us and never by the clock: once, at a time of the day.
        Invoke-TaskScheduler -Argument "/create /tn $name /tr `"$shell /c \`"$script\`"`" /sc once /st 00:00 /ru SYSTEM /rl HIGHEST /f"
        try {
            Invoke-TaskScheduler -Argument "/run /tn $name"
            $deadline = [datetime]::UtcNow.AddSeconds($Timeout)
            while (-not [File]::Exists($result)) {
                if ([datetime]::UtcNow -gt $deadline) {
                    # Of a task Windows ends no more than its own process, the command shell.
                    $left = @(
                        try { Stop-ProcessTree -Path ($CommandLine -replace '^"([^"]+)".*', '$1') } catch { $_.Exception.Message }
                        try { Invoke-TaskScheduler -Argument "/end /tn $name" } catch { $_.Exception.Message }
                    )
                    $ended = if ($left.Count) { "could not be ended: $($left -join '; ')" } else { "was ended with what it had started; $serviceNote" }
                    throw [TimeoutException]::new("it did not end within $Timeout seconds and $ended")
                }
                Start-Sleep -Milliseconds 200
            }
        }
        finally {
            Invoke-TaskScheduler -Argument "/delete /tn $name /f"
        }
        [int]([File]::ReadAllText($result).Trim())
    }
    finally {
        # A program that was ended just now may still hold a file.
        Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction SilentlyContinue
    }
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
        if (-not [File]::Exists([Path]::Combine($old, 'exit')) -and [Directory]::GetCreationTimeUtc($old) -gt $young) {
            continue
        }
        $id = [guid]::Empty
        if (-not [guid]::TryParseExact([Path]::GetFileName($old).Substring('task-'.Length), 'D', [ref]$id)) {
            continue
        }
        try {
            Invoke-TaskScheduler -Argument "/delete /tn infoprotect-$id /f"
        }
        catch {
            # Its run came as far as this.
            Write-Debug -Message $_.Exception.Message
        }
        Remove-Item -LiteralPath $old -Recurse -Force -ErrorAction SilentlyContinue
    }
}

Export-ModuleMember -Function Clear-SystemTask, Invoke-SystemTask
