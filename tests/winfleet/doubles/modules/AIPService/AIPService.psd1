@{
    ModuleVersion        = '3.0.0.1'
    GUID                 = 'e338ccc0-3333-4479-87fe-66382d33782d'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'AIPService.psm1'
    FunctionsToExport    = @('*-AipService*')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
