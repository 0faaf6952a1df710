# The engine comes without this module of Windows PowerShell. Expand-Archive only.

Set-StrictMode -Version 2.0

function Expand-Archive {
    [CmdletBinding(SupportsShouldProcess, DefaultParameterSetName = 'Path')]
    param(
        [Parameter(Mandatory, Position = 0, ParameterSetName = 'Path', ValueFromPipeline)] [string] $Path,
        [Parameter(Mandatory, ParameterSetName = 'LiteralPath', ValueFromPipelineByPropertyName)] [Alias('PSPath')] [string] $LiteralPath,
        [Parameter(Position = 1)] [string] $DestinationPath, [switch] $Force
    )
    process {
        $archive = if ($LiteralPath) { Convert-Path -LiteralPath $LiteralPath -ErrorAction Stop } else { Convert-Path -Path $Path -ErrorAction Stop }
        if ([IO.Path]::GetExtension($archive) -ne '.zip') {
            throw "$([IO.Path]::GetExtension($archive)) is not a supported archive file format. .zip is the only supported archive file format."
        }
        $target = if ($DestinationPath) { $DestinationPath } else { [IO.Path]::GetFileNameWithoutExtension($archive) }
        $target = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($target)
        if ($PSCmdlet.ShouldProcess($archive)) { [IO.Compression.ZipFile]::ExtractToDirectory($archive, $target, $Force.IsPresent) }
    }
}

Export-ModuleMember -Function Expand-Archive
