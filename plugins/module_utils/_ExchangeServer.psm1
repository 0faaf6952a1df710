# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# Whether a host is an Exchange server. The roles aip_bootstrap and irm_server send this text to hosts without Windows PowerShell 5.1, in a command
# line of at most 8191 characters: keep it short, for PowerShell 3.0, with comments on lines of their own, and without Export-ModuleMember.

# The management tools alone leave the key Setup, too. Setup of a server also leaves the value Services or the key of a role, by which Microsoft's
# CSS-Exchange tells them apart (Confirm-ExchangeShell).
function Test-ExchangeServer ([string]$Line) {
    $key = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64').OpenSubKey("SOFTWARE\Microsoft\ExchangeServer\$Line")
    $setup = if ($key) { $key.OpenSubKey('Setup') }
    $role = '^(Mailbox|ClientAccess|HubTransport|UnifiedMessaging|EdgeTransport)Role$'
    [bool]($setup -and ($null -ne $setup.GetValue('Services') -or $key.GetSubKeyNames() -match $role))
}
