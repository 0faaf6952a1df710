# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The engine for desired registry values. New-RegistryValue checks what is wanted, Get-RegistryPlan compares it with the host
# (reading only), Invoke-RegistryPlan puts the plan into a module's result and carries it out unless in check mode.

using namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
using namespace Microsoft.Win32
using namespace System.Collections.Generic

#AnsibleRequires -CSharpUtil ..module_utils._Native
#AnsibleRequires -PowerShell ..module_utils._Receipt
#AnsibleRequires -PowerShell ..module_utils._RegistryData

function New-RegistryValue {
    <#
    .SYNOPSIS
    A desired value: an object for Get-RegistryPlan.

    .DESCRIPTION
    Throws an error that names the value and says what was expected.

    .PARAMETER Fits
    Equality by meaning: a script block that is given the value on the host (a RawValue or $null) and says whether it will do.

    .PARAMETER Raw
    What the value shall be to the byte, instead of Type and Data; $null for absent.
    #>
    [CmdletBinding(DefaultParameterSetName = 'Data')]
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Makes an object')]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string]
        $Path,

        [AllowEmptyString()]
        [string]
        $Name = '',

        [Parameter(ParameterSetName = 'Data')]
        [string]
        $Type = 'string',

        [Parameter(ParameterSetName = 'Data')]
        [AllowNull()]
        $Data,

        [Parameter(ParameterSetName = 'Data')]
        [ValidateSet('present', 'absent')]
        [string]
        $State = 'present',

        [int]
        $View = 64,

        [switch]
        $Sensitive,

        [scriptblock]
        $Fits,

        [Parameter(Mandatory = $true, ParameterSetName = 'Raw')]
        [AllowNull()]
        [RawValue]
        $Raw
    )

    $key = Resolve-RegistryPath -Path $Path -View $View
    if ($Name.Length -gt 16383 -or $Name.Contains([char]0)) {
        throw "$($key.Path): a value's name has $($Name.Length) characters: expected at most 16383, and no NUL"
    }
    $wanted = $Raw
    $exact = $PSCmdlet.ParameterSetName -eq 'Raw'
    if (-not $exact -and $State -eq 'present') {
        try {
            $wanted = ConvertTo-RegistryData -Type $Type -Data $Data
        }
        catch {
            $found = if ($null -eq $Data) { 'none' }
            elseif ($Sensitive) { 'something else' }
            elseif ($Data -is [ValueType]) { "$Data" }
            else { ConvertTo-Json -InputObject $Data -Compress }
            if ($found.Length -gt 100) {
                $found = $found.Substring(0, 100) + '...'
            }
            throw "$(Format-RegistryName -Key $key -Name $Name): the data does not fit the type $($Type): $($_.Exception.Message), found $found"
        }
    }
    [pscustomobject]@{
        Hive = $key.Hive
        SubKey = $key.SubKey
        View = $key.View
        Path = $key.Path
        Name = $Name
        Wanted = $wanted
        Exact = $exact
        Fits = $Fits
        Sensitive = [bool]$Sensitive
    }
}

function Open-RegistryKey {
    <#
    .SYNOPSIS
    The key, or $null when it does not exist. Throws when it is denied. To be disposed of by the caller.
    #>
    [CmdletBinding()]
    [OutputType([Microsoft.Win32.RegistryKey])]
    param (
        [Parameter(Mandatory = $true)]
        $Key,

        [switch]
        $Writable
    )

    $base = [RegistryKey]::OpenBaseKey($Key.Hive, "Registry$($Key.View)")
    try {
        $base.OpenSubKey($Key.SubKey, [bool]$Writable)
    }
    finally {
        $base.Dispose()
    }
}

function Read-RegistryValue {
    <#
    .SYNOPSIS
    Values of one key as RawValue, $null for those that do not exist, in the order of the names.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Path,

        [int]
        $View = 64,

        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string[]]
        $Name
    )

    $key = Open-RegistryKey -Key (Resolve-RegistryPath -Path $Path -View $View)
    foreach ($item in $Name) {
        if ($key) { [RawRegistry]::Read($key.Handle, $item) } else { $null }
    }
    if ($key) {
        $key.Dispose()
    }
}

function Get-MachineValue {
    <#
    .SYNOPSIS
    One value below HKEY_LOCAL_MACHINE as .NET gives it, or $null when there is none. Throws when the key is denied.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $SubKey,

        [Parameter(Mandatory = $true)]
        [AllowEmptyString()]
        [string]
        $Name,

        [int]
        $View = 64
    )

    $key = Open-RegistryKey -Key @{ Hive = 'LocalMachine'; SubKey = $SubKey; View = $View }
    $value = $null
    if ($key) {
        $value = $key.GetValue($Name)
        $key.Dispose()
    }
    # Whole, or binary data would be taken apart. (Write-Output -NoEnumerate of 5.1 does take it apart.)
    , $value
}

function Get-KeyId {
    <#
    .SYNOPSIS
    What tells a key from all others: its view, its hive and its path.
    #>
    param ($Key)

    "$($Key.View) $($Key.Hive)\$($Key.SubKey)"
}

function Get-InnerMessage {
    <#
    .SYNOPSIS
    What Windows said, without PowerShell's 'Exception calling ... with ... argument(s)'.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param (
        [Parameter(Mandatory = $true)]
        $ErrorRecord
    )

    $ErrorRecord.Exception.GetBaseException().Message
}

function Test-RegistryValue {
    <#
    .SYNOPSIS
    Whether a value will do for a desired one.

    .PARAMETER Wanted
    A desired value, see New-RegistryValue.

    .PARAMETER Current
    A RawValue, or $null for a value that does not exist.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param (
        [Parameter(Mandatory = $true)]
        $Wanted,

        [AllowNull()]
        [RawValue]
        $Current
    )

    if ($Wanted.Fits) { [bool](& $Wanted.Fits $Current) }
    elseif ($Wanted.Exact) { [RawValue]::Same($Current, $Wanted.Wanted) }
    else { [RawValue]::SameData($Current, $Wanted.Wanted) }
}

function Get-RegistryPlan {
    <#
    .SYNOPSIS
    What has to change on the host, found by reading only.

    .DESCRIPTION
    Opens each key once. Throws, naming the value, when the same value is wanted in two ways.

    .OUTPUTS
    An object with Changes (each with Hive, SubKey, View, Path, Name, Before and After as RawValue or $null, Sensitive), Count (the
    number of values compared), EmptyKeys (keys to remove, see Get-RestorePlan) and Unreadable (what, reason).

    .PARAMETER Purge
    Dictionaries with path, view, match, keep and sensitive: keys whose other values are removed.
    #>
    [CmdletBinding()]
    param (
        [AllowNull()]
        [AllowEmptyCollection()]
        [object[]]
        $Value,

        [AllowNull()]
        [AllowEmptyCollection()]
        [object[]]
        $Purge
    )

    $ignoreCase = [StringComparer]::OrdinalIgnoreCase
    $wanted = [Dictionary[string, object]]::new($ignoreCase)
    $order = [List[object]]::new()
    foreach ($item in $Value) {
        $id = "$(Get-KeyId -Key $item)`0$($item.Name)"
        $same = $null
        if (-not $wanted.TryGetValue($id, [ref]$same)) {
            $wanted[$id] = $item
            $order.Add($item)
        }
        elseif (-not [RawValue]::Same($same.Wanted, $item.Wanted)) {
            throw "$(Format-RegistryName -Key $item -Name $item.Name): the value is wanted twice, in two ways: expected one"
        }
        elseif ($item.Sensitive) {
            $same.Sensitive = $true
        }
    }
    $rules = @(foreach ($rule in $Purge) {
            try {
                $match = [regex]::new("$($rule.match)", 'IgnoreCase, CultureInvariant')
            }
            catch {
                throw "purge of '$($rule.path)': match '$($rule.match)' is no regular expression: $(Get-InnerMessage -ErrorRecord $_)"
            }
            @{
                Key = Resolve-RegistryPath -Path $rule.path -View $rule.view
                Match = $match
                Keep = [HashSet[string]]::new([string[]]@($rule.keep), $ignoreCase)
                Sensitive = $rule.sensitive
            }
        })

    $plan = [pscustomobject]@{
        Changes = [List[object]]::new()
        Count = $order.Count
        EmptyKeys = [List[object]]::new()
        Unreadable = [List[object]]::new()
    }
    $keys = [Dictionary[string, object]]::new($ignoreCase)
    try {
        foreach ($item in @($order) + @($rules | ForEach-Object -Process { $_.Key })) {
            $id = Get-KeyId -Key $item
            if (-not $keys.ContainsKey($id)) {
                $keys[$id] = $null
                try {
                    $keys[$id] = Open-RegistryKey -Key $item
                }
                catch {
                    $plan.Unreadable.Add(@{ what = Format-RegistryName -Key $item; reason = Get-InnerMessage -ErrorRecord $_ })
                }
            }
        }

        foreach ($item in $order) {
            $key = $keys[(Get-KeyId -Key $item)]
            $current = if ($key) { [RawRegistry]::Read($key.Handle, $item.Name) }
            if (-not (Test-RegistryValue -Wanted $item -Current $current)) {
                $plan.Changes.Add((New-Change -Value $item -Name $item.Name -Before $current -After $item.Wanted -Sensitive $item.Sensitive))
            }
        }

        foreach ($rule in $rules) {
            $id = Get-KeyId -Key $rule.Key
            $names = @(if ($keys[$id]) { $keys[$id].GetValueNames() })
            [Array]::Sort($names, [StringComparer]::Ordinal)
            foreach ($name in $names) {
                if ($wanted.ContainsKey("$id`0$name")) {
                    continue
                }
                $plan.Count++
                if (-not $rule.Match.IsMatch($name) -or $rule.Keep.Contains($name)) {
                    continue
                }
                # Another rule for the same key must not plan it again.
                $wanted["$id`0$name"] = $null
                $current = [RawRegistry]::Read($keys[$id].Handle, $name)
                $plan.Changes.Add((New-Change -Value $rule.Key -Name $name -Before $current -Sensitive $rule.Sensitive))
            }
        }
    }
    finally {
        foreach ($key in $keys.Values) {
            if ($key) {
                $key.Dispose()
            }
        }
    }
    $plan
}

function New-Change {
    param ($Value, [string]$Name, $Before, $After, $Sensitive)

    [pscustomobject]@{
        Hive = $Value.Hive
        SubKey = $Value.SubKey
        View = $Value.View
        Path = $Value.Path
        Name = $Name
        Before = $Before
        After = $After
        Sensitive = [bool]$Sensitive
    }
}

function ConvertTo-ChangeResult {
    <#
    .SYNOPSIS
    The changes of a plan as modules return them.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyCollection()]
        [object]
        $Change
    )

    $list = [List[object]]::new()
    foreach ($item in $Change) {
        $list.Add([ordered]@{
                path = $item.Path
                name = $item.Name
                view = $item.View
                before = ConvertTo-ValueResult -Value $item.Before -Sensitive:$item.Sensitive
                after = ConvertTo-ValueResult -Value $item.After -Sensitive:$item.Sensitive
            })
    }
    , $list
}

function Get-RegistryDiff {
    <#
    .SYNOPSIS
    The plan as a diff of two texts: one line for each value that differs, sorted.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Plan
    )

    $lines = [SortedDictionary[string, string[]]]::new([StringComparer]::Ordinal)
    foreach ($item in $Plan.Changes) {
        $name = if ($item.Name) { "`"$($item.Name)`"" } else { '(default)' }
        $name = [regex]::Replace($name, '\p{Cc}', { '\u{0:x4}' -f [int][char]$args[0].Value })
        $label = "$(Format-RegistryName -Key $item) $name = "
        if ($item.Sensitive) {
            $old = if ($item.Before) { "$(Get-RegistryTypeName -Value $item.Before) (sensitive, as it was)" } else { '(absent)' }
            $new = if ($item.After) { "$(Get-RegistryTypeName -Value $item.After) (sensitive, as wanted)" } else { '(absent)' }
        }
        else {
            $old = Format-RegistryData -Value $item.Before
            $new = Format-RegistryData -Value $item.After
        }
        $lines[$label] = ($label + $old), ($label + $new)
    }
    foreach ($key in $Plan.EmptyKeys) {
        $label = "$(Format-RegistryName -Key $key) "
        $lines[$label] = "$label(empty key)", "$label(absent)"
    }
    @{
        before = -join ($lines.Values | ForEach-Object -Process { $_[0] + "`n" })
        after = -join ($lines.Values | ForEach-Object -Process { $_[1] + "`n" })
        before_header = 'registry'
        after_header = 'registry'
    }
}

function Get-MissingKey {
    <#
    .SYNOPSIS
    The keys that have to be made for a key to exist, from the top, and the deepest one above them that exists.
    #>
    param ($Key)

    $missing = [List[object]]::new()
    $subKey = $Key.SubKey
    while ($true) {
        $candidate = [pscustomobject]@{
            Hive = $Key.Hive
            SubKey = $subKey
            View = $Key.View
            Path = $Key.Path.Substring(0, $Key.Path.Length - $Key.SubKey.Length + $subKey.Length)
        }
        $open = Open-RegistryKey -Key $candidate
        if ($open) {
            $open.Dispose()
            return @{ Parent = $candidate; Missing = $missing }
        }
        $missing.Insert(0, $candidate)
        $cut = $subKey.LastIndexOf([char]'\')
        if ($cut -lt 0) {
            return @{ Parent = $null; Missing = $missing }
        }
        $subKey = $subKey.Substring(0, $cut)
    }
}

function Set-RawRegistryValue {
    <#
    .SYNOPSIS
    Writes or deletes one value of an open key and returns what the registry then holds.
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Inner function')]
    param ($Key, [string]$Name, $Value)

    if ($null -eq $Value) {
        [RawRegistry]::Delete($Key.Handle, $Name)
    }
    else {
        [RawRegistry]::Write($Key.Handle, $Name, $Value)
    }
    [RawRegistry]::Read($Key.Handle, $Name)
}

function Remove-EmptyRegistryKey {
    <#
    .SYNOPSIS
    Removes a key that has neither values nor subkeys. Returns why not, or nothing when it is gone.
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '', Justification = 'Inner function')]
    param ($Key)

    try {
        $open = Open-RegistryKey -Key $Key
        if (-not $open) {
            return
        }
        $empty = $open.ValueCount -eq 0 -and $open.SubKeyCount -eq 0
        $open.Dispose()
        if (-not $empty) {
            return 'the key is not empty'
        }
        $base = [RegistryKey]::OpenBaseKey($Key.Hive, "Registry$($Key.View)")
        try {
            $base.DeleteSubKey($Key.SubKey, $false)
        }
        finally {
            $base.Dispose()
        }
    }
    catch {
        Get-InnerMessage -ErrorRecord $_
    }
}

function Undo-RegistryWrite {
    <#
    .SYNOPSIS
    Undoes what was written, newest first. Returns a line for each thing that could not be undone.
    #>
    param ($Step)

    for ($i = $Step.Count - 1; $i -ge 0; $i--) {
        $item = $Step[$i]
        if ($item.NewKey) {
            $reason = Remove-EmptyRegistryKey -Key $item.NewKey
            if ($reason) {
                "$(Format-RegistryName -Key $item.NewKey): $reason"
            }
            continue
        }
        $change = $item.Change
        $name = Format-RegistryName -Key $change -Name $change.Name
        try {
            $current = [RawRegistry]::Read($item.Key.Handle, $change.Name)
            if ([RawValue]::Same($current, $change.Before)) {
                continue
            }
            if (-not [RawValue]::Same($current, $change.After) -and -not ($item.Seen -and [RawValue]::Same($current, $item.Seen[0]))) {
                "$($name): somebody else has changed it since, so it was left as it is"
                continue
            }
            $current = Set-RawRegistryValue -Key $item.Key -Name $change.Name -Value $change.Before
            if (-not [RawValue]::Same($current, $change.Before)) {
                "$($name): it reads back differently from what was written"
            }
        }
        catch {
            "$($name): $(Get-InnerMessage -ErrorRecord $_)"
        }
    }
}

function Write-RegistryPlan {
    <#
    .SYNOPSIS
    Carries out a plan: receipt, writes in the plan's order, each read back; all or nothing.

    .DESCRIPTION
    Opens every key before the first write, so that a denied one is found while nothing has been written. When a write fails,
    undoes the earlier ones and throws with every path and reason. When something could not be undone, the exception's Data has the
    path of the receipt as 'receipt'.

    .OUTPUTS
    An object with Receipt (its path, or $null) and Kept (keys that were to be removed and could not be: path, view, name, reason).
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Plan,

        [Parameter(Mandatory = $true)]
        [string]
        $Source
    )

    $keys = [Dictionary[string, object]]::new([StringComparer]::OrdinalIgnoreCase)
    $newKeys = [Dictionary[string, object]]::new([StringComparer]::OrdinalIgnoreCase)
    $newKeyOrder = [List[object]]::new()
    $steps = [List[object]]::new()
    $receipt = $null
    try {
        $denied = [List[string]]::new()
        foreach ($change in $Plan.Changes) {
            $id = Get-KeyId -Key $change
            if ($keys.ContainsKey($id)) {
                continue
            }
            $keys[$id] = $null
            $culprit = $change
            try {
                $keys[$id] = Open-RegistryKey -Key $change -Writable
                if (-not $keys[$id] -and $null -ne $change.After) {
                    $found = Get-MissingKey -Key $change
                    foreach ($key in $found.Missing) {
                        if (-not $newKeys.ContainsKey((Get-KeyId -Key $key))) {
                            $newKeys[(Get-KeyId -Key $key)] = $key
                            $newKeyOrder.Add($key)
                        }
                    }
                    if ($found.Parent) {
                        $culprit = $found.Parent
                        (Open-RegistryKey -Key $culprit -Writable).Dispose()
                    }
                }
            }
            catch {
                $denied.Add("$(Format-RegistryName -Key $culprit): $(Get-InnerMessage -ErrorRecord $_)")
            }
        }
        if ($denied.Count) {
            throw "Cannot open for writing, so nothing was written: $(($denied | Select-Object -Unique) -join '; ')"
        }

        if ($Plan.Changes.Count) {
            $receipt = New-Receipt -Change $Plan.Changes -NewKey $newKeyOrder -Source $Source
        }

        $change = $null
        try {
            foreach ($change in $Plan.Changes) {
                $id = Get-KeyId -Key $change
                if (-not $keys[$id]) {
                    foreach ($key in (Get-MissingKey -Key $change).Missing) {
                        # One level at a time: a failure below would leave the levels above behind.
                        $base = [RegistryKey]::OpenBaseKey($key.Hive, "Registry$($key.View)")
                        try {
                            $base.CreateSubKey($key.SubKey).Dispose()
                        }
                        finally {
                            $base.Dispose()
                        }
                        $steps.Add(@{ NewKey = $key })
                    }
                    # Made just now, or above for a key below it.
                    $keys[$id] = Open-RegistryKey -Key $change -Writable
                }
                $step = @{ Key = $keys[$id]; Change = $change; Seen = $null }
                $steps.Add($step)
                $seen = Set-RawRegistryValue -Key $step.Key -Name $change.Name -Value $change.After
                $step.Seen = , $seen
                if (-not [RawValue]::Same($seen, $change.After)) {
                    $what = if ($change.Sensitive) { '' } else { ": expected $(Format-RegistryData -Value $change.After), found $(Format-RegistryData -Value $seen)" }
                    throw "it reads back differently from what was written$what"
                }
            }
        }
        catch {
            $reason = "$(Format-RegistryName -Key $change -Name $change.Name): $((Get-InnerMessage -ErrorRecord $_).TrimEnd('.'))"
            $left = @(Undo-RegistryWrite -Step $steps)
            if ($left.Count) {
                $problem = [InvalidOperationException]::new(
                    "$reason. Undoing what had been written failed for: $($left -join '; '). The receipt $receipt has the values as they were.")
                $problem.Data['receipt'] = $receipt
                throw $problem
            }
            # Nothing of it happened, so restoring the newest receipt must mean the one before.
            Remove-Item -LiteralPath $receipt -Force -ErrorAction SilentlyContinue
            throw "$reason. Everything that had been written was undone."
        }
    }
    finally {
        foreach ($key in $keys.Values) {
            if ($key) {
                $key.Dispose()
            }
        }
    }

    $kept = @(foreach ($key in $Plan.EmptyKeys) {
            $reason = Remove-EmptyRegistryKey -Key $key
            if ($reason) {
                [ordered]@{ path = $key.Path; view = $key.View; name = $null; reason = $reason }
            }
        })
    [pscustomobject]@{ Receipt = $receipt; Kept = $kept }
}

function Invoke-RegistryPlan {
    <#
    .SYNOPSIS
    Puts a plan into the result of a module and carries it out, unless in check mode.

    .DESCRIPTION
    Sets changed, changes, receipt and the diff. Throws when a key cannot be read or the plan fails. Returns keys that were kept.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module,

        [Parameter(Mandatory = $true)]
        $Plan
    )

    if ($Plan.Unreadable.Count) {
        throw "Cannot read, so nothing was written: $(($Plan.Unreadable | ForEach-Object -Process { "$($_.what): $($_.reason)" }) -join '; ')"
    }
    $Module.Result.changes = ConvertTo-ChangeResult -Change $Plan.Changes
    $Module.Result.receipt = $null
    if ($Module.DiffMode) {
        $diff = Get-RegistryDiff -Plan $Plan
        foreach ($part in $diff.Keys) {
            $Module.Diff[$part] = $diff[$part]
        }
    }
    if (($Plan.Changes.Count -or $Plan.EmptyKeys.Count) -and -not $Module.CheckMode) {
        try {
            $done = Write-RegistryPlan -Plan $Plan -Source ($Module.ModuleName -split '\.')[-1]
        }
        catch {
            if ($_.Exception.Data['receipt']) {
                # Something of it stays written.
                $Module.Result.receipt = $_.Exception.Data['receipt']
                $Module.Result.changed = $true
            }
            throw
        }
        $Module.Result.receipt = $done.Receipt
        $done.Kept
    }
    $Module.Result.changed = [bool]($Plan.Changes.Count -or $Plan.EmptyKeys.Count)
}

$export = @{
    Function = @(
        'ConvertTo-ChangeResult'
        'Get-InnerMessage'
        'Get-KeyId'
        'Get-MachineValue'
        'Get-RegistryDiff'
        'Get-RegistryPlan'
        'Invoke-RegistryPlan'
        'New-RegistryValue'
        'Open-RegistryKey'
        'Read-RegistryValue'
        'Test-RegistryValue'
        'Write-RegistryPlan'
    )
}
Export-ModuleMember @export
