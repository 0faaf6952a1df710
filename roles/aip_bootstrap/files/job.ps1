# Around every job: one at a time, and its result in a file that is there whole or not at all.
$options = [IO.FileMode]::Create, [IO.FileAccess]::Write, [IO.FileShare]::None, 8, [IO.FileOptions]::DeleteOnClose
try { $running = New-Object -TypeName IO.FileStream -ArgumentList (@("$folder\running") + $options) } catch [IO.IOException] { return }
try { $result = & $body } catch { $result = @{ error = $_.Exception.GetBaseException().Message } }
finally {
    [IO.File]::WriteAllText("$folder\result.part", (ConvertTo-Json -Compress -InputObject $result))
    [IO.File]::Move("$folder\result.part", "$folder\result")
    $running.Dispose()
}
