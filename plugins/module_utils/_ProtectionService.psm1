# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The settings of a tenant of the protection service: how each is read, compared and written, and the receipt that restores them.

#AnsibleRequires -PowerShell ..module_utils._AipService
#AnsibleRequires -PowerShell ..module_utils._ProtectionServiceTemplate
#AnsibleRequires -PowerShell ..module_utils._Receipt
#AnsibleRequires -PowerShell ..module_utils._ReceiptReader
#AnsibleRequires -PowerShell ..module_utils._ProtectionServiceAdministrator

$folderName = 'protection_service'
$source = 'protection_service'
$receiptSchema = 1
$none = 'none'
$platforms = [ordered]@{
    android = 'Android'
    ios = 'iOS'
    mac = 'Mac'
    web = 'Web'
    windows = 'Windows'
    windows_phone = 'WindowsPhone'
    windows_store = 'WindowsStore'
}
$scopes = @{ all = 'All'; mobile_app = 'MobileApp'; windows_app = 'WindowsApp' }
# Reads after a write, while the service still shows the previous value, and the seconds between them.
$readBacks = 6
$readBackPause = 2

# The settings in the order in which they are written. Value: what Read returns, and the receipt keeps. The other parts:
#   Wanted   the value by the options, $null where the setting is not managed. Gets the options, the value as it is, and the tenant.
#   Key      what counts when two values are compared; by default the value.
#   Write    writes a value. Gets the value and the one before.
$settings = [ordered]@{
    activated = @{
        Read = { ConvertFrom-ServiceState -Value (Get-AipService -ErrorAction Stop) }
        Wanted = { param ($option) $option.activated }
        Write = { param ($value) if ($value) { Enable-AipService -ErrorAction Stop } else { Disable-AipService -ErrorAction Stop } }
    }
    onboarding = @{
        Read = { Read-OnboardingPolicy }
        Wanted = { param ($option, $value) Get-WantedOnboarding -Option $option -Value $value }
        # A policy that covers all users has no scope, and the service need not return one.
        Key = { param ($value) if ($value.licensed_only -or $value.group) { "$($value.licensed_only) $($value.group) $($value.scope)" } else { 'everybody' } }
        Write = { param ($value) Write-OnboardingPolicy -Value $value }
    }
    super_user_feature = @{
        Read = { ConvertFrom-ServiceState -Value (Get-AipServiceSuperUserFeature -ErrorAction Stop) }
        Wanted = { param ($option) $option.super_user_feature }
        Write = {
            param ($value)
            if ($value) { Enable-AipServiceSuperUserFeature -ErrorAction Stop } else { Disable-AipServiceSuperUserFeature -ErrorAction Stop }
        }
    }
    super_users = @{
        Read = { , @(Get-AipServiceSuperUser -ErrorAction Stop | ForEach-Object -Process { [string]$_ } | Sort-Object) }
        Wanted = { param ($option, $value, $tenant) Get-WantedSuperUser -Option $option -Value $value -Tenant $tenant }
        Key = { param ($value) @($value | ForEach-Object -Process { Get-SuperUserKey -Name $_ } | Sort-Object) -join ' ' }
        Write = { param ($value, $before) Write-SuperUser -Value $value -Before $before }
    }
    super_user_group = @{
        Read = { [string](Get-AipServiceSuperUserGroup -ErrorAction Stop) }
        Wanted = { param ($option) Get-WantedGroup -Option $option -Name super_user_group }
        Write = {
            param ($value)
            if ($value) { Set-AipServiceSuperUserGroup -GroupEmailAddress $value -ErrorAction Stop } else { Clear-AipServiceSuperUserGroup -ErrorAction Stop }
        }
    }
    document_tracking = @{
        Read = { ConvertFrom-ServiceState -Value (Get-AipServiceDocumentTrackingFeature -ErrorAction Stop) }
        Wanted = { param ($option) $option.document_tracking }
        Write = {
            param ($value)
            if ($value) { Enable-AipServiceDocumentTrackingFeature -Force -ErrorAction Stop }
            else { Disable-AipServiceDocumentTrackingFeature -Force -ErrorAction Stop }
        }
    }
    do_not_track_group = @{
        Read = { [string](Get-AipServiceDoNotTrackUserGroup -ErrorAction Stop) }
        Wanted = { param ($option) Get-WantedGroup -Option $option -Name do_not_track_group }
        Write = {
            param ($value)
            if ($value) { Set-AipServiceDoNotTrackUserGroup -GroupEmailAddress $value -ErrorAction Stop }
            else { Clear-AipServiceDoNotTrackUserGroup -ErrorAction Stop }
        }
    }
    device_platforms = @{
        Read = { Read-DevicePlatform }
        Wanted = { param ($option, $value) Get-WantedPlatform -Option $option -Value $value }
        Key = { param ($value) @($platforms.Keys | ForEach-Object -Process { "$_=$($value[$_])" }) -join ' ' }
        Write = { param ($value, $before) Write-DevicePlatform -Value $value -Before $before }
    }
    max_use_license_days = @{
        Read = { [int](Get-AipServiceMaxUseLicenseValidityTime -ErrorAction Stop) }
        Wanted = { param ($option) $option.max_use_license_days }
        Write = { param ($value) Set-AipServiceMaxUseLicenseValidityTime -MaxUseLicenseValidityTime $value -Force -ErrorAction Stop }
    }
    ipcv3 = @{
        Read = { ConvertFrom-ServiceState -Value (Get-AipServiceIPCv3 -ErrorAction Stop) }
        Wanted = { param ($option) $option.ipcv3 }
        Write = { param ($value) if ($value) { Enable-AipServiceIPCv3 -ErrorAction Stop } else { Disable-AipServiceIPCv3 -ErrorAction Stop } }
    }
}

function Get-ProtectionServiceSpec {
    <#
    .SYNOPSIS
    The options of the module protection_service, without those that sign in.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            activated = @{ type = 'bool' }
            ad_rms_deployed = @{ type = 'bool' }
            onboarding_licensed_only = @{ type = 'bool' }
            onboarding_group = @{ type = 'str' }
            onboarding_scope = @{ type = 'str'; choices = 'all', 'mobile_app', 'windows_app' }
            super_user_feature = @{ type = 'bool' }
            super_users = @{ type = 'list'; elements = 'str' }
            super_users_exact = @{ type = 'bool'; default = $false }
            super_user_group = @{ type = 'str' }
            document_tracking = @{ type = 'bool' }
            do_not_track_group = @{ type = 'str' }
            enabled_platforms = @{ type = 'list'; elements = 'str'; choices = @($platforms.Keys) }
            disabled_platforms = @{ type = 'list'; elements = 'str'; choices = @($platforms.Keys) }
            max_use_license_days = @{ type = 'int' }
            ipcv3 = @{ type = 'bool' }
            details = @{ type = 'bool'; default = $false }
            restore = @{ type = 'str' }
            force = @{ type = 'list'; elements = 'str'; choices = 'activation', 'deactivation', 'restore'; default = @() }
        }
    }
}

function ConvertFrom-ServiceState {
    # Microsoft documents Enabled and Disabled for some cmdlets, and nothing for others.
    param ($Value)

    switch -Regex ("$Value".Trim()) {
        '^(?:Enabled|True)$' { return $true }
        '^(?:Disabled|False)$' { return $false }
    }
    throw "the service returned '$Value': expected Enabled or Disabled"
}

function Read-OnboardingPolicy {
    $policy = Get-AipServiceOnboardingControlPolicy -ErrorAction Stop
    # Microsoft's migration guide calls the first property License.
    $licensed = 'UseRmsUserLicense', 'License' | Where-Object -FilterScript { $policy.PSObject.Properties[$_] } | Select-Object -First 1
    if (-not $licensed) {
        throw 'the service returned a policy without UseRmsUserLicense'
    }
    $group = "$($policy.SecurityGroupObjectId)"
    $scope = "$($policy.Scope)"
    [ordered]@{
        licensed_only = ConvertFrom-ServiceState -Value $policy.$licensed
        group = if ($group -eq [guid]::Empty) { '' } else { $group }
        scope = [string]($scopes.Keys | Where-Object -FilterScript { $scopes[$_] -eq $scope })
    }
}

function Get-WantedOnboarding {
    param ($Option, $Value)

    $given = 'onboarding_licensed_only', 'onboarding_group', 'onboarding_scope' | Where-Object -FilterScript { $null -ne $Option[$_] }
    if (-not $given) {
        return
    }
    $group = $Option.onboarding_group
    if ($group -and $group -ne $none) {
        $group = [string](ConvertTo-Guid -Name onboarding_group -Text $group)
    }
    if ($null -eq $Value) {
        $Value = @{ licensed_only = $false; group = ''; scope = '' }
    }
    [ordered]@{
        licensed_only = if ($null -ne $Option.onboarding_licensed_only) { $Option.onboarding_licensed_only } else { $Value.licensed_only }
        group = if (-not $group) { $Value.group } elseif ($group -eq $none) { '' } else { $group }
        scope = if ($Option.onboarding_scope) { $Option.onboarding_scope } elseif ($Value.scope) { $Value.scope } else { 'all' }
    }
}

function Write-OnboardingPolicy {
    param ($Value)

    $parameter = @{ UseRmsUserLicense = [bool]$Value.licensed_only; Scope = $scopes[$(if ($Value.scope) { $Value.scope } else { 'all' })] }
    if ($Value.group) {
        $parameter.SecurityGroupObjectId = [guid]$Value.group
    }
    Set-AipServiceOnboardingControlPolicy @parameter -Force -ErrorAction Stop
}

function Get-SuperUserKey {
    # A service principal is named by its id, and shown as <id>@<tenant>.aipservice.<region>.aadrm.com.
    param ([string]$Name)

    ($Name -replace '^([0-9a-f-]{36})@[^@]+\.aipservice\.[^@]+$', '$1').ToLowerInvariant()
}

function Get-WantedSuperUser {
    param ($Option, $Value, $Tenant)

    if ($null -eq $Option.super_users) {
        return
    }
    $guid = [guid]::Empty
    $current = @{}
    foreach ($name in $Value) {
        $current[(Get-SuperUserKey -Name $name)] = $name
    }
    $wanted = [ordered]@{}
    foreach ($given in $Option.super_users) {
        $text = $given.Trim()
        $isId = [guid]::TryParse($text, [ref]$guid)
        if (-not $isId -and $text -notmatch '^[^@\s]+@[^@\s]+$') {
            throw "super_users has '$text': expected an address such as name@example.com, or the id of a service principal."
        }
        $key = Get-SuperUserKey -Name $(if ($isId) { [string]$guid } else { $text })
        $wanted[$key] = if ($current.ContainsKey($key)) { $current[$key] }
        elseif ($isId) { "$guid@$("$($Tenant.url)" -replace '^https://' -replace '\.rms\.', '.aipservice.')" }
        else { $text }
    }
    if (-not $Option.super_users_exact) {
        foreach ($key in $current.Keys) {
            $wanted[$key] = $current[$key]
        }
    }
    , @($wanted.Values | Sort-Object)
}

function Write-SuperUser {
    param ($Value, $Before)

    $keys = @($Before | ForEach-Object -Process { Get-SuperUserKey -Name $_ })
    $wanted = @($Value | ForEach-Object -Process { Get-SuperUserKey -Name $_ })
    $guid = [guid]::Empty
    foreach ($name in $Value) {
        $key = Get-SuperUserKey -Name $name
        if ($keys -contains $key) {
            continue
        }
        $parameter = if ([guid]::TryParse($key, [ref]$guid)) { @{ ServicePrincipalId = $key } } else { @{ EmailAddress = $name } }
        Add-AipServiceSuperUser @parameter -ErrorAction Stop
    }
    foreach ($name in $Before | Where-Object -FilterScript { $wanted -notcontains (Get-SuperUserKey -Name $_) }) {
        Remove-AipServiceSuperUser -EmailAddress $name -ErrorAction Stop
    }
}

function Get-WantedGroup {
    # The address of a group; '' for none.
    param ($Option, [string]$Name)

    $text = "$($Option[$Name])".Trim()
    if (-not $text) {
        return
    }
    if ($text -eq $none) {
        return ''
    }
    if ($text -notmatch '^[^@\s]+@[^@\s]+$') {
        throw "$Name is '$text': expected the address of a mail-enabled group such as name@example.com, or none."
    }
    $text
}

function Read-DevicePlatform {
    $found = @{}
    foreach ($item in Get-AipServiceDevicePlatform -All -ErrorAction Stop) {
        $found["$($item.Key)"] = ConvertFrom-ServiceState -Value $item.Value
    }
    $value = [ordered]@{}
    foreach ($name in $platforms.Keys) {
        if ($found.ContainsKey($platforms[$name])) {
            $value[$name] = $found[$platforms[$name]]
        }
    }
    $value
}

function Get-WantedPlatform {
    param ($Option, $Value)

    $both = @($Option.enabled_platforms | Where-Object -FilterScript { $_ -and $Option.disabled_platforms -contains $_ })
    if ($both) {
        throw "enabled_platforms and disabled_platforms both have $($both -join ', '): expected a platform in one of them."
    }
    if ($null -eq $Option.enabled_platforms -and $null -eq $Option.disabled_platforms) {
        return
    }
    $wanted = [ordered]@{}
    foreach ($name in $platforms.Keys) {
        if ($Option.enabled_platforms -contains $name) {
            $wanted[$name] = $true
        }
        elseif ($Option.disabled_platforms -contains $name) {
            $wanted[$name] = $false
        }
        elseif ($null -ne $Value -and $Value.Contains($name)) {
            $wanted[$name] = $Value[$name]
        }
    }
    $wanted
}

function Write-DevicePlatform {
    param ($Value, $Before)

    foreach ($state in $true, $false) {
        $parameter = @{ ErrorAction = 'Stop' }
        foreach ($name in $platforms.Keys) {
            if ($Value[$name] -eq $state -and $Before[$name] -ne $state) {
                $parameter[$platforms[$name]] = $true
            }
        }
        if ($parameter.Count -gt 1) {
            if ($state) { Enable-AipServiceDevicePlatform @parameter } else { Disable-AipServiceDevicePlatform @parameter }
        }
    }
}

function Get-SettingKey {
    # What counts of a value when it is compared. Addresses and ids have no case.
    param ([string]$Name, $Value)

    if ($null -eq $Value) {
        return 'unknown'
    }
    $key = $settings[$Name].Key
    "$(if ($key) { & $key $Value } else { $Value })".ToLowerInvariant()
}

function Read-ServiceSetting {
    <#
    .SYNOPSIS
    All settings of the tenant, by one look: an ordered dictionary. What cannot be read is $null, with the reason in the notes.

    .PARAMETER Note
    Takes the reasons.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [AllowEmptyCollection()]
        [Collections.Generic.List[string]]
        $Note
    )

    $found = [ordered]@{}
    foreach ($name in $settings.Keys) {
        try {
            $found[$name] = & $settings[$name].Read
            if ($found[$name] -is [Collections.IList]) {
                # ConvertTo-Json of 5.1 makes an object of a list that came out of a pipeline.
                $found[$name] = [string[]]$found[$name]
            }
        }
        catch {
            $found[$name] = $null
            $Note.Add("$name cannot be read: $(Get-AipFailure -ErrorRecord $_)")
        }
    }
    $found
}

function Get-SettingPlan {
    <#
    .SYNOPSIS
    The settings that differ: objects with Name, Before and After.

    .PARAMETER Wanted
    Setting -> value; those that are not managed are left out.

    .PARAMETER Found
    Setting -> value as it is.

    .PARAMETER Note
    The reasons why settings could not be read.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Wanted,

        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Found,

        [AllowEmptyCollection()]
        [string[]]
        $Note
    )

    foreach ($name in $settings.Keys) {
        if (-not $Wanted.Contains($name)) {
            continue
        }
        if ($null -eq $Found[$name]) {
            throw "$(@($Note | Where-Object -FilterScript { $_ -like "$name cannot*" }) -join ' ') Nothing was changed."
        }
        if ((Get-SettingKey -Name $name -Value $Found[$name]) -cne (Get-SettingKey -Name $name -Value $Wanted[$name])) {
            [pscustomobject]@{ Name = $name; Before = $Found[$name]; After = $Wanted[$name]; Writing = $false }
        }
    }
}

function Test-RightsManagementServer {
    # Whether the forest has the service connection point of AD RMS, by which clients find it.
    $configuration = ([adsi]'LDAP://RootDSE').Properties['configurationNamingContext'].Value
    if (-not $configuration) {
        throw 'the directory did not answer'
    }
    [adsi]::Exists("LDAP://CN=SCP,CN=RightsManagementServices,CN=Services,$configuration")
}

function Assert-Activation {
    # Microsoft: do not activate the service while AD RMS is deployed; deactivate it only when protected content is not needed any more.
    param ($Option, [object[]]$Change)

    $activation = $Change | Where-Object -FilterScript { $_.Name -eq 'activated' }
    if (-not $activation) {
        return
    }
    if (-not $activation.After) {
        if ($Option.force -notcontains 'deactivation') {
            throw ('activated is false, and the service is activated: users cannot open protected content after a deactivation. Nothing was changed. ' +
                'To deactivate the service, add deactivation to force.')
        }
        return
    }
    if ($Option.force -contains 'activation') {
        return
    }
    $remedy = 'Nothing was changed. Migrate from AD RMS first; or add activation to force if AD RMS and the service have different users.'
    if ($Option.ad_rms_deployed) {
        throw "The service is not activated while AD RMS is deployed (ad_rms_deployed). $remedy"
    }
    if ($null -eq $Option.ad_rms_deployed) {
        $found = try {
            Test-RightsManagementServer
        }
        catch {
            throw ("Whether AD RMS is deployed in the forest cannot be read: $($_.Exception.GetBaseException().Message) Nothing was changed. " +
                'If it is not, state that with ad_rms_deployed: false.')
        }
        if ($found) {
            throw "The service is not activated while AD RMS is deployed: the forest has its service connection point. $remedy"
        }
    }
}

function Write-ServiceSetting {
    # Writes one setting that still is as it was found, and reads it back. Returns whether it was written.
    param ($Change, [Collections.Generic.List[string]]$Note)

    $name = $Change.Name
    $setting = $settings[$name]
    $wanted = Get-SettingKey -Name $name -Value $Change.After
    $now = & $setting.Read
    $key = Get-SettingKey -Name $name -Value $now
    if ($key -ceq $wanted) {
        $Note.Add("$name was set by another administrator meanwhile.")
        return $false
    }
    if ($key -cne (Get-SettingKey -Name $name -Value $Change.Before)) {
        throw "another administrator has just changed it from $(Format-Setting -Value $Change.Before) to $(Format-Setting -Value $now). Run the task again"
    }
    $Change.Writing = $true
    $null = & $setting.Write $Change.After $Change.Before
    for ($i = 1; $i -le $readBacks; $i++) {
        $now = & $setting.Read
        if ((Get-SettingKey -Name $name -Value $now) -ceq $wanted) {
            return $true
        }
        if ($i -lt $readBacks) {
            Start-Sleep -Seconds $readBackPause
        }
    }
    throw "the service took $(Format-Setting -Value $Change.After) and still shows $(Format-Setting -Value $now). Run the task again to see whether it does later"
}

function Test-Written {
    # Whether a write that failed has changed the setting: of several super users, some may have been written. $null when it cannot be read.
    param ($Change)

    try {
        $now = & $settings[$Change.Name].Read
        (Get-SettingKey -Name $Change.Name -Value $now) -cne (Get-SettingKey -Name $Change.Name -Value $Change.Before)
    }
    catch {
        $null
    }
}

function Format-Setting {
    param ($Value)

    if ($Value -is [Collections.IDictionary]) {
        return @($Value.Keys | ForEach-Object -Process { "$_=$($Value[$_])" }) -join ', '
    }
    if ($Value -is [Collections.IList]) {
        return "($($Value -join ', '))"
    }
    "'$Value'"
}

function New-ServiceReceipt {
    param ([object[]]$Change, $Tenant, [switch]$Restore)

    $now = [datetime]::UtcNow
    $content = [ordered]@{
        receipt = [ordered]@{
            schema = $receiptSchema
            collection = 'infoprotect.aip'
            module = $source
            time = $now.ToString('yyyy-MM-ddTHH:mm:ssZ', [cultureinfo]::InvariantCulture)
            tenant = $Tenant.id
        }
        settings = [ordered]@{}
    }
    foreach ($item in $Change) {
        $content.settings[$item.Name] = [ordered]@{ before = $item.Before; after = $item.After }
    }
    # latest never means one that a restore wrote
    $name = if ($Restore) { 'restore' } else { $source }
    Save-Receipt -FolderName $folderName -Source $name -Time $now -Text (ConvertTo-Json -InputObject $content -Depth 5)
}

function Get-RestoreValue {
    # Of a receipt: the values to restore, and the settings that were changed since.
    param ($Option, $Receipt, $Found)

    $wanted = [ordered]@{}
    $kept = @()
    $all = $Receipt.Content.settings
    foreach ($name in $settings.Keys) {
        if (-not $all.ContainsKey($name)) {
            continue
        }
        $saved = $all[$name]
        if ($saved -isnot [Collections.IDictionary] -or -not $saved.ContainsKey('before')) {
            throw "restore: $($Receipt.Path) has no previous value of $($name): expected a receipt as the module writes it."
        }
        $now = Get-SettingKey -Name $name -Value $Found[$name]
        $foreign = $now -cne (Get-SettingKey -Name $name -Value $saved.after) -and $now -cne (Get-SettingKey -Name $name -Value $saved.before)
        if ($foreign -and $Option.force -notcontains 'restore') {
            $kept += $name
        }
        elseif ($name -eq 'activated' -and -not $saved.before -and $Option.force -notcontains 'deactivation') {
            $kept += $name
        }
        elseif ($saved.before -is [Collections.IList]) {
            $wanted[$name] = [string[]]$saved.before
        }
        else {
            $wanted[$name] = $saved.before
        }
    }
    @{ Wanted = $wanted; Kept = $kept }
}

function Get-WantedSetting {
    # The settings that the options manage, with their values; what is wrong with an option is an error.
    param ($Option, $Found, $Tenant)

    $days = $Option.max_use_license_days
    if ($null -ne $days -and ($days -lt 0 -or $days -gt 65535)) {
        throw "max_use_license_days is $($days): expected 0 to 65535."
    }
    $wanted = [ordered]@{}
    foreach ($name in $settings.Keys) {
        $value = & $settings[$name].Wanted $Option $Found[$name] $Tenant
        if ($value -is [Collections.IList]) {
            $wanted[$name] = [string[]]$value
        }
        elseif ($null -ne $value) {
            $wanted[$name] = $value
        }
    }
    $wanted
}

function Invoke-ProtectionService {
    <#
    .SYNOPSIS
    Signs in, compares the settings with the options, changes those that differ one by one, and signs out. Fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    # options are checked before signing in
    $managed = Get-WantedSetting -Option $Module.Params -Found @{} -Tenant @{}
    if ($Module.Params.restore -and $managed.Count) {
        throw "restore is given together with $(@($managed.Keys) -join ', '): expected a receipt, or settings."
    }
    $receipt = if ($Module.Params.restore) {
        try {
            Open-Receipt -FolderName $folderName -Name $Module.Params.restore -Force:($Module.Params.force -contains 'restore')
        }
        catch {
            throw "restore: $($_.Exception.Message)"
        }
    }
    Invoke-AipService -Option $Module.Params -Action { param ($version) Set-ProtectionService -Module $Module -Version $version -Receipt $receipt }
}

function Set-ProtectionService {
    # The work between sign-in and sign-out.
    param ($Module, [string]$Version, $Receipt)

    $option = $Module.Params
    $result = $Module.Result
    $notes = New-Object -TypeName 'System.Collections.Generic.List[string]'
    $tenant = Get-TenantState -Note $notes
    Assert-Cloud -Option $option -Tenant $tenant
    $found = Read-ServiceSetting -Note $notes
    $result.tenant = Get-TenantResult -Tenant $tenant -Version $Version -Onboarding $found.onboarding
    $result.settings = $found
    $result.receipt = $null
    $result.restored = $null
    $result.not_restored = [string[]]@()
    $result.changes = [string[]]@()
    if ($option.details) {
        Read-TenantDetail -Result $result -Tenant $tenant -Note $notes
    }

    if ($Receipt) {
        $of = $Receipt.Content.receipt
        if ($Receipt.Content.settings -isnot [Collections.IDictionary] -or $of.module -ne $source -or $of.tenant -ne $tenant.id) {
            throw "$($Receipt.Path) belongs to $($of.module) and the tenant '$($of.tenant)': expected $source and the tenant '$($tenant.id)'."
        }
        $restore = Get-RestoreValue -Option $option -Receipt $Receipt -Found $found
        $wanted = $restore.Wanted
        $result.not_restored = [string[]]$restore.Kept
        $result.restored = $Receipt.Path
    }
    else {
        $wanted = Get-WantedSetting -Option $option -Found $found -Tenant $tenant
    }
    $changes = @(Get-SettingPlan -Wanted $wanted -Found $found -Note $notes)
    Assert-Activation -Option $option -Change $changes
    $result.notes = [string[]]$notes
    # also in check mode: what is planned by it counts with it
    foreach ($item in $changes) {
        if ($item.Name -eq 'activated') {
            $result.tenant.activated = $item.After
            $result.tenant.functional_state = if ($item.After) { 'Enabled' } else { 'Disabled' }
        }
        elseif ($item.Name -eq 'onboarding') {
            $result.tenant.onboarding = $item.After
        }
    }
    $Module.Diff.before = @{}
    $Module.Diff.after = @{}
    foreach ($item in $changes) {
        $Module.Diff.before[$item.Name] = $item.Before
        $Module.Diff.after[$item.Name] = $item.After
    }
    if ($Module.CheckMode -or -not $changes) {
        $result.changed = $changes.Count -gt 0
        $result.changes = [string[]]@($changes | ForEach-Object -Process { $_.Name })
        return
    }

    $result.receipt = New-ServiceReceipt -Change $changes -Tenant $tenant -Restore:($null -ne $Receipt)
    $done = New-Object -TypeName 'System.Collections.Generic.List[string]'
    foreach ($item in $changes) {
        try {
            if (Write-ServiceSetting -Change $item -Note $notes) {
                $done.Add($item.Name)
            }
            $found[$item.Name] = $item.After
        }
        catch {
            $reason = (Get-AipFailure -ErrorRecord $_).TrimEnd('.')
            $written = if ($item.Writing) { Test-Written -Change $item } else { $false }
            if ($written -ne $false) {
                $done.Add($(if ($null -eq $written) { "perhaps $($item.Name)" } else { $item.Name }))
            }
            $result.changed = $done.Count -gt 0
            $result.changes = $done.ToArray()
            $before = if ($done.Count) { "Changed: $($done -join ', '); the receipt $($result.receipt) has the previous values." } else { 'Nothing was changed.' }
            throw "$($item.Name): $reason. Expected: $(Format-Setting -Value $item.After). $before"
        }
    }
    $result.changed = $done.Count -gt 0
    $result.changes = $done.ToArray()
    $result.notes = [string[]]$notes
}

function Get-TenantResult {
    # What the modules return of the tenant.
    param ($Tenant, [string]$Version, $Onboarding)

    @{
        id = $Tenant.id
        activated = $Tenant.activated
        functional_state = $Tenant.functional_state
        url = $Tenant.url
        onboarding = $Onboarding
        module_version = $Version
    }
}

function Invoke-ProtectionServiceInfo {
    <#
    .SYNOPSIS
    Signs in, reads all that the service tells of the tenant, and signs out. Fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    Invoke-AipService -Option $Module.Params -Action { param ($version) Read-ProtectionService -Module $Module -Version $version }
}

function Read-ProtectionService {
    # The work between sign-in and sign-out.
    param ($Module, [string]$Version)

    $result = $Module.Result
    $notes = New-Object -TypeName 'System.Collections.Generic.List[string]'
    $tenant = Get-TenantState -Note $notes
    Assert-Cloud -Option $Module.Params -Tenant $tenant
    $result.settings = Read-ServiceSetting -Note $notes
    $result.tenant = Get-TenantResult -Tenant $tenant -Version $Version -Onboarding $result.settings.onboarding
    Read-TenantDetail -Result $result -Tenant $tenant -Note $notes
    $result.notes = [string[]]$notes
}

function Read-TenantDetail {
    # What the service tells beside the settings: keys, administrators and templates. What the account may not read is a note.
    param ($Result, $Tenant, [Collections.Generic.List[string]]$Note)

    $parts = @(
        @{ Name = 'tenant_keys'; Read = { Read-TenantKey } }
        @{ Name = 'administrators'; Read = { Read-Administrator -Tenant $Tenant } }
        @{ Name = 'templates'; Read = { Read-Template } }
    )
    foreach ($part in $parts) {
        try {
            $Result[$part.Name] = @(& $part.Read)
        }
        catch {
            $Result[$part.Name] = $null
            $Note.Add("$($part.Name) cannot be read: $(Get-AipFailure -ErrorRecord $_)")
        }
    }
}

function Read-TenantKey {
    # The tenant keys, the oldest first, which is the default key.
    foreach ($key in Get-AipServiceKeys -ErrorAction Stop | Sort-Object -Property CreationTime) {
        $created = ([datetime]$key.CreationTime).ToUniversalTime()
        @{
            id = "$($key.KeyIdentifier)"
            status = "$($key.Status)"
            type = "$($key.KeyType)"
            created = $created.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", [cultureinfo]::InvariantCulture)
            age_days = [int][Math]::Floor(([datetime]::UtcNow - $created).TotalDays)
        }
    }
}

function Read-Administrator {
    # Who has which role of the service. Ids that only the configuration of the tenant tells are named, too.
    param ($Tenant)

    foreach ($role in 'ConnectorAdministrator', 'GlobalAdministrator') {
        $holders = Get-RoleHolder -Role $role -AdministratorId $Tenant.administrator_ids
        foreach ($member in $holders.Members) {
            @{ role = $role; email = $member.Email; object_id = $member.Id; name = $member.Name }
        }
        foreach ($id in $holders.Ids | Where-Object -FilterScript { @($holders.Members | ForEach-Object -Process { $_.Id }) -notcontains $_ }) {
            @{ role = $role; email = ''; object_id = $id; name = '' }
        }
    }
}

Export-ModuleMember -Function Get-ProtectionServiceSpec, Invoke-ProtectionService, Invoke-ProtectionServiceInfo
