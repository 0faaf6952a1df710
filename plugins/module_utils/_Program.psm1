# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Runs programs of Windows with a bounded time and a command line that is taken as it stands, since PowerShell's own way of quoting arguments
# differs from version to version.

using namespace System.Diagnostics

function Invoke-Program {
    <#
    .SYNOPSIS
    Runs a program to its end; returns its exit code.

    .PARAMETER Argument
    The rest of the command line, quoted as for CreateProcess.

    .PARAMETER Timeout
    Seconds. When they are over, the program is killed and this throws TimeoutException.
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

    $start = [ProcessStartInfo]::new($Path, $Argument)
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.WorkingDirectory = [Environment]::SystemDirectory
    $process = [Process]::Start($start)
    try {
        # Installers leave programs running that would keep a redirected output open: its output is not read.
        if (-not $process.WaitForExit([int][Math]::Min(1000L * $Timeout, [int]::MaxValue))) {
            $process.Kill()
            throw [TimeoutException]::new("$Path did not end within $Timeout seconds and was ended; what it has started may still be at work")
        }
        $process.ExitCode
    }
    finally {
        $process.Dispose()
    }
}

Export-ModuleMember -Function Invoke-Program
