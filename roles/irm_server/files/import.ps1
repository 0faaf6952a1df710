# Hands the file in $text to reg.exe, for PowerShell 3.0. regedit's own files are in UTF-16, too.
$file = [IO.Path]::GetTempFileName()
[IO.File]::WriteAllText($file, $text, [Text.Encoding]::Unicode)
# reg.exe says on standard error that it succeeded
$ErrorActionPreference = 'Continue'
$null = & reg.exe import $file 2>&1
$code = $LASTEXITCODE
[IO.File]::Delete($file)
exit $code
