# Replaces the mark of a run by another one, but only the expected one: an empty text stands for none. Reading, comparing and writing is one step,
# whatever other runs do on the host meanwhile. The result says what was found and whether it was replaced. It never counts as a change of the host:
# at the end of the turn the mark is gone.
[CmdletBinding()]
param (
    [Parameter(Mandatory = $true)]
    [string]
    $Key,

    [Parameter(Mandatory = $true)]
    [string]
    $Name,

    [Parameter(Mandatory = $true)]
    [AllowEmptyString()]
    [string]
    $Expected,

    [Parameter(Mandatory = $true)]
    [AllowEmptyString()]
    [string]
    $Mark
)

$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false

$mutex = [Threading.Mutex]::new($false, 'Global\infoprotect.aip.rms_pool')
$base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
try {
    try {
        $own = $mutex.WaitOne(30000)
    }
    catch [Threading.AbandonedMutexException] {
        # Who had it has died between two statements; it is ours now.
        $own = $true
    }
    if (-not $own) {
        throw "another process has kept the mark $Name busy for 30 seconds"
    }
    try {
        $opened = $base.CreateSubKey($Key)
        $found = "$($opened.GetValue($Name))"
        $replaced = [string]::Equals($found, $Expected, 'Ordinal')
        $Ansible.Result = @{ found = $found; replaced = $replaced }
        if ($replaced) {
            if ($Mark) {
                $opened.SetValue($Name, $Mark, 'String')
            }
            else {
                $opened.DeleteValue($Name, $false)
            }
        }
        $opened.Dispose()
    }
    finally {
        $mutex.ReleaseMutex()
    }
}
finally {
    $base.Dispose()
    $mutex.Dispose()
}
