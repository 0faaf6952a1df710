#!powershell

# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#Requires -Version 5.1
#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ..module_utils._Host
#AnsibleRequires -PowerShell ..module_utils._Policy
#AnsibleRequires -PowerShell ..module_utils._Registry
#AnsibleRequires -PowerShell ..module_utils._Tls

$spec = @{
    options = @{
        state = @{ type = 'str'; choices = 'present', 'absent'; default = 'present' }
        minimum = @{ type = 'str'; choices = @('1.2'); default = '1.2' }
        parts = @{ type = 'list'; elements = 'str'; choices = 'schannel_client', 'schannel_server', 'dotnet', 'winhttp' }
        disable_older = @{ type = 'str'; choices = 'auto', 'always', 'never'; default = 'auto' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$failure = $null
try {
    $wanted = Get-TlsDesiredState -Option $module.Params -Build (Get-OperatingSystem).build -Role (Get-ServerRole)
    $plan = Get-RegistryPlan -Value $wanted.Values
    # All that is read comes before the writing: once written, the task must not fail.
    $module.Result.parts = $wanted.Parts
    $module.Result.notes = $wanted.Notes + @(Get-PolicyNote -Value $wanted.Values -Policy (Get-PolicyValue))
    $module.Result.reboot_required = Test-TlsRestartRequired -Plan $plan -Due (Test-TlsRestartDue)
    Invoke-RegistryPlan -Module $module -Plan $plan
}
catch {
    $failure = $_
}
if ($failure) {
    $module.FailJson($failure.Exception.Message, $failure)
}
$module.ExitJson()
