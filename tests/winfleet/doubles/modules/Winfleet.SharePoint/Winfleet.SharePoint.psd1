@{
    ModuleVersion        = '1.0'
    GUID                 = 'a1a3e1a2-7f5e-4d3c-9b16-33a1b7a0f1b4'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'Winfleet.SharePoint.psm1'
    FunctionsToExport    = @('Add-PSSnapin')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
