# Files that all hosts of a fleet share (directory.py), for stand-ins of what lives on a network.

Set-StrictMode -Version 2.0

$script:folder = 'C:\windows\winfleet\shared'

# Until Close-FleetFile nobody else has the file. Its content is in Data, as hashtables and lists.
function Open-FleetFile {
    param([Parameter(Mandatory)] [string] $Name)
    $lock = [IO.File]::Open("$script:folder\$Name.lock", 'OpenOrCreate', 'ReadWrite', 'ReadWrite, Delete')
    $until = [DateTime]::UtcNow.AddSeconds(30)
    while ($true) {
        try {
            # Wine makes it a lock of Linux, which hosts and supervisors see
            $lock.Lock(0, 1)
            break
        } catch [IO.IOException] {
            if ([DateTime]::UtcNow -gt $until) { $lock.Dispose(); throw }
            Start-Sleep -Milliseconds 50
        }
    }
    try {
        $text = [IO.File]::ReadAllText("$script:folder\$Name.json")
        [pscustomobject] @{ Name = $Name; Lock = $lock; Data = ConvertFrom-Json -InputObject $text -AsHashtable }
    } catch {
        $lock.Dispose()
        throw
    }
}

function Save-FleetFile {
    param([Parameter(Mandatory)] $File)
    $path = "$script:folder\$($File.Name)"
    [IO.File]::WriteAllText("$path.new", (ConvertTo-Json -InputObject $File.Data -Depth 10))
    [IO.File]::Move("$path.new", "$path.json", $true)
}

function Close-FleetFile {
    param([Parameter(Mandatory)] $File)
    $File.Lock.Unlock(0, 1)
    $File.Lock.Dispose()
}

# Runs something with the content of a file, and keeps what it changed; after a failure the file is as before. What it returns comes when the file is closed:
# the next command of a pipeline may open it itself. With a cmdlet a failure is an error of that cmdlet.
function Use-FleetFile {
    param([Parameter(Mandatory)] [string] $Name, [Parameter(Mandatory)] [scriptblock] $Action, [Management.Automation.PSCmdlet] $Cmdlet)
    try {
        $file = Open-FleetFile -Name $Name
        try {
            $before = ConvertTo-Json -InputObject $file.Data -Depth 10
            $result = & $Action $file.Data
            if ($before -cne (ConvertTo-Json -InputObject $file.Data -Depth 10)) { Save-FleetFile -File $file }
        } finally {
            Close-FleetFile -File $file
        }
    } catch {
        if ($Cmdlet) { $Cmdlet.ThrowTerminatingError($_) }
        throw
    }
    $result
}

Export-ModuleMember -Function Open-FleetFile, Save-FleetFile, Close-FleetFile, Use-FleetFile
