#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._ReceiptReader
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._RegistryData
#AnsibleRequires -PowerShell ..module_utils._Restart
#AnsibleRequires -PowerShell ..module_utils._Restore

$spec = @{
    options = @{
        receipt = @{ type = 'str'; default = 'latest' }
        force = @{ type = 'bool'; default = $false }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$module.Result.changes = @()
$module.Result.not_restored = @()
$module.Result.receipt = $null
$module.Result.restored = $null
$failure = $null
try {
    $pending = @(Get-PendingRestartReason -PolicyValue (Get-PolicyValue).Values)
    $receipt = Get-Receipt -Name $module.Params.receipt -Force:$module.Params.force
    $module.Result.reboot_reasons = [string[]]@(Get-RestartReason -Pending $pending)
    $module.Result.reboot_required = $module.Result.reboot_reasons.Count -gt 0
    if ($receipt) {
        $plan = Get-RestorePlan -Receipt $receipt -Force:$module.Params.force
        $module.Result.not_restored = $plan.Foreign
        if ($plan.Foreign.Count) {
            $names = $plan.Foreign | ForEach-Object -Process { Format-RegistryName -Key $_ -Name $_.name }
            throw "Changed since the receipt $($receipt.Path) was written, so nothing was restored: $($names -join '; '). force overwrites them."
        }
        $module.Result.reboot_reasons = [string[]]@(Get-RestartReason -Change $plan.Changes -Pending $pending)
        $module.Result.reboot_required = $module.Result.reboot_reasons.Count -gt 0
        $kept = Invoke-SettingPlan -Module $module -Plan $plan
        $module.Result.not_restored = @($plan.Kept) + @($kept)
        $module.Result.restored = @{ path = $receipt.Path; module = $receipt.Module; time = $receipt.Time }
    }
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
