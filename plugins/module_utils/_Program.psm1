# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Runs programs of Windows with a bounded time and a command line that is taken as it stands, since PowerShell's own way of quoting arguments
# differs from version to version.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Process

#AnsibleRequires -CSharpUtil ..module_utils._Process

# Seconds for a tool of Windows, which ends at once
$toolTimeout = 60

function Invoke-Program {
    <#
    .SYNOPSIS
    Runs a program to its end; returns its exit code.

    .PARAMETER Argument
    The rest of the command line, quoted as for CreateProcess.

    .PARAMETER Timeout
    Seconds. When they are over, the program is ended with all that it has started, and this throws TimeoutException. What still runs when the
    program has ended by itself goes on.
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
        $Timeout
    )

    # Installers leave programs running that would keep a redirected output open: its output is not read.
    $tree = [ProcessTree]::new($Path, $Argument, [Environment]::SystemDirectory)
    try {
        if (-not $tree.Wait([int][Math]::Min(1000L * $Timeout, [int]::MaxValue))) {
            $tree.End()
            throw [TimeoutException]::new("$Path did not end within $Timeout seconds and was ended$(Get-EndedPart -Tree $tree)")
        }
        $tree.ExitCode
    }
    finally {
        $tree.Dispose()
    }
}

function Get-EndedPart {
    <#
    .SYNOPSIS
    What was ended with a program: the rest of the sentence. What services do for the program cannot be ended.

    .PARAMETER Tree
    The program's processes. Without it, all that the program had started was ended.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        $Tree
    )

    if ($Tree.Alone) {
        "; what it has started may still be at work: Windows did not take it into a job object ($($Tree.Alone))"
    }
    else {
        ' with what it had started; a service that works for it, such as Windows Installer, may still be at work'
    }
}

function Invoke-SystemTool {
    <#
    .SYNOPSIS
    Runs a console program of Windows that leaves nothing behind which would keep its output open; returns what it prints.

    .DESCRIPTION
    Throws, with what the program says, unless its exit code is 0.

    .PARAMETER Name
    The program, below the system folder.

    .PARAMETER Argument
    The rest of the command line, quoted as for CreateProcess.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Name,

        [string]
        $Argument
    )

    $start = [System.Diagnostics.ProcessStartInfo]::new([System.IO.Path]::Combine([Environment]::SystemDirectory, $Name), $Argument)
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $process = [System.Diagnostics.Process]::Start($start)
    try {
        $said = $process.StandardOutput.ReadToEndAsync(), $process.StandardError.ReadToEndAsync()
        if (-not $process.WaitForExit(1000 * $toolTimeout)) {
            $process.Kill()
            throw [TimeoutException]::new("$Name did not end within $toolTimeout seconds and was ended: $Name $Argument")
        }
        $output, $problem = $said.Result
        if ($process.ExitCode) {
            $text = "$output $problem".Trim() -replace '\s+', ' '
            throw "$Name ended with exit code $($process.ExitCode)$(if ($text) { " ($text)" }): $Name $Argument"
        }
        $output
    }
    finally {
        $process.Dispose()
    }
}

Export-ModuleMember -Function Get-EndedPart, Invoke-Program, Invoke-SystemTool
