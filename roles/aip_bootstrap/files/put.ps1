# Leaves the job in $job on the host. Below %SystemRoot% only administrators can write.
$null = [IO.Directory]::CreateDirectory($folder)
[IO.File]::WriteAllText($file, $job)
