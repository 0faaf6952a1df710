@{
    ModuleVersion        = '1.0.0.0'
    GUID                 = '5a1d3a5c-7d0f-4a0c-9d1f-0f3a9c0b6c1e'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'Winfleet.Computer.psm1'
    FunctionsToExport    = @('Restart-Computer', 'Stop-Computer')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
