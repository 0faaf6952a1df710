@{
    ModuleVersion        = '1.0.0.0'
    GUID                 = 'f6cb8e4c-2b1a-4b6b-8f3c-6c1d6f6a1b57'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'PKI.psm1'
    FunctionsToExport    = @('Get-PfxData', 'Import-PfxCertificate')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
