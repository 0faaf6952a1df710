# The engine's own Restart-Computer and Stop-Computer end its process, for want of WMI. These do it as shutdown.exe does.

Set-StrictMode -Version 2.0

function Invoke-Shutdown {
    param([Management.Automation.PSCmdlet] $Cmdlet, [string] $Option, [string[]] $ComputerName)
    foreach ($name in $ComputerName) {
        if ($name -notin '.', 'localhost', $env:COMPUTERNAME) { throw "winfleet shuts down the local computer only, not $name" }
        if (-not $Cmdlet.ShouldProcess($name)) { continue }
        $answer = shutdown.exe $Option /t 1
        if ($LASTEXITCODE) { $Cmdlet.WriteError([Management.Automation.ErrorRecord]::new([InvalidOperationException] "$answer", 'ShutdownFailed', 'OperationStopped', $name)) }
    }
}

function Restart-Computer {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)] [string[]] $ComputerName = '.', [switch] $Force)
    Invoke-Shutdown $PSCmdlet /r $ComputerName
}

function Stop-Computer {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Position = 0)] [string[]] $ComputerName = '.', [switch] $Force)
    Invoke-Shutdown $PSCmdlet /s $ComputerName
}

Export-ModuleMember -Function Restart-Computer, Stop-Computer
