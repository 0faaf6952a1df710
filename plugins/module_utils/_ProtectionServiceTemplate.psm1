# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Protection templates of a tenant: read, compared with their desired state, created and changed. Default templates and those of labels are left alone.

#AnsibleRequires -PowerShell ..module_utils._AipService
#AnsibleRequires -PowerShell ..module_utils._OwnFolder

$most = 500
$backupsKept = 50
$rights = 'DOCEDIT', 'EDIT', 'EXPORT', 'EXTRACT', 'FORWARD', 'OBJMODEL', 'OWNER', 'PRINT', 'REPLY', 'REPLYALL', 'VIEW'
# Microsoft: not all applications support these in a name
$unsupported = '[<>%&/?;+\\:#]'
$states = @{ archived = 'Archived'; published = 'Published' }
$expirations = @{ after_days = 'AfterDays'; never = 'Never'; on_date = 'OnDate' }
# How the service shows everybody of an organization
$allStaff = '^AllStaff-7184AB3F-CCD1-46F3-8233-3E09E9CF0E66@'
$dateFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'"
$listDefault = @()

function Get-TemplateSpec {
    <#
    .SYNOPSIS
    The options of the module protection_service_template, without those that sign in.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param ()

    @{
        options = @{
            templates = @{
                type = 'list'
                elements = 'dict'
                default = $listDefault
                options = @{
                    id = @{ type = 'str' }
                    names = @{ type = 'dict' }
                    descriptions = @{ type = 'dict' }
                    rights = @{
                        type = 'list'
                        elements = 'dict'
                        options = @{
                            email = @{ type = 'str' }
                            domain = @{ type = 'str' }
                            rights = @{ type = 'list'; elements = 'str'; required = $true; choices = $rights }
                        }
                        mutually_exclusive = @(, @('email', 'domain'))
                        required_one_of = @(, @('email', 'domain'))
                    }
                    state = @{ type = 'str'; choices = 'archived', 'published' }
                    expiration = @{ type = 'str'; choices = 'after_days', 'never', 'on_date' }
                    expiration_date = @{ type = 'str' }
                    expiration_days = @{ type = 'int' }
                    offline_days = @{ type = 'int' }
                    scoped_identities = @{ type = 'list'; elements = 'str' }
                    show_in_legacy_apps = @{ type = 'bool' }
                }
                required_one_of = @(, @('id', 'names'))
            }
        }
    }
}

function ConvertFrom-LocaleText {
    # Texts by locale: pairs, a dictionary, or '1033 -> text', as Microsoft's sample shows them.
    param ($Value)

    $items = if ($Value -is [Collections.IDictionary]) { $Value.GetEnumerator() } else { $Value }
    $texts = @{}
    foreach ($item in $items) {
        if ("$item" -match '^\s*(\d+) -> ((?s).*)$') {
            $texts[$Matches[1]] = $Matches[2]
        }
        elseif ($null -ne $item.Key) {
            $texts["$($item.Key)"] = "$($item.Value)"
        }
    }
    $found = [ordered]@{}
    foreach ($locale in $texts.Keys | Sort-Object) {
        $found[$locale] = $texts[$locale]
    }
    $found
}

function ConvertFrom-RightsDefinition {
    # 'holder -> RIGHT, RIGHT', as Microsoft's sample shows it; the properties are not documented.
    param ($Value)

    $found = [ordered]@{}
    foreach ($item in $Value) {
        if ("$item" -notmatch '^\s*(\S.*?) -> (.*?)\s*$') {
            throw "the service returned the rights '$item': expected an address and rights"
        }
        $found[$Matches[1]] = @($Matches[2] -split '\s*,\s*' | Where-Object -FilterScript { $_ } | Sort-Object)
    }
    $found
}

function Read-Template {
    <#
    .SYNOPSIS
    The templates of the tenant, or one of them: ordered dictionaries.

    .PARAMETER Id
    The id of the one.
    #>
    [CmdletBinding()]
    param (
        [string]
        $Id
    )

    $parameter = @{ ErrorAction = 'Stop' }
    if ($Id) {
        $parameter.TemplateId = [guid]$Id
    }
    foreach ($template in Get-AipServiceTemplate @parameter) {
        $name = "$($template.ContentExpirationOption)"
        $expires = $template.ContentExpirationDate
        $onDate = $name -eq 'OnDate' -and $expires -is [datetime]
        [ordered]@{
            id = "$($template.TemplateId)"
            names = ConvertFrom-LocaleText -Value $template.Names
            descriptions = ConvertFrom-LocaleText -Value $template.Descriptions
            state = "$($template.Status)".ToLowerInvariant()
            rights = ConvertFrom-RightsDefinition -Value $template.RightsDefinitions
            expiration = [string]($expirations.Keys | Where-Object -FilterScript { $expirations[$_] -eq $name })
            expiration_date = if ($onDate) { $expires.ToUniversalTime().ToString($dateFormat, [cultureinfo]::InvariantCulture) } else { $null }
            expiration_days = [int]$template.ContentValidityDuration
            offline_days = [int]$template.LicenseValidityDuration
            scoped_identities = @($template.ScopedIdentities | Where-Object -FilterScript { $_ } | ForEach-Object -Process { "$_" } | Sort-Object)
            show_in_legacy_apps = [bool]$template.EnableInLegacyApps
            default = [bool]$template.ReadOnly
            label_id = if ($template.LabelId) { "$($template.LabelId)" } else { $null }
        }
    }
}

function Get-TemplateName {
    # How messages call a template.
    param ($Template)

    @($Template.names.Values) + @($Template.id) | Where-Object -FilterScript { $_ } | Select-Object -First 1
}

function Assert-WantedTemplate {
    # What is wrong with an option, before anybody signs in.
    param ($Wanted)

    $name = Get-TemplateName -Template $Wanted
    if ($Wanted.id) {
        $null = ConvertTo-Guid -Name id -Text $Wanted.id
    }
    foreach ($option in 'names', 'descriptions') {
        if ($null -eq $Wanted[$option]) {
            continue
        }
        if (-not $Wanted[$option].Count) {
            throw "$($option) of the template '$name' is empty: expected a text for each locale, such as 1033."
        }
        foreach ($locale in $Wanted[$option].Keys) {
            if ("$locale" -notmatch '^\d+$') {
                throw "$($option) of the template '$name' has the locale '$locale': expected a number such as 1033."
            }
            if (-not "$($Wanted[$option][$locale])".Trim()) {
                throw "$($option) of the template '$name' has no text for the locale $($locale): expected one."
            }
        }
    }
    foreach ($text in $Wanted.names.Values) {
        if ("$text" -match $unsupported) {
            throw "names has '$text': expected a name without < > % & / ? ; + \ : #, which not all applications support."
        }
    }
    if ($Wanted.expiration -eq 'on_date') {
        $null = ConvertTo-ExpirationDate -Text $Wanted.expiration_date
    }
    elseif ($Wanted.expiration_date) {
        throw "expiration_date of the template '$name' is given: expected it with expiration: on_date only."
    }
    if (($Wanted.expiration -eq 'after_days') -ne ($null -ne $Wanted.expiration_days)) {
        throw "expiration_days of the template '$name': expected together with expiration: after_days, and only then."
    }
    if ($null -ne $Wanted.expiration_days -and $Wanted.expiration_days -lt 1) {
        throw "expiration_days of the template '$name' is $($Wanted.expiration_days): expected 1 or more."
    }
    if ($null -ne $Wanted.offline_days -and ($Wanted.offline_days -lt -1 -or $Wanted.offline_days -gt 9999)) {
        throw "offline_days of the template '$name' is $($Wanted.offline_days): expected -1 (unlimited) to 9999."
    }
}

function ConvertTo-ExpirationDate {
    param ([string]$Text)

    $date = [datetime]::MinValue
    $style = [Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal'
    $formats = [string[]]@('yyyy-MM-dd', $dateFormat)
    if (-not [datetime]::TryParseExact($Text, $formats, [cultureinfo]::InvariantCulture, $style, [ref]$date)) {
        throw "expiration_date is '$Text': expected a date such as 2027-12-31."
    }
    $date
}

function Find-Template {
    # The template that is meant, by its id, or by a name in the same locale; nothing where there is none.
    param ($Wanted, [object[]]$Found)

    $name = Get-TemplateName -Template $Wanted
    $meant = @(if ($Wanted.id) {
            $id = [string](ConvertTo-Guid -Name id -Text $Wanted.id)
            $Found | Where-Object -FilterScript { $_.id -eq $id }
        }
        else {
            foreach ($template in $Found) {
                $same = @($Wanted.names.Keys | Where-Object -FilterScript { $template.names["$_"] -and $template.names["$_"] -eq $Wanted.names[$_] })
                if ($same) {
                    $template
                }
            }
        })
    if ($Wanted.id -and -not $meant) {
        throw "The tenant has no template with the id $($Wanted.id). Leave out id to create the template."
    }
    if ($meant.Count -gt 1) {
        throw "The tenant has $($meant.Count) templates with the name '$name' ($(@($meant | ForEach-Object -Process { $_.id }) -join ', ')). Name one with id."
    }
    if ($meant -and $meant[0].default) {
        throw "The template '$name' is a default template, which cannot be changed. Create one with another name."
    }
    if ($meant -and $meant[0].label_id) {
        throw "The template '$name' belongs to the label $($meant[0].label_id). Change the label."
    }
    $meant | Select-Object -First 1
}

function ConvertTo-WantedRight {
    param ($Wanted)

    $found = [ordered]@{}
    foreach ($item in $Wanted) {
        $holder = if ($item.email) { $item.email.Trim() } else { $item.domain.Trim() }
        $found[$holder] = @($item.rights | Sort-Object -Unique)
    }
    $found
}

function Get-PropertyKey {
    # What counts of a property when it is compared.
    param ([string]$Name, $Value)

    switch ($Name) {
        { $_ -in 'names', 'descriptions' } {
            return @($Value.Keys | Sort-Object -Property { "$_" } | ForEach-Object -Process { "$_=$($Value[$_])" }) -join "`n"
        }
        rights {
            $lines = foreach ($holder in $Value.Keys) {
                # the portal gives two rights that the cmdlet cannot give
                $granted = @($Value[$holder] | Where-Object -FilterScript { $rights -contains $_ } | Sort-Object) -join ','
                "$($holder -replace $allStaff)=$granted".ToLowerInvariant()
            }
            return @($lines | Sort-Object) -join "`n"
        }
        scoped_identities {
            return @($Value | ForEach-Object -Process { "$_".ToLowerInvariant() } | Sort-Object) -join ' '
        }
    }
    "$Value"
}

function Get-TemplatePlan {
    <#
    .SYNOPSIS
    What has to be done with one template: an object with Name, Before ($null where it is new), After (the properties that differ) and Id.

    .PARAMETER Wanted
    The options of the template.

    .PARAMETER Found
    The templates of the tenant.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [Collections.IDictionary]
        $Wanted,

        [AllowEmptyCollection()]
        [object[]]
        $Found
    )

    $name = Get-TemplateName -Template $Wanted
    $before = Find-Template -Wanted $Wanted -Found $Found
    $properties = [ordered]@{}
    foreach ($option in 'names', 'descriptions', 'state', 'expiration', 'expiration_days', 'offline_days', 'scoped_identities', 'show_in_legacy_apps') {
        if ($null -ne $Wanted[$option]) {
            $properties[$option] = $Wanted[$option]
        }
    }
    foreach ($option in 'names', 'descriptions') {
        if ($properties.Contains($option)) {
            $properties[$option] = ConvertFrom-LocaleText -Value $properties[$option]
        }
    }
    if ($null -ne $Wanted.rights) {
        $properties.rights = ConvertTo-WantedRight -Wanted $Wanted.rights
    }
    if ($Wanted.expiration -eq 'on_date') {
        $properties.expiration_date = (ConvertTo-ExpirationDate -Text $Wanted.expiration_date).ToString($dateFormat, [cultureinfo]::InvariantCulture)
    }

    $locales = foreach ($option in 'names', 'descriptions') {
        $texts = if ($properties.Contains($option)) { $properties[$option] } elseif ($before) { $before[$option] } else { @{} }
        @($texts.Keys | ForEach-Object -Process { "$_" } | Sort-Object) -join ', '
    }
    if ($locales[0] -ne $locales[1]) {
        throw "The template '$name' has names for the locales '$($locales[0])', and descriptions for '$($locales[1])': expected the same locales."
    }
    if (-not $before) {
        if (-not $properties.Contains('state')) {
            $properties.state = 'archived'
        }
        return [pscustomobject]@{ Name = $name; Id = ''; Before = $null; After = $properties }
    }
    $after = [ordered]@{}
    foreach ($property in $properties.Keys) {
        if ((Get-PropertyKey -Name $property -Value $before[$property]) -cne (Get-PropertyKey -Name $property -Value $properties[$property])) {
            $after[$property] = $properties[$property]
        }
    }
    if ($after.Count) {
        [pscustomobject]@{ Name = $name; Id = $before.id; Before = $before; After = $after }
    }
}

function ConvertTo-TemplateParameter {
    # The parameters of Add-AipServiceTemplate and Set-AipServiceTemplateProperty.
    param ($After)

    $parameter = @{ ErrorAction = 'Stop' }
    foreach ($property in $After.Keys) {
        $value = $After[$property]
        switch ($property) {
            { $_ -in 'names', 'descriptions' } {
                $texts = @{}
                foreach ($locale in $value.Keys) {
                    $texts[[int]$locale] = $value[$locale]
                }
                $parameter[$(if ($_ -eq 'names') { 'Names' } else { 'Descriptions' })] = $texts
            }
            rights {
                $parameter.RightsDefinitions = @(foreach ($holder in $value.Keys) {
                        $who = if ($holder -match '@' -or $holder -eq 'IPC_USER_ID_OWNER') { @{ EmailAddress = $holder } } else { @{ DomainName = $holder } }
                        New-AipServiceRightsDefinition @who -Rights ([string[]]$value[$holder]) -ErrorAction Stop
                    })
            }
            state { $parameter.Status = $states[$value] }
            expiration { $parameter.ContentExpirationOption = $expirations[$value] }
            # date and days mean something with their option only
            expiration_date {
                $parameter.ContentExpirationOption = $expirations.on_date
                # local time, which the service turns into UTC
                $parameter.ContentExpirationDate = (ConvertTo-ExpirationDate -Text $value).ToLocalTime()
            }
            expiration_days {
                $parameter.ContentExpirationOption = $expirations.after_days
                $parameter.ContentValidityDuration = [int]$value
            }
            offline_days { $parameter.LicenseValidityDuration = [int]$value }
            scoped_identities { $parameter.ScopedIdentities = [Collections.Generic.List[string]]@($value | ForEach-Object -Process { "$_" }) }
            show_in_legacy_apps { $parameter.EnableInLegacyApps = [bool]$value }
        }
    }
    $parameter
}

function Backup-Template {
    # Microsoft: export a template before it is changed. Import-AipServiceTemplate restores it.
    param ([string]$Id)

    $folder = Initialize-OwnFolder -Name protection_service
    $time = [datetime]::UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", [cultureinfo]::InvariantCulture)
    $path = [IO.Path]::Combine($folder, "template-$time-$Id.xml")
    $null = Export-AipServiceTemplate -TemplateId ([guid]$Id) -Path $path -Force -ErrorAction Stop
    $files = @([IO.Directory]::GetFiles($folder, 'template-*.xml') | Sort-Object -Descending | Select-Object -Skip $backupsKept)
    foreach ($file in $files) {
        Remove-Item -LiteralPath $file -Force -ErrorAction SilentlyContinue
    }
    $path
}

function Write-Template {
    # Creates or changes one template, and reads it back. Returns the path of the backup.
    param ($Plan, [object[]]$Found)

    $parameter = ConvertTo-TemplateParameter -After $Plan.After
    $backup = $null
    if ($Plan.Id) {
        $now = Read-Template -Id $Plan.Id
        $differs = @($now.Keys | Where-Object -FilterScript {
                (Get-PropertyKey -Name $_ -Value $now[$_]) -cne (Get-PropertyKey -Name $_ -Value $Plan.Before[$_])
            })
        if ($differs) {
            throw "another administrator has just changed $($differs -join ', ') of it. Run the task again"
        }
        $backup = Backup-Template -Id $Plan.Id
        $null = Set-AipServiceTemplateProperty -TemplateId ([guid]$Plan.Id) @parameter
        $after = Read-Template -Id $Plan.Id
    }
    else {
        $null = Add-AipServiceTemplate @parameter
        $known = @($Found | ForEach-Object -Process { $_.id })
        $after = Read-Template | Where-Object -FilterScript {
            $known -notcontains $_.id -and (Get-PropertyKey -Name names -Value $_.names) -ceq (Get-PropertyKey -Name names -Value $Plan.After.names)
        } | Select-Object -First 1
        if (-not $after) {
            throw 'the service took it and does not show it. Run the task again to see whether it does later'
        }
    }
    $wrong = @($Plan.After.Keys | Where-Object -FilterScript {
            (Get-PropertyKey -Name $_ -Value $after[$_]) -cne (Get-PropertyKey -Name $_ -Value $Plan.After[$_])
        })
    if ($wrong) {
        throw "the service took the change and shows another value of $($wrong -join ', '). Compare the template in the result of the next run"
    }
    $backup
}

function Invoke-ProtectionServiceTemplate {
    <#
    .SYNOPSIS
    Signs in, creates and changes templates, and signs out. Fills the module's result.

    .PARAMETER Module
    The Ansible module.
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        $Module
    )

    foreach ($wanted in $Module.Params.templates) {
        Assert-WantedTemplate -Wanted $wanted
    }
    Invoke-AipService -Option $Module.Params -Action { Set-ProtectionServiceTemplate -Module $Module }
}

function Set-ProtectionServiceTemplate {
    # The work between sign-in and sign-out.
    param ($Module)

    $result = $Module.Result
    $tenant = Get-TenantState -Note (New-Object -TypeName 'System.Collections.Generic.List[string]')
    Assert-Cloud -Option $Module.Params -Tenant $tenant
    $found = @(Read-Template)
    $plans = @(foreach ($wanted in $Module.Params.templates) {
            Get-TemplatePlan -Wanted $wanted -Found $found
        })
    $twice = @($plans | Where-Object -FilterScript { $_.Id } | Group-Object -Property Id | Where-Object -FilterScript { $_.Count -gt 1 })
    if ($twice) {
        throw "templates has $($twice[0].Group[0].Name) twice: expected each template once."
    }
    $own = @($found | Where-Object -FilterScript { -not $_.default }).Count
    $new = @($plans | Where-Object -FilterScript { -not $_.Id }).Count
    if ($new -and $own + $new -gt $most) {
        throw "The tenant has $own templates, and this task adds ${new}: expected $most at most. Export archived templates and remove them."
    }
    $Module.Diff.before = @{}
    $Module.Diff.after = @{}
    foreach ($plan in $plans) {
        $before = @{}
        foreach ($property in $plan.After.Keys) {
            if ($plan.Before) {
                $before[$property] = $plan.Before[$property]
            }
        }
        $Module.Diff.before[$plan.Name] = $before
        $Module.Diff.after[$plan.Name] = $plan.After
    }
    $describe = {
        param ($plan, $backup)
        @{ name = $plan.Name; id = $plan.Id; action = $(if ($plan.Id) { 'change' } else { 'create' }); properties = @($plan.After.Keys); backup = $backup }
    }
    $result.templates = $found
    if ($Module.CheckMode -or -not $plans) {
        $result.changed = $plans.Count -gt 0
        $result.changes = @(foreach ($plan in $plans) { & $describe $plan $null })
        return
    }
    $result.changes = @()
    foreach ($plan in $plans) {
        try {
            $backup = Write-Template -Plan $plan -Found $found
        }
        catch {
            throw "The template '$($plan.Name)': $((Get-AipFailure -ErrorRecord $_).TrimEnd('.'))."
        }
        $result.changed = $true
        $result.changes += & $describe $plan $backup
    }
    $result.templates = @(Read-Template)
}

Export-ModuleMember -Function Get-TemplatePlan, Get-TemplateSpec, Invoke-ProtectionServiceTemplate, Read-Template
