// Membership of a domain as the host's registry has it; Wine always answers that it has joined none.
using System;
using System.Runtime.InteropServices;
using Microsoft.Win32;

internal static class Domain
{
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    delegate int JoinInformation(IntPtr server, IntPtr name, IntPtr status);
    [DllImport("netapi32.dll")]
    static extern int NetApiBufferAllocate(int size, out IntPtr buffer);

    public static void Complete()
    {
        Exports.Replace<JoinInformation>("netapi32.dll", "NetGetJoinInformation", (server, name, status) =>
        {
            string domain;
            using (var key = Registry.LocalMachine.OpenSubKey(@"SYSTEM\CurrentControlSet\Services\Netlogon\Parameters"))
            {
                domain = key == null ? null : key.GetValue("DomainName") as string;
            }
            var text = (string.IsNullOrEmpty(domain) ? "WORKGROUP" : domain) + "\0";
            IntPtr buffer;
            int code = NetApiBufferAllocate(2 * text.Length, out buffer);
            if (code != 0) { return code; }
            Marshal.Copy(text.ToCharArray(), 0, buffer, text.Length);
            Marshal.WriteIntPtr(name, buffer);
            Marshal.WriteInt32(status, string.IsNullOrEmpty(domain) ? 2 : 3);
            return 0;
        });
    }
}
