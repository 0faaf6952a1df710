# The engine lacks Security.types.ps1xml, which gives what Get-Acl returns its Path, Owner, Group, Access and Sddl.
Update-TypeData -AppendPath (Join-Path $PSScriptRoot Acl.types.ps1xml) -ErrorAction Ignore
