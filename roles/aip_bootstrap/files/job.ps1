# Around every job: one at a time, and its result in a file that is there whole or not at all.
try { $running = New-Object -TypeName IO.FileStream -ArgumentList "$folder\running", 'Create', 'Write', 'None', 8, 'DeleteOnClose' }
catch [IO.IOException] { return }
try { $result = & $body } catch { $result = @{ error = $_.Exception.GetBaseException().Message } }
finally {
    [IO.File]::WriteAllText("$folder\result.part", (ConvertTo-Json -Compress -InputObject $result))
    [IO.File]::Move("$folder\result.part", "$folder\result")
    $running.Dispose()
}
