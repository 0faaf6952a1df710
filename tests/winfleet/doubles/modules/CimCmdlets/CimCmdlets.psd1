@{
    ModuleVersion        = '1.0.0.0'
    GUID                 = 'fb6cc51d-c096-4b38-b78d-0fed6277096a'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'CimCmdlets.psm1'
    FunctionsToExport    = @('Get-CimInstance', 'Get-CimClass', 'Invoke-CimMethod', 'New-CimInstance', 'New-CimSession', 'Remove-CimSession')
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
