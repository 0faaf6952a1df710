# cached.ps1 SCRIPT ARGUMENT...: runs a script of ansible-test, which compiles Ansible.Basic for each module. The fleet's agent keeps what was compiled.
Add-Type -LiteralPath C:\windows\winfleet\Winfleet.Agent.dll
[Winfleet.CompileCache]::Install()
$script = $args[0]
$arguments = @($args | Select-Object -Skip 1)
& $script @arguments
exit $LASTEXITCODE
