# Reads the lease of a pool's member. With a run, takes, renews or removes it in the same step, whatever other runs do on the host meanwhile.
# The lease expires by this host's clock. It never counts as a change of the host: it is gone at the end of the turn.
[CmdletBinding()]
param (
    # Writes only if the lease is this run's, or may be taken.
    [string]
    $Run = '',

    # Which leases of other runs may be taken
    [ValidateSet('none', 'expired', 'any')]
    [string]
    $Take = 'none',

    # From now until the lease expires
    [int]
    $Seconds = 0,

    [string]
    $Controller = '',

    # How far the run is with the member; it stays as it is by default.
    [string]
    $Stage = '',

    [bool]
    $Remove = $false,

    # The text of plugins/module_utils/_OwnFolder.psm1
    [Parameter(Mandatory = $true)]
    [string]
    $OwnFolder,

    # Seconds to wait for another process that works on the lease
    [int]
    $Patience = 30
)

$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false

$path = 'SOFTWARE\infoprotect.aip\Lease'
$format = "yyyy-MM-dd'T'HH:mm:ss'Z'"
$culture = [Globalization.CultureInfo]::InvariantCulture
$null = New-Module -ScriptBlock ([scriptblock]::Create($OwnFolder))
$lock = Lock-OwnFile -Folder connector -Name lease.lock -Timeout $Patience
if (-not $lock) {
    throw "another process works on the lease of this host, also after $Patience seconds. Run this again"
}
try {
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
    try {
        $found = @{}
        $key = $base.OpenSubKey($path)
        if ($key) {
            foreach ($name in $key.GetValueNames()) {
                $found[$name.ToLowerInvariant()] = "$($key.GetValue($name))"
            }
            $key.Dispose()
        }
        $now = [datetime]::UtcNow
        # A lease without a valid end has expired.
        $left = try {
            ([datetime]::ParseExact($found.expires, $format, $culture, 'AssumeUniversal, AdjustToUniversal') - $now).TotalSeconds
        }
        catch {
            0
        }
        $takes = $Take -eq 'any' -or ($Take -eq 'expired' -and $left -le 0)
        $held = [bool]$Run -and ($found.run -ceq $Run -or $takes)
        if ($held -and $Remove) {
            $base.DeleteSubKeyTree($path, $false)
        }
        elseif ($held) {
            $value = @{ Run = $Run; Expires = $now.AddSeconds($Seconds).ToString($format, $culture) }
            if ($takes) {
                $value.Controller = $Controller
                $value.Started = $now.ToString($format, $culture)
            }
            if ($Stage -or -not $found.stage) {
                $value.Stage = if ($Stage) { $Stage } else { 'working' }
            }
            $key = $base.CreateSubKey($path)
            foreach ($name in $value.Keys) {
                $key.SetValue($name, $value[$name], 'String')
            }
            $key.Dispose()
        }
        $Ansible.Result = @{ held = $held; found = $found; seconds_left = [int][math]::Max(0, [math]::Ceiling($left)) }
    }
    finally {
        $base.Dispose()
    }
}
finally {
    $lock.Dispose()
}
