@{
    ModuleVersion        = '1.0'
    GUID                 = '6f0f1d5e-61a7-4b0f-8f7c-0a2b4cf1c6d1'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'Winfleet.Exchange.psm1'
    FunctionsToExport    = @('New-PSSession', 'Import-PSSession', 'Remove-PSSession')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
