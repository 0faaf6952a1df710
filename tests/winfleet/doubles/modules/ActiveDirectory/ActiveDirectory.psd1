@{
    ModuleVersion        = '1.0.1.0'
    GUID                 = '43c15630-959c-49e4-a977-758c5cc93408'
    CompatiblePSEditions = @('Core', 'Desktop')
    RootModule           = 'ActiveDirectory.psm1'
    FunctionsToExport    = @(
        'Get-ADRootDSE', 'Get-ADObject', 'Set-ADObject', 'Remove-ADObject', 'Rename-ADObject', 'Move-ADObject', 'Get-ADGroup', 'New-ADGroup', 'Set-ADGroup'
    )
    CmdletsToExport      = @()
    AliasesToExport      = @()
}
