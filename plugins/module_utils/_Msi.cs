// Copyright (c) 2026, infoprotect.aip maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Internal to infoprotect.aip, may change in any release. C# 5, for .NET Framework and .NET.

using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace ansible_collections.infoprotect.aip.plugins.module_utils._Msi
{
    internal static class NativeMethods
    {
        [DllImport("msi.dll", CharSet = CharSet.Unicode)]
        public static extern uint MsiOpenDatabaseW(string path, IntPtr persist, out uint database);

        [DllImport("msi.dll", CharSet = CharSet.Unicode)]
        public static extern uint MsiDatabaseOpenViewW(uint database, string query, out uint view);

        [DllImport("msi.dll")]
        public static extern uint MsiViewExecute(uint view, uint record);

        [DllImport("msi.dll")]
        public static extern uint MsiViewFetch(uint view, out uint record);

        [DllImport("msi.dll", CharSet = CharSet.Unicode)]
        public static extern uint MsiRecordGetStringW(uint record, uint field, StringBuilder text, ref uint length);

        [DllImport("msi.dll")]
        public static extern uint MsiCloseHandle(uint handle);

        [DllImport("msi.dll", CharSet = CharSet.Unicode)]
        public static extern int MsiQueryProductStateW(string product);

        [DllImport("msi.dll", CharSet = CharSet.Unicode)]
        public static extern uint MsiGetProductInfoW(string product, string property, StringBuilder value, ref uint length);

        [DllImport("msi.dll", CharSet = CharSet.Unicode)]
        public static extern int MsiGetComponentPathW(string product, string component, StringBuilder path, ref uint length);
    }

    /// <summary>Reads a Windows Installer package. Errors are Win32Exception.</summary>
    public static class Package
    {
        private const uint NoMoreItems = 259;
        private const uint MoreData = 234;

        /// <summary>The table Property: ProductCode, ProductName, ProductVersion and the others.</summary>
        public static Dictionary<string, string> Properties(string path)
        {
            Dictionary<string, string> properties = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (string[] row in Rows(path, "SELECT `Property`, `Value` FROM `Property`", 2))
                properties[row[0]] = row[1];
            return properties;
        }

        /// <summary>The rows that a query finds, each with so many columns as text.</summary>
        public static List<string[]> Rows(string path, string query, int columns)
        {
            List<string[]> rows = new List<string[]>();
            uint database, view = 0;
            // No persistence: the file is opened for reading.
            Check(NativeMethods.MsiOpenDatabaseW(path, IntPtr.Zero, out database));
            try
            {
                Check(NativeMethods.MsiDatabaseOpenViewW(database, query, out view));
                Check(NativeMethods.MsiViewExecute(view, 0));
                while (true)
                {
                    uint record;
                    uint result = NativeMethods.MsiViewFetch(view, out record);
                    if (result == NoMoreItems)
                        return rows;
                    Check(result);
                    string[] row = new string[columns];
                    for (int i = 0; i < columns; i++)
                        row[i] = Text(record, (uint)i + 1);
                    rows.Add(row);
                    NativeMethods.MsiCloseHandle(record);
                }
            }
            finally
            {
                if (view != 0)
                    NativeMethods.MsiCloseHandle(view);
                NativeMethods.MsiCloseHandle(database);
            }
        }

        private static string Text(uint record, uint field)
        {
            uint length = 256;
            StringBuilder text = new StringBuilder((int)length);
            uint result = NativeMethods.MsiRecordGetStringW(record, field, text, ref length);
            if (result == MoreData)
            {
                text = new StringBuilder((int)++length);
                result = NativeMethods.MsiRecordGetStringW(record, field, text, ref length);
            }
            Check(result);
            return text.ToString();
        }

        private static void Check(uint error)
        {
            if (error != 0)
                throw new Win32Exception((int)error);
        }
    }

    /// <summary>What Windows Installer knows of a product, by its product code.</summary>
    public static class Product
    {
        private const int ComponentAbsent = 2;

        /// <summary>INSTALLSTATE: 5 installed, 2 installed for another user, 1 advertised, -1 unknown, -2 no product code, -6 corrupt.</summary>
        public static int State(string code)
        {
            return NativeMethods.MsiQueryProductStateW(code);
        }

        /// <summary>
        /// The programs with a name of this form that the product installed and that are gone. Empty when Windows keeps no copy of the package,
        /// which alone says what the product installs. Features that were left out have no components.
        /// </summary>
        public static List<string> MissingPrograms(string code, Regex name)
        {
            List<string> missing = new List<string>();
            uint length = 1024;
            StringBuilder package = new StringBuilder((int)length);
            if (NativeMethods.MsiGetProductInfoW(code, "LocalPackage", package, ref length) != 0)
                return missing;
            try
            {
                Dictionary<string, string> components = new Dictionary<string, string>(StringComparer.Ordinal);
                foreach (string[] row in Package.Rows(package.ToString(), "SELECT `KeyPath`, `ComponentId` FROM `Component`", 2))
                    components[row[0]] = row[1];
                foreach (string[] row in Package.Rows(package.ToString(), "SELECT `File`, `FileName` FROM `File`", 2))
                {
                    // short|long
                    string file = row[1].Substring(row[1].IndexOf('|') + 1);
                    string component;
                    if (name.IsMatch(file) && components.TryGetValue(row[0], out component) && IsMissing(code, component))
                        missing.Add(file);
                }
            }
            catch (Win32Exception)
            {
                missing.Clear();
            }
            return missing;
        }

        private static bool IsMissing(string code, string component)
        {
            uint length = 1024;
            StringBuilder path = new StringBuilder((int)length);
            return NativeMethods.MsiGetComponentPathW(code, component, path, ref length) == ComponentAbsent;
        }
    }
}
