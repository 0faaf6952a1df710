# Runs scripts that the tests send, one line each (base64 of JSON with script and case), and answers with a line each.
# The module utilities are loaded as ansible-core loads them: C# compiled in one go, each .psm1 a module of its own.
$ErrorActionPreference = 'Stop'
$folder = $PSScriptRoot

$addType = [scriptblock]::Create([IO.File]::ReadAllText("$folder\Ansible.ModuleUtils.AddType.psm1"))
New-Module -Name AddType -ScriptBlock $addType | Import-Module -Scope Global
$sources = @('Ansible.Basic.cs') + [IO.Directory]::GetFiles($folder, '_*.cs').ForEach({ [IO.Path]::GetFileName($_) }) | ForEach-Object -Process { [IO.File]::ReadAllText("$folder\$_") }
Add-CSharpType -References $sources
foreach ($file in @("$folder\WebRequest.psm1") + [IO.Directory]::GetFiles($folder, '_*.psm1')) {
    $name = [IO.Path]::GetFileNameWithoutExtension($file)
    $errors = $null
    $ast = [System.Management.Automation.Language.Parser]::ParseInput([IO.File]::ReadAllText($file), $name, [ref]$null, [ref]$errors)
    if ($errors) {
        throw "$($name): $($errors -join '; ')"
    }
    New-Module -Name $name -ScriptBlock $ast.GetScriptBlock() | Import-Module -Scope Global
}

# Tables as hashtables, as modules get them.
function ConvertTo-Table {
    param($Value)
    if ($Value -is [Collections.IDictionary]) {
        $table = @{}
        foreach ($key in $Value.Keys) { $table[$key] = ConvertTo-Table -Value $Value[$key] }
        return $table
    }
    if ($Value -is [object[]]) {
        $list = @(foreach ($one in $Value) { , (ConvertTo-Table -Value $one) })
        return , $list
    }
    $Value
}

# The fleet's PowerShell is 7, also where it says 5.1. replay.py starts this script with a real 5.1.
$isSeven = (Get-Command -Name ConvertFrom-Json).Parameters.ContainsKey('AsHashtable')

function ConvertFrom-Request {
    param($Text)
    if ($isSeven) {
        ConvertFrom-Json -InputObject $Text -AsHashtable # check51: ok, not in 5.1
    }
    else {
        Add-Type -AssemblyName System.Web.Extensions
        $serializer = [System.Web.Script.Serialization.JavaScriptSerializer]::new()
        $serializer.MaxJsonLength = [int]::MaxValue
        ConvertTo-Table -Value $serializer.DeserializeObject($Text)
    }
}

if (-not $isSeven) {
    # or ConvertTo-Json writes some lists as tables with Count and value
    Remove-TypeData -TypeName System.Array -ErrorAction Ignore
}

[Console]::Out.WriteLine('ready')
while ($line = [Console]::In.ReadLine()) {
    $request = ConvertFrom-Request -Text ([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($line)))
    $answer = try {
        @{ value = & ([scriptblock]::Create($request.script)) $request.case }
    }
    catch {
        @{ error = $_.Exception.Message; trace = "$($_.ScriptStackTrace)" }
    }
    $json = ConvertTo-Json -InputObject $answer -Depth 12 -Compress
    [Console]::Out.WriteLine([Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($json)))
}
