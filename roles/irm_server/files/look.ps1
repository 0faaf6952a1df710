# What an Exchange server without Windows PowerShell 5.1 has, for PowerShell 3.0; short, since cmd.exe takes 8191 characters, encoded.
# $keys are below SOFTWARE\Microsoft. Test-ExchangeServer stands before this text. What the values mean is decided on the controller.

# The rule of _Product.psm1, except that an entry of Windows Installer counts unverified: an entry with this name, and its setup or its program.
function Test-Connector ($Entry) {
    $setup = "$($Entry.GetValue('BundleCachePath'))"
    if (-not $setup) { $setup = "$($Entry.GetValue('UninstallString'))" -replace '^\s*(?:"([^"]+)"|(\S+)).*$', '$1$2' }
    "$($Entry.GetValue('DisplayName'))" -match '^Microsoft Rights Management connector(?: Setup| \([^)]*\)| [0-9][0-9.]*)?$' -and
    ($Entry.GetValue('WindowsInstaller') -eq 1 -or [IO.File]::Exists($setup) -or
        [IO.File]::Exists("$env:ProgramFiles\Microsoft Rights Management connector\Web Service\web.config"))
}

$setup = Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\ExchangeServer\v15\Setup' -ErrorAction SilentlyContinue
$values = @(foreach ($path in $keys) {
        $key = Get-Item -LiteralPath "HKLM:\$path" -ErrorAction SilentlyContinue
        foreach ($name in @($(if ($key) { $key.GetValueNames() }))) { @{ key = $path; name = $name; data = "$($key.GetValue($name))" } }
    })
$library = "$env:SystemRoot\System32\msdrm.dll"
$file = if (Test-Path -LiteralPath $library) { [Diagnostics.FileVersionInfo]::GetVersionInfo($library) }
# Not all values of a program: Get-ItemProperty ends with an error where one of them is malformed, as some installers write it
$programs = 'SOFTWARE', 'SOFTWARE\WOW6432Node' |
    ForEach-Object { Get-ChildItem -LiteralPath "HKLM:\$_\Microsoft\Windows\CurrentVersion\Uninstall" -ErrorAction SilentlyContinue }
ConvertTo-Json -Compress -InputObject @{
    exchange = if (Test-ExchangeServer v15) { $setup.MsiProductMajor, $setup.MsiProductMinor, $setup.MsiBuildMajor -join '.' } else { 'none' }
    connector = @($programs | Where-Object { Test-Connector $_ }).Count -gt 0
    # Numbers, since the text of a file's version is whatever its maker wrote
    msdrm = if ($file) { $file.FileMajorPart, $file.FileMinorPart, $file.FileBuildPart, $file.FilePrivatePart -join '.' } else { 'none' }
    values = $values
}
