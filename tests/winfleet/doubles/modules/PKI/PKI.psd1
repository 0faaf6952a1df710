@{
    ModuleVersion        = '1.0.0.0'
    GUID                 = 'd2a5c9f1-6d0c-4f4b-9b5e-7a1f4c1d2e30'
    CompatiblePSEditions = 'Core', 'Desktop'
    RootModule           = 'PKI.psm1'
    FunctionsToExport    = 'Import-PfxCertificate'
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
