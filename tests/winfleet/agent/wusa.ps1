# wusa.exe (wusa.py): what the update agent looks at, and what it leaves.
function Get-UpdateState {
    param([string] $File)
    $faults = @{}
    foreach ($name in 'any', [IO.Path]::GetFileName($File)) {
        $key = Get-Item -LiteralPath "HKLM:\SOFTWARE\winfleet\installers\$name" -ErrorAction Ignore
        if (-not $key) { continue }
        foreach ($value in $key.GetValueNames()) {
            $faults[$value] = "$($key.GetValue($value))"
            if ($value -eq 'exit_codes') { $told = $key.PSPath }
        }
    }
    if ($faults['exit_codes']) {
        $faults['exit_codes'], $rest = $faults['exit_codes'].Split(',')
        if ($rest) {
            Set-ItemProperty -LiteralPath $told -Name exit_codes -Value ($rest -join ',')
        } else {
            Remove-ItemProperty -LiteralPath $told -Name exit_codes
        }
    }
    $software = 'HKLM:\SOFTWARE\Microsoft'
    $framework = Get-ItemProperty -LiteralPath "$software\NET Framework Setup\NDP\v4\Full" -ErrorAction Ignore
    ConvertTo-Json -Compress -InputObject @{
        content    = if ([IO.File]::Exists($File)) { [Convert]::ToBase64String([IO.File]::ReadAllBytes($File)) }
        build      = [int] (Get-ItemProperty -LiteralPath "$software\Windows NT\CurrentVersion").CurrentBuildNumber
        dotnet     = [int] $framework.Release
        powershell = (Get-ItemProperty -LiteralPath "$software\PowerShell\3\PowerShellEngine").PowerShellVersion
        faults     = $faults
    }
}

# A key that the next boot does not find any more
function Set-RestartDue {
    $servicing = [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing')
    $writable = [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree
    $servicing.CreateSubKey('RebootPending', $writable, [Microsoft.Win32.RegistryOptions]::Volatile).Dispose()
    $servicing.Dispose()
}
