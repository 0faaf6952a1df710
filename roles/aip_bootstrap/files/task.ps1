# A job holds this file open; it goes when the job ends, however it ends. What a power failure leaves can be deleted.
function Test-Running {
    try { [IO.File]::Delete("$folder\running"); $false }
    catch [IO.DirectoryNotFoundException] { $false }
    catch { $true }
}

function Invoke-Schtasks {
    $ErrorActionPreference = 'Continue' # what a program writes to its error stream is no exception
    $output = & "$env:SystemRoot\System32\schtasks.exe" @args 2>&1 | Out-String
    if ($LASTEXITCODE) { throw "schtasks.exe $($args -join ' ') ended with ${LASTEXITCODE}: $output" }
    $output
}
