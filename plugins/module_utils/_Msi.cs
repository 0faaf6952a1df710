// Copyright (c) 2026, infoprotect.aip maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Internal to infoprotect.aip, may change in any release. C# 5, for .NET Framework and .NET.

using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

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
    }

    /// <summary>What a Windows Installer package says of itself. Errors are Win32Exception.</summary>
    public static class Package
    {
        private const uint NoMoreItems = 259;
        private const uint MoreData = 234;

        /// <summary>The table Property: ProductCode, ProductName, ProductVersion and whatever else stands there.</summary>
        public static Dictionary<string, string> Properties(string path)
        {
            Dictionary<string, string> properties = new Dictionary<string, string>(StringComparer.Ordinal);
            uint database, view = 0;
            // No persistence: the file is opened for reading.
            Check(NativeMethods.MsiOpenDatabaseW(path, IntPtr.Zero, out database));
            try
            {
                Check(NativeMethods.MsiDatabaseOpenViewW(database, "SELECT `Property`, `Value` FROM `Property`", out view));
                Check(NativeMethods.MsiViewExecute(view, 0));
                while (true)
                {
                    uint record;
                    uint result = NativeMethods.MsiViewFetch(view, out record);
                    if (result == NoMoreItems)
                        return properties;
                    Check(result);
                    properties[Text(record, 1)] = Text(record, 2);
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
}
