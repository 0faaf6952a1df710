# What Windows PowerShell 5.1 and .NET Framework lack, from check51.json, as tables that ignore case. $Framework is check51.ps1's.
#
# check51.json holds words separated by blanks. "Name=4.6" is a thing that .NET Framework has since that version; "Name" alone it never
# had. A member is "i:Name" or "s:Name" (instance, static), "/2" after it one overload with that many arguments.
using namespace System.Collections.Generic

function New-Table { [hashtable]::new([StringComparer]::OrdinalIgnoreCase) }

function ConvertTo-Table($Words) {
    $table = New-Table
    foreach ($word in $Words.Split(' ')) { $table[$word] = $true }
    $table
}

# Adds the words to the table, each with the reason why a host does not have it; what the oldest framework has is left out.
function Add-Lacking($Table, $Prefix, $Words) {
    foreach ($word in $Words.Split(' ')) {
        $name, $since = $word.Split('=')
        if (-not $since) {
            $Table[$Prefix + $name] = 'no .NET Framework has'
        } elseif ([version]$since -gt $Framework) {
            $Table[$Prefix + $name] = ".NET Framework has only since $since"
        }
    }
}

$data = [IO.File]::ReadAllText("$PSScriptRoot\check51.json") | ConvertFrom-Json -AsHashtable

$newAccelerators = ConvertTo-Table $data.accelerators
$newCommands = ConvertTo-Table $data.commands
$newMethodNames = ConvertTo-Table $data.names
$newParameters = New-Table
foreach ($command in $data.parameters.Keys) { $newParameters[$command] = ConvertTo-Table $data.parameters[$command] }

$newTypes = New-Table
foreach ($namespace in $data.types.Keys) {
    Add-Lacking $newTypes $(if ($namespace) { "$namespace." } else { '' }) $data.types[$namespace]
}
$newPowerShellTypes = @(
    'ArgumentCompleterFactoryAttribute', 'ArgumentCompletionsAttribute', 'ExperimentAction', 'ExperimentalAttribute', 'ExperimentalFeature',
    'IValidateSetValuesGenerator', 'Language.NoRunspaceAffinityAttribute', 'Language.PipelineChainAst', 'Language.TernaryExpressionAst',
    'OutputRendering', 'Platform', 'PSStyle', 'Runspaces.SSHConnectionInfo', 'SemanticVersion', 'ValidateNotNullOrWhiteSpaceAttribute'
)
foreach ($name in $newPowerShellTypes) { $newTypes["System.Management.Automation.$name"] = 'Windows PowerShell has not' }

# Type -> its words; Find-NewMember turns them into a table when a type is first asked for (there are some 400).
$newMembers = [Dictionary[string, object]]::new()
foreach ($type in $data.members.Keys) { $newMembers[$type] = $data.members[$type] }

# Types that .NET Framework keeps in an assembly which 5.1 does not load by itself.
$assemblyOf = New-Table
foreach ($assembly in $data.assemblies.Keys) {
    foreach ($type in $data.assemblies[$assembly].Split(' ')) { $assemblyOf[$type] = $assembly }
}

# Without strict mode an unknown variable is false: a warning where that is what is meant.
$newVariables = New-Table
foreach ($name in 'IsWindows', 'IsLinux', 'IsMacOS', 'IsCoreCLR') { $newVariables[$name] = 'warning' }
$preferences = 'EnabledExperimentalFeatures', 'PSNativeCommandArgumentPassing', 'PSNativeCommandUseErrorActionPreference', 'PSStyle'
foreach ($name in $preferences) { $newVariables[$name] = 'error' }

$aliases = New-Table
foreach ($alias in Get-Alias) { $aliases[$alias.Name] = $alias.Definition }
