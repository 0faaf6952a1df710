# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The usage log and the admin log of a tenant, one file for each day of UTC.

#AnsibleRequires -PowerShell ..module_utils._AipService

$mostDays = 366
# Name: the file of a day. Usage logs have the name that the service gives them.
$kinds = @{
    usage = @{ Name = 'rmslog-{0}.log' }
    admin = @{ Name = 'adminlog-{0}.log' }
}

function Get-LogSpec {
    <#
    .SYNOPSIS
    The options of the module protection_service_log, without those that sign in.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            path = @{ type = 'str'; required = $true }
            from = @{ type = 'str'; required = $true }
            to = @{ type = 'str' }
            kinds = @{ type = 'list'; elements = 'str'; choices = 'admin', 'usage'; default = @('usage', 'admin') }
            force = @{ type = 'bool'; default = $false }
        }
    }
}

function ConvertTo-LogDay {
    param ([string]$Name, [string]$Text)

    $day = [datetime]::MinValue
    $style = [Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal'
    if (-not [datetime]::TryParseExact($Text, 'yyyy-MM-dd', [cultureinfo]::InvariantCulture, $style, [ref]$day)) {
        throw "$Name is '$Text': expected a day such as 2026-11-01."
    }
    $day
}

function Get-LogDay {
    <#
    .SYNOPSIS
    The days of a range, UTC, without today and later: the service does not have these yet.

    .PARAMETER Option
    from and to.

    .PARAMETER Today
    The day that it is, UTC.
    #>
    [CmdletBinding()]
    [OutputType([datetime])]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Option,

        [datetime]
        $Today = [datetime]::UtcNow.Date
    )

    $from = ConvertTo-LogDay -Name from -Text $Option.from
    $to = if ($Option.to) { ConvertTo-LogDay -Name to -Text $Option.to } else { $Today.AddDays(-1) }
    if ($Option.to -and $to -lt $from) {
        throw "to is '$($Option.to)': expected a day that is not before from ($($Option.from))."
    }
    if (($to - $from).TotalDays -ge $mostDays) {
        throw "from is '$($Option.from)': expected $mostDays days at most, found $([int]($to - $from).TotalDays + 1)."
    }
    for ($day = $from; $day -le $to -and $day -lt $Today; $day = $day.AddDays(1)) {
        $day
    }
}

function Save-UsageLog {
    # The usage log of a day into a folder; the path, or nothing where the service has none of that day.
    param ([datetime]$Day, [string]$Folder)

    # The service takes a local time and turns it into UTC: noon of UTC is in the day that is meant everywhere.
    $null = Get-AipServiceUserLog -Path $Folder -ForDate $Day.AddHours(12).ToLocalTime() -Force -ErrorAction Stop
    $name = $kinds.usage.Name -f $Day.ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture)
    $path = [IO.Path]::Combine($Folder, $name)
    if (-not [IO.File]::Exists($path)) {
        return
    }
    $reader = [IO.StreamReader]::new($path)
    try {
        $head = $reader.ReadLine()
    }
    finally {
        $reader.Dispose()
    }
    if ("$head" -notlike '#Software: RMS*') {
        throw "the service returned a file that starts with '$("$head".Substring(0, [Math]::Min(40, "$head".Length)))': expected a usage log (#Software: RMS)"
    }
    $path
}

function Save-AdminLog {
    # The admin log of a day into a folder, which may have no line.
    param ([datetime]$Day, [string]$Folder)

    $name = $kinds.admin.Name -f $Day.ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture)
    $path = [IO.Path]::Combine($Folder, $name)
    $range = @{ FromTime = $Day.ToLocalTime(); ToTime = $Day.AddDays(1).AddSeconds(-1).ToLocalTime() }
    $null = Get-AipServiceAdminLog -Path $path @range -Force -ErrorAction Stop
    if (-not [IO.File]::Exists($path)) {
        throw 'the service reported the log as written, and there is no file'
    }
    $path
}

function Invoke-ProtectionServiceLog {
    <#
    .SYNOPSIS
    Signs in, downloads the logs of the days that the folder lacks, and signs out. It signs in only when a file is missing. Fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    $option = $Module.Params
    $folder = $option.path
    if (-not [IO.Path]::IsPathRooted($folder) -or $folder.IndexOfAny([IO.Path]::GetInvalidPathChars()) -ge 0) {
        throw "path is '$folder': expected the full path of a folder on the host."
    }
    if ([IO.File]::Exists($folder)) {
        throw "path is '$folder': expected a folder, found a file."
    }
    $wanted = @(foreach ($day in Get-LogDay -Option $option) {
            foreach ($kind in $option.kinds | Sort-Object -Unique) {
                $name = $kinds[$kind].Name -f $day.ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture)
                $path = [IO.Path]::Combine($folder, $name)
                [pscustomobject]@{ Kind = $kind; Day = $day; Path = $path; Missing = $option.force -or -not [IO.File]::Exists($path) }
            }
        })
    $missing = @($wanted | Where-Object -FilterScript { $_.Missing })
    $Module.Result.files = @()
    $Module.Result.without_log = @()
    # Of a past day, whether the service has a usage log is known after the download only: check mode does not count those as a change.
    $Module.Result.missing = [string[]]@($missing | ForEach-Object -Process { $_.Path })
    if ($missing -and -not $Module.CheckMode) {
        Invoke-AipService -Option $option -Action { Save-ServiceLog -Module $Module -Missing $missing -Folder $folder }
    }
    elseif ($Module.CheckMode) {
        $Module.Result.changed = @($missing | Where-Object -FilterScript { $_.Kind -eq 'admin' }).Count -gt 0
    }
    $Module.Result.files = [string[]]@($wanted | Where-Object -FilterScript { [IO.File]::Exists($_.Path) } | ForEach-Object -Process { $_.Path })
}

function Save-ServiceLog {
    # The work between sign-in and sign-out. A file gets its name when all of it is there.
    param ($Module, [object[]]$Missing, [string]$Folder)

    $null = [IO.Directory]::CreateDirectory($Folder)
    $draft = [IO.Path]::Combine($Folder, "download-$([guid]::NewGuid())")
    $null = [IO.Directory]::CreateDirectory($draft)
    try {
        foreach ($item in $Missing) {
            try {
                $path = if ($item.Kind -eq 'usage') { Save-UsageLog -Day $item.Day -Folder $draft } else { Save-AdminLog -Day $item.Day -Folder $draft }
            }
            catch {
                throw "$($item.Path): $((Get-AipFailure -ErrorRecord $_).TrimEnd('.')). The days before are complete, and the next run goes on with this one."
            }
            if (-not $path) {
                $Module.Result.without_log += $item.Day.ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture)
                continue
            }
            if ([IO.File]::Exists($item.Path)) {
                if ([IO.File]::ReadAllText($item.Path) -ceq [IO.File]::ReadAllText($path)) {
                    continue
                }
                [IO.File]::Delete($item.Path)
            }
            [IO.File]::Move($path, $item.Path)
            $Module.Result.changed = $true
        }
    }
    finally {
        [IO.Directory]::Delete($draft, $true)
    }
}

Export-ModuleMember -Function Get-LogDay, Get-LogSpec, Invoke-ProtectionServiceLog
