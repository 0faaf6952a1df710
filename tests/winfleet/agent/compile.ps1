# Run once in the template: compiles the agent, which then only has to be loaded.
param([string] $Source, [string] $Target)
$ErrorActionPreference = 'Stop'
foreach ($library in 'Agent', 'Startup', 'Directory', 'Sql') {
    $files = @(Get-ChildItem -LiteralPath (Join-Path $Source $library) -Filter *.cs | ForEach-Object FullName)
    $arguments = @{
        LiteralPath          = $files
        OutputAssembly       = Join-Path $Target "Winfleet.$library.dll"
        OutputType           = 'Library'
        ReferencedAssemblies = @('System.Management.Automation', 'Microsoft.CodeAnalysis', 'Microsoft.CodeAnalysis.CSharp' | ForEach-Object { "$PSHOME\$_.dll" }) + @(Get-ChildItem -LiteralPath "$PSHOME\ref" -Filter *.dll | ForEach-Object FullName)
        IgnoreWarnings       = $true
    }
    Add-Type @arguments
}
