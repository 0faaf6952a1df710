@{
    ModuleVersion        = '1.0.1.0'
    GUID                 = 'eb74e8da-9ae2-482a-a648-e96550fb8733'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'Microsoft.PowerShell.Archive.psm1'
    FunctionsToExport    = @('Expand-Archive')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
