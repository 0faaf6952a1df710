// Membership of a domain as the host's registry has it; Wine always answers that it has joined none.
using System;
using System.Runtime.InteropServices;
using Microsoft.Win32;

internal static class Domain
{
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate int JoinInformation(IntPtr server, IntPtr name, IntPtr status);
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate int PrimaryDomainInformation(IntPtr server, int level, IntPtr answer);
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate void FreeMemory(IntPtr buffer);
    [DllImport("netapi32.dll")]
    static extern int NetApiBufferAllocate(int size, out IntPtr buffer);
    [DllImport("netapi32.dll")]
    static extern int NetApiBufferFree(IntPtr buffer);

    const int InvalidParameter = 87;

    public static void Complete()
    {
        Exports.Replace<JoinInformation>("netapi32.dll", "NetGetJoinInformation", (server, name, status) =>
        {
            var domain = Flat();
            var text = (string.IsNullOrEmpty(domain) ? "WORKGROUP" : domain) + "\0";
            IntPtr buffer;
            int code = NetApiBufferAllocate(2 * text.Length, out buffer);
            if (code != 0) { return code; }
            Marshal.Copy(text.ToCharArray(), 0, buffer, text.Length);
            Marshal.WriteIntPtr(name, buffer);
            Marshal.WriteInt32(status, string.IsNullOrEmpty(domain) ? 2 : 3);
            return 0;
        });
        // Only the level DsRolePrimaryDomainInfoBasic, in one buffer: the structure, then its texts.
        Exports.Replace<PrimaryDomainInformation>("netapi32.dll", "DsRoleGetPrimaryDomainInformation", (server, level, answer) =>
        {
            if (level != 1) { return InvalidParameter; }
            var flat = Flat();
            var dns = Read(@"SOFTWARE\Microsoft\Windows\CurrentVersion\Group Policy\History", "MachineDomain");
            var joined = !string.IsNullOrEmpty(flat);
            var type = Read(@"SYSTEM\CurrentControlSet\Control\ProductOptions", "ProductType");
            int role = type == "LanmanNT" ? 5 : type == "WinNT" ? (joined ? 1 : 0) : joined ? 3 : 2;
            var texts = new[] { joined ? flat : "WORKGROUP", joined ? dns : null, joined ? dns : null };
            int structure = 8 + 3 * IntPtr.Size + 16;
            int size = structure;
            foreach (var text in texts) { size += text == null ? 0 : 2 * text.Length + 2; }
            IntPtr buffer;
            int code = NetApiBufferAllocate(size, out buffer);
            if (code != 0) { return code; }
            for (int i = 0; i < structure; i++) { Marshal.WriteByte(buffer, i, 0); }
            Marshal.WriteInt32(buffer, 0, role);
            int offset = structure;
            for (int i = 0; i < texts.Length; i++)
            {
                if (texts[i] == null) { continue; }
                Marshal.WriteIntPtr(buffer, 8 + i * IntPtr.Size, buffer + offset);
                Marshal.Copy((texts[i] + "\0").ToCharArray(), 0, buffer + offset, texts[i].Length + 1);
                offset += 2 * texts[i].Length + 2;
            }
            Marshal.WriteIntPtr(answer, buffer);
            return 0;
        });
        Exports.Replace<FreeMemory>("netapi32.dll", "DsRoleFreeMemory", buffer => { NetApiBufferFree(buffer); });
    }

    static string Flat()
    {
        return Read(@"SYSTEM\CurrentControlSet\Services\Netlogon\Parameters", "DomainName");
    }

    static string Read(string path, string name)
    {
        using (var key = Registry.LocalMachine.OpenSubKey(path))
        {
            return key == null ? null : key.GetValue(name) as string;
        }
    }
}
