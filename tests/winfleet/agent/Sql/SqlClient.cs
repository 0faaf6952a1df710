// What scripts use of System.Data.SqlClient, which the engine lacks, over the SQL Servers of the fleet (scanner.py). A query is one SELECT of
// scalar functions, as documented at https://learn.microsoft.com/sql/t-sql/functions; any other query is refused.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Data.Common;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace System.Data.SqlClient
{
    public sealed class SqlException : DbException
    {
        public int Number { get; private set; }

        public SqlException(int number, string message) : base(message) { Number = number; }
    }

    public sealed class SqlParameterCollection
    {
        internal readonly Dictionary<string, object> Values = new Dictionary<string, object>(StringComparer.OrdinalIgnoreCase);

        public void AddWithValue(string name, object value) { Values[name] = value; }
    }

    public sealed class SqlConnection : IDisposable
    {
        const string Servers = @"C:\windows\winfleet\shared\scanner.json";
        readonly DbConnectionStringBuilder text = new DbConnectionStringBuilder();
        JsonElement server;

        public SqlConnection(string connectionString) { text.ConnectionString = connectionString; }

        internal string Database { get { return Text("Initial Catalog") ?? "master"; } }
        internal static string Login { get { return Environment.UserDomainName + "\\" + Environment.UserName; } }

        string Text(string key)
        {
            object value;
            return text.TryGetValue(key, out value) ? (string)value : null;
        }

        public void Open()
        {
            if (!"True".Equals(Text("Integrated Security"), StringComparison.OrdinalIgnoreCase))
            {
                throw new SqlException(18456, "Login failed for user ''.");
            }
            var all = JsonDocument.Parse(File.ReadAllText(Servers)).RootElement.GetProperty("servers");
            if (!Find(all, Text("Data Source"), out server) || !server.GetProperty("reachable").GetBoolean())
            {
                throw new SqlException(53, "A network-related or instance-specific error occurred while establishing a connection to SQL Server. " +
                    "The server was not found or was not accessible. Verify that the instance name is correct and that SQL Server is configured to allow " +
                    "remote connections. (provider: Named Pipes Provider, error: 40 - Could not open a connection to SQL Server)");
            }
            if (Member("logins", Login).ValueKind == JsonValueKind.Undefined)
            {
                throw new SqlException(18456, "Login failed for user '" + Login + "'.");
            }
            if (Database != "master" && !(HasAccess(Database, Login) == 1))
            {
                throw new SqlException(4060, "Cannot open database \"" + Database + "\" requested by the login. The login failed.");
            }
        }

        public SqlCommand CreateCommand() { return new SqlCommand(this); }

        public void Dispose() { }

        public void Close() { }

        // Names on a server without regard to case, as its collation wants it.
        static bool Find(JsonElement element, string name, out JsonElement found)
        {
            foreach (var property in element.EnumerateObject())
            {
                if (property.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) { found = property.Value; return true; }
            }
            found = default(JsonElement);
            return false;
        }

        internal string Property(string name) { return server.GetProperty(name).GetString(); }

        internal JsonElement Member(string list, string name)
        {
            JsonElement found;
            return Find(server.GetProperty(list), name, out found) || Find(server.GetProperty(list), "*", out found) ? found : default(JsonElement);
        }

        internal object IsSysadmin(string login)
        {
            var found = Member("logins", login);
            return found.ValueKind == JsonValueKind.Undefined ? DBNull.Value : (object)(found.GetProperty("sysadmin").GetBoolean() ? 1 : 0);
        }

        internal object DatabaseCollation(string name)
        {
            JsonElement found;
            return Find(server.GetProperty("databases"), name, out found) ? (object)found.GetProperty("collation").GetString() : DBNull.Value;
        }

        internal object DatabaseId(string name)
        {
            int id = 5;
            foreach (var property in server.GetProperty("databases").EnumerateObject())
            {
                if (property.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) { return id; }
                id++;
            }
            return DBNull.Value;
        }

        internal int? HasAccess(string database, string login)
        {
            JsonElement found, user;
            if (!Find(server.GetProperty("databases"), database, out found)) { return null; }
            return 1.Equals(IsSysadmin(login)) || Find(found.GetProperty("users"), login, out user) ? 1 : 0;
        }

        // NULL for a user that the database does not have; sysadmins are dbo, who is a member of db_owner.
        internal object IsOwner(string account)
        {
            JsonElement found, user;
            if (!Find(server.GetProperty("databases"), Database, out found)) { return DBNull.Value; }
            if (account == Login && 1.Equals(IsSysadmin(account))) { return 1; }
            if (!Find(found.GetProperty("users"), account, out user)) { return DBNull.Value; }
            return user.EnumerateArray().Any(role => role.GetString() == "db_owner") ? 1 : 0;
        }
    }

    public sealed class SqlCommand : IDisposable
    {
        readonly SqlConnection connection;
        readonly SqlParameterCollection parameters = new SqlParameterCollection();

        internal SqlCommand(SqlConnection connection) { this.connection = connection; }

        public string CommandText { get; set; }
        public int CommandTimeout { get; set; }
        public SqlParameterCollection Parameters { get { return parameters; } }

        public SqlDataReader ExecuteReader()
        {
            var match = Regex.Match(CommandText, @"^\s*SELECT\s+(.*?)\s*$", RegexOptions.Singleline);
            var row = new List<KeyValuePair<string, object>>();
            foreach (var column in match.Success ? Regex.Split(match.Groups[1].Value, @",(?![^(]*\))") : new string[0])
            {
                var parts = Regex.Match(column, @"^\s*(\w+)\((.*)\)\s+AS\s+(\w+)\s*$", RegexOptions.Singleline);
                if (!parts.Success) { row.Clear(); break; }
                var arguments = parts.Groups[2].Value.Split(',').Select(text => text.Trim()).Where(text => text != "").Select(Value).ToArray();
                row.Add(new KeyValuePair<string, object>(parts.Groups[3].Value, Call(parts.Groups[1].Value.ToUpperInvariant(), arguments)));
            }
            if (row.Count == 0) { throw new SqlException(102, "Incorrect syntax near '" + CommandText + "'."); }
            return new SqlDataReader(row);
        }

        string Value(string text)
        {
            if (text.StartsWith("@")) { return (string)parameters.Values[text]; }
            return text.TrimStart('N').Trim('\'');
        }

        object Call(string function, string[] given)
        {
            switch (function + "/" + given.Length)
            {
                case "SERVERPROPERTY/1":
                    switch (given[0])
                    {
                        case "ProductVersion": return connection.Property("version");
                        case "Edition": return connection.Property("edition");
                        case "Collation": return connection.Property("collation");
                        default: return DBNull.Value;
                    }
                case "SUSER_SNAME/0": return SqlConnection.Login;
                case "IS_SRVROLEMEMBER/1": return given[0] == "sysadmin" ? connection.IsSysadmin(SqlConnection.Login) : DBNull.Value;
                case "DB_ID/1": return connection.DatabaseId(given[0]);
                case "HAS_DBACCESS/1": return (object)connection.HasAccess(given[0], SqlConnection.Login) ?? DBNull.Value;
                case "DATABASEPROPERTYEX/2": return given[1] == "Collation" ? connection.DatabaseCollation(given[0]) : DBNull.Value;
                case "IS_ROLEMEMBER/1": return given[0] == "db_owner" ? connection.IsOwner(SqlConnection.Login) : DBNull.Value;
                case "IS_ROLEMEMBER/2": return given[0] == "db_owner" ? connection.IsOwner(given[1]) : DBNull.Value;
                default: throw new SqlException(195, "'" + function + "' is not a recognized built-in function name.");
            }
        }

        public void Dispose() { }
    }

    public sealed class SqlDataReader : IDisposable
    {
        readonly List<KeyValuePair<string, object>> row;
        bool read;

        internal SqlDataReader(List<KeyValuePair<string, object>> row) { this.row = row; }

        public int FieldCount { get { return row.Count; } }

        public bool Read()
        {
            var first = !read;
            read = true;
            return first;
        }

        public string GetName(int index) { return row[index].Key; }

        public object GetValue(int index) { return row[index].Value; }

        public bool IsDBNull(int index) { return row[index].Value is DBNull; }

        public void Dispose() { }
    }
}
