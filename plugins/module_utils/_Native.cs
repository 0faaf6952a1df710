// Copyright (c) 2026, infoprotect.aip maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Internal to infoprotect.aip, may change in any release. C# 5, for .NET Framework and .NET.

using Microsoft.Win32.SafeHandles;
using System;
using System.ComponentModel;
using System.IO;
using System.Runtime.InteropServices;

namespace ansible_collections.infoprotect.aip.plugins.module_utils._Native
{
    internal static class NativeMethods
    {
        [DllImport("advapi32.dll", CharSet = CharSet.Unicode)]
        public static extern int RegQueryValueExW(
            SafeRegistryHandle key, string name, IntPtr reserved, out uint type, byte[] data, ref uint size);

        [DllImport("advapi32.dll", CharSet = CharSet.Unicode)]
        public static extern int RegSetValueExW(
            SafeRegistryHandle key, string name, uint reserved, uint type, byte[] data, uint size);

        [DllImport("advapi32.dll", CharSet = CharSet.Unicode)]
        public static extern int RegDeleteValueW(SafeRegistryHandle key, string name);

        [DllImport("advapi32.dll", CharSet = CharSet.Unicode)]
        public static extern int RegQueryInfoKeyW(
            SafeRegistryHandle key, IntPtr className, IntPtr classSize, IntPtr reserved, IntPtr subKeys,
            IntPtr longestSubKey, IntPtr longestClass, IntPtr values, IntPtr longestName, IntPtr longestData,
            IntPtr descriptorSize, out long lastWrite);

        [DllImport("ntdll.dll")]
        public static extern int NtQuerySystemInformation(int kind, byte[] buffer, int size, out int returned);

        [DllImport("kernel32.dll", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool GlobalMemoryStatusEx([In, Out] MemoryStatus status);

        [DllImport("kernel32.dll", SetLastError = true, CharSet = CharSet.Unicode)]
        public static extern SafeFileHandle CreateFileW(
            string name, uint access, uint share, IntPtr security, uint disposition, uint flags, IntPtr template);

        [DllImport("kernel32.dll", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool GetFileInformationByHandle(SafeFileHandle file, [Out] byte[] information);

        [DllImport("netapi32.dll", CharSet = CharSet.Unicode)]
        public static extern int DsRoleGetPrimaryDomainInformation(string server, int level, out IntPtr buffer);

        [DllImport("netapi32.dll")]
        public static extern void DsRoleFreeMemory(IntPtr buffer);
    }

    // DSROLE_PRIMARY_DOMAIN_INFO_BASIC
    [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
    internal struct PrimaryDomain
    {
        public int MachineRole;
        public uint Flags;
        public string DomainNameFlat;
        public string DomainNameDns;
        public string DomainForestName;
        public Guid DomainGuid;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal class MemoryStatus
    {
        public uint Length = (uint)Marshal.SizeOf(typeof(MemoryStatus));
        public uint Load;
        public ulong TotalPhysical;
        public ulong AvailablePhysical;
        public ulong TotalPageFile;
        public ulong AvailablePageFile;
        public ulong TotalVirtual;
        public ulong AvailableVirtual;
        public ulong AvailableExtendedVirtual;
    }

    /// <summary>The data of a value as the registry holds it.</summary>
    public sealed class RawValue
    {
        public readonly uint Kind;
        public readonly byte[] Bytes;

        public RawValue(uint kind, byte[] bytes) { Kind = kind; Bytes = bytes; }

        /// <summary>The number of a REG_DWORD, null for every other type.</summary>
        public uint? Number
        {
            get { return Kind == 4 && Bytes.Length == 4 ? BitConverter.ToUInt32(Bytes, 0) : (uint?)null; }
        }

        /// <summary>Same type and same bytes; null stands for a value that does not exist.</summary>
        public static bool Same(RawValue a, RawValue b)
        {
            if (a == null || b == null)
                return a == null && b == null;
            return a.Kind == b.Kind && SameBytes(a.Bytes, b.Bytes, a.Bytes.Length, b.Bytes.Length);
        }

        /// <summary>Same, but text may have more or fewer NUL characters at its end.</summary>
        public static bool SameData(RawValue a, RawValue b)
        {
            if (a == null || b == null || a.Kind != b.Kind || !(a.Kind == 1 || a.Kind == 2 || a.Kind == 7))
                return Same(a, b);
            return SameBytes(a.Bytes, b.Bytes, TextLength(a.Bytes), TextLength(b.Bytes));
        }

        private static int TextLength(byte[] bytes)
        {
            int length = bytes.Length;
            if (length % 2 == 0)
                while (length > 0 && bytes[length - 1] == 0 && bytes[length - 2] == 0)
                    length -= 2;
            return length;
        }

        private static bool SameBytes(byte[] a, byte[] b, int lengthA, int lengthB)
        {
            if (lengthA != lengthB)
                return false;
            for (int i = 0; i < lengthA; i++)
                if (a[i] != b[i])
                    return false;
            return true;
        }

        // Encoding.Unicode would replace unpaired surrogates, which registry data may hold.
        public static string ToText(byte[] bytes)
        {
            char[] text = new char[bytes.Length / 2];
            Buffer.BlockCopy(bytes, 0, text, 0, text.Length * 2);
            return new string(text);
        }

        public static byte[] FromText(string text)
        {
            byte[] bytes = new byte[text.Length * 2];
            Buffer.BlockCopy(text.ToCharArray(), 0, bytes, 0, bytes.Length);
            return bytes;
        }

        /// <summary>Bytes of an even number of hexadecimal digits. The caller has checked the digits.</summary>
        public static byte[] FromHex(string digits)
        {
            byte[] bytes = new byte[digits.Length / 2];
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = (byte)(Digit(digits[2 * i]) << 4 | Digit(digits[2 * i + 1]));
            return bytes;
        }

        private static int Digit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }
    }

    /// <summary>
    /// Values of an open key, byte for byte. RegistryKey cannot do that: it changes text on the way and does not know every
    /// type. Errors are Win32Exception.
    /// </summary>
    public static class RawRegistry
    {
        private const int FileNotFound = 2;
        private const int MoreData = 234;

        /// <summary>The value, or null when there is none.</summary>
        public static RawValue Read(SafeRegistryHandle key, string name)
        {
            byte[] data = new byte[256];
            while (true)
            {
                uint kind;
                uint size = (uint)data.Length;
                int error = NativeMethods.RegQueryValueExW(key, name, IntPtr.Zero, out kind, data, ref size);
                if (error == FileNotFound)
                    return null;
                if (error == 0)
                {
                    Array.Resize(ref data, (int)size);
                    return new RawValue(kind, data);
                }
                if (error != MoreData)
                    throw new Win32Exception(error);
                data = new byte[Math.Max(size, 2 * (uint)data.Length)];
            }
        }

        public static void Write(SafeRegistryHandle key, string name, RawValue value)
        {
            // The function looks behind the end of text for a NUL to add. There is none here, so that nothing is added.
            byte[] data = new byte[value.Bytes.Length + 2];
            value.Bytes.CopyTo(data, 0);
            data[data.Length - 2] = data[data.Length - 1] = 0xFF;
            Check(NativeMethods.RegSetValueExW(key, name, 0, value.Kind, data, (uint)value.Bytes.Length));
        }

        /// <summary>A value that does not exist is no error.</summary>
        public static void Delete(SafeRegistryHandle key, string name)
        {
            int error = NativeMethods.RegDeleteValueW(key, name);
            if (error != FileNotFound)
                Check(error);
        }

        /// <summary>When a value or subkey of the key was last written, in UTC.</summary>
        public static DateTime LastWrite(SafeRegistryHandle key)
        {
            long time;
            IntPtr no = IntPtr.Zero;
            Check(NativeMethods.RegQueryInfoKeyW(key, no, no, no, no, no, no, no, no, no, no, out time));
            return DateTime.FromFileTimeUtc(time);
        }

        private static void Check(int error)
        {
            if (error != 0)
                throw new Win32Exception(error);
        }
    }

    /// <summary>Facts of the computer that are not in the registry. Errors are Win32Exception.</summary>
    public static class Machine
    {
        /// <summary>When Windows was started, in UTC.</summary>
        public static DateTime BootTime()
        {
            const int SystemTimeOfDayInformation = 3;
            byte[] buffer = new byte[48];
            int returned;
            int status = NativeMethods.NtQuerySystemInformation(SystemTimeOfDayInformation, buffer, buffer.Length, out returned);
            if (status != 0)
                throw new Win32Exception(status);
            return DateTime.FromFileTimeUtc(BitConverter.ToInt64(buffer, 0));
        }

        /// <summary>Physical memory that Windows can use, in bytes.</summary>
        public static ulong Memory()
        {
            MemoryStatus status = new MemoryStatus();
            if (!NativeMethods.GlobalMemoryStatusEx(status))
                throw new Win32Exception();
            return status.TotalPhysical;
        }
    }

    /// <summary>A file that is opened once, so that what is checked is what is read.</summary>
    public static class OpenFile
    {
        /// <summary>Opens the file of this very name for reading. It cannot be written or replaced until it is closed.</summary>
        /// <exception cref="IOException">It is a folder, or a link, which others could point elsewhere.</exception>
        /// <exception cref="Win32Exception">It cannot be opened.</exception>
        public static FileStream Read(string path)
        {
            const uint GenericRead = 0x80000000, ShareRead = 1, OpenExisting = 3, OpenReparsePoint = 0x00200000;
            SafeFileHandle handle = NativeMethods.CreateFileW(path, GenericRead, ShareRead, IntPtr.Zero, OpenExisting, OpenReparsePoint, IntPtr.Zero);
            if (handle.IsInvalid)
                throw new Win32Exception(Marshal.GetLastWin32Error());
            try
            {
                // BY_HANDLE_FILE_INFORMATION begins with the attributes.
                byte[] information = new byte[52];
                if (!NativeMethods.GetFileInformationByHandle(handle, information))
                    throw new Win32Exception(Marshal.GetLastWin32Error());
                FileAttributes attributes = (FileAttributes)BitConverter.ToInt32(information, 0);
                if ((attributes & (FileAttributes.ReparsePoint | FileAttributes.Directory)) != 0)
                    throw new IOException("it is a link or a folder");
                return new FileStream(handle, FileAccess.Read);
            }
            catch
            {
                handle.Dispose();
                throw;
            }
        }
    }

    /// <summary>The Active Directory domain that the computer has joined. Any account may ask.</summary>
    public sealed class Membership
    {
        /// <summary>DSROLE_MACHINE_ROLE: standalone and member workstation, standalone and member server, backup and primary
        /// domain controller, from 0 to 5.</summary>
        public readonly int Role;
        public readonly string FlatName;
        public readonly string DnsName;

        private Membership(PrimaryDomain domain)
        {
            Role = domain.MachineRole;
            FlatName = domain.DomainNameFlat;
            DnsName = domain.DomainNameDns;
        }

        public static Membership Read()
        {
            const int DsRolePrimaryDomainInfoBasic = 1;
            IntPtr buffer;
            int error = NativeMethods.DsRoleGetPrimaryDomainInformation(null, DsRolePrimaryDomainInfoBasic, out buffer);
            if (error != 0)
                throw new Win32Exception(error);
            try
            {
                return new Membership((PrimaryDomain)Marshal.PtrToStructure(buffer, typeof(PrimaryDomain)));
            }
            finally
            {
                NativeMethods.DsRoleFreeMemory(buffer);
            }
        }
    }
}
