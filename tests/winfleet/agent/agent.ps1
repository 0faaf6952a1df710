# Started in a host's prefix by the supervisor; everything else is in the library.
Add-Type -LiteralPath C:\windows\winfleet\Winfleet.Agent.dll
[Winfleet.Agent]::Serve()
