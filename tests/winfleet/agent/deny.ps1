# The fault "deny_key": a rule that denies writing to everybody, put on the key beside its others, or taken from it.
function Set-KeyDenied {
    param([string] $Path, [bool] $Denied)
    $name = $Path -replace '^(Microsoft\.PowerShell\.Core\\Registry::)?(HKLM:|HKEY_LOCAL_MACHINE)\\', ''
    if ($name -eq $Path) { throw "$Path is not a key below HKLM:\" }
    $rights = [System.Security.AccessControl.RegistryRights]'ReadPermissions, ChangePermissions'
    $check = [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey($name, $check, $rights)
    if (-not $key) { throw "$Path does not exist" }
    try {
        $security = $key.GetAccessControl('Access')
        $everyone = [System.Security.Principal.SecurityIdentifier]::new('S-1-1-0')
        $rule = [System.Security.AccessControl.RegistryAccessRule]::new($everyone, 'SetValue, CreateSubKey, Delete', 'Deny')
        if ($Denied) { $security.AddAccessRule($rule) } else { [void] $security.RemoveAccessRule($rule) }
        $key.SetAccessControl($security)
    } finally { $key.Dispose() }
}
