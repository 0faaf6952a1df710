<#
.SYNOPSIS
    Runs PSScriptAnalyzer over the collection's PowerShell. Ends with 1 when it finds something.
.DESCRIPTION
    For a Windows machine with the module PSScriptAnalyzer; the workflow `windows` calls it.
#>
[CmdletBinding()]
param()

$ErrorActionPreference = 'Stop'
$root = Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent
$analysis = @{
    Path = Join-Path -Path $root -ChildPath 'plugins'
    Recurse = $true
    Settings = Join-Path -Path $PSScriptRoot -ChildPath 'analyzer.psd1'
}
$found = @(Invoke-ScriptAnalyzer @analysis)
$found | Format-Table -AutoSize -Property Severity, RuleName, ScriptName, Line, Message | Out-String -Width 200
"PSScriptAnalyzer: $($found.Count) findings"
if ($found) {
    exit 1
}
