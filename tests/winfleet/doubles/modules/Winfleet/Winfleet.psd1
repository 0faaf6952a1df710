@{
    ModuleVersion        = '1.0.0.0'
    GUID                 = '9d1f9f9b-39c5-43a0-8a7c-3f2f6d3f7f5e'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'Winfleet.psm1'
    FunctionsToExport    = @('Open-FleetFile', 'Save-FleetFile', 'Close-FleetFile', 'Use-FleetFile')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
