# Copyright (c) 2026, infoprotect.aip maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Internal to infoprotect.aip, may change in any release.
#
# The SQL Server of a scanner: whether it is reached, is new enough and sorts as the scanner needs it, and what this account and the scanner's may do.

# SQL Server 2016
$minimum = [version]'13.0'
# SqlException.Number: no server, no login, no such database
$loginFailed = 18456, 4060

function Get-ScannerSqlFact {
    <#
    .SYNOPSIS
    Compares a SQL Server with what Microsoft asks of it.

    .PARAMETER Account
    The account that runs the scanner.

    .OUTPUTS
    An object with Exists (whether the database is there), Refused and Notes (texts).
    #>
    [CmdletBinding()]
    param (
        [Parameter(Mandatory = $true)]
        [string]
        $Instance,

        [Parameter(Mandatory = $true)]
        [string]
        $Database,

        [Parameter(Mandatory = $true)]
        [string]
        $Account
    )

    $fact = [pscustomobject]@{
        Exists = $false
        Refused = [System.Collections.Generic.List[string]]::new()
        Notes = [System.Collections.Generic.List[string]]::new()
    }
    $server = "SQL Server $Instance"
    try {
        $found = Invoke-SqlSelect -Instance $Instance -Parameter @{ '@database' = $Database } -Query @'
SELECT SERVERPROPERTY('ProductVersion') AS version, SERVERPROPERTY('Edition') AS edition, SERVERPROPERTY('Collation') AS collation,
    SUSER_SNAME() AS login, IS_SRVROLEMEMBER('sysadmin') AS sysadmin, DB_ID(@database) AS id, HAS_DBACCESS(@database) AS access,
    DATABASEPROPERTYEX(@database, 'Collation') AS database_collation
'@
    }
    catch {
        $fact.Refused.Add((Format-SqlFailure -Server $server -ErrorRecord $_))
        return $fact
    }
    $version = [version]$found.version
    if ($version -lt $minimum) {
        $fact.Refused.Add("$server is version $($found.version): expected SQL Server 2016 (13.0) or later. Use another server")
    }
    $collation = if ($found.database_collation) { $found.database_collation } else { $found.collation }
    if ($collation -notmatch '_CI(?:_|$)') {
        $what = if ($found.database_collation) { "database $Database on $Instance" } else { $server }
        $fact.Refused.Add("$what has the collation ${collation}: expected one that ignores case (_CI). Use another instance, or have the database made with such a collation")
    }
    if ($found.edition -like 'Express*') {
        $fact.Notes.Add("$server is $($found.edition), which Microsoft recommends for test environments only.")
    }
    $fact.Exists = $null -ne $found.id
    if ($found.sysadmin -eq 1) {
        return $fact
    }
    if (-not $fact.Exists) {
        $fact.Refused.Add("$($found.login) is not sysadmin on $Instance, and the database $Database is not there: expected one of the two. Have a database administrator " +
            "create the database (CREATE DATABASE [$Database]; ALTER DATABASE [$Database] SET TRUSTWORTHY ON) with db_owner for $($found.login) and $Account")
        return $fact
    }
    Add-OwnerFact -Fact $fact -Instance $Instance -Database $Database -Account $Account -Login $found.login -Access ($found.access -eq 1)
    $fact
}

function Add-OwnerFact {
    # A database that a database administrator has made: who is db_owner in it.
    param ($Fact, [string]$Instance, [string]$Database, [string]$Account, [string]$Login, [bool]$Access)

    $remedy = "Have a database administrator give it that role (EXEC sp_addrolemember 'db_owner', ...)"
    if (-not $Access) {
        $Fact.Refused.Add("$Login has no access to the database $Database on ${Instance}: expected the role db_owner. $remedy")
        return
    }
    try {
        $found = Invoke-SqlSelect -Instance $Instance -Database $Database -Parameter @{ '@account' = $Account } -Query @'
SELECT IS_ROLEMEMBER('db_owner') AS mine, IS_ROLEMEMBER('db_owner', @account) AS theirs
'@
    }
    catch {
        $Fact.Refused.Add((Format-SqlFailure -Server "SQL Server $Instance" -ErrorRecord $_))
        return
    }
    if ($found.mine -ne 1) {
        $Fact.Refused.Add("$Login is not db_owner in the database $Database on ${Instance}. $remedy")
    }
    if ($found.theirs -ne 1) {
        $Fact.Refused.Add("the service account $Account is not db_owner in the database $Database on ${Instance}. $remedy")
    }
    $Fact.Notes.Add("The database $Database was made before: give $Account Full Control on HKLM\SOFTWARE\Microsoft\MSIPC\Server and HKLM\SOFTWARE\WOW6432Node\Microsoft\MSIPC\Server.")
}

function Format-SqlFailure {
    param ([string]$Server, $ErrorRecord)

    $failure = $ErrorRecord.Exception
    while ($failure.InnerException) {
        $failure = $failure.InnerException
    }
    $remedy = if ($failure.Number -in $loginFailed) {
        'Give this account a login. Over WinRM a host can sign in to other servers only with become, CredSSP or Kerberos delegation; ANONYMOUS LOGON means that it could not'
    }
    else {
        'Check the name, that the instance runs, and that the firewall lets this host reach it'
    }
    "sql_instance: $Server cannot be used: $($failure.Message) $remedy"
}

function Invoke-SqlSelect {
    # The one row of a query, as a hashtable; NULL is $null. Signs in as the account that runs this.
    param ([string]$Instance, [string]$Database = 'master', [hashtable]$Parameter, [string]$Query)

    $text = New-Object -TypeName System.Data.Common.DbConnectionStringBuilder
    foreach ($pair in @{ 'Data Source' = $Instance; 'Initial Catalog' = $Database; 'Integrated Security' = 'True'; 'Connect Timeout' = '15' }.GetEnumerator()) {
        $text[$pair.Key] = $pair.Value
    }
    $connection = New-Object -TypeName System.Data.SqlClient.SqlConnection -ArgumentList $text.ConnectionString
    try {
        $connection.Open()
        $command = $connection.CreateCommand()
        $command.CommandText = $Query
        foreach ($name in $Parameter.Keys) {
            $null = $command.Parameters.AddWithValue($name, $Parameter[$name])
        }
        $reader = $command.ExecuteReader()
        $null = $reader.Read()
        $row = @{}
        for ($i = 0; $i -lt $reader.FieldCount; $i++) {
            $row[$reader.GetName($i)] = if ($reader.IsDBNull($i)) { $null } else { $reader.GetValue($i) }
        }
        $reader.Dispose()
        $row
    }
    finally {
        $connection.Dispose()
    }
}

Export-ModuleMember -Function Get-ScannerSqlFact
